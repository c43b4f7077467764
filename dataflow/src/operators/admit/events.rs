//! Remembered events by their names. Pure.
//!
//! A hash table: of millions of names each is looked up when it is delivered and when it
//! expires, and a tree misses the cache at every step of the way. Nobody sees its order: a snapshot sorts what it is given. Its
//! hash is keyed anew in each process, because names come from producers, who must not be able to choose some that lie
//! together; it is one that promises this, and takes a fraction of the time of the standard library's.

use std::collections::hash_map;

use schemas::ids::{EventId, Tenant};

use super::Remembered;

/// Events of all tenants.
#[expect(clippy::disallowed_types, reason = "its order is seen by nobody")]
pub(super) type Events = std::collections::HashMap<(Tenant, EventId), Remembered, ahash::RandomState>;

/// The place of an event.
pub(super) type Entry<'a> = hash_map::Entry<'a, (Tenant, EventId), Remembered>;
