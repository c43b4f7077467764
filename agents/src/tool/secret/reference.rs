//! References to secrets, `${env:NAME}` and its like: a configuration names a secret, it does not hold one.
//!
//! | reference | where it is read |
//! |---|---|
//! | `${env:NAME}` | the environment, through the function that is passed in |
//! | `${file:/path}` | a file; one line end at its end is not part of it |
//! | `${vault:MOUNT/PATH#KEY}` | Vault, secrets engine KV version 2 |
//! | `${ssm:/NAME}` | AWS Systems Manager, Parameter Store |
//!
//! An error names the reference, never what it stands for.

mod aws;
mod vault;

use std::time::SystemTime;

use tokio::io::AsyncReadExt;

use super::Secret;
pub use aws::{Aws, Keys};
pub use vault::Vault;

/// Bytes of one secret.
const SECRET_BYTES: u64 = 64 << 10;

/// Why a secret is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The text is not what a reference looks like.
    #[error(
        "{0} is no reference: ${{env:NAME}}, ${{file:/path}}, ${{vault:MOUNT/PATH#KEY}} or ${{ssm:/NAME}}"
    )]
    Malformed(String),
    /// There is nothing under that name.
    #[error("{0}: there is no such secret, or it is empty")]
    Missing(String),
    /// Where it should be could not be asked.
    #[error("{0}: {1}")]
    Away(String, String),
}

/// Reads the environment.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Where secrets are read.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The environment.
    pub environment: Environment<'a>,
    /// Vault, if there is one.
    pub vault: Option<&'a Vault>,
    /// AWS, if it is used.
    pub aws: Option<&'a Aws>,
    /// For signatures of requests to AWS.
    pub now: SystemTime,
}

impl<'a> Sources<'a> {
    /// The environment and files only.
    pub fn local(environment: Environment<'a>) -> Self {
        Sources { environment, vault: None, aws: None, now: SystemTime::UNIX_EPOCH }
    }
}

/// Fills the references in a text, such as `Bearer ${env:TOKEN}`. What was filled in is not read again.
///
/// # Errors
/// A reference is none, or there is nothing behind it.
pub async fn fill(text: &str, sources: &Sources<'_>) -> Result<Secret, SecretError> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        // What follows an opening that is not closed may be a secret itself: it is not repeated.
        let (inner, after) = after.split_once('}').ok_or(SecretError::Malformed("${…".to_owned()))?;
        filled.push_str(before);
        filled.push_str(&one(inner, sources).await?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(Secret::new(filled))
}

async fn one(inner: &str, sources: &Sources<'_>) -> Result<String, SecretError> {
    let reference = format!("${{{inner}}}");
    let malformed = || SecretError::Malformed(reference.clone());
    let (source, name) = inner.split_once(':').ok_or_else(malformed)?;
    if name.is_empty() || name.len() > 1_024 || name.chars().any(char::is_control) {
        return Err(malformed());
    }
    let away = |what: String| SecretError::Away(reference.clone(), what);
    let found = match source {
        "env" => (sources.environment)(name),
        "file" if name.starts_with('/') => file(name).await.map_err(away)?,
        "vault" => {
            let (path, key) = name.split_once('#').ok_or_else(malformed)?;
            let vault = sources.vault.ok_or_else(|| away("vault is not configured".to_owned()))?;
            vault.read(path, key).await.map_err(away)?
        }
        "ssm" if name.starts_with('/') => {
            let aws = sources.aws.ok_or_else(|| away("aws is not configured".to_owned()))?;
            aws.parameter(name, sources.now).await.map_err(away)?
        }
        _ => return Err(malformed()),
    };
    found.filter(|secret| !secret.is_empty()).ok_or(SecretError::Missing(reference))
}

async fn file(path: &str) -> Result<Option<String>, String> {
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.kind().to_string()),
    };
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES + 1).read_to_end(&mut bytes).await.map_err(|error| error.kind().to_string())?;
    if bytes.len() as u64 > SECRET_BYTES {
        return Err(format!("more than {SECRET_BYTES} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Some(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

#[cfg(test)]
mod tests;
