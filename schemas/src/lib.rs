//! The language of kgroot: what flows, and what may be asked. No I/O, no dataflow, no async runtime.
//!
//! In reading order: ids and time; entities; the envelope; facts and object states; the kind and rule catalogue;
//! codecs (bytes to envelopes) and normalization (envelopes to facts); views, the read contract, the feed for
//! stores, the answer of an investigation and what was decided for it, and product state.

pub mod answer;
pub mod audit;
pub mod catalogue;
pub mod codec;
pub mod confidence;
pub mod dead_letter;
pub mod entity;
pub mod envelope;
pub mod error;
pub mod fact;
pub mod feed;
pub mod ids;
pub mod kafka;
pub mod likeness;
pub mod normalize;
pub mod object;
pub mod position;
pub mod read;
pub mod search;
pub mod state;
pub mod time;
pub mod topic;
pub mod view;
