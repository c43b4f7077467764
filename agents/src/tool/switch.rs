//! The kill switch: what may not be asked now, by tenant or for everybody: a tool, all tools, the model. Effective at once, on
//! calls under way too.

use std::collections::BTreeSet;

use schemas::ids::TenantId;
use tokio::sync::watch;

/// What is switched together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Every tool.
    Tools,
    /// The tool of that name.
    Tool(String),
    /// Models: the one that plans and words, and the one of vectors.
    Model,
}

impl What {
    /// By its name in the API: `tools`, `model`, or the name of a tool, which has a dot in it.
    pub fn named(name: &str) -> Self {
        match name {
            "tools" => What::Tools,
            "model" => What::Model,
            tool => What::Tool(tool.to_owned()),
        }
    }

    /// Its name in the API.
    pub fn name(&self) -> &str {
        match self {
            What::Tools => "tools",
            What::Tool(name) => name,
            What::Model => "model",
        }
    }
}

/// For whom something is off: a tenant, or everybody if none.
type Scope = (Option<TenantId>, What);

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
    /// Switches off for a tenant, or for everybody.
    pub(crate) fn disable(&self, tenant: Option<TenantId>, what: What) {
        self.off.send_modify(|off| {
            off.insert((tenant, what));
        });
    }

    /// Takes back exactly what `disable` was told.
    pub(crate) fn enable(&self, tenant: Option<TenantId>, what: What) {
        self.off.send_modify(|off| {
            off.remove(&(tenant, what));
        });
    }

    /// Whether something is off for a tenant.
    pub(crate) fn is_off(&self, tenant: &TenantId, what: &What) -> bool {
        covers(&self.off.borrow(), tenant, what)
    }

    /// Returns once something is off for a tenant.
    pub(crate) async fn turned_off(&self, tenant: &TenantId, what: &What) {
        let mut off = self.off.subscribe();
        // The sender lives in `self`: the wait can only end by what is waited for.
        let _ = off.wait_for(|off| covers(off, tenant, what)).await;
    }

    /// What was switched off that concerns a tenant, and whether that is so for everybody.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<(What, bool)> {
        let off = self.off.borrow();
        let mine = off.iter().filter(|(whose, _)| whose.as_ref().is_none_or(|whose| whose == tenant));
        mine.map(|(whose, what)| (what.clone(), whose.is_none())).collect()
    }
}

fn covers(off: &BTreeSet<Scope>, tenant: &TenantId, what: &What) -> bool {
    let all = matches!(what, What::Tool(_)).then_some(What::Tools);
    let wider = all.into_iter().chain([what.clone()]);
    !off.is_empty()
        && wider
            .flat_map(|what| [(None, what.clone()), (Some(tenant.clone()), what)])
            .any(|scope| off.contains(&scope))
}
