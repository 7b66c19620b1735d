//! Durable steps: a step that outlives the connection that started it, and runs at most once.
//!
//! For one key (a step's attempt) on one host:
//!
//! - P1, at most once: its command is executed at most once, whatever is retried, raced, delayed,
//!   killed or rebooted; across a loss of power too, unless the host cannot sync (`sync=none`).
//! - P2, eventually once: while the host is up and nobody voids the key, asking again runs it.
//! - P3, nothing lost: every byte the step wrote stays on the host until the run is closed, and any
//!   client gets every byte from any offset, any number of times.
//! - P4, true words: absent and staged mean that it has not run; void that it never did and never
//!   will; exited that the status is the real one; orphan, lost and rebooted that it may have run.
//! - P5, clean cancel: a cancel reaches the whole process group or names those that survived, and
//!   looks at number, birth and boot before every signal.
//!
//! # Invariants
//!
//! - The one gate is `link(2)` of a complete record to `KEY.x`; start, void and cancel contend for
//!   it, and it is on disk before the step's first instruction.
//! - Files that one call writes and others read are either linked into place whole, or named by the
//!   process that writes them.
//! - No process of ours is in the way of the step's bytes, and the step holds no descriptor of ours.
//! - A group is signalled as `kill -s NAME -- -GROUP` and in no other spelling.
//!
//! # Deliberately absent
//!
//! Anything installed on a host, a daemon, timers: all that runs beside a step is one shell that
//! waits for it.

mod conduct;
mod drive;
mod errand;
mod fate;
mod hosts;
mod script;
mod settle;
mod wire;

pub use conduct::{Before, Conduct};
pub(super) use drive::{Trip, close, drive};
pub use errand::{Errand, Sending};
pub use fate::{Act, Ask, Fate, Heard, Line, Over, Want};
pub(super) use hosts::Hosts;
pub use script::{EVAL, Mode, join, request, witness_get, witness_put, words};
pub use wire::{
    ErrorStream, Home, NOISE_MAX, OutputStream, Piece, Process, Standing, Word, header,
};
