//! What a failover promises: how soon the service is back, and how much data may be lost.

use crate::base::{Millis, ProbeId, StepId, VarName};

/// The objectives of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objectives {
    /// How soon the service is back.
    pub rto: Option<Rto>,
    /// How much data may be lost.
    pub rpo: Option<Rpo>,
}

/// The recovery time objective. The time taken, RTA, runs from the first start of one step to the
/// end of another; repeating the first does not set it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rto {
    /// So long may it take.
    pub within: Millis,
    /// The clock starts with this step.
    pub from: StepId,
    /// And stops when this one has ended well.
    pub to: StepId,
}

/// The recovery point objective. What is lost, RPA, is what its measure says at the moment that
/// the first step of the recovery time starts: the last reading then, or the value captured by
/// then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rpo {
    /// So much time's data may be lost.
    pub within: Millis,
    /// What says how much it is.
    pub measured_by: Measure,
}

/// What says how much data would be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A probe whose unit is one of time.
    Probe(ProbeId),
    /// A captured value: `90s`, `1m40s`, or a plain number of seconds.
    Captured(VarName),
}

impl Measure {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Probe(probe) => probe.as_str(),
            Self::Captured(name) => name.as_str(),
        }
    }
}

/// How many milliseconds one of a probe's unit is; none if it is no unit of time.
pub fn millis_of_unit(unit: &str) -> Option<f64> {
    match unit.trim() {
        "ms" => Some(1.0),
        "s" => Some(1_000.0),
        "min" | "m" => Some(60_000.0),
        "h" => Some(3_600_000.0),
        _ => None,
    }
}
