//! The ledger of what a tenant may spend and run at once: money, agents, investigations, tool calls.
//!
//! Contract: money is reserved at its worst case before it is spent and counts from then on, so callers at the same
//! time cannot overspend together. A reservation ends: settled with what it really cost, or by its expiry when whoever
//! made it is gone. It counts on the day on which it was made, and so does what it cost, however late that is known.
//! A settlement above its reservation, or after its expiry, is recorded as it is and blocks further spending.
//!
//! Pure: no clock, no I/O. Everything that changes the ledger is an [`Event`]; the same event twice has effect once
//! (counts excepted, which are only ever added). [`row`] turns it into rows and back.

pub mod row;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

/// What one tenant may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Millionths of a dollar for models, a day (UTC).
    pub llm_usd_micros_per_day: u64,
    /// Agents at once.
    pub agent_concurrency: u32,
    /// Investigations in an hour of the clock.
    pub investigations_per_hour: u32,
    /// Calls of a tool in an hour of the clock; a tool that is not named here is not limited.
    pub tool_calls_per_hour: BTreeMap<String, u32>,
}

/// Money or agents set aside until settled or expired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Chosen by whoever reserves, unique within the tenant: asking again with it is the same reservation.
    pub id: String,
    /// For whom.
    pub tenant: TenantId,
    /// For which incident; empty for none.
    pub incident: String,
    /// When; it counts on this day.
    pub at: EventTime,
    /// From here on it holds nothing.
    pub expires: EventTime,
    /// Millionths of a dollar at most.
    pub usd_micros: u64,
    /// Agents that run meanwhile.
    pub agents: u32,
}

/// What is counted by the hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Investigations.
    Investigations,
    /// Calls of one tool.
    Tool(String),
}

/// What money is summed over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A day, as `2026-11-26`.
    Day(String),
    /// A month, as `2026-11`.
    Month(String),
    /// An incident.
    Incident(String),
}

/// Why nothing was reserved or counted, told as when asking again makes sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The day's money is spent or set aside: less would do, or a later time.
    #[error("{left_micros} millionths of a dollar are left until {until}, and {held_micros} are set aside")]
    Money {
        /// Neither spent nor set aside.
        left_micros: u64,
        /// Set aside: some of it may come back.
        held_micros: u64,
        /// The next day.
        until: EventTime,
    },
    /// So many agents run at once: when one ends.
    #[error("{limit} agents run already")]
    Concurrency {
        /// At once.
        limit: u32,
    },
    /// So many in this hour: in the next one.
    #[error("{limit} in this hour; again at {until}")]
    Hourly {
        /// An hour.
        limit: u32,
        /// The next hour.
        until: EventTime,
    },
    /// The id was used for another reservation, or for one that has ended: choose a new one.
    #[error("the reservation {0:?} is another one, or has ended")]
    Taken(String),
}

/// A change of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Set aside.
    Reserved(Reservation),
    /// It really cost this.
    Settled {
        /// Of which.
        reservation: Reservation,
        /// When that was known.
        at: EventTime,
        /// Millionths of a dollar.
        usd_micros: u64,
    },
    /// Expired without a settlement.
    Released {
        /// Whose.
        tenant: TenantId,
        /// Which.
        id: String,
    },
    /// One more.
    Counted {
        /// Whose.
        tenant: TenantId,
        /// Of what.
        what: Counted,
        /// When.
        at: EventTime,
    },
}

/// What became of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nothing yet.
    Open,
    /// It expired.
    Released,
    /// It cost so many millionths of a dollar.
    Settled(u64),
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    reservation: Reservation,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sum {
    usd_micros: u64,
    last: EventTime,
}

/// What is set aside at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Of the money of that day, in millionths of a dollar.
    pub usd_micros: u64,
    /// Agents, whatever the day they started on.
    pub agents: u32,
}

/// The ledger of all tenants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    reservations: BTreeMap<(TenantId, String), Entry>,
    spent: BTreeMap<(TenantId, Scope), Sum>,
    counts: BTreeMap<(TenantId, Counted, String), u32>,
}

impl Ledger {
    /// Sets money and agents aside.
    ///
    /// # Errors
    /// The limits leave no room; nothing has changed.
    pub fn reserve(&mut self, limits: &Limits, wanted: Reservation) -> Result<Event, Refusal> {
        let now = wanted.at;
        if let Some(entry) = self.reservations.get(&(wanted.tenant.clone(), wanted.id.clone())) {
            let same = entry.fate == Fate::Open && entry.reservation == wanted && now < wanted.expires;
            return if same { Ok(Event::Reserved(wanted)) } else { Err(Refusal::Taken(wanted.id)) };
        }
        let held = self.held(&wanted.tenant, now);
        let gone = self.spent(&wanted.tenant, &Scope::Day(day(now))).saturating_add(held.usd_micros);
        let left_micros = limits.llm_usd_micros_per_day.saturating_sub(gone);
        if left_micros < wanted.usd_micros {
            let until = next(now, DAY_MS);
            return Err(Refusal::Money { left_micros, held_micros: held.usd_micros, until });
        }
        if 0 < wanted.agents && limits.agent_concurrency < held.agents.saturating_add(wanted.agents) {
            return Err(Refusal::Concurrency { limit: limits.agent_concurrency });
        }
        let event = Event::Reserved(wanted);
        self.apply(&event);
        Ok(event)
    }

    /// Ends a reservation with what it cost: also one that has expired or was forgotten, because money that was spent
    /// was spent.
    pub fn settle(&mut self, reservation: Reservation, at: EventTime, usd_micros: u64) -> Event {
        let event = Event::Settled { reservation, at, usd_micros };
        self.apply(&event);
        event
    }

    /// Ends what has expired. Expired reservations hold nothing even before: this only says so.
    pub fn release(&mut self, now: EventTime) -> Vec<Event> {
        let expired = |entry: &&Entry| entry.fate == Fate::Open && entry.reservation.expires <= now;
        let events: Vec<Event> = self.reservations.values().filter(expired).map(released).collect();
        events.iter().for_each(|event| self.apply(event));
        events
    }

    /// Counts one more.
    ///
    /// # Errors
    /// As many as there may be in this hour were counted; nothing has changed.
    pub fn count(
        &mut self,
        limits: &Limits,
        tenant: &TenantId,
        what: Counted,
        at: EventTime,
    ) -> Result<Event, Refusal> {
        let limit = match &what {
            Counted::Investigations => Some(limits.investigations_per_hour),
            Counted::Tool(name) => limits.tool_calls_per_hour.get(name).copied(),
        };
        let counted = self.counts.get(&(tenant.clone(), what.clone(), hour(at))).copied().unwrap_or_default();
        match limit {
            Some(limit) if limit <= counted => Err(Refusal::Hourly { limit, until: next(at, HOUR_MS) }),
            _ => {
                let event = Event::Counted { tenant: tenant.clone(), what, at };
                self.apply(&event);
                Ok(event)
            }
        }
    }

    /// Follows a change.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Reserved(reservation) => {
                let entry = Entry { reservation: reservation.clone(), fate: Fate::Open };
                self.reservations.entry(key(reservation)).or_insert(entry);
            }
            Event::Settled { reservation, at, usd_micros } => self.settled(reservation, *at, *usd_micros),
            Event::Released { tenant, id } => {
                if let Some(entry) = self.reservations.get_mut(&(tenant.clone(), id.clone()))
                    && entry.fate == Fate::Open
                {
                    entry.fate = Fate::Released;
                }
            }
            Event::Counted { tenant, what, at } => {
                let count = self.counts.entry((tenant.clone(), what.clone(), hour(*at))).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    fn settled(&mut self, reservation: &Reservation, at: EventTime, usd_micros: u64) {
        let open = Entry { reservation: reservation.clone(), fate: Fate::Open };
        let entry = self.reservations.entry(key(reservation)).or_insert(open);
        if matches!(entry.fate, Fate::Settled(_)) {
            return;
        }
        entry.fate = Fate::Settled(usd_micros);
        // What the ledger reserved counts, not what its caller says that it did.
        let Reservation { tenant, incident, at: reserved, .. } = entry.reservation.clone();
        let mut scopes = vec![Scope::Day(day(reserved)), Scope::Month(month(reserved))];
        if !incident.is_empty() {
            scopes.push(Scope::Incident(incident));
        }
        for scope in scopes {
            let sum = self.spent.entry((tenant.clone(), scope)).or_insert(Sum { usd_micros: 0, last: at });
            sum.usd_micros = sum.usd_micros.saturating_add(usd_micros);
            sum.last = sum.last.max(at);
        }
    }

    /// What is set aside of a tenant at a time.
    pub fn held(&self, tenant: &TenantId, now: EventTime) -> Held {
        let mut held = Held::default();
        for entry in self.of_tenant(tenant) {
            let reservation = &entry.reservation;
            if entry.fate != Fate::Open || reservation.expires <= now {
                continue;
            }
            held.agents = held.agents.saturating_add(reservation.agents);
            if same_day(reservation.at, now) {
                held.usd_micros = held.usd_micros.saturating_add(reservation.usd_micros);
            }
        }
        held
    }

    /// Millionths of a dollar that were settled.
    pub fn spent(&self, tenant: &TenantId, scope: &Scope) -> u64 {
        self.spent.get(&(tenant.clone(), scope.clone())).map(|sum| sum.usd_micros).unwrap_or_default()
    }

    /// Forgets what ended before a time. A settlement that comes again after that counts again: keep longer than
    /// anybody may retry.
    pub fn forget(&mut self, before: EventTime) {
        self.reservations.retain(|_, entry| {
            entry.fate == Fate::Open || before <= entry.reservation.expires.max(entry.reservation.at)
        });
        self.counts.retain(|(_, _, of), _| hour(before) <= *of);
        self.spent.retain(|(_, scope), sum| match scope {
            Scope::Day(of) => day(before) <= *of,
            Scope::Month(of) => month(before) <= *of,
            Scope::Incident(_) => before <= sum.last,
        });
    }

    fn of_tenant(&self, tenant: &TenantId) -> impl Iterator<Item = &Entry> {
        let of = tenant.clone();
        self.reservations
            .range((tenant.clone(), String::new())..)
            .take_while(move |((owner, _), _)| *owner == of)
            .map(|(_, entry)| entry)
    }
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn key(reservation: &Reservation) -> (TenantId, String) {
    (reservation.tenant.clone(), reservation.id.clone())
}

fn released(entry: &Entry) -> Event {
    Event::Released { tenant: entry.reservation.tenant.clone(), id: entry.reservation.id.clone() }
}

fn same_day(one: EventTime, other: EventTime) -> bool {
    one.0.div_euclid(DAY_MS) == other.0.div_euclid(DAY_MS)
}

/// The start of the next hour or day.
fn next(at: EventTime, length_ms: i64) -> EventTime {
    EventTime(at.0.div_euclid(length_ms).saturating_add(1).saturating_mul(length_ms))
}

/// The first characters of a time as text: of a year that is no year, all of it.
fn prefix(at: EventTime, length: usize) -> String {
    let text = at.to_string();
    text.get(..length).unwrap_or(&text).to_owned()
}

/// The day of a time, as `2026-11-26`.
pub fn day(at: EventTime) -> String {
    prefix(at, 10)
}

/// The month of a time, as `2026-11`.
pub fn month(at: EventTime) -> String {
    prefix(at, 7)
}

fn hour(at: EventTime) -> String {
    prefix(at, 13)
}
