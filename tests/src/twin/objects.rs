//! Sections 2 and 3: objects, and what they say together.

use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::object::ObjectState;
use schemas::object::changes::changes;
use schemas::object::checks::checks;
use schemas::object::relations::relations;
use schemas::object::signals::signals;
use schemas::time::EventTime;

use super::Constants;
use super::admission::{Claim, Occurrence, Version, occurrence};

#[derive(Default)]
pub(super) struct Objects<'a> {
    pub(super) occurrences: Vec<Occurrence>,
    pub(super) claims: Vec<Claim>,
    pub(super) latest: Vec<Version<'a>>,
}

type Edge = (Entity, RelationKind, Entity);

pub(super) fn run<'a>(versions: &[Version<'a>], now: EventTime, constants: &Constants) -> Objects<'a> {
    let mut by_object: BTreeMap<(&Entity, &str), Vec<Version<'a>>> = BTreeMap::new();
    for version in versions {
        let entity = &version.state.entity;
        let shared = matches!(entity.kind, EntityKind::Namespace | EntityKind::Service);
        let uid = if shared { version.state.uid.as_str() } else { "" };
        by_object.entry((entity, uid)).or_default().push(*version);
    }
    let mut objects = Objects::default();
    for mut versions in by_object.into_values() {
        versions.sort_by_key(|version| (version.state.at, version.state.resource_version, version.seq));
        let kept = distinct(kept(versions, now, constants.horizon_ms));
        edges(&kept, &mut objects.claims);
        states(&kept, &mut objects.occurrences);
        differences(&kept, &mut objects.occurrences);
        objects.latest.extend(kept.last().filter(|last| !last.state.deleted));
    }
    objects
}

fn kept(versions: Vec<Version<'_>>, now: EventTime, horizon_ms: i64) -> Vec<Version<'_>> {
    let old = |version: &Version| version.state.at.plus_ms(horizon_ms) <= now;
    let mut kept = Vec::new();
    for (index, version) in versions.iter().enumerate() {
        let superseded = versions[index + 1..].iter().any(old);
        let gone = version.state.deleted && old(version);
        if !superseded && !gone {
            kept.push(*version);
        }
    }
    kept
}

fn distinct(versions: Vec<Version<'_>>) -> Vec<Version<'_>> {
    let mut kept: Vec<Version<'_>> = Vec::new();
    for version in versions {
        let same = kept.last().is_some_and(|last| {
            ObjectState {
                at: last.state.at,
                resource_version: last.state.resource_version,
                ..version.state.clone()
            } == *last.state
        });
        if !same {
            kept.push(version);
        }
    }
    kept
}

/// For each thing that versions have or lack: the maximal runs, as (first, after the last).
fn runs<T: Ord + Clone>(
    versions: &[Version<'_>],
    of: impl Fn(&Version<'_>) -> BTreeSet<T>,
) -> Vec<(T, usize, usize)> {
    let sets: Vec<BTreeSet<T>> = versions
        .iter()
        .map(|version| if version.state.deleted { BTreeSet::new() } else { of(version) })
        .collect();
    let all: BTreeSet<T> = sets.iter().flatten().cloned().collect();
    let mut found = Vec::new();
    for thing in all {
        let mut index = 0;
        while index < sets.len() {
            if !sets[index].contains(&thing) {
                index += 1;
                continue;
            }
            let first = index;
            while index < sets.len() && sets[index].contains(&thing) {
                index += 1;
            }
            found.push((thing.clone(), first, index));
        }
    }
    found
}

fn edges(versions: &[Version<'_>], claims: &mut Vec<Claim>) {
    for (edge, first, after) in
        runs(versions, |version| relations(version.state).into_iter().collect::<BTreeSet<Edge>>())
    {
        let begin = &versions[first];
        let created = if first == 0 { begin.state.created } else { None };
        claims.push(Claim {
            edge,
            valid_from: created.map_or(begin.state.at, |created| created.min(begin.state.at)),
            valid_to: versions.get(after).map(|version| version.state.at),
            seq: begin.seq,
            event: begin.event,
        });
    }
}

fn states(versions: &[Version<'_>], occurrences: &mut Vec<Occurrence>) {
    let subjects = |version: &Version<'_>| {
        signals(version.state)
            .into_iter()
            .map(|signal| (signal.entity, signal.kind))
            .collect::<BTreeSet<(Entity, Kind)>>()
    };
    for ((entity, kind), first, after) in runs(versions, subjects) {
        let said = |version: &Version<'_>| {
            signals(version.state).into_iter().find(|signal| signal.entity == entity && signal.kind == kind)
        };
        let run = &versions[first..after];
        let Some(mut row) = said(&run[0]).map(|signal| occurrence(&signal, run[0].seq, run[0].event, false))
        else {
            continue;
        };
        for version in run {
            let Some(signal) = said(version) else { continue };
            row.last = row.last.max(signal.last).max(version.state.at);
            row.count = row.count.max(u64::from(signal.count));
            row.severity = row.severity.max(signal.severity);
            row.ended = signal.ended;
        }
        if let Some(next) = versions.get(after) {
            row.ended = Some(next.state.at.max(row.onset));
        }
        row.standing = row.ended.is_none();
        occurrences.push(row);
    }
}

fn differences(versions: &[Version<'_>], occurrences: &mut Vec<Occurrence>) {
    for index in 1..versions.len() {
        let (before, after) = (&versions[index - 1], &versions[index]);
        let (old, new) = (&before.state.uid, &after.state.uid);
        let continuous = !before.state.deleted && (old == new || old.is_empty() || new.is_empty());
        if continuous {
            let found = changes(before.state, after.state);
            occurrences.extend(found.iter().map(|signal| occurrence(signal, after.seq, after.event, false)));
        }
    }
}

/// Section 3.
pub(super) fn findings<'a>(latest: &[Version<'a>]) -> Objects<'a> {
    let namespace_of = |entity: &Entity| match entity.kind {
        EntityKind::Namespace => Some(entity.name.clone()),
        _ => Some(entity.namespace.clone()).filter(|namespace| !namespace.is_empty()),
    };
    let namespaces: BTreeSet<String> =
        latest.iter().filter_map(|version| namespace_of(&version.state.entity)).collect();
    let mut found = Objects::default();
    for namespace in namespaces {
        let belongs = |version: &&Version<'a>| {
            namespace_of(&version.state.entity).as_ref() == Some(&namespace)
                || matches!(version.state.entity.kind, EntityKind::Node | EntityKind::Volume)
        };
        let mut members: Vec<&Version<'a>> = latest.iter().filter(belongs).collect();
        members.sort_by(|left, right| {
            (&left.state.entity, &left.state.uid).cmp(&(&right.state.entity, &right.state.uid))
        });
        let states: Vec<&ObjectState> = members.iter().map(|version| version.state).collect();
        let newest = members.iter().map(|version| (version.seq, version.event)).max();
        let since = members.iter().map(|version| version.state.at).min();
        let (Some(newest), Some(since)) = (newest, since) else { continue };
        let (said, edges) = checks(&states);
        for signal in said {
            let own = members.iter().filter(|version| version.state.entity == signal.entity);
            let (seq, event) = own.map(|version| (version.seq, version.event)).max().unwrap_or(newest);
            found.occurrences.push(occurrence(&signal, seq, event, signal.ended.is_none()));
        }
        for edge in edges {
            found.claims.push(Claim {
                edge,
                valid_from: since,
                valid_to: None,
                seq: newest.0,
                event: newest.1,
            });
        }
    }
    found
}
