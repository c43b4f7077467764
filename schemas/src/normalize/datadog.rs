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
    let has_cycle = !payload["alert_cycle_key"].is_null() && payload["alert_cycle_key"] != "";
    let said_at = if has_cycle { 0 } else { envelope.ts.0 };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::{Format, Raw, decode};
    use crate::position::SourcePosition;

    /// What a monitor says at a second, of one cycle or of none.
    fn said(transition: &str, second: i64, cycle: &Value) -> (Envelope, Normalized) {
        let body = json!({"alert_id": 7, "alert_cycle_key": cycle, "alert_transition": transition, "alert_type": "error",
            "title": "pay is slow", "tags": "service:pay,kube_namespace:shop", "last_updated": 1_000 * (1_780_000_000 + second)});
        let (tenant, position, bytes) =
            ("shop".parse().unwrap(), SourcePosition::default(), body.to_string());
        let raw =
            Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: bytes.as_bytes() };
        let envelope = decode(&raw, Format::Datadog).events.remove(0).envelope;
        let normalized = normalize(&envelope, &body).unwrap();
        (envelope, normalized)
    }

    #[test]
    fn each_reminder_of_a_monitor_is_an_event_of_its_own_and_sent_twice_the_same() {
        let id = |second| said("Renotify", second, &json!("c1")).0.ingest_id;
        assert_eq!(id(100), id(100));
        assert_ne!(id(100), id(200));
    }

    #[test]
    fn a_recovery_ends_its_cycle_and_without_cycles_the_last_word_counts() {
        let [triggered, recovered, again] = [("Triggered", 100), ("Recovered", 200), ("Triggered", 300)];
        let revisions = |cycle: Value| {
            [triggered, recovered, again].map(|(transition, second)| {
                let (_, normalized) = said(transition, second, &cycle);
                (normalized.key, normalized.revision)
            })
        };
        let [first, end, late] = revisions(json!("c1"));
        assert!(first.0 == end.0 && first < end && late < end, "what comes late does not begin it anew");
        for cycle in [Value::Null, json!("")] {
            let [first, end, anew] = revisions(cycle);
            assert!(first.0 == anew.0 && first < end && end < anew, "it begins anew");
        }
        assert_ne!(said("Triggered", 100, &json!("c1")).1.key, said("Triggered", 100, &json!("c2")).1.key);
    }
}
