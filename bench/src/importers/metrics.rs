//! Metrics in tables, as a Prometheus would hand them on.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemas::codec::Format;
use schemas::time::EventTime;
use serde_json::{Value, json};

use super::CaseRecord;

/// A table of comma-separated values with a header.
pub struct Sheet {
    /// Names of the columns.
    pub header: Vec<String>,
    /// Cells by row.
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let cells = |line: &str| line.split(',').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let mut lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.trim().is_empty());
        let header = lines.next().map(cells).unwrap_or_default();
        Ok(Sheet { header, rows: lines.map(cells).collect() })
    }

    /// Where a column is.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }
}

/// A cell as a finite number.
pub fn number(row: &[String], column: usize) -> Option<f64> {
    row.get(column)?.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The first column of many exports: `2022-08-22 03:51:19.640328427 +0000 UTC m=+0.1`.
pub fn go_time(cell: &str) -> Option<EventTime> {
    let (date, time) = (cell.get(..10)?, cell.get(11..19)?);
    EventTime::parse(&format!("{date}T{time}Z")).ok()
}

/// Series by their labels; each with samples by time.
#[derive(Debug, Default)]
pub struct Series(BTreeMap<Vec<(&'static str, String)>, BTreeMap<EventTime, f64>>);

impl Series {
    /// Adds a sample; of two at one time the greater stays, whatever their order.
    pub fn add(&mut self, labels: &[(&'static str, &str)], at: EventTime, value: f64) {
        let labels = labels.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let known = self.0.entry(labels).or_default().entry(at).or_insert(value);
        *known = known.max(value);
    }

    /// What lies in a stretch of time, end exclusive, as one record for each series; both ends of a call are reported
    /// together.
    pub fn between(&self, from: EventTime, to: EventTime) -> Result<Vec<CaseRecord>> {
        let mut records: BTreeMap<Vec<(&str, &str)>, Vec<Value>> = BTreeMap::new();
        for (labels, samples) in &self.0 {
            let samples: Vec<Value> = samples
                .range(from..to)
                .map(|(at, value)| json!({"timestamp": at.0, "value": value}))
                .collect();
            if samples.is_empty() {
                continue;
            }
            let labels: BTreeMap<&str, &str> =
                labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let what = labels.iter().map(|(key, value)| (*key, *value)).filter(|(key, _)| *key != "reporter");
            let series = json!({"labels": labels, "samples": samples});
            records.entry(what.collect()).or_default().push(series);
        }
        let record = |series: Vec<Value>| {
            let bytes = serde_json::to_vec(&json!({"timeseries": series}))?;
            Ok(CaseRecord { name: "metrics".to_owned(), format: Format::Prometheus, arrived: to, bytes })
        };
        records.into_values().map(record).collect()
    }
}
