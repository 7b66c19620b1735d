//! The runbook as a list: phases that fold by themselves, steps with their times; and the way
//! back as a list once it is walked.

use std::collections::BTreeMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::base::{PhaseId, StepId, cells, pad};
use crate::engine::{Part, Status};
use crate::plan::{PhasePlan, StepPlan};
use crate::runbook::UndoStage;

use super::canvas::{Frame, cell_count, put_line, tint};
use super::header::{delta, short_span};
use super::model::Model;
use super::text::step as words;
use super::text::{self, Say};
use super::theme::{Role, Theme};

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowId {
    /// A phase.
    Phase(PhaseId),
    /// A step, or the undo of one.
    Step(StepId, Part),
}

/// What the list remembers: where the cursor is, and which phases somebody opened or closed.
#[derive(Clone, Debug, Default)]
pub(super) struct ListState {
    /// The row; none follows the run.
    cursor: Option<RowId>,
    opened: BTreeMap<PhaseId, bool>,
}

impl ListState {
    /// The rows that are there now.
    pub(super) fn rows(&self, m: &Model<'_>) -> Vec<RowId> {
        if let Some(rollback) = m.state.rollback() {
            let row = |item: &crate::engine::Item| RowId::Step(item.step.clone(), item.part);
            return rollback.items.iter().map(row).collect();
        }
        let mut rows = Vec::new();
        for phase in &m.plan().phases {
            rows.push(RowId::Phase(phase.id.clone()));
            if self.is_open(m, phase) {
                let step = |id: &StepId| RowId::Step(id.clone(), Part::Action);
                rows.extend(phase.steps.iter().map(step));
            }
        }
        rows
    }

    /// Open: what somebody opened, else the phase that the run is in and the one after it.
    fn is_open(&self, m: &Model<'_>, phase: &PhasePlan) -> bool {
        if let Some(open) = self.opened.get(&phase.id) {
            return *open;
        }
        let phases = &m.plan().phases;
        let at = |id: &PhaseId| phases.iter().position(|phase| phase.id == *id);
        let current = m.state.current().and_then(|step| m.phase(step)).and_then(|p| at(&p.id));
        let here = at(&phase.id);
        let busy = |id: &StepId| {
            let status = m.state.track(id).status;
            status.is_in_flight() || status.wants_choice()
        };
        here == current
            || here == current.map(|current| current + 1)
            || phase.steps.iter().any(busy)
    }

    /// The row under the cursor.
    pub(super) fn current(&self, m: &Model<'_>) -> Option<RowId> {
        let rows = self.rows(m);
        let cursor = self.cursor.clone().filter(|row| rows.contains(row));
        cursor.or_else(|| {
            let (step, part) = m.focus()?;
            let row = RowId::Step(step, part);
            if rows.contains(&row) { Some(row) } else { rows.first().cloned() }
        })
    }

    /// The step under the cursor; in a phase, its first step that is not over.
    pub(super) fn step(&self, m: &Model<'_>) -> Option<(StepId, Part)> {
        match self.current(m)? {
            RowId::Step(step, part) => Some((step, part)),
            RowId::Phase(phase) => {
                let phase = m.plan().phases.iter().find(|plan| plan.id == phase)?;
                let over = |id: &&StepId| m.state.track(id).status.is_over();
                let open = phase.steps.iter().find(|id| !over(id));
                open.or_else(|| phase.steps.first()).map(|id| (id.clone(), Part::Action))
            }
        }
    }

    /// Moves the cursor by `by` rows.
    pub(super) fn step_by(&mut self, m: &Model<'_>, by: isize) {
        let rows = self.rows(m);
        let here = self.current(m).and_then(|row| rows.iter().position(|r| *r == row)).unwrap_or(0);
        let there = here.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        self.cursor = rows.get(there).cloned();
    }

    /// Moves to the next or the last step, over phases.
    pub(super) fn other_step(&mut self, m: &Model<'_>, forward: bool) {
        let order: Vec<_> = if m.state.rollback().is_some() {
            self.rows(m)
        } else {
            let step = |id: &StepId| RowId::Step(id.clone(), Part::Action);
            m.plan().order.iter().map(step).collect()
        };
        let current = self.step(m).map(|(step, part)| RowId::Step(step, part));
        let here = current.and_then(|row| order.iter().position(|r| *r == row)).unwrap_or(0);
        let there = here.saturating_add_signed(if forward { 1 } else { -1 });
        let Some(row) = order.get(there.min(order.len().saturating_sub(1))) else { return };
        if let RowId::Step(step, _) = row
            && let Some(phase) = m.phase(step)
        {
            self.opened.insert(phase.id.clone(), true);
        }
        self.cursor = Some(row.clone());
    }

    /// The cursor to this step, where the list has it; whether it has.
    pub(super) fn go_to(&mut self, m: &Model<'_>, step: &StepId, part: Part) -> bool {
        let row = RowId::Step(step.clone(), part);
        if let Some(phase) = m.phase(step)
            && m.state.rollback().is_none()
        {
            self.opened.insert(phase.id.clone(), true);
        }
        let there = self.rows(m).contains(&row);
        if there {
            self.cursor = Some(row);
        }
        there
    }

    /// Opens a phase that is closed, closes one that is open.
    pub(super) fn toggle(&mut self, m: &Model<'_>, id: &PhaseId) {
        if let Some(phase) = m.plan().phases.iter().find(|phase| phase.id == *id) {
            let open = self.is_open(m, phase);
            self.opened.insert(id.clone(), !open);
            self.cursor = Some(RowId::Phase(id.clone()));
        }
    }

    /// Lets the cursor follow the run again.
    pub(super) fn follow(&mut self) {
        self.cursor = None;
    }
}

/// Draws the list in a frame.
pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    list: &ListState,
    m: &Model<'_>,
    theme: Theme,
    (focus, across): (bool, Option<&'static str>),
) {
    let rows = list.rows(m);
    let current = list.current(m);
    let here = current.as_ref().and_then(|row| rows.iter().position(|r| r == row)).unwrap_or(0);
    let (title, remark) = titles(m);
    let title = format!("{}{title}", text::prefix(m.kind(), m.lang));
    let frame = Frame { across, ..Frame::pane(focus, &title, &remark) };
    let inside = frame.draw(buf, area, theme);
    let height = usize::from(inside.height);
    let width = usize::from(inside.width);
    let from = first_row(rows.len(), here, height);
    for (at, row) in rows.iter().enumerate().skip(from).take(height) {
        let y = cell_count(at - from);
        let selected = at == here;
        let line = match row {
            RowId::Phase(id) => phase_row(id, list, width, m, theme),
            RowId::Step(id, part) => step_row(id, *part, width, m, theme),
        };
        put_line(buf, inside, y, &line);
        if selected {
            let place = Rect { x: inside.x.saturating_sub(1), width: inside.width + 1, ..inside };
            super::canvas::put(buf, place, y, ">", theme.style(Role::Key));
            if focus {
                tint(buf, place, y, theme.style(Role::Selected));
            }
        }
    }
    let last = rows.len().saturating_sub(from);
    if last < height {
        let legend = match m.state.rollback() {
            Some(rollback) => stages(rollback, m),
            None => words::LEGEND.own(m.lang),
        };
        let y = cell_count(height.saturating_sub(1));
        super::canvas::put(buf, inside, y, &legend, theme.style(Role::Dim));
    }
}

/// The five stages of a rollback, and how far each is: `1 stop 2/2  2 code 0/1`.
fn stages(rollback: &crate::engine::Rollback, m: &Model<'_>) -> String {
    let count = |(at, word): (usize, &Say)| {
        let of_stage = rollback.items.iter().filter(|item| stage(item, m) == Some(at + 1));
        let items: Vec<_> = of_stage.collect();
        let over =
            |item: &&&crate::engine::Item| m.state.track_of(&item.step, item.part).status.is_over();
        let done = items.iter().filter(over).count();
        (!items.is_empty()).then(|| format!("{} {} {done}/{}", at + 1, m.to(*word), items.len()))
    };
    words::STAGES.iter().enumerate().filter_map(count).collect::<Vec<_>>().join("  ")
}

/// The number of the stage that an item of a rollback belongs to, from 1.
fn stage(item: &crate::engine::Item, m: &Model<'_>) -> Option<usize> {
    Some(stage_number(m.state.describe_item(item)?.stage))
}

/// The number of a stage of a rollback, from 1.
pub(super) const fn stage_number(stage: UndoStage) -> usize {
    match stage {
        UndoStage::StopNew => 1,
        UndoStage::RestoreCode => 2,
        UndoStage::RestoreData => 3,
        UndoStage::Verify => 4,
        UndoStage::Notify => 5,
    }
}

/// The first row to draw so that the cursor is well inside.
pub(super) fn first_row(rows: usize, here: usize, height: usize) -> usize {
    let most = rows.saturating_sub(height);
    here.saturating_sub(height / 2).min(most)
}

fn titles(m: &Model<'_>) -> (String, String) {
    if let Some(rollback) = m.state.rollback() {
        let over = |i: &&crate::engine::Item| m.state.track_of(&i.step, i.part).status.is_over();
        let done = rollback.items.iter().filter(over).count();
        let takes = short_span(m.way_back.takes());
        let title = words::ROLLBACK.own(m.lang);
        return (title, words::done_of_plan(m.lang, done, rollback.items.len(), &takes));
    }
    let (over, all) = m.state.count();
    let auto = if m.state.auto_advance() { words::AUTO_ON } else { Say::NONE };
    let done = words::done(m.lang, over, all);
    (words::RUNBOOK.own(m.lang), format!("{}{done}", m.to(auto)))
}

fn phase_row(
    id: &PhaseId,
    list: &ListState,
    width: usize,
    m: &Model<'_>,
    theme: Theme,
) -> Line<'static> {
    let Some(phase) = m.plan().phases.iter().find(|phase| phase.id == *id) else {
        return Line::default();
    };
    let open = list.is_open(m, phase);
    let status = |id: &StepId| m.state.track(id).status;
    let over = phase.steps.iter().filter(|id| status(id).is_over()).count();
    let all = phase.steps.len();
    let mark = if phase.steps.iter().any(|id| status(id).wants_choice()) {
        theme.mark(Status::Failed)
    } else if phase.steps.iter().any(|id| status(id).is_in_flight()) {
        theme.mark(Status::Running)
    } else if over == all {
        theme.mark(Status::Succeeded)
    } else {
        theme.mark(Status::Pending)
    };
    let late = m.phase_delta(phase).filter(|_| m.state.began().is_some()).map(delta);
    let tail = format!("{over}/{all} {mark} {:>5}", late.unwrap_or_default());
    let head = format!("{} {}", if open { "-" } else { "+" }, phase.title);
    let times = || phase.steps.iter().filter_map(|id| m.forecast.steps.get(id));
    let start = times().map(|times| times.planned.start).min();
    let end = times().map(|times| times.planned.end).max();
    let span = match (start, end) {
        (Some(start), Some(end)) if width >= 44 && m.state.began().is_some() => {
            format!("{}-{} ", m.minute(start), m.minute(end))
        }
        (_, _) => String::new(),
    };
    let room = width.saturating_sub(cells(&tail) + cells(&span) + 1);
    let done = over == all;
    let style = theme.style(if done { Role::Dim } else { Role::Text });
    Line::styled(format!("{} {span}{tail}", pad(&head, room)), style)
}

/// What a row says about time: planned and actual, or how long it has been going.
fn times(status: Status, track: &crate::engine::Track, m: &Model<'_>) -> String {
    match (track.started, track.settled) {
        (Some(start), Some(end)) if !status.is_in_flight() => short_span(end.since(start)),
        (Some(start), _) => format!("{}+", short_span(m.now.since(start))),
        (None, _) => "--".to_owned(),
    }
}

fn step_row(id: &StepId, part: Part, width: usize, m: &Model<'_>, theme: Theme) -> Line<'static> {
    let Some(step) = m.plan().step(id) else { return Line::default() };
    let track = m.state.track_of(id, part);
    let status = track.status;
    let undone = !part.is_undo() && m.state.undo_track(id).status == Status::Succeeded;
    let mark = if undone { theme.undone() } else { theme.mark(status) };
    let label = if m.state.rollback().is_some() {
        let item = crate::engine::Item { step: id.clone(), part };
        let number = stage(&item, m).map(|number| format!("{number} ")).unwrap_or_default();
        format!("{number}{}", undo_label(id, part, m))
    } else {
        m.label(id)
    };
    let estimate = super::step::estimate(step, part);
    let (owner, flags) = (m.owner_short(step), flags(id, step, part, m));
    let actual = times(status, track, m);
    let mut tail = format!("{:>4} {actual:>4} {flags}", short_span(estimate));
    if width >= 46 && !owner.is_empty() {
        tail = format!("{} {tail}", pad(&owner, 5));
    }
    let room = width.saturating_sub(cells(&tail) + cells(mark) + 4);
    let unseen = track.last().is_some_and(|last| last.out_of_sight().next().is_some());
    let unseen = unseen && status == Status::Running;
    let bad = m.to(if unseen { words::UNSEEN } else { words::standing(status) });
    let share = m.share(id, part).map(|share| format!("{share}  ")).unwrap_or_default();
    let waves = m.waves(id, part).map(|waves| format!("{waves}  ")).unwrap_or_default();
    let share = format!("{waves}{share}");
    let stream = step.stream.as_ref().filter(|_| m.state.rollback().is_none());
    let stream = stream.map(|stream| format!("[{stream}] ")).unwrap_or_default();
    let body = format!("{bad}{label} {share}{stream}{}", step.title);
    let (style, mark_style) = styles(status, m.state.is_ready(step), theme);
    Line::from(vec![
        Span::styled(format!("  {mark} "), mark_style),
        Span::styled(format!("{} {tail}", pad(&body, room)), style),
    ])
}

/// The name of an item of a rollback.
pub(super) fn undo_label(id: &StepId, part: Part, m: &Model<'_>) -> String {
    words::undo_label(m.lang, part.is_undo(), &crate::base::cut_middle(id.as_str(), 16))
}

fn flags(id: &StepId, step: &StepPlan, part: Part, m: &Model<'_>) -> String {
    let critical = m.forecast.steps.get(id).is_some_and(|times| times.critical);
    let critical = critical && part == Part::Action && m.state.rollback().is_none();
    let point = match (part, step.commit, step.point_of_no_return) {
        (Part::Action, true, _) => "C",
        (Part::Action, false, true) => "P",
        _ => " ",
    };
    format!("{}{point}", if critical { "*" } else { " " })
}

fn styles(status: Status, ready: bool, theme: Theme) -> (Style, Style) {
    let one = |role| (theme.style(role), theme.style(role));
    match status {
        Status::Pending if ready => one(Role::Title),
        Status::Pending => one(Role::Text),
        Status::Running | Status::Soaking { .. } | Status::Verifying => one(Role::Title),
        Status::Waiting => one(Role::Key),
        Status::Succeeded | Status::Skipped | Status::DoneByHand => one(Role::Dim),
        Status::FailureAccepted | Status::Cancelled => {
            (theme.style(Role::Text), theme.style(Role::Caution))
        }
        Status::Failed | Status::TimedOut | Status::Unknown => {
            (theme.style(Role::Title), theme.style(Role::Warning))
        }
    }
}

/// The neighbours of the current step without a frame: the pocket form.
pub(super) fn pocket(buf: &mut Buffer, area: Rect, list: &ListState, m: &Model<'_>, theme: Theme) {
    let steps: Vec<_> = list.rows(m);
    let steps: Vec<_> = steps.iter().filter(|row| matches!(row, RowId::Step(_, _))).collect();
    let current = list.step(m).map(|(step, part)| RowId::Step(step, part));
    let here = steps.iter().position(|row| Some(*row) == current.as_ref()).unwrap_or(0);
    let height = usize::from(area.height);
    let lead = usize::from(height >= 3);
    let from = here.saturating_sub(lead).min(steps.len().saturating_sub(height));
    for (at, row) in steps.iter().enumerate().skip(from).take(height) {
        let RowId::Step(step, part) = row else { continue };
        let y = cell_count(at - from);
        let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
        put_line(buf, inside, y, &step_row(step, *part, usize::from(inside.width), m, theme));
        if at == here {
            super::canvas::put(buf, area, y, " >", theme.style(Role::Key));
        }
    }
}
