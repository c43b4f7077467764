//! Money of a tenant: set aside before a model is asked, settled when it has answered; and the time that is left for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemas::ids::{TenantId, hash64};
use schemas::state::{ProductState, Reservation, Reserved, StateRequest};
use tokio::time::{Instant, timeout_at};

use crate::model::ModelError;
use crate::tool::registry::{Switch, What};

/// Money that nobody settled is given back after so long.
const LEASE_MS: i64 = 120_000;
/// With less time than this no model is asked: it would be paid for what nobody waits for.
const LEAST: Duration = Duration::from_secs(2);

/// For whom a model is asked, whose money it is, when the investigation has to be over, and whether models are on.
pub(crate) struct Asking<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) purpose: String,
    pub(crate) state: Option<&'a ProductState>,
    pub(crate) ends: Instant,
    pub(crate) switch: &'a Switch,
}

impl Asking<'_> {
    /// How long an answer is waited for: what is left of the investigation, and no more than one's patience.
    ///
    /// # Errors
    /// Too little is left.
    fn patience(&self, patience: Duration) -> Result<Duration, ModelError> {
        let left = self.ends.saturating_duration_since(Instant::now());
        if left < LEAST { Err(ModelError::TimedOut) } else { Ok(patience.min(left)) }
    }

    /// Whether models are switched off for the tenant.
    pub(crate) fn is_off(&self) -> bool {
        self.switch.is_off(self.tenant, &What::Model)
    }

    /// What comes of asking; `None` if models are switched off meanwhile.
    pub(crate) async fn unless_off<T>(&self, asked: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.switch.turned_off(self.tenant, &What::Model) => None,
            answered = asked => Some(answered),
        }
    }

    /// What is needed to ask: time, and money that is set aside.
    ///
    /// # Errors
    /// There is too little of either, the accounts are away, or models are off.
    pub(crate) async fn leave(
        &self,
        usd_micros: u64,
        usd_micros_per_day: u64,
        patience: Duration,
    ) -> Result<(Duration, Option<Aside>), ModelError> {
        if self.is_off() {
            return Err(ModelError::Disabled);
        }
        self.patience(patience)?;
        let mut aside = self.set_aside(usd_micros, usd_micros_per_day).await?;
        // Accounts take time too.
        match self.patience(patience) {
            Ok(within) => Ok((within, aside)),
            Err(why) => {
                if let Some(aside) = &mut aside {
                    aside.settle(0).await;
                }
                Err(why)
            }
        }
    }

    /// Sets money aside under a name, if what the tenant may spend in a day allows it; nothing is set aside for what costs
    /// nothing, or where nobody keeps accounts.
    ///
    /// # Errors
    /// The day's money is spent, or its accounts are away or answer too late: then it is given back when it expires.
    async fn set_aside(&self, usd_micros: u64, usd_micros_per_day: u64) -> Result<Option<Aside>, ModelError> {
        if usd_micros == 0 {
            return Ok(None);
        }
        let Some(state) = self.state else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = unique(self.tenant, now);
        let expires_at = i64::try_from(now.as_millis()).unwrap_or(i64::MAX / 2) + LEASE_MS;
        let aside = Reservation { id: id.clone(), purpose: self.purpose.clone(), usd_micros, expires_at };
        let tenant = self.tenant.clone();
        let set = |reply| StateRequest::Reserve(tenant, Box::new(aside), usd_micros_per_day, reply);
        let asked = timeout_at(self.ends, state.ask(set)).await.map_err(|_| ModelError::TimedOut)?;
        match asked {
            Ok(Reserved::Granted) => {
                let (state, tenant) = (state.clone(), self.tenant.clone());
                Ok(Some(Aside { state, tenant, id, usd_micros, settled: false, ends: self.ends }))
            }
            Ok(Reserved::Refused { .. }) => Err(ModelError::Spent),
            Err(error) => Err(ModelError::Unavailable(error.to_string())),
        }
    }
}

/// Money that is set aside. Whoever asked may go away meanwhile: then it counts as spent whole, since the model is paid
/// all the same.
pub(crate) struct Aside {
    state: ProductState,
    tenant: TenantId,
    id: String,
    usd_micros: u64,
    settled: bool,
    ends: Instant,
}

impl Aside {
    /// What it came to. Money that cannot be settled now is given back when it expires: better than to wait for a database.
    pub(crate) async fn settle(&mut self, usd_micros: u64) {
        self.settled = true;
        let (tenant, id) = (self.tenant.clone(), self.id.clone());
        let settle = self.state.ask(|reply| StateRequest::Settle(tenant, id, usd_micros, reply));
        let _settled = timeout_at(self.ends, settle).await;
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.settled {
            let (tenant, id, usd_micros) = (self.tenant.clone(), self.id.clone(), self.usd_micros);
            self.state.tell(|reply| StateRequest::Settle(tenant, id, usd_micros, reply));
        }
    }
}

/// A name that no other reservation has.
fn unique(tenant: &TenantId, now: Duration) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let parts =
        [tenant.as_str().as_bytes(), &now.as_nanos().to_be_bytes(), &std::process::id().to_be_bytes()];
    format!("res_{:016x}_{count}", hash64(&parts))
}
