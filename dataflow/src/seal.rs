//! Sealing: arrivals get an order and an epoch. Pure; the engine drives it.
//!
//! What is sealed is all that the computation ever sees: the epoch, its `now`, and the arrivals in order. Where the
//! program must come back from a crash, the shard (`shard.rs`) makes the same facts durable first; a replay of files
//! seals in memory only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::catalogue::{Catalogue, Class, Kind, Rules};
use schemas::error::Reject;
use schemas::fact::{ALERT_LIFETIME_MS, FEEDBACK_LIFETIME_MS, Fact};
use schemas::ids::{Digest, EventId, Tenant, TenantId, hash64, hash128};
use schemas::position::SourcePosition;
use schemas::time::{Epoch, EventTime};
use schemas::view::EventRow;
use serde::{Deserialize, Serialize};

use crate::arrival::{Arrival, EventArrival};
use crate::config::{Clock, EngineConfig};
use crate::named_fact::Naming;
use crate::operators::admit::{Delivery, EventDelivery, Sealed, Seldom};
use crate::retained::Retained;
use crate::rows::Cite;

/// Where sealing stands after an epoch: with what is retained, all that is needed to go on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The epoch.
    pub epoch: Epoch,
    /// Its clock reading, in milliseconds.
    pub now_ms: i64,
    /// Greatest believable event time, in milliseconds.
    pub event_time_ms: i64,
    /// Arrivals numbered so far.
    pub seq: u64,
    /// Tenants seen so far.
    pub tenants: Arc<BTreeSet<TenantId>>,
}

/// One sealed epoch.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    /// The epoch.
    pub(crate) epoch: Epoch,
    /// Its clock reading.
    pub(crate) now: EventTime,
    /// Greatest believable event time so far.
    pub(crate) event_time: EventTime,
    /// Tenants that appear in it for the first time.
    pub(crate) tenants: Vec<TenantId>,
    /// Its arrivals.
    pub(crate) rows: Vec<Sealed>,
}

/// Mints epochs. One per engine.
#[derive(Debug)]
pub(crate) struct Sealer {
    clock: Clock,
    future_ms: i64,
    lifetimes: Lifetimes,
    horizon_ms: i64,
    epoch: Epoch,
    seq: u64,
    now: EventTime,
    event_time: EventTime,
    tenants: Arc<BTreeSet<TenantId>>,
    naming: Naming,
}

/// Lifetime of each kind, by catalogue index, in milliseconds.
#[derive(Debug)]
struct Lifetimes {
    common: Vec<i64>,
    /// Of tenants for whom some rule is different.
    of_tenants: BTreeMap<Tenant, Vec<i64>>,
}

impl Lifetimes {
    fn of(rules: &Rules, horizon_ms: i64) -> Lifetimes {
        let of = |tenant: Option<Tenant>| {
            let kinds = Catalogue::built_in().kinds();
            kinds.map(|(kind, _)| rules.window_ms(kind, tenant).max(horizon_ms)).collect()
        };
        let of_tenants = rules.tenants().into_iter().map(|tenant| (tenant, of(Some(tenant)))).collect();
        Lifetimes { common: of(None), of_tenants }
    }

    fn of_kind(&self, tenant: Tenant, kind: Kind) -> i64 {
        self.of_tenants.get(&tenant).unwrap_or(&self.common)[usize::from(kind.0)]
    }
}

impl Sealer {
    /// A sealer that has sealed nothing.
    pub(crate) fn new(config: &EngineConfig) -> Sealer {
        Sealer {
            clock: config.clock,
            future_ms: config.future_ms,
            lifetimes: Lifetimes::of(&config.rules, config.horizon_ms),
            horizon_ms: config.horizon_ms,
            epoch: 0,
            seq: 0,
            now: EventTime(0),
            event_time: EventTime(0),
            tenants: Arc::default(),
            naming: Naming::default(),
        }
    }

    /// Where sealing stands.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            epoch: self.epoch,
            now_ms: self.now.0,
            event_time_ms: self.event_time.0,
            seq: self.seq,
            tenants: Arc::clone(&self.tenants),
        }
    }

    /// Goes on from a mark; the batch brings back, in the mark's epoch, what was retained then.
    pub(crate) fn resume(&mut self, mark: &Mark, retained: Vec<Retained>) -> SealedBatch {
        self.epoch = mark.epoch;
        self.now = EventTime(mark.now_ms);
        self.event_time = EventTime(mark.event_time_ms);
        self.seq = mark.seq;
        self.tenants = Arc::clone(&mark.tenants);
        let rows = retained.into_iter().map(|kept| brought_back(self.shared(kept))).collect();
        let tenants = mark.tenants.iter().cloned().collect();
        SealedBatch { epoch: self.epoch, now: self.now, event_time: self.event_time, tenants, rows }
    }

    /// The same; an event shares its names and texts with others, as it did before they were written out.
    fn shared(&mut self, mut kept: Retained) -> Retained {
        if let Retained::Event { tenant, delivery, .. } = &mut kept
            && let Some(delivery) = Arc::get_mut(delivery)
        {
            delivery.stated.facts_mut().iter_mut().for_each(|fact| self.naming.share(*tenant, fact));
            if let Some(row) = Arc::get_mut(&mut delivery.row) {
                row.origin =
                    self.naming.origins.of(&row.origin.source, &row.origin.event_type, &row.origin.topic);
                self.naming.share_ties(&mut row.correlation_ids);
            }
        }
        kept
    }

    /// Seals a batch into the next epoch.
    pub(crate) fn seal(&mut self, batch: Vec<Arrival>, now: EventTime) -> SealedBatch {
        self.epoch += 1;
        self.now = self.now.max(now);
        let mut tenants: Vec<TenantId> = Vec::new();
        let mut rows = Vec::with_capacity(batch.len());
        for arrival in batch {
            self.seq += 1;
            let tenant = match &arrival {
                Arrival::Event(event) => &event.envelope.tenant_id,
                Arrival::Reject(reject) => &reject.tenant,
            };
            if !self.tenants.contains(tenant) {
                Arc::make_mut(&mut self.tenants).insert(tenant.clone());
                tenants.push(tenant.clone());
            }
            match arrival {
                Arrival::Event(event) => self.event(event, &mut rows),
                Arrival::Reject(reject) => rows.push(rejected(self.seq, reject)),
            }
        }
        if self.clock == Clock::Event {
            self.now = self.now.max(self.event_time);
        }
        SealedBatch { epoch: self.epoch, now: self.now, event_time: self.event_time, tenants, rows }
    }

    fn event(&mut self, event: Box<EventArrival>, rows: &mut Vec<Sealed>) {
        let at = event.envelope.ts;
        if self.clock == Clock::Event || at <= self.now.plus_ms(self.future_ms) {
            self.event_time = self.event_time.max(at);
        }
        let (tenant_id, tenant) = (event.envelope.tenant_id.clone(), event.envelope.tenant_id.key());
        let withdraws = event.normalized.withdraws;
        let delivery = self.delivery(tenant, event);
        if let Some(target) = withdraws {
            let (expiry, stands) = (delivery.expiry, delivery.stands());
            let withdrawal = Delivery::Withdrawal { at, expiry, stands };
            rows.push(Sealed { seq: self.seq, tenant, id: target, delivery: withdrawal });
        }
        let id = delivery.row.event_id;
        rows.push(Sealed {
            seq: self.seq,
            tenant,
            id,
            delivery: Delivery::Event(tenant_id, Arc::new(delivery)),
        });
    }

    fn delivery(&mut self, tenant: Tenant, event: Box<EventArrival>) -> EventDelivery {
        // Taken apart where it lies: it is several hundred bytes, of which few are kept.
        let content = content(&event.envelope);
        let (at, key) = (event.envelope.ts, event.normalized.key);
        let plain = at.plus_ms(self.lifetime_ms(tenant, &event.normalized.facts));
        // An alert stands until its end is told. Its end outlives what it ends, wherever that is dated, or the alert would fire again.
        let over = key.and_then(|_| alert_over(&event.normalized.facts));
        let days = over.map_or(0, |over| if over { 2 } else { 1 });
        let expiry = plain.max(at.plus_ms(days * ALERT_LIFETIME_MS));
        let alert = over.map(|over| if over { plain } else { expiry });
        let cite = Cite { seq: self.seq, event: event.envelope.ingest_id };
        let (stated, objects) = self.naming.of(tenant, cite, event.normalized.facts);
        let SourcePosition { topic, partition, offset, item } = event.position;
        let row = EventRow {
            event_id: event.envelope.ingest_id,
            origin: self.naming.origins.of(&event.envelope.source, &event.envelope.event_type, &topic),
            at,
            severity: event.envelope.severity,
            summary: event.normalized.summary.into(),
            correlation_ids: self.naming.ties(event.envelope.correlation_ids),
            partition,
            offset,
            item,
        };
        let revision = event.normalized.revision;
        let seldom = Seldom { key, revision, alert, objects: objects.into() };
        EventDelivery {
            seq: self.seq,
            content,
            expiry,
            row: Arc::new(row),
            stated,
            seldom: (key.is_some() || !seldom.objects.is_empty()).then(|| Box::new(seldom)),
        }
    }

    /// How long an event with such facts counts, in milliseconds.
    fn lifetime_ms(&self, tenant: Tenant, facts: &[Fact]) -> i64 {
        let of = |fact: &Fact| match fact {
            Fact::Signal(signal) => self.lifetimes.of_kind(tenant, signal.kind),
            Fact::Feedback(_) => FEEDBACK_LIFETIME_MS,
            Fact::Object(_) | Fact::Relation(_) | Fact::Sample(_) | Fact::LogLine(_) => 0,
        };
        facts.iter().map(of).fold(self.horizon_ms, i64::max)
    }
}

/// Whether an event tells of an alert, and if it does, whether all that it tells of is over.
fn alert_over(facts: &[Fact]) -> Option<bool> {
    let over = |fact: &Fact| match fact {
        Fact::Signal(signal) if signal.kind.spec().class == Class::Alert => Some(signal.ended.is_some()),
        _ => None,
    };
    facts.iter().filter_map(over).reduce(|before, over| before && over)
}

/// Everything by which two deliveries of one idempotency key can differ. Not the time: for a re-listed object it is
/// the time of the listing.
fn content(envelope: &schemas::envelope::Envelope) -> Digest {
    fn optional(text: &Option<String>) -> &[u8] {
        text.as_deref().unwrap_or_default().as_bytes()
    }
    let (entity, ids) = (&envelope.entity, &envelope.correlation_ids);
    Digest(hash128(&[
        envelope.source.as_bytes(),
        envelope.event_type.as_bytes(),
        envelope.severity.as_str().as_bytes(),
        envelope.payload.as_bytes(),
        optional(&entity.cluster),
        optional(&entity.namespace),
        optional(&entity.service),
        optional(&entity.pod),
        optional(&ids.trace_id),
        optional(&ids.commit),
        optional(&ids.workflow),
    ]))
}

fn rejected(seq: u64, reject: Reject) -> Sealed {
    let (tenant, id) = (reject.tenant.key(), route_of(&reject));
    Sealed { seq, tenant, id, delivery: Delivery::Reject(Box::new(reject)) }
}

/// Only for routing: rejects of one topic spread over the workers.
fn route_of(reject: &Reject) -> EventId {
    EventId(u128::from(hash64(&[reject.position.to_string().as_bytes()])))
}

/// What was retained, on its way back to the keeper that it came from.
fn brought_back(kept: Retained) -> Sealed {
    let id = match &kept {
        Retained::Event { id, .. } | Retained::Withdrawal { id, .. } => *id,
        Retained::Reject { reject, .. } => route_of(reject),
        // Whoever takes these passes them on.
        Retained::Count { .. }
        | Retained::Reached { .. }
        | Retained::Version { .. }
        | Retained::Identity { .. }
        | Retained::Incident { .. } => EventId(u128::from(kept.hash())),
    };
    Sealed { seq: 0, tenant: kept.tenant(), id, delivery: Delivery::Retained(Box::new(kept)) }
}
