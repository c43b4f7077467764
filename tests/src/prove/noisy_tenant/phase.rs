//! One phase: a process, ten tenants, and what their records came to.

use std::time::{Duration, Instant};

use schemas::ids::TenantId;

use super::feed::{Feed, Sent};
use super::watch::Watch;
use super::{PHASE, QUOTA, TENANTS};
use crate::prove::real::place::Place;
use crate::prove::real::process::Process;
use crate::prove::real::views::Reader;
use crate::prove::real::{Means, PATIENCE, runtime};

/// Between two looks at what is not there yet.
const LOOK: Duration = Duration::from_millis(50);
/// A process that is asked to stop has stopped by then.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// What a phase came to.
#[derive(Default)]
pub(super) struct Phase {
    /// From sending to visible, of each record of the others.
    pub(super) waits_ms: Vec<f64>,
    pub(super) others_sent: u64,
    pub(super) others_shown: u64,
    /// Fairness among the others: of the parts of what they sent that were visible when sending ended.
    pub(super) jain: f64,
    pub(super) flooder_sent: u64,
    pub(super) flooder_sent_per_s: f64,
    /// Records a second that the views counted of the flooder while it sent.
    pub(super) flooder_per_s: f64,
    /// What waited of the flooder when the others were complete, and what did not come of that in the end.
    pub(super) flooder_backlog: u64,
    pub(super) flooder_lost: u64,
    pub(super) failures: Vec<String>,
}

/// Runs a phase.
pub(super) fn run(means: &Means, floods: bool) -> Result<Phase, String> {
    let place = Place::new("noisy", &TENANTS, means)?;
    let mut feed = Feed::new(&place.brokers, &place.tenants)?;
    let runtime = runtime()?;
    let first = runtime.block_on(feed.first())?;
    let mut process = place.start(&[format!("quota.records_per_s={QUOTA}")])?;
    process.until_ready(PATIENCE)?;
    let mut phase = Phase::default();
    let sent = runtime.block_on(measure(&mut phase, &mut process, (&mut feed, first), &place, floods))?;
    stop(process)?;
    // Left to drain, without a quota.
    let mut process = place.start(&[])?;
    process.until_ready(PATIENCE)?;
    for (index, tenant) in place.tenants.iter().enumerate() {
        let sent = sent.iter().filter(|sent| sent.tenant == index).count() as u64;
        let counted = runtime.block_on(counted(&process, tenant, sent))?;
        if counted != sent {
            phase.failures.push(format!("{tenant}: {counted} of {sent} records are counted in the end"));
        }
        if index + 1 == place.tenants.len() {
            (phase.flooder_sent, phase.flooder_lost) = (sent, sent.saturating_sub(counted));
        }
    }
    stop(process)?;
    Ok(phase)
}

async fn measure(
    phase: &mut Phase,
    process: &mut Process,
    (feed, mut sent): (&mut Feed, Vec<Sent>),
    place: &Place,
    floods: bool,
) -> Result<Vec<Sent>, String> {
    let (flooder, others) = place.tenants.split_last().ok_or("no tenants")?;
    let (watch, reader) = (Watch::start(&process.listen, others), Reader::of(&process.listen)?);
    let firsts = sent.len() - 1;
    shown(&watch, process, firsts).await?;
    let (before, begun) = (counted(process, flooder, 1).await?, Instant::now());
    feed.open_loop(PHASE, floods).await?;
    let (took, after) = (begun.elapsed().as_secs_f64(), reader.counted(flooder).await?);
    phase.flooder_per_s = after.saturating_sub(before) as f64 / took;
    let at_the_end: Vec<u64> = by_tenant(others.len(), watch.seen().shown.keys().map(|(tenant, _)| *tenant));
    sent.extend(feed.taken().await?);
    let by_all = by_tenant(place.tenants.len(), sent.iter().map(|sent| sent.tenant));
    phase.flooder_sent_per_s = by_all[others.len()] as f64 / took;
    phase.others_sent = by_all[..others.len()].iter().sum();
    let parts = at_the_end.iter().zip(&by_all).map(|(shown, sent)| *shown as f64 / *sent as f64);
    phase.jain = jain(&parts.collect::<Vec<_>>());
    shown(&watch, process, phase.others_sent as usize).await?;
    phase.flooder_backlog = by_all[others.len()].saturating_sub(reader.counted(flooder).await?);
    judge(phase, &watch, &sent, (firsts, others.len()));
    Ok(sent)
}

/// Each record of the others was shown, and nothing else was; how long each took. The first ones are no part of that.
fn judge(phase: &mut Phase, watch: &Watch, sent: &[Sent], (firsts, others): (usize, usize)) {
    let seen = watch.seen();
    for (index, sent) in sent.iter().enumerate().filter(|(_, sent)| sent.tenant < others) {
        match seen.shown.get(&(sent.tenant, sent.position.clone())) {
            None => phase.failures.push(format!("{} is lost", sent.position)),
            Some(at) => {
                phase.others_shown += 1;
                if firsts < index {
                    phase.waits_ms.push(at.saturating_duration_since(sent.at).as_secs_f64() * 1_000.0);
                }
            }
        }
    }
    if seen.shown.len() as u64 != phase.others_shown {
        phase.failures.push(format!(
            "{} records are shown, {} are right",
            seen.shown.len(),
            phase.others_shown
        ));
    }
}

/// Waits until so many records are shown; whether they come is judged later.
async fn shown(watch: &Watch, process: &mut Process, wanted: usize) -> Result<(), String> {
    let (begun, mut looks) = (Instant::now(), tokio::time::interval(LOOK));
    while watch.seen().shown.len() < wanted && begun.elapsed() < PATIENCE {
        looks.tick().await;
        if process.ends_within(Duration::ZERO) {
            return Err(process.live_until(Duration::MAX).err().unwrap_or_default());
        }
        if let Some(failure) = watch.seen().failure.take() {
            return Err(failure);
        }
    }
    Ok(())
}

/// Waits until the views count so many records of a tenant; gives how many they count.
async fn counted(process: &Process, tenant: &TenantId, wanted: u64) -> Result<u64, String> {
    let (reader, begun) = (Reader::of(&process.listen)?, Instant::now());
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        // A tenant is known from its first record on.
        let counted = reader.counted(tenant).await.unwrap_or(0);
        if wanted <= counted || PATIENCE < begun.elapsed() {
            return Ok(counted);
        }
    }
}

fn by_tenant(tenants: usize, of: impl Iterator<Item = usize>) -> Vec<u64> {
    let mut counts = vec![0; tenants];
    of.for_each(|tenant| counts[tenant] += 1);
    counts
}

/// Jain's index: 1 when all have the same.
fn jain(parts: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = (parts.iter().sum(), parts.iter().map(|part| part * part).sum());
    sum * sum / (parts.len() as f64 * squares)
}

fn stop(process: Process) -> Result<(), String> {
    process.signal("TERM")?;
    let (code, said) = process.exit(STOP_PATIENCE)?;
    if code == Some(0) { Ok(()) } else { Err(format!("asked to stop, it ended with {code:?}:\n{said}")) }
}
