//! What stands in OpenSearch, read with requests of our own; and indexes that refuse to be written.

use reqwest::Method;
use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Value, json};

use super::stores::Kept;
use crate::prove::real::runtime;
use crate::prove::real::views::Texts;

/// Views that are kept.
pub(crate) const VIEWS: [ViewName; 5] =
    [ViewName::Events, ViewName::Episodes, ViewName::Anomalies, ViewName::Incidents, ViewName::Alerts];
/// Documents of a page.
const PAGE: usize = 5_000;

/// Why the server refuses what is written to an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Somebody said so: each item gets 403.
    Write,
    /// As when its disk is almost full: each item gets 429.
    FullDisk,
}

/// A reader of one shard's indexes.
pub(crate) struct OpenSearch {
    url: String,
    prefix: String,
    shard: String,
}

impl OpenSearch {
    pub(crate) fn new(url: &str, prefix: &str, shard: &str) -> Result<Self, String> {
        let text = str::to_owned;
        Ok(OpenSearch { url: text(url), prefix: text(prefix), shard: text(shard) })
    }

    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.send(if body.is_some() { Method::POST } else { Method::GET }, path, body)
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let url = format!("{}/{path}", self.url);
        let failed = |error: reqwest::Error| format!("{url}: {error}");
        runtime()?.block_on(async {
            let request = reqwest::Client::new().request(method, &url);
            let request = body.into_iter().fold(request, |request, body| request.json(body));
            request.send().await.map_err(failed)?.json().await.map_err(failed)
        })
    }

    /// Indexes that hold rows.
    pub(crate) fn indexes(&self) -> Result<Vec<String>, String> {
        let found = self.ask(&format!("_cat/indices/{}-*?format=json&h=index&s=index", self.prefix), None)?;
        let names = found.as_array().into_iter().flatten().filter_map(|index| index["index"].as_str());
        Ok(names.filter(|name| !name.ends_with("-progress")).map(str::to_owned).collect())
    }

    /// Lets the server refuse what is written to an index, or take it again.
    pub(crate) fn block(&self, index: &str, block: Block, stands: bool) -> Result<(), String> {
        let name = match block {
            Block::Write => "index.blocks.write",
            Block::FullDisk => "index.blocks.read_only_allow_delete",
        };
        let value = if stands { json!(true) } else { Value::Null };
        let answer = self.send(Method::PUT, &format!("{index}/_settings"), Some(&json!({ name: value })))?;
        if answer["acknowledged"] == true { Ok(()) } else { Err(format!("{index}: {name}: {answer}")) }
    }

    /// The epoch that the store says it has.
    pub(crate) fn epoch(&self) -> Result<Epoch, String> {
        let found = self.ask(&format!("{}-progress/_doc/{}", self.prefix, self.shard), None)?;
        Ok(found["_source"]["epoch"].as_u64().unwrap_or(0))
    }

    /// Its live rows.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
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
