//! One call of a client: bytes in, answers out.

use super::record::{Spool, State, Stream};
use super::request::{Mode, Request};

/// Bytes of one stream that one look sends at most.
const PIECE: usize = 64 << 10;

/// Input that carries secrets is not put on the disk, and may be so long.
const SECRET_INPUT_MAX: u64 = 65_536;

/// After KILL, a step may need so long to be gone, in hundredths of a second.
const KILL_TAKES: u64 = 200;

/// What a call must know of its host at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For so many hundredths of a second the host has been up.
    pub up: u64,
    /// A process number that nobody has had; a step that is launched gets it.
    pub pid: u32,
    /// When a process launched now is born.
    pub born: u64,
}

/// How hard a step is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// TERM.
    Ask,
    /// KILL.
    Force,
}

/// A step that is to run now, apart from the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Its process number.
    pub pid: u32,
    /// `RUN/KEY`, for the environment.
    pub mark: String,
    /// Its standard input: the step's line first, which its shell takes and runs.
    pub input: Vec<u8>,
}

/// What a call does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Sends bytes on standard output.
    Out(Vec<u8>),
    /// Sends bytes on standard error: of the step, or a line of the protocol.
    Err(Vec<u8>),
    /// Starts a step, which belongs to no call.
    Launch(Launch),
    /// Signals the step's process group.
    Signal(u32, Strength),
    /// Ends the call; its channel closes.
    Exit(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first line has not come.
    Header,
    /// Of a start: the step's line, or lines, and its input have not come.
    Payload,
    /// Of a cancel: the line with the words for another user has not come.
    Words,
    /// Sends what is written, until the step ends.
    Following,
    /// The step has ended; the rest of its bytes goes, and the client closes.
    Ended,
    /// The step was not running: its bytes go, then the call ends.
    Draining,
    /// Waits for the step to go, until this uptime; then it is killed, or (true) was.
    Cancelling(u64, bool),
    /// Over.
    Over,
}

/// A call. Feed it what comes, and look at it when something has changed.
#[derive(Debug)]
pub struct Call {
    phase: Phase,
    kept: Vec<u8>,
    request: Option<Request>,
    /// The call that won the gate; its supervisor says when the step ends, whoever listens.
    own: bool,
    /// The client wants the step's bytes: a start sends none unasked.
    wanted: bool,
    eof: bool,
    out: usize,
    err: usize,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            phase: Phase::Header,
            kept: Vec::new(),
            request: None,
            own: false,
            wanted: false,
            eof: false,
            out: 0,
            err: 0,
        }
    }
}

impl Call {
    /// The client sent `bytes`.
    pub fn feed(&mut self, spool: &mut Spool, now: Now, bytes: &[u8]) -> Vec<Act> {
        self.kept.extend_from_slice(bytes);
        self.advance(spool, now)
    }

    /// The client sends nothing more.
    pub fn eof(&mut self, spool: &mut Spool, now: Now) -> Vec<Act> {
        self.eof = true;
        self.advance(spool, now)
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// At this uptime it wants to be looked at, whatever happens.
    pub fn wakes(&self) -> Option<u64> {
        match self.phase {
            Phase::Cancelling(until, _) => Some(until),
            Phase::Header
            | Phase::Payload
            | Phase::Words
            | Phase::Following
            | Phase::Ended
            | Phase::Draining
            | Phase::Over => None,
        }
    }

    /// What it does now that something may have changed: bytes of the step, its end. Nothing, if
    /// there is nothing to do.
    pub fn look(&mut self, spool: &Spool, now: Now) -> Vec<Act> {
        let mut acts = Vec::new();
        let Some(request) = self.request.clone() else { return acts };
        match self.phase {
            Phase::Header | Phase::Payload | Phase::Words | Phase::Over => {}
            Phase::Following => {
                let ended = !matches!(
                    spool.state(&request.run, &request.key),
                    State::Running | State::Orphan
                );
                if !self.eof && self.wanted {
                    self.pump(spool, &request, &mut acts);
                }
                if ended && acts.is_empty() {
                    acts.push(say(&request, &end(spool, &request)));
                    self.phase = Phase::Ended;
                    self.leave(&mut acts);
                } else if self.eof && !self.own {
                    self.exit(&mut acts, 0);
                }
            }
            Phase::Ended => {
                if self.wanted {
                    self.pump(spool, &request, &mut acts);
                }
                self.leave(&mut acts);
            }
            Phase::Draining => {
                self.pump(spool, &request, &mut acts);
                if acts.is_empty() {
                    acts.push(say(&request, "done"));
                    self.exit(&mut acts, 0);
                }
            }
            Phase::Cancelling(until, forced) => {
                self.cancelling(spool, now, &request, (until, forced), &mut acts);
            }
        }
        acts
    }

    fn advance(&mut self, spool: &mut Spool, now: Now) -> Vec<Act> {
        let mut acts = Vec::new();
        loop {
            let before = (self.phase, self.kept.len(), acts.len());
            match self.phase {
                Phase::Header => self.header(spool, now, &mut acts),
                Phase::Payload => self.payload(spool, now, &mut acts),
                Phase::Words => match self.line() {
                    Some(_) => self.cancel(spool, now, &mut acts),
                    None => self.cut_short(&mut acts),
                },
                Phase::Following | Phase::Ended => {
                    match (self.line().as_deref(), &self.request) {
                        (Some(b"follow" | b"rest"), _) => self.wanted = true,
                        (Some(_), Some(request)) => {
                            acts.push(say(request, &spool.report(&request.run, &request.key)));
                        }
                        (_, _) => {}
                    }
                    self.leave(&mut acts);
                }
                Phase::Draining | Phase::Cancelling(..) | Phase::Over => {}
            }
            if before == (self.phase, self.kept.len(), acts.len()) {
                return acts;
            }
        }
    }

    /// The next line of what came, if it is whole, without its line end.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.kept.iter().position(|byte| *byte == b'\n')?;
        let mut line: Vec<u8> = self.kept.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    fn header(&mut self, spool: &mut Spool, now: Now, acts: &mut Vec<Act>) {
        let line = match self.line() {
            Some(line) => line,
            None if self.eof => Vec::new(),
            None => return,
        };
        let request = match Request::read(&String::from_utf8_lossy(&line)) {
            Ok(request) => request,
            Err((nonce, problem)) => {
                let text = format!("golive-{nonce} error BADREQ {problem}\n");
                acts.push(Act::Err(text.into_bytes()));
                return self.exit(acts, 1);
            }
        };
        self.request = Some(request.clone());
        if let Err((code, problem)) = open(spool, &request) {
            return self.die(acts, code, &problem);
        }
        acts.push(Act::Out(format!("golive-{} out\n", request.nonce).into_bytes()));
        let (root, id, boot) = (spool.root(), spool.root_id().unwrap_or_default(), spool.boot());
        let hello = format!("hello root={root} rootid={id} boot={boot} up={}", now.up);
        acts.push(say(&request, &hello));
        self.out = usize::try_from(request.out).unwrap_or(usize::MAX);
        self.err = usize::try_from(request.err).unwrap_or(usize::MAX);
        match request.mode {
            Mode::Start => {
                if let Some(limit) = request.expires
                    && now.up / 100 > limit
                {
                    let problem = format!("asked for until {limit} s after boot");
                    return self.die(acts, "EXPIRED", &problem);
                }
                self.phase = Phase::Payload;
            }
            Mode::Attach => {
                if request.void {
                    spool.bar(&request.run, &request.key);
                }
                self.watch(spool, &request, acts);
            }
            Mode::Cancel if request.become_words => self.phase = Phase::Words,
            Mode::Cancel => self.cancel(spool, now, acts),
            Mode::Close => {
                if let Err((key, state)) = spool.close(&request.run) {
                    return self.die(acts, "BUSY", &format!("{key} is {} and runs", state.word()));
                }
                acts.push(say(&request, "done"));
                self.exit(acts, 0);
            }
        }
    }

    /// Where the step's lines end and its input begins, if all lines have come.
    fn lines_end(&self, lines: u64) -> Option<usize> {
        let nth = usize::try_from(lines.max(1)).ok()?.checked_sub(1)?;
        let ends = self.kept.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        ends.map(|(at, _)| at + 1).nth(nth)
    }

    fn payload(&mut self, spool: &mut Spool, now: Now, acts: &mut Vec<Act>) {
        let Some(request) = self.request.clone() else { return };
        let (run, key) = (request.run.as_str(), request.key.as_str());
        let held = spool.record(run, key).is_some_and(|record| record.gate.is_some());
        let Some(lines) = self.lines_end(request.lines) else { return self.cut_short(acts) };
        if request.secret && !held && request.stdin > SECRET_INPUT_MAX {
            let problem = format!("an input with secrets is at most {SECRET_INPUT_MAX} bytes");
            return self.die(acts, "BADREQ", &problem);
        }
        if !held {
            if spool.is_closed(run) {
                return self.closed(acts, run);
            }
            if !request.secret {
                spool.record_mut(run, key).staged = true;
            }
        }
        let whole = usize::try_from(request.stdin).ok().and_then(|input| lines.checked_add(input));
        let Some(whole) = whole.filter(|whole| self.kept.len() >= *whole) else {
            return self.cut_short(acts);
        };
        let input: Vec<u8> = self.kept.drain(..whole).collect();
        if held {
            return self.held(spool, &request, acts);
        }
        for earlier in &request.after {
            spool.bar(run, earlier);
            let state = spool.state(run, earlier);
            if !state.is_final() {
                let problem = format!("attempt {earlier} is {}", state.word());
                return self.die(acts, "BUSY", &problem);
            }
        }
        if spool.is_closed(run) {
            return self.closed(acts, run);
        }
        if !spool.take(run, key, (now.pid, now.born), &request.digest) {
            return self.held(spool, &request, acts);
        }
        self.own = true;
        let Now { up, pid, born } = now;
        let boot = spool.boot();
        let started =
            format!("started pid={pid} born={born} boot={boot} group=yes sync=file up={up}");
        acts.push(say(&request, &started));
        acts.push(Act::Launch(Launch { pid, mark: format!("{run}/{key}"), input }));
        self.phase = Phase::Following;
    }

    /// Another call has the gate: the same step, or one that this request may not speak for.
    fn held(&mut self, spool: &Spool, request: &Request, acts: &mut Vec<Act>) {
        let gate = spool.record(&request.run, &request.key).and_then(|it| it.gate.as_ref());
        if gate.is_some_and(|gate| gate.void || gate.digest == request.digest) {
            return self.watch(spool, request, acts);
        }
        self.die(acts, "CONFLICT", &format!("key {} was used for another step", request.key));
    }

    fn watch(&mut self, spool: &Spool, request: &Request, acts: &mut Vec<Act>) {
        acts.push(say(request, &spool.report(&request.run, &request.key)));
        let runs =
            matches!(spool.state(&request.run, &request.key), State::Running | State::Orphan);
        self.phase = if runs { Phase::Following } else { Phase::Draining };
        self.wanted = true;
    }

    fn cancel(&mut self, spool: &mut Spool, now: Now, acts: &mut Vec<Act>) {
        let Some(request) = self.request.clone() else { return };
        spool.bar(&request.run, &request.key);
        let runs =
            matches!(spool.state(&request.run, &request.key), State::Running | State::Orphan);
        if runs {
            spool.record_mut(&request.run, &request.key).cancelled = true;
            acts.extend(signal(spool, &request, Strength::Ask));
        }
        self.phase = Phase::Cancelling(now.up.saturating_add(request.grace * 100), false);
    }

    fn cancelling(
        &mut self,
        spool: &Spool,
        now: Now,
        request: &Request,
        (until, forced): (u64, bool),
        acts: &mut Vec<Act>,
    ) {
        let runs =
            matches!(spool.state(&request.run, &request.key), State::Running | State::Orphan);
        if runs && now.up < until {
            return;
        }
        if runs && !forced {
            acts.extend(signal(spool, request, Strength::Force));
            self.phase = Phase::Cancelling(now.up + KILL_TAKES, true);
            return;
        }
        acts.push(say(request, &spool.report(&request.run, &request.key)));
        let gate = spool.record(&request.run, &request.key).and_then(|it| it.gate.as_ref());
        if let (true, Some(gate)) = (runs, gate) {
            acts.push(say(request, &format!("alive {} S sh", gate.pid)));
        }
        acts.push(say(request, "done"));
        self.exit(acts, 0);
    }

    /// The next bytes of both streams.
    fn pump(&mut self, spool: &Spool, request: &Request, acts: &mut Vec<Act>) {
        for stream in [Stream::Out, Stream::Err] {
            let at = if stream == Stream::Out { &mut self.out } else { &mut self.err };
            let bytes = piece(spool, request, stream, *at);
            if !bytes.is_empty() {
                *at += bytes.len();
                acts.push(if stream == Stream::Out { Act::Out(bytes) } else { Act::Err(bytes) });
            }
        }
    }

    /// Ends the call if the client has closed its end and the step has ended.
    fn leave(&mut self, acts: &mut Vec<Act>) {
        if self.eof && self.phase == Phase::Ended {
            self.exit(acts, 0);
        }
    }

    /// Nothing more comes and something is missing.
    fn cut_short(&mut self, acts: &mut Vec<Act>) {
        if self.eof {
            self.die(acts, "TRUNC", "the connection ended within the step");
        }
    }

    fn closed(&mut self, acts: &mut Vec<Act>, run: &str) {
        self.die(acts, "CLOSED", &format!("run {run} was closed on this host"));
    }

    fn die(&mut self, acts: &mut Vec<Act>, code: &str, problem: &str) {
        if let Some(request) = &self.request {
            acts.push(say(request, &format!("error {code} {problem}")));
        }
        self.exit(acts, 1);
    }

    fn exit(&mut self, acts: &mut Vec<Act>, status: u8) {
        acts.push(Act::Exit(status));
        self.phase = Phase::Over;
    }
}

fn say(request: &Request, text: &str) -> Act {
    Act::Err(format!("golive-{} {text}\n", request.nonce).into_bytes())
}

fn piece(spool: &Spool, request: &Request, stream: Stream, at: usize) -> Vec<u8> {
    let Some(record) = spool.record(&request.run, &request.key) else { return Vec::new() };
    let all = if stream == Stream::Out { &record.out } else { &record.err };
    let rest = all.get(at..).unwrap_or_default();
    rest.get(..PIECE).unwrap_or(rest).to_vec()
}

fn signal(spool: &Spool, request: &Request, strength: Strength) -> Option<Act> {
    let gate = spool.record(&request.run, &request.key)?.gate.as_ref()?;
    Some(Act::Signal(gate.pid, strength))
}

/// The last word of a step that was followed.
fn end(spool: &Spool, request: &Request) -> String {
    let record = spool.record(&request.run, &request.key);
    match record.and_then(|record| Some((record, record.ended?))) {
        Some((record, ended)) => {
            let (out, err) = (record.out.len(), record.err.len());
            format!("end rc={} out={out} err={err} up={}", ended.status, ended.up)
        }
        None => spool.report(&request.run, &request.key),
    }
}

/// Finds the root, or makes it where a gate may be taken; a refusal's code and text.
fn open(spool: &mut Spool, request: &Request) -> Result<(), (&'static str, String)> {
    if request.root.as_deref().is_some_and(|root| root != spool.root()) {
        let root = request.root.as_deref().unwrap_or_default();
        return Err(("ROOT", format!("there is no folder {root}, and none can be made")));
    }
    let Some(id) = spool.root_id() else {
        if request.root_id.is_some() {
            return Err(("ROOTID", "the records that were here are gone".to_owned()));
        }
        let makes = match request.mode {
            Mode::Start | Mode::Cancel => true,
            Mode::Attach => request.void,
            Mode::Close => false,
        };
        if !makes {
            return Err(("ROOTID", format!("there are no records in {}", spool.root())));
        }
        let Some(new) = &request.new_id else {
            return Err(("BADREQ", "no newid for a new root".to_owned()));
        };
        spool.set_root_id(new);
        return Ok(());
    };
    if request.root_id.as_deref().is_some_and(|pinned| pinned != id) {
        return Err(("ROOTID", format!("the records that were here are gone; these are {id}")));
    }
    Ok(())
}
