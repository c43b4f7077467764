//! Where questions arrive: the same question asked by many at once is one investigation, and a tenant has so many under
//! way at once and no more.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};
use schemas::answer::{Again, AnswerStatus, CallOutcome, Question, SwitchedOff, ToolCall, ToolStatus};
use schemas::ids::TenantId;
use schemas::state::{Approval, Investigated, Investigation};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::error::{ActError, InvestigateError};
use crate::investigate::{Investigator, Steps};
use crate::synthesize::runbook;
use crate::tool::registry::What;

type Outcome = Result<Arc<Investigated>, InvestigateError>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Takes questions. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    investigator: Investigator,
    at_once: usize,
    replays: Arc<Semaphore>,
    under_way: Arc<Mutex<BTreeMap<TenantId, Vec<(Question, WeakShared<Running>)>>>>,
}

impl Desk {
    /// Lets each tenant have so many investigations under way.
    pub fn new(investigator: Investigator, at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Desk { investigator, at_once, replays: Arc::new(Semaphore::new(at_once)), under_way: Arc::default() }
    }

    /// Answers a question; who asks the same while it is under way gets the same answer.
    ///
    /// # Errors
    /// As [`Investigator::investigate`]; or too many are under way.
    pub async fn ask(
        &self,
        question: Question,
        steps: Option<Steps>,
    ) -> Result<Investigated, InvestigateError> {
        let running = self.join(question, steps)?;
        running.await.map(Arc::unwrap_or_clone)
    }

    /// Has an investigation again.
    ///
    /// # Errors
    /// As [`Investigator::again`]; or too many are under way, of whichever tenant.
    pub async fn again(&self, then: &Investigation) -> Result<Again, InvestigateError> {
        let _slot = self.replays.try_acquire().map_err(|_| InvestigateError::Busy(self.at_once))?;
        self.investigator.again(then).await
    }

    /// What a tenant may spend on a model in a day, in millionths of a dollar; `None` without a model.
    pub fn usd_micros_per_day(&self) -> Option<u64> {
        self.investigator.usd_micros_per_day()
    }

    /// Tools of a tenant as they stand.
    pub fn tools(&self, tenant: &TenantId) -> Vec<ToolStatus> {
        self.investigator.toolbox.standing(tenant)
    }

    /// Switches a tool, `tools` or the `model` on or off for a tenant, or for everybody if none is named, at once: calls under
    /// way end. Says whether there is such a thing: only that is remembered.
    pub fn switch(&self, tenant: Option<&TenantId>, what: &str, enabled: bool) -> bool {
        let (toolbox, what) = (&self.investigator.toolbox, What::named(what));
        let there = match (&what, tenant) {
            (What::Tools, _) => true,
            (What::Model, _) => self.investigator.has_model(),
            (What::Tool(name), None) => toolbox.has(name),
            (What::Tool(name), Some(tenant)) => toolbox.list(tenant).iter().any(|tool| tool.name == *name),
        };
        if there {
            tracing::info!(
                tenant = tenant.map(tracing::field::display),
                what = what.name(),
                enabled,
                "switched"
            );
            let tenant = tenant.cloned();
            if enabled { toolbox.enable(tenant, what) } else { toolbox.disable(tenant, what) }
        }
        there
    }

    /// What is switched off for a tenant.
    pub fn switched_off(&self, tenant: &TenantId) -> Vec<SwitchedOff> {
        let off = self.investigator.toolbox.switch().of(tenant);
        off.into_iter()
            .map(|(what, everybody)| SwitchedOff { what: what.name().to_owned(), everybody })
            .collect()
    }

    /// Carries out an action whose approval was just used.
    ///
    /// # Errors
    /// The approval is for other arguments or another tool, no tool carries out such an action, or the tool has failed.
    pub async fn act(&self, tenant: &TenantId, approval: &Approval) -> Result<Value, ActError> {
        let Approval { tool, action, arguments, .. } = approval;
        let proposal = runbook::digest(tenant, action, arguments);
        if Approval::bound(&proposal, tool) != approval.digest {
            return Err(ActError::Other);
        }
        let called = self.investigator.toolbox.act(tenant, (tool, action), arguments.clone()).await;
        let called = called.ok_or_else(|| ActError::NoTool(approval.action.clone()))?;
        let (tool, asked) = (called.tool, 0 < called.attempts);
        called.outcome.map(|output| output.content).map_err(|error| {
            if asked { ActError::Failed(tool, error) } else { ActError::Refused(tool, error) }
        })
    }

    /// The investigation of a question: the one under way, or a new one. It ends when nobody waits for it any more.
    fn join(&self, question: Question, steps: Option<Steps>) -> Result<Shared<Running>, InvestigateError> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = under_way.entry(question.tenant_id.clone()).or_default();
        mine.retain(|(_, running)| running.upgrade().is_some_and(|running| running.peek().is_none()));
        let same = mine.iter().find(|(asked, _)| *asked == question);
        if let Some(running) = same.and_then(|(_, running)| running.upgrade()) {
            return Ok(running);
        }
        if self.at_once <= mine.len() {
            return Err(InvestigateError::Busy(self.at_once));
        }
        let (investigator, asked) = (self.investigator.clone(), question.clone());
        let run: Running = Box::pin(async move {
            let outcome = investigator.investigate(&asked, steps.as_ref()).await;
            measure(&asked.tenant_id, &outcome);
            outcome.map(Arc::new)
        });
        let running = run.shared();
        mine.extend(running.downgrade().map(|weak| (question, weak)));
        under_way.retain(|_, running| !running.is_empty());
        Ok(running)
    }
}

/// Counts an investigation, what it took and what it cost.
fn measure(tenant: &TenantId, outcome: &Result<Investigated, InvestigateError>) {
    let tenant = tenant.as_str().to_owned();
    let status = match outcome {
        Ok(investigated) => match investigated.answer.status {
            AnswerStatus::Answered => "answered",
            AnswerStatus::NoClearRootCause => "no_clear_root_cause",
            AnswerStatus::NoData => "no_data",
        },
        Err(_) => "refused",
    };
    metrics::counter!("kgroot_investigations_total", "tenant" => tenant.clone(), "status" => status)
        .increment(1);
    if let Ok(Investigated { answer, .. }) = outcome {
        metrics::histogram!("kgroot_investigation_seconds", "tenant" => tenant.clone(), "status" => status)
            .record(answer.latency_ms / 1_000.0);
        for result in &answer.agent_results {
            let (agent, status) = (&result.agent, fared(&result.agent, &answer.tool_calls));
            metrics::counter!("kgroot_agent_runs_total",
                "tenant" => tenant.clone(), "agent" => agent.clone(), "status" => status)
            .increment(1);
            metrics::histogram!("kgroot_agent_seconds",
                "tenant" => tenant.clone(), "agent" => agent.clone(), "status" => status)
            .record(result.latency_ms / 1_000.0);
        }
    }
}

/// How an agent fared with its tools: what the views hold it has in any case.
fn fared(agent: &str, calls: &[ToolCall]) -> &'static str {
    let mine = calls.iter().filter(|call| call.agent == agent);
    let (answered, not): (Vec<_>, Vec<_>) = mine.partition(|call| call.outcome == CallOutcome::Answered);
    match (answered.is_empty(), not.is_empty()) {
        (_, true) => "ok",
        (false, false) => "partial",
        (true, false) => "failed",
    }
}
