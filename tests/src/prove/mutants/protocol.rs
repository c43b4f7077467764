//! Bugs of the protocol: sealing, recovery, snapshots, dead letters.

use super::{Edit, Mutant};

/// What simulated crashes must show.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "computed-before-sealed",
        bug: "seal after externalize: the engine is handed an epoch before its seal is durable",
        check: ("simulate", 120),
        edits: &[Edit {
            file: "shard/live.rs",
            old: "self.commit(ControlRecord::Seal(seal.clone()))?;
        self.file_originals(seal.epoch, records);
        let capture = self.snapshot_due();
        self.feed(&seal, arrivals, capture)?;
        if capture {
            self.begin_snapshot();
        }
        Ok(())",
            new: "self.file_originals(seal.epoch, records);
        let capture = self.snapshot_due();
        self.feed(&seal, arrivals, capture)?;
        if capture {
            self.begin_snapshot();
        }
        self.commit(ControlRecord::Seal(seal))",
        }],
    },
    Mutant {
        name: "letters-after-snapshot",
        bug: "ack before apply: a snapshot passes letters that are not durable",
        check: ("simulate", 120),
        edits: &[Edit { file: "shard/snapshots.rs", old: "self.flush_letters()?;", new: "" }],
    },
    Mutant {
        name: "letters-not-written-again",
        bug: "progress before apply: a replay takes for granted that letters were written before",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "shard/recover.rs",
            old: "self.file_originals(seal.epoch, records);",
            new: "drop(records);",
        }],
    },
    Mutant {
        name: "letters-lost-on-error",
        bug: "progress before bulk: letters that were not taken count as written",
        check: ("failpoints", 1),
        edits: &[Edit { file: "shard/letters.rs", old: "(sink, letters)", new: "(sink, Vec::new())" }],
    },
    Mutant {
        name: "no-read-back",
        bug: "stale progress read: an append that was taken counts, whoever owns the shard by then",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "shard/commit.rs",
            old: "self.read_back(appended)?;",
            new: "self.take_control(Some(appended))?;",
        }],
    },
    Mutant {
        name: "zombies-count",
        bug: "terms are not compared: what a process decides after it was taken over counts",
        check: ("simulate", 60),
        edits: &[Edit { file: "control/ledger.rs", old: "self.term == term", new: "0 < term" }],
    },
    Mutant {
        name: "ambiguous-append-repeated",
        bug: "retry: an append of which nobody knows whether it was taken is simply done again",
        check: ("failpoints", 1),
        edits: &[Edit { file: "shard/commit.rs", old: "self.stands(&record)", new: "false" }],
    },
    Mutant {
        name: "verdict-not-sealed",
        bug: "404 to a dead letter without a verdict: a replay does not know what the registry said",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "shard/decoding.rs",
            old: "decoded.verdicts.push(Verdict { position, error: error.clone() });",
            new: "drop(position);",
        }],
    },
    Mutant {
        name: "clock-read-again",
        bug: "time: a replay reads the clock instead of the seal",
        check: ("simulate", 60),
        edits: &[Edit { file: "shard.rs", old: "EventTime(seal.now_ms)", new: "self.now()" }],
    },
    Mutant {
        name: "new-partition-from-its-end",
        bug: "offsets: a partition that is new is read from where it ends",
        check: ("simulate", 60),
        edits: &[Edit { file: "shard/live.rs", old: "bounds.oldest", new: "bounds.end" }],
    },
    Mutant {
        name: "replay-past-the-seal",
        bug: "offsets: a replay takes whatever is at hand, not what was sealed",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "shard/recover.rs",
            old: "usize::try_from(until - next).unwrap_or(usize::MAX).min(REPLAY_RECORDS_MAX)",
            new: "REPLAY_RECORDS_MAX",
        }],
    },
    Mutant {
        name: "quota-drops",
        bug: "quota: the record that is one too many is read and dropped",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "shard/live.rs",
            old: "self.next_of(partition, left)?",
            new: "self.next_of(partition, left + 1)?.into_iter().take(left).collect::<Vec<_>>()",
        }],
    },
    Mutant {
        name: "file-not-synchronized",
        bug: "unlink before fsync: the control log names files that are not on the disk",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "snapshot/folder.rs",
            old: "self.disk.sync(path).map_err(at(path))?;",
            new: "",
        }],
    },
    Mutant {
        name: "rename-not-synchronized",
        bug: "fsync: the control log names a folder whose name is not on the disk",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "snapshot/folder.rs",
            old: "self.disk.sync_folder(&self.path).map_err(at(&self.path))?;",
            new: "",
        }],
    },
    Mutant {
        name: "one-snapshot-kept",
        bug: "unlink too early: the older snapshot goes although the newer one may be damaged",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "shard/snapshots.rs",
            old: "self.ledger.snapshots.iter().map(|mark| mark.mark.epoch).collect()",
            new: "self.ledger.snapshots.back().map(|mark| mark.mark.epoch).into_iter().collect()",
        }],
    },
    Mutant {
        name: "seals-forgotten-too-early",
        bug: "retention: control records that the older snapshot needs are removed",
        check: ("simulate", 60),
        edits: &[Edit { file: "control/ledger.rs", old: "*marked.min(sealed)", new: "*marked.max(sealed)" }],
    },
    Mutant {
        name: "snapshot-not-checked",
        bug: "corruption: the digests of a snapshot's files are not compared",
        check: ("bitflips", 20_000),
        edits: &[
            Edit { file: "snapshot/folder.rs", old: "digest(bytes) != *expected", new: "false" },
            Edit {
                file: "snapshot/format.rs",
                old: "digest(body) != Digest(u128::from_be_bytes(*stated))",
                new: "stated.is_empty()",
            },
        ],
    },
    Mutant {
        name: "counts-of-one-life",
        bug: "missing state: what a snapshot brought back is not part of the next one",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "operators/admit/retain.rs",
            old: "fresh.of(tenant, &source).count(&outcome, count);",
            new: "emit(Admitted::Count(tenant, source, outcome), Diff::try_from(count).unwrap_or(Diff::MAX));",
        }],
    },
    Mutant {
        name: "deduplication-forgotten",
        bug: "missing state: idempotency keys are forgotten with a snapshot",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "operators/admit/retain.rs",
            old: "restored.0.push(((tenant, id), Remembered { delivery, live: false, objects_live }));",
            new: "emit(super::live_row(tenant, &Remembered { delivery, live: false, objects_live }), 1);",
        }],
    },
    Mutant {
        name: "identities-of-one-life",
        bug: "missing state: what an episode was known by is forgotten with a snapshot",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "operators/episodes.rs",
            old: "give(Found::Retained(Box::new(Retained::Identity { tenant, on, kind, identity })));",
            new: "drop((tenant, on, kind, identity));",
        }],
    },
    Mutant {
        name: "incidents-of-one-life",
        bug: "missing state: what an incident was known by is forgotten with a snapshot",
        check: ("simulate", 60),
        edits: &[Edit {
            file: "operators/incidents.rs",
            old: "Some(Retained::Incident { tenant, heir, first })",
            new: "None",
        }],
    },
    Mutant {
        name: "numbering-begins-again",
        bug: "order: arrivals are numbered from one again after a snapshot",
        check: ("simulate", 60),
        edits: &[Edit { file: "seal.rs", old: "self.seq = mark.seq;", new: "" }],
    },
];
