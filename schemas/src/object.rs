//! The state of a Kubernetes object: the fields that causality needs, from any source that shows objects.
//!
//! Both `kubectl get -o json` and `kubectl describe` come to this shape. Sibling files derive from it:
//! `object::parse` (JSON to state), `object::relations` (edges it asserts), `object::signals` (what one state says),
//! `object::changes` (what two consecutive states say), `object::checks` (what the objects of a namespace say
//! together), `object::health` (since when it is well).

pub mod changes;
pub mod checks;
pub mod health;
pub mod parse;
pub mod relations;
pub mod signals;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::entity::Entity;
use crate::time::EventTime;

/// One version of one object. Fields that a kind does not have stay empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectState {
    /// Which object.
    pub entity: Entity,
    /// Kubernetes uid; empty when the source does not show it.
    pub uid: String,
    /// `metadata.resourceVersion` when it is a number; orders versions observed at one instant.
    pub resource_version: i64,
    /// When this version was seen (capture time, watch time); orders versions.
    pub at: EventTime,
    /// `metadata.creationTimestamp`.
    pub created: Option<EventTime>,
    /// The object is gone.
    pub deleted: bool,
    /// `metadata.generation`: grows with each spec change.
    pub generation: i64,
    /// Owner references that are controllers.
    pub owners: Vec<Entity>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Label selector of a service or workload (`matchLabels`).
    pub selector: BTreeMap<String, String>,
    /// Ports of a service. Of a route and of a config map the addresses that it names, each with its host as the name.
    pub ports: Vec<ServicePort>,
    /// Replica counts of a workload.
    pub replicas: Option<Replicas>,
    /// Pod spec of a pod, or pod template of a workload.
    pub pod: Option<PodSpec>,
    /// Labels of a workload's pod template.
    pub template_labels: BTreeMap<String, String>,
    /// `status.phase`: of a pod, claim, volume or namespace.
    pub phase: String,
    /// `status.reason` of a pod (`Evicted`, `NodeLost`).
    pub reason: String,
    /// `status.message`.
    pub message: String,
    /// Container statuses of a pod, init containers included.
    pub containers: Vec<ContainerStatus>,
    /// Conditions.
    pub conditions: Vec<Condition>,
    /// Taints of a node, as `key=value:Effect`.
    pub taints: Vec<String>,
    /// Node is cordoned.
    pub unschedulable: bool,
    /// Allocatable resources of a node, or hard limits of a quota: milli-units by resource name.
    pub hard: BTreeMap<String, i64>,
    /// Used resources of a quota: milli-units by resource name.
    pub used: BTreeMap<String, i64>,
    /// Hash of the data of a config map or secret; 0 when there is none.
    pub data_hash: u64,
    /// Keys of the data of a config map or secret.
    pub data_keys: Vec<String>,
    /// Addresses behind a service (Endpoints, EndpointSlice).
    pub endpoints: Option<Endpoints>,
    /// Storage of a claim or volume.
    pub storage: Option<Storage>,
    /// Bounds of an autoscaler.
    pub autoscaler: Option<Autoscaler>,
    /// Objects that this one names otherwise: backend services of an ingress, target of an autoscaler, claim of a
    /// volume.
    pub targets: Vec<Entity>,
    /// Image pull secrets of a service account.
    pub pull_secrets: Vec<String>,
    /// Hash of the spec parts that have no field here, so that an edit is never invisible.
    pub rest_hash: u64,
}

impl ObjectState {
    /// An empty state of an object at an instant.
    pub fn new(entity: Entity, at: EventTime) -> Self {
        ObjectState {
            entity,
            uid: String::new(),
            resource_version: 0,
            at,
            created: None,
            deleted: false,
            generation: 0,
            owners: Vec::new(),
            labels: BTreeMap::new(),
            selector: BTreeMap::new(),
            ports: Vec::new(),
            replicas: None,
            pod: None,
            template_labels: BTreeMap::new(),
            phase: String::new(),
            reason: String::new(),
            message: String::new(),
            containers: Vec::new(),
            conditions: Vec::new(),
            taints: Vec::new(),
            unschedulable: false,
            hard: BTreeMap::new(),
            used: BTreeMap::new(),
            data_hash: 0,
            data_keys: Vec::new(),
            endpoints: None,
            storage: None,
            autoscaler: None,
            targets: Vec::new(),
            pull_secrets: Vec::new(),
            rest_hash: 0,
        }
    }
}

/// One port of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServicePort {
    /// Port name; may be empty.
    pub name: String,
    /// Port of the service.
    pub port: u16,
    /// Port of the pod, a number or a container port's name.
    pub target: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// Replica counts of a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Replicas {
    /// Wanted.
    pub desired: i64,
    /// Existing.
    pub current: i64,
    /// Of the newest template.
    pub updated: i64,
    /// Ready or available.
    pub available: i64,
}

/// What a pod is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodSpec {
    /// Node it is bound to; empty while pending and in templates.
    pub node: String,
    /// Service account name.
    pub service_account: String,
    /// Node selector.
    pub node_selector: BTreeMap<String, String>,
    /// Hash of affinity rules; 0 without any.
    pub affinity_hash: u64,
    /// Tolerations, as `key=value:Effect`.
    pub tolerations: Vec<String>,
    /// Priority class or number.
    pub priority: String,
    /// Names of image pull secrets.
    pub pull_secrets: Vec<String>,
    /// Containers, init containers first.
    pub containers: Vec<Container>,
    /// Config maps, secrets and claims named by volumes.
    pub volumes: Vec<Reference>,
}

/// A reference to another object of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reference {
    /// The object named.
    pub entity: Entity,
    /// The key inside it, or empty for the whole.
    pub key: String,
    /// Its absence is allowed.
    pub optional: bool,
}

/// One container of a pod spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Container {
    /// Container name.
    pub name: String,
    /// It is an init container.
    pub init: bool,
    /// Image reference.
    pub image: String,
    /// Command and arguments, joined by blanks.
    pub command: String,
    /// Declared ports: number, protocol, name.
    pub ports: Vec<(u16, String, String)>,
    /// Literal environment values by name.
    pub env: BTreeMap<String, String>,
    /// Config maps and secrets named by the environment.
    pub env_from: Vec<Reference>,
    /// Probes.
    pub probes: Vec<Probe>,
    /// Requests: milli-units by resource name (bytes times 1000 for memory).
    pub requests: BTreeMap<String, i64>,
    /// Limits, in the same unit.
    pub limits: BTreeMap<String, i64>,
}

impl Container {
    /// Whether it declares a port, by number or name.
    pub fn declares(&self, port: &str) -> bool {
        self.ports.iter().any(|(number, _, name)| port == number.to_string() || port == *name)
    }
}

/// Whether containers serve none of a port's names: it is another number than all that they declare, or another name.
/// Nothing is known where they declare none, or where a name is asked for and the source shows no names.
pub fn nobody_serves(containers: &[&Container], port: &str) -> bool {
    let mut declared = containers.iter().flat_map(|container| &container.ports).peekable();
    let by_number = port.parse::<u16>().is_ok();
    declared.peek().is_some()
        && !containers.iter().any(|container| container.declares(port))
        && (by_number || declared.any(|(.., name)| !name.is_empty()))
}

/// A health probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Probe {
    /// `liveness`, `readiness` or `startup`.
    pub role: String,
    /// `http`, `https`, `tcp`, `grpc` or `exec`.
    pub handler: String,
    /// Port number or name; empty for exec.
    pub port: String,
    /// Path of an HTTP probe, command of an exec probe, service of a gRPC probe.
    pub target: String,
    /// `initialDelaySeconds`.
    pub delay_s: i64,
    /// `timeoutSeconds`.
    pub timeout_s: i64,
    /// `periodSeconds`.
    pub period_s: i64,
    /// `failureThreshold`.
    pub failures: i64,
}

/// State of one container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerStatus {
    /// Container name.
    pub name: String,
    /// It is an init container.
    pub init: bool,
    /// Ready.
    pub ready: bool,
    /// Restarts so far.
    pub restarts: i64,
    /// Present state.
    pub state: ContainerState,
    /// State before the last restart.
    pub last: ContainerState,
}

/// Waiting, running or terminated, with the reason (T1 of the causality reference: never an Event's reason).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ContainerState {
    /// The source does not say.
    #[default]
    Unknown,
    /// Not started.
    Waiting {
        /// `CrashLoopBackOff`, `ImagePullBackOff`, …
        reason: String,
        /// The kubelet's words.
        message: String,
    },
    /// Started.
    Running {
        /// Since when.
        started: Option<EventTime>,
    },
    /// Ended.
    Terminated {
        /// `OOMKilled`, `Error`, `Completed`, …
        reason: String,
        /// Exit code.
        exit_code: i64,
        /// The container's last words.
        message: String,
        /// When.
        finished: Option<EventTime>,
    },
}

/// A condition of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// `Ready`, `Available`, `PodScheduled`, `MemoryPressure`, …
    pub name: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Machine-readable reason.
    pub reason: String,
    /// Words.
    pub message: String,
    /// Last transition.
    pub since: Option<EventTime>,
}

/// Addresses behind a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoints {
    /// The service they belong to.
    pub service: String,
    /// Ready addresses; pod names where known, else IPs.
    pub ready: Vec<String>,
    /// Addresses that are not ready.
    pub not_ready: Vec<String>,
    /// Ports: number, protocol, name.
    pub ports: Vec<(u16, String, String)>,
}

/// Storage of a claim or volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Storage {
    /// Storage class.
    pub class: String,
    /// Access modes, sorted.
    pub modes: Vec<String>,
    /// Requested (claim) or offered (volume) bytes.
    pub bytes: i64,
    /// Bound volume of a claim, bound claim (`namespace/name`) of a volume.
    pub bound_to: String,
    /// Label selector of a claim.
    pub selector: BTreeMap<String, String>,
}

/// Bounds of an autoscaler.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Autoscaler {
    /// Fewest replicas.
    pub min: i64,
    /// Most replicas.
    pub max: i64,
    /// Present replicas.
    pub current: i64,
    /// Wanted replicas.
    pub desired: i64,
}
