//! The terminal, taken and given back: one guard, also for panics.

use std::io::{self, Stdout, Write as _};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    SetTitle, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether the terminal is ours at this moment; the panic hook asks.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether it is lent to a host: who gives it back then sets everything back first.
static LENT: AtomicBool = AtomicBool::new(false);

/// Sets back what a program on a host may have left behind: an unfinished sequence ends (CAN, ST);
/// soft reset (colours, margins, insert, origin, keypad, character sets, cursor); wrapping on;
/// the host's own second screen left; reverse screen, mouse, focus, paste, synchronised updates,
/// key protocols off; palette, colours, cursor form and link as the terminal had them.
const SET_BACK: &str = concat!(
    "\x18\x1b\\",
    "\x1b[?1049l\x1b[?47l",
    "\x1b[!p\x1b[0m\x1b(B\x0f\x1b[?7h\x1b[?5l\x1b[?1l\x1b>\x1b[4l\x1b[20l",
    "\x1b[?9l\x1b[?1000l\x1b[?1001l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l",
    "\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[?2026l\x1b[?1007l",
    "\x1b[<9u\x1b[>4;0m",
    "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\\x1b]8;;\x1b\\",
    "\x1b[0 q\x1b[?25h",
);

/// Saves and restores the title on terminals that keep a stack of titles; others ignore it.
const PUSH_TITLE: &str = "\x1b[22;2t";
const POP_TITLE: &str = "\x1b[23;2t";

/// How long the terminal may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// More bytes than this before the answer are a flood, not an answer.
const ANSWER_BYTES_MAX: usize = 4_096;

/// What the terminal said about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// The round trip.
    pub after: Duration,
    /// Whether a box-drawing sign is one cell wide.
    pub narrow: bool,
}

/// The column in a cursor report, `ESC [ row ; column R`, among other bytes.
fn column(said: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(said);
    let reports = text.split("\x1b[").skip(1);
    reports.filter_map(|report| report.split_once('R')).find_map(|(report, _)| {
        let (row, column) = report.split_once(';')?;
        row.parse::<u32>().ok()?;
        column.parse().ok()
    })
}

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Screen {
    /// Never dropped: its own drop prints where nobody may listen any more, and panics there.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    title: String,
}

impl Screen {
    /// Takes the terminal: raw mode, the other screen, marked pastes. A panic gives it back
    /// before its message is printed.
    pub(super) fn take() -> io::Result<Self> {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        enter()?;
        let terminal =
            Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| give_back())?;
        Ok(Self { terminal: ManuallyDrop::new(terminal), title: String::new() })
    }

    /// Whether the terminal is ours still: a panic of any task gives it back.
    pub(super) fn is_ours() -> bool {
        TAKEN.load(Ordering::SeqCst)
    }

    /// Takes the terminal again, after somebody else may have used it.
    pub(super) fn take_again(&mut self) -> io::Result<()> {
        // Raw mode is only entered from its absence, and the other one may have left it.
        disable_raw_mode().ok();
        enter()?;
        self.title.clear();
        self.forget()
    }

    /// Hands the terminal to a host: off the other screen, raw, with a banner. Our title stays
    /// saved below whatever the host calls it.
    pub(super) fn lend(banner: &[String]) -> io::Result<()> {
        LENT.store(true, Ordering::SeqCst);
        let mut out = io::stdout();
        execute!(
            out,
            EndSynchronizedUpdate,
            DisableFocusChange,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show,
            SetTitle(banner.first().map_or("", String::as_str))
        )?;
        for row in banner {
            write!(out, "\r\n\x1b[1m{row}\x1b[0m")?;
        }
        write!(out, "\r\n\r\n")?;
        // What was typed for golive is not for the host.
        rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush).ok();
        out.flush()
    }

    /// The process was stopped while the terminal was lent: it is raw again.
    pub(super) fn lend_again() -> io::Result<()> {
        disable_raw_mode().ok();
        enable_raw_mode()
    }

    /// Bytes of the host, as they are: the terminal is lent to it. Says whether it is so still:
    /// nothing of a host reaches a terminal that a panic has given back.
    pub(super) fn pass_on(bytes: &[u8]) -> io::Result<bool> {
        if !Self::is_ours() {
            return Ok(false);
        }
        let mut out = io::stdout();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(true)
    }

    /// Takes the terminal back from a host: what that may have set is set back, what it is still
    /// answered is thrown away.
    pub(super) fn take_back(&mut self, said: &str) -> io::Result<()> {
        let mut out = io::stdout();
        write!(out, "{SET_BACK}\r\n\x1b[1m{said}\x1b[0m\r\n")?;
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, cursor::Hide)?;
        LENT.store(false, Ordering::SeqCst);
        if !Self::is_ours() {
            self.take_again()?; // A task panicked meanwhile, and the hook gave it back.
        }
        // Raw mode may have been ended from outside while nobody looked.
        enable_raw_mode()?;
        rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush).ok();
        self.title.clear();
        self.forget()
    }

    /// Asks the terminal where its cursor is after one `│`: how long the answer takes, and
    /// whether the sign is one cell wide. None without an answer. Keys that were typed before
    /// the screen was there are dropped.
    ///
    /// To be called before anybody else reads from the terminal.
    pub(super) fn ask() -> Option<Answer> {
        let mut out = io::stdout();
        write!(out, "\r│\x1b[6n").and_then(|()| out.flush()).ok()?;
        let asked = Instant::now();
        let mut said = Vec::new();
        loop {
            let left = ANSWER_WITHIN.checked_sub(asked.elapsed())?;
            let stdin = io::stdin();
            let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
            let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
            if poll(&mut wanted, Some(&timeout)).ok()? == 0 {
                return None;
            }
            let mut bytes = [0; 256];
            let count = rustix::io::read(&stdin, &mut bytes).ok().filter(|count| *count > 0)?;
            said.extend_from_slice(bytes.get(..count)?);
            if let Some(column) = column(&said) {
                return Some(Answer { after: asked.elapsed(), narrow: column == 2 });
            }
            if said.len() > ANSWER_BYTES_MAX {
                return None;
            }
        }
    }

    /// Draws a frame as one update.
    pub(super) fn draw(
        &mut self,
        draw: impl FnOnce(&mut Buffer, Rect) -> Option<Position>,
    ) -> io::Result<()> {
        queue!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            let area = frame.area();
            if let Some(cursor) = draw(frame.buffer_mut(), area) {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    /// Draws everything again at the next frame.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        // `Terminal::clear` would ask for the cursor, and wait for an answer that the event
        // stream swallows; a resize to the same size clears without asking.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Sets the title, where it has changed.
    pub(super) fn title(&mut self, title: &str) -> io::Result<()> {
        if self.title == title {
            return Ok(());
        }
        title.clone_into(&mut self.title);
        execute!(io::stdout(), SetTitle(title))
    }

    /// Rings the bell; tmux and screen flag the window for it.
    pub(super) fn bell() -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(b"\x07")?;
        out.flush()
    }

    /// Puts text on the clipboard of the terminal, over any number of SSH hops (OSC 52).
    pub(super) fn copy(text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    let had_it = TAKEN.swap(true, Ordering::SeqCst);
    let mut out = io::stdout();
    let title = if had_it { Ok(()) } else { write!(out, "{PUSH_TITLE}") };
    let entered = title.and_then(|()| {
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, cursor::Hide)
    });
    entered.inspect_err(|_| give_back())
}

/// Puts a pipe that nobody writes to in the place of a terminal that is gone. The thread that
/// reads keys would ask such a terminal again and again, as fast as it can, for as long as the
/// program waits for what still runs.
pub(super) fn let_go() {
    if let Ok((read, write)) = rustix::pipe::pipe()
        && rustix::stdio::dup2_stdin(&read).is_ok()
    {
        // Open for as long as the program lives: its end would be asked for again and again too.
        let _open = ManuallyDrop::new(write);
    }
}

/// Gives the terminal back, once, whoever asks first. Errors have nowhere to go: the terminal
/// may be gone.
fn give_back() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if LENT.swap(false, Ordering::SeqCst) {
        out.write_all(SET_BACK.as_bytes()).ok();
    }
    execute!(
        out,
        EndSynchronizedUpdate,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    )
    .and_then(|()| write!(out, "{POP_TITLE}"))
    .and_then(|()| out.flush())
    .ok();
    disable_raw_mode().ok();
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::{Screen, column};

    /// Says to this very test program that it is the one in the terminal.
    const IN_A_TERMINAL: &str = "GOLIVE_TEST_IN_A_TERMINAL";

    /// What panics, in the terminal: a thread that is not the console's, then the console.
    fn panic_twice() {
        let mut screen = Screen::take().unwrap();
        screen.draw(|_, _| None).unwrap();
        Screen::lend(&["a banner".to_owned()]).unwrap();
        assert!(Screen::pass_on(b"from the host").unwrap());
        let thread = std::thread::Builder::new().name("other".to_owned());
        thread.spawn(|| panic!("the first bug")).unwrap().join().unwrap_err();
        assert!(!Screen::is_ours(), "a panic gives it back");
        assert!(!Screen::pass_on(b"too late").unwrap(), "and no host gets it");
        screen.take_back("the shell is over").unwrap();
        assert!(Screen::is_ours());
        screen.draw(|_, _| None).unwrap();
        panic!("the second bug");
    }

    #[test]
    fn every_panic_gives_the_terminal_back_before_its_message() {
        if std::env::var_os(IN_A_TERMINAL).is_some() {
            return panic_twice();
        }
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        let name = "every_panic_gives_the_terminal_back_before_its_message";
        command.args([&format!("console::terminal::tests::{name}"), "--exact", "--nocapture"]);
        command.env(IN_A_TERMINAL, "yes");
        command.env("TERM", "xterm");
        command.cwd(std::env::current_dir().unwrap());
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut bytes = Vec::new();
        // The end of a terminal is an error.
        pair.master.try_clone_reader().unwrap().read_to_end(&mut bytes).ok();
        pair.master.take_writer().unwrap().flush().ok();
        assert!(!child.wait().unwrap().success());
        let mut said = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!said.contains("too late"), "{said}");
        let steps = [
            "\x1b[?1049h",
            "\x1b[?1049l",
            "from the host",
            "\x1b[!p",
            "\x1b[?1049l",
            "the first bug",
            "the shell is over",
            "\x1b[?1049h",
            "\x1b[?2004l",
            "\x1b[?1049l",
            "\x1b[?25h",
            "the second bug",
        ];
        for step in steps {
            let Some((_, rest)) = said.split_once(step) else { panic!("no {step:?} in {bytes:?}") };
            said = rest.to_owned();
        }
        assert!(!said.contains("\x1b[?1049h"), "and it is not taken again");
    }

    #[test]
    fn a_cursor_report_is_found_among_keys() {
        assert_eq!(column(b"\x1b[1;2R"), Some(2));
        assert_eq!(column(b"jj\x1b[A\x1b[24;3Rk"), Some(3));
        assert_eq!(column(b"R\x1b[1;2"), None);
        assert_eq!(column(b"\x1b[200~1;2R"), None);
    }
}
