//! What an investigation saw, packed so that it can be had again once its epoch cannot be read any more. Pure.
//!
//! Packed is what the answer rests on: of the chains those of the incidents in scope, of the links those whose cause can
//! be dismissed, of the events those that are cited; all else of the scope whole. Text, so that a database keeps it as it
//! keeps documents: Base64 of an LZ4 block of MessagePack with the names of fields.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::answer::{Answer, Scope};
use schemas::entity::Entity;
use schemas::ids::EventId;
use schemas::read::AsOf;
use schemas::view::{
    ChainRow, CoverageRow, EntityRow, EpisodeRow, EventRow, IncidentRow, LinkRow, RelationRow, Shared,
    ViewName,
};
use serde::{Deserialize, Serialize};

use crate::evidence::Known;
use crate::scope::Resolved;
use crate::synthesize::rule_out;

/// Longest packed text, in bytes: what is longer is not kept, and can be had again only while its epoch can be read.
const PACKED_BYTES_MAX: usize = 8 << 20;

#[derive(Serialize, Deserialize)]
struct Packed {
    as_of: AsOf,
    cut: BTreeSet<ViewName>,
    scope: Scope,
    named: BTreeSet<Entity>,
    incidents: Vec<IncidentRow>,
    chains: Vec<Arc<ChainRow>>,
    episodes: Vec<Shared<EpisodeRow>>,
    links: Vec<Shared<LinkRow>>,
    entities: Vec<Arc<EntityRow>>,
    relations: Vec<Arc<RelationRow>>,
    coverage: Vec<Arc<CoverageRow>>,
    events: Vec<Arc<EventRow>>,
}

/// Packs what an answer rests on; `None` when that is too much to be kept.
pub(crate) fn pack(resolved: &Resolved, known: &Known, answer: &Answer) -> Option<String> {
    let cited: BTreeSet<EventId> =
        answer.hypotheses.iter().flat_map(|found| &found.evidence).map(|item| item.event_id).collect();
    let in_scope = resolved.incidents.iter().filter_map(|incident| known.chains.get(&incident.incident_id));
    let packed = Packed {
        as_of: known.as_of,
        cut: known.cut.clone(),
        scope: resolved.scope.clone(),
        named: resolved.entities.clone(),
        incidents: resolved.incidents.clone(),
        chains: in_scope.flatten().cloned().collect(),
        episodes: known.episodes.clone(),
        links: known.links.iter().filter(|link| rule_out::candidate(&link.cause)).cloned().collect(),
        entities: known.entities.clone(),
        relations: known.relations.clone(),
        coverage: known.coverage.clone(),
        events: cited.iter().filter_map(|id| known.events.get(id)).cloned().collect(),
    };
    let plain = rmp_serde::to_vec_named(&packed).ok()?;
    let text = STANDARD.encode(lz4_flex::compress_prepend_size(&plain));
    (text.len() <= PACKED_BYTES_MAX).then_some(text)
}

/// What was packed; `None` when it cannot be read.
pub(crate) fn unpack(text: &str) -> Option<(Resolved, Known)> {
    let block = STANDARD.decode(text).ok()?;
    let plain = lz4_flex::decompress_size_prepended(&block).ok()?;
    let packed: Packed = rmp_serde::from_slice(&plain).ok()?;
    let mut chains: BTreeMap<_, Vec<Arc<ChainRow>>> = BTreeMap::new();
    for chain in packed.chains {
        chains.entry(chain.incident_id).or_default().push(chain);
    }
    let known = Known {
        as_of: packed.as_of,
        cut: packed.cut,
        chains,
        episodes: packed.episodes,
        links: packed.links,
        entities: packed.entities,
        relations: packed.relations,
        coverage: packed.coverage,
        events: packed.events.into_iter().map(|row| (row.event_id, row)).collect(),
    };
    let resolved = Resolved { entities: packed.named, incidents: packed.incidents, scope: packed.scope };
    Some((resolved, known))
}
