//! Pods: container states, scheduling, readiness.

use super::{condition_says, says};
use crate::catalogue::Kind;
use crate::entity::EntityKind;
use crate::fact::Signal;
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
    let mut found: Vec<Signal> =
        state.containers.iter().flat_map(|container| container_says(state, container)).collect();
    if state.reason == "Evicted" {
        found.push(says(state, "k8s.pod.Evicted", &state.message));
    }
    if state.reason == "NodeLost" {
        found.push(says(state, "k8s.pod.NodeLost", &state.message));
    }
    for condition in state.conditions.iter().filter(|condition| condition.status == "False") {
        match condition.name.as_str() {
            "PodScheduled" => found.push(condition_says(state, condition, "k8s.pod.FailedScheduling")),
            "Ready" if condition.reason != "PodCompleted" && !of_job => {
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

/// Why an image could not be pulled, by the runtime's words.
pub(crate) fn pull_failure(message: &str) -> &'static str {
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&[
        "no such host",
        "i/o timeout",
        "connection refused",
        "dial tcp",
        "tls handshake",
        "server misbehaving",
    ]) {
        "k8s.pod.RegistryUnavailable"
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
