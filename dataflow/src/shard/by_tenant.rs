//! Partitions by the tenant whose they are. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemas::ids::TenantId;
use schemas::position::Partition;
use schemas::topic::tenant_of;

/// Partitions by tenant; those of no tenant are not read.
#[derive(Debug, Default)]
pub(super) struct ByTenant {
    /// In order.
    tenants: Vec<TenantId>,
    partitions: BTreeMap<TenantId, BTreeSet<Partition>>,
}

impl ByTenant {
    pub(super) fn add(&mut self, partitions: impl IntoIterator<Item = Partition>) {
        for partition in partitions {
            if let Some(tenant) = tenant_of(&partition.topic) {
                self.partitions.entry(tenant).or_default().insert(partition);
            }
        }
        self.tenants = self.partitions.keys().cloned().collect();
    }

    pub(super) fn contains(&self, partition: &Partition) -> bool {
        let mine = tenant_of(&partition.topic).and_then(|tenant| self.partitions.get(&tenant));
        mine.is_some_and(|mine| mine.contains(partition))
    }

    pub(super) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }

    pub(super) fn of(&self, tenant: &TenantId) -> impl Iterator<Item = &Partition> + Clone {
        self.partitions.get(tenant).into_iter().flatten()
    }
}
