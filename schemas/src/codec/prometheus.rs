//! Prometheus samples: a result of the query API (vector or matrix), or remote write as JSON
//! (`{"timeseries":[{"labels":{…},"samples":[{"value":…,"timestamp":ms}]}]}`). One envelope per series.
//!
//! A mesh reports a call twice, as its caller and as its callee see it. Of a latency of which a record has both, one more
//! series says how long the call is on the way: `mesh.wire_us`, the one less the other at the same time. It can be
//! negative: percentiles of two ends differ by chance, and how much they do is what is usual.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Event, Raw};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::fact::Sample;
use crate::object::parse::{items, text};
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    if document["timeseries"].is_array() {
        let samples = |series: &Value| {
            let pair = |sample: &Value| Some((sample["timestamp"].as_i64()?, sample["value"].as_f64()?));
            items(series, &["samples"]).filter_map(pair).collect()
        };
        return decode_series(raw, &document["timeseries"], "labels", samples);
    }
    if !document["data"]["result"].is_array() {
        return Decoded::refused(DecodeError::field(
            "neither timeseries nor data.result; send a query result or remote write as JSON",
        ));
    }
    let samples = |series: &Value| {
        let pairs = items(series, &["values"]).chain(std::iter::once(&series["value"]));
        let pair = |pair: &Value| {
            let seconds = pair[0].as_f64()?;
            // Milliseconds of any accepted time fit a double exactly.
            Some(((seconds * 1_000.0) as i64, pair[1].as_str()?.parse::<f64>().ok()?))
        };
        pairs.filter_map(pair).collect()
    };
    decode_series(raw, &document["data"]["result"], "metric", samples)
}

/// Series of a record, and what two of them say of the way between.
fn decode_series(
    raw: &Raw<'_>,
    series: &Value,
    labels: &str,
    samples: impl Fn(&Value) -> Vec<(i64, f64)>,
) -> Decoded {
    let mut decoded =
        each(items(series, &[]), |series| envelope(raw, &series[labels], samples(series)).map(Some));
    let mut calls: BTreeMap<String, (Value, [BTreeMap<i64, f64>; 2])> = BTreeMap::new();
    for series in items(series, &[]) {
        let Some((end, name, unit_us)) = end_of_call(&series[labels]) else { continue };
        let mut call = series[labels].clone();
        if let Some(call) = call.as_object_mut() {
            call.remove("reporter");
        }
        // Of two latencies that are measured of one call each has its own way.
        let key = call.to_string();
        call["__name__"] = json!("mesh.wire_us");
        call["of"] = json!(name);
        let (_, ends) = calls.entry(key).or_insert_with(|| (call, Default::default()));
        ends[end].extend(samples(series).into_iter().map(|(at, value)| (at, value * unit_us)));
    }
    for (call, [caller, callee]) in calls.into_values() {
        let way = |(at, value): (&i64, &f64)| Some((*at, value - callee.get(at)?));
        let samples: Vec<(i64, f64)> = caller.iter().filter_map(way).collect();
        // Without a common time there is nothing to tell; times that are refused were so with their series.
        decoded.events.extend(envelope(raw, &call, samples).map(Event::from));
    }
    decoded
}

/// Which end of a call reports a latency (0: its caller, 1: its callee), its name, and microseconds in its unit.
fn end_of_call(labels: &Value) -> Option<(usize, &str, f64)> {
    let label = |key: &str| text(labels, &[key]);
    let end = match label("reporter") {
        "source" => 0,
        "destination" => 1,
        _ => return None,
    };
    let name = label("__name__");
    let timed = ["latency", "duration"].iter().any(|word| name.contains(word));
    let unit_us = match name {
        _ if !timed || label("source_workload").is_empty() || label("destination_workload").is_empty() => {
            return None;
        }
        // Parts of a histogram are numbers of requests and sums.
        _ if ["_bucket", "_count", "_sum"].iter().any(|part| name.ends_with(part)) => return None,
        _ if name.ends_with("_ms") || name.contains("milliseconds") => 1_000.0,
        _ if name.contains("seconds") => 1_000_000.0,
        _ => return None,
    };
    Some((end, name, unit_us))
}

fn envelope(raw: &Raw<'_>, labels: &Value, samples: Vec<(i64, f64)>) -> Result<Envelope, DecodeError> {
    let times: Vec<EventTime> = samples.iter().filter_map(|(ms, _)| EventTime::from_ms(*ms).ok()).collect();
    let (Some(ts), true) = (times.iter().max(), times.len() == samples.len()) else {
        return Err(DecodeError::field(
            "Prometheus series without samples, or with times outside 2000 to 2100",
        ));
    };
    let micro = |value: f64| value.is_finite().then(|| Sample::micro(value));
    let pairs: Vec<Value> =
        samples.iter().filter_map(|(ms, value)| Some(json!([ms, micro(*value)?]))).collect();
    let payload = json!({"labels": labels, "samples_micro": pairs});
    let label = |keys: &[&str]| keys.iter().find_map(|key| optional(text(labels, &[key])));
    Ok(VendorEvent {
        source: "prometheus",
        event_type: "samples",
        ts: *ts,
        severity: Severity::Info,
        entity: EnvelopeEntity {
            cluster: label(&["cluster"]),
            namespace: label(&["namespace"]),
            service: label(&["service", "deployment", "job"]),
            pod: label(&["pod"]),
        },
        correlation_ids: CorrelationIds::default(),
        payload: &payload,
        identity: &[],
    }
    .envelope_by_content(raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, decode};
    use crate::position::SourcePosition;

    /// Samples of the way, of a record with one latency as two reporters see it.
    fn way(name: &str, reporters: [&str; 2]) -> Option<String> {
        let series = |reporter: &str, samples: Value| {
            json!({"labels": {"__name__": name, "source_workload": "web", "destination_workload": "pay", "reporter": reporter},
                "samples": samples})
        };
        let at = 1_780_000_000_000_i64;
        let document = json!({"timeseries": [
            series(reporters[0], json!([{"timestamp": at, "value": 30.0}, {"timestamp": at + 1, "value": 40.0}])),
            series(reporters[1], json!([{"timestamp": at, "value": 10.0}])),
        ]});
        let (tenant, position, bytes) =
            ("shop".parse().unwrap(), SourcePosition::default(), document.to_string());
        let raw =
            Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: bytes.as_bytes() };
        let decoded = decode(&raw, Format::Prometheus);
        assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
        let payloads = decoded.events.iter().map(|event| &event.envelope.payload);
        payloads.map(|payload| format!("{payload:?}")).find(|payload| payload.contains("mesh.wire_us"))
    }

    #[test]
    fn a_call_that_both_ends_report_has_a_time_on_the_way() {
        let found = way("request_latency_ms", ["source", "destination"]).unwrap();
        assert!(found.contains("20000000000") && !found.contains("1780000000001"), "{found}");
    }

    #[test]
    fn one_end_or_another_quantity_has_none() {
        assert_eq!(way("request_latency_ms", ["source", "waypoint"]), None);
        assert_eq!(way("request_errors_percent", ["source", "destination"]), None);
        assert_eq!(way("request_duration_milliseconds_bucket", ["source", "destination"]), None);
        assert_eq!(way("request_latency", ["source", "destination"]), None, "its unit is not known");
    }
}
