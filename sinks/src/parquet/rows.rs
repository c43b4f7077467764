//! Changes to the bytes of Parquet files. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, ListBuilder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use chrono::DateTime;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use schemas::feed::{Change, EpochChanges};
use schemas::ids::TenantId;
use schemas::time::{Epoch, EventTime};
use schemas::view::ViewName;
use serde_json::Value;

use super::columns::{COMMON, Column, Type, columns};

/// Lines of a row group: what a reader that filters by time can leave out.
const GROUP_LINES: usize = 16_384;
/// Zone of times.
const UTC: &str = "UTC";

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
    let mut parts: BTreeMap<(ViewName, &TenantId, String), Vec<(Epoch, &Change)>> = BTreeMap::new();
    for epoch in epochs {
        for change in &epoch.changes {
            let at = change.row.span().map_or(epoch.now, |(begins, _)| begins);
            parts.entry((change.view, &change.tenant, date(at))).or_default().push((epoch.epoch, change));
        }
    }
    let mut divided = Vec::new();
    for ((view, tenant, date), mut lines) in parts {
        lines.sort_by_cached_key(|(epoch, change)| {
            (change.row.span().map(|(begins, _)| begins), change.key.clone(), *epoch)
        });
        divided.push(Part { view, tenant: tenant.clone(), date, lines });
    }
    divided
}

fn date(at: EventTime) -> String {
    DateTime::from_timestamp_millis(at.0).unwrap_or_default().format("%Y-%m-%d").to_string()
}

/// Bytes of a file.
pub fn encode(view: ViewName, lines: &[(Epoch, &Change)]) -> Result<Vec<u8>, ParquetError> {
    let all: Vec<Column> = COMMON.iter().chain(columns(view)).copied().collect();
    let schema = Arc::new(Schema::new(all.iter().map(|column| field(*column)).collect::<Vec<_>>()));
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties()?))?;
    for lines in lines.chunks(GROUP_LINES) {
        let rows: Vec<Value> = lines.iter().map(|(epoch, change)| line(*epoch, change)).collect();
        let arrays = all.iter().map(|column| array(*column, &rows)).collect();
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays)?)?;
    }
    writer.into_inner()
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let key = ColumnPath::from("key");
    // `at` is the fourth column.
    let order = vec![SortingColumn { column_idx: 3, descending: false, nulls_first: true }];
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_max_row_group_row_count(Some(GROUP_LINES))
        .set_column_dictionary_enabled(key.clone(), false)
        .set_column_bloom_filter_enabled(key, true)
        .set_sorting_columns(Some(order))
        .build())
}

fn field((name, kind): Column) -> Field {
    Field::new(name, data_type(kind), true)
}

fn data_type(kind: Type) -> DataType {
    match kind {
        Type::Text | Type::Json => DataType::Utf8,
        Type::Whole => DataType::Int64,
        Type::Flag => DataType::Boolean,
        Type::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
        Type::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
    }
}

/// The row as the API gives it, with what every line has.
fn line(epoch: Epoch, change: &Change) -> Value {
    let mut row = serde_json::to_value(&change.row).unwrap_or(Value::Null);
    let (at, until) = change.row.span().unzip();
    let entities: Vec<String> = change.row.entities().iter().map(|entity| entity.to_string()).collect();
    if let Some(row) = row.as_object_mut() {
        let common: [(&str, Value); 6] = [
            ("key", change.key.as_str().into()),
            ("epoch", epoch.into()),
            ("live", change.live.into()),
            ("at", at.map(|at| at.0).into()),
            ("until", until.map(|until| until.0).into()),
            ("entities", entities.into()),
        ];
        row.extend(common.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    row
}

fn array((name, kind): Column, rows: &[Value]) -> ArrayRef {
    let values = rows.iter().map(|row| &row[name]);
    match kind {
        Type::Text => {
            let mut builder = StringBuilder::new();
            values.for_each(|value| builder.append_option(value.as_str()));
            Arc::new(builder.finish())
        }
        Type::Json => {
            let mut builder = StringBuilder::new();
            values.for_each(|value| {
                builder.append_option(Some(value).filter(|value| !value.is_null()).map(Value::to_string))
            });
            Arc::new(builder.finish())
        }
        Type::Whole => {
            let mut builder = Int64Builder::new();
            values.for_each(|value| builder.append_option(value.as_i64()));
            Arc::new(builder.finish())
        }
        Type::Flag => {
            let mut builder = BooleanBuilder::new();
            values.for_each(|value| builder.append_option(value.as_bool()));
            Arc::new(builder.finish())
        }
        Type::Time => {
            let mut builder = TimestampMillisecondBuilder::new().with_timezone(UTC);
            values.for_each(|value| builder.append_option(time(value)));
            Arc::new(builder.finish())
        }
        Type::Texts => {
            let mut builder = ListBuilder::new(StringBuilder::new());
            for value in values {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().for_each(|item| builder.values().append_option(item.as_str()));
                builder.append(true);
            }
            Arc::new(builder.finish())
        }
    }
}

/// Milliseconds, from the number or the text that a row has.
fn time(value: &Value) -> Option<i64> {
    let written = value.as_str().and_then(|text| EventTime::parse(text).ok());
    value.as_i64().or(written.map(|at| at.0))
}
