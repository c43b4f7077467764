//! Alerts of our own are investigated without anybody asking: once for each cause that they name.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agents::{Desk, Investigator, Voice, watch};
use bench::load::Load;
use bench::scenario::{Family, generate};
use schemas::audit::{AuditRecord, Decision};
use schemas::codec::Format;
use schemas::read::{Query, ViewReader};
use schemas::state::{Asked, Case, Listed, Part, ProductState, StateRequest};
use schemas::time::EventTime;
use schemas::view::{IncidentRow, IncidentStatus, Row, ViewName};
use serde_json::json;
use sinks::cache::Cache;
use sinks::state::{Database, Place, serve};
use tests::prove::asked::model::Played;
use tests::prove::asked::{seen, tenant, told};

async fn asked(state: &ProductState) -> Vec<Asked> {
    let part = Part { after: None, limit: 500 };
    state.ask(|reply| StateRequest::Investigations(tenant(), part, reply)).await.unwrap().entries
}

#[test]
fn an_alert_is_investigated_once_though_it_is_followed_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let scenario = generate(Family::BadConfig, 7);
        let engine = seen(&scenario).await.unwrap();
        let database = Database::open(&Place::Memory, i64::MAX).await.unwrap();
        let (requests, waiting) = tokio::sync::mpsc::channel(8);
        tokio::task::spawn_local(serve(database, Cache::local(0), waiting));
        let state = ProductState::new(requests);
        let desk = Desk::new(Investigator::new(engine.reader()).with_state(state.clone()), 4);
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let (desk, reader, state) = (desk.clone(), engine.reader(), state.clone());
            let ended = ended.clone();
            tokio::task::spawn_local(async move {
                let _stopped = watch::follow(desk, reader, state, tenant()).await;
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        let found = loop {
            let found = asked(&state).await;
            if !found.is_empty() {
                break found;
            }
            tokio::task::yield_now().await;
        };
        // The same question at the same epoch is the same investigation, whoever asks.
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].query.starts_with("inc_"));
        assert!(found[0].summary.contains("on commit/"), "{}", found[0].summary);
        engine.shutdown().unwrap();
        while ended.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    });
}

/// A recording in which a node is lost and an alert fires for each of its pods, in batches over time.
fn lost(pods: u64) -> String {
    let at = EventTime::parse("2026-09-01T09:00:00Z").unwrap();
    let line = |(number, (format, record)): (i64, (Format, Vec<u8>))| {
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        let at = at.plus_ms(70_000 + 10_000 * number).to_string();
        json!({ "topic": format!("k8s-events-{}", tenant()), "at": at, "format": format.as_str(), "record": record }).to_string()
    };
    let load = Load::new(1, &tenant());
    (0i64..).zip(load.burst(pods, at)).map(line).collect::<Vec<String>>().join("\n")
}

#[test]
fn forty_alerts_on_one_root_are_one_investigation_that_is_worded_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let engine = told(&lost(40), &tenant()).await.unwrap();
        let (rows, ..) = engine.reader().scan(Query::all(&tenant(), ViewName::Incidents), 10).await.unwrap();
        let alerts = rows.iter().map(|row| if let Row::Incident(row) = row { row.alerts } else { 0 });
        assert_eq!(alerts.collect::<Vec<u32>>(), [40], "{rows:?}");
        let database = Database::open(&Place::Memory, i64::MAX).await.unwrap();
        let (requests, waiting) = tokio::sync::mpsc::channel(8);
        tokio::task::spawn_local(serve(database, Cache::local(0), waiting));
        let state = ProductState::new(requests);
        let played = Played::start().await.unwrap();
        let voiced = Investigator::new(engine.reader())
            .with_state(state.clone())
            .with_voice(Voice::new(played.client().unwrap(), 1_000_000));
        let following = watch::follow(Desk::new(voiced, 4), engine.reader(), state.clone(), tenant());
        let following = tokio::task::spawn_local(following);
        while asked(&state).await.is_empty() {
            tokio::task::yield_now().await;
        }
        // Whatever else was to come comes before the engine has stopped.
        engine.shutdown().unwrap();
        assert!(following.await.unwrap().is_err(), "the engine has stopped");
        let found = asked(&state).await;
        assert_eq!(found.len(), 1, "{found:?}");
        // Words for the summary and for the runbook, once each.
        let roles = played.read();
        assert_eq!(roles.len(), 2, "{roles:?}");
    });
}

/// The first incident that is open and has a chain, with the signature of that chain.
async fn live(reader: &ViewReader) -> (IncidentRow, Vec<String>) {
    let rows = async |view| reader.scan(Query::all(&tenant(), view), 10_000).await.unwrap().0;
    let chains = rows(ViewName::Chains).await;
    for row in rows(ViewName::Incidents).await {
        let Row::Incident(incident) = row else { continue };
        let of = chains.iter().filter_map(|row| match row {
            Row::Chain(chain) if chain.incident_id == incident.incident_id => Some(chain.as_ref()),
            _ => None,
        });
        let signature = agents::memory::signature(of);
        if incident.status == IncidentStatus::Open && 2 <= signature.len() {
            return (incident.as_ref().clone(), signature);
        }
    }
    panic!("no incident is open");
}

/// Product state in which incidents of the past went on where a live one stands; it keeps the signals.
fn remembers(cases: Vec<Case>) -> (ProductState, tokio::sync::mpsc::UnboundedReceiver<AuditRecord>) {
    let (requests, mut waiting) = tokio::sync::mpsc::channel(8);
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::task::spawn_local(async move {
        while let Some(request) = waiting.recv().await {
            match request {
                StateRequest::Cases(_, reply) => drop(reply.send(Ok(cases.clone()))),
                StateRequest::Signal(_, record, reply) => {
                    tell.send(*record).unwrap();
                    let _nobody_left = reply.send(Ok(true));
                }
                StateRequest::Investigations(_, _, reply) => {
                    let _nobody_left = reply.send(Ok(Listed { entries: Vec::new(), next: None }));
                }
                StateRequest::Keep(_, reply) | StateRequest::Learn(_, _, reply) => {
                    let _nobody_left = reply.send(Ok(()));
                }
                StateRequest::Repository(_, _, reply) => drop(reply.send(Ok(None))),
                other => panic!("{other:?}"),
            }
        }
    });
    (ProductState::new(requests), told)
}

#[test]
fn a_live_incident_on_the_way_of_past_ones_is_told_of_once_and_taken_back() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let engine = seen(&generate(Family::BadConfig, 7)).await.unwrap();
        let (incident, signature) = live(&engine.reader()).await;
        let past = |number: u64, steps: &[&str]| {
            let mut case = Case { incident: incident.clone(), signature: signature.clone(), lesson: None };
            case.incident.incident_id = format!("inc_{number:016x}").parse().unwrap();
            case.signature.extend(steps.iter().map(|step| (*step).to_owned()));
            case
        };
        // Two went on alike, one had ended where this one stands.
        let cases = vec![past(1, &["next"]), past(2, &["next"]), past(3, &[])];
        let (state, mut told) = remembers(cases);
        let desk = Desk::new(Investigator::new(engine.reader()).with_state(state.clone()), 4);
        tokio::task::spawn_local(watch::follow(desk, engine.reader(), state, tenant()));
        let begun = told.recv().await.unwrap();
        let expected = 1_000 * signature.len() / (signature.len() + 1);
        assert_eq!((begun.decision, &begun.tenant_id), (Decision::PatternProgress, &tenant()), "{begun:?}");
        assert_eq!(begun.detail["incident_id"], incident.incident_id.to_string());
        assert_eq!(
            (&begun.detail["progress_milli"], &begun.detail["next"]),
            (&json!(expected), &json!("next"))
        );
        assert_eq!(
            (&begun.detail["incidents"], &begun.detail["latest"]),
            (&json!(2), &json!("inc_0000000000000001"))
        );
        assert!(!begun.detail["event_ids"].as_array().unwrap().is_empty(), "no proof: {begun:?}");
        assert!(begun.reason.contains(&format!("{} % of the way", expected / 10)), "{}", begun.reason);
        // Long after, all of it is forgotten: nothing is left to go any way.
        engine.input().seal(Vec::new(), incident.last_at.plus_ms(200 * 86_400_000)).await.unwrap();
        let ended = told.recv().await.unwrap();
        assert_eq!(ended.decision, Decision::PatternEnded, "told twice: {ended:?}");
        assert_eq!(ended.investigation_id, begun.investigation_id);
        engine.shutdown().unwrap();
        assert!(told.recv().await.is_none(), "nothing more was told");
    });
}
