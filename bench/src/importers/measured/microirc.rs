//! MicroIRC: Bookinfo, one sample every five seconds.
//!
//! What was changed meanwhile is no part of a case. Envelopes in its folder, in `changes.jsonl`, are fed with it: whoever knows
//! the scalings can see whether they are taken for causes.

use std::path::Path;

use anyhow::{Context, Result};
use schemas::answer::TimeWindow;
use schemas::time::EventTime;
use serde_json::json;

use super::{Case, Told, series, spoken, table};

pub(super) fn read(folder: &Path, case: &Case) -> Result<Told> {
    let folder = folder.join("cases").join(&case.case);
    let mut told = Vec::new();
    for file in ["svc_metric", "latency", "call", "svc_qps", "success_rate"] {
        let path = folder.join(format!("{file}.csv"));
        let table = table(&path, 1, "timestamp", spoken)?;
        for (place, column) in table.columns.iter().enumerate() {
            let Some(labels) = labels(file, column) else { continue };
            let points = table.rows.iter().map(|(at, values)| (*at, values.get(place).copied().flatten()));
            // A deployment that does not exist is written as zeros.
            if points.clone().any(|(_, value)| value.is_some_and(|value| value != 0.0)) {
                told.push(series(labels, points));
            }
        }
    }
    let time = |text: &Option<String>| -> Result<EventTime> {
        EventTime::parse(text.as_deref().context("a case without its times")?).context("a time of a case")
    };
    let window = TimeWindow { from: time(&case.start_ts)?, to: time(&case.end_ts)? };
    let changes = folder.join("changes.jsonl");
    let text = if changes.is_file() { std::fs::read_to_string(&changes)? } else { String::new() };
    let envelopes = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    let envelopes = envelopes.with_context(|| format!("parse {}", changes.display()))?;
    Ok(Told { series: told, envelopes, window })
}

fn labels(file: &str, column: &str) -> Option<serde_json::Value> {
    let (of, what) = column.split_once('&').unwrap_or((column, ""));
    let named = |metric: &str| json!({"__name__": metric, "service": of});
    match (file, what) {
        (_, "") if column == "timestamp" => None,
        ("svc_metric", "cpu_usage") => Some(named("container_cpu_usage")),
        ("svc_metric", "mem_usage") => Some(named("container_memory_usage")),
        ("svc_metric", "net_receive") => Some(named("container_network_receive")),
        ("svc_metric", "net_trainsmit") => Some(named("container_network_transmit")),
        ("svc_metric", _) => None,
        ("latency", percentile) => Some(named(&format!("request_duration_{percentile}"))),
        ("call", percentile) => {
            let (caller, callee) = of.split_once('_')?;
            let metric = format!("request_duration_{percentile}");
            Some(json!({"__name__": metric, "source_workload": caller, "destination_workload": callee}))
        }
        ("svc_qps", _) => Some(named("request_qps")),
        ("success_rate", _) => Some(named("request_success_ratio")),
        _ => None,
    }
}
