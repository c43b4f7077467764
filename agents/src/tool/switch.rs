//! The kill switch: what may not be called now, by tenant, by tool, or all of it. Effective at once, on calls under way too.

use std::collections::BTreeSet;

use schemas::ids::TenantId;
use tokio::sync::watch;

/// What is switched off together: none stands for all of them.
type Scope = (Option<TenantId>, Option<String>);

/// The switch. Everything is on at first.
#[derive(Debug)]
pub(crate) struct Switch {
    off: watch::Sender<BTreeSet<Scope>>,
}

impl Default for Switch {
    fn default() -> Self {
        Switch { off: watch::Sender::new(BTreeSet::new()) }
    }
}

impl Switch {
    /// Switches off a tool (or all) of a tenant (or all).
    pub(crate) fn disable(&self, tenant: Option<TenantId>, tool: Option<String>) {
        self.off.send_modify(|off| {
            off.insert((tenant, tool));
        });
    }

    /// Takes back exactly what `disable` was told.
    pub(crate) fn enable(&self, tenant: Option<TenantId>, tool: Option<String>) {
        self.off.send_modify(|off| {
            off.remove(&(tenant, tool));
        });
    }

    /// Whether a tool is off for a tenant.
    pub(crate) fn is_off(&self, tenant: &TenantId, tool: &str) -> bool {
        covers(&self.off.borrow(), tenant, tool)
    }

    /// Returns once a tool is off for a tenant.
    pub(crate) async fn turned_off(&self, tenant: &TenantId, tool: &str) {
        let mut off = self.off.subscribe();
        // The sender lives in `self`: the wait can only end by what is waited for.
        let _ = off.wait_for(|off| covers(off, tenant, tool)).await;
    }
}

fn covers(off: &BTreeSet<Scope>, tenant: &TenantId, tool: &str) -> bool {
    let (tenant, tool) = (Some(tenant.clone()), Some(tool.to_owned()));
    !off.is_empty()
        && [(None, None), (None, tool.clone()), (tenant.clone(), None), (tenant, tool)]
            .iter()
            .any(|scope| off.contains(scope))
}
