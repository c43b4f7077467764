//! The events of a seed: a small cluster in which nodes are lost, bad images are rolled out, and pods fail by themselves.
//!
//! A simulation with a queue of actions. Every event has a time of its own. Episodes are short (at most
//! twelve repeats), so that a horizon holds what an effect needs to know of its causes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::peers::workload::{Edge, Event, Kind, OPEN, Place, Said, Verb};
use crate::scenario::random::Random;

const MINUTE_MS: i64 = 60_000;
/// Pods that a service selects.
const PODS: u32 = 4;
/// Pods that run on a node.
const PODS_OF_NODE: u32 = 20;
/// How often an edge is told again, in milliseconds: less than the horizon.
const TOLD_MS: i64 = 2_400_000;
/// Between two samples of a service, in milliseconds: no slot is without one.
const SAMPLE_MS: i64 = 10_000;
/// A service that was in trouble is left alone for so long, in milliseconds: its baseline stays one of good times.
const SPARED_MS: i64 = 720_000;
/// Where events begin: a whole number of slots.
const BEGIN_MS: i64 = 1_000 * MINUTE_MS;

/// How much is generated.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Services; everything else is in proportion.
    pub services: u32,
    /// Event time that passes, in milliseconds.
    pub duration_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Sample(u32),
    Repeat(Place, Kind, u32, i64),
    Tell(u32),
    Replace(u32),
    Noise(u32),
    Node,
    Rollout,
    Trouble(u32, u32),
}

struct Simulation {
    random: Random,
    size: Size,
    queue: BinaryHeap<Reverse<(i64, u64, Action)>>,
    queued: u64,
    events: Vec<Event>,
    /// Pod of each slot, with its node and the numbers of its edges.
    pods: Vec<(Place, Place, [u32; 3])>,
    edges: Vec<Edge>,
    callees: Vec<Vec<u32>>,
    /// Until when a place has an episode of a kind.
    busy: BTreeMap<(Place, Kind), i64>,
    /// From when to when the requests of a service fail.
    trouble: Vec<(i64, i64)>,
}

/// The events of a seed.
pub fn generate(seed: u64, size: Size) -> Vec<Event> {
    let mut simulation = Simulation::new(seed, size);
    simulation.populate();
    while let Some(Reverse((at, _, action))) = simulation.queue.pop() {
        if BEGIN_MS + size.duration_ms <= at {
            break;
        }
        simulation.act(at, action);
    }
    simulation.events
}

impl Simulation {
    fn new(seed: u64, size: Size) -> Simulation {
        let services = usize::try_from(size.services).unwrap_or(0);
        Simulation {
            random: Random::new(seed),
            size,
            queue: BinaryHeap::new(),
            queued: 0,
            events: Vec::new(),
            pods: Vec::new(),
            edges: Vec::new(),
            callees: vec![Vec::new(); services],
            busy: BTreeMap::new(),
            trouble: vec![(0, 0); services],
        }
    }

    fn nodes(&self) -> u32 {
        (self.size.services * PODS / PODS_OF_NODE).max(2)
    }

    fn later(&mut self, at: i64, action: Action) {
        self.queued += 1;
        self.queue.push(Reverse((at, self.queued, action)));
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        self.random.between(from, to)
    }

    fn chance(&mut self, of_a_hundred: u64) -> bool {
        self.random.below(100) < of_a_hundred
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.random.below(u64::from(end))).unwrap_or(0)
    }

    /// An event at this time, or as soon as there is none yet.
    fn emit(&mut self, at: i64, said: Said) -> i64 {
        let at = self.events.last().map_or(at, |last| at.max(last.at + 1));
        self.events.push(Event { at, said });
        at
    }

    fn populate(&mut self) {
        for service in 0..self.size.services {
            for _ in 0..PODS {
                let slot = u32::try_from(self.pods.len()).unwrap_or(0);
                self.start_pod(BEGIN_MS, slot);
                let (replaced, noise) = (self.between(600_000, 6_000_000), self.between(1_000, 600_000));
                self.later(BEGIN_MS + replaced, Action::Replace(slot));
                self.later(BEGIN_MS + noise, Action::Noise(slot));
            }
            let calls = [70, 30].map(|chance| self.chance(chance));
            for _ in calls.into_iter().filter(|calls| *calls) {
                let callee = service + 1 + self.below(10);
                let known = &mut self.callees[service as usize];
                if callee < self.size.services && !known.contains(&callee) {
                    known.push(callee);
                    self.begin(BEGIN_MS, Place::service(service), Verb::Calls, Place::service(callee));
                }
            }
            let first = self.between(0, SAMPLE_MS);
            self.later(BEGIN_MS + first, Action::Sample(service));
        }
        self.later(BEGIN_MS + 1_200_000, Action::Node);
        self.later(BEGIN_MS + 900_000, Action::Rollout);
    }

    fn begin(&mut self, at: i64, from: Place, verb: Verb, to: Place) -> u32 {
        let number = u32::try_from(self.edges.len()).unwrap_or(u32::MAX);
        let edge = Edge { number, from, verb, to, valid_from: at, valid_to: OPEN };
        let at = self.events.last().map_or(at, |last| at.max(last.at + 1));
        let edge = Edge { valid_from: at, ..edge };
        self.edges.push(edge);
        self.emit(at, Said::Edge(edge));
        self.later(at + TOLD_MS, Action::Tell(number));
        number
    }

    fn start_pod(&mut self, at: i64, slot: u32) {
        let nodes = self.nodes();
        let pod = Place::pod(u32::try_from(self.edges.len()).unwrap_or(u32::MAX));
        let node = Place::node(self.below(nodes));
        let service = slot / PODS;
        let edges = [
            self.begin(at, Place::deployment(service), Verb::Owns, pod),
            self.begin(at, Place::service(service), Verb::Selects, pod),
            self.begin(at, pod, Verb::RunsOn, node),
        ];
        let started = (pod, node, edges);
        match self.pods.get_mut(slot as usize) {
            Some(known) => *known = started,
            None => self.pods.push(started),
        }
    }

    fn act(&mut self, at: i64, action: Action) {
        match action {
            Action::Sample(service) => {
                let (from, to) = self.trouble[service as usize];
                let failing = from <= at && at < to;
                let value_milli =
                    if failing { self.between(60_000, 90_000) } else { self.between(1_000, 4_000) };
                let at = self.emit(at, Said::Sample(Place::service(service), value_milli * 1_000));
                self.later(at + SAMPLE_MS, action);
            }
            Action::Repeat(place, kind, left, every) => {
                let at = self.emit(at, Said::Signal(place, kind));
                if 1 < left {
                    self.later(at + every, Action::Repeat(place, kind, left - 1, every));
                }
            }
            Action::Tell(number) => {
                let edge = self.edges[number as usize];
                if edge.valid_to == OPEN {
                    self.emit(at, Said::Edge(edge));
                    self.later(at + TOLD_MS, action);
                }
            }
            Action::Replace(slot) => {
                let (_, _, edges) = self.pods[slot as usize];
                for number in edges {
                    let ended = self.events.last().map_or(at, |last| at.max(last.at + 1));
                    self.edges[number as usize].valid_to = ended;
                    self.emit(ended, Said::Edge(self.edges[number as usize]));
                }
                self.start_pod(at, slot);
                let next = self.between(3_000_000, 6_000_000);
                self.later(at + next, action);
            }
            Action::Noise(slot) => {
                let kind = if self.chance(70) { Kind::Readiness } else { Kind::Container };
                self.burst(at, self.pods[slot as usize].0, kind, 12);
                let next = self.between(500_000, 900_000);
                self.later(at + next, action);
            }
            Action::Node => self.lose_node(at),
            Action::Rollout => self.roll_out(at),
            Action::Trouble(service, depth) => self.fail(at, service, depth),
        }
    }

    /// Some repeats of one kind on one place, unless it has that already.
    fn burst(&mut self, at: i64, place: Place, kind: Kind, most: i64) {
        if self.busy.get(&(place, kind)).is_some_and(|until| at <= *until) {
            return;
        }
        let (repeats, every) = (self.between(1, most), self.between(5_000, 40_000));
        self.busy.insert((place, kind), at + repeats * (every + 1_000) + 2 * MINUTE_MS);
        let repeats = u32::try_from(repeats).unwrap_or(1);
        self.later(at, Action::Repeat(place, kind, repeats, every));
    }

    fn lose_node(&mut self, at: i64) {
        let nodes = self.nodes();
        let node = Place::node(self.below(nodes));
        self.burst(at, node, Kind::Node, 5);
        let on_it: Vec<usize> = (0..self.pods.len()).filter(|slot| self.pods[*slot].1 == node).collect();
        for slot in on_it {
            let (pod, ..) = self.pods[slot];
            let delay = self.between(5_000, 60_000);
            let kind = if self.chance(50) { Kind::Readiness } else { Kind::Container };
            self.burst(at + delay, pod, kind, 10);
            if self.chance(40) {
                let service = u32::try_from(slot).unwrap_or(0) / PODS;
                self.later(at + delay + 40_000, Action::Trouble(service, 0));
            }
        }
        // A node a minute of a hundred.
        let next = 6_000_000 / i64::from(nodes);
        let next = next + self.between(0, next);
        self.later(at + next, Action::Node);
    }

    fn roll_out(&mut self, at: i64) {
        let services = self.size.services;
        let service = self.below(services);
        self.burst(at, Place::deployment(service), Kind::Image, 1);
        if self.chance(40) {
            for slot in service * PODS..(service + 1) * PODS {
                let delay = self.between(20_000, 200_000);
                self.burst(at + delay, self.pods[slot as usize].0, Kind::Container, 12);
            }
            let delay = self.between(120_000, 240_000);
            self.later(at + delay, Action::Trouble(service, 0));
        }
        let next = 4_000_000 / i64::from(services);
        let next = next + self.between(0, next);
        self.later(at + next, Action::Rollout);
    }

    /// A service fails: first it has no endpoints, then requests fail, then an alert fires, then its callers fail.
    fn fail(&mut self, at: i64, service: u32, depth: u32) {
        let (_, until) = self.trouble[service as usize];
        if at < until + SPARED_MS {
            return;
        }
        if depth == 0 {
            self.burst(at, Place::service(service), Kind::Endpoints, 3);
        }
        let (delay, lasts) = (self.between(10_000, 60_000), self.between(90_000, 200_000));
        self.trouble[service as usize] = (at + delay, at + delay + lasts);
        let alert = self.between(100_000, 200_000);
        self.burst(at + delay + alert, Place::service(service), Kind::Alert, 1);
        if 3 <= depth {
            return;
        }
        let callers: Vec<u32> = (0..self.size.services)
            .filter(|caller| self.callees[*caller as usize].contains(&service))
            .collect();
        for caller in callers {
            if self.chance(70) {
                let later = self.between(30_000, 90_000);
                self.later(at + delay + later, Action::Trouble(caller, depth + 1));
            }
        }
    }
}
