//! What of a recording belongs to its fault, and in which order it follows.
//!
//! A link is true when both its ends belong to the fault and its cause comes before its effect on the way of the fault:
//! from the edit or the machine that failed, over workload, pods and service, to callers, users and people.

use schemas::entity::EntityKind;
use schemas::time::EventTime;
use schemas::view::EpisodeRow;

use super::{Family, Truth};

/// The outage's own part of a recording.
#[derive(Clone, Debug)]
pub struct Planted {
    family: Option<Family>,
    root: String,
    injected_at: EventTime,
}

/// The service that the fault hits.
const VICTIM: &str = "payments";
/// What is told before the fault is seen: clocks and folded Events differ by less.
const SLACK_MS: i64 = 2_000;
/// Kinds of an edit, by how their ids end.
const EDITS: [&str; 4] = ["Changed", "Rollout", "ScaledToZero", "Deleted"];

impl Planted {
    pub(super) fn of(family: Option<Family>, truth: &Truth) -> Self {
        Planted { family, root: truth.root.clone(), injected_at: truth.injected_at }
    }

    /// Where on the way of the fault an episode stands; `None` for what is none of it.
    pub fn stage(&self, episode: &EpisodeRow) -> Option<u32> {
        let family = self.family?;
        if episode.onset < self.injected_at.plus_ms(-SLACK_MS) {
            return None;
        }
        let (entity, kind) = (&episode.entity, episode.kind.id());
        if kind.starts_with("alert.") || kind.starts_with("chat.") {
            return Some(if kind.starts_with("chat.") { 12 } else { 11 });
        }
        let edit = EDITS.iter().any(|end| kind.ends_with(end));
        let name = entity.name.as_str();
        let of = |service: &str| {
            name == service || name.strip_prefix(service).is_some_and(|rest| rest.starts_with('-'))
        };
        let stage = match entity.kind {
            EntityKind::Commit if entity.to_string() == self.root => 0,
            EntityKind::PipelineRun if name.contains("4412") || name == "deliver" => 1,
            EntityKind::Application if name == VICTIM => 2,
            EntityKind::Namespace if family == Family::QuotaExhausted && kind.starts_with("k8s.quota.") => 2,
            EntityKind::Node if entity.to_string() == self.root => 2,
            EntityKind::ConfigMap if of(VICTIM) => 3,
            EntityKind::Service | EntityKind::Pod
                if family == Family::ConnectionsExhausted && of("ledger-db") =>
            {
                3
            }
            EntityKind::Deployment if name == VICTIM && edit => 4,
            EntityKind::Deployment if name == VICTIM => 7,
            EntityKind::ReplicaSet if of(VICTIM) => 5,
            EntityKind::Pod if of(VICTIM) => 6,
            EntityKind::Service if name == VICTIM && edit => 4,
            EntityKind::Service if name == VICTIM && kind.ends_with("Mismatch") => 5,
            EntityKind::Service if name == VICTIM => 8,
            EntityKind::Service | EntityKind::Pod if of("checkout") => 9,
            EntityKind::Service | EntityKind::Pod if of("storefront") => 10,
            _ => return None,
        };
        Some(stage)
    }

    /// Whether one episode really led to the other.
    pub fn true_link(&self, cause: &EpisodeRow, effect: &EpisodeRow) -> bool {
        match (self.stage(cause), self.stage(effect)) {
            (Some(cause), Some(effect)) => cause <= effect,
            _ => false,
        }
    }

    /// Whether an episode is a name of the root: by its entity, or on the victim by a kind that the fault may
    /// be known by.
    pub fn is_root(&self, kind: &str, entity: &str, truth: &Truth) -> bool {
        // A push alone says nothing: harmless deploys have one, too.
        let by_kind = kind != "github.push" && truth.root_kinds.contains(&kind);
        !self.root.is_empty() && (entity == self.root || (by_kind && entity.contains(VICTIM)))
    }
}
