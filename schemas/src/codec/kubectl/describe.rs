//! A described object, as the JSON of `kubectl get -o json`.

use serde_json::{Map, Value, json};

use super::template::{containers, pull_secrets, tolerations, volumes};
use super::times::rfc3339;
use super::tree::{Node, tree};

/// kubectl's names of kinds, singular, plural and short.
const KINDS: [(&[&str], &str); 19] = [
    (&["pod", "pods", "po"], "Pod"),
    (&["deployment", "deployments", "deploy"], "Deployment"),
    (&["replicaset", "replicasets", "rs"], "ReplicaSet"),
    (&["statefulset", "statefulsets", "sts"], "StatefulSet"),
    (&["daemonset", "daemonsets", "ds"], "DaemonSet"),
    (&["job", "jobs"], "Job"),
    (&["cronjob", "cronjobs", "cj"], "CronJob"),
    (&["service", "services", "svc"], "Service"),
    (&["endpoints", "ep"], "Endpoints"),
    (&["node", "nodes", "no"], "Node"),
    (&["namespace", "namespaces", "ns"], "Namespace"),
    (&["configmap", "configmaps", "cm"], "ConfigMap"),
    (&["secret", "secrets"], "Secret"),
    (&["serviceaccount", "serviceaccounts", "sa"], "ServiceAccount"),
    (&["resourcequota", "resourcequotas", "quota"], "ResourceQuota"),
    (&["persistentvolumeclaim", "persistentvolumeclaims", "pvc"], "PersistentVolumeClaim"),
    (&["persistentvolume", "persistentvolumes", "pv"], "PersistentVolume"),
    (&["horizontalpodautoscaler", "horizontalpodautoscalers", "hpa"], "HorizontalPodAutoscaler"),
    (&["ingress", "ingresses", "ing"], "Ingress"),
];

/// The kind that kubectl calls by a name.
pub(super) fn kind_by_name(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    KINDS.iter().find(|(names, _)| names.contains(&lower.as_str())).map(|(_, kind)| *kind)
}

/// The kind of a described object: as the command says, else by fields that only one kind has.
pub(super) fn kind_of(block: &[&str], named: Option<&str>) -> Option<&'static str> {
    if let Some(name) = named {
        return kind_by_name(name);
    }
    let has = |start: &str| block.iter().any(|line| line.starts_with(start));
    let by_field = [
        ("Node-Selectors:", "Pod"),
        ("StrategyType:", "Deployment"),
        ("NewReplicaSet:", "Deployment"),
        ("Update Strategy:", "StatefulSet"),
        ("Desired Number of Nodes Scheduled:", "DaemonSet"),
        ("Completions:", "Job"),
        ("Pods Status:", "ReplicaSet"),
        ("Session Affinity:", "Service"),
        ("Subsets:", "Endpoints"),
        ("Allocatable:", "Node"),
        ("Resource Quotas", "Namespace"),
        ("Mountable secrets:", "ServiceAccount"),
        ("BinaryData", "ConfigMap"),
        ("Reclaim Policy:", "PersistentVolume"),
        ("Used By:", "PersistentVolumeClaim"),
        ("Resource ", "ResourceQuota"),
        ("Default backend:", "Ingress"),
        ("Data", "Secret"),
    ];
    by_field.iter().find(|(field, _)| has(field)).map(|(_, kind)| *kind)
}

/// The object of a block; `None` for kinds that are not read.
pub(super) fn object(block: &[&str], named: Option<&str>) -> Option<Value> {
    let kind = kind_of(block, named)?;
    let end = block.iter().position(|line| line.starts_with("Events:")).unwrap_or(block.len());
    let root = tree(&block[..end]);
    let name = root.text("Name");
    if name.is_empty() {
        return None;
    }
    let mut object = json!({"kind": kind, "metadata": metadata(&root), "spec": {}, "status": {}});
    match kind {
        "Pod" => pod(&root, &mut object),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => workload(&root, &mut object),
        "Service" => service(&root, &mut object),
        "Endpoints" => endpoints(&root, &mut object),
        "Node" => node(&root, &mut object),
        "ResourceQuota" => quota(block, &mut object),
        "ConfigMap" | "Secret" => data(&block[..end], &mut object),
        "PersistentVolumeClaim" | "PersistentVolume" => storage(kind, &root, &mut object),
        "ServiceAccount" => {
            let names = root.lines("Image pull secrets");
            object["imagePullSecrets"] =
                names.iter().map(|name| json!({"name": name.trim_end_matches(" (not found)")})).collect();
        }
        "Namespace" => object["status"]["phase"] = Value::from(root.text("Status")),
        "Ingress" => ingress(&block[..end], &mut object),
        _ => {}
    }
    Some(object)
}

fn metadata(root: &Node<'_>) -> Value {
    let created = [root.text("CreationTimestamp"), root.text("Start Time")];
    let created = created.into_iter().map(rfc3339).find(|time| !time.is_empty());
    let mut metadata = json!({
        "name": root.text("Name"),
        "namespace": root.text("Namespace"),
        "labels": pairs(&root.lines("Labels")),
    });
    if let Some(created) = created {
        metadata["creationTimestamp"] = Value::from(created);
    }
    if let Some((kind, name)) = root.text("Controlled By").split_once('/') {
        metadata["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
    }
    metadata
}

/// `a=b` per line or separated by commas.
pub(super) fn pairs(lines: &[&str]) -> Value {
    let parts = lines.iter().flat_map(|line| line.split(','));
    let pairs = parts.filter_map(|part| part.trim().split_once('='));
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), Value::from(value))).collect::<Map<_, _>>())
}

fn pod(root: &Node<'_>, object: &mut Value) {
    let node = root.text("Node").split('/').next().unwrap_or_default();
    let (mut specs, mut statuses) = (Vec::new(), Vec::new());
    containers(root.child("Containers"), &mut specs, &mut statuses);
    let (mut init_specs, mut init_statuses) = (Vec::new(), Vec::new());
    containers(root.child("Init Containers"), &mut init_specs, &mut init_statuses);
    object["spec"] = json!({
        "nodeName": node,
        "serviceAccountName": root.text("Service Account"),
        "nodeSelector": pairs(&root.lines("Node-Selectors")),
        "tolerations": tolerations(&root.lines("Tolerations")),
        "containers": specs,
        "initContainers": init_specs,
        "volumes": volumes(root.child("Volumes")),
        "imagePullSecrets": pull_secrets(root),
    });
    object["status"] = json!({
        "phase": root.text("Status").split_whitespace().next().unwrap_or_default(),
        "reason": root.text("Reason"),
        "message": root.text("Message"),
        "containerStatuses": statuses,
        "initContainerStatuses": init_statuses,
        "conditions": conditions(root),
    });
}

fn workload(root: &Node<'_>, object: &mut Value) {
    let empty = Node::default();
    let template = root.child("Pod Template").unwrap_or(&empty);
    let (mut specs, mut ignored) = (Vec::new(), Vec::new());
    containers(template.child("Containers"), &mut specs, &mut ignored);
    // `1 desired | 1 updated | 1 total | 1 available | 0 unavailable`, or `1 current / 1 desired`.
    let count = |word: &str| {
        let parts = root.text("Replicas").split(['|', '/']);
        let found = parts.filter_map(|part| part.trim().split_once(' ')).find(|(_, name)| *name == word);
        found.and_then(|(number, _)| number.parse::<i64>().ok())
    };
    let running = root
        .text("Pods Status")
        .split('/')
        .next()
        .and_then(|part| part.split_whitespace().next()?.parse::<i64>().ok());
    let scheduled = root.text("Desired Number of Nodes Scheduled").parse::<i64>().unwrap_or(0);
    object["spec"] = json!({
        "replicas": count("desired").unwrap_or(1),
        "selector": {"matchLabels": pairs(&root.lines("Selector"))},
        "template": {
            "metadata": {"labels": pairs(&template.lines("Labels"))},
            "spec": {
                "serviceAccountName": template.text("Service Account"),
                "nodeSelector": pairs(&template.lines("Node-Selectors")),
                "tolerations": tolerations(&template.lines("Tolerations")),
                "containers": specs,
                "volumes": volumes(template.child("Volumes")),
                "imagePullSecrets": pull_secrets(template),
            },
        },
    });
    object["status"] = json!({
        "replicas": count("total").or(count("current")),
        "updatedReplicas": count("updated"),
        "availableReplicas": count("available").or(running),
        "desiredNumberScheduled": scheduled,
        "numberReady": running,
        "conditions": conditions(root),
    });
}

fn service(root: &Node<'_>, object: &mut Value) {
    let mut ports: Vec<Value> = Vec::new();
    for line in &root.children {
        match line.key {
            "Port" => {
                let (name, number) = line.value.rsplit_once(' ').unwrap_or(("", line.value));
                let (port, protocol) = number.split_once('/').unwrap_or((number, "TCP"));
                let name = if name.trim() == "<unset>" { "" } else { name.trim() };
                ports.push(
                    json!({"name": name, "port": port.parse::<u16>().unwrap_or(0), "protocol": protocol}),
                );
            }
            "TargetPort" => {
                let target = line.value.split('/').next().unwrap_or_default();
                if let Some(port) = ports.last_mut() {
                    port["targetPort"] = Value::from(target);
                }
            }
            _ => {}
        }
    }
    object["spec"] =
        json!({"selector": pairs(&root.lines("Selector")), "ports": ports, "type": root.text("Type")});
}

fn endpoints(root: &Node<'_>, object: &mut Value) {
    let empty = Node::default();
    let subsets = root.child("Subsets").unwrap_or(&empty);
    let addresses = |key: &str| -> Vec<Value> {
        let listed = subsets.text(key).split(',').map(str::trim).filter(|ip| !ip.is_empty());
        listed.map(|ip| json!({"ip": ip})).collect()
    };
    object["subsets"] =
        json!([{"addresses": addresses("Addresses"), "notReadyAddresses": addresses("NotReadyAddresses")}]);
}

fn node(root: &Node<'_>, object: &mut Value) {
    let taints = root.lines("Taints");
    let taint = |line: &&str| {
        let (rest, effect) = line.rsplit_once(':').unwrap_or((line, ""));
        let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
        json!({"key": key, "value": value, "effect": effect})
    };
    object["spec"] = json!({
        "unschedulable": root.text("Unschedulable") == "true",
        "taints": taints.iter().map(taint).collect::<Vec<_>>(),
    });
    let allocatable = root.child("Allocatable").map(|node| node.children.as_slice()).unwrap_or_default();
    let allocatable: Map<String, Value> =
        allocatable.iter().map(|line| (line.key.to_owned(), Value::from(line.value))).collect();
    object["status"] = json!({"conditions": conditions(root), "allocatable": allocatable});
    object["metadata"]["namespace"] = Value::from("");
}

fn quota(block: &[&str], object: &mut Value) {
    let rows = block.iter().skip_while(|line| !line.starts_with("Resource ")).skip(2);
    let (mut hard, mut used) = (Map::new(), Map::new());
    for row in rows.take_while(|line| !line.starts_with("Events:")) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        if let [resource, in_use, limit] = cells.as_slice() {
            hard.insert((*resource).to_owned(), Value::from(*limit));
            used.insert((*resource).to_owned(), Value::from(*in_use));
        }
    }
    object["status"] = json!({"hard": hard, "used": used});
}

/// Keys of the data, with a hash of the text below each.
fn data(block: &[&str], object: &mut Value) {
    let start = block.iter().position(|line| line.trim_end() == "Data").map_or(block.len(), |at| at + 2);
    let mut values: Map<String, Value> = Map::new();
    let mut key = String::new();
    for line in block.iter().skip(start).take_while(|line| line.trim_end() != "BinaryData") {
        match line.split_once(':') {
            Some((name, rest))
                if !line.starts_with(' ')
                    && !name.contains(' ')
                    && (rest.is_empty() || rest.ends_with("bytes")) =>
            {
                key = name.to_owned();
                values.insert(key.clone(), Value::from(rest.trim()));
            }
            _ if !key.is_empty() => {
                let so_far = values.get(&key).and_then(Value::as_str).unwrap_or_default();
                let joined = format!("{so_far}\n{line}");
                values.insert(key.clone(), Value::from(joined));
            }
            _ => {}
        }
    }
    object["data"] = Value::Object(values);
}

fn storage(kind: &str, root: &Node<'_>, object: &mut Value) {
    let modes: Vec<&str> =
        root.text("Access Modes").split(',').map(str::trim).filter(|mode| !mode.is_empty()).collect();
    let claim = root.text("Claim").split_once('/');
    object["spec"] = match (kind, claim) {
        ("PersistentVolume", Some((namespace, name))) => {
            json!({"claimRef": {"namespace": namespace, "name": name}})
        }
        _ => json!({"volumeName": root.text("Volume")}),
    };
    object["spec"]["accessModes"] = json!(modes);
    object["spec"]["storageClassName"] = Value::from(root.text("StorageClass"));
    object["spec"]["capacity"] = json!({"storage": root.text("Capacity")});
    object["spec"]["resources"] = json!({"requests": {"storage": root.text("Capacity")}});
    object["status"]["phase"] =
        Value::from(root.text("Status").split_whitespace().next().unwrap_or_default());
}

/// Backends of the rules and the default one: `/pay  pay:8080 (10.1.0.4:8080)`.
fn ingress(block: &[&str], object: &mut Value) {
    let backend = |cell: &str| {
        let (name, port) = cell.split_whitespace().next()?.rsplit_once(':')?;
        let port = match port.parse::<u16>() {
            Ok(number) => json!({"number": number}),
            Err(_) => json!({"name": port}),
        };
        (!name.is_empty() && !name.starts_with('<')).then(|| json!({"service": {"name": name, "port": port}}))
    };
    let default = block.iter().find_map(|line| line.strip_prefix("Default backend:")).and_then(backend);
    object["spec"]["defaultBackend"] = default.unwrap_or(Value::Null);
    let rows = block.iter().skip_while(|line| !line.starts_with("Rules:")).skip(1);
    let rows = rows.take_while(|line| line.starts_with(' ')).filter(|line| line.contains(" /"));
    let paths = rows.filter_map(|row| {
        let cells = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        backend(cells.last()?).map(|backend| json!({"backend": backend}))
    });
    let paths: Vec<Value> = paths.collect();
    object["spec"]["rules"] = json!([{"http": {"paths": paths}}]);
}

/// The `Conditions:` table: type, status, and for nodes times, reason and message.
fn conditions(root: &Node<'_>) -> Vec<Value> {
    let Some(table) = root.child("Conditions") else { return Vec::new() };
    let mut found = Vec::new();
    for row in &table.children {
        let line =
            if row.key.is_empty() { row.value.to_owned() } else { format!("{}: {}", row.key, row.value) };
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let condition = match cells.as_slice() {
            ["Type" | "----", ..] => continue,
            [name, status, _, changed, reason, rest @ ..] => {
                json!({"type": name, "status": status, "lastTransitionTime": rfc3339(changed), "reason": reason, "message": rest.join(" ")})
            }
            [name, status, reason] => json!({"type": name, "status": status, "reason": reason}),
            [name, status] => json!({"type": name, "status": status}),
            _ => continue,
        };
        found.push(condition);
    }
    found
}
