//! Envelopes of other producers.
//!
//! `log` with payload `{"message"}` is a log line; `metric` with `{"metric", "value"}` a sample; `topology` with
//! `{"calls"}` an edge; `alert` with `{"name"}` an alert, which may place itself by `labels` and name the `metric` that rose;
//! `kgroot`/`withdraw` with `{"ingest_id"}` withdraws an event; everything else is an event of its severity.

use serde_json::Value;

use super::anomaly::anomaly_kind;
use super::{alertmanager, place, telemetry};
use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::{Envelope, Severity};
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Sample, Signal, clip};
use crate::ids::EventId;
use crate::object::parse::text;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    if envelope.source == "kgroot" && envelope.event_type == "withdraw" {
        let id = uuid::Uuid::parse_str(text(payload, &["ingest_id"]))
            .map_err(|_| DecodeError::field("payload.ingest_id is not a UUID; name the event to withdraw"))?;
        let summary = format!("withdraws {id}");
        return Ok(Normalized { withdraws: Some(EventId(id.as_u128())), summary, ..Normalized::default() });
    }
    let words = ["message", "text", "summary", "name"]
        .into_iter()
        .map(|key| text(payload, &[key]))
        .find(|text| !text.is_empty());
    let words = words.unwrap_or(&envelope.event_type);
    let summary = clip(words);
    let mut normalized = Normalized { summary, ..Normalized::default() };
    let label = |key: &str| payload["labels"][key].as_str().filter(|value| !value.is_empty());
    let placed = Some(()).filter(|()| envelope.source == "alert").and_then(|()| place::of_labels(label));
    let Some(entity) = placed.or_else(|| place::of_envelope(&envelope.entity)) else { return Ok(normalized) };
    let facts = &mut normalized.facts;
    match envelope.source.as_str() {
        "log" => {
            let service = place::service_of_envelope(&envelope.entity);
            telemetry::line(&entity, service.as_ref(), envelope.ts, envelope.severity, words, facts);
        }
        "metric" => {
            let value = payload["value"].as_f64().filter(|value| value.is_finite());
            let value = value.ok_or_else(|| DecodeError::field("payload.value is not a number"))?;
            let metric = clip(text(payload, &["metric"]));
            facts.extend(place::membership(&envelope.entity, envelope.ts));
            facts.push(Fact::Sample(Sample {
                entity,
                metric,
                at: envelope.ts,
                value_micro: Sample::micro(value),
            }));
        }
        "topology" => {
            // A service map: `{"calls": name}`.
            let callee =
                Entity::namespaced(EntityKind::Service, &entity.namespace, text(payload, &["calls"]))
                    .in_cluster(&entity.cluster);
            let (kind, valid_from) = (RelationKind::Calls, envelope.ts);
            if !callee.name.is_empty() {
                facts.push(Fact::Relation(Relation {
                    from: entity,
                    kind,
                    to: callee,
                    valid_from,
                    valid_to: None,
                }));
            }
        }
        "alert" => {
            // What rose is known already; no baseline has to find it again.
            let metric = text(payload, &["metric"]);
            if !metric.is_empty() {
                let rose = Signal::at(entity.clone(), anomaly_kind(metric, true), envelope.ts, words);
                facts.push(Fact::Signal(rose));
            }
            let mut signal = Signal::at(entity, alertmanager::kind_of(words), envelope.ts, words);
            signal.severity = envelope.severity;
            facts.push(Fact::Signal(signal));
        }
        _ => {
            let kind = match envelope.severity {
                Severity::Error | Severity::Critical => "event.error",
                Severity::Warning => "event.warning",
                Severity::Info | Severity::Debug => "event.info",
            };
            let mut signal = Signal::at(entity, Kind::named(kind), envelope.ts, words);
            signal.severity = envelope.severity;
            facts.push(Fact::Signal(signal));
        }
    }
    Ok(normalized)
}
