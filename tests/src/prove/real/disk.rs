//! A small disk of its own for a folder, which can be full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::execute;

/// What it holds.
const SIZE: &str = "size=128m";
/// The name of what fills it.
const BALLAST: &str = "ballast";

/// A disk in memory; unmounted when dropped.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(failure) = execute(Command::new("umount").arg("-l").arg(&self.folder), "umount") {
            eprintln!("{failure}");
        }
        // Where it was mounted; it stays if something else lies there.
        let _removed = std::fs::remove_dir(&self.folder);
    }
}

impl SmallDisk {
    /// Mounts one at a folder; only root can.
    pub(crate) fn mount(folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        execute(Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder), "mount")?;
        Ok(SmallDisk { folder: folder.to_owned() })
    }

    /// Writes until nothing more can be written.
    pub(crate) fn fill(&self) -> Result<(), String> {
        let mut file = File::create(self.ballast()).map_err(|error| format!("fill: {error}"))?;
        let (block, byte) = (vec![0; 64 << 10], [0]);
        for bytes in [block.as_slice(), &byte] {
            while file.write_all(bytes).is_ok() {}
        }
        Ok(())
    }

    /// Gives the space back.
    pub(crate) fn free(&self) -> Result<(), String> {
        std::fs::remove_file(self.ballast()).map_err(|error| format!("free: {error}"))
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join(BALLAST)
    }
}
