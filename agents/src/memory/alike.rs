//! How alike cases are by vectors of a model, where one is configured: the texts that are compared say what incidents were
//! about, without secrets, and are sent once. Nothing here changes a ranking.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::answer::{Answer, Missing};
use schemas::ids::{IncidentId, hash64};
use schemas::state::{Case, Likeness, Recording};
use schemas::view::IncidentRow;
use tokio::time::Instant;
use tracing::Instrument;

use crate::memory;
use crate::model::ModelError;
use crate::model::client::{Client, Embedded};
use crate::model::measure::{self, Measured};
use crate::model::purse::Asking;
use crate::model::wire::Usage;

/// Cases that are compared: those that are nearest without a model.
const CASES_MAX: usize = 32;
/// Vectors that are remembered.
const REMEMBERED_MAX: usize = 4_096;
/// Vectors are waited for so long, if there is as much time.
const PATIENCE: Duration = Duration::from_secs(4);

/// Compares by vectors.
#[derive(Clone, Debug)]
pub struct Embedder {
    client: Client,
    usd_micros_per_day: u64,
    lately: Arc<Mutex<VecDeque<(u64, Arc<Vec<f32>>)>>>,
}

impl Embedder {
    /// A model of vectors, and millionths of a dollar a tenant may spend in a day (UTC), on this and on other models.
    pub fn new(client: Client, usd_micros_per_day: u64) -> Self {
        Embedder { client, usd_micros_per_day, lately: Arc::default() }
    }

    /// How alike an incident and its nearest cases are. Without an answer that says why.
    pub(crate) async fn likeness(
        &self,
        asking: &Asking<'_>,
        incident: &IncidentRow,
        cases: &[Case],
    ) -> Likeness {
        let mut likeness = Likeness { model: self.client.settings().model.clone(), ..Likeness::default() };
        let nearest = memory::nearest(incident, cases, CASES_MAX);
        if nearest.is_empty() {
            return likeness;
        }
        let mut texts = vec![text(incident)];
        texts.extend(nearest.iter().map(|case| text(&case.incident)));
        match self.vectors(asking, &texts, &mut likeness.usd_micros).await {
            Ok(vectors) => likeness.cases = compared(&vectors, &nearest),
            Err(why) => {
                let denied = matches!(why, ModelError::Spent | ModelError::Disabled);
                likeness.denied = denied.then(|| why.code().to_owned());
                likeness.silent = Some(why.to_string());
            }
        }
        likeness
    }

    /// The vector of each text: those that are remembered, and the others from the model.
    async fn vectors(
        &self,
        asking: &Asking<'_>,
        texts: &[String],
        usd_micros: &mut u64,
    ) -> Result<Vec<Arc<Vec<f32>>>, ModelError> {
        let unknown: BTreeSet<&String> =
            texts.iter().filter(|text| self.remembered(text).is_none()).collect();
        let unknown: Vec<String> = unknown.into_iter().cloned().collect();
        let mut fresh = Vec::new();
        if !unknown.is_empty() {
            let (started, span) = (Instant::now(), measure::span(asking.tenant, measure::VECTORS));
            let asked = self.paid(asking, &unknown, usd_micros).instrument(span.clone()).await;
            let (status, tokens) = match &asked {
                Ok(embedded) => ("ok", embedded.tokens),
                Err(why) => (why.code(), 0),
            };
            let usage = Usage { input_tokens: tokens, output_tokens: 0 };
            span.record("status", status);
            Measured { status, elapsed: started.elapsed(), usage, usd_micros: *usd_micros }
                .count(asking.tenant, measure::VECTORS);
            fresh = asked?.vectors.into_iter().map(Arc::new).collect();
            self.remember(&unknown, &fresh);
        }
        let of = |text: &String| {
            let place = unknown.binary_search(text).ok();
            place.and_then(|at| fresh.get(at).cloned()).or_else(|| self.remembered(text))
        };
        let all: Option<Vec<_>> = texts.iter().map(of).collect();
        // Forgotten between two looks, by many others at once.
        all.ok_or_else(|| ModelError::Unavailable("too many texts at once".to_owned()))
    }

    /// Asks with money set aside, and settles.
    async fn paid(
        &self,
        asking: &Asking<'_>,
        texts: &[String],
        usd_micros: &mut u64,
    ) -> Result<Embedded, ModelError> {
        if let Some(why) = self.client.rests() {
            return Err(why);
        }
        let most = self.client.embedding_cost_at_most(texts);
        let (within, mut aside) = asking.leave(most, self.usd_micros_per_day, PATIENCE).await?;
        let Some(asked) = asking.unless_off(self.client.embed(texts, within)).await else {
            // What was set aside counts as spent, since the model may be at work on it.
            *usd_micros = most;
            return Err(ModelError::Disabled);
        };
        *usd_micros = match &asked {
            Ok(embedded) => embedded.usd_micros,
            Err(why) if why.billed() => most,
            Err(_) => 0,
        };
        if let Some(aside) = &mut aside {
            aside.settle(*usd_micros).await;
        }
        asked
    }

    fn remembered(&self, text: &str) -> Option<Arc<Vec<f32>>> {
        let hash = hash64(&[text.as_bytes()]);
        let lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.iter().find(|(of, _)| *of == hash).map(|(_, vector)| vector.clone())
    }

    fn remember(&self, texts: &[String], vectors: &[Arc<Vec<f32>>]) {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.extend(
            texts.iter().zip(vectors).map(|(text, vector)| (hash64(&[text.as_bytes()]), vector.clone())),
        );
        while REMEMBERED_MAX < lately.len() {
            lately.pop_front();
        }
    }
}

/// Adds to an answer what vectors cost, and why there were none.
pub(crate) fn tell(answer: &mut Answer, recording: &Recording) {
    let Some(likeness) = &recording.likeness else { return };
    // Money is far below what a float counts exactly.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let usd = likeness.usd_micros as f64 / 1e6;
    answer.cost.llm_usd += usd;
    if let Some(why) = &likeness.silent {
        let why = format!("past incidents are compared by built-in features: {why}");
        answer.missing.push(Missing { source: "embeddings".to_owned(), why });
    }
}

/// What an incident was about, in words.
fn text(incident: &IncidentRow) -> String {
    let causes = incident.hypotheses.iter().map(|hypothesis| {
        let root = &hypothesis.root;
        format!(
            "{}: {} on {} {}",
            hypothesis.rank,
            root.kind.spec().title,
            root.entity.kind,
            root.entity.name
        )
    });
    let causes: Vec<String> = causes.collect();
    format!("{}\nLikely causes: {}", incident.title, causes.join("; "))
}

/// How alike the first vector is to each other one.
fn compared(vectors: &[Arc<Vec<f32>>], cases: &[&Case]) -> Vec<(IncidentId, u32)> {
    let Some((first, others)) = vectors.split_first() else { return Vec::new() };
    let milli = |other: &Arc<Vec<f32>>| {
        // A cosine is at most 1; what is below 0 is not alike at all.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let milli = (cosine(first, other).clamp(0.0, 1.0) * 1_000.0).round() as u32;
        milli
    };
    cases.iter().zip(others).map(|(case, other)| (case.incident.incident_id, milli(other))).collect()
}

/// Vectors of other lengths come from another model, and are not alike.
fn cosine(left: &[f32], right: &[f32]) -> f64 {
    let product = |left: &[f32], right: &[f32]| -> f64 {
        left.iter().zip(right).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    let both = product(left, left).sqrt() * product(right, right).sqrt();
    if left.len() != right.len() || both == 0.0 { 0.0 } else { product(left, right) / both }
}

#[cfg(test)]
mod tests;
