//! The product state of a configuration: opened before anything is read, answered by a task.

use anyhow::Result;
use schemas::state::{ProductState, StateError};
use sinks::cache::Cache;
use sinks::state::{Database, Place, serve};
use tokio::sync::mpsc;

use crate::config::product::ProductConfig;
use crate::exit::{Cause, Failure};

/// Requests that may wait.
const WAITING_MAX: usize = 64;
/// In memory nothing gets old.
const KEEP_ALL_MS: i64 = i64::MAX;

/// Opens the database of a configuration and answers from it.
pub async fn open(config: &ProductConfig) -> Result<(Database, ProductState)> {
    let cache = cache(config).map_err(failed)?;
    let database = Database::open(&config.database, config.keep_ms).await.map_err(failed)?;
    Ok((database.clone(), start(database, cache)))
}

/// Product state that ends with the process, without limits: for a recording.
pub async fn in_memory() -> Result<ProductState> {
    let database = Database::open(&Place::Memory, KEEP_ALL_MS).await.map_err(failed)?;
    Ok(start(database, Cache::local(0)))
}

/// The cache of a configuration.
pub fn cache(config: &ProductConfig) -> Result<Cache, StateError> {
    match &config.redis {
        Some(address) => Cache::shared(address, config.investigations_per_hour),
        None => Ok(Cache::local(config.investigations_per_hour)),
    }
}

/// The task ends when nobody can ask any more.
fn start(database: Database, cache: Cache) -> ProductState {
    let (requests, asked) = mpsc::channel(WAITING_MAX);
    #[expect(clippy::disallowed_methods, reason = "tasks are spawned in this crate only")]
    drop(tokio::spawn(serve(database, cache, asked)));
    ProductState::new(requests)
}

fn failed(error: StateError) -> anyhow::Error {
    let cause = if matches!(error, StateError::Away(_)) { Cause::Unreachable } else { Cause::Config };
    Failure::of(cause, error.to_string())
}
