//! Reads the answers of Argo Workflows.

use serde_json::{Value, json};

use crate::tool::ToolError;
use crate::tool::vendor::summary;

/// Failed nodes that are shown.
const NODES: usize = 20;
/// Lines that are shown of a pod.
const LINES: usize = 50;
/// Characters of a line that are searched for a word of error.
const SEARCHED: usize = 2_000;
/// The length of a name in Kubernetes, and what of it the hash at its end takes.
const POD_NAME: usize = 253;
const POD_HASH: usize = 11;
/// Words by which a line tells of an error.
const ERRORS: [&str; 7] = ["error", "fatal", "panic", "exception", "traceback", "failed", "killed"];

/// A pod of a node that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) node: String,
    pub(super) name: String,
}

/// How a workflow ended.
pub(super) fn workflow(answer: &Value) -> Result<Value, ToolError> {
    let node = |node: &Value| {
        json!({
            "name": summary::said(node, "/displayName", summary::NAME),
            "type": summary::said(node, "/type", 40),
            "template": summary::said(node, "/templateName", summary::NAME),
            "phase": summary::said(node, "/phase", 40),
            "message": summary::said(node, "/message", summary::TEXT),
            "exit_code": summary::said(node, "/outputs/exitCode", 20),
            "started_at": summary::time(node, "/startedAt"),
            "finished_at": summary::time(node, "/finishedAt"),
        })
    };
    Ok(json!({
        "name": summary::line(name(answer)?, summary::NAME),
        "phase": summary::said(answer, "/status/phase", 40),
        "message": summary::said(answer, "/status/message", summary::TEXT),
        "progress": summary::said(answer, "/status/progress", 40),
        "started_at": summary::time(answer, "/status/startedAt"),
        "finished_at": summary::time(answer, "/status/finishedAt"),
        "failed_nodes": summary::list(failed(answer), NODES, node),
    }))
}

fn name(answer: &Value) -> Result<&str, ToolError> {
    match summary::text(answer, "/metadata/name") {
        "" => Err(ToolError::Garbage("this is not a workflow".to_owned())),
        name => Ok(name),
    }
}

/// The nodes that failed, in the order in which they ended; pods before what contains them.
fn failed(answer: &Value) -> Vec<&Value> {
    let nodes = answer.pointer("/status/nodes").and_then(Value::as_object);
    let mut failed: Vec<&Value> = nodes
        .into_iter()
        .flat_map(|nodes| nodes.values())
        .filter(|node| matches!(summary::text(node, "/phase"), "Failed" | "Error"))
        .collect();
    failed.sort_by_key(|node| {
        (
            summary::text(node, "/type") != "Pod",
            summary::text(node, "/finishedAt"),
            summary::text(node, "/id"),
        )
    });
    failed
}

/// The pods that failed, in the order in which they ended.
pub(super) fn failed_pods(answer: &Value) -> Result<Vec<Pod>, ToolError> {
    let workflow = name(answer)?;
    let format = answer.pointer("/metadata/annotations/workflows.argoproj.io~1pod-name-format");
    let by_id = format.and_then(Value::as_str) == Some("v1");
    let pods = failed(answer).into_iter().filter(|node| summary::text(node, "/type") == "Pod");
    let pod = |node: &Value| Pod {
        node: summary::line(summary::text(node, "/displayName"), summary::NAME),
        name: pod_name(workflow, node, by_id),
    };
    Ok(pods.map(pod).collect())
}

/// The name of the pod of a node.
fn pod_name(workflow: &str, node: &Value, by_id: bool) -> String {
    let id = summary::text(node, "/id");
    let template = match summary::text(node, "/templateName") {
        "" => summary::text(node, "/templateRef/template"),
        template => template,
    };
    let hash =
        id.rsplit_once('-').map(|(_, hash)| hash).filter(|hash| hash.bytes().all(|b| b.is_ascii_digit()));
    match hash {
        Some(hash) if !by_id && id != workflow && !template.is_empty() => {
            let mut start = format!("{workflow}-{template}");
            start.truncate(start.floor_char_boundary(POD_NAME - POD_HASH));
            format!("{start}-{hash}")
        }
        _ => id.to_owned(),
    }
}

/// What a pod logged: its last lines, and the first line of all these that tells of an error.
pub(super) fn log(pod: &Pod, text: &str) -> Result<Value, ToolError> {
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim().is_empty()).map(content).collect::<Result<_, _>>()?;
    let first_error = lines.iter().find(|line| tells_of_an_error(line));
    let left_out = lines.len().saturating_sub(LINES);
    let shown: Vec<String> =
        lines.iter().skip(left_out).map(|line| summary::line(line, summary::TEXT)).collect();
    Ok(json!({
        "node": pod.node,
        "pod": summary::line(&pod.name, summary::NAME),
        "first_error": first_error.map(|line| summary::line(line, summary::TEXT)),
        "last_lines": { "shown": shown, "left_out": left_out },
    }))
}

/// What one document of a log says.
fn content(line: &str) -> Result<String, ToolError> {
    let document: Value = serde_json::from_str(line)
        .map_err(|_| ToolError::Garbage("a line of a log is no document".to_owned()))?;
    match document.pointer("/error/http_code").and_then(Value::as_u64) {
        Some(401 | 403) => return Err(ToolError::Denied("the log may not be read".to_owned())),
        Some(_) => return Err(ToolError::Unavailable("the log ended in an error".to_owned())),
        None => {}
    }
    if !document.get("result").is_some_and(Value::is_object) {
        return Err(ToolError::Garbage("a line of a log says nothing".to_owned()));
    }
    Ok(summary::text(&document, "/result/content").to_owned())
}

fn tells_of_an_error(line: &str) -> bool {
    let start: String = line.chars().take(SEARCHED).collect::<String>().to_lowercase();
    ERRORS.iter().any(|word| start.contains(word))
}
