//! `kgroot state`: what must outlive the process, looked at from outside. Takes nothing over and seals nothing.

use anyhow::Result;
use dataflow::control::log::ControlLog;
use dataflow::ingest::embedded::EmbeddedLog;
use dataflow::shard::state::{StateReport, compact, inspect};
use dataflow::snapshot::disk::LocalDisk;
use dataflow::snapshot::folder::SnapshotFolder;
use serde_json::json;

use crate::cli::{ConfigOptions, StateAction, StateOptions};
use crate::config::{EventLogConfig, load};
use crate::exit::{Cause, Failure};
use crate::{event_log, output};

/// Runs the command.
pub async fn run(options: StateOptions) -> Result<()> {
    // Clients of Kafka bring a runtime of their own.
    tokio::task::spawn_blocking(move || act(options)).await?
}

fn act(options: StateOptions) -> Result<()> {
    let (StateAction::Inspect(config) | StateAction::Verify(config) | StateAction::Compact(config)) =
        &options.action;
    let (mut control, mut folder) = open(config)?;
    let failed = |error: dataflow::shard::ShardError| Failure::of(Cause::State, error.to_string());
    if matches!(options.action, StateAction::Compact(_)) {
        let kept = compact(control.as_mut(), &mut folder).map_err(failed)?;
        return output::line(&json!({"kept_snapshots": kept}).to_string());
    }
    let report = inspect(control.as_mut()).map_err(failed)?;
    print(&report)?;
    if matches!(options.action, StateAction::Verify(_)) {
        verify(&report, &mut folder)?;
    }
    Ok(())
}

fn open(options: &ConfigOptions) -> Result<(Box<dyn ControlLog>, SnapshotFolder)> {
    let config = load(options.config.as_deref(), &options.set)?;
    let state = config.state()?;
    let control: Box<dyn ControlLog> = match config.event_log()? {
        EventLogConfig::Embedded { path, retention_ms } => {
            if !path.exists() {
                let line = format!("{}: no event log there; check data", path.display());
                return Err(Failure::of(Cause::Input, line));
            }
            let log = EmbeddedLog::open(&path, retention_ms).map_err(event_log::failure)?;
            Box::new(log.control().map_err(event_log::failure)?)
        }
        EventLogConfig::Kafka { brokers, .. } => Box::new(event_log::control(&brokers, &state.shard)?),
    };
    Ok((control, SnapshotFolder::new(&state.path, Box::new(LocalDisk))))
}

fn print(report: &StateReport) -> Result<()> {
    let snapshots: Vec<_> = report
        .snapshots
        .iter()
        .map(|mark| json!({"epoch": mark.mark.epoch, "manifest": mark.manifest, "arrivals": mark.mark.seq}))
        .collect();
    let document = json!({
        "term": report.term, "owner": report.owner, "sealed": report.sealed, "records": report.records,
        "void": report.void, "snapshots": snapshots, "to_replay": report.to_replay,
    });
    output::line(&document.to_string())
}

/// Every snapshot named must be whole.
fn verify(report: &StateReport, folder: &mut SnapshotFolder) -> Result<()> {
    let mut damaged = Vec::new();
    for mark in &report.snapshots {
        match folder.verify(mark.mark.epoch, mark.manifest) {
            Ok(rows) => output::line(&format!("snapshot of epoch {}: {rows} rows, whole", mark.mark.epoch))?,
            Err(error) => damaged.push(error.to_string()),
        }
    }
    if damaged.is_empty() {
        return output::line("the state is whole");
    }
    Err(Failure::of(
        Cause::State,
        format!("{}; restore the files, or go on from an older snapshot", damaged.join("; ")),
    ))
}
