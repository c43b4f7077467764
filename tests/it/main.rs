//! Behavior of the whole program. One binary: it links the engine once.

mod api;
mod demo;
mod histories;
mod hostile;
mod kafka;
mod scenarios;
mod storm;
mod tidy;
