//! From a record of the log to arrivals. Pure, given the writer schemas known so far.

use std::collections::BTreeMap;

use schemas::codec::avro::{self, Writer};
use schemas::codec::{Decoded, Format, Raw, decode_recognized, recognize};
use schemas::error::{DecodeError, RejectCode};
use schemas::time::EventTime;

use super::log::LogRecord;
use crate::arrival::{Arrival, from_decoded};

/// The writer schemas known, and whether others may be asked for.
pub(crate) struct Decoder {
    /// Without a registry, framed Avro is taken for envelope v1.
    registered: bool,
    texts: BTreeMap<u32, String>,
    parsed: BTreeMap<u32, Result<Writer, DecodeError>>,
}

/// What became of a record.
pub(crate) enum Outcome {
    /// Its events, valid or not.
    Arrived(Vec<Arrival>),
    /// It names a writer schema that is not known yet.
    Wants(u32),
}

impl Decoder {
    /// Knows no schema.
    pub(crate) fn new(registered: bool) -> Self {
        Decoder { registered, texts: BTreeMap::new(), parsed: BTreeMap::new() }
    }

    /// Learns a schema.
    pub(crate) fn learn(&mut self, id: u32, text: &str) {
        let named =
            |error: DecodeError| DecodeError::new(error.code, format!("schema {id}: {}", error.detail));
        self.parsed.insert(id, Writer::parse(text).map_err(named));
        self.texts.insert(id, text.to_owned());
    }

    /// Schemas learned, by id.
    pub(crate) fn known(&self) -> &BTreeMap<u32, String> {
        &self.texts
    }

    /// Decodes a record. `now` stands in for the time of a log that tells none.
    pub(crate) fn decode(&self, record: &LogRecord, now: EventTime) -> Outcome {
        let arrived = record.appended.unwrap_or(now);
        let raw = Raw { tenant: &record.tenant, position: &record.position, arrived, bytes: &record.value };
        match recognize(&record.value) {
            Some(found) if found.format == Format::AvroEnvelope && self.registered => {
                self.decode_avro(record, &raw)
            }
            Some(found) => {
                let decoded = decode_recognized(&raw, found);
                Outcome::Arrived(from_decoded(&record.tenant, &record.position, decoded))
            }
            None => {
                let detail = "neither an envelope nor a known vendor document; see docs for formats";
                Outcome::Arrived(refused(record, DecodeError::new(RejectCode::UnknownFormat, detail)))
            }
        }
    }

    fn decode_avro(&self, record: &LogRecord, raw: &Raw<'_>) -> Outcome {
        let (id, body) = match avro::frame(raw.bytes) {
            Ok(framed) => framed,
            Err(error) => return Outcome::Arrived(refused(record, error)),
        };
        match self.parsed.get(&id) {
            Some(Ok(writer)) => {
                let decoded = avro::decode(raw, writer, body);
                Outcome::Arrived(from_decoded(&record.tenant, &record.position, decoded))
            }
            Some(Err(error)) => Outcome::Arrived(refused(record, error.clone())),
            None => Outcome::Wants(id),
        }
    }
}

/// A record refused as a whole.
pub(crate) fn refused(record: &LogRecord, error: DecodeError) -> Vec<Arrival> {
    from_decoded(&record.tenant, &record.position, Decoded::refused(error))
}
