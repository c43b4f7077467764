//! `generator N [SEED] [--verbose]`: accuracy on N generated recordings of each fault family, and as many quiet ones as
//! there are recordings of faults in four families. The last line is one JSON document.

use std::io::Write;

use anyhow::{Context, Result, bail};
use bench::generated::{Judged, judge, summary};
use bench::scenario::Family;

/// Quiet recordings for each seed.
const QUIET: u64 = 4;

fn main() -> Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.last().is_some_and(|last| last == "--verbose");
    arguments.truncate(arguments.len() - usize::from(verbose));
    let (n, seed) = match arguments.as_slice() {
        [n] => (n, "1"),
        [n, seed] => (n, seed.as_str()),
        _ => bail!("usage: generator N [SEED] [--verbose]"),
    };
    let n: u64 = n.parse().context("N is a whole number")?;
    let seed: u64 = seed.parse().context("the seed is a whole number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut judged = Vec::new();
    for number in 0..n {
        for family in Family::ALL {
            judged.push(runtime.block_on(judge(Some(family), seed + number))?);
            tell(judged.last(), verbose);
        }
        for quiet in 0..QUIET {
            judged.push(runtime.block_on(judge(None, (seed + number) * QUIET + quiet))?);
            tell(judged.last(), verbose);
        }
    }
    Ok(writeln!(std::io::stdout(), "{}", summary(&judged))?)
}

fn tell(judged: Option<&Judged>, verbose: bool) {
    let Some(judged) = judged.filter(|_| verbose) else { return };
    eprintln!(
        "{} seed {}: rank {:?}, first {:?}, links {:?}, alerts {:?}",
        judged.family, judged.seed, judged.rank, judged.first, judged.links, judged.alerts
    );
    judged.wrong.iter().for_each(|link| eprintln!("  link {link}"));
    judged.false_alerts.iter().for_each(|alert| eprintln!("  alert {alert}"));
}
