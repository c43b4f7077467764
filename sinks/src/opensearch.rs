//! OpenSearch: events, episodes, anomalies, incidents and alerts, for full-text search and dashboards.
//!
//! Key     `_id` is a hash of tenant, view and key. Events are in an index per month, other views in one index each.
//! Order   within a bulk none is needed: each document carries the epoch of its last change as external version.
//! Repeat  a document that is there in the same or a later version is left as it is; progress is a document of its own,
//!         written after the rows. A row that the view has no more stays, with `live: false`.
//! Limits  bulks of so many bytes; items that are refused for the moment (429, 503) are sent again, alone. What is older than
//!         the retention is removed: events by the month, other rows once no view has them.
//!
//! A reader may see part of an epoch while it is applied; what must be of one epoch is asked of the API.

use std::collections::BTreeSet;
use std::time::Duration;

use opensearch::http::Method;
use schemas::feed::Change;
use schemas::ids::TenantId;
use schemas::time::{Epoch, EventTime};
use schemas::view::ViewName;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::document::VIEWS;
use crate::store::{Batch, Progress, Refusal, Store, StoreError, latest};

mod client;
mod retention;
pub mod search;
mod template;
mod translate;

use client::Client;
use translate::{Fate, Naming};

/// Bytes of a bulk request.
const BULK_BYTES: usize = 8 * 1024 * 1024;
/// Attempts at items that are refused for the moment, before the batch is tried again as a whole.
const ITEM_ATTEMPTS: u32 = 8;
/// Before the second attempt; doubled each time.
const ITEM_PAUSE: Duration = Duration::from_millis(50);
/// Documents closed at a time after everything was replaced.
const CLOSED_AT_A_TIME: usize = 1_000;

/// Where it is and what it is called.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Such as `https://opensearch:9200`.
    pub url: String,
    /// Name and password, if any.
    pub credentials: Option<(String, String)>,
    /// Names of indexes begin with it.
    pub prefix: String,
    /// Whose progress it keeps.
    pub shard: String,
    /// What ended longer ago is removed; `None`: nothing is.
    pub retention_ms: Option<i64>,
}

/// The store.
pub struct OpenSearch {
    client: Client,
    naming: Naming,
    /// Aliases that exist.
    aliases: BTreeSet<(String, TenantId)>,
    retention_ms: Option<i64>,
    /// When what is too old was last removed.
    removed_at: Option<EventTime>,
}

/// A document on its way.
struct Item<'a> {
    epoch: Epoch,
    change: &'a Change,
    lines: String,
}

impl OpenSearch {
    /// Reads the settings; nothing is connected yet.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let Settings { url, credentials, prefix, shard, retention_ms } = settings;
        let client = Client::new(&url, credentials)?;
        let naming = Naming { prefix, shard };
        Ok(OpenSearch { client, naming, aliases: BTreeSet::new(), retention_ms, removed_at: None })
    }

    /// Writes documents; gives those that will never be taken.
    async fn write(&mut self, mut items: Vec<Item<'_>>) -> Result<Vec<Refusal>, StoreError> {
        let mut refused = Vec::new();
        let mut pause = ITEM_PAUSE;
        for _ in 0..ITEM_ATTEMPTS {
            let mut again = Vec::new();
            let mut reason = String::new();
            for bulk in bulks(items) {
                let body: String = bulk.iter().map(|item| item.lines.as_str()).collect();
                let answer = self.client.bulk(body).await?;
                for (item, fate) in bulk.into_iter().zip(translate::fates(&answer)) {
                    match fate {
                        Fate::Done => {}
                        Fate::Again(why) => {
                            reason = why;
                            again.push(item);
                        }
                        Fate::Never(reason) => {
                            let (epoch, change) = (item.epoch, item.change.clone());
                            refused.push(Refusal { epoch, change, reason });
                        }
                    }
                }
            }
            if again.is_empty() {
                return Ok(refused);
            }
            tracing::debug!(items = again.len(), reason, "items are sent again");
            items = again;
            sleep(pause).await;
            pause *= 2;
        }
        Err(StoreError::Away(
            "some items are refused again and again; is the cluster overloaded or full?".to_owned(),
        ))
    }

    /// Everything was replaced as of an epoch: what was not touched is not live any more.
    async fn close_others(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        loop {
            self.client.refresh(&self.naming).await?;
            let query = translate::stale(&self.naming, epoch, CLOSED_AT_A_TIME);
            let found = self.client.search(&self.naming, query).await?;
            let hits = found["hits"]["hits"].as_array().cloned().unwrap_or_default();
            if hits.is_empty() {
                return Ok(());
            }
            let body: String = hits.iter().map(|hit| translate::closed(hit, epoch)).collect();
            let answer = self.client.bulk(body).await?;
            for fate in translate::fates(&answer) {
                let failed = |reason| format!("a document cannot be closed: {reason}");
                match fate {
                    Fate::Done => {}
                    Fate::Again(reason) => return Err(StoreError::Away(failed(reason))),
                    Fate::Never(reason) => return Err(StoreError::Broken(failed(reason))),
                }
            }
        }
    }

    /// Removes what is too old, from time to time.
    async fn remove_old(&mut self, now: EventTime) -> Result<(), StoreError> {
        let due = self.removed_at.is_none_or(|at| retention::EVERY_MS <= now.ms_since(at));
        let Some(retention_ms) = self.retention_ms.filter(|_| due) else { return Ok(()) };
        let before = now.plus_ms(-retention_ms);
        let listing = format!("/_cat/indices/{}?format=json&h=index", self.naming.pattern(ViewName::Events));
        let indexes = self.client.expect(Method::Get, &listing, Value::Null).await?;
        for index in retention::ended(&self.naming, &indexes, before) {
            tracing::info!(index, "every event in it is older than sinks.opensearch.retention: removed");
            self.client.expect(Method::Delete, &format!("/{index}"), Value::Null).await?;
            self.aliases.retain(|(of, _)| *of != index);
        }
        self.client.delete(&self.naming, retention::gone(&self.naming, before)).await?;
        self.removed_at = Some(now);
        Ok(())
    }

    /// One filtered name per index and tenant.
    async fn add_aliases(&mut self, changes: &[(Epoch, &Change)]) -> Result<(), StoreError> {
        let mut actions = Vec::new();
        for (_, change) in changes {
            let place = (self.naming.index(change), change.tenant.clone());
            if self.aliases.insert(place) {
                actions.push(translate::alias(&self.naming, change));
            }
        }
        if actions.is_empty() {
            return Ok(());
        }
        let added = self.client.expect(Method::Post, "/_aliases", json!({ "actions": actions })).await;
        if added.is_err() {
            self.aliases.clear();
        }
        added.map(drop)
    }
}

impl Store for OpenSearch {
    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        self.client.check_version().await?;
        for view in VIEWS {
            let (path, body) = template::template(&self.naming, view);
            self.client.expect(Method::Put, &path, body).await?;
            self.client.update_mapping(&self.naming.pattern(view), template::properties(view)).await?;
        }
        let (path, body) = template::progress(&self.naming);
        self.client.create_index(&path, body).await?;
        let found = self.client.get(&self.naming.progress_path()).await?;
        Ok(found.and_then(|document| translate::read_progress(&document)))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        let changes = latest(&batch.epochs);
        let changes: Vec<_> =
            changes.into_iter().filter(|(_, change)| VIEWS.contains(&change.view)).collect();
        let items = changes.iter().map(|(epoch, change)| Item {
            epoch: *epoch,
            change,
            lines: translate::lines(&self.naming, *epoch, change),
        });
        let refused = self.write(items.collect()).await?;
        if let Some(first) = batch.epochs.first().filter(|first| first.whole) {
            self.close_others(first.epoch).await?;
        }
        self.add_aliases(&changes).await?;
        let progress = translate::progress(&batch.progress);
        let path = self.naming.versioned_progress_path(batch.progress.epoch);
        self.client.put_newer(&path, progress).await?;
        if let Some(last) = batch.epochs.last() {
            self.remove_old(last.now).await?;
        }
        Ok(refused)
    }
}

/// Items by requests that are not too large.
fn bulks(items: Vec<Item<'_>>) -> Vec<Vec<Item<'_>>> {
    let mut bulks: Vec<Vec<Item<'_>>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let length = item.lines.len();
        match bulks.last_mut() {
            Some(bulk) if bytes + length <= BULK_BYTES => bulk.push(item),
            _ => {
                bytes = 0;
                bulks.push(vec![item]);
            }
        }
        bytes += length;
    }
    bulks
}
