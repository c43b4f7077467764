//! The fault of each family, and what follows from it.

use schemas::codec::Format;
use schemas::time::EventTime;
use serde_json::{Value, json};

use super::{Family, NODES, START, Story, VICTIM, at};
use crate::scenario::delivery::Change;
use crate::scenario::objects::{self, SERVICES, Service, Told, Version};
use crate::scenario::{Truth, telemetry};

impl Story {
    /// The fault and what follows from it.
    pub(super) fn fault(&mut self, family: Family, second: i64) -> Truth {
        let sha = self.random.hex(40);
        let title = match family {
            Family::BadConfig => "payments: read the pool size from the environment",
            Family::BadImage => "payments: release 2.0",
            Family::ProbePath => "payments: probe the health page",
            _ => "payments: use less memory",
        };
        let change = Change { sha: &sha, author: "jonas", title, run: 4_412, application: "payments" };
        let service = SERVICES[VICTIM].clone();
        let commit = format!("commit/{sha}");
        let (root, root_kinds): (String, Vec<&'static str>) = match family {
            Family::BadConfig => {
                self.deliver(
                    &change,
                    second,
                    &[("Deployment", "payments".to_owned()), ("ConfigMap", "payments-config".to_owned())],
                );
                let version = self.version();
                let edited = objects::config_map(&service, "twenty", version, START.plus_ms(-86_400_000));
                self.cluster(at(second + 31), objects::watch("MODIFIED", &edited));
                self.roll_out(&service, second + 32, |_| ());
                let crash = "panic: POOL_SIZE: \"twenty\" is not a number";
                self.crash(
                    &service,
                    second + 40,
                    &|moment| objects::crashing("Error", 1, crash, 3, moment),
                    crash,
                );
                (commit, vec!["github.push", "k8s.configmap.Changed"])
            }
            Family::BadImage => {
                self.deliver(&change, second, &[("Deployment", "payments".to_owned())]);
                self.roll_out(&service, second + 32, |version| {
                    version.image = "registry.example/shop/payments:2.0-rc9".to_owned()
                });
                let message = "failed to pull registry.example/shop/payments:2.0-rc9: not found";
                self.crash(
                    &service,
                    second + 40,
                    &|moment| objects::pulling("ImagePullBackOff", message, moment),
                    "",
                );
                (commit, vec!["github.push", "k8s.workload.ImageChanged", "k8s.pod.ImageNotFound"])
            }
            Family::MemoryLimit => {
                self.deliver(&change, second, &[("Deployment", "payments".to_owned())]);
                self.roll_out(&service, second + 32, |version| version.memory = "32Mi");
                self.crash(
                    &service,
                    second + 45,
                    &|moment| objects::crashing("OOMKilled", 137, "", 3, moment),
                    "",
                );
                (commit, vec!["github.push", "k8s.workload.ResourcesChanged"])
            }
            Family::Selector => {
                let version = self.version();
                let edited = objects::service(
                    &service,
                    json!({"app": "payments", "tier": "gold"}),
                    version,
                    START.plus_ms(-86_400_000),
                );
                self.cluster(at(second), objects::watch("MODIFIED", &edited));
                self.lose_endpoints(&service, second + 2, &[]);
                (
                    "service/shop/payments".to_owned(),
                    vec!["k8s.service.SelectorChanged", "k8s.service.SelectorMismatch"],
                )
            }
            Family::NodeLost => {
                self.lose_node(&service, second);
                ("node/node-c".to_owned(), vec!["k8s.node.NotReady", "k8s.node.KubeletDown"])
            }
            Family::QuotaExhausted => {
                self.refuse(&service, second);
                (
                    "namespace/shop".to_owned(),
                    vec![
                        "k8s.quota.Exhausted",
                        "k8s.quota.Refused",
                        "k8s.quota.PodsExceeded",
                        "k8s.quota.CpuExceeded",
                        "k8s.quota.MemoryExceeded",
                    ],
                )
            }
            Family::DiskPressure => {
                self.fill_disk(&service, second);
                ("node/node-c".to_owned(), vec!["k8s.node.DiskPressure"])
            }
            Family::ConnectionsExhausted => {
                self.exhaust_connections(second);
                ("service/shop/ledger-db".to_owned(), vec!["log.too_many_connections"])
            }
            Family::ProbePath => {
                self.deliver(&change, second, &[("Deployment", "payments".to_owned())]);
                self.edit_probe(&service, second + 32);
                (commit, vec!["github.push", "k8s.workload.ProbeChanged"])
            }
            Family::TargetPort => {
                self.edit_target_port(&service, second);
                (
                    "service/shop/payments".to_owned(),
                    vec!["k8s.service.PortChanged", "k8s.service.TargetPortMismatch"],
                )
            }
            Family::ConfigDeleted => {
                self.delete_config(&service, second);
                ("configmap/shop/payments-config".to_owned(), vec!["k8s.configmap.Deleted"])
            }
            Family::ScaledToZero => {
                let none = Service { replicas: 0, ..service.clone() };
                let (version, resource_version) = (self.versions[VICTIM].clone(), self.version());
                let scaled =
                    objects::deployment(&none, &version, 0, resource_version, START.plus_ms(-86_400_000));
                self.cluster(at(second), objects::watch("MODIFIED", &scaled));
                self.lose_endpoints(&service, second + 3, &[]);
                ("deployment/shop/payments".to_owned(), vec!["k8s.workload.ScaledToZero"])
            }
        };
        self.suffer(second + 60);
        Truth {
            family: family.name(),
            root,
            root_kinds,
            red_herrings: vec!["node/node-d".to_owned(), "deployment/shop/search".to_owned()],
            injected_at: at(second),
            questions: [
                "why does checkout fail?",
                "payments is down, what changed?",
                "customers see 5xx on the storefront",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    pub(super) fn roll_out(&mut self, service: &Service, second: i64, edit: impl Fn(&mut Version)) {
        let mut version = self.versions[VICTIM].clone();
        edit(&mut version);
        version.generation += 1;
        version.hash = self.random.hex(9);
        // A sync that edits only a config map restarts the workload by a checksum annotation in the template.
        version.image =
            if version.image.contains("rc9") { version.image } else { format!("{}-r2", version.image) };
        let resource_version = self.version();
        let changed = objects::deployment(service, &version, 0, resource_version, START.plus_ms(-86_400_000));
        self.cluster(at(second), objects::watch("MODIFIED", &changed));
        self.cluster(
            at(second + 1),
            objects::watch("ADDED", &objects::replica_set(service, &version, resource_version, at(second))),
        );
        let hash = version.hash.clone();
        self.versions[VICTIM] = version;
        let names: Vec<String> = (0..service.replicas)
            .map(|_| format!("{}-{hash}-{}", service.name, self.random.hex(5)))
            .collect();
        for (index, name) in names.iter().enumerate() {
            let told = Told {
                kind: "Pod",
                name,
                reason: "Scheduled",
                message: "Successfully assigned",
                warning: false,
                count: 1,
                first: at(second + 2),
                last: at(second + 2),
            };
            self.cluster(at(second + 2), objects::event(&told));
            self.pods[VICTIM][index] = (name.clone(), index);
        }
    }

    fn crash(&mut self, service: &Service, second: i64, status: &dyn Fn(EventTime) -> Value, words: &str) {
        let pods = self.pods[VICTIM].clone();
        let version = self.versions[VICTIM].clone();
        for (name, node) in &pods {
            let resource_version = self.version();
            let moment = at(second + self.random.between(0, 3));
            let pod = objects::pod(
                service,
                &version,
                name,
                NODES[*node],
                &status(moment),
                resource_version,
                at(second - 6),
            );
            self.cluster(moment.plus_ms(500), objects::watch("MODIFIED", &pod));
            if !words.is_empty() {
                self.tell(
                    "otel",
                    Format::Otlp,
                    moment,
                    telemetry::log(service.name, name, 21, words, moment),
                );
                let message = format!("Back-off restarting failed container main in pod {name}");
                let told = |count: i64, last: EventTime| Told {
                    kind: "Pod",
                    name,
                    reason: "BackOff",
                    message: &message,
                    warning: true,
                    count,
                    first: moment.plus_ms(8_000),
                    last,
                };
                let (first, folded) = (
                    objects::event(&told(1, moment.plus_ms(8_000))),
                    objects::event(&told(6, moment.plus_ms(70_000))),
                );
                self.cluster(moment.plus_ms(8_000), first);
                // The corrected event: the same Event, folded again, with a later count.
                self.cluster(moment.plus_ms(70_000), folded);
            }
        }
        let lost: Vec<String> = pods.into_iter().map(|(name, _)| name).collect();
        self.lose_endpoints(service, second + 6, &lost);
    }

    pub(super) fn lose_endpoints(&mut self, service: &Service, second: i64, not_ready: &[String]) {
        let resource_version = self.version();
        let slice = objects::endpoints(service, &[], not_ready, resource_version, START.plus_ms(-86_400_000));
        self.cluster(at(second), objects::watch("MODIFIED", &slice));
    }

    fn lose_node(&mut self, service: &Service, second: i64) {
        let resource_version = self.version();
        self.cluster(
            at(second),
            objects::watch("MODIFIED", &objects::node("node-c", false, false, resource_version, at(second))),
        );
        let version = self.versions[VICTIM].clone();
        let pods = self.pods[VICTIM].clone();
        for (name, _) in &pods {
            let mut status = objects::running();
            status["conditions"][0] = json!({"type": "Ready", "status": "False", "reason": "NodeNotReady", "lastTransitionTime": at(second + 4).to_string()});
            let pod = objects::pod(
                service,
                &version,
                name,
                "node-c",
                &status,
                resource_version + 1,
                START.plus_ms(-86_400_000),
            );
            self.cluster(at(second + 5), objects::watch("MODIFIED", &pod));
        }
        let lost: Vec<String> = pods.into_iter().map(|(name, _)| name).collect();
        self.lose_endpoints(service, second + 8, &lost);
    }

    /// The quota is used up, and the replica set of a rollout gets no pods.
    fn refuse(&mut self, service: &Service, second: i64) {
        let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "pods", "namespace": objects::NAMESPACE, "resourceVersion": self.version().to_string()},
            "status": {"hard": {"pods": "14"}, "used": {"pods": "14"}}});
        self.cluster(at(second), objects::watch("MODIFIED", &quota));
        let version = self.versions[VICTIM].clone();
        let replica_set = format!("{}-{}", service.name, version.hash);
        let message = format!(
            "Error creating: pods \"{replica_set}-\" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=14, limited: pods=14"
        );
        let told = Told {
            kind: "ReplicaSet",
            name: &replica_set,
            reason: "FailedCreate",
            message: &message,
            warning: true,
            count: 4,
            first: at(second + 3),
            last: at(second + 9),
        };
        self.cluster(at(second + 9), objects::event(&told));
        let resource_version = self.version();
        let short = objects::deployment(service, &version, 0, resource_version, START.plus_ms(-86_400_000));
        self.cluster(at(second + 11), objects::watch("MODIFIED", &short));
        self.lose_endpoints(service, second + 12, &[]);
    }

    fn fill_disk(&mut self, service: &Service, second: i64) {
        let resource_version = self.version();
        let mut node = objects::node("node-c", true, false, resource_version, at(second));
        let full = json!({"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure", "lastTransitionTime": at(second).to_string()});
        if let Some(conditions) = node["status"]["conditions"].as_array_mut() {
            conditions.push(full);
        }
        self.cluster(at(second + 1), objects::watch("MODIFIED", &node));
        let version = self.versions[VICTIM].clone();
        let pods = self.pods[VICTIM].clone();
        for (name, _) in &pods {
            let message = "The node was low on resource: ephemeral-storage.";
            let status = json!({"phase": "Failed", "reason": "Evicted", "message": message});
            let pod = objects::pod(
                service,
                &version,
                name,
                "node-c",
                &status,
                resource_version + 1,
                START.plus_ms(-86_400_000),
            );
            self.cluster(at(second + 12), objects::watch("MODIFIED", &pod));
            let told = Told {
                kind: "Pod",
                name,
                reason: "Evicted",
                message,
                warning: true,
                count: 1,
                first: at(second + 11),
                last: at(second + 11),
            };
            self.cluster(at(second + 11), objects::event(&told));
        }
        self.lose_endpoints(service, second + 14, &[]);
    }

    fn exhaust_connections(&mut self, second: i64) {
        let (payments, database) = (SERVICES[VICTIM].clone(), SERVICES[9].clone());
        let pod = self.pods[9][0].0.clone();
        for step in (0..280).step_by(12) {
            let moment = at(second + step);
            let line =
                "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute";
            self.tell("otel", Format::Otlp, moment, telemetry::log(database.name, &pod, 21, line, moment));
            let moment = at(second + step + 2);
            let failing = telemetry::spans(&payments, &[database.name], false, moment, &mut self.random);
            self.tell("otel", Format::Otlp, moment, failing);
        }
    }

    /// Callers fail, alerts fire, people complain.
    fn suffer(&mut self, second: i64) {
        let (checkout, storefront) = (SERVICES[1].clone(), SERVICES[0].clone());
        for step in (0..240).step_by(10) {
            let moment = at(second + step);
            let failing = telemetry::spans(&checkout, &["payments"], false, moment, &mut self.random);
            self.tell("otel", Format::Otlp, moment, failing);
            let moment = at(second + step + 2);
            let failing = telemetry::spans(&storefront, &["checkout"], true, moment, &mut self.random);
            self.tell("otel", Format::Otlp, moment, failing);
            let pod = self.pods[1][0].0.clone();
            let line = format!(
                "POST /pay failed: dial tcp 10.4.0.{}:8082: connect: connection refused",
                self.random.below(250)
            );
            let moment = at(second + step + 3);
            self.tell("otel", Format::Otlp, moment, telemetry::log("checkout", &pod, 17, &line, moment));
        }
        let alerts = [
            ("CheckoutErrorRateHigh", "checkout", 70),
            ("StorefrontErrorRateHigh", "storefront", 85),
            ("StorefrontLatencyHigh", "storefront", 100),
        ];
        for (name, service, delay) in alerts {
            let summary = format!("{service} is failing its objective");
            let moment = at(second + delay);
            let fired = telemetry::alert(name, &[("service", service)], &summary, moment, None);
            self.tell("prometheus", Format::Alertmanager, moment.plus_ms(4_000), fired);
        }
        for (delay, words) in [
            (120, "checkout is down for customers, seeing 503s"),
            (150, "is this the payments deploy?"),
            (210, "still failing, escalating"),
        ] {
            let moment = at(second + delay);
            self.tell("slack-incidents", Format::Slack, moment, telemetry::chat(words, moment));
        }
    }
}
