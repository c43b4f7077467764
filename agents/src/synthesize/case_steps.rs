//! Steps of a runbook that come from the case itself: how to confirm it, how a past one like it ended, and where to see
//! that it is over. Pure.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use schemas::answer::{Runbook, RunbookStep, SimilarCase};
use schemas::catalogue::Rules;
use schemas::view::{ChainRow, EpisodeRow, Hypothesis, LinkRow};

/// A past case says what to do only if it went like this one for the most part, in thousandths.
const ALIKE_MILLI: u32 = 500;

/// What each built-in rule says; a rule of a file is told by its id alone.
static MECHANISMS: LazyLock<BTreeMap<Arc<str>, String>> = LazyLock::new(|| {
    let rules = Rules::built_in();
    rules.iter().map(|(_, rule)| (Arc::clone(&rule.id), rule.title.clone())).collect()
});

/// Adds the steps: first what to confirm, then how it ended before, and last where it shows that it is over. `chains` are
/// those of the incident.
pub(crate) fn add<'a>(
    runbook: &mut Runbook,
    first: &Hypothesis,
    chains: impl Iterator<Item = &'a ChainRow>,
    similar: &[SimilarCase],
) {
    let mine = chains.filter(|chain| chain.root.episode_id == first.root.episode_id);
    let longest = mine.max_by_key(|chain| (chain.links.len(), chain.symptom.episode_id));
    let ended = similar.iter().find_map(|case| ended(case, &first.root));
    let before = longest.and_then(|chain| chain.links.first()).map(|link| confirm(link));
    let steps = before.into_iter().chain(ended).chain(std::mem::take(&mut runbook.steps));
    runbook.steps = steps.chain(longest.map(|chain| over(&chain.symptom))).collect();
}

fn step(text: String, event_ids: Vec<schemas::ids::EventId>) -> RunbookStep {
    RunbookStep { text, command: None, event_ids, proposal: None }
}

/// The first link of the way, by what it can be checked.
fn confirm(link: &LinkRow) -> RunbookStep {
    let mechanism = MECHANISMS.get(&link.rule).map(|title| format!(": {title}")).unwrap_or_default();
    let text = format!(
        "Confirm the first step of the way: {} on {}, then {} on {} (rule {}{mechanism}).",
        link.cause.kind.spec().title,
        link.cause.entity,
        link.effect.kind.spec().title,
        link.effect.entity,
        link.rule,
    );
    step(text, link.cause.event_ids.iter().chain(&link.effect.event_ids).copied().collect())
}

/// How a case that went like this one ended.
fn ended(case: &SimilarCase, root: &EpisodeRow) -> Option<RunbookStep> {
    let resolution = case.resolution.as_ref().filter(|_| ALIKE_MILLI <= case.similarity_milli)?;
    let alike = case.similarity_milli / 10;
    let text = format!("{} went {alike} % like this one and ended with: {resolution}", case.incident_id);
    Some(step(text, root.event_ids.clone()))
}

/// Where it shows that it is over.
fn over(symptom: &EpisodeRow) -> RunbookStep {
    let text = format!("It is over when {} no longer has: {}.", symptom.entity, symptom.kind.spec().title);
    step(text, symptom.event_ids.clone())
}

#[cfg(test)]
mod tests {
    use schemas::catalogue::Kind;
    use schemas::entity::{Entity, EntityKind};
    use schemas::ids::{EpisodeId, EventId, IncidentId};
    use schemas::time::EventTime;
    use schemas::view::Shared;

    use super::*;

    fn episode(kind: &'static str, name: &str, number: u64) -> Shared<EpisodeRow> {
        let kind = Kind::named(kind);
        let at = EventTime(1_000);
        Shared::from(EpisodeRow {
            episode_id: EpisodeId(number),
            entity: Entity::namespaced(EntityKind::Pod, "shop", name).into(),
            class: kind.spec().class,
            kind,
            onset: at,
            earliest: at,
            last: at,
            ended: None,
            count: 1,
            severity: kind.spec().severity,
            event_ids: vec![EventId(number.into())],
            detail: "".into(),
            magnitude: 0,
        })
    }

    #[test]
    fn the_case_says_what_to_confirm_what_helped_and_when_it_is_over() {
        let (cause, effect) = (episode("k8s.pod.OOMKilled", "cart", 1), episode("alert.latency", "shop", 2));
        let link = Shared::from(LinkRow {
            cause: cause.clone(),
            effect: effect.clone(),
            rule: "R20".into(),
            rule_version: 1,
            relation: "".into(),
            lag_ms: 0,
            strength: 900,
            best: true,
        });
        let root = cause.clone();
        let chain = ChainRow {
            incident_id: IncidentId(1),
            rank: 1,
            root: root.clone(),
            symptom: effect,
            links: vec![link],
        };
        let first = Hypothesis { rank: 1, confidence_milli: 900, evidence_milli: 900, root, explains: 2 };
        let case = |similarity_milli, resolution: Option<&str>| SimilarCase {
            incident_id: IncidentId(7),
            title: String::new(),
            similarity_milli,
            progress_milli: 500,
            next: None,
            resolution: resolution.map(str::to_owned),
        };
        let similar = [case(900, None), case(450, Some("luck")), case(800, Some("more memory"))];
        let own = step("See the pod.".to_owned(), vec![EventId(1)]);
        let mut runbook = Runbook { title: String::new(), steps: vec![own] };
        add(&mut runbook, &first, std::iter::once(&chain), &similar);
        let texts: Vec<&str> = runbook.steps.iter().map(|step| step.text.as_str()).collect();
        assert!(
            texts[0].starts_with("Confirm the first step") && texts[0].contains("(rule R20: "),
            "{texts:?}"
        );
        assert!(texts[1].contains("80 % like this one and ended with: more memory"), "{texts:?}");
        assert_eq!((texts[2], texts.len()), ("See the pod.", 4));
        assert!(texts[3].starts_with("It is over when pod/shop/shop no longer has: "), "{texts:?}");
        let proofs: Vec<usize> = runbook.steps.iter().map(|step| step.event_ids.len()).collect();
        assert_eq!(proofs, [2, 1, 1, 1]);
    }
}
