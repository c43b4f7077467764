//! How far each store is behind the views, and what memory the program takes, sampled for some time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use schemas::ids::TenantId;
use schemas::time::Epoch;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::prove::noisy_tenant::{rounded, sorted, summary};
use crate::prove::real::process::Process;
use crate::prove::real::run::Run;
use crate::prove::real::runtime;
use crate::prove::real::views::Reader;

/// Between two samples.
const EVERY: Duration = Duration::from_millis(100);
/// What the program says of itself.
const EPOCH: &str = "kgroot_sink_epoch{sink=\"";
const BACKLOG: &str = "kgroot_sink_backlog_bytes ";

/// Samples of some time.
#[derive(Default)]
pub(super) struct Phase {
    /// In milliseconds, by store.
    lags: BTreeMap<String, Vec<f64>>,
    memory_bytes: u64,
    backlog_bytes: f64,
}

impl Phase {
    pub(super) fn mean_lag(&self, store: &str) -> f64 {
        let lags = self.of(store);
        lags.iter().sum::<f64>() / lags.len() as f64
    }

    pub(super) fn lag_max(&self, store: &str) -> f64 {
        self.of(store).iter().copied().fold(0.0, f64::max)
    }

    pub(super) fn lag(&self, store: &str) -> Value {
        let mut lag = summary(&sorted(self.of(store)));
        lag["mean"] = json!(rounded(self.mean_lag(store)));
        lag
    }

    /// The most that was seen.
    pub(super) fn memory_mib(&self) -> u64 {
        self.memory_bytes >> 20
    }

    pub(super) fn backlog_bytes(&self) -> f64 {
        self.backlog_bytes
    }

    fn of(&self, store: &str) -> &[f64] {
        self.lags.get(store).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What the views and a store had at a moment.
struct Sample {
    store: String,
    views: Epoch,
    has: Epoch,
}

/// Samples a process.
pub(super) struct Watch {
    reader: Reader,
    runtime: Runtime,
    metrics: String,
    tenant: TenantId,
}

impl Watch {
    pub(super) fn of(process: &Process, tenant: &TenantId) -> Result<Self, String> {
        let metrics = format!("http://{}/metrics", process.listen);
        let reader = Reader::of(&process.listen)?;
        Ok(Watch { reader, runtime: runtime()?, metrics, tenant: tenant.clone() })
    }

    /// Samples for some time.
    pub(super) fn phase(&self, run: &Run, process: &mut Process, time: Duration) -> Result<Phase, String> {
        let (mut phase, mut samples, begun) = (Phase::default(), Vec::new(), Instant::now());
        while begun.elapsed() < time {
            self.sample(&mut phase, &mut samples)?;
            phase.memory_bytes = phase.memory_bytes.max(process.resident_bytes()?);
            if process.ends_within(EVERY) {
                return Err(process.epitaph("ended by itself"));
            }
        }
        let sealed: BTreeMap<Epoch, i64> =
            run.seals()?.into_iter().map(|seal| (seal.epoch, seal.now_ms)).collect();
        let at = |epoch| sealed.range(..=epoch).next_back().map_or(0, |(_, at)| *at);
        for Sample { store, views, has } in samples {
            phase.lags.entry(store).or_default().push((at(views) - at(has)).max(0) as f64);
        }
        Ok(phase)
    }

    fn sample(&self, phase: &mut Phase, samples: &mut Vec<Sample>) -> Result<(), String> {
        let failed = |error: reqwest::Error| format!("{}: {error}", self.metrics);
        let text = self.runtime.block_on(async {
            reqwest::get(&self.metrics).await.map_err(failed)?.text().await.map_err(failed)
        })?;
        let views = self.runtime.block_on(self.reader.latest(&self.tenant))?;
        for line in text.lines() {
            let of_store = line.strip_prefix(EPOCH).and_then(|rest| rest.split_once("\"} "));
            if let Some((store, has)) = of_store {
                let has = has.parse().map_err(|error| format!("{line}: {error}"))?;
                samples.push(Sample { store: store.to_owned(), views, has });
            }
            if let Some(bytes) = line.strip_prefix(BACKLOG) {
                let bytes: f64 = bytes.parse().map_err(|error| format!("{line}: {error}"))?;
                phase.backlog_bytes = phase.backlog_bytes.max(bytes);
            }
        }
        Ok(())
    }
}
