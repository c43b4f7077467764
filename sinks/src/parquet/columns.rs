//! Columns of each view: names are those of the API. A column is added at the end of its view's, with the next number of
//! [`SCHEMA`]; it never goes, and never changes its name, its type or its sense.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use schemas::view::ViewName;

/// Version of the columns: grows with each column that is added.
pub(super) const SCHEMA: u32 = 1;
/// Zone of times.
pub(super) const UTC: &str = "UTC";

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// UTF-8.
    Text,
    /// 64 bits.
    Whole,
    /// True or false.
    Flag,
    /// Milliseconds since 1970, UTC.
    Time,
    /// A list of texts.
    Texts,
    /// Anything else, as JSON.
    Json,
}

/// Name and type.
pub(super) type Column = (&'static str, Type);

/// Columns that every view has, before its own.
const COMMON: [Column; 6] = [
    ("key", Type::Text),
    ("epoch", Type::Whole),
    ("live", Type::Flag),
    ("at", Type::Time),
    ("until", Type::Time),
    ("entities", Type::Texts),
];

/// Columns of a view, those that all have first.
pub(super) fn all(view: ViewName) -> impl Iterator<Item = Column> {
    COMMON.iter().chain(columns(view)).copied()
}

/// What a file of a view looks like. Every column may be null: older files lack the newer ones.
pub(super) fn schema(view: ViewName) -> Arc<Schema> {
    let fields: Vec<Field> = all(view).map(|(name, kind)| Field::new(name, data_type(kind), true)).collect();
    Arc::new(Schema::new(fields))
}

fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Text | Type::Json => DataType::Utf8,
        Type::Whole => DataType::Int64,
        Type::Flag => DataType::Boolean,
        Type::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
        Type::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
    }
}

/// Columns of a view beside those that all have.
fn columns(view: ViewName) -> &'static [Column] {
    use Type::{Flag, Json, Text, Texts, Time, Whole};
    match view {
        ViewName::Events => &[
            ("event_id", Text),
            ("source", Text),
            ("event_type", Text),
            ("severity", Text),
            ("summary", Text),
            ("correlation_ids", Json),
            ("position", Json),
        ],
        ViewName::Entities => &[("entity_id", Text), ("entity", Json)],
        ViewName::Topology => &[
            ("from", Json),
            ("relation", Text),
            ("to", Json),
            ("valid_from", Time),
            ("valid_to", Time),
            ("event_id", Text),
        ],
        ViewName::Episodes | ViewName::Changes | ViewName::Anomalies => &[
            ("episode_id", Text),
            ("entity", Json),
            ("kind", Text),
            ("class", Text),
            ("onset", Time),
            ("earliest", Time),
            ("last", Time),
            ("ended", Time),
            ("count", Whole),
            ("severity", Text),
            ("event_ids", Texts),
            ("detail", Text),
            ("magnitude", Whole),
        ],
        ViewName::Links => &[
            ("cause", Json),
            ("effect", Json),
            ("rule", Text),
            ("rule_version", Whole),
            ("relation", Text),
            ("lag_ms", Whole),
            ("strength", Whole),
            ("best", Flag),
        ],
        ViewName::Chains => {
            &[("incident_id", Text), ("rank", Whole), ("root", Json), ("symptom", Json), ("links", Json)]
        }
        ViewName::Incidents => &[
            ("incident_id", Text),
            ("status", Text),
            ("severity", Text),
            ("title", Text),
            ("started_at", Time),
            ("last_at", Time),
            ("episodes", Whole),
            ("alerts", Whole),
            ("hypotheses", Json),
        ],
        ViewName::Alerts => &[
            ("incident_id", Text),
            ("status", Text),
            ("severity", Text),
            ("raised_at", Time),
            ("raised_by", Text),
            ("title", Text),
        ],
        ViewName::Rejects => &[("position", Json), ("error", Json)],
        ViewName::Coverage => &[
            ("source", Text),
            ("accepted", Whole),
            ("duplicate", Whole),
            ("rejected", Json),
            ("reached", Time),
        ],
    }
}
