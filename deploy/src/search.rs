//! The index that answers searches.

use std::sync::Arc;

use anyhow::Result;
use query_api::Searcher;
use schemas::search::SearchError;
use sinks::index::{self, Index};
use sinks::opensearch;

use crate::config::Config;
use crate::config::search::SearchConfig;
use crate::exit::{Cause, Failure};
use crate::stores;

/// What a configuration says about search.
pub struct SearchParts {
    /// The embedded index, to be followed as a store.
    pub index: Option<Index>,
    /// Answers; `None` if nothing does.
    pub searcher: Option<Searcher>,
}

/// Search in the process that seals.
pub fn lead(config: &Config, shard: &str) -> Result<SearchParts> {
    match config.search.checked()? {
        SearchConfig::Embedded { retention_ms } => {
            let index = Index::new(index::Settings { path: config.data.join("search"), retention_ms })
                .map_err(|error| Failure::of(Cause::State, error.to_string()))?;
            let searcher = Some(embedded(index.reader()));
            Ok(SearchParts { index: Some(index), searcher })
        }
        SearchConfig::OpenSearch | SearchConfig::Off => {
            Ok(SearchParts { index: None, searcher: follow(config, shard)? })
        }
    }
}

/// Search in another process of a cluster: the folder of the embedded index is not here.
pub fn follow(config: &Config, shard: &str) -> Result<Option<Searcher>> {
    let section = config.sinks.checked()?.opensearch;
    match (config.search.checked()?, section) {
        (SearchConfig::OpenSearch, Some(section)) => {
            let reader = opensearch::search::Reader::new(stores::opensearch_settings(&section, shard));
            let reader = Arc::new(reader.map_err(stores::refused("sinks.opensearch"))?);
            Ok(Some(Arc::new(move |search| {
                let reader = Arc::clone(&reader);
                Box::pin(async move { reader.search(&search).await })
            })))
        }
        _ => Ok(None),
    }
}

fn embedded(reader: index::Reader) -> Searcher {
    Arc::new(move |search| {
        let reader = reader.clone();
        Box::pin(async move {
            let found = tokio::task::spawn_blocking(move || reader.search(&search)).await;
            found.unwrap_or_else(|error| Err(SearchError::Away(error.to_string())))
        })
    })
}
