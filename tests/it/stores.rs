//! Stores on real servers: `cargo prove sinks`, the queries of docs/graph.md on what that left behind, and
//! `cargo prove dead-store` and `cargo prove volume` for a short time. `KGROOT_TEST_SINKS` says how many kills: without it, as many
//! as it takes until everything that can happen has happened.

use std::collections::BTreeSet;
use std::time::Duration;

use agents::tool::config::load;
use agents::tool::vendor::kinds::types;
use serde_json::{Value, json};
use tests::prove::{Cases, Report, dead_store, sinks, volume};

use crate::program::variable;

/// How long a store is away.
const AWAY_SECONDS: u64 = 15;
/// Records sent as fast as it goes.
const RECORDS: u64 = 8_000;
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

/// The graph tools of the agents, on the same graph: for its tenant, and for another one nothing.
async fn tools_answer(tenant: &Value, incident: &Value) {
    let named = |name: &str| variable(name).unwrap_or_default();
    let text = format!(
        "connections: [{{name: graph, type: neo4j, url: '{}', allow_private: true, user: '{}', password: '${{env:IT}}'}}]",
        named("KGROOT_TEST_NEO4J_HTTP"),
        named("KGROOT_TEST_NEO4J_USER")
    );
    let password = |_: &str| variable("KGROOT_TEST_NEO4J_PASSWORD");
    let loaded = load(&text, &password, std::time::SystemTime::UNIX_EPOCH, &types()).await;
    let toolbox = loaded.unwrap_or_else(|error| panic!("{error}")).toolbox;
    let called = async |tenant: &str, name: &str, arguments: Value| {
        let (tenant, allowed) = (tenant.parse().unwrap(), BTreeSet::from([name.to_owned()]));
        let called =
            toolbox.call(&tenant, ("graph", &allowed), name, arguments, Duration::from_secs(10)).await;
        called.outcome.unwrap_or_else(|error| panic!("{name}: {error}")).content
    };
    let related = "MATCH (a:Entity {tenant_id: $tenant})<-[r:RELATES]-(b:Entity) \
        WHERE r.live AND r.valid_to IS NULL AND a <> b RETURN a.entity, b.entity LIMIT 1";
    let found = ask(related, &json!({ "tenant": tenant })).await;
    let row = found.first().expect("two entities that are related");
    let (tenant, entity) = (tenant.as_str().unwrap(), json!({ "entity": row[0] }));
    let reached = called(tenant, "graph.blast_radius", entity.clone()).await;
    let shown = reached["entities_at_risk"]["shown"].as_array().unwrap();
    assert!(shown.iter().any(|shown| shown["entity"] == row[1]) || shown.len() == 50, "{reached}");
    let other = called("nobody", "graph.blast_radius", entity).await;
    assert_eq!(other["entities_at_risk"]["shown"], json!([]));
    let incident = json!({ "incident_id": incident });
    let alike = called(tenant, "graph.similar_chains", incident.clone()).await;
    assert!(alike["similar_incidents"]["shown"].is_array(), "{alike}");
    let other = called("nobody", "graph.similar_chains", incident).await;
    assert_eq!(other["similar_incidents"]["shown"], json!([]));
}

#[test]
fn stores_equal_the_twin_and_the_documented_queries_answer() {
    let servers = ["KAFKA", "NEO4J", "OPENSEARCH", "REDIS", "POSTGRES"];
    if servers.iter().any(|name| variable(&format!("KGROOT_TEST_{name}")).is_none()) {
        assert!(
            variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(),
            "no servers: run `cargo verify`, which starts them"
        );
        println!("NOT RUN: stores on real servers, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    }
    let n = variable("KGROOT_TEST_SINKS").map_or(15, |n| n.parse().unwrap());
    passes(&sinks::prove(Cases { n, seed: 3, first: false }));
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
        tools_answer(&row[0], &row[1]).await;
    });
    // Not beside the first one, which kills the servers.
    passes(&dead_store::exact(Cases { n: AWAY_SECONDS, seed: 4, first: false }));
    passes(&volume::prove(Cases { n: RECORDS, seed: 5, first: false }));
}

fn passes(report: &Report) {
    println!("{}", report.document());
    assert!(report.failures.is_empty(), "{}", report.failures.join("\n"));
}
