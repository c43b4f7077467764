//! The views of every tenant, each behind a lock of its own: whoever reads incidents does not wait for events.
//!
//! The view thread alone changes them, a slice at a time; no thread has two views at once.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use schemas::ids::{Tenant, TenantId};
use schemas::view::ViewName;

use crate::views::fair::Fair;
use crate::views::indexed::View;

/// All tenants.
#[derive(Debug, Default)]
pub(super) struct Tenants(RwLock<BTreeMap<Tenant, Arc<TenantViews>>>);

/// The views of one tenant.
#[derive(Debug)]
pub(super) struct TenantViews {
    pub(super) id: TenantId,
    /// All there are, from the beginning.
    views: BTreeMap<ViewName, Fair<View>>,
}

impl Tenants {
    /// Makes tenants known.
    pub(super) fn introduce(&self, ids: Vec<TenantId>) {
        if ids.is_empty() {
            return;
        }
        let mut tenants = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            tenants.entry(id.key()).or_insert_with(|| Arc::new(TenantViews::of(id)));
        }
    }

    /// The views of a tenant, if it was introduced.
    pub(super) fn get(&self, tenant: Tenant) -> Option<Arc<TenantViews>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    /// Tenants, by id.
    pub(super) fn ids(&self) -> Vec<TenantId> {
        let tenants = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<TenantId> = tenants.values().map(|tenant| tenant.id.clone()).collect();
        ids.sort();
        ids
    }
}

impl TenantViews {
    fn of(id: TenantId) -> Self {
        let views = ViewName::ALL.iter().map(|name| (*name, Fair::new(View::of(*name))));
        TenantViews { id, views: views.collect() }
    }

    /// One of its views.
    pub(super) fn view(&self, name: ViewName) -> &Fair<View> {
        let Some(view) = self.views.get(&name) else { panic!("a tenant has every view, but not {name}") };
        view
    }
}
