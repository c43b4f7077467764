//! What stands in Neo4j, read through its HTTP interface: another way in than the one that writes.

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Map, Value, json};

use super::stores::Kept;
use crate::prove::real::runtime;
use crate::prove::real::views::Texts;

/// Views that are kept.
pub(crate) const VIEWS: [ViewName; 7] = [
    ViewName::Entities,
    ViewName::Topology,
    ViewName::Episodes,
    ViewName::Links,
    ViewName::Chains,
    ViewName::Incidents,
    ViewName::Alerts,
];
/// How the rows of each are found.
const PATTERNS: [&str; 7] = [
    "(n:Entity)",
    "()-[n:RELATES]->()",
    "(n:Episode)",
    "()-[n:CAUSES]->()",
    "(n:Chain)",
    "(n:Incident)",
    "(n:Alert)",
];
/// Properties that are not the row's own.
const BESIDE: [&str; 5] = ["key", "tenant_id", "shard", "live", "epoch"];
/// How an entity is described beside its row.
const DESCRIBED: [&str; 5] = ["entity", "kind", "cluster", "namespace", "name"];

/// A reader of one shard's rows.
pub(crate) struct Neo4j {
    pub(super) base: String,
    pub(super) credentials: (String, String),
    pub(super) shard: String,
}

impl Neo4j {
    pub(crate) fn new(url: &str, user: &str, password: &str, shard: &str) -> Result<Self, String> {
        let base = format!("{url}/db/neo4j");
        Ok(Neo4j { base, credentials: (user.to_owned(), password.to_owned()), shard: shard.to_owned() })
    }

    pub(super) fn ask(&self, statement: &str) -> Result<Vec<Value>, String> {
        let url = format!("{}/query/v2", self.base);
        let failed = |error: reqwest::Error| format!("{url}: {error}");
        let body = json!({ "statement": statement, "parameters": { "shard": self.shard } });
        let (user, password) = &self.credentials;
        let answer: Value = runtime()?.block_on(async {
            let request = reqwest::Client::new().post(&url).basic_auth(user, Some(password)).json(&body);
            request.send().await.map_err(failed)?.json().await.map_err(failed)
        })?;
        match answer["data"]["values"].as_array() {
            Some(rows) => Ok(rows.iter().map(|row| row[0].clone()).collect()),
            None => Err(format!("{statement}: {answer}")),
        }
    }

    /// The epoch that the store says it has.
    pub(crate) fn epoch(&self) -> Result<Epoch, String> {
        let found = self.ask("MATCH (s:Shard {key: $shard}) RETURN s.epoch")?;
        Ok(found.first().and_then(Value::as_u64).unwrap_or(0))
    }

    /// Its live rows.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
        let mut rows = Texts::new();
        for (view, pattern) in VIEWS.into_iter().zip(PATTERNS) {
            let statement = format!("MATCH {pattern} WHERE n.shard = $shard AND n.live RETURN properties(n)");
            for properties in self.ask(&statement)? {
                let tenant = properties["tenant_id"].as_str().unwrap_or_default();
                let tenant: TenantId = tenant.parse().map_err(|error| format!("{properties}: {error}"))?;
                let text = own(view, &properties).to_string();
                // Relations and links may say the same from different keys in no case: every key has its own row.
                if !rows.entry((tenant, view)).or_default().insert(text) && !alike(view) {
                    return Err(format!("a row stands twice: {properties}"));
                }
            }
        }
        Ok(Kept { epoch: self.epoch()?, rows })
    }
}

/// Views whose rows may be told apart only by what is nested in them.
fn alike(view: ViewName) -> bool {
    matches!(view, ViewName::Topology | ViewName::Links | ViewName::Chains)
}

/// The row's own texts, numbers and flags.
fn own(view: ViewName, properties: &Value) -> Value {
    let beside =
        |name: &str| BESIDE.contains(&name) || (view == ViewName::Entities && DESCRIBED.contains(&name));
    let fields = properties.as_object().into_iter().flatten();
    let scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let kept = fields.filter(|(name, value)| scalar(value) && !beside(name));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}
