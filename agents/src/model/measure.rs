//! What questions to a model are measured as: a span for each, and figures by tenant, role and outcome.

use std::time::Duration;

use schemas::ids::TenantId;
use tracing::Span;
use tracing::field::Empty;

use super::wire::Usage;

/// The role of questions for vectors, beside those of [`super::roles::Role`].
pub(crate) const VECTORS: &str = "vectors";

/// The span of a question.
pub(crate) fn span(tenant: &TenantId, role: &'static str) -> Span {
    tracing::info_span!("model", %tenant, role, model = Empty, status = Empty)
}

/// How a question went.
pub(crate) struct Measured {
    /// `ok`, or the code of what went wrong.
    pub(crate) status: &'static str,
    /// From the question to its end.
    pub(crate) elapsed: Duration,
    /// Tokens of all answers.
    pub(crate) usage: Usage,
    /// What it came to.
    pub(crate) usd_micros: u64,
}

impl Measured {
    /// Counts it.
    pub(crate) fn count(&self, tenant: &TenantId, role: &'static str) {
        let tenant = tenant.as_str().to_owned();
        metrics::counter!("kgroot_model_calls_total",
            "tenant" => tenant.clone(), "role" => role, "status" => self.status)
        .increment(1);
        metrics::histogram!("kgroot_model_seconds",
            "tenant" => tenant.clone(), "role" => role, "status" => self.status)
        .record(self.elapsed);
        for (side, tokens) in [("input", self.usage.input_tokens), ("output", self.usage.output_tokens)] {
            metrics::counter!("kgroot_model_tokens_total",
                "tenant" => tenant.clone(), "role" => role, "side" => side)
            .increment(tokens);
        }
        // Counters are whole numbers: millionths, as everywhere where money is counted.
        metrics::counter!("kgroot_model_usd_micros_total", "tenant" => tenant, "role" => role)
            .increment(self.usd_micros);
    }
}
