//! Claims that bind to nothing.

use serde_json::{Value, json};

use super::found;

fn claim(spec: Value) -> Value {
    json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}, "spec": spec,
        "status": {"phase": "Pending"}})
}

fn volume(spec: Value, labels: Value, phase: &str) -> Value {
    json!({"kind": "PersistentVolume", "metadata": {"name": "disk", "labels": labels}, "spec": spec,
        "status": {"phase": phase}})
}

fn wanted() -> Value {
    json!({"storageClassName": "slow", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}})
}

fn offered() -> Value {
    json!({"storageClassName": "slow", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}})
}

fn edited(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

#[test]
fn a_volume_that_fits_and_is_free_is_no_reason() {
    assert!(found(&[claim(wanted()), volume(offered(), json!({}), "Available")]).is_empty());
    assert!(found(&[claim(wanted())]).is_empty());
}

#[test]
fn the_demand_that_no_volume_meets_is_named() {
    let cases = [
        ("storageClassName", json!("fast"), "ClassMismatch"),
        ("accessModes", json!(["ReadOnlyMany"]), "AccessModeMismatch"),
        ("capacity", json!({"storage": "1Gi"}), "CapacityMismatch"),
    ];
    for (field, value, name) in cases {
        let volume = volume(edited(offered(), field, value), json!({}), "Available");
        assert_eq!(found(&[claim(wanted()), volume]), [format!("k8s.claim.{name} claim/shop/data")]);
    }
    let selecting = claim(edited(wanted(), "selector", json!({"matchLabels": {"tier": "db"}})));
    let volume = volume(offered(), json!({"tier": "web"}), "Available");
    assert_eq!(found(&[selecting, volume]), ["k8s.claim.SelectorMismatch claim/shop/data"]);
}

#[test]
fn a_volume_that_another_claim_has_is_occupied() {
    let taken = edited(offered(), "claimRef", json!({"namespace": "shop", "name": "other"}));
    let objects = [claim(wanted()), volume(taken, json!({}), "Bound")];
    assert_eq!(found(&objects), ["k8s.claim.VolumeOccupied claim/shop/data"]);
}
