//! The model that may plan and word, the one whose vectors compare incidents, and what they may cost; none unless a `url`
//! is named.

use std::time::SystemTime;

use ::agents::model::Model;
use ::agents::model::client::{Client, Settings};
use ::agents::model::price::{Price, Prices};
use ::agents::tool::config::{SecretStores, secret_stores};
use ::agents::tool::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use ::agents::tool::secret::Secret;
use ::agents::tool::secret::reference::fill;
use ::agents::{Embedder, Voice};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Config;
use super::agents::{environment, read};
use crate::exit::{Cause, Failure};

/// A model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Base of an OpenAI-compatible interface, such as `https://api.openai.com/v1`; empty: no model.
    pub url: String,
    /// Its key, as `${env:NAME}`, `${file:PATH}`, or `${vault:…}` and `${ssm:…}` by the `vault` and `aws` of `agents.tools`;
    /// empty: none is sent.
    pub key: String,
    /// Name of the model; empty with an `embedding`: none plans and words.
    pub name: String,
    /// Name of a model of vectors at the same interface, by which past incidents are compared; empty: built-in features.
    pub embedding: String,
    /// Whether the interface may have an address that is not public.
    pub allow_private: bool,
    /// What a tenant may spend in a day (UTC), in dollars.
    pub usd_per_day: f64,
    /// What tokens cost, where the list in the program does not say so, or says otherwise.
    pub usd_per_million_tokens: PriceSection,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Whether the model thinks before it answers, and takes no temperature.
    pub reasoning: bool,
}

/// Prices in dollars per million tokens; 0 for models on own hardware. Absent: by the list in the program, and for a model that
/// is not in it the dearest there is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSection {
    /// Of what the model `name` is asked; goes with `output`.
    pub input: Option<f64>,
    /// Of what it answers.
    pub output: Option<f64>,
    /// Of what the model `embedding` is asked.
    pub embedding: Option<f64>,
}

impl Default for ModelSection {
    fn default() -> Self {
        ModelSection {
            url: String::new(),
            key: String::new(),
            name: String::new(),
            embedding: String::new(),
            allow_private: false,
            usd_per_day: 5.0,
            usd_per_million_tokens: PriceSection::default(),
            max_tokens: 1_024,
            reasoning: false,
        }
    }
}

impl Config {
    /// The model that plans and words, or none.
    pub async fn voice(&self) -> Result<Voice> {
        let section = &self.model;
        if section.url.is_empty() || (section.name.is_empty() && !section.embedding.is_empty()) {
            return Ok(Voice::off());
        }
        if section.name.is_empty() {
            return Err(bad("name", "is empty; name the model"));
        }
        let price = section.usd_per_million_tokens.of_name()?;
        let client = section.client(&section.name, price, &self.stores().await?).await?;
        Ok(Voice::new(Model::Live(client), section.limit()?))
    }

    /// The model of vectors, or none.
    pub async fn embedder(&self) -> Result<Option<Embedder>> {
        let section = &self.model;
        if section.embedding.is_empty() {
            return Ok(None);
        }
        if section.url.is_empty() {
            return Err(bad("url", "is empty; name the interface of model.embedding"));
        }
        let price = section.usd_per_million_tokens.of_embedding()?;
        let client = section.client(&section.embedding, price, &self.stores().await?).await?;
        Ok(Some(Embedder::new(client, section.limit()?)))
    }

    /// Where the key may be: those that the connections have.
    async fn stores(&self) -> Result<SecretStores> {
        let path = &self.agents.tools;
        if path.is_empty() {
            return Ok(SecretStores::default());
        }
        let opened = secret_stores(&read("agents.tools", path)?, &environment).await;
        opened.map_err(|problem| Failure::of(Cause::Config, format!("{path}: {problem}")))
    }
}

impl ModelSection {
    /// Checks the amounts of money: they are known before anybody asks.
    pub(super) fn check(&self) -> Result<()> {
        self.limit()?;
        self.usd_per_million_tokens.of_name()?;
        self.usd_per_million_tokens.of_embedding().map(drop)
    }

    /// What a tenant may spend in a day, in millionths of a dollar.
    fn limit(&self) -> Result<u64> {
        if !(0.0..=1e6).contains(&self.usd_per_day) {
            return Err(bad("usd_per_day", &format!("is {}; use 0 to 1000000", self.usd_per_day)));
        }
        // A millionth of a dollar is the smallest amount.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^12")]
        let limit = (self.usd_per_day * 1e6) as u64;
        Ok(limit)
    }

    /// A model of the interface, by name.
    async fn client(&self, name: &str, price: Option<Price>, stores: &SecretStores) -> Result<Client> {
        let sources = stores.sources(&environment, SystemTime::now());
        let mut headers = Vec::new();
        if !self.key.is_empty() {
            let key = fill(&self.key, &sources).await.map_err(|error| bad("key", &error.to_string()))?;
            headers.push(("authorization", Secret::new(format!("Bearer {}", key.expose()))));
        }
        let egress = Egress { allow_private: self.allow_private, response_bytes: RESPONSE_BYTES };
        let endpoint = Endpoint::new(&self.url, &headers, &egress).map_err(|problem| bad("url", &problem))?;
        let price = match price {
            Some(price) => price,
            None => listed(name)?,
        };
        let settings = Settings {
            model: name.to_owned(),
            price,
            max_tokens: self.max_tokens,
            seed: 0,
            reasoning: self.reasoning,
        };
        Ok(Client::new(endpoint, settings))
    }
}

impl PriceSection {
    /// Of the model that plans and words.
    fn of_name(&self) -> Result<Option<Price>> {
        match (self.input, self.output) {
            (None, None) => Ok(None),
            (Some(input), Some(output)) => {
                let (input, output) = (micros("input", input)?, micros("output", output)?);
                Ok(Some(Price { input, output }))
            }
            (Some(_), None) => Err(bad("usd_per_million_tokens.output", "is missing beside input")),
            (None, Some(_)) => Err(bad("usd_per_million_tokens.input", "is missing beside output")),
        }
    }

    /// Of the model of vectors.
    fn of_embedding(&self) -> Result<Option<Price>> {
        self.embedding.map(|usd| Ok(Price { input: micros("embedding", usd)?, output: 0 })).transpose()
    }
}

/// Millionths of a dollar, rounded up: a price is not cut to nothing.
fn micros(key: &str, usd: f64) -> Result<u64> {
    if !(0.0..=1e4).contains(&usd) {
        return Err(bad(&format!("usd_per_million_tokens.{key}"), &format!("is {usd}; use 0 to 10000")));
    }
    // What lies beyond the sixth place is noise of the float.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^10")]
    let micros = (usd * 1e6 - 1e-3).ceil().max(0.0) as u64;
    Ok(micros)
}

/// The list price of a model; the dearest there is for one that is not listed.
fn listed(name: &str) -> Result<Price> {
    let prices = Prices::builtin().map_err(|problem| bad("name", &problem))?;
    let (price, listed) = prices.of(name);
    if !listed {
        tracing::warn!(
            model = name,
            "no list price of this model: the dearest known one is counted; see model.usd_per_million_tokens"
        );
    }
    Ok(price)
}

fn bad(key: &str, problem: &str) -> anyhow::Error {
    Failure::of(Cause::Config, format!("model.{key}: {problem}"))
}

#[cfg(test)]
mod tests;
