//! Stretches of time in words: "last night around 3", "past 20 minutes", "since 09:30". Pure.
//!
//! Times are UTC. "Now" is the greatest event time of the views, so that the same question at the same epoch means the
//! same stretch whenever it is asked.

use schemas::answer::TimeWindow;
use schemas::time::EventTime;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// "Around three" reaches so far to either side.
const AROUND: i64 = HOUR;
/// "At 14:05" reaches so far to either side.
const AT: i64 = 30 * MINUTE;

/// The stretch that a text speaks of, if it speaks of one.
pub(super) fn window(text: &str, now: EventTime) -> Option<TimeWindow> {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '?' | '!' | '"' | '(' | ')'))
        .map(|word| word.trim_end_matches('.').to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (from, to) = stamps(text, now)
        .or_else(|| span(&words, now.0))
        .or_else(|| clock(&words, now.0))
        .or_else(|| day(&words, now.0))?;
    (from < to).then_some(TimeWindow { from: EventTime(from), to: EventTime(to) })
}

/// Full time stamps: two are a stretch, one is its middle, one after "since" its beginning.
fn stamps(text: &str, now: EventTime) -> Option<(i64, i64)> {
    let mut found = Vec::new();
    let mut since = false;
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '(' | ')' | '?')) {
        match EventTime::parse(word.trim_end_matches('.')) {
            Ok(at) if word.contains('T') => found.push(at.0),
            _ => since |= found.is_empty() && word.eq_ignore_ascii_case("since"),
        }
    }
    match found[..] {
        [at] if since => Some((at, now.0)),
        [at] => Some((at - AT, at + AT)),
        [one, other, ..] => Some((one.min(other), one.max(other))),
        [] => None,
    }
}

/// "last 20 minutes", "past hour", "2 hours ago".
fn span(words: &[&str], now: i64) -> Option<(i64, i64)> {
    for (index, word) in words.iter().enumerate() {
        let Some(unit) = unit(word) else { continue };
        let before = |back: usize| index.checked_sub(back).and_then(|at| words.get(at)).copied();
        let count = before(1).and_then(count);
        let length = unit.checked_mul(count.unwrap_or(1))?;
        if words.get(index + 1) == Some(&"ago") {
            let around = (length / 4).clamp(15 * MINUTE, 12 * HOUR);
            return Some((now - length - around, now - length + around));
        }
        let lead = if count.is_some() { before(2) } else { before(1) };
        if matches!(lead, Some("last" | "past" | "previous")) {
            return Some((now - length, now + 1));
        }
    }
    None
}

fn unit(word: &str) -> Option<i64> {
    match word.trim_end_matches('s') {
        "min" | "minute" => Some(MINUTE),
        "h" | "hr" | "hour" => Some(HOUR),
        "day" => Some(DAY),
        "week" => Some(7 * DAY),
        _ => None,
    }
}

fn count(word: &str) -> Option<i64> {
    let named = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    if matches!(word, "a" | "an") {
        return Some(1);
    }
    let place = named.iter().position(|name| *name == word).and_then(|place| i64::try_from(place).ok());
    place.or_else(|| word.parse().ok()).filter(|count| (1..=10_000).contains(count))
}

/// "around 3", "at 14:05", "since 9am", "between 2 and 4", with a day if one is named.
fn clock(words: &[&str], now: i64) -> Option<(i64, i64)> {
    for (index, word) in words.iter().enumerate() {
        let at = |ahead: usize| words.get(index + ahead).and_then(|word| time_of_day(word));
        let place = |minute_of_day: i64| placed(words, minute_of_day, now);
        let found = match *word {
            "around" | "about" => at(1).map(place).map(|middle| (middle - AROUND, middle + AROUND)),
            "at" => at(1).map(place).map(|middle| (middle - AT, middle + AT)),
            "since" | "from" | "after" => at(1).map(place).map(|from| (from, now + 1)),
            "between" if words.get(index + 2) == Some(&"and") => {
                at(1).zip(at(3)).map(|(from, to)| (place(from), place(to)))
            }
            _ => None,
        };
        if let Some((from, to)) = found {
            return Some((from, if to <= from { to + DAY } else { to }));
        }
    }
    None
}

/// Minutes since midnight: `3`, `14:05`, `9am`, `11pm`.
fn time_of_day(word: &str) -> Option<i64> {
    let (digits, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(digits), _) => (digits, Some(0)),
        (_, Some(digits)) => (digits, Some(12)),
        _ => (word, None),
    };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        Some(add) if (1..=12).contains(&hour) => hour % 12 + add,
        Some(_) => return None,
        None => hour,
    };
    ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)
}

/// The last instant of that time of day, on the day that is named.
fn placed(words: &[&str], minute_of_day: i64, now: i64) -> i64 {
    let midnight = now.div_euclid(DAY) * DAY;
    let offset = minute_of_day * MINUTE;
    let follows = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    if follows("last", "night") {
        // The small hours are this date's, the evening is the date before.
        return if minute_of_day < 12 * 60 { midnight + offset } else { midnight - DAY + offset };
    }
    if words.contains(&"yesterday") {
        return midnight - DAY + offset;
    }
    if midnight + offset <= now { midnight + offset } else { midnight - DAY + offset }
}

/// "yesterday", "last night", "this morning", "today".
fn day(words: &[&str], now: i64) -> Option<(i64, i64)> {
    let midnight = now.div_euclid(DAY) * DAY;
    let follows = |first: &str, second: &str| words.windows(2).any(|pair| pair == [first, second]);
    if follows("last", "night") {
        return Some((midnight - 4 * HOUR, midnight + 6 * HOUR));
    }
    if follows("this", "morning") {
        return Some((midnight + 5 * HOUR, midnight + 12 * HOUR));
    }
    if words.contains(&"yesterday") {
        return Some((midnight - DAY, midnight));
    }
    if words.contains(&"today") || words.contains(&"tonight") {
        return Some((midnight, now + 1));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(text: &str) -> String {
        let now = EventTime::parse("2026-03-12T10:30:00Z").unwrap();
        window(text, now).map(|window| format!("{} {}", window.from, window.to)).unwrap_or_default()
    }

    #[test]
    fn stretches_of_time_are_understood() {
        for (text, from, to) in [
            ("what broke last night around 3?", "2026-03-12T02:00:00", "2026-03-12T04:00:00"),
            ("checkout, last night around 11pm", "2026-03-11T22:00:00", "2026-03-12T00:00:00"),
            ("errors in the last 20 minutes", "2026-03-12T10:10:00", "2026-03-12T10:30:00"),
            ("the past hour", "2026-03-12T09:30:00", "2026-03-12T10:30:00"),
            ("two hours ago it was fine", "2026-03-12T08:00:00", "2026-03-12T09:00:00"),
            ("slow since 9am", "2026-03-12T09:00:00", "2026-03-12T10:30:00"),
            ("at 14:05 it failed", "2026-03-11T13:35:00", "2026-03-11T14:35:00"),
            ("between 2 and 4 yesterday", "2026-03-11T02:00:00", "2026-03-11T04:00:00"),
            ("between 23:00 and 1 last night", "2026-03-11T23:00:00", "2026-03-12T01:00:00"),
            ("yesterday", "2026-03-11T00:00:00", "2026-03-12T00:00:00"),
            ("since 2026-03-12T09:00:00Z", "2026-03-12T09:00:00", "2026-03-12T10:30:00"),
            ("2026-03-12T08:00:00Z to 2026-03-12T09:00:00Z", "2026-03-12T08:00:00", "2026-03-12T09:00:00"),
        ] {
            let got = spoken(text);
            assert!(got.contains(from) && got.contains(to), "{text}: {got}");
        }
    }

    #[test]
    fn other_numbers_are_no_times() {
        for text in [
            "why is checkout failing?",
            "error 500 at checkout",
            "between pod-1 and pod-2",
            "at 99:99",
            "last 99999999999999999999 hours ago and",
            "the last deploy",
        ] {
            assert!(!spoken(text).contains('T') || text.starts_with("last 9"), "{text}: {}", spoken(text));
        }
    }
}
