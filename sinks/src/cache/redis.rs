//! The cache in Redis: entries that expire, and counts by a script that is one step.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisError, Script};
use schemas::ids::TenantId;
use schemas::state::{Admission, StateError};

use super::{KEPT, WINDOW};

/// How long an answer, or a connection, may take: longer than that, and this process does better alone.
const PATIENCE: Duration = Duration::from_millis(500);
/// The way of counting (GCRA) that the cache in this process has as well.
const ADMIT: &str = include_str!("admit.lua");

/// The server.
pub(super) struct Redis {
    connection: ConnectionManager,
    per_hour: u32,
    admit: Script,
}

impl Redis {
    /// Takes the address; connected when it is used.
    pub(super) fn new(address: &str, per_hour: u32) -> Result<Self, StateError> {
        let bad = |error: RedisError| {
            StateError::Broken(format!("state.redis: {error}; write redis://USER:PASSWORD@HOST:PORT"))
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(0);
        if address.starts_with("rediss:") {
            // The client takes whatever is installed, and there are two to choose from. One that is there already will do.
            let _installed = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::open(address).map_err(bad)?;
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(bad)?;
        Ok(Redis { connection, per_hour, admit: Script::new(ADMIT) })
    }

    pub(super) async fn ping(&self) -> Result<(), String> {
        let mut connection = self.connection.clone();
        connection.ping().await.map_err(told)
    }

    pub(super) async fn admit(&self, tenant: &TenantId) -> Result<Option<Admission>, String> {
        if self.per_hour == 0 {
            return Ok(None);
        }
        let (limit, window_s) = (self.per_hour, WINDOW.as_secs());
        let every_us = window_s * 1_000_000 / u64::from(limit);
        let mut connection = self.connection.clone();
        let mut counted = self.admit.key(format!("kgroot:investigations:{tenant}"));
        let counted = counted.arg(every_us).arg(limit).invoke_async(&mut connection);
        let (remaining, wait_us): (u32, u64) = counted.await.map_err(told)?;
        let refused_for_ms = (0 < wait_us).then(|| wait_us.div_ceil(1_000));
        Ok(Some(Admission { limit, window_s, remaining, refused_for_ms }))
    }

    pub(super) async fn recall(&self, tenant: &TenantId, key: &str) -> Result<Option<Vec<u8>>, String> {
        let mut connection = self.connection.clone();
        connection.get(named(tenant, key)).await.map_err(told)
    }

    pub(super) async fn remember(&self, tenant: &TenantId, key: &str, value: &[u8]) -> Result<(), String> {
        let mut connection = self.connection.clone();
        connection.set_ex(named(tenant, key), value, KEPT.as_secs()).await.map_err(told)
    }
}

/// A tenant's id has no colon: no key of one is a key of another.
fn named(tenant: &TenantId, key: &str) -> String {
    format!("kgroot:session:{tenant}:{key}")
}

fn told(error: RedisError) -> String {
    error.to_string()
}
