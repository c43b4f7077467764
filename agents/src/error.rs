//! Why a question is not answered, told as what its author must change.

use schemas::read::ReadError;

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvestigateError {
    /// The window ends before it begins, or is too long.
    #[error("time_window {0}")]
    Window(String),
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

fn suggestion(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(", ")) }
}
