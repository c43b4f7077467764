//! Containers, volumes and tolerations of a described pod or pod template.

use serde_json::{Map, Value, json};

use super::times::rfc3339;
use super::tree::Node;

/// Specs and statuses of the containers below a heading.
pub(super) fn containers(heading: Option<&Node<'_>>, specs: &mut Vec<Value>, statuses: &mut Vec<Value>) {
    for container in heading.map(|node| node.children.as_slice()).unwrap_or_default() {
        specs.push(spec(container));
        statuses.push(json!({
            "name": container.key,
            "ready": container.text("Ready") == "True",
            "restartCount": container.text("Restart Count").parse::<i64>().unwrap_or(0),
            "state": state(container.child("State")),
            "lastState": state(container.child("Last State")),
        }));
    }
}

fn spec(container: &Node<'_>) -> Value {
    let words = |key: &str| container.lines(key).iter().map(|line| Value::from(*line)).collect::<Vec<_>>();
    let (env, env_from) = environment(container);
    let mut spec = json!({
        "name": container.key,
        "image": container.text("Image"),
        "command": words("Command"),
        "args": words("Args"),
        "ports": ports(container),
        "env": env,
        "envFrom": env_from,
        "resources": {"limits": entries(container.child("Limits")), "requests": entries(container.child("Requests"))},
    });
    for (heading, field) in
        [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")]
    {
        let text = container.text(heading);
        if !text.is_empty() {
            spec[field] = probe(text);
        }
    }
    spec
}

fn ports(container: &Node<'_>) -> Vec<Value> {
    let listed = [container.text("Port"), container.text("Ports")].join(",");
    // Newer versions of kubectl print the name, too: `8080/TCP (http)`.
    let port = |part: &str| {
        let (number, rest) = part.trim().split_once('/')?;
        let (protocol, name) = rest.split_once(" (").unwrap_or((rest, ""));
        let name = name.trim_end_matches(')');
        Some(json!({"containerPort": number.parse::<u16>().ok()?, "protocol": protocol, "name": name}))
    };
    listed.split(',').filter_map(port).collect()
}

fn entries(node: Option<&Node<'_>>) -> Map<String, Value> {
    let lines = node.map(|node| node.children.as_slice()).unwrap_or_default();
    lines.iter().map(|line| (line.key.to_owned(), Value::from(line.value))).collect()
}

/// `<set to the key 'url' in secret 'db'>  Optional: false` is a reference; the rest are values.
fn environment(container: &Node<'_>) -> (Vec<Value>, Vec<Value>) {
    let mut env = Vec::new();
    for variable in container.child("Environment").map(|node| node.children.as_slice()).unwrap_or_default() {
        let quoted: Vec<&str> = variable.value.split('\'').collect();
        let optional = variable.value.contains("Optional: true");
        let from = match quoted.as_slice() {
            [first, key, second, name, ..] if first.starts_with("<set to the key") => {
                let field = if second.contains("secret") { "secretKeyRef" } else { "configMapKeyRef" };
                Some(json!({field: {"name": name, "key": key, "optional": optional}}))
            }
            _ => None,
        };
        env.push(match from {
            Some(from) => json!({"name": variable.key, "valueFrom": from}),
            None => json!({"name": variable.key, "value": variable.value}),
        });
    }
    let mut env_from = Vec::new();
    for source in
        container.child("Environment Variables from").map(|node| node.children.as_slice()).unwrap_or_default()
    {
        let text = if source.key.is_empty() { source.value } else { source.key };
        let name = text.split_whitespace().next().unwrap_or_default();
        let line = format!("{} {}", source.key, source.value);
        let field = if line.contains("Secret") { "secretRef" } else { "configMapRef" };
        env_from.push(json!({field: {"name": name, "optional": line.contains("Optional: true")}}));
    }
    (env, env_from)
}

/// `http-get http://:8080/healthz delay=5s timeout=1s period=10s #success=1 #failure=3`.
fn probe(text: &str) -> Value {
    let number = |name: &str| {
        let word = text.split_whitespace().find_map(|word| word.strip_prefix(name));
        word.and_then(|word| word.trim_end_matches('s').parse::<i64>().ok()).unwrap_or(0)
    };
    let mut probe = json!({
        "initialDelaySeconds": number("delay="),
        "timeoutSeconds": number("timeout="),
        "periodSeconds": number("period="),
        "failureThreshold": number("#failure="),
    });
    let mut words = text.split_whitespace();
    let (handler, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let port = |text: &str| text.parse::<u16>().map(Value::from).unwrap_or_else(|_| Value::from(text));
    match handler {
        "http-get" => {
            let (scheme, rest) = target.split_once("://").unwrap_or(("http", target));
            let (host, path) =
                rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
            let number = host.rsplit(':').next().unwrap_or_default();
            probe["httpGet"] =
                json!({"port": port(number), "path": path, "scheme": scheme.to_ascii_uppercase()});
        }
        "tcp-socket" => {
            probe["tcpSocket"] = json!({"port": port(target.rsplit(':').next().unwrap_or_default())})
        }
        "grpc" => probe["grpc"] = json!({"port": port(target.rsplit(':').next().unwrap_or_default())}),
        _ => {
            let command = text
                .split_once('[')
                .and_then(|(_, rest)| rest.split_once(']'))
                .map_or("", |(command, _)| command);
            probe["exec"] = json!({"command": command.split_whitespace().collect::<Vec<_>>()});
        }
    }
    probe
}

fn state(node: Option<&Node<'_>>) -> Value {
    let Some(node) = node else { return json!({}) };
    match node.value {
        "Waiting" => json!({"waiting": {"reason": node.text("Reason"), "message": node.text("Message")}}),
        "Running" => json!({"running": {"startedAt": rfc3339(node.text("Started"))}}),
        "Terminated" => json!({"terminated": {
            "reason": node.text("Reason"),
            "exitCode": node.text("Exit Code").parse::<i64>().unwrap_or(0),
            "message": node.text("Message"),
            "finishedAt": rfc3339(node.text("Finished")),
        }}),
        _ => json!({}),
    }
}

/// Config maps, secrets and claims below `Volumes:`.
pub(super) fn volumes(heading: Option<&Node<'_>>) -> Vec<Value> {
    let mut found = Vec::new();
    for volume in heading.map(|node| node.children.as_slice()).unwrap_or_default() {
        let kind = volume.text("Type").split_whitespace().next().unwrap_or_default();
        let optional = volume.text("Optional") == "true";
        let source = match kind {
            "ConfigMap" => json!({"configMap": {"name": volume.text("Name"), "optional": optional}}),
            "Secret" => json!({"secret": {"secretName": volume.text("SecretName"), "optional": optional}}),
            "PersistentVolumeClaim" => {
                json!({"persistentVolumeClaim": {"claimName": volume.text("ClaimName")}})
            }
            _ => continue,
        };
        found.push(source);
    }
    found
}

/// `key=value:Effect op=Exists for 300s` per line.
pub(super) fn tolerations(lines: &[&str]) -> Vec<Value> {
    let toleration = |line: &&str| {
        let first = line.split_whitespace().next().unwrap_or_default();
        let (rest, effect) = first.split_once(':').unwrap_or((first, ""));
        let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
        json!({"key": key, "value": value, "effect": effect})
    };
    lines.iter().map(toleration).collect()
}

/// Names below `Image Pull Secrets:`, where a version of kubectl prints them.
pub(super) fn pull_secrets(node: &Node<'_>) -> Vec<Value> {
    let lines = node.lines("Image Pull Secrets");
    lines.iter().flat_map(|line| line.split(',')).map(|name| json!({"name": name.trim()})).collect()
}
