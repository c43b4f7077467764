//! The store on a folder: what its columns hold, and what is there after it was killed at any moment.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMillisecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::envelope::{CorrelationIds, Severity};
use schemas::error::{DecodeError, Reject, RejectCode};
use schemas::feed::Change;
use schemas::ids::{EntityId, EpisodeId, EventId, IncidentId, TenantId};
use schemas::position::SourcePosition;
use schemas::view::{
    AlertRow, AlertStatus, ChainRow, CoverageRow, EntityRow, EpisodeRow, EventFields, EventRow, Hypothesis,
    IncidentRow, IncidentStatus, LinkRow, RelationRow, Row, ViewName,
};
use serde_json::Value;

use super::*;

mod kills;

/// 2026-09-21T14:13:20Z.
pub(super) const NOON: EventTime = EventTime(1_790_000_000_000);

fn entity(name: &str) -> Entity {
    Entity::namespaced(EntityKind::Service, "shop", name).in_cluster("eu")
}

fn position(number: i64) -> SourcePosition {
    SourcePosition { topic: "argo-logs-a".into(), partition: 2, offset: number, item: 1 }
}

pub(super) fn event(number: u128, at: EventTime) -> EventRow {
    EventRow::from(EventFields {
        event_id: EventId(number),
        source: "argo".into(),
        event_type: "Sync \"failed\"".into(),
        at,
        severity: Severity::ALL[1],
        summary: format!("ünable, {number}").into(),
        correlation_ids: CorrelationIds { commit: Some("abc".to_owned()), ..CorrelationIds::default() }
            .into(),
        position: position(5),
    })
}

fn episode(number: u64) -> EpisodeRow {
    EpisodeRow {
        episode_id: EpisodeId(number),
        entity: entity("checkout").into(),
        kind: Kind::named("k8s.pod.OOMKilled"),
        class: Kind::named("k8s.pod.OOMKilled").spec().class,
        onset: NOON,
        earliest: NOON.plus_ms(-1),
        last: NOON.plus_ms(5_000),
        ended: (number == 1).then(|| NOON.plus_ms(6_000)),
        count: 3,
        severity: Severity::ALL[2],
        event_ids: vec![EventId(1), EventId(2)],
        detail: "".into(),
        magnitude: 0,
    }
}

fn link() -> LinkRow {
    LinkRow {
        cause: episode(1).into(),
        effect: episode(2).into(),
        rule: "R20".into(),
        rule_version: 3,
        relation: "owns".into(),
        lag_ms: -7,
        strength: 900,
        best: true,
    }
}

/// A row of every view.
fn rows() -> Vec<(ViewName, Row)> {
    let incident_id = IncidentId(7);
    let hypothesis = Hypothesis {
        rank: 1,
        confidence_milli: 800,
        evidence_milli: 700,
        root: episode(1).into(),
        explains: 4,
    };
    let incident = IncidentRow {
        incident_id,
        status: IncidentStatus::Open,
        severity: Severity::ALL[0],
        title: "checkout fails".to_owned(),
        started_at: NOON,
        last_at: NOON.plus_ms(9),
        episodes: 4,
        alerts: 2,
        hypotheses: vec![hypothesis],
    };
    let alert = AlertRow {
        incident_id,
        status: AlertStatus::Firing,
        severity: Severity::ALL[0],
        raised_at: NOON,
        raised_by: EventId(9),
        title: "look".to_owned(),
    };
    let relation = RelationRow {
        from: entity("a").into(),
        relation: RelationKind::Calls,
        to: entity("b").into(),
        valid_from: NOON,
        valid_to: None,
        event_id: EventId(4),
    };
    let error = DecodeError::new(RejectCode::ALL[0], "no");
    let reject = Reject { tenant: "a".parse().unwrap(), position: position(9), error, at: None };
    let coverage = CoverageRow {
        source: "argo".to_owned(),
        accepted: u64::MAX,
        duplicate: 1,
        rejected: vec![(RejectCode::ALL[0], 2)],
        reached: Some(NOON),
    };
    let chain = ChainRow {
        incident_id,
        rank: 1,
        root: episode(1).into(),
        symptom: episode(2).into(),
        links: vec![link().into(), link().into()],
    };
    vec![
        (ViewName::Events, Row::from(event(1, NOON))),
        (ViewName::Entities, Row::from(EntityRow { entity_id: EntityId(3), entity: entity("a").into() })),
        (ViewName::Topology, Row::from(relation)),
        (ViewName::Episodes, Row::from(episode(1))),
        (ViewName::Changes, Row::from(episode(2))),
        (ViewName::Anomalies, Row::from(episode(2))),
        (ViewName::Links, Row::from(link())),
        (ViewName::Chains, Row::from(chain)),
        (ViewName::Incidents, Row::from(incident)),
        (ViewName::Alerts, Row::from(alert)),
        (ViewName::Rejects, Row::from(reject)),
        (ViewName::Coverage, Row::from(coverage)),
    ]
}

pub(super) fn change(view: ViewName, row: Row) -> Change {
    let tenant: TenantId = "a".parse().unwrap();
    Change { tenant, view, key: row.key(), live: true, row }
}

/// All lines of a file.
pub(super) fn read(bytes: Vec<u8>) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap().build().unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

/// What stands in a column, as the API would say it; text that begins like JSON is read as such.
fn value(column: &Arc<dyn Array>, line: usize) -> Value {
    if column.is_null(line) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => match column.as_string::<i32>().value(line) {
            text if text.starts_with(['{', '[']) => serde_json::from_str(text).unwrap(),
            text => text.into(),
        },
        DataType::Int64 => column.as_primitive::<Int64Type>().value(line).into(),
        DataType::Boolean => column.as_boolean().value(line).into(),
        DataType::Timestamp(..) => {
            EventTime(column.as_primitive::<TimestampMillisecondType>().value(line)).to_string().into()
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(line);
            (0..items.len()).map(|item| items.as_string::<i32>().value(item)).collect()
        }
        other => panic!("no column is {other}"),
    }
}

#[test]
fn every_field_of_every_row_has_its_column() {
    assert_eq!(rows().len(), ViewName::ALL.len());
    for (view, row) in rows() {
        let mut expected = serde_json::to_value(&row).unwrap();
        if view == ViewName::Coverage {
            expected["accepted"] = Value::Null; // Beyond 63 bits.
        }
        let change = change(view, row);
        let found = read(file(view, vec![(5, &change)]).unwrap());
        let column = |name: &str| found[0].column_by_name(name).map(|column| value(column, 0));
        for (name, expected) in expected.as_object().unwrap().iter().filter(|(name, _)| *name != "tenant") {
            assert_eq!(column(name).as_ref(), Some(expected), "{view}.{name}");
        }
        assert_eq!(column("key"), Some(change.key.as_str().into()), "{view}");
        let own = expected.as_object().unwrap().len();
        assert!(found[0].num_columns() <= own + 6, "{view} has a column that no row has");
    }
}

#[test]
fn lines_are_sorted_and_divided_by_view_tenant_and_day() {
    let at = |number: u128, ms| change(ViewName::Events, Row::from(event(number, NOON.plus_ms(ms))));
    let changes = vec![at(3, 50_000_000), at(2, 7), at(1, 7), at(4, -1)];
    let epoch = schemas::feed::EpochChanges { epoch: 2, now: NOON, whole: false, changes: changes.into() };
    let epochs = [epoch];
    let found = parts(&epochs);
    let keys = |part: &Part| -> Vec<u128> {
        let event = |change: &Change| match &change.row {
            Row::Event(row) => row.event_id.0,
            other => panic!("{other:?}"),
        };
        part.lines.iter().map(|(_, change)| event(change)).collect()
    };
    let found: Vec<(String, Vec<u128>)> = found.iter().map(|part| (part.date.clone(), keys(part))).collect();
    let of = |date: &str, keys: &[u128]| (date.to_owned(), keys.to_vec());
    assert_eq!(found, [of("2026-09-21", &[4, 1, 2]), of("2026-09-22", &[3])]);
}

#[test]
fn merged_files_hold_every_line_in_order_and_null_where_an_older_one_has_no_column() {
    let lines: Vec<Change> = (0..30_000)
        .map(|number| change(ViewName::Events, Row::from(event(number, NOON.plus_ms(number as i64 / 3)))))
        .collect();
    let file_of = |rest: usize| {
        let of_file = (0..lines.len()).filter(|line| line % 3 == rest);
        file(ViewName::Events, of_file.map(|line| (line as u64, &lines[line])).collect()).unwrap()
    };
    let older = {
        let mut batches = read(file_of(0));
        batches.iter_mut().for_each(|batch| {
            batch.remove_column(batch.num_columns() - 1);
        });
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batches[0].schema(), None).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    };
    let files = [older, file_of(1), file_of(2)].map(Bytes::from).to_vec();
    let merged = read(merge::merge(ViewName::Events, files).unwrap());
    let mut expected = 0;
    for batch in &merged {
        let epochs = batch.column_by_name("epoch").unwrap().as_primitive::<Int64Type>();
        for (line, epoch) in epochs.values().iter().enumerate() {
            assert_eq!(*epoch, expected);
            let position = batch.column_by_name("position").unwrap();
            assert_eq!(position.is_null(line), expected % 3 == 0);
            expected += 1;
        }
    }
    assert_eq!(expected, 30_000);
}

#[test]
fn what_a_crash_left_half_written_is_deleted_once_its_number_is_taken() {
    let folder = std::env::temp_dir().join(format!("kgroot-halves-{}", std::process::id()));
    let settings = Settings {
        url: folder.display().to_string(),
        options: Vec::new(),
        every: Duration::ZERO,
        retention_ms: None,
        shard: "s".to_owned(),
    };
    let place = folder.join("data/view=events/tenant=a/date=2026-09-21");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::create_dir_all(folder.join("manifests/s")).unwrap();
    let file =
        |shard: &str, number| place.join(format!("{}#1", manifest::file_name(shard, number, Digest(1))));
    let manifest = |number: u64| folder.join(format!("manifests/s/{number:020}.json#1"));
    let (gone, stay) = ([file("s", 1), manifest(1)], [file("s", 2), file("t", 1), manifest(2)]);
    gone.iter().chain(&stay).for_each(|path| std::fs::write(path, "half").unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut store = Parquet::new(settings).unwrap();
        store.open().await.unwrap();
        let row = change(ViewName::Events, Row::from(event(1, NOON)));
        let epoch = schemas::feed::EpochChanges { epoch: 1, now: NOON, whole: false, changes: [row].into() };
        let progress = Progress { epoch: 1, digest: Digest(1), generation: "g".to_owned() };
        store.apply(&Batch { epochs: vec![epoch], progress }).await.unwrap();
    });
    assert!(gone.iter().all(|path| !path.exists()) && stay.iter().all(|path| path.exists()));
    std::fs::remove_dir_all(folder).unwrap();
}
