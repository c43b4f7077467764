//! Spans of one resource, folded to samples: one of each series a second.
//!
//! Of a service: how long the requests take that it serves, how many of them fail, how many fail in the service itself
//! (no span below has failed), and how long each operation works by itself: its time without that of the spans below it
//! which the resource has reported too. What a client span lasts is the time of the wire and of the callee: it is a
//! latency of the call; less the time of the callee, where it is known, it is the time on the way. A span of which the
//! parent comes with another resource is one of the requests served. Of each call: in how many of a hundred requests that
//! make it nothing is called after it. Code that stops early, or a callee that answers wrongly, shows there without a status.

use std::collections::BTreeMap;

use serde_json::Value;

use super::edge;
use crate::codec::otlp::{attributes, is_client, micros, nanos, spans};
use crate::entity::{Entity, EntityKind, RelationKind};
use crate::fact::{Fact, Sample, clip};
use crate::normalize::place;
use crate::object::parse::text;
use crate::time::EventTime;

/// Operations of which one resource may speak at once: names with ids in them must not become series without end.
const OPERATIONS_MAX: usize = 64;
/// Spans above a failed one that are told of it.
const DEPTH_MAX: usize = 64;

/// One span, and what lies below it.
struct Span<'a> {
    id: &'a str,
    parent: &'a str,
    start_us: i64,
    end_us: i64,
    operation: &'a str,
    callee: Option<Entity>,
    /// How long the callee took by its own account.
    answered_us: Option<i64>,
    client: bool,
    failed: bool,
    /// A span below has failed.
    failed_below: bool,
}

/// Values of one series and second.
#[derive(Default)]
struct Mean {
    count: i64,
    sum: i64,
}

/// Series by entity and metric; each by second.
type Folded = BTreeMap<(Entity, String), BTreeMap<i64, Mean>>;

/// Adds the samples and calls of a resource.
pub(super) fn fold(payload: &Value, service: &Entity, facts: &mut Vec<Fact>) {
    let mut all: Vec<Span<'_>> = spans(payload).filter_map(|span| read(span, service)).collect();
    let by_id: BTreeMap<&str, usize> = all.iter().enumerate().map(|(at, span)| (span.id, at)).collect();
    let parents: Vec<Option<usize>> = all.iter().map(|span| by_id.get(span.parent).copied()).collect();
    tell_failures(&mut all, &parents);
    let mut below: Vec<Vec<(i64, i64)>> = vec![Vec::new(); all.len()];
    for (span, parent) in all.iter().zip(&parents) {
        if let Some(parent) = parent {
            below[*parent].push((span.start_us, span.end_us));
        }
    }
    let mut folded = Folded::new();
    let mut operations: BTreeMap<&str, String> = BTreeMap::new();
    for ((span, parent), below) in all.iter().zip(&parents).zip(&mut below) {
        let mut add = |entity: &Entity, metric: String, value: i64| {
            add(&mut folded, (entity.clone(), metric), span, value)
        };
        let lasted = span.end_us - span.start_us;
        if let Some(callee) = span.callee.as_ref().filter(|callee| callee.kind == EntityKind::Service) {
            let call = place::of_call(service, callee);
            add(&call, "span.call_duration_us".to_owned(), lasted);
            if let Some(answered_us) = span.answered_us {
                add(&call, "span.wire_us".to_owned(), lasted.saturating_sub(answered_us));
            }
        }
        if span.client {
            continue;
        }
        if parent.is_none() {
            let percent = |yes: bool| i64::from(yes) * 100;
            add(service, "span.duration_us".to_owned(), lasted);
            add(service, "span.errors_percent".to_owned(), percent(span.failed));
            add(service, "span.own_errors_percent".to_owned(), percent(span.failed && !span.failed_below));
        }
        if operations.len() < OPERATIONS_MAX || operations.contains_key(span.operation) {
            let named = || format!("span.own_us{{operation={}}}", clip(span.operation));
            let metric = operations.entry(span.operation).or_insert_with(named);
            add(service, metric.clone(), lasted - covered(span, below));
        }
    }
    for (request, callees) in last_calls(&all, &parents) {
        for (callee, last) in callees {
            let series = (place::of_call(service, callee), "span.last_call_percent".to_owned());
            add(&mut folded, series, request, i64::from(last) * 100);
        }
    }
    samples(folded, facts);
    calls(&all, service, facts);
}

/// Adds a value to a series, in the second in which a span ended.
fn add(folded: &mut Folded, series: (Entity, String), span: &Span<'_>, value: i64) {
    let mean = folded.entry(series).or_default().entry(span.end_us.div_euclid(1_000_000)).or_default();
    mean.count += 1;
    mean.sum = mean.sum.saturating_add(value);
}

fn read<'a>(span: &'a Value, service: &Entity) -> Option<Span<'a>> {
    nanos(&span["startTimeUnixNano"]).and(nanos(&span["endTimeUnixNano"]))?;
    let (start_us, end_us) = (micros(&span["startTimeUnixNano"])?, micros(&span["endTimeUnixNano"])?);
    let client = is_client(span);
    let failed =
        span["status"]["code"].as_i64() == Some(2) || text(span, &["status", "code"]) == "STATUS_CODE_ERROR";
    Some(Span {
        id: text(span, &["spanId"]),
        parent: text(span, &["parentSpanId"]),
        start_us,
        end_us: end_us.max(start_us),
        operation: text(span, &["name"]),
        callee: if client { callee(span, service) } else { None },
        answered_us: span["answered_us"].as_i64(),
        client,
        failed,
        failed_below: false,
    })
}

/// Tells every span above a failed one. The ids of a span are its producer's word, so that they may form a circle.
fn tell_failures(all: &mut [Span<'_>], parents: &[Option<usize>]) {
    for at in 0..all.len() {
        let mut above = parents[at].filter(|_| all[at].failed);
        for _ in 0..DEPTH_MAX {
            let Some(place) = above.filter(|place| !all[*place].failed_below) else { break };
            all[place].failed_below = true;
            above = parents[place];
        }
    }
}

/// Each request with the services that it calls, and whether each is the one called last. Of a request whose topmost span
/// is a call, the rest came with other spans: nothing is known of its end.
fn last_calls<'a>(
    all: &'a [Span<'a>],
    parents: &[Option<usize>],
) -> Vec<(&'a Span<'a>, BTreeMap<&'a Entity, bool>)> {
    let mut made: BTreeMap<usize, Vec<(i64, &Entity)>> = BTreeMap::new();
    for (at, span) in all.iter().enumerate() {
        let Some(callee) = span.callee.as_ref().filter(|callee| callee.kind == EntityKind::Service) else {
            continue;
        };
        let mut top = at;
        for _ in 0..DEPTH_MAX {
            let Some(above) = parents[top] else { break };
            top = above;
        }
        if !all[top].client {
            made.entry(top).or_default().push((span.start_us, callee));
        }
    }
    let requests = made.into_iter().map(|(top, calls)| {
        let last = calls.iter().max().map(|(_, callee)| *callee);
        let callees = calls.iter().map(|(_, callee)| (*callee, Some(*callee) == last)).collect();
        (&all[top], callees)
    });
    requests.collect()
}

/// How much of a span the spans below it cover; of those that overlap each moment counts once.
fn covered(span: &Span<'_>, below: &mut [(i64, i64)]) -> i64 {
    below.sort_unstable();
    let (mut covered, mut until) = (0, span.start_us);
    for (start, end) in below {
        let (start, end) = ((*start).max(until), (*end).min(span.end_us));
        if start < end {
            covered += end - start;
            until = end;
        }
    }
    covered
}

fn samples(folded: Folded, facts: &mut Vec<Fact>) {
    for ((entity, metric), seconds) in folded {
        for (second, mean) in seconds {
            let value_micro = mean.sum.saturating_mul(1_000_000) / mean.count.max(1);
            let at = EventTime(second.saturating_mul(1_000));
            facts.push(Fact::Sample(Sample {
                entity: entity.clone(),
                metric: metric.clone(),
                at,
                value_micro,
            }));
        }
    }
}

fn calls(all: &[Span<'_>], service: &Entity, facts: &mut Vec<Fact>) {
    let mut called: BTreeMap<&Entity, i64> = BTreeMap::new();
    for span in all {
        if let Some(callee) = &span.callee {
            let since = called.entry(callee).or_insert(span.start_us);
            *since = span.start_us.min(*since);
        }
    }
    let edge = |(callee, since): (&Entity, i64)| {
        edge(service, RelationKind::Calls, callee.clone(), EventTime(since.div_euclid(1_000)))
    };
    facts.extend(called.into_iter().map(edge));
}

/// Whom a client span calls.
fn callee(span: &Value, service: &Entity) -> Option<Entity> {
    let attributes = attributes(&span["attributes"]);
    let named = [text(&attributes, &["peer.service"]), text(&attributes, &["server.address"])];
    let host = named.into_iter().find(|name| !name.is_empty())?;
    // `pay`, `pay.shop`, `pay.shop.svc.cluster.local` are services; other names with dots lie outside.
    let (name, rest) = host.split_once('.').unwrap_or((host, ""));
    let internal = rest.is_empty()
        || rest.contains("svc")
        || !rest.contains('.') && !text(&attributes, &["peer.service"]).is_empty();
    if !internal {
        return Some(Entity::global(EntityKind::External, host));
    }
    let namespace =
        rest.split('.').next().filter(|namespace| !namespace.is_empty()).unwrap_or(&service.namespace);
    Some(Entity::namespaced(EntityKind::Service, namespace, name).in_cluster(&service.cluster))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn span(id: &str, parent: &str, times: (i64, i64), more: &Value) -> Value {
        let base = 1_780_000_000_000_000_000_i64;
        let mut span = json!({"spanId": id, "parentSpanId": parent, "name": id, "kind": 2,
            "startTimeUnixNano": (base + times.0 * 1_000_000).to_string(),
            "endTimeUnixNano": (base + times.1 * 1_000_000).to_string()});
        for (key, value) in more.as_object().into_iter().flatten() {
            span[key] = value.clone();
        }
        span
    }

    /// Values in whole units, by entity and metric.
    fn folded(spans: &[Value]) -> BTreeMap<String, i64> {
        let service = Entity::namespaced(EntityKind::Service, "shop", "cart");
        let mut facts = Vec::new();
        fold(&json!({"scopeSpans": [{"spans": spans}]}), &service, &mut facts);
        let sample = |fact: Fact| match fact {
            Fact::Sample(sample) => {
                Some((format!("{} {}", sample.entity.name, sample.metric), sample.value_micro / 1_000_000))
            }
            _ => None,
        };
        facts.into_iter().filter_map(sample).collect()
    }

    #[test]
    fn own_time_is_what_no_span_below_covers() {
        let call =
            json!({"kind": 3, "attributes": [{"key": "peer.service", "value": {"stringValue": "pay"}}]});
        // Two calls overlap, and one outlasts the request: 20 ms before and 10 ms between are left.
        let found = folded(&[
            span("serve", "elsewhere", (0, 100), &json!({})),
            span("a", "serve", (20, 60), &call),
            span("b", "serve", (50, 70), &call),
            span("c", "serve", (80, 130), &call),
        ]);
        assert_eq!(found["cart span.own_us{operation=serve}"], 30_000);
        assert_eq!(found["cart span.duration_us"], 100_000);
        assert_eq!(found["cart->pay span.call_duration_us"], (40_000 + 20_000 + 50_000) / 3);
        assert!(!found.keys().any(|series| series.contains("operation=a")), "a call has no time of its own");
    }

    #[test]
    fn the_deepest_failure_is_the_own_one() {
        let failed = json!({"status": {"code": 2}});
        let failed_call = json!({"kind": 3, "status": {"code": 2}});
        let above = folded(&[
            span("serve", "", (0, 10), &failed),
            span("work", "serve", (1, 9), &json!({"kind": 1})),
            span("call", "work", (2, 8), &failed_call),
        ]);
        assert_eq!((above["cart span.errors_percent"], above["cart span.own_errors_percent"]), (100, 0));
        let own = folded(&[
            span("serve", "", (0, 10), &failed),
            span("call", "serve", (2, 8), &json!({"kind": 3})),
        ]);
        assert_eq!((own["cart span.errors_percent"], own["cart span.own_errors_percent"]), (100, 100));
    }

    #[test]
    fn what_a_request_calls_last_is_told_of_each_of_its_calls() {
        let call = |callee: &str| json!({"kind": 3, "attributes": [{"key": "peer.service", "value": {"stringValue": callee}}]});
        let whole = folded(&[
            span("serve", "elsewhere", (0, 100), &json!({})),
            span("prepare", "serve", (10, 50), &json!({"kind": 1})),
            span("a", "prepare", (20, 30), &call("stock")),
            span("b", "serve", (60, 80), &call("pay")),
        ]);
        assert_eq!(whole["cart->stock span.last_call_percent"], 0);
        assert_eq!(whole["cart->pay span.last_call_percent"], 100);
        let half = folded(&[span("a", "not-here", (20, 30), &call("stock"))]);
        assert!(!half.keys().any(|series| series.contains("last_call")), "its request is not known");
    }

    #[test]
    fn spans_in_a_circle_and_without_ids_are_folded() {
        let failed = json!({"status": {"code": 2}});
        let found = folded(&[
            span("a", "b", (0, 10), &failed),
            span("b", "a", (0, 10), &failed),
            span("", "", (0, 5), &failed),
        ]);
        assert_eq!(found["cart span.own_us{operation=a}"], 0);
    }
}
