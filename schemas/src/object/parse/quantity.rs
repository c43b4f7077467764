//! Kubernetes quantities (k8s.io/apimachinery, pkg/api/resource): `100m`, `1.5`, `1Gi`, `1e3`.

/// A quantity in milli-units, saturating; `None` when it is not one. Digits below a milli-unit are cut off.
pub fn milli(text: &str) -> Option<i64> {
    let text = text.trim();
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let digits = whole.trim_start_matches(['-', '+']);
    let valid = !(digits.is_empty() && fraction.is_empty())
        && digits.len() <= 19
        && digits.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if !valid {
        return None;
    }
    let whole: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let padded: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nano = whole * 1_000_000_000 + padded.parse::<i128>().ok()?;
    let (numerator, denominator) = scale(suffix)?;
    let milli = nano.saturating_mul(numerator) / denominator / 1_000_000;
    let signed = if negative { -milli } else { milli };
    Some(i64::try_from(signed).unwrap_or(if negative { i64::MIN } else { i64::MAX }))
}

fn scale(suffix: &str) -> Option<(i128, i128)> {
    let power = |base: i128, exponent: u32| Some((base.pow(exponent), 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "k" => power(1_000, 1),
        "M" => power(1_000, 2),
        "G" => power(1_000, 3),
        "T" => power(1_000, 4),
        "P" => power(1_000, 5),
        "E" => power(1_000, 6),
        "Ki" => power(1_024, 1),
        "Mi" => power(1_024, 2),
        "Gi" => power(1_024, 3),
        "Ti" => power(1_024, 4),
        "Pi" => power(1_024, 5),
        "Ei" => power(1_024, 6),
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            if 18 < exponent { None } else { power(10, exponent) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::milli;

    #[test]
    fn quantities_become_milli_units() {
        let pairs = [
            ("100m", Some(100)),
            ("2", Some(2_000)),
            ("0.5", Some(500)),
            ("1Ki", Some(1_024_000)),
            ("1e3", Some(1_000_000)),
            ("-1", Some(-1_000)),
            ("9999999999999999999E", Some(i64::MAX)),
            ("", None),
            ("abc", None),
            ("1x", None),
            ("1.2.3", None),
        ];
        for (text, expected) in pairs {
            assert_eq!(milli(text), expected, "{text}");
        }
    }
}
