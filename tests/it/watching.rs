//! Alerts of our own are investigated without anybody asking: once for each cause that they name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agents::{Desk, Investigator, watch};
use bench::scenario::{Family, generate};
use schemas::state::{Asked, Part, ProductState, StateRequest};
use sinks::cache::Cache;
use sinks::state::{Database, Place, serve};
use tests::prove::asked::{seen, tenant};

async fn asked(state: &ProductState) -> Vec<Asked> {
    let part = Part { after: None, limit: 500 };
    state.ask(|reply| StateRequest::Investigations(tenant(), part, reply)).await.unwrap().entries
}

#[test]
fn an_alert_is_investigated_once_though_it_is_followed_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let scenario = generate(Family::BadConfig, 7);
        let engine = seen(&scenario).await.unwrap();
        let database = Database::open(&Place::Memory, i64::MAX).await.unwrap();
        let (requests, waiting) = tokio::sync::mpsc::channel(8);
        tokio::task::spawn_local(serve(database, Cache::local(0), waiting));
        let state = ProductState::new(requests);
        let desk = Desk::new(Investigator::new(engine.reader()).with_state(state.clone()), 4);
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let (desk, reader, state) = (desk.clone(), engine.reader(), state.clone());
            let ended = ended.clone();
            tokio::task::spawn_local(async move {
                let _stopped = watch::follow(desk, reader, state, tenant()).await;
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        let found = loop {
            let found = asked(&state).await;
            if !found.is_empty() {
                break found;
            }
            tokio::task::yield_now().await;
        };
        // The same question at the same epoch is the same investigation, whoever asks.
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].query.starts_with("inc_"));
        assert!(found[0].summary.contains("on commit/"), "{}", found[0].summary);
        engine.shutdown().unwrap();
        while ended.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    });
}
