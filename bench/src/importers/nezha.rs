//! Nezha: two days of one shop, with faults in between, as one stream a day.
//!
//! Every stretch is asked as of its end, before anything later is fed. Traces are there for faults only, and are not
//! evidence by being there: what they show is compared with the traces before. The median latency of a call is there as its caller and as its callee
//! see it. The success rate of pods is constant, and not read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemas::answer::{Answer, Question, TimeWindow};
use schemas::entity::Entity;
use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::Deserialize;

use super::metrics::{Series, Sheet, go_time, number};
use super::stream::Stream;
use super::{Prediction, Ranked, parse_entity, service_of};

mod spans;

const NAMESPACE: &str = "shop";
/// Columns of a pod's file, what they are called, and what they are multiplied with.
const COLUMNS: [(&str, &str, f64); 3] = [
    ("CpuUsageRate(%)", "cpu_percent", 1.0),
    ("MemoryUsageRate(%)", "memory_percent", 1.0),
    ("PodServerLatencyP90(s)", "request_latency_ms{quantile=0.9}", 1_000.0),
];

/// One line of `cases.jsonl`.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
    day: String,
    start_ts: String,
    end_ts: String,
    #[serde(default)]
    trace_windows: Vec<String>,
}

/// Predicts all spans; the last value of each says why records were refused.
pub async fn predict(folder: &Path, cases: &[Case]) -> Result<Vec<(Prediction, Vec<String>)>> {
    let mut days: BTreeMap<&str, Vec<(TimeWindow, &Case)>> = BTreeMap::new();
    for case in cases {
        let window = TimeWindow {
            from: EventTime::parse(&case.start_ts).context("start_ts")?,
            to: EventTime::parse(&case.end_ts).context("end_ts")?,
        };
        days.entry(&case.day).or_default().push((window, case));
    }
    let mut predictions = Vec::new();
    for (day, mut spans) in days {
        spans.sort_by_key(|(window, case)| (window.to, &case.case));
        predictions.extend(predict_day(&folder.join("days").join(day), &spans).await?);
    }
    Ok(predictions)
}

async fn predict_day(folder: &Path, spans: &[(TimeWindow, &Case)]) -> Result<Vec<(Prediction, Vec<String>)>> {
    let series = series(&folder.join("metric"))?;
    let tenant: TenantId = "case".parse()?;
    let mut stream = Stream::start(&tenant)?;
    let mut fed = EventTime(0);
    let mut predictions = Vec::new();
    for (window, case) in spans {
        let mut records = series.between(fed, window.to)?;
        for minute in &case.trace_windows {
            let path = folder.join("trace").join(format!("{minute}_trace.csv"));
            records.extend(spans::records(&path, window.to)?);
        }
        stream.feed(&records).await?;
        fed = window.to;
        let question = Question { time_window: Some(*window), ..Question::new(tenant.clone(), "") };
        let (answer, ms) = stream.ask(&question).await?;
        let ranking = ranking(&answer, &stream.services().await?);
        let (dataset, name) = (case.dataset.clone(), case.case.clone());
        let rejects = std::mem::take(&mut stream.rejects);
        predictions.push((Prediction { dataset, case: name, ranking, ms }, rejects));
    }
    stream.stop().await?;
    Ok(predictions)
}

fn series(folder: &Path) -> Result<Series> {
    let mut series = Series::default();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(pod) = name.strip_suffix("_metric.csv") {
            of_pod(&Sheet::read(&path)?, pod, &mut series);
        }
    }
    of_front(&Sheet::read(&folder.join("front_service.csv"))?, &mut series);
    for reporter in ["source", "destination"] {
        of_calls(&Sheet::read(&folder.join(format!("{reporter}_50.csv")))?, reporter, &mut series);
    }
    Ok(series)
}

fn of_pod(sheet: &Sheet, pod: &str, series: &mut Series) {
    let service = pod.rsplitn(3, '-').nth(2).unwrap_or(pod);
    for (column, metric, scale) in COLUMNS {
        let Some(column) = sheet.column(column) else { continue };
        let labels = [("__name__", metric), ("namespace", NAMESPACE), ("pod", pod), ("service", service)];
        for row in &sheet.rows {
            if let (Some(at), Some(value)) = (go_time(&row[0]), number(row, column)) {
                series.add(&labels, at, value * scale);
            }
        }
    }
}

/// What users get, on the service that they ask.
fn of_front(sheet: &Sheet, series: &mut Series) {
    let (Some(service), Some(success)) = (sheet.column("ServiceName"), sheet.column("SuccessRate(%)")) else {
        return;
    };
    for row in &sheet.rows {
        let (Some(at), Some(value)) = (go_time(&row[0]), number(row, success)) else { continue };
        let name = row.get(service).map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        let labels =
            [("__name__", "request_errors_percent"), ("namespace", NAMESPACE), ("service", name.as_str())];
        series.add(&labels, at, 100.0 - value);
    }
}

/// The same call as one of its ends sees it.
fn of_calls(sheet: &Sheet, reporter: &str, series: &mut Series) {
    for (column, call) in sheet.header.iter().enumerate().skip(2) {
        let Some((caller, callee)) = call.split_once('_') else { continue };
        let labels = [
            ("__name__", "request_latency_ms"),
            ("source_workload", caller),
            ("source_workload_namespace", NAMESPACE),
            ("destination_workload", callee),
            ("destination_workload_namespace", NAMESPACE),
            ("reporter", reporter),
        ];
        for row in &sheet.rows {
            if let (Some(at), Some(value)) = (go_time(&row[0]), number(row, column)) {
                series.add(&labels, at, value * 1_000.0);
            }
        }
    }
}

/// Services of the causes, best first.
fn ranking(answer: &Answer, services: &BTreeMap<Entity, Entity>) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for hypothesis in &answer.hypotheses {
        let Some(entity) = parse_entity(&hypothesis.root_cause.entity) else { continue };
        let service = service_of(&entity, services);
        if ranking.iter().any(|known| known.service.as_ref() == Some(&service)) {
            continue;
        }
        let kind = hypothesis.root_cause.kind.clone();
        let root_cause = fault(&kind).map(str::to_owned);
        let of = Ranked::of(hypothesis.confidence, hypothesis.weight);
        ranking.push(Ranked { service: Some(service), kind: Some(kind), root_cause, ..of });
    }
    ranking
}

/// The data set's name of a kind.
fn fault(kind: &str) -> Option<&'static str> {
    match kind {
        "metric.cpu_high" | "metric.cpu_throttling" | "trace.own_time" => Some("cpu_contention"),
        "trace.latency" | "trace.wire_time" => Some("network_delay"),
        "trace.error_rate" | "trace.own_errors" | "trace.stops_after" => Some("return"),
        _ => None,
    }
}
