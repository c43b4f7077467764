//! Tables of `kubectl get`, of which only the names are taken: that an object exists.

use serde_json::{Value, json};

/// One object for each line, by its first column.
pub(super) fn names(text: &str, kind: &str, namespace: &str, items: &mut Vec<Value>) {
    if !text.trim_start().starts_with("NAME ") {
        return;
    }
    let names = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    items.extend(names.map(|name| json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}})));
}
