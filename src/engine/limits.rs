//! Limits of time: nothing that changes starts outside the window unless somebody says why, and
//! alarms come before the latest safe rollback and before the window closes. Nothing here is ever
//! asked of a rollback.

use serde::{Deserialize, Serialize};

use crate::base::{SafeText, Timestamp};
use crate::plan::{Forecast, StepPlan, signed};
use crate::runbook::{Class, Window};

use super::because::Already;
use super::event::{AlarmId, Event, Level};
use super::refusal::Refusal;
use super::state::{RunStage, State};

const MINUTE: i64 = 60_000;
/// An alarm that a forecast has raised is taken back only once it is this far off its mark: a
/// forecast that moves to and fro over it raises one alarm.
const BACK_AFTER: i64 = MINUTE;

/// One of the two ends of the change window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowEdge {
    /// It is not open yet.
    Opens,
    /// It has closed.
    Closes,
}

/// What may start outside the window, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Steps may start before it opens.
    pub early: Option<SafeText>,
    /// Steps may start after it has closed.
    pub late: Option<SafeText>,
}

impl Overrides {
    pub(super) fn take(&mut self, edge: WindowEdge, reason: &SafeText) {
        let why = match edge {
            WindowEdge::Opens => &mut self.early,
            WindowEdge::Closes => &mut self.late,
        };
        *why = Some(reason.clone());
    }
}

impl State {
    /// What may start outside the window, and why.
    pub const fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// On which side of the window it is, where the window binds the run and nobody has said why
    /// it should not; none while it is open.
    pub fn shut(&self, now: Timestamp) -> Option<(WindowEdge, Window)> {
        let window = self.plan.window.clone().filter(|_| self.is_live())?;
        if now < window.opens && self.overrides.early.is_none() {
            Some((WindowEdge::Opens, window))
        } else if now >= window.closes && self.overrides.late.is_none() {
            Some((WindowEdge::Closes, window))
        } else {
            None
        }
    }

    /// Refuses a forward step that changes something while the window is shut.
    pub(super) fn within_window(&self, step: &StepPlan, now: Timestamp) -> Result<(), Refusal> {
        if step.class == Class::Check || step.phase.is_none() {
            return Ok(());
        }
        let Some((edge, window)) = self.shut(now) else { return Ok(()) };
        let step = step.id.clone();
        let moment = |at| {
            let zone = &window.zone;
            format!("{} {} {}", zone.day(at), zone.hour_minute(at), zone.abbreviation(at))
        };
        Err(match edge {
            WindowEdge::Opens => Refusal::NotOpen {
                step,
                opens: SafeText::new(&moment(window.opens)),
                left: window.opens.since(now),
            },
            WindowEdge::Closes => Refusal::WindowClosed {
                step,
                closed: SafeText::new(&moment(window.closes)),
                ago: now.since(window.closes),
            },
        })
    }

    /// Lets steps start outside the window.
    pub(super) fn override_window(
        &self,
        reason: &SafeText,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        let Some((edge, _)) = self.shut(now) else {
            return Err(Refusal::Already(Already::WindowOpen));
        };
        Ok(vec![Event::WindowOverridden { edge, reason: reason.clone() }])
    }

    /// How long it is until the latest safe rollback and until the window closes, in milliseconds,
    /// negative when past; none where there is nothing to be late for.
    pub fn time_left(&self, times: &Forecast, now: Timestamp) -> (Option<i64>, Option<i64>) {
        if self.stage != RunStage::Active {
            return (None, None); // Nothing is left to decide in time.
        }
        let closes = self.window().map(|window| signed(now, window.closes));
        // Before anything has run there is nothing to go back from, and past the point of no
        // return the right to go back is over.
        let moot =
            times.backout.takes == crate::base::Millis::ZERO || self.past_no_return().is_some();
        let latest = times.backout.latest_safe.filter(|_| !moot);
        (latest.map(|at| signed(now, at)), closes)
    }
}

/// The alarms at 30, 10 and 0 minutes; an alarm changes only when a mark is passed.
pub(super) fn limit_alarms(
    state: &State,
    latest_safe: Option<i64>,
    window: Option<i64>,
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut one = |id: AlarmId, left: Option<i64>, name: &str, past: &str| {
        let mut open = state.alarms.iter().filter(|alarm| alarm.id == id);
        let open = open.rfind(|alarm| alarm.cleared.is_none()).map(|alarm| alarm.level);
        let level = left.and_then(|left| {
            let now = mark(left);
            // Taken back only with room to spare.
            if open > now { mark(left.saturating_sub(BACK_AFTER)).min(open) } else { now }
        });
        let raise = |level, text: &str| state.alarm(id.clone(), level, text);
        events.extend(match level {
            Some(Level::Warning) => raise(Level::Warning, past),
            Some(Level::Caution) => {
                raise(Level::Caution, &format!("{name} in less than 10 minutes: decide now"))
            }
            Some(Level::Advisory) => {
                raise(Level::Advisory, &format!("{name} in less than 30 minutes"))
            }
            // Far away, or nothing to be late for any more.
            None => state.all_clear(id),
        });
    };
    // Nobody is late for what cannot be done any more.
    let latest_safe = latest_safe.filter(|_| state.committed().is_none());
    one(
        AlarmId::LatestSafe,
        latest_safe,
        "latest safe rollback",
        "the latest safe rollback is past: a rollback begun now may end after the window closes",
    );
    one(AlarmId::Window, window, "the window closes", "the window is closed");
    events
}

/// How hard it is to be so near.
const fn mark(left: i64) -> Option<Level> {
    if left <= 0 {
        Some(Level::Warning)
    } else if left <= 10 * MINUTE {
        Some(Level::Caution)
    } else if left <= 30 * MINUTE {
        Some(Level::Advisory)
    } else {
        None
    }
}
