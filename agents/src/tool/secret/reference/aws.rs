//! AWS Systems Manager: `GetParameter` of its API, with decryption, signed by Signature Version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::json;

use super::SECRET_BYTES;
use crate::tool::ToolError;
use crate::tool::endpoint::{Egress, Endpoint};
use crate::tool::secret::Secret;

/// Access to the parameters of one region.
#[derive(Clone, Debug)]
pub struct Aws {
    endpoint: Endpoint,
    region: String,
    credentials: Keys,
}

/// What requests are signed with.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Names the key.
    pub access_key_id: Secret,
    /// The key.
    pub secret_access_key: Secret,
    /// Comes with keys that are good for a while only.
    pub session_token: Option<Secret>,
}

impl Aws {
    /// Access to a region, by its public address unless another one is given.
    ///
    /// # Errors
    /// The region or the address cannot be used; as a sentence.
    pub fn new(region: &str, url: Option<&str>, credentials: Keys) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || region.len() > 32 || !region.chars().all(plain) {
            return Err(format!("region {region:?}: not the name of one"));
        }
        let public = format!("https://ssm.{region}.amazonaws.com/");
        let egress = Egress { allow_private: url.is_some(), response_bytes: 4 * SECRET_BYTES as usize };
        let endpoint = Endpoint::new(url.unwrap_or(&public), &[], &egress)?;
        Ok(Aws { endpoint, region: region.to_owned(), credentials })
    }

    /// The value of a parameter, decrypted.
    pub(super) async fn parameter(&self, name: &str, now: SystemTime) -> Result<Option<String>, String> {
        let body = json!({"Name": name, "WithDecryption": true}).to_string().into_bytes();
        let headers = self.signed(&body, now).ok_or("the request could not be signed")?;
        match self.endpoint.post_bytes(&headers, body).await {
            Ok(answer) => Ok(answer["Parameter"]["Value"].as_str().map(str::to_owned)),
            // ParameterNotFound, and what else is wrong with what was asked.
            Err(ToolError::Arguments(_)) => Ok(None),
            Err(error) => Err(format!("ssm: {error}")),
        }
    }

    fn signed(&self, body: &[u8], now: SystemTime) -> Option<Vec<(String, String)>> {
        let Keys { access_key_id, secret_access_key, session_token } = &self.credentials;
        let token = session_token.as_ref().map(|token| token.expose().to_owned());
        let keys = Credentials::new(
            access_key_id.expose(),
            secret_access_key.expose(),
            token,
            None,
            "configuration",
        );
        let identity = keys.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ssm")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let own =
            [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AmazonSSM.GetParameter")];
        let url = self.endpoint.base().as_str();
        let request = SignableRequest::new("POST", url, own.into_iter(), SignableBody::Bytes(body)).ok()?;
        let (instructions, _) = sign(request, &parameters).ok()?.into_parts();
        let all = own.into_iter().chain(instructions.headers());
        Some(all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

impl Keys {
    /// The keys that AWS's own programs take from the environment.
    pub(crate) fn from_environment(environment: super::Environment<'_>) -> Option<Self> {
        Some(Keys {
            access_key_id: Secret::new(environment("AWS_ACCESS_KEY_ID")?),
            secret_access_key: Secret::new(environment("AWS_SECRET_ACCESS_KEY")?),
            session_token: environment("AWS_SESSION_TOKEN").map(Secret::new),
        })
    }
}
