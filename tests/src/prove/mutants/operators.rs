//! Bugs of the computation: order, versions, retractions, tenants, lateness.

use super::{Edit, Mutant};

/// What random histories on one, two and four workers must show.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "order-of-a-hash-map",
        bug: "HashMap order: what is cited first depends on a random seed of the process",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/episodes/folded.rs",
            old: r#"let mut slots = self.slots.range(from..=to);
        let Some((_, first)) = slots.next() else { panic!("an episode has a slot") };
        let mut run = first.run();
        slots.for_each(|(_, slot)| slot.continue_run(&mut run));
        run"#,
            new: "let hashed: std::collections::HashMap<_, _> = self.slots.range(from..=to).collect();
        let mut slots = hashed.into_values();
        let Some(first) = slots.next() else { panic!() };
        let mut run = first.run();
        slots.for_each(|slot| slot.continue_run(&mut run));
        run",
        }],
    },
    Mutant {
        name: "identity-of-what-is-left",
        bug: "missing state: an episode is known by the first arrival that is live",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/episodes/folded.rs",
            old: "identify(&mut pieces, known, gap_ms);",
            new: "identify(&mut pieces, Vec::new(), gap_ms);",
        }],
    },
    Mutant {
        name: "incident-of-what-is-left",
        bug: "missing state: an incident is known by the first grave episode that is there",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/incidents/group.rs",
            old: "inherited.map_or(own, |inherited| own.min(*inherited))",
            new: "own",
        }],
    },
    Mutant {
        name: "order-of-arrival-at-a-worker",
        bug: "order: records of an epoch count as they come in from other workers",
        check: ("histories", 300),
        edits: &[Edit { file: "operators/admit.rs", old: "arrivals.sort();", new: "" }],
    },
    Mutant {
        name: "shared-out-by-number",
        bug: "routing: copies of one event go to different workers",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/admit.rs",
            old: "(sealed.tenant, sealed.id).hashed()",
            new: "sealed.seq",
        }],
    },
    Mutant {
        name: "revisions-ignored",
        bug: "missing version: the last to arrive wins, whatever its revision",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/current.rs",
            old: "revisions.last().map(|event| (*tenant, event.clone()))",
            new: "let latest = revisions.distinct().max_by_key(|event| event.0.seq);
        latest.map(|event| (*tenant, event.clone()))",
        }],
    },
    Mutant {
        name: "withdrawal-forgotten",
        bug: "hard delete: what was withdrawn comes back with a copy that is late",
        check: ("histories", 2_000),
        edits: &[Edit {
            file: "operators/admit.rs",
            old: "self.withdrawals.contains_key(&name)",
            new: "self.withdrawals.remove(&name).is_some()",
        }],
    },
    Mutant {
        name: "retraction-dropped",
        bug: "incremental: an operator adds its new output and leaves the old one",
        check: ("histories", 300),
        edits: &[Edit { file: "operators/maintain.rs", old: "emit(before, -1);", new: "drop(before);" }],
    },
    Mutant {
        name: "longer-cause-overlooked",
        bug: "incremental: an effect is not looked at again when a cause that goes on comes to reach it",
        check: ("histories", 4_000),
        edits: &[Edit {
            file: "operators/links/index.rs",
            old: "vec![(first.plus_ms(1), last)]",
            new: "Vec::new()",
        }],
    },
    Mutant {
        name: "later-edge-overlooked",
        bug: "incremental: an effect is not looked at again when a way to its cause opens later",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/links/index.rs",
            old: "self.subjects[number].touch_met_otherwise(number, &old, dirty);",
            new: "drop(old);",
        }],
    },
    Mutant {
        name: "first-tenant-answers",
        bug: "missing tenant filter: whoever asks is answered from the first tenant's views",
        check: ("histories", 300),
        edits: &[Edit {
            file: "views/visible.rs",
            old: "self.tenants.get(tenant.key())",
            new: "self.tenants.get(self.tenants.ids().first().map_or(tenant.key(), |first| first.key()))",
        }],
    },
    Mutant {
        name: "late-by-one",
        bug: "lateness: an event that is exactly as late as is allowed is refused or not, the other way round",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/admit/refusal.rs",
            old: "at.plus_ms(config.lateness_ms) <= now",
            new: "at.plus_ms(config.lateness_ms) < now",
        }],
    },
    Mutant {
        name: "future-believed",
        bug: "lateness: an event may be as far in the future as it says",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/admit.rs",
            old: "refusal(config, now, delivery.row.at, (delivery.expiry, delivery.stands()))",
            new: "refusal(config, now.max(delivery.row.at), delivery.row.at, (delivery.expiry, delivery.stands()))",
        }],
    },
    Mutant {
        name: "end-forgotten",
        bug: "missing state: the end of an alert expires before its beginning, which counts again",
        check: ("histories", 300),
        edits: &[Edit { file: "seal.rs", old: "if over { 2 } else { 1 }", new: "if over { 0 } else { 1 }" }],
    },
    Mutant {
        name: "withdrawal-outlived",
        bug: "missing state: an alert that was withdrawn fires again once the withdrawal has expired",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/admit.rs",
            old: "expiry.max(at.plus_ms(2 * ALERT_LIFETIME_MS))",
            new: "expiry",
        }],
    },
    Mutant {
        name: "conflict-taken-for-a-copy",
        bug: "deduplication: other content under the same key is silently dropped",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/admit.rs",
            old: "known.content == delivery.content",
            new: "known.key() == delivery.key()",
        }],
    },
    Mutant {
        name: "floating-point",
        bug: "float sum: the strength of a link is rounded as the machine likes",
        check: ("histories", 300),
        edits: &[Edit {
            file: "operators/links/strength.rs",
            old: "i64::from(rule.strength) * 10 * hop / 1_000 * near(lag_ms, rule.window_ms) / 1_000",
            new: "(f64::from(rule.strength) / 100.0 * hop as f64 * near(lag_ms, rule.window_ms) as f64 / 1e3).round() as i64",
        }],
    },
];
