//! What is too old: indexes of events whose month is over, and rows elsewhere that no view has any more. Pure.

use chrono::NaiveDate;
use schemas::time::EventTime;
use schemas::view::ViewName;
use serde_json::{Value, json};

use super::translate::Naming;

/// Sealed time between two removals, in milliseconds.
pub(super) const EVERY_MS: i64 = 3_600_000;

/// The indexes of events, among those of an answer to `_cat/indices`, whose month ended before an instant.
pub(super) fn ended(naming: &Naming, answer: &Value, before: EventTime) -> Vec<String> {
    let names = answer.as_array().into_iter().flatten().filter_map(|index| index["index"].as_str());
    names.filter(|name| end(naming, name).is_some_and(|end| end <= before)).map(str::to_owned).collect()
}

/// The first instant after the month of an index of events.
fn end(naming: &Naming, index: &str) -> Option<EventTime> {
    let month = index.strip_prefix(&format!("{}-{}-", naming.prefix, ViewName::Events))?;
    let (year, month) = month.split_once('.')?;
    let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
    let next = first.checked_add_months(chrono::Months::new(1))?;
    Some(EventTime(next.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()))
}

/// Rows that ended before an instant and that no view has any more.
pub(super) fn gone(naming: &Naming, before: EventTime) -> Value {
    json!({ "query": { "bool": { "filter": [
        { "term": { "shard": naming.shard } },
        { "term": { "live": false } },
        { "range": { "until": { "lt": before.0 } } }
    ] } } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_removed_when_its_whole_month_is_too_old() {
        let naming = Naming { prefix: "kgroot".to_owned(), shard: "main".to_owned() };
        let names =
            ["kgroot-events-2026.09", "kgroot-events-2026.10", "kgroot-episodes", "kgroot-events-x", "other"];
        let answer: Value = names.iter().map(|name| json!({ "index": name })).collect();
        let at = |text: &str| EventTime::parse(text).unwrap();
        let found = |before: &str| ended(&naming, &answer, at(before));
        assert_eq!(found("2026-09-30T23:59:59Z"), Vec::<String>::new());
        assert_eq!(found("2026-10-01T00:00:00Z"), ["kgroot-events-2026.09"]);
        assert_eq!(found("2026-12-01T00:00:00Z"), ["kgroot-events-2026.09", "kgroot-events-2026.10"]);
    }
}
