//! `kgroot rules`: what this binary believes, and what a rules file makes of it.

use std::path::Path;

use anyhow::Result;
use schemas::catalogue::{Catalogue, RuleSpec, Rules, Scope};

use crate::cli::{RulesAction, RulesOptions};
use crate::exit::{Cause, Failure};
use crate::output::line;
use crate::preview;

/// Runs the command. The catalogue was checked when the binary was built; loading it checks it again.
pub async fn run(options: &RulesOptions) -> Result<()> {
    match &options.action {
        RulesAction::Check { file } => check(file.as_deref()),
        RulesAction::List { file } => list(file.as_deref()),
        RulesAction::Kinds => Catalogue::built_in().kinds().try_for_each(|(_, spec)| {
            line(&format!(
                "{:<44} {:<8} {:<13} {}",
                spec.id,
                spec.class.as_str(),
                spec.layer.as_str(),
                spec.title
            ))
        }),
        RulesAction::Preview(options) => preview::run(options).await,
    }
}

/// The rules that a file comes to, with the built-in ones.
pub fn read(file: &Path) -> Result<Rules> {
    let bad = |line: String| Failure::of(Cause::Config, line);
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| bad(format!("rules file {name}: {error}; check the path")))?;
    Rules::with_file(&name, &text).map_err(|error| bad(error.to_string()))
}

/// The rules of a configuration, which names a file or none.
pub fn configured(file: &str) -> Result<Rules> {
    resolved(Some(file).filter(|file| !file.is_empty()).map(Path::new))
}

fn resolved(file: Option<&Path>) -> Result<Rules> {
    file.map_or_else(|| Ok(Rules::built_in()), read)
}

fn check(file: Option<&Path>) -> Result<()> {
    let (kinds, rules) = (Catalogue::built_in().kinds().count(), resolved(file)?);
    line(&format!("{kinds} kinds and {} rules are consistent", rules.count()))
}

fn list(file: Option<&Path>) -> Result<()> {
    resolved(file)?.iter().try_for_each(|(_, rule)| {
        let paths: Vec<String> = rule.paths.iter().map(ToString::to_string).collect();
        line(&format!(
            "{:<5} v{} {:>3} {:>9} s  {}  [{}]{}",
            rule.id,
            rule.version,
            rule.strength,
            rule.window_ms / 1_000,
            rule.title,
            paths.join(" | "),
            whose(rule)
        ))
    })
}

fn whose(rule: &RuleSpec) -> String {
    let (word, tenants) = match &rule.scope {
        Scope::All => return String::new(),
        Scope::Only(tenants) => ("for", tenants),
        Scope::Except(tenants) => ("not for", tenants),
    };
    let names: Vec<&str> = tenants.values().map(|tenant| tenant.as_str()).collect();
    format!("  {word} {}", names.join(", "))
}
