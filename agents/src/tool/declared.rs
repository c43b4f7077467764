//! Tools that are declared in the configuration: type `http`, one request each, answered with JSON.
//!
//! ```yaml
//! operations:
//!   - name: deployments
//!     description: Deployments of a service, newest first.
//!     category: code
//!     path: /v1/{service}/deployments
//!     query: {limit: "{limit}"}
//!     parameters:
//!       type: object
//!       required: [service]
//!       properties: {service: {type: string}, limit: {type: integer, maximum: 50}}
//! ```
//!
//! What is fixed in a template is sent as it stands; what comes from arguments is always escaped, and stays within the
//! one segment of the path, value of the query, or text of the body where it was put.

mod template;

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::template::Template;
use super::config::Connection;
use super::endpoint::Endpoint;
use super::{Call, Category, Effect, Executing, Metadata, Output, Tool, ToolError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    name: String,
    description: String,
    category: Category,
    /// `write`: carries out an approved action; then without a `body` the arguments are the body.
    #[serde(default = "reads")]
    effect: Effect,
    #[serde(default)]
    method: Verb,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    body: Option<Value>,
    parameters: Value,
}

fn reads() -> Effect {
    Effect::Read
}

/// Methods that a tool may use. Queries are often sent by POST.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Verb {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

/// One declared tool.
struct Declared {
    metadata: Metadata,
    endpoint: Endpoint,
    method: Verb,
    path: Vec<Template>,
    query: Vec<(String, Template)>,
    body: Option<Value>,
}

/// The tools of a connection of type `http`.
///
/// # Errors
/// An operation cannot be one; as a sentence that names it.
pub(crate) fn build(connection: &Connection, endpoint: Endpoint) -> Result<Vec<Box<dyn Tool>>, String> {
    let options: Options = connection.options()?;
    if options.operations.is_empty() {
        return Err("operations: there is none".to_owned());
    }
    let built = options.operations.into_iter().map(|operation| {
        let name = operation.name.clone();
        let tool = declare(connection, endpoint.clone(), operation);
        tool.map(|tool| Box::new(tool) as Box<dyn Tool>).map_err(|what| format!("operation {name}: {what}"))
    });
    built.collect()
}

fn declare(connection: &Connection, endpoint: Endpoint, operation: Operation) -> Result<Declared, String> {
    let Operation { name, description, category, effect, method, path, query, body, mut parameters } =
        operation;
    if let Some(schema) = parameters.as_object_mut() {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
    let names = |key: &str| -> BTreeSet<&str> {
        match &parameters[key] {
            Value::Object(members) => members.keys().map(String::as_str).collect(),
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            _ => BTreeSet::new(),
        }
    };
    let (known, required) = (names("properties"), names("required"));
    let path = path.strip_prefix('/').ok_or("path: does not begin with /")?;
    if path.contains(['?', '#', '\\', '%']) {
        return Err("path: no query and nothing escaped in it".to_owned());
    }
    let path: Vec<Template> = path.split('/').map(Template::parse).collect::<Result<_, _>>()?;
    let query = query.into_iter().map(|(key, text)| Template::parse(&text).map(|template| (key, template)));
    let query: Vec<(String, Template)> = query.collect::<Result<_, String>>()?;
    if let Some(free) = path.iter().flat_map(Template::names).find(|name| !required.contains(name)) {
        return Err(format!("path: {{{free}}} is not a required parameter"));
    }
    let mut used: Vec<String> =
        query.iter().flat_map(|(_, template)| template.names()).map(str::to_owned).collect();
    if let Some(body) = &body {
        template::names_in(body, &mut used)?;
    }
    if let Some(unknown) = used.iter().find(|name| !known.contains(name.as_str())) {
        return Err(format!("{{{unknown}}} is not a parameter"));
    }
    if body.is_some() && method == Verb::Get {
        return Err("body: only with method POST".to_owned());
    }
    if effect == Effect::Write && method == Verb::Get {
        return Err("effect: what writes needs method POST".to_owned());
    }
    let metadata = Metadata { effect, ..connection.metadata(&name, &description, category, parameters) };
    Ok(Declared { metadata, endpoint, method, path, query, body })
}

impl Tool for Declared {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn execute(&self, call: Call) -> Executing<'_> {
        Box::pin(async move { self.ask(&call.arguments).await.map(|content| Output { content }) })
    }
}

impl Declared {
    async fn ask(&self, arguments: &Value) -> Result<Value, ToolError> {
        let none = Map::new();
        let arguments = arguments.as_object().unwrap_or(&none);
        let mut path = Vec::new();
        for template in &self.path {
            let segment = template.fill(arguments).map_err(ToolError::Arguments)?;
            let segment =
                segment.ok_or_else(|| ToolError::Arguments("a part of the path is missing".to_owned()))?;
            // An empty part would ask for what is above it: a list instead of one thing.
            if segment.is_empty() && !template.is_fixed() {
                return Err(ToolError::Arguments("a part of the path is empty".to_owned()));
            }
            path.push(segment);
        }
        let mut query = Vec::new();
        for (key, template) in &self.query {
            if let Some(value) = template.fill(arguments).map_err(ToolError::Arguments)? {
                query.push((key.as_str(), value));
            }
        }
        let body = match &self.body {
            None if self.metadata.effect == Effect::Write => Some(Value::Object(arguments.clone())),
            Some(body) => template::fill_in(body, arguments).map_err(ToolError::Arguments)?,
            None => None,
        };
        let method = if self.method == Verb::Get { Method::GET } else { Method::POST };
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let query: Vec<(&str, &str)> = query.iter().map(|(key, value)| (*key, value.as_str())).collect();
        self.endpoint.request(method, &path, &query, body.as_ref()).await
    }
}

#[cfg(test)]
mod tests;
