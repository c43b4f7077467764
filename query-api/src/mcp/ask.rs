//! Asking the API's own routes, in the process, for whoever asks us.

use std::convert::Infallible;
use std::fmt;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::routing::MethodRouter;
use schemas::entity::Entity;
use schemas::ids::TenantId;
use schemas::read::PAGE_ROWS_MAX;
use serde::Deserialize;
use serde_json::Value;

use super::asked::Asked;
use crate::access::ReadAccess;

/// Largest answer of a route that is read: a page of the largest rows.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Pages of entities that are looked through for a name like one that is unknown.
const NEAREST_PAGES_MAX: usize = 8;
/// Names that are proposed, and how alike they must be.
const NEAREST: usize = 3;
const ALIKE: f64 = 0.5;

/// The routes of the API.
pub(super) type Routes = MethodRouter<(), Infallible>;

/// Asks routes for one who asks us.
#[derive(Clone)]
pub(super) struct Asker {
    routes: Routes,
    tenant: TenantId,
    /// What access is decided by.
    headers: HeaderMap,
}

/// Why a tool gave nothing: what a problem of the API says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Refusal {
    code: String,
    detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl Refusal {
    pub(super) fn new(code: &str, detail: impl Into<String>) -> Self {
        Refusal { code: code.to_owned(), detail: detail.into() }
    }

    /// The arguments cannot be meant.
    pub(super) fn arguments(detail: impl Into<String>) -> Self {
        Refusal::new("arguments_invalid", detail)
    }
}

/// What a route answered.
pub(super) struct Answered {
    /// The document.
    pub(super) document: Value,
    /// Where it is kept.
    pub(super) location: Option<String>,
}

impl Asker {
    /// For whoever has this access and sent these headers.
    pub(super) fn new(routes: Routes, access: &ReadAccess, headers: &HeaderMap) -> Self {
        let mut headers = headers.clone();
        // They are of the message, not of what is asked: routes that can stream would.
        for of_message in [CONTENT_LENGTH, ACCEPT, HeaderName::from_static("prefer")] {
            headers.remove(of_message);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Asker { routes, tenant: access.tenant().clone(), headers }
    }

    /// Whose views.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The document that a route answers with.
    pub(super) async fn ask(&self, asked: &Asked) -> Result<Answered, Refusal> {
        let body = asked.body.as_ref().map(|body| Body::from(body.to_string()));
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder().method(method).uri(&asked.path);
        let mut request = request
            .body(body.unwrap_or_default())
            .map_err(|error| Refusal::arguments(format!("too long or unreadable: {error}")))?;
        *request.headers_mut() = self.headers.clone();
        let (parts, body) = self.routes.clone().call(request, ()).await.into_parts();
        let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.unwrap_or_default();
        let status = parts.status.as_u16();
        let unreadable = || Refusal::new("answer_unreadable", format!("status {status}"));
        if !parts.status.is_success() {
            return Err(serde_json::from_slice(&bytes).unwrap_or_else(|_| unreadable()));
        }
        let document = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
        let location = parts.headers.get(CONTENT_LOCATION).and_then(|path| path.to_str().ok());
        Ok(Answered { document, location: location.map(str::to_owned) })
    }

    /// Refuses an entity that nothing names, with the nearest names: "no rows" would be taken for a finding.
    pub(super) async fn known(&self, entity: &str) -> Result<(), Refusal> {
        let found = self.entities(&[("entity", entity.to_owned()), ("limit", "1".to_owned())]).await?;
        if found["rows"].as_array().is_some_and(|rows| !rows.is_empty()) {
            return Ok(());
        }
        let nearest = self.nearest(entity).await?;
        let hint = if nearest.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", nearest.join(", "))
        };
        Err(Refusal::new("entity_unknown", format!("unknown entity {entity:?}{hint}")))
    }

    async fn nearest(&self, name: &str) -> Result<Vec<String>, Refusal> {
        let mut alike: Vec<(f64, String)> = Vec::new();
        let mut parameters = vec![("limit", PAGE_ROWS_MAX.to_string())];
        for _ in 0..NEAREST_PAGES_MAX {
            let page = self.entities(&parameters).await?;
            for row in page["rows"].as_array().into_iter().flatten() {
                let Ok(entity) = Entity::deserialize(&row["entity"]) else { continue };
                let known = entity.to_string();
                alike.push((strsim::normalized_damerau_levenshtein(&known, name), known));
            }
            alike.retain(|(likeness, _)| ALIKE <= *likeness);
            alike.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            alike.truncate(NEAREST);
            let Some(next) = page["next_cursor"].as_str() else { break };
            let epoch = page["as_of"]["epoch"].to_string();
            parameters =
                vec![("limit", PAGE_ROWS_MAX.to_string()), ("cursor", next.to_owned()), ("as_of", epoch)];
        }
        Ok(alike.into_iter().map(|(_, name)| name).collect())
    }

    async fn entities(&self, parameters: &[(&str, String)]) -> Result<Value, Refusal> {
        let mut asked = Asked::at("/api/v1/entities").with("tenant_id", Some(self.tenant.to_string()));
        for (name, value) in parameters {
            asked = asked.with(name, Some(value.clone()));
        }
        Ok(self.ask(&asked).await?.document)
    }
}
