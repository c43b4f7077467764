//! Kafka on the wire, as far as a proxy must know it: four bytes of length, then a request that begins with its kind, the
//! version of that and a correlation id, or a response that begins with the correlation id. Pure.

use std::fmt;

/// A frame of more bytes is none: the connection does not speak Kafka.
const BYTES_MAX: usize = 256 << 20;

/// What a request asks for: its API key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(pub i16);

impl Kind {
    /// Records for partitions.
    pub const PRODUCE: Kind = Kind(0);
    /// Records of partitions.
    pub const FETCH: Kind = Kind(1);
    /// Where partitions begin and end.
    pub const LIST_OFFSETS: Kind = Kind(2);
    /// Brokers, topics, leaders.
    pub const METADATA: Kind = Kind(3);
    /// Who coordinates a transaction.
    pub const FIND_COORDINATOR: Kind = Kind(10);
    /// What the broker understands; the first request of a connection.
    pub const API_VERSIONS: Kind = Kind(18);
    /// New topics.
    pub const CREATE_TOPICS: Kind = Kind(19);
    /// The end of old records.
    pub const DELETE_RECORDS: Kind = Kind(21);
    /// A producer's identity, which fences others of its transactional id.
    pub const INIT_PRODUCER_ID: Kind = Kind(22);
    /// Partitions that become part of a transaction.
    pub const ADD_PARTITIONS_TO_TXN: Kind = Kind(24);
    /// Commits or aborts a transaction.
    pub const END_TXN: Kind = Kind(26);
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Kind::PRODUCE => "Produce",
            Kind::FETCH => "Fetch",
            Kind::LIST_OFFSETS => "ListOffsets",
            Kind::METADATA => "Metadata",
            Kind::FIND_COORDINATOR => "FindCoordinator",
            Kind::API_VERSIONS => "ApiVersions",
            Kind::CREATE_TOPICS => "CreateTopics",
            Kind::DELETE_RECORDS => "DeleteRecords",
            Kind::INIT_PRODUCER_ID => "InitProducerId",
            Kind::ADD_PARTITIONS_TO_TXN => "AddPartitionsToTxn",
            Kind::END_TXN => "EndTxn",
            Kind(other) => return write!(f, "Kind({other})"),
        };
        f.write_str(name)
    }
}

/// The beginning of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub kind: Kind,
    /// In which version.
    pub version: i16,
    /// The response bears it too.
    pub correlation: i32,
}

/// Bytes of the frame that follows its length, if there can be one.
pub fn length(head: [u8; 4]) -> Option<usize> {
    usize::try_from(i32::from_be_bytes(head)).ok().filter(|length| (4..=BYTES_MAX).contains(length))
}

/// What a frame from the client asks for.
pub fn request(frame: &[u8]) -> Option<Request> {
    let (kind, rest) = frame.split_first_chunk()?;
    let (version, rest) = rest.split_first_chunk()?;
    let correlation = rest.first_chunk()?;
    Some(Request {
        kind: Kind(i16::from_be_bytes(*kind)),
        version: i16::from_be_bytes(*version),
        correlation: i32::from_be_bytes(*correlation),
    })
}

/// Which request a frame from the broker answers.
pub fn answers(frame: &[u8]) -> Option<i32> {
    frame.first_chunk().map(|correlation| i32::from_be_bytes(*correlation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_request_is_read() {
        let frame = [0, 26, 0, 3, 0, 0, 1, 2, 0xFF];
        assert_eq!(request(&frame), Some(Request { kind: Kind::END_TXN, version: 3, correlation: 258 }));
        assert_eq!(request(&frame[..7]), None);
        assert_eq!(answers(&[0xFF, 0xFF, 0xFF, 0xFE, 9]), Some(-2));
        assert_eq!(answers(&[0, 0]), None);
    }

    #[test]
    fn a_length_that_no_frame_has_is_refused() {
        assert_eq!(length([0, 0, 1, 0]), Some(256));
        for head in [[0, 0, 0, 3], [0xFF, 0, 0, 0], *b"GET "] {
            assert_eq!(length(head), None);
        }
    }
}
