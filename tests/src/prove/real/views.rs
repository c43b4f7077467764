//! The views of a running process, over HTTP, as of one epoch; and the same rows of the twin, as text.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemas::ids::TenantId;
use schemas::read::PAGE_ROWS_MAX;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Value, json};

use crate::twin::Views;

/// A request may take so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Views that have no pages; they are had as the snapshot that a subscription begins with.
const SUBSCRIBED: [ViewName; 2] = [ViewName::Entities, ViewName::Changes];

/// Rows by tenant and view, as they came.
pub(crate) type Rows = BTreeMap<(TenantId, ViewName), Vec<Value>>;
/// Rows by tenant and view, as JSON text.
pub(crate) type Texts = BTreeMap<(TenantId, ViewName), BTreeSet<String>>;

/// Asks a process.
pub(crate) struct Reader {
    client: reqwest::Client,
    base: String,
}

impl Reader {
    pub(crate) fn of(listen: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        let client = client.map_err(|error| format!("HTTP client: {error}"))?;
        Ok(Reader { client, base: format!("http://{listen}/api/v1") })
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let url = format!("{}/{path}?{}", self.base, query.join("&"));
        let response = self.client.get(&url).send().await.map_err(|error| format!("{url}: {error}"))?;
        let status = response.status();
        let document: Value = response.json().await.map_err(|error| format!("{url}: {error}"))?;
        if status.is_success() { Ok(document) } else { Err(format!("{url}: {document}")) }
    }

    /// Deliveries of a tenant that the views count.
    pub(crate) async fn counted(&self, tenant: &TenantId) -> Result<u64, String> {
        let page = self.get("coverage", &[("tenant_id", tenant.as_str())]).await?;
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let of = |row: &Value| -> u64 {
            let rejected = row["rejected"].as_array().into_iter().flatten();
            let rejected: u64 = rejected.map(|pair| number(&pair[1])).sum();
            number(&row["accepted"]) + number(&row["duplicate"]) + rejected
        };
        Ok(page["rows"].as_array().into_iter().flatten().map(of).sum())
    }

    /// The latest complete epoch.
    pub(crate) async fn latest(&self, tenant: &TenantId) -> Result<Epoch, String> {
        let page = self.get("coverage", &[("tenant_id", tenant.as_str())]).await?;
        page["as_of"]["epoch"].as_u64().ok_or_else(|| format!("a page without an epoch: {page}"))
    }

    /// Every view of a tenant: pages as of the epoch, and, for views without pages, what a subscription begins with; no
    /// record comes any more, so that those do not change from epoch to epoch.
    pub(crate) async fn views(&self, tenant: &TenantId, epoch: Epoch) -> Result<Rows, String> {
        let mut found = Rows::new();
        for view in ViewName::ALL {
            let rows = match SUBSCRIBED.contains(view) {
                true => self.snapshot(tenant, *view).await?,
                false => self.pages(tenant, *view, epoch).await?,
            };
            found.insert((tenant.clone(), *view), rows);
        }
        Ok(found)
    }

    async fn pages(&self, tenant: &TenantId, view: ViewName, epoch: Epoch) -> Result<Vec<Value>, String> {
        let (as_of, limit) = (epoch.to_string(), PAGE_ROWS_MAX.to_string());
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("tenant_id", tenant.as_str()), ("as_of", &as_of), ("limit", &limit)];
            query.extend(cursor.as_ref().map(|cursor| ("cursor", cursor.as_str())));
            let mut page = self.get(view.as_str(), &query).await?;
            if page["as_of"]["epoch"].as_u64() != Some(epoch) {
                return Err(format!("{tenant}/{view}: asked as of {epoch}, got {}", page["as_of"]));
            }
            match page["rows"].take() {
                Value::Array(found) => rows.extend(found),
                other => return Err(format!("{tenant}/{view}: rows are {other}")),
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(rows),
            }
        }
    }

    async fn snapshot(&self, tenant: &TenantId, view: ViewName) -> Result<Vec<Value>, String> {
        let url = format!("{}/changes?tenant_id={tenant}&view={view}", self.base);
        let failed = |error: reqwest::Error| format!("{url}: {error}");
        let mut response = self.client.get(&url).send().await.map_err(failed)?;
        let mut text = String::new();
        // An event ends with an empty line.
        while !text.contains("\n\n") {
            let chunk = response.chunk().await.map_err(failed)?;
            let chunk = chunk.ok_or_else(|| format!("{url}: ended within its snapshot"))?;
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        let event = text.split("\n\n").next().unwrap_or_default();
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        let row = |line: &str| -> Result<Value, String> {
            let mut document: Value =
                serde_json::from_str(line).map_err(|error| format!("{url}: {error}: {line}"))?;
            if document["snapshot"] != json!(true) {
                return Err(format!("{url}: begins with a change: {line}"));
            }
            Ok(document["row"].take())
        };
        lines.filter(|line| !line.is_empty()).map(row).collect()
    }
}

fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Rows as text; each came once.
pub(crate) fn texts(rows: &Rows) -> Result<Texts, String> {
    let once = |((tenant, view), rows): (&(TenantId, ViewName), &Vec<Value>)| {
        let texts: BTreeSet<String> = rows.iter().cloned().map(plain).collect();
        if texts.len() != rows.len() {
            return Err(format!("{tenant}/{view}: a row came on two pages"));
        }
        Ok(((tenant.clone(), *view), texts))
    };
    rows.iter().map(once).collect()
}

/// The twin's rows as the API writes them.
pub(crate) fn of_twin(views: &Views, tenant: &TenantId) -> Texts {
    let rows = |view: &ViewName| -> BTreeSet<String> {
        let rows = views.get(&(tenant.clone(), *view)).into_iter().flatten();
        rows.map(|row| plain(json!(row))).collect()
    };
    ViewName::ALL.iter().map(|view| ((tenant.clone(), *view), rows(view))).collect()
}

/// The words of a refusal are for people; its code and place are the contract.
pub(crate) fn plain(mut row: Value) -> String {
    if let Some(detail) = row.pointer_mut("/error/detail") {
        *detail = Value::from("");
    }
    row.to_string()
}
