//! Datadog monitors (`triggered`, `recovered`), metric points (`series`) and logs (`log`).

use serde_json::Value;

use super::{alertmanager, place, telemetry};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Sample, Signal, clip};
use crate::ids::{EventKey, hash128};
use crate::object::parse::{items, text};
use crate::time::EventTime;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let entity = place::of_envelope(&envelope.entity);
    if envelope.event_type == "series" {
        let metric = text(payload, &["metric"]);
        let summary = clip(&format!("points of {metric}"));
        let Some(entity) = entity else { return Ok(Normalized { summary, ..Normalized::default() }) };
        let sample = |point: &Value| {
            let at = EventTime::from_ms(point["timestamp"].as_i64()?.checked_mul(1_000)?).ok()?;
            let value = point["value"].as_f64().filter(|value| value.is_finite())?;
            Some(Fact::Sample(Sample {
                entity: entity.clone(),
                metric: metric.to_owned(),
                at,
                value_micro: Sample::micro(value),
            }))
        };
        let facts = items(payload, &["points"]).filter_map(sample).collect();
        return Ok(Normalized { facts, summary, ..Normalized::default() });
    }
    if envelope.event_type == "log" {
        let words = text(payload, &["message"]);
        let mut normalized = Normalized { summary: clip(words), ..Normalized::default() };
        if let Some(entity) = entity {
            let service = place::service_of_envelope(&envelope.entity);
            let (at, severity) = (envelope.ts, envelope.severity);
            telemetry::line(&entity, service.as_ref(), at, severity, words, &mut normalized.facts);
        }
        return Ok(normalized);
    }
    let title = text(payload, &["title"]);
    let summary = clip(&format!("{title} {}", envelope.event_type));
    let cycle = format!("{}{}", payload["alert_id"], payload["alert_cycle_key"]);
    let key = EventKey(hash128(&[envelope.tenant_id.as_str(), "datadog", &cycle].map(str::as_bytes)));
    let recovered = envelope.event_type == "recovered";
    // An alert that comes and goes is another cycle each time. Without one, the last that is said of the monitor counts.
    let said_at = if payload["alert_cycle_key"].is_null() { envelope.ts.0 } else { 0 };
    let revision = 2 * said_at + i64::from(recovered);
    let mut normalized = Normalized { key: Some(key), revision, summary, ..Normalized::default() };
    if let Some(entity) = entity {
        let mut signal = Signal::at(entity, alertmanager::kind_of(title), envelope.ts, title);
        signal.severity = envelope.severity;
        signal.ended = recovered.then_some(envelope.ts);
        normalized.facts.push(Fact::Signal(signal));
    }
    Ok(normalized)
}
