//! Recoveries: what an Event told of an object is over once the object is seen to be well. Pure; docs/semantics.md, section 6.

use std::sync::Arc;

use schemas::catalogue::Class;
use schemas::entity::EntityKind;
use schemas::time::EventTime;

use crate::rows::Episode;

/// An episode of an entity that is well since then: over, if nothing was seen of it later.
pub(crate) fn recovered(mut episode: Episode, since: Option<EventTime>) -> Arc<Episode> {
    let over = since.filter(|since| may_recover(&episode) && episode.row.last <= *since);
    if over.is_some() {
        Arc::make_mut(&mut episode.row).ended = over;
    }
    Arc::new(episode)
}

/// Trouble of an object that shows its health, and that no state keeps up.
fn may_recover(episode: &Episode) -> bool {
    let shows = matches!(
        episode.on.entity.kind,
        EntityKind::Pod
            | EntityKind::Node
            | EntityKind::Deployment
            | EntityKind::StatefulSet
            | EntityKind::DaemonSet
    );
    let trouble = matches!(episode.row.class, Class::Symptom | Class::State);
    shows && trouble && episode.row.ended.is_none() && !episode.standing
}
