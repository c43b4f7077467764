//! `generate FAMILY SEED FILE`: writes a recording of one outage, and `FILE.truth.json` beside it.
//!
//! `generate bad_config 7 deploy/demo/recording.jsonl` is the demo.

use anyhow::{Context, Result, bail};
use bench::scenario::{Family, generate};

/// Tenant of the recording.
const TENANT: &str = "shop";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [family, seed, path] = arguments.as_slice() else { bail!("usage: generate FAMILY SEED FILE") };
    let names: Vec<&str> = Family::ALL.iter().map(|family| family.name()).collect();
    let family = Family::ALL.into_iter().find(|known| known.name() == family);
    let family = family.with_context(|| format!("unknown family; use one of {}", names.join(", ")))?;
    let scenario = generate(family, seed.parse().context("the seed is a whole number")?);
    std::fs::write(path, scenario.recording(TENANT)).with_context(|| format!("write {path}"))?;
    let truth = serde_json::to_string_pretty(&scenario.truth)?;
    let beside = format!("{path}.truth.json");
    std::fs::write(&beside, truth).with_context(|| format!("write {beside}"))?;
    eprintln!("{} records", scenario.records.len());
    Ok(())
}
