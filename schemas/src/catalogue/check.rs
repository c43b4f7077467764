//! Checks of the catalogue data. Free of this crate's types, because `build.rs` runs the same file.

use std::collections::{BTreeMap, BTreeSet};

/// One line of a kinds file: class, layer, severity, prior, title.
pub(super) type RawKind = (String, String, String, u8, String);

/// One entry of a rules file.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) id: String,
    #[serde(default = "first_version")]
    pub(super) version: u32,
    pub(super) cause: Vec<String>,
    pub(super) effect: Vec<String>,
    pub(super) path: Vec<String>,
    pub(super) window: String,
    pub(super) strength: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) against_order: Option<String>,
}

fn first_version() -> u32 {
    1
}

/// Classes of kinds.
pub(super) const CLASSES: [&str; 6] = ["change", "state", "symptom", "alert", "anomaly", "context"];
/// Layers, causes before effects.
pub(super) const LAYERS: [&str; 7] =
    ["change", "control_plane", "node", "pod", "endpoint", "request", "user"];
/// Severities, mild before bad.
pub(super) const SEVERITIES: [&str; 5] = ["debug", "info", "warning", "error", "critical"];
/// How near-certain a mechanism is, in hundredths.
pub(super) const STRENGTHS: [(&str, u8); 4] = [("strong", 90), ("medium", 60), ("weak", 30), ("faint", 15)];
/// The rules of the field that the catalogue accounts for: R01 to R72.
const RULES: u32 = 72;

/// Why the catalogue data is refused: file or id, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(unreachable_pub)] // Public in the crate; private in build.rs, which includes this file.
pub struct CatalogueError(pub String);

impl std::fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CatalogueError {}

/// Parses the kinds files, given as (name, text), into one map.
pub(super) fn parse_kinds(files: &[(&str, &str)]) -> Result<BTreeMap<String, RawKind>, CatalogueError> {
    let mut all = BTreeMap::new();
    for (file, text) in files {
        let kinds: BTreeMap<String, RawKind> =
            serde_saphyr::from_str(text).map_err(|error| CatalogueError(format!("{file}: {error}")))?;
        for (id, kind) in kinds {
            if all.insert(id.clone(), kind).is_some() {
                return Err(CatalogueError(format!("{file}: kind {id} is defined twice; remove one")));
            }
        }
    }
    Ok(all)
}

/// Parses the rules files, given as (name, text), in order.
pub(super) fn parse_rules(files: &[(&str, &str)]) -> Result<Vec<RawRule>, CatalogueError> {
    let mut all = Vec::new();
    for (file, text) in files {
        let rules: Vec<RawRule> =
            serde_saphyr::from_str(text).map_err(|error| CatalogueError(format!("{file}: {error}")))?;
        all.extend(rules);
    }
    Ok(all)
}

/// Checks kinds and rules against each other.
pub(super) fn check(kinds: &BTreeMap<String, RawKind>, rules: &[RawRule]) -> Result<(), CatalogueError> {
    for (id, (class, layer, severity, prior, _)) in kinds {
        known(id, "class", class, &CLASSES)?;
        known(id, "layer", layer, &LAYERS)?;
        known(id, "severity", severity, &SEVERITIES)?;
        if 100 < *prior {
            return Err(CatalogueError(format!("kind {id}: prior {prior} is over 100")));
        }
    }
    let mut ids = BTreeSet::new();
    for rule in rules {
        if !ids.insert(rule.id.as_str()) {
            return Err(CatalogueError(format!("rule {} is defined twice; give one a suffix", rule.id)));
        }
        check_rule(kinds, rule)?;
    }
    check_opposites(rules)?;
    check_complete(&ids)
}

fn known(id: &str, what: &str, value: &str, allowed: &[&str]) -> Result<(), CatalogueError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(CatalogueError(format!("kind {id}: unknown {what} {value:?}; use one of {}", allowed.join(", "))))
}

/// One rule by itself.
pub(super) fn check_rule(kinds: &BTreeMap<String, RawKind>, rule: &RawRule) -> Result<(), CatalogueError> {
    let id = &rule.id;
    let refuse = |problem: String| Err(CatalogueError(format!("rule {id}: {problem}")));
    if rule.cause.is_empty() || rule.effect.is_empty() || rule.path.is_empty() {
        return refuse("cause, effect and path need at least one entry each".to_owned());
    }
    if !STRENGTHS.iter().any(|(name, _)| *name == rule.strength) {
        return refuse(format!("unknown strength {:?}; use strong, medium, weak or faint", rule.strength));
    }
    for cause in &rule.cause {
        for effect in &rule.effect {
            let (Some(from), Some(to)) = (kinds.get(cause), kinds.get(effect)) else {
                let missing = if kinds.contains_key(cause) { effect } else { cause };
                return refuse(format!("kind {missing} does not exist; add it to data/kinds"));
            };
            if from.0 == "context" || to.0 == "context" {
                return refuse(format!("{cause} or {effect} is of class context, which explains nothing"));
            }
            let position = |layer: &String| LAYERS.iter().position(|known| known == layer);
            if position(&to.1) < position(&from.1) && rule.against_order.is_none() {
                return refuse(format!(
                    "{cause} lies in a later layer than {effect}; state why in against_order"
                ));
            }
            if cause == effect && rule.path.iter().any(|path| path == "self") {
                return refuse(format!("{cause} would cause itself on one entity"));
            }
        }
    }
    Ok(())
}

/// No pair of kinds in both directions along the same way, unless one of the rules says why.
pub(super) fn check_opposites(rules: &[RawRule]) -> Result<(), CatalogueError> {
    let mut pairs: BTreeMap<(&str, &str), &RawRule> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.path.iter().any(|path| path == "self")) {
        for cause in &rule.cause {
            for effect in &rule.effect {
                pairs.insert((cause, effect), rule);
            }
        }
    }
    for ((cause, effect), rule) in &pairs {
        let Some(opposite) = pairs.get(&(*effect, *cause)) else { continue };
        if cause != effect && rule.against_order.is_none() && opposite.against_order.is_none() {
            let (one, other) = (&rule.id, &opposite.id);
            return Err(CatalogueError(format!(
                "rules {one} and {other} make {cause} and {effect} cause each other; state why in against_order"
            )));
        }
    }
    Ok(())
}

fn check_complete(ids: &BTreeSet<&str>) -> Result<(), CatalogueError> {
    for number in 1..=RULES {
        let id = format!("R{number:02}");
        if !ids.contains(id.as_str()) {
            return Err(CatalogueError(format!(
                "rule {id} is missing; add it, or its reason to docs/rules.md"
            )));
        }
    }
    Ok(())
}
