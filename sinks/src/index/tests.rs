//! Batches in, questions out.

use std::sync::atomic::{AtomicU32, Ordering};

use schemas::feed::{Change, EpochChanges};
use schemas::ids::{EventId, TenantId};
use schemas::view::{EventFields, EventRow, Row, ViewName};

use super::*;

/// A folder of this test alone, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Folder(std::env::temp_dir().join(format!("kgroot-index-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn index(folder: &Folder) -> Index {
    Index::new(Settings { path: folder.0.clone(), retention_ms: 3_600_000 }).unwrap()
}

fn event(tenant: &str, number: u64, at: i64, summary: &str, live: bool) -> Change {
    let row = Row::from(EventRow::from(EventFields {
        event_id: EventId(u128::from(number)),
        source: "test".into(),
        event_type: "log".into(),
        at: EventTime(at),
        severity: schemas::envelope::Severity::Error,
        summary: summary.into(),
        correlation_ids: Default::default(),
        position: schemas::position::SourcePosition::default(),
    }));
    let tenant: TenantId = tenant.parse().unwrap();
    Change { tenant, view: ViewName::Events, key: row.key(), live, row }
}

fn batch(epoch: Epoch, whole: bool, now: i64, changes: Vec<Change>) -> Batch {
    let epochs = vec![EpochChanges { epoch, now: EventTime(now), whole, changes: changes.into() }];
    let digest = epochs[0].digest();
    Batch { epochs, progress: Progress { epoch, digest, generation: "g".to_owned() } }
}

fn found(reader: &Reader, tenant: &str, question: &str) -> Vec<(String, bool)> {
    let expression = question.parse().unwrap();
    let tenant = tenant.parse().unwrap();
    let search = Search { tenant, expression, from: None, to: None, after: None, limit: 100 };
    let hits = reader.search(&search).unwrap().hits;
    hits.into_iter().map(|hit| (hit.row["summary"].as_str().unwrap().to_owned(), hit.live)).collect()
}

fn live(summaries: &[&str]) -> Vec<(String, bool)> {
    summaries.iter().map(|summary| ((*summary).to_owned(), true)).collect()
}

#[tokio::test]
async fn what_was_committed_is_found_by_its_tenant_newest_first_and_after_a_restart() {
    let folder = Folder::new();
    let mut index = index(&folder);
    assert_eq!(index.open().await, Ok(None));
    let rows = vec![
        event("a", 1, 1_000, "connection refused by cart", true),
        event("a", 2, 2_000, "refused connection", true),
        event("b", 3, 3_000, "connection refused", true),
    ];
    let first = batch(4, true, 5_000, rows);
    assert_eq!(index.apply(&first).await, Ok(Vec::new()));
    let reader = index.reader();
    assert_eq!(
        found(&reader, "a", "connection"),
        live(&["refused connection", "connection refused by cart"])
    );
    assert_eq!(found(&reader, "a", "\"connection refused\""), live(&["connection refused by cart"]));
    assert_eq!(found(&reader, "b", ""), live(&["connection refused"]));
    drop((index, reader));
    let mut index = self::index(&folder);
    assert_eq!(index.open().await, Ok(Some(first.progress)));
    assert_eq!(found(&index.reader(), "a", "ca*"), live(&["connection refused by cart"]));
}

#[tokio::test]
async fn what_a_whole_batch_does_not_bring_is_not_live_any_more() {
    let folder = Folder::new();
    let mut index = index(&folder);
    index.open().await.unwrap();
    let rows = vec![event("a", 1, 1_000, "old", true), event("a", 2, 2_000, "kept", true)];
    index.apply(&batch(4, true, 5_000, rows)).await.unwrap();
    index.apply(&batch(9, true, 6_000, vec![event("a", 2, 2_000, "kept", true)])).await.unwrap();
    let reader = index.reader();
    assert_eq!(found(&reader, "a", ""), [("kept".to_owned(), true), ("old".to_owned(), false)]);
    assert_eq!(found(&reader, "a", "live:true"), live(&["kept"]));
}

#[tokio::test]
async fn what_ended_before_the_retention_is_removed() {
    let folder = Folder::new();
    let mut index = index(&folder);
    index.open().await.unwrap();
    let hour = 3_600_000;
    index.apply(&batch(1, true, hour, vec![event("a", 1, 1_000, "old", true)])).await.unwrap();
    assert_eq!(found(&index.reader(), "a", ""), live(&["old"]));
    index.apply(&batch(2, false, 3 * hour, vec![event("a", 2, 3 * hour, "new", true)])).await.unwrap();
    assert_eq!(found(&index.reader(), "a", ""), live(&["new"]));
}

#[tokio::test]
async fn a_folder_that_another_process_writes_is_waited_for() {
    let folder = Folder::new();
    let mut first = index(&folder);
    first.open().await.unwrap();
    let mut second = index(&folder);
    assert!(matches!(second.open().await, Err(StoreError::Away(_))));
}
