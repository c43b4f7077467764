//! Tells the program a digest of what its results depend on: the source of the engine and of the codecs, the catalogue,
//! and the versions of all libraries. Results of another digest are not compared (docs/adr/0009).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const INPUTS: [&str; 4] = ["src", "../schemas/src", "../schemas/data", "../Cargo.lock"];

fn files(path: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        files(&entry?.path(), found)?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let mut found = Vec::new();
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
        files(Path::new(input), &mut found)?;
    }
    found.sort();
    // FNV-1a, 64 bits: no dependency for a fingerprint that nobody attacks.
    let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
    for file in found {
        let name = file.to_string_lossy().into_owned().into_bytes();
        for byte in name.into_iter().chain(fs::read(&file)?) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo::rustc-env=KGROOT_CODE={digest:016x}");
    Ok(())
}
