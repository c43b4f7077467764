//! The Cypher that writes the graph: constants, so that nothing from outside is ever part of a statement.

use serde_json::Value;

/// A statement and the rows that it is run with, as `$rows`.
pub(super) struct Statement {
    pub(super) text: &'static str,
    pub(super) rows: Vec<Value>,
}

/// Which server answers.
pub(super) const VERSION: &str =
    "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0] AS version";

/// What must be there before rows come.
pub(super) const CONSTRAINTS: [&str; 14] = [
    "CREATE CONSTRAINT kgroot_shard IF NOT EXISTS FOR (n:Shard) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT kgroot_entity IF NOT EXISTS FOR (n:Entity) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT kgroot_episode IF NOT EXISTS FOR (n:Episode) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT kgroot_chain IF NOT EXISTS FOR (n:Chain) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT kgroot_incident IF NOT EXISTS FOR (n:Incident) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT kgroot_alert IF NOT EXISTS FOR (n:Alert) REQUIRE n.key IS UNIQUE",
    "CREATE INDEX kgroot_relates IF NOT EXISTS FOR ()-[r:RELATES]-() ON (r.key)",
    "CREATE INDEX kgroot_causes IF NOT EXISTS FOR ()-[r:CAUSES]-() ON (r.key)",
    "CREATE INDEX kgroot_entity_name IF NOT EXISTS FOR (n:Entity) ON (n.tenant_id, n.name)",
    "CREATE INDEX kgroot_episode_onset IF NOT EXISTS FOR (n:Episode) ON (n.tenant_id, n.onset)",
    "CREATE INDEX kgroot_incident_started IF NOT EXISTS FOR (n:Incident) ON (n.tenant_id, n.started_at)",
    "CREATE INDEX kgroot_incident_id IF NOT EXISTS FOR (n:Incident) ON (n.tenant_id, n.incident_id)",
    "CREATE INDEX kgroot_chain_incident IF NOT EXISTS FOR (n:Chain) ON (n.tenant_id, n.incident_id)",
    "CREATE VECTOR INDEX kgroot_incident_embedding IF NOT EXISTS FOR (n:Incident) ON (n.embedding) \
     OPTIONS { indexConfig: { `vector.dimensions`: 128, `vector.similarity_function`: 'cosine' } }",
];

/// Holds the shard until the transaction ends, against a process that should have stopped.
pub(super) const LOCK: &str =
    "MERGE (s:Shard {key: $key}) SET s.locked = true RETURN coalesce(s.epoch, 0) AS epoch";

/// How far the graph is.
pub(super) const PROGRESS: &str = "MATCH (s:Shard {key: $key}) SET s += $progress";

/// How far the graph is said to be.
pub(super) const READ_PROGRESS: &str = "MATCH (s:Shard {key: $key}) WHERE s.epoch IS NOT NULL \
    RETURN s.epoch AS epoch, s.digest AS digest, s.generation AS generation";

pub(super) const ENTITIES: &str = "UNWIND $rows AS row MERGE (n:Entity {key: row.key}) SET n += row.props";

pub(super) const RELATIONS: &str = "UNWIND $rows AS row \
    MERGE (a:Entity {key: row.from.key}) ON CREATE SET a += row.from \
    MERGE (b:Entity {key: row.to.key}) ON CREATE SET b += row.to \
    MERGE (a)-[r:RELATES {key: row.key}]->(b) SET r += row.props";

pub(super) const EPISODES: &str = "UNWIND $rows AS row \
    MERGE (e:Entity {key: row.entity.key}) ON CREATE SET e += row.entity \
    MERGE (n:Episode {key: row.key}) SET n += row.props \
    MERGE (n)-[:ON]->(e)";

pub(super) const LINKS: &str = "UNWIND $rows AS row \
    MERGE (a:Episode {key: row.cause}) MERGE (b:Episode {key: row.effect}) \
    MERGE (a)-[r:CAUSES {key: row.key}]->(b) SET r += row.props";

pub(super) const INCIDENTS: &str = "UNWIND $rows AS row MERGE (n:Incident {key: row.key}) SET n += row.props \
    WITH n, row CALL (n) { MATCH (n)-[old:HYPOTHESIS]->() DELETE old } \
    WITH n, row UNWIND row.hypotheses AS hypothesis \
    MERGE (e:Episode {key: hypothesis.root}) \
    CREATE (n)-[:HYPOTHESIS {rank: hypothesis.rank, confidence: hypothesis.confidence, explains: hypothesis.explains}]->(e)";

pub(super) const CHAINS: &str = "UNWIND $rows AS row \
    MERGE (i:Incident {key: row.incident}) MERGE (a:Episode {key: row.root}) MERGE (b:Episode {key: row.symptom}) \
    MERGE (n:Chain {key: row.key}) SET n += row.props \
    WITH n, row, i, a, b CALL (n) { MATCH (n)-[old:ROOT|SYMPTOM|OF]->() DELETE old } \
    CREATE (n)-[:OF]->(i) CREATE (n)-[:ROOT]->(a) CREATE (n)-[:SYMPTOM]->(b)";

pub(super) const ALERTS: &str = "UNWIND $rows AS row MERGE (i:Incident {key: row.incident}) \
    MERGE (n:Alert {key: row.key}) SET n += row.props MERGE (n)-[:OF]->(i)";

/// Everything was replaced as of an epoch: what was not touched is not live any more.
pub(super) const CLOSE_OTHERS: [&str; 7] = [
    "MATCH (n:Entity) WHERE n.shard = $shard AND n.live AND n.epoch < $epoch SET n.live = false, n.epoch = $epoch",
    "MATCH (n:Episode) WHERE n.shard = $shard AND n.live AND n.epoch < $epoch SET n.live = false, n.epoch = $epoch",
    "MATCH (n:Chain) WHERE n.shard = $shard AND n.live AND n.epoch < $epoch SET n.live = false, n.epoch = $epoch",
    "MATCH (n:Incident) WHERE n.shard = $shard AND n.live AND n.epoch < $epoch SET n.live = false, n.epoch = $epoch",
    "MATCH (n:Alert) WHERE n.shard = $shard AND n.live AND n.epoch < $epoch SET n.live = false, n.epoch = $epoch",
    "MATCH ()-[r:RELATES]->() WHERE r.shard = $shard AND r.live AND r.epoch < $epoch SET r.live = false, r.epoch = $epoch",
    "MATCH ()-[r:CAUSES]->() WHERE r.shard = $shard AND r.live AND r.epoch < $epoch SET r.live = false, r.epoch = $epoch",
];
