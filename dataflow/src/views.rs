//! The view thread: the one owner of the views.
//!
//! Workers tell it what changed in each epoch, readers ask it. An epoch becomes visible when every worker has
//! completed it, all views at once. Rows stay readable for a number of epochs behind the latest, or
//! fewer if those changed more than there is, but for ten seconds. An epoch is applied slice by
//! slice, and readers are answered in between, from the epoch before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemas::error::Reject;
use schemas::ids::{Digest, Tenant};
use schemas::read::{AsOf, ReadRequest, SUBSCRIBE_BACKLOG_MAX, Status};
use schemas::time::{Epoch, EventTime};
use schemas::view::{Row, ViewName};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::{Clock, EngineConfig};
use crate::engine::Completed;
use crate::feed::Fed;
use crate::publish::{Changes, Progress, publishers};
use crate::types::Told;
use crate::views::store::{Applying, Changed, Store};
use crate::views::subscriptions::Subscriptions;

mod cell;
mod indexed;
mod range;
mod store;
mod subscriptions;

/// Keys changed, or compacted, before readers are answered.
const SLICE_KEYS: usize = 100;
/// Keys whose past is kept, if so many rows or fewer are shown; else as many as rows are shown.
const REMEMBERED_KEYS: usize = 500_000;
/// What was visible is not forgotten so soon, however much there is to remember: whoever reads page by page reads one epoch.
const READABLE_MIN: Duration = Duration::from_secs(10);
/// Readers answered between two slices.
const SLICE_READERS: usize = 16;

/// What the view thread is told by the engine.
#[derive(Debug)]
pub(crate) enum Note {
    /// An epoch was sealed.
    Sealed(Told),
    /// A worker has completed epochs.
    Progress(Progress),
    /// Somebody wants the changes of every epoch from now on.
    Follow(mpsc::UnboundedSender<Fed>),
    /// The engine stops.
    Stop,
}

struct SealedEpoch {
    now: EventTime,
    event_time: EventTime,
    sealed_at: Instant,
}

/// State of the view thread.
pub(crate) struct ViewThread {
    clock: Clock,
    readable: u64,
    lateness_ms: i64,
    room: Arc<Semaphore>,
    completions: mpsc::UnboundedSender<Completed>,
    /// Upper of each worker.
    uppers: Vec<Epoch>,
    /// Changes of epochs that some worker has not completed.
    pending: BTreeMap<Epoch, Changes>,
    /// Readable epochs, and those in flight.
    sealed: BTreeMap<Epoch, SealedEpoch>,
    /// The epoch whose changes are being applied, and their rejects.
    applying: Option<(Epoch, Applying, Vec<Reject>)>,
    /// Latest complete epoch; 0 before the first.
    latest: Epoch,
    /// Epoch with which the views began: 0, or that of the snapshot that brought them back.
    first: Epoch,
    /// The first epoch that was not forgotten because there was too much to remember.
    readable_from: Epoch,
    /// Digest of all views: the sum of what every change so far comes to.
    digest: u128,
    store: Store,
    subscriptions: Subscriptions,
    followers: Vec<mpsc::UnboundedSender<Fed>>,
    waiting: BTreeMap<Epoch, Vec<oneshot::Sender<AsOf>>>,
}

impl ViewThread {
    pub(crate) fn new(
        config: &EngineConfig,
        room: Arc<Semaphore>,
        completions: mpsc::UnboundedSender<Completed>,
    ) -> Self {
        let before = SealedEpoch { now: EventTime(0), event_time: EventTime(0), sealed_at: Instant::now() };
        ViewThread {
            clock: config.clock,
            readable: config.epochs_readable,
            lateness_ms: config.lateness_ms,
            room,
            completions,
            uppers: vec![0; publishers(config)],
            pending: BTreeMap::new(),
            sealed: BTreeMap::from([(0, before)]),
            applying: None,
            latest: 0,
            first: 0,
            readable_from: 0,
            digest: 0,
            store: Store::default(),
            subscriptions: Subscriptions::default(),
            followers: Vec::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Runs until the engine stops.
    pub(crate) fn run(
        mut self,
        mut notes: mpsc::UnboundedReceiver<Note>,
        mut requests: mpsc::Receiver<ReadRequest>,
    ) {
        let runtime = match tokio::runtime::Builder::new_current_thread().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "view thread could not start");
                return;
            }
        };
        runtime.block_on(async {
            loop {
                if self.step() {
                    let waiting = std::iter::from_fn(|| requests.try_recv().ok());
                    waiting.take(SLICE_READERS).for_each(|request| self.answer(request));
                    continue;
                }
                tokio::select! {
                    note = notes.recv() => match note {
                        None | Some(Note::Stop) => return,
                        Some(note) => self.take(note),
                    },
                    Some(request) = requests.recv() => self.answer(request),
                }
            }
        });
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Sealed(Told { epoch, now, event_time, tenants }) => {
                self.store.introduce(tenants);
                self.sealed.insert(epoch, SealedEpoch { now, event_time, sealed_at: Instant::now() });
            }
            Note::Progress(progress) => {
                self.uppers[progress.worker] = progress.upper;
                for (epoch, changes) in progress.changes {
                    self.pending.entry(epoch).or_default().add(changes);
                }
            }
            Note::Follow(follower) => self.followers.push(follower),
            Note::Stop => {}
        }
    }

    /// A slice of what there is to do; false when that is nothing.
    fn step(&mut self) -> bool {
        // Views that come back are built in one go; nobody can read them before.
        let slice = if self.latest == 0 { usize::MAX } else { SLICE_KEYS };
        if let Some((epoch, mut applying, rejects)) = self.applying.take() {
            if self.store.advance(&mut applying, slice) {
                let changed = self.store.end(applying);
                self.complete(epoch, changed, rejects);
            } else {
                self.applying = Some((epoch, applying, rejects));
            }
            return true;
        }
        let since = self.since();
        if self.store.compact(since, slice) {
            return true;
        }
        let upper = self.uppers.iter().min().copied().unwrap_or(0);
        let next = self.sealed.range(self.latest + 1..).map(|(epoch, _)| *epoch).next();
        let Some(epoch) = next.filter(|epoch| *epoch < upper) else { return false };
        let changes = self.pending.remove(&epoch).unwrap_or_default();
        let rejects = rejects(&changes);
        self.digest = self.digest.wrapping_add(changes.digest);
        self.applying = Some((epoch, self.store.begin(epoch, changes), rejects));
        true
    }

    /// Makes an epoch visible, all of whose changes are applied.
    fn complete(&mut self, epoch: Epoch, changed: Changed, rejects: Vec<Reject>) {
        let whole = self.latest == 0 && epoch != 1;
        if whole {
            self.first = epoch;
        }
        self.latest = epoch;
        self.forget_where_there_is_much(epoch);
        let since = self.since();
        self.sealed = self.sealed.split_off(&since);
        self.subscriptions.send(epoch, &changed);
        self.feed(epoch, whole, changed);
        let later = self.waiting.split_off(&(epoch + 1));
        for reply in std::mem::replace(&mut self.waiting, later).into_values().flatten() {
            // Whoever stopped waiting is not told.
            let _told = reply.send(self.as_of(epoch));
        }
        // Dropped when nobody consumes completions.
        let _consumed = self.completions.send(Completed { epoch, rejects, views: Digest(self.digest) });
        self.room.add_permits(1);
    }

    /// Where there is more to remember than there is, less is readable; but ten seconds stay.
    fn forget_where_there_is_much(&mut self, latest: Epoch) {
        let wanted = self.store.readable_from(REMEMBERED_KEYS);
        if self.readable_from < wanted {
            let recent = self.sealed.iter().find(|(_, sealed)| sealed.sealed_at.elapsed() < READABLE_MIN);
            let recent = recent.map_or(latest, |(epoch, _)| *epoch);
            self.readable_from = self.readable_from.max(wanted.min(recent).min(latest));
        }
    }

    fn feed(&mut self, epoch: Epoch, whole: bool, changed: Changed) {
        if self.followers.is_empty() {
            return;
        }
        let changed = changed.into_iter().filter_map(|((tenant, view), rows)| {
            let tenant = self.store.id_of(tenant)?.clone();
            Some((tenant, view, rows))
        });
        let now = self.sealed.get(&epoch).map_or(EventTime(0), |sealed| sealed.now);
        let fed = Fed { epoch, now, whole, changed: changed.collect() };
        self.followers.retain(|follower| follower.send(fed.clone()).is_ok());
    }

    fn since(&self) -> Epoch {
        self.latest.saturating_sub(self.readable).max(self.first).max(self.readable_from)
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

    fn answer(&mut self, request: ReadRequest) {
        // A reader that has gone away needs no answer: every send here may fail.
        match request {
            ReadRequest::Peek(query, reply) => {
                let epoch = query.as_of.unwrap_or(self.latest);
                let page = self.store.peek(&query, epoch, self.since(), self.latest, self.as_of(epoch));
                let _sent = reply.send(page);
            }
            ReadRequest::Subscribe(tenant, view, reply) => {
                let snapshot = self.store.snapshot(&tenant, view, self.latest);
                let subscribed = snapshot.map(|rows| {
                    let (sender, receiver) = mpsc::channel(SUBSCRIBE_BACKLOG_MAX);
                    self.subscriptions.add(tenant.key(), view, sender, self.latest, rows);
                    receiver
                });
                let _sent = reply.send(subscribed);
            }
            ReadRequest::Status(reply) => {
                let (tenants, rows) = (self.store.tenants(), self.store.counts());
                let _sent = reply.send(Status { as_of: self.as_of(self.latest), tenants, rows });
            }
            ReadRequest::Complete(epoch, reply) if epoch <= self.latest => {
                let _sent = reply.send(self.as_of(self.latest));
            }
            ReadRequest::Complete(epoch, reply) => self.waiting.entry(epoch).or_default().push(reply),
        }
    }
}

/// Rejects that an epoch added, by position.
fn rejects(changes: &Changes) -> Vec<Reject> {
    let of_view = changes.rows.iter().filter(|((_, view), _)| *view == ViewName::Rejects);
    let added = of_view.flat_map(|(_, rows)| rows).filter(|change| 0 < change.diff);
    let added = added.filter_map(|change| match &change.row {
        Row::Reject(row) => Some(Reject::clone(row)),
        _ => None,
    });
    let mut rejects: Vec<Reject> = added.collect();
    rejects.sort_by(|left, right| left.position.cmp(&right.position));
    rejects
}

/// A view of a tenant.
pub(crate) type Place = (Tenant, ViewName);
