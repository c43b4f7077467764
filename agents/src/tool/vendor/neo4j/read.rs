//! Reads the answers of Neo4j: rows by the names of their fields.

use serde_json::{Value, json};

use crate::tool::ToolError;
use crate::tool::vendor::summary;

/// Kinds of one chain that are shown.
const KINDS: usize = 13;

/// Entities and how many steps away they are.
pub(super) fn entities(answer: &Value, most: usize) -> Result<Value, ToolError> {
    let rows = rows(answer)?;
    let row = |row: Value| json!({ "entity": summary::said(&row, "/entity", summary::NAME), "steps": summary::number(&row, "/steps") });
    Ok(json!({ "entities_at_risk": summary::list(rows, most, row) }))
}

/// Incidents, their root causes and chains.
pub(super) fn incidents(answer: &Value, most: usize) -> Result<Value, ToolError> {
    let rows = rows(answer)?;
    let row = |row: Value| {
        let said = |pointer: &str| summary::said(&row, pointer, summary::NAME);
        let kinds = summary::items(&row, "/kinds").iter().filter_map(Value::as_str).take(KINDS);
        let kinds: Vec<String> = kinds.map(|kind| summary::line(kind, summary::NAME)).collect();
        json!({ "incident": said("/incident"), "title": said("/title"), "at": summary::time(&row, "/at"),
            "alike": summary::number(&row, "/score"), "root": said("/root"), "entity": said("/entity"),
            "chain": kinds.join(" → ") })
    };
    Ok(json!({ "similar_incidents": summary::list(rows, most, row) }))
}

/// Rows as objects. A statement that failed has an error in the place of rows.
fn rows(answer: &Value) -> Result<Vec<Value>, ToolError> {
    if let Some(error) = summary::items(answer, "/errors").first() {
        let code = summary::text(error, "/code");
        return Err(match code {
            // What the database does not have: the index before the first incident, for one.
            code if code.starts_with("Neo.ClientError.Security.") => ToolError::Denied(said(code)),
            code if code.starts_with("Neo.TransientError.") => ToolError::Unavailable(said(code)),
            code => ToolError::Garbage(said(code)),
        });
    }
    let fields = summary::needed(answer, "/data/fields")?;
    let values = summary::needed(answer, "/data/values")?;
    let object = |row: &Value| {
        let names = fields.iter().map(|name| name.as_str().unwrap_or_default().to_owned());
        names.zip(row.as_array().cloned().unwrap_or_default()).collect::<serde_json::Map<_, _>>().into()
    };
    Ok(values.iter().map(object).collect())
}

/// The code of an error: the rest of it repeats the statement.
fn said(code: &str) -> String {
    summary::line(code, summary::NAME)
}
