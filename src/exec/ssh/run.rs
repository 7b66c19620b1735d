//! One command on an open connection: one task owns its channel from the first byte to the end.
//!
//! # Invariants
//!
//! - Once the exec request may have left, whatever is uncertain is [`RunEnd::Lost`].
//! - The channel is read to its end, past the exit status, and never waits for a screen: an
//!   unread channel would freeze every other one of the connection.
//! - An exit status is reported only if the host sent it and our start mark was seen.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::channel::Session;
use super::connect::Connection;
use super::error::SshError;
use super::pool::Pool;
use super::shell::{BOOTSTRAP, Begun, Group, MarkFinder, preamble};
use super::stop::{Proof, stop};

/// After the processes are proved gone, the channel may take so long to end.
const LAST_BYTES: Duration = Duration::from_secs(2);
/// A stop that comes right after the sending waits so long for the start mark.
const MARK_MAX: Duration = Duration::from_secs(3);

/// What to run.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Text for `sh`, any number of lines.
    pub line: String,
    /// Variables of its environment. They show in no process list.
    pub env: Vec<(String, String)>,
    /// What it reads from standard input; without it, the end at once.
    pub stdin: Option<Vec<u8>>,
    /// The words that make a command run as another user (`sudo -n`): the step runs behind
    /// them, and is stopped with them.
    pub become_prefix: Option<String>,
    /// The host has to prove first, on the same connection, that it is the machine that is
    /// meant. Asked once a connection, and only where the inventory has a `proof`.
    pub prove: bool,
    /// Variables of golive's own environment that a command on this machine does not inherit.
    pub hidden: Vec<String>,
}

impl Command {
    /// `line` with nothing else.
    pub fn new(line: impl Into<String>) -> Self {
        Self { line: line.into(), ..Self::default() }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither text nor values: both may hold secrets.
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Command")
            .field("line_bytes", &self.line.len())
            .field("env", &names)
            .field("stdin_bytes", &self.stdin.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// Which of the two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes what a command prints. Called from the task that reads the connection: it may write
/// to a disk, it must not wait for anything slower.
pub trait Output: Send {
    /// The step has begun, in this process group (`None`: it shares its group with others).
    fn started(&mut self, group: Option<Group>) {
        let _ = group;
    }

    /// Some bytes, cut anywhere.
    ///
    /// # Errors
    /// What cannot be kept ends the taking: the command runs on unheard, and its end is
    /// reported as [`RunEnd::Unrecorded`].
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()>;
}

/// How a command ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// With this code.
    Code(u32),
    /// By this signal, without `SIG`.
    Signal(String),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What became of a command.
#[derive(Debug)]
#[must_use = "an end that nobody looks at may be a lost command"]
pub enum RunEnd {
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: u32,
        /// Whether all it printed has arrived.
        whole: bool,
    },
    /// A signal that did not come from us ended it.
    Signalled {
        /// Its name, without `SIG`.
        signal: String,
        /// Whether all it printed has arrived.
        whole: bool,
    },
    /// Nothing was sent to the host: it is safe to run it again.
    NotStarted {
        /// Why.
        why: SshError,
    },
    /// It was sent, and nobody knows what became of it: it may run still.
    Lost {
        /// Why.
        why: SshError,
        /// Its process group, if it was seen to begin: [`Pool::living`] can look for it.
        group: Option<Group>,
    },
    /// It was stopped by us.
    Stopped {
        /// What is known of its processes.
        proof: Proof,
        /// How it ended, if it said so.
        status: Option<Status>,
    },
    /// Its output could not be kept; it ran on.
    Unrecorded {
        /// Why.
        why: io::Error,
        /// What became of it.
        end: Box<Self>,
    },
}

/// Stops a command that runs.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<watch::Sender<Option<Duration>>>);

impl StopHandle {
    /// Asks the command to end (TERM), and makes it (KILL) after `grace`. Asked again, the
    /// latest grace counts, from its own asking: [`Duration::ZERO`] kills now.
    pub fn stop(&self, grace: Duration) {
        self.0.send_replace(Some(grace));
    }
}

/// The other end of a [`StopHandle`].
#[derive(Clone, Debug)]
pub struct StopSignal(pub(super) watch::Receiver<Option<Duration>>);

impl StopSignal {
    /// A signal that never comes.
    pub fn never() -> Self {
        stop_pair().1
    }

    /// The grace, if stopping is asked for.
    pub(in crate::exec) fn grace(&self) -> Option<Duration> {
        *self.0.borrow()
    }

    /// Waits for (another) asking; for ever, if nobody can ask any more.
    pub(in crate::exec) async fn asked(&mut self) -> Duration {
        loop {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(grace) = *self.0.borrow_and_update() {
                return grace;
            }
        }
    }
}

/// A way to stop one command: the handle to keep, and the signal to run it with.
pub fn stop_pair() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(None);
    (StopHandle(Arc::new(sender)), StopSignal(receiver))
}

/// Closes the channel when it is let go early; an unclosed one keeps its place on the server.
pub(super) struct Closing(Option<Arc<ChannelWriteHalf<Msg>>>);

impl Closing {
    pub(super) fn new(write: &Arc<ChannelWriteHalf<Msg>>) -> Self {
        Self(Some(Arc::clone(write)))
    }

    /// The channel has ended by itself.
    pub(super) fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        if let (Some(write), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { write.close().await.ok() });
        }
    }
}

/// A command in flight.
pub(super) struct Flight {
    pool: Pool,
    host: String,
    connection: Arc<Connection>,
    session: Session,
    finder: MarkFinder,
    /// `None` until the start mark was seen.
    started: watch::Sender<Option<Begun>>,
    status: Option<Status>,
    /// The channel's orderly end was seen.
    closed: bool,
    refused: bool,
    output: Box<dyn Output>,
    unrecorded: Option<io::Error>,
    become_prefix: Option<String>,
}

/// What [`Flight::fly`] waits for.
enum Tick {
    Message(Option<ChannelMsg>),
    Written,
    Asked(Duration),
    Proved(Proof),
    Overdue,
}

impl Flight {
    /// Runs `command` in `session` to its end, in a task of its own: dropping this future stops
    /// neither the command nor the taking of its output.
    pub(super) async fn apart(
        pool: Pool,
        opened: (Session, Channel<Msg>),
        command: Command,
        output: Box<dyn Output>,
        signal: StopSignal,
    ) -> RunEnd {
        let host = opened.0.slot.name().to_owned();
        let flight = Self::run(pool, opened, command, output, signal);
        tokio::spawn(flight).await.unwrap_or_else(|error| RunEnd::Lost {
            why: SshError::LinkLost { host, why: format!("its task failed: {error}") },
            group: None,
        })
    }

    async fn run(
        pool: Pool,
        (session, channel): (Session, Channel<Msg>),
        command: Command,
        output: Box<dyn Output>,
        signal: StopSignal,
    ) -> RunEnd {
        let host = session.slot.name().to_owned();
        let nonce = nonce();
        let become_ = command.become_prefix.as_deref();
        let text = match preamble(&nonce, &command.line, &command.env, become_) {
            Ok(text) => text,
            Err(why) => return RunEnd::NotStarted { why: SshError::BadCommand { host, why } },
        };
        if signal.grace().is_some() {
            return RunEnd::NotStarted { why: SshError::StoppedBefore { host } };
        }
        let connection = Arc::clone(&session.connection);
        let mut flight = Self {
            finder: MarkFinder::new(&nonce),
            pool,
            connection,
            session,
            started: watch::Sender::new(None),
            status: None,
            closed: false,
            refused: false,
            output,
            unrecorded: None,
            become_prefix: command.become_prefix,
            host,
        };
        let end = flight.fly(channel, text, command.stdin, signal).await;
        match flight.unrecorded {
            Some(why) => RunEnd::Unrecorded { why, end: Box::new(end) },
            None => end,
        }
    }

    async fn fly(
        &mut self,
        channel: Channel<Msg>,
        text: String,
        stdin: Option<Vec<u8>>,
        mut signal: StopSignal,
    ) -> RunEnd {
        let (mut read, write) = channel.split();
        let write = Arc::new(write);
        let mut closing = Closing::new(&write);
        if write.exec(true, BOOTSTRAP).await.is_err() {
            // The connection's task is gone; it never took the request.
            return RunEnd::NotStarted { why: self.lost() };
        }
        // From here on, the request may have left.
        let writing = feed(Arc::clone(&write), text, stdin);
        tokio::pin!(writing);
        let mut written = false;
        let mut proving: Option<oneshot::Receiver<Proof>> = None;
        let mut proof = None;
        let mut overdue = Instant::now();
        loop {
            let tick = tokio::select! {
                message = read.wait() => Tick::Message(message),
                () = &mut writing, if !written => Tick::Written,
                grace = signal.asked(), if proving.is_none() => Tick::Asked(grace),
                found = outcome(&mut proving), if proof.is_none() => Tick::Proved(found),
                () = sleep_until(overdue), if proof.is_some() => Tick::Overdue,
            };
            match tick {
                Tick::Message(Some(message)) => self.take(message),
                Tick::Message(None) => break,
                Tick::Written => written = true,
                Tick::Asked(grace) => proving = Some(self.stop(grace, &write, signal.clone())),
                Tick::Proved(found) => {
                    proof = Some(found);
                    overdue = Instant::now() + LAST_BYTES;
                }
                // Somebody outside the group still holds the outputs open.
                Tick::Overdue => return self.end(true, proof),
            }
        }
        closing.ended();
        let stopping = proving.is_some();
        if stopping && proof.is_none() {
            proof = Some(outcome(&mut proving).await);
        }
        self.end(stopping, proof)
    }

    /// Starts the stopping beside the reading, which goes on.
    fn stop(
        &self,
        grace: Duration,
        write: &Arc<ChannelWriteHalf<Msg>>,
        signal: StopSignal,
    ) -> oneshot::Receiver<Proof> {
        let (prove, proved) = oneshot::channel();
        let mut started = self.started.subscribe();
        let (pool, slot) = (self.pool.clone(), Arc::clone(&self.session.slot));
        let (write, become_prefix) = (Arc::clone(write), self.become_prefix.clone());
        let connection = Arc::clone(&self.connection);
        tokio::spawn(async move {
            // A step that was only just sent says in a moment where it is.
            let marked = timeout(MARK_MAX, started.wait_for(Option::is_some)).await;
            let group =
                marked.ok().and_then(Result::ok).and_then(|begun| begun.and_then(Begun::group));
            let proof = match group {
                Some(group) => {
                    let by_signal = stop(&pool, &slot, group, grace, signal.clone(), become_prefix);
                    by_signal.await
                }
                None => Proof::unknown("its process group was never seen"),
            };
            if !proof.reached {
                // No second session: what is left is the protocol's own signal, unproved.
                write.signal(Sig::TERM).await.ok();
                let mut signal = signal;
                tokio::select! {
                    () = sleep(grace) => (),
                    _ = signal.asked() => (),
                    () = ended(&connection) => (),
                }
                write.signal(Sig::KILL).await.ok();
            }
            prove.send(proof).ok();
        });
        proved
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
    fn take(&mut self, message: ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => self.keep(Stream::Stdout, &data),
            ChannelMsg::ExtendedData { data, .. } => {
                if self.finder.is_done() {
                    self.keep(Stream::Stderr, &data);
                    return;
                }
                let (pass, begun) = self.finder.feed(&data);
                if let Some(begun) = begun {
                    self.started.send_replace(Some(begun));
                    self.output.started(begun.group());
                }
                self.keep(Stream::Stderr, &pass);
            }
            ChannelMsg::ExitStatus { exit_status } => self.status = Some(Status::Code(exit_status)),
            ChannelMsg::ExitSignal { signal_name, .. } => {
                self.status = Some(Status::Signal(signal_text(&signal_name)));
            }
            ChannelMsg::Failure => self.refused = true,
            ChannelMsg::Eof | ChannelMsg::Close => self.closed = true,
            _ => (),
        }
    }

    /// Hands bytes over, until that fails; then they are counted out and the step runs on.
    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() || self.unrecorded.is_some() {
            return;
        }
        if let Err(error) = self.output.chunk(stream, bytes) {
            self.unrecorded = Some(error);
        }
    }

    fn end(&mut self, stopping: bool, proof: Option<Proof>) -> RunEnd {
        let held = self.finder.rest();
        self.keep(Stream::Stderr, &held);
        let status = self.status.take();
        if self.refused && status.is_none() {
            return RunEnd::NotStarted { why: SshError::ExecRefused { host: self.host.clone() } };
        }
        let started = *self.started.borrow();
        let group = started.and_then(Begun::group);
        let proved = proof.as_ref().is_some_and(|proof| proof.gone);
        if stopping && (status.is_some() || proved) {
            return RunEnd::Stopped { proof: proof.unwrap_or_default(), status };
        }
        let whole = self.closed;
        match status {
            None if stopping && !self.connection.handle.is_closed() => {
                RunEnd::Stopped { proof: proof.unwrap_or_default(), status: None }
            }
            None => RunEnd::Lost { why: self.lost(), group },
            Some(status) if started.is_none() => {
                let (host, status) = (self.host.clone(), status.to_string());
                RunEnd::Lost { why: SshError::NoStart { host, status }, group: None }
            }
            Some(Status::Code(code)) => RunEnd::Exited { code, whole },
            Some(Status::Signal(signal)) => RunEnd::Signalled { signal, whole },
        }
    }

    fn lost(&self) -> SshError {
        self.connection.no_status(&self.host)
    }
}

/// What a stopping comes to; never, while none is under way.
async fn outcome(proving: &mut Option<oneshot::Receiver<Proof>>) -> Proof {
    match proving {
        Some(proved) => proved.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

/// Resolves when the connection is gone.
async fn ended(connection: &Connection) {
    while !connection.handle.is_closed() {
        sleep(Duration::from_millis(100)).await;
    }
}

/// Sends the preamble, the step's input, and its end, as the server takes them.
async fn feed(write: Arc<ChannelWriteHalf<Msg>>, text: String, stdin: Option<Vec<u8>>) {
    // A failure is a dead link, and shows at the reading end.
    if write.data_bytes(text.into_bytes()).await.is_err() {
        return;
    }
    if let Some(stdin) = stdin
        && write.data_bytes(stdin).await.is_err()
    {
        return;
    }
    write.eof().await.ok();
}

#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
pub(super) fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => super::error::words(name),
        known => format!("{known:?}"),
    }
}

/// A word that no output of a step has by chance.
pub(in crate::exec) fn nonce() -> String {
    use std::hash::{BuildHasher as _, Hasher as _};
    let draw = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", draw(), draw())
}

/// Collects what a small command prints, for our own use.
#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
pub(super) async fn collect(mut read: ChannelReadHalf, limit: usize) -> (Vec<u8>, Option<u32>) {
    let mut output = Vec::new();
    let mut status = None;
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let room = limit.saturating_sub(output.len());
                output.extend(data.iter().take(room));
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => (),
        }
    }
    (output, status)
}
