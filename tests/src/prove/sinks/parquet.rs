//! What stands in Parquet files, read by DuckDB from the files that the manifests name (`tests/readers/parquet.py`).
//!
//! Every column is compared: what is expected comes from a row's JSON, not from the store's own list of columns.

use std::path::{Path, PathBuf};
use std::process::Command;

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::Value;

use super::stores::Kept;
use crate::prove::real::variable;
use crate::prove::real::views::{Texts, plain};

/// A reader of one shard's files.
pub(crate) struct Parquet {
    folder: PathBuf,
    shard: String,
    python: String,
}

impl Parquet {
    pub(crate) fn new(folder: &Path, shard: &str) -> Result<Self, String> {
        let python = variable("KGROOT_TEST_PYTHON")?;
        Ok(Parquet { folder: folder.to_owned(), shard: shard.to_owned(), python })
    }

    /// The epoch that the store says it has.
    pub(crate) fn epoch(&self) -> Result<Epoch, String> {
        let folder = self.folder.join("manifests").join(&self.shard);
        let Ok(listed) = std::fs::read_dir(&folder) else { return Ok(0) };
        // One that is being written has a name of its own.
        let paths = listed.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let newest = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).max();
        let Some(path) = newest else { return Ok(0) };
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = std::fs::read(&path).map_err(|error| failed(&error))?;
        let manifest: Value = serde_json::from_slice(&bytes).map_err(|error| failed(&error))?;
        manifest["until"].as_u64().ok_or_else(|| failed(&"no last epoch"))
    }

    /// Its live rows.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
        let mut rows = Texts::new();
        for (view, tenant, row) in live_rows(&self.python, &self.folder, &self.shard, "duckdb")? {
            rows.entry((tenant, view)).or_default().insert(plain(comparable(&row)));
        }
        Ok(Kept { epoch: self.epoch()?, rows })
    }
}

/// Live rows of a store, as a reader that is not ours finds them: `duckdb` or `pyarrow`.
pub fn live_rows(
    python: &str,
    folder: &Path,
    shard: &str,
    reader: &str,
) -> Result<Vec<(ViewName, TenantId, Value)>, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/parquet.py");
    let mut command = Command::new(python);
    let output = command.arg(script).arg("rows").arg(folder).args([shard, reader]).output();
    let output = output.map_err(|error| format!("{python}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{reader}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))).collect()
}

/// A row so that it can be compared: without fields that are null, names in order, text that is JSON taken apart.
pub fn comparable(row: &Value) -> Value {
    let fields = row.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let apart = |value: &Value| match value.as_str().filter(|text| text.starts_with(['{', '['])) {
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        None => value.clone(),
    };
    ordered(&Value::Object(fields.map(|(name, value)| (name.clone(), apart(value))).collect()))
}

fn ordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(ordered).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.iter().map(|(name, value)| (name.clone(), ordered(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            fields.into_iter().collect()
        }
        other => other.clone(),
    }
}
