//! `kgroot export` of a running API: every view in every format, and what is refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use deploy::cli::{ExportFormat, ExportOptions, Remote};
use deploy::export;
use schemas::time::EventTime;
use schemas::view::ViewName;
use serde_json::Value;
use tests::prove::sinks::comparable;

use crate::api::{get, run};
use crate::parquet::{ask, python};

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("kgroot-export-{name}-{}", std::process::id()))
}

fn options(url: &str, view: ViewName, out: &Path, format: ExportFormat) -> ExportOptions {
    let remote = Remote { url: url.to_owned(), tenant: "shop".parse().unwrap() };
    ExportOptions { view, from: None, to: None, out: out.to_owned(), format, force: false, remote }
}

/// All rows of a view of `shop`, as the API pages them.
async fn shown(url: &str, view: &str) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = get(&format!("{url}/api/v1/{view}?tenant_id=shop&limit=500{cursor}")).await;
        rows.extend(page["rows"].as_array().unwrap().clone());
        let Some(next) = page["next_cursor"].as_str() else { return rows };
        cursor = format!("&cursor={}", next.replace(' ', "%20"));
    }
}

async fn refused(options: ExportOptions) -> String {
    let line = export::run(options).await.unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

fn texts(rows: impl IntoIterator<Item = Value>) -> BTreeSet<String> {
    rows.into_iter().map(|row| comparable(&row).to_string()).collect()
}

#[test]
fn a_file_holds_the_rows_of_a_view_in_every_format() {
    let folder = folder("formats");
    run(async |url| {
        for view in ViewName::ALL.iter().filter(|view| **view != ViewName::Rejects) {
            let out = |end: &str| folder.join(format!("{view}.{end}"));
            export::run(options(&url, *view, &out("ndjson"), ExportFormat::Ndjson)).await.unwrap();
            let text = std::fs::read_to_string(out("ndjson")).unwrap();
            let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let name = if *view == ViewName::Changes { "episodes" } else { view.as_str() };
            let mut shown = shown(&url, name).await;
            shown.retain(|row| *view != ViewName::Changes || row["class"] == "change");
            assert_eq!(rows, shown, "{view}");
            export::run(options(&url, *view, &out("csv"), ExportFormat::Csv)).await.unwrap();
            let csv = std::fs::read_to_string(out("csv")).unwrap();
            assert!(csv.starts_with(rows[0].as_object().unwrap().keys().next().unwrap()), "{csv}");
            export::run(options(&url, *view, &out("parquet"), ExportFormat::Parquet)).await.unwrap();
            let Some(python) = python() else { continue };
            let place = out("parquet").display().to_string();
            let lines = ask(&python, &["one", &place, view.as_str(), "shop"]);
            assert_eq!(lines.len(), rows.len(), "{view}");
            assert_eq!(texts(lines.iter().map(|line| line[2].clone())), texts(rows), "{view}");
        }
    });
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_window_narrows_and_a_folder_gets_a_file_that_is_named_after_it() {
    let folder = folder("window");
    run(async |url| {
        let at = |row: &Value| EventTime::parse(row["at"].as_str().unwrap()).unwrap();
        let mut times: Vec<EventTime> = shown(&url, "events").await.iter().map(at).collect();
        times.sort();
        let (from, to) = (times[times.len() / 4], times[times.len() / 2]);
        std::fs::create_dir_all(&folder).unwrap();
        let windowed = ExportOptions {
            from: Some(from),
            to: Some(to),
            ..options(&url, ViewName::Events, &folder, ExportFormat::Ndjson)
        };
        export::run(windowed).await.unwrap();
        let found: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(found.len(), 1);
        let name = found[0].file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("events-shop-20") && name.ends_with(".ndjson"), "{name}");
        let within = times.iter().filter(|at| from <= **at && **at < to).count();
        assert_eq!(std::fs::read_to_string(&found[0]).unwrap().lines().count(), within);
        assert!(0 < within && within < times.len());
    });
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_cannot_be_exported_is_said_in_one_line_and_leaves_nothing() {
    let folder = folder("refused");
    std::fs::create_dir_all(&folder).unwrap();
    let (early, late) = (EventTime(1_000_000_000_000), EventTime(1_000_000_001_000));
    run(async |url| {
        let out = folder.join("rows");
        let wanted = |view| options(&url, view, &out, ExportFormat::Ndjson);
        let reversed = ExportOptions { from: Some(late), to: Some(early), ..wanted(ViewName::Events) };
        assert!(refused(reversed).await.contains("swap them"));
        let timeless = ExportOptions { from: Some(late), ..wanted(ViewName::Coverage) };
        assert!(refused(timeless).await.contains("have no time"));
        let empty = ExportOptions { from: Some(early), to: Some(late), ..wanted(ViewName::Events) };
        assert!(refused(empty).await.contains("nothing was written"));
        let mut strange = wanted(ViewName::Events);
        strange.remote.tenant = "nobody".parse().unwrap();
        assert!(refused(strange).await.contains("unknown tenant"));
        let mut nowhere = wanted(ViewName::Events);
        nowhere.remote.url = "http://127.0.0.1:9".to_owned();
        assert!(refused(nowhere).await.contains("not reachable"));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::write(&out, "mine").unwrap();
        assert!(refused(wanted(ViewName::Events)).await.contains("is there already"));
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
        export::run(ExportOptions { force: true, ..wanted(ViewName::Events) }).await.unwrap();
        assert!(std::fs::read_to_string(&out).unwrap().contains("event_id"));
    });
    std::fs::remove_dir_all(folder).unwrap();
}
