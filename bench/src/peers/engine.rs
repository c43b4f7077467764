//! kgroot's own engine, fed with envelopes that are decoded already, with the rules of the workload and no others. It does all
//! that it always does: all kept links, ranking, chains, and views that are readable as of every epoch.
//!
//! The envelopes are made of the workload's events batch by batch: made beforehand, their memory would be used again by the
//! engine, and missing from what it takes. The processor time of making them is told apart and is not the engine's; clock time has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result};
use dataflow::arrival::{Arrival, EventArrival};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::{Engine, EngineInput};
use rustix::time::{ClockId, Timespec, clock_gettime};
use schemas::catalogue::{Catalogue, Rules};
use schemas::entity::{Entity, EntityKind, Relation, RelationKind};
use schemas::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use schemas::fact::{Fact, Normalized, Sample, Signal};
use schemas::ids::{EventId, EventKey, TenantId};
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::{Epoch, EventTime};
use schemas::view::{EpisodeRow, Row, ViewName};
use tokio::runtime::Runtime;

use crate::peers::measure::Peer;
use crate::peers::ways::WAYS;
use crate::peers::workload::{
    COMPARED_MS, Episode, Event, GAP_MS, HORIZON_MS, Incident, KINDS, Kind, Link, OPEN, Output, Place, Said,
    Verb,
};

/// The metric that the samples are of: its name says that a rise means failing requests.
const METRIC: &str = "errors";
/// Most rows read of a view at the end.
const ROWS_MAX: usize = 10_000_000;

/// A running engine.
pub struct Kgroot {
    engine: Engine,
    input: EngineInput,
    reader: ViewReader,
    runtime: Runtime,
    tenants: BTreeMap<u64, TenantId>,
    kinds: Vec<schemas::catalogue::Kind>,
    /// As a log shares it between the records of a read.
    topic: Arc<str>,
    fed: i64,
    sealed: Epoch,
    making_s: f64,
}

impl Kgroot {
    /// Starts an engine with so many workers.
    pub fn start(workers: usize) -> Result<Kgroot> {
        let config = EngineConfig {
            workers,
            clock: Clock::Event,
            horizon_ms: HORIZON_MS,
            lateness_ms: HORIZON_MS,
            gap_ms: GAP_MS,
            rules: rules()?,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config)?;
        let (input, reader) = (engine.input(), engine.reader());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let catalogue = Catalogue::built_in();
        let known =
            |id: &str| catalogue.kind(id).with_context(|| format!("kind {id} is not in the catalogue"));
        let kinds = KINDS.iter().map(|kind| known(kind.id)).collect::<Result<Vec<_>>>()?;
        let tenants = BTreeMap::from([(0, "peers".parse()?)]);
        Ok(Kgroot {
            engine,
            input,
            reader,
            runtime,
            tenants,
            kinds,
            topic: "peers".into(),
            fed: 0,
            sealed: 0,
            making_s: 0.0,
        })
    }

    /// Takes the next events, each of a tenant with a number.
    pub fn feed_of(&mut self, events: &[(u64, Event)], now: i64) -> Result<()> {
        for (tenant, _) in events {
            if !self.tenants.contains_key(tenant) {
                self.tenants.insert(*tenant, format!("peers-{tenant}").parse()?);
            }
        }
        self.feed_known(events.iter().map(|(tenant, event)| (*tenant, event)), now)
    }

    /// Takes the next events, of tenants that have a name.
    fn feed_known<'e>(&mut self, events: impl Iterator<Item = (u64, &'e Event)>, now: i64) -> Result<()> {
        let began = thread_s();
        let arrivals: Vec<Arrival> =
            events.map(|(tenant, event)| self.arrival(self.tenants[&tenant].clone(), event)).collect();
        self.making_s += thread_s() - began;
        self.sealed = self.runtime.block_on(self.input.seal(arrivals, EventTime(now)))?;
        Ok(())
    }

    /// Rows of a view, of all tenants.
    pub fn count(&self, view: ViewName) -> Result<u64> {
        let rows = self.runtime.block_on(self.reader.status())?.rows;
        Ok(rows.iter().find(|(name, _)| *name == view).map_or(0, |(_, rows)| *rows))
    }

    fn arrival(&mut self, tenant: TenantId, event: &Event) -> Arrival {
        self.fed += 1;
        let id = u128::from(self.fed.unsigned_abs());
        let at = EventTime(event.at);
        let (key, revision, fact) = match event.said {
            Said::Signal(place, kind) => {
                (None, 0, Fact::Signal(Signal::at(entity(place), self.kinds[kind.number()], at, "")))
            }
            Said::Sample(place, value_micro) => {
                let sample = Sample { entity: entity(place), metric: METRIC.to_owned(), at, value_micro };
                (None, 0, Fact::Sample(sample))
            }
            Said::Edge(edge) => {
                let relation = Relation {
                    from: entity(edge.from),
                    kind: relation(edge.verb),
                    to: entity(edge.to),
                    valid_from: EventTime(edge.valid_from),
                    valid_to: (edge.valid_to != OPEN).then_some(EventTime(edge.valid_to)),
                };
                // Apart from the ids of events, which are the keys of the others.
                let key = EventKey((1 << 100) + u128::from(edge.number));
                (Some(key), event.at, Fact::Relation(relation))
            }
        };
        let envelope = Envelope {
            tenant_id: tenant,
            source: "peers".to_owned(),
            event_type: "said".to_owned(),
            ts: at,
            correlation_ids: CorrelationIds::default(),
            entity: EnvelopeEntity::default(),
            severity: Severity::Info,
            payload: String::new(),
            ingest_id: EventId(id),
            schema_version: 1,
        };
        let (facts, summary) = (vec![fact], String::new());
        let normalized = Normalized { key, revision, facts, summary, withdraws: None };
        let position =
            SourcePosition { topic: Arc::clone(&self.topic), partition: 0, offset: self.fed, item: 0 };
        Arrival::Event(Box::new(EventArrival { position, envelope, normalized }))
    }

    fn rows(&self, view: ViewName) -> Result<Vec<Row>> {
        let query = Query::all(&self.tenants[&0], view);
        Ok(self.runtime.block_on(self.reader.scan(query, ROWS_MAX))?.0)
    }

    /// Ends the engine.
    pub fn stop(self) -> Result<()> {
        Ok(self.engine.shutdown()?)
    }
}

impl Peer for Kgroot {
    fn feed(&mut self, events: &[Event], now: i64) -> Result<()> {
        self.feed_known(events.iter().map(|event| (0, event)), now)
    }

    fn making_s(&self) -> f64 {
        self.making_s
    }

    fn settle(&mut self) -> Result<()> {
        self.runtime.block_on(self.reader.complete(self.sealed))?;
        Ok(())
    }

    fn output(&mut self, end: i64) -> Result<Output> {
        let mut output = Output::default();
        for row in self.rows(ViewName::Links)? {
            let Row::Link(row) = row else { continue };
            // Where the horizon cuts into trouble, what is usual is another thing, and kinds that nobody asks for come up.
            if !row.best || row.effect.onset.0 < end - COMPARED_MS {
                continue;
            }
            let way = WAYS.iter().find(|way| way.rule == &*row.rule);
            let rule = way.with_context(|| format!("rule {} is not of the workload", row.rule))?.rule;
            let (effect, cause) = (episode(&row.effect)?, episode(&row.cause)?);
            output.links.push(Link { effect, cause, rule, strength: i64::from(row.strength) });
        }
        for row in self.rows(ViewName::Incidents)? {
            let Row::Incident(row) = row else { continue };
            output.incidents.push(Incident {
                started_at: row.started_at.0,
                episodes: u64::from(row.episodes),
                alerts: u64::from(row.alerts),
            });
        }
        Ok(output)
    }
}

/// Processor seconds of this thread.
fn thread_s() -> f64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    tv_sec as f64 + tv_nsec as f64 / 1e9
}

/// The rules of the workload, as a user's file would have it.
fn rules() -> Result<Rules> {
    let asked: BTreeSet<&str> = WAYS.iter().map(|way| way.rule).collect();
    let rules = Rules::built_in();
    let others = rules.iter().filter(|(_, rule)| !asked.contains(&*rule.id));
    let file: String = others.map(|(_, rule)| format!("- {{id: {}, enabled: false}}\n", rule.id)).collect();
    Ok(Rules::with_file("peers", &file)?)
}

fn entity(place: Place) -> Entity {
    let kind = match place.sort() {
        1 => EntityKind::Deployment,
        2 => EntityKind::Pod,
        3 => EntityKind::Service,
        _ => EntityKind::Node,
    };
    let name = place.0.to_string();
    if kind == EntityKind::Node {
        Entity::global(kind, &name)
    } else {
        Entity::namespaced(kind, "peers", &name)
    }
}

fn relation(verb: Verb) -> RelationKind {
    match verb {
        Verb::Owns => RelationKind::Owns,
        Verb::Selects => RelationKind::Selects,
        Verb::RunsOn => RelationKind::RunsOn,
        Verb::Calls => RelationKind::Calls,
    }
}

fn episode(row: &EpisodeRow) -> Result<Episode> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.spec().id == row.kind.id());
    let kind = kind.with_context(|| format!("kind {} is not of the workload", row.kind))?;
    let place = Place(row.entity.name.parse().context("the entity's number")?);
    Ok(Episode { onset: row.onset.0, place, kind })
}
