//! One system outside, by HTTP: its address, its credentials, and what is read of its answers at most.
//!
//! Every connection is made to an address that was judged a moment before (`egress`); a name that resolves to anything
//! that may not be reached is not dialed at all. No redirect is followed, no proxy is asked, nothing is decompressed,
//! and what the other side says about its failure is not repeated.

mod dial;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use url::Url;

use self::dial::{Judged, System};
use super::secret::Secret;
use super::{ToolError, egress};

/// Bytes read of one answer, unless configured.
pub const RESPONSE_BYTES: usize = 2 << 20;

/// One request ends after so long, whoever waits for it.
const TOTAL: Duration = Duration::from_secs(60);

/// Headers in one answer; their bytes are limited by the HTTP parser (about 400 KiB).
const HEADERS: usize = 64;

/// Headers that say how a message is sent, not what is asked: a configuration may not set them.
const RESERVED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "accept-encoding",
    "proxy-authorization",
    "proxy-connection",
];

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
    client: Client,
    base: Url,
    response_bytes: usize,
}

impl Endpoint {
    /// An endpoint at an address, with headers that carry credentials.
    ///
    /// # Errors
    /// The address may not be reached, or a header cannot be sent; as a sentence that says what to change.
    pub fn new(base: &str, headers: &[(&str, Secret)], egress: &Egress) -> Result<Self, String> {
        Self::resolved_by(base, headers, egress, Judged::new(System, egress.allow_private))
    }

    fn resolved_by<L: dial::Lookup>(
        base: &str,
        headers: &[(&str, Secret)],
        egress: &Egress,
        resolver: Judged<L>,
    ) -> Result<Self, String> {
        let base = egress::url(base, egress.allow_private)?;
        let client = Client::builder()
            .default_headers(sent(headers)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("kgroot/", env!("CARGO_PKG_VERSION")))
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .http1_only()
            .http1_max_headers(HEADERS)
            .connect_timeout(Duration::from_secs(2))
            .dns_resolver(resolver)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Endpoint { client, base, response_bytes: egress.response_bytes })
    }

    /// The document at a path. Segments and values are escaped: they come from names of things.
    pub async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Value, ToolError> {
        self.request(Method::GET, segments, query, None).await
    }

    /// The text at a path, where the answer is not one document. What is not UTF-8 in it is replaced.
    pub async fn get_text(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<String, ToolError> {
        let body = self.read(self.client.get(self.url(segments, query)?)).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// The document that answers another one.
    pub async fn post(&self, segments: &[&str], body: &Value) -> Result<Value, ToolError> {
        self.request(Method::POST, segments, &[], Some(body)).await
    }

    /// The document that answers a request of any shape.
    pub(crate) async fn request(
        &self,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, ToolError> {
        let request = self.client.request(method, self.url(segments, query)?);
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// The document that answers bytes under headers of this one request.
    pub(crate) async fn post_bytes(
        &self,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Value, ToolError> {
        let mut request = self.client.post(self.base.clone()).body(body);
        for (name, value) in headers {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| ToolError::Arguments(format!("header {name}")))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        self.send(request).await
    }

    /// The client, for a protocol that has its own way of asking. The caller limits time and size.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// The address, as it was judged.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Url, ToolError> {
        // Dots would be left out of the path in silence, and something else be asked.
        if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(ToolError::Arguments("a part of the path is only dots".to_owned()));
        }
        let mut url = self.base.clone();
        let path = url.path_segments_mut();
        path.map_err(|()| ToolError::Denied("the url has no path".to_owned()))?
            .pop_if_empty()
            .extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, ToolError> {
        let body = self.read(request).await?;
        serde_json::from_slice(&body).map_err(|error| {
            ToolError::Garbage(format!("not JSON at line {}, column {}", error.line(), error.column()))
        })
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, ToolError> {
        let response = request.timeout(TOTAL).send().await.map_err(|error| unanswered(&error))?;
        judge_status(&response)?;
        if response.headers().contains_key("content-encoding") {
            return Err(ToolError::Garbage("a compressed answer, which was not asked for".to_owned()));
        }
        self.body(response).await
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ToolError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(&error))? {
            if self.response_bytes < body.len() + chunk.len() {
                return Err(ToolError::TooLarge(self.response_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn sent(headers: &[(&str, Secret)]) -> Result<HeaderMap, String> {
    let mut sent = HeaderMap::new();
    for (name, value) in headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header {name:?}: not a name"))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("header {name}: may not be set"));
        }
        let value = HeaderValue::from_str(value.expose());
        let mut value = value.map_err(|_| format!("header {name}: a value that cannot be sent"))?;
        value.set_sensitive(true);
        sent.append(name, value);
    }
    Ok(sent)
}

/// What a status says its caller must do. The body is not read: it could tell of systems behind the one that was asked.
fn judge_status(response: &Response) -> Result<(), ToolError> {
    match response.status().as_u16() {
        200..=299 => Ok(()),
        status @ (400 | 404 | 410 | 422) => Err(ToolError::Arguments(format!("status {status}"))),
        403 if exhausted(response) => Err(ToolError::Limited { after: after(response) }),
        status @ (401 | 403) => Err(ToolError::Denied(format!("status {status}"))),
        status @ 300..=399 => Err(ToolError::Denied(format!("status {status}: redirects are not followed"))),
        429 => Err(ToolError::Limited { after: after(response) }),
        status @ (408 | 500..=599) => Err(ToolError::Unavailable(format!("status {status}"))),
        status => Err(ToolError::Garbage(format!("status {status}"))),
    }
}

/// Whether a refusal is about how often, not about who: the page "Rate limits for the REST API" of the GitHub documentation
/// says so by these two headers.
fn exhausted(response: &Response) -> bool {
    header(response, "x-ratelimit-remaining") == Some("0") || header(response, "retry-after").is_some()
}

/// When to ask again, if that was said: in so many seconds, or at a second since 1970.
fn after(response: &Response) -> Option<Duration> {
    let seconds = |name| header(response, name).and_then(|text| text.parse::<u64>().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let reset = || seconds("x-ratelimit-reset").map(|at| at.saturating_sub(now));
    seconds("retry-after").or_else(reset).map(Duration::from_secs)
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

/// Why there is no answer, in words of our own.
fn unanswered(error: &reqwest::Error) -> ToolError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<egress::Refused>() {
            return ToolError::Denied(refused.to_string());
        }
        if let Some(problem) = certificate(cause) {
            return ToolError::Denied(format!("the certificate {problem}"));
        }
        source = cause.source();
    }
    if error.is_timeout() {
        ToolError::Unavailable("no answer in time".to_owned())
    } else if error.is_connect() {
        ToolError::Unavailable("no connection".to_owned())
    } else {
        ToolError::Unavailable("the connection broke, or what came is not HTTP".to_owned())
    }
}

/// What is wrong with the certificate, if that is the cause. Errors of I/O, one in another, are asked for what they wrap: as a
/// source they give what lies below that.
fn certificate(mut cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    use rustls::CertificateError as E;
    while let Some(error) = cause.downcast_ref::<std::io::Error>() {
        cause = error.get_ref()?;
    }
    let rustls::Error::InvalidCertificate(problem) = cause.downcast_ref()? else { return None };
    Some(match problem {
        E::Expired | E::ExpiredContext { .. } => "has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "is not valid yet",
        E::NotValidForName | E::NotValidForNameContext { .. } => "is of another name",
        E::UnknownIssuer => "is of an issuer that this machine does not trust",
        _ => "is not valid",
    })
}

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
