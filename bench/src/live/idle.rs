//! Many tenants, nearly all of which are idle: what one of them costs.

use std::time::Duration;

use anyhow::Result;
use dataflow::ingest::clock::now;
use schemas::ids::TenantId;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Live;
use super::process::{mib, processor_s, quantiles, resident_bytes, tenths, threads};
use crate::load::Load;

/// One tenant of so many is active.
const OF: usize = 100;
/// Records of an active tenant at a time, and how often all of them send.
const RECORDS: usize = 20;
const ROUNDS: usize = 20;
/// Until merges are done and pages are given back.
const SETTLE: Duration = Duration::from_secs(15);
/// How long the processor time of a process without input is watched.
const WATCHED: Duration = Duration::from_secs(10);

/// One tenant of a hundred sends before and after all others have sent one record each and fallen silent.
pub async fn idle(live: &Live, tenants: usize) -> Result<Value> {
    let active = (tenants / OF).max(1);
    let name = |number: usize| -> Result<TenantId> { Ok(format!("tenant-{number}").parse()?) };
    let mut loads = Vec::new();
    for number in 0..active {
        let tenant = name(number)?;
        loads.push((Load::new(number as u64, &tenant), tenant));
    }
    let before = busy(live, &mut loads).await?;
    sleep(SETTLE).await;
    let (resident, threads_before) = (resident_bytes()?, threads()?);
    let idle_before = processor_share().await?;
    for number in active..tenants {
        let tenant = name(number)?;
        let record = Load::new(number as u64, &tenant).record(now()).1;
        live.append(&tenant, vec![record]).await?;
    }
    known(live, tenants).await?;
    sleep(SETTLE).await;
    let added = resident_bytes()?.saturating_sub(resident);
    let bytes = added / (tenants - active).max(1) as u64;
    let idle_after = processor_share().await?;
    let threads_after = threads()?;
    let after = busy(live, &mut loads).await?;
    Ok(json!({"tenants": tenants, "active": active, "bytes_for_each_idle_tenant": bytes,
        "resident_mib": {"before": mib(resident), "after": mib(resident + added)},
        "threads": {"before": threads_before, "after": threads_after},
        "processor_percent_without_input": {"before": idle_before, "after": idle_after},
        "visible_ms": {"before": before, "after": after}}))
}

/// Every active tenant sends some records, then all is waited for; some times. Milliseconds of each.
async fn busy(live: &Live, loads: &mut [(Load, TenantId)]) -> Result<Value> {
    let mut milliseconds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let before = events(live).await?;
        for (load, tenant) in loads.iter_mut() {
            let records = (0..RECORDS).map(|_| load.record(now()).1).collect();
            live.append(tenant, records).await?;
        }
        let wanted = before + (RECORDS * loads.len()) as u64;
        let deadline = begun + super::PATIENCE;
        while events(live).await? < wanted {
            anyhow::ensure!(Instant::now() < deadline, "{wanted} events were to be visible");
            sleep(Duration::from_millis(5)).await;
        }
        milliseconds.push(begun.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(quantiles(milliseconds))
}

async fn events(live: &Live) -> Result<u64> {
    let rows = live.reader().status().await?.rows;
    Ok(rows.iter().find(|(view, _)| *view == schemas::view::ViewName::Events).map_or(0, |(_, rows)| *rows))
}

async fn known(live: &Live, tenants: usize) -> Result<()> {
    let begun = Instant::now();
    while live.reader().status().await?.tenants.len() < tenants {
        anyhow::ensure!(begun.elapsed() < super::PATIENCE, "not all of {tenants} tenants are known");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn processor_share() -> Result<f64> {
    let (begun, before) = (Instant::now(), processor_s()?);
    sleep(WATCHED).await;
    Ok(tenths((processor_s()? - before) / begun.elapsed().as_secs_f64() * 100.0))
}
