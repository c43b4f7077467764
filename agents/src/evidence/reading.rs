//! Reads of one question: what its scope names is looked up, at one epoch. Whole views are read only where the question is
//! about a stretch of time, or starts from ids that no view is looked up by.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::answer::{Question, TimeWindow};
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::ids::{EpisodeId, EventId, IncidentId, TenantId};
use schemas::read::{AsOf, Filter, PAGE_ROWS_MAX, Query, ReadError, ViewReader};
use schemas::view::{
    ChainRow, EntityRow, EpisodeRow, EventRow, IncidentRow, IndexKey, LinkRow, RelationRow, Row, RowKey,
    Shared, ViewName,
};

use crate::evidence::Known;
use crate::scope::{Named, Resolved};
use crate::synthesize::{self, HYPOTHESES_MAX, relayed, rule_out};

/// Rows of one view that an investigation reads at most.
const ROWS_MAX: usize = 20_000;
/// Changes so long before the first symptom are looked at.
pub(crate) const CHANGES_BEFORE_MS: i64 = 24 * 3_600_000;

/// One question's way to the views.
pub(crate) struct Reading<'r> {
    reader: &'r ViewReader,
    tenant: &'r TenantId,
    as_of: AsOf,
    cut: BTreeSet<ViewName>,
}

/// Incidents that a question may be about.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) incidents: Vec<Arc<IncidentRow>>,
    /// Those that touch what is named.
    pub(crate) touching: BTreeSet<IncidentId>,
}

impl<'r> Reading<'r> {
    /// Settles the epoch at which a question is answered.
    pub(crate) async fn begin(
        reader: &'r ViewReader,
        question: &'r Question,
    ) -> Result<Reading<'r>, ReadError> {
        let tenant = &question.tenant_id;
        let query = Query { as_of: question.as_of, limit: 1, ..Query::all(tenant, ViewName::Coverage) };
        let as_of = reader.peek(query).await?.as_of;
        Ok(Reading { reader, tenant, as_of, cut: BTreeSet::new() })
    }

    pub(crate) fn as_of(&self) -> AsOf {
        self.as_of
    }

    /// Entities that bear one of the index keys.
    pub(crate) async fn entities(
        &mut self,
        index_keys: BTreeSet<IndexKey>,
    ) -> Result<Vec<Arc<EntityRow>>, ReadError> {
        let rows = self.rows(ViewName::Entities, indexed(index_keys)).await?;
        Ok(pick(rows, |row| if let Row::Entity(row) = row { Some(row) } else { None }))
    }

    /// All episodes, and all events, that began before a window ended: no view is looked up by the ids that events carry.
    pub(crate) async fn whole(
        &mut self,
        window: Option<TimeWindow>,
    ) -> Result<(Vec<Shared<EpisodeRow>>, Vec<Arc<EventRow>>), ReadError> {
        let episodes = self.rows(ViewName::Episodes, until(window)).await?;
        let events = self.rows(ViewName::Events, until(window)).await?;
        Ok((pick(episodes, episode), pick(events, event)))
    }

    /// The incidents of a window that are named; or those that touch what is named; or all when there are none.
    pub(crate) async fn incidents(
        &mut self,
        named: &Named,
        window: Option<TimeWindow>,
    ) -> Result<Found, ReadError> {
        let within = Filter {
            from: window.map(|window| window.from),
            to: window.map(|window| window.to),
            ..Filter::default()
        };
        let incident = |row| if let Row::Incident(row) = row { Some(row) } else { None };
        let mut found = Found::default();
        if !named.entities.is_empty() {
            let index_keys: BTreeSet<IndexKey> = named.entities.iter().map(IndexKey::entity).collect();
            let chains = self.rows(ViewName::Chains, indexed(index_keys.clone())).await?;
            found.touching.extend(chains.iter().filter_map(Row::incident));
            let roots = self.rows(ViewName::Incidents, indexed(index_keys)).await?;
            found.touching.extend(roots.iter().filter_map(Row::incident));
        }
        let meant = if named.incidents.is_empty() { &found.touching } else { &named.incidents };
        if !meant.is_empty() {
            let keys = Some(Arc::new(meant.iter().copied().map(RowKey::incident).collect()));
            let filter = Filter { keys, ..within.clone() };
            found.incidents = pick(self.rows(ViewName::Incidents, filter).await?, incident);
        }
        if found.incidents.is_empty() {
            found.incidents = pick(self.rows(ViewName::Incidents, within).await?, incident);
        }
        Ok(found)
    }

    /// What the views hold of a scope.
    pub(crate) async fn know(mut self, resolved: &Resolved) -> Result<Known, ReadError> {
        let window = resolved.scope.time_window;
        let measured = synthesize::measured_window(resolved);
        let shown: Vec<&IncidentRow> = resolved.incidents.iter().take(HYPOTHESES_MAX).collect();
        let mut chains: BTreeMap<IncidentId, Vec<Arc<ChainRow>>> = BTreeMap::new();
        for incident in &shown {
            let of_incident = Filter { incident: Some(incident.incident_id), ..until(window) };
            let rows = self.rows(ViewName::Chains, of_incident).await?;
            let rows = pick(rows, |row| if let Row::Chain(row) = row { Some(row) } else { None });
            chains.insert(incident.incident_id, rows);
        }
        let ends = chains.values().flatten().flat_map(|chain| &chain.links);
        let affected: BTreeSet<&Entity> = ends
            .flat_map(|link| [&link.cause, &link.effect])
            .chain(shown.iter().flat_map(|incident| &incident.hypotheses).map(|found| &found.root))
            .map(|end| &*end.entity)
            .chain(&resolved.entities)
            .collect();
        let of_scope: BTreeSet<IndexKey> = affected.into_iter().map(IndexKey::entity).collect();
        let all_relations = measured.is_some()
            || shown
                .iter()
                .flat_map(|incident| &incident.hypotheses)
                .any(|found| relayed::is_relayed(&found.root));
        let relations = self.relations(&of_scope, all_relations, window).await?;
        let mut episodes = self.episodes(&of_scope, measured, window).await?;
        for change in self.changes(&of_scope, &relations, &shown, window).await? {
            episodes.insert(change.episode_id, change);
        }
        let links = self.links(&episodes, window).await?;
        let entities = match measured {
            Some(_) => self.entities(BTreeSet::from([IndexKey::kind(EntityKind::Call)])).await?,
            None => Vec::new(),
        };
        let coverage = self.rows(ViewName::Coverage, Filter::default()).await?;
        let (cited, left_out) = cited(&shown, &chains, measured.map(|_| &episodes));
        if left_out {
            self.cut.insert(ViewName::Events);
        }
        let events = self.events(cited).await?;
        Ok(Known {
            as_of: self.as_of,
            cut: self.cut,
            chains,
            episodes: episodes.into_values().collect(),
            links,
            entities,
            relations,
            coverage: pick(coverage, |row| if let Row::Coverage(row) = row { Some(row) } else { None }),
            events,
        })
    }

    async fn relations(
        &mut self,
        of_scope: &BTreeSet<IndexKey>,
        all: bool,
        window: Option<TimeWindow>,
    ) -> Result<Vec<Arc<RelationRow>>, ReadError> {
        let rows = match all {
            true => self.rows(ViewName::Topology, until(window)).await?,
            false => {
                let near = Filter { index_keys: Some(Arc::new(of_scope.clone())), ..until(window) };
                let mut rows = self.rows(ViewName::Topology, near).await?;
                let beside = self.deployments(of_scope, &rows, window).await?;
                if !beside.is_empty() {
                    rows.extend(beside);
                    rows.sort_by_cached_key(RowKey::of);
                    rows.dedup();
                }
                rows
            }
        };
        Ok(pick(rows, |row| if let Row::Relation(row) = row { Some(row) } else { None }))
    }

    /// What was deployed, before or since, to what a commit in scope was deployed to and is not in scope itself.
    async fn deployments(
        &mut self,
        of_scope: &BTreeSet<IndexKey>,
        near: &[Row],
        window: Option<TimeWindow>,
    ) -> Result<Vec<Row>, ReadError> {
        let target = |row: &Row| match row {
            Row::Relation(row) if row.relation == RelationKind::Deploys => Some(IndexKey::entity(&row.to)),
            _ => None,
        };
        let targets: BTreeSet<IndexKey> = near.iter().filter_map(target).collect();
        let index_keys: BTreeSet<IndexKey> = targets.difference(of_scope).copied().collect();
        if index_keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut rows = self
            .rows(ViewName::Topology, Filter { index_keys: Some(Arc::new(index_keys)), ..until(window) })
            .await?;
        rows.retain(|row| target(row).is_some());
        Ok(rows)
    }

    /// Episodes of what is in scope, of nodes, and of what people said; with those that measurements speak of where nothing
    /// else does. All, where nothing is in scope.
    async fn episodes(
        &mut self,
        of_scope: &BTreeSet<IndexKey>,
        measured: Option<TimeWindow>,
        window: Option<TimeWindow>,
    ) -> Result<BTreeMap<EpisodeId, Shared<EpisodeRow>>, ReadError> {
        let beside = [IndexKey::node_state(), IndexKey::chat()];
        let index_keys =
            (!of_scope.is_empty()).then(|| Arc::new(of_scope.iter().copied().chain(beside).collect()));
        let mut rows = self.rows(ViewName::Episodes, Filter { index_keys, ..until(window) }).await?;
        if let Some(TimeWindow { from, to }) = measured {
            let filter = Filter { from: Some(from), to: Some(to.plus_ms(1)), ..Filter::default() };
            rows.extend(self.rows(ViewName::Anomalies, filter).await?);
        }
        Ok(pick(rows, episode).into_iter().map(|row| (row.episode_id, row)).collect())
    }

    /// Changes before and in the incidents that are shown. Of more than a page all that touch what is in scope, or what that
    /// is related to.
    async fn changes(
        &mut self,
        of_scope: &BTreeSet<IndexKey>,
        relations: &[Arc<RelationRow>],
        shown: &[&IncidentRow],
        window: Option<TimeWindow>,
    ) -> Result<Vec<Shared<EpisodeRow>>, ReadError> {
        let started = shown.iter().map(|incident| incident.started_at).min();
        let from = started.or(window.map(|window| window.from)).map(|at| at.plus_ms(-CHANGES_BEFORE_MS));
        let near = Filter { from, ..until(window) };
        let page = self.reader.peek(self.query(ViewName::Changes, near.clone())).await?;
        let mut rows = page.rows;
        if page.next.is_some() {
            self.cut.insert(ViewName::Changes);
            let ends = relations.iter().flat_map(|relation| [&*relation.from, &*relation.to]);
            let ends: BTreeSet<IndexKey> =
                ends.map(IndexKey::entity).chain(of_scope.iter().copied()).collect();
            let index_keys = Some(Arc::new(ends));
            rows.extend(self.rows(ViewName::Changes, Filter { index_keys, ..near }).await?);
        }
        Ok(pick(rows, episode))
    }

    async fn links(
        &mut self,
        episodes: &BTreeMap<EpisodeId, Shared<EpisodeRow>>,
        window: Option<TimeWindow>,
    ) -> Result<Vec<Shared<LinkRow>>, ReadError> {
        let candidates = episodes.values().filter(|episode| rule_out::candidate(episode));
        let causes = candidates.map(|episode| IndexKey::cause(episode.episode_id)).collect();
        let index_keys = Some(Arc::new(causes));
        let rows = self.rows(ViewName::Links, Filter { index_keys, ..until(window) }).await?;
        Ok(pick(rows, |row| if let Row::Link(row) = row { Some(row) } else { None }))
    }

    async fn events(
        &mut self,
        cited: BTreeSet<EventId>,
    ) -> Result<BTreeMap<EventId, Arc<EventRow>>, ReadError> {
        let keys = Some(Arc::new(cited.into_iter().map(RowKey::event).collect()));
        let rows = self.rows(ViewName::Events, Filter { keys, ..Filter::default() }).await?;
        Ok(pick(rows, event).into_iter().map(|row| (row.event_id, row)).collect())
    }

    /// Rows of a view, at most [`ROWS_MAX`]; that some were left out is noted.
    async fn rows(&mut self, view: ViewName, filter: Filter) -> Result<Vec<Row>, ReadError> {
        let (rows, _, left_out) = self.reader.scan(self.query(view, filter), ROWS_MAX).await?;
        if left_out {
            self.cut.insert(view);
        }
        Ok(rows)
    }

    fn query(&self, view: ViewName, filter: Filter) -> Query {
        let as_of = Some(self.as_of.epoch);
        Query { filter, as_of, limit: PAGE_ROWS_MAX, ..Query::all(self.tenant, view) }
    }
}

/// What began before a window ends. Causes may lie before it.
fn until(window: Option<TimeWindow>) -> Filter {
    Filter { to: window.map(|window| window.to), ..Filter::default() }
}

fn indexed(index_keys: BTreeSet<IndexKey>) -> Filter {
    Filter { index_keys: Some(Arc::new(index_keys)), ..Filter::default() }
}

/// The events to read, and whether some are left out: those that causes cite come first, then those of chains, of the first
/// cause and the longest before others, then those of the measurements that are compared, strongest first.
fn cited(
    shown: &[&IncidentRow],
    chains: &BTreeMap<IncidentId, Vec<Arc<ChainRow>>>,
    measured: Option<&BTreeMap<EpisodeId, Shared<EpisodeRow>>>,
) -> (BTreeSet<EventId>, bool) {
    let roots = shown.iter().flat_map(|incident| &incident.hypotheses).map(|found| &found.root);
    let mut chains: Vec<&Arc<ChainRow>> = chains.values().flatten().collect();
    chains.sort_by_key(|chain| (chain.rank, Reverse(chain.links.len())));
    let ends = chains.iter().flat_map(|chain| &chain.links).flat_map(|link| [&link.cause, &link.effect]);
    let mut compared: Vec<&Shared<EpisodeRow>> =
        measured.into_iter().flat_map(BTreeMap::values).filter(|episode| 0 < episode.magnitude).collect();
    compared.sort_by_key(|episode| Reverse(episode.magnitude));
    let mut found = BTreeSet::new();
    for event in roots.chain(ends).chain(compared).flat_map(|episode| &episode.event_ids) {
        if found.len() == ROWS_MAX && !found.contains(event) {
            return (found, true);
        }
        found.insert(*event);
    }
    (found, false)
}

fn episode(row: Row) -> Option<Shared<EpisodeRow>> {
    if let Row::Episode(row) = row { Some(row) } else { None }
}

fn event(row: Row) -> Option<Arc<EventRow>> {
    if let Row::Event(row) = row { Some(row) } else { None }
}

fn pick<T>(rows: Vec<Row>, variant: impl Fn(Row) -> Option<T>) -> Vec<T> {
    rows.into_iter().filter_map(variant).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn anomaly(id: u64, magnitude: u32, events: std::ops::Range<u128>) -> (EpisodeId, Shared<EpisodeRow>) {
        let at = "2026-01-01T00:00:00.000Z";
        let events: Vec<EventId> = events.map(EventId).collect();
        let row = json!({"episode_id": EpisodeId(id), "entity": Entity::namespaced(EntityKind::Service, "shop", "cart"),
            "kind": "metric.cpu_high", "class": "symptom", "onset": at, "earliest": at, "last": at, "ended": null,
            "count": 1, "severity": "warning", "event_ids": events, "detail": "", "magnitude": magnitude});
        (EpisodeId(id), serde_json::from_value(row).unwrap())
    }

    #[test]
    fn of_more_events_than_are_read_the_strongest_are() {
        let most = ROWS_MAX as u128;
        let measured = BTreeMap::from([anomaly(1, 40, 0..most), anomaly(2, 90, most..most + 2)]);
        let (events, left_out) = cited(&[], &BTreeMap::new(), Some(&measured));
        assert!(left_out && events.len() == ROWS_MAX);
        assert!(events.contains(&EventId(most)) && events.contains(&EventId(most + 1)));
        let (events, left_out) =
            cited(&[], &BTreeMap::new(), Some(&BTreeMap::from([anomaly(1, 40, 0..most)])));
        assert!(!left_out && events.len() == ROWS_MAX);
    }
}
