//! Parts of a history that measure: series with a jump, and releases whose new pods do worse or not.

use dataflow::arrival::Arrival;
use schemas::entity::{Entity, EntityKind, Relation, RelationKind};
use schemas::fact::{Fact, Sample, Signal};

use super::{NAMES, Writer};

impl Writer {
    /// Samples of one series over some minutes, with or without a jump.
    pub(super) fn series(&mut self) -> Vec<Arrival> {
        let entity = self.any_entity();
        let metric = self.pick(&["cpu", "span.errors", "queue_depth", "span.wire_us"]).to_owned();
        // Times on the way are microseconds, of which a thousand more or less are nothing, and there are several at once.
        let (unit, together) = if metric == "span.wire_us" { (1_000_000_000, 4) } else { (1_000_000, 1) };
        let level = self.random.between(1, 50) * unit;
        let jump = self.random.below(2) == 0;
        let minutes = self.random.between(9, 16);
        let mut arrivals = Vec::new();
        for minute in 0..minutes {
            let at = self.now.plus_ms((minute - minutes) * 60_000 + self.random.between(0, 20_000));
            let value_micro = if jump && minutes - 3 < minute {
                level * 20
            } else {
                level + self.random.between(-200_000, 200_000)
            };
            let sample = |value_micro| {
                Fact::Sample(Sample { entity: entity.clone(), metric: metric.clone(), at, value_micro })
            };
            let factors = (0..together).map(|_| self.random.between(1, together));
            let samples: Vec<Fact> = factors.map(|factor| sample(value_micro * factor)).collect();
            let event = self.event(at, samples);
            arrivals.push(self.send(event));
        }
        arrivals
    }

    /// A step of a release, pods of both versions, and what they measure.
    pub(super) fn release(&mut self) -> Vec<Arrival> {
        let service = self.entity(EntityKind::Service);
        let at = self.now.plus_ms(-self.random.between(0, 8) * 60_000);
        let kind = schemas::catalogue::Kind::named(self.pick(&["deploy.canary_step", "deploy.rollout"]));
        let step = self.event(at, vec![Fact::Signal(Signal::at(service.clone(), kind, at, "step"))]);
        let tenant = step.envelope.tenant_id.clone();
        let mut arrivals = vec![self.send(step)];
        let metric = self.pick(&["errors_percent", "latency_ms", "memory", "cpu"]).to_owned();
        let jump = self.random.below(3);
        for (index, name) in NAMES.iter().enumerate() {
            let new = index == 0 && self.random.below(4) != 0;
            let since = at.plus_ms(if new { self.random.between(-90, 60) } else { -900 } * 1_000);
            let pod = Entity::namespaced(EntityKind::Pod, "shop", name);
            let kind = self.pick(&[RelationKind::Selects, RelationKind::Owns]);
            let edge =
                Relation { from: service.clone(), kind, to: pod.clone(), valid_from: since, valid_to: None };
            let mut facts = vec![Fact::Relation(edge)];
            for minute in 0..self.random.between(0, 5) {
                let value_micro = match (new, jump) {
                    (true, 0) => 0,
                    (true, 1) => self.random.between(50, 90) * 1_000_000,
                    _ => self.random.between(1, 5) * 1_000_000,
                };
                let at = at.plus_ms(minute * 60_000 + self.random.between(0, 20_000));
                facts.push(Fact::Sample(Sample {
                    entity: pod.clone(),
                    metric: metric.clone(),
                    at,
                    value_micro,
                }));
            }
            let mut event = self.event(at, facts);
            event.envelope.tenant_id = tenant.clone();
            arrivals.push(self.send(event));
        }
        arrivals
    }
}
