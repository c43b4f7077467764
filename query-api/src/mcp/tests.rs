//! The route driven as a client drives it, over views, product state and an index that are played here.

mod limits;
mod protocol;
mod tools;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::routing::any_service;
use schemas::answer::Question;
use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::envelope::Severity;
use schemas::ids::{EntityId, EpisodeId, EventId, IncidentId};
use schemas::read::{AsOf, Page, Part, Query, ReadError, ViewReader};
use schemas::search::{Hit, Hits};
use schemas::state::{Admission, Investigated, ProductState, Recording, StateRequest};
use schemas::time::EventTime;
use schemas::view::{
    AlertRow, AlertStatus, ChainRow, CoverageRow, EntityRow, EpisodeRow, Hypothesis, IncidentRow,
    IncidentStatus, LinkRow, RelationRow, Row, Shared, ViewName,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, Receiver};

use crate::problem::Problem;
use crate::router::router;
use crate::state::{Api, Investigator, Searcher};

/// 2026-09-01T10:30:00Z, within the window of the schemas' examples.
pub(super) const NOON: EventTime = EventTime(1_788_258_600_000);

/// A played API, and what its product state was asked.
pub(super) struct Played {
    rows: Vec<(ViewName, Row)>,
    refused_for_ms: Option<u64>,
}

/// What reached product state, in order.
type Heard = Rc<RefCell<Vec<&'static str>>>;

/// A client of the API.
pub(super) struct Client {
    router: axum::Router,
    pub(super) heard: Heard,
}

impl Played {
    pub(super) fn with(rows: Vec<(ViewName, Row)>) -> Self {
        Played { rows, refused_for_ms: None }
    }

    pub(super) fn refusing_investigations(self) -> Self {
        Played { refused_for_ms: Some(5_000), ..self }
    }

    pub(super) fn run(self, test: impl AsyncFnOnce(Client)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            let (reads, _read) = mpsc::channel(8);
            let (requests, requested) = mpsc::channel(8);
            let heard = Heard::default();
            tokio::task::spawn_local(state(requested, heard.clone(), self.refused_for_ms));
            let rows = self.rows;
            let views = ViewReader::new(Arc::new(move |query| page(query, &rows)), reads);
            let both = (views, ProductState::new(requests));
            let api = Api::new(both, investigator(), None, None, Arc::new(AtomicBool::new(true)));
            test(Client { router: router(api.with_searcher(Some(searcher()))), heard }).await;
        });
    }
}

impl Client {
    /// Sends a request; status and body.
    pub(super) async fn send(&self, request: Request) -> (StatusCode, Value) {
        let response = any_service::<_, ()>(self.router.clone()).call(request, ()).await;
        let (status, body) = (response.status(), response.into_body());
        let bytes = to_bytes(body, 1 << 20).await.unwrap();
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| text()))
    }

    /// Posts a message of a protocol version that begins with `initialize`, for a tenant.
    pub(super) async fn post(&self, tenant: &str, message: &Value) -> (StatusCode, Value) {
        self.send(message_to(&format!("/mcp?tenant_id={tenant}")).body(message.to_string().into()).unwrap())
            .await
    }

    /// Calls a tool for the tenant `shop`; its result.
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        let message = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
        let (status, answer) = self.post("shop", &message).await;
        assert_eq!((status, &answer["id"]), (StatusCode::OK, &json!(7)), "{answer}");
        answer["result"].clone()
    }

    /// Calls a tool that must succeed; its structured result.
    pub(super) async fn given(&self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], false, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that must fail; the text of its error.
    pub(super) async fn refused(&self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!((&result["isError"], result.get("structuredContent")), (&json!(true), None), "{result}");
        result["content"][0]["text"].as_str().unwrap().to_owned()
    }
}

/// A request to a path as clients of the protocol make it.
pub(super) fn message_to(path: &str) -> axum::http::request::Builder {
    Request::post(path)
        .header("host", "kgroot.example")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2025-06-18")
}

pub(super) fn get(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

fn page(query: &Query, rows: &[(ViewName, Row)]) -> Result<Part, ReadError> {
    if query.tenant.as_str() != "shop" {
        let (tenant, known) = (query.tenant.clone(), vec!["shop".parse().unwrap()]);
        return Err(ReadError::UnknownTenant { tenant, known });
    }
    let passes = |(view, row): &&(ViewName, Row)| *view == query.view && query.filter.passes(*view, row);
    let after = |row: &Row| query.after.as_ref().is_none_or(|after| *after < row.key());
    let mut rows: Vec<Row> = rows.iter().filter(passes).map(|(_, row)| row.clone()).collect();
    rows.retain(after);
    rows.sort_by_key(Row::key);
    let more = query.limit < rows.len();
    rows.truncate(query.limit);
    let next = rows.last().filter(|_| more).map(Row::key);
    Ok(Part { page: Page { rows, next, as_of: as_of() }, whole: true })
}

fn as_of() -> AsOf {
    let (epoch, settled_before) = (9, NOON.plus_ms(-600_000));
    AsOf { epoch, since: 1, upper: 10, event_time: NOON, now: NOON, settled_before, freshness_ms: 5 }
}

async fn state(mut requests: Receiver<StateRequest>, heard: Heard, refused_for_ms: Option<u64>) {
    while let Some(request) = requests.recv().await {
        match request {
            StateRequest::Admit(_, reply) => {
                heard.borrow_mut().push("admit");
                let admission = Admission { limit: 3, window_s: 3_600, remaining: 2, refused_for_ms };
                reply.send(Ok(Some(admission))).unwrap();
            }
            StateRequest::Keep(_, reply) => {
                heard.borrow_mut().push("keep");
                reply.send(Ok(())).unwrap();
            }
            StateRequest::Incident(_, _, reply) => reply.send(Ok(None)).unwrap(),
            other => panic!("not played: {other:?}"),
        }
    }
}

fn investigator() -> Investigator {
    let none = || Problem::unprocessable("not_played", "not played");
    Investigator {
        ask: Arc::new(|question, _| Box::pin(async move { investigated(question) })),
        again: Arc::new(move |_| Box::pin(async move { Err(none()) })),
        act: Arc::new(move |_, _| Box::pin(async move { Err(none()) })),
        tools: Arc::new(|_| Vec::new()),
        switch: Arc::new(|_, _, _| false),
        switched_off: Arc::new(|_| Vec::new()),
        usd_micros_per_day: None,
        spawn: Arc::new(drop),
    }
}

fn investigated(question: Question) -> Result<Investigated, Problem> {
    if question.service.as_deref() == Some("chekout") {
        let detail = "unknown service \"chekout\"; did you mean checkout?";
        return Err(Problem::unprocessable("service_unknown", detail));
    }
    let hypothesis = json!({
        "rank": 1, "confidence": 0.83, "weight": 0.9, "incident_id": IncidentId(1), "chain": [], "evidence": [], "explains": [],
        "root_cause": {"kind": "github.push", "entity": "deployment/shop/checkout", "summary": "a push",
            "event_ids": [], "onset": NOON},
    });
    let answer = json!({
        "investigation_id": "inv_1", "tenant_id": question.tenant_id, "status": "answered",
        "summary": question.query, "hypotheses": [hypothesis], "ruled_out": [],
        "missing": [{"source": "otel", "why": "no calls are known"}],
        "scope": {"time_window": question.time_window, "entities": [], "incident_ids": [],
            "pivot_event_id": null, "correlation_ids": question.correlation_ids, "notes": []},
        "as_of": {"epoch": 9, "event_time": NOON, "settled": true, "freshness_ms": 1},
        "agent_results": [], "tool_calls": [], "statements": [], "similar": [], "runbook": null,
        "plan": {"decided_by": "rules", "agents_selected": [], "reasoning": "", "routes": [],
            "ambiguity_milli": 0, "prompt": null},
        "cost": {"llm_usd": 0.0, "api_usd": 0.0}, "latency_ms": 1.5,
    });
    let answer = serde_json::from_value(answer).unwrap();
    Ok(Investigated { question, answer, recording: Recording::default(), decisions: Vec::new() })
}

fn searcher() -> Searcher {
    Arc::new(|search| {
        Box::pin(async move {
            let row = serde_json::to_value(Row::from(incident(1, "Checkout fails"))).unwrap();
            let id = "incidents:inc_1".to_owned();
            let (view, key) = (ViewName::Incidents, "inc_1".to_owned());
            let hit = Hit { id, view, key, live: true, at: NOON, until: NOON, row };
            assert!(search.limit <= 50);
            Ok(Hits { epoch: 9, hits: vec![hit], next: None })
        })
    })
}

pub(super) fn checkout() -> Entity {
    Entity::namespaced(EntityKind::Deployment, "shop", "checkout")
}

pub(super) fn episode(id: u64, at: EventTime, detail: &str) -> EpisodeRow {
    let kind = Kind::named("github.push");
    EpisodeRow {
        episode_id: EpisodeId(id),
        entity: checkout().into(),
        kind,
        class: kind.spec().class,
        onset: at,
        earliest: at,
        last: at,
        ended: None,
        count: 1,
        severity: Severity::Info,
        event_ids: vec![EventId(1)],
        detail: detail.into(),
        magnitude: 0,
    }
}

pub(super) fn incident(id: u64, title: &str) -> IncidentRow {
    let at = NOON.plus_ms(id as i64);
    let hypothesis = Hypothesis {
        rank: 1,
        confidence_milli: 830,
        evidence_milli: 900,
        root: episode(1, NOON, "a push").into(),
        explains: 1,
    };
    IncidentRow {
        incident_id: IncidentId(id),
        status: IncidentStatus::Open,
        severity: Severity::Critical,
        title: title.to_owned(),
        started_at: at,
        last_at: at,
        episodes: 2,
        alerts: 1,
        hypotheses: vec![hypothesis],
    }
}

/// A row of every view that a tool reads.
pub(super) fn an_outage() -> Vec<(ViewName, Row)> {
    let root = Shared::from(episode(1, NOON, "a push"));
    let symptom = Shared::from(episode(2, NOON.plus_ms(60_000), "errors"));
    let link = LinkRow {
        cause: root.clone(),
        effect: symptom.clone(),
        rule: "R20".into(),
        rule_version: 1,
        relation: "".into(),
        lag_ms: 60_000,
        strength: 900,
        best: true,
    };
    let chain = ChainRow {
        incident_id: IncidentId(1),
        rank: 1,
        root: root.clone(),
        symptom,
        links: vec![link.into()],
    };
    let relation = RelationRow {
        from: checkout().into(),
        relation: RelationKind::Owns,
        to: Entity::namespaced(EntityKind::Pod, "shop", "checkout-1").into(),
        valid_from: NOON,
        valid_to: None,
        event_id: EventId(1),
    };
    let alert = AlertRow {
        incident_id: IncidentId(1),
        status: AlertStatus::Firing,
        severity: Severity::Critical,
        raised_at: NOON,
        raised_by: EventId(1),
        title: "Checkout fails".to_owned(),
    };
    let entity = EntityRow { entity_id: EntityId(1), entity: checkout().into() };
    let coverage = CoverageRow {
        source: "github".to_owned(),
        accepted: 1,
        duplicate: 0,
        rejected: vec![],
        reached: None,
    };
    vec![
        (ViewName::Incidents, incident(1, "Checkout fails").into()),
        (ViewName::Chains, chain.into()),
        (ViewName::Topology, relation.into()),
        (ViewName::Changes, Row::Episode(root)),
        (ViewName::Alerts, alert.into()),
        (ViewName::Entities, entity.into()),
        (ViewName::Coverage, coverage.into()),
    ]
}
