//! Readings in, one of four values out. Missing data is never a pass.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{Millis, ProbeId, SafeText, Timestamp};
use crate::plan::Plan;
use crate::runbook::Probe;

use super::event::Evidence;

/// Readings kept for the sparkline: half an hour at one every two seconds.
pub const READINGS_MAX: usize = 900;

/// The health of a probe. Ordered from good to bad; `Unknown` is never good.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Within its limits.
    Healthy,
    /// Past the first limit.
    Degraded,
    /// Past the second limit, or the source itself says no.
    Failed,
    /// No reading, or too old a one.
    #[default]
    Unknown,
}

impl Health {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One reading of a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// When it was taken.
    pub at: Timestamp,
    /// The value; none when the source gave none.
    pub value: Option<f64>,
    /// Whether the source itself is content: the status, the exit status, the connection.
    pub ok: bool,
    /// What the source said, for people.
    pub note: SafeText,
}

impl Eq for Reading {}

/// A change of a probe's health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which probe.
    pub probe: ProbeId,
    /// What it was.
    pub was: Health,
    /// What it is.
    pub is: Health,
    /// The reading that made it so; none when readings are missing.
    pub reading: Option<Reading>,
}

/// One panel: a probe, its health and its last readings.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The probe.
    pub probe: Probe,
    /// Its health.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// The last readings, oldest first.
    pub readings: VecDeque<Reading>,
    /// Since when the readings are degraded or worse.
    degraded_since: Option<Timestamp>,
    /// Since when the readings are failed.
    failed_since: Option<Timestamp>,
}

/// All panels. Lives beside the state, not in it: readings are not journaled, changes are.
#[derive(Clone, Debug, Default)]
pub struct Board {
    panels: BTreeMap<ProbeId, Arc<Panel>>,
    order: Vec<ProbeId>,
}

impl Board {
    /// A board for the probes of `plan`; everything is unknown since `now`.
    pub fn new(plan: &Plan, now: Timestamp) -> Self {
        let panel = |probe: &Probe| Panel {
            probe: probe.clone(),
            health: Health::Unknown,
            since: now,
            readings: VecDeque::new(),
            degraded_since: None,
            failed_since: None,
        };
        Self {
            panels: plan.probes.iter().map(|p| (p.id.clone(), Arc::new(panel(p)))).collect(),
            order: plan.probes.iter().map(|probe| probe.id.clone()).collect(),
        }
    }

    /// The panels in the order of the runbook.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.order.iter().filter_map(|id| self.panel(id))
    }

    /// The panel of this probe.
    pub fn panel(&self, id: &ProbeId) -> Option<&Panel> {
        self.panels.get(id).map(Arc::as_ref)
    }

    /// Takes in a reading and returns the change that it makes, if it makes one.
    ///
    /// A value that is not a finite number is judged and then left out: the record is JSON, which
    /// has no such numbers, and a record has to read back as it was written.
    pub fn take(&mut self, id: &ProbeId, mut reading: Reading) -> Option<Change> {
        let panel = Arc::make_mut(self.panels.get_mut(id)?);
        let level = panel.level(&reading);
        reading.value = reading.value.filter(|value| value.is_finite());
        let change = panel.judge(level, &reading);
        if panel.readings.len() == READINGS_MAX {
            panel.readings.pop_front();
        }
        panel.readings.push_back(reading);
        change
    }

    /// Turns panels whose readings are too old to `unknown`.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Change> {
        let stale =
            |panel: &&mut Arc<Panel>| panel.health != Health::Unknown && !panel.is_fresh(now);
        let stale = self.panels.values_mut().filter(stale);
        stale.filter_map(|panel| Arc::make_mut(panel).expire(now)).collect()
    }

    /// What the probes named say at `now`, for a decision.
    pub fn evidence(&self, probes: &[ProbeId], now: Timestamp) -> Vec<Evidence> {
        let one = |id: &ProbeId| {
            let panel = self.panels.get(id);
            let reading = panel.and_then(|panel| panel.readings.back().cloned());
            Evidence {
                probe: id.clone(),
                health: panel.map_or(Health::Unknown, |panel| panel.health),
                age: reading.as_ref().map(|reading| now.since(reading.at)),
                reading,
            }
        };
        probes.iter().map(one).collect()
    }
}

impl Panel {
    /// The last reading.
    pub fn last(&self) -> Option<&Reading> {
        self.readings.back()
    }

    /// How old the last reading is.
    pub fn age(&self, now: Timestamp) -> Option<Millis> {
        self.last().map(|reading| now.since(reading.at))
    }

    fn level(&self, reading: &Reading) -> Health {
        let past = |limit: Option<crate::runbook::Threshold>| {
            limit.is_some_and(|limit| reading.value.is_some_and(|value| limit.holds(value)))
        };
        let limited = self.probe.degraded.is_some() || self.probe.failed.is_some();
        if !reading.ok {
            Health::Failed
        } else if reading.value.is_none_or(f64::is_nan) && limited {
            Health::Unknown
        } else if past(self.probe.failed) {
            Health::Failed
        } else if past(self.probe.degraded) {
            Health::Degraded
        } else {
            Health::Healthy
        }
    }

    fn judge(&mut self, level: Health, reading: &Reading) -> Option<Change> {
        let at = reading.at;
        let known = level != Health::Unknown;
        let since = |holds: bool, since: Option<Timestamp>| holds.then(|| since.unwrap_or(at));
        self.degraded_since = since(known && level >= Health::Degraded, self.degraded_since);
        self.failed_since = since(known && level >= Health::Failed, self.failed_since);
        let counts_at_once = level <= self.health || self.health == Health::Unknown || !known;
        // Worse: it counts once it has held for as long as the runbook asks.
        let has_held = |since: Option<Timestamp>| {
            since.is_some_and(|since| at.since(since) >= self.probe.r#for)
        };
        let is = if counts_at_once {
            level
        } else if has_held(self.failed_since) {
            Health::Failed
        } else if has_held(self.degraded_since) {
            Health::Degraded.max(self.health)
        } else {
            return None;
        };
        self.turn(is, at, Some(reading.clone()))
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        self.age(now).is_some_and(|age| age <= self.probe.stale)
    }

    fn expire(&mut self, now: Timestamp) -> Option<Change> {
        self.degraded_since = None;
        self.failed_since = None;
        self.turn(Health::Unknown, now, None)
    }

    fn turn(&mut self, is: Health, at: Timestamp, reading: Option<Reading>) -> Option<Change> {
        if is == self.health {
            return None;
        }
        let was = std::mem::replace(&mut self.health, is);
        self.since = at;
        Some(Change { probe: self.probe.id.clone(), was, is, reading })
    }
}
