//! Prometheus samples.

use serde_json::Value;

use super::place;
use crate::entity::{Relation, RelationKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Sample, clip};
use crate::object::parse::{entries, items, text};
use crate::time::EventTime;

/// Labels that say where a series is from, and so are not part of its name.
const PLACES: [&str; 22] = [
    "__name__",
    "namespace",
    "pod",
    "deployment",
    "statefulset",
    "daemonset",
    "service",
    "app",
    "node",
    "cluster",
    "job",
    "instance",
    "container",
    "endpoint",
    "prometheus",
    "job_name",
    "cronjob",
    "source_workload",
    "source_workload_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "dbinstance_identifier",
];

pub(crate) fn normalize(_envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let labels = entries(payload, &["labels"]);
    let mut metric = text(payload, &["labels", "__name__"]).to_owned();
    let rest: Vec<String> = labels
        .iter()
        .filter(|(key, _)| !PLACES.contains(&key.as_str()))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if !rest.is_empty() {
        metric = format!("{metric}{{{}}}", rest.join(","));
    }
    let metric = clip(&metric);
    let summary = clip(&format!("samples of {metric}"));
    let label = |key: &str| labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let call = place::call_of_labels(label);
    let of_call = call.as_ref().map(|(caller, callee)| place::of_call(caller, callee));
    let Some(entity) = of_call.or_else(|| place::of_labels(label)) else {
        return Ok(Normalized { summary, ..Normalized::default() });
    };
    let sample = |pair: &Value| {
        let at = EventTime::from_ms(pair[0].as_i64()?).ok()?;
        Some(Fact::Sample(Sample {
            entity: entity.clone(),
            metric: metric.clone(),
            at,
            value_micro: pair[1].as_i64()?,
        }))
    };
    let mut facts: Vec<Fact> = items(payload, &["samples_micro"]).filter_map(sample).collect();
    let first =
        facts.iter().filter_map(|fact| if let Fact::Sample(sample) = fact { Some(sample.at) } else { None });
    let first = first.min();
    facts.extend(first.into_iter().flat_map(|at| place::membership_of_labels(label, at)));
    if let (Some((caller, callee)), Some(since)) = (call, first) {
        let kind = RelationKind::Calls;
        facts.push(Fact::Relation(Relation {
            from: caller,
            kind,
            to: callee,
            valid_from: since,
            valid_to: None,
        }));
    }
    Ok(Normalized { facts, summary, ..Normalized::default() })
}
