//! What stands in the topics of alerts, read as a consumer that reads what is committed.

use std::collections::{BTreeMap, BTreeSet};

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::Value;

use super::stores::Kept;
use crate::prove::real::topics::read_back;
use crate::prove::real::views::Texts;

/// Views that are kept.
pub(crate) const VIEWS: [ViewName; 1] = [ViewName::Alerts];
/// Where the shards say how far they are.
const PROGRESS: &str = "kgroot-alerts-progress";

/// A reader of one shard's alerts.
pub(crate) struct Alerts {
    pub(crate) brokers: String,
    pub(crate) shard: String,
    pub(crate) tenants: Vec<TenantId>,
}

impl Alerts {
    /// The epoch that the store says it has.
    pub(crate) fn epoch(&self) -> Result<Epoch, String> {
        let told = read_back(&self.brokers, &[PROGRESS.to_owned()])?;
        let of_shard = told.iter().filter(|record| record.key == self.shard.as_bytes());
        let epoch = |value: &[u8]| serde_json::from_slice::<Value>(value).ok()?["epoch"].as_u64();
        Ok(of_shard.filter_map(|record| epoch(&record.value)).max().unwrap_or(0))
    }

    /// The last word on each alert, of those that stand; nothing is said twice.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
        let mut rows = Texts::new();
        for tenant in &self.tenants {
            let topic = format!("kgroot-alerts-{tenant}");
            let mut last: BTreeMap<Vec<u8>, (Epoch, Value)> = BTreeMap::new();
            let mut said: BTreeSet<(Vec<u8>, Epoch)> = BTreeSet::new();
            for record in read_back(&self.brokers, &[topic])? {
                let value: Value =
                    serde_json::from_slice(&record.value).map_err(|error| error.to_string())?;
                let epoch = value["epoch"].as_u64().unwrap_or(0);
                if !said.insert((record.key.clone(), epoch)) {
                    return Err(format!("said twice: {value}"));
                }
                if last.get(&record.key).is_none_or(|(before, _)| *before < epoch) {
                    last.insert(record.key, (epoch, value));
                }
            }
            let live = last.into_values().filter(|(_, value)| value["live"] == Value::Bool(true));
            let texts = live.map(|(_, value)| value["alert"].to_string()).collect();
            rows.insert((tenant.clone(), ViewName::Alerts), texts);
        }
        Ok(Kept { epoch: self.epoch()?, rows })
    }
}
