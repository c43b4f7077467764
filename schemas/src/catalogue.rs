//! The kind catalogue and the rule catalogue: what can happen, and what can cause what.
//!
//! Both are data files under `schemas/data`, checked when the crate is built (`build.rs`) and parsed once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::entity::named_enum;
use crate::envelope::Severity;

mod check;
mod files;
mod path;
mod rules;
mod source;
mod user;

pub use check::CatalogueError;
pub use path::{Direction, Path, REPEAT_MAX, Step};
pub use rules::{RuleIndex, RuleSpec, Rules, Scope};

named_enum!(
    /// The role a kind plays in an explanation.
    Class, "class" {
        /// Somebody or something edited the system: deploy, commit, config, scale, cordon.
        Change = "change",
        /// A condition of an object that can itself be a cause: node not ready, selector matches nothing.
        State = "state",
        /// Something fails: crash, probe failure, error rate.
        Symptom = "symptom",
        /// A monitoring system says so.
        Alert = "alert",
        /// The engine derived it from rates, values or log templates.
        Anomaly = "anomaly",
        /// Neither cause nor effect; kept as context.
        Context = "context",
    }
);

named_enum!(
    /// Causes come from an earlier layer than their effects, or strictly earlier in time (causality reference, 4.1).
    Layer, "layer" {
        /// Edits of the system.
        Change = "change",
        /// Control plane, quotas, admission, GitOps.
        ControlPlane = "control_plane",
        /// Nodes, volumes, network.
        Node = "node",
        /// Pods and containers.
        Pod = "pod",
        /// Endpoints and routing.
        Endpoint = "endpoint",
        /// Requests between services.
        Request = "request",
        /// What users and alerts see.
        User = "user",
    }
);

/// A kind of signal: index into the catalogue. Stable within one catalogue version only; never persisted as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

/// What the catalogue says of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSpec {
    /// `k8s.pod.OOMKilled`.
    pub id: String,
    /// Role in an explanation.
    pub class: Class,
    /// Layer of the system.
    pub layer: Layer,
    /// Default severity.
    pub severity: Severity,
    /// How readily an unexplained episode of this kind is itself the root cause, 0 to 100.
    pub prior: u8,
    /// What an SRE would say: "container killed for exceeding its memory limit".
    pub title: String,
}

/// All kinds and rules.
#[derive(Debug)]
pub struct Catalogue {
    kinds: Vec<KindSpec>,
    by_id: BTreeMap<String, Kind>,
    rules: Rules,
}

static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| match source::built_in() {
    Ok(catalogue) => catalogue,
    // build.rs ran the same check on the same bytes.
    Err(error) => unreachable!("the built-in catalogue was checked when it was built: {error}"),
});

impl Catalogue {
    /// The catalogue in this binary.
    pub fn built_in() -> &'static Catalogue {
        &BUILT_IN
    }

    /// Every kind, in id order.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, &KindSpec)> {
        (0u16..).map(Kind).zip(&self.kinds)
    }

    /// The rules in this binary; an engine may be started with others.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The kind with this id.
    pub fn kind(&self, id: &str) -> Option<Kind> {
        self.by_id.get(id).copied()
    }
}

impl Kind {
    /// The kind with an id that the code names itself.
    ///
    /// # Panics
    /// When the catalogue does not have it: a bug in this repository, found by any test that passes the line. Ids
    /// that come from outside go through [`Catalogue::kind`].
    pub fn named(id: &'static str) -> Kind {
        match Catalogue::built_in().kind(id) {
            Some(kind) => kind,
            None => panic!("kind {id:?} is used in code but is not in schemas/data/kinds"),
        }
    }

    /// What the catalogue says of it.
    pub fn spec(self) -> &'static KindSpec {
        &Catalogue::built_in().kinds[usize::from(self.0)]
    }

    /// Its id.
    pub fn id(self) -> &'static str {
        &self.spec().id
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

// Always the id: a snapshot is read by later versions, whose catalogue gives another index to the same kind.
impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        let kind = Catalogue::built_in().kind(&id);
        kind.ok_or_else(|| serde::de::Error::custom(format!("unknown kind {id:?}")))
    }
}
