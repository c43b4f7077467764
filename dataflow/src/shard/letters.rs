//! Dead letters on their way out: in the order of epochs, beside the shard, so that a slow broker delays letters and not the
//! views. The queue is bounded; when it is full, the shard waits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use schemas::dead_letter::{DeadLetter, DeadLetterSink};
use schemas::error::Reject;
use schemas::position::SourcePosition;

use super::{Shard, ShardError};

/// Letters that may wait.
const LETTERS_MAX: usize = 10_000;
/// Before a letter that was not taken is sent again.
const RETRY: Duration = Duration::from_millis(100);

type Sink = Box<dyn DeadLetterSink>;
/// The sink comes back with the letters that it did not take.
type Written = (Sink, Vec<DeadLetter>);

/// Letters that are not written yet, and who writes them.
pub(super) struct Letters {
    queue: VecDeque<DeadLetter>,
    /// Absent while a batch is being written.
    sink: Option<Sink>,
    writing: Option<Receiver<Written>>,
}

impl Letters {
    pub(super) fn new(sink: Sink) -> Self {
        Letters { queue: VecDeque::new(), sink: Some(sink), writing: None }
    }

    fn done(&self) -> bool {
        self.queue.is_empty() && self.writing.is_none()
    }

    fn take_back(&mut self, (sink, refused): Written) {
        self.writing = None;
        self.sink = Some(sink);
        for letter in refused.into_iter().rev() {
            self.queue.push_front(letter);
        }
    }
}

impl Shard {
    /// Hands over what was refused in an epoch, with the original bytes.
    pub(super) fn write_letters(
        &mut self,
        rejects: Vec<Reject>,
        originals: &BTreeMap<SourcePosition, (Vec<u8>, Vec<u8>)>,
    ) -> Result<(), ShardError> {
        for reject in rejects {
            let place = SourcePosition { item: 0, ..reject.position.clone() };
            let (key, value) = originals.get(&place).cloned().unwrap_or_default();
            metrics::counter!("kgroot_source_rejects_total", "code" => reject.error.code.as_str())
                .increment(1);
            self.letters.queue.push_back(DeadLetter { reject, key, value });
        }
        self.advance_letters()?;
        while LETTERS_MAX < self.letters.queue.len() {
            self.await_letters()?;
        }
        Ok(())
    }

    /// Takes the next step of writing letters, if it can be taken without waiting.
    pub(super) fn advance_letters(&mut self) -> Result<(), ShardError> {
        if let Some(written) = self.letters.writing.as_ref().and_then(|writing| writing.try_recv().ok()) {
            self.take_letters_back(written)?;
        }
        if self.letters.queue.is_empty() {
            return Ok(());
        }
        let Some(sink) = self.letters.sink.take() else { return Ok(()) };
        let batch: Vec<DeadLetter> = self.letters.queue.drain(..).collect();
        let (done, writing) = channel();
        let job = move || {
            // A shard that has ended takes nothing back.
            let _taken = done.send(write(sink, batch));
        };
        self.background.spawn("kgroot-dead-letters", Box::new(job)).map_err(ShardError::Start)?;
        self.letters.writing = Some(writing);
        Ok(())
    }

    fn await_letters(&mut self) -> Result<(), ShardError> {
        self.advance_letters()?;
        let Some(writing) = &self.letters.writing else { return Ok(()) };
        self.background.expect();
        let Ok(written) = writing.recv() else { panic!("the writer of dead letters panicked") };
        if self.take_letters_back(written)? {
            if self.stopping() {
                return Err(ShardError::Letters("asked to stop while they could not be written".to_owned()));
            }
            self.background.pause(RETRY);
        }
        Ok(())
    }

    /// Takes back what was not written; whether there is any. Perhaps another process writes the letters now: then it is
    /// the owner.
    fn take_letters_back(&mut self, written: Written) -> Result<bool, ShardError> {
        let refused = !written.1.is_empty();
        self.letters.take_back(written);
        if refused {
            self.confirm_ownership()?;
        }
        Ok(refused)
    }

    /// Waits until every letter handed over is durable.
    pub(super) fn flush_letters(&mut self) -> Result<(), ShardError> {
        while !self.letters.done() {
            self.await_letters()?;
        }
        Ok(())
    }
}

/// Writes letters in order, up to the first that is not taken; what is given back may be durable nevertheless.
fn write(mut sink: Sink, letters: Vec<DeadLetter>) -> Written {
    let sent = letters.iter().try_for_each(|letter| sink.send(letter)).and_then(|()| sink.flush());
    match sent {
        Ok(()) => (sink, Vec::new()),
        Err(error) => {
            tracing::error!(%error, letters = letters.len(), "dead letters wait");
            (sink, letters)
        }
    }
}
