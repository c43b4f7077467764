//! Recoveries: what an Event told of an object is over once the object is seen to be well.
//!
//! Input   episodes; the latest states of objects.
//! Output  the episodes, with the end that their object gives them.
//! Ties    none: an object has one latest state.
//! State   the episodes of pods, nodes and workloads, and since when these are well. Other episodes pass.
//! See docs/semantics.md, section 6.

use std::sync::Arc;

use schemas::catalogue::Class;
use schemas::entity::EntityKind;
use schemas::ids::Tenant;
use schemas::object::ObjectState;
use schemas::object::health::well_since;
use schemas::time::EventTime;
use schemas::view::EpisodeRow;
use serde::{Deserialize, Serialize};

use crate::operators::maintain::maintain;
use crate::rows::{Cite, Episode};
use crate::types::Updates;

/// What is known of one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Known {
    Well(EventTime),
    Episode(Arc<Episode>),
}

/// Ends what the states of objects show to be over.
pub(crate) fn recoveries<'scope>(
    episodes: Updates<'scope, Arc<Episode>>,
    latest: Updates<'scope, (Tenant, (Cite, Arc<ObjectState>))>,
) -> Updates<'scope, Arc<Episode>> {
    let others = episodes.clone().filter(|episode| !may_recover(episode));
    let episodes = episodes
        .filter(|episode| may_recover(episode))
        .map(|episode| ((episode.tenant, episode.on.id), Known::Episode(episode)));
    let well = latest.flat_map(|(tenant, (_, state))| {
        well_since(&state).map(|since| ((tenant, state.entity.id(tenant)), Known::Well(since)))
    });
    let ended = maintain(episodes.concat(well), "Recoveries", |_, known| {
        let since = known.distinct().find_map(|known| match known {
            Known::Well(since) => Some(*since),
            Known::Episode(_) => None,
        });
        let episode = |known: &Known| match known {
            Known::Episode(episode) => Some(end(episode, since)),
            Known::Well(_) => None,
        };
        known.distinct().filter_map(episode).collect()
    });
    others.concat(ended)
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

/// Over since the object is well, if nothing was seen of it later.
fn end(episode: &Arc<Episode>, since: Option<EventTime>) -> Arc<Episode> {
    match since.filter(|since| episode.row.last <= *since) {
        None => Arc::clone(episode),
        ended => {
            let row = Arc::new(EpisodeRow { ended, ..EpisodeRow::clone(&episode.row) });
            Arc::new(Episode { row, ..Episode::clone(episode) })
        }
    }
}
