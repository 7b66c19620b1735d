//! A key press, told from what terminals report.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key press, without what golive does not tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Press {
    Char(char),
    Ctrl(char),
    F(u8),
    Enter,
    Esc,
    Tab,
    BackTab,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
    Backspace,
    Other,
}

impl Press {
    /// The press that a terminal reports.
    pub(super) fn of(key: KeyEvent) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the terminal's keys are not ours")]
        match key.code {
            KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => {
                Self::Ctrl(c.to_ascii_lowercase())
            }
            KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => Self::Other,
            KeyCode::Char(c) => Self::Char(plain_digit(c)),
            KeyCode::F(n) => Self::F(n),
            KeyCode::Enter => Self::Enter,
            KeyCode::Esc => Self::Esc,
            KeyCode::Tab => Self::Tab,
            KeyCode::BackTab => Self::BackTab,
            KeyCode::Up => Self::Up,
            KeyCode::Down => Self::Down,
            KeyCode::Left => Self::Left,
            KeyCode::Right => Self::Right,
            KeyCode::Home => Self::Home,
            KeyCode::End => Self::End,
            KeyCode::PageUp => Self::PageUp,
            KeyCode::PageDown => Self::PageDown,
            KeyCode::Backspace => Self::Backspace,
            _ => Self::Other,
        }
    }

    /// The digit that was pressed; full-width ones of an input method count.
    pub(super) fn digit(self) -> Option<u8> {
        let Self::Char(c) = self else { return None };
        c.to_digit(10).and_then(|digit| u8::try_from(digit).ok())
    }

    /// Whether it is a letter, a sign or a digit.
    pub(super) const fn is_char(self) -> bool {
        matches!(self, Self::Char(_))
    }

    /// Its name on screen.
    pub(super) fn name(self) -> String {
        match self {
            Self::Char(' ') => "Space".to_owned(),
            Self::Char(c) => c.to_string(),
            Self::Ctrl(c) => format!("Ctrl-{}", c.to_ascii_uppercase()),
            Self::F(n) => format!("F{n}"),
            Self::Enter => "Enter".to_owned(),
            Self::Esc => "Esc".to_owned(),
            Self::Tab => "Tab".to_owned(),
            Self::BackTab => "Shift-Tab".to_owned(),
            Self::Up => "Up".to_owned(),
            Self::Down => "Down".to_owned(),
            Self::Left => "Left".to_owned(),
            Self::Right => "Right".to_owned(),
            Self::Home => "Home".to_owned(),
            Self::End => "End".to_owned(),
            Self::PageUp => "PgUp".to_owned(),
            Self::PageDown => "PgDn".to_owned(),
            Self::Backspace => "Backspace".to_owned(),
            Self::Other => "?".to_owned(),
        }
    }
}

/// A full-width digit of an input method as the digit that it is.
fn plain_digit(c: char) -> char {
    match c {
        '\u{ff10}'..='\u{ff19}' => {
            char::from_u32(u32::from(c) - 0xff10 + u32::from('0')).unwrap_or(c)
        }
        c => c,
    }
}
