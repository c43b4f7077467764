//! The Parquet store read by DuckDB and pyarrow, in a folder and in a bucket of an S3-compatible server; exports.
//! `KGROOT_TEST_PYTHON` is a Python with both readers and the server (`cargo verify` makes it).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use bench::scenario::{Family, generate};
use dataflow::engine::Engine;
use schemas::envelope::Severity;
use schemas::feed::{Change, EpochChanges};
use schemas::ids::{Digest, EventId, TenantId};
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::EventTime;
use schemas::view::{EventFields, EventRow, Row, ViewName};
use serde_json::{Value, json};
use sinks::parquet::{Parquet, Settings};
use sinks::store::{Batch, Progress, Store, StoreError};
use tests::prove::sinks::{comparable, live_rows};

use crate::program::{root, until, variable};

/// 2026-03-02T00:00:00Z.
const MIDNIGHT: EventTime = EventTime(1_772_409_600_000);
const HOUR_MS: i64 = 3_600_000;
const TENANTS: [(&str, Family); 2] = [("shop", Family::BadConfig), ("mall", Family::NodeLost)];

/// The Python with the readers; `None`, said aloud, where real servers are left out.
pub(crate) fn python() -> Option<String> {
    let python = variable("KGROOT_TEST_PYTHON");
    if python.is_none() {
        let meant = variable("KGROOT_TEST_WITHOUT_SERVERS").is_some();
        assert!(meant, "no readers of Parquet: run `cargo verify`, which installs them");
        println!("NOT RUN: readers of Parquet, because KGROOT_TEST_WITHOUT_SERVERS is set");
    }
    python
}

/// What a command of `tests/readers/parquet.py` prints, a document a line.
pub(crate) fn ask(python: &str, arguments: &[&str]) -> Vec<Value> {
    let script = root().join("tests/readers/parquet.py");
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("kgroot-parquet-{name}-{}", std::process::id()))
}

fn store(url: &str, options: &[(&str, &str)]) -> Parquet {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (every, shard) = (Duration::ZERO, "main".to_owned());
    Parquet::new(Settings { url: url.to_owned(), options, every, retention_ms: None, shard }).unwrap()
}

async fn give(store: &mut Parquet, epochs: &[EpochChanges]) -> Result<(), StoreError> {
    let last = epochs.last().unwrap();
    let progress = Progress { epoch: last.epoch, digest: last.digest(), generation: "g".to_owned() };
    let refused = store.apply(&Batch { epochs: epochs.to_vec(), progress }).await?;
    assert!(refused.is_empty());
    Ok(())
}

/// An engine that was fed recordings of two tenants, and what each epoch changed.
async fn recorded() -> (Engine, Vec<EpochChanges>) {
    let engine = deploy::engine::start().unwrap();
    let (mut follower, mut last) = (engine.follow(), 0);
    for (tenant, family) in TENANTS {
        let (mut records, recording) = (Vec::new(), generate(family, 7).recording(tenant));
        deploy::input::split("recording", recording.as_bytes(), None, EventTime(0), &mut records);
        let after = async |epoch, _| {
            last = epoch;
            Ok(())
        };
        deploy::engine::feed(&engine, &tenant.parse().unwrap(), &records, after).await.unwrap();
    }
    let mut epochs: Vec<EpochChanges> = Vec::new();
    while epochs.last().is_none_or(|epoch| epoch.epoch < last) {
        epochs.push(follower.next().await.unwrap());
    }
    (engine, epochs)
}

/// The rows of all views, and how many there are of each.
async fn views(reader: &ViewReader) -> BTreeSet<(ViewName, TenantId, String)> {
    let mut rows = BTreeSet::new();
    for (tenant, _) in TENANTS {
        let tenant: TenantId = tenant.parse().unwrap();
        for view in ViewName::ALL {
            let (found, _, left_out) = reader.scan(Query::all(&tenant, *view), 100_000).await.unwrap();
            assert!(!left_out);
            let text = |row: &Row| comparable(&serde_json::to_value(row).unwrap()).to_string();
            rows.extend(found.iter().map(|row| (*view, tenant.clone(), text(row))));
        }
    }
    rows
}

fn found(python: &str, folder: &Path, reader: &str) -> BTreeSet<(ViewName, TenantId, String)> {
    let rows = live_rows(python, folder, "main", reader).unwrap();
    let count = rows.len();
    let rows: BTreeSet<_> =
        rows.into_iter().map(|(view, tenant, row)| (view, tenant, comparable(&row).to_string())).collect();
    assert_eq!(rows.len(), count, "a row twice");
    rows
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn rows_are_those_of_the_views_and_the_documented_analyses_answer() {
    let Some(python) = python() else { return };
    let folder = folder("views");
    block_on(async {
        let (engine, epochs) = recorded().await;
        let mut store = store(&folder.display().to_string(), &[]);
        assert_eq!(store.open().await.unwrap(), None);
        for epoch in &epochs {
            give(&mut store, std::slice::from_ref(epoch)).await.unwrap();
        }
        let expected = views(&engine.reader()).await;
        let named: BTreeSet<ViewName> = expected.iter().map(|(view, ..)| *view).collect();
        assert!(10 <= named.len(), "only {named:?} have rows");
        for reader in ["duckdb", "pyarrow"] {
            let found = found(&python, &folder, reader);
            let (missing, surplus): (Vec<_>, Vec<_>) =
                (expected.difference(&found).collect(), found.difference(&expected).collect());
            assert!(missing.is_empty() && surplus.is_empty(), "{reader}: {missing:#?} {surplus:#?}");
        }
        println!("{} rows of {} epochs, read by DuckDB and pyarrow", expected.len(), epochs.len());
    });
    let page = root().join("docs/parquet.md");
    let answers = ask(&python, &["page", &folder.display().to_string(), &page.display().to_string()]);
    let empty: Vec<_> = answers.iter().filter(|answer| answer[1] == 0).collect();
    assert!(8 <= answers.len() && empty.is_empty(), "{answers:#?}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Two days of events of two tenants, an epoch an hour.
fn hours(rows: u64) -> Vec<EpochChanges> {
    let change = |hour: u64, row: u64| {
        let number = hour * rows + row;
        let at = MIDNIGHT.plus_ms(hour as i64 * HOUR_MS + (row as i64 * HOUR_MS) / rows as i64);
        let row = Row::from(EventRow::from(EventFields {
            event_id: EventId(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            source: ["argo", "otel", "prometheus"][(number % 3) as usize].into(),
            event_type: "Sync".into(),
            at,
            severity: Severity::ALL[(number % 4) as usize],
            summary: format!("request {:x} failed", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into(),
            correlation_ids: Default::default(),
            position: SourcePosition { offset: number as i64, ..SourcePosition::default() },
        }));
        let tenant: TenantId = TENANTS[(number % 2) as usize].0.parse().unwrap();
        Change { tenant, view: ViewName::Events, key: row.key(), live: true, row }
    };
    let epoch = |hour: u64| {
        let now = MIDNIGHT.plus_ms((hour as i64 + 1) * HOUR_MS);
        let changes = (0..rows).map(|row| change(hour, row)).collect();
        EpochChanges { epoch: hour + 1, now, whole: false, changes }
    };
    (0..48).map(epoch).collect()
}

#[test]
fn a_question_about_an_hour_of_a_tenant_reads_few_bytes_and_a_key_few_row_groups() {
    let Some(python) = python() else { return };
    let folder = folder("bytes");
    let epochs = hours(4_000);
    block_on(async {
        let mut store = store(&folder.display().to_string(), &[]);
        store.open().await.unwrap();
        for epoch in &epochs {
            give(&mut store, std::slice::from_ref(epoch)).await.unwrap();
        }
    });
    let place = folder.display().to_string();
    let hour = [MIDNIGHT.plus_ms(9 * HOUR_MS), MIDNIGHT.plus_ms(10 * HOUR_MS)].map(|at| at.to_string());
    let answer = ask(&python, &["bytes", &place, "main", "shop", &hour[0], &hour[1]]);
    let [found, read, all] = [0, 1, 2].map(|index| answer[0][index].as_u64().unwrap());
    println!("{read} of {all} bytes read for {found} of {} lines", 48 * 4_000);
    assert_eq!(found, 2_000);
    assert!(0 < read && read * 20 < all, "{read} of {all} bytes");
    let key = &epochs[30].changes[7].key;
    let answer = ask(&python, &["bloom", &place, "main", key]);
    let [groups, excluded] = [0, 1].map(|index| answer[0][index].as_u64().unwrap());
    println!("{excluded} of {groups} row groups left out by bloom filters");
    assert!(10 <= groups && excluded < groups && groups * 8 / 10 <= excluded, "{excluded} of {groups}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// An S3-compatible server; ended when dropped.
struct Bucket(Child);

impl Drop for Bucket {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_bucket_holds_the_same_and_what_stands_in_it_is_not_replaced() {
    let Some(python) = python() else { return };
    let port = variable("KGROOT_TEST_S3_PORT").unwrap_or_else(|| "18433".to_owned());
    let endpoint = format!("http://127.0.0.1:{port}");
    let server = Command::new(&python).args(["-m", "moto.server", "-p", &port]).spawn().unwrap();
    let server = Bucket(server);
    let folder = folder("bucket");
    block_on(async {
        let bucket = format!("{endpoint}/kept");
        let client = reqwest::Client::new();
        let made = async || client.put(&bucket).send().await.ok().filter(|made| made.status().is_success());
        until("a bucket is made", made).await;
        let options = [
            ("aws_endpoint", endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", "test"),
            ("aws_secret_access_key", "test"),
        ];
        let opened = async || {
            let mut store = store("s3://kept/", &options);
            let progress = store.open().await.unwrap();
            (store, progress.map_or(0, |progress| progress.epoch))
        };
        let (engine, epochs) = recorded().await;
        let (mut ours, _) = opened().await;
        // As many commits as are needed until something old is deleted.
        let (first, rest) = epochs.split_at(epochs.len() - 100);
        give(&mut ours, first).await.unwrap();
        let (mut late, has) = opened().await;
        assert_eq!(has, first.last().unwrap().epoch);
        for epoch in rest {
            give(&mut ours, std::slice::from_ref(epoch)).await.unwrap();
        }
        let refused = give(&mut late, &rest[..2]).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Away(line) if line.contains("manifest")), "{refused}");
        assert_eq!(opened().await.1, epochs.last().unwrap().epoch);
        let place = folder.display().to_string();
        ask(&python, &["fetch", &endpoint, "kept", &place]);
        assert!(views(&engine.reader()).await == found(&python, &folder, "duckdb"));
    });
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_store_of_a_newer_version_takes_nothing_and_says_why() {
    let folder = folder("newer");
    block_on(async {
        let epochs = hours(4);
        let mut first = store(&folder.display().to_string(), &[]);
        first.open().await.unwrap();
        give(&mut first, &epochs[..2]).await.unwrap();
        let path = folder.join(format!("manifests/main/{:020}.json", 1));
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        manifest["schema"] = json!(manifest["schema"].as_u64().unwrap() + 1);
        std::fs::write(&path, manifest.to_string()).unwrap();
        let refused = store(&folder.display().to_string(), &[]).open().await.unwrap_err();
        let one_line = |line: &String| line.contains("run the newer kgroot") && !line.contains('\n');
        assert!(matches!(&refused, StoreError::Broken(line) if one_line(line)), "{refused}");
    });
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn names_of_files_say_what_is_in_them() {
    let folder = folder("names");
    block_on(async {
        let mut first = store(&folder.display().to_string(), &[]);
        first.open().await.unwrap();
        give(&mut first, &hours(4)[..1]).await.unwrap();
    });
    let manifest = std::fs::read(folder.join(format!("manifests/main/{:020}.json", 1))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for file in manifest["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let bytes = std::fs::read(folder.join(path)).unwrap();
        let hash = Digest(schemas::ids::hash128(&[&bytes]));
        assert_eq!(file["hash"], hash.to_string());
        assert!(path.ends_with(&format!("-{:032x}.parquet", { hash.0 })), "{path}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
