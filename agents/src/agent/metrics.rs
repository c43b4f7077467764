//! The metrics agent: anomalies of values, rates and requests in scope, from the views.

use super::Live;
use super::logs::report;
use crate::evidence::Known;
use crate::scope::Resolved;

/// What metrics and traces say of the scope.
pub(crate) fn look(resolved: &Resolved, known: &Known) -> Live {
    report(resolved, known, &["metric.", "trace."], "anomalies of metrics and traces")
}
