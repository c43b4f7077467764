//! The history of a preview: the event log of a configuration, or a recording.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use dataflow::ingest::clock::now;
use dataflow::ingest::embedded::EmbeddedLog;
use dataflow::ingest::kafka::KafkaLog;
use dataflow::ingest::past::{PastError, PastRecord, Wanted, past};
use dataflow::ingest::registry::{ConfluentRegistry, SchemaRegistry};
use schemas::codec::Format;
use schemas::ids::TenantId;

use super::Window;
use crate::config::{Config, EventLogConfig};
use crate::exit::{Cause, Failure};
use crate::{engine, event_log, input};

/// Records of a preview: all are in memory, and are computed twice.
pub const RECORDS_MAX: usize = 200_000;
/// Whose a recording is when nobody says.
const TENANT: &str = "local";

/// What arrived, by tenant, in order of arrival.
#[derive(Debug, Default)]
pub struct History {
    tenants: BTreeMap<TenantId, Vec<PastRecord>>,
}

impl History {
    /// Reads what arrived from `warm_up_ms` before the window to its end.
    pub fn read(
        config: &Config,
        (recording, format, tenant): (Vec<PathBuf>, Option<Format>, Option<TenantId>),
        window: Window,
        warm_up_ms: i64,
    ) -> Result<History> {
        let from = window.from.plus_ms(-warm_up_ms);
        let wanted = Wanted { from, to: window.to, tenant, limit: RECORDS_MAX };
        let records = if recording.is_empty() {
            of_log(config, &wanted)
        } else {
            of_files(&recording, format, &wanted)
        }?;
        let mut history = History::default();
        for record in records {
            history.tenants.entry(record.tenant.clone()).or_default().push(record);
        }
        if history.tenants.is_empty() {
            let line = "nothing arrived in that time; check --from, --to and --tenant, and what is read";
            return Err(Failure::of(Cause::Input, line));
        }
        Ok(history)
    }

    /// Records read.
    pub fn records(&self) -> usize {
        self.tenants.values().map(Vec::len).sum()
    }

    /// Each tenant with what arrived.
    pub fn tenants(&self) -> impl Iterator<Item = (&TenantId, &[PastRecord])> {
        self.tenants.iter().map(|(tenant, records)| (tenant, records.as_slice()))
    }
}

fn of_files(paths: &[PathBuf], format: Option<Format>, wanted: &Wanted) -> Result<Vec<PastRecord>> {
    let tenant = match &wanted.tenant {
        Some(tenant) => tenant.clone(),
        None => TENANT.parse()?,
    };
    let mut records = input::read(paths, format)?;
    records.retain(|record| wanted.from <= record.arrived && record.arrived < wanted.to);
    if wanted.limit < records.len() {
        return Err(told(&PastError::TooMany(wanted.limit)));
    }
    // Stable: at one instant the order of the files stands.
    records.sort_by_key(|record| record.arrived);
    let past = |record: &input::Record| PastRecord {
        tenant: tenant.clone(),
        arrived: record.arrived,
        arrivals: engine::decode(&tenant, record),
    };
    Ok(records.iter().map(past).collect())
}

fn of_log(config: &Config, wanted: &Wanted) -> Result<Vec<PastRecord>> {
    match config.event_log()? {
        EventLogConfig::Embedded { path, retention_ms } => {
            if !path.exists() {
                let line =
                    format!("{}: no event log there; check data, or name a --recording", path.display());
                return Err(Failure::of(Cause::Input, line));
            }
            let log = EmbeddedLog::open(&path, retention_ms).map_err(event_log::failure)?;
            past(&mut log.reader(now), None, wanted).map_err(|error| told(&error))
        }
        EventLogConfig::Kafka { brokers, registry, tenants } => {
            let mut log = KafkaLog::connect(&brokers, &tenants).map_err(event_log::failure)?;
            let registry = match registry {
                Some(url) => Some(Box::new(ConfluentRegistry::at(&url)?) as Box<dyn SchemaRegistry>),
                None => None,
            };
            past(&mut log, registry, wanted).map_err(|error| told(&error))
        }
    }
}

fn told(error: &PastError) -> anyhow::Error {
    let cause = match error {
        PastError::Away(_) => Cause::Unreachable,
        PastError::Log(_) | PastError::TooMany(_) => Cause::Input,
    };
    Failure::of(cause, format!("history: {error}"))
}
