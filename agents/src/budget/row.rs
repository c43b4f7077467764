//! The ledger as plain rows, and back: what a database keeps of it.
//!
//! Rows of one key replace each other, so writing the rows of a key again is the same as writing them once.

use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use super::{Counted, Entry, Fate, Ledger, Reservation, Scope, Sum};

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub enum BudgetRow {
    /// A reservation; its key is the tenant and the id.
    Reservation {
        /// What was set aside.
        reservation: Reservation,
        /// What became of it.
        fate: Fate,
    },
    /// What was spent; its key is the tenant and the scope.
    Spent {
        /// By whom.
        tenant: TenantId,
        /// Over what.
        scope: Scope,
        /// Millionths of a dollar.
        usd_micros: u64,
        /// The latest settlement.
        last: EventTime,
    },
    /// What was counted; its key is the tenant, what and the hour.
    Count {
        /// By whom.
        tenant: TenantId,
        /// What.
        what: Counted,
        /// The hour, as `2026-11-26T14`.
        hour: String,
        /// So often.
        calls: u32,
    },
}

impl Ledger {
    /// All rows, in the order of their keys.
    pub fn rows(&self) -> Vec<BudgetRow> {
        let reservations = self
            .reservations
            .values()
            .map(|entry| BudgetRow::Reservation { reservation: entry.reservation.clone(), fate: entry.fate });
        let spent = self.spent.iter().map(|((tenant, scope), sum)| BudgetRow::Spent {
            tenant: tenant.clone(),
            scope: scope.clone(),
            usd_micros: sum.usd_micros,
            last: sum.last,
        });
        let counts = self.counts.iter().map(|((tenant, what, hour), calls)| BudgetRow::Count {
            tenant: tenant.clone(),
            what: what.clone(),
            hour: hour.clone(),
            calls: *calls,
        });
        reservations.chain(spent).chain(counts).collect()
    }

    /// The ledger that has these rows.
    pub fn from_rows(rows: impl IntoIterator<Item = BudgetRow>) -> Ledger {
        let mut ledger = Ledger::default();
        for row in rows {
            match row {
                BudgetRow::Reservation { reservation, fate } => {
                    let key = (reservation.tenant.clone(), reservation.id.clone());
                    ledger.reservations.insert(key, Entry { reservation, fate });
                }
                BudgetRow::Spent { tenant, scope, usd_micros, last } => {
                    ledger.spent.insert((tenant, scope), Sum { usd_micros, last });
                }
                BudgetRow::Count { tenant, what, hour, calls } => {
                    ledger.counts.insert((tenant, what, hour), calls);
                }
            }
        }
        ledger
    }
}
