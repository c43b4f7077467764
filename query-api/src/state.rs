//! What handlers share. The reader is private: rows are had only with a [`ReadAccess`].

use std::pin::Pin;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use schemas::answer::{Answer, Question};
use schemas::read::{Changes, Page, Query, Status, ViewReader};
use schemas::view::ViewName;
use tokio::sync::mpsc;

use crate::access::ReadAccess;
use crate::problem::Problem;

/// An investigation on its way.
pub type Investigation = Pin<Box<dyn Future<Output = Result<Answer, Problem>> + Send>>;
/// The one function by which questions reach the agents: crates side by side do not import each other.
pub type Investigator = Arc<dyn Fn(Question) -> Investigation + Send + Sync>;

/// Shared by all handlers. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    reader: ViewReader,
    investigator: Investigator,
    metrics: Option<PrometheusHandle>,
}

impl Api {
    /// An API over a reader.
    pub fn new(reader: ViewReader, investigator: Investigator, metrics: Option<PrometheusHandle>) -> Self {
        Api { reader, investigator, metrics }
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
    ) -> Result<Answer, Problem> {
        question.tenant_id = access.tenant().clone();
        (self.investigator)(question).await
    }

    pub(crate) async fn status(&self) -> Result<Status, Problem> {
        Ok(self.reader.status().await?)
    }

    pub(crate) fn metrics(&self) -> String {
        self.metrics.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }
}
