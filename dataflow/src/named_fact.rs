//! What an event states, as the engine keeps it: its facts with their entities named, and whatever text comes again shared.
//!
//! Made once, when the event is sealed. Events are kept for the horizon and taken back at its end, and both times the operators
//! are given the same rows. In a cluster, what another process sealed shares nothing: it came over the wire.
//!
//! A snapshot holds them. Who changes what a fact comes to gives snapshots another format, or restored events would keep what
//! they came to before.

use std::sync::Arc;

use schemas::catalogue::{Class, Kind};
use schemas::entity::RelationKind;
use schemas::envelope::{CorrelationIds, Severity};
use schemas::fact::{Fact, Feedback, LogLine, Signal};
use schemas::ids::Tenant;
use schemas::object::ObjectState;
use schemas::time::EventTime;
use serde::{Deserialize, Serialize, Serializer};

use crate::names::{Names, Origins, Texts};
use crate::operators::objects::occurrence;
use crate::rows::{Cite, Named, Occurrence};

/// One thing that an event states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum NamedFact {
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

/// The facts of an event, written as a list. Most events state one thing, for which no list is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "Vec<NamedFact>")]
pub(crate) enum Stated {
    /// A single fact, always.
    One(NamedFact),
    /// Several, or none.
    Many(Box<[NamedFact]>),
}

impl Stated {
    /// In the order in which they are stated.
    pub(crate) fn facts(&self) -> &[NamedFact] {
        match self {
            Stated::One(fact) => std::slice::from_ref(fact),
            Stated::Many(facts) => facts,
        }
    }

    /// The same, to be changed.
    pub(crate) fn facts_mut(&mut self) -> &mut [NamedFact] {
        match self {
            Stated::One(fact) => std::slice::from_mut(fact),
            Stated::Many(facts) => facts,
        }
    }
}

impl From<Vec<NamedFact>> for Stated {
    fn from(facts: Vec<NamedFact>) -> Stated {
        match <[NamedFact; 1]>::try_from(facts) {
            Ok([fact]) => Stated::One(fact),
            // As many places as facts.
            Err(facts) => Stated::Many(facts.into()),
        }
    }
}

impl Serialize for Stated {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.facts().serialize(serializer)
    }
}

/// Names facts, with the entities, texts and origins that came lately.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    names: Names,
    texts: Texts,
    pub(crate) origins: Origins,
    /// What all events share that are tied to no other.
    untied: Arc<CorrelationIds>,
}

impl Naming {
    /// What the facts of one event come to; states of objects apart, because they outlive it.
    pub(crate) fn of(
        &mut self,
        tenant: Tenant,
        cite: Cite,
        facts: Vec<Fact>,
    ) -> (Stated, Vec<Arc<ObjectState>>) {
        let (mut named, mut objects) = (Vec::with_capacity(facts.len()), Vec::new());
        for fact in facts {
            let fact = match fact {
                Fact::Object(state) => {
                    objects.push(Arc::from(state));
                    continue;
                }
                Fact::Signal(signal) => self.signal(tenant, cite, &signal),
                Fact::Relation(edge) => NamedFact::Edge {
                    from: self.names.of(tenant, &edge.from),
                    relation: edge.kind,
                    to: self.names.of(tenant, &edge.to),
                    valid_from: edge.valid_from,
                    valid_to: edge.valid_to,
                },
                Fact::Sample(sample) => NamedFact::Sample {
                    on: self.names.of(tenant, &sample.entity),
                    metric: self.texts.of(&sample.metric),
                    at: sample.at,
                    value_micro: sample.value_micro,
                },
                Fact::LogLine(line) => self.line(tenant, &line),
                Fact::Feedback(feedback) => NamedFact::Feedback(Box::new(feedback)),
            };
            named.push(fact);
        }
        (named.into(), objects)
    }

    /// Ids that tie an event to others; none are shared.
    pub(crate) fn ties(&self, ids: CorrelationIds) -> Arc<CorrelationIds> {
        if ids == *self.untied { Arc::clone(&self.untied) } else { Arc::new(ids) }
    }

    /// Shares the absence of ids again.
    pub(crate) fn share_ties(&self, ids: &mut Arc<CorrelationIds>) {
        if *ids == self.untied {
            *ids = Arc::clone(&self.untied);
        }
    }

    /// Shares again what a snapshot has written out each time.
    pub(crate) fn share(&mut self, tenant: Tenant, fact: &mut NamedFact) {
        match fact {
            NamedFact::Occurrence { on, row, .. } => {
                *on = self.names.of(tenant, &on.entity);
                if let Some(row) = Arc::get_mut(row) {
                    row.detail = self.texts.of(&row.detail);
                }
            }
            NamedFact::Edge { from, to, .. } => {
                *from = self.names.of(tenant, &from.entity);
                *to = self.names.of(tenant, &to.entity);
            }
            NamedFact::Sample { on, metric, .. } => {
                *on = self.names.of(tenant, &on.entity);
                *metric = self.texts.of(metric);
            }
            NamedFact::Line { on, template, .. } => {
                *on = self.names.of(tenant, &on.entity);
                *template = self.texts.of(template);
            }
            NamedFact::Feedback(_) => {}
        }
    }

    fn signal(&mut self, tenant: Tenant, cite: Cite, signal: &Signal) -> NamedFact {
        let mut row = occurrence(signal, cite, self.texts.of(&signal.detail));
        // A monitoring system takes an alert back explicitly; until then it stands.
        row.standing = signal.kind.spec().class == Class::Alert && row.ended.is_none();
        NamedFact::Occurrence {
            on: self.names.of(tenant, &signal.entity),
            kind: signal.kind,
            row: Arc::new(row),
        }
    }

    fn line(&mut self, tenant: Tenant, line: &LogLine) -> NamedFact {
        let failed = Severity::Error <= line.severity;
        let (template, detail) = if failed { (&*line.template, &*line.detail) } else { ("", "") };
        NamedFact::Line {
            on: self.names.of(tenant, &line.entity),
            template: self.texts.of(template),
            // Hardly ever the same twice.
            detail: detail.into(),
            at: line.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::entity::{Entity, EntityKind};

    use super::*;

    #[test]
    fn facts_are_written_as_a_list_and_read_back_however_many() {
        let on = Named::of(Tenant(1), &Entity::global(EntityKind::Node, "node-1"));
        let fact = |at: i64| NamedFact::Sample {
            on: on.clone(),
            metric: "cpu".into(),
            at: EventTime(at),
            value_micro: at,
        };
        for count in 0..3 {
            let facts: Vec<NamedFact> = (0..count).map(fact).collect();
            let stated = Stated::from(facts.clone());
            assert_eq!(stated.facts(), facts);
            let written = rmp_serde::to_vec_named(&stated).unwrap();
            assert_eq!(written, rmp_serde::to_vec_named(&facts).unwrap());
            assert_eq!(rmp_serde::from_slice::<Stated>(&written).unwrap(), stated);
        }
    }
}
