//! What the producer sends: outages of the scenarios, dated now; lines of the tenant's own with its canary; some of it
//! twice, some of it broken, some of it refused for other reasons. Pure: a function of the seed and of the times asked.

use std::collections::VecDeque;

use bench::scenario::random::Random;
use bench::scenario::{Family, Record, generate};
use schemas::codec::avro;
use schemas::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use schemas::ids::{EventId, TenantId};
use schemas::time::EventTime;
use schemas::topic::topic;
use serde_json::{Value, json};

/// An id that no registry gave out.
const UNKNOWN_SCHEMA: [u8; 8] = [0, 0x7F, 0xFF, 0xFF, 0xFE, 1, 2, 3];
/// A scenario's records that are used: one in so many, or one in two of the cluster's.
const THINNING: u64 = 4;
/// A time in a scenario lies within a day of its beginning.
const DAY_MS: i64 = 86_400_000;

/// A record to be sent.
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// The word that only one tenant's records contain.
pub(crate) fn canary(tenant: &TenantId) -> String {
    format!("canary-{tenant}")
}

/// An endless stream of one tenant's records.
pub(crate) struct Input {
    tenant: TenantId,
    /// Whose name a misdirected envelope bears.
    other: TenantId,
    schema: u32,
    random: Random,
    scenario: VecDeque<(&'static str, Value)>,
    scenarios: u64,
    number: u64,
}

impl Input {
    pub(crate) fn new(seed: u64, tenant: &TenantId, other: &TenantId, schema: u32) -> Self {
        let (random, scenario) = (Random::new(seed), VecDeque::new());
        Input {
            tenant: tenant.clone(),
            other: other.clone(),
            schema,
            random,
            scenario,
            scenarios: 0,
            number: 0,
        }
    }

    /// The next records, which belong together.
    pub(crate) fn next(&mut self, now: EventTime) -> Vec<Outgoing> {
        self.number += 1;
        let (family, value) = if self.random.below(3) == 0 { self.line(now) } else { self.happening(now) };
        let mut sent = vec![self.outgoing(family, value.clone())];
        if self.random.below(12) == 0 {
            sent.push(self.outgoing(family, value.clone()));
        }
        match self.random.below(60) {
            0 | 1 => {
                let kept = self.random.below(value.len() as u64) as usize;
                let broken = [&value[..kept], b"}{"].concat();
                sent.push(self.outgoing(family, broken));
            }
            2 => sent.push(self.outgoing("otel", UNKNOWN_SCHEMA.to_vec())),
            3 => {
                let id = self.id();
                for message in ["first", "second"] {
                    let document = self.envelope(now, &self.tenant.clone(), &id, message);
                    sent.push(self.outgoing("otel", document));
                }
            }
            4 => {
                let (id, other) = (self.id(), self.other.clone());
                let document = self.envelope(now, &other, &id, "misdirected");
                sent.push(self.outgoing("otel", document));
            }
            5 => {
                let id = self.id();
                let document = self.envelope(now.plus_ms(-DAY_MS), &self.tenant.clone(), &id, "late");
                sent.push(self.outgoing("otel", document));
            }
            _ => {}
        }
        sent
    }

    fn outgoing(&mut self, family: &str, value: Vec<u8>) -> Outgoing {
        let key = format!("{}", self.random.below(40)).into_bytes();
        Outgoing { topic: topic(family, &self.tenant), key, value }
    }

    fn id(&mut self) -> String {
        format!("{:08x}-0000-4000-8000-{:012x}", self.random.bits() >> 32, self.number)
    }

    /// A line of the tenant's own, as JSON or as registered Avro.
    fn line(&mut self, now: EventTime) -> (&'static str, Vec<u8>) {
        let tenant = self.tenant.clone();
        if self.random.below(2) == 0 {
            let (id, message) = (self.id(), format!("request {} done", self.number));
            return ("otel", self.envelope(now, &tenant, &id, &message));
        }
        let service = Some(format!("service-{}", self.random.below(8)));
        let envelope = Envelope {
            source: "app".to_owned(),
            event_type: "request.done".to_owned(),
            ts: now,
            correlation_ids: CorrelationIds::default(),
            entity: EnvelopeEntity { namespace: Some(canary(&tenant)), service, ..EnvelopeEntity::default() },
            severity: Severity::Info,
            payload: json!({"message": canary(&tenant)}).to_string(),
            ingest_id: EventId(u128::from(self.random.bits()) << 64 | u128::from(self.number)),
            tenant_id: tenant,
            schema_version: 1,
        };
        let body = avro::encode(&envelope);
        ("otel", [&[0], self.schema.to_be_bytes().as_slice(), &body].concat())
    }

    fn envelope(&mut self, at: EventTime, tenant: &TenantId, id: &str, message: &str) -> Vec<u8> {
        let severity = if self.random.below(6) == 0 { "error" } else { "info" };
        let service = format!("service-{}", self.random.below(8));
        // The canary is that of the topic, whoever the envelope says it is of.
        let canary = canary(&self.tenant);
        let document = json!({"tenant_id": tenant, "source": "log", "event_type": "line", "ts": at.0, "severity": severity,
            "entity": {"namespace": canary, "service": service}, "payload": {"message": format!("{message} {canary}")},
            "ingest_id": id});
        document.to_string().into_bytes()
    }

    /// The next record of an outage; a new one begins when it is over.
    fn happening(&mut self, now: EventTime) -> (&'static str, Vec<u8>) {
        while self.scenario.is_empty() {
            let family = Family::ALL[self.random.below(Family::ALL.len() as u64) as usize];
            let records = generate(family, self.random.bits()).records;
            self.scenarios += 1;
            let random = &mut self.random;
            let used = |record: &Record| {
                random.below(THINNING) == 0 || record.family == "k8s-events" && random.below(2) == 0
            };
            let records: Vec<Record> = records.into_iter().filter(used).collect();
            let (Some(first), Some(last)) = (records.first(), records.last()) else { continue };
            let shift = Shift { from: first.at, by_ms: now.ms_since(last.at) };
            self.scenario =
                records.iter().map(|record| (record.family, shift.document(&record.document))).collect();
        }
        match self.scenario.pop_front() {
            Some((family, document)) => (family, document.to_string().into_bytes()),
            None => unreachable!("a scenario that was just begun has records"),
        }
    }
}

/// Moves a recording in time: every time in it, however it is written.
struct Shift {
    from: EventTime,
    by_ms: i64,
}

impl Shift {
    fn document(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                map.iter().map(|(name, value)| (name.clone(), self.document(value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.document(item)).collect(),
            Value::String(text) => Value::from(self.text(text)),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| value.clone(), |number| Value::from(self.number(number)))
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        if let Ok(at) = EventTime::parse(text) {
            let near = at.ms_since(self.from).abs() < DAY_MS;
            return if near { at.plus_ms(self.by_ms).to_string() } else { text.to_owned() };
        }
        // A number as text, perhaps with a fraction.
        let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
        match whole.parse::<i64>() {
            Ok(number) if whole.bytes().all(|byte| byte.is_ascii_digit()) => {
                let moved = self.number(number);
                if moved == number { text.to_owned() } else { format!("{moved}{rest}") }
            }
            _ => text.to_owned(),
        }
    }

    /// A time in seconds, milliseconds, microseconds or nanoseconds; any other number stays.
    fn number(&self, number: i64) -> i64 {
        let near = |ms: i64| (ms - self.from.0).abs() < DAY_MS;
        match number {
            _ if number < 100_000_000_000 && near(number.saturating_mul(1_000)) => {
                number + self.by_ms / 1_000
            }
            _ if near(number) => number + self.by_ms,
            _ if near(number / 1_000) => number + self.by_ms * 1_000,
            _ if near(number / 1_000_000) => number + self.by_ms * 1_000_000,
            _ => number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_time_is_moved_and_other_numbers_stay() {
        let from = EventTime(1_788_253_200_000);
        let shift = Shift { from, by_ms: 3_600_000 };
        let document = json!({"a": "2026-09-01T09:00:00Z", "b": 1_788_253_200, "c": 1_788_253_200_000_i64,
            "d": "1788253200000000000", "e": "1788253200.000100", "f": 12, "g": "v1.2", "h": "0001-01-01T00:00:00Z"});
        let moved = json!({"a": "2026-09-01T10:00:00.000Z", "b": 1_788_256_800, "c": 1_788_256_800_000_i64,
            "d": "1788256800000000000", "e": "1788256800.000100", "f": 12, "g": "v1.2", "h": "0001-01-01T00:00:00Z"});
        assert_eq!(shift.document(&document), moved);
    }
}
