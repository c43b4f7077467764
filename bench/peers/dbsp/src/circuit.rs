//! The circuit: joins of indexed Z-sets, aggregates for slots, runs, episodes and best causes, recursion for groups. What is
//! over is retracted by the driver, minute by minute, as in the peer on plain differential.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Result, anyhow};
use dbsp::algebra::UnimplementedSemigroup;
use dbsp::circuit::CircuitConfig;
use dbsp::operator::{Fold, Max};
use dbsp::typed_batch::{IndexedZSetReader, SpineSnapshot};
use dbsp::utils::{Tup2, Tup3, Tup4, Tup5, Tup6};
use dbsp::{
    DBSPHandle, IndexedZSetHandle, OrdIndexedZSet, OrdZSet, OutputHandle, RootCircuit, Runtime, Stream,
    ZSetHandle, ZWeight,
};

use crate::peers::bare::ends;
use crate::peers::baseline::{Summary, runs, slot_of};
use crate::peers::measure::Peer;
use crate::peers::trie::Tries;
use crate::peers::ways::WAYS;
use crate::peers::workload::{
    Edge, Episode, Event, HORIZON_MS, Happened, Incident, Kind, Link, Output, Place, Said, Step, fold, holds,
};

/// As in the peer on plain differential, in milliseconds.
const COARSE_MS: i64 = 60_000;

type Indexed<K, V> = Stream<RootCircuit, OrdIndexedZSet<K, V>>;
/// Place and kind, or place and step.
type At = Tup2<u32, u8>;
/// Onset, earliest, over.
type Times = Tup3<i64, i64, i64>;
/// Onset, place, kind.
type Named = Tup3<i64, u32, u8>;
/// Score, onset of the cause, its place, number of the way.
type Candidate = Tup4<i64, i64, u32, u32>;
/// Onset of the first grave episode, episodes, alerts.
type Judged = Tup3<i64, u64, u64>;
/// Where a walk is: place, node, then the effect: onset, earliest, place, kind.
type Walk = Tup6<u32, u32, i64, i64, u32, u8>;
type Shown<K, V> = OutputHandle<SpineSnapshot<OrdIndexedZSet<K, V>>>;

/// The inputs of the circuit.
struct Inputs {
    signals: IndexedZSetHandle<At, Times>,
    samples: ZSetHandle<Tup3<u32, i64, i64>>,
    edges: IndexedZSetHandle<At, Tup3<u32, i64, i64>>,
}

/// A running circuit, and the present rows as a consumer keeps them.
pub struct Dbsp {
    circuit: DBSPHandle,
    inputs: Inputs,
    shown: (Shown<Named, Candidate>, Shown<i64, Judged>),
    links: BTreeMap<Named, Candidate>,
    incidents: BTreeMap<i64, Judged>,
    /// Present edges by number, with when each was told last.
    told: BTreeMap<u32, (i64, Edge)>,
    expiring: VecDeque<(i64, Said)>,
}

impl Dbsp {
    /// Builds the circuit.
    pub fn start() -> Result<Dbsp> {
        let (circuit, (inputs, shown)) = Runtime::init_circuit(CircuitConfig::with_workers(1), build)?;
        let (links, incidents) = (BTreeMap::new(), BTreeMap::new());
        let (told, expiring) = (BTreeMap::new(), VecDeque::new());
        Ok(Dbsp { circuit, inputs, shown, links, incidents, told, expiring })
    }

    /// Ends its threads.
    pub fn stop(self) -> Result<()> {
        self.circuit.kill().map_err(|_| anyhow!("a worker of the circuit failed"))
    }

    fn change(&self, at: i64, said: &Said, weight: ZWeight) {
        match *said {
            Said::Signal(place, kind) => {
                self.inputs.signals.push(Tup2(place.0, kind as u8), (Tup3(at, at, at), weight));
            }
            Said::Sample(place, value) => self.inputs.samples.push(Tup3(place.0, at, value), weight),
            Said::Edge(edge) => {
                for (from, step, to) in ends(&edge) {
                    let end = Tup3(to.0, edge.valid_from, edge.valid_to);
                    self.inputs.edges.push(Tup2(from.0, step as u8), (end, weight));
                }
            }
        }
    }

    /// Edges are told again, and replaced by what is told later of the same number.
    fn tell(&mut self, at: i64, edge: Edge) {
        match self.told.insert(edge.number, (at, edge)) {
            Some((_, known)) if known == edge => return,
            Some((_, known)) => self.change(at, &Said::Edge(known), -1),
            None => {}
        }
        self.change(at, &Said::Edge(edge), 1);
    }

    fn expire(&mut self, now: i64) {
        let expiry = |at: i64| (at + HORIZON_MS).div_euclid(COARSE_MS) * COARSE_MS + COARSE_MS;
        while let Some((at, said)) = self.expiring.front().copied().filter(|(at, _)| expiry(*at) <= now) {
            self.expiring.pop_front();
            match said {
                Said::Edge(edge) => {
                    let last = self.told.get(&edge.number).copied().filter(|(told, _)| expiry(*told) <= now);
                    if let Some((_, edge)) = last {
                        self.told.remove(&edge.number);
                        self.change(at, &Said::Edge(edge), -1);
                    }
                }
                _ => self.change(at, &said, -1),
            }
        }
    }
}

impl Peer for Dbsp {
    fn feed(&mut self, events: &[Event], now: i64) -> Result<()> {
        self.expire(now);
        for event in events {
            self.expiring.push_back((event.at, event.said));
            match event.said {
                Said::Edge(edge) => self.tell(event.at, edge),
                _ => self.change(event.at, &event.said, 1),
            }
        }
        self.circuit.transaction()?;
        apply(&mut self.links, &self.shown.0);
        apply(&mut self.incidents, &self.shown.1);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn output(&mut self, _end: i64) -> Result<Output> {
        let link = |(Tup3(onset, place, kind), Tup4(_, cause, at, way)): (&Named, &Candidate)| {
            let way = &WAYS[*way as usize];
            let effect = Episode { onset: *onset, place: Place(*place), kind: Kind::ALL[usize::from(*kind)] };
            let cause = Episode { onset: *cause, place: Place(*at), kind: way.cause };
            Link { effect, cause, rule: way.rule, strength: way.strength(effect.onset - cause.onset) }
        };
        let incident = |Tup3(started_at, episodes, alerts): &Judged| {
            let known = (*started_at != i64::MAX).then_some(*started_at);
            known.map(|started_at| Incident { started_at, episodes: *episodes, alerts: *alerts })
        };
        Ok(Output {
            links: self.links.iter().map(link).collect(),
            incidents: self.incidents.values().filter_map(incident).collect(),
        })
    }
}

/// A key has one value: what goes away goes first.
fn apply<K: dbsp::DBData, V: dbsp::DBData>(rows: &mut BTreeMap<K, V>, shown: &Shown<K, V>) {
    let changes = shown.concat().consolidate();
    for (key, value, weight) in changes.iter() {
        if 0 < weight {
            rows.insert(key, value);
        } else if rows.get(&key) == Some(&value) {
            rows.remove(&key);
        }
    }
}

type Built = (Inputs, (Shown<Named, Candidate>, Shown<i64, Judged>));

fn build(circuit: &mut RootCircuit) -> Result<Built> {
    let (stated, signals) = circuit.add_input_indexed_zset::<At, Times>();
    let (measured, samples) = circuit.add_input_zset::<Tup3<u32, i64, i64>>();
    let (steps, edges) = circuit.add_input_indexed_zset::<At, Tup3<u32, i64, i64>>();
    let occurred = stated.plus(&anomalies(&measured));
    let episodes = episodes(&occurred);
    let best = best(&episodes, &steps);
    let incidents = incidents(&episodes, &best)?;
    let shown = (best.accumulate_output(), incidents.accumulate_output());
    Ok((Inputs { signals, samples, edges }, shown))
}

/// Slots first, then runs of slots that rise.
fn anomalies(samples: &Stream<RootCircuit, OrdZSet<Tup3<u32, i64, i64>>>) -> Indexed<At, Times> {
    // First, last, sum, number.
    let slot = Fold::<_, Tup4<i64, i64, i64, i64>, UnimplementedSemigroup<_>, _, _>::with_output(
        Tup4(i64::MAX, 0, 0, 0),
        |slot: &mut Tup4<i64, i64, i64, i64>, Tup2(at, value): &Tup2<i64, i64>, weight: ZWeight| {
            *slot = Tup4(slot.0.min(*at), slot.1.max(*at), slot.2 + value * weight, slot.3 + weight);
        },
        |Tup4(first, last, sum, count): Tup4<i64, i64, i64, i64>| Tup3(first, last, sum / count.max(1)),
    );
    let rising = Fold::<_, Vec<Tup4<i64, i64, i64, i64>>, UnimplementedSemigroup<_>, _, _>::with_output(
        Vec::new(),
        |slots: &mut Vec<Tup4<i64, i64, i64, i64>>, slot: &Tup4<i64, i64, i64, i64>, _: ZWeight| {
            slots.push(*slot)
        },
        |slots: Vec<Tup4<i64, i64, i64, i64>>| {
            let slots: Vec<Summary> = slots
                .into_iter()
                .map(|Tup4(number, first, last, mean)| (number, first, last, mean))
                .collect();
            runs(&slots).into_iter().map(times).collect::<Vec<Times>>()
        },
    );
    samples
        .map_index(|Tup3(place, at, value)| (Tup2(*place, slot_of(*at)), Tup2(*at, *value)))
        .aggregate(slot)
        .map_index(|(Tup2(place, number), Tup3(first, last, mean))| {
            (*place, Tup4(*number, *first, *last, *mean))
        })
        .aggregate(rising)
        .flat_map_index(|(place, runs)| {
            let at = Tup2(*place, Kind::Errors as u8);
            runs.iter().map(|run| (at, *run)).collect::<Vec<_>>()
        })
}

fn times(happened: Happened) -> Times {
    Tup3(happened.onset, happened.earliest, happened.over)
}

fn happened(Tup3(onset, earliest, over): Times) -> Happened {
    Happened { onset, earliest, over }
}

/// Folds repeats.
fn episodes(occurred: &Indexed<At, Times>) -> Indexed<At, Times> {
    let folded = Fold::<_, Vec<Times>, UnimplementedSemigroup<_>, _, _>::with_output(
        Vec::new(),
        |all: &mut Vec<Times>, times: &Times, _: ZWeight| all.push(*times),
        |all: Vec<Times>| fold(all.into_iter().map(happened)).into_iter().map(times).collect::<Vec<Times>>(),
    );
    occurred
        .aggregate(folded)
        .flat_map_index(|(at, episodes)| episodes.iter().map(|times| (*at, *times)).collect::<Vec<_>>())
}

/// Walks from effects along edges, meets causes, and keeps the best of each effect.
fn best(
    episodes: &Indexed<At, Times>,
    steps: &Indexed<At, Tup3<u32, i64, i64>>,
) -> Indexed<Named, Candidate> {
    let tries = std::sync::Arc::new(Tries::new());
    let roots = tries.roots;
    let mut present: Stream<RootCircuit, OrdZSet<Walk>> =
        episodes.map(move |(Tup2(place, kind), Tup3(onset, earliest, _))| {
            let root = u32::try_from(roots[usize::from(*kind)]).unwrap_or(0);
            Tup6(*place, root, *onset, *earliest, *place, *kind)
        });
    let mut reached = present.clone();
    for _ in 0..tries.depth() {
        let trie = std::sync::Arc::clone(&tries);
        present = present
            .flat_map_index(move |Tup6(here, node, onset, earliest, place, kind)| {
                let onward = trie.nodes[*node as usize].steps.iter();
                let walk = |(step, next): &(Step, usize)| {
                    let next = u32::try_from(*next).unwrap_or(0);
                    (Tup2(*here, *step as u8), Tup5(next, *onset, *earliest, *place, *kind))
                };
                onward.map(walk).collect::<Vec<_>>()
            })
            .join_flatmap(steps, |_, Tup5(node, onset, earliest, place, kind), Tup3(to, from, until)| {
                let valid = holds((*from, *until), (*onset, *earliest));
                valid.then_some(Tup6(*to, *node, *onset, *earliest, *place, *kind))
            });
        reached = reached.plus(&present);
    }
    reached
        .flat_map_index(move |Tup6(here, node, onset, _, place, kind)| {
            let ways = tries.nodes[*node as usize].ways.iter();
            ways.map(|way| {
                let number = WAYS.iter().position(|known| std::ptr::eq(known, *way)).unwrap_or(0);
                let number = u32::try_from(number).unwrap_or(0);
                (Tup2(*here, way.cause as u8), Tup4(*onset, *place, *kind, number))
            })
            .collect::<Vec<_>>()
        })
        .join_index(episodes, |Tup2(at, _), Tup4(onset, place, kind, number), cause| {
            let way = &WAYS[*number as usize];
            let cause = happened(*cause);
            let allowed = cause.onset != *onset && way.allows(cause, *onset);
            let candidate = Tup4(way.score(*onset - cause.onset), cause.onset, *at, *number);
            allowed.then_some((Tup3(*onset, *place, *kind), candidate))
        })
        .aggregate(Max)
}

/// Roots spread from causes to effects, in recursion; then what each group comes to.
fn incidents(
    episodes: &Indexed<At, Times>,
    best: &Indexed<Named, Candidate>,
) -> Result<Indexed<i64, Judged>> {
    let kinds = episodes.map_index(|(Tup2(_, kind), Tup3(onset, ..))| (*onset, *kind));
    let effects = best.map_index(|(Tup3(effect, ..), Tup4(_, cause, ..))| (*effect, *cause));
    let caused = best.map_index(|(Tup3(effect, ..), Tup4(_, cause, ..))| (*cause, *effect));
    let roots = kinds.antijoin(&effects).map(|(onset, _)| Tup2(*onset, *onset));
    let rooted = effects.circuit().recursive(|child, rooted: Stream<_, OrdZSet<Tup2<i64, i64>>>| {
        let (roots, caused) = (roots.delta0(child), caused.delta0(child));
        let onward = rooted
            .map_index(|Tup2(episode, root)| (*episode, *root))
            .join(&caused, |_, root, effect| Tup2(*effect, *root));
        Ok(onward.plus(&roots))
    })?;
    let judged = Fold::<_, Judged, UnimplementedSemigroup<_>, _, _>::new(
        Tup3(i64::MAX, 0, 0),
        |judged: &mut Judged, Tup2(onset, kind): &Tup2<i64, u8>, _: ZWeight| {
            let kind = Kind::ALL[usize::from(*kind)];
            let started = if kind.spec().grave { judged.0.min(*onset) } else { judged.0 };
            *judged = Tup3(started, judged.1 + 1, judged.2 + u64::from(kind == Kind::Alert));
        },
    );
    Ok(rooted
        .map_index(|Tup2(episode, root)| (*episode, *root))
        .join_index(&kinds, |onset, root, kind| [(*root, Tup2(*onset, *kind))])
        .aggregate(judged))
}
