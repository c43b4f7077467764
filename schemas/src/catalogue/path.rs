//! Ways through the topology, from the entity of an effect to the entity of its cause.
//!
//! Text form: steps separated by blanks. `calls>` follows a relation from its subject to its object, `owns<` the
//! other way; `*` repeats a step one to [`REPEAT_MAX`] times. `self` is the empty path. Examples: `owns<*` from a pod
//! to its controllers, `selects> runs_on>` from a service to the nodes of its pods.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::entity::RelationKind;

/// How often a starred step may repeat: calls and owner chains beyond three hops carry no more weight.
pub const REPEAT_MAX: u8 = 3;

/// Which way a relation is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From subject to object.
    Forward,
    /// From object to subject.
    Backward,
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// The relation followed.
    pub relation: RelationKind,
    /// Which way.
    pub direction: Direction,
    /// It may repeat.
    pub repeats: bool,
}

/// A way from the entity of an effect to the entity of its cause; empty for the same entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The paths without stars that it stands for.
    pub fn written_out(&self) -> Vec<Vec<Step>> {
        let mut all: Vec<Vec<Step>> = vec![Vec::new()];
        for step in &self.0 {
            let repeats = if step.repeats { REPEAT_MAX } else { 1 };
            let mut longer = Vec::new();
            for prefix in &all {
                for count in 1..=repeats {
                    let mut steps = prefix.clone();
                    steps.extend(std::iter::repeat_n(Step { repeats: false, ..*step }, usize::from(count)));
                    longer.push(steps);
                }
            }
            all = longer;
        }
        all
    }

    /// Edges of the longest of them.
    pub fn edges_max(&self) -> usize {
        self.0.iter().map(|step| usize::from(if step.repeats { REPEAT_MAX } else { 1 })).sum()
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "self" {
            return Ok(Path::default());
        }
        let steps: Result<Vec<Step>, String> = text.split_whitespace().map(parse_step).collect();
        match steps? {
            steps if steps.is_empty() => Err("empty path; write self for the same entity".to_owned()),
            steps => Ok(Path(steps)),
        }
    }
}

fn parse_step(text: &str) -> Result<Step, String> {
    let (text_plain, repeats) = match text.strip_suffix('*') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (name, direction) = if let Some(name) = text_plain.strip_suffix('>') {
        (name, Direction::Forward)
    } else if let Some(name) = text_plain.strip_suffix('<') {
        (name, Direction::Backward)
    } else {
        return Err(format!("step {text:?} has no direction; write {text}> or {text}<"));
    };
    Ok(Step { relation: name.parse()?, direction, repeats })
}

/// Text form, as it is parsed.
impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("self");
        }
        for (index, step) in self.0.iter().enumerate() {
            let blank = if index == 0 { "" } else { " " };
            let arrow = if step.direction == Direction::Forward { '>' } else { '<' };
            let star = if step.repeats { "*" } else { "" };
            write!(f, "{blank}{}{arrow}{star}", step.relation)?;
        }
        Ok(())
    }
}
