//! The proving ground: what the engine promises, tried on purpose to break. One check a file; `cargo prove CHECK`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

pub mod asked;
pub mod bitflips;
pub mod budgets;
pub mod cluster;
pub mod dead_store;
pub mod dialogues;
pub mod failpoints;
pub mod faults;
pub mod histories;
pub mod injected;
pub mod investigations;
pub mod kills;
pub mod manipulated;
pub mod mutants;
pub mod noisy_tenant;
pub mod proxy;
mod real;
pub mod sealed;
pub mod simulate;
pub mod sinks;
pub mod volume;
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Cases {
    /// How many.
    pub n: u64,
    /// The first seed.
    pub seed: u64,
    /// Whether the first failure ends the check.
    pub first: bool,
}

impl Cases {
    /// Their seeds.
    pub fn seeds(self) -> impl Iterator<Item = u64> {
        self.seed..self.seed.saturating_add(self.n)
    }
    /// Whether nothing more is to be tried.
    pub fn over(self, failures: &[String]) -> bool {
        self.first && !failures.is_empty()
    }
}

/// Runs one case; a panic is a failure of that case and not the end of the check.
fn guarded<T>(case: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let words = |panic: Box<dyn std::any::Any + Send>| {
        let owned = panic.downcast_ref::<String>().cloned();
        let words = owned.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Err(format!("panicked: {}", words.unwrap_or_default()))
    };
    // What a case holds ends with it: nothing is looked at after a panic.
    catch_unwind(AssertUnwindSafe(case)).unwrap_or_else(words)
}
