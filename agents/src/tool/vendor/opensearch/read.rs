//! Reads the answers of OpenSearch.

use schemas::time::EventTime;
use serde_json::{Value, json};

use super::BUCKETS;
use super::options::Fields;
use crate::tool::ToolError;
use crate::tool::vendor::summary;

/// How many lines were found, and the first of them.
pub(super) fn hits(answer: &Value, fields: &Fields, most: usize) -> Result<Value, ToolError> {
    let hit = |hit: &Value| {
        let source = hit.get("_source").unwrap_or(&Value::Null);
        let said = |field: &str| said(source, field, summary::NAME);
        json!({
            "at": time(source, &fields.time),
            "message": self::said(source, &fields.message, summary::TEXT),
            "level": fields.level.as_deref().map(said),
            "namespace": said(&fields.namespace),
            "service": said(&fields.service),
            "pod": said(&fields.pod),
        })
    };
    let found = summary::needed(answer, "/hits/hits")?;
    let missed = answer.pointer("/_shards/failed").and_then(Value::as_u64).unwrap_or_default();
    let total = answer.pointer("/hits/total/value").and_then(Value::as_u64);
    Ok(json!({
        "total": total.unwrap_or(found.len() as u64),
        "messages": found.iter().take(most).map(hit).collect::<Vec<Value>>(),
        "partial": answer.get("timed_out") == Some(&Value::Bool(true)) || 0 < missed,
    }))
}

/// Counts by time; a time without any is left out.
pub(super) fn counts(answer: &Value) -> Value {
    let count = |bucket: &Value| {
        let ms = bucket.get("key").and_then(Value::as_i64);
        let at = ms.and_then(|ms| EventTime::from_ms(ms).ok());
        json!({ "at": at, "count": summary::number(bucket, "/doc_count") })
    };
    let buckets = summary::items(answer, "/aggregations/counts/buckets");
    summary::list(buckets, BUCKETS.unsigned_abs() as usize, count)
}

/// The value of a field: under its whole name, or along its parts.
fn field<'a>(source: &'a Value, name: &str) -> Option<&'a Value> {
    let whole = source.get(name);
    let value = whole.or_else(|| name.split('.').try_fold(source, |value, part| value.get(part)))?;
    // A field may have several values.
    value.as_array().map_or(Some(value), |values| values.first())
}

fn said(source: &Value, name: &str, most: usize) -> Value {
    field(source, name).map_or(Value::Null, |value| summary::said(value, "", most))
}

/// A time as text, or as milliseconds.
fn time(source: &Value, name: &str) -> Value {
    let Some(value) = field(source, name) else { return Value::Null };
    match value.as_i64().map(EventTime::from_ms) {
        Some(Ok(time)) => json!(time),
        Some(Err(_)) => Value::Null,
        None => summary::time(value, ""),
    }
}
