//! Runbook, inventory and variables in, a [`Plan`] out: resolved commands and hosts, classes,
//! order, and every time that follows from them.
//!
//! # Invariants
//!
//! - The same inputs give the same plan, bit for bit; [`Plan::digest`] names them.
//! - A class is never lower than its computed floor (CONSOLE.md 1.5).
//! - *Latest safe rollback* is never later than the truth.
//!
//! # Deliberately absent
//!
//! No file, no clock, no state of a run: progress and the time come in as arguments.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod backout;
mod compare;
mod compile;
mod edit;
mod forecast;
mod lint;
mod model;
mod names;
mod network;
mod pace;
mod text;
mod times;

pub use backout::{Backout, InTheWay};
pub use compare::{
    ACTION, Became, COSMETIC, Later, StepChange, changed_keys, changes, is_same_machine, place,
};
pub use compile::{Inputs, PlanError, compile};
pub use edit::{DiffLine, diff};
pub use forecast::{
    Actual, Forecast, Goes, Interval, Progress, Rag, StepTimes, ends_by, forecast, initial, signed,
};
pub use lint::lint;
pub use model::{
    BatchPlan, CheckPlan, PhasePlan, Plan, PlaybookPlan, ReadyPlan, StepPlan, UndoPlan, UndoStep,
    VerifyPlan, Work,
};
pub use network::Lazy;
pub use pace::{Learned, Pace, Tries};
pub use text::{NotCaptured, Text, holds};
pub use times::Times;

pub use crate::runbook::Quoting;
