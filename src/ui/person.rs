//! What only a person can do: tick a list, sign off work done by hand.

use ratatui::text::{Line, Span};

use crate::base::{Millis, SafeText, StepId};
use crate::engine::Part;
use crate::plan::{CheckPlan, StepPlan, UndoPlan, Work};
use crate::runbook::Manual;

use super::header::short_span;
use super::model::Model;
use super::sheet::Sheet;
use super::step::Rows;
use super::text::gate as words;
use super::text::{self, label};
use super::theme::{Role, Theme};

/// A checklist and where the cursor is in it.
#[derive(Clone, Debug)]
pub(super) struct Checklist {
    ticked: Vec<bool>,
    cursor: usize,
}

impl Checklist {
    pub(super) fn new(items: &[SafeText]) -> Self {
        Self { ticked: vec![false; items.len()], cursor: 0 }
    }

    /// Ticks the item under the cursor and goes to the next one.
    pub(super) fn tick(&mut self) {
        self.tick_at(self.cursor);
        self.step_by(1);
    }

    /// Ticks an item, or takes the tick away.
    pub(super) fn tick_at(&mut self, at: usize) {
        if let Some(ticked) = self.ticked.get_mut(at) {
            *ticked = !*ticked;
        }
    }

    /// How many items there are.
    pub(super) const fn len(&self) -> usize {
        self.ticked.len()
    }

    /// Puts the cursor on an item.
    pub(super) fn go_to(&mut self, at: usize) {
        self.cursor = at.min(self.ticked.len().saturating_sub(1));
    }

    pub(super) fn step_by(&mut self, by: isize) {
        let last = self.ticked.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// How many are ticked.
    pub(super) fn count(&self) -> usize {
        self.ticked.iter().filter(|ticked| **ticked).count()
    }

    /// How many are not.
    pub(super) fn left(&self) -> usize {
        self.ticked.len() - self.count()
    }

    /// Whether all are.
    pub(super) fn is_done(&self) -> bool {
        self.left() == 0
    }

    /// The items as rows; the cursor is shown where `here` says that it is in the list.
    pub(super) fn rows(&self, items: &[SafeText], here: bool, rows: &mut Rows<'_, '_>) {
        for (at, item) in items.iter().enumerate() {
            let ticked = self.ticked.get(at).copied().unwrap_or(false);
            let here = here && at == self.cursor;
            let mark = rows.theme.tick(ticked);
            let cursor = if here { ">" } else { " " };
            let role = if here { Role::Selected } else { Role::Text };
            rows.row(&format!("{cursor} {mark} {} {item}", at + 1), role);
        }
    }
}

/// The work by hand of a step, or of its undo, if it is such work.
pub(super) fn manual_of<'m>(m: &Model<'m>, step: &StepId, part: Part) -> Option<&'m Manual> {
    let step: &'m StepPlan = m.plan().step(step)?;
    match Model::work(step, part)? {
        Work::Manual(manual) => Some(manual),
        Work::Run(_)
        | Work::Local(_)
        | Work::Builtin(_)
        | Work::Gate(_)
        | Work::Soak(_)
        | Work::Notify { .. } => None,
    }
}

/// The systems that are changed in one act, where they are verified after it.
fn systems(step: &StepPlan, part: Part) -> Option<String> {
    let verify = step.verification(part.is_undo())?;
    let hosts = match &step.undo {
        UndoPlan::Undo(undo) if part.is_undo() => &undo.hosts,
        UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => &step.hosts,
    };
    let there = matches!(verify.check, CheckPlan::Run(_)) && !hosts.is_empty();
    there.then(|| super::step::names(hosts))
}

/// A person's work.
#[derive(Clone, Debug)]
pub(super) struct ManualDialog {
    pub(super) step: StepId,
    pub(super) part: Part,
    pub(super) list: Checklist,
    pub(super) scroll: usize,
}

impl ManualDialog {
    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let Some(manual) = manual_of(m, &self.step, self.part) else { return Sheet::default() };
        let track = m.state.track_of(&self.step, self.part);
        for line in manual.text.lines() {
            rows.row(line, Role::Title);
        }
        if !manual.checklist.is_empty() {
            rows.blank();
            let (ticked, all) = (self.list.count(), manual.checklist.len());
            rows.row(&words::checklist(m.lang, ticked, all), Role::Dim);
            self.list.rows(&manual.checklist, true, &mut rows);
        }
        rows.blank();
        let mut title = self.step.to_string();
        if let Some(step) = m.plan().step(&self.step) {
            title = words::by_hand(m.lang, &self.step, step.title.as_str());
            rows.say(label::OWNER, &m.owner(step).unwrap_or_default());
            if let Some(names) = systems(step, self.part) {
                let said = words::on_each(m.lang, &names);
                rows.say_as(label::ON, &said, Role::Title);
            }
            if !self.part.is_undo() {
                rows.undo(step);
            }
            let since = track.started.map(|at| m.now.since(at));
            let since = since.map(Millis::clock);
            let takes = short_span(super::step::estimate(step, self.part));
            rows.say(label::PLAN, &words::manual_plan(m.lang, &takes, since.as_deref()));
            rows.say(label::NOTE, step.notes.as_deref().unwrap_or_default());
        }
        let key = theme.style(Role::Key);
        let plain = theme.style(Role::Text);
        let sign = if manual.evidence { words::SIGN_EVIDENCE } else { words::SIGN_WORDS };
        let first = if self.list.is_done() {
            Line::from(vec![
                Span::styled("y", key),
                Span::styled(m.to(sign), plain),
                Span::styled("Esc", key),
                Span::styled(m.to(words::ESC_STAYS_OPEN), plain),
            ])
        } else {
            Line::styled(m.to(text::TICK_FIRST), key)
        };
        let hint = m.to(words::MANUAL_KEYS);
        let foot = vec![first, Line::styled(hint, theme.style(Role::Dim))];
        Sheet {
            title,
            remark: words::SIGN_OFF.own(m.lang),
            body: rows.lines,
            foot,
            low: false,
            must: 0,
        }
    }
}
