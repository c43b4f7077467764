//! Spans of an investigation, as a collector gets them that decodes with packages that are not ours.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::parquet::python;
use crate::program::{Ended, root, until};

const COLLECTOR: &str = "18778";
const LISTEN: &str = "127.0.0.1:18779";

#[test]
fn agents_and_tools_are_spans_of_their_investigation() {
    let Some(python) = python() else { return };
    let mut collector = Command::new(python);
    collector.arg(root().join("tests/servers/collector.py")).arg(COLLECTOR).stdout(Stdio::piped());
    let mut collector = Ended(collector.spawn().unwrap());
    let spans = BufReader::new(collector.0.stdout.take().unwrap()).lines();
    let mut program = Command::new(tests::binary::binary().unwrap());
    program.args(["demo", "--listen", LISTEN]);
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{COLLECTOR}"));
    let _program = Ended(program.stdout(Stdio::null()).spawn().unwrap());
    let client = reqwest::Client::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let question = json!({"query": "why does checkout fail?", "tenant_id": "shop"});
    let answer: Value = runtime.block_on(until("the demo answers", async || {
        let url = format!("http://{LISTEN}/api/v1/investigate");
        let answered = client.post(url).json(&question).send().await.ok()?;
        answered.error_for_status().ok()?.json().await.ok()
    }));
    let agents = answer["agent_results"].as_array().unwrap().len();
    assert!(0 < agents);
    // The investigation ends last, so that its span is the last one.
    let mut told: Vec<Value> = Vec::new();
    for line in spans {
        told.push(serde_json::from_str(&line.unwrap()).unwrap());
        if told.last().unwrap()["name"] == "investigation" {
            break;
        }
    }
    let whole = told.last().unwrap();
    assert_eq!((&whole["service"], &whole["attributes"]["tenant"]), (&json!("kgroot"), &json!("shop")));
    let parts: Vec<&Value> = told.iter().filter(|span| span["parent"] == whole["span"]).collect();
    assert_eq!(parts.len(), agents, "{told:#?}");
    assert!(parts.iter().all(|part| part["name"] == "agent" && part["trace"] == whole["trace"]));
}
