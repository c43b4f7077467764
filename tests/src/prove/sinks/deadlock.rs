//! A client of Neo4j that locks a shard's rows before the shard's progress: the other way round than the program does. The
//! server then ends one of the two transactions. Nothing that it writes is ever committed.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::neo4j::Neo4j;
use crate::prove::real::runtime;

/// A request may wait so long for a lock.
const PATIENCE: Duration = Duration::from_secs(20);
/// Locks every row.
const ROWS: &str = "MATCH (n) WHERE n.shard = $shard SET n.held = true";
/// Locks the progress.
const PROGRESS: &str = "MATCH (s:Shard {key: $shard}) SET s.held = true";
/// Transactions that wait for another one.
const BLOCKED: &str = "SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN status";

/// A transaction that holds the rows.
pub(super) struct Holder<'a> {
    neo4j: &'a Neo4j,
    url: String,
}

impl<'a> Holder<'a> {
    /// Takes the rows; gives nothing if the server ended the transaction for it.
    pub(super) fn take(neo4j: &'a Neo4j) -> Result<Option<Self>, String> {
        let answer = send(neo4j, Method::POST, &format!("{}/tx", neo4j.base), Some(ROWS))?;
        let url = answer["commit"].as_str().and_then(|url| url.strip_suffix("/commit"));
        let url = url.ok_or_else(|| format!("no transaction: {answer}"))?.to_owned();
        let holder = Holder { neo4j, url };
        if answer["errors"].as_array().is_some_and(Vec::is_empty) {
            return Ok(Some(holder));
        }
        holder.release()?;
        Ok(None)
    }

    /// Whether somebody waits for the rows, holding the progress.
    pub(super) fn blocks(&self) -> Result<bool, String> {
        Ok(!self.neo4j.ask(BLOCKED)?.is_empty())
    }

    /// Asks for the progress as well: whoever holds it while waiting for the rows waits in vain.
    pub(super) fn cross(&self) -> Result<(), String> {
        send(self.neo4j, Method::POST, &self.url, Some(PROGRESS)).map(drop)
    }

    /// Gives everything back.
    pub(super) fn release(self) -> Result<(), String> {
        // The server may have ended it already.
        send(self.neo4j, Method::DELETE, &self.url, None).map(drop)
    }
}

fn send(neo4j: &Neo4j, method: Method, url: &str, statement: Option<&str>) -> Result<Value, String> {
    let failed = |error: reqwest::Error| format!("{url}: {error}");
    let (user, password) = &neo4j.credentials;
    let parameters = json!({ "shard": neo4j.shard });
    let statements: Vec<Value> =
        statement.map(|text| json!({ "statement": text, "parameters": parameters })).into_iter().collect();
    runtime()?.block_on(async {
        let request = reqwest::Client::new().request(method, url).timeout(PATIENCE);
        let request = request.basic_auth(user, Some(password)).json(&json!({ "statements": statements }));
        request.send().await.map_err(failed)?.json().await.map_err(failed)
    })
}
