//! What tokens cost: list prices as data, money as millionths of a dollar, always rounded up.

use serde::Deserialize;

use super::wire::Usage;

/// The prices that come with the program.
const BUILTIN: &str = include_str!("../../data/prices.yaml");

/// Millionths of a dollar per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Of what is asked.
    pub input: u64,
    /// Of what is answered.
    pub output: u64,
}

impl Price {
    /// What tokens cost.
    pub fn cost(&self, usage: Usage) -> u64 {
        let part = |price: u64, tokens: u64| u128::from(price) * u128::from(tokens);
        let sum = part(self.input, usage.input_tokens).saturating_add(part(self.output, usage.output_tokens));
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// A low estimate of the tokens of so many bytes: what a provider reports below it is not believed.
pub fn estimate(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(3)
}

/// Tokens to be paid for: what was reported, but not less than an own estimate of either side.
pub(crate) fn counted(reported: Option<Usage>, asked: usize, answered: usize) -> Usage {
    let reported = reported.unwrap_or_default();
    Usage {
        input_tokens: reported.input_tokens.max(estimate(asked)),
        output_tokens: reported.output_tokens.max(estimate(answered)),
    }
}

/// A list of prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices(Vec<(String, Price)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    prices: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    model: String,
    input: String,
    output: String,
    source: String,
    seen: String,
}

impl Prices {
    /// The list that comes with the program.
    ///
    /// # Errors
    /// As [`Prices::parse`]; a test shows that there are none.
    pub fn builtin() -> Result<Self, String> {
        Prices::parse(BUILTIN)
    }

    /// A list in the form of `data/prices.yaml`.
    ///
    /// # Errors
    /// Not in that form, or a price that is no amount; as a sentence.
    pub fn parse(yaml: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(yaml).map_err(|error| format!("prices: {error}"))?;
        let priced = |row: Row| {
            if row.source.is_empty() || row.seen.is_empty() {
                return Err(format!("prices of {}: where and when they were seen is missing", row.model));
            }
            let amount = |text: &str| {
                micros(text)
                    .ok_or_else(|| format!("prices of {}: {text:?} is no amount in dollars", row.model))
            };
            let price = Price { input: amount(&row.input)?, output: amount(&row.output)? };
            Ok((row.model, price))
        };
        file.prices.into_iter().map(priced).collect::<Result<_, _>>().map(Prices)
    }

    /// This list before another one.
    #[must_use]
    pub fn before(mut self, other: Prices) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The price of a model, and whether it is known; otherwise the dearest of each side.
    pub fn of(&self, model: &str) -> (Price, bool) {
        match self.0.iter().find(|(pattern, _)| fits(pattern, model)) {
            Some((_, price)) => (*price, true),
            None => {
                let dearest = |side: fn(&Price) -> u64| self.0.iter().map(|(_, price)| side(price)).max();
                let input = dearest(|price| price.input).unwrap_or(u64::MAX);
                let output = dearest(|price| price.output).unwrap_or(u64::MAX);
                (Price { input, output }, false)
            }
        }
    }
}

/// Dollars with up to six decimals, as millionths.
fn micros(dollars: &str) -> Option<u64> {
    let (whole, fraction) = dollars.split_once('.').unwrap_or((dollars, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || 6 < fraction.len() {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

/// Whether a name fits a pattern; `*` stands for any run of characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.find(middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |last| rest.ends_with(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_list_is_read_and_the_first_pattern_counts() {
        let prices = Prices::builtin().unwrap();
        assert_eq!(prices.of("gpt-4.1-mini-2025-04-14").0, Price { input: 400_000, output: 1_600_000 });
        assert_eq!(prices.of("gpt-4.1").0, Price { input: 2_000_000, output: 8_000_000 });
        let own = "prices: [{model: 'llama*', input: '0', output: '0', source: own, seen: '2026-11'}]";
        let prices = Prices::parse(own).unwrap().before(prices);
        assert_eq!(prices.of("llama-3"), (Price::default(), true));
        assert_eq!(prices.of("unheard-of"), (Price { input: 15_000_000, output: 120_000_000 }, false));
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        for row in [
            "{model: a, input: '-1', output: '0', source: s, seen: t}",
            "{model: a, input: '1.0000001', output: '0', source: s, seen: t}",
            "{model: a, input: '99999999999999999999', output: '0', source: s, seen: t}",
            "{model: a, input: '1', output: '0', source: s, seen: ''}",
            "{model: a, input: '1', output: '0', source: s, seen: t, more: 1}",
        ] {
            assert!(Prices::parse(&format!("prices: [{row}]")).is_err(), "{row}");
        }
    }

    #[test]
    fn patterns_fit_whole_names() {
        assert!(fits("gpt-5", "gpt-5") && fits("a*c*e", "abcde") && fits("*", "") && fits("a*a", "aa"));
        assert!(!fits("gpt-5", "gpt-5x") && !fits("a*a", "a") && !fits("a*c*e", "ace-") && !fits("b*", "ab"));
    }

    #[test]
    fn money_is_rounded_up_and_does_not_wrap() {
        let price = Price { input: 150_000, output: 600_000 };
        assert_eq!(price.cost(Usage { input_tokens: 1, output_tokens: 0 }), 1);
        assert_eq!(price.cost(Usage { input_tokens: 1_000_000, output_tokens: 1_000_000 }), 750_000);
        let all = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX };
        assert_eq!(Price { input: u64::MAX, output: u64::MAX }.cost(all), u64::MAX);
    }

    #[test]
    fn what_is_reported_counts_unless_it_is_too_little() {
        let few = Some(Usage { input_tokens: 1, output_tokens: 900 });
        assert_eq!(counted(few, 301, 30), Usage { input_tokens: 101, output_tokens: 900 });
        assert_eq!(counted(None, 1, 4), Usage { input_tokens: 1, output_tokens: 2 });
    }
}
