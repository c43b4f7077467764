//! Product state: one contract, over SQLite and over real PostgreSQL; what is particular to each is in `state/`.

use std::collections::BTreeSet;

use schemas::audit::records;
use schemas::feed::{Change, EpochChanges};
use schemas::ids::{IncidentId, TenantId};
use schemas::state::{
    Investigated, Part, ProductState, Recording, Repository, StateError, StateRequest as Ask,
};
use schemas::time::EventTime;
use schemas::view::{IncidentRow, IncidentStatus, Row, ViewName};
use serde_json::json;
use sinks::cache::Cache;
use sinks::state::history::History;
use sinks::state::{Database, Place, serve};
use sinks::store::{Batch, Progress, Store, StoreError};

use crate::program::variable;

mod experience;
mod money;
mod postgres;
mod sqlite;

/// A name in a folder of this test process.
fn scratch(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("kgroot-state-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// Runs a test beside a task that answers from the database.
fn with(database: impl AsyncFnOnce() -> Database, test: impl AsyncFnOnce(ProductState, Database)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let database = database().await;
        let (requests, asked) = tokio::sync::mpsc::channel(8);
        let served = serve(database.clone(), Cache::local(0), asked);
        // The handle goes with the test, and then nobody asks any more.
        tokio::join!(served, test(ProductState::new(requests), database));
    });
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn investigation(tenant: &str, id: &str, query: &str) -> Box<Investigated> {
    let question = json!({ "tenant_id": tenant, "query": query });
    let answer = json!({
        "investigation_id": id, "tenant_id": tenant, "status": "no_data", "summary": query,
        "scope": { "time_window": null, "entities": [], "incident_ids": [], "pivot_event_id": null, "correlation_ids": [], "notes": [] },
        "as_of": { "epoch": 7, "event_time": "2026-01-01T00:00:00Z", "settled": false, "freshness_ms": 0 },
        "statements": [], "hypotheses": [], "ruled_out": [], "missing": [], "similar": [], "runbook": null,
        "agent_results": [], "tool_calls": [],
        "plan": { "decided_by": "rules", "agents_selected": [], "reasoning": "", "routes": [],
            "ambiguity_milli": 0, "prompt": null },
        "cost": { "llm_usd": 0.0, "api_usd": 0.0 }, "latency_ms": 1.0,
    });
    let (question, answer) =
        (serde_json::from_value(question).unwrap(), serde_json::from_value(answer).unwrap());
    let recording = Recording::default();
    let decisions = records(&question, &answer, &recording);
    Box::new(Investigated { question, answer, recording, decisions })
}

fn part(after: Option<String>, limit: usize) -> Part {
    Part { after, limit }
}

async fn keep(state: &ProductState, tenant: &str, id: &str, query: &str) {
    state.ask(|reply| Ask::Keep(investigation(tenant, id, query), reply)).await.unwrap();
}

/// The contract.
async fn contract(state: ProductState, database: Database) {
    investigations(&state).await;
    repositories(&state).await;
    many_at_once(&state).await;
    money::is_set_aside_and_settled(&state).await;
    money::is_never_overspent(&state).await;
    experience::is_kept_and_taught(&state).await;
    experience::an_approval_is_used_once(&state).await;
    experience::a_signal_is_kept_once(&state).await;
    history(&state, database).await;
}

async fn investigations(state: &ProductState) {
    let (shop, other) = (tenant("shop"), tenant("other"));
    for (id, query) in
        [("inv_1", "why?"), ("inv_2", "a NUL \u{0} and \u{1f980}"), ("inv_3", "'; DROP TABLE x; --")]
    {
        keep(state, "shop", id, query).await;
    }
    // What is kept stays as it was.
    keep(state, "shop", "inv_1", "something else").await;
    let one = async |tenant: &TenantId, id: &str| {
        state.ask(|reply| Ask::Investigation(tenant.clone(), id.to_owned(), reply)).await.unwrap()
    };
    let Investigated { question, answer, .. } = *investigation("shop", "inv_2", "a NUL \u{0} and \u{1f980}");
    let kept = one(&shop, "inv_2").await.unwrap();
    assert_eq!((&kept.question, &kept.answer), (&question, &answer));
    assert_eq!(one(&shop, "inv_1").await.unwrap().question.query, "why?");
    assert_eq!(one(&shop, "inv_4").await, None);
    assert_eq!(one(&other, "inv_1").await, None);

    let list = async |tenant: &TenantId, part: Part| {
        state.ask(|reply| Ask::Investigations(tenant.clone(), part, reply)).await
    };
    assert_eq!(list(&other, part(None, 9)).await.unwrap().entries, []);
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let listed = list(&shop, part(after, 2)).await.unwrap();
        seen.extend(listed.entries);
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|left, right| right.asked_at <= left.asked_at), "{seen:?}");
    let ids: BTreeSet<&str> = seen.iter().map(|asked| asked.investigation_id.as_str()).collect();
    assert_eq!((seen.len(), ids), (3, BTreeSet::from(["inv_1", "inv_2", "inv_3"])));
    let refused = list(&shop, part(Some("nonsense".to_owned()), 2)).await;
    assert!(matches!(refused, Err(StateError::Cursor(_))), "{refused:?}");
}

async fn map(state: &ProductState, tenant: &TenantId, service: &str, repository: &str) {
    let repository = Repository::new(service, repository).unwrap();
    state.ask(|reply| Ask::Map(tenant.clone(), repository, reply)).await.unwrap();
}

async fn repositories(state: &ProductState) {
    let (shop, other) = (tenant("shop"), tenant("other"));
    // Order of bytes, whatever the language of the server.
    for service in ["b", "a/x", "B", "ä", "a-x"] {
        map(state, &shop, service, "old").await;
        map(state, &shop, service, &format!("acme/{service}")).await;
    }
    map(state, &other, "b", "evil/b").await;
    let one = async |tenant: &TenantId, service: &str| {
        let found = state.ask(|reply| Ask::Repository(tenant.clone(), service.to_owned(), reply)).await;
        found.unwrap().map(|found| found.repository)
    };
    assert_eq!(one(&shop, "b").await.as_deref(), Some("acme/b"));
    assert_eq!(one(&other, "b").await.as_deref(), Some("evil/b"));
    assert_eq!(one(&other, "a-x").await, None);
    let (mut services, mut after) = (Vec::new(), None);
    loop {
        let ask = |reply| Ask::Repositories(shop.clone(), part(after, 2), reply);
        let listed = state.ask(ask).await.unwrap();
        services.extend(listed.entries.into_iter().map(|entry| entry.service));
        after = listed.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(services, ["B", "a-x", "a/x", "b", "ä"]);
    let unmap = async |tenant: &TenantId, service: &str| {
        state.ask(|reply| Ask::Unmap(tenant.clone(), service.to_owned(), reply)).await.unwrap()
    };
    assert!(!unmap(&other, "a-x").await);
    assert!(unmap(&shop, "a-x").await);
    assert!(!unmap(&shop, "a-x").await);
}

/// Writers do not lose each other's rows, nor fail because of each other.
async fn many_at_once(state: &ProductState) {
    const TASKS: usize = 64;
    let many = tenant("many");
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..TASKS {
        let (state, many) = (state.clone(), many.clone());
        tasks.spawn(async move {
            map(&state, &many, &format!("own-{index}"), "acme/own").await;
            map(&state, &many, "shared", &format!("acme/{index}")).await;
            keep(&state, "many", "inv_same", &index.to_string()).await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mapped = state.ask(|reply| Ask::Repositories(many.clone(), part(None, 500), reply)).await.unwrap();
    assert_eq!(mapped.entries.len(), TASKS + 1);
    let asked = state.ask(|reply| Ask::Investigations(many, part(None, 500), reply)).await.unwrap();
    assert_eq!(asked.entries.len(), 1);
}

fn incident(tenant: &str, id: u64, live: bool, title: &str) -> Change {
    let row = IncidentRow {
        incident_id: IncidentId(id),
        status: IncidentStatus::Open,
        severity: schemas::envelope::Severity::Error,
        title: title.to_owned(),
        started_at: EventTime(1_700_000_000_000 + i64::try_from(id).unwrap()),
        last_at: EventTime(1_700_000_900_000),
        episodes: 2,
        alerts: 1,
        hypotheses: Vec::new(),
    };
    let row = Row::from(row);
    Change { tenant: tenant.parse().unwrap(), view: ViewName::Incidents, key: row.key(), live, row }
}

fn batch(epoch: u64, whole: bool, changes: Vec<Change>) -> Batch {
    let epochs =
        vec![EpochChanges { epoch, now: EventTime(1_700_001_000_000), whole, changes: changes.into() }];
    let digest = epochs[0].digest();
    Batch { epochs, progress: Progress { epoch, digest, generation: "g".to_owned() } }
}

async fn history(state: &ProductState, database: Database) {
    let mut first = History::new(database.clone(), "main", "first");
    assert_eq!(first.open().await, Ok(None));
    first
        .apply(&batch(1, false, vec![incident("shop", 1, true, "one"), incident("other", 9, true, "nine")]))
        .await
        .unwrap();
    let second =
        batch(2, false, vec![incident("shop", 1, true, "one, revised"), incident("shop", 2, true, "two")]);
    first.apply(&second).await.unwrap();
    // An answer that was lost: the same again.
    first.apply(&second).await.unwrap();
    assert_eq!(first.open().await, Ok(Some(second.progress.clone())));
    first.apply(&batch(3, false, vec![incident("shop", 2, false, "two")])).await.unwrap();
    let past = async |tenant: &str| {
        let (tenant, all) = (tenant.parse().unwrap(), part(None, 9));
        let listed = state.ask(|reply| Ask::Incidents(tenant, all, reply)).await.unwrap();
        let entries = listed.entries.into_iter();
        entries.map(|past| (past.incident.title, past.epoch, past.live)).collect::<Vec<_>>()
    };
    let told = |title: &str, epoch, live| (title.to_owned(), epoch, live);
    assert_eq!(past("shop").await, [told("two", 3, false), told("one, revised", 2, true)]);
    assert_eq!(past("other").await, [told("nine", 1, true)]);
    let of_other = state.ask(|reply| Ask::Incident(tenant("other"), IncidentId(1), reply)).await.unwrap();
    assert_eq!(of_other, None);

    // Another process begins anew, with an event log of its own: what it does not tell is not live, and stays.
    let mut second = History::new(database, "main", "second");
    assert_eq!(second.open().await, Ok(None));
    second.apply(&batch(1, false, vec![incident("shop", 3, true, "three")])).await.unwrap();
    let known = [told("three", 1, true), told("two", 3, false), told("one, revised", 2, false)];
    assert_eq!(past("shop").await, known);
    assert_eq!(past("other").await, [told("nine", 1, false)]);
    // The first one, frozen meanwhile, changes nothing any more.
    let late = first.apply(&batch(4, false, vec![incident("shop", 1, true, "late")])).await;
    assert!(matches!(late, Err(StoreError::Broken(_))), "{late:?}");
    assert_eq!(past("shop").await, known);
}

/// What is older than it is kept goes with the next that is written.
async fn forgets(place: &Place) {
    // Everything is older than an hour from now.
    let database = Database::open(place, -3_600_000).await.unwrap();
    let (requests, asked) = tokio::sync::mpsc::channel(8);
    let state = ProductState::new(requests);
    let test = async move {
        keep(&state, "forgets", "inv_1", "why?").await;
        let listed = state.ask(|reply| Ask::Investigations(tenant("forgets"), part(None, 9), reply)).await;
        assert_eq!(listed.unwrap().entries, []);
        experience::a_signal_is_forgotten(&state).await;
    };
    tokio::join!(serve(database, Cache::local(0), asked), test);
}
