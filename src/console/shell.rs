//! A shell on a host, joined to the terminal: the console steps aside, and comes back.
//!
//! While it is open the terminal is the host's: this is the one place where bytes of a host act
//! on it. The console goes on living behind it: time passes, alarms ring, what is printed by steps
//! is taken in, and whoever wants to take the session over gets it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::base::{HostId, Millis, SafeText};
use crate::engine::{Command, RunStage, ShellEnd, ShellEnded, ShellOpened};
use crate::exec::ssh::Cells;
use crate::session::{Chunk, Door, FromShell, Shell, View, next_knock};
use crate::ui::{self, Intent};

use super::run::{Console, Outcome, Signals};
use super::terminal::Screen;

/// How often time is looked at behind the shell.
const LOOK: Duration = Duration::from_secs(1);
/// A bell waits until the host has been silent for so long, so that it never falls into the middle
/// of a sequence; a host that is never silent gets it all the same, after a while.
const SILENCE: Duration = Duration::from_millis(100);
const BELL_WITHIN: Duration = Duration::from_secs(3);
/// What is typed before a person can have seen whose terminal it is reaches no host: a second `y`
/// is no command.
const DEAD: Duration = Duration::from_millis(400);
/// How long the last word of a shell that is cut off is waited for.
const LAST_WORD: Duration = Duration::from_secs(5);
/// Bytes of the keyboard taken at once.
const TYPED_MAX: usize = 4_096;

/// What became of the shell that the screen has asked for.
pub(super) type Opened = tokio::task::JoinHandle<Result<Shell, Box<ShellEnded>>>;

/// The keyboard, byte for byte, for as long as this lives.
struct Keyboard {
    typed: mpsc::Receiver<Vec<u8>>,
    /// Its end wakes the thread that reads.
    stop: Option<std::os::fd::OwnedFd>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Keyboard {
    fn take() -> io::Result<Self> {
        let (stopped, stop) = rustix::pipe::pipe()?;
        let (send, typed) = mpsc::channel(64);
        let read = move || {
            let stdin = io::stdin();
            let mut buffer = [0; TYPED_MAX];
            loop {
                let mut ready =
                    [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&stopped, PollFlags::IN)];
                match poll(&mut ready, None) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(_) => return,
                }
                if !ready[1].revents().is_empty() {
                    return;
                }
                match rustix::io::read(&stdin, &mut buffer) {
                    Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                    // The end of the terminal.
                    Ok(0) | Err(_) => return,
                    Ok(count) => {
                        let bytes = buffer.get(..count).unwrap_or_default().to_vec();
                        if send.blocking_send(bytes).is_err() {
                            return;
                        }
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("keyboard".to_owned()).spawn(read)?;
        Ok(Self { typed, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // First nobody takes any more, then the thread is woken.
        self.typed.close();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// Watches for `Enter ~ .`, as in every SSH client.
#[derive(Debug)]
struct Escape {
    line_begins: bool,
    tilde: bool,
}

impl Escape {
    const fn new() -> Self {
        Self { line_begins: true, tilde: false }
    }

    /// What of `bytes` goes to the host, and whether the person wants to be cut off.
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut pass = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            match (*byte, self.tilde, self.line_begins) {
                (b'.', true, _) => return (pass, true),
                (b'~', false, true) => {
                    self.tilde = true; // Held back until it is known what follows.
                    continue;
                }
                // `~~` is one of them.
                (b'~', true, _) => pass.push(b'~'),
                (byte, true, _) => pass.extend([b'~', byte]),
                (byte, false, _) => pass.push(byte),
            }
            self.tilde = false;
            self.line_begins = matches!(byte, b'\r' | b'\n');
        }
        (pass, false)
    }
}

fn size() -> Cells {
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    Cells { columns, rows }
}

impl Console {
    /// The record has a shell that is to be opened by this console: it is opened, beside all else.
    pub(super) fn look_for_shell(&mut self, was: &View) {
        let open = self.shown.view.state.open_shell();
        let new = open.filter(|shell| {
            let known = was.state.shells().len();
            shell.by == self.by && usize::try_from(shell.opened.number).is_ok_and(|n| n > known)
        });
        let Some(opened) = new.map(|shell| shell.opened.clone()) else { return };
        self.screen.say(ui::SHELL_OPENING);
        let kind = std::env::var("TERM").unwrap_or_else(|_| "xterm".to_owned());
        let opening = self.handle.open_shell(opened.clone(), kind, size());
        self.opening = Some((opened, tokio::spawn(opening)));
    }

    /// The host has answered while somebody was in the middle of something else: the shell ends
    /// unused, beside all else, and its end comes as if the host had given none.
    pub(super) fn decline(&mut self, about: ShellOpened, mut shell: Shell) {
        let ending = about.clone();
        let ended = tokio::spawn(async move {
            let why = SafeText::new("golive was in use when the host answered");
            let end = ShellEnd::NotOpened { why };
            let kept =
                last_word(&mut shell).await.map(|ended| ShellEnded { end: end.clone(), ..*ended });
            Err(Box::new(kept.unwrap_or_else(|| without_word(&ending, end, Millis::ZERO))))
        });
        self.opening = Some((about, ended));
    }

    /// The host has answered: the terminal is its, until it gives it back.
    pub(super) async fn at_the_shell(
        &mut self,
        opened: &ShellOpened,
        shell: Result<Shell, Box<ShellEnded>>,
        chunks: &mut mpsc::Receiver<Chunk>,
        signals: &mut Signals,
        door: &mut Option<Door>,
    ) -> io::Result<Option<Outcome>> {
        let mut shell = match shell {
            Ok(shell) => shell,
            Err(ended) => {
                self.shell_is_over(&opened.host, ended);
                Screen::bell()?;
                return Ok(None);
            }
        };
        let (kind, lang) = (self.shown.model_kind(), self.shown.model().lang);
        let began = Instant::now();
        let banner = ui::shell_banner(lang, kind, opened.host.as_str(), opened.number);
        let left = match Screen::lend(&banner) {
            Ok(()) => self.joined(&mut shell, chunks, signals, door).await,
            Err(error) => Err(error),
        };
        // Whatever was the reason: the record gets its end, and the terminal is ours again.
        let ended = match &left {
            Ok(Left { over: Some(over), .. }) => Some(over.clone()),
            Ok(Left { over: None, .. }) | Err(_) => last_word(&mut shell).await,
        };
        let ended = ended.unwrap_or_else(|| Box::new(unseen_end(opened, began)));
        let said = ui::shell_closed(lang, opened.host.as_str(), &ended.end);
        let taken = self.terminal.take_back(&said);
        self.shell_is_over(&opened.host, ended);
        if taken.is_err() || left.as_ref().is_ok_and(|left| left.outcome.is_some()) {
            self.wait_for_answers().await; // Nobody is here any more to hear of it later.
        }
        taken?;
        self.screen.is_back(&self.shown.model());
        Ok(left?.outcome)
    }

    fn shell_is_over(&mut self, host: &HostId, ended: Box<ShellEnded>) {
        let state = &self.shown.view.state;
        let runs = matches!(state.stage(), RunStage::Active | RunStage::RollingBack);
        let held = runs && state.hold().is_some();
        self.screen.say(ui::shell_over(host.as_str(), &ended.end, held));
        // A queue that is full must not swallow it: no other shell could be opened then.
        let (tell, answer) = oneshot::channel();
        let (handle, by) = (self.handle.clone(), self.by.clone());
        tokio::spawn(async move {
            tell.send(handle.submit(&by, Command::ShellEnded(ended)).await).ok();
        });
        self.answers.push(answer);
    }

    /// The terminal and the host's shell, joined.
    #[expect(clippy::too_many_lines, reason = "one arm for each thing that can come")]
    async fn joined(
        &mut self,
        shell: &mut Shell,
        chunks: &mut mpsc::Receiver<Chunk>,
        signals: &mut Signals,
        door: &mut Option<Door>,
    ) -> io::Result<Left> {
        let mut views = self.handle.views();
        let mut resized = signal(SignalKind::window_change())?;
        let mut keyboard = Keyboard::take()?;
        let mut escape = Escape::new();
        let alive = Instant::now() + DEAD;
        let (mut heard, mut look) = (Instant::now(), Instant::now());
        let mut bells: Option<Instant> = None;
        let gone = |outcome| Ok(Left { over: None, outcome: Some(outcome) });
        loop {
            if !Screen::is_ours() {
                // A task panicked, and the hook gave the terminal back: it is no host's any more.
                return Ok(Left { over: None, outcome: None });
            }
            if look <= Instant::now() {
                look = Instant::now() + LOOK;
                if self.rings() {
                    bells.get_or_insert(Instant::now() + BELL_WITHIN);
                }
            }
            let ring = bells.map(|latest| latest.min(heard + SILENCE));
            if ring.is_some_and(|ring| ring <= Instant::now()) {
                Screen::bell()?;
                bells = None;
            }
            tokio::select! {
                biased;
                _ = signals.terminate.recv() => {
                    let outcome = self.leave_by(Outcome::Signal(15), "SIGTERM").await?;
                    return gone(outcome);
                }
                _ = signals.hangup.recv() => {
                    let outcome = self.leave_by(Outcome::TerminalLost, "SIGHUP").await?;
                    return gone(outcome);
                }
                _ = signals.interrupt.recv() => {
                    let outcome = self.leave_by(Outcome::Signal(2), "SIGINT").await?;
                    return gone(outcome);
                }
                knock = next_knock(door, &self.handle) => {
                    if knock.reason.is_some() {
                        let outcome = self.give_up_to(knock).await?;
                        return gone(outcome);
                    }
                    self.refuse(knock);
                }
                _ = signals.goes_on.recv() => {
                    Screen::lend_again()?;
                    shell.resize(size());
                }
                _ = signals.stop.recv() => {}
                _ = resized.recv() => shell.resize(size()),
                typed = keyboard.typed.recv() => {
                    let Some(typed) = typed else {
                        let why = "the terminal went away";
                        let outcome = self.leave_by(Outcome::TerminalLost, why).await?;
                        return gone(outcome);
                    };
                    if Instant::now() < alive {
                        continue;
                    }
                    let (pass, cuts) = escape.take(&typed);
                    if !pass.is_empty() {
                        shell.give(pass);
                    }
                    if cuts {
                        shell.cut_off();
                    }
                }
                changed = views.changed() => {
                    if changed.is_err() {
                        return gone(Outcome::Broken);
                    }
                    let view = Arc::clone(&views.borrow_and_update());
                    self.take(view);
                }
                said = shell.next() => match said {
                    Some(FromShell::Show(bytes)) => {
                        if !Screen::pass_on(&bytes)? {
                            return Ok(Left { over: None, outcome: None });
                        }
                        heard = Instant::now();
                    }
                    Some(FromShell::Over(over)) => {
                        return Ok(Left { over: Some(over), outcome: None });
                    }
                    None => return Ok(Left { over: None, outcome: None }),
                },
                Some(answer) = next_answer(&mut self.answers) => self.answer(answer),
                Some(chunk) = chunks.recv() => self.shown.output(&chunk),
                () = sleep_until(ring.unwrap_or(look).min(look)) => {}
            }
        }
    }

    /// Whether an alarm, or a decision that waits, wants to be heard.
    fn rings(&mut self) -> bool {
        let intents = self.screen.tick(&self.shown.model());
        let mut rings = false;
        for intent in intents {
            match intent {
                Intent::Bell => rings = true,
                // Nobody sees the guard here: no way back begins behind a shell.
                Intent::Submit(command) if !matches!(command, Command::RollBack { .. }) => {
                    self.answers.push(self.handle.try_ask(&self.by, command));
                }
                Intent::Submit(_)
                | Intent::Copy(_)
                | Intent::Leave(_)
                | Intent::Redraw
                | Intent::Speak(_) => {}
            }
        }
        rings
    }

    /// The console is left while a host is still asked for a shell: the record gets its end.
    pub(super) async fn give_up_shell(&mut self) {
        let Some((opened, task)) = self.opening.take() else { return };
        task.abort();
        let why = SafeText::new("golive was left before the host had answered");
        let end = ShellEnd::NotOpened { why };
        let ended = without_word(&opened, end, Millis::ZERO);
        let asked = self.handle.submit(&self.by, Command::ShellEnded(Box::new(ended)));
        tokio::time::timeout(LAST_WORD, asked).await.ok();
    }
}

/// How the host's terminal was left.
struct Left {
    /// What is to be recorded of its end; none where it has to be cut off first.
    over: Option<Box<ShellEnded>>,
    /// The console is left with it.
    outcome: Option<Outcome>,
}

/// What is to be recorded of a shell that did not say its last word itself.
fn without_word(opened: &ShellOpened, end: ShellEnd, lasted: Millis) -> ShellEnded {
    let (number, host) = (opened.number, opened.host.clone());
    ShellEnded { number, host, end, lasted, transcript: None, not_kept: None }
}

/// What is to be recorded of a shell whose last word did not come: golive does not know its end.
fn unseen_end(opened: &ShellOpened, began: Instant) -> ShellEnded {
    let lasted = Millis::new(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let end = ShellEnd::Lost { why: SafeText::new("its end was not seen") };
    let not_kept = SafeText::new("its end was not seen: how much of it was kept is not known");
    ShellEnded { not_kept: Some(not_kept), ..without_word(opened, end, lasted) }
}

/// Cuts a shell off and waits for what is to be recorded of it.
async fn last_word(shell: &mut Shell) -> Option<Box<ShellEnded>> {
    shell.cut_off();
    let last = async {
        loop {
            match shell.next().await {
                Some(FromShell::Over(over)) => return Some(over),
                Some(FromShell::Show(_)) => {}
                None => return None,
            }
        }
    };
    tokio::time::timeout(LAST_WORD, last).await.ok().flatten()
}

/// The next answer of the session; never an end, so that nobody waits for it in circles.
async fn next_answer(answers: &mut super::run::Answers) -> Option<super::run::Answer> {
    use futures_util::StreamExt as _;
    let answer = answers.next().await?;
    Some(answer.unwrap_or(Err(crate::session::SubmitError::Gone)))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use crate::base::{Millis, SafeText};
    use crate::engine::{ShellEnd, ShellOpened};

    use super::{Escape, unseen_end};

    #[test]
    fn an_end_that_nobody_saw_is_recorded_as_that() {
        let opened = ShellOpened {
            number: 3,
            host: "web1".parse().unwrap(),
            step: None,
            reason: SafeText::new("to look"),
        };
        let ended = unseen_end(&opened, Instant::now() - std::time::Duration::from_secs(9));
        assert_eq!((ended.number, ended.host.as_str()), (3, "web1"));
        assert!(matches!(ended.end, ShellEnd::Lost { .. }) && ended.not_kept.is_some());
        assert!(ended.lasted >= Millis::from_secs(9) && ended.transcript.is_none());
    }

    #[test]
    fn only_a_tilde_after_enter_can_cut_off() {
        let typed = |parts: &[&[u8]]| {
            let mut escape = Escape::new();
            let mut all = Vec::new();
            for part in parts {
                let (pass, cuts) = escape.take(part);
                all.extend(pass);
                if cuts {
                    return (all, true);
                }
            }
            (all, false)
        };
        assert_eq!(typed(&[b"ls ~.\r"]), (b"ls ~.\r".to_vec(), false));
        assert_eq!(typed(&[b"ls\r", b"~", b"."]), (b"ls\r".to_vec(), true));
        assert_eq!(typed(&[b"\r~~.\r"]), (b"\r~.\r".to_vec(), false));
        assert_eq!(typed(&[b"\r~/bin/x\r"]), (b"\r~/bin/x\r".to_vec(), false));
        assert_eq!(typed(&[b"~."]), (Vec::new(), true), "the first line counts");
    }
}
