//! What the views hold that an investigation may look at, read once at one epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use schemas::answer::{EvidenceItem, Question, TimeWindow};
use schemas::ids::{EventId, IncidentId, TenantId};
use schemas::read::{AsOf, Filter, PAGE_ROWS_MAX, Query, ReadError, ViewReader};
use schemas::view::{
    ChainRow, CoverageRow, EntityRow, EpisodeRow, EventRow, IncidentRow, LinkRow, RelationRow, Row, RowKey,
    ViewName,
};

/// Rows of one view that an investigation reads at most.
const ROWS_MAX: usize = 20_000;

/// Everything read for one question.
pub(crate) struct Known {
    pub(crate) as_of: AsOf,
    pub(crate) incidents: Vec<Arc<IncidentRow>>,
    pub(crate) chains: BTreeMap<IncidentId, Vec<Arc<ChainRow>>>,
    pub(crate) episodes: Vec<Arc<EpisodeRow>>,
    pub(crate) links: Vec<Arc<LinkRow>>,
    pub(crate) entities: Vec<Arc<EntityRow>>,
    pub(crate) relations: Vec<Arc<RelationRow>>,
    pub(crate) coverage: Vec<Arc<CoverageRow>>,
    pub(crate) events: BTreeMap<EventId, Arc<EventRow>>,
    /// Views of which rows were left out.
    pub(crate) cut: BTreeSet<ViewName>,
}

/// The epoch at which a question is answered.
pub(crate) async fn as_of(reader: &ViewReader, question: &Question) -> Result<AsOf, ReadError> {
    let query =
        Query { as_of: question.as_of, limit: 1, ..Query::all(&question.tenant_id, ViewName::Coverage) };
    Ok(reader.peek(query).await?.as_of)
}

/// Reads what a question may touch, at one epoch.
pub(crate) async fn gather(
    reader: &ViewReader,
    tenant: &TenantId,
    as_of: AsOf,
    window: Option<TimeWindow>,
) -> Result<Known, ReadError> {
    let filter = Filter {
        from: window.map(|window| window.from),
        to: window.map(|window| window.to),
        ..Filter::default()
    };
    let mut query = Query { filter, as_of: Some(as_of.epoch), ..Query::all(tenant, ViewName::Incidents) };
    let cut = Mutex::new(BTreeSet::new());
    let (incidents, ..) = reader.scan(query.clone(), ROWS_MAX).await?;
    // Causes may lie before the window that was asked about.
    query.filter.from = None;
    let read = async |view: ViewName, filtered: bool| -> Result<Vec<Row>, ReadError> {
        let filter = if filtered { query.filter.clone() } else { Filter::default() };
        let (rows, _, left_out) = reader.scan(Query { view, filter, ..query.clone() }, ROWS_MAX).await?;
        if left_out {
            cut.lock().unwrap_or_else(PoisonError::into_inner).insert(view);
        }
        Ok(rows)
    };
    let chains = read(ViewName::Chains, true).await?;
    let episodes = read(ViewName::Episodes, true).await?;
    let links = read(ViewName::Links, true).await?;
    let relations = read(ViewName::Topology, true).await?;
    let entities = read(ViewName::Entities, false).await?;
    let coverage = read(ViewName::Coverage, false).await?;
    let events = read(ViewName::Events, true).await?;
    let mut by_incident: BTreeMap<IncidentId, Vec<Arc<ChainRow>>> = BTreeMap::new();
    for chain in chains {
        if let Row::Chain(chain) = chain {
            by_incident.entry(chain.incident_id).or_default().push(chain);
        }
    }
    Ok(Known {
        as_of,
        cut: cut.into_inner().unwrap_or_else(PoisonError::into_inner),
        incidents: pick(incidents, |row| if let Row::Incident(row) = row { Some(row) } else { None }),
        chains: by_incident,
        episodes: pick(episodes, |row| if let Row::Episode(row) = row { Some(row) } else { None }),
        links: pick(links, |row| if let Row::Link(row) = row { Some(row) } else { None }),
        entities: pick(entities, |row| if let Row::Entity(row) = row { Some(row) } else { None }),
        relations: pick(relations, |row| if let Row::Relation(row) = row { Some(row) } else { None }),
        coverage: pick(coverage, |row| if let Row::Coverage(row) = row { Some(row) } else { None }),
        events: pick(events, |row| if let Row::Event(row) = row { Some((row.event_id, row)) } else { None })
            .into_iter()
            .collect(),
    })
}

/// Reads the events that the causes and chains of incidents cite, where not all events were read: whatever else is left out,
/// what a claim rests on is not. At most a page of them.
pub(crate) async fn read_cited<'i>(
    reader: &ViewReader,
    tenant: &TenantId,
    known: &mut Known,
    incidents: impl Iterator<Item = &'i IncidentRow>,
) -> Result<(), ReadError> {
    if !known.cut.contains(&ViewName::Events) {
        return Ok(());
    }
    let mut keys: BTreeSet<RowKey> = BTreeSet::new();
    for incident in incidents {
        let roots = incident.hypotheses.iter().map(|hypothesis| &hypothesis.root);
        let links =
            known.chains.get(&incident.incident_id).into_iter().flatten().flat_map(|chain| &chain.links);
        let cited = roots.chain(links.flat_map(|link| [&link.cause, &link.effect]));
        let unread = cited.flat_map(|episode| &episode.event_ids).filter(|id| !known.events.contains_key(id));
        keys.extend(unread.map(|id| RowKey::event(*id)).take(PAGE_ROWS_MAX.saturating_sub(keys.len())));
    }
    let filter = Filter { keys: Some(keys), ..Filter::default() };
    let as_of = Some(known.as_of.epoch);
    let found = reader.peek(Query { filter, as_of, ..Query::all(tenant, ViewName::Events) }).await?;
    let events =
        pick(found.rows, |row| if let Row::Event(row) = row { Some((row.event_id, row)) } else { None });
    known.events.extend(events);
    Ok(())
}

fn pick<T>(rows: Vec<Row>, variant: impl Fn(Row) -> Option<T>) -> Vec<T> {
    rows.into_iter().filter_map(variant).collect()
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
            source: row.source.clone(),
            at: row.at,
            summary: row.summary.clone(),
            position: row.position.to_string(),
        };
        rows.into_iter().map(item).collect()
    }
}
