//! Envelope v1 in Avro, with Confluent framing: magic 0, schema id (4 bytes, big-endian), body.
//!
//! A body whose writer schema is the built-in one is read where it stands. Any other is read by its writer schema and resolved
//! against the built-in one, so that v2 producers and v1 producers mix; that takes some fifteen times as long.

mod body;

use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::types::Value as Avro;
use serde_json::{Map, Value, json};

use self::body::Body;
use super::{Decoded, Raw, json as json_codec};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity};
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

/// A schema that bodies are written by.
#[derive(Debug)]
pub struct Writer {
    schema: Schema,
    /// Written by it, a body has the bytes that it has by the built-in schema.
    built_in: bool,
}

impl Writer {
    /// Parses a schema as a registry has it.
    ///
    /// # Errors
    /// [`RejectCode::Schema`], in the library's words.
    pub fn parse(text: &str) -> Result<Writer, DecodeError> {
        let refused = |error: apache_avro::Error| DecodeError::new(RejectCode::Schema, error.to_string());
        let schema = Schema::parse_str(text).map_err(refused)?;
        let built_in = alike(&schema, &READER);
        Ok(Writer { schema, built_in })
    }
}

/// Whether bytes by one schema are bytes by the other, for what the built-in one is made of. Not by their canonical forms: those
/// leave out what a number stands for, and the library panics where attributes of the schema's own have names of its own.
fn alike(one: &Schema, other: &Schema) -> bool {
    match (one, other) {
        (Schema::Null, Schema::Null)
        | (Schema::Int, Schema::Int)
        | (Schema::String, Schema::String)
        | (Schema::TimestampMillis, Schema::TimestampMillis) => true,
        (Schema::Union(one), Schema::Union(other)) => {
            let mut pairs = one.variants().iter().zip(other.variants());
            one.variants().len() == other.variants().len() && pairs.all(|(one, other)| alike(one, other))
        }
        (Schema::Record(one), Schema::Record(other)) => {
            let mut pairs = one.fields.iter().zip(&other.fields);
            one.name == other.name
                && one.fields.len() == other.fields.len()
                && pairs.all(|(one, other)| one.name == other.name && alike(&one.schema, &other.schema))
        }
        _ => false,
    }
}

/// The schema id and the body of a framed record.
pub fn frame(bytes: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    match bytes {
        [0, a, b, c, d, body @ ..] => Ok((u32::from_be_bytes([*a, *b, *c, *d]), body)),
        [0, ..] => Err(DecodeError::malformed("Avro record shorter than its five-byte header")),
        _ => Err(DecodeError::malformed("not an Avro record: the first byte is not the magic byte 0")),
    }
}

/// Decodes a body by its writer schema.
pub fn decode(raw: &Raw<'_>, writer: &Writer, body: &[u8]) -> Decoded {
    if writer.built_in { decode_body(raw, body) } else { resolve(raw, &writer.schema, body) }
}

/// Decodes a framed record whose writer schema is the built-in one.
pub(crate) fn decode_built_in(raw: &Raw<'_>) -> Decoded {
    match frame(raw.bytes) {
        Ok((_, body)) => decode_body(raw, body),
        Err(error) => Decoded::refused(error),
    }
}

/// Decodes a body by the built-in schema.
fn decode_body(raw: &Raw<'_>, body: &[u8]) -> Decoded {
    match Body::read(body).and_then(|body| envelope(raw, &body)) {
        Ok(envelope) => Decoded { events: vec![envelope.into()], errors: Vec::new() },
        Err(error) => Decoded::refused(error),
    }
}

/// Decodes a body by another schema than the built-in one.
fn resolve(raw: &Raw<'_>, writer: &Schema, body: &[u8]) -> Decoded {
    let mut rest = body;
    let datum = GenericDatumReader::builder(writer).reader_schema(&READER).build();
    let value = match datum.and_then(|datum| datum.read_value(&mut rest)) {
        Ok(value) => value,
        Err(error) => {
            let detail = format!("body does not match its writer schema: {error}");
            return Decoded::refused(DecodeError::new(RejectCode::Schema, detail));
        }
    };
    match nothing_after(rest) {
        Ok(()) => json_codec::decode(raw, plain(value)),
        Err(error) => Decoded::refused(error),
    }
}

fn nothing_after(rest: &[u8]) -> Result<(), DecodeError> {
    match rest.len() {
        0 => Ok(()),
        more => Err(DecodeError::malformed(format!("{more} bytes after the end of the Avro body"))),
    }
}

/// The envelope, as strict about every field as that of JSON.
fn envelope(raw: &Raw<'_>, body: &Body<'_>) -> Result<Envelope, DecodeError> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(Envelope {
        tenant_id: json_codec::tenant(raw, json_codec::present(body.tenant_id, "tenant_id")?)?,
        severity: json_codec::severity(json_codec::present(body.severity, "severity")?)?,
        source: json_codec::present(body.source, "source")?.to_owned(),
        event_type: json_codec::present(body.event_type, "event_type")?.to_owned(),
        ts: json_codec::time_of_ms(body.ts)?,
        correlation_ids: CorrelationIds {
            trace_id: owned(body.trace_id),
            commit: owned(body.commit),
            workflow: owned(body.workflow),
        },
        entity: EnvelopeEntity {
            cluster: owned(body.cluster),
            namespace: owned(body.namespace),
            service: owned(body.service),
            pod: owned(body.pod),
        },
        payload: body.payload.to_owned(),
        ingest_id: json_codec::ingest_id(json_codec::present(body.ingest_id, "ingest_id")?)?,
        schema_version: u32::try_from(body.schema_version).unwrap_or(1),
    })
}

/// Whether records written by a schema can be read.
///
/// # Errors
/// Why not, in the library's words.
pub fn readable(writer: &str) -> Result<(), String> {
    let writer = Schema::parse_str(writer).map_err(|error| error.to_string())?;
    SchemaCompatibility::can_read(&writer, &READER).map(drop).map_err(|error| error.to_string())
}

/// The body of an envelope, by the built-in schema. A version beyond its 32 bits is written as 1.
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let (ids, entity) = (&envelope.correlation_ids, &envelope.entity);
    let ingest_id = uuid::Uuid::from_u128(envelope.ingest_id.0).to_string();
    let body = Body {
        tenant_id: envelope.tenant_id.as_str(),
        source: &envelope.source,
        event_type: &envelope.event_type,
        ts: envelope.ts.0,
        trace_id: ids.trace_id.as_deref(),
        commit: ids.commit.as_deref(),
        workflow: ids.workflow.as_deref(),
        cluster: entity.cluster.as_deref(),
        namespace: entity.namespace.as_deref(),
        service: entity.service.as_deref(),
        pod: entity.pod.as_deref(),
        severity: envelope.severity.as_str(),
        payload: &envelope.payload,
        ingest_id: &ingest_id,
        schema_version: i32::try_from(envelope.schema_version).unwrap_or(1).into(),
    };
    body.write()
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

    /// The same body by either way; the library has two words for a body that is not one.
    fn both_ways(body: &[u8]) -> [Decoded; 2] {
        let tenant: TenantId = "shop".parse().unwrap();
        let position = SourcePosition::default();
        let raw = Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: &[] };
        [decode_body(&raw, body), resolve(&raw, &READER, body)].map(|mut decoded| {
            let schema = decoded.errors.iter_mut().filter(|(_, error)| error.code == RejectCode::Schema);
            schema.for_each(|(_, error)| error.detail.clear());
            decoded
        })
    }

    fn framed() -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, 1];
        bytes.extend(encode(&envelope()));
        bytes
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in [0, 1, 63, 64, 8_191, 8_192] {
            let envelope = Envelope { payload: "x".repeat(length), ..envelope() };
            let decoded = both_ways(&encode(&envelope)).map(|decoded| decoded.events);
            assert_eq!(decoded, [[crate::codec::Event::from(envelope.clone())], [envelope.into()]]);
        }
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

    #[test]
    fn straight_and_resolved_come_to_the_same_whatever_the_bytes() {
        let odd: [fn(&mut Envelope); 6] = [
            |_| {},
            |envelope| envelope.tenant_id = "bank".parse().unwrap(),
            |envelope| envelope.source.clear(),
            |envelope| envelope.event_type.clear(),
            |envelope| envelope.ts = EventTime(i64::MIN),
            |envelope| envelope.entity.pod = Some(String::new()),
        ];
        for change in odd {
            let mut envelope = envelope();
            change(&mut envelope);
            let body = encode(&envelope);
            let [straight, resolved] = both_ways(&body);
            assert_eq!(straight, resolved);
            for (place, bit) in (0..body.len()).flat_map(|place| (0..8).map(move |bit| (place, bit))) {
                let mut flipped = body.clone();
                flipped[place] ^= 1 << bit;
                let [straight, resolved] = both_ways(&flipped);
                assert_eq!(straight, resolved, "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn a_writer_of_the_same_bytes_is_told_from_others() {
        let built_in = |text: &str| Writer::parse(text).unwrap().built_in;
        assert!(built_in(ENVELOPE_V1_SCHEMA));
        assert!(built_in(
            &ENVELOPE_V1_SCHEMA.replace(r#""type": "record","#, r#""type": "record", "doc": "d","#)
        ));
        assert!(!built_in(
            &ENVELOPE_V1_SCHEMA
                .replace(r#"["null", "string"]"#, r#"["string", "null"]"#)
                .replace(r#""default": null"#, r#""doc": """#)
        ));
        assert!(!built_in(&ENVELOPE_V1_SCHEMA.replace(r#""type": "int""#, r#""type": "long""#)));
        let stands_for = |other| ENVELOPE_V1_SCHEMA.replace("timestamp-millis", other);
        assert!(
            !built_in(&stands_for("local-timestamp-millis")) && !built_in(&stands_for("timestamp-micros"))
        );
        for odd in
            [r#""precision": "ms""#, r#""order": 1"#, r#""size": 1.5"#, r#""items": 0"#, r#""symbols": {}"#]
        {
            let with = |after: &str| ENVELOPE_V1_SCHEMA.replacen(after, &format!("{after}, {odd}"), 1);
            for text in [
                with(r#""namespace": "io.kgroot""#),
                with(r#""name": "source""#),
                with(r#""name": "Entity""#),
            ] {
                // Parsed or refused: no word of a registry ends the program.
                drop(Writer::parse(&text));
            }
        }
    }
}
