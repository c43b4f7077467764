//! `tools.yaml`: the connections of an installation, and from them the toolbox.
//!
//! ```yaml
//! vault: {url: "https://vault.internal:8200", token: "${file:/run/secrets/vault}"}
//! connections:
//!   - name: prometheus
//!     type: prometheus
//!     url: http://prometheus.monitoring:9090
//!     allow_private: true
//!     token: ${vault:kv/observability#prometheus}
//!     tenants: [acme]
//!     calls_per_minute: 120
//! ```
//!
//! A connection has the keys below and those of its type; no other. Whatever is wrong is one error that names the
//! connection and the key, and never a secret.

mod fields;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::ids::TenantId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use self::fields::Fields;
use super::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use super::registry::Toolbox;
use super::secret::Secret;
use super::secret::reference::{Aws, Environment, Keys, Sources, Vault, fill};
use super::{Category, Effect, Metadata, Tool, declared, mcp};

/// What is wrong with the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tools: {}{what}", place(.connection, .field))]
pub struct ConfigError {
    /// Name of the connection, or its place in the list if it has none; empty for what is above all of them.
    pub connection: String,
    /// The key.
    pub field: String,
    /// What is wrong and what to do.
    pub what: String,
}

fn place(connection: &str, field: &str) -> String {
    let connection = if connection.is_empty() { String::new() } else { format!("connection {connection}: ") };
    if field.is_empty() { connection } else { format!("{connection}{field}: ") }
}

/// One connection, for whoever makes tools of it. Its address and its credentials are in the [`Endpoint`] only.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// First part of the names of its tools.
    pub name: String,
    /// What it is; key of [`Types`].
    pub kind: String,
    /// Who has it; everybody who has none of that name if absent.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// Calls a minute, of one tool and one tenant.
    pub calls_per_minute: u32,
    /// A call may take so long.
    pub timeout: Duration,
    /// Bytes of one answer.
    pub response_bytes: usize,
    /// Millionths of a dollar a call.
    pub usd_micros: u64,
    /// Keys of its type.
    pub options: Map<String, Value>,
}

impl Connection {
    /// The keys of its type, in a type that should refuse what it does not know (`deny_unknown_fields`).
    ///
    /// # Errors
    /// They are not that; as a sentence.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(Value::Object(self.options.clone()))
            .map_err(|error| unquoted(&error.to_string()))
    }

    /// The metadata of one of its tools, which reads.
    pub fn metadata(
        &self,
        operation: &str,
        description: &str,
        category: Category,
        parameters: Value,
    ) -> Metadata {
        Metadata {
            name: format!("{}.{operation}", self.name),
            description: description.to_owned(),
            category,
            effect: Effect::Read,
            parameters,
            calls_per_minute: self.calls_per_minute,
            usd_micros: self.usd_micros,
            timeout: self.timeout,
        }
    }
}

/// Makes the tools of a connection, or says what is wrong with it.
pub type Build = fn(&Connection, Endpoint) -> Result<Vec<Box<dyn Tool>>, String>;

/// Types of connections by name, besides `http` and `mcp`.
pub type Types = BTreeMap<&'static str, Build>;

/// What a configuration became.
pub struct Loaded {
    /// The tools.
    pub toolbox: Toolbox,
    /// Connections that are configured well and were not there: their tools are missing.
    pub away: Vec<ConfigError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vault: Option<VaultKeys>,
    aws: Option<AwsKeys>,
    #[serde(default)]
    connections: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VaultKeys {
    url: String,
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsKeys {
    region: String,
    url: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
}

/// Where secrets are kept, besides the environment and files.
#[derive(Debug, Default)]
pub struct SecretStores {
    vault: Option<Vault>,
    aws: Option<Aws>,
}

impl SecretStores {
    /// These, the environment and files.
    pub fn sources<'a>(&'a self, environment: Environment<'a>, now: SystemTime) -> Sources<'a> {
        Sources { environment, vault: self.vault.as_ref(), aws: self.aws.as_ref(), now }
    }
}

/// Opens what a configuration says of `vault` and `aws`, for secrets that stand elsewhere; its connections are left alone.
///
/// # Errors
/// It is no such configuration, or one of the two cannot be used.
pub async fn secret_stores(text: &str, environment: Environment<'_>) -> Result<SecretStores, ConfigError> {
    let file = parse(text)?;
    open(file.vault, file.aws, environment).await
}

fn parse(text: &str) -> Result<File, ConfigError> {
    serde_saphyr::from_str(text).map_err(|error| {
        // With a snippet, the error would show the lines around it, and what is written there.
        above("", unquoted(&error.without_snippet().to_string()))
    })
}

async fn open(
    vault: Option<VaultKeys>,
    aws: Option<AwsKeys>,
    environment: Environment<'_>,
) -> Result<SecretStores, ConfigError> {
    let local = Sources::local(environment);
    let vault = match vault {
        Some(keys) => Some(open_vault(keys, &local).await.map_err(|what| above("vault", what))?),
        None => None,
    };
    let aws = match aws {
        Some(keys) => Some(open_aws(keys, &local).await.map_err(|what| above("aws", what))?),
        None => None,
    };
    Ok(SecretStores { vault, aws })
}

/// Reads a configuration, looks secrets up, and connects to what lists its tools itself.
///
/// # Errors
/// The first thing that is wrong with it.
pub async fn load(
    text: &str,
    environment: Environment<'_>,
    now: SystemTime,
    types: &Types,
) -> Result<Loaded, ConfigError> {
    let file = parse(text)?;
    let stores = open(file.vault, file.aws, environment).await?;
    let sources = stores.sources(environment, now);
    let mut loaded = Loaded { toolbox: Toolbox::new(), away: Vec::new() };
    for (at, keys) in file.connections.into_iter().enumerate() {
        connect(Fields::new(at, keys), &sources, types, &mut loaded).await?;
    }
    Ok(loaded)
}

async fn connect(
    mut fields: Fields,
    sources: &Sources<'_>,
    types: &Types,
    loaded: &mut Loaded,
) -> Result<(), ConfigError> {
    let (connection, address) = read(&mut fields, sources).await?;
    let endpoint = match &address.url {
        Some(url) => Some(address.endpoint(url, &connection).map_err(|what| fields.error("", what))?),
        None => None,
    };
    let kind = connection.kind.as_str();
    let url = || fields.error("url", "there is none");
    let tools = match (kind, endpoint) {
        ("mcp", endpoint) => match mcp::connect(&connection, endpoint, sources).await {
            Ok(tools) => Ok(tools),
            Err(mcp::Refused::Options(what)) => Err(what),
            Err(mcp::Refused::Away(error)) => {
                loaded.away.push(fields.error("", error.to_string()));
                Ok(Vec::new())
            }
        },
        ("http", endpoint) => declared::build(&connection, endpoint.ok_or_else(url)?),
        (_, endpoint) => match types.get(kind) {
            Some(build) => build(&connection, endpoint.ok_or_else(url)?),
            None => {
                let known: Vec<&str> = ["http", "mcp"].into_iter().chain(types.keys().copied()).collect();
                return Err(fields.error("type", format!("{kind:?} is none of {}", known.join(", "))));
            }
        },
    };
    let tools = tools.map_err(|what| fields.error("", what))?;
    let added = loaded.toolbox.add(&connection.name, connection.tenants.clone(), tools);
    added.map_err(|what| fields.error("", what))
}

/// How a connection is reached.
struct Address {
    url: Option<String>,
    headers: Vec<(String, Secret)>,
    allow_private: bool,
}

impl Address {
    fn endpoint(&self, url: &str, connection: &Connection) -> Result<Endpoint, String> {
        let headers: Vec<(&str, Secret)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let egress = Egress { allow_private: self.allow_private, response_bytes: connection.response_bytes };
        Endpoint::new(url, &headers, &egress)
    }
}

/// The keys that every type has. What is left are those of its own.
async fn read(fields: &mut Fields, sources: &Sources<'_>) -> Result<(Connection, Address), ConfigError> {
    let name = fields.name()?;
    let kind: String = fields.needed("type")?;
    let tenants: Option<BTreeSet<TenantId>> = fields.optional("tenants")?;
    if tenants.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(fields.error("tenants", "an empty list; leave it out for all tenants"));
    }
    let url: Option<String> = fields.optional("url")?;
    let url = match url {
        Some(url) => Some(secret(fields, "url", &url, sources).await?.expose().to_owned()),
        None => None,
    };
    let mut headers = Vec::new();
    for (name, value) in fields.optional::<BTreeMap<String, String>>("headers")?.unwrap_or_default() {
        let value = secret(fields, &format!("headers.{name}"), &value, sources).await?;
        headers.push((name, value));
    }
    if let Some(token) = fields.optional::<String>("token")? {
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            return Err(fields.error("token", "there is a header authorization as well; one of them"));
        }
        let token = secret(fields, "token", &token, sources).await?;
        headers.push(("authorization".to_owned(), Secret::new(format!("Bearer {}", token.expose()))));
    }
    if let Some(basic) = basic(fields, sources).await? {
        if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            return Err(
                fields.error("password", "there is a token or a header authorization as well; one of them")
            );
        }
        headers.push(("authorization".to_owned(), basic));
    }
    let address = Address { url, headers, allow_private: fields.optional("allow_private")?.unwrap_or(false) };
    let usd: f64 = fields.within("usd_per_call", 0.0, 100.0, 0.0)?;
    let connection = Connection {
        name,
        kind,
        tenants,
        calls_per_minute: fields.within("calls_per_minute", 1, 60_000, 60)?,
        timeout: Duration::from_secs_f64(fields.within("timeout", 0.1, 60.0, 10.0)?),
        response_bytes: fields.within("response_kib", 1, 16 << 10, RESPONSE_BYTES >> 10)? << 10,
        usd_micros: (usd * 1e6).round() as u64,
        options: fields.rest(),
    };
    Ok((connection, address))
}

/// A user and its password as a header, for what knows no tokens.
async fn basic(fields: &mut Fields, sources: &Sources<'_>) -> Result<Option<Secret>, ConfigError> {
    let (user, password) = (fields.optional::<String>("user")?, fields.optional::<String>("password")?);
    match (user, password) {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => {
            if user.contains(':') {
                return Err(fields.error("user", "a name without a colon"));
            }
            let password = secret(fields, "password", &password, sources).await?;
            let both = STANDARD.encode(format!("{user}:{}", password.expose()));
            Ok(Some(Secret::new(format!("Basic {both}"))))
        }
        (Some(_), None) => Err(fields.error("password", "there is none for the user")),
        (None, Some(_)) => Err(fields.error("user", "there is none for the password")),
    }
}

async fn secret(
    fields: &Fields,
    key: &str,
    text: &str,
    sources: &Sources<'_>,
) -> Result<Secret, ConfigError> {
    fill(text, sources).await.map_err(|error| fields.error(key, error.to_string()))
}

async fn open_vault(keys: VaultKeys, local: &Sources<'_>) -> Result<Vault, String> {
    let token = fill(&keys.token, local).await.map_err(|error| format!("token: {error}"))?;
    Vault::new(&keys.url, token)
}

async fn open_aws(keys: AwsKeys, local: &Sources<'_>) -> Result<Aws, String> {
    let filled =
        async |name: &str, text: String| fill(&text, local).await.map_err(|error| format!("{name}: {error}"));
    let signing = match (keys.access_key_id, keys.secret_access_key) {
        (Some(id), Some(key)) => Keys {
            access_key_id: filled("access_key_id", id).await?,
            secret_access_key: filled("secret_access_key", key).await?,
            session_token: match keys.session_token {
                Some(token) => Some(filled("session_token", token).await?),
                None => None,
            },
        },
        (None, None) => Keys::from_environment(local.environment).ok_or(
            "neither access_key_id and secret_access_key here nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the \
             environment",
        )?,
        _ => return Err("access_key_id and secret_access_key: one without the other".to_owned()),
    };
    Aws::new(&keys.region, keys.url.as_deref(), signing)
}

/// An error of serde without the value that it quotes: that may be a secret in the wrong place.
fn unquoted(error: &str) -> String {
    let quotes = ["invalid type: ", "invalid value: "].iter().find_map(|start| error.find(start));
    match (quotes, error.rfind(", expected ")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}something else than {}", &error[..start], &error[end + ", expected ".len()..])
        }
        _ => error.to_owned(),
    }
}

fn above(field: &str, what: String) -> ConfigError {
    ConfigError { connection: String::new(), field: field.to_owned(), what }
}

#[cfg(test)]
mod tests;
