//! Questions to a person, on the terminal itself: never on a pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::SafeText;
use crate::exec::ssh::{Passphrase, Phrase};

/// Longer than any passphrase and any answer.
const ANSWER_MAX: usize = 1024;

/// Whether somebody sits there who can be asked.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether a screen can be drawn and keys can be read.
pub(super) fn can_draw() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks for passphrases until it is closed; the screen belongs to the console then.
#[derive(Clone, Debug, Default)]
pub(super) struct Asker {
    closed: Arc<AtomicBool>,
}

impl Asker {
    /// No question from now on.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

impl Passphrase for Asker {
    fn ask(&self, key: &Path, attempt: u32) -> Option<Phrase> {
        if self.closed.load(Ordering::SeqCst) || !is_there() {
            return None;
        }
        let again = if attempt > 1 { " (the last one was wrong)" } else { "" };
        let key = SafeText::new(&key.display().to_string());
        let question = format!("passphrase of {key}{again}, empty to leave it out: ");
        hidden(&question).ok().filter(|phrase| !phrase.is_empty()).map(Phrase::new)
    }
}

/// Asks, shows what is typed, and returns the line without its end.
pub(super) fn ask(question: &str) -> io::Result<String> {
    let mut terminal = open()?;
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut line = Vec::new();
    let mut byte = [0];
    while terminal.read(&mut byte)? == 1 && byte != *b"\n" && line.len() < ANSWER_MAX {
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Asks and shows nothing of what is typed.
fn hidden(question: &str) -> io::Result<String> {
    let mut terminal = open()?;
    write!(terminal, "{question}")?;
    terminal.flush()?;
    crossterm::terminal::enable_raw_mode()?;
    let line = raw_line(&mut terminal);
    crossterm::terminal::disable_raw_mode()?;
    writeln!(terminal)?;
    line
}

fn raw_line(terminal: &mut File) -> io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while terminal.read(&mut byte)? == 1 && line.len() < ANSWER_MAX {
        match byte {
            [b'\r' | b'\n'] => break,
            [0x03 | 0x04] => return Ok(String::new()), // Ctrl-C, Ctrl-D: leave it out.
            [0x08 | 0x7f] => {
                line.pop();
            }
            [0x15] => line.clear(),
            [other] => line.push(other),
        }
    }
    String::from_utf8(line).map_err(io::Error::other)
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Two digits that nobody types by habit.
pub(super) fn two_digits() -> [u8; 2] {
    let mut digits = [4, 7]; // Without luck the digits are still not a habit.
    let mut luck = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut luck));
    if read.is_ok() {
        // Bytes of 250 and more would make some digits likelier than others.
        let fair = luck.into_iter().filter(|byte| *byte < 250);
        for (digit, byte) in digits.iter_mut().zip(fair) {
            *digit = byte % 10;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::two_digits;

    #[test]
    fn digits_are_digits() {
        assert!((0..100).all(|_| two_digits().iter().all(|digit| *digit < 10)));
    }
}
