//! Answers as the page "API Reference" of the Argo Workflows documentation describes them.

use super::super::stub::{answer, ask, failures};
use super::*;

fn made(endpoint: Endpoint) -> Vec<Box<dyn Tool>> {
    tools("argo", endpoint, &Options::default())
}

fn named() -> Value {
    json!({"namespace": "ci", "workflow": "deploy-x7k2p"})
}

fn node(id: &str, kind: &str, phase: &str, at: &str) -> Value {
    json!({"id": id, "name": "deploy-x7k2p.migrate", "displayName": format!("step {id}"), "type": kind, "phase": phase,
        "templateName": "migrate", "message": "Error (exit code 1)", "startedAt": "2026-03-01T09:00:00Z", "finishedAt": at,
        "outputs": {"exitCode": "1"}})
}

fn failed() -> Value {
    json!({"metadata": {"name": "deploy-x7k2p", "annotations": {"workflows.argoproj.io/pod-name-format": "v2"}},
    "status": {"phase": "Failed", "message": "child failed", "progress": "1/3", "startedAt": "2026-03-01T09:00:00Z",
        "finishedAt": "2026-03-01T09:05:00Z", "nodes": {
            "deploy-x7k2p": node("deploy-x7k2p", "DAG", "Failed", "2026-03-01T09:05:00Z"),
            "deploy-x7k2p-22": node("deploy-x7k2p-22", "Pod", "Error", "2026-03-01T09:04:00Z"),
            "deploy-x7k2p-11": node("deploy-x7k2p-11", "Pod", "Failed", "2026-03-01T09:03:00Z"),
            "deploy-x7k2p-33": node("deploy-x7k2p-33", "Pod", "Succeeded", "2026-03-01T09:02:00Z"),
        }}})
}

fn log_lines(lines: impl IntoIterator<Item = String>) -> String {
    lines
        .into_iter()
        .map(|line| format!("{}\n", json!({"result": {"content": line, "podName": "p"}})))
        .collect()
}

#[tokio::test]
async fn a_workflow_tells_its_failed_nodes_in_order() {
    let (result, asked) = ask(made, "argo.workflow", named(), vec![answer(200, failed())]).await;
    let result = result.unwrap();
    assert!(asked[0].line.starts_with("GET /base/api/v1/workflows/ci/deploy-x7k2p?fields=metadata.name%2C"));
    let nodes = result["failed_nodes"]["shown"].as_array().unwrap();
    let names: Vec<&str> = nodes.iter().filter_map(|node| node["name"].as_str()).collect();
    assert_eq!(names, ["step deploy-x7k2p-11", "step deploy-x7k2p-22", "step deploy-x7k2p"]);
    assert_eq!((&nodes[0]["exit_code"], &result["phase"]), (&json!("1"), &json!("Failed")));
}

#[tokio::test]
async fn logs_are_those_of_the_failed_pods() {
    let lines = (0..80)
        .map(|n| if n == 7 { "ERROR: relation \u{1b}[1m\"x\"".to_owned() } else { format!("line {n}") });
    let answers = vec![answer(200, failed()), answer(200, log_lines(lines)), answer(200, "")];
    let (result, asked) = ask(made, "argo.workflow_logs", named(), answers).await;
    let pods = &result.unwrap()["pods"]["shown"];
    assert_eq!(pods[0]["first_error"], "ERROR: relation \"x\"");
    let shown = pods[0]["last_lines"]["shown"].as_array().unwrap();
    assert_eq!((shown.len(), &shown[49]), (50, &json!("line 79")));
    assert_eq!(pods[0]["last_lines"]["left_out"], 30);
    assert_eq!(pods[1]["first_error"], Value::Null);
    let expected = "GET /base/api/v1/workflows/ci/deploy-x7k2p/log?podName=deploy-x7k2p-migrate-11&\
        logOptions.container=main&logOptions.tailLines=300";
    assert_eq!(asked[1].line, expected);
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn failures_are_told_as_what_to_do() {
    failures(made, "argo.workflow", named()).await;
    failures(made, "argo.workflow_logs", named()).await;
    let no_page = vec![answer(200, failed()), answer(200, "<html>")];
    let (result, _) = ask(made, "argo.workflow_logs", named(), no_page).await;
    assert_eq!(result.unwrap_err().code(), "garbage");
    let denied = json!({"error": {"grpc_code": 7, "http_code": 403, "message": "secret"}});
    let answers = vec![answer(200, failed()), answer(200, denied)];
    let (result, _) = ask(made, "argo.workflow_logs", named(), answers).await;
    assert_eq!(result.unwrap_err(), ToolError::Denied("the log may not be read".to_owned()));
}

#[test]
fn pods_are_named_by_the_format_of_the_workflow() {
    let mut workflow = failed();
    let names = |workflow: &Value| -> Vec<String> {
        read::failed_pods(workflow).unwrap().into_iter().map(|pod| pod.name).collect()
    };
    assert_eq!(names(&workflow), ["deploy-x7k2p-migrate-11", "deploy-x7k2p-migrate-22"]);
    workflow["status"]["nodes"]["deploy-x7k2p-11"]["templateName"] = json!("m".repeat(300));
    assert_eq!(names(&workflow)[0].len(), 245);
    workflow["metadata"]["annotations"]["workflows.argoproj.io/pod-name-format"] = json!("v1");
    assert_eq!(names(&workflow), ["deploy-x7k2p-11", "deploy-x7k2p-22"]);
}

#[test]
fn empty_null_and_foreign_answers_are_read_or_refused() {
    let pending = json!({"metadata": {"name": "a", "annotations": null}, "status": {"nodes": null}});
    assert_eq!(read::workflow(&pending).unwrap()["failed_nodes"], json!({"shown": [], "left_out": 0}));
    assert!(read::failed_pods(&pending).unwrap().is_empty());
    let odd = json!({"metadata": {"name": "a"}, "status": {"nodes": {"x": null, "y": {"phase": "Failed", "type": "Pod"}}}});
    assert_eq!(read::failed_pods(&odd).unwrap().len(), 1);
    assert!(read::workflow(&json!({"code": 5, "message": "not found"})).is_err());
}

#[test]
fn thousands_of_nodes_and_hostile_texts_are_cut() {
    let hostile = format!("\u{1b}[2J{}\n", "run this ".repeat(90));
    let mut workflow = failed();
    let nodes = workflow["status"]["nodes"].as_object_mut().unwrap();
    for n in 0..4_000 {
        let mut failed = node(&format!("{hostile}-{n}"), "Pod", "Failed", &hostile);
        failed["message"] = json!(hostile);
        nodes.insert(n.to_string(), failed);
    }
    let read = read::workflow(&workflow).unwrap();
    assert_eq!(read["failed_nodes"]["left_out"], 4_003 - 20);
    assert!(!read.to_string().contains("\\u001b") && read.to_string().len() < 40_000);
    let pods = read::failed_pods(&workflow).unwrap();
    let log = read::log(&pods[0], &log_lines(vec![hostile; 3_000])).unwrap();
    assert!(log.to_string().len() < 40_000);
}

#[test]
fn names_stay_in_their_place_and_namespaces_are_configured() {
    let any = Namespaces(Vec::new());
    for bad in ["..", "a/b", "", "a%2Fb", "a?b"] {
        assert!(any.check(&json!({"namespace": "ci", "workflow": bad})).is_err(), "{bad}");
        assert!(any.check(&json!({"namespace": bad, "workflow": "a"})).is_err(), "{bad}");
    }
    let one = Namespaces(vec!["ci".to_owned()]);
    assert!(one.check(&json!({"namespace": "ci", "workflow": "a"})).is_ok());
    assert!(one.check(&json!({"namespace": "prod", "workflow": "a"})).is_err());
}
