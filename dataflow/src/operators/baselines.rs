//! Baselines: metric series against their own recent past.
//!
//! Input   samples by (tenant, entity, metric).
//! Output  one occurrence for each run of slots that deviate.
//! Ties    a slot cites its earliest sample, then the earliest arrival.
//! State   the samples of the horizon in slots of a minute, and one summary per slot.
//! See docs/semantics.md, section 4. Integers only: a view must not depend on the order of additions.

use std::sync::Arc;

use schemas::entity::Entity;
use schemas::fact::clip;
use schemas::ids::{EntityId, Tenant};
use schemas::normalize::anomaly::anomaly_kind;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::operators::episodes::SLOT_MS;
use crate::operators::maintain::maintain;
use crate::rows::{Cite, Occurrence, Subject};
use crate::types::Updates;
use crate::values::Values;

/// Slots that a series must have before one is judged.
const BASELINE_SLOTS_MIN: usize = 8;
/// Slots that a baseline looks back.
const BASELINE_SLOTS_MAX: usize = 30;
/// Deviations, in (scaled) median absolute deviations, beyond which a slot stands out.
const DEVIATION: i128 = 6;
/// Smallest spread, in thousandths of a unit: a constant series may still move by a few units.
const SPREAD_MIN: i128 = 1_000;

/// A metric series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) tenant: Tenant,
    pub(crate) id: EntityId,
    pub(crate) metric: String,
    pub(crate) entity: Arc<Entity>,
}

/// One sample of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) at: EventTime,
    pub(crate) cite: Cite,
    pub(crate) value_milli: i64,
}

/// The samples of one minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Slot {
    number: i64,
    first: Point,
    last: EventTime,
    mean_milli: i64,
}

/// A deviation of one slot from the slots before it.
#[derive(Clone, Copy)]
struct Deviation {
    up: bool,
    median: i64,
}

/// Compares every series with its baseline.
pub(crate) fn baselines<'scope>(
    points: Updates<'scope, (Series, Point)>,
) -> Updates<'scope, (Subject, Occurrence)> {
    let slotted = points.map(|(series, point)| ((series, point.at.0.div_euclid(SLOT_MS)), point));
    let slots = maintain(slotted, "BaselineSlots", |(series, number), points| {
        slot(*number, points).map(|slot| (series.clone(), slot)).into_iter().collect()
    });
    maintain(slots, "Baselines", |series, slots| {
        let slots: Vec<Slot> = slots.distinct().copied().collect();
        anomalies(&slots).into_iter().map(|found| occurrence(series, &slots, &found)).collect()
    })
}

fn slot(number: i64, points: &Values<Point>) -> Option<Slot> {
    let (first, last) = (points.first()?, points.last()?);
    let copies: i128 = points.iter().map(|(_, copies)| i128::from(copies)).sum();
    let sum: i128 =
        points.iter().map(|(point, copies)| i128::from(point.value_milli) * i128::from(copies)).sum();
    let mean = sum / copies.max(1);
    // The mean of 64-bit numbers is one.
    let mean_milli = i64::try_from(mean).unwrap_or(i64::MAX);
    Some(Slot { number, first: *first, last: last.at, mean_milli })
}

/// A run of deviating slots, by index.
struct Anomaly {
    from: usize,
    to: usize,
    deviation: Deviation,
}

fn anomalies(slots: &[Slot]) -> Vec<Anomaly> {
    let mut found: Vec<Anomaly> = Vec::new();
    for index in 0..slots.len() {
        let Some(deviation) = judge(slots, index) else { continue };
        match found.last_mut() {
            Some(run) if run.to + 1 == index && run.deviation.up == deviation.up => run.to = index,
            _ => found.push(Anomaly { from: index, to: index, deviation }),
        }
    }
    found
}

fn judge(slots: &[Slot], index: usize) -> Option<Deviation> {
    if index < BASELINE_SLOTS_MIN {
        return None;
    }
    let before = &slots[index.saturating_sub(BASELINE_SLOTS_MAX)..index];
    let median = lower_median(before.iter().map(|slot| slot.mean_milli).collect());
    let distances =
        before.iter().map(|slot| slot.mean_milli.saturating_sub(median).saturating_abs()).collect();
    let spread = i128::from(lower_median(distances)) * 3 / 2;
    let spread = spread.max(i128::from(median).abs() / 10).max(SPREAD_MIN);
    let distance = i128::from(slots[index].mean_milli) - i128::from(median);
    (DEVIATION * spread < distance.abs()).then_some(Deviation { up: 0 < distance, median })
}

fn lower_median(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn occurrence(series: &Series, slots: &[Slot], found: &Anomaly) -> (Subject, Occurrence) {
    let (first, last) = (&slots[found.from], &slots[found.to]);
    let kind = anomaly_kind(&series.metric, found.deviation.up);
    let detail = format!(
        "{} went from {} to {} (thousandths)",
        series.metric, found.deviation.median, first.mean_milli
    );
    let subject = Subject { tenant: series.tenant, id: series.id, kind, entity: Arc::clone(&series.entity) };
    let occurrence = Occurrence {
        onset: first.first.at,
        cite: first.first.cite,
        earliest: first.first.at,
        last: last.last,
        ended: slots.get(found.to + 1).map(|after| after.first.at),
        standing: false,
        count: u64::try_from(found.to - found.from + 1).unwrap_or(u64::MAX),
        severity: kind.spec().severity,
        detail: clip(&detail),
    };
    (subject, occurrence)
}
