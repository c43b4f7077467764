//! Cases and approvals.

use schemas::audit::{AuditRecord, Decision};
use schemas::ids::{IncidentId, TenantId};
use schemas::state::{Approval, Case, Lesson, ProductState, StateRequest as Ask, Used};
use schemas::time::EventTime;
use schemas::view::{IncidentRow, IncidentStatus};
use serde_json::json;

use super::tenant;

/// In March 2026.
const MARCH: i64 = 1_772_600_000_000;
/// In 2099.
const FAR: i64 = 4_080_000_000_000;

fn case(number: u64) -> Case {
    let incident = IncidentRow {
        incident_id: IncidentId(number),
        status: IncidentStatus::Resolved,
        severity: schemas::envelope::Severity::Error,
        title: format!("incident {number}"),
        started_at: EventTime(MARCH),
        last_at: EventTime(MARCH + i64::try_from(number).unwrap()),
        episodes: 1,
        alerts: 0,
        hypotheses: Vec::new(),
    };
    Case { incident, signature: vec!["k8s.pod.OOMKilled pod".to_owned()], lesson: None }
}

async fn cases(state: &ProductState, of: &str) -> Vec<Case> {
    state.ask(|reply| Ask::Cases(tenant(of), reply)).await.unwrap()
}

pub(super) async fn is_kept_and_taught(state: &ProductState) {
    let shop = tenant("shop");
    for number in [1, 2, 1] {
        state.ask(|reply| Ask::Learn(shop.clone(), Box::new(case(number)), reply)).await.unwrap();
    }
    let lesson = Lesson {
        resolution: "raised the limit".to_owned(),
        root_confirmed: Some(true),
        written_by: "ann".to_owned(),
        approved_by: None,
    };
    let teach = async |of: &str, number: u64| {
        let (of, lesson) = (tenant(of), Box::new((lesson.clone(), None)));
        state.ask(|reply| Ask::Teach(of, IncidentId(number), lesson, reply)).await.unwrap()
    };
    assert!(teach("shop", 1).await);
    assert!(!teach("shop", 9).await);
    assert!(!teach("other", 1).await);
    // It is learned again, and what was added stays.
    state.ask(|reply| Ask::Learn(shop.clone(), Box::new(case(1)), reply)).await.unwrap();
    assert_eq!(cases(state, "shop").await, [case(2), Case { lesson: Some(lesson.clone()), ..case(1) }]);
    assert_eq!(cases(state, "other").await, []);
    // An approval of a text that was changed meanwhile approves nothing.
    let approved = Lesson { approved_by: Some("bob".to_owned()), ..lesson.clone() };
    let approve = async |instead_of: Lesson| {
        let lessons = Box::new((approved.clone(), Some(instead_of)));
        state.ask(|reply| Ask::Teach(shop.clone(), IncidentId(1), lessons, reply)).await.unwrap()
    };
    assert!(!approve(Lesson { resolution: "another".to_owned(), ..lesson.clone() }).await);
    assert!(approve(lesson.clone()).await);
}

pub(super) async fn an_approval_is_used_once(state: &ProductState) {
    let approval = |id: &str, expires_at: i64| Approval {
        approval_id: id.to_owned(),
        investigation_id: "inv_1".to_owned(),
        as_of: 7,
        digest: "act_1".to_owned(),
        action: "restart".to_owned(),
        tool: "k8s.restart".to_owned(),
        arguments: json!({ "target": "a" }),
        approved_by: "ann".to_owned(),
        expires_at: EventTime(expires_at),
        used_at: None,
    };
    let shop = tenant("shop");
    for given in [approval("apr_1", FAR), approval("apr_2", MARCH - 86_400_000_000)] {
        state.ask(|reply| Ask::Approve(shop.clone(), Box::new(given), reply)).await.unwrap();
    }
    let used = async |of: &str, id: &str| {
        let (of, id) = (tenant(of), id.to_owned());
        state.ask(|reply| Ask::Use(of, id, reply)).await.unwrap()
    };
    assert_eq!(used("other", "apr_1").await, Used::Unknown);
    assert!(matches!(used("shop", "apr_1").await, Used::Now(approval) if approval.digest == "act_1"));
    assert!(matches!(used("shop", "apr_1").await, Used::Already(_)));
    assert_eq!(used("shop", "apr_2").await, Used::Expired(EventTime(MARCH - 86_400_000_000)));
}

/// Whether a decision of a name was kept.
async fn signal(state: &ProductState, tenant: &TenantId, name: &str, decision: Decision) -> bool {
    let record = AuditRecord {
        tenant_id: tenant.clone(),
        investigation_id: name.to_owned(),
        number: 0,
        decision,
        as_of: 7,
        reason: String::new(),
        detail: json!({}),
    };
    state.ask(|reply| Ask::Signal(tenant.clone(), Box::new(record), reply)).await.unwrap()
}

/// A decision that is not kept any more is kept when it is told again.
pub(super) async fn a_signal_is_forgotten(state: &ProductState) {
    for _ in 0..2 {
        assert!(signal(state, &tenant("forgets"), "inc_1/pat_1", Decision::PatternProgress).await);
    }
}

/// A record is kept when it decides something else than the last one of its name, and numbered after it.
pub(super) async fn a_signal_is_kept_once(state: &ProductState) {
    let (shop, other) = (tenant("shop"), tenant("other"));
    let signal =
        async |tenant: &TenantId, name: &str, decision: Decision| signal(state, tenant, name, decision).await;
    let (begun, ended) = (Decision::PatternProgress, Decision::PatternEnded);
    assert!(!signal(&shop, "inc_1/pat_1", ended).await, "what never began does not end");
    assert!(signal(&shop, "inc_1/pat_1", begun).await);
    assert!(!signal(&shop, "inc_1/pat_1", begun).await, "told already");
    assert!(signal(&shop, "inc_1/pat_2", begun).await && signal(&other, "inc_1/pat_1", begun).await);
    assert!(signal(&shop, "inc_1/pat_1", ended).await);
    assert!(!signal(&shop, "inc_1/pat_1", ended).await);
    assert!(signal(&shop, "inc_1/pat_1", begun).await, "it holds again");
}
