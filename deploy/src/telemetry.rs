//! Logs of the program itself: to stderr, as text; the level by `KGROOT_LOG`.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging.
pub fn start() {
    let filter = EnvFilter::try_from_env("KGROOT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let text = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start, as in tests, keeps the first.
    let _started = text.try_init();
}
