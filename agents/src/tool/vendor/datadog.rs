//! Datadog: measures of an entity over a window, and events of a service.
//!
//! Wire: `GET /api/v1/query` of the page "Query timeseries points" and `POST /api/v2/events/search` of the page "Search
//! events" of the Datadog API reference. Credentials are the headers `DD-API-KEY` and `DD-APPLICATION-KEY`.

mod queries;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::arguments::{self, Entity, Window};
use super::measure::{self, Measure};
use super::series::{self, Point};
use super::{Question, summary, tool};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Category, Tool, ToolError};

/// Series and events that are shown.
const ROWS: usize = 20;
/// Events that are asked for.
const EVENTS: usize = 50;
/// Tags that are shown of one series or event.
const TAGS: usize = 12;
/// Where the tags of an entity stand in a query.
const SCOPE: &str = "{scope}";

/// What configuration says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Queries instead of the built-in ones; `{scope}` stands for the tags of the entity.
    pub queries: BTreeMap<Measure, String>,
    /// The tag that names a namespace.
    pub namespace_tag: String,
    /// The tag that names a service.
    pub service_tag: String,
    /// The tag that names a pod.
    pub pod_tag: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            queries: BTreeMap::new(),
            namespace_tag: "kube_namespace".to_owned(),
            service_tag: "service".to_owned(),
            pod_tag: "pod_name".to_owned(),
        }
    }
}

/// The tools of one Datadog organization.
///
/// # Errors
/// A configured query has no `{scope}`, or a tag is none.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Result<Vec<Box<dyn Tool>>, String> {
    let tags = [&options.namespace_tag, &options.service_tag, &options.pod_tag].map(String::clone);
    if let Some(tag) = tags.iter().find(|tag| tag.is_empty() || **tag != tag_text(tag) || tag.contains(':')) {
        return Err(format!("{tag:?} is not the name of a tag"));
    }
    if let Some((measure, _)) = options.queries.iter().find(|(_, query)| !query.contains(SCOPE)) {
        return Err(format!("queries.{measure:?}: no {SCOPE} in it"));
    }
    let tags = Tags(tags);
    Ok(vec![
        tool(connection, &endpoint, Query { tags: tags.clone(), queries: options.queries.clone() }),
        tool(connection, &endpoint, Events { tags }),
    ])
}

/// The tags of namespace, service and pod.
#[derive(Clone)]
struct Tags([String; 3]);

impl Tags {
    /// The tags of an entity, each a name and a value in which nothing has a meaning.
    fn of(&self, entity: &Entity) -> Vec<(&str, String)> {
        let pairs = self.0.iter().zip(entity.names());
        pairs.filter_map(|(tag, name)| Some((tag.as_str(), tag_text(name?)))).collect()
    }
}

/// A name as Datadog keeps it in a tag: lower case, what a tag cannot hold as `_`, 200 characters at most.
fn tag_text(name: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "_-:./".contains(c) { c } else { '_' };
    name.chars().map(kept).flat_map(char::to_lowercase).take(200).collect()
}

struct Query {
    tags: Tags,
    queries: BTreeMap<Measure, String>,
}

#[derive(Deserialize)]
struct Range {
    measure: Measure,
    #[serde(flatten)]
    entity: Entity,
    #[serde(flatten)]
    window: Window,
}

impl Query {
    /// The query for an entity.
    fn build(&self, range: &Range) -> Result<String, ToolError> {
        range.entity.check()?;
        range.window.check()?;
        let tags: Vec<String> =
            self.tags.of(&range.entity).iter().map(|(tag, value)| format!("{tag}:{value}")).collect();
        let configured = self.queries.get(&range.measure).map(String::as_str);
        let template = configured.unwrap_or_else(|| queries::query(range.measure));
        Ok(template.replace(SCOPE, &format!("{{{}}}", tags.join(","))))
    }
}

impl Question for Query {
    const OPERATION: &'static str = "query";
    const DESCRIPTION: &'static str = "How a measure of a namespace, service or pod ran over a window of time, and where it shifted most. \
         Name at least one of them.";
    const CATEGORY: Category = Category::Metrics;
    const CALLS_PER_MINUTE: u32 = 25;

    fn parameters(&self) -> Value {
        arguments::about(&["measure"], json!({ "measure": measure::schema() }))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let range: Range = arguments::read(arguments)?;
        let query = self.build(&range)?;
        let seconds = |ms: i64| ms.div_euclid(1_000).to_string();
        let (from, to) = (seconds(range.window.from.0), seconds(range.window.to.0));
        let sent = [("from", &*from), ("to", &to), ("query", &query)];
        let mut summary = read_series(&endpoint.get(&["api", "v1", "query"], &sent).await?)?;
        summary["measure"] = json!(range.measure);
        summary["unit"] = json!(range.measure.unit());
        summary["query"] = json!(summary::line(&query, summary::QUERY));
        Ok(summary)
    }
}

/// The series of an answer, the ones that shifted most first.
fn read_series(answer: &Value) -> Result<Value, ToolError> {
    if summary::text(answer, "/status") != "ok" {
        return Err(ToolError::Garbage("the query did not succeed".to_owned()));
    }
    let mut read: Vec<(f64, Value)> = Vec::new();
    for series in summary::needed(answer, "/series")? {
        let points: Vec<Point> = summary::items(series, "/pointlist").iter().filter_map(point).collect();
        let summary = series::summarize(&points);
        let mut content = summary.content;
        content["metric"] = summary::said(series, "/metric", summary::NAME);
        content["tags"] = tags(series, "/tag_set");
        read.push((summary.strength, content));
    }
    // Stable: what shifted alike stays in the order of the answer.
    read.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    Ok(json!({ "series": summary::list(read, ROWS, |(_, content)| content) }))
}

/// A point: milliseconds and a value, both numbers. Where there is no value, there is no point.
fn point(pair: &Value) -> Option<Point> {
    Some((pair.get(0)?.as_f64()? as i64, pair.get(1)?.as_f64()?))
}

fn tags(value: &Value, pointer: &str) -> Value {
    summary::list(summary::items(value, pointer), TAGS, |tag| summary::said(tag, "", summary::NAME))
}

struct Events {
    tags: Tags,
}

#[derive(Deserialize)]
struct OfService {
    service: String,
    #[serde(flatten)]
    window: Window,
}

impl Events {
    /// The body of the search.
    fn build(&self, of: &OfService) -> Result<Value, ToolError> {
        arguments::check_name(&of.service)?;
        of.window.check()?;
        let entity = Entity { service: Some(of.service.clone()), ..Entity::default() };
        // Between quotes nothing that a tag can hold has a meaning.
        let terms: Vec<String> =
            self.tags.of(&entity).iter().map(|(tag, value)| format!("{tag}:\"{value}\"")).collect();
        Ok(json!({
            "filter": { "query": terms.join(" "), "from": of.window.from, "to": of.window.to },
            "sort": "timestamp",
            "page": { "limit": EVENTS },
        }))
    }
}

impl Question for Events {
    const OPERATION: &'static str = "events";
    const DESCRIPTION: &'static str =
        "Events of a service within a window of time: deployments, alerts, changes, oldest first.";
    const CATEGORY: Category = Category::Context;
    const CALLS_PER_MINUTE: u32 = 25;

    fn parameters(&self) -> Value {
        let properties = json!({
            "service": arguments::name("name of a service"),
            "from": arguments::time("start of the window"),
            "to": arguments::time("end of the window"),
        });
        arguments::object(&["service", "from", "to"], properties)
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let body = self.build(&arguments::read(arguments)?)?;
        read_events(&endpoint.post(&["api", "v2", "events", "search"], &body).await?)
    }
}

/// The events of an answer.
fn read_events(answer: &Value) -> Result<Value, ToolError> {
    let event = |event: &Value| {
        json!({
            "at": summary::time(event, "/attributes/timestamp"),
            "title": summary::said(event, "/attributes/attributes/title", summary::NAME),
            "message": summary::said(event, "/attributes/message", summary::TEXT),
            "status": summary::said(event, "/attributes/attributes/status", 40),
            "source": summary::said(event, "/attributes/attributes/evt/source", 60),
            "tags": tags(event, "/attributes/tags"),
        })
    };
    let events = summary::list(summary::needed(answer, "/data")?, ROWS, event);
    let more = answer.pointer("/meta/page/after").is_some_and(Value::is_string);
    Ok(json!({ "events": events, "more": more }))
}
