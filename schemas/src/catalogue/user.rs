//! A user's rules file: entries that add a rule, change a built-in one, or remove it; for all tenants or for some.
//!
//! Pure. An entry whose id is built in is that rule with the fields that the entry names; any other is a new rule and
//! names all of them. Every problem is told with file, rule, field and what to do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::check::{CatalogueError, RawRule, STRENGTHS, check_opposites, check_rule};
use super::rules::{Rules, Scope};
use super::{Catalogue, Path, RuleSpec, source};
use crate::entity::RelationKind;
use crate::ids::{Tenant, TenantId};
use crate::time::parse_duration_ms;

/// Bytes of a file.
const FILE_BYTES_MAX: usize = 1 << 20;
/// Entries of a file.
const ENTRIES_MAX: usize = 500;
/// Paths of a rule.
const PATHS_MAX: usize = 16;
/// Edges of a path with its stars written out; the longest that is built in.
const EDGES_MAX: usize = 6;
/// Different beginnings of paths, over all rules: each is a step that some effect may walk.
const PREFIXES_MAX: usize = 4_096;
/// Tenants of an entry.
const TENANTS_MAX: usize = 1_000;
/// The longest window, as that of the built-in rules: events live so long.
const WINDOW_MS_MAX: i64 = 90 * 86_400_000;
/// Letters of an id and of a title.
const ID_CHARS_MAX: usize = 40;
const TITLE_CHARS_MAX: usize = 200;

/// One entry, as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    enabled: Option<bool>,
    tenants: Option<Vec<String>>,
    version: Option<u32>,
    cause: Option<Vec<String>>,
    effect: Option<Vec<String>>,
    path: Option<Vec<String>>,
    window: Option<String>,
    strength: Option<String>,
    title: Option<String>,
    against_order: Option<String>,
}

/// What is wrong with a field of an entry, and what to do.
type Problem = (&'static str, String);

/// The built-in rules with what a file says.
pub(super) fn resolve(name: &str, text: &str) -> Result<Rules, CatalogueError> {
    let file = |problem: String| CatalogueError(format!("{name}: {problem}"));
    let entries = parse(text).map_err(&file)?;
    let built_in = source::built_in_rules()?;
    let mut raws: Vec<(RawRule, Scope)> = Vec::new();
    let mut carved: BTreeMap<&str, BTreeMap<Tenant, TenantId>> = BTreeMap::new();
    let mut replaced: BTreeSet<&str> = BTreeSet::new();
    for entry in &entries {
        let told = |(field, problem): Problem| file(format!("rule {}: {field}: {problem}", entry.id));
        let tenants = tenants(entry).map_err(told)?;
        let known = carved.entry(&entry.id).or_default();
        let twice = tenants.as_ref().map_or(replaced.contains(entry.id.as_str()), |tenants| {
            tenants.keys().any(|tenant| known.contains_key(tenant))
        });
        if twice {
            let whose = if tenants.is_some() { " for one tenant" } else { "" };
            return Err(told(("id", format!("the file has it twice{whose}; keep one entry"))));
        }
        let base = built_in.get(&entry.id);
        let raw = merged(entry, base).map_err(told)?;
        let scope = match tenants {
            Some(tenants) => {
                known.extend(tenants.clone());
                Scope::Only(tenants)
            }
            None => {
                replaced.insert(&entry.id);
                Scope::All
            }
        };
        raws.extend(raw.map(|raw| (raw, scope)));
    }
    raws.extend(
        built_in
            .iter()
            .filter(|(id, _)| !replaced.contains(id.as_str()))
            .map(|(_, raw)| (raw.clone(), Scope::All)),
    );
    for (raw, scope) in &mut raws {
        let others = carved.get(raw.id.as_str()).filter(|others| !others.is_empty());
        if let (Scope::All, Some(others)) = (&scope, others) {
            *scope = Scope::Except(others.clone());
        }
    }
    build(raws).map_err(|error| file(error.0))
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    if FILE_BYTES_MAX < text.len() {
        return Err(format!("{} bytes; a rules file has at most {FILE_BYTES_MAX}", text.len()));
    }
    let list: Vec<Value> = serde_saphyr::from_str(text)
        .map_err(|error| format!("{error}; write a list of rules, such as - {{id: R28, strength: weak}}"))?;
    if ENTRIES_MAX < list.len() {
        return Err(format!("{} entries; a rules file has at most {ENTRIES_MAX}", list.len()));
    }
    let entry = |(place, value): (usize, Value)| {
        let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
        let whose = id.map_or_else(|| format!("entry {place}"), |id| format!("rule {id}"));
        let entry: Entry = serde_json::from_value(value)
            .map_err(|error| format!("{whose}: {error}; see docs/rules.md for the fields"))?;
        Ok(entry)
    };
    (1..).zip(list).map(entry).collect()
}

fn tenants(entry: &Entry) -> Result<Option<BTreeMap<Tenant, TenantId>>, Problem> {
    let Some(names) = &entry.tenants else { return Ok(None) };
    if names.is_empty() || TENANTS_MAX < names.len() {
        let problem = format!("{} of them; name 1 to {TENANTS_MAX}, or leave it out for all", names.len());
        return Err(("tenants", problem));
    }
    let tenant = |name: &String| {
        let tenant: TenantId = name.parse().map_err(|error| ("tenants", format!("{error}")))?;
        Ok((tenant.key(), tenant))
    };
    names.iter().map(tenant).collect::<Result<_, Problem>>().map(Some)
}

/// The rule that an entry comes to; `None` if it removes one.
fn merged(entry: &Entry, base: Option<&RawRule>) -> Result<Option<RawRule>, Problem> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if entry.id.is_empty() || ID_CHARS_MAX < entry.id.len() || !entry.id.chars().all(letters) {
        return Err(("id", format!("use 1 to {ID_CHARS_MAX} of letters, digits, '.', '_' and '-'")));
    }
    if entry.enabled == Some(false) {
        let unknown = || ("enabled", "no built-in rule has this id; see kgroot rules list".to_owned());
        return base.map(|_| None).ok_or_else(unknown);
    }
    let missing = |field: &'static str| {
        (
            field,
            "missing; a rule that is not built in names cause, effect, path, window, strength, title"
                .to_owned(),
        )
    };
    let list = |field, given: &Option<Vec<String>>, base: Option<&Vec<String>>| {
        given.clone().or_else(|| base.cloned()).ok_or_else(|| missing(field))
    };
    let text = |field, given: &Option<String>, base: Option<&String>| {
        given.clone().or_else(|| base.cloned()).ok_or_else(|| missing(field))
    };
    let raw = RawRule {
        id: entry.id.clone(),
        // Links say the version: whoever reads one sees that the rule is not the built-in one.
        version: entry.version.unwrap_or(base.map_or(1, |base| base.version.saturating_add(1))),
        cause: list("cause", &entry.cause, base.map(|base| &base.cause))?,
        effect: list("effect", &entry.effect, base.map(|base| &base.effect))?,
        path: list("path", &entry.path, base.map(|base| &base.path))?,
        window: text("window", &entry.window, base.map(|base| &base.window))?,
        strength: text("strength", &entry.strength, base.map(|base| &base.strength))?,
        title: text("title", &entry.title, base.map(|base| &base.title))?,
        against_order: entry
            .against_order
            .clone()
            .or_else(|| base.and_then(|base| base.against_order.clone())),
    };
    sound(&raw).map(|()| Some(raw))
}

/// Each field by itself.
fn sound(raw: &RawRule) -> Result<(), Problem> {
    for (field, ids) in [("cause", &raw.cause), ("effect", &raw.effect)] {
        if let Some(id) = ids.iter().find(|id| Catalogue::built_in().kind(id).is_none()) {
            let known: Vec<&str> = Catalogue::built_in().kinds().map(|(_, spec)| spec.id.as_str()).collect();
            return Err((field, format!("unknown kind {id:?}{}", nearest(id, &known))));
        }
    }
    if raw.path.len() > PATHS_MAX {
        return Err(("path", format!("{} paths; use at most {PATHS_MAX}", raw.path.len())));
    }
    for path in &raw.path {
        let parsed: Path = path.parse().map_err(|problem: String| ("path", verbs(path, &problem)))?;
        let edges = parsed.edges_max();
        if EDGES_MAX < edges {
            let problem =
                format!("{path:?} walks up to {edges} edges; use at most {EDGES_MAX}, a star counts three");
            return Err(("path", problem));
        }
    }
    let window = parse_duration_ms(&raw.window).map_err(|error| ("window", error.to_string()))?;
    if !(1_000..=WINDOW_MS_MAX).contains(&window) {
        return Err(("window", format!("{}; use 1s to 90d", raw.window)));
    }
    if !STRENGTHS.iter().any(|(name, _)| *name == raw.strength) {
        return Err(("strength", format!("unknown {:?}; use strong, medium, weak or faint", raw.strength)));
    }
    if raw.title.trim().is_empty() || TITLE_CHARS_MAX < raw.title.chars().count() {
        return Err(("title", format!("say the mechanism in 1 to {TITLE_CHARS_MAX} letters")));
    }
    Ok(())
}

fn verbs(path: &str, problem: &str) -> String {
    let names: Vec<&str> = RelationKind::ALL.iter().map(|verb| verb.as_str()).collect();
    format!("{path:?}: {problem}; steps are self, or verb> and verb< with one of {}", names.join(", "))
}

fn nearest(wrong: &str, known: &[&str]) -> String {
    let near = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, wrong));
    near.map_or_else(String::new, |near| format!("; did you mean {near}? kgroot rules kinds lists them"))
}

fn build(raws: Vec<(RawRule, Scope)>) -> Result<Rules, CatalogueError> {
    let kinds = source::built_in_kinds()?;
    for (raw, _) in &raws {
        check_rule(&kinds, raw)?;
    }
    let plain: Vec<RawRule> = raws.iter().map(|(raw, _)| raw.clone()).collect();
    check_opposites(&plain)?;
    let spec = |(raw, scope): (RawRule, Scope)| {
        let rule = source::rule(raw, |id| Catalogue::built_in().kind(id))?;
        Ok(RuleSpec { scope, ..rule })
    };
    let specs: Vec<RuleSpec> = raws.into_iter().map(spec).collect::<Result<_, CatalogueError>>()?;
    let mut prefixes: BTreeSet<Vec<_>> = BTreeSet::new();
    for steps in specs.iter().flat_map(|rule| &rule.paths).flat_map(Path::written_out) {
        let labels: Vec<_> = steps.iter().map(|step| (step.relation, step.direction)).collect();
        prefixes.extend((1..=labels.len()).map(|length| labels[..length].to_vec()));
    }
    if PREFIXES_MAX < prefixes.len() {
        let problem =
            format!("the paths of all rules have {} beginnings; at most {PREFIXES_MAX}", prefixes.len());
        return Err(CatalogueError(format!("{problem}; use fewer or shorter paths")));
    }
    Ok(Rules::new(specs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Kind;

    fn rules(text: &str) -> Rules {
        resolve("rules.yaml", text).unwrap()
    }

    fn refused(text: &str) -> String {
        match resolve("rules.yaml", text) {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error.to_string(),
        }
    }

    const OWN: &str =
        "cause: [k8s.configmap.Changed], effect: [k8s.pod.NotReady], window: 1h, strength: weak, title: t";

    #[test]
    fn a_file_adds_changes_and_removes() {
        let own = format!(
            "- {{id: own-1, path: [self], {OWN}}}\n- {{id: R28, strength: weak}}\n- {{id: R30, enabled: false}}"
        );
        let rules = rules(&own);
        let by_id = |id: &str| rules.iter().map(|(_, rule)| rule).find(|rule| &*rule.id == id).cloned();
        assert_eq!(by_id("own-1").unwrap().causes, [Kind::named("k8s.configmap.Changed")]);
        assert_eq!((by_id("R28").unwrap().strength, by_id("R28").unwrap().version), (30, 2));
        assert_eq!((by_id("R30"), rules.count()), (None, Rules::built_in().count()));
    }

    #[test]
    fn a_rule_of_some_tenants_leaves_the_others_theirs() {
        let rules =
            rules("- {id: R28, tenants: [shop], window: 2h}\n- {id: R28, tenants: [bank], enabled: false}");
        let key = |tenant: &str| tenant.parse::<TenantId>().unwrap().key();
        let windows = |tenant: &str| -> Vec<i64> {
            let of = rules.iter().filter(|(_, rule)| &*rule.id == "R28" && rule.scope.includes(key(tenant)));
            of.map(|(_, rule)| rule.window_ms / 60_000).collect()
        };
        assert_eq!((windows("shop"), windows("bank").len(), windows("other").len()), (vec![120], 0, 1));
        assert_ne!(windows("other"), [120]);
    }

    #[test]
    fn an_error_names_file_rule_field_and_fix() {
        let own = |field: &str| format!("- {{id: own-1, {field}, {OWN}}}");
        for (text, words) in [
            (own("path: [call>]"), ["rule own-1: path", "calls"]),
            (own("path: [calls]"), ["rule own-1: path", "write calls>"]),
            (own("path: [\"calls>* calls>* calls>*\"]"), ["rule own-1: path", "at most 6"]),
            (own("paths: [self]"), ["rule own-1", "unknown field `paths`"]),
            ("- {id: R28, cause: [k8s.pod.OOMKiled]}".to_owned(), ["rule R28: cause", "k8s.pod.OOMKilled"]),
            ("- {id: R28, window: 1w}".to_owned(), ["rule R28: window", "1w"]),
            ("- {id: R28, window: 900d}".to_owned(), ["rule R28: window", "90d"]),
            (
                "- {id: R28, strength: hard}".to_owned(),
                ["rule R28: strength", "strong, medium, weak or faint"],
            ),
            ("- {id: own-2, strength: weak}".to_owned(), ["rule own-2: cause", "missing"]),
            ("- {id: own-2, enabled: false}".to_owned(), ["rule own-2: enabled", "kgroot rules list"]),
            ("- {id: R28}\n- {id: R28}".to_owned(), ["rule R28: id", "twice"]),
            (
                "- {id: R28, tenants: [a]}\n- {id: R28, tenants: [b, a]}".to_owned(),
                ["rule R28: id", "one tenant"],
            ),
            ("- {id: R28, tenants: []}".to_owned(), ["rule R28: tenants", "leave it out"]),
            (
                "- {id: R28, cause: [k8s.service.NoEndpoints], effect: [k8s.pod.OOMKilled]}".to_owned(),
                ["R28", "against_order"],
            ),
            ("rules: 7".to_owned(), ["rules.yaml", "list of rules"]),
        ] {
            let error = refused(&text);
            assert!(error.starts_with("rules.yaml: "), "{error}");
            assert!(words.iter().all(|word| error.contains(word)), "{text}\n{error}");
        }
    }

    #[test]
    fn paths_are_bounded_over_all_rules() {
        use std::fmt::Write;
        let verbs: Vec<&str> = RelationKind::ALL.iter().map(|verb| verb.as_str()).collect();
        let mut text = String::new();
        for (one, two) in verbs.iter().flat_map(|one| verbs.iter().map(move |two| (one, two))) {
            let paths: Vec<String> =
                verbs.iter().take(16).map(|three| format!("\"{one}> {two}<* {three}>*\"")).collect();
            let path = paths
                .iter()
                .filter(|path| path.matches('*').count() == 2)
                .map(|path| path.replacen('*', "", 1));
            let path: Vec<String> = path.collect();
            writeln!(text, "- {{id: own-{one}-{two}, path: [{}], {OWN}}}", path.join(", ")).unwrap();
        }
        assert!(refused(&text).contains("at most"));
    }
}
