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
            Row::Event(row) => one(serializer, 0, "Event", row.as_ref()),
            Row::Entity(row) => one(serializer, 1, "Entity", row.as_ref()),
            Row::Relation(row) => one(serializer, 2, "Relation", row.as_ref()),
            Row::Episode(row) => one(serializer, 3, "Episode", row.as_ref()),
            Row::Link(row) => one(serializer, 4, "Link", row.as_ref()),
            Row::Chain(row) => one(serializer, 5, "Chain", row.as_ref()),
            Row::Incident(row) => one(serializer, 6, "Incident", row.as_ref()),
            Row::Alert(row) => one(serializer, 7, "Alert", row.as_ref()),
            Row::Reject(row) => one(serializer, 8, "Reject", row.as_ref()),
            Row::Coverage(row) => one(serializer, 9, "Coverage", row.as_ref()),
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
            ViewName::Events => from_value::<EventRow>(fields)?.into(),
            ViewName::Entities => from_value::<EntityRow>(fields)?.into(),
            ViewName::Topology => from_value::<RelationRow>(fields)?.into(),
            ViewName::Episodes | ViewName::Changes | ViewName::Anomalies => {
                from_value::<EpisodeRow>(fields)?.into()
            }
            ViewName::Links => from_value::<LinkRow>(fields)?.into(),
            ViewName::Chains => from_value::<ChainRow>(fields)?.into(),
            ViewName::Incidents => from_value::<IncidentRow>(fields)?.into(),
            ViewName::Alerts => from_value::<AlertRow>(fields)?.into(),
            ViewName::Rejects => from_value::<Reject>(fields)?.into(),
            ViewName::Coverage => from_value::<CoverageRow>(fields)?.into(),
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
            Numbered::Event(row) => row.into(),
            Numbered::Entity(row) => row.into(),
            Numbered::Relation(row) => row.into(),
            Numbered::Episode(row) => row.into(),
            Numbered::Link(row) => row.into(),
            Numbered::Chain(row) => row.into(),
            Numbered::Incident(row) => row.into(),
            Numbered::Alert(row) => row.into(),
            Numbered::Reject(row) => row.into(),
            Numbered::Coverage(row) => row.into(),
        })
    }
}
