//! A body of the built-in schema, read where it stands (its texts are parts of the record), and written.
//!
//! The binary encoding of Avro 1.12: a long is a zigzag number in groups of seven bits, least first; a text is its length and
//! its bytes; a union is the place of its branch, then the branch; a record is its fields, one after the other.

use crate::error::{DecodeError, RejectCode};

/// The fields of an envelope, as its bytes have them.
#[derive(Debug)]
pub(super) struct Body<'b> {
    pub(super) tenant_id: &'b str,
    pub(super) source: &'b str,
    pub(super) event_type: &'b str,
    pub(super) ts: i64,
    pub(super) trace_id: Option<&'b str>,
    pub(super) commit: Option<&'b str>,
    pub(super) workflow: Option<&'b str>,
    pub(super) cluster: Option<&'b str>,
    pub(super) namespace: Option<&'b str>,
    pub(super) service: Option<&'b str>,
    pub(super) pod: Option<&'b str>,
    pub(super) severity: &'b str,
    pub(super) payload: &'b str,
    pub(super) ingest_id: &'b str,
    pub(super) schema_version: i64,
}

impl<'b> Body<'b> {
    /// Reads a body, all of it, in the order of the schema.
    ///
    /// # Errors
    /// [`RejectCode::Schema`] where it is not one, [`RejectCode::Malformed`] for bytes after its end.
    pub(super) fn read(bytes: &'b [u8]) -> Result<Self, DecodeError> {
        let mut rest = Rest(bytes);
        let body = Body {
            tenant_id: rest.text("tenant_id")?,
            source: rest.text("source")?,
            event_type: rest.text("event_type")?,
            ts: rest.long("ts")?,
            trace_id: rest.optional("correlation_ids.trace_id")?,
            commit: rest.optional("correlation_ids.commit")?,
            workflow: rest.optional("correlation_ids.workflow")?,
            cluster: rest.optional("entity.cluster")?,
            namespace: rest.optional("entity.namespace")?,
            service: rest.optional("entity.service")?,
            pod: rest.optional("entity.pod")?,
            severity: rest.text("severity")?,
            payload: rest.text("payload")?,
            ingest_id: rest.text("ingest_id")?,
            schema_version: rest.int("schema_version")?,
        };
        super::nothing_after(rest.0)?;
        Ok(body)
    }

    /// The bytes that are read as this body.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.payload.len() + ROOM);
        for text in [self.tenant_id, self.source, self.event_type] {
            write_text(&mut bytes, text);
        }
        write_long(&mut bytes, self.ts);
        let ids = [self.trace_id, self.commit, self.workflow];
        for text in ids.into_iter().chain([self.cluster, self.namespace, self.service, self.pod]) {
            write_long(&mut bytes, text.is_some().into());
            text.into_iter().for_each(|text| write_text(&mut bytes, text));
        }
        for text in [self.severity, self.payload, self.ingest_id] {
            write_text(&mut bytes, text);
        }
        write_long(&mut bytes, self.schema_version);
        bytes
    }
}

/// What the fields beside the payload mostly take.
const ROOM: usize = 256;

fn write_long(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while 0x7f < rest {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    write_long(bytes, text.len() as i64);
    bytes.extend_from_slice(text.as_bytes());
}

/// What is not read yet.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn long(&mut self, field: &str) -> Result<i64, DecodeError> {
        let (mut number, mut shift) = (0_u64, 0);
        while shift < u64::BITS {
            let (byte, rest) = self.0.split_first().ok_or_else(|| mismatch(field, "the bytes end"))?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
            shift += 7;
        }
        Err(mismatch(field, "a number of more than ten bytes"))
    }

    fn int(&mut self, field: &str) -> Result<i64, DecodeError> {
        let number = self.long(field)?;
        i32::try_from(number).map_or_else(|_| Err(mismatch(field, "beyond 32 bits")), |_| Ok(number))
    }

    fn text(&mut self, field: &str) -> Result<&'b str, DecodeError> {
        let length = usize::try_from(self.long(field)?);
        let split = length.ok().and_then(|length| self.0.split_at_checked(length));
        let (text, rest) = split.ok_or_else(|| mismatch(field, "a length beyond the end"))?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| mismatch(field, "not UTF-8"))
    }

    fn optional(&mut self, field: &str) -> Result<Option<&'b str>, DecodeError> {
        match self.long(field)? {
            0 => Ok(None),
            1 => self.text(field).map(Some),
            _ => Err(mismatch(field, "neither null nor text")),
        }
    }
}

fn mismatch(field: &str, found: &str) -> DecodeError {
    DecodeError::new(RejectCode::Schema, format!("body does not match its writer schema: {field}: {found}"))
}
