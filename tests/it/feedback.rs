//! Feedback in a measured replay: the right cause rises with labels, one bad label turns nothing over.

use bench::scenario::{Family, generate};
use dataflow::arrival::{Arrival, EventArrival, arrivals};
use dataflow::engine::Engine;
use schemas::catalogue::Kind;
use schemas::codec::{Format, Raw};
use schemas::entity::{Entity, EntityKind, Relation, RelationKind};
use schemas::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use schemas::fact::{Fact, Normalized, Signal};
use schemas::ids::{EventId, TenantId};
use schemas::position::SourcePosition;
use schemas::time::EventTime;
use schemas::view::IncidentRow;
use serde_json::{Value, json};
use std::sync::Arc;

const START: EventTime = EventTime(1_790_000_000_000);
const CONFIG: &str = "k8s.configmap.Changed";
const IMAGE: &str = "k8s.workload.ImageChanged";

fn tenant() -> TenantId {
    "shop".parse().unwrap()
}

fn position(number: i64) -> SourcePosition {
    SourcePosition { topic: "slack-incidents-shop".into(), partition: 0, offset: number, item: 0 }
}

/// A pod crashes after its image and its configuration were changed. The configuration comes first by far.
fn situation(number: i64) -> Vec<Arrival> {
    let at = START.plus_ms(number * 600_000);
    let named = |kind, name: &str| Entity::namespaced(kind, "shop", &format!("{name}-{number}"));
    let pod = named(EntityKind::Pod, "pod");
    let (config, deployment) =
        (named(EntityKind::ConfigMap, "config"), named(EntityKind::Deployment, "deployment"));
    let relation = |from: &Entity, kind, to: &Entity| {
        let (from, to) = (from.clone(), to.clone());
        Fact::Relation(Relation { from, kind, to, valid_from: at, valid_to: None })
    };
    let signal = |entity: &Entity, kind: &'static str, after_ms| {
        Fact::Signal(Signal::at(entity.clone(), Kind::named(kind), at.plus_ms(after_ms), kind))
    };
    let facts = vec![
        relation(&pod, RelationKind::References, &config),
        relation(&deployment, RelationKind::Owns, &pod),
        signal(&config, CONFIG, 0),
        signal(&deployment, IMAGE, 0),
        signal(&pod, "k8s.pod.CrashLoopBackOff", 20_000),
    ];
    let event = |(item, fact): (i64, Fact)| {
        let offset = number * 10 + item;
        let envelope = Envelope {
            tenant_id: tenant(),
            source: "test".to_owned(),
            event_type: "test".to_owned(),
            ts: at.plus_ms(20_000),
            correlation_ids: CorrelationIds::default(),
            entity: EnvelopeEntity::default(),
            severity: Severity::Info,
            payload: String::new(),
            ingest_id: EventId(offset.unsigned_abs().into()),
            schema_version: 1,
        };
        let normalized = Normalized { facts: vec![fact], ..Normalized::default() };
        Arrival::Event(Box::new(EventArrival { position: position(offset), envelope, normalized }))
    };
    (1..).zip(facts).map(event).collect()
}

/// What somebody says, by the way of every record.
fn said(incident: &IncidentRow, who: &str, payload: &Value, id: u128) -> Vec<Arrival> {
    let mut payload = payload.clone();
    payload["incident_id"] = json!(incident.incident_id);
    payload["who"] = json!(who);
    let event = json!({"tenant_id": "shop", "source": "kgroot", "event_type": "feedback",
        "ts": incident.last_at.to_string(), "severity": "info", "payload": payload,
        "ingest_id": format!("{id:032x}")});
    let bytes = event.to_string().into_bytes();
    let (tenant, position) = (tenant(), position(i64::try_from(id).unwrap()));
    arrivals(
        &Raw { tenant: &tenant, position: &position, arrived: START, bytes: &bytes },
        Format::JsonEnvelope,
    )
}

/// The first hypothesis was wrong; the second was the cause.
fn wrong_first(incident: &IncidentRow, rules: [&str; 2]) -> Value {
    let side = |index: usize, rule: &str| {
        let root = &incident.hypotheses[index].root;
        json!({"kind": root.kind, "entity": root.entity.to_string(), "rules": [rule]})
    };
    json!({"verdict": "wrong", "first": side(0, rules[0]), "root": side(1, rules[1])})
}

struct Replay {
    engine: Engine,
    labels: u128,
}

impl Replay {
    fn new() -> Replay {
        Replay { engine: deploy::engine::start().unwrap(), labels: 1_000_000 }
    }

    async fn seal(&self, arrivals: Vec<Arrival>) {
        let epoch = self.engine.input().seal(arrivals, EventTime(0)).await.unwrap();
        self.engine.reader().complete(epoch).await.unwrap();
        assert!(deploy::engine::rejects(&self.engine.reader(), &tenant()).await.unwrap().is_empty());
    }

    /// The incident of a situation, by when it began.
    async fn incident(&self, number: i64) -> Arc<IncidentRow> {
        let (from, to) = (START.plus_ms(number * 600_000), START.plus_ms((number + 1) * 600_000));
        let incidents = deploy::engine::incidents(&self.engine.reader(), &tenant()).await.unwrap();
        incidents.into_iter().find(|row| from <= row.started_at && row.started_at < to).unwrap()
    }

    async fn label(&mut self, incident: &IncidentRow, who: &str, payload: &Value) -> u128 {
        self.labels += 1;
        self.seal(said(incident, who, payload, self.labels)).await;
        self.labels
    }

    async fn withdraw(&mut self, label: u128, at: EventTime) {
        self.labels += 1;
        let event = json!({"tenant_id": "shop", "source": "kgroot", "event_type": "withdraw", "severity": "info",
            "ts": at.to_string(), "payload": {"ingest_id": format!("{label:032x}")},
            "ingest_id": format!("{:032x}", self.labels)});
        let (bytes, tenant, position) = (event.to_string().into_bytes(), tenant(), position(0));
        let raw = Raw { tenant: &tenant, position: &position, arrived: START, bytes: &bytes };
        self.seal(arrivals(&raw, Format::JsonEnvelope)).await;
    }
}

/// Rank of the image as the cause, and what speaks for it, in thousandths.
fn of_image(incident: &IncidentRow) -> (u32, u32) {
    let found = incident.hypotheses.iter().find(|hypothesis| hypothesis.root.kind.id() == IMAGE).unwrap();
    (found.rank, found.evidence_milli)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn the_right_cause_rises_with_labels_of_different_incidents() {
    block_on(async {
        let mut replay = Replay::new();
        let mut seen = Vec::new();
        for number in 0..=20 {
            replay.seal(situation(number)).await;
            let incident = replay.incident(number).await;
            seen.push(of_image(&incident));
            let label = json!({"verdict": "wrong",
                "first": {"kind": CONFIG, "entity": "x", "rules": ["R06b"]},
                "root": {"kind": IMAGE, "entity": "y", "rules": ["R20"]}});
            replay.label(&incident, "ann", &label).await;
        }
        println!("labels: rank and evidence of the cause: {:?}", seen.iter().enumerate().collect::<Vec<_>>());
        assert_eq!((seen[0].0, seen[1].0, seen[20].0), (2, 2, 1), "{seen:?}");
        let first = seen.iter().position(|(rank, _)| *rank == 1).unwrap();
        assert!((4..=8).contains(&first), "{seen:?}");
        assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{seen:?}");
        replay.engine.shutdown().unwrap();
    });
}

#[test]
fn one_incident_has_one_say_and_what_is_withdrawn_has_none() {
    block_on(async {
        let mut replay = Replay::new();
        replay.seal(situation(0)).await;
        let incident = replay.incident(0).await;
        let before = of_image(&incident);
        let wrong = wrong_first(&incident, ["R06b", "R20"]);
        let mut labels = vec![replay.label(&incident, "ann", &wrong).await];
        let once = of_image(replay.incident(0).await.as_ref());
        assert!(before.1 < once.1 && once.0 == 2, "{before:?} {once:?}");
        for person in 0..20 {
            labels.push(replay.label(&incident, &format!("person {}", person % 10), &wrong).await);
        }
        assert_eq!(
            of_image(replay.incident(0).await.as_ref()),
            once,
            "twenty labels of one incident count as one"
        );
        for label in labels {
            replay.withdraw(label, incident.last_at).await;
        }
        assert_eq!(of_image(replay.incident(0).await.as_ref()), before, "withdrawn labels leave no trace");
        replay.engine.shutdown().unwrap();
    });
}

#[test]
fn bad_labels_do_not_turn_clear_incidents_over() {
    let (mut asked, mut turned) = (0, Vec::new());
    for family in Family::ALL {
        block_on(async {
            let mut replay = Replay::new();
            let mut records = Vec::new();
            let recording = generate(family, 1).recording("shop");
            deploy::input::split("recording", recording.as_bytes(), None, EventTime(0), &mut records);
            deploy::engine::feed(&replay.engine, &tenant(), &records, async |_, _| Ok(())).await.unwrap();
            let reader = replay.engine.reader();
            let before = deploy::engine::incidents(&reader, &tenant()).await.unwrap();
            for incident in before.iter().filter(|row| 1 < row.hypotheses.len()) {
                replay.label(incident, "mallory", &wrong_first(incident, ["R20", "R06b"])).await;
            }
            let after = deploy::engine::incidents(&reader, &tenant()).await.unwrap();
            asked += before.len();
            let first = |row: &IncidentRow| row.hypotheses.first().map(|first| first.root.episode_id);
            let changed = before.iter().zip(&after).filter(|(one, other)| first(one) != first(other));
            turned.extend(changed.map(|(one, _)| format!("{}: {}", family.name(), one.title)));
            replay.engine.shutdown().unwrap();
        });
    }
    println!("{} of {asked} incidents have another first hypothesis after a bad label", turned.len());
    assert!(turned.is_empty(), "{turned:#?}");
}
