//! ChangeRCA: canary releases in one namespace, with metrics of every pod and of every call between services.
//!
//! A case is asked as of its detection: later samples and steps are not read. Of a step's times only that of its
//! completion can be trusted; it begins a minute earlier. The detection itself is an alert on the namespace. Columns of
//! the pod files are named by their values: the header names them in another order.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemas::answer::{Answer, Question};
use schemas::catalogue::{Catalogue, Class};
use schemas::codec::Format;
use schemas::entity::Entity;
use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::json;

use super::metrics::{Series, Sheet, number};
use super::stream::Stream;
use super::{CaseRecord, Prediction, Ranked, parse_entity, service_of};

/// The namespace that all of it is in.
const NAMESPACE: &str = "shop";
/// What a step takes from its begin until its pods are there.
const STEP_MS: i64 = 60_000;
/// What is fed last, and timed.
const LAST_MS: i64 = 60_000;

/// One line of `cases.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
    detect_ts: String,
}

#[derive(Debug, Deserialize)]
struct Experiment {
    plan: BTreeMap<String, Plan>,
}

#[derive(Debug, Deserialize)]
struct Plan {
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
struct Step {
    v1: i64,
    v2: i64,
    release_pod: Vec<String>,
    delete_pod: Vec<String>,
    release_complete_timestamp: i64,
}

/// Predicts one case; the second value says why records were refused.
pub async fn predict(folder: &Path, case: &Case) -> Result<(Prediction, Vec<String>)> {
    let folder = folder.join("cases").join(&case.case);
    let detected = EventTime::parse(&case.detect_ts).context("detect_ts")?;
    let tenant: TenantId = "case".parse()?;
    let experiment = experiment(&folder)?;
    let series = series(&folder, &experiment, detected)?;
    let changes = changes(&experiment, &tenant, &case.case, detected)?;
    let (before, end) = (detected.plus_ms(-LAST_MS), detected.plus_ms(1));
    let mut stream = Stream::start(&tenant)?;
    let mut records = series.between(EventTime(0), before)?;
    records.extend(changes);
    stream.feed(&records).await?;
    let mut records = series.between(before, end)?;
    records.push(alert(&tenant, &case.case, detected)?);
    stream.feed(&records).await?;
    let (answer, ms) = stream.ask(&Question::new(tenant, "")).await?;
    let services = stream.services().await?;
    let rejects = std::mem::take(&mut stream.rejects);
    stream.stop().await?;
    let ranking = ranking(&answer, &services);
    Ok((Prediction { dataset: case.dataset.clone(), case: case.case.clone(), ranking, ms }, rejects))
}

fn seconds(text: &str) -> Option<EventTime> {
    EventTime::from_ms(text.parse::<i64>().ok()?.checked_mul(1_000)?).ok()
}

fn experiment(folder: &Path) -> Result<Experiment> {
    let path = folder.join("case.json");
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("parse {}", path.display()))
}

/// When the pods are there that a step brings.
fn complete(step: &Step) -> Result<EventTime> {
    Ok(EventTime::from_ms(step.release_complete_timestamp.saturating_mul(1_000))?)
}

/// All samples up to the detection. The file of a pod that was taken away goes on with the values of its successor, to
/// whom they belong.
fn series(folder: &Path, experiment: &Experiment, detected: EventTime) -> Result<Series> {
    let mut gone: BTreeMap<&str, (EventTime, Option<&str>)> = BTreeMap::new();
    for step in experiment.plan.values().flat_map(|plan| &plan.steps) {
        for (index, pod) in step.delete_pod.iter().enumerate() {
            gone.insert(pod, (complete(step)?, step.release_pod.get(index).map(String::as_str)));
        }
    }
    let mut series = Series::default();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(name) = name.strip_suffix(".csv") else { continue };
        let parts: Vec<&str> = name.split('_').collect();
        match parts.as_slice() {
            [pod, source, destination] => {
                let sheet = Sheet::read(&path)?;
                // In between, the old pod goes and the new one comes.
                let end = gone.get(pod).map_or(detected, |(complete, _)| complete.plus_ms(-STEP_MS));
                calls_of_pod(
                    &sheet,
                    (pod, source, destination),
                    (EventTime(0), end.min(detected)),
                    &mut series,
                );
                if let Some((complete, Some(heir))) = gone.get(pod) {
                    calls_of_pod(&sheet, (heir, source, destination), (*complete, detected), &mut series);
                }
            }
            [reporter, "success"] => calls(&Sheet::read(&path)?, reporter, detected, &mut series),
            _ => {}
        }
    }
    Ok(series)
}

/// Success of calls between services, as one of the ends sees it.
fn calls(sheet: &Sheet, reporter: &str, detected: EventTime, series: &mut Series) {
    for row in &sheet.rows {
        let Some(at) = row.get(1).and_then(|cell| seconds(cell)).filter(|at| *at <= detected) else {
            continue;
        };
        for (column, name) in sheet.header.iter().enumerate().skip(2) {
            let (Some((source, destination)), Some(success)) = (name.split_once('_'), number(row, column))
            else {
                continue;
            };
            let labels = [
                ("__name__", "request_errors_percent"),
                ("namespace", NAMESPACE),
                ("service", destination),
                ("caller", source),
                ("reporter", reporter),
            ];
            series.add(&labels, at, 100.0 - success);
            // Of the call itself, which says who calls whom.
            let labels = [
                ("__name__", "request_errors_percent"),
                ("source_workload", source),
                ("source_workload_namespace", NAMESPACE),
                ("destination_workload", destination),
                ("destination_workload_namespace", NAMESPACE),
                ("reporter", reporter),
            ];
            series.add(&labels, at, 100.0 - success);
        }
    }
}

/// What one pod has of one call, as whoever answers it or as whoever makes it.
fn calls_of_pod(
    sheet: &Sheet,
    (pod, source, destination): (&str, &str, &str),
    (from, to): (EventTime, EventTime),
    series: &mut Series,
) {
    let service = pod.split("-v").next().unwrap_or(pod);
    for row in &sheet.rows {
        let Some(at) = row.get(1).and_then(|cell| seconds(cell)).filter(|at| (from..=to).contains(at)) else {
            continue;
        };
        let errors = number(row, 2).map(|success| 100.0 - success);
        let latency = number(row, 7).map(|seconds| seconds * 1_000.0);
        for (name, value) in [("request_errors_percent", errors), ("request_latency_ms", latency)] {
            let Some(value) = value else { continue };
            let answers = [
                ("__name__", name),
                ("namespace", NAMESPACE),
                ("pod", pod),
                ("service", service),
                ("caller", source),
            ];
            let asks =
                [("__name__", name), ("namespace", NAMESPACE), ("service", destination), ("caller_pod", pod)];
            series.add(if service == destination { &answers } else { &asks }, at, value);
        }
        for (name, column) in [("cpu_percent", 3), ("memory_percent", 4)] {
            let labels = [("__name__", name), ("namespace", NAMESPACE), ("pod", pod), ("service", service)];
            if let Some(value) = number(row, column) {
                series.add(&labels, at, value);
            }
        }
    }
}

/// Each step when it begins, and when its pods are there.
fn changes(
    experiment: &Experiment,
    tenant: &TenantId,
    case: &str,
    detected: EventTime,
) -> Result<Vec<CaseRecord>> {
    let mut told = Vec::new();
    for (service, plan) in &experiment.plan {
        for step in &plan.steps {
            let complete = complete(step)?;
            told.push((complete.plus_ms(-STEP_MS), service, step, Vec::new()));
            told.push((complete, service, step, step.release_pod.clone()));
        }
    }
    told.retain(|(at, ..)| *at <= detected);
    told.sort_by_key(|(at, service, ..)| (*at, *service));
    let record = |(at, service, step, pods): &(EventTime, &String, &Step, Vec<String>)| {
        let payload = json!({"from": "v1", "to": "v2", "replicas": step.v2, "left": step.v1, "pods": pods});
        let place = json!({"namespace": NAMESPACE, "service": service});
        envelope(tenant, case, ("change", "deploy.canary_step", "info"), *at, &place, &payload)
    };
    told.iter().map(record).collect()
}

fn alert(tenant: &TenantId, case: &str, at: EventTime) -> Result<CaseRecord> {
    let payload = json!({"name": "release check failed"});
    envelope(
        tenant,
        case,
        ("alert", "alert.release", "error"),
        at,
        &json!({"namespace": NAMESPACE}),
        &payload,
    )
}

fn envelope(
    tenant: &TenantId,
    case: &str,
    (source, event_type, severity): (&str, &str, &str),
    at: EventTime,
    place: &serde_json::Value,
    payload: &serde_json::Value,
) -> Result<CaseRecord> {
    let identity = format!("{case} {source} {at} {place} {payload}");
    let ingest_id = schemas::ids::hash128(&[identity.as_bytes()]);
    let document = json!({
        "tenant_id": tenant.as_str(), "source": source, "event_type": event_type, "ts": at.to_string(),
        "severity": severity, "entity": place, "correlation_ids": {"workflow": case}, "payload": payload,
        "ingest_id": format!("{ingest_id:032x}"),
    });
    Ok(CaseRecord {
        name: source.to_owned(),
        format: Format::JsonEnvelope,
        arrived: at,
        bytes: serde_json::to_vec(&document)?,
    })
}

/// Services whose change is a cause, best first.
fn ranking(answer: &Answer, services: &BTreeMap<Entity, Entity>) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for hypothesis in &answer.hypotheses {
        let kind = Catalogue::built_in().kind(&hypothesis.root_cause.kind);
        if kind.is_none_or(|kind| kind.spec().class != Class::Change) {
            continue;
        }
        let Some(entity) = parse_entity(&hypothesis.root_cause.entity) else { continue };
        let service = service_of(&entity, services);
        if !ranking.iter().any(|known| known.service.as_ref() == Some(&service)) {
            let kind = Some(hypothesis.root_cause.kind.clone());
            ranking.push(Ranked {
                service: Some(service),
                kind,
                ..Ranked::of(hypothesis.confidence, hypothesis.weight)
            });
        }
    }
    ranking
}
