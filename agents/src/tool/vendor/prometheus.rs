//! Prometheus: measures of an entity over a window, alerts, targets that are down.
//!
//! Wire: `GET /api/v1/query_range`, `/api/v1/query`, `/api/v1/alerts` of the page "HTTP API" of the Prometheus
//! documentation. Configuration may replace the query of a measure (see `promql` for its form).

mod queries;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arguments::{self, Entity, Window};
use super::measure::{self, Measure};
use super::promql::Template;
use super::series::{self, Point};
use super::{Question, summary, tool};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Category, Tool, ToolError};

/// Points of a series at most.
const POINTS: i64 = 120;
/// Seconds between points at least.
const STEP_SECONDS: i64 = 15;
/// Rates are over so many seconds at least.
const INTERVAL_SECONDS: i64 = 300;
/// Series that are shown.
const SERIES: usize = 20;
/// Alerts and jobs that are shown.
const ROWS: usize = 50;
/// Labels that are shown of one series.
const LABELS: usize = 12;

/// What configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Queries instead of the built-in ones.
    pub queries: BTreeMap<Measure, String>,
}

/// The tools of one Prometheus.
///
/// # Errors
/// A configured query is not a template.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Result<Vec<Box<dyn Tool>>, String> {
    let down = Template::parse(queries::TARGETS_DOWN).map_err(|error| format!("targets_down: {error}"))?;
    Ok(vec![
        tool(connection, &endpoint, QueryRange { templates: templates(options)? }),
        tool(connection, &endpoint, Alerts),
        tool(connection, &endpoint, TargetsDown { template: down }),
    ])
}

fn templates(options: &Options) -> Result<BTreeMap<Measure, Template>, String> {
    let parse = |measure: Measure| {
        let configured = options.queries.get(&measure).map(String::as_str);
        let template = Template::parse(configured.unwrap_or_else(|| queries::query(measure)));
        template.map(|template| (measure, template)).map_err(|error| format!("queries.{measure:?}: {error}"))
    };
    Measure::ALL.into_iter().map(parse).collect()
}

struct QueryRange {
    templates: BTreeMap<Measure, Template>,
}

#[derive(Deserialize)]
struct Range {
    measure: Measure,
    #[serde(flatten)]
    entity: Entity,
    #[serde(flatten)]
    window: Window,
}

impl QueryRange {
    /// The query and its step in seconds.
    fn build(&self, range: &Range) -> Result<(String, i64), ToolError> {
        range.entity.check()?;
        range.window.check()?;
        let seconds = range.window.length_ms().div_euclid(1_000) + 1;
        let step = seconds.div_euclid(POINTS - 1) + 1;
        let step = step.max(STEP_SECONDS);
        let template = self.templates.get(&range.measure);
        let template = template.ok_or_else(|| arguments::refused("no such measure"))?;
        Ok((template.fill(&range.entity, step.max(INTERVAL_SECONDS))?, step))
    }
}

impl Question for QueryRange {
    const OPERATION: &'static str = "query_range";
    const DESCRIPTION: &'static str = "How a measure of a namespace, service or pod ran over a window of time, and where it shifted most. \
         Name at least one of them.";
    const CATEGORY: Category = Category::Metrics;

    fn parameters(&self) -> Value {
        arguments::about(&["measure"], json!({ "measure": measure::schema() }))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let range: Range = arguments::read(arguments)?;
        let (query, step) = self.build(&range)?;
        let (from, to) = (range.window.from.to_string(), range.window.to.to_string());
        let step_text = step.to_string();
        let sent = [("query", &*query), ("start", &from), ("end", &to), ("step", &step_text)];
        let answer = endpoint.get(&["api", "v1", "query_range"], &sent).await?;
        let mut summary = read_matrix(&answer)?;
        summary["measure"] = json!(range.measure);
        summary["unit"] = json!(range.measure.unit());
        summary["step_seconds"] = json!(step);
        summary["query"] = json!(summary::line(&query, summary::QUERY));
        Ok(summary)
    }
}

/// The series of an answer, the ones that shifted most first.
fn read_matrix(answer: &Value) -> Result<Value, ToolError> {
    let mut read: Vec<(f64, Value)> = Vec::new();
    for series in results(answer, "matrix")? {
        let points: Vec<Point> = summary::items(series, "/values").iter().filter_map(point).collect();
        let summary = series::summarize(&points);
        let mut content = summary.content;
        content["labels"] = labels(series.get("metric"));
        read.push((summary.strength, content));
    }
    // Stable: what shifted alike stays in the order of the answer.
    read.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let series = summary::list(read, SERIES, |(_, content)| content);
    let warnings = summary::list(summary::items(answer, "/warnings"), 3, |warning| {
        summary::said(warning, "", summary::NAME)
    });
    Ok(json!({ "series": series, "warnings": warnings }))
}

/// The results of a successful answer of one type.
fn results<'a>(answer: &'a Value, of: &str) -> Result<&'a [Value], ToolError> {
    succeeded(answer)?;
    if summary::text(answer, "/data/resultType") != of {
        return Err(ToolError::Garbage(format!("the result is not a {of}")));
    }
    summary::needed(answer, "/data/result")
}

fn succeeded(answer: &Value) -> Result<(), ToolError> {
    match (summary::text(answer, "/status"), summary::text(answer, "/errorType")) {
        ("success", _) => Ok(()),
        ("error", "timeout" | "canceled" | "unavailable" | "internal") => {
            Err(ToolError::Unavailable("the query failed".to_owned()))
        }
        _ => Err(ToolError::Garbage("the query did not succeed".to_owned())),
    }
}

/// A point: seconds as a number, the value as text.
fn point(pair: &Value) -> Option<Point> {
    let seconds = pair.get(0)?.as_f64()?;
    Some(((seconds * 1_000.0).round() as i64, pair.get(1)?.as_str()?.parse().ok()?))
}

/// Labels, cut in number and length.
fn labels(metric: Option<&Value>) -> Value {
    let mut kept = Map::new();
    for (name, value) in metric.and_then(Value::as_object).into_iter().flatten().take(LABELS) {
        kept.insert(summary::line(name, summary::NAME), summary::said(value, "", summary::NAME));
    }
    Value::Object(kept)
}

struct Alerts;

#[derive(Deserialize)]
struct Place {
    namespace: Option<String>,
    service: Option<String>,
}

impl Question for Alerts {
    const OPERATION: &'static str = "alerts";
    const DESCRIPTION: &'static str =
        "Alerts that are pending or firing now, all of them or those of a namespace or service.";
    const CATEGORY: Category = Category::Metrics;

    fn parameters(&self) -> Value {
        let names = json!({
            "namespace": arguments::name("value of the label namespace"),
            "service": arguments::name("value of the label service"),
        });
        arguments::object(&[], names)
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let place: Place = arguments::read(arguments)?;
        read_alerts(&endpoint.get(&["api", "v1", "alerts"], &[]).await?, &place)
    }
}

/// The alerts of an answer at a place, the firing ones first, then by when they began.
fn read_alerts(answer: &Value, place: &Place) -> Result<Value, ToolError> {
    succeeded(answer)?;
    let label = |alert: &Value, name: &str, wanted: &Option<String>| {
        wanted.as_deref().is_none_or(|wanted| summary::text(alert, &format!("/labels/{name}")) == wanted)
    };
    let mut alerts: Vec<&Value> = summary::needed(answer, "/data/alerts")?
        .iter()
        .filter(|alert| {
            label(alert, "namespace", &place.namespace) && label(alert, "service", &place.service)
        })
        .collect();
    alerts
        .sort_by_key(|alert| (summary::text(alert, "/state") != "firing", summary::text(alert, "/activeAt")));
    let one = |alert: &Value| {
        json!({
            "name": summary::said(alert, "/labels/alertname", summary::NAME),
            "state": summary::said(alert, "/state", 20),
            "severity": summary::said(alert, "/labels/severity", 40),
            "active_at": summary::time(alert, "/activeAt"),
            "value": summary::said(alert, "/value", 40),
            "summary": summary::said(alert, "/annotations/summary", summary::TEXT),
            "labels": labels(alert.get("labels")),
        })
    };
    Ok(json!({ "alerts": summary::list(alerts, ROWS, one) }))
}

struct TargetsDown {
    template: Template,
}

#[derive(Deserialize)]
struct At {
    at: EventTime,
    namespace: Option<String>,
}

impl Question for TargetsDown {
    const OPERATION: &'static str = "targets_down";
    const DESCRIPTION: &'static str = "Which scraped targets did not answer at a time, counted by job.";
    const CATEGORY: Category = Category::Metrics;

    fn parameters(&self) -> Value {
        let names = json!({
            "at": arguments::time("the time"),
            "namespace": arguments::name("value of the label namespace"),
        });
        arguments::object(&["at"], names)
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let At { at, namespace } = arguments::read(arguments)?;
        namespace.as_deref().map_or(Ok(()), arguments::check_name)?;
        let entity = Entity { namespace, ..Entity::default() };
        let query = self.template.write(&entity, INTERVAL_SECONDS)?;
        let time = at.to_string();
        let answer = endpoint.get(&["api", "v1", "query"], &[("query", &query), ("time", &time)]).await?;
        read_down(&answer)
    }
}

/// The jobs of an answer, with how many targets of each are down.
fn read_down(answer: &Value) -> Result<Value, ToolError> {
    let down = |series: &Value| {
        let value = series.get("value").and_then(point).map(|(_, value)| value);
        json!({
            "namespace": summary::said(series, "/metric/namespace", summary::NAME),
            "job": summary::said(series, "/metric/job", summary::NAME),
            "down": value.filter(|value| value.is_finite()),
        })
    };
    Ok(json!({ "jobs": summary::list(results(answer, "vector")?, ROWS, down) }))
}
