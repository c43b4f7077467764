//! What stands in Parquet files, read by DuckDB from the files that the manifests name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::Value;
use sinks::parquet::Type;

use super::Kept;
use crate::prove::real::variable;
use crate::prove::real::views::Texts;

/// Reads files and prints the live rows, one JSON document a line: the last line of a key counts.
const SCRIPT: &str = r#"
import json, sys, duckdb
request = json.load(sys.stdin)
columns = ", ".join('"' + name + '"' for name in request["columns"])
rows = duckdb.sql(f"""
    SELECT tenant, {columns} FROM (
        SELECT * FROM read_parquet({request["files"]!r}, hive_partitioning = true)
        QUALIFY row_number() OVER (PARTITION BY tenant, key ORDER BY epoch DESC) = 1
    ) WHERE live
""").fetchall()
for tenant, *values in rows:
    row = {name: value for name, value in zip(request["columns"], values) if value is not None}
    print(json.dumps([tenant, row]))
"#;

/// A reader of one shard's files.
pub(super) struct Parquet {
    folder: PathBuf,
    shard: String,
    python: String,
}

impl Parquet {
    pub(super) fn new(folder: &Path, shard: &str) -> Result<Self, String> {
        let python = variable("KGROOT_TEST_PYTHON")?;
        Ok(Parquet { folder: folder.to_owned(), shard: shard.to_owned(), python })
    }

    /// The manifests, first to last.
    fn manifests(&self) -> Result<Vec<Value>, String> {
        let folder = self.folder.join("manifests").join(&self.shard);
        let Ok(listed) = std::fs::read_dir(&folder) else { return Ok(Vec::new()) };
        // One that is being written has a name of its own.
        let paths = listed.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        paths.sort();
        let read = |path: &PathBuf| -> Result<Value, String> {
            let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))
        };
        paths.iter().map(read).collect()
    }

    /// The epoch that the store says it has.
    pub(super) fn epoch(&self) -> Result<Epoch, String> {
        Ok(self.manifests()?.last().and_then(|last| last["until"].as_u64()).unwrap_or(0))
    }

    /// Its live rows.
    pub(super) fn kept(&self) -> Result<Kept, String> {
        let manifests = self.manifests()?;
        let since =
            manifests.iter().rposition(|manifest| manifest["whole"] == Value::Bool(true)).unwrap_or(0);
        let files: Vec<&Value> =
            manifests[since..].iter().flat_map(|manifest| manifest["files"].as_array()).flatten().collect();
        let mut rows = Texts::new();
        for view in ViewName::ALL {
            let of_view = files.iter().filter(|file| file["view"] == view.as_str());
            let paths: BTreeSet<String> = of_view
                .filter_map(|file| file["path"].as_str())
                .map(|path| self.folder.join(path).display().to_string())
                .collect();
            if !paths.is_empty() {
                self.read(*view, &paths, &mut rows)?;
            }
        }
        Ok(Kept { epoch: self.epoch()?, rows })
    }

    fn read(&self, view: ViewName, files: &BTreeSet<String>, rows: &mut Texts) -> Result<(), String> {
        let plain = |kind: &Type| matches!(kind, Type::Text | Type::Whole | Type::Flag);
        let columns = sinks::parquet::columns(view).iter().filter(|(_, kind)| plain(kind));
        let columns: Vec<&str> = columns.map(|(name, _)| *name).collect();
        let request = serde_json::json!({ "columns": columns, "files": files }).to_string();
        let failed = |error: std::io::Error| format!("{}: {error}", self.python);
        let mut child = Command::new(&self.python)
            .args(["-c", SCRIPT])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            std::io::Write::write_all(&mut stdin, request.as_bytes()).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            return Err(format!("DuckDB could not read {view}: {}", output.status));
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let (tenant, row): (TenantId, Value) =
                serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
            rows.entry((tenant, view)).or_default().insert(row.to_string());
        }
        Ok(())
    }
}
