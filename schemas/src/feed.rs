//! The feed: what each complete epoch did to the views, for stores that follow them.
//!
//! The same sealed input gives the same feed, byte for byte: a store that has an epoch need not be given it again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{Digest, TenantId, hash_of};
use crate::time::{Epoch, EventTime};
use crate::view::{Row, ViewName};

/// What one complete epoch did to all views of all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochChanges {
    /// The epoch.
    pub epoch: Epoch,
    /// Its sealed clock reading.
    pub now: EventTime,
    /// These are all rows there are, as a snapshot brought them back: what a store has beside them is gone.
    pub whole: bool,
    /// One per row touched, by tenant, view and key.
    pub changes: Arc<[Change]>,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Change {
    /// Whose.
    pub tenant: TenantId,
    /// Of which view.
    pub view: ViewName,
    /// [`Row::key`].
    pub key: String,
    /// Whether the view has it now; else it expired or was taken back.
    pub live: bool,
    /// The row as it is, or as it last was.
    pub row: Row,
}

impl EpochChanges {
    /// Digest of the changes: a replay must come to the same.
    pub fn digest(&self) -> Digest {
        Digest(hash_of(&(self.epoch, self.now, &self.changes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::CoverageRow;

    fn epoch(accepted: u64) -> EpochChanges {
        let row = CoverageRow {
            source: "s".to_owned(),
            accepted,
            duplicate: 0,
            rejected: Vec::new(),
            reached: Some(EventTime(7)),
        };
        let tenant = "a".parse().unwrap();
        let (view, row) = (ViewName::Coverage, Row::from(row));
        let changes = vec![Change { tenant, view, key: row.key(), live: true, row }];
        EpochChanges { epoch: 3, now: EventTime(9), whole: false, changes: changes.into() }
    }

    #[test]
    fn a_digest_tells_changes_apart() {
        assert_eq!(epoch(1).digest(), epoch(1).digest());
        assert_ne!(epoch(1).digest(), epoch(2).digest());
    }
}
