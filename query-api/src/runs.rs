//! Investigations that go on beside the request that asked for them: each tenant has so many, and those that have ended are
//! forgotten first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use schemas::answer::Step;
use schemas::ids::{TenantId, hash64};
use tokio::sync::oneshot;

/// Runs of one tenant that are remembered.
const RUNS_MAX: usize = 100;
/// Steps of one run that are remembered.
const STEPS_MAX: usize = 64;

/// How a run stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// Under way.
    Running,
    /// It has ended: the id of the investigation.
    Answered(String),
    /// It has ended without an answer: why.
    Failed(String),
    /// Somebody did not want it any more.
    Canceled,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) standing: Standing,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Default)]
struct OfTenant {
    next: u64,
    runs: BTreeMap<u64, (String, Run, Option<oneshot::Sender<()>>)>,
}

/// All runs. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<Mutex<BTreeMap<TenantId, OfTenant>>>);

impl Runs {
    /// Begins a run: its id, and what resolves when it is canceled. `None` when as many as may be are under way.
    pub(crate) fn begin(&self, tenant: &TenantId) -> Option<(String, oneshot::Receiver<()>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = all.entry(tenant.clone()).or_default();
        if RUNS_MAX <= mine.runs.len() {
            let ended = mine.runs.iter().find(|(_, (_, run, _))| run.standing != Standing::Running);
            let ended = ended.map(|(number, _)| *number)?;
            mine.runs.remove(&ended);
        }
        let number = mine.next;
        mine.next += 1;
        // Runs of another process are not these.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_be_bytes();
        let id = format!("run_{:016x}", hash64(&[tenant.as_str().as_bytes(), &number.to_be_bytes(), &since]));
        let (cancel, canceled) = oneshot::channel();
        let run = Run { standing: Standing::Running, steps: Vec::new() };
        mine.runs.insert(number, (id.clone(), run, Some(cancel)));
        Some((id, canceled))
    }

    /// A step of a run was taken.
    pub(crate) fn step(&self, tenant: &TenantId, id: &str, step: Step) {
        self.with(tenant, id, |run, _| {
            if run.steps.len() < STEPS_MAX {
                run.steps.push(step);
            }
        });
    }

    /// A run has ended, unless it was canceled before.
    pub(crate) fn end(&self, tenant: &TenantId, id: &str, standing: Standing) {
        self.with(tenant, id, |run, _| {
            if run.standing == Standing::Running {
                run.standing = standing;
            }
        });
    }

    /// Nobody wants a run any more; nothing if there is none. One that has ended stays as it is.
    pub(crate) fn cancel(&self, tenant: &TenantId, id: &str) -> Option<Run> {
        self.with(tenant, id, |run, cancel| {
            if run.standing == Standing::Running {
                run.standing = Standing::Canceled;
                // Who runs it has ended it meanwhile, or hears it.
                let _heard = cancel.take().map(|cancel| cancel.send(()));
            }
            run.clone()
        })
    }

    /// How a run stands.
    pub(crate) fn get(&self, tenant: &TenantId, id: &str) -> Option<Run> {
        self.with(tenant, id, |run, _| run.clone())
    }

    fn with<T>(
        &self,
        tenant: &TenantId,
        id: &str,
        change: impl FnOnce(&mut Run, &mut Option<oneshot::Sender<()>>) -> T,
    ) -> Option<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, run, cancel) = all.get_mut(tenant)?.runs.values_mut().find(|(known, ..)| known == id)?;
        Some(change(run, cancel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_kept_apart_and_the_oldest_that_has_ended_makes_room() {
        let (runs, shop): (Runs, TenantId) = (Runs::default(), "shop".parse().unwrap());
        let begun: Vec<String> = (0..RUNS_MAX).filter_map(|_| Some(runs.begin(&shop)?.0)).collect();
        assert_eq!(begun.len(), RUNS_MAX);
        assert!(runs.begin(&shop).is_none());
        runs.end(&shop, &begun[3], Standing::Answered("inv_1".to_owned()));
        assert_eq!(runs.cancel(&shop, &begun[3]).unwrap().standing, Standing::Answered("inv_1".to_owned()));
        assert!(runs.get(&"other".parse().unwrap(), &begun[3]).is_none());
        assert!(runs.begin(&shop).is_some());
        assert!(runs.get(&shop, &begun[3]).is_none());
    }

    #[test]
    fn who_runs_hears_that_it_is_canceled() {
        let (runs, shop): (Runs, TenantId) = (Runs::default(), "shop".parse().unwrap());
        let (id, mut canceled) = runs.begin(&shop).unwrap();
        assert_eq!(runs.cancel(&shop, &id).unwrap().standing, Standing::Canceled);
        assert!(canceled.try_recv().is_ok());
        runs.end(&shop, &id, Standing::Answered("inv_1".to_owned()));
        assert_eq!(runs.get(&shop, &id).unwrap().standing, Standing::Canceled);
    }
}
