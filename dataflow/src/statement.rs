//! What an event states, as the engine keeps it: its facts with their entities named, and whatever text comes again shared.
//!
//! Made once, when the event is sealed. Events are kept for the horizon and taken back at its end, and both times the operators
//! are given the same rows.

use std::sync::Arc;

use schemas::catalogue::{Class, Kind};
use schemas::entity::RelationKind;
use schemas::envelope::Severity;
use schemas::fact::{Fact, Feedback, LogLine, Signal};
use schemas::ids::Tenant;
use schemas::object::ObjectState;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::names::{Names, Texts};
use crate::operators::objects::occurrence;
use crate::rows::{Cite, Named, Occurrence};

/// One thing that an event states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Statement {
    /// Something happened to an entity, or is the case.
    Occurrence { on: Named, kind: Kind, row: Arc<Occurrence> },
    /// An edge holds.
    Edge {
        from: Named,
        relation: RelationKind,
        to: Named,
        valid_from: EventTime,
        valid_to: Option<EventTime>,
    },
    /// A sample of a metric.
    Sample { on: Named, metric: Arc<str>, at: EventTime, value_micro: i64 },
    /// A line was logged. Below error only its time counts, so that template and detail are empty.
    Line { on: Named, template: Arc<str>, detail: Arc<str>, at: EventTime },
    /// What a person says of an incident.
    Feedback(Box<Feedback>),
}

/// What an event says: statements, and states of objects, which outlive it.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) statements: Vec<Statement>,
    pub(crate) objects: Vec<Arc<ObjectState>>,
}

/// Who makes statements, with the names and texts that came lately.
#[derive(Debug, Default)]
pub(crate) struct Stater {
    names: Names,
    pub(crate) texts: Texts,
}

impl Stater {
    /// What the facts of one event come to.
    pub(crate) fn state(&mut self, tenant: Tenant, cite: Cite, facts: Vec<Fact>) -> Said {
        let mut said = Said { statements: Vec::with_capacity(facts.len()), objects: Vec::new() };
        for fact in facts {
            let statement = match fact {
                Fact::Object(state) => {
                    said.objects.push(Arc::from(state));
                    continue;
                }
                Fact::Signal(signal) => self.signal(tenant, cite, &signal),
                Fact::Relation(edge) => Statement::Edge {
                    from: self.names.of(tenant, &edge.from),
                    relation: edge.kind,
                    to: self.names.of(tenant, &edge.to),
                    valid_from: edge.valid_from,
                    valid_to: edge.valid_to,
                },
                Fact::Sample(sample) => Statement::Sample {
                    on: self.names.of(tenant, &sample.entity),
                    metric: self.texts.of(&sample.metric),
                    at: sample.at,
                    value_micro: sample.value_micro,
                },
                Fact::LogLine(line) => self.line(tenant, &line),
                Fact::Feedback(feedback) => Statement::Feedback(Box::new(feedback)),
            };
            said.statements.push(statement);
        }
        said
    }

    /// Shares again what a snapshot has written out each time.
    pub(crate) fn share(&mut self, tenant: Tenant, statement: &mut Statement) {
        match statement {
            Statement::Occurrence { on, .. } => *on = self.names.of(tenant, &on.entity),
            Statement::Edge { from, to, .. } => {
                *from = self.names.of(tenant, &from.entity);
                *to = self.names.of(tenant, &to.entity);
            }
            Statement::Sample { on, metric, .. } => {
                *on = self.names.of(tenant, &on.entity);
                *metric = self.texts.of(metric);
            }
            Statement::Line { on, template, detail, .. } => {
                *on = self.names.of(tenant, &on.entity);
                *template = self.texts.of(template);
                *detail = self.texts.of(detail);
            }
            Statement::Feedback(_) => {}
        }
    }

    fn signal(&mut self, tenant: Tenant, cite: Cite, signal: &Signal) -> Statement {
        let mut row = occurrence(signal, cite);
        // A monitoring system takes an alert back explicitly; until then it stands.
        row.standing = signal.kind.spec().class == Class::Alert && row.ended.is_none();
        Statement::Occurrence {
            on: self.names.of(tenant, &signal.entity),
            kind: signal.kind,
            row: Arc::new(row),
        }
    }

    fn line(&mut self, tenant: Tenant, line: &LogLine) -> Statement {
        let failed = Severity::Error <= line.severity;
        let (template, detail) = if failed { (&*line.template, &*line.detail) } else { ("", "") };
        Statement::Line {
            on: self.names.of(tenant, &line.entity),
            template: self.texts.of(template),
            detail: self.texts.of(detail),
            at: line.at,
        }
    }
}
