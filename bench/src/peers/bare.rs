//! The practical limit: one thread, hash maps, events in the order of their time. No views, no retraction, no
//! provenance, no recovery: what is decided once stays.

// It is to be fast, and its results are sorted before anyone sees them.
#![allow(clippy::disallowed_types)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use crate::peers::baseline::{Series, slot_of};
use crate::peers::groups::Groups;
use crate::peers::trie::Tries;
use crate::peers::ways::Way;
use crate::peers::workload::{
    Edge, Episode, Event, GAP_MS, HORIZON_MS, Happened, Kind, Link, Output, Place, SETTLED_MS, SLOT_MS, Said,
    Step, holds,
};

/// The other end of an edge.
#[derive(Clone, Copy, Debug)]
struct End {
    number: u32,
    place: Place,
    valid: (i64, i64),
}

/// The bare program.
#[derive(Debug, Default)]
pub struct Bare {
    tries: Tries,
    edges: HashMap<u32, (i64, Edge)>,
    ends: HashMap<(Place, Step), Vec<End>>,
    told: VecDeque<(i64, u32)>,
    episodes: HashMap<(Place, Kind), VecDeque<Happened>>,
    begun: VecDeque<Episode>,
    series: HashMap<Place, Series>,
    slots: VecDeque<(i64, Place)>,
    due: BinaryHeap<Reverse<(Episode, i64)>>,
    groups: Groups,
    links: VecDeque<Link>,
}

impl Bare {
    /// Takes the next event.
    pub fn push(&mut self, event: &Event) {
        self.advance(event.at);
        match event.said {
            Said::Signal(place, kind) => self.see(place, kind, Happened::at(event.at)),
            Said::Sample(place, value) => self.sample(event.at, place, value),
            Said::Edge(edge) => self.tell(event.at, edge),
        }
    }

    /// Event time has come to `now`.
    pub fn advance(&mut self, now: i64) {
        while let Some((slot, place)) =
            self.slots.front().copied().filter(|(slot, _)| (slot + 1) * SLOT_MS <= now)
        {
            self.slots.pop_front();
            let found = self.series.get_mut(&place).and_then(|series| series.close(slot));
            if let Some(found) = found {
                self.see(place, Kind::Errors, found);
            }
        }
        while let Some(Reverse((effect, earliest))) =
            self.due.peek().copied().filter(|next| next.0.0.onset + SETTLED_MS <= now)
        {
            self.due.pop();
            self.decide(effect, earliest);
        }
        self.expire(now - HORIZON_MS);
    }

    /// What is known now.
    pub fn output(&self) -> Output {
        Output { links: self.links.iter().copied().collect(), incidents: self.groups.incidents() }
    }

    fn see(&mut self, place: Place, kind: Kind, found: Happened) {
        let seen = self.episodes.entry((place, kind)).or_default();
        match seen.back_mut() {
            Some(last) if found.onset <= last.over + GAP_MS => last.over = last.over.max(found.over),
            _ => {
                seen.push_back(found);
                let episode = Episode { onset: found.onset, place, kind };
                self.due.push(Reverse((episode, found.earliest)));
                self.begun.push_back(episode);
            }
        }
    }

    fn sample(&mut self, at: i64, place: Place, value: i64) {
        let series = self.series.entry(place).or_default();
        let (new, lasts) = series.add(at, value);
        if new {
            self.slots.push_back((slot_of(at), place));
        }
        if lasts
            && let Some(last) = self.episodes.get_mut(&(place, Kind::Errors)).and_then(VecDeque::back_mut)
        {
            last.over = last.over.max(at);
        }
    }

    fn tell(&mut self, at: i64, edge: Edge) {
        self.told.push_back((at, edge.number));
        if let Some((_, known)) = self.edges.insert(edge.number, (at, edge)) {
            if known == edge {
                return;
            }
            self.forget(known);
        }
        let valid = (edge.valid_from, edge.valid_to);
        for (place, step, other) in ends(&edge) {
            self.ends.entry((place, step)).or_default().push(End {
                number: edge.number,
                place: other,
                valid,
            });
        }
    }

    fn forget(&mut self, edge: Edge) {
        for (place, step, _) in ends(&edge) {
            if let Some(ends) = self.ends.get_mut(&(place, step)) {
                ends.retain(|end| end.number != edge.number);
                if ends.is_empty() {
                    self.ends.remove(&(place, step));
                }
            }
        }
    }

    fn decide(&mut self, effect: Episode, earliest: i64) {
        let mut best = None;
        self.walk(self.tries.roots[effect.kind.number()], effect.place, (effect.onset, earliest), &mut best);
        self.groups.add(effect);
        if let Some(Best { score: _, cause, way }) = best {
            self.groups.join(effect, cause);
            let strength = way.strength(effect.onset - cause.onset);
            self.links.push_back(Link { effect, cause, rule: way.rule, strength });
        }
    }

    fn walk(&self, node: usize, place: Place, effect: (i64, i64), best: &mut Option<Best>) {
        let (node, onset) = (&self.tries.nodes[node], effect.0);
        for way in &node.ways {
            for seen in self.episodes.get(&(place, way.cause)).into_iter().flatten() {
                if seen.onset == onset || !way.allows(*seen, onset) {
                    continue;
                }
                let score = (way.score(onset - seen.onset), seen.onset);
                if best.as_ref().is_none_or(|best| best.score < score) {
                    let cause = Episode { onset: seen.onset, place, kind: way.cause };
                    *best = Some(Best { score, cause, way });
                }
            }
        }
        for (step, next) in &node.steps {
            let ends = self.ends.get(&(place, *step)).into_iter().flatten();
            for end in ends.filter(|end| holds(end.valid, effect)) {
                self.walk(*next, end.place, effect, best);
            }
        }
    }

    /// Forgets what was last told, or began, at or before an instant.
    fn expire(&mut self, until: i64) {
        while let Some((_, number)) = self.told.front().copied().filter(|(at, _)| *at <= until) {
            self.told.pop_front();
            if let Some((_, edge)) = self.edges.get(&number).copied().filter(|(at, _)| *at <= until) {
                self.edges.remove(&number);
                self.forget(edge);
            }
        }
        while let Some(episode) = self.begun.front().copied().filter(|episode| episode.onset <= until) {
            self.begun.pop_front();
            let key = (episode.place, episode.kind);
            if let Some(seen) = self.episodes.get_mut(&key) {
                seen.retain(|seen| episode.onset < seen.onset);
                if seen.is_empty() {
                    self.episodes.remove(&key);
                }
            }
        }
        while self.links.front().is_some_and(|link| link.effect.onset <= until) {
            self.links.pop_front();
        }
        self.groups.expire(until);
    }
}

/// The cause to beat: its score, then its onset.
struct Best {
    score: (i64, i64),
    cause: Episode,
    way: &'static Way,
}

/// Steps along an edge: from where, by which step, to where.
pub fn ends(edge: &Edge) -> impl Iterator<Item = (Place, Step, Place)> {
    let (forward, backward) = edge.verb.steps();
    let forward = forward.map(|step| (edge.from, step, edge.to));
    forward.into_iter().chain(backward.map(|step| (edge.to, step, edge.from)))
}
