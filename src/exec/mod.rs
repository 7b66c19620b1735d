//! The edge: one effect of the engine, done and reported.
//!
//! # Invariants
//!
//! - What may have happened is reported as such: an effect is either known not to have begun,
//!   known to have ended, or lost.
//! - Bytes of hosts pass through here unread; nothing of them is interpreted.
//!
//! # Deliberately absent
//!
//! The journal and the state: who asks for an effect records it first.

pub mod ssh;
