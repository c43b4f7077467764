//! Questions that the rules are unsure about: the model plans, only among the agents and tools there are, whatever it says;
//! what it said is recorded, and had again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agents::plan::roster::Roster;
use agents::{Investigator, UNSURE_MILLI, Voice};
use schemas::answer::{Answer, TimeWindow};
use schemas::state::Recording;
use schemas::time::EventTime;

use super::super::asked::model::{Manner, Played};
use super::super::asked::tools::{five, toolbox};
use super::{Counts, asked, kept};

/// An hour of which the views know nothing: 2001-09-09, from 01:46:40.
const BEFORE: TimeWindow =
    TimeWindow { from: EventTime(1_000_000_000_000), to: EventTime(1_000_003_600_000) };
/// Words that nothing answers to.
const WORDS: &str = "is anything odd?";

/// Asks a model that plans well, one that obeys whatever it reads, and one that says nothing of use.
pub(super) async fn are_planned(
    investigator: &Investigator,
    counts: &mut Counts,
    problems: &mut Vec<String>,
) -> Result<(), String> {
    let mut question = asked::question(WORDS);
    question.time_window = Some(BEFORE);
    for manner in [Manner::Well, Manner::Obeys, Manner::WrongShape] {
        let played = Played::start().await?;
        played.set(manner);
        let (tools, handles) = five(Duration::from_secs(5), "");
        let names: BTreeSet<&str> = handles.iter().map(|handle| handle.name.as_str()).collect();
        let equipped = investigator.clone().with_tools(Roster::built_in(), Arc::new(toolbox(tools)?));
        let voiced = equipped.with_voice(Voice::new(played.client()?, 1_000_000));
        let found = voiced.investigate(&question, None).await.map_err(|error| error.to_string())?;
        counts.unsure += 1;
        counts.planned += u64::from(found.answer.plan.decided_by == "model");
        let faults = faults(manner, &names, &found.answer, &found.recording);
        problems.extend(faults.into_iter().map(|fault| format!("unsure, {manner:?}: {fault}")));
        let then = kept(&question, &found.answer, &found.recording)?;
        let again = voiced.again(&then).await.map_err(|error| error.to_string())?;
        let places = again.differences.iter();
        problems.extend(places.map(|place| format!("unsure, {manner:?}: had again, {place} differs")));
    }
    Ok(())
}

fn faults(manner: Manner, tools: &BTreeSet<&str>, answer: &Answer, recording: &Recording) -> Vec<String> {
    let mut faults = Vec::new();
    let plan = &answer.plan;
    if plan.ambiguity_milli < UNSURE_MILLI {
        faults.push(format!("the rules are sure: {}", plan.ambiguity_milli));
    }
    let planned = recording.completions.iter().filter(|record| record["role"] == "plan").count();
    if planned == 0 {
        faults.push("the model was not asked for a plan, or that is not recorded".to_owned());
    }
    let expected = if manner == Manner::WrongShape { "rules" } else { "model" };
    // One that obeys answers well in shape every second time.
    if manner != Manner::Obeys && plan.decided_by != expected {
        faults.push(format!("decided by {}, not by {expected}", plan.decided_by));
    }
    let roster = Roster::built_in();
    let unknown = plan.agents_selected.iter().filter(|name| roster.get(name).is_none());
    faults.extend(unknown.map(|name| format!("an agent that is none: {name}")));
    let unknown = answer.tool_calls.iter().filter(|call| !tools.contains(call.tool.as_str()));
    faults.extend(unknown.map(|call| format!("a tool that is none: {}", call.tool)));
    faults
}
