//! The feed of the stores: what each complete epoch did, as rows by tenant, view and key.
//!
//! The view thread only hands over what it changed; whoever follows puts it in order, in its own time.

use schemas::feed::{Change, EpochChanges};
use schemas::ids::TenantId;
use schemas::time::{Diff, Epoch, EventTime};
use schemas::view::{Row, ViewName};
use tokio::sync::mpsc;

/// The epochs that complete from some point on, in order.
pub struct Feed(pub(crate) mpsc::UnboundedReceiver<Fed>);

/// An epoch as the view thread hands it over.
#[derive(Clone, Debug)]
pub(crate) struct Fed {
    pub(crate) epoch: Epoch,
    pub(crate) now: EventTime,
    pub(crate) whole: bool,
    /// Net changes; of each key a retraction before the row that replaces it.
    pub(crate) changed: Vec<(TenantId, ViewName, Vec<(Row, Diff)>)>,
}

impl Feed {
    /// The next epoch; `None` when the engine has ended.
    pub async fn next(&mut self) -> Option<EpochChanges> {
        self.0.recv().await.map(Fed::in_order)
    }

    /// As [`Feed::next`], outside async tasks.
    pub fn blocking_next(&mut self) -> Option<EpochChanges> {
        self.0.blocking_recv().map(Fed::in_order)
    }
}

impl Fed {
    fn in_order(self) -> EpochChanges {
        let Fed { epoch, now, whole, changed } = self;
        let mut changes: Vec<Change> = Vec::with_capacity(changed.iter().map(|(.., rows)| rows.len()).sum());
        for (tenant, view, rows) in changed {
            for (row, diff) in rows {
                let (key, live) = (row.key(), 0 < diff);
                // What replaces a row comes after it, and is what is left to tell.
                if changes
                    .last()
                    .is_some_and(|last| last.view == view && last.key == key && last.tenant == tenant)
                {
                    changes.pop();
                }
                changes.push(Change { tenant: tenant.clone(), view, key, live, row });
            }
        }
        changes.sort();
        EpochChanges { epoch, now, whole, changes: changes.into() }
    }
}
