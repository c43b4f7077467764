//! The Cypher that reads the graph: constants, so that nothing from outside is ever part of a statement. Every node that is
//! shown has the tenant of the call.

/// Who is reached from an entity against the direction of relations, and in how many steps.
pub(super) const BLAST_RADIUS: &str = "MATCH (start:Entity {tenant_id: $tenant}) \
    WHERE start.name IN $names AND start.entity = $entity \
    MATCH path = (start)<-[:RELATES*1..4]-(hit:Entity) \
    WHERE hit <> start AND hit.tenant_id = $tenant \
    AND all(r IN relationships(path) WHERE r.tenant_id = $tenant AND r.live AND r.valid_to IS NULL) \
    RETURN hit.entity AS entity, min(length(path)) AS steps ORDER BY steps, entity LIMIT $most";

/// Incidents that were like one: the first root cause of each, and the kinds along its longest chain.
pub(super) const SIMILAR_CHAINS: &str = "MATCH (i:Incident {tenant_id: $tenant, incident_id: $incident}) \
    CALL db.index.vector.queryNodes('kgroot_incident_embedding', 50, i.embedding) YIELD node, score \
    WHERE node.tenant_id = $tenant AND node <> i AND $alike <= score \
    WITH node, score ORDER BY score DESC, node.incident_id LIMIT $most \
    OPTIONAL MATCH (node)-[:HYPOTHESIS {rank: 1}]->(root:Episode {tenant_id: $tenant})-[:ON]->(e:Entity) \
    OPTIONAL MATCH (c:Chain {tenant_id: $tenant, incident_id: node.incident_id})-[:ROOT]->(root) \
    WITH node, score, root, e, c ORDER BY size(c.links) DESC, c.key \
    WITH node, score, root, e, head(collect(c)) AS chain \
    OPTIONAL MATCH (chain)-[:SYMPTOM]->(symptom:Episode), path = (root)-[:CAUSES*1..12]->(symptom) \
    WHERE all(r IN relationships(path) WHERE r.key IN chain.links) \
    WITH node, score, root, e, head(collect([x IN nodes(path) | x.kind])) AS kinds \
    RETURN node.incident_id AS incident, node.title AS title, node.started_at AS at, score, \
    root.kind AS root, e.entity AS entity, kinds ORDER BY score DESC, incident";
