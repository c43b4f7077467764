//! Groups that follow changes against groups that are made at once, on random histories; and episodes of one id.

use differential_dataflow::Hashable;
use schemas::catalogue::{Class, Kind, RuleIndex, Rules};
use schemas::entity::{Entity, EntityKind};
use schemas::envelope::Severity;
use schemas::fact::Lesson;
use schemas::ids::{EpisodeId, EventId};
use schemas::view::EpisodeRow;

use super::*;
use crate::rows::{Cite, Named};

const TENANT: Tenant = Tenant(1);
const NOW: EventTime = EventTime(5_000);
const QUIET_MS: i64 = 1_000;

type Rows = BTreeMap<Row, Diff>;

struct Draws(u64, u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.1 += 1;
        (self.0, self.1).hashed() % bound
    }

    fn episode(&mut self, id: u64) -> Arc<Episode> {
        let entity = Arc::new(Entity::namespaced(EntityKind::Service, "shop", &format!("s{}", id % 7)));
        let onset = EventTime(self.below(4_000) as i64);
        let classes = [Class::Change, Class::Symptom, Class::Alert, Class::Anomaly];
        let severities = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];
        let row = EpisodeRow {
            episode_id: EpisodeId(id),
            entity: Arc::clone(&entity),
            kind: Kind(self.below(20) as u16),
            class: classes[self.below(4) as usize],
            onset,
            earliest: onset,
            last: onset.plus_ms(self.below(1_500) as i64),
            ended: (self.below(2) == 0).then(|| onset.plus_ms(1_500)),
            count: 1,
            severity: severities[self.below(4) as usize],
            event_ids: vec![EventId(u128::from(id))],
            detail: "".into(),
            magnitude: self.below(200) as u32,
        };
        let anchor = Cite { seq: self.below(100), event: EventId(u128::from(id)) };
        let on = Named::of(TENANT, &entity);
        Arc::new(Episode { tenant: TENANT, on, standing: self.below(5) == 0, anchor, row: row.into() })
    }

    fn link(&mut self, (effect, cause): (u64, u64), best: bool) -> Link {
        let rule = RuleIndex(self.below(4) as u16);
        let (effect, cause) = (EpisodeId(effect), EpisodeId(cause));
        let strength = self.below(1_000) as u32;
        Link { tenant: TENANT, effect, cause, rule, way: 0, lag_ms: 1, strength, best }
    }
}

/// What is there: links of an effect are drawn together, since one of them is the best.
#[derive(Clone, Default)]
struct Present {
    episodes: BTreeMap<u64, Arc<Episode>>,
    links: BTreeMap<u64, Vec<Link>>,
    factors: BTreeMap<Lesson, u32>,
}

impl Present {
    /// Changes something.
    fn change(&mut self, draws: &mut Draws, ids: u64) {
        let id = draws.below(ids);
        match draws.below(8) {
            0 => drop(
                self.factors.insert(Lesson::Kind(Kind(draws.below(20) as u16)), draws.below(2_000) as u32),
            ),
            1 => drop(self.factors.pop_first()),
            2 => drop(self.episodes.remove(&id)),
            3 | 4 => drop(self.episodes.insert(id, draws.episode(id))),
            _ => {
                // One is a cause of all: where they are many, it has more effects than a list takes.
                let causes = BTreeSet::from([0, draws.below(ids), draws.below(ids)]);
                let best = draws.below(3) as usize;
                let link = |(place, cause): (usize, &u64)| {
                    draws.link((id, *cause), place == best.min(causes.len() - 1))
                };
                let links = causes.iter().enumerate().map(link).collect();
                self.links.insert(id, links);
            }
        }
        // A link goes with either end.
        let episodes = &self.episodes;
        self.links.retain(|effect, _| episodes.contains_key(effect));
        self.links
            .values_mut()
            .for_each(|links| links.retain(|link| episodes.contains_key(&{ link.cause.0 })));
    }

    /// Of incidents that are known by an episode that is gone, the first grave episode that was in it and is there.
    fn heirs(&self, known: Vec<(First, BTreeSet<EpisodeId>)>) -> Vec<Part> {
        let mut heirs: BTreeMap<First, First> = BTreeMap::new();
        for (first, members) in known {
            if self.episodes.get(&{ first.episode.0 }).is_some_and(|known| group::grave(known)) {
                continue;
            }
            let there = self.episodes.values().filter(|episode| members.contains(&episode.row.episode_id));
            let graves = there.filter(|episode| group::grave(episode)).map(|episode| First::of(episode));
            if let Some(heir) = graves.min() {
                heirs.entry(heir).and_modify(|known| *known = first.min(*known)).or_insert(first);
            }
        }
        heirs.into_iter().map(|(heir, first)| Part::Known(TENANT, heir.episode, first)).collect()
    }

    fn parts(&self) -> BTreeSet<Part> {
        let factor = |(lesson, milli): (&Lesson, &u32)| {
            Part::Factor(Factor { tenant: TENANT, lesson: lesson.clone(), milli: *milli })
        };
        let episodes = self.episodes.values().cloned().map(Part::Episode);
        let links = self.links.values().flatten().cloned().map(Part::Link);
        episodes.chain(links).chain(self.factors.iter().map(factor)).collect()
    }
}

#[derive(Default)]
struct Run {
    tenants: BTreeMap<Tenant, Groups>,
    rows: Rows,
}

impl Run {
    fn step(&mut self, ways: &Ways, parts: Vec<(Part, Diff)>) {
        let Run { tenants, rows } = self;
        let mut count = |row: Row, diff: Diff| *rows.entry(row).or_default() += diff;
        let dirty = apply(tenants, ways, parts, |_, row, diff| count(Row::Link(row), diff));
        for (tenant, dirty) in dirty {
            let groups = tenants.entry(tenant).or_default();
            let changes = groups.rebuild(dirty, |group| judge(tenant, group, ways, NOW, QUIET_MS));
            changes.rows.into_iter().for_each(|(row, diff)| count(row, diff));
        }
        rows.retain(|_, copies| *copies != 0);
    }

    /// What incidents are known by, and their members.
    fn known(&self) -> Vec<(First, BTreeSet<EpisodeId>)> {
        let mut known = Vec::new();
        for groups in self.tenants.values() {
            for number in groups.groups.numbers() {
                let Judged { members, judgment } = &groups.groups[number];
                let ids = members.iter().filter_map(|member| groups.hood[*member].episode());
                let ids = ids.map(|episode| episode.row.episode_id).collect();
                known.extend(judgment.known.map(|first| (first, ids)));
            }
        }
        known
    }

    /// Of the episode that is a cause of most.
    fn most_effects(&self) -> usize {
        let hoods = self.tenants.values().map(|groups| &groups.hood);
        hoods.flat_map(|hood| hood.all().map(|number| hood[number].effects().count())).max().unwrap_or(0)
    }

    fn is_empty(&self) -> bool {
        let empty = |groups: &Groups| {
            groups.groups.is_empty() && groups.hood.is_empty() && groups.inherited.is_empty()
        };
        self.rows.is_empty() && self.tenants.values().all(empty)
    }
}

/// Changes from one set to another, in an order that tells nothing.
fn changes(draws: &mut Draws, before: &BTreeSet<Part>, after: &BTreeSet<Part>) -> Vec<(Part, Diff)> {
    let gone = before.difference(after).map(|part| (part.clone(), -1));
    let come = after.difference(before).map(|part| (part.clone(), 1));
    let mut parts: Vec<(u64, (Part, Diff))> =
        gone.chain(come).map(|part| (draws.below(1 << 32), part)).collect();
    parts.sort_by_key(|(place, _)| *place);
    parts.into_iter().map(|(_, part)| part).collect()
}

#[test]
fn groups_that_follow_changes_are_those_made_at_once() {
    let ways = Ways::of(&Rules::built_in());
    let (mut links, mut chains, mut effects, mut inherited) = (0, 0, 0, 0);
    for seed in 0..150 {
        let mut draws = Draws(seed, 0);
        let (ids, many) = if seed % 30 == 0 { (700, 2_500) } else { (3 + seed % 12, 8) };
        let (mut present, mut run) = (Present::default(), Run::default());
        for epoch in 0..20 {
            let before = present.parts();
            (0..draws.below(many)).for_each(|_| present.change(&mut draws, ids));
            let after = present.parts();
            let parts = changes(&mut draws, &before, &after);
            let known = run.known();
            run.step(&ways, parts);
            let mut all = after.clone();
            let heirs = present.heirs(known);
            inherited += heirs.len();
            all.extend(heirs);
            let mut at_once = Run::default();
            at_once.step(&ways, changes(&mut draws, &BTreeSet::new(), &all));
            assert!(run.rows == at_once.rows, "seed {seed}, epoch {epoch}");
            effects = effects.max(run.most_effects());
            links += run.rows.keys().filter(|row| matches!(row, Row::Link(_))).count();
            chains += run.rows.keys().filter(|row| matches!(row, Row::Chain(_))).count();
        }
        let rest = changes(&mut draws, &present.parts(), &BTreeSet::new());
        run.step(&ways, rest);
        assert!(run.is_empty(), "seed {seed}");
    }
    assert!(1_000 < links && 1_000 < chains, "{links} links, {chains} chains");
    assert!(100 < inherited, "{inherited} incidents are known by what is gone");
    assert!(300 < effects, "a hub has {effects} effects, which a list takes");
}

#[test]
fn an_incident_of_a_snapshot_gives_up_the_name_of_who_is_there() {
    let ways = Ways::of(&Rules::built_in());
    let mut draws = Draws(1, 0);
    let graves = std::iter::from_fn(|| {
        let id = draws.1;
        Some(draws.episode(id)).filter(|_| id < 10_000)
    });
    let graves: Vec<Arc<Episode>> = graves.filter(|episode| group::grave(episode)).take(3).collect();
    let names = |known: First| {
        let parts = graves[..2].iter().cloned().map(Part::Episode);
        let known = Part::Known(TENANT, graves[0].row.episode_id, known);
        let mut run = Run::default();
        run.step(&ways, parts.chain([known]).map(|part| (part, 1)).collect());
        run.known().into_iter().map(|(first, _)| first).collect::<BTreeSet<First>>()
    };
    let [first, second, gone] = [0, 1, 2].map(|which: usize| First::of(&graves[which]));
    assert_eq!(names(second), BTreeSet::from([first, second]), "each is known by itself");
    assert_eq!(names(gone), BTreeSet::from([gone.min(first), second]));
}

#[test]
fn episodes_of_one_id_leave_groups_whole() {
    let ways = Ways::of(&Rules::built_in());
    for seed in 0..300 {
        let mut draws = Draws(seed, 0);
        let (mut live, mut run) = (BTreeSet::<Part>::new(), Run::default());
        for _ in 0..30 {
            let before = live.clone();
            for _ in 0..draws.below(6) {
                let (effect, cause) = (draws.below(4), draws.below(4));
                let best = draws.below(2) == 0;
                live.insert(Part::Link(draws.link((effect, cause), best)));
                live.insert(Part::Episode(draws.episode(effect)));
                live.retain(|_| draws.below(3) != 0);
            }
            let parts = changes(&mut draws, &before, &live);
            run.step(&ways, parts);
        }
        let rest = changes(&mut draws, &live, &BTreeSet::new());
        run.step(&ways, rest);
        assert!(run.is_empty(), "seed {seed}");
    }
}
