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

use differential_dataflow::{AsCollection, Hashable, consolidation::consolidate};
use schemas::ids::{EpisodeId, Tenant};
use schemas::time::{Diff, Epoch, EventTime};
use schemas::view::{LinkRow, Row};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use crate::operators::feedback::Factor;
use crate::operators::incidents::group::{Judgment, Name, Neighborhood, judge};
use crate::operators::links::ways::Ways;
use crate::operators::maintain::{Due, replace};
use crate::operators::stash::{Stash, StashedTicks};
use crate::rows::{Episode, Link};
use crate::types::{Tick, Ticks, Updates};

mod chains;
mod group;
mod learned;
mod rank;

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

struct Group {
    members: BTreeSet<EpisodeId>,
    rows: Vec<(Name, Row)>,
    wake: Option<EventTime>,
}

#[derive(Default)]
struct Groups {
    hood: Neighborhood,
    group_of: BTreeMap<EpisodeId, u64>,
    groups: BTreeMap<u64, Group>,
    next: u64,
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
            let mut calendar: BTreeSet<(EventTime, (Tenant, u64))> = BTreeSet::new();
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
                        let members = tenants.get(&tenant).and_then(|groups| groups.groups.get(&group));
                        let members = members.into_iter().flat_map(|group| group.members.iter().copied());
                        dirty.entry(tenant).or_default().extend(members);
                    }
                    for (tenant, dirty) in dirty {
                        let groups = tenants.entry(tenant).or_default();
                        let judge = |hood: &Neighborhood, members: &BTreeSet<EpisodeId>| {
                            judge(tenant, hood, &ways, members, now, 2 * gap_ms)
                        };
                        let changes = groups.rebuild(&dirty, judge);
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
    mut emit: impl FnMut(Tenant, Arc<LinkRow>, Diff),
) -> BTreeMap<Tenant, BTreeSet<EpisodeId>> {
    consolidate(&mut parts);
    // Retractions first: an episode that changed is a retraction and an insertion of one id.
    parts.sort_by_key(|(_, diff)| *diff);
    let mut dirty: BTreeMap<Tenant, BTreeSet<EpisodeId>> = BTreeMap::new();
    for (part, diff) in parts {
        let tenant = part.tenant();
        let hood = &mut tenants.entry(tenant).or_default().hood;
        let touched = dirty.entry(tenant).or_default();
        let mut emit = |row, diff| emit(tenant, row, diff);
        match part {
            Part::Episode(episode) => {
                let id = episode.row.episode_id;
                touched.insert(id);
                touched.extend(hood.effects.get(&id).into_iter().flat_map(BTreeMap::keys));
                hood.set(id, Some(episode).filter(|_| 0 < diff), &mut emit);
            }
            Part::Link(link) => {
                touched.extend([link.effect, link.cause]);
                hood.change(link, 0 < diff, &mut emit);
            }
            Part::Factor(factor) => {
                hood.learned.change(factor.lesson, factor.milli, 0 < diff);
                touched.extend(hood.episodes.keys());
            }
        }
    }
    for tenant in dirty.keys() {
        if let Some(groups) = tenants.get_mut(tenant) {
            groups.hood.show(ways, &mut |row, diff| emit(*tenant, row, diff));
        }
    }
    dirty
}

#[derive(Default)]
struct Changes {
    rows: Vec<(Row, Diff)>,
    scheduled: Vec<(u64, EventTime)>,
    unscheduled: Vec<(u64, EventTime)>,
}

impl Groups {
    /// Rebuilds the groups that dirty episodes are or were in.
    fn rebuild(
        &mut self,
        dirty: &BTreeSet<EpisodeId>,
        judge: impl Fn(&Neighborhood, &BTreeSet<EpisodeId>) -> Judgment,
    ) -> Changes {
        let (mut changes, mut before, mut after) = (Changes::default(), Vec::new(), Vec::new());
        let mut loose: BTreeSet<EpisodeId> = dirty.clone();
        let touched: BTreeSet<u64> = dirty.iter().filter_map(|id| self.group_of.get(id).copied()).collect();
        for id in touched {
            if let Some(group) = self.groups.remove(&id) {
                for member in &group.members {
                    self.group_of.remove(member);
                }
                changes.unscheduled.extend(group.wake.map(|wake| (id, wake)));
                before.extend(group.rows);
                loose.extend(group.members);
            }
        }
        loose.retain(|id| self.hood.episodes.contains_key(id));
        while let Some(first) = loose.first().copied() {
            let members = self.hood.connected(first);
            let id = self.next;
            self.next += 1;
            for member in &members {
                loose.remove(member);
                self.group_of.insert(*member, id);
            }
            let Judgment { rows, wake } = judge(&self.hood, &members);
            changes.scheduled.extend(wake.map(|wake| (id, wake)));
            after.extend_from_slice(&rows);
            self.groups.insert(id, Group { members, rows, wake });
        }
        before.sort_unstable();
        replace(&mut before, after, |(_, row), diff| changes.rows.push((row, diff)));
        changes
    }
}
