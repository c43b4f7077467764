//! The language of searches. Pure.
//!
//! ```text
//! timeout checkout            both words
//! "connection refused"        one after the other; so are the words of payment-7d9f
//! time*                       words that begin so
//! timeout OR refused          either
//! -healthcheck                not this
//! severity:critical           a field is exactly this; quotes where it holds a space
//! ```
//!
//! Fields: `view`, `source`, `event_type`, `kind`, `class`, `severity`, `status`, `incident_id`, `entity`, `live`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::words::words;
use crate::entity::named_enum;

/// Most tests of one question.
const TESTS_MAX: usize = 64;
/// Longest question, in bytes.
const BYTES_MAX: usize = 4_096;

named_enum!(
    /// What of a row can be asked for exactly.
    FieldName, "field" {
        /// [`crate::view::ViewName`].
        View = "view",
        /// System that an event came from.
        Source = "source",
        /// What an event is, in the source's words.
        EventType = "event_type",
        /// Kind of an episode.
        Kind = "kind",
        /// Class of an episode.
        Class = "class",
        /// Severity.
        Severity = "severity",
        /// Status of an incident or alert.
        Status = "status",
        /// Incident of a row.
        IncidentId = "incident_id",
        /// An entity that the row names, as kind/namespace/name.
        Entity = "entity",
        /// `true` while the view has the row.
        Live = "live",
    }
);

/// What must hold of a row: every clause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// None: every row.
    pub clauses: Vec<Clause>,
}

/// Holds if any of its tests does, or if none does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// None may hold.
    pub negated: bool,
    /// At least one.
    pub tests: Vec<Test>,
}

/// What is asked of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// The text has these words one after the other; at least one.
    Phrase(Vec<String>),
    /// The text has a word that begins so; letters and digits only.
    Prefix(String),
    /// A field is exactly this.
    Field(FieldName, String),
}

/// A question that cannot be read; says where and what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(String);

impl FromStr for Expression {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        if BYTES_MAX < text.len() {
            return Err(QueryError(format!(
                "the question has {} bytes; use at most {BYTES_MAX}",
                text.len()
            )));
        }
        let mut clauses: Vec<Clause> = Vec::new();
        let mut alternative = false;
        for piece in pieces(text)? {
            if piece.text == "OR" && !piece.quoted {
                if clauses.is_empty() || alternative {
                    return Err(QueryError("OR stands between two words".to_owned()));
                }
                alternative = true;
                continue;
            }
            let (negated, test) = clause(&piece)?;
            let before = clauses.last_mut().filter(|_| alternative);
            alternative = false;
            match before {
                Some(before) if before.negated || negated => {
                    return Err(QueryError(
                        "OR does not go with '-'; leave out one by one: -a -b".to_owned(),
                    ));
                }
                Some(before) => before.tests.push(test),
                None => clauses.push(Clause { negated, tests: vec![test] }),
            }
        }
        if alternative {
            return Err(QueryError("OR stands between two words; one is missing at the end".to_owned()));
        }
        let tests: usize = clauses.iter().map(|clause| clause.tests.len()).sum();
        if TESTS_MAX < tests {
            return Err(QueryError(format!("the question has {tests} words; use at most {TESTS_MAX}")));
        }
        Ok(Expression { clauses })
    }
}

/// What stands between spaces; quotes hold spaces together.
struct Piece {
    text: String,
    /// It begins with a quote, behind a `-` perhaps.
    quoted: bool,
}

fn pieces(text: &str) -> Result<Vec<Piece>, QueryError> {
    let mut pieces = Vec::new();
    let mut piece = Piece { text: String::new(), quoted: false };
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '"' => {
                piece.quoted |= matches!(piece.text.as_str(), "" | "-");
                inside = !inside;
            }
            space if space.is_whitespace() && !inside => {
                let done = std::mem::replace(&mut piece, Piece { text: String::new(), quoted: false });
                pieces.push(done);
            }
            other => piece.text.push(other),
        }
    }
    if inside {
        return Err(QueryError("a quote is not closed; write \"two words\"".to_owned()));
    }
    pieces.push(piece);
    pieces.retain(|piece| !piece.text.is_empty());
    Ok(pieces)
}

fn clause(piece: &Piece) -> Result<(bool, Test), QueryError> {
    let (negated, text) = match piece.text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, piece.text.as_str()),
    };
    let meant = |(name, value): &(&str, &str)| {
        !piece.quoted && named(name) && !value.is_empty() && !value.starts_with("//")
    };
    let field = text.split_once(':').filter(meant);
    let test = match field {
        Some((name, value)) => Test::Field(self::field(name)?, value.to_owned()),
        None => word(text)?,
    };
    Ok((negated, test))
}

/// Whether a text could name a field: that of `10:32` does not.
fn named(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn field(name: &str) -> Result<FieldName, QueryError> {
    name.parse().map_err(|_| {
        let known: Vec<&str> = FieldName::ALL.iter().map(|field| field.as_str()).collect();
        QueryError(format!(
            "no field {name}; use one of {}, or write \"{name}:…\" to search for words",
            known.join(", ")
        ))
    })
}

fn word(text: &str) -> Result<Test, QueryError> {
    let mut found = words(text);
    let prefix = text.ends_with('*');
    match (found.len(), prefix) {
        (0, _) => Err(QueryError(format!("{text:?} holds no letter or digit to search for"))),
        (1, true) => Ok(Test::Prefix(found.remove(0))),
        (_, true) => Err(QueryError(format!("{text:?}: '*' goes with a single word"))),
        (_, false) => Ok(Test::Phrase(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Clause> {
        text.parse::<Expression>().unwrap().clauses
    }

    fn refused(text: &str) -> String {
        text.parse::<Expression>().unwrap_err().to_string()
    }

    fn phrase(words: &[&str]) -> Test {
        Test::Phrase(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn all(test: Test) -> Clause {
        Clause { negated: false, tests: vec![test] }
    }

    #[test]
    fn words_phrases_prefixes_and_fields_are_read() {
        assert_eq!(
            read("Timeout \"Connection refused\""),
            [all(phrase(&["timeout"])), all(phrase(&["connection", "refused"]))]
        );
        assert_eq!(
            read("payment-7d9f pay*"),
            [all(phrase(&["payment", "7d9f"])), all(Test::Prefix("pay".to_owned()))]
        );
        assert_eq!(
            read("entity:pod/shop/cart-1"),
            [all(Test::Field(FieldName::Entity, "pod/shop/cart-1".to_owned()))]
        );
        assert_eq!(
            read("source:\"two words\""),
            [all(Test::Field(FieldName::Source, "two words".to_owned()))]
        );
        assert_eq!(read("http://cart 10:32"), [all(phrase(&["http", "cart"])), all(phrase(&["10", "32"]))]);
        assert!(read("  ").is_empty());
    }

    #[test]
    fn alternatives_and_exclusions_are_read() {
        let either = Clause { negated: false, tests: vec![phrase(&["a"]), phrase(&["b"]), phrase(&["c"])] };
        assert_eq!(read("a OR b OR c d"), [either, all(phrase(&["d"]))]);
        assert_eq!(
            read("-\"a b\" x"),
            [Clause { negated: true, tests: vec![phrase(&["a", "b"])] }, all(phrase(&["x"]))]
        );
        assert_eq!(read("\"OR\""), [all(phrase(&["or"]))]);
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        assert!(refused("sevrity:critical").contains("use one of view, source"));
        assert!(refused("\"a b").contains("not closed"));
        assert!(refused("OR a").contains("between two words"));
        assert!(refused("a OR").contains("missing at the end"));
        assert!(refused("a OR -b").contains("one by one"));
        assert!(refused("--").contains("no letter"));
        assert!(refused("a-b*").contains("single word"));
        assert!(refused(&"a ".repeat(65)).contains("at most 64"));
        assert!(refused(&"a".repeat(5_000)).contains("at most 4096"));
    }
}
