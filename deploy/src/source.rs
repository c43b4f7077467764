//! The source of a configuration: an event log, opened, and the shard that reads it.

use std::sync::Arc;

use anyhow::{Context, Result};
use dataflow::config::EngineConfig;
use dataflow::engine::Engine;
use dataflow::ingest::clock::{now, steady};
use dataflow::ingest::share::Quota;
use dataflow::ingest::source::Source;
use dataflow::shard::background::Threads;
use dataflow::shard::{Inside, Outside, ShardPolicy};
use dataflow::snapshot::disk::LocalDisk;
use dataflow::snapshot::folder::SnapshotFolder;
use query_api::Appender;

use crate::config::StateConfig;
use crate::event_log::Opened;
use crate::stores::AppliedByAll;

/// Starts the shard. `recovered` is called when the views are where they were; `ended` when the shard has stopped. Gives
/// also the way in for records.
pub fn start(
    engine: &mut Engine,
    (opened, engine_config): (Opened, &EngineConfig),
    (state, quota): (&StateConfig, Quota),
    (applied, hold_back_ms): (AppliedByAll, i64),
    recovered: impl FnOnce() + Send + 'static,
    ended: impl FnOnce() + Send + 'static,
) -> Result<(Source, Appender)> {
    let inside = Inside::of(engine).context("the engine is used already")?;
    let outside = Outside {
        log: opened.log,
        control: opened.control,
        snapshots: SnapshotFolder::new(&state.path, Box::new(LocalDisk)),
        registry: opened.registry,
        letters: opened.letters,
        background: Box::new(Threads),
        applied,
        clock: Box::new(steady()),
        stop: Arc::default(),
    };
    let policy = ShardPolicy {
        owner: owner(),
        generation: engine_config.generation(),
        snapshot_every_ms: state.snapshot_every_ms,
        quota,
        hold_back_ms,
    };
    Ok((Source::start(outside, inside, policy, recovered, ended)?, opened.append))
}

/// Who takes the shard over, for people.
pub(crate) fn owner() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    format!("{}/{}/{}", host.trim(), std::process::id(), now())
}
