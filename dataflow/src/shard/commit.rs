//! Decisions: appended to the control log, read back, and only then acted upon.
//!
//! While the log is away, the shard waits. An append of which nobody knows whether it was taken is settled by a greater
//! term of our own: what of it comes after that term is void, and what came before it stands in the log.

use std::time::Instant;

use super::{RETRY, Shard, ShardError};
use crate::control::ledger::Fate;
use crate::control::record::{ControlRecord, Term};
use crate::ingest::log::LogError;

/// Attempts to take the shard over when others do so at the same time.
const TERMS_MAX: usize = 100;

impl Shard {
    /// Appends a record, and reads the log up to it: it counts only if no other process took over before it.
    pub(super) fn commit(&mut self, mut record: ControlRecord) -> Result<(), ShardError> {
        loop {
            let begun = Instant::now();
            match self.control.append(&record.encode()) {
                Ok(appended) => {
                    self.read_back(appended)?;
                    let took = begun.elapsed().as_secs_f64();
                    metrics::histogram!("kgroot_control_commit_seconds").record(took);
                    return Ok(());
                }
                Err(error) => self.wait_for_control(error)?,
            }
            self.confirm_ownership()?;
            self.raise_term(Self::still_owner)?;
            if self.stands(&record) {
                return Ok(());
            }
            match &mut record {
                ControlRecord::Term(term) => term.term = self.term,
                ControlRecord::Seal(seal) => seal.term = self.term,
                ControlRecord::Snapshot(mark) => mark.term = self.term,
            }
        }
    }

    /// Whether another process has taken over by now.
    pub(super) fn confirm_ownership(&mut self) -> Result<(), ShardError> {
        self.catch_up_with_control()?;
        self.still_owner()
    }

    /// Appends a greater term than any, whoever has that, and reads the log up to it.
    pub(super) fn take_over(&mut self) -> Result<(), ShardError> {
        self.catch_up_with_control()?;
        self.raise_term(|_| Ok(()))
    }

    /// Appends a greater term than any until one of ours counts, or until `may` says that we must not.
    fn raise_term(&mut self, may: fn(&Self) -> Result<(), ShardError>) -> Result<(), ShardError> {
        for _ in 0..TERMS_MAX {
            may(self)?;
            self.term = self.ledger.term + 1;
            let term = Term { term: self.term, owner: self.policy.owner.clone() };
            match self.control.append(&ControlRecord::Term(term).encode()) {
                Ok(appended) => match self.read_back(appended) {
                    // Somebody took the same term first: a greater one.
                    Err(ShardError::TakenOver { .. }) => {}
                    outcome => return outcome,
                },
                Err(error) => {
                    self.wait_for_control(error)?;
                    self.catch_up_with_control()?;
                }
            }
        }
        Err(self.taken_over())
    }

    fn read_back(&mut self, appended: i64) -> Result<(), ShardError> {
        let fate = self.take_control(Some(appended))?;
        match fate {
            Some(Fate::Valid) if self.ledger.term == self.term => Ok(()),
            Some(_) => Err(self.taken_over()),
            None => Err(ShardError::Lost(appended)),
        }
    }

    fn catch_up_with_control(&mut self) -> Result<(), ShardError> {
        self.take_control(None).map(drop)
    }

    /// Takes what stands in the log by now; gives the fate of the record at an offset.
    fn take_control(&mut self, at: Option<i64>) -> Result<Option<Fate>, ShardError> {
        let records = loop {
            match self.control.read(self.ledger.next) {
                Ok(records) => break records,
                Err(error) => self.wait_for_control(error)?,
            }
        };
        let mut fate = None;
        for (offset, bytes) in records {
            let taken = self.ledger.take(offset, &bytes)?;
            if at == Some(offset) {
                fate = Some(taken);
            }
        }
        Ok(fate)
    }

    /// Waits a little, unless waiting does not help.
    fn wait_for_control(&mut self, error: LogError) -> Result<(), ShardError> {
        let passing = matches!(error, LogError::Unknown(_) | LogError::Unreachable { .. });
        if !passing || self.stopping() {
            return Err(error.into());
        }
        tracing::warn!(%error, "the shard waits for its control log");
        self.background.pause(RETRY);
        Ok(())
    }

    fn still_owner(&self) -> Result<(), ShardError> {
        if self.ledger.owner == self.policy.owner { Ok(()) } else { Err(self.taken_over()) }
    }

    fn taken_over(&self) -> ShardError {
        ShardError::TakenOver { owner: self.ledger.owner.clone(), term: self.ledger.term }
    }

    /// Whether a record of ours stands, by what it decides.
    fn stands(&self, record: &ControlRecord) -> bool {
        match record {
            ControlRecord::Term(_) => false,
            ControlRecord::Seal(seal) => self.ledger.sealed == Some(seal.epoch),
            ControlRecord::Snapshot(taken) => {
                self.ledger.snapshots.back().is_some_and(|last| last.mark.epoch == taken.mark.epoch)
            }
        }
    }
}
