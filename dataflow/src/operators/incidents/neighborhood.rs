//! The episodes of one tenant and the links between them, by number: what groups are made from. Pure.
//!
//! An episode has a number from the first change that names it until neither it nor a link of it is there, which is looked at when
//! an epoch's groups are made; see `keyed.rs`.
//!
//! Ids are hashes of 64 bits, and a producer who wants to can make two episodes of its tenant that have one. Then one of them is
//! shown; links and groups stay whole.

use std::sync::Arc;

use schemas::catalogue::RuleIndex;
use schemas::ids::{EpisodeId, Hashing};
use schemas::time::Diff;
use schemas::view::{LinkRow, Shared};

use crate::keyed::Keyed;
use crate::operators::incidents::group::grave;
use crate::operators::incidents::learned::Learned;
use crate::operators::links::ways::Ways;
use crate::ordered::Ordered;
use crate::rows::{Episode, Link};

/// An episode.
pub(super) type EpisodeNumber = u32;

/// A group.
pub(super) type GroupNumber = u32;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Neighborhood {
    nodes: Keyed<EpisodeId, Node>,
    /// What people have taught.
    pub(super) learned: Learned,
    /// Links, by effect and cause, that may be without a public row, since they are new or one end is.
    fresh: Vec<(EpisodeNumber, EpisodeNumber)>,
    /// Members of the group that is gathered; the list is used again, as are the next two.
    gathered: Vec<EpisodeNumber>,
    /// What may be a member.
    open: Vec<EpisodeNumber>,
    /// Of rows.
    hashing: Hashing,
}

/// An episode with its links.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// There wherever a link is once an epoch is applied, unless two episodes have one id: a link and both its ends come, and go, in
    /// one epoch.
    episode: Option<Arc<Episode>>,
    /// Links to what can have caused it, of each cause one, at most eight once an epoch is applied.
    pub(super) causes: Vec<Kept>,
    /// What it can have caused, with whether the link is the effect's best.
    effects: Ordered<EpisodeNumber, bool>,
    /// Its group, and its place among the members.
    group: Option<(GroupNumber, u32)>,
}

/// A link with its public row, which no group has a say in.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) cause: EpisodeNumber,
    pub(super) rule: RuleIndex,
    way: u16,
    pub(super) strength: u32,
    /// It is the effect's best.
    pub(super) best: bool,
    lag_ms: i64,
    /// There wherever both ends are, once an epoch is applied.
    pub(super) row: Option<Shared<LinkRow>>,
}

impl Node {
    /// The episode, if it is there.
    pub(super) fn episode(&self) -> Option<&Arc<Episode>> {
        self.episode.as_ref()
    }

    /// Its best link.
    pub(super) fn best(&self) -> Option<&Kept> {
        self.causes.iter().find(|kept| kept.best)
    }

    /// What its link to a cause is, if there is one.
    pub(super) fn link_to(&self, cause: EpisodeNumber) -> Option<&Kept> {
        self.causes.iter().find(|kept| kept.cause == cause)
    }

    /// What it can have caused.
    pub(super) fn effects(&self) -> impl Iterator<Item = EpisodeNumber> {
        self.effects.iter().map(|(effect, _)| *effect)
    }

    /// Those of which it is the best cause.
    pub(super) fn best_effects(&self) -> impl Iterator<Item = EpisodeNumber> {
        self.effects.iter().filter(|(_, best)| **best).map(|(effect, _)| *effect)
    }

    /// Its place among the members of a group, if it is one.
    pub(super) fn place_in(&self, group: GroupNumber) -> Option<u32> {
        self.group.filter(|(of, _)| *of == group).map(|(_, place)| place)
    }

    fn is_unused(&self) -> bool {
        self.episode.is_none() && self.causes.is_empty() && self.effects.is_empty()
    }
}

impl std::ops::Index<EpisodeNumber> for Neighborhood {
    type Output = Node;

    fn index(&self, number: EpisodeNumber) -> &Node {
        &self.nodes[number]
    }
}

impl Neighborhood {
    /// The number of an episode, which gets one if it has none.
    pub(super) fn number(&mut self, id: EpisodeId) -> EpisodeNumber {
        self.nodes.number(id)
    }

    /// Whether an episode is there, and trouble by itself.
    pub(super) fn has_grave(&self, id: EpisodeId) -> bool {
        self.nodes.find(id).and_then(|number| self.nodes[number].episode()).is_some_and(|known| grave(known))
    }

    /// All episodes.
    pub(super) fn all(&self) -> impl Iterator<Item = EpisodeNumber> {
        self.nodes.all()
    }

    /// Adds or removes an episode; takes back the rows that show it.
    pub(super) fn set(
        &mut self,
        number: EpisodeNumber,
        (episode, present): (Arc<Episode>, bool),
        emit: &mut impl FnMut(Shared<LinkRow>, Diff),
    ) {
        self.nodes.doubt(number);
        let node = &mut self.nodes[number];
        if present {
            node.episode = Some(episode);
        } else if node.episode.as_ref() == Some(&episode) {
            node.episode = None;
        }
        self.fresh.extend(node.causes.iter().map(|kept| (number, kept.cause)));
        let taken = node.causes.iter_mut().filter_map(|kept| kept.row.take());
        taken.for_each(|row| emit(row, -1));
        let effects: Vec<EpisodeNumber> = node.effects().collect();
        for effect in effects {
            let kept = self.nodes[effect].causes.iter_mut().find(|kept| kept.cause == number);
            if let Some(row) = kept.and_then(|kept| kept.row.take()) {
                emit(row, -1);
            }
            self.fresh.push((effect, number));
        }
    }

    /// Adds a link; of two links of the same ends the later one stays.
    pub(super) fn link(
        &mut self,
        (effect, cause): (EpisodeNumber, EpisodeNumber),
        link: Link,
        emit: &mut impl FnMut(Shared<LinkRow>, Diff),
    ) {
        self.unlink((effect, cause), emit);
        self.nodes[cause].effects.insert(effect, link.best);
        let Link { rule, way, strength, best, lag_ms, .. } = link;
        self.nodes[effect].causes.push(Kept { cause, rule, way, strength, best, lag_ms, row: None });
        self.fresh.push((effect, cause));
    }

    /// Removes a link, if it is there, and takes back its row.
    pub(super) fn unlink(
        &mut self,
        (effect, cause): (EpisodeNumber, EpisodeNumber),
        emit: &mut impl FnMut(Shared<LinkRow>, Diff),
    ) {
        let causes = &mut self.nodes[effect].causes;
        let Some(place) = causes.iter().position(|kept| kept.cause == cause) else { return };
        if let Some(row) = causes.swap_remove(place).row {
            emit(row, -1);
        }
        self.nodes[cause].effects.remove(&effect);
        [effect, cause].into_iter().for_each(|end| self.nodes.doubt(end));
    }

    /// Makes the rows that are missing, once all changes of an epoch are applied.
    pub(super) fn show(&mut self, ways: &Ways, emit: &mut impl FnMut(Shared<LinkRow>, Diff)) {
        for (effect, cause) in std::mem::take(&mut self.fresh) {
            // Both ends may have changed, or the link may be gone since.
            let missing = self.nodes[effect].link_to(cause).filter(|kept| kept.row.is_none());
            let Some(row) = missing.and_then(|kept| self.row(effect, kept, ways)) else { continue };
            let row = Shared::of(row, &mut self.hashing);
            emit(row.clone(), 1);
            let kept = self.nodes[effect].causes.iter_mut().find(|kept| kept.cause == cause);
            kept.into_iter().for_each(|kept| kept.row = Some(row.clone()));
        }
    }

    /// The public row of a link whose ends are there.
    fn row(&self, effect: EpisodeNumber, kept: &Kept, ways: &Ways) -> Option<LinkRow> {
        let rule = ways.rule(kept.rule);
        Some(LinkRow {
            cause: self.nodes[kept.cause].episode()?.row.clone(),
            effect: self.nodes[effect].episode()?.row.clone(),
            rule: Arc::clone(&rule.id),
            rule_version: rule.version,
            relation: Arc::clone(ways.text(kept.way)),
            lag_ms: kept.lag_ms,
            strength: kept.strength,
            best: kept.best,
        })
    }

    /// The group of an episode that is in one.
    pub(super) fn group(&self, number: EpisodeNumber) -> Option<GroupNumber> {
        self.nodes[number].group.map(|(group, _)| group)
    }

    /// Whether there is such an episode, in no group.
    pub(super) fn is_loose(&self, number: EpisodeNumber) -> bool {
        let node = &self.nodes[number];
        node.episode.is_some() && node.group.is_none()
    }

    /// Takes an episode out of its group.
    pub(super) fn loosen(&mut self, number: EpisodeNumber) {
        self.nodes[number].group = None;
    }

    /// Makes a group of all loose episodes connected with one by best links; tells its members by their places.
    pub(super) fn gather(&mut self, first: EpisodeNumber, group: GroupNumber) -> Box<[EpisodeNumber]> {
        self.gathered.clear();
        self.open.push(first);
        while let Some(number) = self.open.pop() {
            if !self.is_loose(number) {
                continue;
            }
            self.nodes[number].group = Some((group, self.gathered.len() as u32));
            self.gathered.push(number);
            let node = &self.nodes[number];
            self.open.extend(node.best().map(|kept| kept.cause));
            // Were two links of an effect its best, since two episodes have one id, it would follow two ways to a root.
            let mine =
                |effect: &EpisodeNumber| self.nodes[*effect].best().is_some_and(|kept| kept.cause == number);
            self.open.extend(node.best_effects().filter(mine));
        }
        self.gathered.as_slice().into()
    }

    /// Forgets the episodes that are gone with all their links.
    pub(super) fn forget_unused(&mut self) {
        self.nodes.forget(Node::is_unused);
    }
}

#[cfg(test)]
impl Neighborhood {
    /// Whether no episode and no link is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.fresh.is_empty()
    }
}
