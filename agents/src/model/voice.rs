//! The model, where there is one: it may choose agents when the rules are unsure, and word what is proven. Money is set
//! aside before each question to it; without money, or without an answer, the rules' own words stand. Each question gets
//! what is left of the investigation's time and no more; one that failed since the model did is the last of its investigation.
//!
//! The same words about the same statements are paid for once: what was said lately is said again.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::answer::{Answer, Missing, Plan, Runbook, Statement};
use schemas::ids::EventId;
use schemas::state::Recording;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

use crate::model::measure::{self, Measured};
use crate::model::purse::Asking;
use crate::model::record::Record;
use crate::model::roles::{Role, draft, plan, word};
use crate::model::wire::{ChatRequest, Usage};
use crate::model::{Completion, Failed, Model, ModelError, Unfit};
use crate::plan::roster::Roster;
use crate::redact;

/// A model is waited for so long, if there is as much time.
const PATIENCE: Duration = Duration::from_secs(8);
/// Answers that are remembered.
const REMEMBERED_MAX: usize = 512;

/// A model and what a tenant may spend on it.
#[derive(Clone, Debug)]
pub struct Voice {
    model: Model,
    usd_micros_per_day: u64,
    lately: Arc<Mutex<VecDeque<Record>>>,
}

/// What a model was asked in one investigation, and what came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Spoken {
    pub(crate) records: Vec<Record>,
    pub(crate) usd_micros: u64,
    /// Why the model did not help, the first time it did not.
    pub(crate) silent: Option<String>,
    /// Why it was not to be asked, as a stable code.
    pub(crate) denied: Option<String>,
    /// Whether the model itself has failed: it is not asked again in this investigation.
    failed: bool,
}

impl Spoken {
    fn keeps_silent(&mut self, why: &ModelError) {
        self.silent.get_or_insert(why.to_string());
        self.failed |= why.is_of_the_model();
        if matches!(why, ModelError::Spent | ModelError::Disabled) {
            self.denied.get_or_insert(why.code().to_owned());
        }
    }

    /// Adds to an answer what the model cost and why it was silent, and to its recording what it said.
    pub(crate) fn tell(self, answer: &mut Answer, recording: &mut Recording) {
        // Money is far below what a float counts exactly.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let usd = self.usd_micros as f64 / 1e6;
        answer.cost.llm_usd += usd;
        recording.usd_micros = self.usd_micros;
        recording.silent.clone_from(&self.silent);
        recording.denied.clone_from(&self.denied);
        let records = self.records.iter().filter_map(|record| serde_json::to_value(record).ok());
        recording.completions = records.collect();
        if let Some(why) = self.silent {
            let why = format!("the rules alone have answered: {why}");
            answer.missing.push(Missing { source: "model".to_owned(), why });
        }
    }
}

impl Voice {
    /// No model.
    pub fn off() -> Self {
        Voice::new(Model::Off, 0)
    }

    /// A model, and millionths of a dollar a tenant may spend on it in a day (UTC).
    pub fn new(model: Model, usd_micros_per_day: u64) -> Self {
        Voice { model, usd_micros_per_day, lately: Arc::default() }
    }

    /// What a model said in an investigation that is had again.
    pub(crate) fn recorded(completions: &[Value]) -> Self {
        let records = completions.iter().filter_map(|record| serde_json::from_value(record.clone()).ok());
        Voice::new(Model::Recorded(records.collect()), u64::MAX)
    }

    /// What a tenant may spend in a day, in millionths of a dollar.
    pub(crate) fn usd_micros_per_day(&self) -> u64 {
        self.usd_micros_per_day
    }

    /// Whether there is one.
    pub(crate) fn speaks(&self) -> bool {
        !matches!(self.model, Model::Off)
    }

    /// Chooses agents anew: those that the model names, and always the first.
    pub(crate) async fn plan(
        &self,
        asking: &Asking<'_>,
        (question, roster): (&str, &Roster),
        mut plan: Plan,
        spoken: &mut Spoken,
    ) -> Plan {
        let agent = |spec: &crate::plan::roster::AgentSpec| plan::Agent {
            name: spec.name.clone(),
            description: spec.description.clone(),
            has_data: plan.agents_selected.contains(&spec.name),
        };
        let facts = plan::Facts {
            question: question.to_owned(),
            agents: roster.iter().map(agent).collect(),
            intents: plan.reasoning.split("; ").map(str::to_owned).collect(),
        };
        let request = plan::request(&facts);
        let Some(chosen) = self.ask(asking, &request, |text| plan::read(text, &facts), spoken).await else {
            return plan;
        };
        let first = roster.iter().next().map(|spec| spec.name.clone());
        plan.agents_selected = first.into_iter().chain(chosen.agents).fold(Vec::new(), |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        });
        plan.decided_by = "model".to_owned();
        plan.prompt = Some(Role::Plan.version().to_owned());
        if !chosen.reason.is_empty() {
            plan.reasoning = chosen.reason;
        }
        plan
    }

    /// Words the statements of an answer: sentences that keep to them replace them, with all that proved them.
    pub(crate) async fn word(&self, asking: &Asking<'_>, answer: &mut Answer, spoken: &mut Spoken) {
        let cites = |statement: &Statement| statement.event_ids.iter().map(ToString::to_string).collect();
        let statements = answer.statements.iter().map(|said| word::Statement::new(&said.text, cites(said)));
        let facts = word::Facts { statements: statements.collect(), names: names(answer) };
        let request = word::request(&facts);
        let said = self.ask(asking, &request, |text| word::read(text, &facts), spoken).await;
        let Some(sentences) = said else { return };
        let worded = sentences.into_iter().map(|sentence| {
            let of = |number: &usize| answer.statements.get(number.checked_sub(1)?);
            let cited: Vec<&Statement> = sentence.cites.iter().filter_map(of).collect();
            let event_ids: BTreeSet<EventId> =
                cited.iter().flat_map(|said| said.event_ids.iter().copied()).collect();
            let calls: BTreeSet<u32> = cited.iter().flat_map(|said| said.calls.iter().copied()).collect();
            let absent: BTreeSet<String> =
                cited.iter().flat_map(|said| said.absent_from.iter().cloned()).collect();
            Statement {
                text: sentence.text,
                event_ids: event_ids.into_iter().collect(),
                calls: calls.into_iter().collect(),
                absent_from: absent.into_iter().collect(),
            }
        });
        answer.statements = worded.collect();
        answer.summary = crate::synthesize::statements::summary(&answer.statements);
    }

    /// Words the steps of a runbook; their number, order, commands and proposals stay.
    pub(crate) async fn draft(&self, asking: &Asking<'_>, answer: &mut Answer, spoken: &mut Spoken) {
        let names = names(answer);
        let Some(Runbook { steps, .. }) = &mut answer.runbook else { return };
        let step = |step: &schemas::answer::RunbookStep| {
            draft::Step::new(&step.text, step.command.as_deref().unwrap_or_default())
        };
        let facts = draft::Facts { steps: steps.iter().map(step).collect(), names };
        let request = draft::request(&facts);
        let said = self.ask(asking, &request, |text| draft::read(text, &facts), spoken).await;
        for (step, words) in steps.iter_mut().zip(said.into_iter().flatten()) {
            if let Some(words) = words {
                step.text = words.text;
            }
        }
    }

    /// Asks; or says again what was said lately to the same.
    async fn ask<T>(
        &self,
        asking: &Asking<'_>,
        request: &ChatRequest,
        read: impl Fn(&str) -> Result<T, Unfit>,
        spoken: &mut Spoken,
    ) -> Option<T> {
        if let Some(record) = self.said_lately(request)
            && let Ok(completion) =
                Model::Recorded(vec![record.clone()]).complete(request, &read, PATIENCE).await
        {
            spoken.records.push(Record { usd_micros: 0, ..record });
            return Some(completion.value);
        }
        let live = matches!(self.model, Model::Live(_));
        if live && spoken.failed {
            return None;
        }
        // What is had again asks nobody.
        let asked = if live {
            self.question(asking, request, &read).await
        } else {
            self.model.complete(request, &read, PATIENCE).await
        };
        let (records, usd_micros) = match &asked {
            Ok(completion) => (&completion.records, completion.usd_micros),
            Err(failed) => (&failed.records, failed.usd_micros),
        };
        spoken.usd_micros = spoken.usd_micros.saturating_add(usd_micros);
        spoken.records.extend(records.iter().cloned());
        match asked {
            Ok(completion) => {
                self.remember(&completion.records);
                Some(completion.value)
            }
            Err(failed) => {
                spoken.keeps_silent(&failed.why);
                None
            }
        }
    }

    /// Asks a model at a server, measured.
    async fn question<T>(
        &self,
        asking: &Asking<'_>,
        request: &ChatRequest,
        read: impl Fn(&str) -> Result<T, Unfit>,
    ) -> Result<Completion<T>, Failed> {
        let (started, role) = (Instant::now(), request.role().as_str());
        let span = measure::span(asking.tenant, role);
        let asked = self.paid(asking, request, read).instrument(span.clone()).await;
        let (records, usd_micros, status) = match &asked {
            Ok(completion) => (&completion.records, completion.usd_micros, "ok"),
            Err(failed) => (&failed.records, failed.usd_micros, failed.why.code()),
        };
        let usage = records.iter().fold(Usage::default(), |sum, record| Usage {
            input_tokens: sum.input_tokens.saturating_add(record.usage.input_tokens),
            output_tokens: sum.output_tokens.saturating_add(record.usage.output_tokens),
        });
        span.record("status", status);
        Measured { status, elapsed: started.elapsed(), usage, usd_micros }.count(asking.tenant, role);
        asked
    }

    /// Asks with money set aside, and settles.
    async fn paid<T>(
        &self,
        asking: &Asking<'_>,
        request: &ChatRequest,
        read: impl Fn(&str) -> Result<T, Unfit>,
    ) -> Result<Completion<T>, Failed> {
        let unasked = |why| Failed { why, records: Vec::new(), usd_micros: 0 };
        if let Some(why) = self.model.rests() {
            return Err(unasked(why));
        }
        let most = self.model.worst_case(request);
        let leave = asking.leave(most, self.usd_micros_per_day, PATIENCE).await;
        let (within, mut aside) = leave.map_err(unasked)?;
        let Some(asked) = asking.unless_off(self.model.complete(request, read, within)).await else {
            // What was set aside counts as spent, since the model may be at work on it.
            return Err(Failed { usd_micros: most, ..unasked(ModelError::Disabled) });
        };
        if let Some(aside) = &mut aside {
            let usd_micros =
                asked.as_ref().map_or_else(|failed| failed.usd_micros, |completion| completion.usd_micros);
            aside.settle(usd_micros).await;
        }
        asked
    }

    fn said_lately(&self, request: &ChatRequest) -> Option<Record> {
        if !matches!(self.model, Model::Live(_)) {
            return None;
        }
        let hash = request.hash();
        let lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.iter().find(|record| record.request_hash == hash).cloned()
    }

    fn remember(&self, records: &[Record]) {
        // One answer, read at once: with a repair it would not be read again by its first request.
        let [record] = records else { return };
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.push_back(record.clone());
        while REMEMBERED_MAX < lately.len() {
            lately.pop_front();
        }
    }
}

/// Names of things in an answer, which a sentence may hold only where its statements do.
fn names(answer: &Answer) -> BTreeSet<String> {
    let of_entity = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let links = answer.hypotheses.iter().flat_map(|hypothesis| &hypothesis.chain);
    let ends = links.flat_map(|link| [&link.cause.entity, &link.effect.entity]);
    let roots = answer.hypotheses.iter().map(|hypothesis| &hypothesis.root_cause.entity);
    ends.chain(roots).chain(&answer.scope.entities).map(|text| redact::text(&of_entity(text))).collect()
}
