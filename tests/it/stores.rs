//! Stores on real servers: `cargo prove sinks`, the queries of docs/graph.md on what that left behind, and
//! `cargo prove dead-store` for a short time. `KGROOT_TEST_SINKS` says how many kills.

use serde_json::{Value, json};
use tests::prove::{Cases, dead_store, sinks};

use crate::program::variable;

/// How long a store is away.
const AWAY_SECONDS: u64 = 15;
const DOCUMENT: &str = include_str!("../../docs/graph.md");

/// The statements of a page, in order.
fn statements(page: &str) -> Vec<&str> {
    let blocks = page.split("```cypher\n").skip(1);
    blocks.filter_map(|block| block.split("```").next()).collect()
}

/// Runs a statement; gives its rows.
async fn ask(statement: &str, parameters: &Value) -> Vec<Value> {
    let named = |name: &str| variable(name).unwrap_or_default();
    let url = format!("{}/db/neo4j/query/v2", named("KGROOT_TEST_NEO4J_HTTP"));
    let body = json!({ "statement": statement, "parameters": parameters });
    let (user, password) = (named("KGROOT_TEST_NEO4J_USER"), named("KGROOT_TEST_NEO4J_PASSWORD"));
    let request = reqwest::Client::new().post(&url).basic_auth(user, Some(password)).json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let rows = answer["data"]["values"].as_array();
    rows.unwrap_or_else(|| panic!("{statement}\n{answer}")).clone()
}

#[test]
fn stores_equal_the_twin_and_the_documented_queries_answer() {
    if variable("KGROOT_TEST_NEO4J").is_none() || variable("KGROOT_TEST_KAFKA").is_none() {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: stores on real servers, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    }
    let n = variable("KGROOT_TEST_SINKS").map_or(30, |n| n.parse().unwrap());
    let report = sinks::prove(Cases { n, seed: 3, first: false });
    println!("{}", report.document());
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let some = "MATCH (i:Incident)<-[:OF]-(c:Chain)-[:ROOT]->(:Episode)-[:ON]->(e:Entity) \
            WHERE i.live RETURN i.tenant_id, i.incident_id, e.name LIMIT 1";
        let found = ask(some, &json!({})).await;
        let row = found.first().expect("an incident with a chain");
        let parameters = json!({ "tenant": row[0], "incident": row[1], "name": row[2] });
        let mut answered = 0;
        for statement in statements(DOCUMENT) {
            answered += usize::from(!ask(statement, &parameters).await.is_empty());
        }
        assert!(3 <= answered, "only {answered} documented queries found anything");
    });
    // Not beside the other one, which kills the servers.
    let report = dead_store::exact(Cases { n: AWAY_SECONDS, seed: 4, first: false });
    println!("{}", report.document());
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
