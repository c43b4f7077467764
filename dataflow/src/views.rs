//! The view thread: the one that changes the views.
//!
//! Workers tell it what changed in each epoch. An epoch becomes visible when every worker has completed it, all views at
//! once. It is applied slice by slice, and whoever reads does so in between, from the epoch before ([`visible`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::error::Reject;
use schemas::ids::{Digest, Tenant};
use schemas::read::{AsOf, Peek, ReadError, ReadRequest, SUBSCRIBE_BACKLOG_MAX, Status};
use schemas::time::Epoch;
use schemas::view::{Row, ViewName};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::EngineConfig;
use crate::engine::Completed;
use crate::feed::Fed;
use crate::publish::{Changes, Progress, publishers};
use crate::types::Told;
use crate::views::cell::Epochs;
use crate::views::store::{Applying, Changed, Store};
use crate::views::subscriptions::Subscriptions;
use crate::views::visible::Visible;

mod cell;
mod cells;
mod fair;
mod indexed;
mod page;
mod range;
mod store;
mod subscriptions;
mod tenants;
mod visible;

/// Keys changed, or compacted, before readers have their turn.
const SLICE_KEYS: usize = 100;
/// Keys whose past is kept, if so many rows or fewer are shown; else as many as rows are shown.
const REMEMBERED_KEYS: usize = 500_000;
/// Requests answered between two slices.
const SLICE_REQUESTS: usize = 16;

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

/// State of the view thread.
pub(crate) struct ViewThread {
    visible: Arc<Visible>,
    store: Store,
    room: Arc<Semaphore>,
    completions: mpsc::UnboundedSender<Completed>,
    /// Upper of each worker.
    uppers: Vec<Epoch>,
    /// Changes of epochs that some worker has not completed.
    pending: BTreeMap<Epoch, Changes>,
    /// The epoch whose changes are being applied, and their rejects.
    applying: Option<(Epoch, Applying, Vec<Reject>)>,
    /// Digest of all views: the sum of what every change so far comes to.
    digest: u128,
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
        let store = Store::default();
        ViewThread {
            visible: Arc::new(Visible::of(config, Arc::clone(&store.tenants))),
            store,
            room,
            completions,
            uppers: vec![0; publishers(config)],
            pending: BTreeMap::new(),
            applying: None,
            digest: 0,
            subscriptions: Subscriptions::default(),
            followers: Vec::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Reads in the thread that asks, until this one has ended.
    pub(crate) fn peek(&self) -> Peek {
        let visible = Arc::downgrade(&self.visible);
        Arc::new(move |query| visible.upgrade().ok_or(ReadError::Stopped)?.peek(query))
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
                    waiting.take(SLICE_REQUESTS).for_each(|request| self.answer(request));
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
            Note::Sealed(told) => self.visible.sealed(told),
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
        // Views that come back are built in one go: they show nothing before.
        let slice = if self.visible.latest() == 0 { usize::MAX } else { SLICE_KEYS };
        if let Some((epoch, mut applying, rejects)) = self.applying.take() {
            if self.store.advance(&mut applying, slice) {
                let changed = self.store.end(applying);
                let whole = self.visible.complete(epoch, self.store.readable_from(REMEMBERED_KEYS));
                self.tell(epoch, whole, changed, rejects);
            } else {
                self.applying = Some((epoch, applying, rejects));
            }
            return true;
        }
        if self.store.compact(self.visible.since(), slice) {
            return true;
        }
        let upper = self.uppers.iter().min().copied().unwrap_or(0);
        let Some(epoch) = self.visible.next().filter(|epoch| *epoch < upper) else { return false };
        let changes = self.pending.remove(&epoch).unwrap_or_default();
        let rejects = rejects(&changes);
        self.digest = self.digest.wrapping_add(changes.digest);
        let epochs = Epochs { epoch, since: self.visible.since() };
        self.applying = Some((epoch, self.store.begin(epochs, changes), rejects));
        true
    }

    /// Tells of an epoch that became visible everyone who waits for it.
    fn tell(&mut self, epoch: Epoch, whole: bool, changed: Changed, rejects: Vec<Reject>) {
        self.subscriptions.send(epoch, &changed);
        self.feed(epoch, whole, changed);
        let later = self.waiting.split_off(&(epoch + 1));
        for reply in std::mem::replace(&mut self.waiting, later).into_values().flatten() {
            // Whoever stopped waiting is not told.
            let _told = reply.send(self.visible.as_of(epoch));
        }
        // Dropped when nobody consumes completions.
        let _consumed = self.completions.send(Completed { epoch, rejects, views: Digest(self.digest) });
        self.room.add_permits(1);
    }

    fn feed(&mut self, epoch: Epoch, whole: bool, changed: Changed) {
        if self.followers.is_empty() {
            return;
        }
        let changed = changed.into_iter().filter_map(|((tenant, view), rows)| {
            let tenant = self.store.tenants.get(tenant)?.id.clone();
            Some((tenant, view, rows))
        });
        let fed = Fed { epoch, now: self.visible.as_of(epoch).now, whole, changed: changed.collect() };
        self.followers.retain(|follower| follower.send(fed.clone()).is_ok());
    }

    fn answer(&mut self, request: ReadRequest) {
        let latest = self.visible.latest();
        // A reader that has gone away needs no answer: every send here may fail.
        match request {
            ReadRequest::Subscribe(tenant, view, reply) => {
                let subscribed = self.visible.all(&tenant, view).map(|rows| {
                    let (sender, receiver) = mpsc::channel(SUBSCRIBE_BACKLOG_MAX);
                    self.subscriptions.add(tenant.key(), view, sender, latest, rows);
                    receiver
                });
                let _sent = reply.send(subscribed);
            }
            ReadRequest::Status(reply) => {
                let (tenants, rows) = (self.store.tenants.ids(), self.store.counts());
                let _sent = reply.send(Status { as_of: self.visible.as_of(latest), tenants, rows });
            }
            ReadRequest::Complete(epoch, reply) if epoch <= latest => {
                let _sent = reply.send(self.visible.as_of(latest));
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
