//! Two processes that compute together, on real Kafka: the same views in both, the same as one process has, and nothing lost
//! when one is killed.

use std::path::PathBuf;

use bench::load::Load;
use dataflow::ingest::source::now;
use serde_json::Value;

use crate::program::{Program, until, variable};

const LISTEN: [&str; 2] = ["127.0.0.1:18770", "127.0.0.1:18771"];
const HOSTS: &str = "127.0.0.1:18772\n127.0.0.1:18773\n";
const VIEWS: [&str; 7] = ["episodes", "topology", "incidents", "chains", "alerts", "coverage", "rejects"];
const RECORDS: usize = 1_000;

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
            format!("state.path={}", folder.join("state").display()),
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

    /// All views without the epoch from which rows were readable.
    async fn views(&self, program: &Program) -> Vec<(&'static str, Vec<Value>)> {
        let mut all = Vec::new();
        for view in VIEWS {
            all.push((view, program.rows(view, &self.tenant).await.unwrap()));
        }
        all
    }
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
        let counted = first_count(&setup, &first).await;
        setup.counted(&second, counted).await;
        assert_eq!(setup.views(&first).await, setup.views(&second).await);
        // One is killed: the other ends by itself, and says so.
        drop(second);
        let mut first = first;
        let code = until("the other process ends", async || first.ended()).await;
        assert_ne!(code, 0);
        let [first, mut second] = setup.cluster();
        ready(&first).await;
        setup.counted(&first, counted).await;
        send(&setup, &first, 2).await;
        until("more is counted", async || {
            let (accepted, duplicate, rejected) = first.counts(&setup.tenant).await;
            (rejected == 2 && counted < accepted + duplicate + rejected).then_some(())
        })
        .await;
        let twice = first_count(&setup, &first).await;
        setup.counted(&second, twice).await;
        let of_two = setup.views(&second).await;
        first.terminate();
        let code = until("the process that follows ends", async || second.ended()).await;
        assert_eq!(code, 0, "it was not killed");
        drop(first);
        // One process with one worker goes on from what two with two each left: recovery compares the digests of all views.
        let alone = Program::run(LISTEN[0], &setup.set);
        ready(&alone).await;
        setup.counted(&alone, twice).await;
        assert_eq!(setup.views(&alone).await, of_two);
    });
    std::fs::remove_dir_all(&setup.folder).unwrap();
}

/// How many deliveries are counted once the one that is broken is among them, and nothing more comes.
async fn first_count(setup: &Setup, program: &Program) -> u64 {
    let mut last = 0;
    until("the count stands still", async || {
        let (accepted, duplicate, rejected) = program.counts(&setup.tenant).await;
        let still = last == accepted + duplicate + rejected && 0 < rejected;
        last = accepted + duplicate + rejected;
        still.then_some(last)
    })
    .await
}
