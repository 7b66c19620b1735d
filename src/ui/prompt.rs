//! Text fields: notes and reasons.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget as _;
use tui_textarea::{CursorMove, TextArea, WrapMode};

use crate::base::{PlaybookId, StepId};
use crate::engine::{Choice, Criterion, Part, Voice, Which};

use super::canvas::{Frame, cell_count, put};
use super::model::Model;
use super::text::{self, prompt as words};
use super::theme::{Role, Rule, Theme};

/// The longest text that is taken.
const CHARS_MAX: usize = 20_000;

/// What a text is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Note {
        step: Option<StepId>,
    },
    RollBack,
    BreakGlass,
    /// Another command for a step.
    Command {
        step: StepId,
        part: Part,
    },
    EditReason {
        step: StepId,
        part: Part,
    },
    Skip {
        step: StepId,
    },
    ByHand {
        step: StepId,
        part: Part,
        /// Whether a verification has to prove it.
        verified: bool,
    },
    Accept {
        step: StepId,
        part: Part,
    },
    LetGo {
        step: StepId,
    },
    RunAgain {
        step: StepId,
        part: Part,
        which: Which,
    },
    SignOff {
        step: StepId,
        part: Part,
        ticked: usize,
        evidence: bool,
    },
    Vote {
        step: StepId,
        voice: Voice,
        choice: Choice,
    },
    Waive {
        step: StepId,
        criterion: Criterion,
    },
    Approve {
        step: StepId,
        voice: Voice,
    },
    Playbook {
        playbook: PlaybookId,
    },
    Gate {
        step: StepId,
        choice: Choice,
        ticked: usize,
    },
    /// Steps start although the window is shut.
    Outside,
    Abandon,
    /// Go on although nothing is recorded.
    Unrecorded,
    /// A shell on a host.
    Shell,
}

impl Purpose {
    /// How something was done by hand.
    pub(super) fn by_hand(step: StepId, part: Part, m: &Model<'_>) -> Self {
        let plan = m.plan().step(&step);
        let verified = plan.is_some_and(|plan| plan.verification(part.is_undo()).is_some());
        Self::ByHand { step, part, verified }
    }

    /// Whether it may be empty.
    pub(super) const fn may_be_empty(&self) -> bool {
        matches!(
            self,
            Self::SignOff { evidence: false, .. }
                | Self::Approve { .. }
                | Self::Vote { choice: Choice::Go, .. }
        )
    }

    /// Whether a key that was queued may not finish it.
    pub(super) const fn is_decision(&self) -> bool {
        !matches!(self, Self::Note { .. })
    }
}

/// A text field.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    area: TextArea<'static>,
}

impl Prompt {
    pub(super) fn new(purpose: Purpose, draft: &str) -> Self {
        let mut area = TextArea::from(draft.lines());
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_cursor_line_style(Style::new());
        area.set_cursor_style(Style::new().add_modifier(Modifier::REVERSED));
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        Self { purpose, area }
    }

    /// The text as it stands.
    pub(super) fn text(&self) -> String {
        self.area.lines().join("\n").trim().to_owned()
    }

    fn is_full(&self) -> bool {
        self.area.lines().iter().map(|line| line.chars().count() + 1).sum::<usize>() >= CHARS_MAX
    }

    /// Takes a key that no binding has taken.
    pub(super) fn input(&mut self, key: crossterm::event::KeyEvent) {
        use crossterm::event::{KeyCode, KeyModifiers};
        let typed = matches!(key.code, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Tab);
        let control = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        if typed && !control && self.is_full() {
            return;
        }
        if let KeyCode::Char(c) = key.code
            && !control
        {
            if !c.is_control() {
                self.area.insert_char(c);
            }
            return;
        }
        if matches!(key.code, KeyCode::Char('j' | 'm')) && control {
            // A line feed that came as a key: text pasted into a terminal without bracketed paste.
            if !self.is_full() {
                self.area.insert_newline();
            }
            return;
        }
        self.area.input(key);
    }

    /// Takes pasted text, without its control characters.
    pub(super) fn paste(&mut self, pasted: &str) {
        let room = CHARS_MAX.saturating_sub(self.text().chars().count());
        let pasted = pasted.replace("\r\n", "\n").replace(['\r', '\u{2028}'], "\n");
        let clean: String = pasted
            .chars()
            .map(|c| if c == '\t' { ' ' } else { c })
            .filter(|c| *c == '\n' || !c.is_control())
            .take(room)
            .collect();
        self.area.insert_str(clean);
    }

    /// Draws the field and says where the cursor stands.
    pub(super) fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        m: &Model<'_>,
        theme: Theme,
    ) -> Option<Position> {
        let kind = m.kind();
        let title = format!("{}  {}", m.to(text::kind(kind)), words::title(m.lang, &self.purpose));
        let driver = m.state.driver().to_string();
        let (place, inside) = if area.height < 5 {
            super::canvas::clear(buf, area, theme.style(Role::Text));
            put(buf, area, 0, &title, theme.style(Role::Title));
            (area, Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area })
        } else {
            let margin = if area.width >= 100 { 6 } else { 0 };
            let note = matches!(self.purpose, Purpose::Note { .. } | Purpose::Command { .. });
            let height = if note { area.height } else { area.height.min(11) };
            let place = Rect {
                x: area.x + margin,
                y: area.y + (area.height - height).min(2),
                width: area.width - 2 * margin,
                height,
            };
            let rule = Rule::Dialog(kind);
            let frame = Frame { rule, title: &title, remark: &driver, across: None };
            (place, frame.draw(buf, place, theme))
        };
        let (hints, text) = if inside.height >= 5 && place.height >= 5 {
            let cut = inside.height - 2;
            (
                Rect { y: inside.y + cut, height: 2, ..inside },
                Rect { height: cut.saturating_sub(1), ..inside },
            )
        } else {
            (Rect { height: 0, ..inside }, inside)
        };
        let cursor = self.area.cursor();
        let chars: usize = self.area.lines().iter().map(|line| line.chars().count()).sum();
        let standing = words::standing(m.lang, (cursor.0 + 1, cursor.1 + 1), chars);
        put(buf, hints, 0, &standing, theme.style(Role::Dim));
        let keys = words::keys(m.lang, words::then(&self.purpose));
        put(buf, hints, 1, &keys, theme.style(Role::Key));
        self.draw_text(buf, text)
    }

    fn draw_text(&self, buf: &mut Buffer, area: Rect) -> Option<Position> {
        let area = area.intersection(buf.area);
        if area.width < 2 || area.height == 0 {
            return None;
        }
        (&self.area).render(area, buf);
        let (top, left) = self.area.scroll_offset();
        let cursor = self.area.screen_cursor();
        let x = area.x + cell_count(cursor.col).saturating_sub(left);
        let y = area.y + cell_count(cursor.row).saturating_sub(top);
        let inside = x < area.right() && y < area.bottom();
        inside.then_some(Position { x, y })
    }
}
