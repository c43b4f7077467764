//! One answer from the findings: hypotheses with proof, what was ruled out, what is missing.

mod case_steps;
pub(crate) mod relayed;
pub(crate) mod rule_out;
pub(crate) mod runbook;
pub(crate) mod statements;
mod suspects;

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::answer::{
    AgentResult, Answer, AnswerAsOf, AnswerHypothesis, AnswerStatus, ChainEnd, ChainLink, Cost, Missing,
    Plan, Question, RootCause, SimilarCase, TimeWindow, ToolCall,
};
use schemas::catalogue::Class;
use schemas::confidence::Confidence;
use schemas::entity::Entity;
use schemas::ids::{EventId, IncidentId, hash64};
use schemas::view::{ChainRow, EpisodeRow, Hypothesis, IncidentRow, IncidentStatus};

use crate::evidence::Known;
use crate::scope::Resolved;
use crate::synthesize::relayed::speaker;
use crate::synthesize::rule_out::rule_out;
use crate::synthesize::statements::{statements, summary};
use crate::synthesize::suspects::{Suspect, suspects};

/// Hypotheses in an answer.
pub(crate) const HYPOTHESES_MAX: usize = 5;
/// Below this, in thousandths, no cause stands out.
const CLEAR_MILLI: u32 = 150;
/// What a suspect without a rival weighs, in thousandths, when an incident was seen, …
const INCIDENT_MILLI: u32 = 950;
/// … and when none was.
const QUIET_MILLI: u32 = 600;
/// Causes are looked for this long before the first sign of trouble, in milliseconds.
const BEFORE_MS: i64 = 600_000;
/// Sources whose silence weakens an answer, and why.
const EXPECTED: [(&str, &str); 5] = [
    ("kubernetes", "without object states and Events, causes inside the cluster cannot be seen"),
    ("github", "without commits and pipelines, a change cannot be traced to its author"),
    ("alertmanager", "without alerts, the impact is judged by states and telemetry alone"),
    ("otel", "without traces and logs, calls between services cannot be followed"),
    ("prometheus", "without metrics, saturation cannot be seen"),
];

/// What the agents bring.
pub(crate) struct Brought {
    pub(crate) plan: Plan,
    pub(crate) results: Vec<AgentResult>,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) similar: Vec<SimilarCase>,
}

/// Composes the answer. What agents bring stands beside the hypotheses and changes neither their order nor their proof.
pub(crate) fn answer(question: &Question, resolved: &Resolved, known: &Known, brought: Brought) -> Answer {
    let Brought { plan, results, calls, similar } = brought;
    let mut hypotheses = Vec::new();
    // The first of each incident before the second of any.
    let mut ordered: Vec<(usize, (&IncidentRow, &Hypothesis))> = resolved
        .incidents
        .iter()
        .enumerate()
        .flat_map(|(index, incident)| incident.hypotheses.iter().map(move |root| (index, (incident, root))))
        .collect();
    ordered.sort_by_key(|(index, (_, root))| (root.rank, *index));
    for (rank, (_, (incident, root))) in (1..).zip(ordered.into_iter().take(HYPOTHESES_MAX)) {
        hypotheses.push(hypothesis(rank, incident, root, known));
    }
    let suspected = measured_window(resolved).map(|window| suspects(known, window)).unwrap_or_default();
    if !suspected.is_empty() {
        let first = resolved.incidents.first();
        let ranked = (1..).zip(suspected.iter().take(HYPOTHESES_MAX));
        hypotheses = ranked.map(|(rank, suspect)| accuse(rank, first, suspect, known)).collect();
    }
    let clear = f64::from(CLEAR_MILLI) / 1_000.0;
    let status = match hypotheses.first() {
        None => AnswerStatus::NoData,
        Some(best) if best.confidence < clear => AnswerStatus::NoClearRootCause,
        Some(_) => AnswerStatus::Answered,
    };
    let ruled_out = resolved.incidents.first().map(|incident| rule_out(incident, known)).unwrap_or_default();
    let statements = statements(status, resolved, &hypotheses, known);
    let first = resolved.incidents.first();
    let runbook = first.and_then(|incident| {
        let chains = || known.chains.get(&incident.incident_id).into_iter().flatten().map(Arc::as_ref);
        let first = incident.hypotheses.first()?;
        let mut runbook = runbook::draft(&question.tenant_id, first, chains())?;
        case_steps::add(&mut runbook, first, chains(), &similar);
        Some(runbook)
    });
    let api_usd = results.iter().map(|result| result.cost.api_usd).sum();
    let missing = missing(known, &results);
    Answer {
        // Named once all of it is there.
        investigation_id: String::new(),
        tenant_id: question.tenant_id.clone(),
        scope: resolved.scope.clone(),
        status,
        as_of: AnswerAsOf {
            epoch: known.as_of.epoch,
            event_time: known.as_of.event_time,
            settled: settled(question, resolved, known),
            freshness_ms: known.as_of.freshness_ms,
        },
        summary: summary(&statements),
        statements,
        hypotheses,
        ruled_out,
        missing,
        similar,
        runbook,
        agent_results: results,
        tool_calls: calls,
        plan,
        cost: Cost { llm_usd: 0.0, api_usd },
        latency_ms: 0.0,
    }
}

/// Nothing that may still arrive can lie in the scope: it ends before the earliest event that would be accepted. What is open has not ended.
fn settled(question: &Question, resolved: &Resolved, known: &Known) -> bool {
    let last = resolved.incidents.iter().map(|incident| incident.last_at).max();
    let end = question.time_window.map(|window| window.to).into_iter().chain(last).max();
    let open = resolved.incidents.iter().any(|incident| incident.status == IncidentStatus::Open);
    !open && end.is_some_and(|end| end < known.as_of.settled_before)
}

fn hypothesis(rank: u32, incident: &IncidentRow, root: &Hypothesis, known: &Known) -> AnswerHypothesis {
    let chains = known.chains.get(&incident.incident_id).into_iter().flatten().map(Arc::as_ref);
    let mine: Vec<&ChainRow> = chains.filter(|chain| chain.root.episode_id == root.root.episode_id).collect();
    let longest =
        mine.iter().max_by_key(|chain| (chain.links.len(), std::cmp::Reverse(chain.symptom.episode_id)));
    let chain: Vec<ChainLink> =
        longest.map(|chain| chain.links.iter().map(|row| link(row)).collect()).unwrap_or_default();
    let mut cited: BTreeSet<EventId> = root.root.event_ids.iter().copied().collect();
    for end in chain.iter().flat_map(|link| [&link.cause, &link.effect]) {
        cited.extend(&end.event_ids);
    }
    let mut explains: BTreeSet<String> = BTreeSet::new();
    for link in mine.iter().flat_map(|chain| &chain.links) {
        explains.insert(format!("{} on {}", link.effect.kind.id(), link.effect.entity));
    }
    AnswerHypothesis {
        rank,
        confidence: f64::from(root.confidence_milli) / 1_000.0,
        weight: f64::from(root.evidence_milli) / 1_000.0,
        incident_id: incident.incident_id,
        root_cause: root_cause(&root.root, speaker(&root.root, known)),
        chain,
        evidence: known.cite(cited),
        explains: explains.into_iter().collect(),
    }
}

/// The stretch of time in which nothing but measurements speaks: that of the question when there is no incident, or
/// that of the incidents when all their causes are anomalies on metrics, or nothing but alerts.
pub(crate) fn measured_window(resolved: &Resolved) -> Option<TimeWindow> {
    if resolved.incidents.is_empty() {
        return resolved.scope.time_window;
    }
    let mut causes = resolved.incidents.iter().flat_map(|incident| &incident.hypotheses);
    // That an alert is its own cause says that none was found.
    if causes.any(|cause| cause.root.magnitude == 0 && cause.root.class != Class::Alert) {
        return None;
    }
    let from = resolved.incidents.iter().map(|incident| incident.started_at.plus_ms(-BEFORE_MS)).min()?;
    let to = resolved.incidents.iter().map(|incident| incident.last_at).max()?;
    Some(resolved.scope.time_window.unwrap_or(TimeWindow { from, to }))
}

/// A hypothesis without a chain: measurements that moved together. Without an incident nobody was seen to suffer.
fn accuse(
    rank: u32,
    incident: Option<&IncidentRow>,
    suspect: &Suspect<'_>,
    known: &Known,
) -> AnswerHypothesis {
    let most = if incident.is_some() { INCIDENT_MILLI } else { QUIET_MILLI };
    let weight = suspect.share_milli * most / 1_000;
    let mut cause = root_cause(suspect.episode, None);
    cause.entity = suspect.entity.to_string();
    let mut cited: BTreeSet<EventId> = suspect.episode.event_ids.iter().copied().collect();
    let explains = suspect.explains.iter();
    cited.extend(explains.clone().flat_map(|row| row.event_ids.first().copied()));
    let explains: BTreeSet<String> =
        explains.map(|row| format!("{} on {}", row.kind.id(), row.entity)).collect();
    AnswerHypothesis {
        rank,
        confidence: f64::from(Confidence::built_in().of(suspect.episode.class, weight)) / 1_000.0,
        weight: f64::from(weight) / 1_000.0,
        incident_id: incident.map_or(IncidentId(0), |incident| incident.incident_id),
        root_cause: cause,
        chain: Vec::new(),
        evidence: known.cite(cited),
        explains: explains.into_iter().collect(),
    }
}

/// A root cause, on who it is about when somebody else tells of it.
fn root_cause(episode: &EpisodeRow, about: Option<Entity>) -> RootCause {
    let detail = if episode.detail.is_empty() { String::new() } else { format!(" ({})", episode.detail) };
    let told = about.as_ref().map_or(String::new(), |_| format!(", as {} tells", episode.entity));
    let entity = about.as_ref().unwrap_or(&episode.entity);
    RootCause {
        kind: episode.kind.id().to_owned(),
        entity: entity.to_string(),
        summary: format!("{} on {entity}{told} at {}{detail}", episode.kind.spec().title, episode.onset),
        event_ids: episode.event_ids.clone(),
        onset: episode.onset,
    }
}

fn link(link: &schemas::view::LinkRow) -> ChainLink {
    ChainLink {
        cause: end(&link.cause),
        effect: end(&link.effect),
        rule: format!("{}@{}", link.rule, link.rule_version),
        relation: link.relation.to_string(),
        lag_ms: link.lag_ms,
        strength: link.strength,
    }
}

fn end(episode: &EpisodeRow) -> ChainEnd {
    ChainEnd {
        episode_id: episode.episode_id,
        kind: episode.kind.id().to_owned(),
        entity: episode.entity.to_string(),
        onset: episode.onset,
        event_ids: episode.event_ids.clone(),
    }
}

/// Sources that said nothing, and tools that gave nothing.
fn missing(known: &Known, results: &[AgentResult]) -> Vec<Missing> {
    let silent = EXPECTED
        .iter()
        .filter(|(source, _)| !known.coverage.iter().any(|row| row.source == *source && 0 < row.accepted));
    let silent = silent.map(|(source, why)| Missing { source: (*source).to_owned(), why: (*why).to_owned() });
    let skipped = results.iter().flat_map(|result| &result.skipped);
    let mut found: Vec<Missing> = silent.collect();
    found.extend(known.cut.iter().map(|view| Missing {
        source: format!("view {view}"),
        why: "it holds more rows than are read for one question; ask about a shorter window".to_owned(),
    }));
    for skipped in skipped.map(|skipped| Missing { source: skipped.what.clone(), why: skipped.why.clone() }) {
        if !found.contains(&skipped) {
            found.push(skipped);
        }
    }
    found
}

/// The same question at the same epoch with the same evidence, results of tools and words is the same investigation.
pub(crate) fn identity(question: &Question, answer: &Answer) -> String {
    let mut parts = vec![format!("{question:?}"), answer.as_of.epoch.to_string(), answer.summary.clone()];
    for hypothesis in &answer.hypotheses {
        parts.extend(hypothesis.evidence.iter().map(|item| item.event_id.to_string()));
    }
    for call in &answer.tool_calls {
        parts
            .push(format!("{} {} {} {:?} {}", call.agent, call.tool, call.arguments, call.code, call.result));
    }
    for step in answer.runbook.iter().flat_map(|runbook| &runbook.steps) {
        parts.push(step.text.clone());
    }
    parts.extend(answer.plan.agents_selected.iter().cloned());
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    format!("inv_{:016x}", hash64(&parts))
}
