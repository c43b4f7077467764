//! The built-in types of connections by name, and what a connection sets for the tools of its type.

use super::{argo, datadog, github, neo4j, opensearch, prometheus, slack};
use crate::tool::config::{Connection, Types};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Call, Executing, Metadata, Tool};

/// Types of connections, besides `http` and `mcp`.
pub fn types() -> Types {
    Types::from([
        ("argo", argo_tools as crate::tool::config::Build),
        ("datadog", |connection, endpoint| {
            configured(connection, datadog::tools(&connection.name, endpoint, &connection.options()?)?)
        }),
        ("github", |connection, endpoint| {
            configured(connection, github::tools(&connection.name, endpoint, &connection.options()?)?)
        }),
        ("neo4j", |connection, endpoint| {
            configured(connection, neo4j::tools(&connection.name, endpoint, &connection.options()?)?)
        }),
        ("opensearch", |connection, endpoint| {
            configured(connection, opensearch::tools(&connection.name, endpoint, &connection.options()?)?)
        }),
        ("prometheus", |connection, endpoint| {
            configured(connection, prometheus::tools(&connection.name, endpoint, &connection.options()?)?)
        }),
        ("slack", |connection, endpoint| {
            configured(connection, slack::tools(&connection.name, endpoint, &connection.options()?)?)
        }),
    ])
}

fn argo_tools(connection: &Connection, endpoint: Endpoint) -> Result<Vec<Box<dyn Tool>>, String> {
    configured(connection, argo::tools(&connection.name, endpoint, &connection.options()?))
}

/// A tool with the limits of its connection.
struct Configured {
    metadata: Metadata,
    tool: Box<dyn Tool>,
}

impl Tool for Configured {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn execute(&self, call: Call) -> Executing<'_> {
        self.tool.execute(call)
    }
}

/// The lower of both limits counts: a vendor knows what its interface bears, a connection what is wanted of it.
fn configured(connection: &Connection, tools: Vec<Box<dyn Tool>>) -> Result<Vec<Box<dyn Tool>>, String> {
    let set = |tool: Box<dyn Tool>| -> Box<dyn Tool> {
        let own = tool.metadata();
        let metadata = Metadata {
            calls_per_minute: own.calls_per_minute.min(connection.calls_per_minute),
            timeout: own.timeout.min(connection.timeout),
            usd_micros: connection.usd_micros,
            ..own.clone()
        };
        Box::new(Configured { metadata, tool })
    };
    Ok(tools.into_iter().map(set).collect())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::tool::config::load;

    #[tokio::test]
    async fn every_built_in_type_is_configured_by_name() {
        let text = r#"
connections:
  - {name: prom, type: prometheus, url: "https://prometheus.example.com", calls_per_minute: 7, timeout: 2.0}
  - {name: gh, type: github, url: "https://api.github.com", token: "${env:GH}", repositories: [acme/shop]}
  - {name: wf, type: argo, url: "https://argo.example.com", namespaces: [ci]}
  - {name: chat, type: slack, url: "https://slack.com/api", token: x, channels: {incidents: C0123456789}}
  - {name: dd, type: datadog, url: "https://api.datadoghq.com", headers: {dd-api-key: a, dd-application-key: b}}
  - {name: logs, type: opensearch, url: "https://search.example.com", index: "logs-*"}
  - {name: graph, type: neo4j, url: "https://graph.example.com", user: reader, password: "${env:GH}", database: kgroot}
"#;
        let environment = |name: &str| (name == "GH").then(|| "secret".to_owned());
        let loaded = load(text, &environment, UNIX_EPOCH, &types()).await.map_err(|error| error.to_string());
        let loaded = loaded.map(|loaded| loaded.toolbox.list(&"shop".parse().unwrap()));
        let tools = loaded.unwrap();
        for kind in ["prom.", "gh.", "wf.", "chat.", "dd.", "logs.", "graph."] {
            assert!(tools.iter().any(|tool| tool.name.starts_with(kind)), "{kind}");
        }
        let prom = tools.iter().find(|tool| tool.name == "prom.query_range").unwrap();
        assert_eq!((prom.calls_per_minute, prom.timeout), (7, Duration::from_secs(2)));
    }
}
