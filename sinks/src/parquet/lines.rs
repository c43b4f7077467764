//! Changes to the bytes of Parquet files. Pure: the same lines are the same bytes.

use std::collections::BTreeMap;

use arrow::record_batch::RecordBatch;
use chrono::DateTime;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use schemas::feed::{Change, EpochChanges};
use schemas::ids::TenantId;
use schemas::time::{Epoch, EventTime};
use schemas::view::ViewName;

use super::columns::{SCHEMA, schema};
use super::fill::fill;

/// Lines of a row group: what a reader that filters by time can leave out. A day with a million lines has 123 of them, so
/// that an hour is 6 or 7; smaller ones would compress worse.
const GROUP_LINES: usize = 8_192;
/// Columns by which lines are sorted, from the common ones: `at`, `key`, `epoch`.
pub(super) const ORDER: [usize; 3] = [3, 0, 1];
/// Columns whose values hardly repeat within a row group: a dictionary of them would be built and thrown away.
const UNLIKE: [&str; 6] = ["key", "event_id", "episode_id", "position", "cause", "effect"];
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What becomes one file.
#[derive(Debug)]
pub struct Part<'a> {
    /// Whose rows.
    pub view: ViewName,
    /// Whose.
    pub tenant: TenantId,
    /// Date of the rows.
    pub date: String,
    /// By time, key and epoch.
    pub lines: Vec<(Epoch, &'a Change)>,
}

/// Divides epochs by view, tenant and date: that of the row, or of the epoch if a row has no time.
pub fn parts(epochs: &[EpochChanges]) -> Vec<Part<'_>> {
    let mut parts: BTreeMap<(ViewName, &TenantId, i64), Vec<(Epoch, &Change)>> = BTreeMap::new();
    for epoch in epochs {
        for change in epoch.changes.iter() {
            let at = change.row.span().map_or(epoch.now, |(begins, _)| begins);
            let day = at.0.div_euclid(DAY_MS);
            parts.entry((change.view, &change.tenant, day)).or_default().push((epoch.epoch, change));
        }
    }
    let divided = parts.into_iter().map(|((view, tenant, day), lines)| {
        let date = date(EventTime(day.saturating_mul(DAY_MS)));
        Part { view, tenant: tenant.clone(), date, lines: sorted(lines) }
    });
    divided.collect()
}

fn sorted(mut lines: Vec<(Epoch, &Change)>) -> Vec<(Epoch, &Change)> {
    let at = |change: &Change| change.row.span().map(|(begins, _)| begins);
    lines.sort_by(|(epoch, one), (other_epoch, other)| {
        at(one).cmp(&at(other)).then_with(|| one.key.cmp(&other.key)).then(epoch.cmp(other_epoch))
    });
    lines
}

/// The date of an instant, `YYYY-MM-DD`.
pub(super) fn date(at: EventTime) -> String {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default().format("%Y-%m-%d").to_string()
}

/// Least and greatest `at` of sorted lines, in milliseconds.
pub(super) fn at_ms(lines: &[(Epoch, &Change)]) -> Option<(i64, i64)> {
    let mut times = lines.iter().filter_map(|(_, change)| change.row.span()).map(|(begins, _)| begins.0);
    let least = times.next()?;
    Some((least, times.next_back().unwrap_or(least)))
}

/// Columns of sorted lines, a row group at a time.
pub fn batches(
    view: ViewName,
    lines: &[(Epoch, &Change)],
) -> impl Iterator<Item = Result<RecordBatch, ParquetError>> {
    lines.chunks(GROUP_LINES).map(move |lines| Ok(fill(view, lines)?))
}

/// A file of such columns, in memory.
pub fn write(
    view: ViewName,
    batches: impl Iterator<Item = Result<RecordBatch, ParquetError>>,
) -> Result<Vec<u8>, ParquetError> {
    let mut writer = ArrowWriter::try_new(Vec::new(), schema(view), Some(properties(view)?))?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.into_inner()
}

/// A file of changes that were not divided, in memory.
pub fn file(view: ViewName, lines: Vec<(Epoch, &Change)>) -> Result<Vec<u8>, ParquetError> {
    write(view, batches(view, &sorted(lines)))
}

fn properties(view: ViewName) -> Result<WriterProperties, ParquetError> {
    let ascending = |column: usize| SortingColumn {
        column_idx: i32::try_from(column).unwrap_or_default(),
        descending: false,
        nulls_first: true,
    };
    let facts = [("kgroot.schema", SCHEMA.to_string()), ("kgroot.view", view.to_string())];
    let facts = facts.map(|(name, value)| KeyValue::new(name.to_owned(), value));
    let plain = |builder: WriterPropertiesBuilder, column: &str| {
        builder.set_column_dictionary_enabled(ColumnPath::from(column), false)
    };
    Ok(UNLIKE
        .into_iter()
        .fold(WriterProperties::builder(), plain)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(GROUP_LINES))
        .set_column_bloom_filter_enabled(ColumnPath::from("key"), true)
        .set_sorting_columns(Some(ORDER.map(ascending).to_vec()))
        .set_key_value_metadata(Some(facts.to_vec()))
        .build())
}
