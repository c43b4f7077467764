//! From what a route answered to what a tool gives: in order, bounded, with its instant and its link.

use std::cmp::Reverse;

use schemas::answer::Answer;
use schemas::view::{Row, ViewName};
use serde::Deserialize;
use serde_json::{Map, Value, json};

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
    let Value::Object(document) = answered.document else {
        return Err(Refusal::new("answer_unreadable", "the answer is no object"));
    };
    match tool {
        Tool::Investigate => answer(asked, document, answered.location),
        Tool::Incident => incident(asked, document),
        Tool::Incidents => Ok(rows(Some(ViewName::Incidents), asked, document)),
        Tool::Chains => Ok(rows(Some(ViewName::Chains), asked, document)),
        Tool::Topology => Ok(rows(Some(ViewName::Topology), asked, document)),
        Tool::WhatChanged => Ok(changes(asked, document)),
        Tool::Search => Ok(rows(None, asked, document)),
    }
}

fn answer(
    asked: &Asked,
    mut document: Map<String, Value>,
    location: Option<String>,
) -> Result<Told, Refusal> {
    let answer = Answer::deserialize(&Value::Object(document.clone()))
        .map_err(|error| Refusal::new("answer_unreadable", error.to_string()))?;
    document.retain(|name, _| !HOW.contains(&name.as_str()));
    let link = location.unwrap_or_else(|| asked.path.clone());
    Ok(Told { structured: bounded(document, link, false), text: lines::answer(&answer).join("\n") })
}

fn incident(asked: &Asked, document: Map<String, Value>) -> Result<Told, Refusal> {
    let structured = bounded(document.clone(), asked.path.clone(), false);
    let of_view = |view: ViewName, row: &Value| Row::of_view(view, row.clone()).ok();
    let mut read: Vec<Row> = of_view(ViewName::Incidents, &document["incident"]).into_iter().collect();
    let shown = structured["chains"].as_array().map_or(0, Vec::len);
    let chains = document["chains"].as_array().into_iter().flatten().take(shown);
    read.extend(chains.filter_map(|row| of_view(ViewName::Chains, row)));
    read.extend(of_view(ViewName::Alerts, &document["alert"]));
    let text: Vec<String> = read.iter().map(lines::row).collect();
    Ok(Told { structured, text: text.join("\n") })
}

/// Rows of a view, or of many: then each says of which.
fn rows(view: Option<ViewName>, asked: &Asked, mut document: Map<String, Value>) -> Told {
    let found = document.remove(if view.is_some() { "rows" } else { "hits" });
    let mut found: Vec<(Value, Option<Row>)> = match found {
        Some(Value::Array(rows)) => rows
            .into_iter()
            .map(|row| {
                let read = read(view, &row);
                (row, read)
            })
            .collect(),
        _ => Vec::new(),
    };
    // A page is in the order of keys. Chains keep it: their key begins with incident and rank.
    if matches!(view, Some(ViewName::Incidents | ViewName::Topology | ViewName::Changes)) {
        found.sort_by_key(|(_, row)| Reverse(row.as_ref().and_then(Row::span)));
    }
    let more = asked.limit < found.len() || document["next_cursor"].is_string();
    found.truncate(asked.limit);
    let as_of = document.remove("as_of").unwrap_or_else(|| json!({"epoch": document["epoch"]}));
    let link = if view.is_some() && !asked.path.contains("as_of=") {
        asked.clone().with("as_of", Some(as_of["epoch"].to_string())).path
    } else {
        asked.path.clone()
    };
    let (rows, read): (Vec<Value>, Vec<Option<Row>>) = found.into_iter().unzip();
    let result = Map::from_iter([("as_of".to_owned(), as_of), ("rows".to_owned(), Value::Array(rows))]);
    let structured = bounded(result, link, more);
    let shown = structured["rows"].as_array().map_or(0, Vec::len);
    let mut text: Vec<String> = read.iter().take(shown).flatten().map(lines::row).collect();
    let more = if structured["more"] == true { ", more are left out" } else { "" };
    text.insert(0, format!("{shown} found as of epoch {}{more}", structured["as_of"]["epoch"]));
    Told { structured, text: text.join("\n") }
}

/// Rows of changes, and aloud when there are none.
fn changes(asked: &Asked, document: Map<String, Value>) -> Told {
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
fn bounded(document: Map<String, Value>, link: String, more: bool) -> Value {
    let document = Value::Object(document);
    let mut items = ROWS_MAX;
    loop {
        let mut left_out = more;
        let mut result = within(&document, items, &mut left_out);
        result["link"] = Value::String(link.clone());
        result["more"] = Value::Bool(left_out);
        if items == 1 || result.to_string().len() <= RESULT_BYTES_MAX {
            return result;
        }
        items /= 2;
    }
}

/// A copy with so many items of each list, and texts of bounded length.
fn within(value: &Value, items: usize, left_out: &mut bool) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text, TEXT_CHARS_MAX)),
        Value::Array(all) => {
            *left_out |= items < all.len();
            Value::Array(all.iter().take(items).map(|item| within(item, items, left_out)).collect())
        }
        Value::Object(fields) => {
            let within = fields.iter().map(|(name, field)| (name.clone(), within(field, items, left_out)));
            Value::Object(within.collect())
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
