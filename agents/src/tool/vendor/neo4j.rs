//! Neo4j: what an entity can take down with it, and incidents that went alike, from the graph of docs/graph.md.
//!
//! Wire: the page "Query API" of the Neo4j documentation (`POST /db/{database}/query/v2`), read access only. Statements
//! are constants; names are parameters, and the tenant is a parameter that comes from the call, never from its arguments.

mod read;
mod statements;
#[cfg(test)]
mod tests;

use schemas::ids::TenantId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{TIMEOUT, arguments};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Call, Category, Effect, Executing, Metadata, Output, Tool, ToolError};

/// Entities of a blast radius that are shown.
const ENTITIES: usize = 50;
/// Incidents that are shown.
const INCIDENTS: usize = 5;
/// Ends of a full name that are looked up.
const ENDS: usize = 16;
/// Less alike than this (cosine, from 0 to 1) says nothing.
const ALIKE: f64 = 0.8;

/// What configuration says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Name of the database.
    pub database: String,
}

impl Default for Options {
    fn default() -> Self {
        Options { database: "neo4j".to_owned() }
    }
}

/// The tools of one Neo4j.
///
/// # Errors
/// The name of the database cannot be one.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Result<Vec<Box<dyn Tool>>, String> {
    arguments::check_segment(&options.database, 63).map_err(|error| format!("database: {error}"))?;
    let tool = |question: Question| -> Box<dyn Tool> {
        let metadata = question.metadata(connection);
        Box::new(Graph { metadata, endpoint: endpoint.clone(), database: options.database.clone(), question })
    };
    Ok(vec![tool(Question::BlastRadius), tool(Question::SimilarChains)])
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    BlastRadius,
    SimilarChains,
}

impl Question {
    fn metadata(self, connection: &str) -> Metadata {
        let (operation, description, name, what) = match self {
            Question::BlastRadius => (
                "blast_radius",
                "Who runs on an entity, calls it or is exposed by it, up to four steps away, in the stored graph.",
                "entity",
                "kind/namespace/name or kind/name",
            ),
            Question::SimilarChains => (
                "similar_chains",
                "Stored incidents that were like one, with their root causes and the kinds on the way to a symptom.",
                "incident_id",
                "id of the incident",
            ),
        };
        Metadata {
            name: format!("{connection}.{operation}"),
            description: description.to_owned(),
            category: Category::Graph,
            effect: Effect::Read,
            parameters: arguments::object(&[name], json!({ name: arguments::text(what) })),
            calls_per_minute: 60,
            usd_micros: 0,
            timeout: TIMEOUT,
        }
    }

    /// The statement and what it is run with.
    fn build(self, tenant: &TenantId, arguments: &Value) -> Result<Value, ToolError> {
        let (statement, mut parameters) = match self {
            Question::BlastRadius => {
                let of: OfEntity = arguments::read(arguments)?;
                // The index knows names, which may hold these characters themselves: a name is one of the ends.
                let ends = of.entity.match_indices(['/', ':']);
                let names: Vec<&str> = ends.map(|(at, _)| &of.entity[at + 1..]).take(ENDS).collect();
                if names.is_empty() {
                    return Err(arguments::refused("an entity is kind/namespace/name or kind/name"));
                }
                (
                    statements::BLAST_RADIUS,
                    json!({ "entity": of.entity, "names": names, "most": ENTITIES + 1 }),
                )
            }
            Question::SimilarChains => {
                let of: OfIncident = arguments::read(arguments)?;
                let parameters = json!({ "incident": of.incident_id, "alike": ALIKE, "most": INCIDENTS });
                (statements::SIMILAR_CHAINS, parameters)
            }
        };
        parameters["tenant"] = json!(tenant);
        Ok(json!({ "statement": statement, "parameters": parameters, "accessMode": "READ" }))
    }

    fn read(self, answer: &Value) -> Result<Value, ToolError> {
        match self {
            Question::BlastRadius => read::entities(answer, ENTITIES),
            Question::SimilarChains => read::incidents(answer, INCIDENTS),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfEntity {
    entity: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfIncident {
    incident_id: String,
}

struct Graph {
    metadata: Metadata,
    endpoint: Endpoint,
    database: String,
    question: Question,
}

impl Tool for Graph {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn execute(&self, call: Call) -> Executing<'_> {
        Box::pin(async move {
            let body = self.question.build(&call.tenant, &call.arguments)?;
            let answer = self.endpoint.post(&["db", &self.database, "query", "v2"], &body).await?;
            Ok(Output { content: self.question.read(&answer)? })
        })
    }
}
