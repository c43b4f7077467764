//! The views: what the engine knows, as rows with a contract.
//!
//! Every row names its tenant by where it is kept, its entities in full, and the events that prove it. Rows are
//! ordered by [`Row::key`]; a key is unique within a tenant's view.

use serde::{Deserialize, Serialize};

use crate::catalogue::{Class, Kind};
use crate::entity::{Entity, RelationKind, named_enum};
use crate::envelope::Severity;
use crate::error::Reject;
use crate::ids::{EntityId, EpisodeId, EventId, IncidentId};
use crate::time::EventTime;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

mod event;
mod form;
mod index_key;
mod key;
mod shared;

pub use event::{EventFields, EventRow, Origin};
pub use index_key::{BEGINNING_BYTES_MIN, IndexKey};
pub use key::RowKey;
pub use shared::Shared;

named_enum!(
    /// The name of a view.
    ViewName, "view" {
        /// Accepted events that count, with their source positions.
        Events = "events",
        /// Entities that any live fact names.
        Entities = "entities",
        /// Relations with valid time.
        Topology = "topology",
        /// Runs of one kind on one entity.
        Episodes = "episodes",
        /// Episodes of class change.
        Changes = "changes",
        /// Episodes that the engine derived from rates, values and templates.
        Anomalies = "anomalies",
        /// Proposed causes of each effect, with rule and evidence.
        Links = "links",
        /// Links closed from a root cause to a symptom.
        Chains = "chains",
        /// Connected chains of one tenant with ranked root causes.
        Incidents = "incidents",
        /// At most one per incident.
        Alerts = "alerts",
        /// Refused records.
        Rejects = "rejects",
        /// Counts per source: accepted, duplicate, rejected.
        Coverage = "coverage",
    }
);

/// A row of any view. Cheap to clone: it is shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// Of `events`.
    Event(Arc<EventRow>),
    /// Of `entities`.
    Entity(Arc<EntityRow>),
    /// Of `topology`.
    Relation(Arc<RelationRow>),
    /// Of `episodes`, `changes` and `anomalies`.
    Episode(Shared<EpisodeRow>),
    /// Of `links`.
    Link(Shared<LinkRow>),
    /// Of `chains`.
    Chain(Arc<ChainRow>),
    /// Of `incidents`.
    Incident(Arc<IncidentRow>),
    /// Of `alerts`.
    Alert(Arc<AlertRow>),
    /// Of `rejects`.
    Reject(Arc<Reject>),
    /// Of `coverage`.
    Coverage(Arc<CoverageRow>),
}

macro_rules! into_row {
    ($($variant:ident from $fields:ty),+) => {
        $(impl From<$fields> for Row {
            fn from(row: $fields) -> Row {
                Row::$variant(row.into())
            }
        })+
    };
}

into_row!(
    Event from EventRow, Entity from EntityRow, Relation from RelationRow, Episode from EpisodeRow,
    Link from LinkRow, Chain from ChainRow, Incident from IncidentRow, Alert from AlertRow, Reject from Reject,
    Coverage from CoverageRow
);

/// An entity and the events that last named it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityRow {
    /// Its id.
    pub entity_id: EntityId,
    /// The entity.
    pub entity: Arc<Entity>,
}

/// A relation with valid time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationRow {
    /// Subject.
    pub from: Arc<Entity>,
    /// Verb.
    pub relation: RelationKind,
    /// Object.
    pub to: Arc<Entity>,
    /// First instant.
    pub valid_from: EventTime,
    /// First instant at which it no longer holds; `None` while it holds.
    pub valid_to: Option<EventTime>,
    /// One event that asserts it.
    pub event_id: EventId,
}

/// A run of one kind on one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpisodeRow {
    /// Its id.
    pub episode_id: EpisodeId,
    /// What it happened to.
    pub entity: Arc<Entity>,
    /// What happened.
    pub kind: Kind,
    /// The kind's class.
    pub class: Class,
    /// When it began.
    pub onset: EventTime,
    /// Earliest instant at which it can have begun.
    pub earliest: EventTime,
    /// When it was last seen.
    pub last: EventTime,
    /// When it ended; `None` while open.
    pub ended: Option<EventTime>,
    /// Occurrences folded.
    pub count: u64,
    /// Worst severity of its occurrences.
    pub severity: Severity,
    /// First events that prove it, at most eight.
    pub event_ids: Vec<EventId>,
    /// The source's words of its first event.
    pub detail: Arc<str>,
    /// Of an anomaly on a metric: its greatest distance from what is usual, in tenths of the usual spread; else 0.
    #[serde(default)]
    pub magnitude: u32,
}

/// One proposed cause of one effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkRow {
    /// The cause.
    pub cause: Shared<EpisodeRow>,
    /// The effect.
    pub effect: Shared<EpisodeRow>,
    /// Rule id.
    pub rule: Arc<str>,
    /// Rule version.
    pub rule_version: u32,
    /// The way from the effect's entity to the cause's entity.
    pub relation: Arc<str>,
    /// Effect's onset minus cause's onset, in milliseconds.
    pub lag_ms: i64,
    /// 0 to 1000.
    pub strength: u32,
    /// It is the effect's best cause.
    pub best: bool,
}

/// Links closed from a root cause to one symptom, root first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainRow {
    /// Its incident.
    pub incident_id: IncidentId,
    /// Rank of its root among the incident's hypotheses, from 1.
    pub rank: u32,
    /// The root cause.
    pub root: Shared<EpisodeRow>,
    /// The symptom at its end.
    pub symptom: Shared<EpisodeRow>,
    /// Links in order.
    pub links: Vec<Shared<LinkRow>>,
}

named_enum!(
    /// Life cycle of an incident.
    IncidentStatus, "incident status" {
        /// Symptoms are open.
        Open = "open",
        /// Every symptom has ended or fallen silent.
        Resolved = "resolved",
    }
);

/// One candidate root cause of an incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hypothesis {
    /// From 1.
    pub rank: u32,
    /// Probability that it is the root cause, in thousandths.
    pub confidence_milli: u32,
    /// What speaks for it against its rivals, in thousandths: what the confidence is read from.
    pub evidence_milli: u32,
    /// The episode.
    pub root: Shared<EpisodeRow>,
    /// How many of the incident's episodes it explains, itself included.
    pub explains: u32,
}

/// Connected chains of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentRow {
    /// Its id.
    pub incident_id: IncidentId,
    /// Life cycle.
    pub status: IncidentStatus,
    /// Worst severity of its episodes.
    pub severity: Severity,
    /// One sentence.
    pub title: String,
    /// Onset of its earliest symptom.
    pub started_at: EventTime,
    /// Last time any of its episodes was seen.
    pub last_at: EventTime,
    /// Number of episodes.
    pub episodes: u32,
    /// Number of alerts folded into it.
    pub alerts: u32,
    /// Root causes, best first, at most five.
    pub hypotheses: Vec<Hypothesis>,
}

named_enum!(
    /// State of an alert of ours.
    AlertStatus, "alert status" {
        /// Someone should look.
        Firing = "firing",
        /// It is over.
        Resolved = "resolved",
    }
);

/// An alert that the engine raised by itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertRow {
    /// Its incident; at most one alert each.
    pub incident_id: IncidentId,
    /// State.
    pub status: AlertStatus,
    /// Severity of the incident.
    pub severity: Severity,
    /// When its first grave episode began.
    pub raised_at: EventTime,
    /// First event that this episode cites; another one as events expire or are revised.
    pub raised_by: EventId,
    /// One sentence with the cause.
    pub title: String,
}

/// What became of the events of one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CoverageRow {
    /// Source, as envelopes name it.
    pub source: String,
    /// Distinct valid events since start.
    pub accepted: u64,
    /// Deliveries of an event that was there already.
    pub duplicate: u64,
    /// Refused deliveries, by code, in code order.
    pub rejected: Vec<(crate::error::RejectCode, u64)>,
    /// Greatest event time among the distinct valid events; how far the source has come.
    pub reached: Option<EventTime>,
}

impl Row {
    /// Sort key within the tenant's view; unique there.
    pub fn key(&self) -> String {
        match self {
            Row::Event(row) => row.event_id.to_string(),
            Row::Entity(row) => row.entity_id.to_string(),
            Row::Relation(row) => {
                let (from, to, time) = (row.from.pieces(), row.to.pieces(), row.valid_from.to_string());
                // In one go: a text that grows is moved for each of its pieces.
                [&from[..], &[" ", row.relation.as_str(), " "], &to, &[" ", &time]].concat().concat()
            }
            Row::Episode(row) => row.episode_id.to_string(),
            Row::Link(row) => format!("{} {}", row.effect.episode_id, row.cause.episode_id),
            Row::Chain(row) => {
                format!("{} {:04} {}", row.incident_id, row.rank, row.symptom.episode_id)
            }
            Row::Incident(row) => row.incident_id.to_string(),
            Row::Alert(row) => row.incident_id.to_string(),
            Row::Reject(row) => row.position.to_string(),
            Row::Coverage(row) => row.source.clone(),
        }
    }

    /// The stretch of event time that the row is about, if it is about time.
    pub fn span(&self) -> Option<(EventTime, EventTime)> {
        match self {
            Row::Event(row) => Some((row.at, row.at)),
            Row::Relation(row) => Some((row.valid_from, row.valid_to.unwrap_or(crate::time::EVENT_TIME_END))),
            Row::Episode(row) => Some((row.onset, row.last)),
            Row::Link(row) => Some((row.cause.onset, row.effect.last)),
            Row::Chain(row) => Some((row.root.onset, row.symptom.last)),
            Row::Incident(row) => Some((row.started_at, row.last_at)),
            Row::Alert(row) => Some((row.raised_at, row.raised_at)),
            Row::Reject(row) => row.at.map(|at| (at, at)),
            Row::Entity(_) | Row::Coverage(_) => None,
        }
    }
}

impl Row {
    /// The incident that the row belongs to, where it names one.
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Row::Chain(row) => Some(row.incident_id),
            Row::Incident(row) => Some(row.incident_id),
            Row::Alert(row) => Some(row.incident_id),
            _ => None,
        }
    }

    /// The entities that the row names.
    pub fn entities(&self) -> Vec<&Entity> {
        match self {
            Row::Entity(row) => vec![&row.entity],
            Row::Relation(row) => vec![&row.from, &row.to],
            Row::Episode(row) => vec![&row.entity],
            Row::Link(row) => vec![&row.cause.entity, &row.effect.entity],
            Row::Chain(row) => {
                let ends = row.links.iter().flat_map(|link| [&link.cause, &link.effect]);
                ends.chain([&row.root, &row.symptom]).map(|end| &*end.entity).collect()
            }
            Row::Incident(row) => row.hypotheses.iter().map(|hypothesis| &*hypothesis.root.entity).collect(),
            Row::Event(_) | Row::Alert(_) | Row::Reject(_) | Row::Coverage(_) => Vec::new(),
        }
    }
}
