//! A log that is not what was read stops the shard with a named error: on real Kafka, with topics deleted, made anew, and
//! emptied behind its back.

use std::path::PathBuf;
use std::time::Duration;

use dataflow::ingest::clock::now;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;
use sinks::producer::Producer;

use crate::program::{Program, until, variable};

const LISTEN: &str = "127.0.0.1:18775";
const RECORDS: u64 = 30;

struct Case {
    tenant: String,
    topic: String,
    folder: PathBuf,
    set: Vec<String>,
    producer: Producer,
    admin: AdminClient<DefaultClientContext>,
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)))
}

impl Case {
    fn new(brokers: &str, name: &str) -> Self {
        let tenant = format!("{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("kgroot-{tenant}"));
        let set = vec![
            format!("kafka.brokers={brokers}"),
            format!("kafka.tenants={tenant}"),
            format!("state.shard={tenant}"),
            format!("data={}", folder.display()),
        ];
        let admin = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        let topic = format!("prometheus-{tenant}");
        Case { tenant, topic, folder, set, producer: Producer::connect(brokers).unwrap(), admin }
    }

    async fn make(&self) {
        let new = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(1));
        self.admin.create_topics([&new], &options()).await.unwrap();
        let salt = now().0;
        until("the topic takes records", async || {
            let alert = |number: u64| {
                json!({"version": "4", "status": "firing", "receiver": "k", "groupKey": format!("{salt}-{number}"),
                    "alerts": [{"status": "firing", "labels": {"alertname": format!("A{salt}-{number}"), "namespace": "shop"},
                        "annotations": {}, "startsAt": now().to_string(), "endsAt": "0001-01-01T00:00:00Z", "fingerprint": format!("{number:x}")}]})
            };
            let records: Vec<Vec<u8>> = (0..RECORDS).map(|number| alert(number).to_string().into_bytes()).collect();
            self.producer.append(&self.topic, &records).await.ok()
        })
        .await;
    }

    async fn delete(&self) {
        self.admin.delete_topics(&[&self.topic], &options()).await.unwrap();
        until("the topic is gone", async || {
            let metadata = self.admin.inner().fetch_metadata(None, Duration::from_secs(5)).unwrap();
            metadata.topics().iter().all(|topic| topic.name() != self.topic).then_some(())
        })
        .await;
    }

    /// Everything that was read is sealed, and the program stopped.
    async fn seal(&self) {
        let mut program = Program::run(LISTEN, &self.set);
        until("all is counted", async || {
            let (accepted, duplicate, _) = program.counts(&self.tenant).await;
            (RECORDS <= accepted + duplicate).then_some(())
        })
        .await;
        program.terminate();
        assert_eq!(until("the program ends", async || program.ended()).await, 0);
    }

    /// The program refuses to go on.
    async fn refuses(&self) {
        let mut program = Program::run(LISTEN, &self.set);
        assert_eq!(until("the program ends", async || program.ended()).await, 70, "{}", self.tenant);
        drop(program);
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_changed_stops_the_shard() {
    let Some(brokers) = variable("KGROOT_TEST_KAFKA") else {
        assert!(variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(), "no servers: run `cargo verify`");
        println!("NOT RUN: changed logs on real Kafka, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let recreated = Case::new(&brokers, "recreated");
        recreated.make().await;
        recreated.seal().await;
        recreated.delete().await;
        recreated.make().await;
        recreated.refuses().await;

        let emptied = Case::new(&brokers, "emptied");
        emptied.make().await;
        emptied.seal().await;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&emptied.topic, 0, Offset::End).unwrap();
        emptied.admin.delete_records(&list, &options()).await.unwrap();
        emptied.refuses().await;
    });
}
