//! The audit stream: what was decided in an investigation, in order. Pure: the same answer has the same records.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{Answer, CallOutcome, Question};
use crate::ids::{TenantId, hash64};
use crate::state::{Approval, Recording};
use crate::time::Epoch;

/// Kafka topic of the stream.
pub const TOPIC: &str = "audit-orchestrator";

/// One decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Whose.
    pub tenant_id: TenantId,
    /// Of which investigation.
    pub investigation_id: String,
    /// Its place among the records of the investigation, from 0. With tenant and investigation it names the record for good.
    pub number: u32,
    /// What was decided.
    pub decision: Decision,
    /// Epoch of the views that it rests on.
    pub as_of: Epoch,
    /// Why, for people.
    pub reason: String,
    /// What exactly.
    pub detail: Value,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A question was taken.
    QuestionAsked,
    /// Which agents are asked.
    PlanCreated,
    /// A system outside was asked.
    ToolCalled,
    /// A tool or a model was not asked: it is not allowed, its arguments are not, not now, or there is no money for it. Or an
    /// approval was not given, or is good for nothing.
    Denied,
    /// An agent found something, or looked in vain.
    Finding,
    /// What was ruled out.
    RuledOut,
    /// The answer.
    Answer,
    /// A person approved an action, that approval was used, or this is what came of it.
    Approval,
    /// A live incident goes the way that past ones went.
    PatternProgress,
    /// It does so no more.
    PatternEnded,
}

impl AuditRecord {
    /// The name of the record: a consumer that sees it twice has it already.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.tenant_id, self.investigation_id, self.number)
    }
}

/// Records of approvals are numbered from here on: those of an investigation are far fewer.
const APPROVALS_FROM: u32 = 1 << 24;
/// What came of approved actions is numbered from here on.
const OUTCOMES_FROM: u32 = 1 << 25;
/// What was refused of approvals is numbered from here on.
const REFUSALS_FROM: u32 = 1 << 26;
/// Stands for the investigation where an approval or a proposal is of none that is known.
pub const NO_INVESTIGATION: &str = "approvals";
/// Characters of a name that somebody made up, in records.
const NAME_CHARS: usize = 64;

/// The record of an approval that was given, or of its use.
pub fn approved(tenant: &TenantId, approval: &Approval) -> AuditRecord {
    let (used, reason) = match approval.used_at {
        None => (0, format!("{} approves {}", approval.approved_by, approval.action)),
        Some(_) => (1, format!("the approval of {} is used", approval.action)),
    };
    AuditRecord {
        tenant_id: tenant.clone(),
        investigation_id: approval.investigation_id.clone(),
        number: APPROVALS_FROM + 2 * place(approval) + used,
        decision: Decision::Approval,
        as_of: approval.as_of,
        reason,
        detail: exactly(approval),
    }
}

/// The record of what came of an approved action: it is done, or why not. One that was refused before anything outside was
/// asked is denied; one that has failed may have changed something all the same.
pub fn carried_out(tenant: &TenantId, approval: &Approval, outcome: Result<(), (&str, &str)>) -> AuditRecord {
    let (action, tool) = (&approval.action, &approval.tool);
    let (decision, code, reason) = match outcome {
        Ok(()) => (Decision::Approval, "done", format!("{tool} has carried out {action}")),
        Err((code, why)) => {
            let asked = code == "action_failed";
            let decision = if asked { Decision::Approval } else { Decision::Denied };
            (decision, code, format!("{action} is not carried out: {why}"))
        }
    };
    let mut detail = exactly(approval);
    detail["outcome"] = json!(code);
    AuditRecord {
        tenant_id: tenant.clone(),
        investigation_id: approval.investigation_id.clone(),
        number: OUTCOMES_FROM + place(approval),
        decision,
        as_of: approval.as_of,
        reason,
        detail,
    }
}

/// The record of an approval that was not given, or is good for nothing: as often as that happens to the same, there is one.
/// `of` is the investigation and its epoch, if one is known; `about` the approval or the proposal, as somebody named it.
pub fn refused(
    tenant: &TenantId,
    of: Option<(&str, Epoch)>,
    about: &str,
    (code, why): (&str, &str),
) -> AuditRecord {
    let (investigation_id, as_of) = of.unwrap_or((NO_INVESTIGATION, 0));
    let place = u32::try_from(hash64(&[about.as_bytes(), code.as_bytes()]) >> 38).unwrap_or(0);
    // Whatever somebody sends stands there: it is no more than a name.
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    let about: String = about.chars().filter(plain).take(NAME_CHARS).collect();
    AuditRecord {
        tenant_id: tenant.clone(),
        investigation_id: investigation_id.to_owned(),
        number: REFUSALS_FROM + place,
        decision: Decision::Denied,
        as_of,
        reason: why.to_owned(),
        detail: json!({ "what": "approval", "about": about, "code": code }),
    }
}

/// Two approvals of one investigation would have the same place once in 2^23.
fn place(approval: &Approval) -> u32 {
    u32::try_from(hash64(&[approval.approval_id.as_bytes()]) >> 41).unwrap_or(0)
}

fn exactly(approval: &Approval) -> Value {
    json!({ "approval_id": approval.approval_id, "digest": approval.digest, "action": approval.action,
        "tool": approval.tool, "arguments": approval.arguments, "expires_at": approval.expires_at })
}

/// The records of an investigation. What people or systems outside have written is in them as it is in the answer.
pub fn records(question: &Question, answer: &Answer, recording: &Recording) -> Vec<AuditRecord> {
    let mut decisions: Vec<(Decision, String, Value)> = Vec::new();
    decisions.push((Decision::QuestionAsked, question.query.clone(), json!({ "question": question })));
    let plan = &answer.plan;
    decisions.push((
        Decision::PlanCreated,
        plan.reasoning.clone(),
        json!({ "decided_by": plan.decided_by, "agents": plan.agents_selected, "routes": plan.routes,
            "ambiguity_milli": plan.ambiguity_milli, "prompt": plan.prompt }),
    ));
    for result in &answer.agent_results {
        let of_agent = |finding: &crate::answer::Finding| {
            let detail =
                json!({ "agent": result.agent, "kind": finding.kind, "confidence": finding.confidence });
            (Decision::Finding, finding.detail.clone(), detail)
        };
        decisions.extend(result.findings.iter().map(of_agent));
    }
    for call in &answer.tool_calls {
        let decision =
            if call.outcome == CallOutcome::Refused { Decision::Denied } else { Decision::ToolCalled };
        let detail = json!({ "number": call.number, "agent": call.agent, "tool": call.tool,
            "arguments": call.arguments, "outcome": call.outcome, "code": call.code, "usd_micros": call.usd_micros });
        decisions.push((decision, format!("{} asks {}", call.agent, call.tool), detail));
    }
    let likeness = recording.likeness.as_ref();
    for (what, code) in
        [("model", &recording.denied), ("embeddings", &likeness.and_then(|of| of.denied.clone()))]
    {
        if let Some(code) = code {
            let reason = format!("the {what} of the configuration is not asked: {code}");
            decisions.push((Decision::Denied, reason, json!({ "what": what, "code": code })));
        }
    }
    for out in &answer.ruled_out {
        let detail = json!({ "candidate": out.candidate, "event_ids": out.event_ids });
        decisions.push((Decision::RuledOut, out.reason.clone(), detail));
    }
    let roots = answer.hypotheses.iter().map(|hypothesis| {
        let cause = &hypothesis.root_cause;
        json!({ "rank": hypothesis.rank, "confidence": hypothesis.confidence, "kind": cause.kind,
            "entity": cause.entity, "event_ids": cause.event_ids })
    });
    let detail =
        json!({ "status": answer.status, "hypotheses": roots.collect::<Vec<_>>(), "cost": answer.cost });
    decisions.push((Decision::Answer, answer.summary.clone(), detail));
    let record = |(number, (decision, reason, detail))| AuditRecord {
        tenant_id: answer.tenant_id.clone(),
        investigation_id: answer.investigation_id.clone(),
        number,
        decision,
        as_of: answer.as_of.epoch,
        reason,
        detail,
    };
    (0..).zip(decisions).map(record).collect()
}
