//! The definition, word by word: every pair of episodes, every path, no clock, nothing forgotten.

use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::{Catalogue, Direction};
use schemas::entity::RelationKind;

use crate::peers::bare::{Bare, ends};
use crate::peers::baseline::slot_of;
use crate::peers::generate::{Size, generate};
use crate::peers::ways::WAYS;
use crate::peers::workload::{
    Edge, Episode, Event, FLOOR_MICRO, GAP_MS, Happened, Incident, KINDS, Kind, LASTS_SLOTS, Link, Output,
    Place, SLOTS, STAYS_SLOTS, Said, Step, end, holds,
};

/// An episode and its times.
type Seen = (Episode, Happened);

fn naive(events: &[Event]) -> Output {
    let mut seen: Vec<(Place, Kind, Happened)> = Vec::new();
    let mut samples: BTreeMap<Place, BTreeMap<i64, Vec<(i64, i64)>>> = BTreeMap::new();
    let mut edges: BTreeMap<u32, Edge> = BTreeMap::new();
    for event in events {
        match event.said {
            Said::Signal(place, kind) => seen.push((place, kind, Happened::at(event.at))),
            Said::Sample(place, value) => {
                let slots = samples.entry(place).or_default();
                slots.entry(slot_of(event.at)).or_default().push((event.at, value));
            }
            Said::Edge(edge) => drop(edges.insert(edge.number, edge)),
        }
    }
    for (place, slots) in &samples {
        seen.extend(anomalies(slots).into_iter().map(|found| (*place, Kind::Errors, found)));
    }
    seen.sort_unstable();
    let mut episodes: Vec<Seen> = Vec::new();
    for (place, kind, found) in seen {
        match episodes.last_mut() {
            Some((last, known))
                if (last.place, last.kind) == (place, kind) && found.onset <= known.over + GAP_MS =>
            {
                known.over = known.over.max(found.over);
                known.earliest = known.earliest.min(found.earliest);
            }
            _ => episodes.push((Episode { onset: found.onset, place, kind }, found)),
        }
    }
    let links: Vec<Link> = episodes.iter().filter_map(|effect| best(effect, &episodes, &edges)).collect();
    let incidents = incidents(&episodes, &links);
    Output { links, incidents }
}

/// Runs of slots that rise: of at least two, counted from the slot before.
fn anomalies(slots: &BTreeMap<i64, Vec<(i64, i64)>>) -> Vec<Happened> {
    let slots: Vec<(i64, &Vec<(i64, i64)>)> =
        slots.iter().map(|(number, samples)| (*number, samples)).collect();
    let mean = |samples: &Vec<(i64, i64)>| {
        samples.iter().map(|(_, value)| value).sum::<i64>() / i64::try_from(samples.len()).unwrap()
    };
    let (mut usual, mut unusual, mut judged) = (Vec::new(), Vec::new(), Vec::new());
    for (_, samples) in &slots {
        let mean = mean(samples);
        let found = deviates(&usual[usual.len().saturating_sub(SLOTS.1)..], mean);
        judged.push(found);
        if found.is_none() {
            unusual.clear();
            usual.push(mean);
            continue;
        }
        unusual.push(mean);
        if unusual.len() == STAYS_SLOTS {
            usual = unusual[STAYS_SLOTS - SLOTS.0..].to_vec();
            unusual.clear();
        }
    }
    let mut found = Vec::new();
    for from in
        (1..slots.len()).filter(|index| judged[*index] == Some(true) && judged[index - 1] != Some(true))
    {
        let after = (from..slots.len()).find(|later| judged[*later] != Some(true)).unwrap_or(slots.len());
        if slots[after - 1].0 - slots[from - 1].0 < LASTS_SLOTS {
            continue;
        }
        let (onset, earliest) = (slots[from].1[0].0, slots[from - 1].1.last().unwrap().0);
        let last = slots[after - 1].1.last().unwrap().0;
        let over = slots.get(after).map_or(last, |(_, samples)| samples[0].0);
        found.push(Happened { onset, earliest, over });
    }
    found
}

/// Whether a value deviates from what is usual, and if so, whether it rises.
fn deviates(usual: &[i64], value: i64) -> Option<bool> {
    if usual.len() < SLOTS.0 {
        return None;
    }
    let mut sorted = usual.to_vec();
    sorted.sort_unstable();
    let median = sorted[(sorted.len() - 1) / 2];
    let mut distances: Vec<i64> = sorted.iter().map(|mean| (mean - median).abs()).collect();
    distances.sort_unstable();
    let (middle, ninth) = (distances[(distances.len() - 1) / 2], distances[distances.len() * 9 / 10]);
    let spread = (middle * 3 / 2).max(ninth * 3 / 5).max(median.abs() / 10).max(FLOOR_MICRO);
    (6 * spread < (value - median).abs()).then_some(median < value)
}

fn best(effect: &Seen, episodes: &[Seen], edges: &BTreeMap<u32, Edge>) -> Option<Link> {
    let (effect, times) = *effect;
    let mut candidates = Vec::new();
    for way in WAYS.iter().filter(|way| way.effect == effect.kind) {
        let mut places = BTreeSet::from([effect.place]);
        for step in way.steps {
            places = places.iter().flat_map(|place| next(*place, *step, times, edges)).collect();
        }
        for (cause, found) in episodes {
            if cause.kind == way.cause
                && *cause != effect
                && places.contains(&cause.place)
                && way.allows(*found, effect.onset)
            {
                let lag = effect.onset - cause.onset;
                candidates.push((way.score(lag), cause.onset, *cause, way.rule, way.strength(lag)));
            }
        }
    }
    let (_, _, cause, rule, strength) = candidates.into_iter().max_by_key(|found| (found.0, found.1))?;
    Some(Link { effect, cause, rule, strength })
}

fn next(place: Place, step: Step, effect: Happened, edges: &BTreeMap<u32, Edge>) -> Vec<Place> {
    let valid = edges
        .values()
        .filter(|edge| holds((edge.valid_from, edge.valid_to), (effect.onset, effect.earliest)));
    let steps = valid.flat_map(|edge| ends(edge).collect::<Vec<_>>());
    steps.filter(|(from, by, _)| (*from, *by) == (place, step)).map(|(.., to)| to).collect()
}

fn incidents(episodes: &[Seen], links: &[Link]) -> Vec<Incident> {
    let mut group: BTreeMap<i64, i64> =
        episodes.iter().map(|(episode, _)| (episode.onset, episode.onset)).collect();
    loop {
        let before = group.clone();
        for link in links {
            let least = group[&link.effect.onset].min(group[&link.cause.onset]);
            group.insert(link.effect.onset, least);
            group.insert(link.cause.onset, least);
        }
        if before == group {
            break;
        }
    }
    let mut members: BTreeMap<i64, Vec<Episode>> = BTreeMap::new();
    for (episode, _) in episodes {
        members.entry(group[&episode.onset]).or_default().push(*episode);
    }
    let incident = |members: &Vec<Episode>| {
        let graves = members.iter().filter(|episode| episode.kind.spec().grave);
        let started_at = graves.map(|episode| episode.onset).min()?;
        let alerts = members.iter().filter(|episode| episode.kind == Kind::Alert).count();
        Some(Incident { started_at, episodes: members.len() as u64, alerts: alerts as u64 })
    };
    members.values().filter_map(incident).collect()
}

fn bare(events: &[Event]) -> Output {
    let mut bare = Bare::default();
    for event in events {
        bare.push(event);
    }
    bare.advance(end(events));
    bare.output()
}

#[test]
fn bare_comes_to_what_the_definition_says() {
    for seed in 0..12 {
        // Within a horizon nothing is forgotten, so that all of it can be compared.
        let size = Size { services: 3 + u32::try_from(seed).unwrap() * 2, duration_ms: 5_000_000 };
        let events = generate(seed, size);
        let (mut expected, mut found) = (naive(&events), bare(&events));
        for output in [&mut expected, &mut found] {
            output.links.sort_unstable();
            output.incidents.sort_unstable();
        }
        assert_eq!(found, expected, "seed {seed}");
        assert!(10 < found.links.len(), "seed {seed}: {} links", found.links.len());
    }
}

#[test]
fn what_is_compared_does_not_depend_on_what_was_forgotten() {
    for seed in 20..23 {
        let events = generate(seed, Size { services: 8, duration_ms: 12_000_000 });
        let end = end(&events);
        let (expected, found) = (naive(&events).compared(end), bare(&events).compared(end));
        assert_eq!(found, expected, "seed {seed}");
        assert!(!found.links.is_empty() && !found.incidents.is_empty());
    }
}

/// Random signals on few places: more coincidences than a cluster has.
#[test]
fn bare_and_the_definition_agree_on_noise() {
    use crate::scenario::random::Random;
    for seed in 100..112 {
        let mut random = Random::new(seed);
        let mut events = generate(seed, Size { services: 3, duration_ms: 1 });
        let mut at = events.last().unwrap().at;
        let pods: BTreeSet<Place> = events
            .iter()
            .filter_map(|event| match event.said {
                Said::Edge(edge) if edge.to.sort() == 2 => Some(edge.to),
                _ => None,
            })
            .collect();
        let pods: Vec<Place> = pods.into_iter().collect();
        for _ in 0..600 {
            at += random.between(1, 9_000);
            let service = Place::service(u32::try_from(random.below(3)).unwrap());
            let said = match random.below(10) {
                0 => Said::Signal(Place::node(u32::try_from(random.below(2)).unwrap()), Kind::Node),
                1 => Said::Signal(Place::deployment(u32::try_from(random.below(3)).unwrap()), Kind::Image),
                2 => Said::Signal(service, Kind::Endpoints),
                3 => Said::Signal(service, Kind::Alert),
                4 | 5 => Said::Signal(random.pick(&pods), Kind::Readiness),
                6 => Said::Signal(random.pick(&pods), Kind::Container),
                _ => Said::Sample(service, random.pick(&[2_000_000, 2_500_000, 3_000_000, 90_000_000])),
            };
            events.push(Event { at, said });
        }
        let (mut expected, mut found) = (naive(&events), bare(&events));
        for output in [&mut expected, &mut found] {
            output.links.sort_unstable();
            output.incidents.sort_unstable();
        }
        assert_eq!(found, expected, "seed {seed}");
    }
}

#[test]
fn a_workload_has_times_in_order_and_of_everything_some() {
    let events = generate(1, Size { services: 20, duration_ms: 9_000_000 });
    assert!(events.windows(2).all(|pair| pair[0].at < pair[1].at));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Errors) {
        let of_kind = |event: &&Event| matches!(event.said, Said::Signal(_, found) if found == kind);
        assert!(2 < events.iter().filter(of_kind).count(), "{}", KINDS[kind.number()].id);
    }
    let found = bare(&events);
    assert!(found.links.iter().any(|link| link.effect.kind == Kind::Errors));
    assert!(found.incidents.iter().any(|incident| 5 < incident.episodes && 0 < incident.alerts));
}

/// The relation and direction of a step.
fn walked(step: Step) -> (RelationKind, Direction) {
    match step {
        Step::Owner => (RelationKind::Owns, Direction::Backward),
        Step::Selected => (RelationKind::Selects, Direction::Forward),
        Step::Selector => (RelationKind::Selects, Direction::Backward),
        Step::RunsOn => (RelationKind::RunsOn, Direction::Forward),
        Step::Called => (RelationKind::Calls, Direction::Forward),
    }
}

/// Where a step leads from a sort of place, if it leads anywhere.
fn leads(sort: u32, step: (RelationKind, Direction)) -> Option<u32> {
    match (sort, step) {
        (2, (RelationKind::Owns, Direction::Backward)) => Some(1),
        (1, (RelationKind::Owns, Direction::Forward)) => Some(2),
        (3, (RelationKind::Selects, Direction::Forward)) => Some(2),
        (2, (RelationKind::Selects, Direction::Backward)) => Some(3),
        (2, (RelationKind::RunsOn, Direction::Forward)) => Some(4),
        (4, (RelationKind::RunsOn, Direction::Backward)) => Some(2),
        (3, (RelationKind::Calls, _)) => Some(3),
        _ => None,
    }
}

/// Sort of place of each kind, in the order of [`KINDS`].
const SORTS: [u32; 7] = [1, 4, 2, 2, 3, 3, 3];

#[test]
fn kinds_and_rules_are_those_of_the_catalogue() {
    let catalogue = Catalogue::built_in();
    for spec in &KINDS {
        let known = catalogue.kind(spec.id).unwrap().spec();
        assert_eq!(i64::from(known.prior), spec.prior, "{}", spec.id);
    }
    let kind = |index: usize| catalogue.kind(KINDS[index].id).unwrap();
    for (left, of_left) in KINDS.iter().enumerate() {
        for (right, of_right) in KINDS.iter().enumerate() {
            let found = kind(left).spec().layer.cmp(&kind(right).spec().layer);
            assert_eq!(found, of_left.layer.cmp(&of_right.layer));
        }
    }
    let mut expected = BTreeSet::new();
    for (_, rule) in catalogue.rules().iter() {
        for (cause, effect) in (0..7).flat_map(|cause| (0..7).map(move |effect| (cause, effect))) {
            if !rule.causes.contains(&kind(cause)) || !rule.effects.contains(&kind(effect)) {
                continue;
            }
            for path in &rule.paths {
                let mut walks = vec![(SORTS[effect], Vec::new())];
                for step in &path.0 {
                    let label = (step.relation, step.direction);
                    let repeats = if step.repeats { 3 } else { 1 };
                    let mut longer = Vec::new();
                    for (mut sort, mut steps) in walks {
                        for _ in 0..repeats {
                            let Some(next) = leads(sort, label) else { break };
                            sort = next;
                            steps.push(label);
                            longer.push((sort, steps.clone()));
                        }
                    }
                    walks = longer;
                }
                for (_, steps) in walks.into_iter().filter(|(sort, _)| *sort == SORTS[cause]) {
                    let strength = i64::from(rule.strength);
                    expected.insert((rule.id.to_string(), cause, effect, steps, rule.window_ms, strength));
                }
            }
        }
    }
    let row = |way: &crate::peers::ways::Way| {
        let steps: Vec<_> = way.steps.iter().map(|step| walked(*step)).collect();
        let (cause, effect) = (way.cause.number(), way.effect.number());
        (way.rule.to_owned(), cause, effect, steps, way.window_ms, way.strength)
    };
    let found: BTreeSet<_> = WAYS.iter().map(row).collect();
    assert_eq!(found, expected);
}
