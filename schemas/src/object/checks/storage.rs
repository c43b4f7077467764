//! Storage: claims that wait, against the volumes there are.

use super::{Namespace, finding, matches};
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::{ObjectState, Storage};

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>) {
    let volumes: Vec<(&ObjectState, &Storage)> = namespace
        .of(EntityKind::Volume)
        .filter_map(|volume| volume.storage.as_ref().map(|storage| (volume, storage)))
        .collect();
    let waiting = namespace.of(EntityKind::Claim).filter(|claim| claim.phase == "Pending");
    for claim in waiting.filter(|_| !volumes.is_empty()) {
        let Some(storage) = &claim.storage else { continue };
        let why = if storage.bound_to.is_empty() {
            unbound(storage, &volumes)
        } else {
            occupied(claim, &storage.bound_to, &volumes)
        };
        signals.extend(why.map(|(kind, detail)| finding(claim, kind, &detail)));
    }
}

/// Why a claim that names no volume binds to none: the demands of the claim, one after the other, until none is left.
/// Only volumes that exist are spoken of; what a provisioner would make is told by its Events.
fn unbound(claim: &Storage, volumes: &[(&ObjectState, &Storage)]) -> Option<(&'static str, String)> {
    let free: Vec<(&ObjectState, &Storage)> =
        volumes.iter().copied().filter(|(state, volume)| is_free(state, volume)).collect();
    if free.is_empty() {
        let taken = volumes.iter().find(|(_, volume)| volume.class == claim.class && fits(claim, volume))?;
        let detail = format!("{} is bound to {}", taken.0.entity.name, taken.1.bound_to);
        return Some(("k8s.claim.VolumeOccupied", detail));
    }
    let shown = |of: &dyn Fn(&Storage) -> String| -> String {
        free.iter()
            .map(|(state, volume)| format!("{}: {}", state.entity.name, of(volume)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let of_class: Vec<_> = free.iter().copied().filter(|(_, volume)| volume.class == claim.class).collect();
    if of_class.is_empty() {
        let detail =
            format!("claim has class {:?}; {}", claim.class, shown(&|volume| format!("{:?}", volume.class)));
        return Some(("k8s.claim.ClassMismatch", detail));
    }
    let of_mode: Vec<_> =
        of_class.iter().copied().filter(|(_, volume)| offers_modes(claim, volume)).collect();
    if of_mode.is_empty() {
        let detail =
            format!("claim wants {:?}; {}", claim.modes, shown(&|volume| format!("{:?}", volume.modes)));
        return Some(("k8s.claim.AccessModeMismatch", detail));
    }
    let of_size: Vec<_> = of_mode.iter().copied().filter(|(_, volume)| claim.bytes <= volume.bytes).collect();
    if of_size.is_empty() {
        let detail =
            format!("claim wants {} bytes; {}", claim.bytes, shown(&|volume| volume.bytes.to_string()));
        return Some(("k8s.claim.CapacityMismatch", detail));
    }
    if !of_size.iter().any(|(state, _)| matches(&claim.selector, &state.labels)) {
        let detail = format!("no volume has the labels {:?}", claim.selector);
        return Some(("k8s.claim.SelectorMismatch", detail));
    }
    // A source that does not show what a waiting claim asks for leaves one hint: volumes are labelled to be selected.
    let unknown = claim.modes.is_empty() && claim.bytes == 0 && claim.selector.is_empty();
    let labelled = of_size.iter().find(|(state, _)| !state.labels.is_empty());
    match labelled {
        Some((state, _)) if unknown => {
            let detail = format!("{} has the labels {:?}", state.entity.name, state.labels);
            Some(("k8s.claim.SelectorMismatch", detail))
        }
        None if unknown => {
            Some(("k8s.claim.BindingMismatch", "free volumes of its class do not fit".to_owned()))
        }
        _ => None,
    }
}

/// A claim that names its volume, which another claim has.
fn occupied(
    claim: &ObjectState,
    name: &str,
    volumes: &[(&ObjectState, &Storage)],
) -> Option<(&'static str, String)> {
    let (_, volume) = volumes.iter().find(|(state, _)| state.entity.name == name)?;
    let mine = format!("{}/{}", claim.entity.namespace, claim.entity.name);
    let detail = format!("{name} is bound to {}", volume.bound_to);
    (!volume.bound_to.is_empty() && volume.bound_to != mine).then_some(("k8s.claim.VolumeOccupied", detail))
}

fn is_free(state: &ObjectState, volume: &Storage) -> bool {
    volume.bound_to.is_empty() && matches!(state.phase.as_str(), "Available" | "")
}

fn fits(claim: &Storage, volume: &Storage) -> bool {
    offers_modes(claim, volume) && claim.bytes <= volume.bytes
}

fn offers_modes(claim: &Storage, volume: &Storage) -> bool {
    claim.modes.iter().all(|mode| volume.modes.contains(mode))
}
