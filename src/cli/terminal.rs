//! Questions to a person, on the terminal itself: never on a pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::base::SafeText;
use crate::exec::ssh::{Passphrase, Phrase};

use super::message::Failure;
use super::signals::{self, Question};

/// So long a question waits before it looks whether golive is asked to end.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
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
///
/// # Errors
/// The terminal cannot be used; of kind `Interrupted`: golive is asked to end.
pub(super) fn ask(question: &str) -> io::Result<String> {
    let open_question = Question::open()?;
    let mut terminal = open()?;
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut line = Vec::new();
    while let Some(byte) = next_byte(&mut terminal, &open_question)?
        && byte != b'\n'
        && line.len() < ANSWER_MAX
    {
        line.push(byte);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Asks and shows nothing of what is typed. However it ends, the terminal is as it was.
///
/// # Errors
/// The terminal cannot be used; of kind `Interrupted`: golive is asked to end, by Ctrl-C or a
/// signal.
pub(super) fn hidden(question: &str) -> io::Result<String> {
    let open_question = Question::open()?;
    let mut terminal = open()?;
    write!(terminal, "{question}")?;
    terminal.flush()?;
    crossterm::terminal::enable_raw_mode()?;
    let line = raw_line(&mut terminal, &open_question);
    crossterm::terminal::disable_raw_mode()?;
    writeln!(terminal)?;
    line
}

fn raw_line(terminal: &mut File, question: &Question) -> io::Result<String> {
    let mut line = Vec::new();
    while let Some(byte) = next_byte(terminal, question)?
        && line.len() < ANSWER_MAX
    {
        match byte {
            b'\r' | b'\n' => break,
            0x03 => {
                question.interrupt(); // Ctrl-C: not at all.
                return Err(io::ErrorKind::Interrupted.into());
            }
            0x04 => return Ok(String::new()), // Ctrl-D: leave it out.
            0x08 | 0x7f => {
                line.pop();
            }
            0x15 => line.clear(),
            other => line.push(other),
        }
    }
    String::from_utf8(line).map_err(io::Error::other)
}

/// Waits for the next byte, for as long as the question is open; none at the end.
fn next_byte(terminal: &mut File, question: &Question) -> io::Result<Option<u8>> {
    loop {
        question.goes_on()?;
        let mut fds = [PollFd::new(&*terminal, PollFlags::IN)];
        match poll(&mut fds, Some(&LOOK)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error.into()),
        }
    }
    let mut byte = [0];
    let count = terminal.read(&mut byte)?;
    let [byte] = byte;
    Ok((count == 1).then_some(byte))
}

/// Why there is no answer to a question about `what`.
pub(super) fn unanswered(error: &io::Error, what: &str) -> Failure {
    if error.kind() == io::ErrorKind::Interrupted {
        return signals::ended(what);
    }
    Failure::usage(format!("cannot ask on the terminal: {error}"))
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Two digits that nobody types by habit.
pub(super) fn two_digits() -> [u8; 2] {
    let mut luck = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut luck));
    // 9 first digits times 9 second ones; a byte of 243 or more would make some of them likelier.
    let fair = luck.into_iter().find(|byte| read.is_ok() && *byte < 243);
    fair.map_or([4, 7], |byte| pair(byte % 81)) // Without luck the digits are still no habit.
}

/// The `nth` of the 81 pairs of digits that are not equal and do not begin with 0.
const fn pair(nth: u8) -> [u8; 2] {
    let first = 1 + nth / 9;
    let second = nth % 9;
    [first, if second < first { second } else { second + 1 }]
}

#[cfg(test)]
mod tests {
    use super::{pair, two_digits};

    #[test]
    fn the_digits_are_never_equal_and_never_begin_with_zero() {
        let all: std::collections::BTreeSet<_> = (0..81).map(pair).collect();
        assert_eq!(all.len(), 81);
        let good =
            |[first, second]: [u8; 2]| (1..10).contains(&first) && second < 10 && first != second;
        assert!(all.into_iter().all(good));
        assert!((0..1000).all(|_| good(two_digits())));
    }
}
