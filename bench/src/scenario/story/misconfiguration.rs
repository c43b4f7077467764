//! Faults of an edit that the API server accepts: a probe, a port, a deleted config map.

use serde_json::json;

use super::{NODES, START, Story, VICTIM, at};
use crate::scenario::objects::{self, Service, Told};

/// Age of what stood before the recording.
const STANDING_MS: i64 = -86_400_000;

impl Story {
    /// New pods run, and answer their probe with 404.
    pub(super) fn edit_probe(&mut self, service: &Service, second: i64) {
        self.roll_out(service, second, |version| version.ready_path = "/health");
        let message = "Readiness probe failed: HTTP probe failed with statuscode: 404";
        let waiting = json!({"phase": "Running",
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": at(second + 5).to_string()}],
            "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0, "state": {"running": {}}}]});
        self.show_pods(service, second + 5, &waiting);
        self.warn_pods("Unhealthy", message, second + 15);
        let lost = self.names();
        self.lose_endpoints(service, second + 16, &lost);
    }

    /// The service sends to a port on which nobody listens; its endpoints look healthy.
    pub(super) fn edit_target_port(&mut self, service: &Service, second: i64) {
        let version = self.version();
        let mut edited =
            objects::service(service, json!({"app": service.name}), version, START.plus_ms(STANDING_MS));
        edited["spec"]["ports"][0]["targetPort"] = json!(service.port + 1_000);
        self.cluster(at(second), objects::watch("MODIFIED", &edited));
    }

    /// The config map goes; the pods, evicted soon after, come back and cannot be configured.
    pub(super) fn delete_config(&mut self, service: &Service, second: i64) {
        let (map, resource_version) = (self.versions[VICTIM].pool_size, self.version());
        let gone = objects::config_map(service, map, resource_version, START.plus_ms(STANDING_MS));
        self.cluster(at(second), objects::watch("DELETED", &gone));
        let message = "configmap \"payments-config\" not found";
        let waiting = json!({"phase": "Pending",
            "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": at(second + 12).to_string()}],
            "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}]});
        self.show_pods(service, second + 12, &waiting);
        self.warn_pods("Failed", &format!("Error: {message}"), second + 13);
        let lost = self.names();
        self.lose_endpoints(service, second + 14, &lost);
    }

    fn names(&self) -> Vec<String> {
        self.pods[VICTIM].iter().map(|(name, _)| name.clone()).collect()
    }

    fn show_pods(&mut self, service: &Service, second: i64, status: &serde_json::Value) {
        let (version, pods) = (self.versions[VICTIM].clone(), self.pods[VICTIM].clone());
        for (name, node) in &pods {
            let resource_version = self.version();
            let created = at(second - 4);
            let pod = objects::pod(service, &version, name, NODES[*node], status, resource_version, created);
            self.cluster(at(second), objects::watch("MODIFIED", &pod));
        }
    }

    fn warn_pods(&mut self, reason: &str, message: &str, second: i64) {
        for name in self.names() {
            let (first, last) = (at(second), at(second + 9));
            let told =
                Told { kind: "Pod", name: &name, reason, message, warning: true, count: 3, first, last };
            self.cluster(last, objects::event(&told));
        }
    }
}
