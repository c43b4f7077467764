//! The program, as it is beside this one: built in the same profile and with the same features, so that nothing that both
//! rest on is compiled twice.

use std::path::{Path, PathBuf};

use verify::cargo;

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
