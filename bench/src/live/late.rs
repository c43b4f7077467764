//! Retraction: how long after a late event is appended the chain that it corrects is visible.
//!
//! Each time a pod of its own, on a node of its own, fails its probe and raises an alert: the chain begins at the probe. Then
//! comes an Event of two minutes before: the node was lost. The chain has to begin there, and what was said before is taken back.

use anyhow::{Context, Result, bail};
use dataflow::ingest::clock::now;
use schemas::codec::Format;
use schemas::entity::EntityKind;
use schemas::ids::TenantId;
use schemas::read::Changes;
use schemas::time::EventTime;
use schemas::view::{ChainRow, Row, ViewName};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::seen::subscribe;
use super::{Live, PATIENCE};

/// How long before now things happened, in milliseconds: the late event before all others.
const NODE_LOST_MS: i64 = 120_000;
const PROBE_MS: i64 = 60_000;
const ALERT_MS: i64 = 20_000;

/// Sends so many late events one after the other: milliseconds from the append of each until its chain was visible.
pub async fn corrected(live: &Live, tenant: &TenantId, times: usize) -> Result<Vec<f64>> {
    let mut chains = subscribe(&live.reader(), tenant, ViewName::Chains).await?;
    let mut corrected = Vec::with_capacity(times);
    for number in 0..times {
        let (name, at) = (format!("late-{number}"), now());
        live.append(tenant, before(&name, at).into_iter().map(|(_, bytes)| bytes).collect()).await?;
        begins(&mut chains, &name, EntityKind::Pod).await.context("the chain before the late event")?;
        let appended = Instant::now();
        live.append(tenant, vec![lost(&name, at).1]).await?;
        let visible = begins(&mut chains, &name, EntityKind::Node).await.context("the corrected chain")?;
        corrected.push(visible.duration_since(appended).as_secs_f64() * 1_000.0);
    }
    Ok(corrected)
}

/// Waits until the alert of a pod is explained by something on an entity of a kind.
async fn begins(chains: &mut mpsc::Receiver<Changes>, name: &str, kind: EntityKind) -> Result<Instant> {
    let of = |chain: &ChainRow| {
        chain.symptom.entity.name == name && chain.symptom.kind.id() == "alert.pod_not_ready"
    };
    let found = async {
        while let Some(Changes { rows, .. }) = chains.recv().await {
            let here = rows.iter().any(|(row, diff)| {
                matches!(row, Row::Chain(row) if 0 < *diff && of(row) && row.rank == 1 && row.root.entity.kind == kind)
            });
            if here {
                return Ok(Instant::now());
            }
        }
        bail!("the subscription was cut off")
    };
    tokio::time::timeout(PATIENCE, found).await.with_context(|| format!("nothing about {name}"))?
}

/// A pod on a node, a probe that fails, an alert.
fn before(name: &str, at: EventTime) -> Vec<(Format, Vec<u8>)> {
    let pod = json!({"kind": "Pod", "metadata": {"name": name, "namespace": "load", "uid": name},
        "spec": {"nodeName": node(name)}, "status": {"phase": "Running"}});
    let of = json!({"kind": "Pod", "namespace": "load", "name": name});
    let probe = event(name, of, ("Unhealthy", "Readiness probe failed: timeout"), at.plus_ms(-PROBE_MS));
    let alert = json!({"status": "firing", "labels": {"alertname": "KubePodNotReady", "namespace": "load", "pod": name},
        "annotations": {"for": "1s"}, "startsAt": at.plus_ms(-ALERT_MS).to_string(),
        "endsAt": "0001-01-01T00:00:00Z", "fingerprint": name});
    let hook = json!({"version": "4", "status": "firing", "receiver": "kgroot", "groupKey": name, "alerts": [alert]});
    let kubernetes = |document: Value| (Format::Kubernetes, document.to_string().into_bytes());
    vec![kubernetes(pod), kubernetes(probe), (Format::Alertmanager, hook.to_string().into_bytes())]
}

/// The late event: the node was lost before.
fn lost(name: &str, at: EventTime) -> (Format, Vec<u8>) {
    let of = json!({"kind": "Node", "name": node(name)});
    let event = event(&node(name), of, ("NodeNotReady", "Node is not ready"), at.plus_ms(-NODE_LOST_MS));
    (Format::Kubernetes, event.to_string().into_bytes())
}

fn node(name: &str) -> String {
    format!("node-{name}")
}

fn event(name: &str, of: Value, (reason, message): (&str, &str), at: EventTime) -> Value {
    json!({"kind": "Event", "metadata": {"name": format!("e-{name}"), "namespace": "load", "uid": format!("e-{name}")},
        "involvedObject": of, "reason": reason, "message": message, "type": "Warning", "count": 1,
        "firstTimestamp": at.to_string(), "lastTimestamp": at.to_string(), "reportingComponent": "kubelet"})
}
