//! A storm of alerts on top of a load: how old the views get, and for how long.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep_until;

use super::feed::Feeder;
use super::process::{quantiles, tenths};
use super::seen::{Due, Observer};

/// How long freshness is watched before the storm, and after it began.
const CALM: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(40);

/// An outage with so many alerts comes at once. Freshness is back to normal in the first second after it in which half of
/// what is due is as fresh as the freshest 99 % were before.
pub async fn storm(feeder: &mut Feeder<'_>, observer: &Observer, alerts: u64, per_s: f64) -> Result<Value> {
    let from = feeder.ahead(per_s, CALM);
    let calm = feeder.open(from, per_s, CALM).await?;
    observer.counted(feeder.sent()).await?;
    let calm = quantiles(observer.freshness_ms(&calm));
    let normal_ms = calm["p99"].as_f64().unwrap_or(0.0);
    sleep_until(feeder.ahead(per_s, WATCHED)).await;
    let burst = feeder.burst(alerts).await?;
    let dues = feeder.open(burst.at, per_s, WATCHED).await?;
    observer.counted(feeder.sent()).await?;
    let back = back_after(&burst, &dues, observer, normal_ms);
    let during = dues.iter().filter(|due| due.at < burst.at + back.unwrap_or(WATCHED)).copied();
    let visible_ms = observer.freshness_ms(&[burst]).first().copied().map(tenths);
    Ok(
        json!({"alerts": alerts, "before_ms": calm, "during_ms": quantiles(observer.freshness_ms(&during.collect::<Vec<_>>())),
        "storm_visible_ms": visible_ms, "back_to_normal_s": back.map(|back| back.as_secs()), "watched_s": WATCHED.as_secs()}),
    )
}

fn back_after(burst: &Due, dues: &[Due], observer: &Observer, normal_ms: f64) -> Option<Duration> {
    let second = |number: u64| {
        let (from, to) = (Duration::from_secs(number), Duration::from_secs(number + 1));
        let of = dues.iter().filter(|due| burst.at + from <= due.at && due.at < burst.at + to);
        let mut fresh = observer.freshness_ms(&of.copied().collect::<Vec<_>>());
        fresh.sort_by(f64::total_cmp);
        fresh.get(fresh.len() / 2).is_some_and(|middle| *middle <= normal_ms)
    };
    (0..WATCHED.as_secs()).find(|number| second(*number)).map(Duration::from_secs)
}
