//! Which tools an agent calls with which arguments: fixed from the scope before anything from outside is read. Pure.
//!
//! A tool is called when each parameter that it requires has a value in the scope; of a parameter with a list of choices
//! those are taken that the scope names or that fit the symptoms. What cannot be called is told, with the parameter that
//! has no value.

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

/// The documents of arguments of a tool: one, or one for each way to choose. The parameter without a value otherwise.
fn arguments(tool: &Metadata, slots: &Slots, wanted: &[&str]) -> Result<Vec<Value>, String> {
    let required = |name: &str| {
        let list = tool.parameters.get("required").and_then(Value::as_array);
        list.is_some_and(|list| list.iter().any(|entry| entry == name))
    };
    let mut all = vec![Map::new()];
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        let values: Vec<String> = match schema.get("enum").and_then(Value::as_array) {
            Some(offered) => {
                let offered: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
                chosen(name, &offered, slots, wanted, required(name))
            }
            None => slots.value(name).map(str::to_owned).into_iter().collect(),
        };
        if values.is_empty() {
            if required(name) {
                return Err(name.clone());
            }
            continue;
        }
        let with = |value: &String| {
            let value = Value::String(value.clone());
            all.iter().cloned().map(move |mut filled| {
                filled.insert(name.clone(), value.clone());
                filled
            })
        };
        all = values.iter().flat_map(with).take(CALLS_MAX).collect();
    }
    Ok(all.into_iter().map(Value::Object).collect())
}

/// What to choose of what a parameter offers: of a thing that a scope can name, that one (or the only one there is); else
/// what is worth measuring; else, of a parameter that is required, the first ones, because nothing says which is better.
fn chosen(name: &str, offered: &[&str], slots: &Slots, wanted: &[&str], required: bool) -> Vec<String> {
    let owned = |text: &&str| (*text).to_owned();
    if Slots::knows(name) {
        // What is not offered is not asked about: another one would be no answer.
        let said = |one: &&&str| slots.value(name).map_or(offered.len() == 1, |value| same(value, one));
        return offered.iter().filter(said).take(1).map(owned).collect();
    }
    if !required {
        return Vec::new();
    }
    let fitting = wanted.iter().filter(|measure| offered.contains(measure));
    let fitting: Vec<String> = fitting.take(CHOICES_MAX).map(owned).collect();
    if fitting.is_empty() { offered.iter().take(CHOICES_MAX).map(owned).collect() } else { fitting }
}

/// Whether a name of the scope is the one that is offered: repositories are told by address too.
fn same(value: &str, offered: &str) -> bool {
    let value = value.strip_suffix(".git").unwrap_or(value);
    value.eq_ignore_ascii_case(offered)
        || value
            .len()
            .checked_sub(offered.len() + 1)
            .and_then(|start| value.get(start..))
            .is_some_and(|end| end.starts_with(['/', ':']) && end[1..].eq_ignore_ascii_case(offered))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::tool::Category;

    fn tool(parameters: Value) -> Metadata {
        Metadata {
            name: "x.y".to_owned(),
            description: String::new(),
            category: Category::Code,
            effect: Effect::Read,
            parameters,
            calls_per_minute: 1,
            usd_micros: 0,
            timeout: Duration::from_secs(1),
        }
    }

    fn slots(pairs: &[(&'static str, &str)]) -> Slots {
        Slots::from_pairs(pairs)
    }

    #[test]
    fn a_choice_is_what_the_scope_names_and_nothing_else() {
        let repositories = json!({"type": "object", "required": ["repository"], "properties": {
            "repository": {"type": "string", "enum": ["acme/cart", "acme/checkout"]}}});
        for (named, taken) in [
            ("acme/checkout", Ok(json!("acme/checkout"))),
            ("https://github.com/Acme/Checkout.git", Ok(json!("acme/checkout"))),
            ("git@github.com:acme/checkout", Ok(json!("acme/checkout"))),
            ("evil/acme/checkoutx", Err("repository".to_owned())),
            ("acme/other", Err("repository".to_owned())),
        ] {
            let found = arguments(&tool(repositories.clone()), &slots(&[("repository", named)]), &[]);
            let found =
                found.map(|all| all.into_iter().map(|one| one["repository"].clone()).collect::<Vec<_>>());
            assert_eq!(found, taken.map(|one| vec![one]), "{named}");
        }
        assert!(arguments(&tool(repositories.clone()), &slots(&[]), &[]).is_err());
        let mut only = repositories;
        only["properties"]["repository"]["enum"] = json!(["acme/checkout"]);
        let expected = Ok(vec![json!({"repository": "acme/checkout"})]);
        assert_eq!(arguments(&tool(only), &slots(&[]), &[]), expected);
    }

    #[test]
    fn every_way_to_choose_is_asked() {
        let measures = json!({"type": "object", "required": ["measure", "channel"], "properties": {
            "channel": {"type": "string", "enum": ["a", "b"]},
            "measure": {"type": "string", "enum": ["cpu", "memory", "errors"]},
            "step": {"type": "string", "enum": ["1m"]},
            "namespace": {"type": "string", "enum": ["shop"]}}});
        let found = arguments(&tool(measures), &slots(&[("namespace", "shop")]), &["memory", "cpu"]).unwrap();
        let expected = [("a", "memory"), ("b", "memory"), ("a", "cpu"), ("b", "cpu")];
        let expected = expected
            .map(|(channel, measure)| json!({"channel": channel, "measure": measure, "namespace": "shop"}));
        assert_eq!(found, expected);
    }
}
