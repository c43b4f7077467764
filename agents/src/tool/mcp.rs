//! Tools of a server that speaks the Model Context Protocol: type `mcp`, a program (`command`) or an address (`url`).
//!
//! ```yaml
//! command: [/usr/bin/python3, /opt/tools/runbooks.py]
//! environment: {RUNBOOKS: /srv/runbooks}
//! tools:
//!   - search
//!   - {name: fetch, category: context, effect: read, description: One runbook by its id.}
//! ```
//!
//! The server is not trusted. Only tools that the configuration names are taken, and only if they read: by their own
//! annotation, or because the configuration says so. What it says is limited in size and time, what it says went wrong
//! is not repeated, and nothing it asks of us is done.

mod bounded;
mod link;
mod reach;

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::link::Link;
use super::config::Connection;
use super::endpoint::Endpoint;
use super::schema::told;
use super::secret::Secret;
use super::secret::reference::{Sources, fill};
use super::{Call, Category, Effect, Executing, Metadata, Output, Tool, ToolError};

/// Why there are no tools of a server.
pub(crate) enum Refused {
    /// The configuration has to change; as a sentence.
    Options(String),
    /// The server has to be there.
    Away(ToolError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    command: Option<Vec<String>>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    tools: Vec<Wanted>,
}

/// A tool to take.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "tools: a name each, or {name, description, category, effect}")]
enum Wanted {
    Name(String),
    Tool(WantedTool),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedTool {
    name: String,
    /// Instead of what the server says.
    description: Option<String>,
    category: Option<Category>,
    /// Instead of what the server says.
    effect: Option<Effect>,
}

impl Wanted {
    fn tool(self) -> WantedTool {
        match self {
            Wanted::Tool(tool) => tool,
            Wanted::Name(name) => WantedTool { name, description: None, category: None, effect: None },
        }
    }
}

/// Connects to a server and takes the tools that are wanted of it.
pub(crate) async fn connect(
    connection: &Connection,
    endpoint: Option<Endpoint>,
    sources: &Sources<'_>,
) -> Result<Vec<Box<dyn Tool>>, Refused> {
    let options: Options = connection.options().map_err(Refused::Options)?;
    let bytes = connection.response_bytes;
    let dial = match (options.command, endpoint) {
        (None, Some(endpoint)) if options.environment.is_empty() => reach::address(endpoint, bytes),
        (Some(command), None) => {
            let mut environment: Vec<(String, Secret)> = Vec::new();
            for (name, value) in options.environment {
                let value = fill(&value, sources).await;
                let value =
                    value.map_err(|error| Refused::Options(format!("environment.{name}: {error}")))?;
                environment.push((name, value));
            }
            reach::program(command, environment, bytes).map_err(Refused::Options)?
        }
        (None, Some(_)) => return Err(Refused::Options("environment: only with command".to_owned())),
        _ => return Err(Refused::Options("either command or url".to_owned())),
    };
    take(connection, Link::new(dial, bytes), options.tools).await
}

async fn take(
    connection: &Connection,
    link: Link,
    wanted: Vec<Wanted>,
) -> Result<Vec<Box<dyn Tool>>, Refused> {
    let wanted: Vec<WantedTool> = wanted.into_iter().map(Wanted::tool).collect();
    let names = wanted.iter().map(|tool| tool.name.clone()).collect();
    let offered = link.offered(&names).await.map_err(Refused::Away)?;
    let link = Arc::new(link);
    let mut taken: Vec<Box<dyn Tool>> = Vec::new();
    for tool in wanted {
        let name = tool.name.clone();
        let offer = offered
            .get(&name)
            .ok_or_else(|| Refused::Options(format!("tool {name}: the server has none")))?;
        let metadata = describe(connection, tool, offer)
            .map_err(|what| Refused::Options(format!("tool {name}: {what}")))?;
        taken.push(Box::new(Remote { metadata, name, link: Arc::clone(&link) }));
    }
    Ok(taken)
}

fn describe(
    connection: &Connection,
    wanted: WantedTool,
    offer: &rmcp::model::Tool,
) -> Result<Metadata, String> {
    let reads = offer.annotations.as_ref().and_then(|annotations| annotations.read_only_hint);
    let effect = match (wanted.effect, reads) {
        (Some(effect), _) => effect,
        (None, Some(true)) => Effect::Read,
        (None, _) => {
            return Err(
                "the server does not say that it only reads; say `effect: read` or `write`".to_owned()
            );
        }
    };
    let mut parameters = Map::clone(&offer.input_schema);
    // What is not described is not sent, unless the schema is put together of parts that describe it elsewhere.
    let parts = ["allOf", "anyOf", "oneOf", "$ref", "patternProperties", "unevaluatedProperties"];
    if !parts.iter().any(|part| parameters.contains_key(*part)) {
        parameters.entry("additionalProperties").or_insert(json!(false));
    }
    parameters.remove("$schema");
    let theirs = offer.description.as_deref().unwrap_or("A tool that its server does not describe.");
    let description = wanted.description.unwrap_or_else(|| told(theirs));
    let category = wanted.category.unwrap_or(Category::Context);
    let metadata = connection.metadata(&wanted.name, &description, category, Value::Object(parameters));
    Ok(Metadata { effect, ..metadata })
}

/// One tool of a server.
struct Remote {
    metadata: Metadata,
    name: String,
    link: Arc<Link>,
}

impl Tool for Remote {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn execute(&self, call: Call) -> Executing<'_> {
        Box::pin(async move {
            let Value::Object(arguments) = call.arguments else {
                return Err(ToolError::Arguments("not an object".to_owned()));
            };
            output(self.link.call(&self.name, arguments).await?)
        })
    }
}

/// A result as a document: the structured one if there is one, else its texts. Images and links are not taken.
fn output(result: CallToolResult) -> Result<Output, ToolError> {
    if result.is_error == Some(true) {
        return Err(ToolError::Arguments("the server says that this call failed".to_owned()));
    }
    let content = result.structured_content.unwrap_or_else(|| {
        let texts = result.content.into_iter().filter_map(|block| match block {
            ContentBlock::Text(text) => Some(text.text),
            _ => None,
        });
        json!({"text": texts.collect::<Vec<String>>()})
    });
    Ok(Output { content })
}

#[cfg(test)]
mod tests;
