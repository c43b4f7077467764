//! Random strings beside words that announce them: "the password is …", "token … was refused".

use super::Span;
use super::key;

/// Words after an announcement that are looked at.
const NEAR: usize = 4;

/// Finds them.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut left = 0;
    let mut password = false;
    for (start, word) in words(text) {
        if left == 0 && word.len() < 3 {
            continue;
        }
        let announced = announces(word);
        if announced {
            (left, password) = (NEAR, is_password(word));
            continue;
        }
        if left == 0 {
            continue;
        }
        let close = NEAR - 2 < left;
        let spoken = password && close && key::looks_secret(word);
        let hex = close && 32 <= word.len() && word.bytes().all(|b| b.is_ascii_hexdigit()) && left == NEAR;
        if spoken || key::is_random(word) || hex {
            spans.push(Span { start, end: start + word.len(), kind: "random" });
        }
        left -= 1;
    }
}

/// Words without what surrounds them, and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let edge = |c: char| ".,;:!?()[]{}<>\"'`".contains(c);
    let raw = text.split(|c: char| c.is_whitespace() || ",;\"'()".contains(c));
    let words = raw.map(move |word| word.trim_matches(edge)).filter(|word| !word.is_empty());
    words.map(move |word| (word.as_ptr().addr() - text.as_ptr().addr(), word))
}

fn announces(word: &str) -> bool {
    const WORDS: [&str; 14] = [
        "secret",
        "secrets",
        "token",
        "key",
        "apikey",
        "api_key",
        "api-key",
        "credential",
        "credentials",
        "bearer",
        "access_key",
        "secret_key",
        "aws",
        "passcode",
    ];
    word.len() <= 12 && WORDS.iter().any(|one| word.eq_ignore_ascii_case(one))
        || is_password(word)
        || (word.len() == 20 && word.starts_with("AKIA"))
}

fn is_password(word: &str) -> bool {
    ["password", "passwd", "pwd", "passphrase"].iter().any(|one| word.eq_ignore_ascii_case(one))
}
