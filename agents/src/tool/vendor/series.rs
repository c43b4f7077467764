//! A series of values in few words: its ends, its extremes, and where its level shifted most.
//!
//! The shift is the split of the series into two parts whose means differ most, measured by how much the values spread
//! within the parts and how long the parts are. It says where to look, not that something is wrong.

use schemas::time::EventTime;
use serde_json::{Value, json};

/// Points on each side of a split at least.
const SIDE: usize = 2;
/// A step without any noise differs by so many spreads.
const SPREADS_MAX: f64 = 1_000.0;

/// One point: when, in milliseconds, and how much.
pub(super) type Point = (i64, f64);

/// A summary, and how strong its shift is, to order summaries by.
pub(super) struct Summary {
    pub(super) content: Value,
    pub(super) strength: f64,
}

/// Summarizes points in order of time. What is not a finite number is counted and left out.
pub(super) fn summarize(points: &[Point]) -> Summary {
    let finite: Vec<Point> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else {
        return Summary { content: json!({ "points": 0, "not_finite": points.len() }), strength: 0.0 };
    };
    let by_value = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
    let end =
        |point: Option<&Point>| point.map(|(at, value)| json!({ "at": at_ms(*at), "value": round(*value) }));
    let shift = shift(&finite);
    let strength = shift.as_ref().map_or(0.0, |shift| shift.strength);
    let content = json!({
        "points": finite.len(),
        "not_finite": points.len() - finite.len(),
        "first": end(Some(first)),
        "last": end(Some(last)),
        "min": end(finite.iter().min_by(by_value)),
        "max": end(finite.iter().max_by(by_value)),
        "mean": round(mean(&finite)),
        "shift": shift.map(|shift| shift.content()),
    });
    Summary { content, strength }
}

/// A time as the summary says it; null if it is none.
fn at_ms(ms: i64) -> Value {
    EventTime::from_ms(ms).map_or(Value::Null, |time| json!(time))
}

/// Five significant digits.
pub(super) fn round(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

fn mean(points: &[Point]) -> f64 {
    let count = points.len() as f64;
    points.iter().map(|(_, value)| value / count).sum()
}

struct Shift {
    at: i64,
    before: f64,
    after: f64,
    spreads: f64,
    strength: f64,
}

impl Shift {
    fn content(&self) -> Value {
        json!({
            "at": at_ms(self.at),
            "before": round(self.before),
            "after": round(self.after),
            "spreads": round(self.spreads),
        })
    }
}

/// The greatest shift; none in a constant or short series.
fn shift(points: &[Point]) -> Option<Shift> {
    let count = points.len();
    let scale = points.iter().fold(0.0_f64, |most, (_, value)| most.max(value.abs()));
    if count < 2 * SIDE || scale == 0.0 {
        return None;
    }
    // Within [-1, 1] no sum of squares overflows, and around the mean none cancels.
    let scaled: Vec<f64> = points.iter().map(|(_, value)| value / scale).collect();
    let center = scaled.iter().sum::<f64>() / count as f64;
    let total: f64 = scaled.iter().map(|value| (value - center).powi(2)).sum();
    let mut best: Option<Shift> = None;
    let mut sum = 0.0;
    for (split, value) in scaled.iter().enumerate() {
        let (left, right) = (split as f64, (count - split) as f64);
        if SIDE <= split && split <= count - SIDE {
            // Around the center the two sums are opposite.
            let (before, after) = (sum / left, -sum / right);
            let difference = (after - before).abs();
            let within = (total - left * before.powi(2) - right * after.powi(2)).max(0.0);
            let spread = (within / (count as f64 - 2.0)).sqrt();
            let spreads = (difference / spread.max(f64::EPSILON)).min(SPREADS_MAX);
            let strength = spreads / (1.0 / left + 1.0 / right).sqrt();
            // Less than rounding is no difference.
            if 1e-12 < difference && best.as_ref().is_none_or(|best| best.strength < strength) {
                let (at, before, after) =
                    (points[split].0, (before + center) * scale, (after + center) * scale);
                best = Some(Shift { at, before, after, spreads, strength });
            }
        }
        sum += value - center;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_772_355_600_000; // 2026-03-01T09:00:00Z

    fn series(values: &[f64]) -> Vec<Point> {
        values.iter().enumerate().map(|(n, value)| (START + n as i64 * 60_000, *value)).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let summary = summarize(&series(&[1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 5.0, 5.1, 4.9])).content;
        assert_eq!(summary["shift"]["at"], "2026-03-01T09:07:00.000Z");
        assert_eq!(summary["shift"]["before"], 1.0);
        assert_eq!(summary["shift"]["after"], 5.0);
        assert_eq!(summary["max"], json!({"at": "2026-03-01T09:08:00.000Z", "value": 5.1}));
        assert_eq!(summary["mean"], 2.2);
    }

    #[test]
    fn a_step_without_noise_is_found_and_bounded() {
        let summary = summarize(&series(&[0.0, 0.0, 0.0, 2.0, 2.0])).content;
        assert_eq!(summary["shift"]["at"], "2026-03-01T09:03:00.000Z");
        assert_eq!(summary["shift"]["spreads"], SPREADS_MAX);
    }

    #[test]
    fn constant_short_and_empty_series_have_no_shift() {
        for values in [&[7.3; 50][..], &[0.0; 9], &[1.0, 9.0, 1.0], &[]] {
            let summary = summarize(&series(values));
            assert!(summary.content.get("shift").is_none_or(Value::is_null), "{}", summary.content);
            assert_eq!(summary.strength, 0.0);
        }
    }

    #[test]
    fn what_is_not_finite_is_counted_and_extremes_do_not_overflow() {
        let summary = summarize(&series(&[f64::NAN, f64::INFINITY, -1e308, -1e308, 1e308, 1e308])).content;
        assert_eq!((&summary["points"], &summary["not_finite"]), (&json!(4), &json!(2)));
        assert_eq!(summary["shift"]["at"], "2026-03-01T09:04:00.000Z");
        assert_eq!(summary["shift"]["after"], 1e308);
        assert_eq!(summarize(&[(i64::MAX, 1.0)]).content["first"]["at"], Value::Null);
    }

    #[test]
    fn a_stronger_shift_is_ordered_first() {
        let noisy = summarize(&series(&[1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0])).strength;
        let clear = summarize(&series(&[1.0, 2.0, 1.0, 2.0, 8.0, 9.0, 8.0, 9.0])).strength;
        assert!(noisy < clear, "{noisy} {clear}");
    }
}
