//! Priority: threads that compute let those that answer go first.
//!
//! Where processors are short, a reader waits for each of the threads between its request and its answer. What is computed a
//! few milliseconds later is seen a few milliseconds later; see docs/adr/0024.

/// Niceness, as of `nice(2)`, that a computing thread adds to its own. A thread of usual niceness counts nine times as much.
#[cfg(target_os = "linux")]
const COMPUTES: i32 = 10;

/// Lets threads of usual niceness go before the calling one, and before those that it starts.
#[cfg(target_os = "linux")]
pub(crate) fn let_readers_first() {
    // On Linux niceness is a thread's own. Where it is refused, all threads stay alike.
    if let Err(error) = rustix::process::nice(COMPUTES) {
        tracing::debug!(%error, "niceness is not changed");
    }
}

/// Elsewhere niceness is that of the whole process.
#[cfg(not(target_os = "linux"))]
pub(crate) fn let_readers_first() {}
