//! Somebody who owns one service lets it cry: true events with false contents, more and more of them, around a real
//! outage. The true cause stays among the first three as long as the false events are few; the curve is told.

use std::collections::BTreeMap;

use agents::Investigator;
use bench::scenario::random::Random;
use bench::scenario::{Family, Record, Scenario, generate};
use schemas::codec::Format;
use schemas::time::EventTime;
use serde_json::{Value, json};

use super::asked;
use super::{Cases, Report, guarded};

/// False events for a hundred true ones.
const SHARES: [u64; 6] = [0, 1, 5, 10, 25, 50];
/// Up to this share the true cause has to stay among the first three, of a hundred outages in so many.
const PROMISED: (u64, u64) = (1, 95);
/// False events lie so long before and after the fault.
const AROUND_MS: (u64, u64) = (600_000, 300_000);
/// What the service says: causes of their own, and symptoms.
const WORDS: [&str; 6] = [
    "FATAL: password authentication failed for user \"app\"",
    "configuration error: missing required environment variable DATABASE_URL",
    "write /data/journal: no space left on device",
    "java.lang.OutOfMemoryError: Java heap space",
    "dial tcp 10.0.0.7:5432: connect: connection refused",
    "FATAL: sorry, too many clients already",
];

/// Runs the check: `n` seeds of each family at each share.
pub fn prove(cases: Cases) -> Report {
    let runtime = super::histories::runtime();
    let (mut failures, mut tried) = (Vec::new(), 0);
    let mut curve: BTreeMap<u64, (u64, u64, u64)> = BTreeMap::new();
    for seed in cases.seeds() {
        for family in Family::ALL {
            for share in SHARES {
                tried += 1;
                match guarded(|| runtime.block_on(place(&attacked(family, 1 + seed, share)))) {
                    Ok(place) => {
                        let (all, first, third) = curve.entry(share).or_default();
                        *all += 1;
                        *first += u64::from(place == Some(0));
                        *third += u64::from(place.is_some_and(|place| place < 3));
                    }
                    Err(failure) => {
                        failures.push(format!("{} seed {seed} share {share}: {failure}", family.name()));
                    }
                }
            }
        }
    }
    for (share, (all, _, third)) in curve.iter().filter(|(share, _)| **share <= PROMISED.0) {
        if third * 100 < all * PROMISED.1 {
            failures.push(format!("{share} %: the cause is among the first three in {third} of {all}"));
        }
    }
    let told = curve.iter().map(|(share, (all, first, third))| {
        json!({ "false_percent": share, "n": all, "first": first, "first_three": third })
    });
    let figures = vec![("curve", Value::from_iter(told))];
    Report { check: "manipulated", n: tried, failures, figures }
}

/// An outage, with the false events of a service that has nothing to do with it.
fn attacked(family: Family, seed: u64, share: u64) -> Scenario {
    let mut scenario = generate(family, seed);
    let owned = if scenario.truth.root.contains("email") { "shipping" } else { "email" };
    let mut random = Random::new(seed);
    let count = u64::try_from(scenario.records.len()).unwrap_or(0) * share / 100;
    let begins = scenario.truth.injected_at.plus_ms(-i64::try_from(AROUND_MS.0).unwrap_or(0));
    for number in 0..count {
        let at = begins.plus_ms(i64::try_from(random.below(AROUND_MS.0 + AROUND_MS.1)).unwrap_or(0));
        let words = WORDS[usize::try_from(random.below(6)).unwrap_or(0)];
        scenario.records.push(cry(owned, words, number, at));
    }
    // By arrival; what arrives at once stays in order.
    scenario.records.sort_by_key(|record| record.at);
    scenario
}

/// Every fifth is an alert, the others are lines of a log.
fn cry(owned: &str, words: &str, number: u64, at: EventTime) -> Record {
    if number.is_multiple_of(5) {
        let name = format!("{owned} fails {number}");
        let document = json!({ "version": "4", "groupKey": name, "receiver": "kgroot", "status": "firing", "alerts": [{
            "status": "firing", "labels": { "alertname": name, "namespace": "shop", "service": owned, "severity": "critical" },
            "annotations": { "summary": words, "for": "1m" }, "startsAt": at, "endsAt": "0001-01-01T00:00:00Z",
            "fingerprint": format!("{number:x}") }] });
        return Record { family: "prometheus", format: Format::Alertmanager, at, document };
    }
    let document = json!({ "tenant_id": asked::tenant(), "source": "log", "event_type": "line", "ts": at.0, "severity": "error",
        "entity": { "namespace": "shop", "service": owned, "pod": format!("{owned}-0") }, "payload": { "message": words },
        "ingest_id": format!("{number:08x}-0000-4000-8000-{number:012x}") });
    Record { family: "otel", format: Format::JsonEnvelope, at, document }
}

/// At which place of the answer the true cause stands.
async fn place(scenario: &Scenario) -> Result<Option<usize>, String> {
    let engine = asked::seen(scenario).await?;
    let words = scenario.truth.questions.first().ok_or("no question")?;
    let investigator = Investigator::new(engine.reader());
    let answered = investigator.investigate(&asked::question(words), None).await;
    let answer = answered.map_err(|error| error.to_string())?.answer;
    engine.shutdown().map_err(|error| error.to_string())?;
    Ok(answer.hypotheses.iter().position(|found| asked::is_root(&found.root_cause, scenario)))
}
