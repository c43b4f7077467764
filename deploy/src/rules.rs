//! `kgroot rules`: what this binary believes.

use anyhow::Result;
use schemas::catalogue::Catalogue;

use crate::cli::{RulesAction, RulesOptions};
use crate::output::line;

/// Runs the command. The catalogue was checked when the binary was built; loading it checks it again.
pub fn run(options: &RulesOptions) -> Result<()> {
    let catalogue = Catalogue::built_in();
    match options.action {
        RulesAction::Check => line(&format!(
            "{} kinds and {} rules are consistent",
            catalogue.kinds().count(),
            catalogue.rules().count()
        )),
        RulesAction::List => catalogue.rules().try_for_each(|(_, rule)| {
            let paths: Vec<String> = rule.paths.iter().map(ToString::to_string).collect();
            line(&format!(
                "{:<5} v{} {:>3} {:>9} s  {}  [{}]",
                rule.id,
                rule.version,
                rule.strength,
                rule.window_ms / 1_000,
                rule.title,
                paths.join(" | ")
            ))
        }),
    }
}
