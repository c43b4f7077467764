//! Parquet beside a plain loop of the writer over the same columns: megabytes of Arrow data a second, on one core.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Result;
use arrow::record_batch::RecordBatch;
use schemas::feed::Change;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Value, json};
use sinks::parquet::{batches, write};

use super::{TURNS, Turns};

/// Megabytes a second; `filled` is columns alone, without the file.
pub fn measure(view: ViewName, changes: &[Change]) -> Result<Value> {
    let lines: Vec<(Epoch, &Change)> = changes.iter().map(|change| (7, change)).collect();
    let columns: Vec<RecordBatch> = batches(view, &lines).collect::<Result<_, _>>()?;
    let mb = columns.iter().map(bytes).sum::<usize>() as f64 / 1e6;
    let (mut turns, mut filling) = (Turns::default(), Vec::new());
    let mut file = 0;
    for _ in 0..TURNS {
        let begun = Instant::now();
        for batch in batches(view, &lines) {
            black_box(batch?);
        }
        filling.push(begun.elapsed());
        let begun = Instant::now();
        file = black_box(write(view, columns.iter().cloned().map(Ok))?).len();
        turns.plain.push(begun.elapsed());
        let begun = Instant::now();
        black_box(write(view, batches(view, &lines))?);
        turns.store.push(begun.elapsed());
    }
    filling.sort();
    let mut figures = turns.figures(mb, "mb");
    figures["filled_mb_per_s"] = json!((mb / filling[TURNS / 2].as_secs_f64()).round());
    figures["file_mb"] = json!((file as f64 / 1e5).round() / 10.0);
    Ok(figures)
}

/// What the values take, not what the builders happened to reserve.
fn bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}
