//! How near-certain it is that one episode caused another. Pure arithmetic; docs/semantics.md, section 8.

use schemas::catalogue::{KindSpec, RuleSpec};
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

/// Clocks of different producers may differ by this much.
const SKEW_MS: i64 = 2_000;

/// Weight of a way by its number of edges, in thousandths.
const HOP_WEIGHT: [i64; 6] = [1_000, 950, 900, 820, 740, 660];
/// Weight of a longer way.
const HOP_WEIGHT_FAR: i64 = 580;

/// When an episode was, as far as linking needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct When {
    pub(crate) onset: EventTime,
    pub(crate) earliest: EventTime,
    pub(crate) last: EventTime,
    pub(crate) ended: Option<EventTime>,
    pub(crate) standing: bool,
}

/// Whether the order and distance in time allow `cause` to have caused an effect.
pub(crate) fn in_time(
    rule: &RuleSpec,
    horizon_ms: i64,
    (cause, cause_spec): (&When, &KindSpec),
    (effect_onset, effect_spec): (EventTime, &KindSpec),
) -> bool {
    let in_order = match cause_spec.layer.cmp(&effect_spec.layer) {
        std::cmp::Ordering::Less => cause.earliest <= effect_onset.plus_ms(SKEW_MS),
        std::cmp::Ordering::Equal => cause.onset <= effect_onset,
        std::cmp::Ordering::Greater => cause.onset < effect_onset,
    };
    let in_reach = effect_onset.ms_since(until(cause)) <= rule.window_ms;
    let near = effect_onset.ms_since(cause.onset) <= rule.window_ms.max(horizon_ms);
    in_order && in_reach && near
}

/// Onsets of all effects that [`in_time`] can allow a cause to have by a rule with such a window, whatever the layers: the
/// first and the last one.
pub(crate) fn span(window_ms: i64, horizon_ms: i64, cause: &When) -> (EventTime, EventTime) {
    let first = cause.onset.min(cause.earliest.plus_ms(-SKEW_MS));
    let last = until(cause).plus_ms(window_ms).min(cause.onset.plus_ms(window_ms.max(horizon_ms)));
    (first, last)
}

/// When a cause was over: what the window is measured from. A standing one never is.
pub(crate) fn until(cause: &When) -> EventTime {
    if cause.standing {
        EventTime(i64::MAX)
    } else {
        cause.ended.map_or(cause.last, |ended| ended.max(cause.last))
    }
}

/// Strength of a link, 0 to 1000.
pub(crate) fn strength(rule: &RuleSpec, hops: usize, lag_ms: i64) -> u32 {
    let hop = HOP_WEIGHT.get(hops).copied().unwrap_or(HOP_WEIGHT_FAR);
    let strength = i64::from(rule.strength) * 10 * hop / 1_000 * near(lag_ms, rule.window_ms) / 1_000;
    u32::try_from(strength.max(0)).unwrap_or(u32::MAX)
}

/// Weight of a lag: full in the first quarter of the window, falling to 600 beyond it.
fn near(lag_ms: i64, window_ms: i64) -> i64 {
    let quarter = window_ms / 4;
    if lag_ms <= quarter {
        return 1_000;
    }
    1_000 - 400 * (lag_ms.saturating_sub(quarter)).min(window_ms) / window_ms.max(1)
}
