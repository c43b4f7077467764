//! Envelope v1: the one shape in which every event travels (design, section 4; wire/envelope.v1.avsc).

use serde::{Deserialize, Serialize};

use crate::entity::named_enum;
use crate::ids::{EventId, TenantId};
use crate::time::EventTime;

use std::fmt;
use std::str::FromStr;

named_enum!(
    /// How bad the producer says it is. Weak evidence: Kubernetes reports node pressure as Normal.
    Severity, "severity" {
        /// Diagnostics.
        Debug = "debug",
        /// Normal operation.
        Info = "info",
        /// Something to look at.
        Warning = "warning",
        /// Something failed.
        Error = "error",
        /// Users are affected.
        Critical = "critical",
    }
);

/// The canonical event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Envelope {
    /// Owner of the event. The topic is the authority; a differing value is rejected.
    pub tenant_id: TenantId,
    /// System it came from: `kubernetes`, `alertmanager`, `github`, `argo`, `flux`, `datadog`, `prometheus`,
    /// `otel`, `slack`, `kgroot`, or the producer's own word.
    pub source: String,
    /// What the payload is, in the words of the source's module in `normalize`.
    pub event_type: String,
    /// When it happened, on the producer's clock.
    pub ts: EventTime,
    /// Ids that tie events of different sources together.
    pub correlation_ids: CorrelationIds,
    /// Where it happened, as far as the producer knows.
    pub entity: EnvelopeEntity,
    /// How bad it is.
    pub severity: Severity,
    /// Raw vendor fields as JSON text.
    pub payload: String,
    /// Idempotency key (UUID): the same key with the same content is the same delivery.
    pub ingest_id: EventId,
    /// Version of this shape; 1.
    pub schema_version: u32,
}

/// Ids that tie events of different sources together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CorrelationIds {
    /// W3C trace id.
    pub trace_id: Option<String>,
    /// Commit SHA or revision.
    pub commit: Option<String>,
    /// Pipeline run or workflow.
    pub workflow: Option<String>,
}

/// Where it happened, as far as the producer knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnvelopeEntity {
    /// Cluster name.
    pub cluster: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Logical service.
    pub service: Option<String>,
    /// Pod name.
    pub pod: Option<String>,
}
