//! Product state: SQLite in the folder of all that must outlive the process and a cache in the process, unless PostgreSQL and Redis are named.

use anyhow::Result;
use schemas::time::parse_duration_ms;
use sinks::state::Place;

use super::{Config, StateSection};
use crate::exit::{Cause, Failure};

/// Product state, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductConfig {
    /// Where the database is.
    pub database: Place,
    /// How long investigations and past incidents are kept.
    pub keep_ms: i64,
    /// Where Redis is, if it is used.
    pub redis: Option<String>,
    /// Investigations an hour of each tenant; 0 for no limit.
    pub investigations_per_hour: u32,
}

impl Config {
    /// Product state.
    pub fn product(&self) -> Result<ProductConfig> {
        let bad = |line: String| Failure::of(Cause::Config, line);
        let StateSection { database, keep, redis, .. } = &self.state;
        let database = match database.as_str() {
            "" => Place::File(self.data.join("product.sqlite")),
            text => text.parse().map_err(|error| bad(format!("state.database: {error}")))?,
        };
        let keep_ms = parse_duration_ms(keep).map_err(|error| bad(format!("state.keep: {error}")))?;
        if keep_ms < self.engine()?.horizon_ms {
            let horizon = &self.engine.horizon;
            return Err(bad(format!("state.keep is {keep}, shorter than engine.horizon of {horizon}")));
        }
        let redis = Some(redis.clone()).filter(|address| !address.is_empty());
        let investigations_per_hour = self.quota.investigations_per_hour;
        Ok(ProductConfig { database, keep_ms, redis, investigations_per_hour })
    }
}
