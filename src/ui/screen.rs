//! What the screen itself remembers, and how it is drawn. Keys are in `keys` and `act`.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::base::{StepId, Timestamp};
use crate::engine::{Command, Part, Refusal};

use super::bottom;
use super::canvas::clear;
use super::confirm::{Code, Confirm};
use super::edit::EditDialog;
use super::failure::Failure;
use super::gate::GateDialog;
use super::guard::{Guard, Stage};
use super::header;
use super::keymap::{Action, Spot};
use super::layout::{Size, parts, size};
use super::line::Field;
use super::logview::LogView;
use super::model::Model;
use super::pages;
use super::person::ManualDialog;
use super::pick::{Playbooks, Second};
use super::prompt::{Prompt, Purpose};
use super::reins::{Bell, Reins};
use super::sheet::Sheet;
use super::shell::ShellDialog;
use super::steps::ListState;
use super::text::{self, Lang, Told};
use super::theme::Theme;
use super::timeline::Timeline;

/// What the terminal or the session has to do because of a key or of time.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one key press makes one")]
pub enum Intent {
    /// Ask the session.
    Submit(Command),
    /// Ring the bell.
    Bell,
    /// Put this text on the clipboard.
    Copy(String),
    /// Leave the screen.
    Leave(Leave),
    /// Draw everything again.
    Redraw,
    /// Speak this language from now on.
    Speak(Lang),
}

/// How the screen is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The run is on hold and can be resumed.
    Held,
    /// The session is closed: its record is complete.
    Closed,
    /// The run is over, the session stays open.
    Open,
}

/// What is on the screen below the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Drive,
    Step,
    Log,
    Health,
    Timeline,
    Audit,
    Notes,
}

/// The pane that moving keys move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    List,
    Step,
    Log,
}

/// A dialog; the last one on the stack has the keyboard.
#[derive(Clone, Debug)]
pub(super) enum Dialog {
    Confirm(Confirm),
    Failure(Failure),
    Gate(GateDialog),
    Manual(ManualDialog),
    Guard(Box<Guard>),
    Text(Box<Prompt>),
    Playbooks(Playbooks),
    Second(Second),
    Edit(Box<EditDialog>),
    Shell(Box<ShellDialog>),
    Help { scroll: usize },
    Alarms { scroll: usize },
    Leave,
}

/// Makes two digits: never equal, never 0 first, new each time.
pub type Codes = Box<dyn FnMut() -> [u8; 2] + Send>;

/// The screen of one operator: views, dialogs, drafts. It decides nothing about the run.
pub struct Screen {
    pub(super) codes: Codes,
    pub(super) area: Rect,
    pub(super) view: View,
    pub(super) focus: Pane,
    pub(super) zoom: bool,
    pub(super) list: ListState,
    pub(super) step_scroll: u16,
    pub(super) page_scroll: usize,
    pub(super) log: LogView,
    pub(super) timeline: Timeline,
    pub(super) dialogs: Vec<Dialog>,
    pub(super) reins: Reins,
    pub(super) bell: Bell,
    pub(super) said: Option<(Timestamp, Told)>,
    pub(super) now: Timestamp,
    pub(super) drafts: Vec<(Purpose, String)>,
    /// The command line while it is written, and the lines before it.
    pub(super) line: Option<Field>,
    pub(super) past: Vec<String>,
    /// How many dialogs were open when a shell was asked for: what it was asked from stays open.
    pub(super) below_shell: usize,
    /// The failure whose dialog has been shown, by the time it was settled.
    pub(super) shown_failure: Option<(StepId, Part, Option<Timestamp>)>,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("view", &self.view).finish_non_exhaustive()
    }
}

impl Screen {
    /// A screen on the drive view. `codes` makes the digits of critical steps and of the guard.
    pub fn new(codes: Codes) -> Self {
        Self {
            codes,
            area: Rect::new(0, 0, 80, 24),
            view: View::Drive,
            focus: Pane::List,
            zoom: false,
            list: ListState::default(),
            step_scroll: 0,
            page_scroll: 0,
            log: LogView::default(),
            timeline: Timeline::default(),
            dialogs: Vec::new(),
            reins: Reins::default(),
            bell: Bell::default(),
            said: None,
            now: Timestamp::default(),
            drafts: Vec::new(),
            line: None,
            past: Vec::new(),
            below_shell: 0,
            shown_failure: None,
        }
    }

    /// The session refused what was asked: says why, and takes back what was shown too early.
    pub fn refused(&mut self, refusal: &Refusal) {
        self.say(text::refused(refusal));
        if let Some(Dialog::Guard(guard)) = self.dialogs.last_mut() {
            if guard.stage == Stage::Sent {
                guard.stage = Stage::Open;
                let digits = (self.codes)();
                guard.code.renew(digits);
            } else if !guard.confirmed {
                self.dialogs.pop();
            }
        }
    }

    /// Says something in the message row for a few seconds.
    pub fn say<T: Into<Told>>(&mut self, words: T) {
        self.said = Some((self.now, words.into()));
    }

    /// Whether a text field has the keyboard, so that the cursor has to be seen.
    pub fn is_editing(&self) -> bool {
        let line = self.line.is_some() && self.dialogs.is_empty();
        line || matches!(self.dialogs.last(), Some(Dialog::Text(_))) || self.log.typing
    }

    /// Whether somebody is in the middle of something, so that the terminal may not be handed to
    /// the shell that was asked for: a text, a code or the guard is open, or a dialog that was not
    /// there when it was asked for. What is typed for golive must never reach a login shell.
    pub fn is_in_use(&self) -> bool {
        let busy = |dialog: &Dialog| match dialog {
            Dialog::Confirm(dialog) => dialog.code.as_ref().is_some_and(Code::is_begun),
            Dialog::Failure(_) | Dialog::Manual(_) => false,
            Dialog::Gate(_)
            | Dialog::Guard(_)
            | Dialog::Text(_)
            | Dialog::Playbooks(_)
            | Dialog::Second(_)
            | Dialog::Edit(_)
            | Dialog::Shell(_)
            | Dialog::Help { .. }
            | Dialog::Alarms { .. }
            | Dialog::Leave => true,
        };
        let written = self.line.is_some() || self.log.typing;
        written || self.dialogs.len() > self.below_shell || self.dialogs.iter().any(busy)
    }

    /// Whether something on screen moves by itself within the second: a count-down.
    pub fn is_counting(&self) -> bool {
        let counts = |dialog: &Dialog| match dialog {
            Dialog::Guard(guard) => matches!(guard.stage, Stage::Counting(_)),
            Dialog::Confirm(_)
            | Dialog::Failure(_)
            | Dialog::Gate(_)
            | Dialog::Manual(_)
            | Dialog::Text(_)
            | Dialog::Playbooks(_)
            | Dialog::Second(_)
            | Dialog::Edit(_)
            | Dialog::Shell(_)
            | Dialog::Help { .. }
            | Dialog::Alarms { .. }
            | Dialog::Leave => false,
        };
        self.dialogs.iter().any(counts)
    }

    /// The words of the terminal's title.
    pub fn title(m: &Model<'_>) -> String {
        format!("golive {} {}", header::one_line(m), m.plan().id)
    }

    /// Where the keyboard is.
    pub(super) fn spot(&self) -> Spot {
        match self.dialogs.last() {
            Some(Dialog::Confirm(_)) => Spot::Confirm,
            Some(Dialog::Failure(_)) => Spot::Failure,
            Some(Dialog::Gate(_)) => Spot::Gate,
            Some(Dialog::Manual(_)) => Spot::Manual,
            Some(Dialog::Guard(guard)) if guard.picking.is_some() => Spot::Pick,
            Some(Dialog::Guard(_)) => Spot::Guard,
            Some(Dialog::Playbooks(_) | Dialog::Second(_)) => Spot::Pick,
            Some(Dialog::Edit(_) | Dialog::Shell(_)) => Spot::Edit,
            Some(Dialog::Text(_)) => Spot::Text,
            Some(Dialog::Leave) => Spot::Leave,
            Some(Dialog::Help { .. } | Dialog::Alarms { .. }) => Spot::Sheet,
            None if self.line.is_some() => Spot::Line,
            None if self.view == View::Log || self.focus == Pane::Log => Spot::Log,
            None if self.view == View::Timeline => Spot::Timeline,
            None => Spot::List,
        }
    }

    /// What the step pane and the log are about.
    pub(super) fn about(&self, m: &Model<'_>) -> Option<(StepId, Part)> {
        self.list.step(m)
    }

    /// The step whose output is shown: the one that the screen is about, else, if that has none,
    /// one that runs.
    pub(super) fn heard(&self, m: &Model<'_>) -> Option<(StepId, Part)> {
        let about = self.about(m);
        let silent =
            |(step, part): &(StepId, Part)| m.state.track_of(step, *part).attempts.is_empty();
        if m.state.rollback().is_some() || !about.as_ref().is_some_and(silent) {
            return about;
        }
        let mut order = m.plan().order.iter();
        let runs = order.find(|id| m.state.track(id).status.is_in_flight());
        runs.map(|step| (step.clone(), Part::Action)).or(about)
    }

    /// The area of dialogs.
    pub(super) fn dialog_area(&self) -> Rect {
        parts(self.area, true).body
    }

    /// A dialog as rows; none for text fields.
    pub(super) fn sheet(
        &self,
        dialog: &Dialog,
        m: &Model<'_>,
        theme: Theme,
    ) -> Option<(Sheet, usize)> {
        let width = super::sheet::inner_width(self.dialog_area());
        Some(match dialog {
            Dialog::Confirm(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Failure(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Gate(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Manual(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Guard(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Playbooks(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Second(dialog) => (dialog.sheet(m, theme, width), 0),
            Dialog::Edit(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Shell(dialog) => (dialog.sheet(m, theme, width), dialog.scroll),
            Dialog::Help { scroll } => (pages::help(m, theme, width), *scroll),
            Dialog::Alarms { scroll } => (pages::alarms(m, theme, width), *scroll),
            Dialog::Leave => (pages::leave(m, theme, width), 0),
            Dialog::Text(_) => return None,
        })
    }

    /// Draws the screen; returns where the terminal's cursor stands, if it is to be seen.
    pub fn draw(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        m: &Model<'_>,
        theme: Theme,
    ) -> Option<Position> {
        let area = area.intersection(buf.area);
        self.area = area;
        self.now = m.now;
        clear(buf, area, header::plain(theme));
        let cursor = match size(area) {
            Size::Tiny => {
                self.tiny(buf, area, m, theme);
                None
            }
            size @ (Size::Full | Size::Medium | Size::Pocket | Size::Strip) => {
                self.all(buf, area, size, m, theme)
            }
        };
        if theme.is_ascii() {
            ascii(buf, area);
        }
        cursor
    }

    fn all(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) -> Option<Position> {
        let peeks = matches!(self.dialogs.last(), Some(Dialog::Guard(guard)) if guard.peek);
        let top = self.dialogs.last().filter(|_| !peeks).cloned();
        let low = matches!(&top, Some(Dialog::Confirm(dialog)) if dialog.is_low(m));
        let covered = top.is_some() && !low;
        let parts = parts(area, covered);
        match size {
            Size::Full => header::wide(buf, parts.header, m, theme),
            Size::Medium => header::medium(buf, parts.header, m, theme),
            Size::Pocket => header::pocket(buf, parts.header, m, theme),
            Size::Strip | Size::Tiny => header::strip(buf, parts.header, m, theme),
        }
        if !covered {
            self.body(buf, parts.body, size, m, theme);
        }
        let cursor = match &top {
            Some(Dialog::Text(prompt)) => prompt.draw(buf, parts.body, m, theme),
            Some(
                dialog @ (Dialog::Confirm(_)
                | Dialog::Failure(_)
                | Dialog::Gate(_)
                | Dialog::Manual(_)
                | Dialog::Guard(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave),
            ) => {
                if let Some((sheet, scroll)) = self.sheet(dialog, m, theme) {
                    let area = Self::beside_health(buf, parts.body, &sheet, size, m, theme);
                    sheet.draw(buf, area, (m.kind(), m.lang), theme, scroll);
                }
                None
            }
            None => None,
        };
        if parts.alarms.height > 2 {
            bottom::alarm_pane(buf, parts.alarms, m, theme);
        } else {
            bottom::alarms(buf, parts.alarms, m, theme);
        }
        let cursor = match &self.line {
            Some(field) if self.dialogs.is_empty() => field.draw(buf, parts.message, m, theme),
            Some(_) | None => {
                self.message(buf, parts.message, m, theme);
                cursor
            }
        };
        // A hold of a run that is over holds nothing, and a rollback has no rollback.
        let hidden: &[Action] = match (m.is_over(), m.is_back()) {
            (true, true) => &[Action::Hold, Action::Guard],
            (true, false) => &[Action::Hold],
            (false, true) => &[Action::Guard],
            (false, false) => &[],
        };
        bottom::key_bar(buf, parts.keys, self.spot(), &self.bar(m), (m, theme, hidden));
        cursor
    }
}

/// Replaces signs that are not ASCII by ones that are; data stays as it is.
fn ascii(buf: &mut Buffer, area: Rect) {
    for position in area.positions() {
        let Some(cell) = buf.cell_mut(position) else { continue };
        let plain = match cell.symbol() {
            "…" | "·" | "•" => ".",
            "‹" => "<",
            "›" => ">",
            "–" | "—" | "─" => "-",
            "�" => "?",
            _ => continue,
        };
        cell.set_symbol(plain);
    }
}
