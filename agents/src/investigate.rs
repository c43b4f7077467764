//! The path of a question: scope → router → agents in parallel, each within its time → one answer, with all it rests on.
//! All of it ends by one deadline: agents and the model get what is left of it.
//!
//! No clock but for latency and the deadline, no randomness: the same views, tool results and completions give the same answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use schemas::answer::{Answer, Plan, Question, SimilarCase, Step};
use schemas::audit::{self, AuditRecord, Decision};
use schemas::read::ViewReader;
use schemas::state::{Investigated, ProductState, Recording, Repository, StateRequest};
use schemas::view::ChainRow;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use crate::again::packed;
use crate::agent::{self, Assignment};
use crate::caller::Caller;
use crate::error::InvestigateError;
use crate::evidence::Known;
use crate::memory;
use crate::memory::alike::{self, Embedder};
use crate::model::purse::Asking;
use crate::model::voice::{Spoken, Voice};
use crate::plan::calls;
use crate::plan::roster::Roster;
use crate::plan::router;
use crate::plan::slots::Slots;
use crate::redact;
use crate::scope::Resolved;
use crate::synthesize::{self, Brought};
use crate::tool::registry::Toolbox;

/// An investigation takes no longer: who asks over HTTP is given up after 30 s, and what has been found has to be kept too.
pub const DEADLINE: Duration = Duration::from_secs(25);

/// Where the steps of an investigation are told; one that nobody takes in time is left out.
pub type Steps = mpsc::Sender<Step>;

/// Answers questions. Cheap to clone.
#[derive(Clone)]
pub struct Investigator {
    pub(crate) reader: ViewReader,
    state: Option<ProductState>,
    pub(crate) toolbox: Arc<Toolbox>,
    roster: Arc<Roster>,
    voice: Voice,
    embedder: Option<Embedder>,
    deadline: Duration,
}

/// What an investigation rests on beside the views.
pub(crate) struct Beside {
    pub(crate) caller: Caller,
    pub(crate) voice: Voice,
    pub(crate) recording: Recording,
}

impl Investigator {
    /// Answers from the views alone.
    pub fn new(reader: ViewReader) -> Self {
        let (toolbox, roster) = (Arc::new(Toolbox::new()), Arc::new(Roster::built_in()));
        Investigator {
            reader,
            state: None,
            toolbox,
            roster,
            voice: Voice::off(),
            embedder: None,
            deadline: DEADLINE,
        }
    }

    /// With what the product keeps: cases, repositories, money.
    #[must_use]
    pub fn with_state(self, state: ProductState) -> Self {
        Investigator { state: Some(state), ..self }
    }

    /// With agents and the tools that they may call.
    #[must_use]
    pub fn with_tools(self, roster: Roster, toolbox: Arc<Toolbox>) -> Self {
        Investigator { roster: Arc::new(roster), toolbox, ..self }
    }

    /// With a model.
    #[must_use]
    pub fn with_voice(self, voice: Voice) -> Self {
        Investigator { voice, ..self }
    }

    /// With a model of vectors, or without.
    #[must_use]
    pub fn with_embedder(self, embedder: Option<Embedder>) -> Self {
        Investigator { embedder, ..self }
    }

    /// With another deadline.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Investigator { deadline, ..self }
    }

    /// When an investigation that begins now has to be over.
    pub(crate) fn ends(&self) -> Instant {
        Instant::now() + self.deadline
    }

    /// Answers a question from the views as of one epoch, and from the tools.
    ///
    /// # Errors
    /// The question cannot be answered as it stands: unknown tenant or service, window reversed or absurd, unreadable
    /// epoch; or the engine has stopped. A tool that fails is no error: the answer says what is missing.
    pub async fn investigate(
        &self,
        question: &Question,
        steps: Option<&Steps>,
    ) -> Result<Investigated, InvestigateError> {
        let span = tracing::info_span!("investigation", tenant = %question.tenant_id);
        let started = Instant::now();
        let mut investigated = self.look_into(question, steps).instrument(span).await?;
        investigated.answer.latency_ms = started.elapsed().as_secs_f64() * 1_000.0;
        Ok(investigated)
    }

    async fn look_into(
        &self,
        question: &Question,
        steps: Option<&Steps>,
    ) -> Result<Investigated, InvestigateError> {
        let ends = self.ends();
        let (resolved, known) = self.understand(question).await?;
        tell(steps, "scope", || {
            format!("{} incidents, {} entities", resolved.incidents.len(), resolved.entities.len())
        });
        let beside = self.beside(question, &resolved, &known, ends).await;
        let seen = (&resolved, &known);
        let mut investigated = self.answer(question, seen, beside, None, (ends, steps)).await;
        investigated.recording.views = packed::pack(&resolved, &known, &investigated.answer);
        Ok(investigated)
    }

    pub(crate) fn usd_micros_per_day(&self) -> Option<u64> {
        self.voice.speaks().then(|| self.voice.usd_micros_per_day())
    }

    /// Whether the model is one of this program at all.
    pub(crate) fn has_model(&self) -> bool {
        self.voice.speaks() || self.embedder.is_some()
    }

    /// What the product keeps of use for a question. State that is away costs its own part of the answer.
    async fn beside(&self, question: &Question, resolved: &Resolved, known: &Known, ends: Instant) -> Beside {
        let mut recording = Recording::default();
        if let Some(state) = &self.state {
            let tenant = &question.tenant_id;
            if !resolved.incidents.is_empty() {
                let cases = state.ask(|reply| StateRequest::Cases(tenant.clone(), reply)).await;
                recording.cases = cases.unwrap_or_default();
            }
            for service in Slots::services(resolved, known) {
                let asked = |reply| StateRequest::Repository(tenant.clone(), service, reply);
                recording.repositories.extend(state.ask(asked).await.ok().flatten());
            }
        }
        if let (Some(embedder), Some(incident), false) =
            (&self.embedder, resolved.incidents.first(), question.no_llm)
        {
            let asking = self.asking(question, resolved, ends);
            recording.likeness = Some(embedder.likeness(&asking, incident, &recording.cases).await);
        }
        let voice = if question.no_llm { Voice::off() } else { self.voice.clone() };
        Beside { caller: Caller::Live(Arc::clone(&self.toolbox)), voice, recording }
    }

    /// One answer. `then` is the answer that is had again: its calls are made once more, in its record.
    pub(crate) async fn answer(
        &self,
        question: &Question,
        (resolved, known): (&Resolved, &Known),
        beside: Beside,
        then: Option<&Answer>,
        (ends, steps): (Instant, Option<&Steps>),
    ) -> Investigated {
        let Beside { caller, voice, mut recording } = beside;
        let mut spoken = Spoken::default();
        let asking = self.asking(question, resolved, ends);
        let similar = similar(resolved, known, &mut recording);
        let names: BTreeSet<&str> = self.roster.iter().map(|agent| agent.name.as_str()).collect();
        let mut plan = router::plan(&question.query, resolved, known, &names);
        if voice.speaks() && router::UNSURE_MILLI <= plan.ambiguity_milli {
            plan = voice.plan(&asking, (&question.query, &self.roster), plan, &mut spoken).await;
        }
        tell(steps, "plan", || plan.reasoning.clone());
        let assignments = match then {
            Some(then) => self.assigned_then(&plan, then),
            None => self.assign(question, (resolved, known), &plan, (&caller, &recording.repositories)),
        };
        let (tenant, similar_cases) = (&question.tenant_id, similar.as_slice());
        let case = agent::Case { tenant, resolved, known, similar: similar_cases, caller: &caller, ends };
        let work = assignments.into_iter().map(async |assignment| {
            let report = agent::work(&case, assignment).await;
            tell(steps, "agent", || {
                format!("{}: {} findings", report.result.agent, report.result.findings.len())
            });
            report
        });
        let mut reports = join_all(work).await;
        agent::number(&mut reports);
        let (results, calls): (Vec<_>, Vec<_>) =
            reports.into_iter().map(|report| (report.result, report.calls)).unzip();
        let brought = Brought { plan, results, calls: calls.concat(), similar };
        let mut answer = synthesize::answer(question, resolved, known, brought);
        if voice.speaks() {
            voice.word(&asking, &mut answer, &mut spoken).await;
            voice.draft(&asking, &mut answer, &mut spoken).await;
        }
        if then.is_some() {
            // What is said again costs nothing, and nobody keeps silent: the answer tells of then.
            spoken.usd_micros = recording.usd_micros;
            spoken.silent.clone_from(&recording.silent);
            spoken.denied.clone_from(&recording.denied);
        }
        spoken.tell(&mut answer, &mut recording);
        alike::tell(&mut answer, &recording);
        answer.investigation_id = synthesize::identity(question, &answer);
        tell(steps, "answer", || answer.summary.clone());
        let decisions = decisions(question, &answer, &recording);
        Investigated { question: question.clone(), answer, recording, decisions }
    }

    fn asking<'a>(&'a self, question: &'a Question, resolved: &Resolved, ends: Instant) -> Asking<'a> {
        let (tenant, purpose) = (&question.tenant_id, purpose(resolved));
        Asking { tenant, purpose, state: self.state.as_ref(), ends, switch: self.toolbox.switch() }
    }

    /// What each selected agent is to do.
    fn assign<'a>(
        &'a self,
        question: &Question,
        (resolved, known): (&Resolved, &Known),
        plan: &Plan,
        (caller, repositories): (&Caller, &[Repository]),
    ) -> Vec<Assignment<'a>> {
        let (tools, away) = (caller.tools(&question.tenant_id), caller.away(&question.tenant_id));
        let slots = Slots::of(resolved, known, repositories);
        let selected = plan.agents_selected.iter().filter_map(|name| self.roster.get(name));
        let assigned = selected.map(|spec| {
            let mine = tools.iter().filter(|tool| spec.may_call(tool));
            let (calls, mut skipped) = calls::plan(mine, &slots, resolved, known);
            skipped.extend(away.iter().cloned());
            Assignment { spec, calls, skipped }
        });
        assigned.collect()
    }

    /// What each agent did then.
    fn assigned_then<'a>(&'a self, plan: &Plan, then: &Answer) -> Vec<Assignment<'a>> {
        let selected = plan.agents_selected.iter().filter_map(|name| self.roster.get(name));
        let assigned = selected.map(|spec| {
            let (calls, planned) = crate::again::assigned(then, &spec.name);
            Assignment { spec, calls, skipped: planned }
        });
        assigned.collect()
    }
}

/// The cases that the first incident is like; only those are kept with the investigation.
fn similar(resolved: &Resolved, known: &Known, recording: &mut Recording) -> Vec<SimilarCase> {
    let Recording { cases, likeness, .. } = recording;
    let Some(incident) = resolved.incidents.first() else {
        cases.clear();
        return Vec::new();
    };
    let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
    let signature = memory::signature(chains.map(Arc::as_ref).map(|chain: &ChainRow| chain));
    let similar = memory::similar(incident, &signature, cases, likeness.as_ref());
    cases.retain(|case| similar.iter().any(|found| found.incident_id == case.incident.incident_id));
    similar
}

/// What was decided, for the audit stream: what people have written in their questions is redacted as it is for a model.
fn decisions(question: &Question, answer: &Answer, recording: &Recording) -> Vec<AuditRecord> {
    let mut records = audit::records(question, answer, recording);
    for record in &mut records {
        record.reason = redact::text(&record.reason);
        if record.decision == Decision::QuestionAsked {
            record.detail = redact::value(&record.detail);
        }
    }
    records
}

/// What money is spent on: the first incident, or questions about none.
fn purpose(resolved: &Resolved) -> String {
    resolved.incidents.first().map_or_else(|| "no incident".to_owned(), |first| first.incident_id.to_string())
}

fn tell(steps: Option<&Steps>, step: &str, detail: impl FnOnce() -> String) {
    if let Some(steps) = steps {
        // A reader that is too slow misses a step, not the answer.
        let _left_out = steps.try_send(Step { step: step.to_owned(), detail: detail() });
    }
}
