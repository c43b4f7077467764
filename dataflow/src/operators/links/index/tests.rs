//! The index against the definition, which looks at everything anew after each epoch, on random changes.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::Hashable;
use schemas::catalogue::{Direction, RuleSpec, Rules};
use schemas::ids::{EntityId, EpisodeId, Tenant};

use super::*;
use crate::operators::links::Valid;
use crate::operators::links::strength::When;
use crate::operators::links::ways::START;

const TENANT: Tenant = Tenant(1);
const ENTITIES: u64 = 5;
const EPOCHS: u64 = 25;
const CHANGES: u64 = 8;
const HORIZON_MS: i64 = 3_600_000;

/// An entity, and the way that led there.
type Reached = (EntityId, u16);

/// What is there.
type Present = BTreeMap<(u64, u64), Part>;

struct Draws(u64, u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.1 += 1;
        (self.0, self.1).hashed() % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Times that meet and miss the slack of edges and the windows of rules, and now and then the last ones.
    fn time(&mut self) -> EventTime {
        let far = EventTime(if self.below(2) == 0 { i64::MIN } else { i64::MAX });
        let near = EventTime(self.below(40) as i64 * 100_000);
        if self.below(40) == 0 { far } else { near }
    }

    /// A part, under the name by which a later one replaces it.
    fn part(&mut self, rule: &RuleSpec) -> ((u64, u64), Part) {
        let entity = EntityId(self.below(ENTITIES));
        let name = self.below(12);
        match self.below(3) {
            0 => {
                let subject = (TENANT, EntityId(name % 3), self.of(&rule.effects));
                let effect = Effect { onset: self.time(), id: EpisodeId(name), earliest: self.time() };
                ((0, name), Part::Effect(subject, effect))
            }
            1 => {
                let (onset, earliest, last) = (self.time(), self.time(), self.time());
                let ended = (self.below(2) == 0).then(|| self.time());
                let when = When { onset, earliest, last, ended, standing: self.below(4) == 0 };
                let subject =
                    (TENANT, EntityId(name % ENTITIES), rule.causes[name as usize % rule.causes.len()]);
                ((1, name), Part::Cause(subject, Cause { id: EpisodeId(100 + name), when }))
            }
            _ => {
                let path = &rule.paths[self.below(rule.paths.len() as u64) as usize].0;
                let (there, from, to) = (EntityId(self.below(ENTITIES)), self.time(), self.time());
                let label = if path.is_empty() { None } else { Some(self.below(path.len() as u64) as usize) };
                let (relation, direction) = label
                    .map_or((schemas::entity::RelationKind::Owns, Direction::Forward), |step| {
                        (path[step].relation, path[step].direction)
                    });
                let edge = ((TENANT, entity, relation, direction), (there, Valid { from, to }));
                ((2 + entity.0, there.0 * 100 + label.unwrap_or(99) as u64), Part::Edge(edge.0, edge.1))
            }
        }
    }
}

/// Links of all effects, by definition.
fn defined(ways: &Ways, present: &Present) -> BTreeSet<Link> {
    let effects = present.values().filter_map(|part| match part {
        Part::Effect(subject, effect) => Some((*subject, *effect)),
        _ => None,
    });
    let of_effect = |(subject, effect): (Subject, Effect)| {
        let mut candidates = Vec::new();
        for (entity, way) in reached(ways, present, subject, &effect) {
            for part in present.values() {
                let Part::Cause((_, on, kind), cause) = part else { continue };
                let rules = ways.rules(way, TENANT, (subject.2, *kind)).filter(|_| *on == entity);
                candidates.extend(rules.filter_map(|(rule, _)| {
                    judge(ways, HORIZON_MS, (subject.2, &effect), (*kind, cause), (rule, way))
                }));
            }
        }
        choose(ways, subject, effect.id, &candidates)
    };
    effects.flat_map(of_effect).collect()
}

fn reached(ways: &Ways, present: &Present, subject: Subject, effect: &Effect) -> BTreeSet<Reached> {
    let mut all = BTreeSet::from([(subject.1, START)]);
    let mut open = vec![(subject.1, START)];
    while let Some((entity, way)) = open.pop() {
        for ((relation, direction), onward) in ways.steps(way, subject.2) {
            for part in present.values() {
                let Part::Edge(place, (there, valid)) = part else { continue };
                let holds = valid.has_begun(effect) && valid.still_held(effect);
                if *place == (TENANT, entity, relation, direction) && holds && all.insert((*there, onward)) {
                    open.push((*there, onward));
                }
            }
        }
    }
    all
}

#[test]
fn links_are_what_the_definition_says_after_every_epoch() {
    let rules = Rules::built_in();
    let ways = Arc::new(Ways::of(&rules));
    let specs: Vec<&RuleSpec> = rules.iter().map(|(_, rule)| rule).collect();
    let mut seen = 0;
    for seed in 0..300 {
        let mut draws = Draws(seed, 0);
        let rule = draws.of(&specs);
        let mut index = Index::new(Arc::clone(&ways), HORIZON_MS);
        let (mut present, mut links) = (Present::new(), BTreeMap::<Link, Diff>::new());
        for epoch in 0..EPOCHS {
            let mut parts = Vec::new();
            for _ in 0..draws.below(CHANGES) {
                let (name, part) = draws.part(rule);
                parts.extend(present.remove(&name).map(|old| (old, -1)));
                if draws.below(3) != 0 {
                    parts.push((part.clone(), 1));
                    present.insert(name, part);
                }
            }
            index.change(parts, |link, diff| *links.entry(link).or_default() += diff);
            links.retain(|_, copies| *copies != 0);
            assert!(links.values().all(|copies| *copies == 1), "seed {seed}, epoch {epoch}: {links:?}");
            let found: BTreeSet<Link> = links.keys().cloned().collect();
            assert_eq!(found, defined(&ways, &present), "seed {seed}, epoch {epoch}, rule {}", rule.id);
            seen += found.len();
        }
        let all = std::mem::take(&mut present).into_values().map(|part| (part, -1)).collect();
        index.change(all, |link, diff| *links.entry(link).or_default() += diff);
        assert!(index.entities.is_empty() && index.subjects.is_empty(), "seed {seed}");
        assert!(links.values().all(|copies| *copies == 0), "seed {seed}");
    }
    assert!(1_000 < seen, "only {seen} links were seen");
}
