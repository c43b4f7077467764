//! A difference for people.

use anyhow::Result;

use super::diff::{Difference, IncidentChange, Side};
use crate::output::line;

/// Incidents shown to people; programs get more.
const SHOWN_MAX: usize = 40;

/// Prints it.
pub(super) fn table(difference: &Difference) -> Result<()> {
    let Difference { records, rules, incidents, alerts, changes, links } = difference;
    let rules: Vec<String> = rules.iter().map(|rule| format!("{} {}", rule.rule, rule.change)).collect();
    let rules = if rules.is_empty() { "none".to_owned() } else { rules.join(", ") };
    line(&format!("rules that differ: {rules}"))?;
    line(&format!("history: {records} records"))?;
    for (name, counts) in [("incidents", incidents), ("alerts", alerts)] {
        line(&format!(
            "{name}: {} by the present rules, {} by the proposed ones, {} differ",
            counts.present, counts.proposed, counts.differ
        ))?;
    }
    for change in changes.iter().take(SHOWN_MAX) {
        line("")?;
        incident(change)?;
    }
    if SHOWN_MAX < incidents.differ {
        line(&format!("\n… and {} more; --output json lists a thousand", incidents.differ - SHOWN_MAX))?;
    }
    if !links.is_empty() {
        line("\nlinks by rule")?;
    }
    for (rule, change) in links {
        line(&format!(
            "  {rule:<10} {} gained, {} lost, {} of another strength",
            change.gained, change.lost, change.strength
        ))?;
        change.examples.iter().try_for_each(|example| line(&format!("    {example}")))?;
    }
    Ok(())
}

fn incident(change: &IncidentChange) -> Result<()> {
    let what = match change.change {
        "appears" => "appears",
        "vanishes" => "vanishes",
        "first" => "has another first hypothesis",
        "order" => "has its hypotheses in another order",
        _ => "has other confidences or another size",
    };
    let part = change.part_of.map(|id| format!("; its episodes are part of {id}")).unwrap_or_default();
    let IncidentChange { incident_id, tenant, started_at, .. } = change;
    line(&format!("{incident_id} ({tenant}, {started_at}) {what}{part}"))?;
    for (sign, side) in [('-', &change.present), ('+', &change.proposed)] {
        if let Some(side) = side {
            line(&format!("  {sign} {}", described(side)))?;
        }
    }
    Ok(())
}

fn described(side: &Side) -> String {
    let hypotheses: Vec<String> = side
        .hypotheses
        .iter()
        .take(3)
        .map(|(kind, entity, confidence)| {
            format!("{kind} on {entity} {:.2}", f64::from(*confidence) / 1_000.0)
        })
        .collect();
    let alert = if side.alert { "alert" } else { "no alert" };
    format!("{} episodes, {alert}: {}", side.episodes, hypotheses.join(" > "))
}
