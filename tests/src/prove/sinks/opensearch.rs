//! What stands in OpenSearch, read with requests of our own.

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Value, json};

use super::Kept;
use crate::prove::real::runtime;
use crate::prove::real::views::Texts;

/// Views that are kept.
pub(super) const VIEWS: [ViewName; 5] =
    [ViewName::Events, ViewName::Episodes, ViewName::Anomalies, ViewName::Incidents, ViewName::Alerts];
/// Documents of a page.
const PAGE: usize = 5_000;

/// A reader of one shard's indexes.
pub(super) struct OpenSearch {
    url: String,
    prefix: String,
    shard: String,
}

impl OpenSearch {
    pub(super) fn new(url: &str, prefix: &str, shard: &str) -> Result<Self, String> {
        let text = str::to_owned;
        Ok(OpenSearch { url: text(url), prefix: text(prefix), shard: text(shard) })
    }

    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let url = format!("{}/{path}", self.url);
        let failed = |error: reqwest::Error| format!("{url}: {error}");
        runtime()?.block_on(async {
            let client = reqwest::Client::new();
            let request = match body {
                Some(body) => client.post(&url).json(body),
                None => client.get(&url),
            };
            request.send().await.map_err(failed)?.json().await.map_err(failed)
        })
    }

    /// The epoch that the store says it has.
    pub(super) fn epoch(&self) -> Result<Epoch, String> {
        let found = self.ask(&format!("{}-progress/_doc/{}", self.prefix, self.shard), None)?;
        Ok(found["_source"]["epoch"].as_u64().unwrap_or(0))
    }

    /// Its live rows.
    pub(super) fn kept(&self) -> Result<Kept, String> {
        let mut rows = Texts::new();
        for view in VIEWS {
            let pattern = format!("{}-{view}*", self.prefix);
            self.ask(&format!("{pattern}/_refresh"), Some(&json!({})))?;
            let mut after: Option<Value> = None;
            loop {
                let mut query = json!({ "size": PAGE, "sort": [{ "tenant_id": "asc" }, { "key": "asc" }],
                    "query": { "term": { "live": true } } });
                if let Some(after) = &after {
                    query["search_after"] = after.clone();
                }
                let found = self.ask(&format!("{pattern}/_search"), Some(&query))?;
                let Some(hits) = found["hits"]["hits"].as_array() else { return Err(found.to_string()) };
                for hit in hits {
                    self.take(&mut rows, view, &hit["_source"])?;
                }
                match hits.last() {
                    Some(last) if hits.len() == PAGE => after = Some(last["sort"].clone()),
                    _ => break,
                }
            }
        }
        Ok(Kept { epoch: self.epoch()?, rows })
    }

    fn take(&self, rows: &mut Texts, view: ViewName, document: &Value) -> Result<(), String> {
        let tenant = document["tenant_id"].as_str().unwrap_or_default();
        let tenant: TenantId = tenant.parse().map_err(|error| format!("{document}: {error}"))?;
        if document["shard"] != json!(self.shard) {
            return Err(format!("a document of another shard: {document}"));
        }
        if !rows.entry((tenant, view)).or_default().insert(document["row"].to_string()) {
            return Err(format!("a row stands twice: {document}"));
        }
        Ok(())
    }
}
