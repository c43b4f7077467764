//! One system outside, by HTTP: its address, its credentials, and what is read of its answers at most.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use super::ToolError;
use super::secret::Secret;

/// Bytes read of one answer, unless configured.
pub const RESPONSE_BYTES: usize = 2 << 20;

/// What may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Whether addresses that are not public may be reached: loopback, private networks, link-local.
    pub allow_private: bool,
    /// Bytes read of one answer.
    pub response_bytes: usize,
}

/// One system outside.
#[derive(Clone, Debug)]
pub struct Endpoint {
    client: reqwest::Client,
    base: Url,
    response_bytes: usize,
}

impl Endpoint {
    /// An endpoint at an address, with headers that carry credentials.
    ///
    /// # Errors
    /// The address may not be reached, or a header cannot be sent; as a sentence that says what to change.
    pub fn new(base: &str, headers: &[(&str, Secret)], egress: &Egress) -> Result<Self, String> {
        let base = Url::parse(base).map_err(|error| format!("url {base:?}: {error}"))?;
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header {name:?}"))?;
            let mut value =
                HeaderValue::from_str(value.expose()).map_err(|_| format!("the value of {name}"))?;
            value.set_sensitive(true);
            sent.append(name, value);
        }
        let client = reqwest::Client::builder()
            .default_headers(sent)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(3))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Endpoint { client, base, response_bytes: egress.response_bytes })
    }

    /// The document at a path. Segments and values are escaped: they come from names of things.
    pub async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Value, ToolError> {
        self.send(self.client.get(self.url(segments, query)?)).await
    }

    /// The document that answers another one.
    pub async fn post(&self, segments: &[&str], body: &Value) -> Result<Value, ToolError> {
        self.send(self.client.post(self.url(segments, &[])?).json(body)).await
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Url, ToolError> {
        let mut url = self.base.clone();
        let path = url.path_segments_mut();
        path.map_err(|()| ToolError::Denied("the url has no path".to_owned()))?.pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, ToolError> {
        let unavailable = |error: reqwest::Error| ToolError::Unavailable(error.without_url().to_string());
        let mut response = request.send().await.map_err(unavailable)?;
        match response.status().as_u16() {
            200..=299 => {}
            status @ (401 | 403) => return Err(ToolError::Denied(format!("status {status}"))),
            429 => {
                let after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
                let after = after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
                return Err(ToolError::Limited { after });
            }
            status @ (408 | 500..=599) => return Err(ToolError::Unavailable(format!("status {status}"))),
            status => return Err(ToolError::Garbage(format!("status {status}"))),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if self.response_bytes < body.len() + chunk.len() {
                return Err(ToolError::TooLarge(self.response_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| ToolError::Garbage(error.to_string()))
    }
}
