//! Argo Workflows: how a workflow ended, and what its failed pods logged last.
//!
//! Wire: `GetWorkflow` and `WorkflowLogs` of the page "API Reference" of the Argo Workflows documentation; logs are one
//! JSON document a line. Names of pods follow the page "Pod names" of the same: the id of the node, or workflow, template
//! and the hash that ends the id.

mod read;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Question, arguments, tool};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Category, Tool, ToolError};

/// Failed pods whose logs are asked for.
const PODS: usize = 3;
/// Lines that are asked for, to find the first error in.
const TAIL: &str = "300";
/// What is asked for of a workflow: its specification is not.
const FIELDS: &str = "metadata.name,metadata.annotations,status.phase,status.message,status.startedAt,\
    status.finishedAt,status.progress,status.nodes";

/// What configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Namespaces that may be asked about; if there are none, all that the credentials can see.
    pub namespaces: Vec<String>,
}

/// The tools of one Argo Workflows server.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Vec<Box<dyn Tool>> {
    let known = Namespaces(options.namespaces.clone());
    vec![
        tool(connection, &endpoint, Workflow(known.clone())),
        tool(connection, &endpoint, WorkflowLogs(known)),
    ]
}

/// Namespaces that may be asked about; none: all.
#[derive(Clone)]
struct Namespaces(Vec<String>);

#[derive(Deserialize)]
struct Named {
    namespace: String,
    workflow: String,
}

impl Namespaces {
    fn schema(&self) -> Value {
        let name = |what| arguments::pattern(what, "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", 253);
        let namespace = if self.0.is_empty() {
            name("namespace of the workflow")
        } else {
            json!({ "type": "string", "enum": self.0, "description": "namespace of the workflow" })
        };
        let properties = json!({ "namespace": namespace, "workflow": name("name of the workflow") });
        arguments::object(&["namespace", "workflow"], properties)
    }

    fn check(&self, arguments: &Value) -> Result<Named, ToolError> {
        let named: Named = arguments::read(arguments)?;
        arguments::check_segment(&named.namespace, 253)?;
        arguments::check_segment(&named.workflow, 253)?;
        if self.0.is_empty() || self.0.contains(&named.namespace) {
            return Ok(named);
        }
        Err(arguments::refused("this namespace is not configured"))
    }
}

async fn workflow(endpoint: &Endpoint, named: &Named) -> Result<Value, ToolError> {
    let path = ["api", "v1", "workflows", &named.namespace, &named.workflow];
    endpoint.get(&path, &[("fields", FIELDS)]).await
}

struct Workflow(Namespaces);

impl Question for Workflow {
    const OPERATION: &'static str = "workflow";
    const DESCRIPTION: &'static str =
        "How a workflow ended: phase, message, and the nodes that failed, in order.";
    const CATEGORY: Category = Category::Code;

    fn parameters(&self) -> Value {
        self.0.schema()
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let named = self.0.check(arguments)?;
        read::workflow(&workflow(endpoint, &named).await?)
    }
}

struct WorkflowLogs(Namespaces);

impl Question for WorkflowLogs {
    const OPERATION: &'static str = "workflow_logs";
    const DESCRIPTION: &'static str = "The last lines that the failed pods of a workflow logged, and the first of them that tells of an error.";
    const CATEGORY: Category = Category::Logs;
    const CALLS_PER_MINUTE: u32 = 20;

    fn parameters(&self) -> Value {
        self.0.schema()
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let named = self.0.check(arguments)?;
        let pods = read::failed_pods(&workflow(endpoint, &named).await?)?;
        let mut logs = Vec::new();
        for pod in pods.iter().take(PODS) {
            let path = ["api", "v1", "workflows", &named.namespace, &named.workflow, "log"];
            let query = [
                ("podName", pod.name.as_str()),
                ("logOptions.container", "main"),
                ("logOptions.tailLines", TAIL),
            ];
            let text = endpoint.get_text(&path, &query).await?;
            logs.push(read::log(pod, &text)?);
        }
        Ok(json!({ "pods": { "shown": logs, "left_out": pods.len().saturating_sub(PODS) } }))
    }
}
