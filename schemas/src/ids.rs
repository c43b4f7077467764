//! Identifiers. Each has one type; text is parsed once, at the edge, and trusted afterwards.
//!
//! Ids that the engine makes are content hashes (XXH3): the same thing has the same id on every worker, in every
//! process and after every restart, without coordination. Tenant is part of every hash and the first field of every
//! key, so a collision can never cross a tenant (docs/adr/0003).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

/// Longest accepted tenant id, in bytes. It becomes part of topic names, which Kafka limits to 249 bytes.
pub const TENANT_BYTES_MAX: usize = 64;

/// A tenant: lowercase letters, digits and `-`, starting and ending with a letter or digit.
///
/// The alphabet is that of the topic suffix, so that a tenant id can never carry a path or another topic's name. Its text is
/// shared: every event has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// Why a text is not a tenant id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tenant id {0:?} is not 1 to 64 of a-z, 0-9 and '-', starting and ending with a letter or digit")]
pub struct TenantIdError(String);

impl TenantId {
    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id the engine uses for this tenant.
    pub fn key(&self) -> Tenant {
        Tenant(xxh3_64(self.0.as_bytes()))
    }
}

impl FromStr for TenantId {
    type Err = TenantIdError;

    fn from_str(text: &str) -> Result<Self, TenantIdError> {
        let bytes = text.as_bytes();
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let well_formed = bytes.len() <= TENANT_BYTES_MAX
            && bytes.first().is_some_and(plain)
            && bytes.last().is_some_and(plain)
            && bytes.iter().all(|b| plain(b) || *b == b'-');
        if well_formed {
            Ok(TenantId(text.into()))
        } else {
            Err(TenantIdError(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for TenantId {
    type Error = TenantIdError;
    fn try_from(text: String) -> Result<Self, TenantIdError> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> String {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn ascii(characters: &[u8]) -> &str {
    let Ok(text) = std::str::from_utf8(characters) else {
        panic!("a prefix and hexadecimal digits are ASCII")
    };
    text
}

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $int:ty, $parse:literal, $width:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        // Numbers of sixteen bytes are aligned to eight, and so is whatever holds one: millions are kept. Nobody may borrow the
        // number itself, which is why it is copied below.
        #[repr(Rust, packed(8))]
        pub struct $name(pub $int);

        impl $name {
            /// The characters of the id. Not by `write!`, whose machinery costs more than the digits: ids are most of what
            /// the API and the stores write.
            fn characters(self) -> [u8; $prefix.len() + $width] {
                let mut characters = [0; $prefix.len() + $width];
                let (prefix, digits) = characters.split_at_mut($prefix.len());
                prefix.copy_from_slice($prefix.as_bytes());
                for (place, digit) in digits.iter_mut().rev().enumerate() {
                    *digit = HEX[((self.0 >> (4 * place)) & 0xf) as usize];
                }
                characters
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ascii(&self.characters()))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let hex = text.strip_prefix($prefix).ok_or_else(|| IdError::new($parse, text))?;
                if hex.len() != $width || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Err(IdError::new($parse, text));
                }
                <$int>::from_str_radix(hex, 16).map($name).map_err(|_| IdError::new($parse, text))
            }
        }

        // As text for people, as the number between processes (bincode is not self-describing).
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(ascii(&self.characters()))
                } else {
                    { self.0 }.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                } else {
                    <$int>::deserialize(deserializer).map($name)
                }
            }
        }
    };
}

/// Why a text is not an id of the expected type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct IdError {
    expected: &'static str,
    text: String,
}

impl IdError {
    fn new(expected: &'static str, text: &str) -> Self {
        IdError { expected, text: text.chars().take(80).collect() }
    }
}

hash_id!(
    /// The tenant inside the engine: hash of its id.
    Tenant, "tnt_", u64, "a tenant key (tnt_ and 16 hex digits)", 16
);
hash_id!(
    /// An entity of one tenant: hash of tenant, kind, cluster, namespace and name.
    EntityId, "ent_", u64, "an entity id (ent_ and 16 hex digits)", 16
);
hash_id!(
    /// One delivered event: the envelope's `ingest_id`, its idempotency key.
    EventId, "evt_", u128, "an event id (evt_ and 32 hex digits)", 32
);
hash_id!(
    /// What an event is about, whatever its revision: a later revision replaces an earlier one.
    EventKey, "key_", u128, "an event key (key_ and 32 hex digits)", 32
);
hash_id!(
    /// A run of one kind on one entity.
    EpisodeId, "epi_", u64, "an episode id (epi_ and 16 hex digits)", 16
);
hash_id!(
    /// An incident; stable while its oldest part lives.
    IncidentId, "inc_", u64, "an incident id (inc_ and 16 hex digits)", 16
);

hash_id!(
    /// What something comes to: the content of an event, the sealed input of an epoch, the views as of one, the bytes of a file.
    Digest, "dig_", u128, "a digest (dig_ and 32 hex digits)", 32
);

/// 64-bit content hash of parts; parts are length-prefixed, so no two different lists hash alike by concatenation.
pub fn hash64(parts: &[&[u8]]) -> u64 {
    framed(parts, xxh3_64, |hasher| hasher.digest())
}

/// 128-bit content hash of parts, framed as in [`hash64`].
pub fn hash128(parts: &[&[u8]]) -> u128 {
    framed(parts, xxh3_128, |hasher| hasher.digest128())
}

/// 128-bit hash of a value's own fields: the same on every worker and in every run of one binary.
pub fn hash_of(value: &impl Hash) -> u128 {
    let mut hasher = Xxh3::new();
    value.hash(&mut hasher);
    hasher.digest128()
}

/// Many small values one after the other, each as [`hash_of`] has it: its fields are gathered and hashed in one go.
#[derive(Debug, Default)]
pub struct Hashing(Gathered);

/// What a value hands to a hasher: so many of these bytes.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    len: usize,
}

impl Hashing {
    /// The hash of a value.
    pub fn of(&mut self, value: &impl Hash) -> u128 {
        let Hashing(gathered) = self;
        gathered.len = 0;
        value.hash(gathered);
        xxh3_128(&gathered.bytes[..gathered.len])
    }
}

impl Gathered {
    /// Room for at least so many bytes; rare, and so apart from what is done for each field.
    #[cold]
    fn grow(&mut self, len: usize) {
        self.bytes.resize(2 * len, 0);
    }

    /// A number, as bytes.
    // Called for every field of every row, from other crates: always inlined, so that the length is known where it is copied.
    #[inline(always)]
    fn put<const BYTES: usize>(&mut self, number: [u8; BYTES]) {
        let end = self.len + BYTES;
        if self.bytes.len() < end {
            self.grow(end);
        }
        let Some(place) = self.bytes[self.len..].first_chunk_mut() else { panic!("room was made") };
        *place = number;
        self.len = end;
    }
}

macro_rules! put {
    ($($write:ident: $number:ty),+) => {
        $(
            #[inline(always)]
            fn $write(&mut self, number: $number) {
                self.put(number.to_ne_bytes());
            }
        )+
    };
}

impl Hasher for Gathered {
    #[inline]
    fn write(&mut self, field: &[u8]) {
        let end = self.len + field.len();
        if self.bytes.len() < end {
            self.grow(end);
        }
        self.bytes[self.len..end].copy_from_slice(field);
        self.len = end;
    }

    put!(write_u8: u8, write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128, write_usize: usize);
    put!(write_i8: i8, write_i16: i16, write_i32: i32, write_i64: i64, write_i128: i128, write_isize: isize);

    fn finish(&self) -> u64 {
        xxh3_64(&self.bytes[..self.len])
    }
}

/// Parts of ids mostly fit in so many bytes, frames included.
const FRAMED_MOST: usize = 256;

/// Hashes the parts, each after its length: few bytes put together, many as they stand.
fn framed<H>(parts: &[&[u8]], few: impl FnOnce(&[u8]) -> H, many: impl FnOnce(&Xxh3) -> H) -> H {
    let len = parts.iter().map(|part| part.len() + 8).sum();
    if FRAMED_MOST < len {
        let mut hasher = Xxh3::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        return many(&hasher);
    }
    let mut bytes = [0; FRAMED_MOST];
    let mut rest = &mut bytes[..];
    for part in parts {
        let (frame, after) = rest.split_at_mut(8);
        frame.copy_from_slice(&(part.len() as u64).to_le_bytes());
        let (place, after) = after.split_at_mut(part.len());
        // Most parts that may be absent are, and copying nothing is a call too.
        if !part.is_empty() {
            place.copy_from_slice(part);
        }
        rest = after;
    }
    few(&bytes[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_gathered_hash_as_they_do_one_by_one() {
        let mut hashing = Hashing::default();
        for value in ["", "a", &"long ".repeat(200)] {
            let value = (value, 7_u64, Some(EventId(1)), [1_u8, 2, 3].as_slice());
            assert_eq!(hashing.of(&value), hash_of(&value));
        }
        let numbers = (1_u8, 2_u16, 3_u32, 4_u64, 5_u128, 6_usize);
        let value = (numbers, (-1_i8, -2_i16, -3_i32, -4_i64, -5_i128, -6_isize), true, 'x');
        assert_eq!(hashing.of(&value), hash_of(&value));
    }

    #[test]
    fn parts_hash_by_their_frames_however_long() {
        for long in [0, FRAMED_MOST - 24, FRAMED_MOST - 23, 1_000] {
            let (text, mut bytes) = ("x".repeat(long), Vec::new());
            let parts = [b"ab".as_slice(), text.as_bytes()];
            for part in parts {
                bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
                bytes.extend_from_slice(part);
            }
            assert_eq!((hash64(&parts), hash128(&parts)), (xxh3_64(&bytes), xxh3_128(&bytes)));
        }
    }
}
