//! Times: planned, forecast and actual; the critical path; the way back and until when.

use std::collections::BTreeMap;

use crate::base::{Millis, StepId, Timestamp};

/// What has happened so far, as far as times are concerned. The engine fills it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When the run began; planned times count from here.
    pub began: Timestamp,
    /// Steps that have started, with their times.
    pub steps: BTreeMap<StepId, Actual>,
    /// Steps that a rollback of this minute would undo, newest start first.
    pub undo: Vec<StepId>,
}

/// The times of a step that has started or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actual {
    /// First start; the moment of the decision for a skipped step.
    pub started: Timestamp,
    /// When it was over for good: succeeded, skipped, done by hand or failure accepted.
    pub over: Option<Timestamp>,
}

/// A start and an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The start.
    pub start: Timestamp,
    /// The end.
    pub end: Timestamp,
}

/// The times of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTimes {
    /// As planned from the start of the run.
    pub planned: Interval,
    /// As it looks now; the actual times once they exist.
    pub forecast: Interval,
    /// Whether a delay of it delays the end.
    pub critical: bool,
    /// How much later it may end without delaying the end.
    pub slack: Millis,
}

/// A judgement of the forecast against the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rag {
    /// Ends well inside the window.
    Green,
    /// Ends inside the warning threshold.
    Amber,
    /// Ends after the window closes.
    Red,
}

/// All times at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The moment.
    pub at: Timestamp,
    /// The times of every forward step.
    pub steps: BTreeMap<StepId, StepTimes>,
    /// Planned end of the run.
    pub planned_end: Timestamp,
    /// Forecast end of the run.
    pub end: Timestamp,
    /// The judgement; none without a window.
    pub rag: Option<Rag>,
    /// The way back at this moment.
    pub backout: Backout,
}

impl Forecast {
    /// How much later than planned the run will end, in milliseconds; negative when earlier.
    pub fn delta_millis(&self) -> i64 {
        signed(self.planned_end, self.end)
    }
}

/// The way back at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backout {
    /// How long rolling back now would take, the rollback's own steps included.
    pub takes: Millis,
    /// When it would end (*backout now*).
    pub ends: Timestamp,
    /// How long rolling back at the very end would take (*backout worst*).
    pub worst: Millis,
    /// When that would end.
    pub worst_ends: Timestamp,
    /// The last minute at which rolling back still ends inside the window; none without one.
    pub latest_safe: Option<Timestamp>,
}

/// Milliseconds from `from` to `to`; negative when `to` is earlier.
pub fn signed(from: Timestamp, to: Timestamp) -> i64 {
    let (from, to) = (from.as_unix_millis(), to.as_unix_millis());
    let size = |span: u64| i64::try_from(span).unwrap_or(i64::MAX);
    if to >= from { size(to - from) } else { -size(from - to) }
}
