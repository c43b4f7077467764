//! Decisions to Kafka: the topic `audit-orchestrator`.
//!
//! Key     `tenant/investigation`, so that the records of an investigation stay in order; the value is the record as JSON,
//!         the header `id` its name.
//! Order   of one investigation as decided.
//! Repeat  told at least once: a record is kept in the database in the transaction of its investigation, and marked as told
//!         after the broker has it. A crash between the two tells it again, under the same name.
//! Limits  so many records at a time; a broker or database that is away is tried again, and decisions wait in the database.

use std::time::Duration;

use futures_util::future::try_join_all;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::audit::{AuditRecord, TOPIC};
use schemas::state::StateError;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client;
use crate::state::Database;

/// Records told at a time.
const RECORDS: i64 = 500;
/// Tenants looked at in one round.
const TENANTS: i64 = 1_000;
/// Between two rounds.
const ROUND: Duration = Duration::from_millis(500);
/// After a failure.
const AWAY: Duration = Duration::from_secs(5);
/// How long the broker may take.
const PATIENCE_MS: u64 = 10_000;

/// Why decisions could not be told.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error("Kafka: {0}")]
    Broker(#[from] KafkaError),
    #[error(transparent)]
    State(#[from] StateError),
}

/// Tells decisions as they are kept, until the process stops.
pub async fn tell(database: Database, brokers: String, mut stop: watch::Receiver<bool>) {
    let mut failing = false;
    let producer = client(&brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("message.timeout.ms", PATIENCE_MS.to_string())
        .create::<FutureProducer>();
    let producer = match producer {
        Ok(producer) => producer,
        Err(error) => {
            tracing::error!(%error, "the audit stream is not written: kafka.brokers");
            return;
        }
    };
    loop {
        let told = round(&database, &producer).await;
        if let Err(error) = &told
            && !failing
        {
            tracing::warn!(%error, "decisions wait in the database until the audit stream takes them");
        }
        failing = told.is_err();
        let pause = if failing { AWAY } else { ROUND };
        if timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return;
        }
    }
}

async fn round(database: &Database, producer: &FutureProducer) -> Result<(), TellError> {
    for marked in database.marked(TENANTS).await? {
        loop {
            let records = database.untold(&marked.tenant, RECORDS).await?;
            if records.is_empty() {
                break;
            }
            send(producer, &records).await?;
            database.told(&marked.tenant, &records).await?;
            metrics::counter!("kgroot_audit_records_total").increment(records.len() as u64);
        }
        database.unmark(&marked).await?;
    }
    Ok(())
}

async fn send(producer: &FutureProducer, records: &[AuditRecord]) -> Result<(), KafkaError> {
    let sent = records.iter().map(async |record| {
        let key = format!("{}/{}", record.tenant_id, record.investigation_id);
        let value = serde_json::to_string(record).unwrap_or_default();
        let name = record.key();
        let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(&name) });
        let record = FutureRecord::to(TOPIC).key(&key).payload(&value).headers(headers);
        producer.send(record, Duration::from_millis(PATIENCE_MS)).await
    });
    try_join_all(sent).await.map(drop).map_err(|(error, _)| error)
}
