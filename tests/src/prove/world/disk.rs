//! A disk that forgets: what was not synchronized may be lost, torn or undone when the power goes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use bench::scenario::random::Random;
use dataflow::snapshot::disk::Disk;

use super::{Shared, Verdict};

/// A file or a folder, as programs see it and as it is on the disk.
enum Node {
    File { seen: Vec<u8>, synced: Vec<u8> },
    Folder { seen: BTreeMap<String, usize>, synced: BTreeMap<String, usize> },
}

/// All files.
pub(crate) struct Files {
    nodes: Vec<Node>,
}

impl Default for Files {
    fn default() -> Self {
        Files { nodes: vec![Node::Folder { seen: BTreeMap::new(), synced: BTreeMap::new() }] }
    }
}

fn parts(path: &Path) -> Vec<String> {
    let name = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Files {
    fn entries(&mut self, node: usize) -> io::Result<&mut BTreeMap<String, usize>> {
        match &mut self.nodes[node] {
            Node::Folder { seen, .. } => Ok(seen),
            Node::File { .. } => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        }
    }

    fn find(&mut self, path: &[String]) -> io::Result<usize> {
        let mut node = 0;
        for name in path {
            node = *self.entries(node)?.get(name).ok_or_else(missing)?;
        }
        Ok(node)
    }

    fn parent<'a>(&mut self, path: &'a [String]) -> io::Result<(usize, &'a String)> {
        let (name, above) = path.split_last().ok_or_else(missing)?;
        Ok((self.find(above)?, name))
    }

    fn create_folder(&mut self, path: &[String]) -> io::Result<()> {
        let mut node = 0;
        for name in path {
            node = match self.entries(node)?.get(name) {
                Some(known) => *known,
                None => {
                    let new = self.nodes.len();
                    self.nodes.push(Node::Folder { seen: BTreeMap::new(), synced: BTreeMap::new() });
                    self.entries(node)?.insert(name.clone(), new);
                    new
                }
            };
        }
        Ok(())
    }

    fn write(&mut self, path: &[String], bytes: &[u8]) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let new = self.nodes.len();
        self.nodes.push(Node::File { seen: bytes.to_vec(), synced: Vec::new() });
        self.entries(parent)?.insert(name.clone(), new);
        Ok(())
    }

    fn sync(&mut self, path: &[String]) -> io::Result<()> {
        let node = self.find(path)?;
        match &mut self.nodes[node] {
            Node::File { seen, synced } => synced.clone_from(seen),
            Node::Folder { seen, synced } => synced.clone_from(seen),
        }
        Ok(())
    }

    fn rename(&mut self, from: &[String], to: &[String]) -> io::Result<()> {
        let (above, name) = self.parent(from)?;
        let node = self.entries(above)?.remove(name).ok_or_else(missing)?;
        let (above, name) = self.parent(to)?;
        self.entries(above)?.insert(name.clone(), node);
        Ok(())
    }

    fn read(&mut self, path: &[String]) -> io::Result<Vec<u8>> {
        let node = self.find(path)?;
        match &self.nodes[node] {
            Node::File { seen, .. } => Ok(seen.clone()),
            Node::Folder { .. } => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        }
    }

    fn list(&mut self, path: &[String]) -> io::Result<Vec<String>> {
        match self.find(path) {
            Ok(node) => Ok(self.entries(node)?.keys().cloned().collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn remove(&mut self, path: &[String]) -> io::Result<()> {
        let (above, name) = self.parent(path)?;
        self.entries(above)?.remove(name).map(drop).ok_or_else(missing)
    }

    /// The power goes: each folder is as it was synchronized or as it was seen, each file likewise, or torn.
    pub(crate) fn lose_power(&mut self, random: &mut Random) {
        for node in &mut self.nodes {
            match node {
                Node::File { seen, synced } => {
                    match random.below(3) {
                        0 => {}
                        1 if seen != synced => {
                            let kept = random.below(seen.len() as u64 + 1) as usize;
                            seen.truncate(kept);
                        }
                        _ => seen.clone_from(synced),
                    }
                    synced.clone_from(seen);
                }
                Node::Folder { seen, synced } => {
                    if random.below(2) == 0 {
                        seen.clone_from(synced);
                    }
                    synced.clone_from(seen);
                }
            }
        }
    }

    /// Length of a file.
    pub(crate) fn length(&mut self, path: &Path) -> io::Result<usize> {
        self.read(&parts(path)).map(|bytes| bytes.len())
    }

    /// Flips one bit of a file.
    pub(crate) fn flip(&mut self, path: &Path, bit: usize) -> io::Result<()> {
        let node = self.find(&parts(path))?;
        if let Node::File { seen, .. } = &mut self.nodes[node] {
            seen[bit / 8] ^= 1 << (bit % 8);
        }
        Ok(())
    }
}

/// The disk as one process sees it.
pub struct SimulatedDisk {
    pub(crate) world: Shared,
    pub(crate) life: u64,
}

impl SimulatedDisk {
    fn operate<T>(&self, kind: &'static str, act: impl FnOnce(&mut Files) -> io::Result<T>) -> io::Result<T> {
        let mut world = self.world.lock();
        let failed = || io::Error::other("input/output error");
        match world.operate(self.life, kind) {
            Verdict::Done => act(&mut world.files),
            Verdict::NotDone => Err(failed()),
            Verdict::DoneButNotSaid => act(&mut world.files).and(Err(failed())),
        }
    }
}

impl Disk for SimulatedDisk {
    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        self.operate("disk.create_folder", |files| files.create_folder(&parts(path)))
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.operate("disk.write", |files| files.write(&parts(path), bytes))
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.operate("disk.sync", |files| files.sync(&parts(path)))
    }

    fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        self.operate("disk.sync_folder", |files| files.sync(&parts(path)))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate("disk.rename", |files| files.rename(&parts(from), &parts(to)))
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.operate("disk.read", |files| files.read(&parts(path)))
    }

    fn list(&mut self, path: &Path) -> io::Result<Vec<String>> {
        self.operate("disk.list", |files| files.list(&parts(path)))
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        self.operate("disk.remove_folder", |files| files.remove(&parts(path)))
    }
}
