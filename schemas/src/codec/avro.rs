//! Envelope v1 in Avro, with Confluent framing: magic 0, schema id (4 bytes, big-endian), body.
//!
//! Bodies are read by their writer schema and resolved against the built-in reader schema, so that v2 producers and v1
//! producers mix.

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Map, Value, json};

use super::{Decoded, Raw, json as json_codec};
use crate::envelope::Envelope;
use crate::error::{DecodeError, RejectCode};

/// The reader schema.
pub const ENVELOPE_V1_SCHEMA: &str = include_str!("../../wire/envelope.v1.avsc");
/// Subject of the schema in a registry, for all tenants and topics: the full name of the record.
pub const ENVELOPE_SUBJECT: &str = "io.kgroot.Envelope";
/// Largest block that a length in the bytes may claim: the bytes themselves are the attacker's.
const ALLOCATION_BYTES_MAX: usize = 16 << 20;

static READER: LazyLock<Schema> = LazyLock::new(|| {
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    match Schema::parse_str(ENVELOPE_V1_SCHEMA) {
        Ok(schema) => schema,
        Err(error) => panic!("the built-in envelope schema does not parse: {error}"),
    }
});

/// The schema id and the body of a framed record.
pub fn frame(bytes: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match bytes {
        [0, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [0, ..] => Err(DecodeError::malformed("Avro record shorter than its five-byte header")),
        _ => Err(DecodeError::malformed("not an Avro record: the first byte is not the magic byte 0")),
    }
}

/// Decodes a body by its writer schema.
pub fn decode(raw: &Raw<'_>, writer: &Schema, body: &[u8]) -> Decoded {
    let reader = LazyLock::force(&READER);
    let mut rest = body;
    let datum = GenericDatumReader::builder(writer).reader_schema(reader).build();
    let value = match datum.and_then(|datum| datum.read_value(&mut rest)) {
        Ok(value) => value,
        Err(error) => {
            let detail = format!("body does not match its writer schema: {error}");
            return Decoded::refused(DecodeError::new(RejectCode::Schema, detail));
        }
    };
    if !rest.is_empty() {
        let detail = format!("{} bytes after the end of the Avro body", rest.len());
        return Decoded::refused(DecodeError::malformed(detail));
    }
    json_codec::decode(raw, plain(value))
}

/// Whether records written by a schema can be read.
///
/// # Errors
/// Why not, in the library's words.
pub fn readable(writer: &str) -> Result<(), String> {
    let writer = Schema::parse_str(writer).map_err(|error| error.to_string())?;
    SchemaCompatibility::can_read(&writer, &READER).map(drop).map_err(|error| error.to_string())
}

/// Decodes a framed record whose writer schema is the built-in one.
pub(crate) fn decode_built_in(raw: &Raw<'_>) -> Decoded {
    match frame(raw.bytes) {
        Ok((_, body)) => decode(raw, &READER, body),
        Err(error) => Decoded::refused(error),
    }
}

/// The body of an envelope, by the built-in schema.
///
/// # Errors
/// None for an envelope that was decoded; the library's words otherwise.
pub fn encode(envelope: &Envelope) -> Result<Vec<u8>, DecodeError> {
    let failed = |error: apache_avro::Error| DecodeError::new(RejectCode::Schema, error.to_string());
    let optional = |text: &Option<String>| match text {
        Some(text) => Avro::Union(1, Box::new(Avro::String(text.clone()))),
        None => Avro::Union(0, Box::new(Avro::Null)),
    };
    let text = |text: &str| Avro::String(text.to_owned());
    let (ids, entity) = (&envelope.correlation_ids, &envelope.entity);
    let record = |fields: Vec<(&str, Avro)>| {
        Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let value = record(vec![
        ("tenant_id", text(envelope.tenant_id.as_str())),
        ("source", text(&envelope.source)),
        ("event_type", text(&envelope.event_type)),
        ("ts", Avro::TimestampMillis(envelope.ts.0)),
        (
            "correlation_ids",
            record(vec![
                ("trace_id", optional(&ids.trace_id)),
                ("commit", optional(&ids.commit)),
                ("workflow", optional(&ids.workflow)),
            ]),
        ),
        (
            "entity",
            record(vec![
                ("cluster", optional(&entity.cluster)),
                ("namespace", optional(&entity.namespace)),
                ("service", optional(&entity.service)),
                ("pod", optional(&entity.pod)),
            ]),
        ),
        ("severity", text(envelope.severity.as_str())),
        ("payload", text(&envelope.payload)),
        ("ingest_id", text(&uuid::Uuid::from_u128(envelope.ingest_id.0).to_string())),
        ("schema_version", Avro::Int(i32::try_from(envelope.schema_version).unwrap_or(1))),
    ]);
    let writer = GenericDatumWriter::builder(&READER).build().map_err(failed)?;
    writer.write_value_to_vec(value).map_err(failed)
}

/// The value in the shape of the JSON envelope, whose codec is strict about every field.
fn plain(value: Avro) -> Value {
    match value {
        Avro::Record(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, plain(value))).collect::<Map<_, _>>())
        }
        Avro::Union(_, inner) => plain(*inner),
        Avro::String(text) | Avro::Enum(_, text) => Value::from(text),
        Avro::Int(number) => json!(number),
        Avro::Long(number) | Avro::TimestampMillis(number) => json!(number),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
    use crate::ids::{EventId, TenantId};
    use crate::position::SourcePosition;
    use crate::time::EventTime;

    fn envelope() -> Envelope {
        Envelope {
            tenant_id: "shop".parse().unwrap(),
            source: "app".to_owned(),
            event_type: "order.failed".to_owned(),
            ts: EventTime(1_780_000_000_000),
            correlation_ids: CorrelationIds { commit: Some("abc".to_owned()), ..CorrelationIds::default() },
            entity: EnvelopeEntity { service: Some("pay".to_owned()), ..EnvelopeEntity::default() },
            severity: Severity::Error,
            payload: "{}".to_owned(),
            ingest_id: EventId(7),
            schema_version: 1,
        }
    }

    fn decoded(bytes: &[u8]) -> Decoded {
        let tenant: TenantId = "shop".parse().unwrap();
        let position = SourcePosition::default();
        decode_built_in(&Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes })
    }

    fn framed() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, 1];
        bytes.extend(encode(&envelope()).unwrap());
        bytes
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        assert_eq!(decoded(&framed()).events, [crate::codec::Event::from(envelope())]);
    }

    #[test]
    fn every_truncation_is_refused_and_none_panics() {
        let bytes = framed();
        for end in 0..bytes.len() {
            assert_eq!(decoded(&bytes[..end]).errors.len(), 1, "{end}");
        }
    }

    #[test]
    fn a_later_schema_is_readable_if_it_keeps_every_field() {
        let with =
            |added: &str| ENVELOPE_V1_SCHEMA.replacen("\"fields\": [", &format!("\"fields\": [{added},"), 1);
        assert_eq!(
            readable(&with(r#"{"name": "region", "type": ["null", "string"], "default": null}"#)),
            Ok(())
        );
        assert!(readable(&ENVELOPE_V1_SCHEMA.replace("\"payload\"", "\"body\"")).is_err());
        assert!(readable("{").is_err());
    }

    #[test]
    fn bytes_after_the_body_are_refused() {
        let mut bytes = framed();
        bytes.push(1);
        assert!(decoded(&bytes).errors[0].1.detail.contains("after the end"));
    }
}
