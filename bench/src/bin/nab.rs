//! `nab WINDOWS PREDICTIONS`: how well the anomaly stage finds labelled windows, from `accuracy nab` and the windows file.
//!
//! One detection is one onset of an anomaly. The first 15 % of each series are probation and count for nothing. A window
//! is found when an onset lies in it; an onset in no window is false. The last figure is NAB's standard score, in which
//! an early detection counts more than a late one and a false one costs 0.11: 0 is silence, 100 is perfect.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result, bail};
use bench::importers::nab::{Detections, instant};
use serde_json::json;

/// Share of a series that is probation.
const PROBATION: f64 = 0.15;
/// What a false detection costs, in parts of a window.
const FALSE_COST: f64 = 0.11;

type Windows = Vec<(i64, i64)>;

#[derive(Debug, Default)]
struct Counts {
    points: u64,
    windows: u64,
    found: u64,
    onsets: u64,
    inside: u64,
    quiet_points: u64,
    quiet_false: u64,
    delays: Vec<f64>,
    score: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [windows, predictions] = arguments.as_slice() else { bail!("usage: nab WINDOWS PREDICTIONS") };
    let windows = std::fs::read_to_string(windows).with_context(|| format!("read {windows}"))?;
    let windows: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(&windows)?;
    let text = std::fs::read_to_string(predictions).with_context(|| format!("read {predictions}"))?;
    let mut counts = Counts::default();
    for line in text.lines() {
        let series: Detections = serde_json::from_str(line).context("parse a prediction")?;
        let labelled = windows.get(&series.case).with_context(|| format!("no windows of {}", series.case))?;
        let labelled: Windows =
            labelled.iter().filter_map(|(from, to)| Some((instant(from)?.0, instant(to)?.0))).collect();
        counts.count(&series, &labelled);
    }
    Ok(writeln!(std::io::stdout(), "{}", counts.document())?)
}

impl Counts {
    fn count(&mut self, series: &Detections, windows: &Windows) {
        let skipped = ((series.points.len() as f64) * PROBATION) as usize;
        let Some(begin) = series.points.get(skipped) else { return };
        let judged = (series.points.len() - skipped) as u64;
        let windows: Windows = windows.iter().copied().filter(|(_, to)| begin <= to).collect();
        let onsets: Vec<i64> = series.onsets.iter().copied().filter(|onset| begin <= onset).collect();
        let inside = |onset: &i64| windows.iter().any(|(from, to)| (from..=to).contains(&onset));
        let hits = onsets.iter().filter(|onset| inside(onset)).count() as u64;
        let misses = onsets.len() as u64 - hits;
        self.points += judged;
        self.windows += windows.len() as u64;
        self.onsets += onsets.len() as u64;
        self.inside += hits;
        if windows.is_empty() {
            self.quiet_points += judged;
            self.quiet_false += misses;
        }
        for (from, to) in &windows {
            let Some(first) = onsets.iter().find(|onset| (from..=to).contains(onset)) else {
                self.score -= 1.0;
                continue;
            };
            self.found += 1;
            let (late, width) = ((first - from) as f64, (to - from).max(1) as f64);
            self.delays.push(late / width);
            self.score += sigmoid(late / width - 1.0) / sigmoid(-1.0);
        }
        for onset in onsets.iter().filter(|onset| !inside(onset)) {
            let last = windows.iter().rev().find(|(_, to)| to < onset);
            let after = last.map(|(from, to)| (onset - to) as f64 / (to - from).max(1) as f64);
            self.score += FALSE_COST * after.map_or(-1.0, |after| sigmoid(after.min(3.0)));
        }
    }

    fn document(mut self) -> serde_json::Value {
        self.delays.sort_by(f64::total_cmp);
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64;
        let windows = self.windows.max(1) as f64;
        json!({
            "windows": self.windows, "found": self.found, "recall": share(self.found, self.windows),
            "detections": self.onsets, "precision": share(self.inside, self.onsets),
            "false_per_1000_points": 1_000.0 * share(self.onsets - self.inside, self.points),
            "false_per_1000_points_without_windows": 1_000.0 * share(self.quiet_false, self.quiet_points),
            "median_delay_of_window": self.delays.get(self.delays.len() / 2),
            "standard_score": 100.0 * (self.score + windows) / (2.0 * windows),
        })
    }
}

/// From 1 long before 0 to -1 long after.
fn sigmoid(position: f64) -> f64 {
    2.0 / (1.0 + (5.0 * position).exp()) - 1.0
}
