//! How fast rows become Parquet, beside a plain loop of the writer over the same columns: MB of columns a second and core.
//!
//! `cargo run --release --config profile.release.lto=false -p sinks --example parquet -- [LINES]`

#![expect(clippy::print_stdout, reason = "it prints figures")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind};
use schemas::envelope::{CorrelationIds, Severity};
use schemas::feed::Change;
use schemas::ids::{EpisodeId, EventId};
use schemas::position::SourcePosition;
use schemas::time::{Epoch, EventTime};
use schemas::view::{EpisodeRow, EventRow, LinkRow, Row, ViewName};
use sinks::parquet::{batches, write};

/// The best of so many runs counts: the machine does other things.
const RUNS: usize = 7;
const AT: EventTime = EventTime(1_790_000_000_000);

fn entity(number: u64) -> Entity {
    Entity::namespaced(EntityKind::Pod, "shop", &format!("checkout-{:05x}", number % 300)).in_cluster("eu-1")
}

fn event(number: u64) -> Row {
    Row::Event(EventRow {
        event_id: EventId(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        source: ["kubernetes", "otel", "argo"][(number % 3) as usize].to_owned(),
        event_type: "Warning BackOff".to_owned(),
        at: AT.plus_ms(number as i64),
        severity: Severity::ALL[(number % 3) as usize],
        summary: format!(
            "Back-off restarting failed container, attempt {number} of checkout-{:05x}",
            number % 300
        ),
        correlation_ids: CorrelationIds::default(),
        position: SourcePosition {
            topic: "k8s-events-shop".to_owned(),
            partition: (number % 12) as i32,
            offset: number as i64,
            item: 0,
        },
    })
}

fn episode(number: u64) -> EpisodeRow {
    let kind = Kind::named("k8s.pod.OOMKilled");
    EpisodeRow {
        episode_id: EpisodeId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        entity: entity(number),
        kind,
        class: kind.spec().class,
        onset: AT.plus_ms(number as i64),
        earliest: AT.plus_ms(number as i64 - 100),
        last: AT.plus_ms(number as i64 + 5_000),
        ended: None,
        count: number % 9,
        severity: Severity::ALL[(number % 3) as usize],
        event_ids: (0..4).map(|event| EventId(u128::from(number * 7 + event))).collect(),
        detail: format!("container main was killed, attempt {number}"),
    }
}

fn link(number: u64) -> Row {
    Row::Link(LinkRow {
        cause: episode(number),
        effect: episode(number + 1),
        rule: "R20".to_owned(),
        rule_version: 1,
        relation: "owns".to_owned(),
        lag_ms: 1_000,
        strength: (number % 1_000) as u32,
        best: number.is_multiple_of(2),
    })
}

fn best<T>(mut run: impl FnMut() -> T) -> Duration {
    let once = |_| {
        let begun = Instant::now();
        black_box(run());
        begun.elapsed()
    };
    (0..RUNS).map(once).min().unwrap_or_default()
}

fn measure(view: ViewName, rows: impl Iterator<Item = Row>) -> Result<(), parquet::errors::ParquetError> {
    let tenant: schemas::ids::TenantId = match "shop".parse() {
        Ok(tenant) => tenant,
        Err(error) => panic!("{error}"),
    };
    let change = |row: Row| Change { tenant: tenant.clone(), view, key: row.key(), live: true, row };
    let changes: Vec<Change> = rows.map(change).collect();
    let lines: Vec<(Epoch, &Change)> = changes.iter().map(|change| (7, change)).collect();
    let columns: Vec<RecordBatch> = batches(view, &lines).collect::<Result<_, _>>()?;
    // What the values take, not what the builders happened to reserve.
    let compact = |batch: &RecordBatch| -> usize {
        batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
    };
    let mb = columns.iter().map(compact).sum::<usize>() as f64 / 1e6;
    let file = write(view, columns.iter().cloned().map(Ok))?.len() as f64 / 1e6;
    let filled = best(|| {
        batches(view, &lines).map(|batch| batch.map(|batch| batch.num_rows()).unwrap_or(0)).sum::<usize>()
    });
    let plain = best(|| write(view, columns.iter().cloned().map(Ok)).map(|bytes| bytes.len()));
    let ours = best(|| write(view, batches(view, &lines)).map(|bytes| bytes.len()));
    let per_s = |time: Duration| mb / time.as_secs_f64();
    println!(
        "{view}: {} lines, {mb:.0} MB of columns, {file:.1} MB of file; filling {:.0} MB/s, plain writer {:.0} MB/s, both {:.0} MB/s, {:.2} of plain",
        lines.len(),
        per_s(filled),
        per_s(plain),
        per_s(ours),
        plain.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(200_000), |count| count.parse())?;
    measure(ViewName::Events, (0..count).map(event))?;
    measure(ViewName::Episodes, (0..count).map(|number| Row::Episode(episode(number))))?;
    measure(ViewName::Links, (0..count / 2).map(link))?;
    Ok(())
}
