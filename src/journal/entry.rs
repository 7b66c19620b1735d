//! One line of the journal, read.

use crate::base::{Millis, Timestamp};
use crate::engine::Fact;

/// When something was decided, by every clock that the program has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// On the session's own time line, which only grows.
    pub at: Timestamp,
    /// By the wall clock.
    pub wall: Timestamp,
    /// Since the machine booted, suspended time included.
    pub mono: Millis,
    /// Which boot of the machine it was.
    pub boot: String,
}

/// One line: what one decision caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1; the order of truth.
    pub seq: u64,
    /// On the session's own time line, which only grows.
    pub at: Timestamp,
    /// By the wall clock.
    pub wall: Timestamp,
    /// Since the machine booted, suspended time included.
    pub mono: Millis,
    /// Which boot of the machine it was.
    pub boot: String,
    /// What happened, in this order.
    pub facts: Vec<Fact>,
}
