//! One resource per file.

pub(crate) mod approvals;
pub(crate) mod asked;
pub(crate) mod cases;
pub(crate) mod changes;
pub(crate) mod feedback;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod ingest;
pub(crate) mod investigate;
pub(crate) mod investigations;
pub(crate) mod otlp;
pub(crate) mod parts;
pub(crate) mod remote_write;
pub(crate) mod repositories;
pub(crate) mod runs;
pub(crate) mod search;
pub(crate) mod sent;
pub(crate) mod spending;
pub(crate) mod switches;
pub(crate) mod tools;
pub(crate) mod views;
