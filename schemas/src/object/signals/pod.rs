//! Pods: container states, scheduling, readiness.

use super::{condition_says, says};
use crate::catalogue::Kind;
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::health::TERMINATING;
use crate::object::{ContainerState, ContainerStatus, ObjectState};

/// Waiting reasons and what they mean. `ContainerCreating` and `PodInitializing` are ordinary.
const WAITING: [(&str, &str); 9] = [
    ("CrashLoopBackOff", "k8s.pod.CrashLoopBackOff"),
    ("ImagePullBackOff", "k8s.pod.ImagePullFailed"),
    ("ErrImagePull", "k8s.pod.ImagePullFailed"),
    ("ErrImageNeverPull", "k8s.pod.ImageNotFound"),
    ("InvalidImageName", "k8s.pod.ImageNotFound"),
    ("RegistryUnavailable", "k8s.pod.RegistryUnavailable"),
    ("CreateContainerConfigError", "k8s.pod.ConfigError"),
    ("CreateContainerError", "k8s.pod.ContainerCannotRun"),
    ("RunContainerError", "k8s.pod.ContainerCannotRun"),
];

pub(super) fn signals(state: &ObjectState) -> Vec<Signal> {
    if state.phase == "Succeeded" {
        return Vec::new();
    }
    let of_job = state.owners.iter().any(|owner| owner.kind == EntityKind::Job);
    // A pod that is being stopped ends its containers on purpose; what made it go is still told.
    let stopping = state.phase == TERMINATING;
    let containers = state.containers.iter().filter(|_| !stopping);
    let mut found: Vec<Signal> = containers.flat_map(|container| container_says(state, container)).collect();
    if state.reason == "Evicted" {
        found.push(says(state, "k8s.pod.Evicted", &state.message));
    }
    if state.reason == "NodeLost" {
        found.push(says(state, "k8s.pod.NodeLost", &state.message));
    }
    for condition in state.conditions.iter().filter(|condition| condition.status == "False") {
        match condition.name.as_str() {
            "PodScheduled" => {
                found.push(condition_says(state, condition, "k8s.pod.FailedScheduling"));
                let why = scheduling_failure(&condition.message);
                found.extend(why.map(|kind| condition_says(state, condition, kind)));
            }
            "Ready" if condition.reason != "PodCompleted" && !of_job && !stopping => {
                found.push(condition_says(state, condition, "k8s.pod.NotReady"));
            }
            _ => {}
        }
    }
    found
}

fn container_says(state: &ObjectState, container: &ContainerStatus) -> Vec<Signal> {
    let mut found = Vec::new();
    match &container.state {
        ContainerState::Waiting { reason, message } => {
            let known = WAITING.iter().find(|(name, _)| name == reason);
            let kind = match known {
                Some((_, "k8s.pod.CrashLoopBackOff")) if container.init => Some("k8s.pod.InitCrashLoop"),
                Some((_, "k8s.pod.ImagePullFailed")) => Some(pull_failure(message)),
                Some((_, "k8s.pod.ContainerCannotRun")) if killed_for_memory(message) => {
                    Some("k8s.pod.OOMKilled")
                }
                Some((_, "k8s.pod.ConfigError")) if secret_missing(message) => Some("k8s.pod.SecretMissing"),
                known => known.map(|(_, kind)| *kind),
            };
            let detail = format!("{}: {reason} {message}", container.name);
            found.extend(kind.map(|kind| says(state, kind, &detail)));
        }
        ended @ ContainerState::Terminated { .. } => found.extend(termination(state, container, ended)),
        ContainerState::Running { .. } | ContainerState::Unknown => {}
    }
    // The last run matters only while the container has not recovered since.
    if !container.ready {
        found.extend(termination(state, container, &container.last));
    } else if let ContainerState::Terminated { reason, .. } = &container.last
        && reason == "OOMKilled"
    {
        found.extend(termination(state, container, &container.last));
    }
    found
}

/// Why no node fits, by the scheduler's words: each node is counted at the first filter that it fails. Nodes that the
/// pod's own affinity rules out were never meant for it, so that what the others lack says more.
pub(crate) fn scheduling_failure(message: &str) -> Option<&'static str> {
    let reasons = message.split_once("nodes are available: ")?.1;
    let reasons = reasons.split(". ").next().unwrap_or(reasons);
    let (mut affinity, mut cordoned) = (0u64, 0u64);
    let mut other: Option<(u64, &'static str)> = None;
    for reason in reasons.split(", ") {
        let reason = reason.trim_end_matches('.');
        let (count, words) = reason.trim().split_once(' ').unwrap_or(("", reason));
        let Ok(count) = count.parse::<u64>() else { continue };
        let kind = match words {
            words if words.contains("taint {node.kubernetes.io/") => continue,
            words if words.contains("taint {node-role.kubernetes.io/") => continue,
            words if words.contains("taint") => "k8s.pod.TaintNotTolerated",
            words if words.contains("anti-affinity") => "k8s.pod.AntiAffinityConflict",
            words if words.contains("Insufficient cpu") => "k8s.pod.CpuInsufficient",
            words if words.contains("Insufficient memory") => "k8s.pod.MemoryInsufficient",
            words if words.contains("node affinity") || words.contains("node selector") => {
                affinity = affinity.saturating_add(count);
                continue;
            }
            words if words.contains("unschedulable") => {
                cordoned = cordoned.saturating_add(count);
                continue;
            }
            _ => continue,
        };
        if other.is_none_or(|(most, _)| most < count) {
            other = Some((count, kind));
        }
    }
    let rest = match (affinity, cordoned) {
        (0, 0) => None,
        (affinity, cordoned) if cordoned < affinity => Some("k8s.pod.AffinityMismatch"),
        _ => Some("k8s.pod.NodesCordoned"),
    };
    other.map(|(_, kind)| kind).or(rest)
}

/// Whether a runtime says that the process died of its memory limit before it was up.
pub(crate) fn killed_for_memory(message: &str) -> bool {
    message.contains("OOM-killed") || message.contains("OOMKilled")
}

/// Why an image could not be pulled, by the runtime's words.
pub(crate) fn pull_failure(message: &str) -> &'static str {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let official = text.contains("docker.io/library/");
    if says(&[
        "no such host",
        "i/o timeout",
        "connection refused",
        "dial tcp",
        "tls handshake",
        "server misbehaving",
    ]) {
        "k8s.pod.RegistryUnavailable"
    } else if official && says(&["denied", "forbidden", "unauthorized"]) {
        // Official images are public: who is refused asked for one that is not there.
        "k8s.pod.ImageNotFound"
    } else if says(&[
        "unauthorized",
        "authentication required",
        "authorization failed",
        "denied",
        "no basic auth",
        "forbidden",
    ]) {
        "k8s.pod.ImagePullAuth"
    } else if says(&["not found", "manifest unknown", "does not exist", "invalid reference", "name unknown"])
    {
        "k8s.pod.ImageNotFound"
    } else {
        "k8s.pod.ImagePullFailed"
    }
}

/// Whether the kubelet says that a secret, or a key of it, does not exist.
pub(crate) fn secret_missing(message: &str) -> bool {
    message.contains("secret \"") && message.contains("not found")
        || message.contains("couldn't find key") && message.contains("in Secret")
}

fn termination(state: &ObjectState, container: &ContainerStatus, ended: &ContainerState) -> Option<Signal> {
    let ContainerState::Terminated { reason, exit_code, message, finished } = ended else { return None };
    let kind = match reason.as_str() {
        "Completed" => return None,
        "OOMKilled" => "k8s.pod.OOMKilled",
        "ContainerCannotRun" | "StartError" => "k8s.pod.ContainerCannotRun",
        _ if container.init => "k8s.pod.InitCrashLoop",
        _ if *exit_code == 0 => return None,
        // 126 and 127: the shell could not run the command.
        _ if matches!(exit_code, 126..=128) => "k8s.pod.ContainerCannotRun",
        _ => "k8s.pod.ContainerError",
    };
    let detail = format!("{}: {reason}, exit code {exit_code} {message}", container.name);
    let onset = finished.unwrap_or(state.at).min(state.at);
    let mut signal = Signal::at(state.entity.clone(), Kind::named(kind), onset, &detail);
    signal.count = u32::try_from(container.restarts.max(1)).unwrap_or(u32::MAX);
    Some(signal)
}
