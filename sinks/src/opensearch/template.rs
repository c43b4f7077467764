//! Templates of indexes: strict fields, so that a row can neither add nor change one.

use schemas::view::ViewName;
use serde_json::{Value, json};

use super::translate::Naming;
use crate::document::{EXACT_CHARS, facets};

/// Path and body of the template of a view's indexes.
pub(super) fn template(naming: &Naming, view: ViewName) -> (String, Value) {
    let path = format!("/_index_template/{}-{view}", naming.prefix);
    let body = json!({
        "index_patterns": [naming.pattern(view)],
        "priority": 500,
        "template": {
            "settings": { "number_of_shards": 1, "auto_expand_replicas": "0-1" },
            "mappings": { "dynamic": "strict", "properties": properties(view) }
        }
    });
    (path, body)
}

/// Fields of a view's documents.
pub(super) fn properties(view: ViewName) -> Value {
    let keyword = json!({ "type": "keyword", "ignore_above": EXACT_CHARS });
    let date = json!({ "type": "date", "format": "epoch_millis" });
    let mut fields = json!({
        "shard": keyword, "id": keyword, "tenant_id": keyword, "view": keyword, "key": keyword,
        "live": { "type": "boolean" }, "epoch": { "type": "long" },
        "at": date, "until": date,
        // Words, divided before they come here.
        "entity": keyword, "text": { "type": "text", "analyzer": "whitespace" },
        // The row as the API gives it; not searched.
        "row": { "type": "object", "enabled": false }
    });
    for field in facets(view) {
        fields[field.as_str()] = keyword.clone();
    }
    fields
}

/// Path and body of the index that says how far each shard is.
pub(super) fn progress(naming: &Naming) -> (String, Value) {
    let keyword = json!({ "type": "keyword" });
    let body = json!({
        "settings": { "number_of_shards": 1, "auto_expand_replicas": "0-1" },
        "mappings": { "dynamic": "strict", "properties": {
            "epoch": { "type": "long" }, "digest": keyword, "generation": keyword
        } }
    });
    (format!("/{}-progress", naming.prefix), body)
}
