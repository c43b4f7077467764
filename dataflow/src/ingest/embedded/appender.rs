//! Appends of all who send, one after the other, by a thread of its own that lets readers go first: whoever waits for the disk
//! must not stand before whoever answers.

use std::sync::Arc;
use std::thread::JoinHandle;

use schemas::time::EventTime;
use tokio::sync::{mpsc, oneshot};

use super::EmbeddedLog;
use crate::ingest::log::LogError;
use crate::priority::let_readers_first;

/// Appends that may wait before who sends them waits.
const WAITING_MAX: usize = 64;

/// Appends to an embedded log; cheap to clone. When the last one is dropped, what was asked for is done and the log is let go.
#[derive(Clone)]
pub struct EmbeddedAppender(Arc<Running>);

struct Running {
    /// `None` only while it is dropped.
    asked: Option<mpsc::Sender<Asked>>,
    thread: Option<JoinHandle<()>>,
}

struct Asked {
    topic: String,
    at: EventTime,
    values: Vec<Vec<u8>>,
    /// The first offset.
    reply: oneshot::Sender<Result<i64, LogError>>,
}

impl EmbeddedAppender {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(log: EmbeddedLog) -> std::io::Result<Self> {
        let (asked, mut next) = mpsc::channel::<Asked>(WAITING_MAX);
        let work = move || {
            let_readers_first();
            while let Some(Asked { topic, at, values, reply }) = next.blocking_recv() {
                // Whoever stopped waiting is not told.
                let _told = reply.send(log.append(&topic, at, &values));
            }
        };
        let thread = std::thread::Builder::new().name("kgroot-append".to_owned()).spawn(work)?;
        Ok(EmbeddedAppender(Arc::new(Running { asked: Some(asked), thread: Some(thread) })))
    }

    /// As [`EmbeddedLog::append`]; `None` if the thread has ended by a panic.
    pub async fn append(
        &self,
        topic: String,
        at: EventTime,
        values: Vec<Vec<u8>>,
    ) -> Option<Result<i64, LogError>> {
        let (reply, answer) = oneshot::channel();
        self.0.asked.as_ref()?.send(Asked { topic, at, values, reply }).await.ok()?;
        answer.await.ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.asked.take());
        // A panic was reported when it happened.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_in_the_log_when_the_last_appender_is_gone() {
        let folder = std::env::temp_dir().join(format!("kgroot-appender-{}", std::process::id()));
        let values = |count: u8| (0..count).map(|value| vec![value]).collect::<Vec<_>>();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let appender = EmbeddedAppender::start(EmbeddedLog::open(&folder, i64::MAX).unwrap()).unwrap();
        let append = |count| appender.append("otel-t".to_owned(), EventTime(1), values(count));
        runtime.block_on(async {
            assert_eq!(append(3).await.unwrap().unwrap(), 0);
            // Asked for once, and not waited for.
            tokio::select! {
                biased;
                _ = append(2) => {}
                () = std::future::ready(()) => {}
            }
        });
        drop(appender);
        // It would be refused while the thread had it.
        let log = EmbeddedLog::open(&folder, i64::MAX).unwrap();
        assert_eq!(log.append("otel-t", EventTime(2), &values(1)).unwrap(), 5);
        drop(log);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
