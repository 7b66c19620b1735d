//! Bars: the plan, and over it what came and what is forecast.

use ratatui::text::Span;

use crate::base::{StepId, Timestamp};
use crate::engine::{Part, Status};
use crate::plan::{Interval, PhasePlan};

use super::super::model::Model;
use super::super::theme::Theme;
use super::axis::Axis;

/// What a cell of a bar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Blank,
    Plan,
    Forecast,
    Done,
    Runs,
    Failed,
}

impl Mark {
    const fn sign(self) -> char {
        match self {
            Self::Blank => ' ',
            Self::Plan => '=',
            Self::Forecast => '.',
            Self::Done => '#',
            Self::Runs => '>',
            Self::Failed => 'x',
        }
    }
}

/// The cells of one row.
#[derive(Clone, Debug)]
pub(super) struct Bar(Vec<Mark>);

impl Bar {
    fn new(axis: &Axis) -> Self {
        Self(vec![Mark::Blank; axis.width])
    }

    fn fill(&mut self, axis: &Axis, times: Interval, mark: Mark) {
        let cells = self.0.get_mut(axis.columns(times.start, times.end)).unwrap_or_default();
        cells.fill(mark);
    }

    /// The same, but what is planned there stays.
    fn fill_blanks(&mut self, axis: &Axis, times: Interval, mark: Mark) {
        let cells = self.0.get_mut(axis.columns(times.start, times.end)).unwrap_or_default();
        cells.iter_mut().filter(|cell| **cell == Mark::Blank).for_each(|cell| *cell = mark);
    }

    /// What came of the plan, and where it `goes` on, what is forecast. What failed ended at
    /// `settled`.
    fn came(
        &mut self,
        axis: &Axis,
        status: Status,
        (is, settled): (Interval, Timestamp),
        (now, goes): (Timestamp, bool),
    ) {
        match status {
            Status::Pending if !goes => {}
            Status::Pending => self.fill_blanks(axis, is, Mark::Forecast),
            status if status.is_in_flight() => {
                self.fill_blanks(axis, between(now, is.end), Mark::Forecast);
                self.fill(axis, between(is.start, now), Mark::Runs);
            }
            status if status.wants_choice() => {
                if goes && is.end > settled {
                    self.fill_blanks(axis, between(now, is.end), Mark::Forecast);
                }
                self.fill(axis, between(is.start, settled), Mark::Failed);
            }
            Status::FailureAccepted => self.fill(axis, is, Mark::Failed),
            Status::Running
            | Status::Verifying
            | Status::Waiting
            | Status::Soaking { .. }
            | Status::Succeeded
            | Status::DoneByHand
            | Status::Skipped
            | Status::Cancelled
            | Status::Failed
            | Status::TimedOut
            | Status::Unknown => self.fill(axis, is, Mark::Done),
        }
    }

    /// The bar as text.
    pub(super) fn spans(&self, theme: Theme) -> Vec<Span<'static>> {
        let one = |marks: &[Mark]| {
            let text: String = marks.iter().map(|mark| mark.sign()).collect();
            let mark = marks.first().copied().unwrap_or(Mark::Blank);
            Span::styled(text, super::style(mark, theme))
        };
        self.0.chunk_by(|a, b| a == b).map(one).collect()
    }
}

const fn between(start: Timestamp, end: Timestamp) -> Interval {
    Interval { start, end }
}

/// A step: its plan, and over it what came of it.
pub(super) fn step(m: &Model<'_>, id: &StepId, axis: &Axis) -> Bar {
    let mut bar = Bar::new(axis);
    let Some(times) = m.forecast.steps.get(id) else { return bar };
    bar.fill(axis, times.planned, Mark::Plan);
    actual(&mut bar, m, id, axis);
    bar
}

fn actual(bar: &mut Bar, m: &Model<'_>, id: &StepId, axis: &Axis) {
    let Some(times) = m.forecast.steps.get(id) else { return };
    let track = m.state.track(id);
    let settled = track.settled.unwrap_or(m.now);
    bar.came(axis, track.status, (times.forecast, settled), (m.now, !m.is_over()));
}

/// A phase: a row for its plan, and one for what came of its steps.
pub(super) fn phase(m: &Model<'_>, phase: &PhasePlan, axis: &Axis) -> [Bar; 2] {
    let mut bars = [Bar::new(axis), Bar::new(axis)];
    let times = || phase.steps.iter().filter_map(|id| m.forecast.steps.get(id));
    let start = times().map(|times| times.planned.start).min();
    let end = times().map(|times| times.planned.end).max();
    let [plan, is] = &mut bars;
    if let Some((start, end)) = start.zip(end) {
        plan.fill(axis, between(start, end), Mark::Plan);
    }
    // What failed or runs must not vanish behind a neighbour in the same column.
    let rank = |id: &&StepId| {
        let status = m.state.track(id).status;
        (status.is_in_flight(), status.wants_choice())
    };
    let mut steps: Vec<&StepId> = phase.steps.iter().collect();
    steps.sort_by_key(rank);
    for id in steps {
        actual(is, m, id, axis);
    }
    bars
}

/// An item of a rollback with its times.
pub(super) struct BackItem {
    pub(super) step: StepId,
    pub(super) part: Part,
    /// One after the other from the beginning of the rollback.
    pub(super) planned: Interval,
    /// What came of it, or is forecast.
    pub(super) is: Interval,
    /// Whether it is over.
    pub(super) over: bool,
    status: Status,
}

impl BackItem {
    pub(super) fn bar(&self, axis: &Axis, now: Timestamp) -> Bar {
        let mut bar = Bar::new(axis);
        bar.fill(axis, self.planned, Mark::Plan);
        bar.came(axis, self.status, (self.is, self.is.end), (now, true));
        bar
    }
}

/// The items of the rollback that is under way or over, in order.
pub(super) fn way_back(m: &Model<'_>) -> Vec<BackItem> {
    let Some(rollback) = m.state.rollback() else { return Vec::new() };
    let (mut plan_at, mut at) = (rollback.began, rollback.began);
    let item = |item: &crate::engine::Item| {
        let step = m.plan().step(&item.step)?;
        let takes = super::super::step::estimate(step, item.part);
        let planned = between(plan_at, plan_at.after(takes));
        plan_at = planned.end;
        let track = m.state.track_of(&item.step, item.part);
        let goes = track.status.is_in_flight();
        let is = match (track.started, track.settled) {
            (Some(start), Some(end)) if !goes => between(start, end),
            (Some(start), _) => between(start, crate::plan::ends_by(start.after(takes), m.now)),
            (None, _) => {
                let start = at.max(m.now);
                between(start, start.after(takes))
            }
        };
        at = at.max(is.end);
        Some(BackItem {
            step: item.step.clone(),
            part: item.part,
            planned,
            is,
            over: track.status.is_over(),
            status: track.status,
        })
    };
    rollback.items.iter().filter_map(item).collect()
}
