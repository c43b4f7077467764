//! Random histories: late, repeated, conflicting, corrected, withdrawn, refused; objects that come, change and go.
//!
//! A history is a function of its seed. Kinds and relations are drawn from the rule catalogue, so that links form.

use bench::scenario::random::Random;
use dataflow::arrival::{Arrival, EventArrival};
use schemas::catalogue::{Catalogue, Class, Direction, Path, RuleIndex, Rules};
use schemas::entity::{Entity, EntityKind, Relation};
use schemas::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use schemas::error::{DecodeError, Reject};
use schemas::fact::{Fact, Feedback, Lesson, LogLine, Normalized, Signal};
use schemas::ids::{EventId, EventKey, IncidentId, TenantId};
use schemas::object::{
    Condition, ContainerState, ContainerStatus, Endpoints, ObjectState, PodSpec, Replicas, ServicePort,
};
use schemas::position::SourcePosition;
use schemas::time::EventTime;

use crate::twin::Epoch;

mod measured;

/// When histories begin.
pub const START: EventTime = EventTime(1_790_000_000_000);

const TENANTS: [&str; 2] = ["amber", "blue"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

struct Writer {
    random: Random,
    rules: Rules,
    now: EventTime,
    sent: Vec<EventArrival>,
    offset: i64,
}

/// A history of a seed.
pub fn history(seed: u64) -> Vec<Epoch> {
    history_of(seed, &Rules::built_in())
}

/// A history of a seed, with causes and effects of some rules.
pub fn history_of(seed: u64, rules: &Rules) -> Vec<Epoch> {
    let (random, rules) = (Random::new(seed), rules.clone());
    let mut writer = Writer { random, rules, now: START, sent: Vec::new(), offset: 0 };
    let epochs = 4 + writer.random.below(10);
    let epoch = |index| {
        // One of eight goes on after most of a day, so that alerts expire that stand.
        if seed % 8 == 5 && index == epochs / 2 {
            writer.now = writer.now.plus_ms(23 * 3_600_000);
        }
        writer.epoch()
    };
    (0..epochs).map(epoch).collect()
}

impl Writer {
    fn epoch(&mut self) -> Epoch {
        // Mostly seconds; now and then a jump past the horizon.
        let step = match self.random.below(8) {
            0 => self.random.between(20, 50) * 60_000,
            1 => self.random.between(2, 6) * 60_000,
            _ => self.random.between(0, 30) * 1_000,
        };
        self.now = self.now.plus_ms(step);
        let mut arrivals = Vec::new();
        for _ in 0..self.random.below(14) {
            match self.random.below(20) {
                0 => arrivals.push(self.reject()),
                1 | 2 if !self.sent.is_empty() => arrivals.push(self.again()),
                3 => arrivals.extend(self.correction()),
                4 => arrivals.extend(self.withdrawal()),
                5..=9 => arrivals.push(self.object()),
                10..=14 => arrivals.extend(self.pair()),
                15 if self.random.below(2) == 0 => arrivals.extend(self.series()),
                15 => arrivals.extend(self.release()),
                16 => arrivals.push(self.line()),
                17 => arrivals.push(self.feedback()),
                _ => arrivals.push(self.single()),
            }
        }
        Epoch { now: self.now, arrivals }
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.random.below(from.len() as u64) as usize;
        from[index].clone()
    }

    fn time(&mut self) -> EventTime {
        let back = match self.random.below(12) {
            0 => -self.random.between(40, 90) * 60_000,
            1 => self.random.between(6, 20) * 60_000,
            2 | 3 => -self.random.between(3, 25) * 60_000,
            _ => -self.random.between(0, 90) * 1_000,
        };
        self.now.plus_ms(back)
    }

    fn event(&mut self, ts: EventTime, facts: Vec<Fact>) -> EventArrival {
        self.offset += 1;
        let tenant: TenantId =
            self.pick(&TENANTS).parse().unwrap_or_else(|_| unreachable!("tenants are valid"));
        let position = SourcePosition {
            topic: format!("events-{tenant}").into(),
            partition: 0,
            offset: self.offset,
            item: 0,
        };
        let envelope = Envelope {
            tenant_id: tenant,
            source: self.pick(&["kubernetes", "otel", "app"]).to_owned(),
            event_type: "test".to_owned(),
            ts,
            correlation_ids: CorrelationIds::default(),
            entity: EnvelopeEntity::default(),
            severity: Severity::Info,
            payload: format!("{}", self.random.below(3)),
            ingest_id: EventId(u128::from(self.random.bits())),
            schema_version: 1,
        };
        EventArrival { position, envelope, normalized: Normalized { facts, ..Normalized::default() } }
    }

    fn send(&mut self, event: EventArrival) -> Arrival {
        self.sent.push(event.clone());
        Arrival::Event(Box::new(event))
    }

    fn reject(&mut self) -> Arrival {
        self.offset += 1;
        let tenant: TenantId = TENANTS[0].parse().unwrap_or_else(|_| unreachable!("tenants are valid"));
        let position =
            SourcePosition { topic: "events-amber".into(), partition: 0, offset: self.offset, item: 0 };
        Arrival::Reject(Reject { tenant, position, error: DecodeError::malformed("broken"), at: None })
    }

    /// An earlier event once more: the same, or with other content under the same key.
    fn again(&mut self) -> Arrival {
        let mut event = self.pick(&self.sent.clone());
        self.offset += 1;
        event.position.offset = self.offset;
        if self.random.below(3) == 0 {
            event.envelope.payload = "other".to_owned();
        }
        Arrival::Event(Box::new(event))
    }

    fn entity(&mut self, kind: EntityKind) -> Entity {
        let name = self.pick(&NAMES);
        match kind {
            EntityKind::Node | EntityKind::Namespace | EntityKind::Commit => Entity::global(kind, name),
            _ => Entity::namespaced(kind, "shop", name),
        }
    }

    fn signal(&mut self, entity: Entity, kind: schemas::catalogue::Kind, at: EventTime) -> Signal {
        let mut signal = Signal::at(entity, kind, at, &format!("detail {}", self.random.below(3)));
        signal.severity =
            self.pick(&[Severity::Info, Severity::Warning, Severity::Error, Severity::Critical]);
        if self.random.below(4) == 0 {
            signal.last = at.plus_ms(self.random.between(0, 240) * 1_000);
        }
        if self.random.below(5) == 0 {
            signal = signal.since(at.plus_ms(-self.random.between(0, 300) * 1_000));
        }
        if self.random.below(6) == 0 {
            signal.ended = Some(signal.last.plus_ms(self.random.between(0, 120) * 1_000));
        }
        signal.count = 1 + self.random.below(4) as u32;
        signal
    }

    fn any_entity(&mut self) -> Entity {
        let kind = self.pick(&[
            EntityKind::Pod,
            EntityKind::Service,
            EntityKind::Deployment,
            EntityKind::Node,
            EntityKind::ConfigMap,
        ]);
        self.entity(kind)
    }

    fn single(&mut self) -> Arrival {
        let kinds: Vec<_> = Catalogue::built_in().kinds().map(|(kind, _)| kind).collect();
        let (kind, entity, at) = (self.pick(&kinds), self.any_entity(), self.time());
        let signal = self.signal(entity, kind, at);
        let event = self.event(at, vec![Fact::Signal(signal)]);
        self.send(event)
    }

    /// A cause and an effect of some rule, with the edges of one of its paths.
    fn pair(&mut self) -> Vec<Arrival> {
        let index = RuleIndex(self.random.below(self.rules.count() as u64) as u16);
        let rule = self.rules.rule(index).clone();
        let (cause, effect) = (self.pick(&rule.causes), self.pick(&rule.effects));
        let path = self.pick(&rule.paths);
        let mut entity = self.any_entity();
        let at = self.time();
        let effect = self.signal(entity.clone(), effect, at);
        let facts = self.walk(&mut entity, &path, at);
        let lag = self.random.between(-2, 400) * 1_000;
        let cause = self.signal(entity, cause, at.plus_ms(-lag));
        let tenant = self.event(at, vec![Fact::Signal(effect)]);
        let mut second = self.event(at.plus_ms(-lag), vec![Fact::Signal(cause)]);
        let mut third = self.event(at, facts);
        second.envelope.tenant_id = tenant.envelope.tenant_id.clone();
        third.envelope.tenant_id = tenant.envelope.tenant_id.clone();
        let mut all = vec![tenant, second, third];
        if self.random.below(2) == 0 {
            all.reverse();
        }
        all.into_iter().map(|event| self.send(event)).collect()
    }

    fn walk(&mut self, entity: &mut Entity, path: &Path, at: EventTime) -> Vec<Fact> {
        let mut facts = Vec::new();
        for step in &path.0 {
            let other = self.any_entity();
            let (from, to) = if step.direction == Direction::Forward {
                (entity.clone(), other.clone())
            } else {
                (other.clone(), entity.clone())
            };
            let valid_to = if self.random.below(4) == 0 {
                Some(at.plus_ms(self.random.between(-500, 60) * 1_000))
            } else {
                None
            };
            let valid_from = at.plus_ms(-self.random.between(0, 400) * 1_000);
            facts.push(Fact::Relation(Relation {
                from,
                kind: step.relation,
                to,
                valid_from,
                valid_to: valid_to.map(|end| end.max(valid_from)),
            }));
            *entity = other;
        }
        facts
    }

    /// Revisions of one key, in any order.
    fn correction(&mut self) -> Vec<Arrival> {
        let key = EventKey(u128::from(self.random.below(6)));
        let kinds: Vec<_> = Catalogue::built_in()
            .kinds()
            .filter(|(_, spec)| spec.class == Class::Alert)
            .map(|(kind, _)| kind)
            .collect();
        let (kind, entity, at) = (self.pick(&kinds), self.any_entity(), self.time());
        let signal = self.signal(entity, kind, at);
        let mut event = self.event(at, vec![Fact::Signal(signal)]);
        event.normalized.key = Some(key);
        event.normalized.revision = self.random.below(3) as i64;
        vec![self.send(event)]
    }

    fn withdrawal(&mut self) -> Vec<Arrival> {
        if self.sent.is_empty() {
            return Vec::new();
        }
        let target = self.pick(&self.sent.clone());
        let at = self.time();
        let mut event = self.event(at, Vec::new());
        event.envelope.tenant_id = target.envelope.tenant_id;
        event.normalized.withdraws = Some(target.envelope.ingest_id);
        vec![self.send(event)]
    }

    fn object(&mut self) -> Arrival {
        let kind = self.pick(&[
            EntityKind::Pod,
            EntityKind::Service,
            EntityKind::Deployment,
            EntityKind::Node,
            EntityKind::ConfigMap,
            EntityKind::Namespace,
        ]);
        let (entity, at) = (self.entity(kind), self.time());
        let mut state = ObjectState::new(entity, at);
        state.uid = self.pick(&["", "u1", "u2"]).to_owned();
        state.deleted = self.random.below(8) == 0;
        state.resource_version = self.random.below(4) as i64;
        if self.random.below(2) == 0 {
            state.created = Some(START.plus_ms(-3_600_000));
        }
        self.fill(&mut state);
        let event = self.event(at, vec![Fact::Object(Box::new(state))]);
        self.send(event)
    }

    fn fill(&mut self, state: &mut ObjectState) {
        let app = self.pick(&NAMES).to_owned();
        match state.entity.kind {
            EntityKind::Pod => {
                state.phase = "Running".to_owned();
                state.labels.insert("app".to_owned(), app);
                let node = self.pick(&NAMES).to_owned();
                state.pod =
                    Some(PodSpec { node, service_account: "default".to_owned(), ..PodSpec::default() });
                state.owners = vec![Entity::namespaced(EntityKind::Deployment, "shop", self.pick(&NAMES))];
                let reason = self.pick(&["CrashLoopBackOff", "ContainerCreating", ""]).to_owned();
                let waiting = ContainerState::Waiting { reason, message: String::new() };
                let running = ContainerState::Running { started: None };
                let state_now = if self.random.below(2) == 0 { waiting } else { running };
                state.containers = vec![ContainerStatus {
                    name: "main".to_owned(),
                    state: state_now,
                    ..ContainerStatus::default()
                }];
            }
            EntityKind::Service if self.random.below(2) == 0 => {
                state.uid = "endpoints/x".to_owned();
                let ready =
                    if self.random.below(2) == 0 { Vec::new() } else { vec![self.pick(&NAMES).to_owned()] };
                state.endpoints =
                    Some(Endpoints { service: state.entity.name.clone(), ready, ..Endpoints::default() });
            }
            EntityKind::Service => {
                state.selector.insert("app".to_owned(), app);
                state.ports =
                    vec![ServicePort { port: 80, target: "8080".to_owned(), ..ServicePort::default() }];
            }
            EntityKind::Deployment => {
                state.template_labels.insert("app".to_owned(), app);
                state.generation = self.random.below(5) as i64;
                state.replicas = Some(Replicas {
                    desired: self.random.below(3) as i64,
                    available: self.random.below(3) as i64,
                    ..Replicas::default()
                });
                state.pod =
                    Some(PodSpec { service_account: self.pick(&NAMES).to_owned(), ..PodSpec::default() });
            }
            EntityKind::Node => {
                let status = self.pick(&["True", "False", "Unknown"]).to_owned();
                let since = Some(state.at.plus_ms(-self.random.between(0, 300) * 1_000));
                state.conditions =
                    vec![Condition { name: "Ready".to_owned(), status, since, ..Condition::default() }];
                state.unschedulable = self.random.below(3) == 0;
            }
            EntityKind::ConfigMap => state.data_hash = self.random.below(3),
            _ => {
                state.hard.insert("pods".to_owned(), 2_000);
                state.used.insert("pods".to_owned(), self.random.between(0, 3) * 1_000);
            }
        }
    }

    /// Somebody says what was right or wrong about a rule and a kind, perhaps again.
    fn feedback(&mut self) -> Arrival {
        let index = RuleIndex(self.random.below(self.rules.count() as u64) as u16);
        let rule = self.rules.rule(index).clone();
        let (at, kind) = (self.time(), self.pick(&rule.causes));
        let (incident, who) = (self.random.below(5), self.pick(&["ann", "bo", "carl"]).to_owned());
        let mut lessons = vec![(Lesson::Kind(kind), self.random.below(2) == 0)];
        lessons.push((Lesson::Rule(rule.id.to_string()), self.random.below(2) == 0));
        let mut event = self.event(at, Vec::new());
        let key = u128::from(1_000 + incident * 10) + who.len() as u128;
        event.normalized.key = Some(EventKey(key));
        event.normalized.revision = at.0;
        let feedback = Feedback { incident: IncidentId(incident), who, lessons };
        event.normalized.facts = vec![Fact::Feedback(feedback)];
        self.send(event)
    }

    fn line(&mut self) -> Arrival {
        let (entity, at) = (self.any_entity(), self.time());
        let severity = self.pick(&[Severity::Info, Severity::Error, Severity::Critical]);
        let template = format!("template {}", self.random.below(4));
        let detail = format!("line {}", self.random.below(100));
        let event = self.event(at, vec![Fact::LogLine(LogLine { entity, at, severity, template, detail })]);
        self.send(event)
    }
}
