//! Tests of `alike`.

use schemas::envelope::Severity;
use schemas::ids::TenantId;
use schemas::state::{ProductState, Reserved, StateRequest};
use schemas::time::EventTime;
use schemas::view::IncidentStatus;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::model::client::Settings;
use crate::model::price::Price;
use crate::tool::endpoint::stub::{Stub, json as answer, response};
use crate::tool::endpoint::{Egress, Endpoint};

const SECRET: &str = "AKIAIOSFODNN7EXAMPLE";

fn incident(number: u64, title: &str) -> IncidentRow {
    IncidentRow {
        incident_id: format!("inc_{number:016x}").parse().unwrap(),
        status: IncidentStatus::Resolved,
        severity: Severity::Error,
        title: title.to_owned(),
        started_at: EventTime(0),
        last_at: EventTime(0),
        episodes: 1,
        alerts: 0,
        hypotheses: Vec::new(),
    }
}

fn case(number: u64, title: &str) -> Case {
    Case { incident: incident(number, title), signature: Vec::new(), lesson: None }
}

/// A server whose vectors say whether a text is about memory.
async fn server() -> Stub {
    Stub::start(|request| {
        let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
        let texts = body["input"].as_array().unwrap().iter().enumerate();
        let row = |(index, text): (usize, &Value)| {
            let memory = text.as_str().unwrap().contains("memory");
            json!({ "index": index, "embedding": if memory { [1.0, 0.1] } else { [0.1, 1.0] } })
        };
        let data: Vec<Value> = texts.map(row).collect();
        answer(&json!({ "data": data, "usage": { "prompt_tokens": 40 } }).to_string())
    })
    .await
}

fn embedder(stub: &Stub) -> Embedder {
    let egress = Egress { allow_private: true, response_bytes: 1 << 20 };
    let price = Price { input: 1_000_000, output: 0 };
    let settings = Settings { model: "vectors".to_owned(), price, max_tokens: 0, seed: 0, reasoning: false };
    Embedder::new(Client::new(Endpoint::new(&stub.url(), &[], &egress).unwrap(), settings), 1_000_000)
}

/// Product state that grants or refuses money, and keeps what was asked of it.
fn accounts(granted: bool) -> (ProductState, Arc<Mutex<Vec<(&'static str, u64)>>>) {
    let (requests, mut waiting) = mpsc::channel(8);
    let heard: Arc<Mutex<Vec<(&'static str, u64)>>> = Arc::default();
    let told = heard.clone();
    tokio::runtime::Handle::current().spawn(async move {
        while let Some(request) = waiting.recv().await {
            match request {
                StateRequest::Reserve(_, aside, _, reply) => {
                    told.lock().unwrap().push(("reserve", aside.usd_micros));
                    let reserved =
                        if granted { Reserved::Granted } else { Reserved::Refused { used_micros: 1 } };
                    reply.send(Ok(reserved)).unwrap();
                }
                StateRequest::Settle(_, _, micros, reply) => {
                    told.lock().unwrap().push(("settle", micros));
                    reply.send(Ok(())).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    });
    (ProductState::new(requests), heard)
}

fn asking<'a>(tenant: &'a TenantId, state: Option<&'a ProductState>) -> Asking<'a> {
    let ends = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let switch = Box::leak(Box::default());
    Asking { tenant, purpose: "inc_1".to_owned(), state, ends, switch }
}

#[tokio::test]
async fn cases_are_compared_by_vectors_paid_for_once_and_without_secrets() {
    let (stub, tenant) = (server().await, "shop".parse().unwrap());
    let (state, heard) = accounts(true);
    let embedder = embedder(&stub);
    let now = incident(1, &format!("checkout lacks memory {SECRET}"));
    let cases = [case(2, "checkout was slow"), case(3, "the cart ran out of memory"), case(1, "itself")];
    let likeness = embedder.likeness(&asking(&tenant, Some(&state)), &now, &cases).await;
    let of = |number: usize| likeness.cases.iter().find(|(id, _)| *id == cases[number].incident.incident_id);
    assert_eq!((of(0).unwrap().1, of(1).unwrap().1, of(2)), (198, 1_000, None), "{likeness:?}");
    assert_eq!((likeness.silent.as_deref(), likeness.model.as_str()), (None, "vectors"));
    let similar = memory::similar(&now, &[], &cases, Some(&likeness));
    assert_eq!(similar.len(), 1, "words in common no longer count");
    assert_eq!((similar[0].incident_id, similar[0].similarity_milli), (cases[1].incident.incident_id, 500));
    assert!(!stub.asked()[0].contains(SECRET));
    let heard: Vec<_> = heard.lock().unwrap().clone();
    assert!(
        matches!(heard[..], [("reserve", most), ("settle", 40..)] if likeness.usd_micros <= most),
        "{heard:?}"
    );
    assert_eq!(heard[1].1, likeness.usd_micros);
    let again = embedder.likeness(&asking(&tenant, Some(&state)), &now, &cases).await;
    assert_eq!((again.cases, again.usd_micros), (likeness.cases, 0));
    assert_eq!(stub.asked().len(), 1, "what is remembered is not sent again");
}

#[tokio::test]
async fn without_an_answer_features_count_and_the_answer_says_why() {
    let tenant = "shop".parse().unwrap();
    let now = incident(1, "checkout lacks memory");
    let cases = [case(2, "checkout lacks memory again")];
    let plain = memory::similar(&now, &[], &cases, None);
    assert_eq!(plain.len(), 1);
    for (status, code) in [("401 Unauthorized", "denied"), ("200 OK", "not understood")] {
        let stub = Stub::start(move |_| response(status, "", "{}")).await;
        let likeness = embedder(&stub).likeness(&asking(&tenant, None), &now, &cases).await;
        assert!(likeness.silent.as_ref().unwrap().contains(code), "{likeness:?}");
        assert_eq!((&likeness.denied, likeness.cases.len()), (&None, 0));
        assert_eq!(memory::similar(&now, &[], &cases, Some(&likeness)), plain);
    }
}

#[tokio::test]
async fn without_money_nothing_is_sent() {
    let (stub, tenant) = (server().await, "shop".parse().unwrap());
    let (state, heard) = accounts(false);
    let likeness =
        embedder(&stub).likeness(&asking(&tenant, Some(&state)), &incident(1, "a"), &[case(2, "b")]).await;
    assert_eq!(likeness.denied.as_deref(), Some("spent"));
    assert_eq!((stub.asked().len(), heard.lock().unwrap().len(), likeness.usd_micros), (0, 1, 0));
}

#[test]
fn vectors_of_other_lengths_or_without_a_direction_are_not_alike() {
    assert_eq!(cosine(&[1.0, 0.0], &[1.0]), 0.0);
    assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    assert!(0.999 < cosine(&[2.0, 2.0], &[1.0, 1.0]));
}
