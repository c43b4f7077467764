//! What the checks of the investigator share: an engine over an outage, tools that are played, a model that is played.

pub mod model;
pub mod tools;

use bench::scenario::{Scenario, generate};
use dataflow::engine::Engine;
use schemas::answer::{Answer, Question, RootCause};
use schemas::ids::TenantId;
use schemas::time::EventTime;

/// Whose outage it is.
pub const TENANT: &str = "shop";

/// Records of one tenant before those of another, where two are told of.
const TURN: usize = 50;

/// The tenant.
pub fn tenant() -> TenantId {
    TENANT.parse().expect("a plain word is a tenant")
}

/// An engine that has seen an outage.
pub async fn seen(scenario: &Scenario) -> Result<Engine, String> {
    told(&scenario.recording(TENANT), &tenant()).await
}

/// A second tenant, whom the troubles of the first do not concern.
pub fn neighbor() -> TenantId {
    "neighbor".parse().expect("a plain word is a tenant")
}

/// An engine in which two tenants have had the same outage at the same time.
pub async fn seen_by_two(scenario: &Scenario) -> Result<Engine, String> {
    let both = [tenant(), neighbor()];
    let mut lists = Vec::new();
    for of in &both {
        let (recording, mut records) = (scenario.recording(of.as_str()), Vec::new());
        deploy::input::split("recording", recording.as_bytes(), None, EventTime(0), &mut records);
        lists.push(records);
    }
    let engine = deploy::engine::start().map_err(|error| error.to_string())?;
    let most = lists.iter().map(Vec::len).max().unwrap_or(0);
    for from in (0..most).step_by(TURN) {
        for (of, records) in both.iter().zip(&lists) {
            let turn = &records[from.min(records.len())..(from + TURN).min(records.len())];
            let fed = deploy::engine::feed(&engine, of, turn, async |_, _| Ok(())).await;
            fed.map_err(|error| error.to_string())?;
        }
    }
    Ok(engine)
}

/// An engine that has seen a recording.
pub async fn told(recording: &str, tenant: &TenantId) -> Result<Engine, String> {
    let mut records = Vec::new();
    deploy::input::split("recording", recording.as_bytes(), None, EventTime(0), &mut records);
    let engine = deploy::engine::start().map_err(|error| error.to_string())?;
    let fed = deploy::engine::feed(&engine, tenant, &records, async |_, _| Ok(())).await;
    fed.map_err(|error| error.to_string())?;
    Ok(engine)
}

/// An outage of a family that is easy to read.
pub fn outage(seed: u64) -> Scenario {
    let families = bench::scenario::Family::ALL;
    let family = families[usize::try_from(seed).unwrap_or(0) % families.len()];
    generate(family, 1 + seed)
}

/// A question in words.
pub fn question(words: &str) -> Question {
    Question::new(tenant(), words)
}

/// Whether an answer names the root of an outage first.
pub fn named(answer: &Answer, scenario: &Scenario) -> bool {
    answer.hypotheses.first().is_some_and(|first| is_root(&first.root_cause, scenario))
}

/// Whether a cause is the root of an outage.
pub fn is_root(root: &RootCause, scenario: &Scenario) -> bool {
    // A push alone says nothing: the harmless deploy has one, too.
    let by_kind = root.kind != "github.push" && scenario.truth.root_kinds.contains(&root.kind.as_str());
    root.entity == scenario.truth.root || by_kind
}

/// What an answer concludes, without what agents brought: neither tools nor words may change it.
pub fn conclusion(answer: &Answer) -> Vec<(String, String, u64)> {
    let confidence = |value: f64| value.to_bits();
    let root = |found: &schemas::answer::AnswerHypothesis| {
        (found.root_cause.kind.clone(), found.root_cause.entity.clone(), confidence(found.confidence))
    };
    answer.hypotheses.iter().map(root).collect()
}
