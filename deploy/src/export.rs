//! `kgroot export`: rows of a view of a running kgroot as a file, as of one epoch.
//!
//! Key     the view, the tenant, and a window that the span of a row meets.
//! Order   Parquet lines as in the store (docs/parquet.md); the others by key.
//! Repeat  the file is there whole or not at all; one that is there is only replaced with `--force`.
//! Limits  the rows of one export in memory.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use schemas::catalogue::Class;
use schemas::feed::Change;
use schemas::time::{Epoch, EventTime};
use schemas::view::{Row, ViewName};
use serde_json::Value;

use crate::cli::{ExportFormat, ExportOptions};
use crate::exit::{Cause, Failure};
use crate::{client, output};

/// Runs the command.
pub async fn run(options: ExportOptions) -> Result<()> {
    let usage = |line: String| Failure::of(Cause::Usage, line);
    if let (Some(from), Some(to)) = (options.from, options.to)
        && to <= from
    {
        return Err(usage(format!("--to {to} is not after --from {from}; swap them")));
    }
    let timeless = matches!(options.view, ViewName::Entities | ViewName::Coverage);
    if timeless && (options.from.is_some() || options.to.is_some()) {
        let view = options.view;
        return Err(usage(format!("rows of {view} have no time; leave --from and --to out")));
    }
    let place = place(&options);
    if place.exists() && !options.force {
        let place = place.display();
        return Err(usage(format!("{place} is there already; name another --out, or --force to replace it")));
    }
    let (epoch, rows) = rows(&options).await?;
    if rows.is_empty() {
        let (view, tenant) = (options.view, &options.remote.tenant);
        let line =
            format!("no rows of {view} of {tenant} in that window as of epoch {epoch}; nothing was written");
        return Err(Failure::of(Cause::Input, line));
    }
    let bytes = match options.format {
        ExportFormat::Parquet => parquet(&options, epoch, &rows)?,
        ExportFormat::Ndjson => rows.iter().flat_map(|row| format!("{row}\n").into_bytes()).collect(),
        ExportFormat::Csv => csv(&rows).into_bytes(),
    };
    keep(&place, &bytes, options.force).map_err(|error| {
        let line =
            format!("{}: {error}; make room or give the right, or name another --out", place.display());
        Failure::of(Cause::Input, line)
    })?;
    let (count, bytes) = (rows.len(), bytes.len());
    output::line(&format!("{}: {count} rows as of epoch {epoch}, {bytes} bytes", place.display()))
}

/// The file: itself, or one in a folder that is named after what is in it.
fn place(options: &ExportOptions) -> PathBuf {
    let written = options.out.as_os_str().as_encoded_bytes();
    if !options.out.is_dir() && !written.ends_with(b"/") {
        return options.out.clone();
    }
    let bound = |at: Option<EventTime>| {
        at.map(|at| format!("-{at}").replace([':', '.'], "")).unwrap_or_else(|| "-open".to_owned())
    };
    let (view, tenant) = (options.view, &options.remote.tenant);
    let (from, to, format) = (bound(options.from), bound(options.to), options.format);
    options.out.join(format!("{view}-{tenant}{from}{to}.{}", format.extension()))
}

/// All rows as of one epoch.
async fn rows(options: &ExportOptions) -> Result<(Epoch, Vec<Value>)> {
    // Changes are episodes of a class; their path in the API is that of subscriptions.
    let changes = options.view == ViewName::Changes;
    let name = if changes { ViewName::Episodes } else { options.view };
    let times = [("from", options.from), ("to", options.to)];
    let narrow = times.into_iter().filter_map(|(name, at)| Some((name, at?.to_string()))).collect();
    let (epoch, mut rows) = client::rows(name.as_str(), &options.remote, narrow).await?;
    if changes {
        rows.retain(|row| row["class"] == Class::Change.as_str());
    }
    Ok((epoch, rows))
}

/// A file as the store writes it.
fn parquet(options: &ExportOptions, epoch: Epoch, rows: &[Value]) -> Result<Vec<u8>> {
    let (tenant, view) = (&options.remote.tenant, options.view);
    let change = |row: &Value| -> Result<Change> {
        let row = Row::of_view(view, row.clone()).map_err(|error| {
            let line = format!(
                "a row of {view} is not as this program knows it ({error}); use the server's own version"
            );
            Failure::of(Cause::Input, line)
        })?;
        Ok(Change { tenant: tenant.clone(), view, key: row.key(), live: true, row })
    };
    let changes = rows.iter().map(change).collect::<Result<Vec<_>>>()?;
    Ok(sinks::parquet::file(view, changes.iter().map(|change| (epoch, change)).collect())?)
}

/// RFC 4180: a column for every field of any row, lists and objects as JSON.
fn csv(rows: &[Value]) -> String {
    let mut columns: Vec<&String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(|row| row.keys()) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    let quoted = |text: &str| {
        let plain = !text.contains(['"', ',', '\n', '\r']);
        if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    };
    let line = |cells: Vec<String>| format!("{}\r\n", cells.join(","));
    let mut text = line(columns.iter().map(|name| quoted(name)).collect());
    for row in rows {
        let cell = |name: &&String| match &row[name.as_str()] {
            Value::Null => String::new(),
            Value::String(text) => quoted(text),
            other => quoted(&other.to_string()),
        };
        text.push_str(&line(columns.iter().map(cell).collect()));
    }
    text
}

/// Writes beside the place, then gives it the name: nobody sees half a file.
fn keep(place: &Path, bytes: &[u8], replace: bool) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut beside = place.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // A link does not replace what came meanwhile.
        if replace { std::fs::rename(&beside, place) } else { std::fs::hard_link(&beside, place) }
    })();
    if written.is_err() || !replace {
        std::fs::remove_file(&beside).ok();
    }
    written
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_csv_has_every_field_and_quotes_what_would_be_taken_apart() {
        let rows = [json!({"a": "x,\"y\"", "b": 1}), json!({"b": null, "c": ["z"], "a": "two\nlines"})];
        assert_eq!(csv(&rows), "a,b,c\r\n\"x,\"\"y\"\"\",1,\r\n\"two\nlines\",,\"[\"\"z\"\"]\"\r\n");
    }

    #[test]
    fn a_file_is_only_replaced_when_asked_and_nothing_stays_beside_it() {
        let folder = std::env::temp_dir().join(format!("kgroot-keep-{}", std::process::id()));
        let place = folder.join("new/rows.csv");
        keep(&place, b"one", false).unwrap();
        assert_eq!(keep(&place, b"two", false).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&place).unwrap(), b"one");
        keep(&place, b"two", true).unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.join("new")).unwrap().count(), 1);
        assert!(keep(Path::new("/dev/full/rows.csv"), b"x", false).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
