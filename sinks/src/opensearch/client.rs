//! Requests to OpenSearch, and what their failures mean.

use std::time::Duration;

use opensearch::auth::Credentials;
use opensearch::http::headers::{CONTENT_TYPE, HeaderMap, HeaderValue};
use opensearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use opensearch::http::{Method, Url};
use serde_json::Value;

use super::translate::Naming;
use crate::store::StoreError;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Indexes that do not exist yet are no error.
const PRESENT: &str = "ignore_unavailable=true&allow_no_indices=true";
/// Major versions that are known to work.
const MAJORS: [&str; 2] = ["2", "3"];

/// A connection.
pub(super) struct Client {
    client: opensearch::OpenSearch,
    url: String,
}

impl Client {
    pub(super) fn new(url: &str, credentials: Option<(String, String)>) -> Result<Self, StoreError> {
        let broken = |error: &dyn std::fmt::Display| {
            StoreError::Broken(format!("{url}: {error}; set sinks.opensearch.url to http(s)://host:port"))
        };
        let parsed = Url::parse(url).map_err(|error| broken(&error))?;
        let mut transport = TransportBuilder::new(SingleNodeConnectionPool::new(parsed)).timeout(PATIENCE);
        if let Some((user, password)) = credentials {
            transport = transport.auth(Credentials::Basic(user, password));
        }
        let transport = transport.build().map_err(|error| broken(&error))?;
        Ok(Client { client: opensearch::OpenSearch::new(transport), url: url.to_owned() })
    }

    pub(super) async fn check_version(&self) -> Result<(), StoreError> {
        let found = self.expect(Method::Get, "/", Value::Null).await?;
        let (distribution, number) =
            (found["version"]["distribution"].as_str(), found["version"]["number"].as_str().unwrap_or("?"));
        let major = number.split('.').next().unwrap_or_default();
        if distribution == Some("opensearch") && MAJORS.contains(&major) {
            return Ok(());
        }
        let distribution = distribution.unwrap_or("another server");
        let line = format!("{} is {distribution} {number}; OpenSearch 2 or 3 is needed", self.url);
        Err(StoreError::Broken(line))
    }

    /// Adds fields to indexes that exist; one that has them otherwise is an error.
    pub(super) async fn update_mapping(&self, pattern: &str, properties: Value) -> Result<(), StoreError> {
        let path = format!("/{pattern}/_mapping?{PRESENT}");
        let body = serde_json::json!({ "properties": properties });
        let (status, answer) = self.send(Method::Put, &path, body.to_string(), "application/json").await?;
        match status {
            200 | 404 => Ok(()),
            _ => Err(StoreError::Broken(format!(
                "indexes {pattern} have other fields: {}; reindex them, or set another sinks.opensearch.prefix",
                reason(&answer)
            ))),
        }
    }

    pub(super) async fn create_index(&self, path: &str, body: Value) -> Result<(), StoreError> {
        let (status, answer) = self.send(Method::Put, path, body.to_string(), "application/json").await?;
        let exists = answer["error"]["type"] == "resource_already_exists_exception";
        if status == 200 || exists { Ok(()) } else { Err(self.unexpected(status, path, &answer)) }
    }

    /// A document; `None` if there is none.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, StoreError> {
        let (status, answer) = self.send(Method::Get, path, String::new(), "application/json").await?;
        match status {
            200 => Ok(Some(answer)),
            404 => Ok(None),
            _ => Err(self.unexpected(status, path, &answer)),
        }
    }

    /// Puts a document unless a newer one is there.
    pub(super) async fn put_newer(&self, path: &str, body: Value) -> Result<(), StoreError> {
        let (status, answer) = self.send(Method::Put, path, body.to_string(), "application/json").await?;
        match status {
            200 | 201 | 409 => Ok(()),
            _ => Err(self.unexpected(status, path, &answer)),
        }
    }

    pub(super) async fn bulk(&self, body: String) -> Result<Value, StoreError> {
        let (status, answer) = self.send(Method::Post, "/_bulk", body, "application/x-ndjson").await?;
        // What was written is unknown when the answer is none.
        if status == 200 && answer["items"].is_array() {
            Ok(answer)
        } else {
            Err(StoreError::Away(format!("{}: bulk answered {status}: {}", self.url, reason(&answer))))
        }
    }

    pub(super) async fn refresh(&self, naming: &Naming) -> Result<(), StoreError> {
        let path = format!("/{}/_refresh?{PRESENT}", naming.rows());
        self.expect(Method::Post, &path, Value::Null).await.map(drop)
    }

    pub(super) async fn search(&self, naming: &Naming, query: Value) -> Result<Value, StoreError> {
        let path = format!("/{}/_search?{PRESENT}", naming.rows());
        self.expect(Method::Post, &path, query).await
    }

    /// Removes the rows that a query finds; those that change meanwhile stay.
    pub(super) async fn delete(&self, naming: &Naming, query: Value) -> Result<(), StoreError> {
        let path = format!("/{}/_delete_by_query?conflicts=proceed&{PRESENT}", naming.rows());
        self.expect(Method::Post, &path, query).await.map(drop)
    }

    /// A request that ought to succeed.
    pub(super) async fn expect(&self, method: Method, path: &str, body: Value) -> Result<Value, StoreError> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.send(method, path, body, "application/json").await?;
        if status == 200 { Ok(answer) } else { Err(self.unexpected(status, path, &answer)) }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: String,
        content_type: &'static str,
    ) -> Result<(u16, Value), StoreError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let body = Some(body).filter(|body| !body.is_empty());
        let sent = self.client.send::<_, ()>(method, path, headers, None, body, Some(PATIENCE)).await;
        let away =
            |error: opensearch::Error| StoreError::Away(format!("{}: {}", self.url, innermost(&error)));
        let answer = sent.map_err(away)?;
        let status = answer.status_code().as_u16();
        let text = answer.text().await.map_err(away)?;
        match status {
            401 | 403 => Err(StoreError::Broken(format!(
                "{} refuses ({status}): {}; check sinks.opensearch.user and password, and what they may write",
                self.url,
                text.chars().take(200).collect::<String>()
            ))),
            429 | 500..=599 => Err(StoreError::Away(format!("{} answered {status} to {path}", self.url))),
            _ => Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null))),
        }
    }

    fn unexpected(&self, status: u16, path: &str, answer: &Value) -> StoreError {
        StoreError::Broken(format!("{} answered {status} to {path}: {}", self.url, reason(answer)))
    }
}

/// The server's words.
pub(super) fn reason(answer: &Value) -> String {
    let error = answer.get("error").unwrap_or(answer);
    let text = error.get("reason").or_else(|| error.get("type")).and_then(Value::as_str);
    text.map_or_else(|| "no reason given".to_owned(), str::to_owned)
}

/// What is at the bottom of an error, where the cause is named.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut found = error;
    while let Some(source) = found.source() {
        found = source;
    }
    found.to_string()
}
