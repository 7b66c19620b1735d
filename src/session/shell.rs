//! A shell on a host for the person at the keyboard: what the host prints goes to the disk first,
//! then to their terminal, declared secrets taken out of both.
//!
//! The transcript never holds a declared secret whole, however slowly it comes. The terminal can
//! show one: what may be the beginning of a secret is held back for a moment only, so that a prompt
//! is seen, and one that comes in pieces further apart than that is shown piece by piece. The
//! dialog says so before a shell opens.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::base::{Millis, SafeText};
use crate::engine::{ShellEnd, ShellEnded, ShellOpened, Transcript as Summary};
use crate::exec::ssh::{Cells, Pool, Shown, Status, Terminal};
use crate::exec::{Redactor, Secrets};
use crate::journal::{Disk, Stream, Transcript};

use super::clock::Clock;

/// So much may wait for a terminal that is slower than its host. What comes on top of it is not
/// shown, and is in the transcript: a channel that nobody reads would stop every other one of its
/// connection, and with it the steps.
const WAITING_MAX: usize = 4 << 20;
/// What may be the beginning of a secret is held back for so long, then shown: a prompt that ends
/// like one must not wait for the next key.
const HELD_MAX: Duration = Duration::from_millis(40);

/// Opens shells for one session.
#[derive(Clone)]
pub(super) struct Shells {
    pub(super) pool: Pool,
    pub(super) secrets: Secrets,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    /// Where transcripts go on when `dir` cannot be written.
    pub(super) away: Option<PathBuf>,
    pub(super) clock: Arc<Mutex<Clock>>,
    pub(super) runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for Shells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shells").finish_non_exhaustive()
    }
}

/// What comes from an open shell.
#[derive(Debug)]
pub enum FromShell {
    /// Bytes for the terminal, as the host sent them but for secrets.
    Show(Vec<u8>),
    /// It is over; this is what has to be recorded of it.
    Over(Box<ShellEnded>),
}

/// An open shell. Dropped, it is cut off.
#[derive(Debug)]
pub struct Shell {
    from: mpsc::UnboundedReceiver<FromShell>,
    waiting: Arc<AtomicUsize>,
    typed: mpsc::UnboundedSender<ToShell>,
    /// Tells the task to end; what it says then is the last word.
    cut: Option<oneshot::Sender<()>>,
}

enum ToShell {
    Typed(Vec<u8>),
    Size(Cells),
}

impl Shells {
    /// Opens the shell that the record says is opened. What the terminal is (`TERM`) and how large
    /// is told to the host.
    ///
    /// # Errors
    /// There is none: how that is to be recorded.
    pub(super) async fn open(
        self,
        opened: ShellOpened,
        kind: String,
        size: Cells,
    ) -> Result<Shell, Box<ShellEnded>> {
        let began = Instant::now();
        let not = |why: String| {
            Box::new(ShellEnded {
                number: opened.number,
                host: opened.host.clone(),
                end: ShellEnd::NotOpened { why: SafeText::new(&why) },
                lasted: span(began),
                transcript: None,
                not_kept: None,
            })
        };
        let name = opened.transcript();
        let (disk, dir, away) = (&self.disk, &self.dir, self.away.as_deref());
        // No shell without a place for what it prints.
        let transcript = Transcript::create_named(disk, dir, away, &name)
            .map_err(|error| not(format!("what it prints could not be kept: {error}")))?;
        let terminal = self.pool.terminal(&opened.host, &kind, size).await;
        let terminal = terminal.map_err(|error| not(error.to_string()))?;
        let (show, from) = mpsc::unbounded_channel();
        let (typed, given) = mpsc::unbounded_channel();
        let (cut, cut_off) = oneshot::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let keeper = Keeper {
            opened,
            began: Instant::now(),
            transcript,
            kept: self.secrets.redactor(),
            shown: self.secrets.redactor(),
            clock: self.clock,
            show,
            waiting: Arc::clone(&waiting),
            skipped: 0,
        };
        self.runtime.spawn(keeper.keep(terminal, given, cut_off));
        Ok(Shell { from, waiting, typed, cut: Some(cut) })
    }
}

impl Shell {
    /// What comes next; nothing after its end. Safe to be dropped and asked again.
    pub async fn next(&mut self) -> Option<FromShell> {
        let next = self.from.recv().await;
        if let Some(FromShell::Show(bytes)) = &next {
            self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
        next
    }

    /// Sends what was typed. It is not recorded.
    pub fn give(&self, typed: Vec<u8>) {
        self.typed.send(ToShell::Typed(typed)).ok();
    }

    /// Says that the terminal has another size now.
    pub fn resize(&self, size: Cells) {
        self.typed.send(ToShell::Size(size)).ok();
    }

    /// Cuts it off; its end comes as the next of [`Shell::next`] that is one.
    pub fn cut_off(&mut self) {
        if let Some(cut) = self.cut.take() {
            cut.send(()).ok();
        }
    }
}

/// Reads a shell's channel, in a task of its own that waits for nothing slower than the disk.
struct Keeper {
    opened: ShellOpened,
    began: Instant,
    transcript: Transcript,
    /// On the way to the disk: what may be the beginning of a secret waits until it is known.
    kept: Redactor,
    /// On the way to the screen, where what is held back is shown after a moment.
    shown: Redactor,
    clock: Arc<Mutex<Clock>>,
    show: mpsc::UnboundedSender<FromShell>,
    waiting: Arc<AtomicUsize>,
    /// Bytes that were not shown since the last that were.
    skipped: usize,
}

impl Keeper {
    async fn keep(
        mut self,
        mut terminal: Terminal,
        mut given: mpsc::UnboundedReceiver<ToShell>,
        mut cut_off: oneshot::Receiver<()>,
    ) {
        let end = loop {
            let next = timeout(HELD_MAX, terminal.next());
            tokio::select! {
                biased;
                // The sender is gone without a word: so is the person.
                _ = &mut cut_off => break ShellEnd::CutOff,
                Some(part) = given.recv() => match part {
                    ToShell::Typed(bytes) => terminal.give(bytes),
                    ToShell::Size(size) => terminal.resize(size),
                },
                next = next => match next {
                    Err(_) if self.shown.held() > 0 => {
                        let held = self.shown.finish();
                        self.show(held);
                    }
                    Err(_) => {}
                    Ok(Shown::Bytes(bytes)) => {
                        if let Err(why) = self.take(&bytes) {
                            break ShellEnd::Lost { why };
                        }
                    }
                    Ok(Shown::Ended(Status::Code(code))) => break ShellEnd::Exited { code },
                    Ok(Shown::Ended(Status::Signal(signal))) => {
                        break ShellEnd::Signalled { signal: SafeText::new(&signal) };
                    }
                    Ok(Shown::Lost(error)) => {
                        break ShellEnd::Lost { why: SafeText::new(&error.to_string()) };
                    }
                },
            }
        };
        drop(terminal);
        let held = self.shown.finish();
        self.show(held);
        let show = self.show.clone();
        show.send(FromShell::Over(Box::new(self.finish(end)))).ok();
    }

    /// To the disk, then to the screen.
    fn take(&mut self, bytes: &[u8]) -> Result<(), SafeText> {
        let kept = self.kept.feed(bytes);
        let at = self.clock.lock().map_or_else(|poison| poison.into_inner().now(), |it| it.now());
        self.transcript.write(Stream::Out, &kept, at).map_err(|error| {
            SafeText::new(&format!("cut off: what it prints cannot be kept: {error}"))
        })?;
        let shown = self.shown.feed(bytes).into_owned();
        self.show(shown);
        Ok(())
    }

    fn show(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.waiting.load(Ordering::Relaxed) > WAITING_MAX {
            self.skipped = self.skipped.saturating_add(bytes.len());
            return;
        }
        let skipped = std::mem::take(&mut self.skipped);
        if skipped > 0 {
            let said = format!(
                "\x18\x1b[0m\r\n[golive: {skipped} bytes not shown, this terminal is slower than \
                 the host; the transcript has them]\r\n"
            );
            self.send(said.into_bytes());
        }
        self.send(bytes);
    }

    fn send(&self, bytes: Vec<u8>) {
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.show.send(FromShell::Show(bytes)).ok();
    }

    /// What is to be recorded of its end.
    fn finish(mut self, end: ShellEnd) -> ShellEnded {
        let rest = self.kept.finish();
        let at = self.clock.lock().map_or_else(|poison| poison.into_inner().now(), |it| it.now());
        let written = self.transcript.write(Stream::Out, &rest, at);
        let synced = written.and_then(|()| self.transcript.sync());
        let redacted = self.kept.counts().clone();
        let summary = Summary { redacted, ..self.transcript.summary() };
        ShellEnded {
            number: self.opened.number,
            host: self.opened.host,
            end,
            lasted: span(self.began),
            transcript: Some(summary).filter(|summary| summary.bytes > 0),
            not_kept: synced.err().map(|error| SafeText::new(&error.to_string())),
        }
    }
}

fn span(since: Instant) -> Millis {
    Millis::new(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
}
