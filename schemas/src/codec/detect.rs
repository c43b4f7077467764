//! The format of a record, by its first bytes and its top-level keys.

use serde_json::Value;

use super::Format;

/// A record whose format was told.
#[derive(Debug)]
pub struct Recognized {
    /// Its format.
    pub format: Format,
    /// What it was parsed to, if it is JSON.
    pub(super) document: Option<Value>,
}

/// The format, if it can be told. A record that is neither JSON nor Avro may still be kubectl's text.
pub fn recognize(bytes: &[u8]) -> Option<Recognized> {
    // What JSON takes for whitespace, and nothing else.
    let start = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    match bytes[start] {
        0 => Some(Recognized { format: Format::AvroEnvelope, document: None }),
        b'{' | b'[' => {
            let document: Value = serde_json::from_slice(&bytes[start..]).ok()?;
            Some(Recognized { format: of_json(&document)?, document: Some(document) })
        }
        _ => Some(Recognized { format: of_text(bytes.get(start..)?)?, document: None }),
    }
}

/// The format alone.
pub fn detect(bytes: &[u8]) -> Option<Format> {
    recognize(bytes).map(|recognized| recognized.format)
}

fn of_json(document: &Value) -> Option<Format> {
    let first = document.as_array().and_then(|items| items.first()).unwrap_or(document);
    let has = |keys: &[&str]| keys.iter().all(|key| first.get(key).is_some());
    let kind = first["kind"].as_str().unwrap_or_default();
    let object = if first["object"].is_object() { &first["object"] } else { first };
    if has(&["tenant_id", "ingest_id"]) {
        Some(Format::JsonEnvelope)
    } else if has(&["involvedObject", "reportingController", "severity"]) {
        Some(Format::Flux)
    } else if has(&["app"]) && first["app"]["status"].is_object()
        || matches!(kind, "Application" | "Workflow")
    {
        Some(Format::Argo)
    } else if has(&["apiVersion", "kind"])
        || has(&["kind", "metadata"])
        || has(&["kind", "items"])
        || has(&["type", "object"]) && object["kind"].is_string()
    {
        Some(Format::Kubernetes)
    } else if has(&["alerts", "groupKey"]) || has(&["alerts", "receiver"]) {
        Some(Format::Alertmanager)
    } else if has(&["event", "payload"])
        || has(&["repository", "sender"])
        || has(&["ref", "after", "commits"])
    {
        Some(Format::Github)
    } else if has(&["resourceSpans"]) || has(&["resourceLogs"]) || has(&["resourceMetrics"]) {
        Some(Format::Otlp)
    } else if has(&["timeseries"]) || has(&["status", "data"]) && first["data"]["resultType"].is_string() {
        Some(Format::Prometheus)
    } else if has(&["series"]) || has(&["alert_transition"]) || has(&["alert_id"]) {
        Some(Format::Datadog)
    } else if first["event"]["type"] == "message" || first["type"] == "message" && has(&["channel"]) {
        Some(Format::Slack)
    } else if first.as_object().is_some_and(|map| map.keys().any(|key| key.starts_with("kubectl "))) {
        Some(Format::KubectlText)
    } else {
        None
    }
}

fn of_text(bytes: &[u8]) -> Option<Format> {
    let head = std::str::from_utf8(&bytes[..bytes.len().min(4_096)]).unwrap_or_default();
    let described = head.starts_with("Name:") && head.contains('\n');
    let listed = head.starts_with("LAST SEEN") || head.starts_with("NAMESPACE") && head.contains("REASON");
    (described || listed).then_some(Format::KubectlText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        let cases = [
            ("{\"kind\":\"Pod\",\"metadata\":{}}", Some(Format::Kubernetes)),
            ("{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\"}}", Some(Format::Kubernetes)),
            ("{\"alerts\":[],\"groupKey\":\"g\"}", Some(Format::Alertmanager)),
            ("{\"event\":\"push\",\"payload\":{}}", Some(Format::Github)),
            ("{\"resourceLogs\":[]}", Some(Format::Otlp)),
            ("{\"tenant_id\":\"a\",\"ingest_id\":\"b\"}", Some(Format::JsonEnvelope)),
            ("Name:  cart\nNamespace: shop", Some(Format::KubectlText)),
            ("{\"kubectl get pods\":\"\"}", Some(Format::KubectlText)),
            ("\u{0}\u{0}", Some(Format::AvroEnvelope)),
            ("hello", None),
            ("{}", None),
            ("", None),
        ];
        for (text, format) in cases {
            assert_eq!(detect(text.as_bytes()), format, "{text}");
        }
    }
}
