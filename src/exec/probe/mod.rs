//! Probes: each on its own schedule, with its own time limit, never queued behind another.

mod metrics;
mod prometheus;
mod read;
mod watch;

pub(super) use watch::{once, watch};
