//! Nezha: minutes of spans, as OTLP would bring them.
//!
//! The source has no kinds: a span is one of a client when another pod has reported a span below it. Spans of one trace
//! stay together, in one request of a collector that waits for whole traces.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemas::codec::Format;
use schemas::time::EventTime;
use serde_json::{Value, json};

use super::super::CaseRecord;
use super::NAMESPACE;

/// Traces that begin within this many nanoseconds share a request.
const BATCH_NS: i64 = 15_000_000_000;

struct Row<'a> {
    trace: &'a str,
    id: &'a str,
    parent: &'a str,
    pod: &'a str,
    operation: &'a str,
    start: i64,
    end: i64,
}

/// The spans of one window that have ended until then.
pub(super) fn records(path: &Path, until: EventTime) -> Result<Vec<CaseRecord>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let ended = |row: &Row<'_>| row.end / 1_000_000 <= until.0;
    let rows: Vec<Row<'_>> = text.lines().skip(1).filter_map(row).filter(ended).collect();
    let pods: BTreeMap<&str, &str> = rows.iter().map(|row| (row.id, row.pod)).collect();
    let mut callees: BTreeMap<&str, &str> = BTreeMap::new();
    let mut begun: BTreeMap<&str, i64> = BTreeMap::new();
    for row in &rows {
        if pods.get(row.parent).is_some_and(|pod| *pod != row.pod) {
            callees.insert(row.parent, service(row.pod));
        }
        let since = begun.entry(row.trace).or_insert(row.start);
        *since = row.start.min(*since);
    }
    let mut batches: BTreeMap<i64, BTreeMap<&str, Vec<Value>>> = BTreeMap::new();
    for row in &rows {
        let batch = begun.get(row.trace).map_or(0, |since| since / BATCH_NS);
        let pods = batches.entry(batch).or_default();
        pods.entry(row.pod).or_default().push(span(row, callees.get(row.id)));
    }
    batches.into_values().map(|pods| record(&pods, until)).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let mut first = line.splitn(5, ',');
    let (trace, id, parent, pod) = (first.next()?, first.next()?, first.next()?, first.next()?);
    let mut last = first.next()?.trim_end().rsplitn(4, ',');
    let (_duration, end, start, operation) = (last.next()?, last.next()?, last.next()?, last.next()?);
    Some(Row { trace, id, parent, pod, operation, start: start.parse().ok()?, end: end.parse().ok()? })
}

fn service(pod: &str) -> &str {
    pod.rsplitn(3, '-').nth(2).unwrap_or(pod)
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn span(row: &Row<'_>, callee: Option<&&str>) -> Value {
    let attributes: Vec<Value> = callee.map(|callee| attribute("peer.service", callee)).into_iter().collect();
    let kind = if callee.is_some() { 3 } else { 1 };
    json!({"traceId": row.trace, "spanId": row.id, "parentSpanId": row.parent, "name": row.operation, "kind": kind,
        "startTimeUnixNano": row.start.to_string(), "endTimeUnixNano": row.end.to_string(), "attributes": attributes})
}

fn record(pods: &BTreeMap<&str, Vec<Value>>, arrived: EventTime) -> Result<CaseRecord> {
    let resource = |(pod, spans): (&&str, &Vec<Value>)| {
        let attributes = [
            attribute("service.name", service(pod)),
            attribute("k8s.namespace.name", NAMESPACE),
            attribute("k8s.pod.name", pod),
        ];
        json!({"resource": {"attributes": attributes}, "scopeSpans": [{"spans": spans}]})
    };
    let resources: Vec<Value> = pods.iter().map(resource).collect();
    let document = json!({"resourceSpans": resources});
    let bytes = serde_json::to_vec(&document)?;
    Ok(CaseRecord { name: "traces".to_owned(), format: Format::Otlp, arrived, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_span_whatever_its_name() {
        let found = row("t,s,root,cart-5f65-fnm,SELECT a,b,1000000,3000000,2").unwrap();
        assert_eq!(
            (found.operation, found.start, found.end, service(found.pod)),
            ("SELECT a,b", 1_000_000, 3_000_000, "cart")
        );
        assert!(
            row("TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration")
                .is_none()
        );
    }
}
