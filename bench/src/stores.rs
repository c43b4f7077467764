//! Stores beside plain clients: the same rows, by the same protocol, without order, repetition or progress.
//!
//! Ours and the plain loop take turns; each turn writes into names of its own on the same server.

pub mod neo4j;
pub mod opensearch;
pub mod parquet;
pub mod rows;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use schemas::feed::{Change, EpochChanges};
use schemas::ids::Digest;
use schemas::time::{Epoch, EventTime};
use serde_json::{Value, json};
use sinks::store::{Batch, Progress, Store};

/// Turns of each.
pub const TURNS: usize = 5;

/// How long each turn took.
#[derive(Debug, Default)]
pub struct Turns {
    /// Of the store.
    pub store: Vec<Duration>,
    /// Of the plain loop.
    pub plain: Vec<Duration>,
}

impl Turns {
    /// Medians as `unit` a second, and the store's part of the plain loop's; `amount` was written in each turn.
    pub fn figures(mut self, amount: f64, unit: &str) -> Value {
        let per_s = |times: &mut Vec<Duration>| {
            times.sort();
            amount / times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
        };
        let (store, plain) = (per_s(&mut self.store), per_s(&mut self.plain));
        json!({ format!("{unit}_per_s"): store.round(), format!("plain_{unit}_per_s"): plain.round(),
            "of_plain": (store / plain * 100.0).round() / 100.0, "turns": self.store.len() })
    }
}

/// Gives a store the changes in batches of its own pace, as if each batch were an epoch; gives the time it took.
pub async fn give(store: &mut impl Store, changes: &[Change]) -> Result<Duration> {
    store.open().await.context("open the store")?;
    let batches: Vec<Batch> = changes.chunks(store.pace().changes).zip(1..).map(batch).collect();
    let begun = Instant::now();
    for batch in &batches {
        let refused = store.apply(batch).await.context("give the store a batch")?;
        anyhow::ensure!(refused.is_empty(), "the store refused {}", refused.len());
    }
    Ok(begun.elapsed())
}

fn batch((changes, epoch): (&[Change], Epoch)) -> Batch {
    let epochs = vec![EpochChanges { epoch, now: EventTime(0), whole: false, changes: changes.into() }];
    Batch { epochs, progress: Progress { epoch, digest: Digest(0), generation: "bench".to_owned() } }
}
