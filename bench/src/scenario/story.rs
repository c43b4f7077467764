//! What happens in a scenario: a quiet shop, two harmless changes, the fault, its consequences.

mod fault;
mod joint;
mod misconfiguration;

pub use joint::joint;

use schemas::codec::Format;
use schemas::time::EventTime;
use serde_json::{Value, json};

use super::delivery::{self, Change};
use super::objects::{self, SERVICES, Service, Told, Version};
use super::random::Random;
use super::{Record, Scenario, telemetry};

/// Fault families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A commit edits a config map, and the restarted service crashes on the value.
    BadConfig,
    /// A commit deploys an image that does not exist.
    BadImage,
    /// A commit lowers the memory limit.
    MemoryLimit,
    /// A service's selector is edited by hand.
    Selector,
    /// A node is lost with the service's pods.
    NodeLost,
    /// A workload is scaled to zero.
    ScaledToZero,
    /// The namespace's quota refuses the pods of a rollout.
    QuotaExhausted,
    /// A node runs out of disk and evicts.
    DiskPressure,
    /// A database has no connections left.
    ConnectionsExhausted,
    /// A commit edits the readiness probe, and no pod becomes ready.
    ProbePath,
    /// A service's target port is edited by hand.
    TargetPort,
    /// A config map is deleted, and restarted pods cannot be configured.
    ConfigDeleted,
}

impl Family {
    /// Every family.
    pub const ALL: [Family; 12] = [
        Family::BadConfig,
        Family::BadImage,
        Family::MemoryLimit,
        Family::Selector,
        Family::NodeLost,
        Family::ScaledToZero,
        Family::QuotaExhausted,
        Family::DiskPressure,
        Family::ConnectionsExhausted,
        Family::ProbePath,
        Family::TargetPort,
        Family::ConfigDeleted,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Family::BadConfig => "bad_config",
            Family::BadImage => "bad_image",
            Family::MemoryLimit => "memory_limit",
            Family::Selector => "selector",
            Family::NodeLost => "node_lost",
            Family::ScaledToZero => "scaled_to_zero",
            Family::QuotaExhausted => "quota_exhausted",
            Family::DiskPressure => "disk_pressure",
            Family::ConnectionsExhausted => "connections_exhausted",
            Family::ProbePath => "probe_path",
            Family::TargetPort => "target_port",
            Family::ConfigDeleted => "config_deleted",
        }
    }
}

const NODES: [&str; 4] = ["node-a", "node-b", "node-c", "node-d"];
/// Victim of every family.
const VICTIM: usize = 2;
/// When the recording of a seed begins.
const START: EventTime = EventTime(1_788_253_200_000);

struct Story {
    random: Random,
    records: Vec<Record>,
    versions: Vec<Version>,
    pods: Vec<Vec<(String, usize)>>,
    resource_version: u64,
}

/// A scenario of a family and a seed.
pub fn generate(family: Family, seed: u64) -> Scenario {
    let mut story = Story::new(seed);
    story.opening();
    story.background(0, 780);
    story.drain(160);
    story.harmless_deploy(230);
    let fault_s = 420 + story.random.between(0, 20);
    let truth = story.fault(family, fault_s);
    story.disorder();
    Scenario { records: story.records, truth }
}

fn at(seconds: i64) -> EventTime {
    START.plus_ms(seconds * 1_000)
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let version = |service: &Service, random: &mut Random| Version {
            image: format!("registry.example/shop/{}:1.{}", service.name, random.below(40)),
            hash: random.hex(9),
            generation: 3,
            memory: "256Mi",
            pool_size: "20",
            ready_path: "/ready",
        };
        let versions: Vec<Version> = SERVICES.iter().map(|service| version(service, &mut random)).collect();
        let mut pods = Vec::new();
        for (index, service) in SERVICES.iter().enumerate() {
            let name =
                |random: &mut Random| format!("{}-{}-{}", service.name, versions[index].hash, random.hex(5));
            // Two pods of a service stand on two nodes; the last node carries none of the victim.
            pods.push(
                (0..service.replicas).map(|replica| (name(&mut random), (index + replica) % 3)).collect(),
            );
        }
        Story { random, records: Vec::new(), versions, pods, resource_version: 1_000 }
    }

    fn tell(&mut self, family: &'static str, format: Format, at: EventTime, document: Value) {
        self.records.push(Record { family, format, at, document });
    }

    fn cluster(&mut self, at: EventTime, document: Value) {
        self.tell("k8s-events", Format::Kubernetes, at, document);
    }

    fn version(&mut self) -> u64 {
        self.resource_version += 1;
        self.resource_version
    }

    /// The cluster as a first listing shows it.
    fn opening(&mut self) {
        let created = START.plus_ms(-86_400_000);
        let mut items: Vec<Value> =
            NODES.iter().map(|node| objects::node(node, true, false, 1, created)).collect();
        for (index, service) in SERVICES.iter().enumerate() {
            let version = self.versions[index].clone();
            items.push(objects::config_map(service, version.pool_size, 1, created));
            items.push(objects::deployment(service, &version, service.replicas, 1, created));
            items.push(objects::replica_set(service, &version, 1, created));
            items.push(objects::service(service, json!({"app": service.name}), 1, created));
            let names: Vec<String> = self.pods[index].iter().map(|(name, _)| name.clone()).collect();
            items.push(objects::endpoints(service, &names, &[], 1, created));
            for (name, node) in &self.pods[index] {
                items.push(objects::pod(
                    service,
                    &version,
                    name,
                    NODES[*node],
                    &objects::running(),
                    1,
                    created,
                ));
            }
        }
        self.cluster(START, json!({"apiVersion": "v1", "kind": "List", "items": items}));
    }

    /// Healthy traffic and chatter from one second to another.
    fn background(&mut self, from_s: i64, to_s: i64) {
        for second in (from_s..to_s).step_by(15) {
            for (index, service) in
                SERVICES.iter().enumerate().filter(|(_, service)| !service.calls.is_empty())
            {
                let moment = at(second + i64::try_from(index).unwrap_or(0));
                let spans = telemetry::spans(service, &[], false, moment, &mut self.random);
                self.tell("otel", Format::Otlp, moment, spans);
            }
            let index = usize::try_from(self.random.below(8)).unwrap_or(0);
            let pod = self.pods[index][0].0.clone();
            let line = format!("handled {} requests in {} ms", self.random.below(90), self.random.below(40));
            let moment = at(second + 9);
            self.tell(
                "otel",
                Format::Otlp,
                moment,
                telemetry::log(SERVICES[index].name, &pod, 9, &line, moment),
            );
        }
    }

    /// Red herring one: a node without the victim's pods is drained.
    fn drain(&mut self, second: i64) {
        let version = self.version();
        self.cluster(
            at(second),
            objects::watch("MODIFIED", &objects::node("node-d", true, true, version, at(second))),
        );
        let message = "Node node-d status is now: NodeNotSchedulable";
        let told = Told {
            kind: "Node",
            name: "node-d",
            reason: "NodeNotSchedulable",
            message,
            warning: false,
            count: 1,
            first: at(second + 1),
            last: at(second + 1),
        };
        self.cluster(at(second + 1), objects::event(&told));
    }

    /// Red herring two: another service is deployed and stays healthy.
    fn harmless_deploy(&mut self, second: i64) {
        let sha = self.random.hex(40);
        let change = Change {
            sha: &sha,
            author: "mira",
            title: "search: rank titles first",
            run: 4_410,
            application: "search",
        };
        let service = SERVICES[6].clone();
        let mut version = self.versions[6].clone();
        version.image = "registry.example/shop/search:1.41".to_owned();
        version.hash = self.random.hex(9);
        version.generation += 1;
        self.deliver(&change, second, &[("Deployment", service.name.to_owned())]);
        let resource_version = self.version();
        let changed = objects::deployment(
            &service,
            &version,
            service.replicas,
            resource_version,
            START.plus_ms(-86_400_000),
        );
        self.cluster(at(second + 32), objects::watch("MODIFIED", &changed));
        let name = format!("search-{}-{}", version.hash, self.random.hex(5));
        let pod = objects::pod(
            &service,
            &version,
            &name,
            "node-a",
            &objects::running(),
            resource_version,
            at(second + 35),
        );
        self.cluster(
            at(second + 36),
            objects::watch(
                "ADDED",
                &objects::replica_set(&service, &version, resource_version, at(second + 33)),
            ),
        );
        self.cluster(at(second + 40), objects::watch("ADDED", &pod));
        self.versions[6] = version;
    }

    /// Commit, pipeline and sync, over about thirty seconds.
    fn deliver(&mut self, change: &Change<'_>, second: i64, resources: &[(&str, String)]) {
        self.tell("github-cicd", Format::Github, at(second), delivery::push(change, at(second)));
        self.tell(
            "github-cicd",
            Format::Github,
            at(second + 3),
            delivery::run(change, "in_progress", None, at(second + 2), at(second + 3)),
        );
        let completed = delivery::run(change, "completed", Some("success"), at(second + 2), at(second + 22));
        self.tell("github-cicd", Format::Github, at(second + 22), completed);
        let synced = delivery::synced(change, resources, at(second + 26), at(second + 30));
        self.tell("argo-logs", Format::Argo, at(second + 30), synced);
    }

    /// Late and repeated deliveries, and the order of arrival.
    fn disorder(&mut self) {
        let mut repeated = Vec::new();
        for index in 1..self.records.len() {
            match self.random.below(60) {
                0 => repeated.push(self.records[index].clone()),
                1 => {
                    self.records[index].at =
                        self.records[index].at.plus_ms(self.random.between(5_000, 40_000))
                }
                _ => {}
            }
        }
        for mut record in repeated {
            record.at = record.at.plus_ms(self.random.between(100, 20_000));
            self.records.push(record);
        }
        self.records.sort_by_key(|record| record.at);
    }
}
