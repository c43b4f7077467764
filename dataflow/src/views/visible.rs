//! What can be read: the views as of every readable epoch, and what is known of their age.
//!
//! The view thread changes it; whoever reads does so in its own thread. Rows stay readable for a number of epochs behind the
//! latest, or fewer if those changed more than there is, but for ten seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use schemas::ids::TenantId;
use schemas::read::{AsOf, Page, Part, Query, ReadError};
use schemas::time::{Epoch, EventTime};
use schemas::view::{Row, ViewName};

use crate::config::{Clock, EngineConfig};
use crate::types::Told;
use crate::views::page::{Found, page};
use crate::views::tenants::{TenantViews, Tenants};

/// What was visible is not forgotten so soon, however much there is to remember: whoever reads page by page reads one epoch.
const READABLE_MIN: Duration = Duration::from_secs(10);

/// The views, and which epochs of them can be read.
///
/// A reader locks a view, then looks which epochs can be read: that holds as long as it has the view, because no row of it can
/// be forgotten meanwhile.
pub(super) struct Visible {
    tenants: Arc<Tenants>,
    readable: RwLock<Readable>,
}

/// Which epochs can be read.
struct Readable {
    clock: Clock,
    /// Epochs behind the latest.
    behind: u64,
    lateness_ms: i64,
    /// Readable epochs, and those in flight.
    sealed: BTreeMap<Epoch, SealedEpoch>,
    /// Latest complete epoch; 0 before the first.
    latest: Epoch,
    /// Epoch with which the views began: 0, or that of the snapshot that brought them back.
    first: Epoch,
    /// The first epoch that was not forgotten because there was too much to remember.
    readable_from: Epoch,
}

struct SealedEpoch {
    now: EventTime,
    event_time: EventTime,
    sealed_at: Instant,
}

impl Visible {
    /// Views without rows, before the first epoch.
    pub(super) fn of(config: &EngineConfig, tenants: Arc<Tenants>) -> Self {
        Visible { tenants, readable: RwLock::new(Readable::of(config)) }
    }

    /// Latest complete epoch; 0 before the first.
    pub(super) fn latest(&self) -> Epoch {
        self.readable().latest
    }

    /// First epoch that can be read.
    pub(super) fn since(&self) -> Epoch {
        self.readable().since()
    }

    /// The sealed epoch after the latest complete one.
    pub(super) fn next(&self) -> Option<Epoch> {
        let readable = self.readable();
        readable.sealed.range(readable.latest + 1..).map(|(epoch, _)| *epoch).next()
    }

    /// What is known of an epoch and its age.
    pub(super) fn as_of(&self, epoch: Epoch) -> AsOf {
        self.readable().as_of(epoch)
    }

    /// An epoch was sealed.
    pub(super) fn sealed(&self, Told { epoch, now, event_time, tenants }: Told) {
        self.tenants.introduce(tenants);
        let sealed = SealedEpoch { now, event_time, sealed_at: Instant::now() };
        self.readable_mut().sealed.insert(epoch, sealed);
    }

    /// Makes an epoch visible, all of whose changes are applied; what was shown before `readable_from` may be forgotten.
    /// Says whether the views begin with it.
    pub(super) fn complete(&self, epoch: Epoch, readable_from: Epoch) -> bool {
        self.readable_mut().complete(epoch, readable_from)
    }

    /// Rows of one page, or of as much of it as is looked at in one go.
    pub(super) fn peek(&self, query: &Query) -> Result<Part, ReadError> {
        let tenant = self.known(&query.tenant)?;
        let as_of = self.readable().asked(query)?;
        if as_of.epoch == 0 {
            // There is nothing in it, and a view that is brought back is locked for as long as that takes.
            return Ok(Part { page: Page { rows: Vec::new(), next: None, as_of }, whole: true });
        }
        let view = tenant.view(query.view).read();
        let as_of = self.readable().asked(query)?;
        let Found { rows, next, whole } = page(&view, query, as_of.epoch)?;
        Ok(Part { page: Page { rows, next, as_of }, whole })
    }

    /// All rows of a view as of the latest epoch. For the view thread: nothing changes meanwhile.
    pub(super) fn all(&self, tenant: &TenantId, view: ViewName) -> Result<Vec<Row>, ReadError> {
        let (tenant, latest) = (self.known(tenant)?, self.latest());
        let view = tenant.view(view).read();
        Ok(view.range(..).filter_map(|cell| cell.at(latest).cloned()).collect())
    }

    fn readable(&self) -> RwLockReadGuard<'_, Readable> {
        self.readable.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn readable_mut(&self) -> RwLockWriteGuard<'_, Readable> {
        self.readable.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, tenant: &TenantId) -> Result<Arc<TenantViews>, ReadError> {
        let found = self.tenants.get(tenant.key());
        found.ok_or_else(|| ReadError::UnknownTenant { tenant: tenant.clone(), known: Vec::new() })
    }
}

impl Readable {
    fn of(config: &EngineConfig) -> Self {
        let before = SealedEpoch { now: EventTime(0), event_time: EventTime(0), sealed_at: Instant::now() };
        Readable {
            clock: config.clock,
            behind: config.epochs_readable,
            lateness_ms: config.lateness_ms,
            sealed: BTreeMap::from([(0, before)]),
            latest: 0,
            first: 0,
            readable_from: 0,
        }
    }

    fn complete(&mut self, epoch: Epoch, readable_from: Epoch) -> bool {
        let whole = self.latest == 0 && epoch != 1;
        if whole {
            self.first = epoch;
        }
        self.latest = epoch;
        self.forget_where_there_is_much(readable_from);
        self.sealed = self.sealed.split_off(&self.since());
        whole
    }

    /// Where there is more to remember than there is, less is readable; but ten seconds stay.
    fn forget_where_there_is_much(&mut self, wanted: Epoch) {
        if self.readable_from < wanted {
            let recent = self.sealed.iter().find(|(_, sealed)| sealed.sealed_at.elapsed() < READABLE_MIN);
            let recent = recent.map_or(self.latest, |(epoch, _)| *epoch);
            self.readable_from = self.readable_from.max(wanted.min(recent).min(self.latest));
        }
    }

    /// The epoch that a query is of, if it can be read.
    fn asked(&self, query: &Query) -> Result<AsOf, ReadError> {
        let (since, latest) = (self.since(), self.latest);
        let asked = query.as_of.unwrap_or(latest);
        if asked < since || latest < asked {
            return Err(ReadError::Epoch { asked, since, latest });
        }
        Ok(self.as_of(asked))
    }

    fn since(&self) -> Epoch {
        self.latest.saturating_sub(self.behind).max(self.first).max(self.readable_from)
    }

    fn as_of(&self, epoch: Epoch) -> AsOf {
        let sealed = self.sealed.get(&epoch);
        let now = sealed.map_or(EventTime(0), |sealed| sealed.now);
        let settled_before = match self.clock {
            Clock::Wall => now.plus_ms(-self.lateness_ms),
            // A replay takes the past as it comes.
            Clock::Event => EventTime(0),
        };
        let age = sealed.filter(|_| self.clock == Clock::Wall).map(|sealed| sealed.sealed_at.elapsed());
        AsOf {
            epoch,
            since: self.since(),
            upper: self.latest + 1,
            event_time: sealed.map_or(EventTime(0), |sealed| sealed.event_time),
            now,
            settled_before,
            freshness_ms: age.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests;
