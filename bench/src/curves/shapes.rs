//! Workloads with one number to turn. All have about a hundred thousand events within one horizon.

use crate::peers::workload::{Edge, Event, Kind, OPEN, Place, Said, Verb};
use crate::scenario::random::Random;

/// Events of a workload, roughly.
const EVENTS: i64 = 100_000;
/// Where events begin.
const BEGIN_MS: i64 = 60_000_000;
/// Pods of workloads that have pods.
const PODS: u32 = 5_000;
/// Pods of workloads that have tenants: each of the most tenants has one.
const TENANTS_PODS: u32 = 10_000;
/// Between two causes of one thing: longer than any window, so that they are separate troubles.
const ROUND_MS: i64 = 1_200_000;
const ROUNDS: i64 = 5;
/// How often a pod fails in a round of a fan-out.
const REPEATS: i64 = 3;
/// From a cause to its effect.
const STEP_MS: i64 = 2_000;
/// Between two samples of a series: three in a slot of a baseline.
const SCRAPE_MS: i64 = 5_000;
/// How late what is late comes.
const LATE_MS: i64 = 600_000;

/// Events in the making, each at a time of its own: episodes are known by it.
#[derive(Default)]
struct Making {
    events: Vec<Event>,
    edges: u32,
}

impl Making {
    fn edge(&mut self, from: Place, verb: Verb, to: Place) {
        let number = self.edges;
        self.edges += 1;
        let edge = Edge { number, from, verb, to, valid_from: BEGIN_MS, valid_to: OPEN };
        self.say(BEGIN_MS + i64::from(number), Said::Edge(edge));
    }

    fn say(&mut self, at: i64, said: Said) {
        self.events.push(Event { at, said });
    }

    fn sorted(mut self) -> Vec<Event> {
        self.events.sort();
        let mut last = 0;
        for event in &mut self.events {
            event.at = event.at.max(last + 1);
            last = event.at;
        }
        self.events
    }
}

/// Pods that fail now and then, on ten nodes; each tenant has the same share of them.
pub(super) fn tenants(tenants: u64) -> Vec<(u64, Event)> {
    let mut making = Making::default();
    for pod in 0..TENANTS_PODS {
        making.edge(Place::pod(pod), Verb::RunsOn, Place::node(pod % 10));
    }
    let mut random = Random::new(1);
    let left = EVENTS - i64::from(TENANTS_PODS);
    for number in 0..left {
        let pod = u32::try_from(random.below(u64::from(TENANTS_PODS))).unwrap_or(0);
        let kind = if random.below(2) == 0 { Kind::Readiness } else { Kind::Container };
        making.say(BEGIN_MS + 60_000 + number * 60, Said::Signal(Place::pod(pod), kind));
    }
    let whose = |event: &Event| match event.said {
        Said::Signal(place, _) | Said::Sample(place, _) => u64::from(place.0) % tenants.max(1),
        Said::Edge(edge) => u64::from(edge.from.0) % tenants.max(1),
    };
    making.sorted().into_iter().map(|event| (whose(&event), event)).collect()
}

/// Services that select so many pods each. In every round all pods fail three times, then each service has lost its
/// endpoints.
pub(super) fn fan_out(pods: u32) -> Vec<Event> {
    let mut making = Making::default();
    let pods = pods.max(1);
    for pod in 0..PODS {
        making.edge(Place::service(pod / pods), Verb::Selects, Place::pod(pod));
    }
    for round in 0..ROUNDS {
        let at = BEGIN_MS + 60_000 + round * ROUND_MS;
        for pod in 0..PODS {
            for repeat in 0..REPEATS {
                let at = at + i64::from(pod) + repeat * 10_000;
                making.say(at, Said::Signal(Place::pod(pod), Kind::Readiness));
            }
        }
        for service in 0..PODS.div_ceil(pods) {
            making.say(
                at + 30_000 + i64::from(service),
                Said::Signal(Place::service(service), Kind::Endpoints),
            );
        }
    }
    making.sorted()
}

/// Services that call each other in rows of so many links. In every round the last one fails, and each is failed by the one it calls.
pub(super) fn chains(links: u32) -> Vec<Event> {
    let mut making = Making::default();
    let length = links.max(1) + 1;
    let services = u32::try_from(EVENTS / (ROUNDS + 1)).unwrap_or(0) / length * length;
    for service in (0..services).filter(|service| service % length != 0) {
        making.edge(Place::service(service), Verb::Calls, Place::service(service - 1));
    }
    for round in 0..ROUNDS {
        let at = BEGIN_MS + 60_000 + round * ROUND_MS;
        for service in 0..services {
            let at = at + i64::from(service % length) * STEP_MS + i64::from(service / length);
            making.say(at, Said::Signal(Place::service(service), Kind::Errors));
        }
    }
    making.sorted()
}

/// Pods that fail; so many percent of it is about one of them.
pub(super) fn hot(percent: u64) -> Vec<Event> {
    let mut making = Making::default();
    for pod in 0..PODS {
        making.edge(Place::pod(pod), Verb::RunsOn, Place::node(pod % 250));
    }
    let mut random = Random::new(1);
    for number in 0..EVENTS - i64::from(PODS) {
        let hot = random.below(100) < percent;
        let pod = if hot { 0 } else { u32::try_from(random.below(u64::from(PODS))).unwrap_or(0) };
        making.say(BEGIN_MS + 60_000 + number * 60, Said::Signal(Place::pod(pod), Kind::Container));
    }
    making.sorted()
}

/// Metric series, one of a service, that share the samples: their values swing as those of a calm service do.
pub(super) fn series(series: u32) -> Vec<Event> {
    let mut making = Making::default();
    let mut random = Random::new(1);
    let series = series.max(1);
    let samples = u32::try_from(EVENTS).unwrap_or(0) / series;
    for sample in 0..samples {
        for service in 0..series {
            let value = 1_000_000 + i64::try_from(random.below(200_000)).unwrap_or(0);
            let at = BEGIN_MS + i64::from(sample) * SCRAPE_MS + i64::from(service) % SCRAPE_MS;
            making.say(at, Said::Sample(Place::service(service), value));
        }
    }
    making.sorted()
}

/// The same events; so many percent of them are delivered ten minutes later.
pub(super) fn late(events: Vec<Event>, percent: u64) -> Vec<Event> {
    let mut random = Random::new(2);
    let mut delivered: Vec<(i64, Event)> = events
        .into_iter()
        .map(|event| (event.at + if random.below(100) < percent { LATE_MS } else { 0 }, event))
        .collect();
    delivered.sort();
    delivered.into_iter().map(|(_, event)| event).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_are_of_one_size_and_no_two_events_have_one_time() {
        for events in
            [fan_out(1), fan_out(1_000), chains(2), chains(200), hot(0), hot(99), series(100), series(10_000)]
        {
            assert!((80_000..=105_000).contains(&events.len()), "{} events", events.len());
            assert!(events.is_sorted_by(|left, right| left.at < right.at));
        }
    }

    #[test]
    fn what_is_late_is_delivered_and_keeps_its_time() {
        let events = hot(0);
        let mut delivered = late(events.clone(), 10);
        assert_ne!(delivered, events);
        delivered.sort();
        assert_eq!(delivered, events);
    }
}
