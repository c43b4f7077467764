//! Rows to statements. Pure.
//!
//! Names of properties are those of the API; what is nested in a row becomes a relationship.

use std::collections::BTreeMap;

use schemas::entity::Entity;
use schemas::feed::Change;
use schemas::ids::{TenantId, hash128};
use schemas::time::Epoch;
use schemas::view::{EpisodeRow, Row, ViewName};
use serde_json::{Map, Value, json};

use super::embedding::embed;
use super::statements::{self, Statement};

/// What of a row stands where, besides its own properties.
type Extra = Vec<(&'static str, Value)>;

/// Statements in the order in which they are run: nodes before what leads to them.
pub(super) fn statements(shard: &str, changes: &[(Epoch, &Change)]) -> Vec<Statement> {
    let mut rows: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
    for (epoch, change) in changes {
        if let Some((place, row)) = row(shard, *epoch, change) {
            rows.entry(place).or_default().push(row);
        }
    }
    const ORDER: [&str; 7] = [
        statements::ENTITIES,
        statements::RELATIONS,
        statements::EPISODES,
        statements::LINKS,
        statements::INCIDENTS,
        statements::CHAINS,
        statements::ALERTS,
    ];
    let statement = |(place, mut rows): (usize, Vec<Value>)| {
        // In one order everywhere, so that two transactions do not wait for each other in a circle.
        rows.sort_by(|left, right| left["key"].as_str().cmp(&right["key"].as_str()));
        Statement { text: ORDER[place], rows }
    };
    rows.into_iter().map(statement).collect()
}

/// A row of a statement, and which statement; `None` for a view that the graph does not have.
fn row(shard: &str, epoch: Epoch, change: &Change) -> Option<(usize, Value)> {
    let tenant = &change.tenant;
    let (place, extra): (usize, Extra) = match &change.row {
        Row::Entity(row) => {
            let key = entity_key(tenant, &row.entity);
            return Some((0, with(key, own(shard, epoch, change), vec![])));
        }
        Row::Relation(row) => {
            let ends = [("from", &row.from), ("to", &row.to)];
            (1, ends.map(|(name, entity)| (name, node(shard, tenant, entity))).to_vec())
        }
        // Changes and anomalies are episodes as well.
        Row::Episode(row) if change.view == ViewName::Episodes => {
            (2, vec![("entity", node(shard, tenant, &row.entity))])
        }
        Row::Link(row) => {
            (3, vec![("cause", episode(tenant, &row.cause)), ("effect", episode(tenant, &row.effect))])
        }
        Row::Incident(row) => {
            let hypotheses = row.hypotheses.iter().map(|hypothesis| {
                json!({ "rank": hypothesis.rank, "confidence": f64::from(hypothesis.confidence_milli) / 1_000.0,
                    "explains": hypothesis.explains, "root": episode(tenant, &hypothesis.root) })
            });
            (4, vec![("hypotheses", hypotheses.collect())])
        }
        Row::Chain(row) => {
            let incident = hash(tenant, ViewName::Incidents, &row.incident_id.to_string());
            let (root, symptom) = (episode(tenant, &row.root), episode(tenant, &row.symptom));
            (5, vec![("incident", incident.into()), ("root", root), ("symptom", symptom)])
        }
        Row::Alert(row) => {
            let incident = hash(tenant, ViewName::Incidents, &row.incident_id.to_string());
            (6, vec![("incident", incident.into())])
        }
        Row::Event(_) | Row::Episode(_) | Row::Reject(_) | Row::Coverage(_) => return None,
    };
    let key = hash(tenant, change.view, &change.key);
    Some((place, with(key, own(shard, epoch, change), extra)))
}

fn with(key: String, props: Map<String, Value>, extra: Extra) -> Value {
    let mut row = Map::from_iter([("key".to_owned(), Value::from(key)), ("props".to_owned(), props.into())]);
    row.extend(extra.into_iter().map(|(name, value)| (name.to_owned(), value)));
    row.into()
}

/// The properties of a row itself.
fn own(shard: &str, epoch: Epoch, change: &Change) -> Map<String, Value> {
    let row = serde_json::to_value(&change.row).unwrap_or(Value::Null);
    let mut props = Map::new();
    for (name, value) in row.as_object().into_iter().flatten() {
        if let Some(value) = property(value) {
            props.insert(name.clone(), value);
        }
    }
    match &change.row {
        Row::Entity(row) => describe(&mut props, &row.entity),
        Row::Incident(row) => {
            props.insert("embedding".to_owned(), embed(row).into());
        }
        Row::Chain(row) => {
            let links = row.links.iter();
            let keys =
                links.map(|link| hash(&change.tenant, ViewName::Links, &Row::Link(link.clone()).key()));
            props.insert("links".to_owned(), keys.collect());
        }
        _ => {}
    }
    props.insert("tenant_id".to_owned(), change.tenant.as_str().into());
    props.insert("shard".to_owned(), shard.into());
    props.insert("live".to_owned(), change.live.into());
    props.insert("epoch".to_owned(), epoch.into());
    props
}

/// A value that a property can have; `null` takes a property away.
fn property(value: &Value) -> Option<Value> {
    match value {
        Value::Object(_) => None,
        Value::Array(items) if items.iter().any(|item| !item.is_string()) => None,
        _ => Some(value.clone()),
    }
}

fn describe(props: &mut Map<String, Value>, entity: &Entity) {
    let parts = [
        ("entity", entity.to_string()),
        ("kind", entity.kind.to_string()),
        ("cluster", entity.cluster.clone()),
        ("namespace", entity.namespace.clone()),
        ("name", entity.name.clone()),
    ];
    props.extend(parts.into_iter().map(|(name, value)| (name.to_owned(), value.into())));
}

/// An entity that something leads to, should it not be there yet.
fn node(shard: &str, tenant: &TenantId, entity: &Entity) -> Value {
    let mut props = Map::new();
    describe(&mut props, entity);
    props.insert("key".to_owned(), entity_key(tenant, entity).into());
    props.insert("tenant_id".to_owned(), tenant.as_str().into());
    props.insert("shard".to_owned(), shard.into());
    props.into()
}

fn entity_key(tenant: &TenantId, entity: &Entity) -> String {
    hash(tenant, ViewName::Entities, &entity.to_string())
}

fn episode(tenant: &TenantId, row: &EpisodeRow) -> Value {
    hash(tenant, ViewName::Episodes, &row.episode_id.to_string()).into()
}

fn hash(tenant: &TenantId, view: ViewName, key: &str) -> String {
    format!("{:032x}", hash128(&[tenant.as_str().as_bytes(), view.as_str().as_bytes(), key.as_bytes()]))
}
