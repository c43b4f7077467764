//! `stores [ROWS]`: how fast rows reach Neo4j, OpenSearch and Parquet, beside a plain client that does the same writes.
//!
//! Servers are named by what `tests/servers/servers.sh start neo4j opensearch` prints; one that is not named is left out, which
//! the document says. Prints one JSON document.

use std::io::Write;

use anyhow::{Context, Result};
use bench::stores::neo4j::Server;
use bench::stores::{neo4j, opensearch, parquet, rows};
use schemas::ids::TenantId;
use schemas::view::ViewName;
use serde_json::{Value, json};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn variable(name: &str) -> Option<String> {
    std::env::vars().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn main() -> Result<()> {
    let given = std::env::args().nth(1);
    let count: u64 = given.map_or(Ok(100_000), |text| text.parse()).context("ROWS is a whole number")?;
    let tenant: TenantId = "bench-rows".parse()?;
    let changes = |view| rows::changes(&tenant, view, count);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let left_out = || json!("left out: not named");
    let opensearch: Value = match variable("KGROOT_TEST_OPENSEARCH") {
        Some(url) => runtime.block_on(opensearch::measure(&url, &changes(ViewName::Events)))?,
        None => left_out(),
    };
    let named = |name: &str| variable(&format!("KGROOT_TEST_NEO4J{name}"));
    let neo4j: Value = match (named(""), named("_USER"), named("_PASSWORD")) {
        (Some(uri), Some(user), Some(password)) => {
            let episodes = |tenant: &TenantId| rows::changes(tenant, ViewName::Episodes, count / 5);
            runtime.block_on(neo4j::measure(&Server { uri, user, password }, episodes))?
        }
        _ => left_out(),
    };
    let mut files = serde_json::Map::new();
    for view in [ViewName::Events, ViewName::Episodes, ViewName::Links] {
        files.insert(view.to_string(), parquet::measure(view, &changes(view))?);
    }
    let document = json!({ "rows": count, "opensearch": opensearch, "neo4j": neo4j, "parquet": files });
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}
