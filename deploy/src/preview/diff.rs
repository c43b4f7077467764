//! What differs between two computations of one history. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::{RuleSpec, Rules};
use schemas::ids::{IncidentId, TenantId};
use schemas::time::EventTime;
use schemas::view::{IncidentRow, LinkRow};
use serde::Serialize;

use super::Window;
use super::seen::Seen;

/// Entries of each list; the counts count all.
const LISTED_MAX: usize = 1_000;
/// Examples of links, of each rule.
const EXAMPLES_MAX: usize = 3;

/// What differs.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// Records that were computed twice.
    pub records: usize,
    /// Rules that are new, other, or gone.
    pub rules: Vec<RuleChange>,
    /// Incidents by the present and by the proposed rules.
    pub incidents: Counts,
    /// Alerts by the present and by the proposed rules.
    pub alerts: Counts,
    /// Incidents that differ, at most a thousand.
    pub changes: Vec<IncidentChange>,
    /// Links gained and lost, by rule.
    pub links: BTreeMap<String, LinkChange>,
}

/// A count by each of the two lists of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// By the present rules.
    pub present: usize,
    /// By the proposed rules.
    pub proposed: usize,
    /// Those that are not the same by both.
    pub differ: usize,
}

/// What becomes of a rule.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RuleChange {
    /// Its id.
    pub rule: String,
    /// `added`, `changed` or `removed`.
    pub change: &'static str,
}

/// What becomes of an incident.
#[derive(Debug, Serialize)]
pub struct IncidentChange {
    /// Whose.
    pub tenant: TenantId,
    /// Its id, the same by both lists: it hangs on the first grave episode.
    pub incident_id: IncidentId,
    /// When it began.
    pub started_at: EventTime,
    /// `appears`, `vanishes`, `first`, `order` or `confidence`: the greatest difference.
    pub change: &'static str,
    /// The incident that it is part of, by the proposed rules if it vanishes, by the present ones if it appears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<IncidentId>,
    /// By the present rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<Side>,
    /// By the proposed rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Side>,
}

/// An incident as one list of rules has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// One sentence about the first hypothesis.
    pub title: String,
    /// Number of episodes.
    pub episodes: u32,
    /// Whether an alert is raised.
    pub alert: bool,
    /// Root causes, best first: kind, entity, confidence in thousandths.
    pub hypotheses: Vec<(String, String, u32)>,
}

/// Links by one rule.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct LinkChange {
    /// Pairs that only the proposed rules link, or that they link by this rule and the present ones by another.
    pub gained: usize,
    /// The other way round.
    pub lost: usize,
    /// Pairs that both link by this rule, with another strength.
    pub strength: usize,
    /// Some of those gained or lost: `+` or `-`, cause and effect.
    pub examples: Vec<String>,
}

impl Difference {
    /// The difference of the rules themselves.
    pub fn of_rules(present: &Rules, proposed: &Rules, records: usize) -> Difference {
        let by_id = |rules: &Rules| {
            let mut by_id: BTreeMap<String, Vec<RuleSpec>> = BTreeMap::new();
            for (_, rule) in rules.iter() {
                by_id.entry(rule.id.to_string()).or_default().push(rule.clone());
            }
            by_id
        };
        let (present, proposed) = (by_id(present), by_id(proposed));
        let ids: BTreeSet<&String> = present.keys().chain(proposed.keys()).collect();
        let change = |id: &&String| match (present.get(*id), proposed.get(*id)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(_), Some(_)) => Some("changed"),
            (None, _) => Some("added"),
            (_, None) => Some("removed"),
        };
        let rules = ids
            .into_iter()
            .filter_map(|id| change(&id).map(|change| RuleChange { rule: id.clone(), change }));
        Difference {
            records,
            rules: rules.collect(),
            incidents: Counts::default(),
            alerts: Counts::default(),
            changes: Vec::new(),
            links: BTreeMap::new(),
        }
    }

    /// Adds what differs for a tenant.
    pub fn add(&mut self, tenant: &TenantId, present: &Seen, proposed: &Seen, window: Window) {
        let inside = |row: &IncidentRow| window.from <= row.last_at && row.started_at < window.to;
        let ids: BTreeSet<IncidentId> =
            present.incidents.keys().chain(proposed.incidents.keys()).copied().collect();
        for id in ids {
            let now = present.incidents.get(&id).filter(|row| inside(row));
            let then = proposed.incidents.get(&id).filter(|row| inside(row));
            let Some(either) = now.or(then) else { continue };
            self.incidents.present += usize::from(now.is_some());
            self.incidents.proposed += usize::from(then.is_some());
            let side = |row: &IncidentRow, seen: &Seen| side(row, seen.alerts.contains_key(&id));
            let (one, other) = (now.map(|row| side(row, present)), then.map(|row| side(row, proposed)));
            let raised = |side: &Option<Side>| side.as_ref().is_some_and(|side| side.alert);
            self.alerts.present += usize::from(raised(&one));
            self.alerts.proposed += usize::from(raised(&other));
            self.alerts.differ += usize::from(raised(&one) != raised(&other));
            let Some(change) = change(one.as_ref(), other.as_ref()) else { continue };
            self.incidents.differ += 1;
            let first = either.hypotheses.first().map(|first| first.root.episode_id);
            let elsewhere = if now.is_some() { proposed } else { present };
            let part_of = match change {
                "vanishes" | "appears" => first.and_then(|root| elsewhere.incident_with(root)),
                _ => None,
            };
            if self.changes.len() < LISTED_MAX {
                self.changes.push(IncidentChange {
                    tenant: tenant.clone(),
                    incident_id: id,
                    started_at: either.started_at,
                    change,
                    part_of,
                    present: one,
                    proposed: other,
                });
            }
        }
        self.add_links(present, proposed, window);
    }

    fn add_links(&mut self, present: &Seen, proposed: &Seen, window: Window) {
        let ends: BTreeSet<_> = present.links.keys().chain(proposed.links.keys()).collect();
        let inside = |link: &&LinkRow| window.from <= link.effect.last && link.effect.onset < window.to;
        for pair in ends {
            let now = present.links.get(pair).map(AsRef::as_ref).filter(inside);
            let then = proposed.links.get(pair).map(AsRef::as_ref).filter(inside);
            match (now, then) {
                (Some(now), Some(then)) if now.rule == then.rule => {
                    if now.strength != then.strength {
                        self.links.entry(now.rule.to_string()).or_default().strength += 1;
                    }
                }
                (now, then) => {
                    if let Some(link) = now {
                        let change = self.links.entry(link.rule.to_string()).or_default();
                        change.lost += 1;
                        change.example('-', link);
                    }
                    if let Some(link) = then {
                        let change = self.links.entry(link.rule.to_string()).or_default();
                        change.gained += 1;
                        change.example('+', link);
                    }
                }
            }
        }
    }
}

impl LinkChange {
    fn example(&mut self, sign: char, link: &LinkRow) {
        if self.examples.len() < EXAMPLES_MAX {
            let (cause, effect) = (&link.cause, &link.effect);
            self.examples.push(format!(
                "{sign} {} on {} -> {} on {}, strength {}",
                cause.kind, cause.entity, effect.kind, effect.entity, link.strength
            ));
        }
    }
}

fn side(row: &IncidentRow, alert: bool) -> Side {
    let hypotheses = row.hypotheses.iter().map(|hypothesis| {
        let root = &hypothesis.root;
        (root.kind.to_string(), root.entity.to_string(), hypothesis.confidence_milli)
    });
    Side { title: row.title.clone(), episodes: row.episodes, alert, hypotheses: hypotheses.collect() }
}

/// The greatest difference; `None` if there is none.
fn change(present: Option<&Side>, proposed: Option<&Side>) -> Option<&'static str> {
    let (one, other) = match (present, proposed) {
        (None, None) => return None,
        (None, Some(_)) => return Some("appears"),
        (Some(_), None) => return Some("vanishes"),
        (Some(one), Some(other)) => (one, other),
    };
    let roots = |side: &Side| -> Vec<(String, String)> {
        side.hypotheses.iter().map(|(kind, entity, _)| (kind.clone(), entity.clone())).collect()
    };
    let (before, after) = (roots(one), roots(other));
    if before.first() != after.first() {
        Some("first")
    } else if before != after {
        Some("order")
    } else if one == other {
        None
    } else {
        Some("confidence")
    }
}
