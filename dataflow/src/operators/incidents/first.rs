//! What an incident is known by: its first grave episode, or what the incident was known by that it goes on from. Pure.
//!
//! The first grave episode of an incident expires, is withdrawn or is not grave any more, while others go on. Then the incident is still
//! known by it, so that it is not alerted of again. Of what falls apart, that part has the name which has the first grave episode that
//! was in it before and is there; should the episode itself come back, it is itself again, and the incident is known by its own.

use std::collections::BTreeMap;

use schemas::ids::EpisodeId;
use serde::{Deserialize, Serialize};

use crate::operators::incidents::group::grave;
use crate::operators::incidents::neighborhood::{EpisodeNumber, GroupNumber, Neighborhood};
use crate::rows::Episode;

/// A grave episode, by the arrival of its anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct First {
    seq: u64,
    pub(crate) episode: EpisodeId,
}

/// What incidents are known by that lost the episode, by the episode that has it now.
pub(super) type Heirs = BTreeMap<EpisodeNumber, First>;

/// The incidents that are known by an episode that is gone, or not grave any more.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    groups: BTreeMap<EpisodeId, GroupNumber>,
    /// Of incidents that a snapshot had, which are to be made.
    restored: Heirs,
}

impl First {
    pub(super) fn of(episode: &Episode) -> First {
        First { seq: episode.anchor.seq, episode: episode.row.episode_id }
    }
}

impl Inherited {
    /// A snapshot had an incident with a grave episode, known by another one that is gone. Told before any is made.
    pub(super) fn restore(&mut self, heir: EpisodeNumber, first: First) {
        self.restored.insert(heir, first);
    }

    /// The incidents of a snapshot, once.
    pub(super) fn take_restored(&mut self) -> Heirs {
        std::mem::take(&mut self.restored)
    }

    pub(super) fn insert(&mut self, first: First, group: GroupNumber) {
        self.groups.insert(first.episode, group);
    }

    pub(super) fn remove(&mut self, first: First) {
        self.groups.remove(&first.episode);
    }

    /// The groups that are known by an episode of a list, which is there again.
    pub(super) fn of_returned(&self, hood: &Neighborhood, episodes: &[EpisodeNumber]) -> Vec<GroupNumber> {
        if self.groups.is_empty() {
            return Vec::new();
        }
        let there = episodes.iter().filter_map(|number| hood[*number].episode());
        let returned = there.filter(|episode| grave(episode));
        returned.filter_map(|episode| self.groups.get(&episode.row.episode_id)).copied().collect()
    }

    /// The groups, in no order that tells anything.
    pub(super) fn groups(&self) -> impl Iterator<Item = GroupNumber> {
        self.groups.values().copied()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.restored.is_empty()
    }
}

/// Which of the members of a group that was has what it was known by: the first that is there and grave.
pub(super) fn heir_of(hood: &Neighborhood, members: &[EpisodeNumber]) -> Option<EpisodeNumber> {
    let there = members.iter().filter_map(|member| Some((hood[*member].episode()?, *member)));
    let grave = there.filter(|(episode, _)| grave(episode));
    grave.min_by_key(|(episode, _)| First::of(episode)).map(|(_, member)| member)
}
