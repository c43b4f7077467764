//! Sock Shop: one sample a second, some minutes of calm and some of trouble.
//!
//! The calm is what the trouble is compared with. Where it was recorded later, it is told as if it had been before: a stream
//! does not know what comes.

use std::path::Path;

use anyhow::{Context, Result};
use schemas::answer::TimeWindow;
use schemas::time::EventTime;
use serde_json::json;

use super::{Case, Table, Told, seconds, series, table};

/// Between the end of the calm and the trouble, at least.
const CALM_BEFORE_MS: i64 = 60_000;

pub(super) fn read(folder: &Path, case: &Case) -> Result<Told> {
    let folder = folder.join("cases").join(&case.case);
    let mut calm = table(&folder.join("normal.csv"), 1, "time", seconds)?;
    let trouble = table(&folder.join("anomalous.csv"), 1, "time", seconds)?;
    if let (Some(ends), Some(begins)) = (calm.rows.last(), trouble.rows.first()) {
        let late = (ends.0 + CALM_BEFORE_MS - begins.0).max(0);
        calm.rows.iter_mut().for_each(|row| row.0 -= late);
    }
    let mut told = Vec::new();
    for column in &calm.columns {
        let Some((service, metric)) = meaning(column) else { continue };
        let (Some(before), Some(after)) = (values(&calm, column), values(&trouble, column)) else { continue };
        let moves = |values: &[(i64, Option<f64>)]| values.windows(2).any(|pair| pair[0].1 != pair[1].1);
        if moves(&before) && moves(&after) {
            let labels = json!({"__name__": metric, "service": service, "column": column});
            told.push(series(labels, before.into_iter().chain(after)));
        }
    }
    let from = case.anomalous_from_ts.as_deref().context("a case without its time")?;
    let from = EventTime::parse(from).context("a time of a case")?;
    let to = EventTime(trouble.rows.last().map_or(from.0, |row| row.0) + 1_000);
    Ok(Told { series: told, envelopes: Vec::new(), window: TimeWindow { from, to } })
}

fn values(table: &Table, column: &str) -> Option<Vec<(i64, Option<f64>)>> {
    let place = table.columns.iter().position(|other| other == column)?;
    Some(table.rows.iter().map(|(at, values)| (*at, values.get(place).copied().flatten())).collect())
}

/// Service and metric; a database counts as its service.
fn meaning(column: &str) -> Option<(&str, &'static str)> {
    const ENDS: [(&str, &str); 3] =
        [("_cpu", "cpu_usage"), ("_mem", "memory_usage"), ("_lat_90", "request_duration_p90")];
    let (service, metric) =
        ENDS.iter().find_map(|(end, metric)| Some((column.strip_suffix(end)?, *metric)))?;
    Some((service.strip_suffix("-db").unwrap_or(service), metric))
}
