//! The demo keeps its promises, and its recording is what the generator makes.

use std::process::Command;

use bench::scenario::{Family, generate};
use serde_json::Value;

fn demo() -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(replayed())
}

/// The recording through the same door as the command.
async fn replayed() -> Value {
    let recording = generate(Family::BadConfig, 7).recording("shop");
    let mut records = Vec::new();
    deploy::input::split("recording", recording.as_bytes(), None, schemas::time::EventTime(0), &mut records);
    let tenant = "shop".parse().unwrap();
    let engine = deploy::engine::start().unwrap();
    let reader = engine.reader();
    let mut seen = Vec::new();
    deploy::engine::feed(&engine, &tenant, &records, async |_, reached| {
        let alerts = deploy::engine::alerts(&reader, &tenant).await?;
        seen.push((reached, alerts.len()));
        Ok(())
    })
    .await
    .unwrap();
    let incidents = deploy::engine::incidents(&reader, &tenant).await.unwrap();
    let rejects = deploy::engine::rejects(&reader, &tenant).await.unwrap();
    let mut answer = deploy::engine::ask(&reader, &tenant, "why does checkout fail?").await.unwrap();
    answer.latency_ms = 0.0;
    answer.agent_results.iter_mut().for_each(|result| result.latency_ms = 0.0);
    engine.shutdown().unwrap();
    let raised = seen.iter().find(|(_, alerts)| 0 < *alerts).map(|(at, _)| at.0);
    let most = seen.iter().map(|(_, alerts)| *alerts).max();
    let last = seen.last().map(|(at, _)| at.0);
    serde_json::json!({"answer": answer, "incidents": incidents, "rejects": rejects.len(), "raised": raised, "most": most, "last": last})
}

#[test]
fn one_incident_names_the_commit_with_a_proven_chain_and_one_early_alert() {
    let truth = generate(Family::BadConfig, 7).truth;
    let found = demo();
    let first = &found["answer"]["hypotheses"][0];
    assert_eq!(found["incidents"].as_array().unwrap().len(), 1);
    assert_eq!(first["root_cause"]["entity"], truth.root.as_str());
    let chain = first["chain"].as_array().unwrap();
    assert!(5 <= chain.len(), "{chain:#?}");
    let evidence: Vec<&str> =
        first["evidence"].as_array().unwrap().iter().map(|item| item["event_id"].as_str().unwrap()).collect();
    for link in chain {
        assert!(link["rule"].as_str().unwrap().starts_with('R'));
        for end in ["cause", "effect"] {
            let ids = link[end]["event_ids"].as_array().unwrap();
            assert!(ids.iter().any(|id| evidence.contains(&id.as_str().unwrap())), "{link:#}");
        }
    }
    assert_eq!(found["most"], 1, "more than one alert at some time");
    assert!(found["raised"].as_i64().unwrap() < found["last"].as_i64().unwrap() - 60_000);
    assert_eq!(found["rejects"], 0);
}

#[test]
fn red_herrings_are_ruled_out_with_reasons() {
    let truth = generate(Family::BadConfig, 7).truth;
    let found = demo();
    let ruled_out = found["answer"]["ruled_out"].as_array().unwrap();
    for herring in truth.red_herrings {
        let dismissed =
            ruled_out.iter().find(|entry| entry["candidate"].as_str().unwrap().contains(&herring));
        assert!(
            dismissed.is_some_and(|entry| !entry["reason"].as_str().unwrap().is_empty()),
            "{herring}: {ruled_out:#?}"
        );
    }
}

#[test]
fn a_replay_gives_the_same_bytes() {
    assert_eq!(demo().to_string(), demo().to_string());
}

#[test]
fn the_committed_recording_is_what_the_generator_makes() {
    let committed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demo/recording.jsonl");
    assert_eq!(std::fs::read_to_string(committed).unwrap(), generate(Family::BadConfig, 7).recording("shop"));
}

#[test]
fn the_binary_prints_one_json_document_and_exits_with_zero() {
    let mut demo = Command::new(tests::binary::binary().unwrap());
    let output = demo.args(["demo", "--once", "--output", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["alerts"].as_array().unwrap().len(), 1);
}
