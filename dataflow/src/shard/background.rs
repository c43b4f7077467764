//! What may take long runs beside the shard: on threads of its own, or, in the proving ground, when the simulation says so.

use std::io;
use std::time::Duration;

/// Something to do once.
pub type Job = Box<dyn FnOnce() + Send>;

/// Who does it.
pub trait Background: Send {
    /// Has a job done, now or later. The job tells its result itself.
    fn spawn(&mut self, name: &str, job: Job) -> io::Result<()>;

    /// The shard is about to wait for a job.
    fn expect(&mut self);

    /// Lets time pass before something is tried again.
    fn pause(&mut self, time: Duration);
}

/// A thread for each job.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads;

impl Background for Threads {
    fn spawn(&mut self, name: &str, job: Job) -> io::Result<()> {
        std::thread::Builder::new().name(name.to_owned()).spawn(job).map(drop)
    }

    fn expect(&mut self) {}

    fn pause(&mut self, time: Duration) {
        // Waking early is fine: whatever it was is tried again.
        std::thread::park_timeout(time);
    }
}
