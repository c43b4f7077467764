//! OpenSearch beside a loop that posts the same documents in bulks.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use schemas::feed::Change;
use serde_json::{Value, json};
use sinks::document::{document, id};
use sinks::opensearch::{OpenSearch, Settings};
use sinks::store::Store;

use super::{TURNS, Turns, give};

/// Documents of one bulk of the plain loop, as of the store.
const BULK: usize = 5_000;

fn store(url: &str, prefix: &str) -> Result<OpenSearch> {
    let (url, prefix, shard) = (url.to_owned(), prefix.to_owned(), "bench".to_owned());
    Ok(OpenSearch::new(Settings { url, credentials: None, prefix, shard, retention_ms: None })?)
}

/// Documents a second.
pub async fn measure(url: &str, changes: &[Change]) -> Result<Value> {
    let client = reqwest::Client::new();
    let mut turns = Turns::default();
    for turn in 0..=TURNS {
        let named = |who: &str| format!("bench-{who}-{}-{turn}", std::process::id());
        let ours = give(&mut store(url, &named("store"))?, changes).await?;
        let theirs = plain(&client, url, &named("plain"), changes).await?;
        let indexes = format!("{url}/bench-*");
        client.delete(indexes).send().await?.error_for_status().context("remove the indexes")?;
        // The first turn is the server's: it has still to warm up.
        if 0 < turn {
            turns.store.push(ours);
            turns.plain.push(theirs);
        }
    }
    Ok(turns.figures(changes.len() as f64, "documents"))
}

async fn plain(client: &reqwest::Client, url: &str, prefix: &str, changes: &[Change]) -> Result<Duration> {
    // The same templates.
    store(url, prefix)?.open().await?;
    let index = format!("{prefix}-events-2026.11");
    let begun = Instant::now();
    for changes in changes.chunks(BULK) {
        let mut body = String::new();
        for change in changes {
            let action = json!({ "index": { "_index": index, "_id": id(change) } });
            body.push_str(&format!("{action}\n{}\n", document(1, change)));
        }
        let request = client.post(format!("{url}/_bulk")).header("content-type", "application/x-ndjson");
        let answer: Value = request.body(body).send().await?.error_for_status()?.json().await?;
        anyhow::ensure!(answer["errors"] == false, "the plain loop's bulk failed");
    }
    Ok(begun.elapsed())
}
