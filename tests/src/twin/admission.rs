//! Section 1: which deliveries count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dataflow::arrival::{Arrival, EventArrival};
use schemas::catalogue::{Class, Kind, RuleSpec};
use schemas::entity::{Entity, RelationKind};
use schemas::error::{Reject, RejectCode};
use schemas::fact::{Fact, Signal};
use schemas::ids::{EventId, EventKey, Tenant, TenantId};
use schemas::object::ObjectState;
use schemas::time::EventTime;
use schemas::view::{CoverageRow, EventFields, EventRow, Row, ViewName};

use super::{Constants, Epoch, add};

/// An event as it was admitted.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) arrival: Arc<EventArrival>,
}

/// A version of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'a> {
    pub(super) seq: u64,
    pub(super) event: EventId,
    pub(super) state: &'a ObjectState,
}

/// Something was the case on an entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Occurrence {
    pub(super) onset: EventTime,
    pub(super) seq: u64,
    pub(super) event: EventId,
    pub(super) earliest: EventTime,
    pub(super) last: EventTime,
    pub(super) ended: Option<EventTime>,
    pub(super) standing: bool,
    pub(super) count: u64,
    pub(super) severity: schemas::envelope::Severity,
    pub(super) detail: String,
    pub(super) entity: Entity,
    pub(super) kind: Kind,
    pub(super) magnitude: u32,
}

/// An edge is claimed to hold.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) edge: (Entity, RelationKind, Entity),
    pub(super) valid_from: EventTime,
    pub(super) valid_to: Option<EventTime>,
    pub(super) seq: u64,
    pub(super) event: EventId,
}

/// Accepted, duplicate, rejected by code, and the greatest event time accepted.
type Coverage = (u64, u64, BTreeMap<RejectCode, u64>, Option<EventTime>);

#[derive(Default)]
pub(super) struct Admission<'a> {
    pub(super) current: Vec<Event>,
    pub(super) versions: Vec<Version<'a>>,
    rejects: BTreeSet<Reject>,
    coverage: BTreeMap<String, Coverage>,
}

pub(super) fn occurrence(signal: &Signal, seq: u64, event: EventId, standing: bool) -> Occurrence {
    Occurrence {
        onset: signal.onset,
        seq,
        event,
        earliest: signal.earliest,
        last: signal.last,
        ended: signal.ended,
        standing,
        count: u64::from(signal.count),
        severity: signal.severity,
        detail: signal.detail.clone(),
        entity: signal.entity.clone(),
        kind: signal.kind,
        magnitude: 0,
    }
}

/// What time does to an event.
struct Times {
    counts_until: EventTime,
    expiry: EventTime,
    /// It is of an alert of which a revision can tell the end.
    stands: bool,
}

fn times(arrival: &EventArrival, constants: &Constants) -> Times {
    let plain = arrival.envelope.ts.plus_ms(lifetime_ms(arrival, constants));
    let mut alerts = Vec::new();
    for fact in &arrival.normalized.facts {
        if let Fact::Signal(signal) = fact
            && signal.kind.spec().class == Class::Alert
        {
            alerts.push(signal);
        }
    }
    if arrival.normalized.key.is_none() || alerts.is_empty() {
        return Times { counts_until: plain, expiry: plain, stands: false };
    }
    let fires = alerts.iter().any(|alert| alert.ended.is_none());
    let day = arrival.envelope.ts.plus_ms(86_400_000);
    let expiry = plain.max(if fires { day } else { day.plus_ms(86_400_000) });
    Times { counts_until: if fires { expiry } else { plain }, expiry, stands: true }
}

fn lifetime_ms(arrival: &EventArrival, constants: &Constants) -> i64 {
    let tenant = arrival.envelope.tenant_id.key();
    let mut longest = constants.horizon_ms;
    for fact in &arrival.normalized.facts {
        if let Fact::Feedback(_) = fact {
            longest = longest.max(90 * 86_400_000);
        }
        let Fact::Signal(signal) = fact else { continue };
        let applies = |rule: &RuleSpec| rule.scope.includes(tenant) && rule.causes.contains(&signal.kind);
        for (_, rule) in constants.rules.iter().filter(|(_, rule)| applies(rule)) {
            longest = longest.max(rule.window_ms);
        }
    }
    longest
}

fn same_content(left: &EventArrival, right: &EventArrival) -> bool {
    let (l, r) = (&left.envelope, &right.envelope);
    (&l.source, &l.event_type, &l.entity, &l.correlation_ids, l.severity, &l.payload)
        == (&r.source, &r.event_type, &r.entity, &r.correlation_ids, r.severity, &r.payload)
}

/// An admitted event that may be forgotten later.
struct Remembered {
    event: Event,
    counts_until: EventTime,
    expiry: EventTime,
    /// Its object versions were withdrawn while both were unexpired.
    objects_withdrawn: bool,
}

/// What is kept of the epochs so far.
pub(super) struct Keeper<'a> {
    tenant: &'a TenantId,
    constants: &'a Constants,
    seq: u64,
    now: EventTime,
    admitted: Vec<Remembered>,
    withdrawals: Vec<(EventId, EventTime)>,
    rejects: Vec<(EventTime, Reject)>,
    coverage: BTreeMap<String, Coverage>,
}

impl Keeper<'_> {
    pub(super) fn new<'a>(tenant: &'a TenantId, constants: &'a Constants) -> Keeper<'a> {
        Keeper {
            tenant,
            constants,
            seq: 0,
            now: EventTime(0),
            admitted: Vec::new(),
            withdrawals: Vec::new(),
            rejects: Vec::new(),
            coverage: BTreeMap::new(),
        }
    }

    /// Takes the next epoch; false if nothing of the tenant arrives in it, and nothing has come of age since the one before.
    pub(super) fn take(&mut self, epoch: &Epoch) -> bool {
        let arrives = epoch.arrivals.iter().any(|arrival| super::tenant(arrival) == self.tenant);
        let differs = arrives || self.comes_of_age(epoch.now);
        self.now = epoch.now;
        for arrival in &epoch.arrivals {
            self.seq += 1;
            if super::tenant(arrival) == self.tenant {
                self.arrive(arrival);
            }
        }
        let now = self.now;
        for remembered in &mut self.admitted {
            let id = remembered.event.arrival.envelope.ingest_id;
            let withdrawn = self.withdrawals.iter().any(|(target, until)| *target == id && now < *until);
            remembered.objects_withdrawn |= now < remembered.expiry && withdrawn;
        }
        differs
    }

    /// Whether an event or a withdrawal expires by `now`, or a version of an object does.
    fn comes_of_age(&self, now: EventTime) -> bool {
        let due = |at: EventTime| self.now < at && at <= now;
        let of_objects = |remembered: &Remembered| {
            let mut facts = remembered.event.arrival.normalized.facts.iter();
            facts.any(|fact| matches!(fact, Fact::Object(state) if due(state.at.plus_ms(self.constants.horizon_ms))))
        };
        self.withdrawals.iter().any(|(_, until)| due(*until))
            || self.admitted.iter().any(|remembered| {
                due(remembered.counts_until) || due(remembered.expiry) || of_objects(remembered)
            })
    }

    fn refuse(&mut self, reject: Reject, source: &str) {
        let counts = self.coverage.entry(source.to_owned()).or_default();
        *counts.2.entry(reject.error.code).or_default() += 1;
        self.rejects.push((self.now, reject));
    }

    fn arrive(&mut self, arrival: &Arrival) {
        let (now, constants) = (self.now, self.constants);
        let event = match arrival {
            Arrival::Reject(reject) => return self.refuse(reject.clone(), "unknown"),
            Arrival::Event(event) => event,
        };
        let (at, source) = (event.envelope.ts, event.envelope.source.clone());
        let Times { counts_until, expiry, stands } = times(event, constants);
        if constants.future_ms.is_some_and(|future| now.plus_ms(future) < at) {
            return self.refuse(rejected(event, RejectCode::InFuture), &source);
        }
        let late = constants.lateness_ms.is_some_and(|lateness| at.plus_ms(lateness) <= now);
        if expiry <= now || late && !stands {
            return self.refuse(rejected(event, RejectCode::TooLate), &source);
        }
        if let Some(target) = event.normalized.withdraws {
            self.withdrawals.push((target, expiry.max(at.plus_ms(2 * 86_400_000))));
        }
        let id = event.envelope.ingest_id;
        let same = |known: &&Remembered| known.event.arrival.envelope.ingest_id == id && now < known.expiry;
        match self.admitted.iter().find(same).map(|known| same_content(&known.event.arrival, event)) {
            Some(true) => self.coverage.entry(source).or_default().1 += 1,
            Some(false) => self.refuse(rejected(event, RejectCode::IdempotencyConflict), &source),
            None => {
                let counts = self.coverage.entry(source).or_default();
                counts.0 += 1;
                counts.3 = counts.3.max(Some(at));
                let event = Event { seq: self.seq, arrival: Arc::new(EventArrival::clone(event)) };
                self.admitted.push(Remembered { event, counts_until, expiry, objects_withdrawn: false });
            }
        }
    }

    /// What counts as of the last epoch that was taken.
    pub(super) fn admission(&self) -> Admission<'_> {
        let kept = |at: &EventTime| self.now < at.plus_ms(self.constants.horizon_ms);
        let rejects = self.rejects.iter().filter(|(at, _)| kept(at)).map(|(_, reject)| reject.clone());
        let mut admission =
            Admission { rejects: rejects.collect(), coverage: self.coverage.clone(), ..Admission::default() };
        current(&mut admission, &self.admitted, &self.withdrawals, self.now);
        admission
    }
}

fn current<'a>(
    admission: &mut Admission<'a>,
    admitted: &'a [Remembered],
    withdrawals: &[(EventId, EventTime)],
    now: EventTime,
) {
    let mut by_key: BTreeMap<EventKey, (EventTime, &Event)> = BTreeMap::new();
    for remembered in admitted {
        let Event { seq, arrival } = &remembered.event;
        let id = arrival.envelope.ingest_id;
        if !remembered.objects_withdrawn {
            let states = arrival.normalized.facts.iter().filter_map(|fact| match fact {
                Fact::Object(state) => Some(Version { seq: *seq, event: id, state }),
                _ => None,
            });
            admission.versions.extend(states);
        }
        let withdrawn = withdrawals.iter().any(|(target, until)| *target == id && now < *until);
        if remembered.expiry <= now || withdrawn {
            continue;
        }
        let Some(key) = arrival.normalized.key else {
            admission.current.push(remembered.event.clone());
            continue;
        };
        let newer = by_key.get(&key).is_none_or(|(_, known)| {
            (known.arrival.normalized.revision, known.seq) < (arrival.normalized.revision, *seq)
        });
        if newer {
            by_key.insert(key, (remembered.counts_until, &remembered.event));
        }
    }
    let counting = by_key.into_values().filter(|(until, _)| now < *until);
    admission.current.extend(counting.map(|(_, event)| event.clone()));
}

fn rejected(event: &EventArrival, code: RejectCode) -> Reject {
    let error = schemas::error::DecodeError { code, detail: String::new() };
    Reject {
        tenant: event.envelope.tenant_id.clone(),
        position: event.position.clone(),
        error,
        at: Some(event.envelope.ts),
    }
}

impl Admission<'_> {
    /// Signals of current events.
    pub(super) fn occurrences(&self, _tenant: Tenant) -> Vec<Occurrence> {
        let mut found = Vec::new();
        for event in &self.current {
            for fact in &event.arrival.normalized.facts {
                if let Fact::Signal(signal) = fact {
                    let standing = signal.kind.spec().class == Class::Alert && signal.ended.is_none();
                    found.push(occurrence(signal, event.seq, event.arrival.envelope.ingest_id, standing));
                }
            }
        }
        found
    }

    /// Relations of current events.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let mut found = Vec::new();
        for event in &self.current {
            for fact in &event.arrival.normalized.facts {
                if let Fact::Relation(relation) = fact {
                    found.push(Claim {
                        edge: (relation.from.clone(), relation.kind, relation.to.clone()),
                        valid_from: relation.valid_from,
                        valid_to: relation.valid_to,
                        seq: event.seq,
                        event: event.arrival.envelope.ingest_id,
                    });
                }
            }
        }
        found
    }

    /// Events, rejects and coverage.
    pub(super) fn rows(&self, rows: &mut BTreeMap<ViewName, BTreeSet<Row>>) {
        for event in &self.current {
            let (envelope, normalized) = (&event.arrival.envelope, &event.arrival.normalized);
            add(
                rows,
                ViewName::Events,
                Row::from(EventRow::from(EventFields {
                    event_id: envelope.ingest_id,
                    source: envelope.source.as_str().into(),
                    event_type: envelope.event_type.as_str().into(),
                    at: envelope.ts,
                    severity: envelope.severity,
                    summary: normalized.summary.as_str().into(),
                    correlation_ids: envelope.correlation_ids.clone().into(),
                    position: event.arrival.position.clone(),
                })),
            );
        }
        for reject in &self.rejects {
            add(rows, ViewName::Rejects, Row::from(reject.clone()));
        }
        for (source, (accepted, duplicate, rejected, reached)) in &self.coverage {
            let rejected = rejected.iter().map(|(code, count)| (*code, *count)).collect();
            add(
                rows,
                ViewName::Coverage,
                Row::from(CoverageRow {
                    source: source.clone(),
                    accepted: *accepted,
                    duplicate: *duplicate,
                    rejected,
                    reached: *reached,
                }),
            );
        }
    }
}
