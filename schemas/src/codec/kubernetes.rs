//! Kubernetes JSON: an object, a list, a watch event, or an Event.
//!
//! The payload is the object without `managedFields` and the last-applied annotation. Of a secret only keys and
//! hashes of values are kept: a value never leaves this file.

use serde_json::{Map, Value, json};

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Event, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::ids::hash64;
use crate::object::parse::{int, text, time};
use crate::time::EventTime;

/// Decodes a document of any of the four shapes.
pub(super) fn decode(raw: &Raw<'_>, mut document: Value) -> Decoded {
    if let Some(items) = document.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take) {
        return each(items.into_iter(), |item| envelope(raw, with_list_kind(&document, item), false));
    }
    if let Value::Array(items) = document {
        return each(items.into_iter(), |item| envelope(raw, item, false));
    }
    let watched = text(&document, &["type"]);
    if document["object"].is_object()
        && matches!(watched, "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR")
    {
        if matches!(watched, "BOOKMARK" | "ERROR") {
            return Decoded::default();
        }
        let deleted = watched == "DELETED";
        return each(std::iter::once(document["object"].take()), |item| envelope(raw, item, deleted));
    }
    each(std::iter::once(document), |item| envelope(raw, item, false))
}

/// Items of a typed list (`PodList`) leave out their own kind.
fn with_list_kind(list: &Value, mut item: Value) -> Value {
    let kind = text(list, &["kind"]).strip_suffix("List").unwrap_or_default();
    if let Some(map) = item.as_object_mut()
        && !kind.is_empty()
        && !map.contains_key("kind")
    {
        map.insert("kind".to_owned(), Value::from(kind));
    }
    item
}

fn envelope(raw: &Raw<'_>, item: Value, deleted: bool) -> Result<Option<Event>, DecodeError> {
    let (kind, name) = (text(&item, &["kind"]), text(&item, &["metadata", "name"]));
    if kind.is_empty() {
        return Err(DecodeError::field(
            "Kubernetes object without kind; send objects as `kubectl get -o json` prints them",
        ));
    }
    if kind == "Event" {
        return Ok(Some(event(raw, item)));
    }
    if name.is_empty() {
        return Err(DecodeError::field(format!("{kind} without metadata.name")));
    }
    let payload = stripped(item);
    let item = &payload;
    let (kind, name) = (text(item, &["kind"]), text(item, &["metadata", "name"]));
    let namespace = text(item, &["metadata", "namespace"]);
    let event_type = if deleted { "deleted" } else { "object" };
    let ts = if deleted {
        time(item, &["metadata", "deletionTimestamp"]).unwrap_or(raw.arrived)
    } else {
        raw.arrived
    };
    let identity = [
        kind,
        namespace,
        name,
        text(item, &["metadata", "uid"]),
        text(item, &["metadata", "resourceVersion"]),
    ];
    let pod = optional(name).filter(|_| kind == "Pod");
    let service = optional(name).filter(|_| kind == "Service");
    let vendor = VendorEvent {
        source: "kubernetes",
        event_type,
        ts,
        severity: Severity::Info,
        entity: EnvelopeEntity { cluster: None, namespace: optional(namespace), service, pod },
        correlation_ids: CorrelationIds::default(),
        payload: &payload,
        identity: &identity,
    };
    let envelope = vendor.envelope_by_content(raw);
    Ok(Some(Event::parsed(envelope, payload)))
}

/// `core/v1` and `events.k8s.io/v1` Events.
fn event(raw: &Raw<'_>, item: Value) -> Event {
    let payload = stripped(item);
    let item = &payload;
    let involved =
        if item["involvedObject"].is_object() { &item["involvedObject"] } else { &item["regarding"] };
    let namespace = text(involved, &["namespace"]);
    let pod = optional(text(involved, &["name"])).filter(|_| text(involved, &["kind"]) == "Pod");
    let identity = [
        text(item, &["metadata", "namespace"]),
        text(item, &["metadata", "name"]),
        text(item, &["metadata", "uid"]),
        text(item, &["metadata", "resourceVersion"]),
    ];
    let severity = if text(item, &["type"]) == "Warning" { Severity::Warning } else { Severity::Info };
    let vendor = VendorEvent {
        source: "kubernetes",
        event_type: "event",
        ts: event_time(item).unwrap_or(raw.arrived),
        severity,
        entity: EnvelopeEntity { cluster: None, namespace: optional(namespace), service: None, pod },
        correlation_ids: CorrelationIds::default(),
        payload: &payload,
        identity: &identity,
    };
    let envelope = vendor.envelope_by_content(raw);
    Event::parsed(envelope, payload)
}

/// When an Event was last seen.
fn event_time(item: &Value) -> Option<EventTime> {
    let paths: [&[&str]; 7] = [
        &["series", "lastObservedTime"],
        &["lastTimestamp"],
        &["deprecatedLastTimestamp"],
        &["eventTime"],
        &["firstTimestamp"],
        &["deprecatedFirstTimestamp"],
        &["metadata", "creationTimestamp"],
    ];
    paths.iter().find_map(|path| time(item, path))
}

/// An object without what is not kept of it.
fn stripped(mut item: Value) -> Value {
    let Some(map) = item.as_object_mut() else { return item };
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    if map.get("kind").and_then(Value::as_str) == Some("Secret") {
        hide(map);
    }
    item
}

/// Replaces a secret's values by hashes.
fn hide(secret: &mut Map<String, Value>) {
    let mut hashes = Map::new();
    for field in ["data", "stringData"] {
        let values = secret.remove(field);
        for (key, value) in values.as_ref().and_then(Value::as_object).into_iter().flatten() {
            hashes.insert(key.clone(), json!(format!("{:016x}", hash64(&[value.to_string().as_bytes()]))));
        }
    }
    if let Some(known) = secret.get("dataHash").and_then(Value::as_object) {
        hashes.extend(known.clone());
    }
    secret.insert("dataHash".to_owned(), Value::Object(hashes));
}

/// The order of revisions of one Event: how often it was seen, then when it was written.
pub(crate) fn event_revision(item: &Value) -> i64 {
    let count =
        int(item, &["count"]).max(int(item, &["series", "count"])).max(int(item, &["deprecatedCount"]));
    let version: i64 = text(item, &["metadata", "resourceVersion"]).parse().unwrap_or(0);
    if version == 0 { count } else { version }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TenantId;
    use crate::position::SourcePosition;

    fn decoded(document: &Value) -> Decoded {
        let tenant: TenantId = "shop".parse().unwrap();
        let position = SourcePosition::default();
        let arrived = EventTime(1_780_000_000_000);
        decode(&Raw { tenant: &tenant, position: &position, arrived, bytes: &[] }, document.clone())
    }

    #[test]
    fn a_bad_item_of_a_list_costs_only_itself() {
        let list = json!({"kind": "List", "items": [
            {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop"}}, {"nokind": 1},
            {"kind": "Pod", "metadata": {"name": "b", "namespace": "shop"}}]});
        let found = decoded(&list);
        assert_eq!((found.events.len(), found.errors.len()), (2, 1));
        assert_eq!(found.errors[0].0, 1);
    }

    #[test]
    fn a_secret_value_never_leaves_the_codec() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "db", "namespace": "shop",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}}, "data": {"password": "aHVudGVyMg=="}});
        let found = decoded(&secret);
        let payload = &found.events[0].envelope.payload;
        assert!(
            payload.contains("password") && !payload.contains("aHVudGVyMg") && !payload.contains("hunter2")
        );
    }

    #[test]
    fn the_same_delivery_has_the_same_id_and_a_new_version_another() {
        let pod = |version: &str| {
            json!({"type": "MODIFIED", "object":
            {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": version}}})
        };
        let id = |version| decoded(&pod(version)).events[0].envelope.ingest_id;
        assert_eq!(id("1"), id("1"));
        assert_ne!(id("1"), id("2"));
    }

    #[test]
    fn a_bookmark_is_nothing() {
        assert_eq!(decoded(&json!({"type": "BOOKMARK", "object": {"kind": "Pod"}})), Decoded::default());
    }
}
