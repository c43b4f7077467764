//! Section 8: links.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemas::catalogue::{Class, Direction, Path, REPEAT_MAX, RuleIndex, RuleSpec, Step};
use schemas::entity::Entity;
use schemas::ids::Tenant;

use super::Constants;
use super::episodes::{Edge, Episode};

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

pub(super) fn link(tenant: Tenant, episodes: &[Episode], edges: &[Edge], constants: &Constants) -> Vec<Link> {
    let mut kept = Vec::new();
    for effect in 0..episodes.len() {
        if episodes[effect].row.class == Class::Context {
            continue;
        }
        let mut strongest: BTreeMap<usize, Link> = BTreeMap::new();
        let explains = |rule: &RuleSpec| {
            rule.scope.includes(tenant) && rule.effects.contains(&episodes[effect].row.kind)
        };
        for (index, rule) in constants.rules.iter().filter(|(_, rule)| explains(rule)) {
            for path in rule.paths.iter().flat_map(written_out) {
                let text = text(&path);
                for entity in walk(&episodes[effect], &path, edges) {
                    for cause in causes(episodes, effect, &entity, rule, constants.horizon_ms) {
                        let lag_ms = episodes[effect].row.onset.ms_since(episodes[cause].row.onset);
                        let strength = strength(rule, path.len(), lag_ms);
                        let link = Link {
                            effect,
                            cause,
                            rule: index,
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

fn text(path: &[Step]) -> String {
    Path(path.to_vec()).to_string()
}

fn walk(effect: &Episode, path: &[Step], edges: &[Edge]) -> Vec<Entity> {
    let mut places = vec![Entity::clone(&effect.row.entity)];
    for step in path {
        let mut next = Vec::new();
        for place in &places {
            for edge in edges.iter().filter(|edge| edge.relation == step.relation) {
                let (here, there) = if step.direction == Direction::Forward {
                    (&edge.from, &edge.to)
                } else {
                    (&edge.to, &edge.from)
                };
                let begun = edge.valid_from <= effect.row.onset.plus_ms(300_000);
                let held = edge.valid_to.is_none_or(|end| effect.row.earliest <= end.plus_ms(300_000));
                if here == place && begun && held && !next.contains(there) {
                    next.push(there.clone());
                }
            }
        }
        places = next;
    }
    places
}

fn causes(
    episodes: &[Episode],
    effect: usize,
    entity: &Entity,
    rule: &RuleSpec,
    horizon_ms: i64,
) -> Vec<usize> {
    let onset = episodes[effect].row.onset;
    let layer = episodes[effect].row.kind.spec().layer;
    let fits = |index: &usize| {
        let cause = &episodes[*index];
        let row = &cause.row;
        let spec = row.kind.spec();
        let order = if spec.layer < layer {
            row.earliest <= onset.plus_ms(2_000)
        } else if spec.layer == layer {
            row.onset <= onset
        } else {
            row.onset < onset
        };
        let over = row.last.max(row.ended.unwrap_or(row.last));
        let reach = cause.standing || onset.ms_since(over) <= rule.window_ms;
        let near = onset.ms_since(row.onset) <= rule.window_ms.max(horizon_ms);
        *index != effect
            && row.class != Class::Context
            && *row.entity == *entity
            && rule.causes.contains(&row.kind)
            && order
            && reach
            && near
    };
    (0..episodes.len()).filter(fits).collect()
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
