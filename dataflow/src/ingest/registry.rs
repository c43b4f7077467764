//! Writer schemas by id, from a Confluent-compatible registry.
//!
//! A schema never changes under its id, so each is asked for once. While the registry is away the record waits: it is
//! neither lost nor refused. An id that the registry does not know is a data error.

use std::collections::BTreeMap;
use std::time::Duration;

use apache_avro::Schema;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};
use schemas::error::{DecodeError, RejectCode};

/// Between two attempts while the registry is away.
const RETRY: Duration = Duration::from_millis(500);

/// Schemas known so far.
pub(crate) struct Registry {
    settings: SrSettings,
    url: String,
    known: BTreeMap<u32, Result<Schema, DecodeError>>,
}

impl Registry {
    /// A registry at a URL.
    pub(crate) fn at(url: &str) -> Self {
        Registry { settings: SrSettings::new(url.to_owned()), url: url.to_owned(), known: BTreeMap::new() }
    }

    /// The writer schema with an id. Waits while the registry cannot be reached and `go_on` says so.
    pub(crate) async fn schema(
        &mut self,
        id: u32,
        go_on: impl Fn() -> bool,
    ) -> Option<&Result<Schema, DecodeError>> {
        while !self.known.contains_key(&id) {
            match get_schema_by_id(id, &self.settings).await {
                Ok(registered) => {
                    let parsed = Schema::parse_str(&registered.schema);
                    let refused = |error: apache_avro::Error| {
                        DecodeError::new(RejectCode::Schema, format!("schema {id} of {}: {error}", self.url))
                    };
                    self.known.insert(id, parsed.map_err(refused));
                }
                Err(error) if error.retriable => {
                    tracing::warn!(url = %self.url, id, %error, "registry did not answer");
                    if !go_on() {
                        return None;
                    }
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => {
                    let detail = format!(
                        "schema {id} is not in the registry {} ({error}); register it first",
                        self.url
                    );
                    self.known.insert(id, Err(DecodeError::new(RejectCode::Schema, detail)));
                }
            }
        }
        self.known.get(&id)
    }
}
