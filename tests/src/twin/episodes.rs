//! Sections 6 and 7: episodes and topology.

use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::{Class, Kind};
use schemas::entity::{Entity, RelationKind};
use schemas::fact::Fact;
use schemas::ids::{EpisodeId, EventId, Tenant, hash64};
use schemas::object::health::well_since;
use schemas::time::EventTime;
use schemas::view::{EntityRow, EpisodeRow, RelationRow, Row, ViewName};

use super::add;
use super::admission::{Claim, Event, Occurrence, Version};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Episode {
    pub(super) row: EpisodeRow,
    pub(super) standing: bool,
    /// Of its anchor.
    pub(super) seq: u64,
}

/// The episodes of the epoch before: onset, reach, earliest arrival.
#[derive(Default)]
pub(super) struct Identities(BTreeMap<(Entity, Kind), Vec<Identity>>);

type Identity = (EventTime, EventTime, (u64, EventId));

/// What was known and what is there now; those no further apart than the gap are one.
fn joined(known: &[Identity], occurrences: &[&Occurrence], gap_ms: i64) -> Vec<Identity> {
    let mut all = known.to_vec();
    all.extend(occurrences.iter().map(|one| (one.onset, reach(one), (one.seq, one.event))));
    all.sort_unstable();
    let mut joined: Vec<Identity> = Vec::new();
    for (from, to, anchor) in all {
        match joined.last_mut().filter(|last| from <= last.1.plus_ms(gap_ms)) {
            Some(last) => *last = (last.0, last.1.max(to), last.2.min(anchor)),
            None => joined.push((from, to, anchor)),
        }
    }
    joined
}

fn by_subject(occurrences: &[Occurrence]) -> BTreeMap<(Entity, Kind), Vec<&Occurrence>> {
    let mut by_subject: BTreeMap<(Entity, Kind), Vec<&Occurrence>> = BTreeMap::new();
    for occurrence in occurrences {
        by_subject.entry((occurrence.entity.clone(), occurrence.kind)).or_default().push(occurrence);
    }
    by_subject
}

fn reach(occurrence: &Occurrence) -> EventTime {
    occurrence.last.max(occurrence.ended.unwrap_or(occurrence.last))
}

/// The episodes of the next epoch.
pub(super) fn fold(
    tenant: Tenant,
    occurrences: &[Occurrence],
    identities: &mut Identities,
    gap_ms: i64,
) -> Vec<Episode> {
    let mut episodes = Vec::new();
    let mut before = std::mem::take(&mut identities.0);
    for ((entity, kind), mut all) in by_subject(occurrences) {
        all.sort();
        let subject = (entity.clone(), kind);
        let mut known = joined(&before.remove(&subject).unwrap_or_default(), &all, gap_ms);
        let now = identities.0.entry(subject).or_default();
        let mut group: Vec<&Occurrence> = Vec::new();
        let mut anchors: Vec<EventId> = Vec::new();
        let mut tell = |group: &[&Occurrence], until: EventTime| {
            // The first within an identity takes it away from the others.
            let own = group.iter().map(|one| (one.seq, one.event)).min().unwrap_or_default();
            let within = |(from, to, _): &Identity| (*from..=*to).contains(&group[0].onset);
            let anchor = known.iter().position(within).map_or(own, |at| known.remove(at).2);
            now.push((group[0].onset, until, anchor));
            episodes.push(episode(tenant, &entity, kind, (group, anchor), &mut anchors));
        };
        let mut until = EventTime(i64::MIN);
        for occurrence in all {
            if !group.is_empty() && until.plus_ms(gap_ms) < occurrence.onset {
                tell(&group, until);
                group.clear();
                until = EventTime(i64::MIN);
            }
            until = until.max(reach(occurrence));
            group.push(occurrence);
        }
        tell(&group, until);
    }
    episodes
}

fn episode(
    tenant: Tenant,
    entity: &Entity,
    kind: Kind,
    (group, (seq, anchor)): (&[&Occurrence], (u64, EventId)),
    anchors: &mut Vec<EventId>,
) -> Episode {
    let earlier = anchors.iter().filter(|known| **known == anchor).count() as u32;
    anchors.push(anchor);
    let mut evidence: Vec<EventId> = Vec::new();
    for one in group {
        if evidence.len() < 8 && !evidence.contains(&one.event) {
            evidence.push(one.event);
        }
    }
    let open = group.iter().any(|one| one.ended.is_none());
    let id = hash64(&[
        &tenant.0.to_le_bytes(),
        &entity.id(tenant).0.to_le_bytes(),
        kind.id().as_bytes(),
        &anchor.0.to_le_bytes(),
        &earlier.to_le_bytes(),
    ]);
    let row = EpisodeRow {
        episode_id: EpisodeId(id),
        entity: entity.clone().into(),
        kind,
        class: kind.spec().class,
        onset: group.iter().map(|one| one.onset).min().unwrap_or_default(),
        earliest: group.iter().map(|one| one.earliest).min().unwrap_or_default(),
        last: group.iter().map(|one| one.last).max().unwrap_or_default(),
        ended: if open { None } else { group.iter().filter_map(|one| one.ended).max() },
        count: group.iter().map(|one| one.count).sum(),
        severity: group.iter().map(|one| one.severity).max().unwrap_or(schemas::envelope::Severity::Debug),
        event_ids: evidence,
        detail: group[0].detail.as_str().into(),
        magnitude: group.iter().map(|one| one.magnitude).max().unwrap_or(0),
    };
    Episode { row, standing: group.iter().any(|one| one.standing), seq }
}

/// What an Event told of an object is over once the object is seen to be well.
pub(super) fn recover(episodes: &mut [Episode], latest: &[Version<'_>]) {
    for version in latest {
        let shows = ["pod", "node", "deployment", "statefulset", "daemonset"];
        let Some(since) = well_since(version.state) else { continue };
        for episode in episodes.iter_mut() {
            let trouble = matches!(episode.row.class, Class::Symptom | Class::State);
            let open = trouble && !episode.standing && episode.row.ended.is_none();
            let entity = &episode.row.entity;
            if open
                && **entity == version.state.entity
                && shows.contains(&entity.kind.as_str())
                && episode.row.last <= since
            {
                episode.row.ended = Some(since);
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edge {
    pub(super) from: Entity,
    pub(super) relation: RelationKind,
    pub(super) to: Entity,
    pub(super) valid_from: EventTime,
    pub(super) valid_to: Option<EventTime>,
    event: EventId,
}

pub(super) fn topology(claims: &[Claim]) -> Vec<Edge> {
    let mut by_edge: BTreeMap<&(Entity, RelationKind, Entity), Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        by_edge.entry(&claim.edge).or_default().push(claim);
    }
    let mut edges = Vec::new();
    for ((from, relation, to), claims) in by_edge {
        let Some(first) = claims.iter().min_by_key(|claim| (claim.valid_from, claim.seq, claim.event)) else {
            continue;
        };
        let open = claims.iter().any(|claim| claim.valid_to.is_none());
        edges.push(Edge {
            from: from.clone(),
            relation: *relation,
            to: to.clone(),
            valid_from: first.valid_from,
            valid_to: if open { None } else { claims.iter().filter_map(|claim| claim.valid_to).max() },
            event: first.event,
        });
    }
    edges
}

pub(super) fn rows(
    tenant: Tenant,
    episodes: &[Episode],
    edges: &[Edge],
    current: &[Event],
    latest: &[Version<'_>],
    rows: &mut BTreeMap<ViewName, BTreeSet<Row>>,
) {
    let mut entities: BTreeSet<Entity> = latest.iter().map(|version| version.state.entity.clone()).collect();
    for episode in episodes {
        entities.insert(Entity::clone(&episode.row.entity));
        add(rows, ViewName::Episodes, Row::from(episode.row.clone()));
        match episode.row.class {
            Class::Change => add(rows, ViewName::Changes, Row::from(episode.row.clone())),
            Class::Anomaly => add(rows, ViewName::Anomalies, Row::from(episode.row.clone())),
            _ => {}
        }
    }
    for edge in edges {
        entities.extend([edge.from.clone(), edge.to.clone()]);
        add(
            rows,
            ViewName::Topology,
            Row::from(RelationRow {
                from: edge.from.clone().into(),
                relation: edge.relation,
                to: edge.to.clone().into(),
                valid_from: edge.valid_from,
                valid_to: edge.valid_to,
                event_id: edge.event,
            }),
        );
    }
    for fact in current.iter().flat_map(|event| &event.arrival.normalized.facts) {
        match fact {
            Fact::Sample(sample) => entities.insert(sample.entity.clone()),
            Fact::LogLine(line) => entities.insert(line.entity.clone()),
            _ => false,
        };
    }
    for entity in entities {
        add(
            rows,
            ViewName::Entities,
            Row::from(EntityRow { entity_id: entity.id(tenant), entity: entity.into() }),
        );
    }
}
