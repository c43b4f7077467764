//! Objects: from versions to relations, states and changes.
//!
//! Input   versions of objects by (tenant, object), and the sealed `now`.
//! Output  edges with the time in which they hold; occurrences of what each version says and of what changed between
//!         two; the latest state of each object.
//! Ties    versions order by capture time, then resource version, then arrival.
//! State   per object the versions of the horizon and the last one before it. Equal consecutive versions are one.
//! See docs/semantics.md, section 2.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::fact::Signal;
use schemas::ids::{Tenant, hash64};
use schemas::object::ObjectState;
use schemas::object::changes::changes;
use schemas::object::relations::relations;
use schemas::object::signals::signals;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::operators::admit::Version;
use crate::operators::maintain::{Maintained, maintain_clocked};
use crate::retained::Retained;
use crate::rows::{Cite, EdgeClaim, Occurrence};
use crate::types::{Ticks, Updates};
use crate::values::Values;

/// What an object comes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum ObjectRow {
    /// An edge holds.
    Edge(Tenant, (Entity, RelationKind, Entity), EdgeClaim),
    /// Something is or was the case.
    Occurrence(Tenant, Entity, Kind, Arc<Occurrence>),
    /// The state in which the object is now.
    Latest(Tenant, Cite, Arc<ObjectState>),
    /// Kept as of an epoch that is captured; never retracted.
    Retained(Retained),
}

/// The key of an object: its entity, and its uid where several objects share an entity (the quotas of a namespace; a
/// service and its endpoints).
pub(crate) fn object_key(state: &ObjectState) -> u64 {
    let entity = &state.entity;
    let shared = matches!(entity.kind, EntityKind::Namespace | EntityKind::Service);
    let uid = if shared { state.uid.as_str() } else { "" };
    let kind = entity.kind.as_str();
    let parts = [kind, &entity.cluster, &entity.namespace, &entity.name, uid];
    hash64(&parts.map(str::as_bytes))
}

/// Maintains what the versions of each object say.
pub(crate) fn objects<'scope>(
    versions: Updates<'scope, (Tenant, Version)>,
    ticks: Ticks<'scope>,
    horizon_ms: i64,
) -> Updates<'scope, ObjectRow> {
    let keyed = versions.map(|(tenant, version)| ((tenant, object_key(&version.state)), version));
    let logic = move |(tenant, _): &(Tenant, u64), versions: &mut Values<Version>, now| {
        let wake = forget(versions, now, horizon_ms);
        let distinct = distinct(versions);
        let mut output = Vec::new();
        edges(*tenant, &distinct, &mut output);
        states(*tenant, &distinct, &mut output);
        differences(*tenant, &distinct, &mut output);
        if let Some(last) = distinct.last().filter(|last| !last.state.deleted) {
            output.push(ObjectRow::Latest(*tenant, last.cite, Arc::clone(&last.state)));
        }
        Maintained { output, wake }
    };
    maintain_clocked(keyed, ticks, "Objects", logic, |(tenant, _), version, copies| {
        ObjectRow::Retained(Retained::Version { tenant: *tenant, version: version.clone(), copies })
    })
}

/// Removes versions that nothing needs any more; says when the next one falls: an old version with an old successor, and
/// an old deletion.
fn forget(versions: &mut Values<Version>, now: EventTime, horizon_ms: i64) -> Option<EventTime> {
    let expiry = |version: &Version| version.at.plus_ms(horizon_ms);
    loop {
        let first = versions.first()?;
        let falls_at = if first.state.deleted { expiry(first) } else { expiry(versions.distinct().nth(1)?) };
        if now < falls_at {
            return Some(falls_at);
        }
        versions.forget_first(1);
    }
}

/// Versions that differ from their predecessor.
fn distinct(versions: &Values<Version>) -> Vec<&Version> {
    let mut kept: Vec<&Version> = Vec::new();
    for version in versions.distinct() {
        if !kept.last().is_some_and(|last| same_state(&last.state, &version.state)) {
            kept.push(version);
        }
    }
    kept
}

/// Equal in everything but when it was seen.
fn same_state(left: &ObjectState, right: &ObjectState) -> bool {
    let seen_like = ObjectState { at: left.at, resource_version: left.resource_version, ..right.clone() };
    *left == seen_like
}

fn edges(tenant: Tenant, versions: &[&Version], output: &mut Vec<ObjectRow>) {
    let mut open: BTreeMap<(Entity, RelationKind, Entity), EdgeClaim> = BTreeMap::new();
    for (index, version) in versions.iter().enumerate() {
        let state = &version.state;
        let mut asserted: BTreeMap<_, ()> = BTreeMap::new();
        if !state.deleted {
            asserted.extend(relations(state).into_iter().map(|edge| (edge, ())));
        }
        let ended: Vec<_> = open.keys().filter(|edge| !asserted.contains_key(*edge)).cloned().collect();
        for edge in ended {
            if let Some(mut claim) = open.remove(&edge) {
                claim.valid_to = Some(version.at);
                output.push(ObjectRow::Edge(tenant, edge, claim));
            }
        }
        for edge in asserted.into_keys() {
            let created = state.created.filter(|_| index == 0).unwrap_or(version.at);
            let valid_from = created.min(version.at);
            open.entry(edge).or_insert(EdgeClaim { valid_from, cite: version.cite, valid_to: None });
        }
    }
    output.extend(open.into_iter().map(|(edge, claim)| ObjectRow::Edge(tenant, edge, claim)));
}

fn states(tenant: Tenant, versions: &[&Version], output: &mut Vec<ObjectRow>) {
    let mut open: BTreeMap<(Entity, Kind), Occurrence> = BTreeMap::new();
    for version in versions {
        let at = version.at;
        let mut said: BTreeMap<(Entity, Kind), Signal> = BTreeMap::new();
        if !version.state.deleted {
            for signal in signals(&version.state) {
                said.entry((signal.entity.clone(), signal.kind)).or_insert(signal);
            }
        }
        let over: Vec<_> = open.keys().filter(|subject| !said.contains_key(*subject)).cloned().collect();
        for subject in over {
            if let Some(mut run) = open.remove(&subject) {
                run.ended = Some(at.max(run.onset));
                run.standing = false;
                output.push(ObjectRow::Occurrence(tenant, subject.0, subject.1, Arc::new(run)));
            }
        }
        for (subject, signal) in said {
            match open.get_mut(&subject) {
                Some(run) => extend(run, &signal, at),
                None => {
                    let mut run = occurrence(&signal, version.cite, signal.detail.as_str().into());
                    run.last = run.last.max(at);
                    open.insert(subject, run);
                }
            }
        }
    }
    for ((entity, kind), mut run) in open {
        run.standing = run.ended.is_none();
        output.push(ObjectRow::Occurrence(tenant, entity, kind, Arc::new(run)));
    }
}

fn extend(run: &mut Occurrence, signal: &Signal, at: EventTime) {
    run.last = run.last.max(signal.last).max(at);
    run.count = run.count.max(u64::from(signal.count));
    run.severity = run.severity.max(signal.severity);
    run.ended = signal.ended;
}

fn differences(tenant: Tenant, versions: &[&Version], output: &mut Vec<ObjectRow>) {
    for pair in versions.windows(2) {
        let [before, after] = pair else { continue };
        let (previous, next) = (&before.state, &after.state);
        let same_object = previous.uid == next.uid || previous.uid.is_empty() || next.uid.is_empty();
        if previous.deleted || !same_object {
            continue;
        }
        for signal in changes(previous, next) {
            let row = Arc::new(occurrence(&signal, after.cite, signal.detail.as_str().into()));
            output.push(ObjectRow::Occurrence(tenant, signal.entity, signal.kind, row));
        }
    }
}

/// A signal as an occurrence that does not stand, with the text of the signal's detail.
pub(crate) fn occurrence(signal: &Signal, cite: Cite, detail: Arc<str>) -> Occurrence {
    Occurrence {
        onset: signal.onset,
        cite,
        earliest: signal.earliest,
        last: signal.last,
        ended: signal.ended,
        standing: false,
        count: u64::from(signal.count),
        severity: signal.severity,
        detail,
        magnitude: 0,
    }
}
