//! An engine that is fed as a stream is, and asked in between.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dataflow::arrival::{Arrival, arrivals};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::answer::{Answer, Question};
use schemas::codec::Raw;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::Query;
use schemas::time::EventTime;
use schemas::view::{Row, ViewName};

use super::CaseRecord;

/// An engine of one tenant.
pub struct Stream {
    engine: Engine,
    tenant: TenantId,
    offset: i64,
    /// Why records were refused.
    pub rejects: Vec<String>,
    /// Milliseconds that the last records took until they were in every view.
    pub fed_ms: f64,
}

impl Stream {
    /// Starts an engine whose clock is that of the events.
    pub fn start(tenant: &TenantId) -> Result<Self> {
        let config = EngineConfig { clock: Clock::Event, ..EngineConfig::default() };
        let engine = Engine::start(config).context("start the engine")?;
        Ok(Stream { engine, tenant: tenant.clone(), offset: 0, rejects: Vec::new(), fed_ms: 0.0 })
    }

    /// Feeds records and waits until every view has them.
    pub async fn feed(&mut self, records: &[CaseRecord]) -> Result<()> {
        let mut batch: Vec<Arrival> = Vec::new();
        for record in records {
            let position = SourcePosition {
                topic: record.name.as_str().into(),
                partition: 0,
                offset: self.offset,
                item: 0,
            };
            self.offset += 1;
            let raw = Raw {
                tenant: &self.tenant,
                position: &position,
                arrived: record.arrived,
                bytes: &record.bytes,
            };
            batch.extend(arrivals(&raw, record.format));
        }
        self.rejects.extend(batch.iter().filter_map(|arrival| match arrival {
            Arrival::Reject(reject) => Some(reject.error.to_string()),
            Arrival::Event(_) => None,
        }));
        let started = std::time::Instant::now();
        let epoch = self.engine.input().seal(batch, EventTime(0)).await.context("seal")?;
        self.engine.reader().complete(epoch).await.context("wait for the views")?;
        self.fed_ms = started.elapsed().as_secs_f64() * 1_000.0;
        Ok(())
    }

    /// Asks; with milliseconds since the last records were sealed.
    pub async fn ask(&self, question: &Question) -> Result<(Answer, f64)> {
        let started = std::time::Instant::now();
        let answer = agents::investigate(&self.engine.reader(), question).await.context("investigate")?;
        Ok((answer, self.fed_ms + started.elapsed().as_secs_f64() * 1_000.0))
    }

    /// Which service each pod is of.
    pub async fn services(&self) -> Result<BTreeMap<Entity, Entity>> {
        let query = Query::all(&self.tenant, ViewName::Topology);
        let (rows, ..) = self.engine.reader().scan(query, 100_000).await?;
        let edges = rows.into_iter().filter_map(|row| match row {
            Row::Relation(row) if row.relation == RelationKind::Selects => {
                Some((Entity::clone(&row.to), Entity::clone(&row.from)))
            }
            _ => None,
        });
        Ok(edges.filter(|(pod, _)| pod.kind == EntityKind::Pod).collect())
    }

    /// Rows of a view, for whoever looks into a case.
    pub async fn rows(&self, view: ViewName) -> Result<Vec<Row>> {
        Ok(self.engine.reader().scan(Query::all(&self.tenant, view), 100_000).await?.0)
    }

    /// Stops the engine.
    pub async fn stop(self) -> Result<()> {
        tokio::task::spawn_blocking(move || self.engine.shutdown()).await.context("stop the engine")??;
        Ok(())
    }
}
