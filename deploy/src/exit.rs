//! Exit codes, and the one line that a failure gets.

use std::fmt;
use std::process::ExitCode;

/// Why a command failed, as far as the exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Usage: 2.
    Usage,
    /// Input that cannot be read: 1.
    Input,
    /// Server or broker unreachable: 69.
    Unreachable,
    /// Invalid configuration: 78.
    Config,
    /// The shard stopped and said why: 70. A supervisor may start it again.
    State,
}

/// A failure with its cause: what, where, what to do.
#[derive(Debug)]
pub struct Failure {
    cause: Cause,
    line: String,
}

impl Failure {
    /// A failure as an error.
    pub fn of(cause: Cause, line: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Failure { cause, line: line.into() })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl std::error::Error for Failure {}

/// Prints the line and gives the code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(match error.downcast_ref::<Failure>().map(|failure| failure.cause) {
        Some(Cause::Usage) => 2,
        Some(Cause::Unreachable) => 69,
        Some(Cause::Config) => 78,
        Some(Cause::State) => 70,
        Some(Cause::Input) | None => 1,
    })
}
