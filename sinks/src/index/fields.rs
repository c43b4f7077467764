//! Documents in the form of the embedded index. Pure.

use std::collections::BTreeMap;

use schemas::search::query::FieldName;
use serde_json::Value;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, Term};

use crate::document::EXACT_CHARS;

/// Words were divided before they come here.
const BETWEEN_SPACES: &str = "whitespace";

/// The fields of the index.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) tenant: Field,
    pub(super) at: Field,
    pub(super) until: Field,
    pub(super) epoch: Field,
    pub(super) text: Field,
    /// The document as JSON.
    pub(super) source: Field,
    /// What can be asked for exactly.
    pub(super) exact: BTreeMap<FieldName, Field>,
}

/// The form of the index.
pub(super) fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let words = TextFieldIndexing::default()
        .set_tokenizer(BETWEEN_SPACES)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    let fields = Fields {
        id: schema.add_text_field("id", STRING | FAST),
        tenant: schema.add_text_field("tenant_id", STRING),
        at: schema.add_i64_field("at", INDEXED | FAST),
        until: schema.add_i64_field("until", INDEXED | FAST),
        epoch: schema.add_u64_field("epoch", INDEXED | FAST),
        text: schema.add_text_field("text", TextOptions::default().set_indexing_options(words)),
        source: schema.add_text_field("source_document", STORED),
        exact: FieldName::ALL
            .iter()
            .map(|field| (*field, schema.add_text_field(field.as_str(), STRING)))
            .collect(),
    };
    (schema.build(), fields)
}

impl Fields {
    /// The id and the form of a document.
    pub(super) fn document(&self, source: &Value) -> (String, TantivyDocument) {
        let mut document = TantivyDocument::default();
        let text = |name: &str| source[name].as_str().unwrap_or_default();
        document.add_text(self.id, text("id"));
        document.add_text(self.tenant, text("tenant_id"));
        document.add_i64(self.at, source["at"].as_i64().unwrap_or_default());
        document.add_i64(self.until, source["until"].as_i64().unwrap_or_default());
        document.add_u64(self.epoch, source["epoch"].as_u64().unwrap_or_default());
        document.add_text(self.text, text("text"));
        for (name, field) in &self.exact {
            for value in exact(&source[name.as_str()]) {
                document.add_text(*field, value);
            }
        }
        document.add_text(self.source, source.to_string());
        (text("id").to_owned(), document)
    }

    pub(super) fn id_term(&self, id: &str) -> Term {
        Term::from_field_text(self.id, id)
    }
}

/// The values of a field, as text.
fn exact(value: &Value) -> Vec<String> {
    let values = match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(truth) => vec![truth.to_string()],
        _ => Vec::new(),
    };
    values.into_iter().filter(|value: &String| value.chars().count() <= EXACT_CHARS).collect()
}
