//! Checks the kind and rule catalogue, so that a binary with a bad one cannot be built.
//!
//! The check is the one that the crate runs when it loads the catalogue: same file, same data.

#[path = "src/catalogue/check.rs"]
#[allow(dead_code)] // The build needs the verdict only.
mod check;
#[path = "src/catalogue/files.rs"]
mod files;

fn verdict() -> Result<(), check::CatalogueError> {
    let kinds = check::parse_kinds(&files::KINDS)?;
    let rules = check::parse_rules(&files::RULES)?;
    check::check(&kinds, &rules)
}

fn main() {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=src/catalogue");
    if let Err(error) = verdict() {
        println!("cargo::error=schemas/data: {error}");
        std::process::exit(1);
    }
}
