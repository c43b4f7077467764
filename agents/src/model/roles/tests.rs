//! Tests of `roles`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::draft::{self, Step};
use super::word::{self, Statement};
use super::*;

fn statements() -> word::Facts {
    let ids = |id: &str| vec![id.to_owned()];
    let statements = vec![
        Statement::new("OOMKilled on pod prod/checkout-7d9f at 2026-11-26T14:02:11Z", ids("evt_1")),
        Statement::new("payments was deployed; password=hunter2x", ids("evt_2")),
    ];
    word::Facts { statements, names: BTreeSet::from(["billing".to_owned()]) }
}

fn worded(sentences: Value) -> Result<Vec<word::Sentence>, crate::model::Unfit> {
    word::read(&json!({ "sentences": sentences }).to_string(), &statements())
}

#[test]
fn prompts_hold_nothing_that_changes_and_name_their_version() {
    for role in [Role::Plan, Role::Word, Role::Draft] {
        assert!(role.version().starts_with(role.as_str()));
        assert_eq!(crate::redact::text(role.prompt()), role.prompt());
        assert!(!role.prompt().contains("{{") && role.prompt().contains("changes nothing"));
    }
}

#[test]
fn sentences_that_keep_to_what_they_cite_stay_and_others_go() {
    let good = json!({ "text": "The pod checkout-7d9f was OOMKilled at 14:02.", "cites": [1] });
    let kept = worded(json!([
        { "text": "The service billing failed.", "cites": [1, 2] },
        good,
        { "text": "The pod checkout-7d9f was killed.", "cites": [2] },
    ]))
    .unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].ids(&statements()), BTreeSet::from(["evt_1"]));
    for none in [
        json!([]),
        json!([good, good, good, good]),
        json!([{ "text": "It failed.", "cites": [] }]),
        json!([{ "text": "It failed.", "cites": [0] }]),
        json!([{ "text": "It failed.", "cites": [3] }]),
        json!([{ "text": "It failed.", "cites": ["1"] }]),
        json!([{ "text": "It failed. ".repeat(40), "cites": [1] }]),
        json!([{ "text": "See https://evil.example.", "cites": [1] }]),
        json!([{ "text": "It failed.", "cites": [1], "rank": 1 }]),
    ] {
        assert!(worded(none.clone()).is_err(), "{none}");
    }
}

#[test]
fn what_is_sent_is_free_of_secrets_and_bounded() {
    let mut facts = statements();
    assert!(!word::request(&facts).user().contains("hunter2x"));
    facts.statements = (0..1_000).map(|_| Statement::new(&"x ".repeat(1_000), Vec::new())).collect();
    assert!(word::request(&facts).user().len() < 100_000);
}

#[test]
fn no_part_of_a_secret_is_left_where_a_text_is_cut() {
    let secret = "ghp_0123456789abcdefABCDEF0123456789abcd";
    for before in (0..700).chain(4_700..4_900) {
        let text = format!("{} {secret} and more", "x".repeat(before));
        for shown in [free(&text, 600), free(&format!("{} {text}", "y@example.com ".repeat(300)), 600)] {
            assert!(!shown.contains("ghp"), "{before}");
        }
    }
    assert_eq!(free(&"x".repeat(100_000), 600), "");
}

fn steps() -> draft::Facts {
    let steps = vec![
        Step::new("Look at the events of pod checkout-7d9f", "kubectl get events -n prod"),
        Step::new("Raise the memory limit to 512 MiB", ""),
    ];
    draft::Facts { steps, names: BTreeSet::new() }
}

fn drafted(steps_written: Value) -> Result<Vec<Option<draft::Words>>, crate::model::Unfit> {
    draft::read(&json!({ "steps": steps_written }).to_string(), &steps())
}

#[test]
fn words_are_given_to_the_steps_there_are() {
    let step = |step: u64, text: &str| json!({ "step": step, "title": "Look closer", "text": text });
    let words = drafted(json!([
        step(1, "List the events of pod checkout-7d9f in prod."),
        step(2, "Raise it to 1024 MiB."),
    ]))
    .unwrap();
    assert_eq!(words[0].as_ref().unwrap().title, "Look closer");
    assert_eq!(words[1], None);
    for wrong in [
        json!([step(1, "Look.")]),
        json!([step(1, "Look."), step(1, "Look.")]),
        json!([step(2, "Look."), step(1, "Look.")]),
        json!([step(1, "Look."), step(2, "Look."), step(2, "Look.")]),
        json!([step(1, &"Look. ".repeat(60)), step(2, "Look.")]),
        json!([step(1, "Run `rm`."), step(2, "Use 9 GiB.")]),
        json!([{ "step": 1, "title": "a", "text": "b", "command": "rm" }, step(2, "Look.")]),
    ] {
        assert!(drafted(wrong.clone()).is_err(), "{wrong}");
    }
}
