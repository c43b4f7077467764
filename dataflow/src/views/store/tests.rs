//! What is applied in slices, what is forgotten, and how much is remembered.

use schemas::ids::TenantId;
use schemas::read::Query;

use super::*;
use crate::views::page::page;

const PLACE_VIEW: ViewName = ViewName::Coverage;

fn row(source: &str, accepted: u64) -> Row {
    let source = source.to_owned();
    CoverageRow { source, accepted, duplicate: 0, rejected: vec![], reached: None }.into()
}

fn changes(tenant: &TenantId, rows: Vec<(Row, Diff)>) -> Changes {
    let rows = rows.into_iter().map(|(row, diff)| RowChange::of(row, diff)).collect();
    Changes { rows: BTreeMap::from([((tenant.key(), PLACE_VIEW), rows)]), ..Changes::default() }
}

fn shown(store: &Store, tenant: &TenantId, epoch: Epoch) -> Vec<Row> {
    let views = store.tenants.get(tenant.key()).unwrap();
    page(&views.view(PLACE_VIEW).read(), &Query::all(tenant, PLACE_VIEW), epoch).unwrap().rows
}

fn counted(store: &Store) -> u64 {
    store.counts().into_iter().map(|(_, count)| count).sum()
}

#[test]
fn while_an_epoch_is_applied_the_one_before_is_read_as_it_was() {
    let tenant: TenantId = "shop".parse().unwrap();
    let mut store = Store::default();
    store.tenants.introduce(vec![tenant.clone()]);
    let first: Vec<Row> = ["a", "b", "c"].map(|source| row(source, 1)).to_vec();
    let inserted = first.iter().map(|row| (row.clone(), 1)).collect();
    let mut applying = store.begin(Epochs { epoch: 1, since: 1 }, changes(&tenant, inserted));
    assert!(store.advance(&mut applying, usize::MAX));
    store.end(applying);
    let second = vec![(row("a", 1), -1), (row("a", 2), 1), (row("b", 1), -1), (row("d", 1), 1)];
    let mut applying = store.begin(Epochs { epoch: 2, since: 1 }, changes(&tenant, second.clone()));
    let mut slices = 1;
    while !store.advance(&mut applying, 1) {
        slices += 1;
        assert_eq!(shown(&store, &tenant, 1), first);
        assert_eq!(counted(&store), 3);
    }
    let changed = store.end(applying);
    assert_eq!((slices, changed.into_values().flatten().count()), (3, second.len()));
    assert_eq!(shown(&store, &tenant, 1), first);
    assert_eq!(shown(&store, &tenant, 2), [row("a", 2), row("c", 1), row("d", 1)]);
    assert_eq!(counted(&store), 3);
}

#[test]
fn forgetting_in_slices_forgets_all_that_is_old() {
    let tenant: TenantId = "shop".parse().unwrap();
    let mut store = Store::default();
    store.tenants.introduce(vec![tenant.clone()]);
    for (epoch, rows) in
        [(1, vec![(row("a", 1), 1), (row("b", 1), 1)]), (2, vec![(row("a", 1), -1), (row("b", 1), -1)])]
    {
        let mut applying = store.begin(Epochs { epoch, since: 1 }, changes(&tenant, rows));
        assert!(store.advance(&mut applying, usize::MAX));
        store.end(applying);
    }
    let mut slices = 0;
    while store.compact(2, 1) {
        slices += 1;
    }
    // Epoch 1 has nothing to forget, epoch 2 two keys.
    assert_eq!(store.remembered, 0);
    assert_eq!(slices, 3);
    assert!(shown(&store, &tenant, 2).is_empty() && store.touched.is_empty());
}

#[test]
fn no_more_is_remembered_than_there_is_room_for() {
    let tenant: TenantId = "shop".parse().unwrap();
    let mut store = Store::default();
    store.tenants.introduce(vec![tenant.clone()]);
    for epoch in 1..=9u64 {
        let changed = |source| [(row(source, epoch - 1), -1), (row(source, epoch), 1)];
        let rows = ["a", "b"].into_iter().flat_map(changed).filter(|(_, diff)| 1 < epoch || 0 < *diff);
        let rows = rows.collect();
        let mut applying = store.begin(Epochs { epoch, since: 1 }, changes(&tenant, rows));
        assert!(store.advance(&mut applying, usize::MAX));
        store.end(applying);
    }
    // Two rows are shown. Epochs 2 to 9 have two keys to forget each.
    assert_eq!([16, 15, 4, 3, 0].map(|room| store.readable_from(room)), [0, 2, 7, 8, 8]);
    while store.compact(8, usize::MAX) {}
    assert_eq!((store.remembered, store.readable_from(0)), (2, 0));
}
