//! The model that may plan and word, the one whose vectors compare incidents, and what they may cost; none unless a `url`
//! is named.

use std::time::SystemTime;

use ::agents::model::Model;
use ::agents::model::client::{Client, Settings};
use ::agents::model::price::Prices;
use ::agents::tool::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use ::agents::tool::secret::Secret;
use ::agents::tool::secret::reference::{Sources, fill};
use ::agents::{Embedder, Voice};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::Config;
use crate::exit::{Cause, Failure};

/// A model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Base of an OpenAI-compatible interface, such as `https://api.openai.com/v1`; empty: no model.
    pub url: String,
    /// Its key, as `${env:NAME}` or `${file:PATH}`; empty: none is sent.
    pub key: String,
    /// Name of the model; empty with an `embedding`: none plans and words.
    pub name: String,
    /// Name of a model of vectors at the same interface, by which past incidents are compared; empty: built-in features.
    pub embedding: String,
    /// Whether the interface may have an address that is not public.
    pub allow_private: bool,
    /// What a tenant may spend in a day (UTC), in dollars.
    pub usd_per_day: f64,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
    /// Whether the model thinks before it answers, and takes no temperature.
    pub reasoning: bool,
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
        Ok(Voice::new(Model::Live(section.client(&section.name).await?), section.limit()?))
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
        Ok(Some(Embedder::new(section.client(&section.embedding).await?, section.limit()?)))
    }
}

impl ModelSection {
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
    async fn client(&self, name: &str) -> Result<Client> {
        let environment = super::agents::environment;
        let sources = Sources { now: SystemTime::now(), ..Sources::local(&environment) };
        let mut headers = Vec::new();
        if !self.key.is_empty() {
            let key = fill(&self.key, &sources).await.map_err(|error| bad("key", &error.to_string()))?;
            headers.push(("authorization", Secret::new(format!("Bearer {}", key.expose()))));
        }
        let egress = Egress { allow_private: self.allow_private, response_bytes: RESPONSE_BYTES };
        let endpoint = Endpoint::new(&self.url, &headers, &egress).map_err(|problem| bad("url", &problem))?;
        let prices = Prices::builtin().map_err(|problem| bad("name", &problem))?;
        let (price, listed) = prices.of(name);
        if !listed {
            tracing::warn!(model = name, "no list price of this model: the dearest known one is counted");
        }
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

fn bad(key: &str, problem: &str) -> anyhow::Error {
    Failure::of(Cause::Config, format!("model.{key}: {problem}"))
}
