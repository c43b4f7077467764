//! Text of kubectl: `describe`, `get events`, and transcripts of both.
//!
//! The text is turned into the JSON that `kubectl get -o json` would have shown, as far as it tells, so that one
//! normalizer serves both. Relative ages count back from when the record arrived. A transcript is a JSON map from
//! command line to output; commands that say nothing about single objects are skipped.

use serde_json::{Map, Value, json};

use super::kubernetes;
use super::vendor::ITEMS_MAX;
use super::{Decoded, Raw};
use crate::error::{DecodeError, RejectCode};

mod describe;
mod events;
mod tables;
mod template;
mod times;
mod tree;

/// A line of kubectl's output that is longer is cut: no field of it is.
const LINE_BYTES_MAX: usize = 16 << 10;

pub(crate) fn decode(raw: &Raw<'_>) -> Decoded {
    let Ok(text) = std::str::from_utf8(raw.bytes) else {
        return Decoded::refused(DecodeError::malformed("not UTF-8 text; pipe kubectl's output as it is"));
    };
    if let Ok(Value::Object(commands)) = serde_json::from_str::<Value>(text) {
        return transcript(raw, &commands);
    }
    let mut items = Vec::new();
    plain(raw, text, &mut items);
    if items.is_empty() {
        let detail = "no object or event found; send `kubectl describe`, `kubectl get events` or `kubectl get -o json`";
        return Decoded::refused(DecodeError::new(RejectCode::UnknownFormat, detail));
    }
    kubernetes::decode(raw, json!({ "items": items }))
}

fn transcript(raw: &Raw<'_>, commands: &Map<String, Value>) -> Decoded {
    let (mut items, mut made) = (Vec::new(), tables::Made::new());
    for (command, output) in commands {
        let (Some(command), Some(output)) = (Command::parse(command), output.as_str()) else { continue };
        if ITEMS_MAX < items.len() {
            break;
        }
        if let ("get", false, Some(kind)) =
            (command.verb.as_str(), command.formatted, describe::kind_by_name(&command.kind))
        {
            tables::made(output, kind, &command.namespace, raw.arrived, &mut made);
        }
        match (command.verb.as_str(), command.kind.as_str()) {
            ("describe", kind) => describe_blocks(raw, output, Some(kind), &mut items),
            ("get", "events") if !command.formatted => {
                events::get_events(output, &command.namespace, raw.arrived, &mut items)
            }
            ("get", "secrets") if !command.formatted => {
                tables::names(output, "Secret", &command.namespace, &mut items)
            }
            _ => {}
        }
    }
    tables::fill_in(&mut items, &made);
    if items.is_empty() {
        let detail = "no `kubectl describe` or `kubectl get events` output in the transcript";
        return Decoded::refused(DecodeError::new(RejectCode::UnknownFormat, detail));
    }
    kubernetes::decode(raw, json!({ "items": items }))
}

fn plain(raw: &Raw<'_>, text: &str, items: &mut Vec<Value>) {
    if events::is_table(text) {
        events::get_events(text, "", raw.arrived, items);
    } else {
        describe_blocks(raw, text, None, items);
    }
}

/// One `describe` output holds objects separated by blank lines; each begins with `Name:`.
fn describe_blocks(raw: &Raw<'_>, text: &str, kind: Option<&str>, items: &mut Vec<Value>) {
    let mut block: Vec<&str> = Vec::new();
    let lines = text.lines().map(cut).chain(std::iter::once("Name:"));
    for line in lines {
        if line.starts_with("Name:") && !block.is_empty() {
            items.extend(describe::object(&block, kind));
            events::of_object(&block, kind, raw.arrived, items);
            block.clear();
        }
        if line.starts_with("Name:") || !block.is_empty() {
            block.push(line);
        }
    }
}

fn cut(line: &str) -> &str {
    let mut end = line.len().min(LINE_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// A kubectl command line.
struct Command {
    verb: String,
    kind: String,
    namespace: String,
    /// It asks for other columns or another format.
    formatted: bool,
}

impl Command {
    fn parse(line: &str) -> Option<Command> {
        let mut words = line.split('|').next()?.split_whitespace();
        if words.next()? != "kubectl" {
            return None;
        }
        let (verb, kind) = (words.next()?.to_owned(), words.next()?.split('/').next()?.to_owned());
        let rest: Vec<&str> = words.collect();
        let namespace = rest
            .iter()
            .position(|word| *word == "-n" || *word == "--namespace")
            .and_then(|at| rest.get(at + 1));
        let formatted =
            rest.iter().any(|word| matches!(*word, "-o" | "--show-labels") || word.starts_with("-o"));
        Some(Command { verb, kind, namespace: namespace.copied().unwrap_or_default().to_owned(), formatted })
    }
}

#[cfg(test)]
mod tests;
