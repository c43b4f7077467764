//! Secrets are removed before a text leaves for a model, and from what agents report.
//!
//! Contract: text in, the same text out with `[redacted:kind]` in the place of each secret. Found are secrets of known
//! form, values of keys whose name says that they are secret, card numbers, e-mail addresses, random strings beside
//! words that announce them, and all of these once encoded (base64, hexadecimal, percent signs). In a document, every
//! string and every key, values whose sibling or own key says so, and secrets cut in pieces over siblings.
//!
//! Time is linear in the length of the text: no rule looks further than a bound, or over what it has not consumed.

mod assign;
mod decode;
mod document;
mod key;
mod prose;
mod rules;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// A part of a text that is a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span {
    start: usize,
    end: usize,
    kind: &'static str,
}

/// The text without secrets.
pub fn text(text: &str) -> String {
    replaced(text, spans(text))
}

/// The document without secrets.
pub fn value(document: &Value) -> Value {
    document::redacted(document)
}

/// Every secret of a text, encoded ones included, in order and apart.
fn spans(text: &str) -> Vec<Span> {
    let mut spans = plain(text);
    decode::find(text, &mut spans);
    apart(spans)
}

/// Secrets that are not encoded.
fn plain(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    rules::find(text, &mut spans);
    assign::find(text, &mut spans);
    prose::find(text, &mut spans);
    spans
}

/// In order, and those that overlap joined.
fn apart(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

fn replaced(text: &str, spans: Vec<Span>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str("[redacted:");
        out.push_str(span.kind);
        out.push(']');
        at = span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}
