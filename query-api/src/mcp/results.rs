//! From what a route answered to what a tool gives: in order, bounded, with its instant and its link.

use std::cmp::Reverse;

use schemas::answer::Answer;
use schemas::view::{Row, ViewName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::{Answered, Refusal};
use super::asked::{Asked, ROWS_MAX};
use super::lines;
use super::tool::Tool;

/// Longest text of a field, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// Largest structured result; longer lists are halved until it fits.
const RESULT_BYTES_MAX: usize = 64 << 10;
/// Parts of an answer that say how it came about; they are behind the link.
const HOW: [&str; 4] = ["agent_results", "plan", "cost", "latency_ms"];

/// A result.
#[derive(Debug)]
pub(super) struct Told {
    /// For programs.
    pub(super) structured: Value,
    /// For models.
    pub(super) text: String,
}

/// What a tool gives.
pub(super) fn of(tool: Tool, asked: &Asked, answered: Answered) -> Result<Told, Refusal> {
    let Answered { document, location } = answered;
    if !document.is_object() {
        return Err(Refusal::new("answer_unreadable", "the answer is no object"));
    }
    match tool {
        Tool::Investigate => answer(asked, document, location),
        Tool::Incident => Ok(incident(asked, &document)),
        Tool::Incidents => Ok(rows(Some(ViewName::Incidents), asked, document)),
        Tool::Chains => Ok(rows(Some(ViewName::Chains), asked, document)),
        Tool::Topology => Ok(rows(Some(ViewName::Topology), asked, document)),
        Tool::WhatChanged => Ok(changes(asked, document)),
        Tool::Search => Ok(rows(None, asked, document)),
    }
}

fn answer(asked: &Asked, mut document: Value, location: Option<String>) -> Result<Told, Refusal> {
    let answer = Answer::deserialize(&document)
        .map_err(|error| Refusal::new("answer_unreadable", error.to_string()))?;
    if let Some(parts) = document.as_object_mut() {
        parts.retain(|name, _| !HOW.contains(&name.as_str()));
    }
    let link = location.unwrap_or_else(|| asked.path.clone());
    Ok(Told { structured: bounded(&document, &link, false), text: lines::answer(&answer).join("\n") })
}

fn incident(asked: &Asked, document: &Value) -> Told {
    let structured = bounded(document, &asked.path, false);
    let mut told: Vec<Row> = read(Some(ViewName::Incidents), &document["incident"]).into_iter().collect();
    let shown = structured["chains"].as_array().map_or(0, Vec::len);
    let chains = document["chains"].as_array().into_iter().flatten().take(shown);
    told.extend(chains.filter_map(|row| read(Some(ViewName::Chains), row)));
    told.extend(read(Some(ViewName::Alerts), &document["alert"]));
    let text: Vec<String> = told.iter().map(lines::row).collect();
    Told { structured, text: text.join("\n") }
}

/// Rows of a view, or of many: then each says of which.
fn rows(view: Option<ViewName>, asked: &Asked, mut document: Value) -> Told {
    let found = match document[if view.is_some() { "rows" } else { "hits" }].take() {
        Value::Array(found) => found,
        _ => Vec::new(),
    };
    let mut found: Vec<(Option<Row>, Value)> = found.into_iter().map(|row| (read(view, &row), row)).collect();
    // A page is in the order of keys. Chains keep it: their key begins with incident and rank.
    if matches!(view, Some(ViewName::Incidents | ViewName::Topology | ViewName::Changes)) {
        found.sort_by_key(|(row, _)| Reverse(row.as_ref().and_then(Row::span)));
    }
    let more = asked.limit < found.len() || document["next_cursor"].is_string();
    found.truncate(asked.limit);
    let (read, rows): (Vec<Option<Row>>, Vec<Value>) = found.into_iter().unzip();
    let (as_of, link) = match view {
        Some(_) if asked.path.contains("as_of=") => (document["as_of"].take(), asked.path.clone()),
        Some(_) => {
            let epoch = document["as_of"]["epoch"].to_string();
            (document["as_of"].take(), asked.clone().with("as_of", Some(epoch)).path)
        }
        None => (json!({"epoch": document["epoch"]}), asked.path.clone()),
    };
    let structured = bounded(&json!({"as_of": as_of, "rows": rows}), &link, more);
    let shown = structured["rows"].as_array().map_or(0, Vec::len);
    let more = if structured["more"] == true { ", more are left out" } else { "" };
    let mut text = vec![format!("{shown} found as of epoch {}{more}", structured["as_of"]["epoch"])];
    text.extend(read.iter().take(shown).flatten().map(lines::row));
    Told { structured, text: text.join("\n") }
}

/// Rows of changes, and aloud when there are none.
fn changes(asked: &Asked, document: Value) -> Told {
    let mut told = rows(Some(ViewName::Changes), asked, document);
    let changed = told.structured["rows"].as_array().is_some_and(|rows| !rows.is_empty());
    told.structured["changed"] = Value::Bool(changed);
    if !changed {
        let (from, to) =
            (asked.window.0.as_deref().unwrap_or_default(), asked.window.1.as_deref().unwrap_or_default());
        let of = asked.entity.as_ref().map_or_else(String::new, |entity| format!(" of {entity}"));
        let (epoch, settled) =
            (&told.structured["as_of"]["epoch"], &told.structured["as_of"]["settled_before"]);
        told.text = lines::plain(&format!(
            "no change{of} from {from} to {to} as of epoch {epoch}; events dated {} or later may still come",
            settled.as_str().unwrap_or_default()
        ));
    }
    told
}

fn read(view: Option<ViewName>, row: &Value) -> Option<Row> {
    match view {
        Some(view) => Row::of_view(view, row.clone()).ok(),
        None => Row::of_view(row["view"].as_str()?.parse().ok()?, row["row"].clone()).ok(),
    }
}

/// The document within its limits, with its link and whether something was left out.
fn bounded(document: &Value, link: &str, more: bool) -> Value {
    let (mut outer, mut inner) = (ROWS_MAX, ROWS_MAX);
    loop {
        let mut left_out = more;
        let mut result = within(document, (outer, inner), &mut left_out);
        result["link"] = Value::String(link.to_owned());
        result["more"] = Value::Bool(left_out);
        if inner == 1 || result.to_string().len() <= RESULT_BYTES_MAX {
            return result;
        }
        // Few whole rows say more than many rows in pieces.
        let longest = if outer == 1 { &mut inner } else { &mut outer };
        *longest /= 2;
    }
}

/// A copy with so many items of each list, and of each list within one, and texts of bounded length.
fn within(value: &Value, (items, inner): (usize, usize), left_out: &mut bool) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text, TEXT_CHARS_MAX)),
        Value::Array(all) => {
            *left_out |= items < all.len();
            Value::Array(all.iter().take(items).map(|item| within(item, (inner, inner), left_out)).collect())
        }
        Value::Object(fields) => {
            let field =
                |(name, field): (&String, &Value)| (name.clone(), within(field, (items, inner), left_out));
            Value::Object(fields.iter().map(field).collect())
        }
        plain => plain.clone(),
    }
}

/// The beginning of a text, with a sign that there was more.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    text.chars().take(chars_max - 1).chain(['…']).collect()
}
