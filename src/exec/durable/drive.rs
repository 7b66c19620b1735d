//! Carries the line of conduct out: calls over the warm connection, their bytes to the
//! transcript, their words to the conduct.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::base::{HostId, Millis, SafeText, SessionId};
use crate::engine::{Durable, Place, Run, Sight, Sync};
use crate::exec::ssh::{
    At, Call, CallEnd, Command, ErrorKind, LinkState, Output, Pool, Said, SshError, Status,
    StopSignal, Stream, becoming, nonce, step_line,
};

use super::conduct::{Before, Conduct};
use super::errand::Errand;
use super::fate::{Act, Ask, Fate, Heard, Line, Over};
use super::hosts::Hosts;
use super::script::{Mode, request};
use super::wire::{ErrorStream, NOISE_MAX, OutputStream, Piece, Word, header};

/// A durable step on one host.
pub(in crate::exec) struct Trip {
    /// The step.
    pub run: Arc<Run>,
    /// What is sent of it.
    pub command: Command,
    /// What makes it durable.
    pub durable: Durable,
    /// The host.
    pub host: HostId,
    /// The words that make a command run as another user.
    pub become_prefix: Option<String>,
    /// It is looked for, not started.
    pub follow: bool,
    /// The connections.
    pub pool: Pool,
    /// What is known of hosts.
    pub hosts: Arc<Hosts>,
    /// Asks it to stop.
    pub stopped: StopSignal,
    /// Lets it go.
    pub let_go: tokio::sync::watch::Receiver<bool>,
    /// A stop's time between TERM and KILL, where none is asked for.
    pub grace: Duration,
}

/// What became of a step, and of what it printed.
pub(in crate::exec) struct Ended {
    pub fate: Fate,
    /// Why its output could not be kept.
    pub unrecorded: Option<io::Error>,
    /// Why its host was not reached at first.
    pub unreached: Option<SshError>,
}

/// A call with its two streams.
struct Wire {
    opening: Option<JoinHandle<Result<Call, SshError>>>,
    call: Option<Call>,
    first: Vec<Vec<u8>>,
    out: OutputStream,
    err: ErrorStream,
    ended: bool,
}

/// What a wire brings.
enum Raw {
    Opened(Result<Call, SshError>),
    Said(Said),
}

impl Wire {
    /// What comes next; never, where there is no call. Safe to be dropped and asked again.
    async fn next(wire: &mut Option<Self>) -> Raw {
        let Some(wire) = wire else { return std::future::pending().await };
        if let Some(opening) = &mut wire.opening {
            let opened = opening.await;
            wire.opening = None;
            return Raw::Opened(opened.unwrap_or_else(|error| {
                let why = format!("the task that opened it failed: {error}");
                Err(SshError::LinkLost { host: String::new(), why })
            }));
        }
        match &mut wire.call {
            Some(call) => Raw::Said(call.next().await),
            None => std::future::pending().await,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(opening) = &self.opening {
            opening.abort();
        }
    }
}

/// The two streams of a step, kept by whoever keeps them.
struct Keep<O> {
    output: O,
    unrecorded: Option<io::Error>,
}

impl<O: Output> Keep<O> {
    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        if self.unrecorded.is_none() {
            self.unrecorded = self.output.chunk(stream, bytes).err();
        }
    }
}

struct Drive<'a, O> {
    trip: &'a Trip,
    conduct: Conduct,
    origin: Instant,
    keep: Keep<O>,
    watch: Option<Wire>,
    stop: Option<Wire>,
    payload: Vec<Vec<u8>>,
    unreached: Option<SshError>,
    /// The records that were there when it started, where they were heard of.
    records: Option<String>,
    /// The records that its start asked to answer for earlier attempts.
    asked_in: Option<SafeText>,
    tell: &'a (dyn Fn(Sight) + Send + std::marker::Sync),
}

/// Starts or looks for a step, and watches it until its end is known. What becomes visible on the
/// way goes to `tell`.
pub(in crate::exec) async fn drive(
    trip: &Trip,
    output: impl Output,
    tell: &(dyn Fn(Sight) + Send + std::marker::Sync),
) -> Ended {
    let known = trip.hosts.known(&trip.host);
    let begun = trip.durable.begun.get(&Place::Host(trip.host.clone()));
    let before = Before {
        host: trip.host.to_string(),
        follow: trip.follow,
        begun: begun.cloned(),
        known: known.speaks,
        reboot: trip.durable.reboot,
        input: trip.command.stdin.as_ref().is_some_and(|stdin| !stdin.is_empty()),
        sync: known.sync,
        seed: u64::from_str_radix(nonce().get(..16).unwrap_or_default(), 16).unwrap_or(1),
    };
    // What other steps hear of the host later does not change where this one has begun.
    let records =
        trip.durable.records.get(&Place::Host(trip.host.clone())).map(ToString::to_string);
    let records = if trip.follow { records.or(known.root_id) } else { known.root_id.or(records) };
    let mut drive = Drive {
        trip,
        conduct: Conduct::new(before, 0),
        origin: Instant::now(),
        keep: Keep { output, unrecorded: None },
        watch: None,
        stop: None,
        payload: Vec::new(),
        unreached: None,
        records,
        asked_in: None,
        tell,
    };
    let fate = drive.run().await;
    Ended { fate, unrecorded: drive.keep.unrecorded, unreached: drive.unreached }
}

enum Tick {
    Raw(Line, Raw),
    Asked(Duration),
    LetGo,
    Changed,
    Time,
}

impl<O: Output> Drive<'_, O> {
    async fn run(&mut self) -> Fate {
        let mut stopped = self.trip.stopped.clone();
        let mut let_go = self.trip.let_go.clone();
        let mut changes: Option<broadcast::Receiver<_>> = None;
        let asked = stopped.grace().or_else(|| self.trip.durable.stop.then_some(self.trip.grace));
        let first = asked.map_or(Heard::Time, |grace| Heard::Stop(millis(grace)));
        let mut heard = vec![first];
        loop {
            if let Some(fate) = self.hear(std::mem::take(&mut heard)) {
                return fate;
            }
            if !self.conduct.is_idle() {
                changes = None;
            } else if changes.is_none() {
                changes = Some(self.trip.pool.changes());
            }
            let wake = self.conduct.wake().map(|at| self.origin + Duration::from_millis(at));
            let tick = tokio::select! {
                raw = Wire::next(&mut self.watch) => Tick::Raw(Line::Watch, raw),
                raw = Wire::next(&mut self.stop) => Tick::Raw(Line::Stop, raw),
                grace = stopped.asked() => Tick::Asked(grace),
                () = released(&mut let_go) => Tick::LetGo,
                () = changed(&mut changes) => Tick::Changed,
                () = sleep_until(wake.unwrap_or(self.origin)), if wake.is_some() => Tick::Time,
            };
            match tick {
                Tick::Raw(line, raw) => self.raw(line, raw, &mut heard),
                Tick::Asked(grace) => heard.push(Heard::Stop(millis(grace))),
                Tick::LetGo => heard.push(Heard::LetGo),
                Tick::Changed => {
                    if matches!(self.trip.pool.link(&self.trip.host), LinkState::Up { .. }) {
                        heard.push(Heard::Reachable);
                    }
                }
                Tick::Time => heard.push(Heard::Time),
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes in what happened and does what follows.
    fn hear(&mut self, heard: Vec<Heard>) -> Option<Fate> {
        let now = self.now();
        for act in self.conduct.hear(heard, now) {
            match act {
                Act::Call(line, ask) => {
                    let wire = self.call(line, ask);
                    *self.wire(line) = Some(wire);
                }
                Act::Payload => {
                    let payload = std::mem::take(&mut self.payload);
                    if let Some(call) = self.watch.as_ref().and_then(|wire| wire.call.as_ref()) {
                        call.send(payload);
                    }
                }
                Act::Want(want) => {
                    if let Some(call) = self.watch.as_ref().and_then(|wire| wire.call.as_ref()) {
                        call.send(vec![want.line().into()]);
                    }
                }
                Act::HangUp(line) => *self.wire(line) = None,
                Act::Tell(sight) => (self.tell)(sight),
                Act::End(fate) => return Some(fate),
            }
        }
        None
    }

    fn wire(&mut self, line: Line) -> &mut Option<Wire> {
        match line {
            Line::Watch => &mut self.watch,
            Line::Stop => &mut self.stop,
        }
    }

    fn raw(&mut self, line: Line, raw: Raw, heard: &mut Vec<Heard>) {
        let Self { watch, stop, keep, trip, unreached, asked_in, .. } = self;
        let slot = match line {
            Line::Watch => watch,
            Line::Stop => stop,
        };
        let Some(wire) = slot else { return };
        match raw {
            Raw::Opened(Ok(call)) => {
                call.send(std::mem::take(&mut wire.first));
                wire.call = Some(call);
                heard.push(Heard::Opened(line));
            }
            Raw::Opened(Err(error)) => {
                let auth = error.kind() == ErrorKind::Auth;
                let over = Over::NotOpened { why: error.to_string(), auth };
                *unreached = Some(error);
                *slot = None;
                heard.push(Heard::Over(line, over));
            }
            Raw::Said(Said::Out(bytes)) => {
                let mut count = 0_u64;
                wire.out.feed(&bytes, |bytes| {
                    keep.keep(Stream::Stdout, bytes);
                    count = count.saturating_add(length(bytes));
                });
                if count > 0 {
                    heard.push(Heard::Bytes(count, 0));
                }
            }
            Raw::Said(Said::Err(bytes)) => {
                wire.err.feed(&bytes, |piece| match piece {
                    Piece::Bytes(bytes) => {
                        keep.keep(Stream::Stderr, bytes);
                        heard.push(Heard::Bytes(0, length(bytes)));
                    }
                    Piece::Word(word) => {
                        learn(trip, &word, asked_in.as_ref().filter(|_| line == Line::Watch));
                        if line == Line::Watch && matches!(word, Word::Started { .. }) {
                            trip.pool.get_ready(&trip.host, request(Mode::Start));
                        }
                        heard.push(Heard::Word(line, word));
                    }
                });
                if wire.err.noise() > NOISE_MAX || wire.out.noise() > NOISE_MAX {
                    *slot = None;
                    heard.push(Heard::Over(line, Over::Noise));
                }
            }
            Raw::Said(Said::Status(status)) => {
                if !std::mem::replace(&mut wire.ended, true) {
                    heard.push(Heard::Status(line, said(&status)));
                }
            }
            Raw::Said(Said::Over) => {
                if line == Line::Watch {
                    wire.err.end(|piece| {
                        if let Piece::Bytes(bytes) = piece {
                            keep.keep(Stream::Stderr, bytes);
                            heard.push(Heard::Bytes(0, length(bytes)));
                        }
                    });
                }
                let over = wire.call.as_ref().map_or_else(
                    || Over::Lost { why: "it was never open".to_owned(), quiet: Millis::ZERO },
                    over,
                );
                *slot = None;
                heard.push(Heard::Over(line, over));
            }
        }
    }

    /// Opens the call, or says why there is none.
    fn call(&mut self, line: Line, ask: Ask) -> Wire {
        let nonce = nonce();
        let (mode, first) = match self.words(ask, &nonce) {
            Ok((mode, first)) => (mode, Ok(first)),
            // Nothing that changes by waiting; said in place of a call.
            Err(why) => {
                let host = self.trip.host.to_string();
                (Mode::Attach, Err(SshError::BadCommand { host, why }))
            }
        };
        let (first, refusal) = match first {
            Ok(first) => (first, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let (pool, host, hosts) =
            (self.trip.pool.clone(), self.trip.host.clone(), Arc::clone(&self.trip.hosts));
        let starts = matches!(ask, Ask::Start { .. });
        let at = match line {
            Line::Stop => At::Beside,
            Line::Watch => At::Place { prove: self.trip.run.prove && starts },
        };
        let opening = tokio::spawn(async move {
            if let Some(error) = refusal {
                return Err(error);
            }
            let up = matches!(pool.link(&host), LinkState::Up { .. });
            let gate = hosts.gate(&pool.way(&host));
            // Those that come back after a lost link do not all knock at once.
            let _place = if !starts && !up { gate.acquire().await.ok() } else { None };
            pool.call(&host, request(mode), at).await
        });
        Wire {
            opening: Some(opening),
            call: None,
            first,
            out: OutputStream::new(&nonce),
            err: ErrorStream::new(&nonce),
            ended: false,
        }
    }

    /// What is sent in a call.
    fn words(&mut self, ask: Ask, nonce: &str) -> Result<(Mode, Vec<Vec<u8>>), String> {
        let Trip { run, command, durable, become_prefix, .. } = self.trip;
        let starts = matches!(ask, Ask::Start { .. });
        let place = Place::Host(self.trip.host.clone());
        let after = durable.after.get(&place);
        let known = self.trip.hosts.known(&self.trip.host);
        let after_in = durable.after_in.get(&place).filter(|_| starts);
        let after_in = after_in.and_then(|records| known.untold(&run.key, records));
        if !matches!(ask, Ask::Cancel { .. }) {
            self.asked_in = after_in.cloned();
        }
        let errand = Errand {
            run: durable.session.to_string(),
            key: run.key.to_string(),
            digest: run.payload().to_string().replace(':', "-"),
            r#become: become_prefix.as_deref().map(becoming).transpose()?,
            step: if starts { step_line(&command.line, &command.env)? } else { String::new() },
            input: command.stdin.clone().unwrap_or_default(),
            secret: run.has_secrets(),
            after: after.cloned().unwrap_or_default(),
            after_in: after_in.map(ToString::to_string),
            records: self.records.clone(),
            seen: known.root_id,
        };
        let sending = errand.sending(ask, nonce, fresh(), self.conduct.home())?;
        if sending.mode == Mode::Start {
            self.payload = sending.later;
        }
        Ok((sending.mode, sending.at_once))
    }
}

/// A name for a folder that has none.
fn fresh() -> String {
    nonce()
}

fn millis(span: Duration) -> Millis {
    Millis::new(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn said(status: &Status) -> String {
    format!("`{status}`")
}

fn over(call: &Call) -> Over {
    let quiet = millis(call.quiet());
    match call.end() {
        CallEnd::Refused(error) => Over::Refused { why: error.to_string() },
        CallEnd::Ended(status) => Over::Closed { how: said(&status) },
        CallEnd::Lost(error) => Over::Lost { why: error.to_string(), quiet },
    }
}

/// What a word says of its host for other steps too.
fn learn(trip: &Trip, word: &Word, asked_in: Option<&SafeText>) {
    match word {
        Word::Hello(home) => trip.hosts.learn(&trip.host, |known| {
            known.speaks = true;
            known.root_id = Some(home.root_id.clone());
        }),
        Word::Started { sync, .. } => {
            let sync: Sync = *sync;
            trip.hosts.learn(&trip.host, |known| known.sync = Some(sync));
        }
        // Whoever starts it once more has read that: of these records, not of any others.
        Word::Error { code, .. } if code == "ROOTID" => {
            let key = &trip.run.key;
            let told = asked_in.map(|id| (key.step.clone(), key.part, id.clone()));
            trip.hosts.learn(&trip.host, |known| known.told.extend(told));
        }
        Word::State { .. }
        | Word::End { .. }
        | Word::Alive(_)
        | Word::Strayed(_)
        | Word::Done
        | Word::Error { .. }
        | Word::Strange(_) => {}
    }
}

async fn released(let_go: &mut tokio::sync::watch::Receiver<bool>) {
    if let_go.wait_for(|go| *go).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A link has changed; never, where nobody listens.
async fn changed<T: Clone>(changes: &mut Option<broadcast::Receiver<T>>) {
    match changes {
        // Fallen behind is a change too.
        Some(changes) => match changes.recv().await {
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Lets a host forget what it holds of a run; its tombstones stay.
///
/// # Errors
/// Why it could not.
pub(in crate::exec) async fn close(
    pool: &Pool,
    host: &HostId,
    session: &SessionId,
) -> Result<(), String> {
    let nonce = nonce();
    let first = header(Mode::Close, &nonce, (session.as_str(), "all"), &[])?;
    let call = pool.call(host, request(Mode::Close), At::Place { prove: false }).await;
    let mut call = call.map_err(|error| error.to_string())?;
    call.send(vec![first.into_bytes()]);
    let mut stream = ErrorStream::new(&nonce);
    let mut outcome = None;
    while outcome.is_none() {
        match call.next().await {
            Said::Err(bytes) => stream.feed(&bytes, |piece| match piece {
                Piece::Word(Word::Done) => outcome = Some(Ok(())),
                Piece::Word(Word::Error { code, text }) => {
                    outcome = Some(Err(format!("{code}: {text}")));
                }
                Piece::Word(_) | Piece::Bytes(_) => {}
            }),
            Said::Over => outcome = Some(Err("it gave no answer".to_owned())),
            Said::Out(_) | Said::Status(_) => {}
        }
    }
    outcome.unwrap_or(Ok(()))
}
