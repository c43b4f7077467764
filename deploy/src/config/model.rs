//! The model that may plan and word, and what it may cost; none unless a `url` is named.

use std::time::SystemTime;

use ::agents::Voice;
use ::agents::model::Model;
use ::agents::model::client::{Client, Settings};
use ::agents::model::price::Prices;
use ::agents::tool::endpoint::{Egress, Endpoint, RESPONSE_BYTES};
use ::agents::tool::secret::Secret;
use ::agents::tool::secret::reference::{Sources, fill};
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
    /// Name of the model.
    pub name: String,
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
            allow_private: false,
            usd_per_day: 5.0,
            max_tokens: 1_024,
            reasoning: false,
        }
    }
}

impl Config {
    /// The model, or none.
    pub async fn voice(&self) -> Result<Voice> {
        let section = &self.model;
        if section.url.is_empty() {
            return Ok(Voice::off());
        }
        let bad = |key: &str, problem: String| Failure::of(Cause::Config, format!("model.{key}: {problem}"));
        if section.name.is_empty() {
            return Err(bad("name", "is empty; name the model".to_owned()));
        }
        if !(0.0..=1e6).contains(&section.usd_per_day) {
            return Err(bad("usd_per_day", format!("is {}; use 0 to 1000000", section.usd_per_day)));
        }
        let environment = super::agents::environment;
        let sources = Sources { now: SystemTime::now(), ..Sources::local(&environment) };
        let mut headers = Vec::new();
        if !section.key.is_empty() {
            let key = fill(&section.key, &sources).await.map_err(|error| bad("key", error.to_string()))?;
            headers.push(("authorization", Secret::new(format!("Bearer {}", key.expose()))));
        }
        let egress = Egress { allow_private: section.allow_private, response_bytes: RESPONSE_BYTES };
        let endpoint =
            Endpoint::new(&section.url, &headers, &egress).map_err(|problem| bad("url", problem))?;
        let prices = Prices::builtin().map_err(|problem| bad("name", problem))?;
        let (price, listed) = prices.of(&section.name);
        if !listed {
            tracing::warn!(
                model = section.name,
                "no list price of this model: the dearest known one is counted"
            );
        }
        let settings = Settings {
            model: section.name.clone(),
            price,
            max_tokens: section.max_tokens,
            seed: 0,
            reasoning: section.reasoning,
        };
        // Checked above; a millionth of a dollar is the smallest amount.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10^12")]
        let limit = (section.usd_per_day * 1e6) as u64;
        Ok(Voice::new(Model::Live(Client::new(endpoint, settings)), limit))
    }
}
