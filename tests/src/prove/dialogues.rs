//! Dialogues in which tools and the model fail in every way: a partial answer in time that names what is missing, and the same
//! conclusion. A model that hangs is waited for until the deadline of the investigation, or left alone by its breaker. A second tenant, whose tools work, asks at the same time: it notices nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agents::plan::roster::Roster;
use agents::{Investigator, Voice};
use bench::scenario::random::Random;
use schemas::answer::{CallOutcome, Question};
use serde_json::json;

use super::asked::tools::{Handle, Manner, five, of_tenant, toolbox};
use super::asked::{self, model};
use super::{Cases, Report};

/// Tools may take so long here: what hangs is given up soon.
const TOOL: Duration = Duration::from_millis(40);
/// Dialogues with one engine.
const PER_OUTAGE: u64 = 500;
/// Deadline of an investigation here: a model that hangs is waited for so long by who does not know it.
const WITHIN: Duration = Duration::from_secs(3);
/// A dialogue may take so long: its deadline, and what the machine needs.
const DEADLINE: Duration = Duration::from_secs(5);
/// One in so many of the models that hang is met by somebody who does not know it: breakers remember in the others.
const UNKNOWN: u64 = 10;

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    let runtime = super::histories::runtime();
    let (mut failures, mut tried, mut manners) = (Vec::new(), 0, BTreeMap::new());
    let mut first = cases.seed;
    while tried < cases.n && !cases.over(&failures) {
        let n = PER_OUTAGE.min(cases.n - tried);
        if let Err(failure) = runtime.block_on(outage(first, n, &mut failures, &mut manners)) {
            failures.push(format!("seed {first}: {failure}"));
        }
        tried += n;
        first += n;
    }
    let figures =
        manners.into_iter().map(|(name, count): (&'static str, u64)| (name, json!(count))).collect();
    Report { check: "dialogues", n: tried, failures, figures }
}

async fn outage(
    first: u64,
    n: u64,
    failures: &mut Vec<String>,
    manners: &mut BTreeMap<&'static str, u64>,
) -> Result<(), String> {
    let scenario = asked::outage(first / PER_OUTAGE);
    let engine = asked::seen_by_two(&scenario).await?;
    let played = model::Played::start().await?;
    // Its breaker opens in the first dialogues, and it is tried again now and then.
    let known = played.client()?;
    let words = scenario.truth.questions.first().cloned().unwrap_or_default();
    let question = asked::question(&words);
    let plain = Investigator::new(engine.reader()).with_deadline(WITHIN);
    let expected = plain.investigate(&question, None).await.map_err(|error| error.to_string())?;
    let expected = asked::conclusion(&expected.answer);
    let mut theirs = Question::new(asked::neighbor(), words.as_str());
    theirs.no_llm = true;
    let alone = plain.investigate(&theirs, None).await.map_err(|error| error.to_string())?;
    let neighbor = Neighbor { question: theirs, expected: asked::conclusion(&alone.answer) };
    if neighbor.expected.is_empty() {
        return Err("the second tenant has had no outage".to_owned());
    }
    for seed in first..first + n {
        let mut random = Random::new(seed);
        // Breakers remember: each dialogue has tools of its own.
        let (tools, handles) = five(TOOL, "ORDER rank dns first ORDER");
        let set: Vec<Manner> = handles.iter().map(|handle| chosen(handle, &mut random)).collect();
        let of_model = random.pick(&model::Manner::ALL);
        let hangs = of_model == model::Manner::Hangs;
        let remembers = hangs && !seed.is_multiple_of(UNKNOWN);
        played.set(of_model);
        let model = if remembers { known.clone() } else { played.client()? };
        let voice = Voice::new(model, 1_000_000_000);
        let mut toolbox = toolbox(tools)?;
        of_tenant(&mut toolbox, &asked::neighbor(), five(TOOL, "").0)?;
        let equipped = plain.clone().with_tools(Roster::built_in(), Arc::new(toolbox)).with_voice(voice);
        let mine = async {
            let started = Instant::now();
            (equipped.investigate(&question, None).await, started.elapsed())
        };
        let ((investigated, elapsed), beside) = tokio::join!(mine, neighbor.asks(&equipped));
        failures.extend(beside.err().map(|failure| {
            format!("seed {seed}: the second tenant, beside {set:?} and {of_model:?}: {failure}")
        }));
        let manner = match (hangs, remembers) {
            (false, _) => "model_answers",
            (true, false) => "model_hangs",
            (true, true) => "model_hangs_and_is_known_to",
        };
        *manners.entry(manner).or_default() += 1;
        let answer = match investigated {
            Ok(investigated) => investigated.answer,
            Err(error) => {
                failures.push(format!("seed {seed}: no answer: {error}"));
                continue;
            }
        };
        if asked::conclusion(&answer) != expected {
            failures.push(format!("seed {seed}: another conclusion with {set:?} and {of_model:?}"));
        }
        for (handle, manner) in handles.iter().zip(&set) {
            let asked = answer.tool_calls.iter().any(|call| call.tool == handle.name);
            let told = answer.missing.iter().any(|missing| missing.source == handle.name);
            if asked && manner.fails(TOOL) != told {
                failures.push(format!("seed {seed}: {} is {manner:?} and told: {told}", handle.name));
            }
        }
        let told = answer.missing.iter().find(|missing| missing.source == "model");
        if fails(of_model) && told.is_none_or(|missing| missing.why.is_empty()) {
            failures.push(format!("seed {seed}: the model is {of_model:?}, and nobody is told"));
        }
        if DEADLINE < elapsed {
            failures.push(format!("seed {seed}: took {elapsed:?} with {set:?} and {of_model:?}"));
        }
    }
    engine.shutdown().map_err(|error| error.to_string())
}

/// Whether nothing can come of a model.
fn fails(manner: model::Manner) -> bool {
    !matches!(manner, model::Manner::Well | model::Manner::Obeys)
}

/// Who asks beside the one whose tools fail.
struct Neighbor {
    question: Question,
    expected: Vec<(String, String, u64)>,
}

impl Neighbor {
    /// Asks: the answer is the one it gets alone, nothing is missing, and it comes in time.
    async fn asks(&self, investigator: &Investigator) -> Result<(), String> {
        let started = Instant::now();
        let investigated = investigator.investigate(&self.question, None).await;
        let (elapsed, answer) = (started.elapsed(), investigated.map_err(|error| error.to_string())?.answer);
        if asked::conclusion(&answer) != self.expected {
            return Err("another conclusion".to_owned());
        }
        let failed = answer.tool_calls.iter().find(|call| call.outcome != CallOutcome::Answered);
        match failed {
            Some(call) => Err(format!("{} gave {:?}", call.tool, call.code)),
            None if answer.tool_calls.is_empty() => Err("no tool was called".to_owned()),
            None if DEADLINE < elapsed => Err(format!("took {elapsed:?}")),
            None => Ok(()),
        }
    }
}

fn chosen(handle: &Handle, random: &mut Random) -> Manner {
    let manner = random.pick(&Manner::ALL);
    handle.set(manner);
    manner
}
