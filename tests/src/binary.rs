//! The program, as it is beside this one: built in the same profile and with the same features, so that nothing that both
//! rest on is compiled twice.

use std::path::{Path, PathBuf};
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

/// The path of `kgroot`, which is built if it is not as its sources are.
///
/// # Errors
/// It cannot be built, or this program does not lie in a target folder.
pub fn binary() -> Result<PathBuf, String> {
    let exe = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let profile = exe.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"));
    let profile = profile.ok_or("this program does not lie in a target folder")?;
    let mut build = cargo();
    build.args(["build", "-q", "--workspace", "--bin", "kgroot"]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    match build.status() {
        Ok(status) if status.success() => Ok(profile.join("kgroot")),
        Ok(status) => Err(format!("cargo build --bin kgroot: {status}")),
        Err(error) => Err(format!("cargo build --bin kgroot: {error}")),
    }
}
