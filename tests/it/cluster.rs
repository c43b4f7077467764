//! Two processes that compute together, on real Kafka: the same views in both, the same as one process has, and nothing lost
//! when one is killed.

use std::path::PathBuf;

use bench::load::Load;
use dataflow::ingest::clock::now;
use serde_json::Value;

use crate::program::{Program, until, variable};

const LISTEN: [&str; 2] = ["127.0.0.1:18770", "127.0.0.1:18771"];
const HOSTS: &str = "127.0.0.1:18772\n127.0.0.1:18773\n";
const VIEWS: [&str; 7] = ["episodes", "topology", "incidents", "chains", "alerts", "coverage", "rejects"];
const RECORDS: usize = 1_000;
/// Deliveries that one sending comes to: a list of 2,000 pods, the other records, and one that is broken.
const DELIVERIES: u64 = 2_000 + RECORDS as u64 - 1;

struct Setup {
    tenant: String,
    folder: PathBuf,
    set: Vec<String>,
}

impl Setup {
    fn new(brokers: &str) -> Self {
        let tenant = format!("cluster-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("kgroot-{tenant}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("hosts"), HOSTS).unwrap();
        let set = vec![
            format!("kafka.brokers={brokers}"),
            format!("kafka.tenants={tenant}"),
            format!("state.shard={tenant}"),
            format!("data={}", folder.display()),
            "state.snapshot_every=2s".to_owned(),
        ];
        Setup { tenant, folder, set }
    }

    fn cluster(&self) -> [Program; 2] {
        let workers = [self.set.clone(), vec!["engine.workers=2".to_owned()]].concat();
        let start =
            |process| Program::run_process(process, &self.folder.join("hosts"), LISTEN[process], &workers);
        [start(0), start(1)]
    }

    async fn counted(&self, program: &Program, wanted: u64) {
        let what = format!("{wanted} records are counted");
        until(&what, async || {
            let (accepted, duplicate, rejected) = program.counts(&self.tenant).await;
            (accepted + duplicate + rejected == wanted).then_some(())
        })
        .await;
    }

    /// All views as of an epoch, which the program reaches sooner or later.
    async fn views(&self, program: &Program, epoch: u64) -> Vec<(&'static str, Vec<Value>)> {
        until("the epoch is there", async || (epoch <= epoch_of(program).await).then_some(())).await;
        let mut all = Vec::new();
        for view in VIEWS {
            all.push((view, program.rows(view, &self.tenant, epoch).await.unwrap()));
        }
        all
    }
}

/// The latest complete epoch.
async fn epoch_of(program: &Program) -> u64 {
    program.get("/readyz").await.unwrap_or_default()["epoch"].as_u64().unwrap_or(0)
}

async fn send(setup: &Setup, program: &Program, seed: u64) {
    let tenant = setup.tenant.parse().unwrap();
    let mut load = Load::new(seed, &tenant);
    let mut lines: Vec<String> = load.objects().into_iter().map(|(_, bytes)| text(bytes)).collect();
    lines.extend((0..RECORDS).map(|_| text(load.record(now()).1)));
    lines.truncate(RECORDS - 1);
    lines.push("{\"broken\": true}".to_owned());
    let request = reqwest::Client::new()
        .post(program.url(&format!("/api/v1/ingest/k8s-events?tenant_id={}", setup.tenant)))
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    assert_eq!(request.send().await.unwrap().status().as_u16(), 202);
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

async fn ready(program: &Program) {
    until("the program is ready", async || {
        program.get("/readyz").await.filter(|ready| ready["status"] == "ready").map(drop)
    })
    .await;
}

#[test]
fn two_processes_have_the_views_of_one_and_share_their_fate() {
    let Some(brokers) = variable("KGROOT_TEST_KAFKA") else {
        assert!(variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(), "no servers: run `cargo verify`");
        println!("NOT RUN: a cluster on real Kafka, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let setup = Setup::new(&brokers);
    runtime.block_on(async {
        let [first, second] = setup.cluster();
        ready(&first).await;
        ready(&second).await;
        // Records may come to any process, and any answers.
        send(&setup, &second, 1).await;
        setup.counted(&first, DELIVERIES).await;
        let epoch = epoch_of(&first).await;
        assert!(setup.views(&first, epoch).await == setup.views(&second, epoch).await, "the views differ");
        // One is killed: the other ends by itself, and says so.
        drop(second);
        let mut first = first;
        let code = until("the other process ends", async || first.ended()).await;
        assert_ne!(code, 0);
        let [first, mut second] = setup.cluster();
        ready(&first).await;
        setup.counted(&first, DELIVERIES).await;
        send(&setup, &first, 2).await;
        setup.counted(&first, 2 * DELIVERIES).await;
        let of_two = setup.views(&second, epoch_of(&first).await).await;
        first.terminate();
        let code = until("the process that follows ends", async || second.ended()).await;
        assert_eq!(code, 0, "it was not killed");
        drop(first);
        // One process with one worker goes on from what two with two each left: recovery compares the digests of all views.
        let alone = Program::run(LISTEN[0], &setup.set);
        ready(&alone).await;
        setup.counted(&alone, 2 * DELIVERIES).await;
        let of_one = setup.views(&alone, epoch_of(&alone).await).await;
        assert!(of_one == of_two, "one process has other views than two had");
    });
    std::fs::remove_dir_all(&setup.folder).unwrap();
}
