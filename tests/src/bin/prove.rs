//! `cargo prove CHECK [--n N] [--seed S] [--first]`: tries a promise of the engine on many seeds; `--first` ends at the first
//! failure.
//!
//! Failures go to standard error, each with the seed that shows it again; the last line on standard output is one JSON
//! document. Exits 0 only when nothing failed.

use std::io::Write;
use std::process::ExitCode;

use tests::prove::{
    Cases, Report, bitflips, budgets, cluster, dead_store, dialogues, failpoints, faults, histories,
    injected, investigations, kills, manipulated, mutants, noisy_tenant, simulate, sinks, volume,
};

/// Name, how many cases by default, and the check.
const CHECKS: [(&str, u64, fn(Cases) -> Report); 17] = [
    ("histories", 500, histories::prove),
    ("simulate", 200, simulate::prove),
    ("failpoints", 1, failpoints::prove),
    ("bitflips", 65_536 * 8, bitflips::prove),
    ("kills", 60, kills::prove),
    ("faults", 40, faults::prove),
    ("mutants", u64::MAX, mutants::prove),
    ("cluster", 20, cluster::prove),
    ("noisy-tenant", 5, noisy_tenant::prove),
    ("sinks", 30, sinks::prove),
    ("volume", 300_000, volume::prove),
    ("dead-store", 600, dead_store::prove),
    ("investigations", 10, investigations::prove),
    ("dialogues", 10_000, dialogues::prove),
    ("injected", 629, injected::prove),
    ("manipulated", 10, manipulated::prove),
    ("budgets", 10_000, budgets::prove),
];

fn main() -> ExitCode {
    match parse() {
        Ok((check, cases)) => run(check, cases),
        Err(line) => {
            eprintln!("{line}");
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<(fn(Cases) -> Report, Cases), String> {
    let names: Vec<&str> = CHECKS.iter().map(|(name, ..)| *name).collect();
    let usage = format!("usage: cargo prove {} [--n N] [--seed S] [--first]", names.join("|"));
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or_else(|| usage.clone())?;
    let (_, n, check) = CHECKS.iter().find(|(known, ..)| *known == name).ok_or_else(|| usage.clone())?;
    let mut cases = Cases { n: *n, ..Cases::default() };
    while let Some(option) = arguments.next() {
        if option == "--first" {
            cases.first = true;
            continue;
        }
        let value = arguments.next().and_then(|value| value.parse().ok()).ok_or_else(|| usage.clone())?;
        match option.as_str() {
            "--n" => cases.n = value,
            "--seed" => cases.seed = value,
            _ => return Err(usage),
        }
    }
    Ok((*check, cases))
}

fn run(check: fn(Cases) -> Report, cases: Cases) -> ExitCode {
    let report = check(cases);
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    let written = writeln!(std::io::stdout(), "{}", report.document());
    if report.failures.is_empty() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
