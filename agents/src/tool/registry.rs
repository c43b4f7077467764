//! All tools there are, and the ways to call one: `call` to read, `act` to carry out what a person has approved.
//!
//! A call always leaves a record, whatever happened. On its way it passes, in this order: is there such a tool for this
//! tenant, and may this agent call it; does it only read; do the arguments fit; is it switched off; was it called too
//! often; does the other side fail all the time. Only then something outside is asked, within a deadline.
//!
//! Tools belong to connections. A connection of the same name may be there once for everybody and again for listed
//! tenants, with their own credentials: then these tenants have that one and nothing of the other.
//!
//! The kill switch is here, since one hand is for both: tools, and the model beside them.

mod attempt;
mod gate;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemas::answer::ToolStatus;
use schemas::ids::TenantId;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

pub use super::breaker::State;
use super::schema::{ARGUMENTS_BYTES, Arguments, fits, told};
pub(crate) use super::switch::Switch;
pub use super::switch::What;
use super::{Call, Effect, Metadata, Output, Tool, ToolError};
use gate::Gates;

/// Characters of a name that is asked for, in records.
const NAME_CHARS: usize = 128;

/// What calls on behalf of an approval are measured as, where an agent would stand.
const APPROVAL: &str = "approval";

/// One call, as it went.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    /// Which tool was asked for.
    pub tool: String,
    /// With what; null if it was more than a call may have.
    pub arguments: Value,
    /// What came of it.
    pub outcome: Result<Output, ToolError>,
    /// How often something outside was asked.
    pub attempts: u32,
    /// From the call to its end.
    pub elapsed: Duration,
    /// Millionths of a dollar that it cost, each attempt counted.
    pub usd_micros: u64,
}

impl Called {
    /// Stable code of the outcome, for records and metrics.
    pub fn status(&self) -> &'static str {
        self.outcome.as_ref().map_or_else(ToolError::code, |_| "ok")
    }
}

/// A tool that may be called.
struct Entry {
    tool: Box<dyn Tool>,
    arguments: Arguments,
}

/// The tools of one connection, for whom they are.
struct Group {
    tenants: Option<BTreeSet<TenantId>>,
    tools: BTreeMap<String, Entry>,
}

/// All tools.
#[derive(Default)]
pub struct Toolbox {
    /// By the name of the connection; groups of the same name share no tenant.
    groups: BTreeMap<String, Vec<Group>>,
    gates: Gates,
    switch: Switch,
}

impl Toolbox {
    /// A box without tools.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the tools of a connection, for listed tenants or for all who have none of their own under that name.
    ///
    /// # Errors
    /// A name is taken or not one, or a schema is none; as a sentence that says what to change.
    pub fn add(
        &mut self,
        connection: &str,
        tenants: Option<BTreeSet<TenantId>>,
        tools: Vec<Box<dyn Tool>>,
    ) -> Result<(), String> {
        let there = self.groups.entry(connection.to_owned()).or_default();
        for group in there.iter() {
            match (&group.tenants, &tenants) {
                (None, None) => return Err("name: taken by another connection for all tenants".to_owned()),
                (Some(one), Some(other)) if !one.is_disjoint(other) => {
                    let both: Vec<&str> = one.intersection(other).map(TenantId::as_str).collect();
                    return Err(format!("name: taken by another connection for {}", both.join(", ")));
                }
                _ => {}
            }
        }
        let mut entries = BTreeMap::new();
        for tool in tools {
            let name = tool.metadata().name.clone();
            if !well_named(connection, &name) {
                return Err(format!(
                    "tool {name:?}: not {connection}.… of up to {NAME_CHARS} letters, digits, '_', '-', '.'"
                ));
            }
            let arguments = Arguments::compile(&tool.metadata().parameters);
            let arguments = arguments.map_err(|error| format!("tool {name}: parameters: {error}"))?;
            if entries.insert(name.clone(), Entry { tool, arguments }).is_some() {
                return Err(format!("tool {name}: there are two"));
            }
        }
        there.push(Group { tenants, tools: entries });
        Ok(())
    }

    /// Connections of a tenant without any tool: who has them was away when they were made.
    pub(crate) fn away(&self, tenant: &TenantId) -> impl Iterator<Item = &str> {
        let mine = self.groups.iter().filter_map(|(name, groups)| Some((name, group_of(groups, tenant)?)));
        mine.filter(|(_, group)| group.tools.is_empty()).map(|(name, _)| name.as_str())
    }

    /// What a tenant has.
    pub fn list(&self, tenant: &TenantId) -> Vec<Metadata> {
        let groups = self.groups.values().filter_map(|groups| group_of(groups, tenant));
        groups.flat_map(|group| group.tools.values()).map(|entry| entry.tool.metadata().clone()).collect()
    }

    /// Switches off for a tenant, or for everybody if none is named, at once: calls under way end.
    pub fn disable(&self, tenant: Option<TenantId>, what: What) {
        self.switch.disable(tenant, what);
    }

    /// Takes back exactly what [`Toolbox::disable`] was told.
    pub fn enable(&self, tenant: Option<TenantId>, what: What) {
        self.switch.enable(tenant, what);
    }

    /// What is off.
    pub(crate) fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Whether anybody has a tool of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        let groups = name.split_once('.').and_then(|(connection, _)| self.groups.get(connection));
        groups.into_iter().flatten().any(|group| group.tools.contains_key(name))
    }

    /// Which tools are given a rest, for whom. Those that were never called are not listed.
    pub fn breakers(&self) -> Vec<(TenantId, String, State)> {
        self.gates.states(Instant::now())
    }

    /// What a tenant has, and how it stands.
    pub(crate) fn standing(&self, tenant: &TenantId) -> Vec<ToolStatus> {
        let breakers = self.breakers();
        let state = |name: &str| {
            let mine = breakers.iter().find(|(of, tool, _)| of == tenant && tool == name);
            mine.map_or("closed", |(_, _, state)| match state {
                State::Closed => "closed",
                State::Open => "open",
                State::HalfOpen => "half_open",
            })
        };
        let status = |tool: Metadata| ToolStatus {
            breaker: state(&tool.name).to_owned(),
            enabled: !self.is_off(tenant, &tool.name),
            reads_only: tool.effect == Effect::Read,
            category: serde_json::to_value(tool.category)
                .ok()
                .and_then(|category| category.as_str().map(str::to_owned))
                .unwrap_or_default(),
            name: tool.name,
            description: tool.description,
        };
        self.list(tenant).into_iter().map(status).collect()
    }

    /// Calls a tool for a tenant, on behalf of an agent that may call what is in `allowed`.
    pub async fn call(
        &self,
        tenant: &TenantId,
        (agent, allowed): (&str, &BTreeSet<String>),
        name: &str,
        arguments: Value,
        within: Duration,
    ) -> Called {
        let started = Instant::now();
        let tool: String = name.chars().take(NAME_CHARS).collect();
        let arguments = if fits(&arguments, ARGUMENTS_BYTES) { arguments } else { Value::Null };
        let mut called = Called {
            tool,
            arguments,
            outcome: Err(ToolError::Denied("there is no such tool here".to_owned())),
            attempts: 0,
            elapsed: Duration::ZERO,
            usd_micros: 0,
        };
        let entry = self.entry(tenant, name).filter(|_| allowed.contains(name));
        if let Some(entry) = entry {
            let span =
                tracing::info_span!("tool", %tenant, agent, tool = name, status = tracing::field::Empty);
            self.pass(entry, Effect::Read, tenant, &mut called, within).instrument(span.clone()).await;
            span.record("status", called.status());
        }
        called.elapsed = started.elapsed();
        // A name that nobody gave a tool is not a label: it would be for whoever asks to say how many there are.
        record(tenant, agent, if entry.is_some() { name } else { "unknown" }, &called);
        called
    }

    /// Calls the tool that an approval names, if it is one that writes and its operation is called like the action. Under the
    /// limits of every call, and once: a repeat could do twice what was approved once.
    pub(crate) async fn act(
        &self,
        tenant: &TenantId,
        (tool, action): (&str, &str),
        arguments: Value,
    ) -> Option<Called> {
        let entry = self.entry(tenant, tool)?;
        if !carries_out(entry.tool.metadata(), action) {
            return None;
        }
        let started = Instant::now();
        let mut called = Called {
            tool: tool.to_owned(),
            arguments,
            outcome: Err(switched_off()),
            attempts: 0,
            elapsed: Duration::ZERO,
            usd_micros: 0,
        };
        let span =
            tracing::info_span!("tool", %tenant, agent = APPROVAL, tool, status = tracing::field::Empty);
        let within = entry.tool.metadata().timeout;
        self.pass(entry, Effect::Write, tenant, &mut called, within).instrument(span.clone()).await;
        span.record("status", called.status());
        called.elapsed = started.elapsed();
        record(tenant, APPROVAL, tool, &called);
        Some(called)
    }

    /// A call on its way, of a tool that has this effect and no other.
    async fn pass(
        &self,
        entry: &Entry,
        effect: Effect,
        tenant: &TenantId,
        called: &mut Called,
        within: Duration,
    ) {
        let metadata = entry.tool.metadata();
        called.outcome = match self.admit(entry, effect, tenant, &called.arguments) {
            Err(error) => Err(error),
            Ok(mut gate) => {
                let call = Call { tenant: tenant.clone(), arguments: called.arguments.clone() };
                let within = within.min(metadata.timeout);
                let again = effect == Effect::Read;
                let attempts = attempt::Attempts { tool: entry.tool.as_ref(), gate: &gate, within, again };
                let outcome = tokio::select! {
                    biased;
                    () = self.turned_off(tenant, &metadata.name) => None,
                    outcome = attempts.run(call, &mut called.attempts) => Some(outcome),
                };
                if let Some(outcome) = &outcome {
                    gate.ended(outcome);
                }
                outcome.unwrap_or_else(|| Err(switched_off()))
            }
        };
        called.usd_micros = metadata.usd_micros.saturating_mul(u64::from(called.attempts));
        let error = called.outcome.as_ref().err().map(|error| told(&error.to_string()));
        tracing::debug!(status = called.status(), attempts = called.attempts, error, "called");
    }

    /// Everything that is decided before anything outside is asked.
    fn admit<'a>(
        &'a self,
        entry: &'a Entry,
        effect: Effect,
        tenant: &'a TenantId,
        arguments: &Value,
    ) -> Result<gate::Admitted<'a>, ToolError> {
        let metadata = entry.tool.metadata();
        if metadata.effect != effect {
            return Err(ToolError::Denied("it would change something, and nobody approved that".to_owned()));
        }
        entry.arguments.check(arguments).map_err(ToolError::Arguments)?;
        if self.is_off(tenant, &metadata.name) {
            return Err(switched_off());
        }
        self.gates.admit(tenant, metadata)
    }

    fn is_off(&self, tenant: &TenantId, tool: &str) -> bool {
        self.switch.is_off(tenant, &What::Tool(tool.to_owned()))
    }

    async fn turned_off(&self, tenant: &TenantId, tool: &str) {
        self.switch.turned_off(tenant, &What::Tool(tool.to_owned())).await;
    }

    fn entry(&self, tenant: &TenantId, name: &str) -> Option<&Entry> {
        let (connection, _) = name.split_once('.')?;
        group_of(self.groups.get(connection)?, tenant)?.tools.get(name)
    }
}

/// The group of a tenant: the one it is listed in, or the one for all.
fn group_of<'a>(groups: &'a [Group], tenant: &TenantId) -> Option<&'a Group> {
    let own = |group: &&Group| group.tenants.as_ref().is_some_and(|tenants| tenants.contains(tenant));
    groups.iter().find(own).or_else(|| groups.iter().find(|group| group.tenants.is_none()))
}

/// Whether a tool is one that writes, whose operation is called like an action.
fn carries_out(metadata: &Metadata, action: &str) -> bool {
    let operation = metadata.name.split_once('.').map(|(_, operation)| operation);
    metadata.effect == Effect::Write && operation == Some(action)
}

fn well_named(connection: &str, name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let operation = name.strip_prefix(connection).and_then(|rest| rest.strip_prefix('.'));
    !connection.is_empty()
        && connection.chars().all(plain)
        && name.len() <= NAME_CHARS
        && operation.is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|c| plain(c) || c.is_ascii_uppercase() || c == '.')
        })
}

fn switched_off() -> ToolError {
    ToolError::Denied("switched off".to_owned())
}

fn record(tenant: &TenantId, agent: &str, tool: &str, called: &Called) {
    let (tenant, agent, tool) = (tenant.as_str().to_owned(), agent.to_owned(), tool.to_owned());
    metrics::counter!("kgroot_tool_calls_total",
        "tenant" => tenant.clone(), "agent" => agent.clone(), "tool" => tool.clone(),
        "status" => called.status())
    .increment(1);
    metrics::histogram!("kgroot_tool_seconds", "tenant" => tenant, "agent" => agent, "tool" => tool,
        "status" => called.status())
    .record(called.elapsed);
}

#[cfg(test)]
mod tests;
