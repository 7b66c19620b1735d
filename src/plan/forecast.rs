//! Times: planned, forecast and actual; the critical path; the way back and until when.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Millis, StepId, Timestamp};
use crate::runbook::{Class, InFlight, Window};

use super::model::{Plan, StepPlan, UndoPlan, VerifyPlan, Work};

/// What has happened so far, as far as times are concerned. The engine fills it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When the run began; planned times count from here.
    pub began: Timestamp,
    /// Steps that have started, with their times.
    pub steps: BTreeMap<StepId, Actual>,
    /// Steps that a rollback of this minute would undo, newest start first.
    pub undo: Vec<StepId>,
    /// How much longer the work of running steps takes, as they say themselves.
    pub left: BTreeMap<StepId, Millis>,
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

/// The times before anything has happened, for a run that begins at `began`.
pub fn initial(plan: &Plan, began: Timestamp) -> Forecast {
    forecast(plan, &Progress { began, ..Progress::default() }, began)
}

/// All times as they look at `now`. Pure and near linear in the number of steps.
pub fn forecast(plan: &Plan, progress: &Progress, now: Timestamp) -> Forecast {
    let network = Network::new(plan);
    let opens = plan.window.as_ref().map(|window| window.opens);
    let planned = network.forward(|step, ready| {
        let start = not_before_opening(step, ready.max(progress.began), opens);
        Interval { start, end: start.after(step.takes()) }
    });
    let current = network.forward(|step, ready| match progress.steps.get(&step.id) {
        Some(Actual { started, over: Some(over) }) => Interval { start: *started, end: *over },
        Some(Actual { started, over: None }) => {
            // What it says itself is worth more than what was thought before.
            let end = match progress.left.get(&step.id) {
                Some(left) => now.after(*left).after(step.watches()),
                None => started.after(step.takes()),
            };
            Interval { start: *started, end: end.max(now) }
        }
        None => {
            let start = not_before_opening(step, ready.max(now), opens);
            Interval { start, end: start.after(step.takes()) }
        }
    });
    let planned_end = planned.iter().map(|times| times.end).max().unwrap_or(progress.began);
    let end = current.iter().map(|times| times.end).max().unwrap_or(now);
    let latest = network.backward(&current, end);
    let mut steps = BTreeMap::new();
    for (((step, planned), forecast), latest) in
        network.steps.iter().zip(&planned).zip(&current).zip(latest)
    {
        let over = progress.steps.get(&step.id).is_some_and(|actual| actual.over.is_some());
        let slack = if over { Millis::ZERO } else { latest.since(forecast.end) };
        let critical = !over && slack == Millis::ZERO;
        let times = StepTimes { planned: *planned, forecast: *forecast, critical, slack };
        steps.insert(step.id.clone(), times);
    }
    Forecast {
        at: now,
        rag: plan.window.as_ref().map(|window| rag(window, end)),
        backout: backout(plan, progress, now, end, &steps),
        steps,
        planned_end,
        end,
    }
}

/// Nothing that changes starts before the window opens.
fn not_before_opening(step: &StepPlan, ready: Timestamp, opens: Option<Timestamp>) -> Timestamp {
    match opens {
        Some(opens) if step.class > Class::Check => ready.max(opens),
        Some(_) | None => ready,
    }
}

fn rag(window: &Window, end: Timestamp) -> Rag {
    if end > window.closes {
        Rag::Red
    } else if end.after(window.warn) > window.closes {
        Rag::Amber
    } else {
        Rag::Green
    }
}

/// The forward steps with their needs as positions, in an order in which needs come first.
struct Network<'a> {
    steps: Vec<&'a StepPlan>,
    needs: Vec<Vec<usize>>,
    order: Vec<usize>,
}

impl<'a> Network<'a> {
    fn new(plan: &'a Plan) -> Self {
        let steps: Vec<_> = plan.order.iter().filter_map(|id| plan.steps.get(id)).collect();
        let places: BTreeMap<&StepId, usize> =
            steps.iter().enumerate().map(|(place, step)| (&step.id, place)).collect();
        let needs: Vec<Vec<usize>> = steps
            .iter()
            .map(|step| step.needs.iter().filter_map(|need| places.get(need).copied()).collect())
            .collect();
        let order = in_order(&needs);
        Self { steps, needs, order }
    }

    /// The interval of every step, by what it makes of the moment when all its needs are over.
    fn forward<F>(&self, interval: F) -> Vec<Interval>
    where
        F: Fn(&StepPlan, Timestamp) -> Interval,
    {
        let nothing = Interval { start: Timestamp::default(), end: Timestamp::default() };
        let mut times = vec![nothing; self.steps.len()];
        for &place in &self.order {
            let (Some(step), Some(needs)) = (self.steps.get(place), self.needs.get(place)) else {
                continue;
            };
            let ends = needs.iter().filter_map(|need| times.get(*need)).map(|times| times.end);
            let ready = ends.max().unwrap_or_default();
            let time = interval(step, ready);
            if let Some(slot) = times.get_mut(place) {
                *slot = time;
            }
        }
        times
    }

    /// The latest end of every step that does not move `end`.
    fn backward(&self, times: &[Interval], end: Timestamp) -> Vec<Timestamp> {
        let mut latest = vec![end; self.steps.len()];
        for &place in self.order.iter().rev() {
            let (Some(own), Some(time)) = (latest.get(place).copied(), times.get(place)) else {
                continue;
            };
            let start = own.before(time.end.since(time.start));
            for need in self.needs.get(place).into_iter().flatten() {
                lower(&mut latest, *need, start);
            }
        }
        latest
    }
}

fn lower(latest: &mut [Timestamp], place: usize, to: Timestamp) {
    if let Some(slot) = latest.get_mut(place) {
        *slot = to.min(*slot);
    }
}

/// Positions in an order in which needs come first. A circle, which the loader refuses, is left out.
fn in_order(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut left: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); needs.len()];
    for (place, own) in needs.iter().enumerate() {
        for need in own {
            if let Some(list) = dependents.get_mut(*need) {
                list.push(place);
            }
        }
    }
    let mut order: Vec<usize> =
        left.iter().enumerate().filter(|(_, count)| **count == 0).map(|(place, _)| place).collect();
    let mut next = 0;
    while let Some(&place) = order.get(next) {
        next += 1;
        for &dependent in dependents.get(place).into_iter().flatten() {
            let Some(count) = left.get_mut(dependent) else { continue };
            *count -= 1;
            if *count == 0 {
                order.push(dependent);
            }
        }
    }
    order
}

/// The way back: what runs is counted in, and every verification with all the time it may take,
/// so that *latest safe rollback* is never later than the truth.
fn backout(
    plan: &Plan,
    progress: &Progress,
    now: Timestamp,
    end: Timestamp,
    times: &BTreeMap<StepId, StepTimes>,
) -> Backout {
    let own = plan.before.iter().chain(&plan.after).filter_map(|id| plan.step(id));
    let own = sum(own.map(|step| step.takes().plus(verification(step.verify.as_ref()))));
    let running: Vec<_> =
        progress.steps.iter().filter(|(_, actual)| actual.over.is_none()).collect();
    let in_flight = match plan.running {
        InFlight::Cancel => Millis::ZERO,
        InFlight::Finish => {
            // Never less than was thought before: the way back is counted long.
            let left = |(id, actual): &(&StepId, &Actual)| {
                let own = times.get(*id)?.forecast.end.since(now);
                let thought = plan.step(id)?.takes();
                Some(own.max(actual.started.after(thought).since(now)))
            };
            running.iter().filter_map(left).max().unwrap_or_default()
        }
    };
    let undone: BTreeSet<&StepId> =
        progress.undo.iter().chain(running.iter().map(|(id, _)| *id)).collect();
    let undos = sum(undone.iter().filter_map(|id| plan.step(id)).map(undo_takes));
    let takes = if progress.steps.is_empty() && progress.undo.is_empty() {
        Millis::ZERO
    } else {
        in_flight.plus(undos).plus(own)
    };
    let all = plan.order.iter().filter_map(|id| plan.step(id)).map(undo_takes);
    let worst = sum(all).plus(own);
    Backout {
        takes,
        ends: now.after(takes),
        worst,
        worst_ends: end.after(worst),
        latest_safe: plan.window.as_ref().map(|window| window.closes.before(takes)),
    }
}

fn sum<I: Iterator<Item = Millis>>(spans: I) -> Millis {
    spans.fold(Millis::ZERO, Millis::plus)
}

/// How long undoing a step may take.
pub(super) fn undo_takes(step: &StepPlan) -> Millis {
    match &step.undo {
        UndoPlan::Undo(undo) => undo.estimate.plus(verification(undo.verify.as_ref())),
        UndoPlan::None | UndoPlan::Irreversible(_) => Millis::ZERO,
    }
}

/// How long a verification may take.
pub(super) fn verification(verify: Option<&VerifyPlan>) -> Millis {
    verify.map_or(Millis::ZERO, |verify| verify.within)
}

impl StepPlan {
    /// How long probes are watched after its action.
    fn watches(&self) -> Millis {
        self.soak.as_ref().map_or(Millis::ZERO, |soak| soak.r#for)
    }

    /// How long its action should take: the estimate is that of one wave, and the waves come one
    /// after the other.
    pub fn works(&self) -> Millis {
        let Some(batch) = &self.batch else { return self.estimate };
        let waves = u64::try_from(batch.waves.len().max(1)).unwrap_or(u64::MAX);
        let times = |span: Millis, times: u64| Millis::new(span.as_millis().saturating_mul(times));
        times(self.estimate, waves).plus(times(batch.pause, waves - 1))
    }

    /// How long it should take from start to end, soaking included.
    pub fn takes(&self) -> Millis {
        let soak = self.watches();
        match &self.work {
            Work::Soak(soak) => self.estimate.max(soak.r#for),
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Notify { .. } => self.works().plus(soak),
        }
    }
}
