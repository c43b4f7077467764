//! Flux events: the same reasons as the Kubernetes Events of its controllers.

use serde_json::{Value, json};

use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized};
use crate::object::parse::text;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let as_event = json!({
        "kind": "Event",
        "metadata": {},
        "involvedObject": payload["involvedObject"],
        "reason": payload["reason"],
        "message": payload["message"],
        "reportingController": payload["reportingController"],
    });
    let event = Envelope { event_type: "event".to_owned(), ..envelope.clone() };
    let mut normalized = super::kubernetes::normalize(&event, &as_event)?;
    let revision = text(payload, &["metadata", "revision"]);
    // `main@sha1:abc…`: the part after the last colon is the commit.
    let sha = revision.rsplit([':', '/']).next().unwrap_or_default();
    let involved = &payload["involvedObject"];
    let applied = matches!(text(involved, &["kind"]), "Kustomization" | "HelmRelease") && !sha.is_empty();
    if applied {
        let to = Entity::namespaced(
            EntityKind::Application,
            text(involved, &["namespace"]),
            text(involved, &["name"]),
        );
        let from = Entity::global(EntityKind::Commit, sha);
        normalized.facts.push(Fact::Relation(Relation {
            from,
            kind: RelationKind::Deploys,
            to,
            valid_from: envelope.ts,
            valid_to: None,
        }));
    }
    Ok(normalized)
}
