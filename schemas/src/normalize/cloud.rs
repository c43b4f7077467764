//! Amazon CloudWatch and RDS: `metrics` (one result of GetMetricData) and `rds.event` (one event of DescribeEvents).
//!
//! A managed database shows no object states: what is known of it is what its events say and what its meters read. A
//! meter with an absolute scale needs no baseline: processors of which more than 85 % are busy, or a replica that is
//! minutes behind, are in trouble whatever they did before. Short peaks are ordinary, so that the last
//! [`SUSTAINED`] values must all be beyond the limit.

use serde_json::Value;

use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Sample, Signal, clip};
use crate::object::parse::{items, text};
use crate::time::EventTime;

/// Values, the latest of a series, that must all be beyond a limit.
const SUSTAINED: usize = 5;
/// Meters with an absolute scale: name, unit, limit in millionths, kind.
const LIMITS: [(&str, &str, i64, &str); 2] = [
    ("CPUUtilization", "Percent", 85_000_000, "cloud.database.CpuSaturated"),
    ("ReplicaLag", "Seconds", 300_000_000, "cloud.database.ReplicationLag"),
];
/// Dimension that names a database.
const INSTANCE: &str = "DBInstanceIdentifier";

/// Words of an event, all of which it must have, and what it means. The first that fits decides: what an event says
/// was done about a trouble comes before the trouble.
const BY_WORDS: [(&[&str], &str); 12] = [
    (&["storage", "autoscaling"], "cloud.database.StorageScaled"),
    (&["allocated storage", "increased"], "cloud.database.StorageScaled"),
    (&["ran out of storage"], "cloud.database.StorageFull"),
    (&["insufficient storage"], "cloud.database.StorageFull"),
    (&["storage", "critically low"], "cloud.database.StorageLow"),
    (&["storage", "getting low"], "cloud.database.StorageLow"),
    (&["low storage", "exhaust"], "cloud.database.StorageLow"),
    (&["replication lag", "exceeded"], "cloud.database.ReplicationLag"),
    (&["replica", "behind"], "cloud.database.ReplicationLag"),
    (&["connection", "approaching"], "cloud.database.ConnectionsExhausted"),
    (&["connections may be refused"], "cloud.database.ConnectionsExhausted"),
    (&["connection slots are reserved"], "cloud.database.ConnectionsExhausted"),
];

/// Categories of RDS, and what an event of them means when its words do not say more.
const BY_CATEGORY: [(&str, &str); 5] = [
    ("failover", "cloud.database.Failover"),
    ("maintenance", "cloud.database.Maintenance"),
    ("configuration change", "cloud.database.ConfigurationChanged"),
    ("backup", "cloud.database.Backup"),
    ("availability", "cloud.database.Available"),
];

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    match envelope.event_type.as_str() {
        "rds.event" => event(envelope, payload),
        "metrics" => metrics(payload),
        other => {
            let summary = clip(&format!("event {other} of a cloud resource"));
            Ok(Normalized { summary, ..Normalized::default() })
        }
    }
}

fn event(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let (name, message) = (text(payload, &["SourceIdentifier"]), text(payload, &["Message"]));
    if name.is_empty() {
        return Err(DecodeError::field("RDS event without SourceIdentifier"));
    }
    let entity = Entity::global(EntityKind::External, name);
    let categories: Vec<&str> = items(payload, &["EventCategories"]).filter_map(Value::as_str).collect();
    let kind = meaning(&message.to_ascii_lowercase(), &categories);
    let signal = Signal::at(entity, Kind::named(kind), envelope.ts, message);
    let facts = vec![Fact::Signal(signal)];
    Ok(Normalized { facts, summary: clip(&format!("{name}: {message}")), ..Normalized::default() })
}

fn meaning(message: &str, categories: &[&str]) -> &'static str {
    let by_words = BY_WORDS.iter().find(|(words, _)| words.iter().all(|word| message.contains(word)));
    let by_category = || BY_CATEGORY.iter().find(|(category, _)| categories.contains(category));
    let found = by_words.map(|(_, kind)| *kind).or_else(|| by_category().map(|(_, kind)| *kind));
    found.unwrap_or("cloud.database.Event")
}

fn metrics(payload: &Value) -> Result<Normalized, DecodeError> {
    let metric = text(payload, &["MetricName"]);
    if metric.is_empty() {
        return Err(DecodeError::field("CloudWatch metrics without MetricName"));
    }
    let summary = clip(&format!("values of {metric}"));
    let mut dimensions = items(payload, &["Dimensions"]);
    let instance = dimensions.find(|dimension| text(dimension, &["Name"]) == INSTANCE);
    let Some(name) = instance.map(|instance| text(instance, &["Value"])).filter(|name| !name.is_empty())
    else {
        return Ok(Normalized { summary, ..Normalized::default() });
    };
    let entity = Entity::global(EntityKind::External, name);
    let mut points: Vec<(EventTime, i64)> = items(payload, &["Timestamps"])
        .zip(items(payload, &["Values"]))
        .filter_map(|(at, value)| {
            let value = value.as_f64().filter(|value| value.is_finite())?;
            Some((EventTime::parse(at.as_str()?).ok()?, Sample::micro(value)))
        })
        .collect();
    points.sort_unstable();
    let unit = text(payload, &["Unit"]);
    let limit = LIMITS.iter().find(|(known, of, ..)| *known == metric && *of == unit);
    let beyond = limit.and_then(|(.., limit, kind)| sustained(&entity, metric, &points, *limit, kind));
    let mut facts: Vec<Fact> = beyond.map(Fact::Signal).into_iter().collect();
    let series = snake_case(metric);
    facts.extend(points.into_iter().map(|(at, value_micro)| {
        Fact::Sample(Sample { entity: entity.clone(), metric: series.clone(), at, value_micro })
    }));
    Ok(Normalized { facts, summary, ..Normalized::default() })
}

/// The run of values beyond a limit with which a series ends, when it is long enough.
fn sustained(
    entity: &Entity,
    metric: &str,
    points: &[(EventTime, i64)],
    limit: i64,
    kind: &'static str,
) -> Option<Signal> {
    let run = points.iter().rev().take_while(|(_, value)| limit <= *value).count();
    let first = points.len().checked_sub(run)?;
    let (onset, value) = points.get(first).filter(|_| SUSTAINED <= run)?;
    let detail = format!("{metric} at or above {} since it read {} (millionths)", limit, value);
    let mut signal = Signal::at(entity.clone(), Kind::named(kind), *onset, &detail);
    signal.last = points.last().map_or(*onset, |(at, _)| *at);
    signal.count = u32::try_from(run).unwrap_or(u32::MAX);
    Some(signal)
}

/// `ReplicaLag` as exporters name it: `replica_lag`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    let mut before_lower = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && before_lower {
            out.push('_');
        }
        before_lower = letter.is_ascii_lowercase();
        out.push(letter.to_ascii_lowercase());
    }
    clip(&out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(message: &str, categories: &[&str]) -> &'static str {
        meaning(&message.to_ascii_lowercase(), categories)
    }

    #[test]
    fn an_event_that_says_what_was_done_about_low_storage_is_no_trouble() {
        let low = "Free storage of ledger is critically low (0.4 GB).";
        assert_eq!(kind(low, &["low storage"]), "cloud.database.StorageLow");
        let scaled = "Free storage of ledger is critically low. Storage autoscaling was started.";
        assert_eq!(kind(scaled, &["low storage"]), "cloud.database.StorageScaled");
    }

    #[test]
    fn a_category_decides_when_the_words_do_not() {
        assert_eq!(
            kind("Moved to the other zone.", &["failover", "availability"]),
            "cloud.database.Failover"
        );
        assert_eq!(kind("Nothing known.", &["whatever"]), "cloud.database.Event");
    }

    fn read(values: &[f64]) -> Vec<Fact> {
        let times: Vec<String> =
            (0..values.len()).map(|minute| format!("2026-05-01T10:{minute:02}:00Z")).collect();
        let payload = json!({"MetricName": "CPUUtilization", "Unit": "Percent", "Timestamps": times, "Values": values,
            "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "ledger"}]});
        metrics(&payload).unwrap().facts
    }

    #[test]
    fn processors_are_saturated_when_they_stay_busy_and_not_after_a_peak() {
        let busy = read(&[20.0, 90.0, 91.0, 92.0, 93.0, 94.0]);
        let Fact::Signal(signal) = &busy[0] else { panic!("{busy:?}") };
        assert_eq!((signal.kind.id(), signal.count), ("cloud.database.CpuSaturated", 5));
        assert_eq!(signal.onset.to_string(), "2026-05-01T10:01:00.000Z");
        let peak = read(&[20.0, 90.0, 91.0, 92.0, 93.0, 20.0]);
        assert!(peak.iter().all(|fact| matches!(fact, Fact::Sample(_))));
    }

    #[test]
    fn metrics_are_named_as_exporters_name_them() {
        assert_eq!(snake_case("ReplicaLag"), "replica_lag");
        assert_eq!(snake_case("CPUUtilization"), "cpuutilization");
    }
}
