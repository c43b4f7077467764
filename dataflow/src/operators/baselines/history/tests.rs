//! The history of a series, by hand and against a whole look.

use differential_dataflow::Hashable;
use schemas::ids::EventId;

use super::*;
use crate::rows::Cite;

fn point(number: i64, value_micro: i64) -> Point {
    Point { at: EventTime(number * SLOT_MS), cite: Cite { seq: 0, event: EventId(0) }, value_micro }
}

fn least() -> LeastSpread {
    LeastSpread::of("depth")
}

/// Slots of one sample each, so many slots apart.
fn history(step: i64, means: &[i64]) -> History {
    let mut history = History::default();
    let points = (0..).zip(means).map(|(index, mean)| (point(index * step, *mean), 1));
    history.apply(points.collect(), Center::Mean, least());
    history
}

fn told(history: &History) -> Vec<(usize, usize, u32)> {
    history.runs().iter().map(|run| (run.from, run.to, run.deviation.magnitude)).collect()
}

fn runs(step: i64, means: &[i64]) -> Vec<(usize, usize, u32)> {
    told(&history(step, means))
}

#[test]
fn scale_does_not_matter() {
    for unit in [1_000, 1_000_000_000] {
        let mut means = vec![10 * unit; 10];
        means.extend([30 * unit, 30 * unit, 10 * unit]);
        assert_eq!(runs(1, &means), [(10, 11, 200)]);
    }
}

#[test]
fn one_slot_is_a_blip_unless_the_series_is_slow() {
    let mut means = vec![10_000; 10];
    means.extend([30_000, 10_000]);
    assert_eq!(runs(1, &means), []);
    assert_eq!(runs(4, &means), [(10, 10, 200)]);
    means[10] = 20_000;
    assert_eq!(runs(4, &means), []);
    assert_eq!(runs(8, &means), [(10, 10, 100)]);
    means.extend([30_000, 30_000]);
    assert_eq!(runs(4, &means), [(12, 13, 200)]);
    // A pause before the slot does not make it last.
    let mut paused = history(1, &means[..10]);
    paused.apply(vec![(point(110, means[10]), 1), (point(111, means[11]), 1)], Center::Mean, least());
    assert!(paused.runs().is_empty());
}

#[test]
fn what_the_last_days_have_held_is_no_news() {
    // Five minutes a slot: an hour of bustle every day, the third day's a little higher than those before.
    let day = |height: i64| (0..288).map(move |slot| if slot < 276 { 10_000 } else { height });
    let means: Vec<i64> = [30_000, 30_000, 30_000, 31_000].into_iter().flat_map(day).collect();
    let begun: Vec<usize> = runs(20, &means).into_iter().map(|(from, ..)| from).collect();
    assert_eq!(begun, [276, 276 + 288, 276 + 3 * 288], "two days without habits, then only what is higher");
    // What is forgotten after a week is news again.
    let mut calm: Vec<i64> = day(30_000).collect();
    calm.extend(vec![10_000; 288 * 8]);
    calm.extend([30_000; 3]);
    assert_eq!(runs(20, &calm).len(), 2);
}

#[test]
fn trouble_is_not_learned_but_a_level_that_stays_is() {
    let mut means = vec![10_000; 10];
    means.extend([30_000; 60]);
    assert_eq!(runs(1, &means), [(10, 49, 200)]);
}

#[test]
fn the_median_of_a_slot_is_its_middle_sample_with_its_copies() {
    let mut history = History::default();
    let at = |ms: i64, value_micro: i64| Point { at: EventTime(ms), value_micro, ..point(0, 0) };
    let center = |history: &History| history.slot(0).map(|slot| slot.center_micro);
    history.apply(vec![(at(0, 900), 1), (at(1, 10), 1), (at(2, 30), 1)], Center::Median, least());
    assert_eq!(center(&history), Some(30));
    history.apply(vec![(at(1, 10), 1)], Center::Median, least());
    assert_eq!(center(&history), Some(10), "of four the lesser of the two in the middle");
    history.apply(vec![(at(2, 30), -1), (at(1, 10), -2)], Center::Median, least());
    assert_eq!(center(&history), Some(900));
}

#[test]
fn extremes_saturate() {
    let mut means = vec![i64::MIN; 10];
    means.extend([i64::MAX; 3]);
    assert_eq!(runs(1, &means), [(10, 12, 200)]);
    assert_eq!(runs(1, &[[0; 10], [i64::MIN; 10]].concat()), [(10, 19, 100_000)]);
}

/// Samples that come at the end, late, twice, in batches with gaps, and go, the oldest mostly first and in the end all:
/// after each change as if judged anew.
#[test]
fn a_change_leaves_what_a_whole_look_finds() {
    for seed in 0..24_u64 {
        // Slow series have habits; fast ones have levels that stay.
        let step = if seed % 3 == 0 { 120 } else { 1 };
        let center = if seed % 2 == 0 { Center::Mean } else { Center::Median };
        let mut history = History::default();
        let mut live: BTreeMap<Point, Diff> = BTreeMap::new();
        for number in 0..520_i64 {
            let draw = |kind: u64| (seed, number, kind).hashed();
            let level = if (seed, number / 60).hashed() % 4 == 0 { 40_000 } else { 10_000 };
            let spike = if draw(0) % 23 == 0 { 200_000 } else { 0 };
            let noise = i64::try_from(draw(1) % 900).unwrap_or(0);
            let late = if draw(2) % 7 == 0 { i64::try_from(draw(3) % 90).unwrap_or(0) } else { 0 };
            let mut changes = vec![(point((number - late) * step, level + spike + noise), 1)];
            if draw(4) % 11 == 0 {
                changes.push(changes[0]);
                changes.extend((0..40).map(|back| (point((number - 3 * back) * step, level), 1)));
            }
            let going = match number {
                519 => 0,
                500.. => live.len() / 8 + 1,
                _ => usize::try_from(draw(5) % 3).unwrap_or(0),
            };
            for back in 0..going {
                let place =
                    if back == 0 { 0 } else { usize::try_from(draw(6)).unwrap_or(0) % live.len().max(1) };
                if 200 < live.len() || 500 <= number {
                    let gone = live.iter().nth(place).map(|(point, copies)| (*point, -*copies));
                    changes.extend(gone);
                    gone.and_then(|(point, _)| live.remove(&point));
                }
            }
            if number == 519 {
                changes = live.iter().map(|(point, copies)| (*point, -*copies)).collect();
            }
            for (point, diff) in changes.iter().filter(|(_, diff)| 0 < *diff) {
                *live.entry(*point).or_default() += diff;
            }
            history.apply(changes, center, least());
            if number == 519 {
                assert!(history.is_empty() && history.deviations.is_empty() && history.runs().is_empty());
                break;
            }
            let mut whole = History::default();
            whole.apply(live.iter().map(|(point, copies)| (*point, *copies)).collect(), center, least());
            assert_eq!(told(&history), told(&whole), "seed {seed}, change {number}");
            assert_eq!(history.deviations, whole.deviations, "seed {seed}, change {number}");
        }
    }
}
