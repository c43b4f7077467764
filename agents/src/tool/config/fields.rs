//! The keys of one connection, taken one by one, so that each error names its key.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ConfigError;

/// Keys that were not taken yet.
pub(super) struct Fields {
    name: String,
    keys: Map<String, Value>,
}

impl Fields {
    /// The keys of the connection at a place in the list.
    pub(super) fn new(at: usize, mut keys: Map<String, Value>) -> Self {
        match keys.remove("name") {
            Some(Value::String(name)) => Fields { name, keys },
            _ => Fields { name: format!("#{}", at + 1), keys },
        }
    }

    /// Name of the connection, if it can be one.
    pub(super) fn name(&self) -> Result<String, ConfigError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if (1..=40).contains(&self.name.len()) && self.name.chars().all(plain) {
            return Ok(self.name.clone());
        }
        Err(self.error("name", "1 to 40 of a-z, 0-9, '_', '-'"))
    }

    /// Takes a key that may be absent.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, ConfigError> {
        match self.keys.remove(key) {
            None => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|_| {
                // The value may be a secret in the wrong place: it is not repeated, and serde would.
                self.error(key, format!("not {}", kind::<T>()))
            }),
        }
    }

    /// Takes a key that must be there.
    pub(super) fn needed<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, ConfigError> {
        self.optional(key)?.ok_or_else(|| self.error(key, "there is none"))
    }

    /// Takes a number between two others.
    pub(super) fn within<T>(&mut self, key: &str, least: T, most: T, usual: T) -> Result<T, ConfigError>
    where
        T: DeserializeOwned + PartialOrd + Display,
    {
        let number = self.optional(key)?.unwrap_or(usual);
        if least <= number && number <= most {
            Ok(number)
        } else {
            Err(self.error(key, format!("{number} is not between {least} and {most}")))
        }
    }

    /// Takes all that are left.
    pub(super) fn rest(&mut self) -> Map<String, Value> {
        std::mem::take(&mut self.keys)
    }

    /// An error of a key.
    pub(super) fn error(&self, field: &str, what: impl Into<String>) -> ConfigError {
        ConfigError { connection: self.name.clone(), field: field.to_owned(), what: what.into() }
    }
}

/// What a key should hold, in words of people.
fn kind<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    match name {
        "bool" => "true or false",
        "f64" | "u32" | "usize" => "a number that it can be",
        _ if name.contains("TenantId") => "a list of tenant ids",
        _ if name.contains("BTreeMap") => "texts by name",
        _ => "a text",
    }
}
