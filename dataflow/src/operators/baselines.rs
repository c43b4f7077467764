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

use crate::operators::each::each_key;
use crate::rows::{Cite, Named, Occurrence, Subject};
use crate::types::Updates;

mod habit;
mod history;
mod usual;

use history::{History, Run};
use usual::Deviation;

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
    /// In the order of their runs.
    output: Vec<(Said, Found)>,
}

/// What is said of a run of slots that deviate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    /// Its first sample.
    onset: Point,
    earliest: EventTime,
    last: EventTime,
    ended: Option<EventTime>,
    slots: u64,
    lasted_ms: i64,
    /// Of its first slot.
    center_micro: i64,
    deviation: Deviation,
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
        let measured = !self.history.is_empty();
        self.history.apply(changes, Center::of(&series.metric), LeastSpread::of(&series.metric));
        if measured == self.history.is_empty() {
            emit(Found::Measured(series.tenant, series.on.clone()), if measured { -1 } else { 1 });
        }
        let runs = self.history.runs();
        let mut before = std::mem::take(&mut self.output).into_iter().peekable();
        for said in runs.iter().filter_map(|run| Said::of(&self.history, run)) {
            while let Some((_, gone)) = before.next_if(|(known, _)| known.onset.at < said.onset.at) {
                emit(gone, -1);
            }
            // Most say what they said: a series changes at its end, and a text takes longer than all else.
            let known = before.next_if(|(known, _)| *known == said);
            let found = known.map(|(_, found)| found).unwrap_or_else(|| {
                let found = said.found(series);
                emit(found.clone(), 1);
                found
            });
            self.output.push((said, found));
        }
        before.for_each(|(_, gone)| emit(gone, -1));
    }
}

impl Said {
    fn of(history: &History, run: &Run) -> Option<Said> {
        let (first, last) = (history.slot(run.from)?, history.slot(run.to)?);
        let before = history.slot(run.from.saturating_sub(1))?;
        let onset = *first.first();
        Some(Said {
            onset,
            earliest: before.last().min(onset.at),
            last: last.last(),
            ended: history.slot(run.to + 1).map(|after| after.first().at),
            slots: u64::try_from(run.to - run.from + 1).unwrap_or(u64::MAX),
            lasted_ms: history.lasted(run).saturating_mul(SLOT_MS),
            center_micro: first.center_micro,
            deviation: run.deviation,
        })
    }

    /// What it comes to.
    fn found(&self, series: &Series) -> Found {
        let Deviation { up, median, magnitude } = self.deviation;
        let kind = anomaly_kind(&series.metric, up);
        let detail = format!(
            "{} went from {} to {}, {} spreads away",
            series.metric,
            units(median),
            units(self.center_micro),
            magnitude / 10
        );
        let occurrence = Occurrence {
            onset: self.onset.at,
            cite: self.onset.cite,
            earliest: self.earliest,
            last: self.last,
            ended: self.ended,
            standing: false,
            count: self.slots,
            severity: anomaly_severity(kind, series.on.entity.kind, magnitude, self.lasted_ms),
            detail: clip(&detail).into(),
            magnitude,
        };
        let subject = Subject { tenant: series.tenant, on: series.on.clone(), kind };
        Found::Deviates(subject, Arc::new(occurrence))
    }
}

/// Millionths as a decimal number.
fn units(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let whole = micro.unsigned_abs();
    format!("{sign}{}.{:06}", whole / 1_000_000, whole % 1_000_000)
}
