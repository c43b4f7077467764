//! From bytes to envelopes, with their payloads as they were parsed. Pure: no I/O, no clock; what a codec needs beside
//! the bytes comes in [`Raw`].
//!
//! A record is an Avro envelope, a JSON envelope, or a vendor's own document. One record may hold many events (a
//! Kubernetes list, an Alertmanager group); a bad one among them is rejected alone.

mod alertmanager;
mod argo;
pub mod avro;
mod datadog;
mod detect;
mod flux;
mod github;
mod json;
mod kubectl;
pub(crate) mod kubernetes;
pub(crate) mod otlp;
mod prometheus;
mod slack;
mod vendor;

pub use detect::{Recognized, detect, recognize};

use crate::entity::named_enum;
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::ids::TenantId;
use crate::position::SourcePosition;
use crate::time::EventTime;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest record that is looked at, in bytes. Kafka's own default limit is 1 MiB; a cluster dump is larger.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

named_enum!(
    /// The format of a record.
    Format, "format" {
        /// Envelope v1 in Avro, Confluent framing (magic 0, schema id, body).
        AvroEnvelope = "avro-envelope",
        /// Envelope v1 as a JSON object.
        JsonEnvelope = "json-envelope",
        /// Kubernetes JSON: an object, a `List`, a watch event, or an Event.
        Kubernetes = "kubernetes",
        /// Text of `kubectl describe` or `kubectl get events`, or a JSON map from command line to such text.
        KubectlText = "kubectl-text",
        /// Alertmanager webhook, version 4.
        Alertmanager = "alertmanager",
        /// GitHub webhook: `{"event": name, "delivery": id, "payload": body}`, or the body alone.
        Github = "github",
        /// Argo CD notification, Argo Rollouts or Argo Workflows event.
        Argo = "argo",
        /// Flux notification.
        Flux = "flux",
        /// Datadog webhook, or metric points as of `/api/v2/series`.
        Datadog = "datadog",
        /// Prometheus samples: query API result or remote-write as JSON.
        Prometheus = "prometheus",
        /// OTLP JSON: logs, spans or metrics.
        Otlp = "otlp",
        /// Slack Events API callback or message.
        Slack = "slack",
    }
);

/// A record as it arrived.
#[derive(Clone, Debug)]
pub struct Raw<'a> {
    /// Owner of the topic.
    pub tenant: &'a TenantId,
    /// Where it came from.
    pub position: &'a SourcePosition,
    /// When it arrived at the log (broker's append time, file's capture time): the base of relative ages.
    pub arrived: EventTime,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// One event of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event.
    pub envelope: Envelope,
    /// Its payload parsed, where the codec has it: exactly what its text parses to ([`Event::parsed`]).
    pub payload: Option<Value>,
}

/// What a record came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Events, in the order of the record.
    pub events: Vec<Event>,
    /// What was wrong with the others; the index is the place in the record.
    pub errors: Vec<(u32, DecodeError)>,
}

/// Decodes one record in a known format.
///
/// Avro needs the writer schema: [`avro::decode`] takes it; here the built-in envelope v1 schema is assumed.
pub fn decode(raw: &Raw<'_>, format: Format) -> Decoded {
    if RECORD_BYTES_MAX < raw.bytes.len() {
        return Decoded::refused(DecodeError::new(
            crate::error::RejectCode::TooLarge,
            format!("record of {} bytes; at most {RECORD_BYTES_MAX} are read", raw.bytes.len()),
        ));
    }
    match format {
        Format::AvroEnvelope => avro::decode_built_in(raw),
        Format::KubectlText => kubectl::decode(raw),
        _ => match vendor::json(raw) {
            Ok(document) => of_document(raw, format, document),
            Err(error) => Decoded::refused(error),
        },
    }
}

/// Decodes one record that was recognized: what was parsed for that is not parsed again.
pub fn decode_recognized(raw: &Raw<'_>, recognized: Recognized) -> Decoded {
    match recognized.document {
        Some(document) if raw.bytes.len() <= RECORD_BYTES_MAX => {
            of_document(raw, recognized.format, document)
        }
        _ => decode(raw, recognized.format),
    }
}

fn of_document(raw: &Raw<'_>, format: Format, document: Value) -> Decoded {
    match format {
        Format::AvroEnvelope | Format::KubectlText => decode(raw, format),
        Format::JsonEnvelope => json::decode(raw, document),
        Format::Kubernetes => kubernetes::decode(raw, document),
        Format::Alertmanager => alertmanager::decode(raw, &document),
        Format::Github => github::decode(raw, &document),
        Format::Argo => argo::decode(raw, &document),
        Format::Flux => flux::decode(raw, &document),
        Format::Datadog => datadog::decode(raw, &document),
        Format::Prometheus => prometheus::decode(raw, &document),
        Format::Otlp => otlp::decode(raw, document),
        Format::Slack => slack::decode(raw, &document),
    }
}

/// The key by which the JSON library knows text that it is to take as it is, if it comes first in an object. Sorted, it may
/// come first where it did not before: what is parsed is then not what the text says.
const RAW_KEY: &str = "$serde_json::private";

impl Event {
    /// An event whose payload is parsed, and was printed into the envelope.
    fn parsed(envelope: Envelope, payload: Value) -> Event {
        let says_the_same = !envelope.payload.contains(RAW_KEY);
        Event { envelope, payload: says_the_same.then_some(payload) }
    }
}

impl From<Envelope> for Event {
    fn from(envelope: Envelope) -> Event {
        Event { envelope, payload: None }
    }
}

impl Decoded {
    /// A record that was refused as a whole.
    pub fn refused(error: DecodeError) -> Self {
        Decoded { events: Vec::new(), errors: vec![(0, error)] }
    }
}
