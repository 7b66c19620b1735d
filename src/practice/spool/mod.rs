//! A host's half of the durable protocol, as a model: what `exec::durable`'s shell texts do on a
//! real host, without a process, a disk or a clock.
//!
//! [`Spool`] holds what a host remembers of steps; [`Call`] is one call of a client, fed with the
//! bytes of its standard input and asked for what it answers. The practice fleet and the
//! simulation both stand on it, so a rehearsal meets the very states of a real night.
//!
//! # Invariants
//!
//! - A key's gate is taken once, by a start, a void or a cancel; only the taking of it launches.
//! - What a step wrote stays until its run is closed, and is sent from any offset.
//! - A process of a former boot can write and end nothing.
//!
//! # Deliberately absent
//!
//! Power cuts between the steps of one call (a gate is taken and synced at once), the going of
//! old tombstones, process groups with strangers in them.

mod call;
mod record;
mod request;

pub use call::{Act, Call, Launch, Now, Strength};
pub use record::{Spool, State, Stream};
