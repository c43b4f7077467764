//! Plain differential, as its documentation teaches it: `join_core` over arrangements, `reduce` for episodes, slots and best
//! causes, `iterate` for groups, and retractions dated in the future for expiry. One worker.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use differential_dataflow::VecCollection;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::Iterate;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

use crate::peers::bare::ends;
use crate::peers::baseline::{Summary, runs, slot_of};
use crate::peers::measure::Peer;
use crate::peers::trie::Tries;
use crate::peers::ways::WAYS;
use crate::peers::workload::{
    Edge, Episode, Event, HORIZON_MS, Happened, Incident, Kind, Link, Output, Place, Said, Step, fold, holds,
};

/// Retractions are gathered: an event counts until the next whole multiple of this, in milliseconds.
const COARSE_MS: i64 = 60_000;

type Rows<'scope, D> = VecCollection<'scope, u64, D, isize>;
/// What happened where and when.
type Occurred = ((Place, Kind), Happened);
/// An effect: itself, and how early it can have begun.
type Effect = (Episode, i64);
/// A cause by effect: score, onset of the cause, the cause's place, number of the way.
type Candidate = (i64, i64, Place, usize);
/// Onset of the first grave episode, episodes, alerts.
type Judged = (i64, u64, u64);

/// The present rows, as a consumer keeps them.
#[derive(Debug, Default)]
struct Views {
    links: BTreeMap<(Episode, Candidate), isize>,
    incidents: BTreeMap<(i64, Judged), isize>,
}

/// A worker with its inputs.
pub struct Plain<'a> {
    worker: &'a mut Worker,
    signals: InputSession<u64, (Place, Kind, i64), isize>,
    samples: InputSession<u64, (Place, i64, i64), isize>,
    edges: InputSession<u64, Edge, isize>,
    /// Present edges by number, with when each was told last.
    told: BTreeMap<u32, (i64, Edge)>,
    expiring: VecDeque<(i64, u32)>,
    probe: ProbeHandle<u64>,
    views: Rc<RefCell<Views>>,
}

/// Runs something with the peer, in this thread.
pub fn with<T: Send + Sync + 'static>(
    act: impl Fn(&mut Plain<'_>) -> Result<T> + Send + Sync + 'static,
) -> Result<T> {
    let guards = timely::execute(timely::Config::thread(), move |worker| act(&mut Plain::new(worker)));
    let guards = guards.map_err(|error| anyhow::anyhow!("start timely: {error}"))?;
    let mut results = guards.join().into_iter();
    let result = results.next().ok_or_else(|| anyhow::anyhow!("no worker"))?;
    result.map_err(|error| anyhow::anyhow!("worker: {error}"))?
}

impl<'a> Plain<'a> {
    fn new(worker: &'a mut Worker) -> Plain<'a> {
        let (mut signals, mut samples, mut edges) =
            (InputSession::new(), InputSession::new(), InputSession::new());
        let views = Rc::new(RefCell::new(Views::default()));
        let probe = ProbeHandle::new();
        worker.dataflow(|scope| {
            let stated =
                signals.to_collection(scope).map(|(place, kind, at)| ((place, kind), Happened::at(at)));
            let derived = anomalies(samples.to_collection(scope));
            let episodes = episodes(stated.concat(derived));
            let links = links(episodes.clone(), edges.to_collection(scope));
            let incidents = incidents(episodes, links.clone());
            let (of_links, of_incidents) = (Rc::clone(&views), Rc::clone(&views));
            links
                .consolidate()
                .inspect(move |(row, _, diff)| change(&mut of_links.borrow_mut().links, *row, *diff))
                .probe_with(&probe);
            incidents
                .consolidate()
                .inspect(move |(row, _, diff)| change(&mut of_incidents.borrow_mut().incidents, *row, *diff))
                .probe_with(&probe);
        });
        let (told, expiring) = (BTreeMap::new(), VecDeque::new());
        Plain { worker, signals, samples, edges, told, expiring, probe, views }
    }

    fn tell(&mut self, at: i64, edge: Edge) {
        self.expiring.push_back((at, edge.number));
        let known = self.told.insert(edge.number, (at, edge));
        match known {
            Some((_, known)) if known == edge => {}
            Some((_, known)) => {
                self.edges.update(known, -1);
                self.edges.update(edge, 1);
            }
            None => self.edges.update(edge, 1),
        }
    }
}

fn change<K: Ord>(rows: &mut BTreeMap<K, isize>, row: K, diff: isize) {
    let entry = rows.entry(row);
    match entry {
        std::collections::btree_map::Entry::Occupied(mut known) => {
            *known.get_mut() += diff;
            if *known.get() == 0 {
                known.remove();
            }
        }
        std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(diff)),
    }
}

fn time(at: i64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}

/// When an event of an instant stops to count.
fn expiry(at: i64) -> u64 {
    time((at + HORIZON_MS).div_euclid(COARSE_MS) * COARSE_MS + COARSE_MS)
}

impl Peer for Plain<'_> {
    fn feed(&mut self, events: &[Event], now: i64) -> Result<()> {
        // Edges are replaced and told again, so that theirs cannot be dated ahead.
        while let Some((_, number)) =
            self.expiring.front().copied().filter(|(at, _)| expiry(*at) <= time(now))
        {
            self.expiring.pop_front();
            if let Some((_, edge)) =
                self.told.get(&number).copied().filter(|(at, _)| expiry(*at) <= time(now))
            {
                self.told.remove(&number);
                self.edges.update(edge, -1);
            }
        }
        for event in events {
            let expires = expiry(event.at);
            match event.said {
                Said::Signal(place, kind) => {
                    self.signals.update((place, kind, event.at), 1);
                    self.signals.update_at((place, kind, event.at), expires, -1);
                }
                Said::Sample(place, value) => {
                    self.samples.update((place, event.at, value), 1);
                    self.samples.update_at((place, event.at, value), expires, -1);
                }
                Said::Edge(edge) => self.tell(event.at, edge),
            }
        }
        let next = time(now) + 1;
        self.signals.advance_to(next);
        self.signals.flush();
        self.samples.advance_to(next);
        self.samples.flush();
        self.edges.advance_to(next);
        self.edges.flush();
        while self.probe.less_than(&next) {
            self.worker.step();
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn output(&mut self, _end: i64) -> Result<Output> {
        let views = self.views.borrow();
        let link = |(effect, candidate): &(Episode, Candidate)| {
            let (_, onset, place, way) = *candidate;
            let way = &WAYS[way];
            let cause = Episode { onset, place, kind: way.cause };
            Link { effect: *effect, cause, rule: way.rule, strength: way.strength(effect.onset - onset) }
        };
        let incident = |(_, judged): &(i64, Judged)| {
            let (started_at, episodes, alerts) = *judged;
            Incident { started_at, episodes, alerts }
        };
        Ok(Output {
            links: views.links.keys().map(link).collect(),
            incidents: views.incidents.keys().map(incident).collect(),
        })
    }
}

/// Slots first, then runs of slots that rise: all of a series anew whenever one of its slots changes.
fn anomalies(samples: Rows<'_, (Place, i64, i64)>) -> Rows<'_, Occurred> {
    let slots = samples.map(|(place, at, value)| ((place, slot_of(at)), (at, value))).reduce(
        |_, samples, output: &mut Vec<((i64, i64, i64), isize)>| {
            let sum: i64 = samples.iter().map(|((_, value), _)| value).sum();
            let (first, last) = (samples[0].0.0, samples[samples.len() - 1].0.0);
            output.push(((first, last, sum / i64::try_from(samples.len()).unwrap_or(1)), 1));
        },
    );
    slots
        .map(|((place, number), (first, last, mean))| (place, (number, first, last, mean)))
        .reduce(|_, slots, output: &mut Vec<(Happened, isize)>| {
            let slots: Vec<Summary> = slots.iter().map(|(slot, _)| **slot).collect();
            output.extend(runs(&slots).into_iter().map(|run| (run, 1)));
        })
        .map(|(place, happened)| ((place, Kind::Errors), happened))
}

/// Folds repeats.
fn episodes(occurred: Rows<'_, Occurred>) -> Rows<'_, (Episode, Happened)> {
    occurred
        .reduce(|_, occurred, output: &mut Vec<(Happened, isize)>| {
            let folded = fold(occurred.iter().map(|(found, _)| **found));
            output.extend(folded.into_iter().map(|episode| (episode, 1)));
        })
        .map(|((place, kind), found)| (Episode { onset: found.onset, place, kind }, found))
}

/// Walks from effects along edges, meets causes, and keeps the best of each effect.
fn links<'scope>(
    episodes: Rows<'scope, (Episode, Happened)>,
    edges: Rows<'scope, Edge>,
) -> Rows<'scope, (Episode, Candidate)> {
    let tries = Arc::new(Tries::new());
    let edges = edges
        .flat_map(|edge| {
            let valid = (edge.valid_from, edge.valid_to);
            ends(&edge).map(move |(from, step, to)| ((from, step), (to, valid))).collect::<Vec<_>>()
        })
        .arrange_by_key();
    let roots = tries.roots;
    let mut present = episodes
        .clone()
        .map(move |(effect, found)| (effect.place, roots[effect.kind.number()], (effect, found.earliest)));
    let mut reached = present.clone();
    for _ in 0..tries.depth() {
        let trie = Arc::clone(&tries);
        let steps = present.flat_map(move |(place, node, effect): (Place, usize, Effect)| {
            let onward = trie.nodes[node].steps.iter();
            onward.map(|(step, next)| ((place, *step), (*next, effect))).collect::<Vec<((Place, Step), _)>>()
        });
        present = steps.arrange_by_key().join_core(edges.clone(), |_, (node, effect), (to, valid)| {
            holds(*valid, (effect.0.onset, effect.1)).then_some((*to, *node, *effect))
        });
        reached = reached.concat(present.clone());
    }
    let sought = reached
        .flat_map(move |(place, node, (effect, _))| {
            let ways = tries.nodes[node].ways.iter();
            ways.map(|way| ((place, way.cause), (effect, number(way)))).collect::<Vec<_>>()
        })
        .arrange_by_key();
    let causes = episodes.map(|(cause, found)| ((cause.place, cause.kind), found)).arrange_by_key();
    sought
        .join_core(causes, |(place, _), (effect, number), cause| {
            let (way, onset) = (&WAYS[*number], cause.onset);
            let allowed = onset != effect.onset && way.allows(*cause, effect.onset);
            let candidate = (way.score(effect.onset - onset), onset, *place, *number);
            allowed.then_some((*effect, candidate))
        })
        .reduce(|_, candidates, output| {
            let best =
                candidates.iter().map(|(candidate, _)| **candidate).max_by_key(|found| (found.0, found.1));
            output.extend(best.map(|best| (best, 1)));
        })
}

fn number(way: &'static crate::peers::ways::Way) -> usize {
    WAYS.iter().position(|known| std::ptr::eq(known, way)).unwrap_or(0)
}

/// Labels spread along best links, in a loop; then what each group comes to.
fn incidents<'scope>(
    episodes: Rows<'scope, (Episode, Happened)>,
    links: Rows<'scope, (Episode, Candidate)>,
) -> Rows<'scope, (i64, Judged)> {
    let links = links.map(|(effect, (_, onset, ..))| (effect.onset, onset));
    let pairs = links.clone().concat(links.map(|(effect, cause)| (cause, effect)));
    let members = episodes.map(|(episode, _)| (episode.onset, episode.kind));
    let nodes = members.clone().map(|(onset, _)| (onset, onset));
    let labels = nodes.clone().iterate(|scope, labels| {
        let (pairs, nodes) = (pairs.enter(scope), nodes.enter(scope));
        labels
            .join_map(pairs, |_, label, other| (*other, *label))
            .concat(nodes)
            .reduce(|_, labels, output| output.push((*labels[0].0, 1)))
    });
    members.join_map(labels, |onset, kind, label| (*label, (*onset, *kind))).reduce(
        |_, members, output: &mut Vec<(Judged, isize)>| {
            let graves = members.iter().filter(|((_, kind), _)| kind.spec().grave);
            let started_at = graves.map(|((onset, _), _)| *onset).min();
            let alerts = members.iter().filter(|((_, kind), _)| *kind == Kind::Alert).count() as u64;
            output.extend(started_at.map(|at| ((at, members.len() as u64, alerts), 1)));
        },
    )
}
