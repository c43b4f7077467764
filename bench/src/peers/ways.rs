//! The ways of the rules: from an effect to the place of its cause, how near that is, and which cause is the best.

use crate::peers::workload::{HORIZON_MS, Happened, Kind, SKEW_MS, Step};

/// One way from an effect to the place of its cause, by one rule.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The rule's id in the catalogue.
    pub rule: &'static str,
    /// What the cause is.
    pub cause: Kind,
    /// What the effect is.
    pub effect: Kind,
    /// From the effect's place to the cause's place.
    pub steps: &'static [Step],
    /// How long before the effect's onset the cause may have been seen last, in milliseconds.
    pub window_ms: i64,
    /// 0 to 100.
    pub strength: i64,
}

const S: Step = Step::Selected;
const C: Step = Step::Called;
const B: Step = Step::Selector;

macro_rules! ways {
    ($($rule:literal $cause:ident -> $effect:ident $steps:expr, $minutes:literal, $strength:literal;)*) => {
        /// The rules, a row for each pair of kinds and path.
        pub static WAYS: &[Way] = &[$(Way {
            rule: $rule, cause: Kind::$cause, effect: Kind::$effect, steps: &$steps, window_ms: $minutes * 60_000, strength: $strength,
        }),*];
    };
}

ways! {
    "R11h" Errors -> Errors [C], 5, 90;
    "R20" Image -> Container [Step::Owner], 15, 60;
    "R20" Image -> Readiness [Step::Owner], 15, 60;
    "R28" Container -> Endpoints [S], 10, 90;
    "R29" Readiness -> Endpoints [S], 5, 90;
    "R31" Endpoints -> Readiness [B, C], 5, 30;
    "R31" Endpoints -> Readiness [B, C, C], 5, 30;
    "R31" Endpoints -> Readiness [B, C, C, C], 5, 30;
    "R31" Errors -> Readiness [B, C], 5, 30;
    "R31" Errors -> Readiness [B, C, C], 5, 30;
    "R31" Errors -> Readiness [B, C, C, C], 5, 30;
    "R32" Endpoints -> Errors [], 5, 90;
    "R32" Endpoints -> Errors [C], 5, 90;
    "R32" Endpoints -> Errors [C, C], 5, 90;
    "R32" Endpoints -> Errors [C, C, C], 5, 90;
    "R32c" Endpoints -> Alert [], 10, 90;
    "R32c" Endpoints -> Alert [C], 10, 90;
    "R32c" Endpoints -> Alert [C, C], 10, 90;
    "R32c" Endpoints -> Alert [C, C, C], 10, 90;
    "R32c" Errors -> Alert [], 10, 90;
    "R32c" Errors -> Alert [C], 10, 90;
    "R32c" Errors -> Alert [C, C], 10, 90;
    "R32c" Errors -> Alert [C, C, C], 10, 90;
    "R32j" Container -> Alert [S], 10, 30;
    "R32j" Container -> Alert [C, S], 10, 30;
    "R32j" Container -> Alert [C, C, S], 10, 30;
    "R32j" Container -> Alert [C, C, C, S], 10, 30;
    "R32j" Endpoints -> Alert [], 10, 30;
    "R32k" Errors -> Errors [C], 5, 60;
    "R32k" Errors -> Errors [C, C], 5, 60;
    "R32k" Errors -> Errors [C, C, C], 5, 60;
    "R51" Node -> Container [Step::RunsOn], 10, 90;
    "R51" Node -> Readiness [Step::RunsOn], 10, 90;
    "R51c" Node -> Endpoints [S, Step::RunsOn], 10, 90;
}

/// Weight of a way by its number of steps, in thousandths.
const HOPS: [i64; 5] = [1_000, 950, 900, 820, 740];

/// Weight of a way of so many steps, in thousandths.
pub fn hop(steps: usize) -> i64 {
    HOPS[steps.min(HOPS.len() - 1)]
}

impl Way {
    /// Strength of a link over this way whose cause began `lag_ms` before its effect, 0 to 1000.
    pub fn strength(&self, lag_ms: i64) -> i64 {
        let quarter = self.window_ms / 4;
        let near = if lag_ms <= quarter {
            1_000
        } else {
            1_000 - 400 * (lag_ms - quarter).min(self.window_ms) / self.window_ms
        };
        self.strength * 10 * hop(self.steps.len()) / 1_000 * near / 1_000
    }

    /// Whether what happened can have caused what began at `effect`.
    pub fn allows(&self, cause: Happened, effect: i64) -> bool {
        let Happened { onset, earliest, over } = cause;
        let in_order = match self.cause.spec().layer.cmp(&self.effect.spec().layer) {
            std::cmp::Ordering::Less => earliest <= effect + SKEW_MS,
            std::cmp::Ordering::Equal => onset <= effect,
            std::cmp::Ordering::Greater => onset < effect,
        };
        in_order && effect - over <= self.window_ms && effect - onset <= self.window_ms.max(HORIZON_MS)
    }

    /// What the best cause has the most of; the later onset decides where two have the same.
    pub fn score(&self, lag_ms: i64) -> i64 {
        self.strength(lag_ms) + self.cause.spec().prior * 2
    }
}
