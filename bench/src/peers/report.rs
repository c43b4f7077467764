//! What is asked for, and what is shown.

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Every engine there is, in the order in which they take turns.
pub const ENGINES: [&str; 8] = [
    "bare",
    "kgroot",
    "plain-differential",
    "dbsp",
    "flink-heap",
    "flink-rocksdb",
    "kafka-streams",
    "duckdb",
];

/// Measured only when it is named: it has hundreds of crates to build.
const ASKED_FOR: &str = "dbsp";

/// What to measure.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names of engines.
    pub engines: Vec<String>,
    /// One repetition of a small workload.
    pub quick: bool,
    /// Services of the cluster.
    pub services: u32,
    /// Event time of the measured workload, in hours; more than a horizon.
    pub hours: Option<u32>,
    /// Seed of the workload.
    pub seed: u64,
    /// JSON instead of a table.
    pub json: bool,
}

impl Order {
    /// From the command line.
    pub fn parse(arguments: &[String]) -> Result<Order> {
        let engines =
            ENGINES.iter().filter(|name| **name != ASKED_FOR).map(|name| (*name).to_owned()).collect();
        let mut order = Order { engines, quick: false, services: 0, hours: None, seed: 1, json: false };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--quick" => order.quick = true,
                "--engines" => order.engines = value()?.split(',').map(str::to_owned).collect(),
                "--services" => order.services = value()?.parse().context("--services is a whole number")?,
                "--hours" => {
                    let hours = value()?.parse().ok().filter(|hours| HOURS.contains(hours));
                    order.hours = Some(hours.with_context(|| format!("--hours is {HOURS:?}"))?);
                }
                "--seed" => order.seed = value()?.parse().context("--seed is a whole number")?,
                "--output" => {
                    order.json = match value()?.as_str() {
                        "json" => true,
                        "table" => false,
                        other => bail!("unknown output {other:?}"),
                    }
                }
                other => bail!("unknown argument {other:?}"),
            }
        }
        if let Some(unknown) = order.engines.iter().find(|name| !ENGINES.contains(&name.as_str())) {
            bail!("unknown engine {unknown:?}; known: {}", ENGINES.join(", "));
        }
        if order.services == 0 {
            order.services = if order.quick { 40 } else { 400 };
        }
        Ok(order)
    }
}

/// Hours of event time that can be asked for: a horizon is two, and a day of a hundred services is a million events.
const HOURS: std::ops::RangeInclusive<u32> = 3..=240;

/// Columns of the table: title, place in the JSON, decimals.
const COLUMNS: [(&str, &str, usize); 12] = [
    ("events/s/core", "/events_per_s_per_core", 0),
    ("per cpu s", "/events_per_processor_s", 0),
    ("spread %", "/spread_percent", 0),
    ("events/s", "/events_per_s", 0),
    ("p50 ms at 50 %", "/load/50/p50_ms", 1),
    ("p99 ms at 50 %", "/load/50/p99_ms", 1),
    ("p50 ms at 80 %", "/load/80/p50_ms", 1),
    ("p99 ms at 80 %", "/load/80/p99_ms", 1),
    ("p99.9 ms at 80 %", "/load/80/p99_9_ms", 1),
    ("p99 ms at 100 %", "/load/100/p99_ms", 1),
    ("B/live event", "/bytes_per_live_event", 0),
    ("start s", "/start_s", 2),
];

/// The measurement as a table.
pub fn table(found: &Value) -> String {
    let mut rows = vec![vec!["engine".to_owned()]];
    rows[0].extend(COLUMNS.iter().map(|(title, ..)| (*title).to_owned()));
    for engine in found["engines"].as_array().into_iter().flatten() {
        let mut row = vec![engine["engine"].as_str().unwrap_or("").to_owned()];
        for (_, pointer, decimals) in COLUMNS {
            let number = engine.pointer(pointer).and_then(Value::as_f64);
            row.push(number.map_or_else(|| "-".to_owned(), |number| format!("{number:.decimals$}")));
        }
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            text += &format!("{cell:>width$}  ");
        }
        text = text.trim_end().to_owned() + "\n";
    }
    for failed in found["failed"].as_array().into_iter().flatten() {
        text += &format!(
            "{}: {}\n",
            failed["engine"].as_str().unwrap_or(""),
            failed["why"].as_str().unwrap_or("")
        );
    }
    text + &format!("workload {}\nmachine {}", found["workload"], found["machine"])
}

/// The middle of some numbers; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// The number below which so many thousandths of some sorted numbers are.
pub fn quantile(sorted: &[f64], thousandths: usize) -> f64 {
    let index = (sorted.len() * thousandths).div_ceil(1_000).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_numbers() {
        let numbers: Vec<f64> = (1..=1_000).map(f64::from).collect();
        assert!((quantile(&numbers, 500) - 500.0).abs() < 0.1);
        assert!((quantile(&numbers, 990) - 990.0).abs() < 0.1);
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 0.1);
    }

    #[test]
    fn an_unknown_engine_is_refused() {
        let arguments = ["--engines", "bare,storm"].map(str::to_owned);
        assert!(Order::parse(&arguments).is_err());
    }
}
