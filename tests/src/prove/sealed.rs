//! What a control log says was sealed, read without the program's own ledger, and the views that must follow from it.

use std::collections::BTreeMap;

use dataflow::arrival::{Arrival, arrivals};
use dataflow::control::record::{ControlRecord, Seal};
use dataflow::ingest::log::LogRecord;
use schemas::codec::{Raw, avro, detect};
use schemas::error::{DecodeError, Reject, RejectCode};
use schemas::position::{Partition, SourcePosition};
use schemas::time::EventTime;

use crate::twin::Epoch;

/// Seals that count, in order: those of the greatest term when they were appended.
pub fn seals(control: &[Vec<u8>]) -> Result<Vec<Seal>, String> {
    let (mut term, mut seals) = (0, Vec::<Seal>::new());
    for bytes in control {
        match ControlRecord::decode(bytes).map_err(|error| error.to_string())? {
            ControlRecord::Term(next) => term = next.term.max(term),
            ControlRecord::Seal(seal) if seal.term == term => {
                let expected = seals.last().map_or(1, |last| last.epoch + 1);
                if seal.epoch != expected {
                    return Err(format!("epoch {} was sealed where {expected} was due", seal.epoch));
                }
                seals.push(seal);
            }
            ControlRecord::Seal(_) | ControlRecord::Snapshot(_) => {}
        }
    }
    Ok(seals)
}

/// The sealed epochs, decoded from the records of each partition (by offset). Every record must be taken once, in order.
pub fn epochs(seals: &[Seal], records: &BTreeMap<Partition, Vec<LogRecord>>) -> Result<Vec<Epoch>, String> {
    let mut schemas: BTreeMap<u32, String> = BTreeMap::new();
    let mut next: BTreeMap<Partition, usize> = BTreeMap::new();
    let mut epochs = Vec::with_capacity(seals.len());
    for seal in seals {
        schemas.extend(seal.schemas.clone());
        let verdicts: BTreeMap<&SourcePosition, &DecodeError> =
            seal.verdicts.iter().map(|verdict| (&verdict.position, &verdict.error)).collect();
        let mut taken: Vec<&LogRecord> = Vec::new();
        for take in &seal.takes {
            let all = records.get(&take.partition).ok_or("a partition that does not exist was taken")?;
            let from = next.entry(take.partition.clone()).or_default();
            let rest = &all[*from..];
            let count = rest.iter().take_while(|record| record.position.offset < take.until).count();
            if count == 0 || rest[0].position.offset != take.from {
                return Err(format!("epoch {}: {} was not taken where it ended", seal.epoch, take.partition));
            }
            taken.extend(&rest[..count]);
            *from += count;
        }
        taken.sort_by(|left, right| left.position.cmp(&right.position));
        let now = EventTime(seal.now_ms);
        let mut arrived = Vec::new();
        for record in taken {
            match verdicts.get(&record.position) {
                Some(error) => arrived.push(refused(record, (*error).clone())),
                None => arrived.extend(decode(record, now, &schemas)),
            }
        }
        epochs.push(Epoch { now, arrivals: arrived });
    }
    for (partition, records) in records {
        let taken = next.get(partition).copied().unwrap_or(0);
        if taken != records.len() {
            return Err(format!("{partition}: {taken} of {} records were sealed", records.len()));
        }
    }
    Ok(epochs)
}

fn refused(record: &LogRecord, error: DecodeError) -> Arrival {
    let (tenant, position) = (record.tenant.clone(), record.position.clone());
    Arrival::Reject(Reject { tenant, position, error, at: None })
}

fn decode(record: &LogRecord, now: EventTime, schemas: &BTreeMap<u32, String>) -> Vec<Arrival> {
    let arrived = record.appended.unwrap_or(now);
    let raw = Raw { tenant: &record.tenant, position: &record.position, arrived, bytes: &record.value };
    let Some(format) = detect(&record.value) else {
        return vec![refused(record, DecodeError::new(RejectCode::UnknownFormat, ""))];
    };
    let framed = avro::frame(raw.bytes).ok();
    let schema = framed.and_then(|(id, body)| Some((schemas.get(&id)?, body)));
    match schema {
        Some((text, body)) => {
            let writer = avro::Writer::parse(text).expect("a registered schema parses");
            let decoded = avro::decode(&raw, &writer, body);
            dataflow::arrival::from_decoded(&record.tenant, &record.position, decoded)
        }
        None => arrivals(&raw, format),
    }
}

/// Snapshots that count, oldest first: epoch and digest of the manifest.
pub fn snapshots(control: &[Vec<u8>]) -> Result<Vec<(schemas::time::Epoch, schemas::ids::Digest)>, String> {
    let (mut term, mut snapshots) = (0, Vec::new());
    for bytes in control {
        match ControlRecord::decode(bytes).map_err(|error| error.to_string())? {
            ControlRecord::Term(next) => term = next.term.max(term),
            ControlRecord::Snapshot(mark) if mark.term == term => {
                snapshots.push((mark.mark.epoch, mark.manifest));
            }
            ControlRecord::Seal(_) | ControlRecord::Snapshot(_) => {}
        }
    }
    Ok(snapshots)
}
