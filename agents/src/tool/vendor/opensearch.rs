//! OpenSearch: errors in the logs of an entity, how many a minute, and the first of them.
//!
//! Wire: the pages "Search API", "Query DSL" and "Date histogram" of the OpenSearch documentation. Queries are made of
//! `bool`, `term`, `terms`, `range` and `match_phrase` only, with names as JSON values.

mod options;
mod read;
#[cfg(test)]
mod tests;

pub use options::{Fields, Options};

use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::arguments::{self, Entity, Window};
use super::{Question, tool};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Category, Tool, ToolError};

/// Messages that are shown.
const SAMPLES: usize = 20;
/// Parts that counts are given for at most.
const BUCKETS: i64 = 120;

/// The tools of one OpenSearch.
///
/// # Errors
/// The index pattern or a field cannot be one.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Result<Vec<Box<dyn Tool>>, String> {
    options.check()?;
    Ok(vec![
        tool(connection, &endpoint, ErrorsAround(options.clone())),
        tool(connection, &endpoint, FirstError(options.clone())),
    ])
}

#[derive(Deserialize)]
struct Around {
    #[serde(flatten)]
    entity: Entity,
    #[serde(flatten)]
    window: Window,
}

impl Around {
    fn read(arguments: &Value) -> Result<Self, ToolError> {
        arguments::read::<Around>(arguments)?.checked()
    }

    fn checked(self) -> Result<Self, ToolError> {
        self.entity.check()?;
        self.window.check()?;
        Ok(self)
    }
}

/// A search for the first errors of an entity within a window.
fn search(options: &Options, around: &Around, size: usize) -> Value {
    let fields = &options.fields;
    let mut filter = vec![json!({ "range": { &fields.time: {
        "gte": around.window.from, "lt": around.window.to, "format": "strict_date_optional_time",
    } } })];
    let named = fields.of_entity().into_iter().zip(around.entity.names());
    filter.extend(named.filter_map(|(field, name)| Some(json!({ "term": { field: name? } }))));
    filter.push(errors(options));
    json!({
        "size": size,
        "track_total_hits": true,
        "timeout": "10s",
        "_source": fields.shown(),
        "sort": [{ &fields.time: { "order": "asc" } }],
        "query": { "bool": { "filter": filter } },
    })
}

/// What makes a line an error: its level, or else a word in its message.
fn errors(options: &Options) -> Value {
    match &options.fields.level {
        Some(level) => json!({ "terms": { level: options.error_levels } }),
        None => {
            let phrase = |word| json!({ "match_phrase": { &options.fields.message: word } });
            let should: Vec<Value> = options.error_words.iter().map(phrase).collect();
            json!({ "bool": { "should": should, "minimum_should_match": 1 } })
        }
    }
}

struct ErrorsAround(Options);

impl ErrorsAround {
    /// The search, and the minutes of each of its buckets.
    fn build(&self, around: &Around) -> (Value, i64) {
        let minutes = around.window.length_ms().div_euclid(60_000) + 1;
        let each = minutes.div_euclid(BUCKETS - 1) + 1;
        let mut body = search(&self.0, around, SAMPLES);
        body["aggs"] = json!({ "counts": { "date_histogram": {
            "field": self.0.fields.time, "fixed_interval": format!("{each}m"), "min_doc_count": 1,
        } } });
        (body, each)
    }
}

impl Question for ErrorsAround {
    const OPERATION: &'static str = "errors_around";
    const DESCRIPTION: &'static str = "Errors in the logs of a namespace, service or pod within a window of time: counts and the first messages. \
         Name at least one of them.";
    const CATEGORY: Category = Category::Logs;

    fn parameters(&self) -> Value {
        arguments::about(&[], json!({}))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let (body, minutes) = self.build(&Around::read(arguments)?);
        let answer = endpoint.post(&[&self.0.index, "_search"], &body).await?;
        let mut summary = read::hits(&answer, &self.0.fields, SAMPLES)?;
        summary["counts"] = read::counts(&answer);
        summary["minutes_per_count"] = json!(minutes);
        Ok(summary)
    }
}

struct FirstError(Options);

#[derive(Deserialize)]
struct After {
    #[serde(flatten)]
    entity: Entity,
    after: EventTime,
    to: EventTime,
}

impl Question for FirstError {
    const OPERATION: &'static str = "first_error_after";
    const DESCRIPTION: &'static str = "The first error in the logs of a namespace, service or pod from a time on, until another. \
         Name at least one of them.";
    const CATEGORY: Category = Category::Logs;

    fn parameters(&self) -> Value {
        arguments::about_after()
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let After { entity, after, to } = arguments::read(arguments)?;
        let around = Around { entity, window: Window { from: after, to } }.checked()?;
        let body = search(&self.0, &around, 1);
        let answer = endpoint.post(&[&self.0.index, "_search"], &body).await?;
        read::hits(&answer, &self.0.fields, 1)
    }
}
