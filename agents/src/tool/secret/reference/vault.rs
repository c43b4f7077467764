//! Vault, secrets engine KV version 2: "Read secret version" of its HTTP API.

use serde_json::Value;

use super::SECRET_BYTES;
use crate::tool::ToolError;
use crate::tool::endpoint::{Egress, Endpoint};
use crate::tool::secret::Secret;

/// One Vault.
#[derive(Clone, Debug)]
pub struct Vault {
    endpoint: Endpoint,
}

impl Vault {
    /// A Vault at an address. It is named by who runs this, so it may be in a private network.
    ///
    /// # Errors
    /// The address or the token cannot be used; as a sentence.
    pub fn new(url: &str, token: Secret) -> Result<Self, String> {
        // The versions and metadata of a secret come with it.
        let egress = Egress { allow_private: true, response_bytes: 4 * SECRET_BYTES as usize };
        Ok(Vault { endpoint: Endpoint::new(url, &[("x-vault-token", token)], &egress)? })
    }

    /// The value of a key at `MOUNT/PATH`.
    pub(super) async fn read(&self, path: &str, key: &str) -> Result<Option<String>, String> {
        let (mount, path) = path.split_once('/').ok_or("a mount and a path")?;
        let segments: Vec<&str> = ["v1", mount, "data"].into_iter().chain(path.split('/')).collect();
        if key.is_empty() || segments.iter().any(|segment| segment.is_empty()) {
            return Err("a mount, a path and a key".to_owned());
        }
        match self.endpoint.get(&segments, &[]).await {
            Ok(answer) => Ok(answer["data"]["data"].get(key).and_then(Value::as_str).map(str::to_owned)),
            Err(ToolError::Arguments(status)) if status == "status 404" => Ok(None),
            Err(error) => Err(format!("vault: {error}")),
        }
    }
}
