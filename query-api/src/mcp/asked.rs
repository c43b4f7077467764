//! From the arguments of a call to the path of the API that answers it.
//!
//! A model wrote the arguments: each is typed, unknown ones are refused, and none can become another part of a path.

use schemas::ids::{IncidentId, TenantId};
use schemas::read::PAGE_ROWS_MAX;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::ask::Refusal;
use super::tool::Tool;

/// Most rows of a result.
pub(super) const ROWS_MAX: usize = 50;
/// Rows of a list unless the call says otherwise.
pub(super) const ROWS_DEFAULT: usize = 20;
/// Most ids that an investigation starts from.
pub(super) const CORRELATION_IDS_MAX: usize = 50;

/// What the API is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// Path with query.
    pub(super) path: String,
    /// Posted, where there is one.
    pub(super) body: Option<Value>,
    /// Most rows wanted of it.
    pub(super) limit: usize,
    /// The entity that it is about.
    pub(super) entity: Option<String>,
    /// Start and end of the window, as given.
    pub(super) window: (Option<String>, Option<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Investigate {
    query: String,
    service: Option<String>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    correlation_ids: Vec<String>,
    as_of: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incidents {
    from: Option<String>,
    to: Option<String>,
    entity: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incident {
    incident_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chains {
    incident_id: Option<String>,
    entity: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topology {
    entity: String,
    as_of: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhatChanged {
    entity: Option<String>,
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
}

/// What a call asks of the API.
pub(super) fn of(tool: Tool, arguments: Map<String, Value>, tenant: &TenantId) -> Result<Asked, Refusal> {
    let asked = match tool {
        Tool::Investigate => investigate(read(arguments)?, tenant)?,
        Tool::Incidents => {
            let Incidents { from, to, entity, limit } = read(arguments)?;
            Asked { limit: rows(limit)?, ..view("incidents", entity, (from, to)) }
        }
        Tool::Incident => {
            let Incident { incident_id } = read(arguments)?;
            Asked::at(format!("/api/v1/incidents/{}", incident(&incident_id)?))
        }
        Tool::Chains => {
            let Chains { incident_id, entity } = read(arguments)?;
            if incident_id.is_none() && entity.is_none() {
                return Err(Refusal::arguments("give incident_id, entity, or both"));
            }
            let id = incident_id.map(|id| incident(&id)).transpose()?.map(|id| id.to_string());
            view("chains", entity, (None, None)).with("incident_id", id)
        }
        Tool::Topology => {
            let Topology { entity, as_of } = read(arguments)?;
            view("topology", Some(entity), (None, None)).with("as_of", as_of.map(|epoch| epoch.to_string()))
        }
        Tool::WhatChanged => {
            let WhatChanged { entity, from, to } = read(arguments)?;
            view("change-episodes", entity, (Some(from), Some(to)))
        }
        Tool::Search => {
            let Search { query, from, to, limit } = read(arguments)?;
            let limit = rows(limit)?;
            Asked { limit, ..Asked::at("/api/v1/search") }
                .with("q", Some(query))
                .with("from", from)
                .with("to", to)
                .with("limit", Some(limit.to_string()))
        }
    };
    Ok(if asked.body.is_some() { asked } else { asked.with("tenant_id", Some(tenant.to_string())) })
}

impl Asked {
    /// What is at a path.
    pub(super) fn at(path: impl Into<String>) -> Self {
        Asked { path: path.into(), body: None, limit: ROWS_MAX, entity: None, window: (None, None) }
    }

    /// The same with a parameter, if it is given.
    pub(super) fn with(mut self, name: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            let mark = if self.path.contains('?') { '&' } else { '?' };
            self.path.push_str(&format!("{mark}{name}={}", encode(&value)));
        }
        self
    }
}

/// A whole page of a view: a list is cut only once it is in order.
fn view(name: &str, entity: Option<String>, (from, to): (Option<String>, Option<String>)) -> Asked {
    let asked = Asked::at(format!("/api/v1/{name}"))
        .with("limit", Some(PAGE_ROWS_MAX.to_string()))
        .with("entity", entity.clone())
        .with("from", from.clone())
        .with("to", to.clone());
    Asked { entity, window: (from, to), ..asked }
}

fn investigate(arguments: Investigate, tenant: &TenantId) -> Result<Asked, Refusal> {
    let Investigate { query, service, from, to, correlation_ids, as_of } = arguments;
    if CORRELATION_IDS_MAX < correlation_ids.len() {
        return Err(Refusal::arguments(format!("more than {CORRELATION_IDS_MAX} correlation_ids")));
    }
    let window = match (&from, &to) {
        (Some(from), Some(to)) => json!({"from": from, "to": to}),
        (None, None) => Value::Null,
        _ => return Err(Refusal::arguments("from and to are given together, or neither")),
    };
    let question = json!({
        "tenant_id": tenant, "query": query, "service": service, "time_window": window,
        "correlation_ids": correlation_ids, "as_of": as_of,
    });
    Ok(Asked { body: Some(question), ..Asked::at("/api/v1/investigate") })
}

fn read<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Refusal> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| Refusal::arguments(error.to_string()))
}

fn rows(asked: Option<usize>) -> Result<usize, Refusal> {
    let limit = asked.unwrap_or(ROWS_DEFAULT);
    if limit == 0 || ROWS_MAX < limit {
        return Err(Refusal::arguments(format!("limit is {limit}; use 1 to {ROWS_MAX}")));
    }
    Ok(limit)
}

fn incident(id: &str) -> Result<IncidentId, Refusal> {
    id.parse().map_err(|error: schemas::ids::IdError| Refusal::arguments(format!("incident_id: {error}")))
}

/// Percent-encodes what is not plain in a query.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/');
    let encoded = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(encoded).collect()
}
