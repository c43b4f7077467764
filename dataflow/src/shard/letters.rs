//! Dead letters on their way out: in the order of epochs, on a thread of their own, so that a slow broker delays letters
//! and not the views. The queue is bounded; when it is full, the shard waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use schemas::dead_letter::{DeadLetter, DeadLetterSink};
use schemas::error::Reject;
use schemas::position::SourcePosition;

use super::ShardError;

/// Letters that may wait.
const LETTERS_MAX: usize = 10_000;
/// Between two attempts to write a letter.
const RETRY: Duration = Duration::from_millis(500);

enum Note {
    Letter(Box<DeadLetter>),
    Flush(SyncSender<()>),
}

/// The way to the letters' thread.
pub(super) struct Letters {
    notes: SyncSender<Note>,
}

impl Letters {
    pub(super) fn start(sink: Box<dyn DeadLetterSink>, stop: Arc<AtomicBool>) -> std::io::Result<Self> {
        let (notes, noted) = sync_channel(LETTERS_MAX);
        let write = move || run(sink, &noted, &stop);
        std::thread::Builder::new().name("kgroot-dead-letters".to_owned()).spawn(write)?;
        Ok(Letters { notes })
    }

    /// Hands over what was refused in an epoch, with the original bytes.
    pub(super) fn write(
        &self,
        rejects: Vec<Reject>,
        originals: &BTreeMap<SourcePosition, (Vec<u8>, Vec<u8>)>,
    ) -> Result<(), ShardError> {
        for reject in rejects {
            let place = SourcePosition { item: 0, ..reject.position.clone() };
            let (key, value) = originals.get(&place).cloned().unwrap_or_default();
            metrics::counter!("kgroot_source_rejects_total", "code" => reject.error.code.as_str())
                .increment(1);
            self.tell(Note::Letter(Box::new(DeadLetter { reject, key, value })))?;
        }
        Ok(())
    }

    /// Waits until every letter handed over is durable.
    pub(super) fn flush(&self) -> Result<(), ShardError> {
        let (done, is_done) = sync_channel(1);
        self.tell(Note::Flush(done))?;
        is_done.recv().map_err(|_| ended())
    }

    fn tell(&self, note: Note) -> Result<(), ShardError> {
        self.notes.send(note).map_err(|_| ended())
    }
}

fn ended() -> ShardError {
    ShardError::Letters("their thread has ended; see the log".to_owned())
}

fn run(mut sink: Box<dyn DeadLetterSink>, notes: &Receiver<Note>, stop: &AtomicBool) {
    while let Ok(note) = notes.recv() {
        let written = match &note {
            Note::Letter(letter) => insist(stop, || sink.send(letter)),
            Note::Flush(_) => insist(stop, || sink.flush()),
        };
        if !written {
            return;
        }
        if let Note::Flush(done) = note {
            // Whoever waited has given up.
            let _told = done.send(());
        }
    }
}

/// Tries until it works; false when the shard ends before.
fn insist(stop: &AtomicBool, mut attempt: impl FnMut() -> Result<(), String>) -> bool {
    loop {
        match attempt() {
            Ok(()) => return true,
            Err(error) => tracing::error!(%error, "dead letters wait"),
        }
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::park_timeout(RETRY);
    }
}
