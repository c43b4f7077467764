//! Keys of rows in memory: as [`Row::key`] says them, in two words where they are ids. Views hold millions of them, and text
//! would be much of their size and most of the work of putting rows in order.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::ids::{EntityId, EpisodeId, EventId, IncidentId};
use crate::view::{Row, ViewName};

/// The key of a row. Within a view keys are all of one form, and are ordered as their texts are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKey {
    /// One id, whose second word is 0; two ids; or the high and the low half of a wide one.
    Ids(u64, u64),
    /// Any other text.
    Text(Arc<str>),
}

impl Ord for RowKey {
    /// The derived order, with two words compared as one: changes of views are put in order by it.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (RowKey::Ids(high, low), RowKey::Ids(other_high, other_low)) => {
                RowKey::number(*high, *low).cmp(&RowKey::number(*other_high, *other_low))
            }
            (RowKey::Text(text), RowKey::Text(other)) => text.cmp(other),
            (RowKey::Ids(..), RowKey::Text(_)) => Ordering::Less,
            (RowKey::Text(_), RowKey::Ids(..)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for RowKey {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RowKey {
    /// Two words as one, in the same order.
    #[inline]
    pub fn number(high: u64, low: u64) -> u128 {
        u128::from(high) << 64 | u128::from(low)
    }

    /// The key of a row.
    pub fn of(row: &Row) -> RowKey {
        match row {
            Row::Event(row) => RowKey::event(row.event_id),
            Row::Entity(row) => RowKey::Ids(row.entity_id.0, 0),
            Row::Episode(row) => RowKey::Ids(row.episode_id.0, 0),
            Row::Link(row) => RowKey::Ids(row.effect.episode_id.0, row.cause.episode_id.0),
            Row::Incident(row) => RowKey::incident(row.incident_id),
            Row::Alert(row) => RowKey::incident(row.incident_id),
            Row::Relation(_) | Row::Chain(_) | Row::Reject(_) | Row::Coverage(_) => {
                RowKey::Text(row.key().into())
            }
        }
    }

    /// The key that a text says; `None` if no row of the view can have it.
    pub fn parse(view: ViewName, text: &str) -> Option<RowKey> {
        match view {
            ViewName::Events => text.parse().ok().map(RowKey::event),
            ViewName::Entities => text.parse().ok().map(|EntityId(id)| RowKey::Ids(id, 0)),
            ViewName::Episodes | ViewName::Changes | ViewName::Anomalies => {
                text.parse().ok().map(|EpisodeId(id)| RowKey::Ids(id, 0))
            }
            ViewName::Links => {
                let (effect, cause) = text.split_once(' ')?;
                let (EpisodeId(effect), EpisodeId(cause)) = (effect.parse().ok()?, cause.parse().ok()?);
                Some(RowKey::Ids(effect, cause))
            }
            ViewName::Incidents | ViewName::Alerts => text.parse().ok().map(RowKey::incident),
            ViewName::Topology | ViewName::Chains | ViewName::Rejects | ViewName::Coverage => {
                Some(RowKey::Text(text.into()))
            }
        }
    }

    /// The key of an event.
    pub fn event(EventId(id): EventId) -> RowKey {
        let [high, low] = [id >> 64, id].map(|half| half as u64);
        RowKey::Ids(high, low)
    }

    /// The key of an incident, and of its alert.
    pub fn incident(IncidentId(id): IncidentId) -> RowKey {
        RowKey::Ids(id, 0)
    }

    /// Between which keys the rows of an incident lie, the second one excluded; `None` for views that do not begin with it.
    pub fn of_incident(view: ViewName, incident: IncidentId) -> Option<(RowKey, RowKey)> {
        match view {
            ViewName::Incidents | ViewName::Alerts => {
                Some((RowKey::Ids(incident.0, 0), RowKey::Ids(incident.0, 1)))
            }
            // The character after a space.
            ViewName::Chains => {
                Some([' ', '!'].map(|end| RowKey::Text(format!("{incident}{end}").into())).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_say_what_texts_say_and_in_their_order() {
        let event = |id: u128| (ViewName::Events, EventId(id).to_string());
        let link = |effect: u64, cause: u64| {
            (ViewName::Links, format!("{} {}", EpisodeId(effect), EpisodeId(cause)))
        };
        let incident = |id: u64| (ViewName::Incidents, IncidentId(id).to_string());
        let ordered = [
            vec![event(0), event(9), event(u128::from(u64::MAX)), event(1 << 64), event(u128::MAX)],
            vec![link(0, 1), link(0, 10), link(1, 0), link(16, 2), link(u64::MAX, 0)],
            vec![incident(3), incident(u64::MAX)],
        ];
        for texts in ordered {
            assert!(texts.is_sorted());
            let keys: Vec<RowKey> =
                texts.iter().filter_map(|(view, text)| RowKey::parse(*view, text)).collect();
            assert_eq!(keys.len(), texts.len());
            assert!(keys.is_sorted_by(|left, right| left < right));
        }
    }

    #[test]
    fn a_row_has_the_key_that_its_text_says() {
        let end = |id: u64| {
            json!({"episode_id": EpisodeId(id), "entity": {"kind": "service", "cluster": "", "namespace": "", "name": "a"},
                "kind": "k8s.pod.OOMKilled", "class": "symptom", "onset": "2026-01-01T00:00:00.000Z",
                "earliest": "2026-01-01T00:00:00.000Z", "last": "2026-01-01T00:00:00.000Z", "ended": null, "count": 1,
                "severity": "error", "event_ids": [], "detail": "", "magnitude": 0})
        };
        let link = json!({"cause": end(7), "effect": end(9), "rule": "r", "rule_version": 1, "relation": "", "lag_ms": 0,
            "strength": 1, "best": true});
        let alert = json!({"incident_id": IncidentId(5), "status": "firing", "severity": "error",
            "raised_at": "2026-01-01T00:00:00.000Z", "raised_by": EventId(1 << 70), "title": ""});
        for (view, row) in [(ViewName::Episodes, end(3)), (ViewName::Links, link), (ViewName::Alerts, alert)]
        {
            let row = Row::of_view(view, row).unwrap();
            assert_eq!(RowKey::parse(view, &row.key()), Some(RowKey::of(&row)));
        }
    }

    #[test]
    fn a_text_that_no_row_can_have_is_none() {
        for (view, text) in
            [(ViewName::Events, ""), (ViewName::Events, "evt_5"), (ViewName::Links, "epi_0000000000000001")]
        {
            assert_eq!(RowKey::parse(view, text), None);
        }
    }
}
