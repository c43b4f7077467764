//! Where questions arrive: the same question asked by many at once is one investigation, and a tenant has so many under
//! way at once and no more.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};
use schemas::answer::{Again, Question};
use schemas::ids::TenantId;
use schemas::state::{Approval, Investigated, Investigation};
use serde_json::Value;

use crate::error::{ActError, InvestigateError};
use crate::investigate::{Investigator, Steps};
use crate::runbook;

type Outcome = Result<Arc<Investigated>, InvestigateError>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Takes questions. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    investigator: Investigator,
    at_once: usize,
    under_way: Arc<Mutex<BTreeMap<TenantId, Vec<(Question, WeakShared<Running>)>>>>,
}

impl Desk {
    /// Lets each tenant have so many investigations under way.
    pub fn new(investigator: Investigator, at_once: usize) -> Self {
        Desk { investigator, at_once: at_once.max(1), under_way: Arc::default() }
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
    /// As [`Investigator::again`].
    pub async fn again(&self, then: &Investigation) -> Result<Again, InvestigateError> {
        self.investigator.again(then).await
    }

    /// What a tenant may spend on a model in a day, in millionths of a dollar; `None` without a model.
    pub fn usd_micros_per_day(&self) -> Option<u64> {
        self.investigator.usd_micros_per_day()
    }

    /// Carries out an action whose approval was just used.
    ///
    /// # Errors
    /// The approval is for other arguments, no tool carries out such an action, or the tool has failed.
    pub async fn act(&self, tenant: &TenantId, approval: &Approval) -> Result<Value, ActError> {
        if runbook::digest(tenant, &approval.action, &approval.arguments) != approval.digest {
            return Err(ActError::Other);
        }
        let called =
            self.investigator.toolbox.act(tenant, &approval.action, approval.arguments.clone()).await;
        let called = called.ok_or_else(|| ActError::NoTool(approval.action.clone()))?;
        called.outcome.map(|output| output.content).map_err(|error| ActError::Failed(called.tool, error))
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
        let run: Running =
            Box::pin(async move { investigator.investigate(&asked, steps.as_ref()).await.map(Arc::new) });
        let running = run.shared();
        mine.extend(running.downgrade().map(|weak| (question, weak)));
        under_way.retain(|_, running| !running.is_empty());
        Ok(running)
    }
}
