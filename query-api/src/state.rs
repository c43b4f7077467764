//! What handlers share. Reader and product state are private: rows are had only with a [`ReadAccess`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use schemas::answer::{Again, Question, Step, SwitchedOff, ToolStatus};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::{Changes, Page, Query, Status, ViewReader};
use schemas::search::{Hits, Search, SearchError};
use schemas::state::{Approval, Investigated, Investigation, ProductState, Reply, StateError, StateRequest};
use schemas::view::ViewName;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::access::{OperateAccess, ReadAccess, WriteAccess};
use crate::problem::Problem;
use crate::runs::Runs;
use crate::senders::Senders;

/// Something on its way.
pub type OnItsWay<T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>>;
/// Where the steps of an investigation are told.
pub type Steps = mpsc::Sender<Step>;

/// The functions by which questions reach the agents: crates side by side do not import each other.
#[derive(Clone)]
pub struct Investigator {
    /// Answers a question.
    pub ask: Arc<dyn Fn(Question, Option<Steps>) -> OnItsWay<Investigated> + Send + Sync>,
    /// Has an investigation again.
    pub again: Arc<dyn Fn(Investigation) -> OnItsWay<Again> + Send + Sync>,
    /// Carries out an action whose approval was just used.
    pub act: Arc<dyn Fn(TenantId, Approval) -> OnItsWay<Value> + Send + Sync>,
    /// Tools of a tenant as they stand.
    pub tools: Arc<dyn Fn(&TenantId) -> Vec<ToolStatus> + Send + Sync>,
    /// Switches a tool, `tools` or the `model` on or off, for a tenant or for everybody; says whether there is such a thing.
    pub switch: Arc<dyn Fn(Option<&TenantId>, &str, bool) -> bool + Send + Sync>,
    /// What is switched off for a tenant.
    pub switched_off: Arc<dyn Fn(&TenantId) -> Vec<SwitchedOff> + Send + Sync>,
    /// What a tenant may spend on a model in a day, in millionths of a dollar; `None` without a model.
    pub usd_micros_per_day: Option<u64>,
    /// Lets something run beside the request: libraries start no tasks.
    pub spawn: Arc<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>,
}

/// Records for one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Whose records.
    pub tenant: TenantId,
    /// Topic family.
    pub family: &'static str,
    /// The records, in order.
    pub records: Vec<Vec<u8>>,
}

/// Records on their way into the log; ends with the position of each, once they are durable.
pub type Appending = Pin<Box<dyn Future<Output = Result<Vec<SourcePosition>, Problem>> + Send>>;
/// The one function by which records reach the event log.
pub type Appender = Arc<dyn Fn(Append) -> Appending + Send + Sync>;

/// A search on its way.
pub type Searching = Pin<Box<dyn Future<Output = Result<Hits, SearchError>> + Send>>;
/// The one function by which searches reach an index.
pub type Searcher = Arc<dyn Fn(Search) -> Searching + Send + Sync>;

/// Shared by all handlers. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    reader: ViewReader,
    state: ProductState,
    investigator: Investigator,
    appender: Option<Appender>,
    searcher: Option<Searcher>,
    senders: Arc<Senders>,
    metrics: Option<PrometheusHandle>,
    ready: Arc<AtomicBool>,
    runs: Runs,
}

impl Api {
    /// An API over views and product state. Without an appender nothing can be sent to it, as over a recording. `ready` is
    /// set once recovery is over.
    pub fn new(
        (reader, state): (ViewReader, ProductState),
        investigator: Investigator,
        appender: Option<Appender>,
        metrics: Option<PrometheusHandle>,
        ready: Arc<AtomicBool>,
    ) -> Self {
        let (senders, runs) = (Arc::default(), Runs::default());
        Api { reader, state, investigator, appender, searcher: None, senders, metrics, ready, runs }
    }

    /// The API with an index that is searched.
    #[must_use]
    pub fn with_searcher(self, searcher: Option<Searcher>) -> Self {
        Api { searcher, ..self }
    }

    /// The API with senders that must prove themselves.
    #[must_use]
    pub fn with_senders(self, senders: Senders) -> Self {
        Api { senders: Arc::new(senders), ..self }
    }

    /// Secrets of senders.
    pub(crate) fn senders(&self) -> &Senders {
        &self.senders
    }

    /// Investigations beside requests.
    pub(crate) fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Whether what was sealed before the start is in the views.
    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    pub(crate) async fn append(
        &self,
        access: &WriteAccess,
        family: &'static str,
        records: Vec<Vec<u8>>,
    ) -> Result<Vec<SourcePosition>, Problem> {
        let Some(appender) = &self.appender else {
            let detail = "this process explains a recording and takes no records; use `kgroot run`";
            return Err(Problem::new(StatusCode::CONFLICT, "log_absent", detail));
        };
        appender(Append { tenant: access.tenant().clone(), family, records }).await
    }

    pub(crate) async fn peek(&self, access: &ReadAccess, mut query: Query) -> Result<Page, Problem> {
        query.tenant = access.tenant().clone();
        Ok(self.reader.peek(query).await?)
    }

    pub(crate) async fn subscribe(
        &self,
        access: &ReadAccess,
        view: ViewName,
    ) -> Result<mpsc::Receiver<Changes>, Problem> {
        Ok(self.reader.subscribe(access.tenant().clone(), view).await?)
    }

    pub(crate) async fn investigate(
        &self,
        access: &ReadAccess,
        mut question: Question,
        steps: Option<Steps>,
    ) -> Result<Investigated, Problem> {
        question.tenant_id = access.tenant().clone();
        (self.investigator.ask)(question, steps).await
    }

    /// Has an investigation again.
    pub(crate) async fn again(&self, then: Investigation) -> Result<Again, Problem> {
        (self.investigator.again)(then).await
    }

    /// Carries out an action whose approval was just used.
    pub(crate) async fn act(&self, access: &WriteAccess, approval: Approval) -> Result<Value, Problem> {
        (self.investigator.act)(access.tenant().clone(), approval).await
    }

    /// Tools of a tenant as they stand.
    pub(crate) fn tools(&self, tenant: &TenantId) -> Vec<ToolStatus> {
        (self.investigator.tools)(tenant)
    }

    /// Switches something on or off for a tenant.
    pub(crate) fn switch(&self, access: &WriteAccess, what: &str, enabled: bool) -> bool {
        (self.investigator.switch)(Some(access.tenant()), what, enabled)
    }

    /// Switches something on or off for everybody.
    pub(crate) fn switch_for_everybody(&self, _: &OperateAccess, what: &str, enabled: bool) -> bool {
        (self.investigator.switch)(None, what, enabled)
    }

    /// What is switched off for a tenant.
    pub(crate) fn switched_off(&self, access: &ReadAccess) -> Vec<SwitchedOff> {
        (self.investigator.switched_off)(access.tenant())
    }

    /// What a tenant may spend on a model in a day.
    pub(crate) fn usd_micros_per_day(&self) -> Option<u64> {
        self.investigator.usd_micros_per_day
    }

    /// Lets something run beside the request.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        (self.investigator.spawn)(Box::pin(work));
    }

    pub(crate) async fn search(&self, access: &ReadAccess, mut search: Search) -> Result<Hits, Problem> {
        search.tenant = access.tenant().clone();
        let Some(searcher) = &self.searcher else {
            let detail = "no index is searched here; set search.engine, or ask process 0 of the cluster";
            return Err(Problem::new(StatusCode::CONFLICT, "search_absent", detail));
        };
        let unavailable = |error: SearchError| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "search_unavailable", error.to_string())
        };
        searcher(search).await.map_err(unavailable)
    }

    /// Product state of a tenant.
    pub(crate) async fn kept<T>(
        &self,
        access: &ReadAccess,
        request: impl FnOnce(TenantId, Reply<T>) -> StateRequest,
    ) -> Result<T, StateError> {
        let tenant = access.tenant().clone();
        self.state.ask(|reply| request(tenant, reply)).await
    }

    /// Changes product state of a tenant.
    pub(crate) async fn change<T>(
        &self,
        access: &WriteAccess,
        request: impl FnOnce(TenantId, Reply<T>) -> StateRequest,
    ) -> Result<T, StateError> {
        let tenant = access.tenant().clone();
        self.state.ask(|reply| request(tenant, reply)).await
    }

    pub(crate) async fn status(&self) -> Result<Status, Problem> {
        Ok(self.reader.status().await?)
    }

    pub(crate) fn metrics(&self) -> String {
        self.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }
}
