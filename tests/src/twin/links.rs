//! Section 8: links.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemas::catalogue::{Class, Direction, Path, REPEAT_MAX, RuleIndex, RuleSpec, Rules, Step};
use schemas::entity::{Entity, RelationKind};
use schemas::ids::Tenant;

use super::episodes::{Edge, Episode};

/// A rule that includes the tenant, with its paths written out and as text once they are asked for.
pub(super) struct Written<'a> {
    index: RuleIndex,
    rule: &'a RuleSpec,
    paths: OnceCell<Vec<(Vec<Step>, String)>>,
}

/// Edges by where a step along them begins.
type Steps<'a> = BTreeMap<(&'a Entity, RelationKind, Direction), Vec<&'a Edge>>;

/// The rules of a tenant.
pub(super) fn written(tenant: Tenant, rules: &Rules) -> Vec<Written<'_>> {
    let of_tenant = rules.iter().filter(|(_, rule)| rule.scope.includes(tenant));
    of_tenant.map(|(index, rule)| Written { index, rule, paths: OnceCell::new() }).collect()
}

impl Written<'_> {
    fn paths(&self) -> &[(Vec<Step>, String)] {
        self.paths.get_or_init(|| {
            let paths = self.rule.paths.iter().flat_map(written_out);
            let with_text = paths.map(|path| {
                let text = Path(path.clone()).to_string();
                (path, text)
            });
            with_text.collect()
        })
    }
}

fn steps(edges: &[Edge]) -> Steps<'_> {
    let mut steps = Steps::new();
    for edge in edges {
        steps.entry((&edge.from, edge.relation, Direction::Forward)).or_default().push(edge);
        steps.entry((&edge.to, edge.relation, Direction::Backward)).or_default().push(edge);
    }
    steps
}

/// A kept link, by index of its episodes.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) effect: usize,
    pub(super) cause: usize,
    pub(super) rule: RuleIndex,
    pub(super) path: String,
    pub(super) lag_ms: i64,
    pub(super) strength: i64,
    pub(super) best: bool,
}

pub(super) fn link(
    episodes: &[Episode],
    edges: &[Edge],
    rules: &[Written<'_>],
    horizon_ms: i64,
) -> Vec<Link> {
    let mut kept = Vec::new();
    let steps = steps(edges);
    let mut by_entity: BTreeMap<&Entity, Vec<usize>> = BTreeMap::new();
    for (index, episode) in episodes.iter().enumerate() {
        by_entity.entry(&episode.row.entity).or_default().push(index);
    }
    for effect in 0..episodes.len() {
        if episodes[effect].row.class == Class::Context {
            continue;
        }
        let mut strongest: BTreeMap<usize, Link> = BTreeMap::new();
        let kind = &episodes[effect].row.kind;
        for written in rules.iter().filter(|written| written.rule.effects.contains(kind)) {
            let Written { index, rule, .. } = written;
            for (path, text) in written.paths() {
                for entity in walk(&episodes[effect], path, &steps) {
                    let on_it = by_entity.get(entity).into_iter().flatten().copied();
                    for cause in on_it.filter(|cause| can_cause(episodes, *cause, effect, rule, horizon_ms)) {
                        let lag_ms = episodes[effect].row.onset.ms_since(episodes[cause].row.onset);
                        let strength = strength(rule, path.len(), lag_ms);
                        let link = Link {
                            effect,
                            cause,
                            rule: *index,
                            path: text.clone(),
                            lag_ms,
                            strength,
                            best: false,
                        };
                        let better = strongest.get(&cause).is_none_or(|known| {
                            (known.strength, Reverse((known.rule, &known.path)))
                                < (link.strength, Reverse((link.rule, &link.path)))
                        });
                        if better {
                            strongest.insert(cause, link);
                        }
                    }
                }
            }
        }
        let mut chosen: Vec<Link> = strongest.into_values().collect();
        chosen.sort_by_key(|link| {
            let cause = &episodes[link.cause].row;
            Reverse((
                link.strength + i64::from(cause.kind.spec().prior) * 2,
                cause.onset,
                Reverse(cause.episode_id),
            ))
        });
        chosen.truncate(8);
        if let Some(first) = chosen.first_mut() {
            first.best = true;
        }
        kept.extend(chosen);
    }
    kept
}

fn written_out(path: &Path) -> Vec<Vec<Step>> {
    path.0.iter().fold(vec![Vec::new()], |all, step| {
        let times = 1..=if step.repeats { REPEAT_MAX } else { 1 };
        let longer = |prefix: &Vec<Step>| {
            let prefix = prefix.clone();
            times.clone().map(move |count| {
                let mut steps = prefix.clone();
                steps.extend(std::iter::repeat_n(Step { repeats: false, ..*step }, usize::from(count)));
                steps
            })
        };
        all.iter().flat_map(longer).collect()
    })
}

fn walk<'a>(effect: &'a Episode, path: &[Step], steps: &Steps<'a>) -> Vec<&'a Entity> {
    let mut places: Vec<&Entity> = vec![&effect.row.entity];
    for step in path {
        let mut next = Vec::new();
        for place in places {
            for edge in steps.get(&(place, step.relation, step.direction)).into_iter().flatten() {
                let there = if step.direction == Direction::Forward { &edge.to } else { &edge.from };
                let begun = edge.valid_from <= effect.row.onset.plus_ms(300_000);
                let held = edge.valid_to.is_none_or(|end| effect.row.earliest <= end.plus_ms(300_000));
                if begun && held && !next.contains(&there) {
                    next.push(there);
                }
            }
        }
        places = next;
    }
    places
}

fn can_cause(episodes: &[Episode], cause: usize, effect: usize, rule: &RuleSpec, horizon_ms: i64) -> bool {
    let onset = episodes[effect].row.onset;
    let layer = episodes[effect].row.kind.spec().layer;
    let row = &episodes[cause].row;
    let spec = row.kind.spec();
    let order = if spec.layer < layer {
        row.earliest <= onset.plus_ms(2_000)
    } else if spec.layer == layer {
        row.onset <= onset
    } else {
        row.onset < onset
    };
    let over = row.last.max(row.ended.unwrap_or(row.last));
    let reach = episodes[cause].standing || onset.ms_since(over) <= rule.window_ms;
    let near = onset.ms_since(row.onset) <= rule.window_ms.max(horizon_ms);
    let fits = row.class != Class::Context && rule.causes.contains(&row.kind);
    cause != effect && fits && order && reach && near
}

fn strength(rule: &RuleSpec, hops: usize, lag_ms: i64) -> i64 {
    let hop = [1_000, 950, 900, 820, 740, 660].get(hops).copied().unwrap_or(580);
    let quarter = rule.window_ms / 4;
    let near = if lag_ms <= quarter {
        1_000
    } else {
        1_000 - 400 * (lag_ms - quarter).min(rule.window_ms) / rule.window_ms
    };
    i64::from(rule.strength) * 10 * hop / 1_000 * near / 1_000
}
