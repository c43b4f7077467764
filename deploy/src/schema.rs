//! `kgroot schema`: the envelope's schema, and the registry that producers share.
//!
//! One subject for all tenants and topics: the full name of the record. Producers of several versions mix, so that every
//! version must read every other; unless somebody has said otherwise of the subject, the registry is told so.

use anyhow::{Context, Result};
use reqwest::{Method, StatusCode};
use schemas::codec::avro::{ENVELOPE_SUBJECT, ENVELOPE_V1_SCHEMA, readable};
use serde_json::{Value, json};

use crate::cli::{RegistryOptions, SchemaAction, SchemaOptions};
use crate::exit::{Cause, Failure};
use crate::output::line;

/// How long one request may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// What the subject asks of later versions.
const COMPATIBILITY: &str = "FULL_TRANSITIVE";

/// Runs the command.
pub async fn run(options: SchemaOptions) -> Result<()> {
    match options.action {
        SchemaAction::Show => line(ENVELOPE_V1_SCHEMA.trim_end()),
        SchemaAction::Check(options) => {
            let schema = checked_schema(&options)?;
            let there = compatible(&Registry::at(&options.registry)?, &schema).await?;
            let compared =
                if there { "compatible with all versions in the registry" } else { "the first one" };
            line(&format!("{ENVELOPE_SUBJECT}: readable by this kgroot, {compared}"))
        }
        SchemaAction::Register(options) => {
            let schema = checked_schema(&options)?;
            let registry = Registry::at(&options.registry)?;
            registry.demand().await?;
            compatible(&registry, &schema).await?;
            let path = format!("subjects/{ENVELOPE_SUBJECT}/versions");
            let registered = registry.ask(Method::POST, &path, &json!({ "schema": schema })).await?;
            line(&format!("{ENVELOPE_SUBJECT}: registered with id {}", registered["id"]))
        }
    }
}

/// The schema of a file, or the built-in one; this program reads what is written by it.
fn checked_schema(options: &RegistryOptions) -> Result<String> {
    let Some(path) = &options.file else { return Ok(ENVELOPE_V1_SCHEMA.to_owned()) };
    let bad = |line: String| Failure::of(Cause::Input, format!("{}: {line}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(format!("{error}; check the path")))?;
    readable(&text).map_err(|reason| {
        bad(format!("{reason}; keep every field of `kgroot schema show`, and give new fields a default"))
    })?;
    Ok(text)
}

/// Whether there are versions, with all of which the schema is compatible.
async fn compatible(registry: &Registry, schema: &str) -> Result<bool> {
    let path = format!("compatibility/subjects/{ENVELOPE_SUBJECT}/versions?verbose=true");
    let (status, answer) = registry.send(Method::POST, &path, &json!({ "schema": schema })).await?;
    let lacks = registry.lacks_subject().await?;
    match status {
        _ if lacks => Ok(false),
        StatusCode::OK if answer["is_compatible"] == true => Ok(true),
        StatusCode::OK => {
            let messages = answer["messages"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let reasons: Vec<&str> = messages.collect();
            let line =
                format!("{ENVELOPE_SUBJECT}: not compatible with what is registered: {}", reasons.join("; "));
            Err(Failure::of(Cause::Input, line))
        }
        _ => Err(registry.unexpected(&path, status, &answer)),
    }
}

/// A Confluent-compatible registry.
struct Registry {
    client: reqwest::Client,
    url: String,
}

impl Registry {
    fn at(url: &str) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().context("make an HTTP client")?;
        Ok(Registry { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// Asks compatibility of the subject, unless somebody has said what it asks.
    async fn demand(&self) -> Result<()> {
        let path = format!("config/{ENVELOPE_SUBJECT}");
        let (status, said) = self.send(Method::GET, &path, &Value::Null).await?;
        // Some registries tell what holds for all subjects where nobody has said anything of this one.
        let nothing = status == StatusCode::NOT_FOUND || said["compatibilityLevel"] == "NONE";
        match status {
            _ if nothing => {
                self.ask(Method::PUT, &path, &json!({ "compatibility": COMPATIBILITY })).await.map(drop)
            }
            StatusCode::OK => Ok(()),
            _ => Err(self.unexpected(&path, status, &said)),
        }
    }

    async fn lacks_subject(&self) -> Result<bool> {
        let path = format!("subjects/{ENVELOPE_SUBJECT}/versions");
        let (status, _) = self.send(Method::GET, &path, &Value::Null).await?;
        Ok(status == StatusCode::NOT_FOUND)
    }

    /// A request that ought to succeed.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.send(method, path, body).await?;
        if status.is_success() { Ok(answer) } else { Err(self.unexpected(path, status, &answer)) }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let url = format!("{}/{path}", self.url);
        let unreachable = |error: reqwest::Error| {
            Failure::of(Cause::Unreachable, format!("{url}: {error}; check --registry"))
        };
        let mut request = self.client.request(method, &url);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    fn unexpected(&self, path: &str, status: StatusCode, answer: &Value) -> anyhow::Error {
        let reason = answer["message"].as_str().unwrap_or("no reason given");
        Failure::of(Cause::Input, format!("{}/{path} answered {status}: {reason}", self.url))
    }
}
