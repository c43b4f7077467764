//! Whether a sentence keeps to the statements it cites. Pure; it judges form, not sense.
//!
//! Every token that can name or measure something must be in a cited statement: what has a digit, a sign inside, a
//! capital that does not begin a sentence, a letter outside of ASCII, or is the name of a known thing; numbers also
//! when they are written as words, with their units. Links, markup and commands are refused wherever they come from.

mod atoms;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::atoms::Atom;
use super::strict::hidden;

/// What no sentence contains.
const MARKUP: [&str; 17] = [
    "://",
    "//",
    "www.",
    "](",
    "![",
    "<",
    ">",
    "`",
    "|",
    "$(",
    "${",
    "&&",
    "\\",
    "mailto:",
    "javascript:",
    "data:",
    "*",
];
/// Words in capitals that name nothing in particular.
const CAPITALS: [&str; 16] = [
    "i", "a", "utc", "cpu", "api", "http", "https", "dns", "tls", "oom", "slo", "io", "ok", "p50", "p95",
    "p99",
];
/// Words with a hyphen that name nothing in particular.
const HYPHENATED: [&str; 8] = [
    "out-of-memory",
    "follow-up",
    "roll-out",
    "read-only",
    "time-out",
    "well-known",
    "so-called",
    "long-running",
];

/// Why a sentence is dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It has a link, markup or a command in it.
    #[error("links, markup and commands are not allowed")]
    Markup,
    /// It has a character in it that cannot be seen.
    #[error("characters that cannot be seen are not allowed")]
    Hidden,
    /// It names or measures something that no cited statement does.
    #[error("{0:?} is in no cited statement")]
    Unsupported(String),
}

/// Checks a sentence against the statements that it cites; `names` are names of known things.
///
/// # Errors
/// The first thing that is wrong.
pub fn sentence(text: &str, cited: &[&str], names: &BTreeSet<String>) -> Result<(), Fault> {
    if text.chars().any(hidden) {
        return Err(Fault::Hidden);
    }
    let lower = text.to_lowercase();
    if MARKUP.iter().any(|sign| lower.contains(sign)) {
        return Err(Fault::Markup);
    }
    let said: BTreeSet<String> = cited.iter().flat_map(|statement| atoms::said(statement)).collect();
    let names: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
    for atom in atoms::of(text) {
        if must_be_said(&atom, &names) && !said.contains(&atom.folded) {
            return Err(Fault::Unsupported(atom.written));
        }
    }
    Ok(())
}

fn must_be_said(atom: &Atom, names: &BTreeSet<String>) -> bool {
    let (written, folded) = (atom.written.as_str(), atom.folded.as_str());
    if names.contains(folded) || atoms::counts(folded) || folded.chars().any(|c| c.is_numeric()) {
        return !CAPITALS.contains(&folded) || names.contains(folded);
    }
    if written.chars().any(|c| !c.is_ascii() && !"“”‘’–—…".contains(c)) {
        return true;
    }
    if CAPITALS.contains(&folded) || HYPHENATED.contains(&folded) {
        return false;
    }
    let mut capitals = written.chars().enumerate().filter(|(_, c)| c.is_uppercase()).map(|(at, _)| at);
    let capitalized = match (capitals.next(), capitals.next()) {
        (None, _) => false,
        (Some(0), None) => !atom.begins,
        _ => true,
    };
    capitalized || written.chars().any(|c| !c.is_alphabetic() && !"“”‘’–—…'".contains(c))
}
