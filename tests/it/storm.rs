//! A burst of alerts from one node failure is one incident and one alert, and is forgotten after the horizon.

use dataflow::arrival::{Arrival, EventArrival};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::answer::Question;
use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, Relation, RelationKind};
use schemas::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use schemas::fact::{Fact, Normalized, Signal};
use schemas::ids::{EventId, TenantId};
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::EventTime;
use schemas::view::ViewName;

const START: EventTime = EventTime(1_790_000_000_000);
const ALERTS: u32 = 10_000;

fn event(number: u32, ts: EventTime, facts: Vec<Fact>) -> Arrival {
    let tenant: TenantId = "storm".parse().unwrap();
    let position =
        SourcePosition { topic: "prometheus-storm".into(), partition: 0, offset: i64::from(number), item: 0 };
    let envelope = Envelope {
        tenant_id: tenant,
        source: "alertmanager".to_owned(),
        event_type: "firing".to_owned(),
        ts,
        correlation_ids: CorrelationIds::default(),
        entity: EnvelopeEntity::default(),
        severity: Severity::Error,
        payload: String::new(),
        ingest_id: EventId(u128::from(number)),
        schema_version: 1,
    };
    Arrival::Event(Box::new(EventArrival {
        position,
        envelope,
        normalized: Normalized { facts, ..Normalized::default() },
    }))
}

fn burst() -> Vec<Arrival> {
    let node = Entity::global(EntityKind::Node, "n1");
    let mut arrivals = vec![event(
        0,
        START,
        vec![Fact::Signal(Signal::at(node.clone(), Kind::named("k8s.node.NotReady"), START, "lost"))],
    )];
    for number in 1..=ALERTS {
        let pod = Entity::namespaced(EntityKind::Pod, "shop", &format!("p{number}"));
        let at = START.plus_ms(i64::from(number % 60) * 1_000 + 1_000);
        let runs_on = Relation {
            from: pod.clone(),
            kind: RelationKind::RunsOn,
            to: node.clone(),
            valid_from: START,
            valid_to: None,
        };
        let alert = Signal::at(pod, Kind::named("alert.pod_not_ready"), at, "not ready");
        arrivals.push(event(number, at, vec![Fact::Relation(runs_on), Fact::Signal(alert)]));
    }
    arrivals
}

async fn rows(reader: &ViewReader, view: ViewName) -> usize {
    reader.scan(Query::all(&"storm".parse().unwrap(), view), 1_000_000).await.unwrap().0.len()
}

#[test]
fn ten_thousand_alerts_of_one_node_are_one_incident_and_one_alert() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine =
            Engine::start(EngineConfig { clock: Clock::Event, workers: 2, ..EngineConfig::default() })
                .unwrap();
        let reader = engine.reader();
        let mut arrivals = burst();
        while !arrivals.is_empty() {
            let rest = arrivals.split_off(arrivals.len().min(2_500));
            let epoch =
                engine.input().seal(std::mem::replace(&mut arrivals, rest), EventTime(0)).await.unwrap();
            reader.complete(epoch).await.unwrap();
            assert_eq!(rows(&reader, ViewName::Incidents).await, 1);
        }
        assert_eq!(rows(&reader, ViewName::Alerts).await, 1);
        assert_eq!(rows(&reader, ViewName::Episodes).await, ALERTS as usize + 1);
        // Beyond every window of every rule nothing is left but the counts.
        let later = engine.input().seal(Vec::new(), START.plus_ms(200 * 86_400_000)).await.unwrap();
        reader.complete(later).await.unwrap();
        for view in ViewName::ALL.iter().filter(|view| **view != ViewName::Coverage) {
            assert_eq!(rows(&reader, *view).await, 0, "{view}");
        }
        engine.shutdown().unwrap();
    });
}

#[test]
fn what_a_claim_rests_on_is_cited_among_many_events() {
    // More than one question reads of a view, all before the cause in the order of their ids.
    let others = 20_001;
    let mut arrivals: Vec<Arrival> =
        (0..others).map(|number| event(number, START.plus_ms(-1_000), Vec::new())).collect();
    let node = Entity::global(EntityKind::Node, "n1");
    let lost = Signal::at(node, Kind::named("k8s.node.NotReady"), START, "lost");
    arrivals.push(event(others, START, vec![Fact::Signal(lost)]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let engine = Engine::start(EngineConfig { clock: Clock::Event, ..EngineConfig::default() }).unwrap();
        let epoch = engine.input().seal(arrivals, EventTime(0)).await.unwrap();
        engine.reader().complete(epoch).await.unwrap();
        let question = Question::new("storm".parse().unwrap(), "what happened?");
        let answer = agents::investigate(&engine.reader(), &question).await.unwrap();
        engine.shutdown().unwrap();
        answer
    });
    assert!(!answer.missing.iter().any(|missing| missing.source.starts_with("view ")), "all was read");
    let cited: Vec<EventId> = answer.hypotheses[0].evidence.iter().map(|item| item.event_id).collect();
    assert_eq!(cited, [EventId(u128::from(others))]);
}
