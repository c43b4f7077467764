//! The engine equals the batch twin, on random histories, for 1, 2 and 4 workers.
//!
//! `KGROOT_TEST_HISTORIES` says how many; `KGROOT_TEST_SEED` replays one.

use std::collections::BTreeSet;

use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::ids::TenantId;
use schemas::read::{Query, ViewReader};
use schemas::view::{Row, ViewName};
use tests::history::history;
use tests::twin::{Constants, Epoch, Views, views};

const HORIZON_MS: i64 = 30 * 60_000;
const GAP_MS: i64 = 2 * 60_000;
const FUTURE_MS: i64 = 5 * 60_000;
const LATENESS_MS: i64 = 20 * 60_000;

fn config(workers: usize, clock: Clock) -> EngineConfig {
    EngineConfig {
        workers,
        clock,
        horizon_ms: HORIZON_MS,
        gap_ms: GAP_MS,
        future_ms: FUTURE_MS,
        lateness_ms: LATENESS_MS,
        ..EngineConfig::default()
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::vars()
        .find(|(name, _)| name == variable)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(default)
}

#[test]
fn views_equal_the_twin_on_random_histories() {
    let one = number("KGROOT_TEST_SEED", u64::MAX);
    let seeds: Vec<u64> =
        if one == u64::MAX { (0..number("KGROOT_TEST_HISTORIES", 500)).collect() } else { vec![one] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut compared = 0;
    for seed in seeds {
        let workers = [1, 2, 4][usize::try_from(seed % 3).unwrap()];
        let clock = if seed % 5 == 0 { Clock::Event } else { Clock::Wall };
        let epochs = history(seed);
        compared += runtime.block_on(compare(seed, workers, clock, &epochs));
    }
    println!("{compared} epochs compared");
}

async fn compare(seed: u64, workers: usize, clock: Clock, epochs: &[Epoch]) -> u64 {
    let engine = Engine::start(config(workers, clock)).unwrap();
    let reader = engine.reader();
    let constants = Constants {
        horizon_ms: HORIZON_MS,
        gap_ms: GAP_MS,
        future_ms: (clock == Clock::Wall).then_some(FUTURE_MS),
        lateness_ms: (clock == Clock::Wall).then_some(LATENESS_MS),
    };
    let mut sealed: Vec<Epoch> = Vec::new();
    let mut compared = 0;
    for (index, epoch) in epochs.iter().enumerate() {
        let number = engine.input().seal(epoch.arrivals.clone(), epoch.now).await.unwrap();
        let as_of = reader.complete(number).await.unwrap();
        sealed.push(Epoch { now: as_of.now, arrivals: epoch.arrivals.clone() });
        if index % 3 == 2 || index + 1 == epochs.len() {
            let expected = views(&sealed, constants);
            check(seed, workers, number, &reader, &expected).await;
            compared += 1;
        }
    }
    engine.shutdown().unwrap();
    compared
}

async fn check(seed: u64, workers: usize, epoch: u64, reader: &ViewReader, expected: &Views) {
    let tenants: BTreeSet<TenantId> = expected.keys().map(|(tenant, _)| tenant.clone()).collect();
    for tenant in tenants {
        for view in ViewName::ALL {
            let (rows, ..) = reader.scan(Query::all(&tenant, *view), 1_000_000).await.unwrap();
            let found: BTreeSet<Row> = rows.into_iter().map(plain).collect();
            let wanted = expected.get(&(tenant.clone(), *view)).cloned().unwrap_or_default();
            let wanted: BTreeSet<Row> = wanted.into_iter().map(plain).collect();
            let only_engine: Vec<_> = found.difference(&wanted).take(2).collect();
            let only_twin: Vec<_> = wanted.difference(&found).take(2).collect();
            assert!(
                only_engine.is_empty() && only_twin.is_empty(),
                "seed {seed}, {workers} workers, epoch {epoch}, {tenant}/{view}:\nonly in the engine: {only_engine:#?}\nonly in the twin: {only_twin:#?}"
            );
        }
    }
}

/// The words of a refusal are for people; its code and place are the contract.
fn plain(row: Row) -> Row {
    match row {
        Row::Reject(mut row) => {
            row.error.detail.clear();
            Row::Reject(row)
        }
        other => other,
    }
}

#[test]
fn a_subscription_sums_to_the_view() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::start(config(2, Clock::Wall)).unwrap();
        let reader = engine.reader();
        let tenant: TenantId = "amber".parse().unwrap();
        let epochs = history(11);
        let (first, rest) = epochs.split_at(3);
        for epoch in first {
            engine.input().seal(epoch.arrivals.clone(), epoch.now).await.unwrap();
        }
        reader.complete(3).await.unwrap();
        let mut changes = reader.subscribe(tenant.clone(), ViewName::Episodes).await.unwrap();
        let mut last = 3;
        for epoch in rest {
            last = engine.input().seal(epoch.arrivals.clone(), epoch.now).await.unwrap();
        }
        reader.complete(last).await.unwrap();
        let mut sum: std::collections::BTreeMap<Row, i64> = std::collections::BTreeMap::new();
        while let Ok(change) = changes.try_recv() {
            for (row, diff) in change.rows {
                *sum.entry(row).or_default() += diff;
            }
        }
        sum.retain(|_, count| *count != 0);
        let (rows, ..) = reader.scan(Query::all(&tenant, ViewName::Episodes), 1_000_000).await.unwrap();
        assert!(!rows.is_empty());
        assert_eq!(
            sum.into_iter().collect::<Vec<_>>(),
            rows.into_iter()
                .map(|row| (row, 1))
                .collect::<std::collections::BTreeMap<_, _>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
        engine.shutdown().unwrap();
    });
}

#[test]
fn the_past_stays_readable_and_does_not_change() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::start(config(1, Clock::Wall)).unwrap();
        let reader = engine.reader();
        let tenant: TenantId = "amber".parse().unwrap();
        let mut then = Vec::new();
        for epoch in history(23) {
            let number = engine.input().seal(epoch.arrivals, epoch.now).await.unwrap();
            reader.complete(number).await.unwrap();
            if let Ok((rows, ..)) = reader.scan(Query::all(&tenant, ViewName::Links), 1_000_000).await {
                then.push((number, rows));
            }
        }
        for (epoch, rows) in then {
            let query = Query { as_of: Some(epoch), ..Query::all(&tenant, ViewName::Links) };
            assert_eq!(reader.scan(query, 1_000_000).await.unwrap().0, rows, "epoch {epoch}");
        }
        let absurd = Query { as_of: Some(9_999), ..Query::all(&tenant, ViewName::Links) };
        assert!(reader.peek(absurd).await.is_err());
        engine.shutdown().unwrap();
    });
}
