//! Recordings to measure on: an outage or none, among meters, bystanders and ordinary noise.
//!
//! A recording of `generate` is clean but for two red herrings at fixed times. Here each bystander happens or not, at a
//! time of its own, also close to the fault. None of them harms a user.

use schemas::codec::Format;
use serde_json::{Value, json};

use super::{Family, NODES, START, Story, VICTIM, at};
use crate::scenario::delivery::Change;
use crate::scenario::objects::{self, SERVICES, Told};
use crate::scenario::planted::Planted;
use crate::scenario::{Scenario, Truth, telemetry};

/// Earliest and latest second of the fault.
const FAULT_S: (i64, i64) = (600, 720);
/// Length of a recording.
const END_S: i64 = 1_140;
/// Meters are read this often.
const SCRAPE_S: i64 = 30;
/// Bystanders happen in this share of a hundred recordings.
const OFTEN: u64 = 60;

/// An outage, or a quiet stretch when there is no family, with what of it is true.
pub fn joint(family: Option<Family>, seed: u64) -> (Scenario, Planted) {
    let mut story = Story::new(seed ^ 0x006A_6F69_6E74);
    story.opening();
    story.background(0, END_S);
    let fault_s = FAULT_S.0 + story.random.between(0, FAULT_S.1 - FAULT_S.0);
    story.bystanders(fault_s);
    let truth = match family {
        Some(family) => story.fault(family, fault_s),
        None => quiet(),
    };
    story.meters(family.map(|_| fault_s));
    story.disorder();
    let planted = Planted::of(family, &truth);
    (Scenario { records: story.records, truth }, planted)
}

fn quiet() -> Truth {
    Truth {
        family: "none",
        root: String::new(),
        root_kinds: Vec::new(),
        red_herrings: Vec::new(),
        injected_at: at(END_S),
        questions: vec!["is anything wrong with checkout?".to_owned()],
    }
}

impl Story {
    fn bystanders(&mut self, fault_s: i64) {
        type Bystander = fn(&mut Story, i64);
        let all: [Bystander; 8] = [
            Story::drain,
            Story::harmless_deploy,
            Story::deploy_cart,
            Story::run_job,
            Story::restart_once,
            Story::scale_up,
            Story::move_pod,
            Story::grumble,
        ];
        for bystander in all {
            let second = self.random.between(60, fault_s + 120);
            if self.random.below(100) < OFTEN {
                bystander(self, second);
            }
        }
    }

    /// Another team's deploy, which may come just before the fault.
    fn deploy_cart(&mut self, second: i64) {
        let sha = self.random.hex(40);
        let title = "cart: keep guests for a week";
        let change = Change { sha: &sha, author: "ines", title, run: 4_415, application: "cart" };
        let service = SERVICES[4].clone();
        let mut version = self.versions[4].clone();
        version.image = "registry.example/shop/cart:1.77".to_owned();
        version.hash = self.random.hex(9);
        version.generation += 1;
        self.deliver(&change, second, &[("Deployment", service.name.to_owned())]);
        let number = self.version();
        let changed =
            objects::deployment(&service, &version, service.replicas, number, START.plus_ms(-86_400_000));
        self.cluster(at(second + 32), objects::watch("MODIFIED", &changed));
        let set = objects::replica_set(&service, &version, number, at(second + 33));
        self.cluster(at(second + 34), objects::watch("ADDED", &set));
        let name = format!("cart-{}-{}", version.hash, self.random.hex(5));
        let pod =
            objects::pod(&service, &version, &name, "node-b", &objects::running(), number, at(second + 35));
        self.cluster(at(second + 45), objects::watch("ADDED", &pod));
        self.versions[4] = version;
    }

    /// A scheduled job fails once, is tried again and finishes.
    fn run_job(&mut self, second: i64) {
        let job = format!("report-{}", 29_000_000 + second);
        let names = [0, 1].map(|_| format!("{job}-{}", self.random.hex(5)));
        let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": job, "controller": true}]);
        for (name, (code, phase), delay) in
            [(&names[0], (1, "Failed"), 20), (&names[1], (0, "Succeeded"), 70)]
        {
            let end = at(second + delay).to_string();
            let reason = if code == 0 { "Completed" } else { "Error" };
            let pod = json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": objects::NAMESPACE, "uid": format!("uid-{name}"), "ownerReferences": owner,
                    "resourceVersion": self.version().to_string(), "creationTimestamp": at(second + delay - 15).to_string()},
                "spec": {"nodeName": "node-b", "containers": [{"name": "main", "image": "registry.example/shop/report:3"}]},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted", "lastTransitionTime": end}],
                    "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0,
                        "state": {"terminated": {"reason": reason, "exitCode": code, "finishedAt": end}}}]}});
            self.cluster(at(second + delay), objects::watch("MODIFIED", &pod));
        }
        let done = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": job, "namespace": objects::NAMESPACE, "uid": format!("uid-{job}"), "resourceVersion": self.version().to_string()},
            "spec": {"completions": 1}, "status": {"succeeded": 1, "failed": 1,
                "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": at(second + 71).to_string()}]}});
        self.cluster(at(second + 71), objects::watch("MODIFIED", &done));
    }

    /// A container ends once, is started again and stays well.
    fn restart_once(&mut self, second: i64) {
        let message = "Back-off restarting failed container main";
        self.say_of(8, "BackOff", message, second);
        let status = json!({"phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at(second + 12).to_string()}],
            "containerStatuses": [{"name": "main", "ready": true, "restartCount": 1,
                "state": {"running": {"startedAt": at(second + 10).to_string()}},
                "lastState": {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": at(second - 2).to_string()}}}]});
        self.show(8, second + 12, &status);
    }

    /// An autoscaler adds a pod, whose probe fails until it has started.
    fn scale_up(&mut self, second: i64) {
        let mut service = SERVICES[5].clone();
        service.replicas += 1;
        let (version, number) = (self.versions[5].clone(), self.version());
        let standing = START.plus_ms(-86_400_000);
        let wanted = objects::deployment(&service, &version, service.replicas - 1, number, standing);
        self.cluster(at(second), objects::watch("MODIFIED", &wanted));
        let name = format!("catalog-{}-{}", version.hash, self.random.hex(5));
        self.pods[5].push((name.clone(), 1));
        let told = Told {
            kind: "Pod",
            name: &name,
            reason: "Unhealthy",
            message: "Readiness probe failed: connection refused",
            warning: true,
            count: 1,
            first: at(second + 6),
            last: at(second + 6),
        };
        self.cluster(at(second + 6), objects::event(&told));
        let pod =
            objects::pod(&service, &version, &name, NODES[1], &objects::running(), number, at(second + 2));
        self.cluster(at(second + 20), objects::watch("MODIFIED", &pod));
        let number = self.version();
        let ready = objects::deployment(&service, &version, service.replicas, number, standing);
        self.cluster(at(second + 21), objects::watch("MODIFIED", &ready));
    }

    /// One of two pods is deleted and comes up on another node; the other serves meanwhile.
    fn move_pod(&mut self, second: i64) {
        let (service, version, number) = (SERVICES[3].clone(), self.versions[3].clone(), self.version());
        let (name, node) = self.pods[3][0].clone();
        let mut gone = objects::pod(
            &service,
            &version,
            &name,
            NODES[node],
            &objects::running(),
            number,
            START.plus_ms(-86_400_000),
        );
        gone["metadata"]["deletionTimestamp"] = json!(at(second + 8).to_string());
        self.cluster(at(second), objects::watch("MODIFIED", &gone));
        self.cluster(at(second + 8), objects::watch("DELETED", &gone));
        let next = format!("orders-{}-{}", version.hash, self.random.hex(5));
        let number = self.version();
        let pod =
            objects::pod(&service, &version, &next, "node-d", &objects::running(), number, at(second + 9));
        self.cluster(at(second + 18), objects::watch("ADDED", &pod));
        self.pods[3][0] = (next, 3);
    }

    /// A service logs an error that means nothing, as it always did.
    fn grumble(&mut self, second: i64) {
        for moment in (5..second + 200).step_by(40) {
            let pod = self.pods[7][0].0.clone();
            let line = format!("label printer {} did not answer, trying the next", self.random.below(9));
            self.tell(
                "otel",
                Format::Otlp,
                at(moment),
                telemetry::log("shipping", &pod, 17, &line, at(moment)),
            );
        }
    }

    fn say_of(&mut self, index: usize, reason: &str, message: &str, second: i64) {
        let name = self.pods[index][0].0.clone();
        let (first, last) = (at(second), at(second));
        let told = Told { kind: "Pod", name: &name, reason, message, warning: true, count: 1, first, last };
        self.cluster(at(second), objects::event(&told));
    }

    fn show(&mut self, index: usize, second: i64, status: &Value) {
        let (version, number) = (self.versions[index].clone(), self.version());
        let (name, node) = self.pods[index][0].clone();
        let created = START.plus_ms(-86_400_000);
        let pod = objects::pod(&SERVICES[index], &version, &name, NODES[node], status, number, created);
        self.cluster(at(second), objects::watch("MODIFIED", &pod));
    }

    /// Meters of services and nodes. A fault shows in those of the victim and of its callers.
    fn meters(&mut self, fault_s: Option<i64>) {
        for second in (0..END_S).step_by(usize::try_from(SCRAPE_S).unwrap_or(1)) {
            let mut series = Vec::new();
            let lasting = fault_s.is_some_and(|fault_s| fault_s + 60 <= second);
            for (index, service) in SERVICES.iter().enumerate() {
                let place = |name: &str| json!({"__name__": name, "namespace": objects::NAMESPACE, "service": service.name});
                // Callers fail and wait; the victim itself has nothing to do.
                let (failing, idle) = (lasting && index < VICTIM, lasting && index == VICTIM);
                let scale = 1 + i64::try_from(index).unwrap_or(0);
                let noisy = |story: &mut Story, base: i64| base + story.random.between(-base / 8, base / 8);
                let requests = noisy(self, if idle { 2 } else { 40 * scale });
                let errors = self.random.between(0, 2) + if failing { 20 } else { 0 };
                let latency = noisy(self, if failing { 900 } else { 40 + scale });
                let memory = noisy(self, 150 + 10 * scale);
                for (name, value) in [
                    ("http_requests_per_second", requests),
                    ("http_request_errors_per_second", errors),
                    ("http_request_duration_ms", latency),
                    ("container_memory_working_set_mib", memory),
                ] {
                    series.push(sample(&place(name), value, second));
                }
            }
            for node in NODES {
                // One node is noisy: its processors are busy every fifth minute, whatever happens.
                let busy = node == "node-b" && second / 60 % 5 == 0;
                let value = self.random.between(20, 30) + if busy { 45 } else { 0 };
                series.push(sample(&json!({"__name__": "node_cpu_percent", "node": node}), value, second));
            }
            self.tell("prometheus", Format::Prometheus, at(second), json!({"timeseries": series}));
        }
    }
}

fn sample(labels: &Value, value: i64, second: i64) -> Value {
    json!({"labels": labels, "samples": [{"value": value, "timestamp": at(second).0}]})
}
