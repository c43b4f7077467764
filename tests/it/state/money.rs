//! Money: set aside, settled, given back, never overspent.

use std::sync::Arc;

use futures_util::future::join_all;
use schemas::state::{ProductState, Reservation, Reserved, Spending, StateRequest as Ask};

use super::tenant;

/// Far enough ahead that nothing expires during the test.
const FAR: i64 = i64::MAX / 2;

async fn reserve(
    state: &ProductState,
    of: &str,
    id: &str,
    micros: u64,
    expires_at: i64,
    limit: u64,
) -> Reserved {
    let aside =
        Reservation { id: id.to_owned(), purpose: "inc_1".to_owned(), usd_micros: micros, expires_at };
    state.ask(|reply| Ask::Reserve(tenant(of), Box::new(aside), limit, reply)).await.unwrap()
}

async fn settle(state: &ProductState, of: &str, id: &str, micros: u64) {
    state.ask(|reply| Ask::Settle(tenant(of), id.to_owned(), micros, reply)).await.unwrap();
}

async fn spending(state: &ProductState, of: &str) -> Spending {
    state.ask(|reply| Ask::Spending(tenant(of), reply)).await.unwrap()
}

pub(super) async fn is_set_aside_and_settled(state: &ProductState) {
    assert_eq!(reserve(state, "bank", "a", 600, FAR, 1_000).await, Reserved::Granted);
    assert_eq!(reserve(state, "bank", "b", 600, FAR, 1_000).await, Reserved::Refused { used_micros: 600 });
    // Another tenant has money of its own.
    assert_eq!(reserve(state, "other", "b", 600, FAR, 1_000).await, Reserved::Granted);
    settle(state, "bank", "a", 200).await;
    assert_eq!(reserve(state, "bank", "c", 800, 1, 1_000).await, Reserved::Granted);
    // Who set that aside is gone: it had expired before, and is given back.
    assert_eq!(reserve(state, "bank", "d", 800, FAR, 1_000).await, Reserved::Granted);
    let used = spending(state, "bank").await;
    assert_eq!((used.today_micros, used.reserved_micros, used.month_micros), (200, 800, 200));
    assert_eq!(used.purposes, [("inc_1".to_owned(), 200)]);
    // It comes back after all, and what it spent counts.
    settle(state, "bank", "c", 300).await;
    settle(state, "bank", "d", 0).await;
    let used = spending(state, "bank").await;
    assert_eq!((used.today_micros, used.reserved_micros, used.month_micros), (500, 0, 500));
}

/// Many set aside at once, one of three never comes back.
pub(super) async fn is_never_overspent(state: &ProductState) {
    let state = Arc::new(state.clone());
    let each = (0..60u64).map(|number| {
        let state = Arc::clone(&state);
        async move {
            let id = format!("r{number}");
            let granted = reserve(&state, "race", &id, 100, FAR, 1_000).await == Reserved::Granted;
            if granted && number % 3 != 0 {
                settle(&state, "race", &id, 100).await;
            }
            granted
        }
    });
    let granted = join_all(each).await.into_iter().filter(|granted| *granted).count();
    let used = spending(&state, "race").await;
    assert_eq!((granted, used.today_micros + used.reserved_micros), (10, 1_000));
}
