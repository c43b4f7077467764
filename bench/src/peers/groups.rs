//! Episodes connected by best links, and what is known of each group. The smaller group moves into the larger.

#![allow(clippy::disallowed_types)]

use std::collections::{HashMap, VecDeque};

use crate::peers::workload::{Episode, Incident, Kind};

/// A group.
#[derive(Debug)]
struct Group {
    members: Vec<i64>,
    latest: i64,
    episodes: u64,
    alerts: u64,
    started_at: Option<i64>,
}

/// All groups. Episodes are known by their onset.
#[derive(Debug, Default)]
pub struct Groups {
    group_of: HashMap<i64, i64>,
    groups: HashMap<i64, Group>,
    order: VecDeque<i64>,
}

impl Groups {
    /// An episode is decided: it counts.
    pub fn add(&mut self, episode: Episode) {
        let id = self.group(episode.onset);
        if let Some(group) = self.groups.get_mut(&id) {
            group.episodes += 1;
            group.alerts += u64::from(episode.kind == Kind::Alert);
            if episode.kind.spec().grave {
                let earlier = group.started_at.map_or(episode.onset, |known| known.min(episode.onset));
                group.started_at = Some(earlier);
            }
        }
    }

    /// An effect and its best cause are of one group. A cause may be decided later.
    pub fn join(&mut self, effect: Episode, cause: Episode) {
        let (left, right) = (self.group(effect.onset), self.group(cause.onset));
        if left == right {
            return;
        }
        let size = |id| self.groups.get(id).map_or(0, |group: &Group| group.members.len());
        let (into, from) = if size(&left) < size(&right) { (right, left) } else { (left, right) };
        let Some(moved) = self.groups.remove(&from) else { return };
        for member in &moved.members {
            self.group_of.insert(*member, into);
        }
        if let Some(group) = self.groups.get_mut(&into) {
            group.members.extend(moved.members);
            group.latest = group.latest.max(moved.latest);
            group.episodes += moved.episodes;
            group.alerts += moved.alerts;
            group.started_at = match (group.started_at, moved.started_at) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            };
        }
    }

    /// Forgets groups that have no member after an instant.
    pub fn expire(&mut self, until: i64) {
        while let Some(onset) = self.order.front().copied().filter(|onset| *onset <= until) {
            self.order.pop_front();
            let id = self.group_of.get(&onset).copied();
            let over = id.filter(|id| self.groups.get(id).is_some_and(|group| group.latest <= until));
            let Some(group) = over.and_then(|id| self.groups.remove(&id)) else { continue };
            for member in group.members {
                self.group_of.remove(&member);
            }
        }
    }

    /// Groups with something grave.
    pub fn incidents(&self) -> Vec<Incident> {
        let incident = |group: &Group| {
            let (episodes, alerts) = (group.episodes, group.alerts);
            group.started_at.map(|started_at| Incident { started_at, episodes, alerts })
        };
        self.groups.values().filter_map(incident).collect()
    }

    fn group(&mut self, onset: i64) -> i64 {
        if let Some(known) = self.group_of.get(&onset) {
            return *known;
        }
        self.group_of.insert(onset, onset);
        self.order.push_back(onset);
        let group = Group { members: vec![onset], latest: onset, episodes: 0, alerts: 0, started_at: None };
        self.groups.insert(onset, group);
        onset
    }
}
