#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]
use agents::tool::config::{Types, load};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

#[tokio::main]
async fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let loaded = load(
        &text,
        &|name| std::env::vars().find(|(n, _)| n == name).map(|(_, v)| v),
        SystemTime::now(),
        &Types::new(),
    )
    .await;
    let loaded = match loaded {
        Ok(l) => l,
        Err(e) => {
            println!("ERROR {e}");
            return;
        }
    };
    println!("away: {:?}", loaded.away);
    let tenant = "acme".parse().unwrap();
    for tool in loaded.toolbox.list(&tenant) {
        println!("{} {:?} {} {}", tool.name, tool.effect, tool.description, tool.parameters);
    }
    let calls = [
        ("search", json!({"query": "a", "limit": 2})),
        ("search", json!({"query": 1})),
        ("search", json!({"query": "a", "x": 1})),
        ("environment", json!({})),
        ("big", json!({})),
        ("search", json!({"query": "after big"})),
        ("die", json!({})),
        ("search", json!({"query": "after die"})),
        ("hang", json!({})),
        ("search", json!({"query": "after hang"})),
        ("delete", json!({"query": "a"})),
    ];
    for (name, arguments) in calls {
        let name = format!("notes.{name}");
        let called = loaded
            .toolbox
            .call(&tenant, &BTreeSet::from([name.clone()]), &name, arguments, Duration::from_secs(20))
            .await;
        println!(
            "{name} {} attempts {} in {:?}: {:.200}",
            called.status(),
            called.attempts,
            called.elapsed,
            format!("{:?}", called.outcome)
        );
    }
    println!("{:?}", loaded.toolbox.breakers());
}
