//! Words of a text. Every index is given these words, not the text: what is found does not depend on whose index it is.

/// Longest word, in characters; a longer one is cut.
const WORD_CHARS: usize = 64;
/// Most words of one text; what is behind them cannot be found.
const TEXT_WORDS: usize = 4_096;

/// Runs of letters and digits, in lower case: `GET /api/v1: 5xx` is `get`, `api`, `v1`, `5xx`.
pub fn words(text: &str) -> Vec<String> {
    let runs = text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty());
    // Some capital letters become a letter and a mark, which is not of a word.
    let lower = |run: &str| {
        let letters = run.chars().flat_map(char::to_lowercase).filter(|letter| letter.is_alphanumeric());
        letters.take(WORD_CHARS).collect()
    };
    runs.take(TEXT_WORDS).map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_divided_where_letters_and_digits_end() {
        assert_eq!(words("GET /api/v1: 5xx"), ["get", "api", "v1", "5xx"]);
        assert_eq!(words("payment-7d9f OOMKilled"), ["payment", "7d9f", "oomkilled"]);
        assert_eq!(words("Straße İstanbul 数据库"), ["straße", "istanbul", "数据库"]);
        assert!(words(" -:/ ").is_empty());
    }

    #[test]
    fn a_hostile_text_has_bounds() {
        let long = "x".repeat(1_000_000);
        assert_eq!(words(&long), ["x".repeat(WORD_CHARS)]);
        assert_eq!(words(&"a ".repeat(1_000_000)).len(), TEXT_WORDS);
    }
}
