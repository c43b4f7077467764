//! Files of one view, tenant and date become one. Pure.
//!
//! Key     a line; each stays, also the earlier ones of a key: how conclusions were corrected can be asked later.
//! Order   by time, key and epoch, as in every file.
//! Repeat  the same files give the same bytes.
//! Limits  the files as they are, and of each one row group of columns. Columns that an older file lacks are null.

use arrow::array::new_null_array;
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use schemas::view::ViewName;

use super::columns::schema;
use super::lines::{ORDER, write};

/// A file that is being read: what of it is not written yet.
struct Source {
    reader: ParquetRecordBatchReader,
    /// Lines, and their place in the order.
    rest: Option<(RecordBatch, Rows)>,
}

/// The bytes of the one file.
pub(super) fn merge<R: ChunkReader + 'static>(
    view: ViewName,
    files: Vec<R>,
) -> Result<Vec<u8>, ParquetError> {
    let schema = schema(view);
    let fields = ORDER.map(|column| SortField::new(schema.field(column).data_type().clone()));
    let converter = RowConverter::new(fields.to_vec())?;
    let open = |file| -> Result<Source, ParquetError> {
        Ok(Source { reader: ParquetRecordBatchReaderBuilder::try_new(file)?.build()?, rest: None })
    };
    let mut sources = files.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
    write(view, std::iter::from_fn(|| next(&schema, &converter, &mut sources).transpose()))
}

/// The next lines of all: up to the least of what each source is known to have, so that nothing before them can come later.
fn next(
    schema: &SchemaRef,
    converter: &RowConverter,
    sources: &mut Vec<Source>,
) -> Result<Option<RecordBatch>, ParquetError> {
    for source in &mut *sources {
        if source.rest.is_none()
            && let Some(read) = source.reader.next()
        {
            let batch = adapted(schema, &read?)?;
            let order = converter.convert_columns(&ORDER.map(|column| batch.column(column).clone()))?;
            source.rest = Some((batch, order));
        }
    }
    sources.retain(|source| source.rest.is_some());
    let lasts = sources.iter().filter_map(|source| source.rest.as_ref());
    let lasts =
        lasts.filter_map(|(_, order)| order.num_rows().checked_sub(1).map(|last| order.row(last).owned()));
    let Some(until) = lasts.min() else { return Ok(None) };
    let mut pieces = Vec::new();
    for source in sources {
        pieces.extend(cut(converter, source, &until)?);
    }
    let all = concat_batches(schema, &pieces)?;
    let by = ORDER.map(|column| SortColumn { values: all.column(column).clone(), options: None });
    Ok(Some(take_record_batch(&all, &lexsort_to_indices(&by, None)?)?))
}

/// Takes the lines up to a place from a source.
fn cut(
    converter: &RowConverter,
    source: &mut Source,
    until: &OwnedRow,
) -> Result<Option<RecordBatch>, ArrowError> {
    let Some((batch, order)) = source.rest.take() else { return Ok(None) };
    let places: Vec<_> = order.iter().collect();
    let count = places.partition_point(|place| *place <= until.row());
    let left = batch.num_rows() - count;
    if 0 < left {
        let rest = batch.slice(count, left);
        let order = converter.convert_columns(&ORDER.map(|column| rest.column(column).clone()))?;
        source.rest = Some((rest, order));
    }
    Ok(Some(batch.slice(0, count)))
}

/// Lines of an older version, with the columns of this one.
fn adapted(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let column = |name: &str, kind| {
        let found = batch.column_by_name(name).cloned();
        found.unwrap_or_else(|| new_null_array(kind, batch.num_rows()))
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type()));
    RecordBatch::try_new(schema.clone(), columns.collect())
}
