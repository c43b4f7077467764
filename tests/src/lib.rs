//! The oracle of the engine, and random histories to compare them on.

pub mod binary;
pub mod history;
pub mod postgres;
pub mod prove;
pub mod twin;
