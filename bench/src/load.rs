//! Load: a stream of valid records that keeps the whole path busy: decode, normalize, seal, compute, publish.

use schemas::codec::{Format, avro};
use schemas::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use schemas::ids::{EventId, TenantId};
use schemas::time::EventTime;
use serde_json::{Value, json};

use crate::scenario::random::Random;

/// Pods, services and nodes that the stream speaks of.
const PODS: u64 = 2_000;
const SERVICES: u64 = 50;
const NODES: u64 = 40;

/// Kinds of Kubernetes Events in the stream, with how many in a hundred.
const REASONS: [(&str, &str, u64); 5] = [
    ("Pulled", "Container image already present", 60),
    ("Unhealthy", "Readiness probe failed: connection refused", 15),
    ("BackOff", "Back-off restarting failed container main", 15),
    ("FailedScheduling", "0/40 nodes are available: insufficient cpu", 5),
    ("Killing", "Stopping container main", 5),
];

/// An endless stream of records.
pub struct Load {
    random: Random,
    tenant: TenantId,
    number: u64,
}

impl Load {
    /// A stream of a seed, for a tenant.
    pub fn new(seed: u64, tenant: &TenantId) -> Self {
        Load { random: Random::new(seed), tenant: tenant.clone(), number: 0 }
    }

    /// The objects that the stream speaks of, to be sent first.
    pub fn objects(&mut self) -> Vec<(Format, Vec<u8>)> {
        let pod = |number: u64| {
            json!({"kind": "Pod", "metadata": {"name": format!("pod-{number}"), "namespace": "load", "uid": format!("u{number}")},
                "spec": {"nodeName": format!("node-{}", number % NODES)}, "status": {"phase": "Running"}})
        };
        let items: Vec<_> = (0..PODS).map(pod).collect();
        vec![(Format::Kubernetes, json!({"kind": "List", "items": items}).to_string().into_bytes())]
    }

    /// The next record, dated `at`: a Kubernetes Event or a line of a log, as JSON.
    pub fn record(&mut self, at: EventTime) -> (Format, Vec<u8>) {
        self.number += 1;
        if self.random.below(10) < 6 {
            (Format::Kubernetes, self.event(at).1.to_string().into_bytes())
        } else {
            (Format::JsonEnvelope, self.json_line(at).to_string().into_bytes())
        }
    }

    /// The same record as an envelope in Avro, framed with id 1.
    pub fn avro(&mut self, at: EventTime) -> Vec<u8> {
        self.number += 1;
        let envelope =
            if self.random.below(10) < 6 { self.enveloped_event(at) } else { self.enveloped_line(at) };
        [&[0, 0, 0, 0, 1], avro::encode(&envelope).as_slice()].concat()
    }

    /// A node is lost with `count` pods of its own, and an alert fires for each.
    pub fn burst(&self, count: u64, at: EventTime) -> Vec<(Format, Vec<u8>)> {
        let node = json!({"kind": "Node", "metadata": {"name": "node-burst", "uid": "node-burst"},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown", "lastTransitionTime": at.to_string()}]}});
        let alert = |number: u64| {
            json!({"status": "firing", "labels": {"alertname": "KubePodNotReady", "namespace": "load", "pod": format!("burst-{number}")},
                "annotations": {"for": "1m"}, "startsAt": at.plus_ms(61_000).to_string(), "endsAt": "0001-01-01T00:00:00Z", "fingerprint": format!("{number:x}")})
        };
        let mut records = vec![(Format::Kubernetes, node.to_string().into_bytes())];
        let numbers: Vec<u64> = (0..count).collect();
        for part in numbers.chunks(500) {
            let pods: Vec<_> = part.iter().map(|number| burst_pod(*number)).collect();
            records
                .push((Format::Kubernetes, json!({"kind": "List", "items": pods}).to_string().into_bytes()));
            let alerts: Vec<_> = part.iter().map(|number| alert(*number)).collect();
            let hook = json!({"version": "4", "status": "firing", "receiver": "kgroot", "groupKey": "burst", "alerts": alerts});
            records.push((Format::Alertmanager, hook.to_string().into_bytes()));
        }
        records
    }

    /// The pods and the node of a burst are removed.
    pub fn aftermath(&self, count: u64) -> Vec<(Format, Vec<u8>)> {
        let deleted = |object: serde_json::Value| {
            (Format::Kubernetes, json!({"type": "DELETED", "object": object}).to_string().into_bytes())
        };
        let node = json!({"kind": "Node", "metadata": {"name": "node-burst", "uid": "node-burst"}, "status": {"conditions": []}});
        std::iter::once(node).chain((0..count).map(burst_pod)).map(deleted).collect()
    }

    /// An Event, and the pod that it is about.
    fn event(&mut self, at: EventTime) -> (String, Value) {
        let mut draw = self.random.below(100);
        let mut chosen = REASONS[0];
        for reason in REASONS {
            chosen = reason;
            if draw < reason.2 {
                break;
            }
            draw -= reason.2;
        }
        let (number, pod) = (self.number, format!("pod-{}", self.random.below(PODS)));
        let document = json!({"kind": "Event", "metadata": {"name": format!("e{number}"), "namespace": "load", "uid": format!("e{number}")},
            "involvedObject": {"kind": "Pod", "namespace": "load", "name": pod}, "reason": chosen.0, "message": chosen.1,
            "type": "Warning", "count": 1, "firstTimestamp": at.to_string(), "lastTimestamp": at.to_string(), "reportingComponent": "kubelet"});
        (pod, document)
    }

    /// A line of a service's log.
    fn line(&mut self) -> Line {
        let severity = if self.random.below(20) == 0 { Severity::Error } else { Severity::Info };
        let service = format!("service-{}", self.random.below(SERVICES));
        let id = u128::from(self.random.bits() >> 32) << 96 | 0x4000_8000 << 48 | u128::from(self.number);
        let message = format!("request {} took {} ms", self.number, self.random.below(900));
        Line { severity, service, message, id: EventId(id) }
    }

    fn json_line(&mut self, at: EventTime) -> Value {
        let line = self.line();
        json!({"tenant_id": self.tenant, "source": "log", "event_type": "line", "ts": at.0, "severity": line.severity.as_str(),
            "entity": {"namespace": "load", "service": line.service}, "payload": {"message": line.message},
            "ingest_id": uuid::Uuid::from_u128(line.id.0)})
    }

    fn enveloped_line(&mut self, at: EventTime) -> Envelope {
        let line = self.line();
        let on = EnvelopeEntity { service: Some(line.service), ..EnvelopeEntity::default() };
        let envelope = self.envelope(("log", "line"), on, &json!({"message": line.message}), at);
        Envelope { severity: line.severity, ingest_id: line.id, ..envelope }
    }

    fn enveloped_event(&mut self, at: EventTime) -> Envelope {
        let (pod, document) = self.event(at);
        let on = EnvelopeEntity { pod: Some(pod), ..EnvelopeEntity::default() };
        self.envelope(("kubernetes", "event"), on, &document, at)
    }

    fn envelope(
        &self,
        (source, event_type): (&str, &str),
        on: EnvelopeEntity,
        payload: &Value,
        ts: EventTime,
    ) -> Envelope {
        Envelope {
            tenant_id: self.tenant.clone(),
            source: source.to_owned(),
            event_type: event_type.to_owned(),
            ts,
            correlation_ids: CorrelationIds::default(),
            entity: EnvelopeEntity { namespace: Some("load".to_owned()), ..on },
            severity: Severity::Warning,
            payload: payload.to_string(),
            ingest_id: EventId(u128::from(self.number)),
            schema_version: 1,
        }
    }
}

/// What a line of a log says.
struct Line {
    severity: Severity,
    service: String,
    message: String,
    id: EventId,
}

fn burst_pod(number: u64) -> serde_json::Value {
    json!({"kind": "Pod", "metadata": {"name": format!("burst-{number}"), "namespace": "load", "uid": format!("b{number}")},
        "spec": {"nodeName": "node-burst"}, "status": {"phase": "Running"}})
}
