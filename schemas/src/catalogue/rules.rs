//! The rules that an engine is started with: those of the catalogue, and what a user's file says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Catalogue, CatalogueError, Kind, Path, user};
use crate::ids::{Tenant, TenantId, hash_of};

/// A rule: what can cause what, along which relations, how long before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleSpec {
    /// `R20`, or `R20b` for a further part of the same rule.
    pub id: Arc<str>,
    /// Grows with each edit of the rule.
    pub version: u32,
    /// Kinds of the cause.
    pub causes: Vec<Kind>,
    /// Kinds of the effect.
    pub effects: Vec<Kind>,
    /// Ways from the effect's entity to the cause's entity.
    pub paths: Vec<Path>,
    /// How long before the effect's onset the cause may have begun.
    pub window_ms: i64,
    /// 0 to 100: how near-certain the mechanism is when it is joined.
    pub strength: u8,
    /// The mechanism in one sentence.
    pub title: String,
    /// Why a pair that runs against the layer order is right, where one does.
    pub against_order: Option<String>,
    /// Whose episodes it links.
    pub scope: Scope,
}

/// Whose episodes a rule links.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every tenant's.
    #[default]
    All,
    /// Those of the tenants named.
    Only(BTreeMap<Tenant, TenantId>),
    /// Those of all tenants but the ones named, which have a rule of the same id of their own, or none.
    Except(BTreeMap<Tenant, TenantId>),
}

impl Scope {
    /// Whether a tenant's episodes are linked.
    pub fn includes(&self, tenant: Tenant) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(tenants) => tenants.contains_key(&tenant),
            Scope::Except(tenants) => !tenants.contains_key(&tenant),
        }
    }

    /// The tenants that it names, included or not.
    pub fn named(&self) -> impl Iterator<Item = Tenant> + '_ {
        let tenants = match self {
            Scope::All => None,
            Scope::Only(tenants) | Scope::Except(tenants) => Some(tenants),
        };
        tenants.into_iter().flat_map(|tenants| tenants.keys().copied())
    }
}

/// Index into the rules of an engine. Stable within one such list only; never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleIndex(pub u16);

/// Rules in the order of their ids. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Arc<[RuleSpec]>);

impl Rules {
    pub(super) fn new(mut specs: Vec<RuleSpec>) -> Rules {
        specs.sort_by(|left, right| (&left.id, &left.scope).cmp(&(&right.id, &right.scope)));
        Rules(specs.into())
    }

    /// The rules in this binary.
    pub fn built_in() -> Rules {
        Catalogue::built_in().rules().clone()
    }

    /// The rules in this binary, with what a file adds, changes and removes. `name` stands in the errors.
    ///
    /// # Errors
    /// The first thing that is wrong: file, rule, field, and what to do.
    pub fn with_file(name: &str, text: &str) -> Result<Rules, CatalogueError> {
        user::resolve(name, text)
    }

    /// Every rule, in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = (RuleIndex, &RuleSpec)> {
        (0u16..).map(RuleIndex).zip(self.0.iter())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The rule at an index, which must come from this list.
    pub fn rule(&self, index: RuleIndex) -> &RuleSpec {
        &self.0[usize::from(index.0)]
    }

    /// What the views of an engine depend on: two lists with one digest link the same.
    pub fn digest(&self) -> u128 {
        hash_of(&self.0)
    }

    /// Tenants for whom some rule is different from what it is for others.
    pub fn tenants(&self) -> BTreeSet<Tenant> {
        self.0.iter().flat_map(|rule| rule.scope.named()).collect()
    }

    /// The longest window of the rules that have a kind among their causes, for a tenant, or for whoever no rule names.
    pub fn window_ms(&self, kind: Kind, tenant: Option<Tenant>) -> i64 {
        let applies = |rule: &&RuleSpec| match tenant {
            Some(tenant) => rule.scope.includes(tenant),
            None => !matches!(rule.scope, Scope::Only(_)),
        };
        let windows = self.0.iter().filter(applies).filter(|rule| rule.causes.contains(&kind));
        windows.map(|rule| rule.window_ms).max().unwrap_or(0)
    }
}
