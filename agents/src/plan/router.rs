//! Who is asked: routes are data (`data/routes.yaml`), decided without a model; how unsure they are is measured. Pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use schemas::answer::Plan;
use schemas::view::Shared;
use serde::Deserialize;

use crate::evidence::Known;
use crate::scope::Resolved;

/// From here on the rules are unsure: a model may plan, if there is one.
pub const UNSURE_MILLI: u32 = 700;
/// A cause with this confidence and no rival leaves no doubt, in thousandths.
const SURE_MILLI: u32 = 300;

/// One route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    id: String,
    agent: String,
    reason: String,
    #[serde(default)]
    always: bool,
    #[serde(default)]
    incidents: bool,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    roots: Vec<String>,
    #[serde(default)]
    entities: Vec<String>,
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    serde_saphyr::from_str(include_str!("../../data/routes.yaml"))
        .expect("the routes in the program are valid")
});

/// Selects agents out of those there are.
pub(crate) fn plan(query: &str, resolved: &Resolved, known: &Known, agents: &BTreeSet<&str>) -> Plan {
    let query = query.to_ascii_lowercase();
    let applying: Vec<&Route> = ROUTES
        .iter()
        .filter(|route| agents.contains(route.agent.as_str()) && applies(route, &query, resolved, known))
        .collect();
    let mut selected: Vec<String> = Vec::new();
    let mut reasons = Vec::new();
    for route in &applying {
        if !selected.contains(&route.agent) {
            selected.push(route.agent.clone());
            reasons.push(format!("{}: {}", route.agent, route.reason));
        }
    }
    // An agent that no route names is one's own, and always asked.
    for own in agents.iter().filter(|name| !ROUTES.iter().any(|route| route.agent == **name)) {
        selected.push((*own).to_owned());
        reasons.push(format!("{own}: no route names it"));
    }
    Plan {
        decided_by: "rules".to_owned(),
        agents_selected: selected,
        reasoning: reasons.join("; "),
        routes: applying.iter().map(|route| route.id.clone()).collect(),
        ambiguity_milli: ambiguity(&query, resolved),
        prompt: None,
    }
}

fn applies(route: &Route, query: &str, resolved: &Resolved, known: &Known) -> bool {
    let begins =
        |id: &str, prefixes: &[String]| prefixes.iter().any(|prefix| id.starts_with(prefix.as_str()));
    let said = || {
        route.words.iter().any(|word| match word.contains(' ') {
            true => query.contains(word.as_str()),
            false => query.split(|c: char| !c.is_alphanumeric()).any(|at| at.starts_with(word.as_str())),
        })
    };
    let near = |entity| resolved.entities.is_empty() || resolved.entities.contains(entity);
    let seen = || {
        let episodes = known.episodes.iter().map(Shared::as_ref);
        episodes
            .filter(|episode| near(&episode.entity))
            .any(|episode| begins(episode.kind.id(), &route.kinds))
    };
    let caused = || {
        let first = resolved.incidents.iter().filter_map(|incident| incident.hypotheses.first());
        first.take(3).any(|first| begins(first.root.kind.id(), &route.roots))
    };
    let named = || {
        resolved.entities.iter().any(|entity| route.entities.iter().any(|kind| kind == entity.kind.as_str()))
    };
    route.always
        || (route.incidents && !resolved.incidents.is_empty())
        || (!route.words.is_empty() && said())
        || (!route.kinds.is_empty() && seen())
        || (!route.roots.is_empty() && caused())
        || (!route.entities.is_empty() && named())
}

/// 0: the words are understood and one cause stands out. 1000: nothing is understood and nothing is known.
fn ambiguity(query: &str, resolved: &Resolved) -> u32 {
    let Some(incident) = resolved.incidents.first() else {
        // Nothing to explain is a clear case; unless words were said that nothing here answers to.
        return if resolved.entities.is_empty() && !query.trim().is_empty() { 1_000 } else { 0 };
    };
    let of_rank = |rank: usize| incident.hypotheses.get(rank).map_or(0, |found| found.confidence_milli);
    let (first, second) = (of_rank(0), of_rank(1));
    let stands_out = first.saturating_sub(second / 2).min(SURE_MILLI) * 1_000 / SURE_MILLI;
    1_000 - stands_out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_in_the_program_are_valid_and_name_known_agents() {
        let mut ids = BTreeSet::new();
        for route in ROUTES.iter() {
            assert!(ids.insert(&route.id), "{} stands twice", route.id);
            assert!(["graph", "metrics", "logs", "code", "context"].contains(&route.agent.as_str()));
            let conditions = [&route.words, &route.kinds, &route.roots, &route.entities];
            assert!(route.always || route.incidents || conditions.iter().any(|given| !given.is_empty()));
            for word in &route.words {
                assert_eq!(*word, word.to_ascii_lowercase());
            }
        }
    }
}
