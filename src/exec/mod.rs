//! The edge: one effect of the engine, done and reported.
//!
//! # Invariants
//!
//! - What may have happened is reported as such: an effect is either known not to have begun,
//!   known to have ended, or lost.
//! - Output is on disk before anybody is shown it.
//! - A probe has its own schedule and its own limit; none waits for another.
//!
//! # Deliberately absent
//!
//! The journal and the state: who asks for an effect records it first.

pub mod durable;
mod edge;
mod job;
mod local;
mod notify;
mod probe;
mod shared;
pub mod ssh;

pub use edge::{Edge, Link, Report, Sink, Sinks};
