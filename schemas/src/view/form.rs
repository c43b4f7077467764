//! How a row is written: for people its fields alone, between processes with its variant.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    AlertRow, ChainRow, CoverageRow, EntityRow, EpisodeRow, EventRow, IncidentRow, LinkRow, RelationRow, Row,
    ViewName,
};
use crate::error::Reject;

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Row::Event(row) => one(serializer, 0, "Event", row),
            Row::Entity(row) => one(serializer, 1, "Entity", row),
            Row::Relation(row) => one(serializer, 2, "Relation", row),
            Row::Episode(row) => one(serializer, 3, "Episode", row),
            Row::Link(row) => one(serializer, 4, "Link", row),
            Row::Chain(row) => one(serializer, 5, "Chain", row),
            Row::Incident(row) => one(serializer, 6, "Incident", row),
            Row::Alert(row) => one(serializer, 7, "Alert", row),
            Row::Reject(row) => one(serializer, 8, "Reject", row),
            Row::Coverage(row) => one(serializer, 9, "Coverage", row),
        }
    }
}

fn one<S: Serializer>(
    serializer: S,
    index: u32,
    name: &'static str,
    row: &impl Serialize,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        row.serialize(serializer)
    } else {
        serializer.serialize_newtype_variant("Row", index, name, row)
    }
}

impl Row {
    /// A row of a view as the API writes it.
    pub fn of_view(view: ViewName, fields: serde_json::Value) -> serde_json::Result<Self> {
        use serde_json::from_value;
        Ok(match view {
            ViewName::Events => Row::Event(from_value(fields)?),
            ViewName::Entities => Row::Entity(from_value(fields)?),
            ViewName::Topology => Row::Relation(from_value(fields)?),
            ViewName::Episodes | ViewName::Changes | ViewName::Anomalies => Row::Episode(from_value(fields)?),
            ViewName::Links => Row::Link(from_value(fields)?),
            ViewName::Chains => Row::Chain(from_value(fields)?),
            ViewName::Incidents => Row::Incident(from_value(fields)?),
            ViewName::Alerts => Row::Alert(from_value(fields)?),
            ViewName::Rejects => Row::Reject(from_value(fields)?),
            ViewName::Coverage => Row::Coverage(from_value(fields)?),
        })
    }
}

/// A row as it comes from another process: variants in the order of their numbers.
#[derive(Deserialize)]
#[serde(rename = "Row")]
enum Numbered {
    Event(EventRow),
    Entity(EntityRow),
    Relation(RelationRow),
    Episode(EpisodeRow),
    Link(LinkRow),
    Chain(ChainRow),
    Incident(IncidentRow),
    Alert(AlertRow),
    Reject(Reject),
    Coverage(CoverageRow),
}

impl<'de> Deserialize<'de> for Row {
    /// Only from another process: fields alone do not tell which row they are of.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Numbered::deserialize(deserializer)? {
            Numbered::Event(row) => Row::Event(row),
            Numbered::Entity(row) => Row::Entity(row),
            Numbered::Relation(row) => Row::Relation(row),
            Numbered::Episode(row) => Row::Episode(row),
            Numbered::Link(row) => Row::Link(row),
            Numbered::Chain(row) => Row::Chain(row),
            Numbered::Incident(row) => Row::Incident(row),
            Numbered::Alert(row) => Row::Alert(row),
            Numbered::Reject(row) => Row::Reject(row),
            Numbered::Coverage(row) => Row::Coverage(row),
        })
    }
}
