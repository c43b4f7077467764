//! Sections 9 and 10: groups, ranking, chains, alerts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::{Class, Rules};
use schemas::confidence::Confidence;
use schemas::envelope::Severity;
use schemas::fact::Lesson;
use schemas::ids::{EpisodeId, IncidentId, Tenant, hash64};
use schemas::time::EventTime;
use schemas::view::{
    AlertRow, AlertStatus, ChainRow, Hypothesis, IncidentRow, IncidentStatus, LinkRow, Row, ViewName,
};

use super::episodes::Episode;
use super::feedback::{self, Factors};
use super::links::Link;
use super::{Constants, Grouped, add};

type Rows = BTreeMap<ViewName, BTreeSet<Row>>;

/// A grave episode: seq of its anchor, id.
pub(super) type First = (u64, EpisodeId);

/// The incidents of the epoch before: what each is known by, and its members.
#[derive(Default)]
pub(super) struct Known(Vec<(First, BTreeSet<EpisodeId>)>);

impl Known {
    /// Goes on with the groups of the next epoch; what each is known by, if it is an incident.
    pub(super) fn go_on(&mut self, episodes: &[Episode], groups: &[BTreeSet<usize>]) -> Vec<Option<First>> {
        let members = groups.iter().flatten().map(|node| &episodes[*node]);
        let graves: BTreeSet<First> = members.filter(|episode| grave(episode)).map(first).collect();
        let mut heirs: BTreeMap<First, First> = BTreeMap::new();
        for (known, members) in &self.0 {
            if graves.iter().any(|(_, id)| *id == known.1) {
                continue;
            }
            if let Some(heir) = graves.iter().find(|(_, id)| members.contains(id)) {
                heirs.insert(*heir, *known);
            }
        }
        self.0.clear();
        let mut names = Vec::new();
        for group in groups {
            let mine: Vec<&Episode> = group.iter().map(|node| &episodes[*node]).collect();
            let own = mine.iter().filter(|episode| grave(episode)).map(|episode| first(episode));
            let name = own.flat_map(|own| [Some(own), heirs.get(&own).copied()]).flatten().min();
            let ids = mine.iter().map(|episode| episode.row.episode_id).collect();
            self.0.extend(name.map(|name| (name, ids)));
            names.push(name);
        }
        names
    }
}

fn first(episode: &Episode) -> First {
    (episode.seq, episode.row.episode_id)
}

pub(super) fn rows(
    tenant: Tenant,
    Grouped { episodes, links, groups, names }: &Grouped,
    factors: &Factors,
    now: EventTime,
    constants: &Constants,
) -> Rows {
    let mut rows = Rows::new();
    for link in links {
        add(&mut rows, ViewName::Links, Row::from(link_row(episodes, link, &constants.rules)));
    }
    for (members, name) in groups.iter().zip(names) {
        incident(tenant, (episodes, factors), links, (members, *name), now, constants, &mut rows);
    }
    rows
}

fn link_row(episodes: &[Episode], link: &Link, rules: &Rules) -> LinkRow {
    let rule = rules.rule(link.rule);
    LinkRow {
        cause: episodes[link.cause].row.clone().into(),
        effect: episodes[link.effect].row.clone().into(),
        rule: rule.id.clone(),
        rule_version: rule.version,
        relation: link.path.as_str().into(),
        lag_ms: link.lag_ms,
        strength: u32::try_from(link.strength).unwrap_or(0),
        best: link.best,
    }
}

/// Union-find, without ranks: histories are small.
pub(super) fn groups(episodes: &[Episode], links: &[Link]) -> Vec<BTreeSet<usize>> {
    let mut parent: Vec<usize> = (0..episodes.len()).collect();
    fn find(parent: &[usize], mut node: usize) -> usize {
        while parent[node] != node {
            node = parent[node];
        }
        node
    }
    for link in links.iter().filter(|link| link.best) {
        let (left, right) = (find(&parent, link.cause), find(&parent, link.effect));
        parent[left] = right;
    }
    let mut groups: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for node in (0..episodes.len()).filter(|node| episodes[*node].row.class != Class::Context) {
        groups.entry(find(&parent, node)).or_default().insert(node);
    }
    groups.into_values().collect()
}

fn grave(episode: &Episode) -> bool {
    match episode.row.class {
        Class::Alert => Severity::Warning <= episode.row.severity,
        Class::Symptom | Class::State | Class::Anomaly => Severity::Error <= episode.row.severity,
        Class::Change | Class::Context => false,
    }
}

fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Debug | Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Error => 4,
        Severity::Critical => 8,
    }
}

struct Ranked {
    root: usize,
    /// Candidate, reach, score; best first.
    candidates: Vec<(usize, BTreeSet<usize>, u64)>,
}

fn rank(
    (episodes, factors): (&[Episode], &Factors),
    links: &[Link],
    members: &BTreeSet<usize>,
    rules: &Rules,
) -> Ranked {
    let best =
        |effect: usize| links.iter().find(|link| link.effect == effect && link.best).map(|link| link.cause);
    let mut walked = Vec::new();
    let mut present = *members.first().unwrap_or(&0);
    let root = loop {
        if let Some(start) = walked.iter().position(|node| *node == present) {
            let least = |node: &&usize| {
                (
                    episodes[**node].row.onset,
                    episodes[**node].row.kind.spec().layer,
                    episodes[**node].row.episode_id,
                )
            };
            break walked[start..].iter().min_by_key(least).copied().unwrap_or(present);
        }
        walked.push(present);
        match best(present) {
            Some(cause) => present = cause,
            None => break present,
        }
    };
    let total: u64 = members.iter().map(|node| weight(episodes[*node].row.severity)).sum();
    let outside = links
        .iter()
        .filter(|link| members.contains(&link.effect) && !members.contains(&link.cause))
        .map(|link| link.cause);
    let named: BTreeSet<usize> = outside.chain([root]).collect();
    let mut candidates: Vec<(usize, BTreeSet<usize>, u64)> = Vec::new();
    for node in named {
        let reach = reach(links, members, node);
        let support: u64 = reach.iter().map(|member| weight(episodes[*member].row.severity)).sum();
        let out = links
            .iter()
            .filter(|link| link.cause == node && members.contains(&link.effect))
            .map(|link| {
                let lesson = Lesson::Rule(rules.rule(link.rule).id.to_string());
                u64::try_from(link.strength).unwrap_or(0) * feedback::of(factors, &lesson) / 1_000
            })
            .max();
        let out = out.unwrap_or(500);
        let kind = episodes[node].row.kind;
        let learned = feedback::of(factors, &Lesson::Kind(kind));
        let doublings = (episodes[node].row.magnitude / 60).max(1).ilog2();
        let score = (u64::from(kind.spec().prior) + 1) * out * support / total.max(1);
        let score = score * (8 + u64::from(doublings)) / 8 * learned / 1_000;
        candidates.push((node, reach, score));
    }
    candidates.sort_by_key(|(node, _, score)| {
        (Reverse(*score), episodes[*node].row.onset, episodes[*node].row.episode_id)
    });
    Ranked { root, candidates }
}

fn reach(links: &[Link], members: &BTreeSet<usize>, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    if members.contains(&from) {
        reached.insert(from);
    }
    while let Some(node) = open.pop() {
        for link in links.iter().filter(|link| link.cause == node && members.contains(&link.effect)) {
            if reached.insert(link.effect) {
                open.push(link.effect);
            }
        }
    }
    reached
}

fn incident(
    tenant: Tenant,
    (episodes, factors): (&[Episode], &Factors),
    links: &[Link],
    (members, name): (&BTreeSet<usize>, Option<First>),
    now: EventTime,
    constants: &Constants,
    rows: &mut Rows,
) {
    let mut graves: Vec<&Episode> =
        members.iter().map(|node| &episodes[*node]).filter(|episode| grave(episode)).collect();
    graves.sort_by_key(|episode| first(episode));
    let (Some(first), Some((_, name))) = (graves.first(), name) else { return };
    let incident_id = IncidentId(hash64(&[&tenant.0.to_le_bytes(), &name.0.to_le_bytes()]));
    let ranked = rank((episodes, factors), links, members, &constants.rules);
    let rest: u64 = ranked.candidates.iter().skip(1).map(|(_, _, score)| score).sum();
    let mut first_milli = 0;
    let hypotheses: Vec<Hypothesis> = (1..)
        .zip(ranked.candidates.iter().take(5))
        .map(|(rank, (node, reach, score))| {
            let root = &episodes[*node].row;
            let prior = u64::from(root.kind.spec().prior);
            let elsewhere =
                |(other, _, _): &&(usize, BTreeSet<usize>, u64)| episodes[*other].row.entity != root.entity;
            let rival =
                ranked.candidates.iter().filter(elsewhere).map(|(_, _, score)| *score).max().unwrap_or(0);
            let evidence_milli = match members.len() {
                1 => prior * 5,
                _ => prior * 10 * score / (score + rival).max(1),
            } as u32;
            if rank == 1 {
                first_milli = u64::from(Confidence::built_in().of(root.kind.spec().class, evidence_milli));
            }
            Hypothesis {
                rank,
                confidence_milli: if rank == 1 {
                    first_milli as u32
                } else {
                    ((1_000 - first_milli) * score / rest.max(1)) as u32
                },
                evidence_milli,
                root: episodes[*node].row.clone().into(),
                explains: reach.len() as u32,
            }
        })
        .collect();
    let open = graves.iter().any(|episode| {
        episode.row.ended.is_none()
            && (episode.standing || now < episode.row.last.plus_ms(2 * constants.gap_ms))
    });
    let severity = graves.iter().map(|episode| episode.row.severity).max().unwrap_or(Severity::Info);
    let title = hypotheses
        .first()
        .map(|first| format!("{} on {}", first.root.kind.spec().title, first.root.entity))
        .unwrap_or_default();
    let alerts = members.iter().filter(|node| episodes[**node].row.class == Class::Alert).count();
    let row = IncidentRow {
        incident_id,
        status: if open { IncidentStatus::Open } else { IncidentStatus::Resolved },
        severity,
        title: title.clone(),
        started_at: graves.iter().map(|episode| episode.row.onset).min().unwrap_or_default(),
        last_at: members.iter().map(|node| episodes[*node].row.last).max().unwrap_or_default(),
        episodes: members.len() as u32,
        alerts: alerts as u32,
        hypotheses,
    };
    let monitored = graves.iter().any(|episode| episode.row.class == Class::Alert);
    if monitored || severity == Severity::Critical || 2 <= graves.len() {
        let status = if open { AlertStatus::Firing } else { AlertStatus::Resolved };
        let alert = AlertRow {
            incident_id,
            status,
            severity,
            raised_at: first.row.onset,
            raised_by: first.row.event_ids[0],
            title,
        };
        add(rows, ViewName::Alerts, Row::from(alert));
    }
    chains((episodes, &constants.rules), links, members, &graves, &ranked, &row, rows);
    add(rows, ViewName::Incidents, Row::from(row));
}

fn chains(
    (episodes, rules): (&[Episode], &Rules),
    links: &[Link],
    members: &BTreeSet<usize>,
    graves: &[&Episode],
    ranked: &Ranked,
    incident: &IncidentRow,
    found: &mut Rows,
) {
    let index_of = |episode: &Episode| {
        episodes.iter().position(|other| other.row.episode_id == episode.row.episode_id).unwrap_or(0)
    };
    let ends: Vec<usize> = graves
        .iter()
        .map(|episode| index_of(episode))
        .filter(|node| !links.iter().any(|link| link.best && link.cause == *node))
        .collect();
    for (hypothesis, (node, reach, _)) in incident.hypotheses.iter().zip(&ranked.candidates).take(3) {
        for end in ends.iter().filter(|end| reach.contains(end)).take(20) {
            let path = if *node == ranked.root {
                best_path(links, *node, *end)
            } else {
                shortest_path(episodes, links, members, *node, *end)
            };
            if path.is_empty() {
                continue;
            }
            add(
                found,
                ViewName::Chains,
                Row::from(ChainRow {
                    incident_id: incident.incident_id,
                    rank: hypothesis.rank,
                    root: hypothesis.root.clone(),
                    symptom: episodes[*end].row.clone().into(),
                    links: path.iter().map(|link| link_row(episodes, link, rules).into()).collect(),
                }),
            );
        }
    }
}

fn best_path(links: &[Link], root: usize, end: usize) -> Vec<Link> {
    let mut path = Vec::new();
    let mut present = end;
    while present != root {
        let Some(link) = links.iter().find(|link| link.effect == present && link.best) else { break };
        path.push(link.clone());
        present = link.cause;
    }
    path.reverse();
    path
}

fn shortest_path(
    episodes: &[Episode],
    links: &[Link],
    members: &BTreeSet<usize>,
    root: usize,
    end: usize,
) -> Vec<Link> {
    let mut distance: BTreeMap<usize, u32> = BTreeMap::from([(root, 0)]);
    // Bellman-Ford: as many rounds as there are members.
    for _ in members {
        for link in links.iter().filter(|link| members.contains(&link.effect)) {
            if let Some(hops) = distance.get(&link.cause).copied() {
                let known = distance.entry(link.effect).or_insert(u32::MAX);
                *known = (hops + 1).min(*known);
            }
        }
    }
    let mut path = Vec::new();
    let mut present = end;
    while present != root {
        let Some(hops) = distance.get(&present) else { break };
        let back = links.iter().filter(|link| {
            link.effect == present && distance.get(&link.cause).is_some_and(|before| before + 1 == *hops)
        });
        let Some(link) =
            back.max_by_key(|link| (link.strength, Reverse(episodes[link.cause].row.episode_id)))
        else {
            break;
        };
        path.push(link.clone());
        present = link.cause;
    }
    path.reverse();
    path
}
