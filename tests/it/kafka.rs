//! Through a real broker and a real registry, with a producer that is not ours and the real binary.
//!
//! `cargo verify` starts the servers and names them in `KGROOT_TEST_KAFKA`, `KGROOT_TEST_REGISTRY` and
//! `KGROOT_TEST_PYTHON`. Without them the test fails, unless `KGROOT_TEST_WITHOUT_SERVERS` says that this is meant.
//! `KGROOT_TEST_EVENTS` says how many events.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use serde_json::{Value, json};

use crate::program::{PATIENCE, Program, root, until, variable};

/// Tenants of this run: a broker keeps what earlier runs sent.
fn tenants() -> [String; 3] {
    ["amber", "blue", "coral"].map(|name| format!("kt-{name}-{}", std::process::id()))
}

const API: &str = "127.0.0.1:18765";

fn folder() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("kgroot-kt-{}", std::process::id()))
}

fn start(brokers: &str, registry: &str) -> Program {
    let set = [
        format!("kafka.brokers={brokers}"),
        format!("kafka.registry={registry}"),
        format!("kafka.tenants={}", tenants().join(",")),
        format!("state.shard=kt-{}", std::process::id()),
        format!("data={}", folder().display()),
    ];
    Program::run(API, &set)
}

fn produce(brokers: &str, registry: &str) -> Value {
    let python = variable("KGROOT_TEST_PYTHON").unwrap_or_else(|| "python3".to_owned());
    let events = variable("KGROOT_TEST_EVENTS").unwrap_or_else(|| "20000".to_owned());
    let output = Command::new(python)
        .arg(root().join("tests/producers/produce.py"))
        .args([brokers, registry])
        .arg(root().join("schemas/wire/envelope.v1.avsc"))
        .arg(events)
        .args(tenants())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the producer failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_event_is_accounted_for_through_real_kafka() {
    let (Some(brokers), Some(registry)) = (variable("KGROOT_TEST_KAFKA"), variable("KGROOT_TEST_REGISTRY"))
    else {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: real Kafka and registry, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let manifest = produce(&brokers, &registry);
    let program = start(&brokers, &registry);
    runtime.block_on(async {
        for tenant in tenants() {
            let (tenant, sent) = (tenant.as_str(), &manifest[&tenant]);
            let want = ["distinct", "duplicates", "broken"].map(|field| sent[field].as_u64().unwrap());
            let want = (want[0], want[1], want[2]);
            until(&format!("{tenant}: {want:?}"), async || {
                (program.counts(tenant).await == want).then_some(())
            })
            .await;
            nothing_crosses(&program, tenant).await;
            let question = json!({"tenant_id": tenant, "query": "why do pods not answer?"});
            let answer = reqwest::Client::new()
                .post(program.url("/api/v1/investigate"))
                .json(&question)
                .send()
                .await
                .unwrap();
            let answer: Value = answer.json().await.unwrap();
            assert_eq!(answer["hypotheses"][0]["root_cause"]["entity"], sent["cause"], "{answer:#}");
        }
    });
    for tenant in tenants() {
        let letters = dead_letters(&brokers, &tenant, manifest[&tenant]["broken"].as_u64().unwrap());
        assert!(letters.values().all(|count| *count == 1), "a record has more than one letter");
    }
    drop(program);
    if folder().exists() {
        std::fs::remove_dir_all(folder()).unwrap();
    }
}

async fn nothing_crosses(program: &Program, tenant: &str) {
    let others: Vec<String> =
        tenants().iter().filter(|other| *other != tenant).map(|other| format!("canary-{other}")).collect();
    let page =
        program.get(&format!("/api/v1/events?tenant_id={tenant}&limit=500")).await.unwrap().to_string();
    assert!(page.contains(&format!("canary-{tenant}")) || page.contains(tenant));
    assert!(others.iter().all(|canary| !page.contains(canary)), "{tenant} sees another tenant");
}

/// Letters of a tenant by original position, read until as many came as records were broken.
fn dead_letters(brokers: &str, tenant: &str, broken: u64) -> BTreeMap<String, u64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("test-{tenant}"))
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    let topic = format!("otel-{tenant}.dlq");
    consumer.subscribe(&[&topic]).unwrap();
    let mut letters: BTreeMap<String, u64> = BTreeMap::new();
    let begun = Instant::now();
    while letters.values().sum::<u64>() < broken {
        assert!(begun.elapsed() < PATIENCE, "{tenant}: {} of {broken} letters", letters.len());
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(500)) else { continue };
        let headers = message.headers().unwrap();
        let value = |name: &str| {
            let header = headers.iter().find(|header| header.key == name).unwrap();
            String::from_utf8_lossy(header.value.unwrap()).into_owned()
        };
        assert!(!value("x-error-code").is_empty() && !value("x-error-detail").is_empty());
        assert!(!message.payload().unwrap().is_empty(), "the original bytes are missing");
        let place = format!(
            "{}-{}-{}-{}",
            value("x-original-topic"),
            value("x-original-partition"),
            value("x-original-offset"),
            value("x-original-item")
        );
        *letters.entry(place).or_default() += 1;
    }
    letters
}
