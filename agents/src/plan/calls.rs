//! Which tools an agent calls with which arguments: fixed from the scope before anything from outside is read. Pure.
//!
//! A tool is called when each parameter that it requires has a value in the scope; a parameter with a list of choices
//! takes the choices that fit the symptoms. What cannot be called is told, with the parameter that has no value.

use schemas::answer::Skipped;
use serde_json::{Map, Value};

use crate::evidence::Known;
use crate::plan::slots::Slots;
use crate::scope::Resolved;
use crate::tool::{Effect, Metadata};

/// Calls of one agent in one investigation.
const CALLS_MAX: usize = 12;
/// Choices of one parameter that are asked for.
const CHOICES_MAX: usize = 5;

/// A call that is planned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedCall {
    pub(crate) tool: String,
    pub(crate) arguments: Value,
}

/// The calls of an agent, and what it cannot ask.
pub(crate) fn plan<'a>(
    tools: impl Iterator<Item = &'a Metadata>,
    slots: &Slots,
    resolved: &Resolved,
    known: &Known,
) -> (Vec<PlannedCall>, Vec<Skipped>) {
    let (mut calls, mut skipped) = (Vec::new(), Vec::new());
    let wanted = measures(resolved, known);
    for tool in tools.filter(|tool| tool.effect == Effect::Read) {
        match arguments(tool, slots, &wanted) {
            Ok(found) => calls.extend(
                found.into_iter().map(|arguments| PlannedCall { tool: tool.name.clone(), arguments }),
            ),
            Err(parameter) => skipped.push(Skipped {
                what: tool.name.clone(),
                why: format!("the scope has no value for its parameter {parameter}"),
            }),
        }
    }
    for call in calls.iter().skip(CALLS_MAX) {
        let why = format!("an agent makes at most {CALLS_MAX} calls");
        skipped.push(Skipped { what: call.tool.clone(), why });
    }
    calls.truncate(CALLS_MAX);
    (calls, skipped)
}

/// The documents of arguments of a tool: one, or one for each choice. The parameter without a value otherwise.
fn arguments(tool: &Metadata, slots: &Slots, wanted: &[&str]) -> Result<Vec<Value>, String> {
    let required = |name: &str| {
        let list = tool.parameters.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry == name))
    };
    let mut filled = Map::new();
    let mut choice: Option<(String, Vec<String>)> = None;
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        if let Some(offered) = schema.get("enum").and_then(Value::as_array) {
            let offered: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
            let fitting = wanted.iter().filter(|measure| offered.contains(measure));
            let mut fitting: Vec<String> = fitting.take(CHOICES_MAX).map(|text| (*text).to_owned()).collect();
            if fitting.is_empty() {
                fitting.extend(offered.iter().take(1).map(|text| (*text).to_owned()));
            }
            if required(name) && choice.is_none() {
                choice = Some((name.clone(), fitting));
            }
        } else if let Some(value) = slots.value(name) {
            filled.insert(name.clone(), Value::String(value.to_owned()));
        } else if required(name) {
            return Err(name.clone());
        }
    }
    let Some((name, choices)) = choice else { return Ok(vec![Value::Object(filled)]) };
    let one = |choice: String| {
        let mut filled = filled.clone();
        filled.insert(name.clone(), Value::String(choice));
        Value::Object(filled)
    };
    Ok(choices.into_iter().map(one).collect())
}

/// What is worth measuring, by what is known: what the symptoms are about first.
fn measures(resolved: &Resolved, known: &Known) -> Vec<&'static str> {
    const BY_KIND: [(&str, &[&str]); 8] = [
        ("k8s.pod.OOMKilled", &["memory_limit_ratio", "memory", "restarts"]),
        ("metric.memory", &["memory_limit_ratio", "memory"]),
        ("metric.cpu", &["cpu_throttling", "cpu", "latency_p99"]),
        ("alert.saturation", &["cpu", "memory", "saturation"]),
        ("alert.latency", &["latency_p99", "cpu_throttling", "request_rate"]),
        ("trace.latency", &["latency_p99", "request_rate"]),
        ("k8s.pod.", &["restarts", "memory_limit_ratio"]),
        ("metric.traffic", &["request_rate", "saturation"]),
    ];
    let mut found: Vec<&'static str> = Vec::new();
    let mut add = |measures: &[&'static str]| {
        for measure in measures {
            if !found.contains(measure) {
                found.push(measure);
            }
        }
    };
    let chains = resolved.incidents.first().and_then(|incident| known.chains.get(&incident.incident_id));
    let links = chains.into_iter().flatten().flat_map(|chain| &chain.links);
    let kinds = links.flat_map(|link| [link.effect.kind.id(), link.cause.kind.id()]);
    for kind in kinds {
        for (prefix, measures) in BY_KIND {
            if kind.starts_with(prefix) {
                add(measures);
            }
        }
    }
    add(&["error_rate", "latency_p99", "request_rate", "cpu", "memory"]);
    found
}
