//! `POST /mcp`: the API for other agents, by the Model Context Protocol (its "Streamable HTTP" transport).
//!
//! Nothing is remembered between two messages and each is answered by one JSON document, so that any process behind a
//! load balancer answers any message. A tool asks the API's own routes with the headers of who asked: what may be read,
//! what is counted and what is refused is decided there and nowhere else. The tenant is named as for every other route,
//! never by an argument that a model writes.

mod ask;
mod asked;
mod lines;
mod results;
mod schemas;
mod server;
#[cfg(test)]
mod tests;
mod tool;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{any_service, post};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use crate::access::ReadAccess;
use crate::mcp::ask::{Asker, Routes};
use crate::mcp::server::Server;
use crate::problem::Problem;
use crate::state::Api;

/// The route. `questions` are the routes that tools ask; a message has at most `message_bytes_max`.
pub(crate) fn route(questions: Router, message_bytes_max: usize) -> Router<Api> {
    let routes = any_service(questions);
    let answer = async move |_: NoBrowser, access: ReadAccess, request: Request| {
        answer(routes, access, request, message_bytes_max).await
    };
    Router::new().route("/mcp", post(answer))
}

/// Answers one message.
async fn answer(routes: Routes, access: ReadAccess, request: Request, message_bytes_max: usize) -> Response {
    let asker = Asker::new(routes, &access, request.headers());
    // Any host: the API does not know by which names it is reached. What a page could do by a name of its own that
    // leads here is prevented by `NoBrowser`.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(message_bytes_max)
        .disable_allowed_hosts();
    let server = move || Ok(Server::new(asker.clone()));
    let sessions = Arc::new(NeverSessionManager::default());
    StreamableHttpService::new(server, sessions, config).handle(request).await.map(Body::new)
}

/// A request that no web page made. Browsers name the page's origin with every POST, and no page is a client of this.
struct NoBrowser;

impl<S: Send + Sync> FromRequestParts<S> for NoBrowser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.headers.contains_key(ORIGIN) {
            let detail = "web pages may not call this: the request has the header Origin";
            return Err(Problem::new(StatusCode::FORBIDDEN, "origin_refused", detail));
        }
        Ok(NoBrowser)
    }
}
