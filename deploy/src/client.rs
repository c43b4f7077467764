//! Commands that ask a running kgroot over HTTP.

use anyhow::Result;
use futures_util::StreamExt;
use reqwest::{Client, Response};
use schemas::answer::Answer;
use schemas::read::PAGE_ROWS_MAX;
use schemas::time::Epoch;
use serde_json::{Value, json};

use crate::cli::{InvestigateOptions, Output, Remote, SearchOptions, TapOptions, ViewAction, ViewOptions};
use crate::exit::{Cause, Failure};
use crate::output;

/// `kgroot investigate`.
pub async fn investigate(options: InvestigateOptions) -> Result<()> {
    let mut question = json!({"tenant_id": options.remote.tenant, "query": options.query});
    if let Some(service) = &options.service {
        question["service"] = json!(service);
    }
    if let (Some(from), Some(to)) = (&options.from, &options.to) {
        question["time_window"] = json!({"from": from, "to": to});
    }
    let url = format!("{}/api/v1/investigate", options.remote.url);
    let answer: Answer =
        checked(Client::new().post(&url).json(&question).send().await, &options.remote).await?.json().await?;
    match options.output {
        Output::Table => output::answer(&answer, &[]),
        machine => output::json(&answer, machine),
    }
}

/// `kgroot incidents list` and the like.
pub async fn view(name: &str, options: ViewOptions) -> Result<()> {
    let (remote, output, narrow) = match options.action {
        ViewAction::List { remote, output } => (remote, output, None),
        ViewAction::Show { id, remote, output } => (remote, output, Some(id)),
    };
    let narrow = narrow.map(|id| (if id.starts_with("inc_") { "incident_id" } else { "entity" }, id));
    let (_, rows) = rows(name, &remote, narrow.into_iter().collect()).await?;
    match output {
        Output::Json => output::json(&rows, output),
        Output::Ndjson => rows.iter().try_for_each(|row| output::json(row, Output::Ndjson)),
        Output::Table => output::rows(&rows),
    }
}

/// Every row of a view that passes, page by page as of one epoch; gives the epoch as well.
pub(crate) async fn rows(
    name: &str,
    remote: &Remote,
    narrow: Vec<(&str, String)>,
) -> Result<(Epoch, Vec<Value>)> {
    let (mut rows, mut follows): (Vec<Value>, Vec<(&str, String)>) = Default::default();
    loop {
        let mut query = vec![("tenant_id", remote.tenant.to_string()), ("limit", PAGE_ROWS_MAX.to_string())];
        query.extend(narrow.iter().chain(&follows).cloned());
        let page = page(remote, name, &query).await?;
        rows.extend(page["rows"].as_array().cloned().unwrap_or_default());
        let epoch = page["as_of"]["epoch"].as_u64().unwrap_or_default();
        match page["next_cursor"].as_str() {
            Some(next) => follows = vec![("cursor", next.to_owned()), ("as_of", epoch.to_string())],
            None => return Ok((epoch, rows)),
        }
    }
}

/// `kgroot search`.
pub async fn search(options: SearchOptions) -> Result<()> {
    let SearchOptions { query, remote, from, to, limit, output } = options;
    let mut hits: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    while hits.len() < limit {
        let limit = PAGE_ROWS_MAX.min(limit - hits.len());
        let mut asked = vec![
            ("tenant_id", remote.tenant.to_string()),
            ("q", query.clone()),
            ("limit", limit.to_string()),
        ];
        asked.extend(from.clone().map(|from| ("from", from)));
        asked.extend(to.clone().map(|to| ("to", to)));
        asked.extend(cursor.map(|cursor| ("cursor", cursor)));
        let found = page(&remote, "search", &asked).await?;
        hits.extend(found["hits"].as_array().cloned().unwrap_or_default());
        cursor = found["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    match output {
        Output::Json => output::json(&hits, output),
        Output::Ndjson => hits.iter().try_for_each(|hit| output::json(hit, Output::Ndjson)),
        Output::Table => output::rows(&hits.iter().map(line).collect::<Vec<_>>()),
    }
}

/// What a table shows of a hit.
fn line(hit: &Value) -> Value {
    let words = ["summary", "detail", "title"].iter().map(|name| &hit["row"][*name]);
    let text = words.filter(|text| text.is_string()).max_by_key(|text| text.as_str().map(str::len));
    json!({"at": hit["at"], "view": hit["view"], "live": hit["live"], "text": text})
}

/// One page of what a path of the API gives.
async fn page(remote: &Remote, name: &str, query: &[(&str, String)]) -> Result<Value> {
    let pairs: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
    let url = format!("{}/api/v1/{name}?{}", remote.url, pairs.join("&"));
    Ok(checked(Client::new().get(&url).send().await, remote).await?.json().await?)
}

/// `kgroot tap`.
pub async fn tap(options: TapOptions) -> Result<()> {
    let url = format!(
        "{}/api/v1/changes?view={}&tenant_id={}",
        options.remote.url,
        encode(&options.view),
        options.remote.tenant
    );
    let response = checked(Client::new().get(&url).send().await, &options.remote).await?;
    let mut stream = response.bytes_stream();
    let mut pending = String::new();
    while let Some(chunk) = stream.next().await {
        pending.push_str(&String::from_utf8_lossy(&chunk?));
        while let Some(end) = pending.find('\n') {
            let line: String = pending.drain(..=end).collect();
            let Some(change) =
                line.strip_prefix("data:").and_then(|data| serde_json::from_str::<Value>(data.trim()).ok())
            else {
                continue;
            };
            let sign = if change["diff"].as_i64().unwrap_or(0) < 0 { '-' } else { '+' };
            output::line(&format!("{sign} @{} {}", change["epoch"], change["row"]))?;
        }
    }
    Ok(())
}

/// The response, or what its problem document says.
async fn checked(sent: reqwest::Result<Response>, remote: &Remote) -> Result<Response> {
    let response = sent.map_err(|error| {
        let line = format!(
            "{} is not reachable ({}); start it with `kgroot run` or name another --url",
            remote.url,
            root(&error)
        );
        Failure::of(Cause::Unreachable, line)
    })?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let problem: Value = response.json().await.unwrap_or_default();
    let detail = problem["detail"].as_str().unwrap_or("no detail");
    Err(Failure::of(
        if status.as_u16() == 400 { Cause::Usage } else { Cause::Input },
        format!("{status}: {detail}"),
    ))
}

/// The innermost reason of a failed request.
pub(crate) fn root(error: &reqwest::Error) -> String {
    let mut present: &dyn std::error::Error = error;
    while let Some(source) = present.source() {
        present = source;
    }
    present.to_string()
}

/// Percent-encodes what is not plain in a query.
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
