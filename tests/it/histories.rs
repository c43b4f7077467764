//! The engine equals the batch twin, on random histories, for 1, 2 and 4 workers.
//!
//! `KGROOT_TEST_HISTORIES` says how many; `KGROOT_TEST_SEED` replays one.

use dataflow::config::Clock;
use dataflow::engine::Engine;
use schemas::ids::TenantId;
use schemas::read::{Query, ReadError};
use schemas::view::{Row, ViewName};
use tests::history::history;
use tests::prove::histories::config;
use tests::prove::{Cases, histories};

pub(crate) fn number(variable: &str, default: u64) -> u64 {
    std::env::vars()
        .find(|(name, _)| name == variable)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(default)
}

#[test]
fn views_equal_the_twin_on_random_histories() {
    let one = number("KGROOT_TEST_SEED", u64::MAX);
    let cases = match one {
        u64::MAX => Cases { n: number("KGROOT_TEST_HISTORIES", 1_000), seed: 0, first: false },
        seed => Cases { n: 1, seed, first: false },
    };
    let report = histories::prove(cases);
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    println!("{}", report.document());
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
        let all = Query::all(&tenant, ViewName::Links);
        assert_eq!(reader.peek(all).await.unwrap_err(), ReadError::Stopped);
    });
}
