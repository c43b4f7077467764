//! What collectors send, as the JSON documents that the log keeps of it. Pure.
//!
//! A message is cut into documents that a topic of Kafka takes as it is by default, between its parts: resources of
//! OpenTelemetry, series of Prometheus. A part that is longer alone is a document of its own.

use std::io::{self, Write};

use serde::Serialize;

pub(crate) mod otlp;
pub(crate) mod remote_write;

/// Longest message, unpacked: what a collector takes over gRPC by default.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Most that the documents of one message come to.
const DOCUMENTS_BYTES_MAX: usize = 32 << 20;
/// A document has so many bytes at most, unless one part alone has more.
const DOCUMENT_BYTES: usize = 512 << 10;

/// Why a body is not read. Sending it again does not help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not what its sender says: which message, and why not.
    Malformed(&'static str, String),
    /// It has, or comes to, more bytes than this.
    TooLarge(usize),
}

/// Documents with an array of parts each, under one name.
struct Documents {
    field: &'static str,
    /// All but the last have their end.
    documents: Vec<Vec<u8>>,
    /// Bytes that may still come.
    left: usize,
}

impl Documents {
    fn of(field: &'static str) -> Self {
        Documents { field, documents: Vec::new(), left: DOCUMENTS_BYTES_MAX }
    }

    fn push(&mut self, part: &impl Serialize) -> Result<(), Unread> {
        let mut written = Bounded { bytes: Vec::new(), left: self.left };
        // Nothing else fails: what is written are numbers, texts and lists of them.
        serde_json::to_writer(&mut written, part).map_err(|_| Unread::TooLarge(DOCUMENTS_BYTES_MAX))?;
        let Bounded { bytes: part, left } = written;
        self.left = left;
        match self.documents.last_mut() {
            Some(last) if last.len() + part.len() < DOCUMENT_BYTES => {
                last.push(b',');
                last.extend(part);
            }
            _ => {
                self.close();
                let head = format!("{{\"{}\":[", self.field);
                self.documents.push([head.as_bytes(), &part].concat());
            }
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(last) = self.documents.last_mut() {
            last.extend(b"]}");
        }
    }

    fn end(mut self) -> Vec<Vec<u8>> {
        self.close();
        self.documents
    }
}

/// Bytes up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Texts of these lengths, as documents.
    fn documents(lengths: &[usize]) -> Result<Vec<Value>, Unread> {
        let mut documents = Documents::of("texts");
        lengths.iter().try_for_each(|length| documents.push(&"x".repeat(*length)))?;
        Ok(documents.end().iter().map(|document| serde_json::from_slice(document).unwrap()).collect())
    }

    #[test]
    fn documents_are_cut_between_parts() {
        assert_eq!(documents(&[]), Ok(vec![]));
        assert_eq!(documents(&[1, 2]), Ok(vec![json!({"texts": ["x", "xx"]})]));
        let sizes: Vec<usize> = documents(&[DOCUMENT_BYTES / 2, DOCUMENT_BYTES, 10, 20])
            .unwrap()
            .iter()
            .map(|document| document["texts"].as_array().unwrap().len())
            .collect();
        assert_eq!(sizes, [1, 1, 2]);
    }

    #[test]
    fn what_comes_to_too_much_is_refused() {
        assert_eq!(documents(&[DOCUMENTS_BYTES_MAX / 2; 2]), Err(Unread::TooLarge(DOCUMENTS_BYTES_MAX)));
    }
}
