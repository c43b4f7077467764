//! Names to addresses that may be reached.
//!
//! The addresses that were judged are the ones that are dialed: there is no second look-up in between. A name with one
//! address that may not be reached is refused as a whole, since somebody arranged that.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::tool::egress;

/// A look-up on its way.
pub(crate) type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows names.
pub(crate) trait Lookup: Send + Sync + 'static {
    /// All addresses of a name.
    fn lookup(&self, name: String) -> Looking;
}

/// The resolver of the system.
pub(crate) struct System;

impl Lookup for System {
    fn lookup(&self, name: String) -> Looking {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A resolver whose answers are judged.
pub(crate) struct Judged<L> {
    names: Arc<L>,
    allow_private: bool,
}

impl<L> Judged<L> {
    /// Judges what `names` answers.
    pub(crate) fn new(names: L, allow_private: bool) -> Self {
        Judged { names: Arc::new(names), allow_private }
    }
}

impl<L: Lookup> Resolve for Judged<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, allow_private) = (Arc::clone(&self.names), self.allow_private);
        Box::pin(async move {
            let found = names.lookup(name.as_str().to_owned()).await?;
            for ip in &found {
                egress::address(*ip, allow_private)?;
            }
            Ok(Box::new(found.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}
