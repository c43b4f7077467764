//! The proving ground: what the engine promises, tried on purpose to break. One check a file; `cargo prove CHECK`.

use serde_json::{Value, json};

pub mod bitflips;
pub mod failpoints;
pub mod faults;
pub mod histories;
pub mod kills;
pub mod proxy;
pub mod sealed;
pub mod simulate;
pub mod world;

/// What a check came to.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub check: &'static str,
    /// How many cases were tried.
    pub n: u64,
    /// Cases that broke a promise, with how to see it again.
    pub failures: Vec<String>,
    /// Further figures.
    pub figures: Vec<(&'static str, Value)>,
}

impl Report {
    /// One JSON document.
    pub fn document(&self) -> Value {
        let mut document = json!({"check": self.check, "n": self.n, "failed": self.failures.len()});
        if let Some(map) = document.as_object_mut() {
            map.extend(self.figures.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        document
    }
}

/// Cases to try: so many seeds from one on.
#[derive(Clone, Copy, Debug)]
pub struct Cases {
    /// How many.
    pub n: u64,
    /// The first seed.
    pub seed: u64,
}

impl Cases {
    /// Their seeds.
    pub fn seeds(self) -> impl Iterator<Item = u64> {
        self.seed..self.seed.saturating_add(self.n)
    }
}
