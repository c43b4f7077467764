//! Recoveries: what an Event told of an object is over once the object is seen to be well. Pure; docs/semantics.md, section 6.

use schemas::catalogue::Class;
use schemas::entity::EntityKind;
use schemas::time::EventTime;
use schemas::view::EpisodeRow;

/// When an episode of an entity that is well since then ended: it is over, if nothing was seen of it later.
pub(crate) fn ended(row: &EpisodeRow, standing: bool, since: Option<EventTime>) -> Option<EventTime> {
    let over = since.filter(|since| !standing && may_recover(row) && row.last <= *since);
    row.ended.or(over)
}

/// Trouble of an object that shows its health.
fn may_recover(row: &EpisodeRow) -> bool {
    let shows = matches!(
        row.entity.kind,
        EntityKind::Pod
            | EntityKind::Node
            | EntityKind::Deployment
            | EntityKind::StatefulSet
            | EntityKind::DaemonSet
    );
    shows && matches!(row.class, Class::Symptom | Class::State)
}
