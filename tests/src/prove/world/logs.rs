//! The simulated logs, registry and dead letters, as one process sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use dataflow::control::log::ControlLog;
use dataflow::ingest::log::{Bounds, EventLog, LogError, LogRecord};
use dataflow::ingest::registry::{RegistryAnswer, SchemaRegistry};
use schemas::dead_letter::{DeadLetter, DeadLetterSink};
use schemas::position::Partition;

use super::{Shared, Verdict, World};

fn failed(what: &str) -> LogError {
    LogError::Unknown(format!("{what} failed"))
}

/// What a process does to the world.
fn operate<T>(
    world: &Shared,
    life: u64,
    kind: &'static str,
    act: impl FnOnce(&mut World) -> T,
) -> Result<T, LogError> {
    let mut world = world.lock();
    match world.operate(life, kind) {
        Verdict::Done => Ok(act(&mut world)),
        Verdict::NotDone => Err(failed(kind)),
        Verdict::DoneButNotSaid => {
            act(&mut world);
            Err(failed(kind))
        }
    }
}

/// The event log.
pub struct SimulatedLog {
    pub(crate) world: Shared,
    pub(crate) life: u64,
    pub(crate) places: BTreeMap<Partition, i64>,
}

impl EventLog for SimulatedLog {
    fn partitions(&mut self) -> Result<Vec<Partition>, LogError> {
        operate(&self.world, self.life, "log.partitions", |world| world.records.keys().cloned().collect())
    }

    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, LogError> {
        let end = operate(&self.world, self.life, "log.bounds", |world| {
            let last = world.records.get(partition).and_then(|records| records.last());
            last.map_or(0, |record| record.position.offset + 1)
        })?;
        Ok(Bounds { oldest: 0, end })
    }

    fn assign(&mut self, places: &BTreeMap<Partition, i64>) -> Result<(), LogError> {
        self.places.extend(places.clone());
        operate(&self.world, self.life, "log.assign", |_| ())
    }

    fn ready(&mut self) -> Vec<Partition> {
        self.places.keys().cloned().collect()
    }

    fn read(&mut self, partition: &Partition, limit: usize) -> Result<Vec<LogRecord>, LogError> {
        let next = self.places.get(partition).copied().unwrap_or(0);
        let found: Vec<LogRecord> = operate(&self.world, self.life, "log.read", |world| {
            let records = world.records.get(partition).into_iter().flatten();
            records.filter(|record| next <= record.position.offset).take(limit).cloned().collect()
        })?;
        if let Some(last) = found.last() {
            self.places.insert(partition.clone(), last.position.offset + 1);
        }
        Ok(found)
    }

    fn wait(&mut self, _at_most: Duration) {}
}

/// The control log.
pub struct SimulatedControl {
    pub(crate) world: Shared,
    pub(crate) life: u64,
}

impl ControlLog for SimulatedControl {
    fn append(&mut self, record: &[u8]) -> Result<i64, LogError> {
        operate(&self.world, self.life, "control.append", |world| {
            world.control.push(record.to_vec());
            world.control.len() as i64 - 1
        })
    }

    fn read(&mut self, from: i64) -> Result<Vec<(i64, Vec<u8>)>, LogError> {
        operate(&self.world, self.life, "control.read", |world| {
            let kept = (0i64..).zip(&world.control).skip(world.forgotten);
            kept.filter(|(offset, _)| from <= *offset)
                .map(|(offset, bytes)| (offset, bytes.clone()))
                .collect()
        })
    }

    fn forget(&mut self, before: i64) -> Result<(), LogError> {
        operate(&self.world, self.life, "control.forget", |world| {
            world.forgotten = world.forgotten.max(before as usize);
        })
    }
}

/// The registry.
pub struct SimulatedRegistry {
    pub(crate) world: Shared,
    pub(crate) life: u64,
}

impl SchemaRegistry for SimulatedRegistry {
    fn schema(&mut self, id: u32) -> RegistryAnswer {
        let answer = operate(&self.world, self.life, "registry.schema", |world| {
            if 0 < world.registry_away {
                world.registry_away -= 1;
                return RegistryAnswer::Away("away".to_owned());
            }
            let found = world.registry.get(&id).cloned().map(RegistryAnswer::Schema);
            found.unwrap_or_else(|| RegistryAnswer::Unknown(format!("no schema {id}")))
        });
        answer.unwrap_or_else(|error| RegistryAnswer::Away(error.to_string()))
    }
}

/// Dead letters.
pub struct SimulatedLetters {
    pub(crate) world: Shared,
    pub(crate) life: u64,
}

impl DeadLetterSink for SimulatedLetters {
    fn send(&mut self, letter: &DeadLetter) -> Result<(), String> {
        assert!(!letter.value.is_empty(), "a letter without its original bytes: {letter:?}");
        operate(&self.world, self.life, "letters.send", |world| {
            let place = letter.reject.position.to_string();
            *world.letters.entry(place).or_default() += 1;
        })
        .map_err(|error| error.to_string())
    }

    fn flush(&mut self) -> Result<(), String> {
        operate(&self.world, self.life, "letters.flush", |_| ()).map_err(|error| error.to_string())
    }
}
