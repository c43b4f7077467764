//! Entities, texts and origins of events that came lately, so that naming them again copies nothing.

use std::sync::Arc;

use schemas::entity::Entity;
use schemas::ids::Tenant;
use schemas::view::{Origin, Shared};

use crate::rows::Named;

/// Entries kept. Whichever two have one place drive each other out, which costs a copy and nothing else.
const PLACES: u64 = 8_192;

/// What came lately, by a hash.
#[derive(Debug)]
struct Lately<T>(Vec<Option<T>>);

/// Entities named lately.
#[derive(Debug, Default)]
pub(crate) struct Names(Lately<Named>);

/// Texts that came lately.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    lately: Lately<Arc<str>>,
    /// Keyed anew in each process: producers choose the texts.
    hash: ahash::RandomState,
}

/// Origins of events that came lately.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    lately: Lately<Shared<Origin>>,
    /// Keyed anew in each process: producers choose the texts.
    hash: ahash::RandomState,
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Lately((0..PLACES).map(|_| None).collect())
    }
}

impl<T: Clone> Lately<T> {
    /// What is kept under a hash, if it is the one that is meant; else it is made.
    fn of(&mut self, hash: u64, meant: impl FnOnce(&T) -> bool, make: impl FnOnce() -> T) -> T {
        let place = usize::try_from(hash % PLACES).unwrap_or(0);
        match &mut self.0[place] {
            Some(known) if meant(known) => known.clone(),
            other => other.insert(make()).clone(),
        }
    }
}

impl Names {
    /// An entity of a tenant, sharing its name with the one before.
    pub(crate) fn of(&mut self, tenant: Tenant, entity: &Entity) -> Named {
        let id = entity.id(tenant);
        self.0.of(id.0, |known| known.id == id, || Named { id, entity: Arc::new(entity.clone()) })
    }
}

impl Texts {
    /// A text, shared with the one before.
    pub(crate) fn of(&mut self, text: &str) -> Arc<str> {
        self.lately.of(self.hash.hash_one(text), |known| **known == *text, || text.into())
    }
}

impl Origins {
    /// Where an event came from and what it is, shared with the one before.
    pub(crate) fn of(&mut self, source: &str, event_type: &str, topic: &Arc<str>) -> Shared<Origin> {
        let hash = self.hash.hash_one((source, event_type, &**topic));
        let meant = |known: &Shared<Origin>| {
            (&*known.source, &*known.event_type, &*known.topic) == (source, event_type, &**topic)
        };
        let make = || {
            let (source, event_type, topic) = (source.into(), event_type.into(), Arc::clone(topic));
            Origin { source, event_type, topic }.into()
        };
        self.lately.of(hash, meant, make)
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_text_that_comes_again_is_shared_and_nobody_gets_another_one() {
        let mut texts = Texts::default();
        assert!(Arc::ptr_eq(&texts.of("errors"), &texts.of("errors")));
        for number in 0..2 * PLACES {
            assert_eq!(*texts.of(&number.to_string()), *number.to_string());
        }
    }

    #[test]
    fn an_origin_that_comes_again_is_shared_and_nobody_gets_another_one() {
        let (mut origins, topic) = (Origins::default(), Arc::from("logs"));
        let (first, again) = (origins.of("argo", "Sync", &topic), origins.of("argo", "Sync", &topic));
        assert!(std::ptr::eq(&*first, &*again));
        for number in (0..2 * PLACES).map(|number| number.to_string()) {
            for (source, event_type) in [(&*number, "Sync"), ("argo", &*number)] {
                let origin = origins.of(source, event_type, &topic);
                assert_eq!(
                    (&*origin.source, &*origin.event_type, &origin.topic),
                    (source, event_type, &topic)
                );
            }
            let topic = Arc::from(&*number);
            assert_eq!(origins.of("argo", "Sync", &topic).topic, topic);
        }
    }
}
