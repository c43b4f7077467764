//! From the data files to the catalogue.

use std::collections::BTreeMap;

use super::check::{CatalogueError, RawKind, RawRule, STRENGTHS, check, parse_kinds, parse_rules};
use super::{Catalogue, Kind, KindSpec, Path, RuleSpec, Rules, Scope, files};
use crate::time::parse_duration_ms;

/// The catalogue of the data files in this binary.
pub(super) fn built_in() -> Result<Catalogue, CatalogueError> {
    load(&files::KINDS, &files::RULES)
}

/// The built-in rules as they are written, by id.
pub(super) fn built_in_rules() -> Result<BTreeMap<String, RawRule>, CatalogueError> {
    let rules = parse_rules(&files::RULES)?;
    Ok(rules.into_iter().map(|rule| (rule.id.clone(), rule)).collect())
}

/// The built-in kinds as they are written.
pub(super) fn built_in_kinds() -> Result<BTreeMap<String, RawKind>, CatalogueError> {
    parse_kinds(&files::KINDS)
}

/// A catalogue from the text of its files.
fn load(kinds: &[(&str, &str)], rules: &[(&str, &str)]) -> Result<Catalogue, CatalogueError> {
    let raw_kinds = parse_kinds(kinds)?;
    let raw_rules = parse_rules(rules)?;
    check(&raw_kinds, &raw_rules)?;
    let mut by_id = BTreeMap::new();
    let mut specs = Vec::with_capacity(raw_kinds.len());
    for ((id, raw), index) in raw_kinds.into_iter().zip(0u16..) {
        by_id.insert(id.clone(), Kind(index));
        specs.push(kind(id, raw)?);
    }
    let rules: Vec<RuleSpec> =
        raw_rules.into_iter().map(|raw| rule(raw, |id| by_id.get(id).copied())).collect::<Result<_, _>>()?;
    Ok(Catalogue { kinds: specs, by_id, rules: Rules::new(rules) })
}

fn kind(id: String, (class, layer, severity, prior, title): RawKind) -> Result<KindSpec, CatalogueError> {
    let explain = |problem: String| CatalogueError(format!("kind {id}: {problem}"));
    let (class, layer, severity) = (
        class.parse().map_err(explain)?,
        layer.parse().map_err(explain)?,
        severity.parse().map_err(explain)?,
    );
    Ok(KindSpec { id, class, layer, severity, prior, title })
}

/// A rule that was checked.
pub(super) fn rule(raw: RawRule, kind: impl Fn(&str) -> Option<Kind>) -> Result<RuleSpec, CatalogueError> {
    let explain = |problem: String| CatalogueError(format!("rule {}: {problem}", raw.id));
    // The check has seen that every kind exists.
    let kinds = |ids: &[String]| ids.iter().filter_map(|id| kind(id)).collect();
    let paths: Result<Vec<Path>, String> = raw.path.iter().map(|path| path.parse()).collect();
    let strength = STRENGTHS.iter().find(|(name, _)| *name == raw.strength).map_or(0, |(_, value)| *value);
    Ok(RuleSpec {
        version: raw.version,
        causes: kinds(&raw.cause),
        effects: kinds(&raw.effect),
        paths: paths.map_err(explain)?,
        window_ms: parse_duration_ms(&raw.window).map_err(|error| explain(error.to_string()))?,
        strength,
        id: raw.id.into(),
        title: raw.title,
        against_order: raw.against_order,
        scope: Scope::All,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::check::{CLASSES, LAYERS, SEVERITIES};
    use crate::catalogue::{Class, Layer};
    use crate::envelope::Severity;

    const KINDS: &str = "a.edit: [change, change, info, 50, an edit]\nb.down: [symptom, pod, error, 10, down]\nc.note: [context, pod, info, 0, note]\n";

    fn refused(rules: &str) -> String {
        let Err(error) = load(&[("kinds", KINDS)], &[("rules", rules)]) else { panic!("accepted: {rules}") };
        error.to_string()
    }

    #[test]
    fn the_built_in_catalogue_loads() {
        let catalogue = built_in().unwrap();
        assert!(72 <= catalogue.rules().count());
        assert_eq!(Kind::named("k8s.pod.OOMKilled").spec().class, Class::Symptom);
    }

    #[test]
    fn the_names_that_the_check_knows_are_those_of_the_types() {
        assert_eq!(
            CLASSES.map(str::to_owned).to_vec(),
            Class::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        assert_eq!(
            LAYERS.map(str::to_owned).to_vec(),
            Layer::ALL.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
        let severities = Severity::ALL.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(SEVERITIES.map(str::to_owned).to_vec(), severities);
    }

    #[test]
    fn a_rule_with_an_unknown_kind_is_refused() {
        let rule = "- {id: R01, cause: [a.edit], effect: [b.gone], path: [self], window: 1m, strength: weak, title: t}";
        assert!(refused(rule).contains("kind b.gone does not exist"));
    }

    #[test]
    fn a_reversed_rule_needs_a_reason() {
        let rule = "- {id: R01, cause: [b.down], effect: [a.edit], path: [self], window: 1m, strength: weak, title: t}";
        assert!(refused(rule).contains("against_order"));
    }

    #[test]
    fn a_missing_rule_number_is_refused() {
        let rule = "- {id: R01, cause: [a.edit], effect: [b.down], path: [self], window: 1m, strength: weak, title: t}";
        assert!(refused(rule).contains("rule R02 is missing"));
    }

    #[test]
    fn context_is_never_a_cause() {
        let rule = "- {id: R01, cause: [c.note], effect: [b.down], path: [self], window: 1m, strength: weak, title: t}";
        assert!(refused(rule).contains("class context"));
    }

    #[test]
    fn an_unknown_key_of_a_rule_is_refused() {
        let rule = "- {id: R01, cause: [a.edit], effect: [b.down], path: [self], windw: 1m, strength: weak, title: t}";
        assert!(refused(rule).contains("windw"));
    }

    #[test]
    fn a_kind_defined_twice_is_refused() {
        let Err(error) = load(&[("one", KINDS), ("two", KINDS)], &[]) else { panic!("accepted") };
        assert!(error.to_string().contains("defined twice"));
    }
}
