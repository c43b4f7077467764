//! What the views hold that an investigation looks at, as of one epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::answer::EvidenceItem;
use schemas::ids::{EventId, IncidentId};
use schemas::read::AsOf;
use schemas::view::{
    ChainRow, CoverageRow, EntityRow, EpisodeRow, EventRow, LinkRow, RelationRow, Shared, ViewName,
};

mod reading;

pub(crate) use reading::{CHANGES_BEFORE_MS, Found, Reading};

/// Everything read for one question, all of it about its scope.
pub(crate) struct Known {
    pub(crate) as_of: AsOf,
    /// Of the incidents that may be answered with.
    pub(crate) chains: BTreeMap<IncidentId, Vec<Arc<ChainRow>>>,
    /// What happened to what is in scope, what was changed before, how nodes fared, what people said.
    pub(crate) episodes: Vec<Shared<EpisodeRow>>,
    /// From those of the episodes that are changes or states of nodes.
    pub(crate) links: Vec<Shared<LinkRow>>,
    /// Those that measurements of a stretch of time are compared over.
    pub(crate) entities: Vec<Arc<EntityRow>>,
    /// Of what is in scope.
    pub(crate) relations: Vec<Arc<RelationRow>>,
    pub(crate) coverage: Vec<Arc<CoverageRow>>,
    /// Those that an answer may cite.
    pub(crate) events: BTreeMap<EventId, Arc<EventRow>>,
    /// Views of which rows were left out.
    pub(crate) cut: BTreeSet<ViewName>,
}

impl Known {
    /// Events as cited evidence, in time order. Ids that are no longer in view are left out.
    pub(crate) fn cite(&self, ids: impl IntoIterator<Item = EventId>) -> Vec<EvidenceItem> {
        let mut rows: Vec<&EventRow> =
            ids.into_iter().filter_map(|id| self.events.get(&id).map(Arc::as_ref)).collect();
        rows.sort_by_key(|row| (row.at, row.event_id));
        rows.dedup_by_key(|row| row.event_id);
        let item = |row: &EventRow| EvidenceItem {
            event_id: row.event_id,
            source: row.origin.source.as_ref().to_owned(),
            at: row.at,
            summary: row.summary.as_ref().to_owned(),
            position: row.position().to_string(),
        };
        rows.into_iter().map(item).collect()
    }
}
