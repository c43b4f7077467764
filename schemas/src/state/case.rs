//! A case: what is remembered of an incident once it is over. What a person adds to it counts only after another approved it.

use serde::{Deserialize, Serialize};

use crate::ids::IncidentId;
use crate::view::IncidentRow;

/// Longest text of a lesson, in bytes.
pub const LESSON_BYTES_MAX: usize = 2_000;

/// What is remembered of one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Case {
    /// Its last revision.
    #[schema(value_type = Object)]
    pub incident: IncidentRow,
    /// How it went: the root's kind and thing, then rule, kind and thing of each link; names are left out.
    pub signature: Vec<String>,
    /// What people have added.
    pub lesson: Option<Lesson>,
}

/// What people have added to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// What ended it.
    pub resolution: String,
    /// Whether the first hypothesis was the cause.
    pub root_confirmed: Option<bool>,
    /// Who wrote it.
    pub written_by: String,
    /// Who approved it; until then it is shown to nobody.
    #[serde(default)]
    pub approved_by: Option<String>,
}

/// How alike an incident and cases are, by vectors of a model; or why that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Likeness {
    /// Name of the model.
    pub model: String,
    /// Incident of each case that was compared, and how alike it is, in thousandths.
    #[schema(value_type = Vec<Object>)]
    pub cases: Vec<(IncidentId, u32)>,
    /// What it cost, in millionths of a dollar.
    pub usd_micros: u64,
    /// Why the model did not help.
    pub silent: Option<String>,
    /// Why it was not to be asked, as a stable code such as `spent`.
    pub denied: Option<String>,
}
