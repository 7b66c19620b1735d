//! Times: planned, forecast and actual; the critical path; the judgement against the window.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Millis, StepId, Timestamp};
use crate::runbook::Window;

use super::backout::{Backout, InTheWay, backout};
use super::model::Plan;
use super::network::Node;
use super::pace::{Pace, Tries};
use super::times::Times;

/// What runs past its estimate is taken to need this part of what it is over, once more.
const OVERRUN_PART: u64 = 4;

/// What has happened so far, as far as times are concerned. The engine fills it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When the run began; planned times count from here.
    pub began: Timestamp,
    /// When the window opens for this run, where that is not when the plan says: a rehearsal.
    pub opens: Option<Timestamp>,
    /// The window does not bind: somebody has said that steps start before it opens.
    pub early: bool,
    /// Steps that have started, with their times.
    pub steps: BTreeMap<StepId, Actual>,
    /// Steps that a rollback of this minute would undo.
    pub undo: Vec<StepId>,
    /// How much longer the work of running steps takes, as they say themselves.
    pub left: BTreeMap<StepId, Millis>,
    /// What a rollback of this minute would have to wait for.
    pub in_the_way: InTheWay,
    /// Checks start by themselves.
    pub auto: bool,
    /// How the tries have ended.
    pub tries: Tries,
}

impl Progress {
    /// The window of this run.
    pub fn window(&self, plan: &Plan) -> Option<Window> {
        let window = plan.window.as_ref()?;
        Some(self.opens.map_or_else(|| window.clone(), |opens| window.opening_at(opens)))
    }
}

/// The times of a step that has started or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actual {
    /// First start; the moment of the decision for a skipped step.
    pub started: Timestamp,
    /// How it goes.
    pub goes: Goes,
    /// It succeeded at the first try: its time is that of its work.
    pub once: bool,
}

/// How a step that has started goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goes {
    /// Over for good: succeeded, skipped, done by hand or failure accepted.
    Over(Timestamp),
    /// Something of it runs since then, and should take so long in all, what follows included.
    Runs {
        /// Since when; in the future for a retry that is planned.
        since: Timestamp,
        /// How long it should take from there.
        takes: Millis,
    },
    /// It waits for a person; when they come, it should take so long.
    Waits {
        /// How long.
        takes: Millis,
    },
}

impl Actual {
    /// A step that is over.
    pub const fn over(started: Timestamp, over: Timestamp) -> Self {
        Self { started, goes: Goes::Over(over), once: true }
    }

    /// A step that runs since it started.
    pub const fn runs(started: Timestamp, takes: Millis) -> Self {
        Self { started, goes: Goes::Runs { since: started, takes }, once: false }
    }

    /// Whether something of it runs.
    fn runs_now(self, now: Timestamp) -> bool {
        matches!(self.goes, Goes::Runs { since, .. } if since <= now)
    }

    /// When it will be over, as it looks at `now`. Never earlier than it looked before, as long
    /// as nothing happens.
    pub(super) fn ends(self, now: Timestamp) -> Timestamp {
        match self.goes {
            Goes::Over(at) => at,
            Goes::Waits { takes } => now.after(takes),
            Goes::Runs { since, takes } => ends_by(since.after(takes), now),
        }
    }
}

/// When something that should end by `due` ends, as it looks at `now`: what is over its time is
/// not over at once.
pub fn ends_by(due: Timestamp, now: Timestamp) -> Timestamp {
    let over = now.since(due).as_millis();
    if over == 0 { due } else { now.after(Millis::new(over / OVERRUN_PART)) }
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

/// A judgement of the forecast and the way back against the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rag {
    /// Ends well inside the window, and the way back does too.
    Green,
    /// Ends inside the warning threshold, or a rollback would need the service-protection reserve,
    /// or, begun at the very end, would end after that.
    Amber,
    /// Ends after the window closes, or a rollback begun now would end after the reserve.
    Red,
}

impl Rag {
    /// The word of the field for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// All times at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// The moment.
    pub at: Timestamp,
    /// The times of every forward step.
    pub steps: Times,
    /// Planned end of the run.
    pub planned_end: Timestamp,
    /// Forecast end of the run.
    pub end: Timestamp,
    /// What is left of the window at the forecast end, in milliseconds; negative when over; none
    /// without a window.
    pub margin: Option<i64>,
    /// The judgement; none without a window.
    pub rag: Option<Rag>,
    /// The way back at this moment.
    pub backout: Backout,
    /// What the night has shown of itself so far.
    pub pace: Pace,
}

impl Forecast {
    /// How much later than planned the run will end, in milliseconds; negative when earlier.
    pub fn delta_millis(&self) -> i64 {
        signed(self.planned_end, self.end)
    }
}

/// Milliseconds from `from` to `to`; negative when `to` is earlier.
pub fn signed(from: Timestamp, to: Timestamp) -> i64 {
    let (from, to) = (from.as_unix_millis(), to.as_unix_millis());
    let size = |span: u64| i64::try_from(span).unwrap_or(i64::MAX);
    if to >= from { size(to - from) } else { -size(from - to) }
}

/// The times before anything has happened, for a run that begins at `began`.
pub fn initial(plan: &Plan, began: Timestamp) -> Forecast {
    forecast(plan, &Progress { began, ..Progress::default() }, began)
}

/// All times as they look at `now`. Pure and near linear in the number of steps.
pub fn forecast(plan: &Plan, progress: &Progress, now: Timestamp) -> Forecast {
    let network = plan.network();
    let window = progress.window(plan);
    let opens = window.as_ref().map(|window| window.opens);
    let binds = opens.filter(|_| !progress.early);
    let planned = network.forward(|_, node, ready| {
        let start = not_before_opening(node, ready.max(progress.began), opens);
        Interval { start, end: start.after(node.takes) }
    });
    let actual = network.aligned(&progress.steps);
    let left = network.aligned(&progress.left);
    let pace = network.pace(&actual, progress, binds);
    let reading = |node: &Node| pace.of(node, progress.auto);
    let current = network.forward(|place, node, ready| {
        if let Some(actual) = actual.get(place).copied().flatten() {
            // What it says itself is worth more than what was thought before.
            let said = left.get(place).copied().flatten().filter(|_| actual.runs_now(now));
            let said = said.map(|left| now.after(left).after(node.watches));
            let end = said.unwrap_or_else(|| pace.ends(node, actual, now));
            return Interval { start: actual.started, end };
        }
        let start = ready.max(progress.began).after(reading(node)).max(now);
        let start = not_before_opening(node, start, binds);
        Interval { start, end: start.after(pace.takes(node)) }
    });
    let planned_end = planned.iter().map(|times| times.end).max().unwrap_or(progress.began);
    let end = current.iter().map(|times| times.end).max().unwrap_or(now);
    let latest = network.backward(&current, end, reading);
    let times = |(((planned, forecast), latest), actual): Known<'_>| {
        let over = actual.is_some_and(|actual| matches!(actual.goes, Goes::Over(_)));
        let slack = if over { Millis::ZERO } else { latest.since(forecast.end) };
        let critical = !over && slack == Millis::ZERO;
        StepTimes { planned: *planned, forecast: *forecast, critical, slack }
    };
    let steps = planned.iter().zip(&current).zip(&latest).zip(&actual).map(times).collect();
    let backout = backout(plan, progress, &actual, window.as_ref(), now, end);
    Forecast {
        at: now,
        steps: Times::new(Arc::clone(network), steps),
        planned_end,
        end,
        margin: window.as_ref().map(|window| signed(end, window.closes)),
        rag: window.as_ref().map(|window| rag(window, end, &backout)),
        backout,
        pace,
    }
}

/// What a forecast knows of a step: planned, as it looks now, when it ends at the latest without
/// moving the end, and what it did.
type Known<'a> = (((&'a Interval, &'a Interval), &'a Timestamp), &'a Option<Actual>);

/// Nothing that changes starts before the window opens.
pub(super) fn not_before_opening(
    node: &Node,
    ready: Timestamp,
    opens: Option<Timestamp>,
) -> Timestamp {
    match opens {
        Some(opens) if node.bound => ready.max(opens),
        Some(_) | None => ready,
    }
}

fn rag(window: &Window, end: Timestamp, back: &Backout) -> Rag {
    let reserve = window.closes.after(window.protect);
    if end > window.closes || back.ends > reserve {
        Rag::Red
    } else if end.after(window.warn) > window.closes
        || back.ends > window.closes
        || back.worst_ends > reserve
    {
        Rag::Amber
    } else {
        Rag::Green
    }
}
