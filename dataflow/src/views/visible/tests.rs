//! Whoever reads while epochs are applied and forgotten sees one epoch, whole.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;

use schemas::ids::Tenant;
use schemas::read::Filter;
use schemas::view::{CoverageRow, RowKey};

use super::*;
use crate::publish::{Changes, RowChange};
use crate::views::cell::Epochs;
use crate::views::store::Store;

const VIEW: ViewName = ViewName::Coverage;
const SOURCES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Epochs at least.
const EPOCHS: Epoch = 3_000;
/// Reads at least, of epochs that are neither the first nor the last.
const READS: u64 = 1_000;

fn row(source: &str, epoch: Epoch) -> Row {
    let source = source.to_owned();
    CoverageRow { source, accepted: epoch, duplicate: 0, rejected: vec![], reached: None }.into()
}

/// A row that stays for three epochs, and is away for one.
fn brief(epoch: Epoch) -> Option<Row> {
    (!epoch.is_multiple_of(4)).then(|| row("f", epoch / 4))
}

/// Every other row says of which epoch it is.
fn changes(tenant: Tenant, epoch: Epoch) -> Changes {
    let change = |source| [(row(source, epoch - 1), -1), (row(source, epoch), 1)];
    let changed = SOURCES.into_iter().flat_map(change).filter(|(_, diff)| 1 < epoch || 0 < *diff);
    let (before, after) = (brief(epoch - 1), brief(epoch));
    let comes_or_goes =
        (before != after).then(|| before.map(|row| (row, -1)).into_iter().chain(after.map(|row| (row, 1))));
    let changed = changed.chain(comes_or_goes.into_iter().flatten());
    let changed = changed.map(|(row, diff)| RowChange::of(row, diff)).collect();
    Changes { rows: BTreeMap::from([((tenant, VIEW), changed)]), ..Changes::default() }
}

fn told(epoch: Epoch, tenants: Vec<TenantId>) -> Told {
    Told { epoch, now: EventTime(0), event_time: EventTime(0), tenants }
}

fn write(visible: &Visible, store: &mut Store, tenant: Tenant, epoch: Epoch) {
    visible.sealed(told(epoch, vec![]));
    let mut applying = store.begin(Epochs { epoch, since: visible.since() }, changes(tenant, epoch));
    while !store.advance(&mut applying, 2) {}
    store.end(applying);
    visible.complete(epoch, 0);
    while store.compact(visible.since(), 2) {}
}

/// All rows of a page are those of its epoch.
fn check(page: &Page) {
    let epoch = page.as_of.epoch;
    let rows: Vec<Row> = SOURCES.iter().map(|source| row(source, epoch)).chain(brief(epoch)).collect();
    assert_eq!(page.rows, if epoch == 0 { Vec::new() } else { rows });
}

/// Reads in three ways; gives the epoch of the first.
fn read(visible: &Visible, tenant: &TenantId) -> Epoch {
    let all = Query::all(tenant, VIEW);
    let page = visible.peek(&all).unwrap().page;
    check(&page);
    // The oldest epoch that could be read a moment ago: it is read whole, or not at all.
    match visible.peek(&Query { as_of: Some(page.as_of.since), ..all.clone() }) {
        Ok(oldest) => check(&oldest.page),
        Err(error) => assert!(matches!(error, ReadError::Epoch { .. }), "{error}"),
    }
    let keys = [RowKey::of(&row("c", 1))].into();
    let filter = Filter { keys: Some(Arc::new(keys)), ..Filter::default() };
    let one = visible.peek(&Query { filter, ..all }).unwrap().page;
    let wanted = (0 < one.as_of.epoch).then(|| row("c", one.as_of.epoch));
    assert_eq!(one.rows.first(), wanted.as_ref());
    page.as_of.epoch
}

#[test]
fn readers_see_one_epoch_whole_while_others_are_applied_and_forgotten() {
    let tenant: TenantId = "shop".parse().unwrap();
    let mut store = Store::default();
    let config = EngineConfig { epochs_readable: 1, ..EngineConfig::default() };
    let visible = Visible::of(&config, Arc::clone(&store.tenants));
    visible.sealed(told(1, vec![tenant.clone()]));
    let (ended, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut last = 0;
    std::thread::scope(|scope| {
        let reader = || {
            while !ended.load(Ordering::Relaxed) {
                if 0 < read(&visible, &tenant) {
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        // A reader that has ended has failed: there is nothing to wait for.
        let go_on = |last| last < EPOCHS || reads.load(Ordering::Relaxed) < READS;
        while go_on(last) && !readers.iter().any(ScopedJoinHandle::is_finished) {
            last += 1;
            write(&visible, &mut store, tenant.key(), last);
        }
        ended.store(true, Ordering::Relaxed);
    });
    read(&visible, &tenant);
    assert_eq!((visible.latest(), visible.since()), (last, last - 1));
}
