//! Neo4j: entities, relations with valid time, episodes, links, chains, incidents and alerts as a property graph.
//!
//! Key     `key` of each node and relationship, a hash of tenant, view and key; one uniqueness constraint per label.
//! Order   one transaction per batch, in which the shard's progress is locked first and written last.
//! Repeat  a batch that the graph has is left out; an answer that was lost is settled by reading the progress.
//! Limits  statements of so many rows. A row that the view has no more stays, with `live: false`: history is not deleted.
//!
//! The model is docs/graph.md.

use std::time::Duration;

use neo4rs::{BoltType, ConfigBuilder, Graph, Query, Txn, query};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::store::{Batch, Progress, Refusal, Store, StoreError, latest};

mod embedding;
mod statements;
mod translate;

use statements::{CONSTRAINTS, Statement};

/// The oldest version that knows every statement.
const OLDEST: (u32, u32) = (5, 23);
/// Rows of one statement.
const STATEMENT_ROWS: usize = 2_000;
/// How long a batch may take; a graph that hangs is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// One batch at a time, and a question now and then.
const CONNECTIONS: usize = 2;

/// Where it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Such as `bolt://neo4j:7687`.
    pub uri: String,
    /// Its user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// Whose progress it keeps.
    pub shard: String,
}

/// The store.
pub struct Neo4j {
    settings: Settings,
    graph: Option<Graph>,
}

impl Neo4j {
    /// Takes the settings; nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Neo4j { settings, graph: None }
    }

    fn graph(&self) -> Result<&Graph, StoreError> {
        self.graph.as_ref().ok_or_else(|| StoreError::Away("not connected".to_owned()))
    }

    fn connect(&self) -> Result<Graph, StoreError> {
        let Settings { uri, user, password, .. } = &self.settings;
        let config = ConfigBuilder::new()
            .uri(uri.as_str())
            .user(user.as_str())
            .password(password.as_str())
            .max_connections(CONNECTIONS)
            .connection_timeout(CONNECT_PATIENCE)
            .build()
            .map_err(|error| self.failed(error))?;
        Graph::connect(config).map_err(|error| self.failed(error))
    }

    async fn prepare(&self, graph: &Graph) -> Result<(), StoreError> {
        let version = self.first(graph, query(statements::VERSION)).await?;
        let version = version.and_then(|row| row.get::<String>("version").ok()).unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        if (parts.next(), parts.next()) < (Some(OLDEST.0), Some(OLDEST.1)) {
            let uri = &self.settings.uri;
            return Err(StoreError::Broken(format!(
                "{uri} is Neo4j {version:?}; {}.{} or later is needed",
                OLDEST.0, OLDEST.1
            )));
        }
        for constraint in CONSTRAINTS {
            graph.run(query(constraint)).await.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    async fn first(&self, graph: &Graph, query: Query) -> Result<Option<neo4rs::Row>, StoreError> {
        let mut rows = graph.execute(query).await.map_err(|error| self.failed(error))?;
        rows.next().await.map_err(|error| self.failed(error))
    }

    /// Locks the shard's progress; gives the epoch that the graph has.
    async fn lock(&self, txn: &mut Txn) -> Result<i64, neo4rs::Error> {
        let mut rows =
            txn.execute(query(statements::LOCK).param("key", self.settings.shard.as_str())).await?;
        let row = rows.next(txn.handle()).await?;
        Ok(row.and_then(|row| row.get::<i64>("epoch").ok()).unwrap_or(0))
    }

    async fn write(&self, graph: &Graph, batch: &Batch) -> Result<(), neo4rs::Error> {
        let shard = &self.settings.shard;
        let statements = translate::statements(shard, &latest(&batch.epochs));
        let mut txn = graph.start_txn().await?;
        let has = self.lock(&mut txn).await?;
        let epoch = i64::try_from(batch.progress.epoch).unwrap_or(i64::MAX);
        if epoch <= has {
            return txn.rollback().await;
        }
        for Statement { text, rows } in statements {
            for rows in rows.chunks(STATEMENT_ROWS) {
                let rows = BoltType::try_from(Value::Array(rows.to_vec()))?;
                txn.run(query(text).param("rows", rows)).await?;
            }
        }
        if let Some(first) = batch.epochs.first().filter(|first| first.whole) {
            let first = i64::try_from(first.epoch).unwrap_or(i64::MAX);
            for text in statements::CLOSE_OTHERS {
                txn.run(query(text).param("shard", shard.as_str()).param("epoch", first)).await?;
            }
        }
        let progress = json!({ "epoch": epoch, "digest": batch.progress.digest, "generation": batch.progress.generation });
        let progress = BoltType::try_from(progress)?;
        txn.run(query(statements::PROGRESS).param("key", shard.as_str()).param("progress", progress)).await?;
        txn.commit().await
    }

    fn failed(&self, error: neo4rs::Error) -> StoreError {
        use neo4rs::{Neo4jClientErrorKind as Client, Neo4jErrorKind as Kind};
        let uri = &self.settings.uri;
        match &error {
            neo4rs::Error::AuthenticationError(_) => StoreError::Broken(refused(uri, &error)),
            neo4rs::Error::Neo4j(said) => match said.kind() {
                Kind::Client(Client::Security(_)) => StoreError::Broken(refused(uri, &error)),
                // A deadlock, a restart, a session that ended: the same again may succeed.
                Kind::Transient | Kind::Database | Kind::Unknown => {
                    StoreError::Away(format!("{uri}: {error}"))
                }
                Kind::Client(Client::SessionExpired | Client::TransactionTerminated) => {
                    StoreError::Away(format!("{uri}: {error}"))
                }
                Kind::Client(_) => StoreError::Broken(format!("{uri}: {error}")),
            },
            neo4rs::Error::UrlParseError(_)
            | neo4rs::Error::UnsupportedScheme(_)
            | neo4rs::Error::ProtocolMismatch(_)
            | neo4rs::Error::UnsupportedVersion(..)
            | neo4rs::Error::ConversionError => {
                StoreError::Broken(format!("{uri}: {error}; set sinks.neo4j.uri to bolt://host:port"))
            }
            _ => StoreError::Away(format!("{uri}: {error}")),
        }
    }
}

impl Store for Neo4j {
    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        let graph = self.connect()?;
        let opened = async {
            self.prepare(&graph).await?;
            self.first(&graph, query(statements::READ_PROGRESS).param("key", self.settings.shard.as_str()))
                .await
        };
        let found = timeout(PATIENCE, opened).await.map_err(|_| hangs(&self.settings.uri))??;
        self.graph = Some(graph);
        Ok(found.and_then(|row| {
            let epoch = u64::try_from(row.get::<i64>("epoch").ok()?).ok()?;
            let digest = row.get::<String>("digest").ok()?.parse().ok()?;
            Some(Progress { epoch, digest, generation: row.get::<String>("generation").ok()? })
        }))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        let written = timeout(PATIENCE, self.write(self.graph()?, batch)).await;
        written.map_err(|_| hangs(&self.settings.uri))?.map_err(|error| self.failed(error))?;
        Ok(Vec::new())
    }
}

fn hangs(uri: &str) -> StoreError {
    StoreError::Away(format!("{uri}: no answer within {PATIENCE:?}"))
}

fn refused(uri: &str, error: &neo4rs::Error) -> String {
    format!("{uri}: {error}; check sinks.neo4j.user and password, and what they may write")
}
