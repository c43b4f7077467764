//! Baselines: metric series against their own recent past.
//!
//! Input   samples by (tenant, entity, metric).
//! Output  one occurrence for each run of slots that deviate and last; the entities that are measured.
//! Ties    a slot cites its earliest sample, then the earliest arrival.
//! State   the samples of the horizon in slots, with the verdict on each.
//! See docs/semantics.md, section 4. Integers only: a view must not depend on the order of additions.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::fact::clip;
use schemas::ids::Tenant;
use schemas::normalize::anomaly::{Center, LeastSpread, anomaly_kind, anomaly_severity};
use schemas::time::{Diff, EventTime};
use serde::{Deserialize, Serialize};

use crate::operators::maintain::{each_key, replace};
use crate::rows::{Cite, Named, Occurrence, Subject};
use crate::types::Updates;

mod habit;
mod history;
mod usual;

use history::{History, Run};

/// Width of a slot: several scrapes of fast series are averaged, slow ones have slots of their own cadence.
const SLOT_MS: i64 = 15_000;
/// Slots that a baseline remembers.
const BASELINE_SLOTS_MAX: usize = 60;

/// A metric series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) tenant: Tenant,
    pub(crate) on: Named,
    pub(crate) metric: Arc<str>,
}

/// One sample of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) at: EventTime,
    pub(crate) cite: Cite,
    pub(crate) value_micro: i64,
}

/// What baselines come to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Found {
    /// An entity is measured; one row for each of its series.
    Measured(Tenant, Named),
    /// A series left what is usual.
    Deviates(Subject, Arc<Occurrence>),
}

/// One series, and what was last said of it.
#[derive(Default)]
struct Judged {
    history: History,
    output: Vec<Found>,
}

/// Compares every series with its baseline.
pub(crate) fn baselines<'scope>(
    points: Updates<'scope, (Series, Point)>,
) -> (Updates<'scope, (Subject, Arc<Occurrence>)>, Updates<'scope, (Tenant, Named)>) {
    let mut all: BTreeMap<Series, Judged> = BTreeMap::new();
    let found = each_key(points, "Baselines", move |series, changes, emit| {
        if let Some(judged) = all.get_mut(&series) {
            judged.change(&series, changes, emit);
            if judged.history.is_empty() {
                all.remove(&series);
            }
            return;
        }
        let mut judged = Judged::default();
        judged.change(&series, changes, emit);
        if !judged.history.is_empty() {
            all.insert(series, judged);
        }
    });
    let deviations = found.clone().flat_map(|found| match found {
        Found::Deviates(subject, occurrence) => Some((subject, occurrence)),
        Found::Measured(..) => None,
    });
    let measured = found.flat_map(|found| match found {
        Found::Measured(tenant, on) => Some((tenant, on)),
        Found::Deviates(..) => None,
    });
    (deviations, measured)
}

impl Judged {
    fn change(&mut self, series: &Series, changes: Vec<(Point, Diff)>, emit: &mut dyn FnMut(Found, Diff)) {
        self.history.apply(changes, Center::of(&series.metric), LeastSpread::of(&series.metric));
        let mut rows = Vec::new();
        if !self.history.is_empty() {
            rows.push(Found::Measured(series.tenant, series.on.clone()));
        }
        rows.extend(self.history.runs().iter().filter_map(|run| deviates(series, &self.history, run)));
        replace(&mut self.output, rows, emit);
    }
}

/// What a run of a series comes to.
fn deviates(series: &Series, history: &History, run: &Run) -> Option<Found> {
    let (first, last) = (history.slot(run.from)?, history.slot(run.to)?);
    let before = history.slot(run.from.saturating_sub(1))?;
    let kind = anomaly_kind(&series.metric, run.deviation.up);
    let magnitude = run.deviation.magnitude;
    let lasted_ms = history.lasted(run).saturating_mul(SLOT_MS);
    let detail = format!(
        "{} went from {} to {}, {} spreads away",
        series.metric,
        units(run.deviation.median),
        units(first.center_micro),
        magnitude / 10
    );
    let onset = *first.first();
    let occurrence = Occurrence {
        onset: onset.at,
        cite: onset.cite,
        earliest: before.last().min(onset.at),
        last: last.last(),
        ended: history.slot(run.to + 1).map(|after| after.first().at),
        standing: false,
        count: u64::try_from(run.to - run.from + 1).unwrap_or(u64::MAX),
        severity: anomaly_severity(kind, series.on.entity.kind, magnitude, lasted_ms),
        detail: clip(&detail).into(),
        magnitude,
    };
    let subject = Subject { tenant: series.tenant, on: series.on.clone(), kind };
    Some(Found::Deviates(subject, Arc::new(occurrence)))
}

/// Millionths as a decimal number.
fn units(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let whole = micro.unsigned_abs();
    format!("{sign}{}.{:06}", whole / 1_000_000, whole % 1_000_000)
}
