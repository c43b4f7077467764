//! The past of an event log: what arrived between two times, decoded, to be computed once more. Changes nothing.

use std::collections::BTreeMap;

use schemas::error::{DecodeError, RejectCode};
use schemas::ids::TenantId;
use schemas::position::Partition;
use schemas::time::EventTime;

use super::decode::{Decoder, Outcome, refused};
use super::log::{EventLog, LogError, LogRecord};
use super::registry::{RegistryAnswer, SchemaRegistry};
use crate::arrival::Arrival;

/// Records read at a time.
const PAGE: usize = 1_000;
/// Looks at a log that gives nothing before it is taken to be away.
const LOOKS_MAX: usize = 100;
/// A look waits so long.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// A record of the past.
#[derive(Clone, Debug)]
pub struct PastRecord {
    /// Whose it is.
    pub tenant: TenantId,
    /// When the log took it.
    pub arrived: EventTime,
    /// What it holds.
    pub arrivals: Vec<Arrival>,
}

/// What is read of a log.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Records that the log took at or after this instant.
    pub from: EventTime,
    /// And before this one.
    pub to: EventTime,
    /// Of this tenant; of all when absent.
    pub tenant: Option<TenantId>,
    /// Most records.
    pub limit: usize,
}

/// Why the past cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The log's word.
    #[error(transparent)]
    Log(#[from] LogError),
    /// More than was allowed.
    #[error("more than {0} records; take a shorter time or one tenant")]
    TooMany(usize),
    /// The registry does not answer, or the log stopped giving what it says it has.
    #[error("{0}; try again when it is there")]
    Away(String),
}

/// Everything wanted, in the order of arrival; at one instant in the order of positions.
pub fn past(
    log: &mut dyn EventLog,
    mut registry: Option<Box<dyn SchemaRegistry>>,
    wanted: &Wanted,
) -> Result<Vec<PastRecord>, PastError> {
    let mut decoder = Decoder::new(registry.is_some());
    let mut found: Vec<(EventTime, LogRecord)> = Vec::new();
    for partition in log.partitions()? {
        read_partition(log, &partition, wanted, &mut found)?;
    }
    found.sort_by(|(left_at, left), (right_at, right)| {
        (left_at, &left.position).cmp(&(right_at, &right.position))
    });
    let decoded = found.into_iter().map(|(arrived, record)| {
        let arrivals = decode(&record, arrived, &mut decoder, registry.as_mut())?;
        Ok(PastRecord { tenant: record.tenant, arrived, arrivals })
    });
    decoded.collect()
}

fn read_partition(
    log: &mut dyn EventLog,
    partition: &Partition,
    wanted: &Wanted,
    found: &mut Vec<(EventTime, LogRecord)>,
) -> Result<(), PastError> {
    let bounds = log.bounds(partition)?;
    if bounds.end <= bounds.oldest {
        return Ok(());
    }
    log.assign(&BTreeMap::from([(partition.clone(), bounds.oldest)]))?;
    let (mut next, mut looks) = (bounds.oldest, 0);
    while next < bounds.end {
        let page = log.read(partition, PAGE)?;
        let Some(last) = page.last() else {
            looks += 1;
            // A transaction's marker has an offset and is no record: the end may never be read.
            if LOOKS_MAX <= looks {
                return Ok(());
            }
            log.wait(LOOK);
            continue;
        };
        (next, looks) = (last.position.offset.saturating_add(1), 0);
        for record in page {
            let Some(arrived) = record.appended else { continue };
            let whose = wanted.tenant.as_ref().is_none_or(|tenant| *tenant == record.tenant);
            if whose && wanted.from <= arrived && arrived < wanted.to && record.position.offset < bounds.end {
                if wanted.limit <= found.len() {
                    return Err(PastError::TooMany(wanted.limit));
                }
                found.push((arrived, record));
            }
        }
    }
    Ok(())
}

fn decode(
    record: &LogRecord,
    arrived: EventTime,
    decoder: &mut Decoder,
    registry: Option<&mut Box<dyn SchemaRegistry>>,
) -> Result<Vec<Arrival>, PastError> {
    let id = match decoder.decode(record, arrived) {
        Outcome::Arrived(arrivals) => return Ok(arrivals),
        Outcome::Wants(id) => id,
    };
    let unknown = |detail: String| Ok(refused(record, DecodeError::new(RejectCode::Schema, detail)));
    match registry.map(|registry| registry.schema(id)) {
        Some(RegistryAnswer::Schema(text)) => decoder.learn(id, &text),
        Some(RegistryAnswer::Away(detail)) => return Err(PastError::Away(detail)),
        Some(RegistryAnswer::Unknown(detail)) => return unknown(detail),
        None => return unknown("no registry is configured".to_owned()),
    }
    match decoder.decode(record, arrived) {
        Outcome::Arrived(arrivals) => Ok(arrivals),
        Outcome::Wants(id) => unknown(format!("schema {id} is not known")),
    }
}
