//! Writer schemas by id.
//!
//! A schema never changes under its id. What was learned is sealed with the epoch that first used it, so that a replay asks
//! nobody, and a registry that later answers otherwise is found out.

use std::error::Error;
use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

/// How long a registry may take; then it is away. The shard waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a registry says, in so many digits, of an id that it does not have.
const NO_SUCH_SCHEMA: u32 = 40_403;

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
        let settings = SrSettings::new_builder(url.to_owned()).set_timeout(PATIENCE).build();
        let settings = settings.map_err(std::io::Error::other)?;
        Ok(ConfluentRegistry { settings, url: url.to_owned(), runtime })
    }
}

impl SchemaRegistry for ConfluentRegistry {
    fn schema(&mut self, id: u32) -> RegistryAnswer {
        match self.runtime.block_on(get_schema_by_id(id, &self.settings)) {
            Ok(registered) => RegistryAnswer::Schema(registered.schema),
            // Anything else may pass: an overload, a page of a load balancer, a token that has run out.
            Err(error) if !lacks(&error) => RegistryAnswer::Away(format!("registry {}: {error}", self.url)),
            Err(error) => {
                let detail =
                    format!("schema {id} is not in the registry {} ({error}); register it first", self.url);
                RegistryAnswer::Unknown(detail)
            }
        }
    }
}

/// Whether the registry itself says that it has no such schema.
fn lacks(error: &SRCError) -> bool {
    let said = error.source().and_then(|source| source.downcast_ref::<RawError>());
    said.is_some_and(|said| said.error_code == NO_SUCH_SCHEMA)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// What is made of an answer; without one, of silence.
    fn made_of(answer: Option<&'static str>) -> RegistryAnswer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 4096]).unwrap();
            if let Some(answer) = answer {
                return stream.write_all(answer.as_bytes()).unwrap();
            }
            // Until the other side gives up.
            let _ended = stream.read(&mut [0; 1]);
        });
        let made = ConfluentRegistry::at(&url).unwrap().schema(7);
        server.join().unwrap();
        made
    }

    #[test]
    fn only_the_registry_itself_can_say_that_it_has_no_schema() {
        let lacking =
            "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n{\"error_code\":40403,\"message\":\"no\"}";
        assert!(matches!(made_of(Some(lacking)), RegistryAnswer::Unknown(_)));
        for passing in [
            "HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<html>no such host</html>",
            "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\n\r\n{\"error_code\":50001,\"message\":\"store\"}",
            "HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>maintenance</html>",
        ] {
            assert!(matches!(made_of(Some(passing)), RegistryAnswer::Away(_)), "{passing}");
        }
        assert!(matches!(made_of(None), RegistryAnswer::Away(_)));
    }
}
