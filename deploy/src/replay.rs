//! `kgroot replay`: explain files, folders or standard input on the spot.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget};
use schemas::error::Reject;
use schemas::time::EventTime;
use serde_json::json;

use crate::cli::{Output, ReplayOptions};
use crate::exit::{Cause, Failure};
use crate::{engine, input, output};

/// Runs the command.
pub async fn run(options: ReplayOptions) -> Result<()> {
    let records = input::read(&options.paths, options.format)?;
    if records.is_empty() {
        return Err(Failure::of(Cause::Input, "no records in the input; name a file with events"));
    }
    let bar = ProgressBar::new(u64::try_from(records.len()).unwrap_or(u64::MAX));
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let started = engine::start()?;
    engine::feed(&started, &options.tenant, &records, async |_, _| {
        bar.inc(1);
        Ok(())
    })
    .await?;
    bar.finish_and_clear();
    let reader = started.reader();
    let rejects = engine::rejects(&reader, &options.tenant).await?;
    explain_rejects(&rejects);
    let incidents = engine::incidents(&reader, &options.tenant).await?;
    let alerts = engine::alerts(&reader, &options.tenant).await?;
    let query = options.investigate.as_deref().unwrap_or_default();
    let answer = engine::ask(&reader, &options.tenant, query).await?;
    match options.output {
        Output::Table => {
            output::incidents(&incidents)?;
            output::answer(&answer, &alerts)?;
        }
        machine => output::json(
            &json!({"answer": answer, "alerts": alerts, "incidents": incidents, "rejects": rejects}),
            machine,
        )?,
    }
    tokio::task::spawn_blocking(move || started.shutdown()).await??;
    if answer.as_of.event_time == EventTime(0) {
        return Err(Failure::of(
            Cause::Input,
            "every record was refused, for the reasons above; nothing was explained",
        ));
    }
    Ok(())
}

/// Says what was refused and why, one line per reason.
pub fn explain_rejects(rejects: &[Arc<Reject>]) {
    let mut reasons: BTreeMap<String, (u64, &Reject)> = BTreeMap::new();
    for reject in rejects {
        reasons.entry(reject.error.to_string()).or_insert((0, reject)).0 += 1;
    }
    for (reason, (count, first)) in reasons {
        eprintln!("refused {count} x {reason} (first at {})", first.position);
    }
}
