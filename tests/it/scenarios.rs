//! Every fault family, several seeds, three ways to ask: the right root comes first.

use bench::scenario::{Family, generate};

#[test]
fn the_root_cause_comes_first_in_every_family() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut wrong = Vec::new();
    let mut asked = 0;
    for family in Family::ALL {
        for seed in 1..=3 {
            let scenario = generate(family, seed);
            for question in &scenario.truth.questions {
                asked += 1;
                let named = runtime.block_on(first_root(&scenario, question));
                // A push alone says nothing: the harmless deploy has one, too.
                let by_kind =
                    named.1 != "github.push" && scenario.truth.root_kinds.contains(&named.1.as_str());
                if named.0 != scenario.truth.root && !by_kind {
                    wrong.push(format!(
                        "{} seed {seed} {question:?}: {} ({})",
                        family.name(),
                        named.0,
                        named.1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

async fn first_root(scenario: &bench::scenario::Scenario, question: &str) -> (String, String) {
    let mut records = Vec::new();
    deploy::input::split(
        "recording",
        scenario.recording("shop").as_bytes(),
        None,
        schemas::time::EventTime(0),
        &mut records,
    );
    let tenant = "shop".parse().unwrap();
    let engine = deploy::engine::start().unwrap();
    deploy::engine::feed(&engine, &tenant, &records, async |_, _| Ok(())).await.unwrap();
    assert!(deploy::engine::rejects(&engine.reader(), &tenant).await.unwrap().is_empty());
    let answer = deploy::engine::ask(&engine.reader(), &tenant, question).await.unwrap();
    engine.shutdown().unwrap();
    let first = answer.hypotheses.first();
    first.map(|first| (first.root_cause.entity.clone(), first.root_cause.kind.clone())).unwrap_or_default()
}
