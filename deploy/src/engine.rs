//! An engine fed from recorded input, and the question asked of it.

use std::sync::Arc;

use anyhow::{Context, Result};
use dataflow::arrival::{Arrival, arrivals};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::answer::{Answer, Question};
use schemas::codec::Raw;
use schemas::error::{DecodeError, Reject, RejectCode};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::{Epoch, EventTime};
use schemas::view::{AlertRow, IncidentRow, Row, ViewName};

use crate::input::Record;

/// Recorded time that one epoch spans.
const STEP_MS: i64 = 5_000;
/// Records that one epoch holds at most.
const STEP_RECORDS_MAX: usize = 2_000;

/// An engine that runs on the time of its events.
pub fn start() -> Result<Engine> {
    Engine::start(EngineConfig { clock: Clock::Event, ..EngineConfig::default() }).context("start the engine")
}

/// Feeds records in steps of their own time; calls back after each epoch with the time it reached.
pub async fn feed(
    engine: &Engine,
    tenant: &TenantId,
    records: &[Record],
    mut after: impl AsyncFnMut(Epoch, EventTime) -> Result<()>,
) -> Result<()> {
    let reader = engine.reader();
    let mut rest = records;
    while let Some(first) = rest.first() {
        let step =
            |record: &Record| record.arrived.0.div_euclid(STEP_MS) == first.arrived.0.div_euclid(STEP_MS);
        let count = rest.iter().take(STEP_RECORDS_MAX).take_while(|record| step(record)).count().max(1);
        let (batch, later) = rest.split_at(count);
        let arrived = batch.iter().flat_map(|record| decode(tenant, record)).collect();
        let epoch = engine.input().seal(arrived, EventTime(0)).await.context("seal a step")?;
        reader.complete(epoch).await.context("wait for the views")?;
        after(epoch, first.arrived).await?;
        rest = later;
    }
    Ok(())
}

/// What a record holds.
pub fn decode(tenant: &TenantId, record: &Record) -> Vec<Arrival> {
    let position =
        SourcePosition { topic: record.name.as_str().into(), partition: 0, offset: record.offset, item: 0 };
    let raw = Raw { tenant, position: &position, arrived: record.arrived, bytes: &record.bytes };
    match record.format {
        Some(format) => arrivals(&raw, format),
        None => {
            let detail = "format not recognized; name it with --format";
            let error = DecodeError::new(RejectCode::UnknownFormat, detail);
            vec![Arrival::Reject(Reject { tenant: tenant.clone(), position, error, at: None })]
        }
    }
}

/// Asks a question about everything.
pub async fn ask(reader: &ViewReader, tenant: &TenantId, query: &str) -> Result<Answer> {
    let question = Question::new(tenant.clone(), query);
    agents::investigate(reader, &question).await.context("investigate")
}

/// Incidents known.
pub async fn incidents(reader: &ViewReader, tenant: &TenantId) -> Result<Vec<Arc<IncidentRow>>> {
    let (rows, ..) = reader.scan(Query::all(tenant, ViewName::Incidents), 10_000).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| if let Row::Incident(row) = row { Some(row) } else { None })
        .collect())
}

/// Alerts raised.
pub async fn alerts(reader: &ViewReader, tenant: &TenantId) -> Result<Vec<Arc<AlertRow>>> {
    let (rows, ..) = reader.scan(Query::all(tenant, ViewName::Alerts), 10_000).await?;
    Ok(rows.into_iter().filter_map(|row| if let Row::Alert(row) = row { Some(row) } else { None }).collect())
}

/// Refused records.
pub async fn rejects(reader: &ViewReader, tenant: &TenantId) -> Result<Vec<Arc<Reject>>> {
    let (rows, ..) = reader.scan(Query::all(tenant, ViewName::Rejects), 100_000).await?;
    Ok(rows.into_iter().filter_map(|row| if let Row::Reject(row) = row { Some(row) } else { None }).collect())
}
