//! The operators, in the order of the data path. Each states its contract in its header.

pub(crate) mod maintain;
pub(crate) mod admit;
pub(crate) mod current;
pub(crate) mod facts;
pub(crate) mod objects;
pub(crate) mod checks;
pub(crate) mod baselines;
pub(crate) mod templates;
pub(crate) mod episodes;
pub(crate) mod topology;
pub(crate) mod links;
pub(crate) mod incidents;
