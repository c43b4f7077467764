//! Secrets that were encoded once: base64 of either alphabet, hexadecimal, percent signs.
//!
//! A run of the letters of an encoding is decoded and looked at with the rules for plain text; if they find something,
//! all of the run is a secret. Base64 is read from each of four beginnings, because what stands before it (a path, a
//! word) may be made of its letters. What is decoded is not decoded again.

use super::Span;

/// Letters of a run that may hold a secret.
const BASE64_LETTERS: usize = 16;
const HEX_LETTERS: usize = 24;

/// Finds them, apart from what was found.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let known = super::apart(spans.clone());
    let mut encoded = Vec::new();
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"+/_-=".contains(&b);
    for (start, run) in runs(text, letter) {
        if BASE64_LETTERS <= run.len() && !within(&known, start, run) && in_base64(run.as_bytes()) {
            encoded.push(Span { start, end: start + run.len(), kind: "encoded" });
        }
    }
    for (start, run) in runs(text, |b| b.is_ascii_hexdigit()) {
        if HEX_LETTERS <= run.len() && !within(&known, start, run) && is_found(&hex(run.as_bytes())) {
            encoded.push(Span { start, end: start + run.len(), kind: "encoded" });
        }
    }
    let part = |b: u8| !b.is_ascii_whitespace() && !b"\"'<>&?`".contains(&b);
    for (start, run) in runs(text, part) {
        if run.contains('%') && !within(&known, start, run) {
            let decoded = percent(run.as_bytes());
            if decoded.len() < run.len() && is_found(&decoded) {
                encoded.push(Span { start, end: start + run.len(), kind: "encoded" });
            }
        }
    }
    spans.extend(encoded);
}

/// Longest runs of bytes of a class, and where they begin. The classes contain no part of a character beyond ASCII, or
/// all of them.
fn runs<'a>(text: &'a str, of: impl Fn(u8) -> bool + 'a) -> impl Iterator<Item = (usize, &'a str)> {
    let mut at = 0;
    let bytes = text.as_bytes();
    std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(|b| of(*b))?;
        let length = bytes.get(start..)?.iter().position(|b| !of(*b)).unwrap_or(bytes.len() - start);
        at = start + length;
        Some((start, text.get(start..at)?))
    })
}

fn within(known: &[Span], start: usize, run: &str) -> bool {
    let after = known.partition_point(|span| span.start <= start);
    let before = after.checked_sub(1).and_then(|index| known.get(index));
    before.is_some_and(|span| start + run.len() <= span.end)
}

fn in_base64(run: &[u8]) -> bool {
    (0..4).filter_map(|skipped| run.get(skipped..)).any(|rest| is_found(&base64(rest)))
}

/// Whether decoded bytes hold a secret. What cannot be text separates.
fn is_found(bytes: &[u8]) -> bool {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() || c == '\u{fffd}' { '\n' } else { c })
        .collect();
    // Where little is text, what looks like a secret is chance.
    let separators = text.bytes().filter(|b| *b == b'\n').count();
    8 * separators <= text.len() && !super::plain(&text).is_empty()
}

/// The bytes of base64 of either alphabet; padding is skipped, bits that are left over are dropped.
pub(super) fn base64(letters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in letters {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if 8 <= held {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

fn hex(digits: &[u8]) -> Vec<u8> {
    digits.chunks_exact(2).filter_map(two_digits).collect()
}

fn two_digits(pair: &[u8]) -> Option<u8> {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let number = 16 * digit(pair.first()?)? + digit(pair.get(1)?)?;
    u8::try_from(number).ok()
}

fn percent(run: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(run.len());
    let mut at = 0;
    while let Some(byte) = run.get(at) {
        match run.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(two_digits) {
            Some(decoded) => {
                bytes.push(decoded);
                at += 3;
            }
            None => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
    bytes
}
