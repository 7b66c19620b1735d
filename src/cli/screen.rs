//! Standard output and standard error: data on the one, talk on the other.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use crate::base::cells;
use crate::journal::continued;
use crate::session::Signing;

use super::args::{ColorWhen, Common};
use super::exit::Exit;
use super::message::Failure;

/// Columns when nobody says how many there are.
const WIDTH: usize = 100;
/// Lines longer than this are hard to read, however wide the terminal is.
const WIDTH_MAX: usize = 120;
/// Columns below which nothing can be laid out.
const WIDTH_MIN: usize = 60;

/// How to write for whoever reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Colours on standard output.
    pub color: bool,
    /// Colours on standard error.
    pub error_color: bool,
    /// Only characters that every terminal and font has.
    pub ascii: bool,
    /// Columns.
    pub width: usize,
    /// No talk, only results.
    pub quiet: bool,
    /// More talk.
    pub verbose: u8,
}

/// A way to write a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Headings, names.
    Bold,
    /// What is there for the second look.
    Dim,
    /// Good.
    Green,
    /// Take care.
    Yellow,
    /// Bad, or dangerous.
    Red,
    /// Commands.
    Cyan,
}

impl Screen {
    /// What the terminal, the environment and the options say.
    pub(super) fn new(common: &Common) -> Self {
        let wanted = |terminal: bool| match common.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => {
                let set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                set("CLICOLOR_FORCE") || (terminal && !set("NO_COLOR") && !dumb)
            }
        };
        let columns = crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns));
        let width = columns.filter(|_| io::stdout().is_terminal()).unwrap_or(WIDTH);
        Self {
            color: wanted(io::stdout().is_terminal()),
            error_color: wanted(io::stderr().is_terminal()),
            ascii: common.ascii,
            width: width.clamp(WIDTH_MIN, WIDTH_MAX),
            quiet: common.quiet,
            verbose: common.verbose,
        }
    }

    #[cfg(test)]
    /// A screen for tests and files: no colours, 100 columns.
    pub(super) const fn plain() -> Self {
        Self {
            color: false,
            error_color: false,
            ascii: false,
            width: WIDTH,
            quiet: false,
            verbose: 0,
        }
    }

    /// Writes data for people.
    pub(super) fn text(self, text: &str) -> Result<(), Failure> {
        self.data(&self.letters(text))
    }

    /// Writes data, byte for byte. A reader that has gone away (`golive plan … | head`) ends the
    /// command in peace.
    #[expect(clippy::unused_self, reason = "all that is written goes through the screen")]
    pub(super) fn data(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Failure::said(Exit::Done);
            }
            Failure::new(Exit::Failed, format!("cannot write to standard output: {error}"))
        })
    }

    /// Says something that is not data; nothing with `--quiet`.
    pub(super) fn say(self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Says something that has to be read, quiet or not.
    pub(super) fn complain(self, text: &str) {
        let mut error = io::stderr().lock();
        // Nobody is left to hear that nobody hears.
        writeln!(error, "{}", self.letters(text)).ok();
    }

    /// Says where the record of the session in `dir` goes on, if not there.
    pub(super) fn say_where_it_goes_on(self, dir: &Path) {
        if let Some(away) = continued(dir).ok().flatten() {
            let said = self.error_ink(Ink::Yellow, "the record is continued in");
            self.complain(&format!("{said} {}: its own folder failed", away.display()));
        }
    }

    /// Says why the record of a session that is left is not signed to its end, if it is not.
    pub(super) fn say_signing(self, signing: &Signing) {
        if let Some(why) = signing.last_word() {
            self.complain(&format!("{} {why}", self.error_ink(Ink::Yellow, "warning:")));
        }
    }

    /// `text` in this ink.
    pub(super) fn ink(self, ink: Ink, text: &str) -> String {
        paint(self.color, ink, text)
    }

    /// The same, for standard error.
    pub(super) fn error_ink(self, ink: Ink, text: &str) -> String {
        paint(self.error_color, ink, text)
    }

    /// The characters that this screen can show.
    fn letters(self, text: &str) -> String {
        if !self.ascii {
            return text.to_owned();
        }
        let plain = |c: char| match c {
            '─' | '╌' => '-',
            '│' => '|',
            '·' => '.',
            '→' | '▸' | '›' => '>',
            '…' => '~',
            '‹' => '<',
            c if c.is_ascii() => c,
            _ => '?',
        };
        text.chars().map(plain).collect()
    }
}

fn paint(on: bool, ink: Ink, text: &str) -> String {
    if !on || text.is_empty() {
        return text.to_owned();
    }
    let code = match ink {
        Ink::Bold => "1",
        Ink::Dim => "2",
        Ink::Green => "32",
        Ink::Yellow => "33",
        Ink::Red => "1;31",
        Ink::Cyan => "36",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Rows with their columns aligned, two blanks between them; `right` names the columns that are
/// aligned at their right edge. Trailing blanks are cut.
pub(super) fn table(rows: &[Vec<String>], right: &[usize]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cells(cell);
            match widths.get_mut(column) {
                Some(known) => *known = width.max(*known),
                None => widths.push(width),
            }
        }
    }
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let blanks = " ".repeat(width.saturating_sub(cells(cell)));
            if column > 0 {
                line.push_str("  ");
            }
            if right.contains(&column) {
                line.push_str(&blanks);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&blanks);
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Ink, Screen, paint, table};

    #[test]
    fn columns_line_up_in_cells() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(table(&[row("生产", "1"), row("a", "20")], &[1]), ["生产   1", "a     20"]);
    }

    #[test]
    fn colour_only_repeats_what_is_said() {
        assert_eq!(paint(false, Ink::Red, "x"), "x");
        assert_eq!(paint(true, Ink::Red, "x"), "\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(Screen { ascii: true, ..Screen::plain() }.letters("a → ‹b›"), "a > <b>");
    }
}
