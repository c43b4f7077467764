//! The workload that every engine is given: events, rules, constants. Defined in words in `bench/peers/README.md`.
//!
//! It is a part of what the product does (docs/semantics.md, sections 4 and 6 to 9): seven kinds and nine rules of the
//! built-in catalogue, with its windows and strengths. A test compares the two.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How long an event counts after its event time, in milliseconds.
pub const HORIZON_MS: i64 = 7_200_000;
/// Repeats that lie further apart than this are separate episodes, in milliseconds.
pub const GAP_MS: i64 = 60_000;
/// Event time after an onset by which everything about its causes has arrived, in milliseconds.
pub const SETTLED_MS: i64 = 360_000;
/// Effects and incidents that began this long before the end, or later, are compared, in milliseconds.
pub const COMPARED_MS: i64 = 1_800_000;
/// A cause of an earlier layer may be dated this much after its effect, in milliseconds.
pub const SKEW_MS: i64 = 2_000;
/// An edge counts this long before it begins and after it ends, in milliseconds.
pub const SLACK_MS: i64 = 300_000;
/// Width of a slot of samples, in milliseconds.
pub const SLOT_MS: i64 = 15_000;
/// Usual slots before one that is judged: at least, and at most looked at.
pub const SLOTS: (usize, usize) = (8, 60);
/// After so many slots that deviate, the last of them are usual.
pub const STAYS_SLOTS: usize = 40;
/// Slots that a deviation lasts, from the last good one.
pub const LASTS_SLOTS: i64 = 2;
/// The least spread of a series, in millionths.
pub const FLOOR_MICRO: i64 = 10_000;
/// Event time that passes after the last event, so that everything is settled, in milliseconds.
pub const AFTER_MS: i64 = SETTLED_MS + 60_000;
/// Incidents that began later than this before the end are not compared, in milliseconds: what is grave only once it has
/// lasted, as errors are to kgroot, must have had the time.
pub const YOUNG_MS: i64 = AFTER_MS + 300_000;

/// A thing in production: a number that tells what it is in its first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place(pub u32);

/// Numbers of one sort of place.
const SORT: u32 = 100_000_000;

impl Place {
    /// A deployment.
    pub fn deployment(number: u32) -> Place {
        Place(SORT + number)
    }

    /// A pod.
    pub fn pod(number: u32) -> Place {
        Place(2 * SORT + number)
    }

    /// A service.
    pub fn service(number: u32) -> Place {
        Place(3 * SORT + number)
    }

    /// A node.
    pub fn node(number: u32) -> Place {
        Place(4 * SORT + number)
    }

    /// 1 deployment, 2 pod, 3 service, 4 node.
    pub fn sort(self) -> u32 {
        self.0 / SORT
    }
}

/// What can happen. The order is that of [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A deployment's image was changed.
    Image,
    /// A node is not ready.
    Node,
    /// A container ended with an error.
    Container,
    /// A readiness probe failed.
    Readiness,
    /// A service has no endpoints.
    Endpoints,
    /// Requests of a service fail unusually often; derived from its samples.
    Errors,
    /// An alert on the errors of a service.
    Alert,
}

/// What is known of a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindSpec {
    /// Its id in the catalogue of the product.
    pub id: &'static str,
    /// Causes come from an earlier layer or strictly earlier in time.
    pub layer: i64,
    /// How readily it is a root cause, 0 to 100.
    pub prior: i64,
    /// Whether it makes a group an incident.
    pub grave: bool,
}

/// The kinds, in the order of [`Kind`].
pub const KINDS: [KindSpec; 7] = [
    KindSpec { id: "k8s.workload.ImageChanged", layer: 0, prior: 65, grave: false },
    KindSpec { id: "k8s.node.NotReady", layer: 2, prior: 85, grave: true },
    KindSpec { id: "k8s.pod.ContainerError", layer: 3, prior: 25, grave: true },
    KindSpec { id: "k8s.pod.UnhealthyReadiness", layer: 3, prior: 15, grave: false },
    KindSpec { id: "k8s.service.NoEndpoints", layer: 4, prior: 15, grave: true },
    KindSpec { id: "trace.error_rate", layer: 5, prior: 10, grave: true },
    KindSpec { id: "alert.error_rate", layer: 6, prior: 4, grave: true },
];

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 7] = [
        Kind::Image,
        Kind::Node,
        Kind::Container,
        Kind::Readiness,
        Kind::Endpoints,
        Kind::Errors,
        Kind::Alert,
    ];

    /// Its number.
    pub fn number(self) -> usize {
        self as usize
    }

    /// What is known of it.
    pub fn spec(self) -> &'static KindSpec {
        &KINDS[self as usize]
    }
}

/// A step along an edge. Forward is from subject to object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// From a pod to the deployment that owns it.
    Owner,
    /// From a service to a pod that it selects.
    Selected,
    /// From a pod to a service that selects it.
    Selector,
    /// From a pod to the node that it runs on.
    RunsOn,
    /// From a service to one that it calls.
    Called,
}

/// The verb of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// A deployment owns a pod.
    Owns,
    /// A service selects a pod.
    Selects,
    /// A pod runs on a node.
    RunsOn,
    /// A service calls a service.
    Calls,
}

impl Verb {
    /// The steps along an edge from its subject, and from its object, where a rule takes them.
    pub fn steps(self) -> (Option<Step>, Option<Step>) {
        match self {
            Verb::Owns => (None, Some(Step::Owner)),
            Verb::Selects => (Some(Step::Selected), Some(Step::Selector)),
            Verb::RunsOn => (Some(Step::RunsOn), None),
            Verb::Calls => (Some(Step::Called), None),
        }
    }
}

/// Episodes of one kind on one place, of what happened in the order of its onset.
pub fn fold(happened: impl IntoIterator<Item = Happened>) -> Vec<Happened> {
    let mut episodes: Vec<Happened> = Vec::new();
    for found in happened {
        match episodes.last_mut() {
            Some(known) if found.onset <= known.over + GAP_MS => {
                known.over = known.over.max(found.over);
                known.earliest = known.earliest.min(found.earliest);
            }
            _ => episodes.push(found),
        }
    }
    episodes
}

/// An edge between two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// What it is told by: a later event of the same number replaces an earlier one.
    pub number: u32,
    /// Subject.
    pub from: Place,
    /// Verb.
    pub verb: Verb,
    /// Object.
    pub to: Place,
    /// First instant, in milliseconds.
    pub valid_from: i64,
    /// First instant at which it no longer holds; the greatest number while it holds.
    pub valid_to: i64,
}

/// Still holds.
pub const OPEN: i64 = i64::MAX;

/// Whether an edge of an interval counts for an effect of this onset that can have begun as early as that.
pub fn holds((valid_from, valid_to): (i64, i64), (onset, earliest): (i64, i64)) -> bool {
    valid_from <= onset + SLACK_MS && earliest <= valid_to.saturating_add(SLACK_MS)
}

/// When something happened, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Happened {
    /// When it was seen first.
    pub onset: i64,
    /// When it can have begun: an anomaly after the last good sample, all else at its onset.
    pub earliest: i64,
    /// When it was seen last, or had ended.
    pub over: i64,
}

impl Happened {
    /// Something of one instant.
    pub fn at(at: i64) -> Happened {
        Happened { onset: at, earliest: at, over: at }
    }
}

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Said {
    /// Something happened to a place.
    Signal(Place, Kind),
    /// A number of failed requests of a service, in millionths.
    Sample(Place, i64),
    /// An edge holds, or held.
    Edge(Edge),
}

/// An event. No two of a workload have the same time, and they come in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// Event time, in milliseconds.
    pub at: i64,
    /// What it says.
    pub said: Said,
}

/// One line of a file for engines that are not written in Rust.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.said {
            Said::Signal(place, kind) => write!(f, "S,{},{},{}", self.at, place.0, kind.number()),
            Said::Sample(place, value) => write!(f, "M,{},{},{value}", self.at, place.0),
            Said::Edge(edge) => {
                let Edge { number, from, verb, to, valid_from, valid_to } = edge;
                let verb = verb as usize;
                write!(f, "R,{},{number},{},{verb},{},{valid_from},{valid_to}", self.at, from.0, to.0)
            }
        }
    }
}

/// An episode as results name it: no two begin at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Episode {
    /// When it began, in milliseconds.
    pub onset: i64,
    /// Where.
    pub place: Place,
    /// What.
    pub kind: Kind,
}

/// The best cause of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// What was caused.
    pub effect: Episode,
    /// What caused it.
    pub cause: Episode,
    /// By which rule.
    pub rule: &'static str,
    /// 0 to 1000.
    pub strength: i64,
}

/// Episodes connected by best links, one of them grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incident {
    /// Least onset of its grave episodes, in milliseconds.
    pub started_at: i64,
    /// How many episodes.
    pub episodes: u64,
    /// How many of them are alerts.
    pub alerts: u64,
}

/// What is compared: links and incidents that began within [`COMPARED_MS`] of the end; incidents before [`YOUNG_MS`] of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Best links.
    pub links: Vec<Link>,
    /// Incidents.
    pub incidents: Vec<Incident>,
}

impl Output {
    /// The part that is compared, in order.
    #[must_use]
    pub fn compared(mut self, end: i64) -> Output {
        self.links.retain(|link| end - COMPARED_MS <= link.effect.onset);
        let compared = end - COMPARED_MS..=end - YOUNG_MS;
        self.incidents.retain(|incident| compared.contains(&incident.started_at));
        self.links.sort_unstable();
        self.incidents.sort_unstable();
        self
    }

    /// Lines that every engine writes, sorted as text.
    pub fn lines(&self) -> Vec<String> {
        let episode =
            |episode: &Episode| format!("{} {} {}", episode.onset, episode.place.0, episode.kind.number());
        let link = |link: &Link| {
            format!("L {} {} {} {}", episode(&link.effect), episode(&link.cause), link.rule, link.strength)
        };
        let incident = |incident: &Incident| {
            format!("I {} {} {}", incident.started_at, incident.episodes, incident.alerts)
        };
        let mut lines: Vec<String> = self.links.iter().map(link).collect();
        lines.extend(self.incidents.iter().map(incident));
        lines.sort_unstable();
        lines
    }
}

/// The greatest instant of a stream of events: what `now` is at the end.
pub fn end(events: &[Event]) -> i64 {
    events.last().map_or(0, |event| event.at + AFTER_MS)
}
