//! One importer per data set, and what they share.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use dataflow::arrival::{Arrival, arrivals};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::answer::{Answer, Question};
use schemas::codec::{Format, Raw};
use schemas::entity::Entity;
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::Query;
use schemas::time::EventTime;
use schemas::view::{IncidentRow, Row, ViewName};
use serde::Serialize;

pub mod changerca;
pub mod cloudopsbench;
pub mod measured;
pub mod metrics;
pub mod nab;
pub mod nezha;
pub mod opensre;
pub mod stream;

/// One line of a predictions file. Fields that a data set lacks are null.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// Data set, copied from its list of cases.
    pub dataset: String,
    /// Case, copied likewise.
    pub case: String,
    /// Best first; empty says that there is no fault.
    pub ranking: Vec<Ranked>,
    /// From the last input to the answer, in milliseconds.
    pub ms: f64,
}

/// One item of a ranking.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// `app/x`, `node/x`, `namespace/x`.
    pub object: Option<String>,
    /// Service name.
    pub service: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
    /// Our kind id.
    pub kind: Option<String>,
    /// The data set's class of faults.
    pub taxonomy: Option<String>,
    /// The data set's name of the fault.
    pub root_cause: Option<String>,
    /// Probability that the item is right.
    pub confidence: f64,
    /// What the confidence was read from.
    pub evidence: f64,
}

impl Ranked {
    /// An item that names nothing yet.
    pub fn of(confidence: f64, evidence: f64) -> Self {
        Ranked {
            object: None,
            service: None,
            pod: None,
            kind: None,
            taxonomy: None,
            root_cause: None,
            confidence,
            evidence,
        }
    }
}

/// The cases of an unpacked folder, in order.
pub fn cases<C: serde::de::DeserializeOwned>(folder: &Path) -> Result<Vec<C>> {
    let path = folder.join("cases.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("parse {}", path.display())))
        .collect()
}

/// `kind/namespace/name` or `kind/name`, as entities are printed.
pub fn parse_entity(text: &str) -> Option<Entity> {
    let (kind, rest) = text.split_once('/')?;
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    Some(Entity::namespaced(kind.parse().ok()?, namespace, name))
}

/// The service that an entity is or is of.
pub fn service_of(entity: &Entity, services: &BTreeMap<Entity, Entity>) -> String {
    services.get(entity).map_or(&entity.name, |service| &service.name).clone()
}

/// One record of a case.
pub struct CaseRecord {
    /// Where it came from, for positions.
    pub name: String,
    /// How it is encoded.
    pub format: Format,
    /// When it was captured.
    pub arrived: EventTime,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What the engine made of a case.
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// Edges known, as (subject, verb, object).
    pub topology: Vec<(Entity, schemas::entity::RelationKind, Entity)>,
    /// Incidents, resolved ones included.
    pub incidents: Vec<IncidentRow>,
    /// Why records were refused.
    pub rejects: Vec<String>,
    /// From the last input to the answer, in milliseconds.
    pub ms: f64,
}

/// Feeds a case to an engine of its own and asks.
pub async fn investigate(tenant: &TenantId, records: &[CaseRecord], query: &str) -> Result<Outcome> {
    ask(&Question::new(tenant.clone(), query), records).await
}

/// Feeds a case to an engine of its own and asks a question of its tenant.
pub async fn ask(question: &Question, records: &[CaseRecord]) -> Result<Outcome> {
    let tenant = &question.tenant_id;
    let config = EngineConfig { clock: Clock::Event, ..EngineConfig::default() };
    let engine = Engine::start(config).context("start the engine")?;
    let mut batch: Vec<Arrival> = Vec::new();
    for (offset, record) in (0i64..).zip(records) {
        let position = SourcePosition { topic: record.name.as_str().into(), partition: 0, offset, item: 0 };
        let raw = Raw { tenant, position: &position, arrived: record.arrived, bytes: &record.bytes };
        batch.extend(arrivals(&raw, record.format));
    }
    let rejects = batch.iter().filter_map(|arrival| match arrival {
        Arrival::Reject(reject) => Some(reject.error.to_string()),
        Arrival::Event(_) => None,
    });
    let rejects = rejects.collect();
    let started = std::time::Instant::now();
    let epoch = engine.input().seal(batch, EventTime(0)).await.context("seal the case")?;
    let reader = engine.reader();
    reader.complete(epoch).await.context("wait for the views")?;
    let answer = agents::investigate(&reader, question).await.context("investigate")?;
    let ms = started.elapsed().as_secs_f64() * 1_000.0;
    let (rows, ..) = reader.scan(Query::all(tenant, ViewName::Topology), 100_000).await?;
    let edges = rows.into_iter().filter_map(|row| match row {
        Row::Relation(row) => Some((Entity::clone(&row.from), row.relation, Entity::clone(&row.to))),
        _ => None,
    });
    let topology = edges.collect();
    let (rows, ..) = reader.scan(Query::all(tenant, ViewName::Incidents), 100_000).await?;
    let incidents = rows.into_iter().filter_map(|row| match row {
        Row::Incident(row) => Some(row.as_ref().clone()),
        _ => None,
    });
    let incidents = incidents.collect();
    tokio::task::spawn_blocking(move || engine.shutdown()).await.context("stop the engine")??;
    Ok(Outcome { answer, topology, incidents, rejects, ms })
}
