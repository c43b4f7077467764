//! PetShop: five-minute metrics, and a graph of who calls whom.

use std::path::Path;

use anyhow::{Context, Result};
use schemas::answer::TimeWindow;
use schemas::ids::hash128;
use schemas::time::EventTime;
use serde_json::json;

use super::{Case, Table, Told, seconds, series, table};

/// Rows of calm that are put before a case; they were recorded at another time.
const CALM_ROWS: usize = 60;
const STEP_MS: i64 = 300_000;

pub(super) fn read(folder: &Path, case: &Case) -> Result<Told> {
    let scenario = case.scenario.as_deref().context("a case without a scenario")?;
    let trouble = wide(&folder.join("cases").join(&case.case).join("metrics.csv"))?;
    let scenarios = folder.join("scenarios");
    let calm = scenarios.join(scenario).join("noissue_metrics.csv");
    let calm = if calm.exists() { calm } else { scenarios.join("low_traffic").join("noissue_metrics.csv") };
    let calm = wide(&calm)?;
    let first = trouble.rows.first().context("a case without rows")?.0;
    let mut told = Vec::new();
    for (place, column) in trouble.columns.iter().enumerate() {
        let Some((node, metric)) = column.split_once('|') else { continue };
        let known = calm.columns.iter().position(|other| other == column);
        let skipped = calm.rows.len().saturating_sub(CALM_ROWS);
        let before = calm.rows.iter().skip(skipped).zip((1..=CALM_ROWS as i64).rev());
        let before = before.map(|((_, values), steps)| {
            (first - steps * STEP_MS, known.and_then(|place| values.get(place).copied().flatten()))
        });
        let after = trouble.rows.iter().map(|(at, values)| (*at, values.get(place).copied().flatten()));
        let points: Vec<_> = before.chain(after).filter(|(_, value)| value.is_some()).collect();
        if !points.is_empty() {
            told.push(series(json!({"__name__": metric, "service": node}), points.into_iter()));
        }
    }
    let last = trouble.rows.last().map_or(first, |row| row.0);
    let alert = case.timestamp.map_or(last, |seconds| seconds.saturating_mul(1_000));
    // The five minutes that the alert names.
    let window = TimeWindow { from: EventTime(alert - STEP_MS), to: EventTime(last.max(alert) + 1) };
    let mut envelopes = edges(&scenarios.join(scenario).join("graph.csv"), first)?;
    envelopes.extend(raised(case, alert));
    Ok(Told { series: told, envelopes, window })
}

/// The alert that the case begins with.
fn raised(case: &Case, at: i64) -> Option<serde_json::Value> {
    let (node, metric) = (case.node.as_deref()?, case.metric.as_deref()?);
    let what = if metric == "availability" { "error_rate" } else { metric };
    let ingest_id = hash128(&[b"alert", case.case.as_bytes()]);
    Some(json!({"tenant_id": "case", "source": "alert", "event_type": format!("alert.{what}"),
        "ts": EventTime(at).to_string(), "severity": "error", "entity": {"service": node},
        "payload": {"name": format!("{metric} of {node}")}, "ingest_id": format!("{ingest_id:032x}")}))
}

/// A table with three lines of header: node, metric, statistic; columns become `node|metric_statistic`.
fn wide(path: &std::path::PathBuf) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let header: Vec<Vec<&str>> = text.lines().take(3).map(|line| line.split(',').collect()).collect();
    let time = header.first().and_then(|row| row.first()).copied().unwrap_or_default().to_owned();
    let mut read = table(path, 4, &time, seconds)?;
    let part =
        |row: usize, place: usize| header.get(row).and_then(|row| row.get(place)).copied().unwrap_or("");
    read.columns = (0..read.columns.len())
        .map(|at| format!("{}|{}_{}", part(0, at), part(1, at), part(2, at)))
        .collect();
    Ok(read)
}

fn edges(path: &Path, at: i64) -> Result<Vec<serde_json::Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let callees = lines.next().unwrap_or_default();
    let mut edges = Vec::new();
    for row in lines {
        for (place, field) in row.iter().enumerate().skip(1) {
            if field.parse::<f64>().is_ok_and(|weight| 0.0 < weight) {
                let ingest_id = hash128(&[row[0].as_bytes(), &place.to_le_bytes()]);
                edges.push(json!({"tenant_id": "case", "source": "topology", "event_type": "topology.calls",
                    "ts": EventTime(at).to_string(), "severity": "info", "entity": {"service": row[0]},
                    "payload": {"calls": callees.get(place)}, "ingest_id": format!("{ingest_id:032x}")}));
            }
        }
    }
    Ok(edges)
}
