//! Signals that come before anybody drives a session: at a question on the terminal, and after it.
//!
//! The first question starts the watch. A question that is open ends with the signal, and gives the
//! terminal back as it was; between questions golive ends as the signal asks. Once a driver listens
//! for signals, this only ends questions.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::message::Failure;

static WATCH: OnceLock<Watch> = OnceLock::new();

/// What has come, and who listens.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The number of the signal; 0 before one has come.
    came: AtomicI32,
    /// A question is open.
    asks: AtomicBool,
    /// Somebody drives a session, and listens.
    driven: AtomicBool,
}

/// A question, for as long as it is open.
pub(super) struct Question(&'static Watch);

impl Question {
    /// Opens one.
    ///
    /// # Errors
    /// Of kind `Interrupted`: golive is asked to end already.
    pub(super) fn open() -> io::Result<Self> {
        if WATCH.get().is_none() {
            WATCH.set(Watch::default()).ok();
            listen()?;
        }
        let question = Self(WATCH.get_or_init(Watch::default));
        question.0.asks.store(true, Ordering::SeqCst);
        question.goes_on()?;
        Ok(question)
    }

    /// Whether it still wants an answer; an error of kind `Interrupted` if golive is asked to end.
    pub(super) fn goes_on(&self) -> io::Result<()> {
        if self.0.came.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Ctrl-C was typed where the terminal makes no signal of it.
    pub(super) fn interrupt(&self) {
        self.0.came.store(Signal::INT.as_raw(), Ordering::SeqCst);
        if self.0.driven.load(Ordering::SeqCst) {
            kill_process(getpid(), Signal::INT).ok(); // Whoever drives decides what follows.
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.0.asks.store(false, Ordering::SeqCst);
    }
}

/// Somebody drives a session, and listens for signals from now on.
pub(super) fn are_heard() {
    if let Some(watch) = WATCH.get() {
        watch.driven.store(true, Ordering::SeqCst);
    }
}

/// Fails if golive was asked to end at a question. Nothing was started by then.
///
/// # Errors
/// It was; the exit code is the signal's.
pub(super) fn none_came() -> Result<(), Failure> {
    let came = WATCH.get().map_or(0, |watch| watch.came.load(Ordering::SeqCst));
    if came == 0 { Ok(()) } else { Err(ended("a question")) }
}

/// The end of golive at a question about `what`.
pub(super) fn ended(what: &str) -> Failure {
    let terminate = Signal::TERM.as_raw();
    let came = WATCH.get().map_or(0, |watch| watch.came.load(Ordering::SeqCst));
    let (exit, name) = if came == terminate {
        (Exit::Terminated, "SIGTERM")
    } else {
        (Exit::Interrupted, "Ctrl-C")
    };
    Failure::new(exit, format!("{name} at {what}: nothing was started or sent"))
}

/// Starts to listen; the signals are heard when this returns.
fn listen() -> io::Result<()> {
    let (tell, told) = std::sync::mpsc::channel();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let heard = runtime.map(|runtime| {
            runtime.block_on(async {
                let (interrupt, terminate) =
                    (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
                let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else { return };
                tell.send(()).ok();
                loop {
                    let number = tokio::select! {
                        _ = interrupt.recv() => Signal::INT.as_raw(),
                        _ = terminate.recv() => Signal::TERM.as_raw(),
                    };
                    came(number);
                }
            });
        });
        if let Err(error) = heard {
            tracing::warn!(%error, "signals at a question are not heard");
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(work)?;
    told.recv().map_err(io::Error::other)
}

#[expect(clippy::exit, reason = "the signal asks for the end, and the thread that works may wait")]
fn came(number: i32) {
    let Some(watch) = WATCH.get() else { return };
    watch.came.store(number, Ordering::SeqCst);
    if !watch.asks.load(Ordering::SeqCst) && !watch.driven.load(Ordering::SeqCst) {
        // As it would have without a question before; nothing was started that needs an end.
        std::process::exit(128 + number);
    }
}
