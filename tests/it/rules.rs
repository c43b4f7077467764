//! Rules files: what they come to, and what a preview says on a history of our own.

use std::path::PathBuf;

use bench::scenario::{Family, generate};
use dataflow::config::{Clock, EngineConfig};
use deploy::config::load;
use deploy::preview::diff::Difference;
use deploy::preview::history::History;
use deploy::preview::{Window, compare};
use schemas::catalogue::Rules;
use schemas::time::EventTime;

const ALWAYS: Window = Window { from: EventTime(0), to: EventTime(i64::MAX) };

/// A file of this process that is gone with it.
struct Recording(PathBuf);

impl Drop for Recording {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn preview(name: &str, rules: &str) -> Difference {
    let path = std::env::temp_dir().join(format!("kgroot-preview-{name}-{}.jsonl", std::process::id()));
    std::fs::write(&path, generate(Family::BadConfig, 7).recording("shop")).unwrap();
    let recording = Recording(path);
    let config = load(None, &[]).unwrap();
    let wanted = (vec![recording.0.clone()], None, Some("shop".parse().unwrap()));
    let history = History::read(&config, wanted, ALWAYS, 0).unwrap();
    let engine = EngineConfig { clock: Clock::Event, ..EngineConfig::default() };
    let proposed = Rules::with_file("rules.yaml", rules).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(compare(&history, engine, proposed, ALWAYS)).unwrap()
}

#[test]
fn the_same_rules_differ_in_nothing() {
    let difference = preview("same", "[]");
    assert!(difference.rules.is_empty() && difference.changes.is_empty() && difference.links.is_empty());
    assert_eq!((difference.incidents.present, difference.incidents.proposed), (1, 1));
    assert_eq!((difference.alerts.present, difference.alerts.differ), (1, 0));
}

#[test]
fn a_preview_shows_what_a_rule_carries() {
    let difference = preview("removed", "- {id: R06b, enabled: false}\n- {id: R07, enabled: false}\n");
    let removed: Vec<(&str, &str)> =
        difference.rules.iter().map(|rule| (rule.rule.as_str(), rule.change)).collect();
    assert_eq!(removed, [("R06b", "removed"), ("R07", "removed")]);
    let lost = &difference.links["R06b"];
    assert!(0 < lost.lost && lost.gained == 0 && !lost.examples.is_empty(), "{difference:#?}");
}

#[test]
fn a_rule_of_one_tenant_is_none_of_another() {
    let rule = |tenant| {
        format!(
            "- {{id: own-1, tenants: [{tenant}], cause: [k8s.configmap.Changed], effect: [k8s.pod.NotReady, k8s.pod.CrashLoopBackOff, k8s.pod.ContainerError], path: [\"owns<* references>\"], window: 1h, strength: strong, title: own}}"
        ) + "\n- {id: R06b, enabled: false}\n- {id: R07, enabled: false}\n- {id: R19, enabled: false}\n"
    };
    let (own, other) = (preview("own", &rule("shop")), preview("other", &rule("elsewhere")));
    assert!(0 < own.links["own-1"].gained, "{own:#?}");
    assert!(!other.links.contains_key("own-1"), "{other:#?}");
}

#[test]
fn other_rules_are_another_generation() {
    let with = |text: &str| {
        let rules = Rules::with_file("rules.yaml", text).unwrap();
        EngineConfig { rules, ..EngineConfig::default() }.generation()
    };
    assert_eq!(with("[]"), EngineConfig::default().generation());
    assert_ne!(with("- {id: R28, strength: weak}"), with("[]"));
    assert_ne!(with("- {id: R28, tenants: [shop], strength: weak}"), with("- {id: R28, strength: weak}"));
}
