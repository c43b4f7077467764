//! A store in memory follows: what it is given, by where it stood.

use std::sync::{Mutex, PoisonError};

use schemas::feed::Change;
use schemas::time::EventTime;
use schemas::view::{CoverageRow, Row, ViewName};

use super::*;

/// What a store was given: first and last epoch, and whether it was whole.
type Given = Arc<Mutex<Vec<(Epoch, Epoch, bool)>>>;

/// A store that takes everything, but is away for some attempts, perhaps after some batches.
struct Memory {
    has: Option<Progress>,
    before: u32,
    away: u32,
    given: Given,
}

impl Store for Memory {
    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        Ok(self.has.clone())
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        if 0 < self.before {
            self.before -= 1;
        } else if 0 < self.away {
            self.away -= 1;
            return Err(StoreError::Away("resting".to_owned()));
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let first = &batch.epochs[0];
        given.push((first.epoch, batch.progress.epoch, first.whole));
        self.has = Some(batch.progress.clone());
        Ok(Vec::new())
    }
}

fn epoch(number: Epoch, whole: bool) -> EpochChanges {
    let row = CoverageRow {
        source: "s".to_owned(),
        accepted: number,
        duplicate: 0,
        rejected: Vec::new(),
        reached: None,
    };
    let (tenant, row) = ("a".parse().unwrap(), Row::from(row));
    let change = Change { tenant, view: ViewName::Coverage, key: row.key(), live: true, row };
    EpochChanges { epoch: number, now: EventTime(0), whole, changes: [change].into() }
}

fn progress(number: Epoch, generation: &str) -> Progress {
    Progress { epoch: number, digest: epoch(number, false).digest(), generation: generation.to_owned() }
}

/// Follows a backlog from `first` (whole, unless it is 1) to 9 until the store has epoch 9, or gives up.
fn given(name: &str, first: Epoch, has: Option<Progress>, away: u32) -> Vec<(Epoch, Epoch, bool)> {
    let backlog = backlog(name);
    append(&backlog, first..=9, first != 1);
    let given = Given::default();
    let store = Memory { has, before: 0, away, given: Arc::clone(&given) };
    followed(store, &backlog, async |applied| reached(applied, 9).await);
    taken(name, &given)
}

fn folder(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("kgroot-follow-{name}-{}", std::process::id()))
}

fn backlog(name: &str) -> Backlog {
    Backlog::begin(&folder(name), "test", u64::MAX).unwrap()
}

fn append(backlog: &Backlog, epochs: std::ops::RangeInclusive<Epoch>, whole: bool) {
    let first = *epochs.start();
    epochs.for_each(|number| backlog.append(epoch(number, whole && number == first)));
}

/// Follows until something is over.
fn followed(store: Memory, backlog: &Backlog, over: impl AsyncFnOnce(&AtomicU64)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let applied = Arc::new(AtomicU64::new(0));
    let (stop, stopped) = watch::channel(false);
    let following = Following {
        name: "memory",
        generation: "g".to_owned(),
        applied: Arc::clone(&applied),
        stop: stopped,
        refused: Box::new(|_| ()),
    };
    runtime.block_on(async {
        let until = async {
            over(&applied).await;
            stop.send_replace(true);
        };
        tokio::join!(follow(store, backlog.clone(), following), until);
    });
}

/// Waits some time until the store has an epoch.
async fn reached(applied: &AtomicU64, epoch: Epoch) {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..200 {
        looks.tick().await;
        if applied.load(Ordering::Relaxed) == epoch {
            break;
        }
    }
}

fn taken(name: &str, given: &Given) -> Vec<(Epoch, Epoch, bool)> {
    std::fs::remove_dir_all(folder(name)).unwrap();
    given.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

#[test]
fn an_empty_store_is_given_everything() {
    assert_eq!(given("empty", 1, None, 0), [(1, 9, false)]);
}

#[test]
fn a_store_goes_on_where_it_stood_and_is_tried_again_when_it_is_away() {
    assert_eq!(given("resumes", 1, Some(progress(5, "g")), 2), [(6, 9, false)]);
}

#[test]
fn a_store_that_is_behind_the_snapshot_is_given_all_rows() {
    assert_eq!(given("behind", 4, Some(progress(2, "g")), 0), [(4, 9, true)]);
}

#[test]
fn what_another_version_computed_is_replaced_as_of_an_epoch_that_the_store_does_not_have() {
    let given = given("version", 4, Some(progress(6, "older")), 0);
    assert_eq!(given.first(), Some(&(9, 9, true)));
}

#[test]
fn a_store_with_another_history_is_given_nothing() {
    let other = Progress { digest: Digest(7), ..progress(5, "g") };
    assert_eq!(given("history", 1, Some(other), 0), []);
}

#[test]
fn a_store_that_was_away_goes_on_though_every_store_has_what_it_has() {
    let (backlog, given) = (backlog("forgotten"), Given::default());
    append(&backlog, 1..=5, false);
    let store = Memory { has: None, before: 1, away: 1, given: Arc::clone(&given) };
    followed(store, &backlog, async |applied| {
        reached(applied, 5).await;
        backlog.forget(5);
        append(&backlog, 6..=6, false);
        reached(applied, 6).await;
    });
    assert_eq!(taken("forgotten", &given), [(1, 5, false), (6, 6, false)]);
}
