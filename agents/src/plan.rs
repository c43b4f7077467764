//! Who is asked what: fixed from the scope before anything from outside is read.
//!
//! `router` chooses agents of the `roster`; `calls` chooses their tools' calls, with values that `slots` takes from the scope.

pub(crate) mod calls;
pub mod roster;
pub(crate) mod router;
pub(crate) mod slots;
