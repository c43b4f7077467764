//! Trouble that outlasts the horizon is one incident and one alert, however it is told of.

use std::collections::BTreeSet;

use dataflow::arrival::arrivals;
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::answer::Question;
use schemas::codec::{Raw, detect};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::EventTime;
use schemas::view::{AlertStatus, Row, RowKey, ViewName};
use serde_json::{Value, json};

const START: EventTime = EventTime(1_790_000_000_000);
const STEP_MS: i64 = 240_000;
const HORIZON_MS: i64 = 1_800_000;
/// Three horizons and a half.
const STEPS: i64 = 26;

fn at(step: i64) -> EventTime {
    START.plus_ms(step * STEP_MS)
}

/// An Event of a node, of a name, that was seen for the first time at a step, and so often since.
fn event(name: &str, first: i64, step: i64, count: i64) -> Value {
    json!({"kind": "Event", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": (1_000 + step).to_string()},
        "involvedObject": {"kind": "Node", "name": "n1"}, "reason": "NodeNotReady", "type": "Warning", "count": count,
        "message": "Node n1 status is now: NodeNotReady", "source": {"component": "node-controller"},
        "firstTimestamp": at(first).to_string(), "lastTimestamp": at(step).to_string()})
}

/// One Event that counts up, as its reporter writes it while it remembers it.
fn counted(step: i64) -> Value {
    event("n1.17", 0, step, step + 1)
}

/// Each time another Event.
fn anew(step: i64) -> Value {
    event(&format!("n1.{step}"), step, step, 1)
}

/// The object itself says so, each time that it is written.
fn object(step: i64) -> Value {
    json!({"kind": "Node", "apiVersion": "v1",
        "metadata": {"name": "n1", "uid": "n1", "resourceVersion": (1_000 + step).to_string(), "creationTimestamp": at(-9).to_string()},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": format!("Unknown{step}"),
            "lastTransitionTime": at(0).to_string(), "lastHeartbeatTime": at(step).to_string()}]}})
}

/// What Alertmanager sends of an alert that fires since the beginning, and perhaps until a step; its words change each time.
fn alert(step: i64, until: Option<i64>) -> Value {
    let status = if until.is_some() { "resolved" } else { "firing" };
    let ends = until.map_or("0001-01-01T00:00:00Z".to_owned(), |until| at(until).to_string());
    json!({"version": "4", "groupKey": "g", "status": status, "alerts": [{"status": status, "fingerprint": "f1",
        "labels": {"alertname": "HighErrorRate", "namespace": "shop", "service": "pay", "severity": "critical"},
        "annotations": {"summary": format!("{step} of 100 fail")}, "startsAt": at(0).to_string(), "endsAt": ends}]})
}

struct Told {
    engine: Engine,
    reader: ViewReader,
    tenant: TenantId,
    offset: i64,
}

impl Told {
    fn start(workers: usize, clock: Clock) -> Told {
        let config = EngineConfig {
            workers,
            clock,
            horizon_ms: HORIZON_MS,
            lateness_ms: HORIZON_MS,
            gap_ms: 300_000,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config).unwrap();
        let reader = engine.reader();
        Told { engine, reader, tenant: "shop".parse().unwrap(), offset: 0 }
    }

    async fn tell(&mut self, document: Option<Value>, now: EventTime) {
        self.offset += 1;
        let position =
            SourcePosition { topic: "k8s-events-shop".into(), partition: 0, offset: self.offset, item: 0 };
        let bytes = document.map(|document| document.to_string().into_bytes()).unwrap_or_default();
        let raw = Raw { tenant: &self.tenant, position: &position, arrived: now, bytes: &bytes };
        let told = detect(&bytes).map(|format| arrivals(&raw, format)).unwrap_or_default();
        let epoch = self.engine.input().seal(told, now).await.unwrap();
        self.reader.complete(epoch).await.unwrap();
    }

    async fn rows(&self, view: ViewName) -> Vec<Row> {
        self.reader.scan(Query::all(&self.tenant, view), 1_000_000).await.unwrap().0
    }
}

#[test]
fn trouble_that_outlasts_the_horizon_is_one_incident_and_one_alert() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (way, document) in [("counted", counted as fn(i64) -> Value), ("anew", anew), ("object", object)] {
        runtime.block_on(async {
            let mut told = Told::start(2, Clock::Event);
            let mut seen: BTreeSet<RowKey> = BTreeSet::new();
            for step in 0..STEPS {
                told.tell(Some(document(step)), at(step)).await;
                let events: BTreeSet<_> = told.rows(ViewName::Events).await.iter().map(RowKey::of).collect();
                let (incidents, alerts) =
                    (told.rows(ViewName::Incidents).await, told.rows(ViewName::Alerts).await);
                assert_eq!((incidents.len(), alerts.len()), (1, 1), "{way}, step {step}");
                seen.extend(incidents.iter().map(RowKey::of));
                let [Row::Alert(alert)] = &alerts[..] else { panic!("{alerts:?}") };
                // What an object says stands longer than the event that brought it.
                assert!(
                    way == "object" || events.contains(&RowKey::event(alert.raised_by)),
                    "{way}, step {step}: what raised it is live"
                );
            }
            assert_eq!(seen.len(), 1, "{way}: it has one name");
            // So much later that no event of it is live; then it begins again.
            told.tell(None, at(3 * STEPS)).await;
            if way != "object" {
                assert!(told.rows(ViewName::Incidents).await.is_empty(), "{way}");
                let again = event("n1.99", 4 * STEPS, 4 * STEPS, 1);
                told.tell(Some(again), at(4 * STEPS)).await;
                seen.extend(told.rows(ViewName::Incidents).await.iter().map(RowKey::of));
                assert_eq!(seen.len(), 2, "{way}: other trouble has another name");
            }
            told.engine.shutdown().unwrap();
        });
    }
}

#[test]
fn an_alert_fires_until_its_end_is_told_and_then_no_more() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut told = Told::start(2, Clock::Wall);
        let mut seen: BTreeSet<RowKey> = BTreeSet::new();
        let statuses = async |told: &Told| -> Vec<AlertStatus> {
            let status = |row: &Row| if let Row::Alert(alert) = row { Some(alert.status) } else { None };
            told.rows(ViewName::Alerts).await.iter().filter_map(status).collect()
        };
        for step in 0..STEPS {
            // Not each time is it sent again; when it is, it is dated as it was.
            let again = (step % 5 == 0).then(|| alert(step, None));
            told.tell(again, at(step)).await;
            assert_eq!(statuses(&told).await, [AlertStatus::Firing], "step {step}");
            seen.extend(told.rows(ViewName::Incidents).await.iter().map(RowKey::of));
        }
        // All of it lies before what is late may change.
        let question = Question::new(told.tenant.clone(), "why does pay fail?");
        let answer = agents::investigate(&told.reader, &question).await.unwrap();
        assert!(!answer.hypotheses.is_empty() && !answer.as_of.settled, "what fires may still end");
        told.tell(Some(alert(STEPS, Some(STEPS))), at(STEPS)).await;
        seen.extend(told.rows(ViewName::Incidents).await.iter().map(RowKey::of));
        assert_eq!(seen.len(), 1, "it has one name");
        let over = at(STEPS).plus_ms(HORIZON_MS);
        told.tell(None, over.plus_ms(-1)).await;
        assert_eq!(statuses(&told).await, [AlertStatus::Resolved]);
        const DAY_MS: i64 = 86_400_000;
        // What was under way when its end was sent comes before the first of it expires.
        let under_way = Some(alert(STEPS - 1, None));
        for (later, document) in [
            (over, None),
            (START.plus_ms(DAY_MS - 1), under_way),
            (START.plus_ms(DAY_MS), None),
            (at(STEPS).plus_ms(DAY_MS), None),
        ] {
            told.tell(document, later).await;
            assert_eq!(statuses(&told).await, [], "{later}");
            assert_eq!(told.rows(ViewName::Events).await, [], "{later}");
        }
        assert_eq!(told.rows(ViewName::Rejects).await, []);
        told.engine.shutdown().unwrap();
    });
}
