//! Incidents: episodes connected by their best links, ranked.
//!
//! Input   episodes; links; factors of feedback; the sealed `now`.
//! Output  public rows of the views links, chains, incidents and alerts.
//! Ties    see docs/semantics.md, section 9; the identity of an incident hangs on its first grave episode.
//! State   per tenant its episodes, its links from both ends with their public rows, and its groups with the rows they last
//!         gave. A change rebuilds the groups it touches and no other; a merge or a split touches two, a factor all of its tenant.
//!         The row of a link changes with the link and its ends alone. Routed by tenant: what
//!         arrives here is folded episodes and at most eight links each, not events.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::{AsCollection, Hashable};
use schemas::ids::Tenant;
use schemas::time::{Diff, Epoch, EventTime};
use schemas::view::{LinkRow, Row, Shared};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use crate::numbered::Numbered;
use crate::operators::feedback::Factor;
use crate::operators::incidents::group::{Group, Judgment, judge};
use crate::operators::incidents::neighborhood::{EpisodeNumber, GroupNumber, Neighborhood};
use crate::operators::links::ways::Ways;
use crate::operators::maintain::{Due, replace};
use crate::operators::stash::{Stash, StashedTicks};
use crate::rows::{Episode, Link};
use crate::types::{Tick, Ticks, Updates};

mod chains;
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
}

impl Part {
    fn tenant(&self) -> Tenant {
        match self {
            Part::Episode(episode) => episode.tenant,
            Part::Link(link) => link.tenant,
            Part::Factor(factor) => factor.tenant,
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
}

/// Groups episodes and ranks what can have caused them.
pub(crate) fn incidents<'scope>(
    episodes: Updates<'scope, Arc<Episode>>,
    (links, factors): (Updates<'scope, Link>, Updates<'scope, Factor>),
    ticks: Ticks<'scope>,
    ways: &Arc<Ways>,
    gap_ms: i64,
) -> Updates<'scope, (Tenant, Row)> {
    let episodes =
        episodes.filter(|episode| episode.row.class != schemas::catalogue::Class::Context).map(Part::Episode);
    let parts = episodes.concat(links.map(Part::Link)).concat(factors.map(Part::Factor));
    let ways = Arc::clone(ways);
    let route = Exchange::new(|(part, _, _): &(Part, Epoch, Diff)| part.tenant().hashed());
    parts
        .inner
        .binary_frontier(ticks, route, Pipeline, "Incidents", move |_capability, _info| {
            let (mut stash, mut nows) = (Stash::default(), StashedTicks::default());
            let mut tenants: BTreeMap<Tenant, Groups> = BTreeMap::new();
            let mut calendar: BTreeSet<(EventTime, (Tenant, GroupNumber))> = BTreeSet::new();
            move |(input, frontier), (ticks, tick_frontier), output| {
                input.for_each(|capability, rows| stash.keep(capability.retain_least(0), rows));
                ticks.for_each(|capability, rows| nows.keep(capability.retain_least(0), rows));
                let complete =
                    |epoch: &Epoch| !frontier.less_equal(epoch) && !tick_frontier.less_equal(epoch);
                while let Some((capability, Tick { now, .. })) = nows.pop_complete(complete) {
                    let epoch = *capability.time();
                    let parts = stash.take(epoch);
                    let mut session = output.session(&capability);
                    let mut dirty = apply(&mut tenants, &ways, parts, |tenant, row, diff| {
                        session.give(((tenant, Row::Link(row)), epoch, diff));
                    });
                    while let Some((_, (tenant, group))) = calendar.pop_first_if_due(now) {
                        let due = tenants.get(&tenant).map(|groups| &groups.groups[group].members);
                        dirty.entry(tenant).or_default().extend(due.into_iter().flatten());
                    }
                    for (tenant, dirty) in dirty {
                        let groups = tenants.entry(tenant).or_default();
                        let changes =
                            groups.rebuild(dirty, |group| judge(tenant, group, &ways, now, 2 * gap_ms));
                        for (group, wake) in changes.unscheduled {
                            calendar.remove(&(wake, (tenant, group)));
                        }
                        for (group, wake) in changes.scheduled {
                            calendar.insert((wake, (tenant, group)));
                        }
                        for (row, diff) in changes.rows {
                            session.give(((tenant, row), epoch, diff));
                        }
                        if groups.groups.is_empty() && groups.hood.learned.is_empty() {
                            tenants.remove(&tenant);
                        }
                    }
                }
            }
        })
        .as_collection()
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
        let hood = &mut tenants.entry(tenant).or_default().hood;
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
    fn rebuild(&mut self, dirty: Vec<EpisodeNumber>, judge: impl Fn(Group<'_>) -> Judgment) -> Changes {
        let (mut changes, mut before, mut after) = (Changes::default(), Vec::new(), Vec::new());
        let mut loose = Vec::new();
        for episode in dirty {
            loose.push(episode);
            let Some(number) = self.hood.group(episode) else { continue };
            let Judged { members, judgment: Judgment { rows, wake } } = self.groups.remove(number);
            members.iter().for_each(|member| self.hood.loosen(*member));
            changes.unscheduled.extend(wake.map(|wake| (number, wake)));
            before.extend(rows);
            loose.extend(members);
        }
        for first in loose {
            if !self.hood.is_loose(first) {
                continue;
            }
            let number = self.groups.next();
            let members = self.hood.gather(first, number);
            let judgment = judge(Group { hood: &self.hood, number, members: &members });
            changes.scheduled.extend(judgment.wake.map(|wake| (number, wake)));
            after.extend_from_slice(&judgment.rows);
            self.groups.insert(Judged { members, judgment });
        }
        self.hood.forget_unused();
        before.sort_unstable();
        replace(&mut before, after, |(_, row), diff| changes.rows.push((row, diff)));
        changes
    }
}
