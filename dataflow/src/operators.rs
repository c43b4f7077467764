//! The operators, in the order of the data path. Each states its contract in its header.

pub(crate) mod admit;
pub(crate) mod baselines;
pub(crate) mod canary;
pub(crate) mod checks;
pub(crate) mod current;
pub(crate) mod each;
pub(crate) mod episodes;
pub(crate) mod facts;
pub(crate) mod feedback;
pub(crate) mod incidents;
pub(crate) mod links;
pub(crate) mod maintain;
pub(crate) mod objects;
pub(crate) mod reached;
pub(crate) mod recoveries;
pub(crate) mod stash;
pub(crate) mod templates;
pub(crate) mod topology;
