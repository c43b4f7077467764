//! Writer schemas by id.
//!
//! A schema never changes under its id. What was learned is sealed with the epoch that first used it, so that a replay asks
//! nobody, and a registry that later answers otherwise is found out.

use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};

/// What a registry says of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryAnswer {
    /// The schema, as JSON.
    Schema(String),
    /// It has no such schema: whatever names it is refused.
    Unknown(String),
    /// It does not answer: whatever names the id has to wait.
    Away(String),
}

/// Where writer schemas are asked for.
pub trait SchemaRegistry: Send {
    /// The writer schema with an id.
    fn schema(&mut self, id: u32) -> RegistryAnswer;
}

/// A Confluent-compatible registry.
pub struct ConfluentRegistry {
    settings: SrSettings,
    url: String,
    runtime: tokio::runtime::Runtime,
}

impl ConfluentRegistry {
    /// A registry at a URL. Nothing is asked yet.
    pub fn at(url: &str) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(ConfluentRegistry { settings: SrSettings::new(url.to_owned()), url: url.to_owned(), runtime })
    }
}

impl SchemaRegistry for ConfluentRegistry {
    fn schema(&mut self, id: u32) -> RegistryAnswer {
        match self.runtime.block_on(get_schema_by_id(id, &self.settings)) {
            Ok(registered) => RegistryAnswer::Schema(registered.schema),
            Err(error) if error.retriable => RegistryAnswer::Away(format!("registry {}: {error}", self.url)),
            Err(error) => {
                let detail =
                    format!("schema {id} is not in the registry {} ({error}); register it first", self.url);
                RegistryAnswer::Unknown(detail)
            }
        }
    }
}
