//! Rows into columns, one field after the other in the order of `columns.rs`. Pure.
//!
//! Written by hand rather than from a row's JSON, which would be made for each line and thrown away.

use std::fmt::{Display, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int64Builder, ListBuilder, StringBuilder, TimestampMillisecondBuilder,
};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use schemas::feed::Change;
use schemas::time::{Epoch, EventTime};
use schemas::view::{EpisodeRow, Row, ViewName};
use serde::Serialize;

use super::columns::{Type, UTC, all, schema};

/// A column that is being filled.
enum Filling {
    Text(StringBuilder),
    Whole(Int64Builder),
    Flag(BooleanBuilder),
    Time(TimestampMillisecondBuilder),
    Texts(ListBuilder<StringBuilder>),
}

/// Writes the fields of one line into the columns, from the first to the last.
struct Line<'a> {
    columns: std::slice::IterMut<'a, Filling>,
    json: &'a mut Vec<u8>,
}

/// Columns of some lines.
pub(super) fn fill(view: ViewName, lines: &[(Epoch, &Change)]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<Filling> = all(view).map(|(_, kind)| Filling::of(kind, lines.len())).collect();
    let mut json = Vec::new();
    for (epoch, change) in lines {
        let mut line = Line { columns: columns.iter_mut(), json: &mut json };
        line.common(*epoch, change);
        line.row(&change.row);
        assert!(line.columns.next().is_none(), "a row of {view} fills all its columns");
    }
    RecordBatch::try_new(schema(view), columns.into_iter().map(Filling::finish).collect())
}

impl Filling {
    fn of(kind: Type, lines: usize) -> Self {
        match kind {
            Type::Text | Type::Json => Filling::Text(StringBuilder::with_capacity(lines, lines * 32)),
            Type::Whole => Filling::Whole(Int64Builder::with_capacity(lines)),
            Type::Flag => Filling::Flag(BooleanBuilder::with_capacity(lines)),
            Type::Time => Filling::Time(TimestampMillisecondBuilder::with_capacity(lines).with_timezone(UTC)),
            Type::Texts => Filling::Texts(ListBuilder::with_capacity(StringBuilder::new(), lines)),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Filling::Text(mut builder) => Arc::new(builder.finish()),
            Filling::Whole(mut builder) => Arc::new(builder.finish()),
            Filling::Flag(mut builder) => Arc::new(builder.finish()),
            Filling::Time(mut builder) => Arc::new(builder.finish()),
            Filling::Texts(mut builder) => Arc::new(builder.finish()),
        }
    }
}

impl Line<'_> {
    fn common(&mut self, epoch: Epoch, change: &Change) {
        let (at, until) = change.row.span().unzip();
        self.plain(&change.key);
        self.whole(epoch);
        self.flag(change.live);
        self.time(at);
        self.time(until);
        self.texts(&change.row.entities());
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Event(row) => {
                self.text(row.event_id);
                self.plain(&row.origin.source);
                self.plain(&row.origin.event_type);
                self.plain(row.severity.as_str());
                self.plain(&row.summary);
                self.json(&row.correlation_ids);
                self.json(&row.position());
            }
            Row::Entity(row) => {
                self.text(row.entity_id);
                self.json(&row.entity);
            }
            Row::Relation(row) => {
                self.json(&row.from);
                self.plain(row.relation.as_str());
                self.json(&row.to);
                self.time(Some(row.valid_from));
                self.time(row.valid_to);
                self.text(row.event_id);
            }
            Row::Episode(row) => self.episode(row),
            Row::Link(row) => {
                self.json(&row.cause);
                self.json(&row.effect);
                self.plain(&row.rule);
                self.whole(u64::from(row.rule_version));
                self.plain(&row.relation);
                self.signed(row.lag_ms);
                self.whole(u64::from(row.strength));
                self.flag(row.best);
            }
            Row::Chain(row) => {
                self.text(row.incident_id);
                self.whole(u64::from(row.rank));
                self.json(&row.root);
                self.json(&row.symptom);
                self.json(&row.links);
            }
            Row::Incident(row) => {
                self.text(row.incident_id);
                self.plain(row.status.as_str());
                self.plain(row.severity.as_str());
                self.plain(&row.title);
                self.time(Some(row.started_at));
                self.time(Some(row.last_at));
                self.whole(u64::from(row.episodes));
                self.whole(u64::from(row.alerts));
                self.json(&row.hypotheses);
            }
            Row::Alert(row) => {
                self.text(row.incident_id);
                self.plain(row.status.as_str());
                self.plain(row.severity.as_str());
                self.time(Some(row.raised_at));
                self.text(row.raised_by);
                self.plain(&row.title);
            }
            Row::Reject(row) => {
                self.json(&row.position);
                self.json(&row.error);
            }
            Row::Coverage(row) => {
                self.plain(&row.source);
                self.whole(row.accepted);
                self.whole(row.duplicate);
                self.json(&row.rejected);
                self.time(row.reached);
            }
        }
    }

    fn episode(&mut self, row: &EpisodeRow) {
        self.text(row.episode_id);
        self.json(&row.entity);
        self.plain(row.kind.id());
        self.text(row.class);
        self.time(Some(row.onset));
        self.time(Some(row.earliest));
        self.time(Some(row.last));
        self.time(row.ended);
        self.whole(row.count);
        self.plain(row.severity.as_str());
        self.texts(&row.event_ids);
        self.plain(&row.detail);
        self.whole(u64::from(row.magnitude));
    }

    fn plain(&mut self, text: &str) {
        let Some(Filling::Text(builder)) = self.columns.next() else { panic!("a column of text is next") };
        builder.append_value(text);
    }

    fn text(&mut self, value: impl Display) {
        let Some(Filling::Text(builder)) = self.columns.next() else { panic!("a column of text is next") };
        append(builder, &value);
    }

    fn json(&mut self, value: &impl Serialize) {
        self.json.clear();
        let written = serde_json::to_writer(&mut *self.json, value);
        assert!(written.is_ok(), "a part of a row can be written as JSON");
        let Ok(text) = std::str::from_utf8(self.json) else { panic!("JSON is UTF-8") };
        let Some(Filling::Text(builder)) = self.columns.next() else { panic!("a column of JSON is next") };
        builder.append_value(text);
    }

    /// A count beyond what the column holds is null.
    fn whole(&mut self, value: u64) {
        let Some(Filling::Whole(builder)) = self.columns.next() else {
            panic!("a column of numbers is next")
        };
        builder.append_option(i64::try_from(value).ok());
    }

    fn signed(&mut self, value: i64) {
        let Some(Filling::Whole(builder)) = self.columns.next() else {
            panic!("a column of numbers is next")
        };
        builder.append_value(value);
    }

    fn flag(&mut self, value: bool) {
        let Some(Filling::Flag(builder)) = self.columns.next() else { panic!("a column of flags is next") };
        builder.append_value(value);
    }

    fn time(&mut self, value: Option<EventTime>) {
        let Some(Filling::Time(builder)) = self.columns.next() else { panic!("a column of times is next") };
        builder.append_option(value.map(|at| at.0));
    }

    fn texts(&mut self, values: &[impl Display]) {
        let Some(Filling::Texts(builder)) = self.columns.next() else { panic!("a column of texts is next") };
        values.iter().for_each(|value| append(builder.values(), value));
        builder.append(true);
    }
}

fn append(builder: &mut StringBuilder, value: &impl Display) {
    let written = write!(builder, "{value}");
    assert!(written.is_ok(), "text in memory takes everything");
    builder.append_value("");
}
