//! `kgroot rules preview`: history computed twice, by the present rules and by proposed ones, and what differs.
//!
//! Both engines run in this process on the time of their events and are given the same epochs. An engine forgets what
//! is older than its horizon, so that each incident is kept as it stood when it was largest.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dataflow::arrival::Arrival;
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use dataflow::feed::Feed;
use dataflow::ingest::past::PastRecord;
use schemas::catalogue::Rules;
use schemas::ids::TenantId;
use schemas::time::EventTime;

use crate::cli::PreviewOptions;
use crate::config::{Config, load};
use crate::exit::{Cause, Failure};
use crate::output;
use crate::preview::diff::Difference;
use crate::preview::history::History;
use crate::preview::seen::Seen;

pub mod diff;
pub mod history;
mod seen;
mod shown;

/// Recorded time that one epoch spans.
const STEP_MS: i64 = 5_000;

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Incidents that were seen at or after this instant.
    pub from: EventTime,
    /// And began before this one.
    pub to: EventTime,
}

/// Runs the command.
pub async fn run(options: &PreviewOptions) -> Result<()> {
    let config = configuration(options)?;
    let engine = EngineConfig { workers: 1, cluster: None, clock: Clock::Event, ..config.engine()? };
    let proposed = crate::rules::read(&options.rules)?;
    let window = window(options)?;
    let wanted = (options.recording.clone(), options.format, options.tenant.clone());
    let warm_up_ms = engine.horizon_ms;
    let history = tokio::task::spawn_blocking(move || History::read(&config, wanted, window, warm_up_ms));
    let history = history.await.context("read the history")??;
    let difference = compare(&history, engine, proposed, window).await?;
    match options.output {
        crate::cli::Output::Table => shown::table(&difference),
        machine => output::json(&difference, machine),
    }
}

fn configuration(options: &PreviewOptions) -> Result<Config> {
    let mut set = options.config.set.clone();
    if let Some(data) = &options.data {
        set.push(format!("data={}", data.display()));
    }
    load(options.config.config.as_deref(), &set)
}

fn window(options: &PreviewOptions) -> Result<Window> {
    let window =
        Window { from: options.from.unwrap_or(EventTime(0)), to: options.to.unwrap_or(EventTime(i64::MAX)) };
    if window.to <= window.from {
        return Err(Failure::of(Cause::Usage, "--from is not before --to; swap them"));
    }
    Ok(window)
}

/// Computes the history of each tenant with both lists of rules.
pub async fn compare(
    history: &History,
    engine: EngineConfig,
    proposed: Rules,
    window: Window,
) -> Result<Difference> {
    let mut difference = Difference::of_rules(&engine.rules, &proposed, history.records());
    for (tenant, records) in history.tenants() {
        let (now, then) = both(tenant, records, &engine, &proposed).await?;
        difference.add(tenant, &now, &then, window);
    }
    Ok(difference)
}

struct Running {
    engine: Engine,
    feed: Feed,
    seen: Seen,
}

async fn both(
    tenant: &TenantId,
    records: &[PastRecord],
    config: &EngineConfig,
    proposed: &Rules,
) -> Result<(Seen, Seen)> {
    let mut present = Running::start(config.clone(), tenant)?;
    let mut other = Running::start(EngineConfig { rules: proposed.clone(), ..config.clone() }, tenant)?;
    for arrivals in steps(records) {
        present.step(arrivals.clone()).await?;
        other.step(arrivals).await?;
    }
    Ok((present.stop().await?, other.stop().await?))
}

/// What arrived within one step is one epoch.
fn steps(records: &[PastRecord]) -> Vec<Vec<Arrival>> {
    let mut steps: BTreeMap<i64, Vec<Arrival>> = BTreeMap::new();
    for record in records {
        let step = steps.entry(record.arrived.0.div_euclid(STEP_MS)).or_default();
        step.extend(record.arrivals.iter().cloned());
    }
    steps.into_values().collect()
}

impl Running {
    fn start(config: EngineConfig, tenant: &TenantId) -> Result<Running> {
        let seen = Seen::new(tenant.clone(), config.horizon_ms);
        let engine = Engine::start(config).context("start an engine")?;
        let feed = engine.follow();
        Ok(Running { engine, feed, seen })
    }

    async fn step(&mut self, arrivals: Vec<Arrival>) -> Result<()> {
        self.engine.input().seal(arrivals, EventTime(0)).await.context("seal a step")?;
        let changes = self.feed.next().await.context("the engine has stopped")?;
        self.seen.apply(&changes);
        Ok(())
    }

    async fn stop(self) -> Result<Seen> {
        let Running { engine, seen, .. } = self;
        tokio::task::spawn_blocking(move || engine.shutdown()).await??;
        Ok(seen)
    }
}
