//! The source: records are batched, decoded, sealed; refused ones go to the dead letters when their epoch is complete.
//!
//! Threads: one reads and seals, one hands refused records on. A batch is sealed when it is full or old; sealing waits
//! while too many epochs are in flight, and while it waits nothing is read: that is the backpressure, all the way to
//! the broker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use schemas::codec::avro;
use schemas::codec::{Decoded, Format, Raw, detect};
use schemas::dead_letter::DeadLetter;
use schemas::error::{DecodeError, RejectCode};
use schemas::position::SourcePosition;
use schemas::time::{Epoch, EventTime};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::arrival::{Arrival, arrivals, from_decoded};
use crate::engine::{Completed, EngineInput};
use crate::ingest::log::{EventLog, LogError, LogRecord};
use crate::ingest::registry::Registry;

/// Records of one epoch at most: trades latency for throughput.
const BATCH_RECORDS_MAX: usize = 5_000;
/// Age of a batch at which it is sealed although it is not full.
const BATCH_AGE: Duration = Duration::from_millis(100);
/// Between two looks for topics that are new.
const DISCOVER: Duration = Duration::from_secs(5);

/// Why reading could not start: the operating system gave no thread.
#[derive(Debug, thiserror::Error)]
#[error("could not start the source: {0}")]
pub struct SourceError(std::io::Error);

/// Original records of epochs that are not complete, by position without item.
type InFlight = Arc<Mutex<BTreeMap<Epoch, BTreeMap<SourcePosition, (Vec<u8>, Vec<u8>)>>>>;

/// A running source.
pub struct Source {
    stop: Arc<AtomicBool>,
    reading: JoinHandle<()>,
}

impl Source {
    /// Starts reading a log. Framed Avro is read with the schemas of the Confluent-compatible `registry`; without one it
    /// is taken for envelope v1. `dead` takes the dead letters; a letter that it does not take is logged, and its record
    /// still stands in the `rejects` view.
    pub fn start(
        log: Box<dyn EventLog>,
        registry: Option<&str>,
        input: EngineInput,
        completed: UnboundedReceiver<Completed>,
        dead: impl Fn(&DeadLetter) -> Result<(), String> + Send + 'static,
    ) -> Result<Source, SourceError> {
        let stop = Arc::new(AtomicBool::new(false));
        let in_flight = InFlight::default();
        let reader = Reader {
            log,
            registry: registry.map(Registry::at),
            input,
            stop: Arc::clone(&stop),
            in_flight: Arc::clone(&in_flight),
        };
        let reading =
            std::thread::Builder::new().name("kgroot-source".to_owned()).spawn(move || reader.run());
        std::thread::Builder::new()
            .name("kgroot-dead-letters".to_owned())
            .spawn(move || bury(completed, &in_flight, &dead))
            .map_err(SourceError)?;
        Ok(Source { stop, reading: reading.map_err(SourceError)? })
    }

    /// Stops reading and waits until the last batch is sealed.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.reading.join().is_err() {
            tracing::error!("the source ended with a panic");
        }
    }
}

struct Reader {
    log: Box<dyn EventLog>,
    registry: Option<Registry>,
    input: EngineInput,
    stop: Arc<AtomicBool>,
    in_flight: InFlight,
}

impl Reader {
    fn run(mut self) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "source could not start");
                return;
            }
        };
        let mut discovered: Option<Instant> = None;
        while !self.stop.load(Ordering::Relaxed) {
            if discovered.is_none_or(|last| DISCOVER <= last.elapsed()) {
                if let Err(error) = self.log.discover() {
                    tracing::warn!(%error, "topics could not be listed");
                }
                discovered = Some(Instant::now());
            }
            let batch = match self.batch() {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read any further");
                    return;
                }
            };
            if !runtime.block_on(self.seal(batch)) {
                return;
            }
        }
    }

    fn batch(&mut self) -> Result<Vec<LogRecord>, LogError> {
        let begun = Instant::now();
        let mut batch = Vec::new();
        while batch.len() < BATCH_RECORDS_MAX {
            let Some(left) = BATCH_AGE.checked_sub(begun.elapsed()) else { break };
            batch.extend(self.log.poll(left)?);
        }
        Ok(batch)
    }

    /// Seals a batch; an empty one moves the clock on. False when the engine has stopped.
    async fn seal(&mut self, batch: Vec<LogRecord>) -> bool {
        let mut arrived = Vec::with_capacity(batch.len());
        let mut originals = BTreeMap::new();
        for record in batch {
            arrived.extend(self.decode(&record).await);
            originals.insert(record.position, (record.key, record.value));
        }
        metrics::counter!("kgroot_source_records_total")
            .increment(u64::try_from(originals.len()).unwrap_or(u64::MAX));
        // Held while sealing: the epoch must not complete before its originals are filed.
        let shared = Arc::clone(&self.in_flight);
        let epoch = self.input.seal_with(arrived, now(), move |epoch| {
            shared.lock().unwrap_or_else(PoisonError::into_inner).insert(epoch, originals);
        });
        epoch.await.is_ok()
    }

    async fn decode(&mut self, record: &LogRecord) -> Vec<Arrival> {
        let arrived = record.appended.unwrap_or_else(now);
        let raw = Raw { tenant: &record.tenant, position: &record.position, arrived, bytes: &record.value };
        match detect(&record.value) {
            Some(Format::AvroEnvelope) => {
                let decoded = self.decode_avro(&raw).await;
                from_decoded(&record.tenant, &record.position, decoded)
            }
            Some(format) => arrivals(&raw, format),
            None => {
                let detail = "neither an envelope nor a known vendor document; see docs for formats";
                let error = DecodeError::new(RejectCode::UnknownFormat, detail);
                from_decoded(&record.tenant, &record.position, Decoded::refused(error))
            }
        }
    }

    async fn decode_avro(&mut self, raw: &Raw<'_>) -> Decoded {
        let Some(registry) = &mut self.registry else {
            return schemas::codec::decode(raw, Format::AvroEnvelope);
        };
        let (id, body) = match avro::frame(raw.bytes) {
            Ok(framed) => framed,
            Err(error) => return Decoded::refused(error),
        };
        let stop = Arc::clone(&self.stop);
        match registry.schema(id, move || !stop.load(Ordering::Relaxed)).await {
            Some(Ok(writer)) => avro::decode(raw, writer, body),
            Some(Err(error)) => Decoded::refused(error.clone()),
            // Stopping: the record is read again by the next process.
            None => Decoded::default(),
        }
    }
}

/// Hands the refused records of complete epochs to the dead letters.
fn bury(
    mut completed: UnboundedReceiver<Completed>,
    in_flight: &InFlight,
    dead: &impl Fn(&DeadLetter) -> Result<(), String>,
) {
    while let Some(epoch) = completed.blocking_recv() {
        let originals =
            in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&epoch.epoch).unwrap_or_default();
        for reject in epoch.rejects {
            let place = SourcePosition { item: 0, ..reject.position.clone() };
            let (key, value) = originals.get(&place).cloned().unwrap_or_default();
            metrics::counter!("kgroot_source_rejects_total", "code" => reject.error.code.as_str())
                .increment(1);
            if let Err(error) = dead(&DeadLetter { reject, key, value }) {
                tracing::error!(%error, "dead letter was not written");
            }
        }
    }
}

/// The wall clock.
pub fn now() -> EventTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
