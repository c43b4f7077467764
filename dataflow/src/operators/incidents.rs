//! Incidents: episodes connected by their best links, ranked.
//!
//! Input   episodes; links; factors of feedback; what incidents are known by that a snapshot had, in the epoch that brings it
//!         back; the sealed `now`, and which epochs are captured.
//! Output  public rows of the views links, chains, incidents and alerts; at an epoch that is captured, what incidents are known
//!         by.
//! Ties    see docs/semantics.md, section 9; the identity of an incident hangs on its first grave episode, or on that of the
//!         incident that it goes on from (`first.rs`).
//! State   per tenant its episodes, its links from both ends with their public rows, and its groups with the rows they last
//!         gave and what they are known by. A change rebuilds the groups it touches, and one that is known by an episode that
//!         comes back; a merge or a split touches two, a factor all of its tenant. The row of a link changes with the link and
//!         its ends alone. Routed by tenant: what arrives here is folded episodes and at most eight links each, not events.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::{AsCollection, Hashable};
use schemas::ids::{EpisodeId, Tenant};
use schemas::time::{Diff, Epoch, EventTime};
use schemas::view::{LinkRow, Row, Shared};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::core::OkErr;

use crate::numbered::Numbered;
use crate::operators::each::each_tick;
use crate::operators::feedback::Factor;
use crate::operators::incidents::first::{First, Heirs, Inherited, heir_of};
use crate::operators::incidents::group::{Group, Judgment, judge};
use crate::operators::incidents::neighborhood::{EpisodeNumber, GroupNumber, Neighborhood};
use crate::operators::links::ways::Ways;
use crate::operators::maintain::{Due, replace};
use crate::retained::Retained;
use crate::rows::{Episode, Link};
use crate::types::{Tick, Ticks, Updates};

mod chains;
pub(crate) mod first;
mod group;
mod learned;
mod neighborhood;
mod rank;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Episode(Arc<Episode>),
    Link(Link),
    Factor(Factor),
    /// An incident with this grave episode is known by this one, which is gone; told once.
    Known(Tenant, EpisodeId, First),
}

impl Part {
    fn tenant(&self) -> Tenant {
        match self {
            Part::Episode(episode) => episode.tenant,
            Part::Link(link) => link.tenant,
            Part::Factor(factor) => factor.tenant,
            Part::Known(tenant, ..) => *tenant,
        }
    }
}

/// A group, with what it last came to.
struct Judged {
    members: Box<[EpisodeNumber]>,
    judgment: Judgment,
}

#[derive(Default)]
struct Groups {
    hood: Neighborhood,
    groups: Numbered<Judged>,
    inherited: Inherited,
}

/// The tenants of a worker.
#[derive(Default)]
struct Tenants {
    tenants: BTreeMap<Tenant, Groups>,
    /// When groups are to be looked at again.
    calendar: BTreeSet<(EventTime, (Tenant, GroupNumber))>,
}

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Found {
    Row(Tenant, Row),
    /// Kept as of an epoch that is captured; never retracted.
    Retained(Box<Retained>),
}

/// What is found, each on its own stream.
pub(crate) struct Incidents<'scope> {
    pub(crate) rows: Updates<'scope, (Tenant, Row)>,
    /// What a snapshot holds of it.
    pub(crate) retained: Updates<'scope, Retained>,
}

/// Groups episodes and ranks what can have caused them.
pub(crate) fn incidents<'scope>(
    episodes: Updates<'scope, Arc<Episode>>,
    (links, factors): (Updates<'scope, Link>, Updates<'scope, Factor>),
    known: Updates<'scope, (Tenant, EpisodeId, First)>,
    ticks: Ticks<'scope>,
    ways: &Arc<Ways>,
    gap_ms: i64,
) -> Incidents<'scope> {
    let episodes =
        episodes.filter(|episode| episode.row.class != schemas::catalogue::Class::Context).map(Part::Episode);
    let known = known.map(|(tenant, heir, first)| Part::Known(tenant, heir, first));
    let parts = episodes.concat(links.map(Part::Link)).concat(factors.map(Part::Factor)).concat(known);
    let ways = Arc::clone(ways);
    let route = Exchange::new(|(part, _, _): &(Part, Epoch, Diff)| part.tenant().hashed());
    let mut tenants = Tenants::default();
    let found = each_tick(parts, ticks, route, "Incidents", move |Tick { now, capture }, parts, emit| {
        tenants.step((&ways, 2 * gap_ms), now, parts, emit);
        if capture {
            tenants.retained().for_each(|kept| emit(Found::Retained(Box::new(kept)), 1));
        }
    });
    let (rows, retained) = found.inner.ok_err(|(found, epoch, diff)| match found {
        Found::Row(tenant, row) => Ok(((tenant, row), epoch, diff)),
        Found::Retained(kept) => Err((*kept, epoch, diff)),
    });
    Incidents { rows: rows.as_collection(), retained: retained.as_collection() }
}

impl Tenants {
    /// Takes the changes of an epoch; silence that lasts long enough by `now` changes incidents, too.
    fn step(
        &mut self,
        (ways, quiet_ms): (&Ways, i64),
        now: EventTime,
        parts: Vec<(Part, Diff)>,
        emit: &mut dyn FnMut(Found, Diff),
    ) {
        let Tenants { tenants, calendar } = self;
        let mut dirty = apply(tenants, ways, parts, |tenant, row, diff| {
            emit(Found::Row(tenant, Row::Link(row)), diff);
        });
        while let Some((_, (tenant, group))) = calendar.pop_first_if_due(now) {
            let due = tenants.get(&tenant).map(|groups| &groups.groups[group].members);
            dirty.entry(tenant).or_default().extend(due.into_iter().flatten());
        }
        for (tenant, dirty) in dirty {
            let groups = tenants.entry(tenant).or_default();
            let changes = groups.rebuild(dirty, |group| judge(tenant, group, ways, now, quiet_ms));
            for (group, wake) in changes.unscheduled {
                calendar.remove(&(wake, (tenant, group)));
            }
            for (group, wake) in changes.scheduled {
                calendar.insert((wake, (tenant, group)));
            }
            changes.rows.into_iter().for_each(|(row, diff)| emit(Found::Row(tenant, row), diff));
            if groups.groups.is_empty() && groups.hood.learned.is_empty() {
                tenants.remove(&tenant);
            }
        }
    }

    /// What a snapshot must hold.
    fn retained(&self) -> impl Iterator<Item = Retained> {
        self.tenants.iter().flat_map(|(tenant, groups)| groups.retained(*tenant))
    }
}

/// Applies an epoch's changes and emits those of link rows; returns, per tenant, the episodes whose groups they touch.
fn apply(
    tenants: &mut BTreeMap<Tenant, Groups>,
    ways: &Ways,
    mut parts: Vec<(Part, Diff)>,
    mut emit: impl FnMut(Tenant, Shared<LinkRow>, Diff),
) -> BTreeMap<Tenant, Vec<EpisodeNumber>> {
    // Retractions first: what changed is a retraction and an insertion of one id. Nothing is consolidated: an episode or a factor is
    // told once an epoch, and a link that goes and comes back is one whose effect has changed.
    parts.sort_by_key(|(_, diff)| *diff);
    let mut dirty: BTreeMap<Tenant, Vec<EpisodeNumber>> = BTreeMap::new();
    let mut taught: BTreeSet<Tenant> = BTreeSet::new();
    for (part, diff) in parts {
        let tenant = part.tenant();
        let Groups { hood, inherited, .. } = tenants.entry(tenant).or_default();
        let touched = dirty.entry(tenant).or_default();
        let mut emit = |row, diff| emit(tenant, row, diff);
        match part {
            Part::Episode(episode) => {
                let number = hood.number(episode.row.episode_id);
                touched.push(number);
                touched.extend(hood[number].effects());
                hood.set(number, (episode, 0 < diff), &mut emit);
            }
            Part::Link(link) => {
                let ends = (hood.number(link.effect), hood.number(link.cause));
                touched.extend([ends.0, ends.1]);
                if 0 < diff {
                    hood.link(ends, link, &mut emit);
                } else {
                    hood.unlink(ends, &mut emit);
                }
            }
            Part::Factor(factor) => {
                hood.learned.change(factor.lesson, factor.milli, 0 < diff);
                taught.insert(tenant);
            }
            Part::Known(_, heir, first) => {
                let heir = hood.number(heir);
                touched.push(heir);
                inherited.restore(heir, first);
            }
        }
    }
    for (tenant, touched) in &mut dirty {
        if let Some(groups) = tenants.get_mut(tenant) {
            if taught.contains(tenant) {
                touched.extend(groups.hood.all());
            }
            groups.hood.show(ways, &mut |row, diff| emit(*tenant, row, diff));
        }
    }
    dirty
}

#[derive(Default)]
struct Changes {
    rows: Vec<(Row, Diff)>,
    scheduled: Vec<(GroupNumber, EventTime)>,
    unscheduled: Vec<(GroupNumber, EventTime)>,
}

impl Groups {
    /// Rebuilds the groups that dirty episodes are or were in.
    fn rebuild(
        &mut self,
        mut dirty: Vec<EpisodeNumber>,
        judge: impl Fn((Group<'_>, &Heirs)) -> Judgment,
    ) -> Changes {
        let (mut changes, mut before, mut after) = (Changes::default(), Vec::new(), Vec::new());
        let (mut loose, mut lost) = (Vec::new(), Vec::new());
        for group in self.inherited.of_returned(&self.hood, &dirty) {
            dirty.extend(&self.groups[group].members);
        }
        for episode in dirty {
            loose.push(episode);
            let Some(number) = self.hood.group(episode) else { continue };
            let Judged { members, judgment: Judgment { rows, wake, known } } = self.groups.remove(number);
            members.iter().for_each(|member| self.hood.loosen(*member));
            changes.unscheduled.extend(wake.map(|wake| (number, wake)));
            before.extend(rows);
            loose.extend(&members);
            if let Some(known) = known {
                self.inherited.remove(known);
                lost.extend((!self.hood.has_grave(known.episode)).then_some((known, members)));
            }
        }
        let mut heirs = self.inherited.take_restored();
        // By other rules it may be there again.
        heirs.retain(|_, known| !self.hood.has_grave(known.episode));
        heirs.extend(lost.into_iter().filter_map(|(known, members)| {
            let heir = heir_of(&self.hood, &members)?;
            Some((heir, known))
        }));
        for episode in loose {
            if !self.hood.is_loose(episode) {
                continue;
            }
            let number = self.groups.next();
            let members = self.hood.gather(episode, number);
            let judgment = judge((Group { hood: &self.hood, number, members: &members }, &heirs));
            changes.scheduled.extend(judgment.wake.map(|wake| (number, wake)));
            if let Some(known) = judgment.known.filter(|known| !self.hood.has_grave(known.episode)) {
                self.inherited.insert(known, number);
            }
            after.extend_from_slice(&judgment.rows);
            self.groups.insert(Judged { members, judgment });
        }
        self.hood.forget_unused();
        before.sort_unstable();
        replace(&mut before, after, |(_, row), diff| changes.rows.push((row, diff)));
        changes
    }

    /// What a snapshot must hold: what incidents are known by that is gone, each with a grave episode that is there.
    fn retained(&self, tenant: Tenant) -> impl Iterator<Item = Retained> {
        self.inherited.groups().filter_map(move |group| {
            let Judged { members, judgment } = &self.groups[group];
            let (first, heir) = judgment.known.zip(heir_of(&self.hood, members))?;
            let heir = self.hood[heir].episode()?.row.episode_id;
            Some(Retained::Incident { tenant, heir, first })
        })
    }
}
