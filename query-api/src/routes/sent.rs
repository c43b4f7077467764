//! What a sender's request brings: a body in whole, from somebody who may append to the family.

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use flate2::read::MultiGzDecoder;
use tokio::sync::{Mutex, MutexGuard};

use crate::access::WriteAccess;
use crate::problem::Problem;
use crate::state::Api;

/// Largest body of records, as it comes and unpacked: a listing of a cluster, or many lines.
pub(crate) const RECORDS_BYTES_MAX: usize = 16 << 20;

/// Headers and body of a request.
pub(crate) struct Sent {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl FromRequest<Api> for Sent {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let body = Bytes::from_request(request, api).await.map_err(|refused| match refused.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            status => Problem::new(status, "body_unreadable", refused.body_text()),
        })?;
        Ok(Sent { headers, body })
    }
}

impl Sent {
    /// Refuses what comes from somebody who does not know the family's secret.
    pub(crate) fn prove(&self, api: &Api, access: &WriteAccess, family: &'static str) -> Result<(), Problem> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        api.senders().check((access.tenant(), family), &self.headers, &self.body, now)
    }

    /// What the body is, without its parameters; empty if it is not said.
    pub(crate) fn media(&self) -> &str {
        self.header(&CONTENT_TYPE).split(';').next().unwrap_or_default().trim()
    }

    pub(crate) fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// How the body is packed, in lower case; empty if it is not said.
    pub(crate) fn encoding(&self) -> String {
        self.header(&CONTENT_ENCODING).to_ascii_lowercase()
    }

    /// The body without gzip. What is packed in another way nobody could read after the log.
    pub(crate) fn unpacked(&self) -> Result<Bytes, Problem> {
        match &*self.encoding() {
            "" | "identity" => Ok(self.body.clone()),
            "gzip" | "x-gzip" => unzipped(&self.body).map(Bytes::from),
            packed => Err(encoding_unsupported(packed, "gzip or none")),
        }
    }
}

/// The right to decode a message of protobuf, one at a time: two bytes of it can come to a hundred times as much memory.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// 415: a body is packed in another way than is read.
pub(crate) fn encoding_unsupported(packed: &str, wanted: &str) -> Problem {
    let detail = format!("content-encoding {packed:?} is not read here; send {wanted}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unsupported", detail)
}

/// 415: a body is of another form than is read.
pub(crate) fn media_unsupported(media: &str, wanted: &str) -> Problem {
    let detail = format!("content-type {media:?} is not read here; send {wanted}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_unsupported", detail)
}

fn too_large() -> Problem {
    let detail = format!("more than {RECORDS_BYTES_MAX} bytes; send fewer records at once");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// All members of a gzip file, one after the other (RFC 1952).
fn unzipped(body: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    // One more than is taken tells that there is more.
    let read = MultiGzDecoder::new(body).take(RECORDS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Problem::bad_request("body_unreadable", format!("the body is no gzip: {error}")))?;
    if RECORDS_BYTES_MAX < bytes.len() { Err(too_large()) } else { Ok(bytes) }
}
