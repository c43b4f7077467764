//! A row of `events`. There are millions: what many have in common is shared.

use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::envelope::{CorrelationIds, Severity};
use crate::ids::EventId;
use crate::position::SourcePosition;
use crate::time::EventTime;
use crate::view::Shared;

/// An accepted event. Written as [`EventFields`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "EventFields")]
pub struct EventRow {
    /// Its idempotency key.
    pub event_id: EventId,
    /// Where it came from and what it is.
    pub origin: Shared<Origin>,
    /// Event time.
    pub at: EventTime,
    /// Producer's severity.
    pub severity: Severity,
    /// One line for people.
    pub summary: Box<str>,
    /// Ids that tie it to others.
    pub correlation_ids: Arc<CorrelationIds>,
    /// Partition of the origin's topic in which its bytes are.
    pub partition: i32,
    /// Their offset in the partition.
    pub offset: i64,
    /// Which envelope of the record it is, from 0.
    pub item: u32,
}

/// What many events have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// System it came from.
    pub source: Arc<str>,
    /// What it is, in the source's words.
    pub event_type: Arc<str>,
    /// Topic in which its bytes are.
    pub topic: Arc<str>,
}

/// An event with all that it has in common with others.
#[derive(Debug, Serialize, Deserialize)]
pub struct EventFields<Text = Box<str>> {
    /// Its idempotency key.
    pub event_id: EventId,
    /// System it came from.
    pub source: Arc<str>,
    /// What it is, in the source's words.
    pub event_type: Arc<str>,
    /// Event time.
    pub at: EventTime,
    /// Producer's severity.
    pub severity: Severity,
    /// One line for people.
    pub summary: Text,
    /// Ids that tie it to others.
    pub correlation_ids: Arc<CorrelationIds>,
    /// Where its bytes are.
    pub position: SourcePosition,
}

impl EventRow {
    /// Where its bytes are.
    pub fn position(&self) -> SourcePosition {
        let topic = Arc::clone(&self.origin.topic);
        SourcePosition { topic, partition: self.partition, offset: self.offset, item: self.item }
    }
}

impl From<EventFields> for EventRow {
    fn from(event: EventFields) -> EventRow {
        let EventFields { event_id, source, event_type, at, severity, summary, correlation_ids, position } =
            event;
        let SourcePosition { topic, partition, offset, item } = position;
        let origin = Origin { source, event_type, topic }.into();
        EventRow { event_id, origin, at, severity, summary, correlation_ids, partition, offset, item }
    }
}

impl Serialize for EventRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = EventFields::<&str> {
            event_id: self.event_id,
            source: Arc::clone(&self.origin.source),
            event_type: Arc::clone(&self.origin.event_type),
            at: self.at,
            severity: self.severity,
            summary: &self.summary,
            correlation_ids: Arc::clone(&self.correlation_ids),
            position: self.position(),
        };
        fields.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_written_with_all_its_fields_and_read_back() {
        let fields = EventFields {
            event_id: EventId(7),
            source: "argo".into(),
            event_type: "Sync".into(),
            at: EventTime(1_790_000_000_000),
            severity: Severity::Error,
            summary: "it failed".into(),
            correlation_ids: Arc::default(),
            position: SourcePosition { topic: "logs".into(), partition: 3, offset: 9, item: 1 },
        };
        let row = EventRow::from(fields);
        let written = json!({"event_id": EventId(7).to_string(), "source": "argo", "event_type": "Sync",
            "at": "2026-09-21T14:13:20.000Z", "severity": "error", "summary": "it failed", "correlation_ids": {"trace_id": null, "commit": null, "workflow": null},
            "position": {"topic": "logs", "partition": 3, "offset": 9, "item": 1}});
        assert_eq!(serde_json::to_value(&row).unwrap(), written);
        assert_eq!(serde_json::from_value::<EventRow>(written).unwrap(), row);
        assert_eq!(row.position().to_string(), "logs[3]@9#1");
    }
}
