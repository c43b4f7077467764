//! Prometheus samples: a result of the query API (vector or matrix), or remote write as JSON
//! (`{"timeseries":[{"labels":{…},"samples":[{"value":…,"timestamp":ms}]}]}`). One envelope per series.

use serde_json::{Value, json};

use super::vendor::{VendorEvent, each, json as parse_json, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::fact::Sample;
use crate::object::parse::{items, text};
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>) -> Decoded {
    let document = match parse_json(raw) {
        Ok(document) => document,
        Err(error) => return Decoded::refused(error),
    };
    if document["timeseries"].is_array() {
        return each(items(&document, &["timeseries"]), |series| {
            let samples = items(series, &["samples"])
                .filter_map(|sample| Some((sample["timestamp"].as_i64()?, sample["value"].as_f64()?)));
            envelope(raw, &series["labels"], samples.collect()).map(Some)
        });
    }
    if !document["data"]["result"].is_array() {
        return Decoded::refused(DecodeError::field(
            "neither timeseries nor data.result; send a query result or remote write as JSON",
        ));
    }
    each(items(&document, &["data", "result"]), |series| {
        let pairs = items(series, &["values"]).chain(std::iter::once(&series["value"]));
        let samples = pairs.filter_map(|pair| {
            let seconds = pair[0].as_f64()?;
            // Milliseconds of any accepted time fit a double exactly.
            Some(((seconds * 1_000.0) as i64, pair[1].as_str()?.parse::<f64>().ok()?))
        });
        envelope(raw, &series["metric"], samples.collect()).map(Some)
    })
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
    let content = payload.to_string();
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
        identity: &[content.as_str()],
    }
    .envelope(raw))
}
