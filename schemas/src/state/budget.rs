//! Money of a tenant: reserved before it is spent, so that many at once cannot overspend.

use serde::{Deserialize, Serialize};

/// Money set aside for something that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Names it.
    pub id: String,
    /// For which incident or question.
    pub purpose: String,
    /// Millionths of a dollar.
    pub usd_micros: u64,
    /// Milliseconds since 1970; after that it counts no more: who made it is gone.
    pub expires_at: i64,
}

/// Whether money is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It is.
    Granted,
    /// It would be more than the day allows.
    Refused {
        /// Spent or set aside today.
        used_micros: u64,
    },
}

/// What a tenant has spent, for whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Spending {
    /// Today (UTC), in millionths of a dollar.
    pub today_micros: u64,
    /// Set aside for what is under way.
    pub reserved_micros: u64,
    /// This month.
    pub month_micros: u64,
    /// What a day allows; nothing when money is not limited.
    pub limit_micros: Option<u64>,
    /// By incident or question, the dearest first, at most fifty of this month.
    pub purposes: Vec<(String, u64)>,
}
