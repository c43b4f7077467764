//! Investigations over generated outages: the root named first, who needs a model, every sentence with its proof, the same
//! answer again; how long they take with and without slow tools, and what they cost with a model.

mod unsure;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use agents::{Investigator, UNSURE_MILLI, Voice};
use bench::scenario::{Family, generate};
use schemas::answer::{Answer, Question};
use schemas::ids::EventId;
use schemas::read::{Query, ViewReader};
use schemas::state::{Investigation, Recording};
use schemas::time::EventTime;
use schemas::view::{EpisodeRow, Row, ViewName};
use serde_json::json;

use super::asked::tools::{Manner, five, toolbox};
use super::asked::{self, model};
use super::{Cases, Report};

/// An investigation with a model costs less on average, in US dollars.
const USD_MAX: f64 = 0.05;
/// Words that every agent is asked for.
const FOR_ALL_AGENTS: &str = "slow, with errors in the log since the deploy: was it so before?";

/// What is counted.
#[derive(Default)]
struct Counts {
    asked: u64,
    right: u64,
    sure: u64,
    ms: Vec<f64>,
    slow_ms: Vec<f64>,
    usd: Vec<f64>,
    unsure: u64,
    planned: u64,
}

/// Runs the check: `n` seeds of each family.
pub fn prove(cases: Cases) -> Report {
    let runtime = super::histories::runtime();
    let (mut failures, mut counts) = (Vec::new(), Counts::default());
    for family in Family::ALL {
        for seed in cases.seeds() {
            let tried = runtime.block_on(outage(family, seed + 1, &mut counts));
            failures.extend(tried.err().map(|failure| format!("{} seed {seed}: {failure}", family.name())));
        }
    }
    let share = |part: u64| part as f64 / counts.asked.max(1) as f64;
    if share(counts.right) < 0.95 {
        failures.push(format!("the root is first in {} of {}", counts.right, counts.asked));
    }
    if share(counts.sure) < 0.80 {
        failures.push(format!("the rules decide {} of {}", counts.sure, counts.asked));
    }
    let usd = counts.usd.iter().sum::<f64>() / counts.usd.len().max(1) as f64;
    if USD_MAX <= usd {
        failures.push(format!("with a model it costs ${usd} on average"));
    }
    if counts.planned == 0 {
        failures.push("no plan of the model was ever taken".to_owned());
    }
    let figures = vec![
        ("root_first", json!(share(counts.right))),
        ("without_model", json!(share(counts.sure))),
        ("unsure", json!(counts.unsure)),
        ("planned_by_model", json!(counts.planned)),
        ("p95_ms", json!(p95(&mut counts.ms))),
        ("p95_ms_slow_tools", json!(p95(&mut counts.slow_ms))),
        ("usd_mean_with_model", json!(usd)),
    ];
    Report { check: "investigations", n: counts.asked, failures, figures }
}

async fn outage(family: Family, seed: u64, counts: &mut Counts) -> Result<(), String> {
    let scenario = generate(family, seed);
    let engine = asked::seen(&scenario).await?;
    let investigator = Investigator::new(engine.reader());
    let proof = Proof::read(&engine.reader()).await?;
    let mut problems = Vec::new();
    for words in &scenario.truth.questions {
        let question = asked::question(words);
        let started = Instant::now();
        let investigated =
            investigator.investigate(&question, None).await.map_err(|error| error.to_string())?;
        counts.ms.push(started.elapsed().as_secs_f64() * 1_000.0);
        let answer = &investigated.answer;
        counts.asked += 1;
        counts.right += u64::from(asked::named(answer, &scenario));
        counts.sure += u64::from(answer.plan.ambiguity_milli < UNSURE_MILLI);
        problems.extend(proof.faults(answer));
        // From the views as of then, and from what it saw.
        let mut then = kept(&question, answer, &investigated.recording)?;
        for views in [None, investigated.recording.views.clone()] {
            let of = if views.is_none() { "the views" } else { "what it saw" };
            then.recording.views = views;
            let again = investigator.again(&then).await.map_err(|error| error.to_string())?;
            problems.extend(
                again.differences.iter().map(|place| format!("had again from {of}, {place} differs")),
            );
        }
        if then.recording.views.is_none() {
            problems.push("what it saw was not kept".to_owned());
        }
    }
    // Once an outage: slow tools, and a model.
    if let Some(words) = scenario.truth.questions.first() {
        with_tools(&investigator, &asked::question(words), counts, &mut problems).await?;
        with_model(&investigator, &asked::question(words), counts, &mut problems).await?;
    }
    unsure::are_planned(&investigator, counts, &mut problems).await?;
    engine.shutdown().map_err(|error| error.to_string())?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

async fn with_tools(
    investigator: &Investigator,
    question: &Question,
    counts: &mut Counts,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let (tools, handles) = five(Duration::from_secs(5), "");
    handles.iter().for_each(|handle| handle.set(Manner::Slow));
    let roster = agents::plan::roster::Roster::built_in();
    let equipped = investigator.clone().with_tools(roster, std::sync::Arc::new(toolbox(tools)?));
    let started = Instant::now();
    let question = Question { query: FOR_ALL_AGENTS.to_owned(), ..question.clone() };
    let slow = equipped.investigate(&question, None).await.map_err(|error| error.to_string())?;
    if slow.answer.plan.agents_selected.len() < handles.len() {
        problems.push(format!("not all agents were asked: {:?}", slow.answer.plan.agents_selected));
    }
    counts.slow_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    let called = handles.iter().filter(|handle| handle.calls() == 1).count();
    if called != slow.answer.tool_calls.len() {
        problems.push(format!("{called} tools were called once, {} are told", slow.answer.tool_calls.len()));
    }
    Ok(())
}

async fn with_model(
    investigator: &Investigator,
    question: &Question,
    counts: &mut Counts,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let played = model::Played::start().await?;
    let voiced = investigator.clone().with_voice(Voice::new(played.client()?, 1_000_000));
    let plain = investigator.investigate(question, None).await.map_err(|error| error.to_string())?;
    let worded = voiced.investigate(question, None).await.map_err(|error| error.to_string())?;
    if worded.recording.completions.is_empty() {
        problems.push("the model was not asked".to_owned());
    }
    counts.usd.push(worded.answer.cost.llm_usd);
    if worded.answer.missing.iter().any(|missing| missing.source == "model") {
        problems.push("a model that answers well was not understood".to_owned());
    }
    if asked::conclusion(&plain.answer) != asked::conclusion(&worded.answer) {
        problems.push("the model changed the conclusion".to_owned());
    }
    if plain.answer.cost.llm_usd != 0.0 {
        problems.push("without a model it costs something".to_owned());
    }
    let then = kept(question, &worded.answer, &worded.recording)?;
    let again = voiced.again(&then).await.map_err(|error| error.to_string())?;
    problems.extend(again.differences.iter().map(|place| format!("had again with a model, {place} differs")));
    Ok(())
}

/// An investigation as a database gives it back.
fn kept(question: &Question, answer: &Answer, recording: &Recording) -> Result<Investigation, String> {
    let text = |error: serde_json::Error| error.to_string();
    let answer = serde_json::to_string(answer).map_err(text)?;
    let recording = serde_json::to_string(recording).map_err(text)?;
    Ok(Investigation {
        asked_at: EventTime(0),
        question: question.clone(),
        answer: serde_json::from_str(&answer).map_err(text)?,
        recording: serde_json::from_str(&recording).map_err(text)?,
    })
}

fn p95(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = values.len() * 95 / 100;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// What proves a sentence: the episodes of each event.
struct Proof {
    by_event: BTreeMap<EventId, Vec<EpisodeRow>>,
    events: BTreeSet<EventId>,
}

impl Proof {
    async fn read(reader: &ViewReader) -> Result<Self, String> {
        let tenant = asked::tenant();
        let (episodes, ..) = reader
            .scan(Query::all(&tenant, ViewName::Episodes), 100_000)
            .await
            .map_err(|error| error.to_string())?;
        let (events, ..) = reader
            .scan(Query::all(&tenant, ViewName::Events), 100_000)
            .await
            .map_err(|error| error.to_string())?;
        let mut by_event: BTreeMap<EventId, Vec<EpisodeRow>> = BTreeMap::new();
        for row in episodes {
            if let Row::Episode(episode) = row {
                for event in &episode.event_ids {
                    by_event.entry(*event).or_default().push(episode.as_ref().clone());
                }
            }
        }
        let id = |row: Row| if let Row::Event(event) = row { Some(event.event_id) } else { None };
        Ok(Proof { by_event, events: events.into_iter().filter_map(id).collect() })
    }

    /// Sentences without proof: ids that resolve to nothing, entities and times that no cited episode has.
    fn faults(&self, answer: &Answer) -> Vec<String> {
        let mut faults = Vec::new();
        for said in &answer.statements {
            let fault = |what: &str| format!("{what}: {:?}", said.text);
            if said.event_ids.is_empty() && said.calls.is_empty() && said.absent_from.is_empty() {
                faults.push(fault("no proof"));
            }
            if said.event_ids.iter().any(|id| !self.events.contains(id)) {
                faults.push(fault("an event that is not there"));
            }
            let episodes: Vec<&EpisodeRow> =
                said.event_ids.iter().filter_map(|id| self.by_event.get(id)).flatten().collect();
            let words = said.text.split([' ', ',', ';']).map(|word| word.trim_end_matches(['.', ':']));
            for word in words {
                let timed = EventTime::parse(word).ok();
                if timed.is_some_and(|at| !episodes.iter().any(|episode| episode.onset == at)) {
                    faults.push(fault("a time of no cited episode"));
                }
                let named = word.matches('/').count() == 2 && !word.contains("//");
                if named && !episodes.iter().any(|episode| said_of(episode, word)) {
                    faults.push(fault("an entity of no cited episode"));
                }
            }
        }
        faults
    }
}

/// Whether an episode is about an entity, or names it in what it says.
fn said_of(episode: &EpisodeRow, word: &str) -> bool {
    episode.entity.to_string() == word || episode.detail.contains(word)
}
