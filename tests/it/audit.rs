//! The audit stream on real Kafka: every decision of an investigation, in order, also when the program is killed at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bench::load::Load;
use dataflow::ingest::clock::now;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use serde_json::{Value, json};

use crate::program::{PATIENCE, Program, until, variable};

const API: &str = "127.0.0.1:18769";
/// Investigations, each followed by a kill.
const ASKED: usize = 3;

fn start(brokers: &str, tenant: &str) -> Program {
    let folder = std::env::temp_dir().join(format!("kgroot-audit-{}", std::process::id()));
    let set = [
        format!("kafka.brokers={brokers}"),
        format!("kafka.tenants={tenant}"),
        format!("state.shard={tenant}"),
        format!("data={}", folder.display()),
        "sinks.audit=on".to_owned(),
    ];
    Program::run(API, &set)
}

/// Records of investigations by their number, as a consumer reads them; a copy says the same.
fn told(brokers: &str, tenant: &str, wanted: &[String]) -> BTreeMap<String, Vec<Value>> {
    let group = format!("test-{tenant}");
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["audit-orchestrator"]).unwrap();
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let begun = Instant::now();
    let complete = |found: &BTreeMap<String, Vec<Value>>| {
        wanted.iter().all(|id| {
            found.get(id).and_then(|records| records.last()).is_some_and(|last| last["decision"] == "answer")
        })
    };
    while !complete(&found) {
        assert!(begun.elapsed() < PATIENCE, "told of {:?}, wanted {wanted:?}", found.keys());
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(500)) else { continue };
        let record: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        if record["tenant_id"] != tenant {
            continue;
        }
        let id = record["investigation_id"].as_str().unwrap().to_owned();
        assert_eq!(message.key().unwrap(), format!("{tenant}/{id}").as_bytes());
        let name = message.headers().unwrap().get(0);
        assert_eq!(name.value.unwrap(), format!("{tenant}/{id}/{}", record["number"]).as_bytes());
        let records = found.entry(id).or_default();
        match records.get(record["number"].as_u64().unwrap() as usize) {
            Some(known) => assert_eq!(*known, record, "a record changed"),
            None => {
                assert_eq!(record["number"], records.len(), "a record is missing, or out of order");
                records.push(record);
            }
        }
    }
    found
}

#[test]
fn every_decision_is_told_in_order_though_the_program_is_killed() {
    let Some(brokers) = variable("KGROOT_TEST_KAFKA") else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: the audit stream, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let tenant = format!("audit-{}", std::process::id());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let asked = runtime.block_on(async {
        let mut asked = Vec::new();
        for number in 0..ASKED {
            let program = start(&brokers, &tenant);
            let client = reqwest::Client::new();
            let line = Load::new(1, &tenant.parse().unwrap()).record(now()).1;
            let answer = until("an answer", async || {
                let url = program.url(&format!("/api/v1/ingest/k8s-events?tenant_id={tenant}"));
                let ready = program.get("/readyz").await.is_some();
                if !ready || !client.post(url).body(line.clone()).send().await.ok()?.status().is_success() {
                    return None;
                }
                let body = json!({ "tenant_id": tenant, "query": format!("why, for the time {number}?") });
                let request = client.post(program.url("/api/v1/investigate")).json(&body);
                let answer = request.send().await.ok()?;
                let kept = answer.headers().contains_key("content-location");
                answer.json::<Value>().await.ok().filter(|_| kept)
            })
            .await;
            asked.push(answer["investigation_id"].as_str().unwrap().to_owned());
            // Killed when dropped: most likely before anything was told.
        }
        // The last one tells what is left.
        let _program = start(&brokers, &tenant);
        let (brokers, tenant, asked) = (brokers.clone(), tenant.clone(), asked);
        tokio::task::spawn_blocking(move || told(&brokers, &tenant, &asked)).await.unwrap()
    });
    assert_eq!(asked.len(), ASKED);
    for records in asked.values() {
        let decisions: Vec<&str> =
            records.iter().map(|record| record["decision"].as_str().unwrap()).collect();
        assert_eq!(decisions[..2], ["question_asked", "plan_created"], "{decisions:?}");
        assert!(decisions.contains(&"finding"), "{decisions:?}");
    }
}
