//! Neo4j beside a loop that merges the same episodes and their entities, a transaction for each batch.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use neo4rs::{BoltType, ConfigBuilder, Graph, query};
use schemas::entity::Entity;
use schemas::feed::Change;
use schemas::ids::{TenantId, hash128};
use schemas::view::{Row, ViewName};
use serde_json::{Map, Value, json};
use sinks::document::id;
use sinks::neo4j::{Neo4j, Settings};

use super::{TURNS, Turns, give};

/// Rows of one transaction of the plain loop, and of one of its statements, as of the store.
const ROWS: (usize, usize) = (5_000, 2_000);
const MERGE: &str = "UNWIND $rows AS row \
    MERGE (e:Entity {key: row.entity.key}) ON CREATE SET e += row.entity \
    MERGE (n:Episode {key: row.key}) SET n += row.props \
    MERGE (n)-[:ON]->(e)";
/// In parts, so that a transaction fits in the memory of a small server.
const REMOVE: &str = "MATCH (n) WHERE n.tenant_id STARTS WITH 'bench-' WITH n LIMIT 10000 DETACH DELETE n RETURN count(*) AS n";

/// Where it is.
#[derive(Clone, Debug)]
pub struct Server {
    /// Such as `bolt://127.0.0.1:7687`.
    pub uri: String,
    /// Its user.
    pub user: String,
    /// The user's password.
    pub password: String,
}

/// Rows a second. `changes` makes the same episodes for any tenant.
pub async fn measure(server: &Server, changes: impl Fn(&TenantId) -> Vec<Change>) -> Result<Value> {
    let Server { uri, user, password } = server.clone();
    let config =
        ConfigBuilder::new().uri(uri.as_str()).user(user.as_str()).password(password.as_str()).build();
    let graph = Graph::connect(config?)?;
    let (mut turns, mut rows) = (Turns::default(), 0);
    for turn in 0..=TURNS {
        let named = |who: &str| format!("bench-{who}-{}-{turn}", std::process::id());
        let (ours, theirs) = (changes(&named("store").parse()?), changes(&named("plain").parse()?));
        let (uri, user, password, shard) = (uri.clone(), user.clone(), password.clone(), named("store"));
        let ours = give(&mut Neo4j::new(Settings { uri, user, password, shard }), &ours).await?;
        rows = theirs.len();
        let theirs = plain(&graph, &theirs).await?;
        while 0 < remove(&graph).await? {}
        // The first turn is the server's: it has still to warm up.
        if 0 < turn {
            turns.store.push(ours);
            turns.plain.push(theirs);
        }
    }
    Ok(turns.figures(rows as f64, "rows"))
}

async fn remove(graph: &Graph) -> Result<i64> {
    let mut rows = graph.execute(query(REMOVE)).await?;
    let row = rows.next().await?.context("a count")?;
    Ok(row.get("n")?)
}

async fn plain(graph: &Graph, changes: &[Change]) -> Result<Duration> {
    let begun = Instant::now();
    for changes in changes.chunks(ROWS.0) {
        let mut txn = graph.start_txn().await?;
        for changes in changes.chunks(ROWS.1) {
            let rows = BoltType::try_from(Value::from_iter(changes.iter().map(row)))?;
            txn.run(query(MERGE).param("rows", rows)).await?;
        }
        txn.commit().await?;
    }
    Ok(begun.elapsed())
}

fn row(change: &Change) -> Value {
    let scalar = |value: &Value| {
        let texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        texts || !(value.is_object() || value.is_array())
    };
    let fields = serde_json::to_value(&change.row).unwrap_or_default();
    let mut props: Map<String, Value> =
        fields.as_object().into_iter().flatten().filter(|(_, value)| scalar(value)).map(cloned).collect();
    let tenant = change.tenant.as_str();
    props.extend([("tenant_id".to_owned(), tenant.into()), ("live".to_owned(), true.into())]);
    let entity = match &change.row {
        Row::Episode(episode) => node(&change.tenant, &episode.entity),
        _ => Value::Null,
    };
    json!({ "key": id(change), "props": props, "entity": entity })
}

fn cloned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn node(tenant: &TenantId, entity: &Entity) -> Value {
    let text = entity.to_string();
    let parts = [tenant.as_str(), ViewName::Entities.as_str(), text.as_str()].map(str::as_bytes);
    json!({ "key": format!("{:032x}", hash128(&parts)), "tenant_id": tenant, "entity": text, "kind": entity.kind,
        "cluster": entity.cluster, "namespace": entity.namespace, "name": entity.name })
}
