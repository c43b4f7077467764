//! Columns of each view: names are those of the API. A column is added at the end and never changes its type.

use schemas::view::ViewName;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
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
pub type Column = (&'static str, Type);

/// Columns that every view has, before its own.
pub(super) const COMMON: [Column; 6] = [
    ("key", Type::Text),
    ("epoch", Type::Whole),
    ("live", Type::Flag),
    ("at", Type::Time),
    ("until", Type::Time),
    ("entities", Type::Texts),
];

/// Columns of a view beside those that all have.
pub fn columns(view: ViewName) -> &'static [Column] {
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
