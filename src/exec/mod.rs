//! The edge: one effect of the engine, done and reported.
//!
//! # Invariants
//!
//! - What may have happened is reported as such: an effect is either known not to have begun,
//!   known to have ended, or lost.
//! - Output is on disk before anybody is shown it.
//! - The value of a secret is in [`Secrets`] and in what is sent, and nowhere else: it is taken out
//!   of output and of reports before anybody sees them.
//! - A probe has its own schedule and its own limit; none waits for another.
//!
//! # Deliberately absent
//!
//! The journal and the state: who asks for an effect records it first.

mod builtin;
mod certificate;
pub mod durable;
mod edge;
mod flood;
mod forms;
mod gauge;
mod job;
mod local;
mod lookout;
mod names;
mod notify;
mod outbox;
pub mod preflight;
mod probe;
mod redact;
mod secrets;
mod shape;
mod shared;
pub mod ssh;
mod web;

pub use builtin::read_content;
pub use edge::{Edge, Link, Report, Sink, Sinks};
pub use notify::Patience;
pub use redact::{
    Needles, Redactor, SECRET_BYTES_MAX, SECRET_BYTES_MIN, Unusable, mark as redaction_mark,
};
pub use secrets::Secrets;
pub use shape::looks_secret;
