//! Colours and glyphs. Colour is decoration: every state also has a word, a glyph and a place.

use ratatui::style::{Color, Modifier, Style};

use crate::engine::{Health, Level, RunKind, Status};

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    TrueColor,
    /// 256 colours.
    Ansi256,
    /// The 16 named colours.
    Ansi16,
    /// None, or none wanted (`NO_COLOR`): bold and reverse remain.
    Mono,
}

/// Which characters draw frames, marks and curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlyphSet {
    /// Box drawing and marks of neutral width.
    Unicode,
    /// Plain ASCII, for consoles that have nothing else.
    Ascii,
}

/// How the screen looks: the night palette in the depth and with the glyphs of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// How many colours.
    pub depth: Depth,
    /// Which glyphs.
    pub glyphs: GlyphSet,
}

/// What a piece of text is, for the palette.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Ordinary text.
    Text,
    /// Finished, far, less important.
    Dim,
    /// Titles and the current step.
    Title,
    /// A key, or something that waits for you.
    Key,
    /// A caution block.
    Caution,
    /// A warning block.
    Warning,
    /// The selected row.
    Selected,
    /// A line that has changed under your eyes.
    Changed,
    /// The environment's block.
    Env(RunKind),
}

/// Which frame is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A pane.
    Thin,
    /// The pane with the focus.
    Focus,
    /// A dialog, in the pattern of its environment.
    Dialog(RunKind),
}

/// The characters of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corners {
    pub(super) top_left: &'static str,
    pub(super) top_right: &'static str,
    pub(super) bottom_left: &'static str,
    pub(super) bottom_right: &'static str,
    pub(super) across: &'static str,
    pub(super) down: &'static str,
}

impl Theme {
    /// The style of `role`.
    pub(super) fn style(self, role: Role) -> Style {
        match self.depth {
            Depth::Mono => mono(role),
            Depth::Ansi16 => named(role),
            Depth::Ansi256 => colours(role, |_, index| Color::Indexed(index)),
            Depth::TrueColor => colours(role, |rgb, _| {
                let [_, red, green, blue] = rgb.to_be_bytes();
                Color::Rgb(red, green, blue)
            }),
        }
    }

    /// Whether only ASCII may be drawn.
    pub(super) const fn is_ascii(self) -> bool {
        matches!(self.glyphs, GlyphSet::Ascii)
    }

    const fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.glyphs {
            GlyphSet::Unicode => unicode,
            GlyphSet::Ascii => ascii,
        }
    }

    /// The pattern that an environment is told by.
    pub(super) const fn pattern(self, kind: RunKind) -> &'static str {
        match kind {
            RunKind::Live => self.pick("═", "="),
            RunKind::Drill => "/",
            RunKind::Rehearsal => ".",
        }
    }

    /// The characters of a frame.
    pub(super) const fn corners(self, rule: Rule) -> Corners {
        let (unicode, across) = match rule {
            Rule::Thin => (["┌", "┐", "└", "┘", "│"], self.pick("─", "-")),
            Rule::Focus | Rule::Dialog(RunKind::Live) => {
                (["┏", "┓", "┗", "┛", "┃"], self.pick("━", "="))
            }
            Rule::Dialog(kind) => (["┏", "┓", "┗", "┛", "┃"], self.pattern(kind)),
        };
        let [top_left, top_right, bottom_left, bottom_right, down] = match self.glyphs {
            GlyphSet::Unicode => unicode,
            GlyphSet::Ascii => ["+", "+", "+", "+", "|"],
        };
        Corners { top_left, top_right, bottom_left, bottom_right, across, down }
    }

    /// A thin rule's character.
    pub(super) const fn dash(self) -> &'static str {
        self.pick("─", "-")
    }

    /// The mark of a step's status.
    pub(super) const fn mark(self, status: Status) -> &'static str {
        match status {
            Status::Pending => self.pick("☐", "[  ]"),
            Status::Running | Status::Verifying => self.pick("►", "[>>]"),
            Status::Waiting | Status::Soaking { .. } => self.pick("◷", "[..]"),
            Status::Succeeded | Status::DoneByHand => self.pick("✓", "[ok]"),
            Status::FailureAccepted | Status::Failed | Status::TimedOut => self.pick("✗", "[!!]"),
            Status::Unknown => self.pick("?", "[??]"),
            Status::Skipped | Status::Cancelled => self.pick("⊘", "[--]"),
        }
    }

    /// The mark of a step that was undone.
    pub(super) const fn undone(self) -> &'static str {
        self.pick("↺", "[<<]")
    }

    /// The mark of a probe's health.
    pub(super) const fn health(self, health: Health) -> &'static str {
        match health {
            Health::Healthy => self.pick("✓", "[ok]"),
            Health::Degraded => self.pick("!", "[!]"),
            Health::Failed => self.pick("✗", "[!!]"),
            Health::Unknown => self.pick("?", "[??]"),
        }
    }

    /// A box to tick.
    pub(super) const fn tick(self, ticked: bool) -> &'static str {
        if ticked { self.pick("✓", "[x]") } else { self.pick("☐", "[ ]") }
    }

    /// The eight heights of a curve.
    pub(super) const fn heights(self) -> [&'static str; 8] {
        match self.glyphs {
            GlyphSet::Unicode => ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
            GlyphSet::Ascii => ["_", ".", "-", "=", "+", "*", "#", "@"],
        }
    }

    /// The mark of an alarm.
    pub(super) const fn alarm(level: Level) -> &'static str {
        match level {
            Level::Warning => "!!",
            Level::Caution => "! ",
            Level::Advisory => "  ",
        }
    }
}

/// The role of an alarm's text.
pub(super) const fn alarm_role(level: Level) -> Role {
    match level {
        Level::Warning => Role::Warning,
        Level::Caution => Role::Caution,
        Level::Advisory => Role::Title,
    }
}

/// The role of a health word.
pub(super) const fn health_role(health: Health) -> Role {
    match health {
        Health::Healthy => Role::Dim,
        Health::Degraded | Health::Unknown => Role::Caution,
        Health::Failed => Role::Warning,
    }
}

/// The night palette; `pick` chooses between 24-bit and indexed colours.
fn colours<F: Fn(u32, u8) -> Color>(role: Role, pick: F) -> Style {
    let black = pick(0x10_1214, 233);
    let block = |rgb, index| Style::new().fg(black).bg(pick(rgb, index));
    let text = |rgb, index| Style::new().fg(pick(rgb, index));
    match role {
        Role::Text => text(0xB9_B4A6, 249),
        Role::Dim => text(0x8A_857A, 102),
        Role::Title => text(0xD8_D3C4, 252).add_modifier(Modifier::BOLD),
        Role::Key => text(0x5C_D0E6, 81),
        Role::Caution => block(0xE5_A50A, 214),
        Role::Warning => block(0xFF_6B5E, 203).add_modifier(Modifier::BOLD),
        Role::Selected => text(0xD8_D3C4, 252).bg(pick(0x2A_2F36, 236)),
        Role::Changed => text(0xE5_A50A, 214).add_modifier(Modifier::BOLD),
        Role::Env(RunKind::Live) => block(0xD8_D3C4, 252).add_modifier(Modifier::BOLD),
        Role::Env(RunKind::Drill) => block(0xE5_8AC8, 176).add_modifier(Modifier::BOLD),
        Role::Env(RunKind::Rehearsal) => block(0x8F_A3BF, 110).add_modifier(Modifier::BOLD),
    }
}

fn named(role: Role) -> Style {
    let block = |colour| Style::new().fg(Color::Black).bg(colour);
    match role {
        Role::Text | Role::Dim => Style::new(),
        Role::Title => Style::new().add_modifier(Modifier::BOLD),
        Role::Key => Style::new().fg(Color::Cyan),
        Role::Caution => block(Color::Yellow),
        Role::Warning => block(Color::Red).add_modifier(Modifier::BOLD),
        Role::Selected => Style::new().add_modifier(Modifier::REVERSED),
        Role::Changed => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
        Role::Env(RunKind::Live) => block(Color::White),
        Role::Env(RunKind::Drill) => block(Color::Magenta),
        Role::Env(RunKind::Rehearsal) => block(Color::Blue),
    }
}

const fn mono(role: Role) -> Style {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    match role {
        Role::Text | Role::Dim => Style::new(),
        Role::Title | Role::Key | Role::Changed => bold,
        Role::Caution | Role::Selected | Role::Env(_) => {
            Style::new().add_modifier(Modifier::REVERSED)
        }
        Role::Warning => bold.add_modifier(Modifier::REVERSED),
    }
}
