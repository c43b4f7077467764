//! Accuracy on generated recordings: is the root named, are the links true, is quiet quiet, is confidence earned.
//!
//! Each recording runs through an engine of its own, in steps of its own time, as it would have arrived. An alert counts
//! when any step shows it, also when it is gone at the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use dataflow::arrival::{Arrival, arrivals};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::answer::{Answer, Question};
use schemas::codec::Raw;
use schemas::ids::{IncidentId, TenantId};
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::EventTime;
use schemas::view::{AlertStatus, ChainRow, IncidentRow, Row, ViewName};
use serde_json::{Value, json};

use crate::scenario::planted::Planted;
use crate::scenario::{Family, Record, Scenario, joint};

/// Recorded time that one epoch spans.
const STEP_MS: i64 = 15_000;
/// Rows read of a view; a recording has far fewer.
const ROWS_MAX: usize = 100_000;
/// Bins of confidence.
const BINS: usize = 10;

/// What one recording came to.
#[derive(Debug)]
pub struct Judged {
    /// Family, or `none`.
    pub family: &'static str,
    /// Seed.
    pub seed: u64,
    /// Rank of the first hypothesis that names the root; `None` when none does.
    pub rank: Option<u32>,
    /// Kind and entity named first, with its confidence.
    pub first: Option<(String, String, f64)>,
    /// Links of the chains from first hypotheses, and how many of them are true.
    pub links: (u64, u64),
    /// Links that are not, as text.
    pub wrong: Vec<String>,
    /// Alerts seen, and how many of them tell of no part of the fault.
    pub alerts: (u64, u64),
    /// What the latter said.
    pub false_alerts: Vec<String>,
}

/// Judges one recording: of a family, or a quiet one.
pub async fn judge(family: Option<Family>, seed: u64) -> Result<Judged> {
    let (scenario, planted) = joint(family, seed);
    let tenant: TenantId = "shop".parse()?;
    let engine = Engine::start(EngineConfig { clock: Clock::Event, ..EngineConfig::default() });
    let engine = engine.context("start the engine")?;
    let reader = engine.reader();
    let mut seen = Seen::default();
    for step in scenario.records.chunk_by(|left, right| step_of(left) == step_of(right)) {
        let batch =
            (0i64..).zip(step).flat_map(|(offset, record)| decoded(&tenant, record, offset)).collect();
        let epoch = engine.input().seal(batch, EventTime(0)).await.context("seal a step")?;
        reader.complete(epoch).await.context("wait for the views")?;
        seen.look(&reader, &tenant).await?;
    }
    let question =
        Question::new(tenant.clone(), scenario.truth.questions.first().cloned().unwrap_or_default());
    let answer = agents::investigate(&reader, &question).await.context("investigate")?;
    let mut judged = named(&scenario, &planted, &answer, seed);
    seen.judge(&planted, &mut judged);
    tokio::task::spawn_blocking(move || engine.shutdown()).await.context("stop the engine")??;
    Ok(judged)
}

fn step_of(record: &Record) -> i64 {
    record.at.0.div_euclid(STEP_MS)
}

fn decoded(tenant: &TenantId, record: &Record, offset: i64) -> Vec<Arrival> {
    let topic = format!("{}-{tenant}-{}", record.family, record.at.0);
    let position = SourcePosition { topic: topic.into(), partition: 0, offset, item: 0 };
    let bytes = record.document.to_string().into_bytes();
    let raw = Raw { tenant, position: &position, arrived: record.at, bytes: &bytes };
    arrivals(&raw, record.format)
}

fn named(scenario: &Scenario, planted: &Planted, answer: &Answer, seed: u64) -> Judged {
    let truth = &scenario.truth;
    let roots = answer.hypotheses.iter().map(|found| (found.rank, &found.root_cause));
    let right = roots.clone().find(|(_, root)| planted.is_root(&root.kind, &root.entity, truth));
    let first = answer.hypotheses.first();
    Judged {
        family: truth.family,
        seed,
        rank: right.map(|(rank, _)| rank),
        first: first
            .map(|found| (found.root_cause.kind.clone(), found.root_cause.entity.clone(), found.confidence)),
        links: (0, 0),
        wrong: Vec::new(),
        alerts: (0, 0),
        false_alerts: Vec::new(),
    }
}

/// What the views showed at any step of those that fired, and at the last.
#[derive(Default)]
struct Seen {
    fired: BTreeMap<IncidentId, (String, Vec<IncidentRow>)>,
    chains: Vec<ChainRow>,
}

impl Seen {
    async fn look(&mut self, reader: &ViewReader, tenant: &TenantId) -> Result<()> {
        let (alerts, ..) = reader.scan(Query::all(tenant, ViewName::Alerts), ROWS_MAX).await?;
        let (incidents, ..) = reader.scan(Query::all(tenant, ViewName::Incidents), ROWS_MAX).await?;
        let (chains, ..) = reader.scan(Query::all(tenant, ViewName::Chains), ROWS_MAX).await?;
        for row in alerts {
            let Row::Alert(alert) = row else { continue };
            if alert.status == AlertStatus::Firing {
                let entry = self.fired.entry(alert.incident_id).or_default();
                entry.0.clone_from(&alert.title);
                let incident = incidents.iter().find_map(|row| match row {
                    Row::Incident(incident) if incident.incident_id == alert.incident_id => {
                        Some(incident.as_ref().clone())
                    }
                    _ => None,
                });
                entry.1 = incident.into_iter().collect();
            }
        }
        let chain = |row: Row| if let Row::Chain(chain) = row { Some(chain.as_ref().clone()) } else { None };
        self.chains = chains.into_iter().filter_map(chain).collect();
        Ok(())
    }

    fn judge(&self, planted: &Planted, judged: &mut Judged) {
        let mut known = BTreeSet::new();
        let firsts = self.chains.iter().filter(|chain| chain.rank == 1);
        for link in firsts.flat_map(|chain| &chain.links) {
            if !known.insert((link.cause.episode_id, link.effect.episode_id)) {
                continue;
            }
            judged.links.0 += 1;
            if planted.true_link(&link.cause, &link.effect) {
                judged.links.1 += 1;
            } else {
                let end = |episode: &schemas::view::EpisodeRow| {
                    format!("{} on {} at {}", episode.kind.id(), episode.entity, episode.onset)
                };
                judged.wrong.push(format!("{} -> {} ({})", end(&link.cause), end(&link.effect), link.rule));
            }
        }
        for (id, (title, incidents)) in &self.fired {
            judged.alerts.0 += 1;
            let roots = incidents.iter().flat_map(|incident| &incident.hypotheses).map(|known| &known.root);
            let chains = self.chains.iter().filter(|chain| chain.incident_id == *id);
            let ends = chains.flat_map(|chain| [&chain.root, &chain.symptom]);
            if !roots.chain(ends).any(|episode| planted.stage(episode).is_some()) {
                judged.alerts.1 += 1;
                judged.false_alerts.push(title.clone());
            }
        }
    }
}

/// The figures of many recordings, as one document.
pub fn summary(judged: &[Judged]) -> Value {
    let faults: Vec<&Judged> = judged.iter().filter(|one| one.family != "none").collect();
    let quiet: Vec<&Judged> = judged.iter().filter(|one| one.family == "none").collect();
    let hits = |depth: u32| faults.iter().filter(|one| one.rank.is_some_and(|rank| rank <= depth)).count();
    let sum = |of: fn(&Judged) -> u64| judged.iter().map(of).sum::<u64>();
    let pairs: Vec<(f64, bool)> =
        faults.iter().filter_map(|one| Some((one.first.as_ref()?.2, one.rank == Some(1)))).collect();
    let sure: Vec<bool> = pairs.iter().filter(|(sure, _)| 0.85 <= *sure).map(|(_, right)| *right).collect();
    let mut families: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for one in &faults {
        let entry = families.entry(one.family).or_default();
        entry.0 += 1;
        entry.1 += u64::from(one.rank == Some(1));
    }
    json!({
        "faults": faults.len(), "quiet": quiet.len(),
        "ac1": share(hits(1), faults.len()), "ac3": share(hits(3), faults.len()),
        "links": sum(|one| one.links.0), "links_true": share(sum(|one| one.links.1) as usize, sum(|one| one.links.0) as usize),
        "alerts": sum(|one| one.alerts.0), "alerts_false": share(sum(|one| one.alerts.1) as usize, sum(|one| one.alerts.0) as usize),
        "alerts_quiet": quiet.iter().map(|one| one.alerts.0).sum::<u64>(),
        "ece": ece(&pairs), "sure": sure.len(), "sure_right": share(sure.iter().filter(|right| **right).count(), sure.len()),
        "families": families.iter().map(|(name, (n, right))| json!({"family": name, "n": n, "right": right})).collect::<Vec<_>>(),
    })
}

/// A share with its Wilson 95 % interval; null without cases.
fn share(part: usize, of: usize) -> Value {
    if of == 0 {
        return Value::Null;
    }
    let (n, z) = (of as f64, 1.959_964_f64);
    let p = part as f64 / n;
    let (center, width) = (p + z * z / (2.0 * n), z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt());
    let (low, high) = ((center - width) / (1.0 + z * z / n), (center + width) / (1.0 + z * z / n));
    json!({"value": p, "low": low.max(0.0), "high": high.min(1.0)})
}

/// Expected calibration error over ten equal bins.
fn ece(pairs: &[(f64, bool)]) -> f64 {
    let mut bins = [(0usize, 0.0f64, 0.0f64); BINS];
    for (confidence, right) in pairs {
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        *bin = (bin.0 + 1, bin.1 + confidence, bin.2 + f64::from(u8::from(*right)));
    }
    let off: f64 = bins.iter().map(|(_, confidence, right)| (confidence - right).abs()).sum();
    off / pairs.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_that_is_right_as_often_as_it_says_has_no_error() {
        assert!(ece(&[(0.5, true), (0.5, false)]) < 1e-9);
        assert!((ece(&[(0.9, false)]) - 0.9).abs() < 1e-9);
    }

    #[test]
    fn the_same_seed_is_the_same_recording_and_a_quiet_one_plants_nothing() {
        let (left, _) = joint(Some(Family::BadConfig), 3);
        assert_eq!(left, joint(Some(Family::BadConfig), 3).0);
        assert_ne!(left, joint(Some(Family::BadConfig), 4).0);
        let (quiet, planted) = joint(None, 3);
        assert!(!planted.is_root("k8s.node.NotReady", "node/node-c", &quiet.truth));
    }
}
