//! Templates: error lines that an entity never logged before.
//!
//! Input   log lines by (tenant, entity), every severity.
//! Output  one occurrence for each template of severity error or above that is new on its entity; the entities that log.
//! Ties    a template cites its earliest line, then the earliest arrival.
//! State   the lines of the horizon in slots of a minute and one summary per (template, slot); lines below error
//!         count only by their time.
//! See docs/semantics.md, section 5.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::catalogue::Kind;
use schemas::envelope::Severity;
use schemas::ids::Tenant;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::operators::episodes::SLOT_MS;
use crate::operators::maintain::{maintain, summarize};
use crate::rows::{Cite, Named, Occurrence, Subject};
use crate::types::Updates;
use crate::values::Values;

/// How long an entity must have been heard before a template of its can be called new.
const WARM_UP_MS: i64 = 5 * SLOT_MS;

/// Who logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Logger {
    pub(crate) tenant: Tenant,
    pub(crate) on: Named,
}

/// One line; the template is empty for lines below error.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) at: EventTime,
    pub(crate) cite: Cite,
    pub(crate) detail: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Summary {
    first: Line,
    template: Arc<str>,
    last: EventTime,
    count: u64,
}

/// Finds templates that are new.
pub(crate) fn templates<'scope>(
    lines: Updates<'scope, ((Logger, Arc<str>), Line)>,
) -> (Updates<'scope, (Subject, Arc<Occurrence>)>, Updates<'scope, (Tenant, Named)>) {
    let slotted = lines.map(|(key, line)| ((key, line.at.0.div_euclid(SLOT_MS)), line));
    let summaries = summarize(slotted, "TemplateSlots", |((logger, template), _), lines| {
        summary(template, lines).map(|summary| (logger.clone(), summary))
    });
    let heard = summaries.clone().map(|(logger, _)| (logger.tenant, logger.on));
    (maintain(summaries, "Templates", novelties), heard)
}

/// Of lines below error only the first counts: what else there is of a chatty entity would make a summary of each line.
fn summary(template: &Arc<str>, lines: &Values<Line>) -> Option<Summary> {
    let first = lines.first()?;
    let (last, count) = match template.is_empty() {
        true => (first.at, 0),
        false => (lines.last()?.at, lines.iter().map(|(_, copies)| copies.unsigned_abs()).sum()),
    };
    Some(Summary { first: first.clone(), template: Arc::clone(template), last, count })
}

fn novelties(logger: &Logger, summaries: &Values<Summary>) -> Vec<(Subject, Arc<Occurrence>)> {
    // Summaries order by their first line, so the first is the earliest line of the entity.
    let Some(earliest) = summaries.first() else { return Vec::new() };
    let mut by_template: BTreeMap<&str, Summary> = BTreeMap::new();
    for summary in summaries.distinct().filter(|summary| !summary.template.is_empty()) {
        match by_template.get_mut(&*summary.template) {
            Some(known) => {
                known.last = known.last.max(summary.last);
                known.count = known.count.saturating_add(summary.count);
            }
            None => {
                by_template.insert(&summary.template, summary.clone());
            }
        }
    }
    let warm = earliest.first.at.plus_ms(WARM_UP_MS);
    let new = by_template.into_values().filter(|summary| warm <= summary.first.at);
    new.map(|summary| occurrence(logger, summary)).collect()
}

fn occurrence(logger: &Logger, summary: Summary) -> (Subject, Arc<Occurrence>) {
    let kind = Kind::named("log.error_new_template");
    let subject = Subject { tenant: logger.tenant, on: logger.on.clone(), kind };
    let occurrence = Occurrence {
        onset: summary.first.at,
        cite: summary.first.cite,
        earliest: summary.first.at,
        last: summary.last,
        ended: None,
        standing: false,
        count: summary.count.min(u64::from(u32::MAX)),
        severity: Severity::Error,
        detail: Arc::clone(&summary.first.detail),
        magnitude: 0,
    };
    (subject, Arc::new(occurrence))
}
