//! What two consecutive states of one object say: what was edited, from what to what. Never a secret's value.

use std::collections::BTreeMap;

use crate::catalogue::Kind;
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::{Container, ObjectState, PodSpec};

/// A change found: kind and words.
type Change = (&'static str, String);

/// Every change between a state and the next.
pub fn changes(previous: &ObjectState, next: &ObjectState) -> Vec<Signal> {
    let found = if next.deleted { deletion(next) } else { edits(previous, next) };
    let signal = |(kind, detail): Change| {
        Signal::at(next.entity.clone(), Kind::named(kind), next.at, &detail).since(previous.at)
    };
    found.into_iter().map(signal).collect()
}

fn deletion(next: &ObjectState) -> Vec<Change> {
    let kind = match next.entity.kind {
        EntityKind::ConfigMap => "k8s.configmap.Deleted",
        EntityKind::Secret => "k8s.secret.Deleted",
        EntityKind::ServiceAccount => "k8s.serviceaccount.Deleted",
        EntityKind::Pod => "k8s.pod.Deleted",
        EntityKind::Node => "k8s.node.Deleted",
        EntityKind::Deployment | EntityKind::StatefulSet | EntityKind::DaemonSet | EntityKind::Rollout => {
            "k8s.workload.Deleted"
        }
        EntityKind::Service if next.endpoints.is_none() => "k8s.service.Changed",
        EntityKind::Policy => "k8s.policy.Changed",
        EntityKind::Ingress => "k8s.ingress.Changed",
        _ => return Vec::new(),
    };
    vec![(kind, "deleted".to_owned())]
}

fn edits(previous: &ObjectState, next: &ObjectState) -> Vec<Change> {
    match next.entity.kind {
        EntityKind::ConfigMap => data(previous, next, "k8s.configmap.Changed"),
        EntityKind::Secret => data(previous, next, "k8s.secret.Changed"),
        EntityKind::Deployment
        | EntityKind::StatefulSet
        | EntityKind::DaemonSet
        | EntityKind::Rollout
        | EntityKind::CronJob => workload(previous, next),
        EntityKind::Service => service(previous, next),
        EntityKind::Namespace => quota(previous, next),
        EntityKind::Node => node(previous, next),
        EntityKind::Autoscaler
            if previous.autoscaler.as_ref().map(|a| (a.min, a.max))
                != next.autoscaler.as_ref().map(|a| (a.min, a.max)) =>
        {
            vec![("k8s.autoscaler.Changed", "bounds were edited".to_owned())]
        }
        EntityKind::Policy => rest(previous, next, "k8s.policy.Changed"),
        EntityKind::Ingress => rest(previous, next, "k8s.ingress.Changed"),
        EntityKind::Webhook => rest(previous, next, "k8s.webhook.Changed"),
        EntityKind::ServiceAccount if previous.pull_secrets != next.pull_secrets => {
            vec![(
                "k8s.serviceaccount.Changed",
                format!("pull secrets: {:?} to {:?}", previous.pull_secrets, next.pull_secrets),
            )]
        }
        EntityKind::ServiceAccount => rest(previous, next, "k8s.serviceaccount.Changed"),
        _ => Vec::new(),
    }
}

fn rest(previous: &ObjectState, next: &ObjectState, kind: &'static str) -> Vec<Change> {
    if previous.rest_hash == next.rest_hash && previous.targets == next.targets {
        return Vec::new();
    }
    vec![(kind, "spec was edited".to_owned())]
}

fn data(previous: &ObjectState, next: &ObjectState, kind: &'static str) -> Vec<Change> {
    if previous.data_hash == next.data_hash {
        return Vec::new();
    }
    let missing = |from: &ObjectState, of: &ObjectState| -> Vec<String> {
        from.data_keys.iter().filter(|key| !of.data_keys.contains(key)).cloned().collect()
    };
    let (removed, added) = (missing(previous, next), missing(next, previous));
    let detail = match (removed.is_empty(), added.is_empty()) {
        (true, true) => "a value was edited".to_owned(),
        (false, true) => format!("removed {}", removed.join(", ")),
        (true, false) => format!("added {}", added.join(", ")),
        (false, false) => format!("removed {}; added {}", removed.join(", "), added.join(", ")),
    };
    vec![(kind, detail)]
}

fn workload(previous: &ObjectState, next: &ObjectState) -> Vec<Change> {
    let mut found = Vec::new();
    let desired = |state: &ObjectState| state.replicas.as_ref().map_or(0, |replicas| replicas.desired);
    let (before, after) = (desired(previous), desired(next));
    if before != after && next.entity.kind != EntityKind::DaemonSet {
        let kind = if after == 0 { "k8s.workload.ScaledToZero" } else { "k8s.workload.Scaled" };
        found.push((kind, format!("replicas: {before} to {after}")));
    }
    if let (Some(before), Some(after)) = (&previous.pod, &next.pod) {
        template(before, after, &mut found);
    }
    if found.is_empty() && previous.generation < next.generation && 0 < previous.generation {
        found.push((
            "k8s.workload.SpecChanged",
            format!("generation {} to {}", previous.generation, next.generation),
        ));
    }
    let rolled_out = found.iter().any(|(kind, _)| !kind.contains("Scaled"));
    if rolled_out {
        found.push(("k8s.workload.Rollout", "pod template was edited".to_owned()));
    }
    found
}

fn template(before: &PodSpec, after: &PodSpec, found: &mut Vec<Change>) {
    let by_name = |pod: &PodSpec| -> BTreeMap<String, Container> {
        pod.containers.iter().map(|container| (container.name.clone(), container.clone())).collect()
    };
    let (old, new) = (by_name(before), by_name(after));
    for (name, container) in &new {
        match old.get(name) {
            Some(known) => container_edits(known, container, found),
            None => found.push(("k8s.workload.SpecChanged", format!("container {name} was added"))),
        }
    }
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    found.extend(removed.map(|name| ("k8s.workload.SpecChanged", format!("container {name} was removed"))));
    if before.volumes != after.volumes
        || before.pull_secrets != after.pull_secrets
        || before.service_account != after.service_account
    {
        found.push((
            "k8s.workload.ReferenceChanged",
            "volumes, pull secrets or service account were edited".to_owned(),
        ));
    }
    let placement = |pod: &PodSpec| {
        (pod.node_selector.clone(), pod.affinity_hash, pod.tolerations.clone(), pod.priority.clone())
    };
    if placement(before) != placement(after) {
        found.push(("k8s.workload.SpecChanged", "placement rules were edited".to_owned()));
    }
}

fn container_edits(before: &Container, after: &Container, found: &mut Vec<Change>) {
    let name = &after.name;
    if before.image != after.image {
        found.push(("k8s.workload.ImageChanged", format!("{name}: {} to {}", before.image, after.image)));
    }
    if before.command != after.command {
        found.push((
            "k8s.workload.CommandChanged",
            format!("{name}: {:?} to {:?}", before.command, after.command),
        ));
    }
    if before.env != after.env {
        let keys = before.env.keys().chain(after.env.keys());
        let mut edited: Vec<&String> =
            keys.filter(|key| before.env.get(*key) != after.env.get(*key)).collect();
        edited.sort();
        edited.dedup();
        // Names only: values may be credentials.
        let names: Vec<&str> = edited.iter().map(|key| key.as_str()).collect();
        found.push(("k8s.workload.EnvChanged", format!("{name}: {}", names.join(", "))));
    }
    if before.env_from != after.env_from {
        found.push(("k8s.workload.ReferenceChanged", format!("{name}: environment references were edited")));
    }
    if before.probes != after.probes {
        found.push(("k8s.workload.ProbeChanged", format!("{name}: probes were edited")));
    }
    if before.requests != after.requests || before.limits != after.limits {
        let detail = format!("{name}: limits {:?} to {:?} (milli-units)", before.limits, after.limits);
        found.push(("k8s.workload.ResourcesChanged", detail));
    }
    if before.ports != after.ports {
        found.push(("k8s.workload.SpecChanged", format!("{name}: ports were edited")));
    }
}

fn service(previous: &ObjectState, next: &ObjectState) -> Vec<Change> {
    if let (Some(before), Some(after)) = (&previous.endpoints, &next.endpoints) {
        let (before, after) = (before.ready.len(), after.ready.len());
        let lost = after < before && 0 < after;
        return lost
            .then(|| ("k8s.service.EndpointsReduced", format!("{before} to {after} ready")))
            .into_iter()
            .collect();
    }
    let mut found = Vec::new();
    if previous.selector != next.selector {
        found
            .push(("k8s.service.SelectorChanged", format!("{:?} to {:?}", previous.selector, next.selector)));
    }
    if previous.ports != next.ports {
        let ports = |state: &ObjectState| -> Vec<String> {
            state.ports.iter().map(|port| format!("{}->{}", port.port, port.target)).collect()
        };
        found.push((
            "k8s.service.PortChanged",
            format!("{} to {}", ports(previous).join(" "), ports(next).join(" ")),
        ));
    }
    found
}

fn quota(previous: &ObjectState, next: &ObjectState) -> Vec<Change> {
    let edited = previous.hard != next.hard || previous.rest_hash != next.rest_hash;
    let detail = || format!("{}: {:?} to {:?} (milli-units)", next.uid, previous.hard, next.hard);
    edited.then(|| ("k8s.quota.Changed", detail())).into_iter().collect()
}

fn node(previous: &ObjectState, next: &ObjectState) -> Vec<Change> {
    // The cordon itself is a standing state (`signals`); the taint that it brings along is not another change.
    let own = |state: &ObjectState| -> Vec<String> {
        state.taints.iter().filter(|taint| !taint.starts_with("node.kubernetes.io/")).cloned().collect()
    };
    let (before, after) = (own(previous), own(next));
    let edited = before != after;
    edited.then(|| ("k8s.node.TaintChanged", format!("{before:?} to {after:?}"))).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::changes;
    use crate::object::parse::parse;
    use crate::time::EventTime;

    fn found(before: Value, after: Value) -> Vec<(&'static str, String)> {
        let at = |object: &Value, ms: i64| parse(object, EventTime(1_780_000_000_000 + ms)).unwrap().unwrap();
        let signals = changes(&at(&before, 0), &at(&after, 1_000));
        signals.into_iter().map(|signal| (signal.kind.id(), signal.detail)).collect()
    }

    fn deployment(image: &str, memory: &str, replicas: i64) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop", "generation": replicas},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [
                {"name": "main", "image": image, "resources": {"limits": {"memory": memory}}}]}}}})
    }

    #[test]
    fn an_image_change_is_also_a_rollout() {
        let found = found(deployment("cart:1", "64Mi", 2), deployment("cart:2", "64Mi", 2));
        let kinds: Vec<&str> = found.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, ["k8s.workload.ImageChanged", "k8s.workload.Rollout"]);
        assert_eq!(found[0].1, "main: cart:1 to cart:2");
    }

    #[test]
    fn scaling_is_no_rollout() {
        let found = found(deployment("cart:1", "64Mi", 2), deployment("cart:1", "64Mi", 0));
        assert_eq!(found, [("k8s.workload.ScaledToZero", "replicas: 2 to 0".to_owned())]);
    }

    #[test]
    fn a_secret_change_names_keys_and_no_values() {
        let secret = |data: Value| json!({"kind": "Secret", "metadata": {"name": "db", "namespace": "shop"}, "dataHash": data});
        let found = found(secret(json!({"url": "h1"})), secret(json!({"url": "h2", "password": "h3"})));
        assert_eq!(found, [("k8s.secret.Changed", "added password".to_owned())]);
    }

    #[test]
    fn the_same_object_seen_again_did_not_change() {
        assert!(found(deployment("cart:1", "64Mi", 2), deployment("cart:1", "64Mi", 2)).is_empty());
    }
}
