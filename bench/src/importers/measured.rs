//! Sets of metrics: MicroIRC (Bookinfo), Sock Shop and PetShop, as samples that Prometheus would have.
//!
//! Counts of instances and the scaling are left out of MicroIRC: they give the answer away. Everything that names a
//! set's own words stays here.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use schemas::answer::{Question, TimeWindow};
use schemas::codec::Format;
use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CaseRecord, Outcome, Prediction, Ranked, ask};

mod microirc;
mod petshop;
mod sockshop;

/// One line of `cases.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
    start_ts: Option<String>,
    end_ts: Option<String>,
    anomalous_from_ts: Option<String>,
    scenario: Option<String>,
    timestamp: Option<i64>,
    node: Option<String>,
    metric: Option<String>,
}

/// What is told to the engine, and the stretch that is asked about.
struct Told {
    series: Vec<Value>,
    envelopes: Vec<Value>,
    window: TimeWindow,
}

/// A table: names of columns, and rows of a time in milliseconds and values.
struct Table {
    columns: Vec<String>,
    rows: Vec<(i64, Vec<Option<f64>>)>,
}

/// Predicts one case; the second value says why records were refused.
pub async fn predict(set: &str, folder: &Path, case: &Case) -> Result<(Prediction, Vec<String>)> {
    let told = match set {
        "microirc" => microirc::read(folder, case)?,
        "sockshop" => sockshop::read(folder, case)?,
        "petshop" => petshop::read(folder, case)?,
        other => bail!("unknown set of metrics {other:?}"),
    };
    let arrived = told.window.to;
    let series = json!({"status": "success", "data": {"resultType": "matrix", "result": told.series}});
    let mut records = vec![CaseRecord {
        name: "metrics".to_owned(),
        format: Format::Prometheus,
        arrived,
        bytes: series.to_string().into_bytes(),
    }];
    records.extend(told.envelopes.iter().map(|envelope| CaseRecord {
        name: "envelopes".to_owned(),
        format: Format::JsonEnvelope,
        arrived,
        bytes: envelope.to_string().into_bytes(),
    }));
    let tenant: TenantId = "case".parse()?;
    let mut question = Question::new(tenant, "");
    question.time_window = Some(told.window);
    let outcome = ask(&question, &records).await?;
    let ranking = ranking(set, &outcome);
    let (dataset, name) = (case.dataset.clone(), case.case.clone());
    Ok((Prediction { dataset, case: name, ranking, ms: outcome.ms }, outcome.rejects))
}

fn ranking(set: &str, outcome: &Outcome) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for hypothesis in &outcome.answer.hypotheses {
        let Some(service) = hypothesis.root_cause.entity.strip_prefix("service/") else { continue };
        if ranking.iter().any(|other| other.service.as_deref() == Some(service)) {
            continue;
        }
        ranking.push(Ranked {
            object: None,
            service: Some(service.to_owned()),
            pod: None,
            kind: Some(hypothesis.root_cause.kind.clone()),
            taxonomy: None,
            root_cause: fault(set, &hypothesis.root_cause.kind).map(str::to_owned),
            confidence: hypothesis.confidence,
            evidence: hypothesis.weight,
        });
    }
    ranking
}

/// The set's name of a kind.
fn fault(set: &str, kind: &str) -> Option<&'static str> {
    match (set, kind) {
        ("microirc", "metric.cpu_high" | "metric.cpu_throttling") => Some("cpu_load"),
        ("microirc", "metric.memory_high") => Some("mem_load"),
        ("microirc", "trace.latency" | "trace.median_latency" | "trace.latency_tail") => Some("net_latency"),
        ("sockshop", "metric.cpu_high" | "metric.cpu_throttling") => Some("cpu"),
        ("sockshop", "metric.memory_high") => Some("mem"),
        _ => None,
    }
}

/// One series as the query API of Prometheus gives it; missing values are left out.
fn series(labels: Value, points: impl Iterator<Item = (i64, Option<f64>)>) -> Value {
    let points = points.filter_map(|(ms, value)| Some(json!([ms as f64 / 1_000.0, value?.to_string()])));
    json!({"metric": labels, "values": points.collect::<Vec<_>>()})
}

/// Reads a table; `header` lines before the rows, of which the first names the columns; the column `time` is read by
/// `clock`.
fn table(path: &PathBuf, header: usize, time: &str, clock: fn(&str) -> Option<i64>) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut lines = text.lines();
    let columns: Vec<String> = lines.next().unwrap_or_default().split(',').map(str::to_owned).collect();
    let place = columns.iter().position(|column| column == time);
    let place = place.with_context(|| format!("{} has no column {time}", path.display()))?;
    let mut rows = Vec::new();
    for line in lines.skip(header - 1) {
        let fields: Vec<&str> = line.split(',').collect();
        let Some(at) = fields.get(place).and_then(|field| clock(field)) else { continue };
        rows.push((at, fields.iter().map(|field| field.parse().ok()).collect()));
    }
    Ok(Table { columns, rows })
}

/// Seconds since 1970.
fn seconds(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    Some((seconds * 1_000.0) as i64)
}

/// `2024-03-05 16:45:01`, UTC.
fn spoken(text: &str) -> Option<i64> {
    EventTime::parse(&format!("{}Z", text.replacen(' ', "T", 1))).ok().map(|at| at.0)
}
