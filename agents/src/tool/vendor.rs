//! Built-in tools: questions to systems that many have, one vendor a file.
//!
//! Each is a pure builder of the request and a pure reader of the answer, with a thin shell around both. Arguments are
//! names and times only: no caller can write a query, a path or a search expression. What comes back is a bounded summary,
//! never the body itself; texts in it are cut and lose control characters, but say what they said.

pub mod argo;
mod arguments;
pub mod datadog;
pub mod github;
pub mod kinds;
pub mod measure;
pub mod neo4j;
pub mod opensearch;
pub mod prometheus;
mod promql;
mod series;
pub mod slack;
#[cfg(test)]
mod stub;
mod summary;

use std::time::Duration;

use serde_json::Value;

use super::endpoint::Endpoint;
use super::{Call, Category, Effect, Executing, Metadata, Output, Tool, ToolError};

/// How long one call may take, all its requests included.
const TIMEOUT: Duration = Duration::from_secs(15);

/// One operation of a vendor.
trait Question: Send + Sync + 'static {
    /// The second part of the tool's name.
    const OPERATION: &'static str;
    /// One sentence.
    const DESCRIPTION: &'static str;
    /// What it asks about.
    const CATEGORY: Category;
    /// Calls a minute of one tenant.
    const CALLS_PER_MINUTE: u32 = 60;

    /// JSON Schema of the arguments.
    fn parameters(&self) -> Value;

    /// Asks, and gives the summary.
    fn ask(
        &self,
        endpoint: &Endpoint,
        arguments: &Value,
    ) -> impl Future<Output = Result<Value, ToolError>> + Send;
}

/// A question as a tool.
struct Asker<Q> {
    metadata: Metadata,
    endpoint: Endpoint,
    question: Q,
}

impl<Q: Question> Tool for Asker<Q> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn execute(&self, call: Call) -> Executing<'_> {
        Box::pin(async move {
            let content = self.question.ask(&self.endpoint, &call.arguments).await?;
            Ok(Output { content })
        })
    }
}

/// The tool that asks a question at an endpoint.
fn tool<Q: Question>(connection: &str, endpoint: &Endpoint, question: Q) -> Box<dyn Tool> {
    let metadata = Metadata {
        name: format!("{connection}.{}", Q::OPERATION),
        description: Q::DESCRIPTION.to_owned(),
        category: Q::CATEGORY,
        effect: Effect::Read,
        parameters: question.parameters(),
        calls_per_minute: Q::CALLS_PER_MINUTE,
        usd_micros: 0,
        timeout: TIMEOUT,
    };
    Box::new(Asker { metadata, endpoint: endpoint.clone(), question })
}
