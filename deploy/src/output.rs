//! What is printed: data to stdout, for people or for programs.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use comfy_table::Table;
use schemas::answer::Answer;
use schemas::view::{AlertRow, IncidentRow};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Output;

/// Ruled-out candidates shown to people; programs get all.
const RULED_OUT_SHOWN: usize = 8;

/// Writes a line to stdout. A reader that has gone away (`| head`) is not an error.
pub fn line(text: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// One JSON document.
pub fn json(value: &impl Serialize, output: Output) -> Result<()> {
    let text = if output == Output::Ndjson {
        serde_json::to_string(value)?
    } else {
        serde_json::to_string_pretty(value)?
    };
    line(&text)
}

/// Rows of any view as a table: a column for each field that is not a list or an object.
pub fn rows(rows: &[Value]) -> Result<()> {
    let plain = |value: &Value| !value.is_object() && !value.is_array();
    let fields = rows.iter().filter_map(Value::as_object).flatten();
    let columns: BTreeSet<&String> =
        fields.filter(|(_, value)| plain(value) && !value.is_null()).map(|(name, _)| name).collect();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(columns.iter().map(|name| name.to_ascii_uppercase()));
    for row in rows {
        let cell = |name: &&String| match &row[name.as_str()] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            value if plain(value) => value.to_string(),
            _ => String::new(),
        };
        table.add_row(columns.iter().map(cell));
    }
    line(&table.to_string())
}

/// Incidents as a table.
pub fn incidents(incidents: &[Arc<IncidentRow>]) -> Result<()> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["INCIDENT", "STATUS", "SEVERITY", "STARTED", "EPISODES", "CONFIDENCE", "ROOT CAUSE"]);
    for incident in incidents {
        let confidence = incident.hypotheses.first().map_or(0, |first| first.confidence_milli / 10);
        table.add_row([
            incident.incident_id.to_string(),
            incident.status.to_string(),
            incident.severity.to_string(),
            incident.started_at.to_string(),
            incident.episodes.to_string(),
            format!("{confidence} %"),
            incident.title.clone(),
        ]);
    }
    line(&table.to_string())
}

/// An answer as one reads it at three in the morning: the cause first, then why.
pub fn answer(answer: &Answer, alerts: &[Arc<AlertRow>]) -> Result<()> {
    line(&format!("\n{}\n", answer.summary))?;
    let Some(first) = answer.hypotheses.first() else { return Ok(()) };
    line(&format!(
        "confidence {:.0} %   incident {}   as of epoch {}\n",
        first.confidence * 100.0,
        first.incident_id,
        answer.as_of.epoch
    ))?;
    if let Some(link) = first.chain.first() {
        line(&format!("  {}  {} on {}", link.cause.onset, link.cause.kind, link.cause.entity))?;
    }
    for link in &first.chain {
        line(&format!("    └─ {:>6.1} s  {:<6} via {}", seconds(link.lag_ms), link.rule, link.relation))?;
        line(&format!("  {}  {} on {}", link.effect.onset, link.effect.kind, link.effect.entity))?;
    }
    line("\nevidence")?;
    for item in &first.evidence {
        line(&format!("  {}  {:<12} {}  [{}]", item.at, item.source, item.summary, item.event_id))?;
    }
    if 1 < answer.hypotheses.len() {
        line("\nother hypotheses")?;
    }
    for other in answer.hypotheses.iter().skip(1) {
        line(&format!("  {}. {:.0} %  {}", other.rank, other.confidence * 100.0, other.root_cause.summary))?;
    }
    line("\nruled out")?;
    for ruled_out in answer.ruled_out.iter().take(RULED_OUT_SHOWN) {
        line(&format!("  {}: {}", ruled_out.candidate, ruled_out.reason))?;
    }
    if RULED_OUT_SHOWN < answer.ruled_out.len() {
        line(&format!("  … and {} more (--output json)", answer.ruled_out.len() - RULED_OUT_SHOWN))?;
    }
    advice(answer)?;
    for missing in &answer.missing {
        line(&format!("missing  {}: {}", missing.source, missing.why))?;
    }
    for alert in alerts {
        line(&format!(
            "alert    {} {} since {}: {}",
            alert.status, alert.severity, alert.raised_at, alert.title
        ))?;
    }
    let usd = answer.cost.llm_usd + answer.cost.api_usd;
    line(&format!("\n{} agents, {:.1} ms, ${usd}", answer.plan.agents_selected.len(), answer.latency_ms))
}

/// What to do, what tools returned, and what was alike.
fn advice(answer: &Answer) -> Result<()> {
    if let Some(runbook) = &answer.runbook {
        line(&format!("\nwhat to do: {}", runbook.title))?;
        for (number, step) in (1..).zip(&runbook.steps) {
            line(&format!("  {number}. {}", step.text))?;
            if let Some(command) = &step.command {
                line(&format!("     $ {command}"))?;
            }
        }
    }
    let asked = answer.agent_results.iter().flat_map(|result| &result.findings);
    for finding in asked.filter(|finding| !finding.calls.is_empty()) {
        line(&format!("tool     {}: {}", finding.kind, finding.detail))?;
    }
    for case in &answer.similar {
        let ended =
            case.resolution.as_ref().map(|text| format!("; it ended with: {text}")).unwrap_or_default();
        line(&format!(
            "alike    {} % {} {}{ended}",
            case.similarity_milli / 10,
            case.incident_id,
            case.title
        ))?;
    }
    Ok(())
}

fn seconds(ms: i64) -> f64 {
    // Lags are far below what a double holds exactly.
    ms as f64 / 1_000.0
}
