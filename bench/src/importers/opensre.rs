//! OpenSRE synthetic: hand-written alerts with the evidence that tools would have returned.
//!
//! The files are what an agent's tools print, not what the systems send: they are put back into the vendors' own
//! shapes (`cluster`: Kubernetes; `telemetry`: Datadog, Alertmanager, CloudWatch), which production decodes. The set
//! asks for one word out of few; `answer` says which of our kinds comes to which. A cause that is over is none.

use std::path::Path;

use anyhow::{Context, Result};
use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::Value;

use super::{CaseRecord, Prediction, investigate};

mod answer;
mod cluster;
mod telemetry;

/// One line of `cases.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
}

/// Predicts one case; the second value says why records were refused.
pub async fn predict(folder: &Path, case: &Case) -> Result<(Prediction, Vec<String>)> {
    let files = Files::read(&folder.join("cases").join(&case.case))?;
    let arrived = files.captured();
    let mut records = cluster::records(&files);
    records.extend(telemetry::records(&files));
    records.iter_mut().for_each(|record| record.arrived = arrived);
    let tenant: TenantId = TENANT.parse()?;
    let title = files.get("alert").and_then(|alert| alert["title"].as_str()).unwrap_or_default();
    let outcome = investigate(&tenant, &records, title).await?;
    let ranking = answer::ranking(&outcome);
    let (dataset, name) = (case.dataset.clone(), case.case.clone());
    Ok((Prediction { dataset, case: name, ranking, ms: outcome.ms }, outcome.rejects))
}

/// Tenant of every case.
const TENANT: &str = "case";

/// The documents of a case by file name, without the extension.
struct Files(Vec<(String, Value)>);

impl Files {
    fn read(folder: &Path) -> Result<Files> {
        let mut found = Vec::new();
        let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            let document =
                serde_json::from_slice(&bytes).with_context(|| format!("parse {}", path.display()))?;
            found.push((name, document));
        }
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(Files(found))
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, document)| document)
    }

    fn starting<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(_, document)| document)
    }

    /// Items of a list in a document.
    fn items(&self, name: &str, list: &str) -> Vec<Value> {
        let items = self.get(name).and_then(|document| document[list].as_array());
        items.cloned().unwrap_or_default()
    }

    /// When all of it was written down: the latest time that it tells.
    fn captured(&self) -> EventTime {
        self.0.iter().filter_map(|(_, document)| latest(document)).max().unwrap_or_default()
    }
}

fn latest(value: &Value) -> Option<EventTime> {
    match value {
        Value::String(text) => EventTime::parse(text).ok(),
        Value::Array(items) => items.iter().filter_map(latest).max(),
        Value::Object(map) => map.values().filter_map(latest).max(),
        _ => None,
    }
}

/// A record of a case; `predict` says when it arrived.
fn record(name: &str, format: schemas::codec::Format, document: &Value) -> CaseRecord {
    CaseRecord {
        name: name.to_owned(),
        format,
        arrived: EventTime::default(),
        bytes: document.to_string().into_bytes(),
    }
}
