//! Entities that were named lately, so that naming one again copies no text.

use schemas::entity::Entity;
use schemas::ids::Tenant;

use crate::rows::Named;

/// Entities kept. Whichever two have one place drive each other out, which costs a copy and nothing else.
const PLACES: u64 = 8_192;

/// The entities named lately by one worker.
pub(super) struct Names(Vec<Option<Named>>);

impl Default for Names {
    fn default() -> Self {
        Names((0..PLACES).map(|_| None).collect())
    }
}

impl Names {
    /// An entity of a tenant, sharing its name with the one before.
    pub(super) fn of(&mut self, tenant: Tenant, entity: &Entity) -> Named {
        let id = entity.id(tenant);
        let place = usize::try_from(id.0 % PLACES).unwrap_or(0);
        match &mut self.0[place] {
            Some(known) if known.id == id => known.clone(),
            other => other.insert(Named::of(tenant, entity)).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schemas::entity::EntityKind;
    use schemas::ids::TenantId;

    use super::*;

    #[test]
    fn whoever_is_named_again_shares_the_name_and_nobody_gets_another_one() {
        let tenant = "shop".parse::<TenantId>().unwrap().key();
        let mut names = Names::default();
        let pod = |number: u64| Entity::namespaced(EntityKind::Pod, "shop", &format!("pod-{number}"));
        let (first, again) = (names.of(tenant, &pod(0)), names.of(tenant, &pod(0)));
        assert!(Arc::ptr_eq(&first.entity, &again.entity));
        for number in 0..2 * PLACES {
            assert_eq!(*names.of(tenant, &pod(number)).entity, pod(number));
        }
    }
}
