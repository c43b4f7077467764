//! Why a question is not answered, told as what its author must change.

use schemas::read::ReadError;

use crate::tool::ToolError;

/// Ids that a question may start from.
pub(crate) const IDS_MAX: usize = 50;
/// Longest of them, in bytes.
pub(crate) const ID_BYTES_MAX: usize = 200;

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvestigateError {
    /// The window ends before it begins, or is too long.
    #[error("time_window {0}")]
    Window(String),
    /// More ids than one question may start from, or longer ones.
    #[error(
        "correlation_ids: {0} of them; start from at most {IDS_MAX}, of at most {ID_BYTES_MAX} bytes each"
    )]
    Ids(usize),
    /// No such service.
    #[error("unknown service {name:?}{}", suggestion(.nearest))]
    UnknownService {
        /// Asked for.
        name: String,
        /// Names that are spelled alike.
        nearest: Vec<String>,
    },
    /// As many investigations of this tenant are under way as may be.
    #[error(
        "{0} investigations of this tenant are under way, as many as may be at once; ask again when one has ended"
    )]
    Busy(usize),
    /// The views could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why an approved action was not carried out, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// The approval is not for this.
    #[error("the approval is for another action, other arguments or another tool")]
    Other,
    /// No tool does that.
    #[error("no tool of this tenant carries out {0:?}; configure one that writes, called CONNECTION.{0}")]
    NoTool(String),
    /// The tool was not called: it is off, called too often, resting, or does not take that.
    #[error("{0} was not called: {1}")]
    Refused(String, ToolError),
    /// The tool has failed; whether it has changed something is for a person to see.
    #[error("{0}: {1}")]
    Failed(String, ToolError),
}

fn suggestion(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(", ")) }
}
