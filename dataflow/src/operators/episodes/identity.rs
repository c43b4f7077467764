//! What the episodes of a subject are known by. Pure.
//!
//! An episode is known by its anchor, the earliest arrival among its occurrences. Occurrences go while it goes on: a later revision of
//! an event takes the place of an earlier one, the first events expire, a correction withdraws one. So what an episode is known by stays
//! that of the episode that it goes on from: it and its incident keep their ids, and nobody is alerted twice.

use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use super::run::Span;
use crate::rows::Cite;

/// Where an episode lies, and what it is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) from: EventTime,
    /// What the gap is measured from.
    pub(crate) to: EventTime,
    pub(crate) anchor: Cite,
}

impl Identity {
    pub(super) fn of(span: &Span) -> Identity {
        Identity { from: span.onset, to: span.reach, anchor: span.anchor }
    }
}

/// Those that are no further apart than the gap as one, known by the earliest arrival; in order.
pub(super) fn joined(mut identities: Vec<Identity>, gap_ms: i64) -> Vec<Identity> {
    identities.sort_unstable();
    identities.dedup_by(|next, last| {
        let near = next.from <= last.to.plus_ms(gap_ms);
        if near {
            last.to = last.to.max(next.to);
            last.anchor = last.anchor.min(next.anchor);
        }
        near
    });
    identities
}

#[cfg(test)]
mod tests {
    use schemas::ids::EventId;

    use super::*;

    fn identity(from: i64, to: i64, seq: u64) -> Identity {
        let anchor = Cite { seq, event: EventId(u128::from(seq)) };
        Identity { from: EventTime(from), to: EventTime(to), anchor }
    }

    #[test]
    fn those_no_further_apart_than_the_gap_are_one_in_whatever_order_they_come() {
        let (apart, between) =
            ([identity(0, 5, 3), identity(26, 30, 2), identity(60, 61, 1)], identity(15, 16, 9));
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut identities: Vec<Identity> = order.map(|at: usize| apart[at]).into();
            assert_eq!(joined(identities.clone(), 10), apart);
            identities.push(between);
            assert_eq!(joined(identities, 10), [identity(0, 30, 2), identity(60, 61, 1)]);
        }
    }
}
