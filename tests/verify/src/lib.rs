//! Cargo, for programs that cargo has started.

use std::process::Command;

/// Cargo, without what another cargo has said to this program of its package: build scripts that look at it would run again,
/// and all that rests on theirs would be compiled again.
pub fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    let told = std::env::vars_os().map(|(name, _)| name);
    for name in told.filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    }) {
        command.env_remove(name);
    }
    command
}
