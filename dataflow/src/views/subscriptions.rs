//! Subscriptions: a snapshot, then what each epoch changed.
//!
//! A subscriber that falls too far behind is cut off: its channel ends, and it may subscribe again. The engine never
//! waits for one.

use std::collections::BTreeMap;

use schemas::ids::Tenant;
use schemas::read::Changes;
use schemas::time::Epoch;
use schemas::view::{Row, ViewName};
use tokio::sync::mpsc::Sender;

use crate::views::Place;
use crate::views::store::Changed;

/// All subscribers.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    senders: BTreeMap<Place, Vec<Sender<Changes>>>,
}

impl Subscriptions {
    /// Adds a subscriber and sends it the snapshot.
    pub(super) fn add(
        &mut self,
        tenant: Tenant,
        view: ViewName,
        sender: Sender<Changes>,
        epoch: Epoch,
        snapshot: Vec<Row>,
    ) {
        let rows = snapshot.into_iter().map(|row| (row, 1)).collect();
        if sender.try_send(Changes { epoch, snapshot: true, rows }).is_ok() {
            self.senders.entry((tenant, view)).or_default().push(sender);
        }
    }

    /// Sends an epoch's changes; forgets subscribers that are gone or too slow.
    pub(super) fn send(&mut self, epoch: Epoch, changed: &Changed) {
        for (place, rows) in changed {
            let Some(senders) = self.senders.get_mut(place) else { continue };
            senders.retain(|sender| {
                sender.try_send(Changes { epoch, snapshot: false, rows: rows.clone() }).is_ok()
            });
            if senders.is_empty() {
                self.senders.remove(place);
            }
        }
    }
}
