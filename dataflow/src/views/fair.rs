//! A lock with one writer, who lets everybody read who waits, before it writes again.
//!
//! With the lock of the standard library the writer has it again before a reader has woken. Who waits for that of parking_lot,
//! which can be handed over, gives up its processor a few times first, with the rest of its slice, and comes back after everybody
//! else. Here a reader sleeps at once, and the writer sleeps until those threads have run that found it writing; who has found
//! it writing, but not said so before it looks, waits for one more change. A thread that reads a value does not read it again
//! before it has let it go. See docs/adr/0028.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

/// A value that many read and one thread writes.
#[derive(Debug)]
pub(super) struct Fair<T> {
    value: RwLock<T>,
    /// Readers that found it being written, and do not have it yet.
    waiting: Mutex<usize>,
    served: Condvar,
}

impl<T> Fair<T> {
    pub(super) fn new(value: T) -> Self {
        Fair { value: RwLock::new(value), waiting: Mutex::new(0), served: Condvar::new() }
    }

    /// The value, as soon as the writer lets it go.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, T> {
        if let Ok(value) = self.value.try_read() {
            return value;
        }
        *self.waiting() += 1;
        // A panic of the writer ends the engine, and with it what is read.
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = self.waiting();
        *waiting -= 1;
        if *waiting == 0 {
            self.served.notify_one();
        }
        value
    }

    /// Changes the value, then waits until nobody waits any more: asleep, so that its processor is theirs. Nobody comes to
    /// wait meanwhile but who has found it being written, so that it ends.
    pub(super) fn write<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let changed = change(&mut self.value.write().unwrap_or_else(PoisonError::into_inner));
        let served = self.served.wait_while(self.waiting(), |waiting| 0 < *waiting);
        drop(served.unwrap_or_else(PoisonError::into_inner));
        changed
    }

    fn waiting(&self) -> MutexGuard<'_, usize> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_reads_before_the_next_change() {
        let fair = Fair::new(0);
        for turn in 0..1_000 {
            let seen = std::thread::scope(|scope| {
                let reading = fair.write(|value| {
                    let reading = scope.spawn(|| *fair.read());
                    while *fair.waiting() == 0 && !reading.is_finished() {
                        std::thread::yield_now();
                    }
                    *value = 2 * turn + 1;
                    reading
                });
                fair.write(|value| *value = 2 * turn + 2);
                reading.join()
            });
            assert_eq!(seen.ok(), Some(2 * turn + 1));
        }
    }
}
