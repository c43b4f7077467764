//! What is kept of an answer: texts cut and without control characters, lists cut and counted.
//!
//! Reading never fails for a field that is missing, null or of another type: it is null in the summary. Only what an
//! answer cannot be without makes it garbage.

use schemas::time::EventTime;
use serde_json::{Value, json};

use crate::tool::ToolError;

/// Characters kept of a name.
pub(super) const NAME: usize = 200;
/// Characters kept of a text that people wrote or a program logged.
pub(super) const TEXT: usize = 500;

/// Characters kept of a query that was asked.
pub(super) const QUERY: usize = 2_000;

/// At most `most` characters of a text, in one line.
pub(super) fn line(text: &str, most: usize) -> String {
    clean(text, most, false)
}

/// At most `most` characters of a text, its line breaks and tabs kept.
pub(super) fn block(text: &str, most: usize) -> String {
    clean(text, most, true)
}

fn clean(text: &str, most: usize, breaks: bool) -> String {
    let mut kept = String::new();
    let mut count = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let character = match character {
            '\n' | '\t' if breaks => character,
            '\n' | '\t' => ' ',
            '\u{1b}' => {
                if characters.next_if_eq(&'[').is_some() {
                    // A terminal's control sequence: parameters, then one letter.
                    while characters.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                    characters.next_if(|c| matches!(c, '@'..='~'));
                }
                continue;
            }
            hidden if hidden.is_control() || turns(hidden) => continue,
            shown => shown,
        };
        if count == most {
            kept.pop();
            kept.push('…');
            return kept;
        }
        kept.push(character);
        count += 1;
    }
    kept
}

/// Whether a character changes the direction in which its neighbors are shown, or is a tag that nobody sees.
fn turns(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(character, '\u{e0000}'..='\u{e007f}')
}

/// The text at a pointer; empty if there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What is said at a pointer, in one line: null if nothing is. Numbers and truth values are said as text.
pub(super) fn said(value: &Value, pointer: &str, most: usize) -> Value {
    match value.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => Value::String(line(text, most)),
        Some(Value::Number(number)) => Value::String(number.to_string()),
        Some(Value::Bool(truth)) => Value::String(truth.to_string()),
        _ => Value::Null,
    }
}

/// The number at a pointer, or null.
pub(super) fn number(value: &Value, pointer: &str) -> Value {
    value.pointer(pointer).filter(|value| value.is_number()).cloned().unwrap_or_default()
}

/// The RFC 3339 time at a pointer, in one form; null if it is none.
pub(super) fn time(value: &Value, pointer: &str) -> Value {
    EventTime::parse(text(value, pointer)).map_or(Value::Null, |time| json!(time))
}

/// The address of a page for people at a pointer; null if it is not plainly one.
pub(super) fn page(value: &Value, pointer: &str) -> Value {
    let address = text(value, pointer);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=%+@".contains(c);
    let is_page = address.starts_with("https://") && address.len() <= 300 && address.chars().all(plain);
    if is_page { Value::String(address.to_owned()) } else { Value::Null }
}

/// The elements at a pointer; none if there is no list.
pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The elements at a pointer, where an answer without them is none.
pub(super) fn needed<'a>(value: &'a Value, pointer: &str) -> Result<&'a [Value], ToolError> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map(Vec::as_slice).ok_or_else(|| ToolError::Garbage(format!("no list at {pointer:?}")))
}

/// The first elements of a list, each summarized, and how many were left out.
pub(super) fn list<T>(
    items: impl IntoIterator<Item = T>,
    most: usize,
    summarize: impl FnMut(T) -> Value,
) -> Value {
    let mut items = items.into_iter();
    let shown: Vec<Value> = items.by_ref().take(most).map(summarize).collect();
    json!({ "shown": shown, "left_out": items.count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_marked() {
        assert_eq!(line("abc", 3), "abc");
        assert_eq!(line("abcd", 3), "ab…");
        assert_eq!(line("äöüß", 3), "äö…");
        assert_eq!(line("🔥🔥", 1), "…");
        assert_eq!(line("anything", 0), "…");
        assert_eq!(line("", 0), "");
    }

    #[test]
    fn control_characters_go_and_line_breaks_only_where_asked() {
        assert_eq!(line("a\r\nb\tc\u{0}\u{7f}\u{9b}", 99), "a b c");
        assert_eq!(block("a\r\nb\tc\u{0}", 99), "a\nb\tc");
        assert_eq!(line("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}", 99), "red ]0;title");
        assert_eq!(line("\u{1b}[", 99), "");
        assert_eq!(line("pay\u{202e}gpj.exe\u{e0041}", 99), "paygpj.exe");
    }

    #[test]
    fn what_is_not_there_is_null() {
        let value =
            json!({"a": null, "b": [], "c": 7, "d": "2026-03-01T09:30:00+01:00", "e": "javascript:x"});
        assert_eq!(said(&value, "/a", 9), Value::Null);
        assert_eq!(said(&value, "/b/0/x", 9), Value::Null);
        assert_eq!(said(&value, "/c", 9), json!("7"));
        assert_eq!(time(&value, "/d"), json!("2026-03-01T08:30:00.000Z"));
        assert_eq!(time(&value, "/c"), Value::Null);
        assert_eq!(page(&value, "/e"), Value::Null);
        assert!(items(&value, "/a").is_empty());
        assert!(needed(&value, "/a").is_err());
    }

    #[test]
    fn lists_say_what_they_left_out() {
        assert_eq!(list(0..5, 2, |n| json!(n)), json!({"shown": [0, 1], "left_out": 3}));
    }
}
