//! The line of conduct for one durable step on one host, without clocks, sockets or chance: what
//! happened goes in, what is to be done comes out. What carries it out is in `drive.rs`.
//!
//! # Invariants
//!
//! - One conduct knows one key, and asks for one start of it at most.
//! - Once the step may have left, whatever is uncertain is asked of the host, for as long as it
//!   takes; only the host's word ends it, or a person who lets it go.
//! - "It did not run" is said only if the step itself never left, or the host made it unable to.

use std::mem;

use crate::base::{Millis, SafeText};
use crate::engine::{Begun, Doubt, Sight, Sync};

use super::fate::{Act, Ask, Fate, Heard, Line, Over, Want};
use super::wire::{Home, Process, Standing, Word};

/// How long the last bytes may take after the end of the step, before they are asked for.
pub(super) const LAST_BYTES: u64 = 300;
/// How long the host may take for its first word.
const ANSWER_MAX: u64 = 30_000;
/// The first pause before a new trial is at most this long; each doubles.
const PAUSE: u64 = 500;
/// The longest.
const PAUSE_MAX: u64 = 15_000;
/// So often no key is accepted before nothing more is tried until somebody asks.
const AUTH_MAX: u32 = 3;

/// What is known before the first word.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The host, for words.
    pub host: String,
    /// It is looked for, not started.
    pub follow: bool,
    /// Where it was heard to begin.
    pub begun: Option<Begun>,
    /// The host has answered our protocol before.
    pub known: bool,
    /// It ends with a reboot of its host.
    pub reboot: bool,
    /// It reads an input that is sent with it.
    pub input: bool,
    /// How far starts on that host outlive a power cut, where a start said so.
    pub sync: Option<Sync>,
    /// What the pauses are drawn from.
    pub seed: u64,
}

/// A call, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) ask: Ask,
    /// Its `hello` came.
    pub(super) answered: bool,
    /// It is given up at this time.
    pub(super) until: Option<u64>,
    /// How the process that served it ended.
    pub(super) status: Option<String>,
    /// The step's bytes were asked for, or come unasked.
    pub(super) wanted: bool,
    /// They are asked for at this time, unless the step has ended by then.
    pub(super) want: Option<u64>,
}

/// The last word about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Final {
    pub(super) standing: Standing,
    pub(super) code: i32,
    pub(super) out: u64,
    pub(super) err: u64,
}

/// What a stopping has come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Stopping {
    pub(super) grace: Millis,
    /// How the step stands after it.
    pub(super) found: Option<Standing>,
    pub(super) alive: Vec<SafeText>,
    pub(super) done: bool,
}

/// See the top of this file.
#[derive(Debug)]
pub struct Conduct {
    pub(super) before: Before,
    pub(super) now: u64,
    pub(super) began: u64,
    pub(super) luck: u64,
    /// The step itself may have left.
    pub(super) sent: bool,
    pub(super) begun: Option<Begun>,
    pub(super) home: Option<Home>,
    pub(super) out: u64,
    pub(super) err: u64,
    pub(super) last: Option<Final>,
    /// The last bytes are awaited until then.
    pub(super) late: Option<u64>,
    /// Calls in a row that ended in order and short of bytes.
    pub(super) short: u32,
    pub(super) watch: Option<Call>,
    pub(super) stopping: Option<Stopping>,
    pub(super) stop: Option<Call>,
    /// It was seen in this process, and not told to be lost since.
    pub(super) in_sight: bool,
    /// It was told to be out of sight, and nothing else since.
    pub(super) told_lost: bool,
    /// When it was last seen in this process.
    pub(super) seen: Option<u64>,
    pub(super) orphan: bool,
    /// It has ended, and its host is to be rebooted still.
    pub(super) awaits_reboot: bool,
    pub(super) tries: u32,
    pub(super) refusals: u32,
    pub(super) retry: Option<u64>,
    pub(super) acts: Vec<Act>,
    pub(super) over: bool,
}

impl Conduct {
    /// The conduct that begins at `now`, in milliseconds of any clock that never goes back.
    pub fn new(before: Before, now: u64) -> Self {
        let follow = before.follow;
        Self {
            now,
            began: now,
            luck: before.seed | 1,
            sent: follow,
            begun: before.begun.clone(),
            before,
            home: None,
            out: 0,
            err: 0,
            last: None,
            late: None,
            short: 0,
            watch: None,
            stopping: None,
            stop: None,
            in_sight: false,
            told_lost: follow,
            seen: None,
            orphan: false,
            awaits_reboot: false,
            tries: 0,
            refusals: 0,
            retry: Some(now),
            acts: Vec::new(),
            over: false,
        }
    }

    /// Takes in what happened together at `now`, and gives back what is to be done, in order.
    ///
    /// What an answer brought together is the answer of one call: once that is to be hung up, the
    /// rest of it is nobody's. Its bytes are kept by now, so they are heard first.
    pub fn hear(&mut self, heard: impl Into<Vec<Heard>>, now: u64) -> Vec<Act> {
        let mut heard = heard.into();
        heard.sort_by_key(|heard| !matches!(heard, Heard::Bytes(..)));
        let mut acts: Vec<Act> = Vec::new();
        for heard in heard {
            let hung_up = acts.iter().any(|act| matches!(act, Act::HangUp(_)));
            if !(hung_up && heard.is_of_a_call()) {
                acts.extend(self.take(heard, now));
            }
        }
        acts
    }

    fn take(&mut self, heard: Heard, now: u64) -> Vec<Act> {
        self.now = self.now.max(now);
        if self.over {
            return Vec::new();
        }
        match heard {
            Heard::Word(Line::Watch, word) if self.watch.is_some() => self.watched(word),
            Heard::Word(Line::Stop, word) if self.stop.is_some() => self.stopped(word),
            Heard::Bytes(out, err) => {
                self.out = self.out.saturating_add(out);
                self.err = self.err.saturating_add(err);
                self.short = 0;
                if self.late.is_some() {
                    self.late = Some(self.now.saturating_add(LAST_BYTES));
                }
                self.settle();
            }
            Heard::Opened(line) => {
                if let Some(call) = self.call(line) {
                    call.until = Some(now.saturating_add(ANSWER_MAX));
                }
                self.payload_left(Ask::Start { whole: true });
            }
            Heard::Status(line, how) => {
                if let Some(call) = self.call(line) {
                    call.until = Some(now.saturating_add(LAST_BYTES));
                    call.status = Some(how);
                }
            }
            Heard::Over(line, over) => self.call_over(line, &over),
            Heard::Stop(grace) => self.stop_asked(grace),
            Heard::LetGo => self.end(Fate::LetGo),
            Heard::Reachable => {
                self.refusals = 0;
                if self.retry.is_some() || self.is_idle() {
                    self.retry = Some(self.now);
                }
            }
            Heard::Word(..) | Heard::Time => {}
        }
        self.time();
        mem::take(&mut self.acts)
    }

    /// When it wants to be told that time has passed.
    pub fn wake(&self) -> Option<u64> {
        if self.over {
            return None;
        }
        let until = |call: &Option<Call>| call.as_ref().and_then(|call| call.until);
        let want = self.watch.as_ref().and_then(|call| call.want);
        let all = [self.retry, self.late, until(&self.watch), until(&self.stop), want];
        all.into_iter().flatten().min()
    }

    /// Whether nothing will happen before somebody asks, or the host answers others.
    pub fn is_idle(&self) -> bool {
        !self.over && self.watch.is_none() && self.stop.is_none() && self.retry.is_none()
    }

    /// Where the host keeps what it knows of the step; where it was heard of.
    pub fn home(&self) -> Option<(&str, &str)> {
        let home = self.home.as_ref().map(|home| (home.root.as_str(), home.root_id.as_str()));
        home.or_else(|| self.begun.as_ref().map(|it| (it.root.as_str(), it.root_id.as_str())))
    }

    pub(super) fn call(&mut self, line: Line) -> Option<&mut Call> {
        match line {
            Line::Watch => self.watch.as_mut(),
            Line::Stop => self.stop.as_mut(),
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.before.host
    }

    // ---- what is done -----------------------------------------------------------------------

    pub(super) fn open(&mut self, line: Line, ask: Ask) {
        let wanted = !matches!(ask, Ask::Start { .. });
        let call = Call { ask, answered: false, until: None, status: None, wanted, want: None };
        match line {
            Line::Watch => self.watch = Some(call),
            Line::Stop => self.stop = Some(call),
        }
        self.acts.push(Act::Call(line, ask));
    }

    pub(super) fn hang_up(&mut self, line: Line) {
        let call = match line {
            Line::Watch => self.watch.take(),
            Line::Stop => self.stop.take(),
        };
        if call.is_some() {
            self.acts.push(Act::HangUp(line));
        }
    }

    pub(super) fn end(&mut self, fate: Fate) {
        if self.over {
            return;
        }
        self.hang_up(Line::Watch);
        self.hang_up(Line::Stop);
        self.over = true;
        self.acts.push(Act::End(fate));
    }

    pub(super) fn doubt(&mut self, doubt: Doubt, why: &str) {
        let why = format!("{}: {why}", self.host());
        self.end(Fate::Unknown(doubt, why));
    }

    pub(super) fn never(&mut self, why: &str) {
        let why = format!("{}: {why}", self.host());
        self.end(Fate::NotStarted(why));
    }

    /// It cannot be watched any more: said once, tried again after a pause.
    pub(super) fn lost(&mut self, why: &str, quiet: Millis) {
        self.seen = self.seen.map(|_| self.now.saturating_sub(quiet.as_millis()));
        // A host that goes down for a reboot is out of sight by intent.
        if mem::take(&mut self.in_sight) && !self.before.reboot {
            self.told_lost = true;
            self.acts.push(Act::Tell(Sight::Lost { why: SafeText::new(why), proved: quiet }));
        }
        self.pause();
    }

    /// Exponential with full jitter, so that a fleet does not march in step.
    pub(super) fn pause(&mut self) {
        let most = PAUSE.saturating_mul(1 << self.tries.min(5)).min(PAUSE_MAX);
        self.tries = self.tries.saturating_add(1);
        self.luck ^= self.luck << 13;
        self.luck ^= self.luck >> 7;
        self.luck ^= self.luck << 17;
        let pause = self.luck.checked_rem(most).unwrap_or(0);
        self.retry = Some(self.now.saturating_add(pause));
    }

    /// Opens the calls that are needed and not open.
    pub(super) fn resume(&mut self) {
        self.retry = None;
        if !self.sent {
            if self.watch.is_none() {
                self.start();
            }
            return;
        }
        let stopping = self.stopping.as_ref().filter(|stopping| !stopping.done);
        if let Some(grace) = stopping.map(|stopping| stopping.grace) {
            if self.stop.is_none() {
                self.open(Line::Stop, Ask::Cancel { grace });
            }
        } else if self.watch.is_none() {
            self.attach();
        }
    }

    pub(super) fn start(&mut self) {
        if self.stopping.is_some() {
            return self.never("stopped before it was sent");
        }
        let whole = self.before.known;
        self.sent = whole;
        self.open(Line::Watch, Ask::Start { whole });
    }

    pub(super) fn attach(&mut self) {
        let void = self.begun.is_none() && self.last.is_none();
        self.late = None;
        self.open(Line::Watch, Ask::Attach { out: self.out, err: self.err, void });
    }

    /// What is due by now.
    pub(super) fn time(&mut self) {
        let now = self.now;
        let due = move |at: Option<u64>| at.is_some_and(|at| at <= now);
        if self.over {
            return;
        }
        if due(self.late) {
            self.late = None;
            self.hang_up(Line::Watch);
            self.again_for_bytes();
        }
        if due(self.watch.as_ref().and_then(|call| call.want)) {
            self.want(Want::Follow);
        }
        if due(self.watch.as_ref().and_then(|call| call.until)) {
            self.acts.push(Act::HangUp(Line::Watch));
            self.give_up(Line::Watch);
        }
        if due(self.stop.as_ref().and_then(|call| call.until)) {
            self.acts.push(Act::HangUp(Line::Stop));
            self.give_up(Line::Stop);
        }
        if due(self.retry) && !self.over {
            self.resume();
        }
    }

    /// A call says nothing more, or its process has ended.
    pub(super) fn give_up(&mut self, line: Line) {
        let status = self.call(line).and_then(|call| call.status.take());
        let slow = || {
            let why = format!("no answer in {} s", ANSWER_MAX / 1_000);
            Over::Lost { why, quiet: Millis::ZERO }
        };
        let over = status.map_or_else(slow, |how| Over::Closed { how });
        self.call_over(line, &over);
    }

    // ---- what is heard ----------------------------------------------------------------------

    pub(super) fn watched(&mut self, word: Word) {
        match word {
            Word::Hello(home) => self.hello(home),
            Word::Started { process, group, sync } => {
                self.spoke();
                self.begins(&process, (group, sync), true);
                if self.before.input {
                    self.want_soon();
                }
            }
            Word::State { standing, process, code, out, err } => {
                self.spoke();
                // One of two starts at once that lost may have to be asked; where the bytes come
                // unasked, nobody minds.
                self.want(Want::Follow);
                self.stands(
                    standing,
                    &process,
                    Final { standing, code: code.unwrap_or(0), out, err },
                );
            }
            Word::End { code, out, err } => {
                self.last = Some(Final { standing: Standing::Exited, code, out, err });
                self.late = Some(self.now.saturating_add(LAST_BYTES));
                if self.out < out || self.err < err {
                    self.want(Want::Rest);
                }
                self.settle();
            }
            // It closes by itself, in order: only then it is known that a byte did not come.
            Word::Done => {
                self.late = Some(self.now.saturating_add(ANSWER_MAX));
            }
            Word::Error { code, text } => self.error(&code, &text),
            Word::Alive(_) | Word::Strayed(_) | Word::Strange(_) => {}
        }
    }

    pub(super) fn hello(&mut self, home: Home) {
        self.home = Some(home);
        self.refusals = 0;
        let Some(call) = self.watch.as_mut() else { return };
        call.answered = true;
        call.until = None;
        if call.ask == (Ask::Start { whole: false }) && !self.sent {
            self.sent = true;
            self.acts.push(Act::Payload);
            self.payload_left(Ask::Start { whole: false });
        }
    }

    pub(super) fn spoke(&mut self) {
        if !self.awaits_reboot {
            self.tries = 0;
        }
        if let Some(call) = self.watch.as_mut() {
            call.until = None;
        }
    }

    /// The host says that it has begun: told once.
    pub(super) fn begins(&mut self, process: &Process, (group, sync): (bool, Sync), lives: bool) {
        let Some(pid) = process.pid else { return };
        self.seen = Some(self.now);
        self.in_sight = true;
        let was_lost = mem::take(&mut self.told_lost);
        if self.begun.is_some() {
            if was_lost && lives {
                self.acts.push(Act::Tell(Sight::Back));
            }
            return;
        }
        let (root, root_id) = self.home().unwrap_or_default();
        let begun = Begun {
            pid,
            born: process.born,
            boot: SafeText::new(&process.boot),
            root: SafeText::new(root),
            root_id: SafeText::new(root_id),
            sync,
            group,
        };
        self.begun = Some(begun.clone());
        self.acts.push(Act::Tell(Sight::Began(begun)));
    }

    pub(super) fn stands(&mut self, standing: Standing, process: &Process, last: Final) {
        let lives = matches!(standing, Standing::Running | Standing::Orphan);
        if lives || matches!(standing, Standing::Exited | Standing::Lost | Standing::Rebooted) {
            // The start that said how it is synced was not heard.
            let sync = self.before.sync.unwrap_or(Sync::None);
            self.begins(process, (true, sync), lives);
        }
        match standing {
            Standing::Running | Standing::Orphan => {
                if standing == Standing::Orphan && !mem::replace(&mut self.orphan, true) {
                    self.acts.push(Act::Tell(Sight::Orphan));
                }
            }
            // Not the answer to a request that makes it void.
            Standing::Absent | Standing::Staged if self.begun.is_none() => {
                self.hang_up_and_ask("it says neither that the step ran nor that it never will");
            }
            Standing::Exited
            | Standing::Lost
            | Standing::Rebooted
            | Standing::Void
            | Standing::Absent
            | Standing::Staged => {
                self.last = Some(last);
                self.settle();
            }
        }
    }

    pub(super) fn error(&mut self, code: &str, text: &str) {
        let why = format!("{code}: {text}");
        let Some(ask) = self.watch.as_ref().map(|call| call.ask) else { return };
        match (ask, code) {
            (Ask::Start { .. }, _) if self.begun.is_some() => self.hang_up_and_ask(&why),
            (Ask::Start { .. }, "CONFLICT") | (Ask::Attach { .. }, "ROOT" | "ROOTID") => {
                self.doubt(Doubt::Forgotten, &why);
            }
            (Ask::Start { .. }, "ROOTID") => self.never(&format!(
                "{why}: whether an earlier attempt at this step runs there cannot be asked any more. Look \
                 there first; a further attempt starts without asking"
            )),
            (Ask::Start { .. }, "NOLINK" | "IDENT") => self.end(Fate::Attached(why)),
            (Ask::Start { .. }, _) => self.never(&why),
            (Ask::Attach { .. } | Ask::Cancel { .. }, _) => self.hang_up_and_ask(&why),
        }
    }

    pub(super) fn hang_up_and_ask(&mut self, why: &str) {
        self.hang_up(Line::Watch);
        self.lost(why, Millis::ZERO);
    }

    pub(super) fn call_over(&mut self, line: Line, over: &Over) {
        match line {
            Line::Watch => {
                let Some(call) = self.watch.take() else { return };
                if !self.unstarted(&call, over) {
                    self.watch_over(over);
                }
            }
            Line::Stop => {
                if self.stop.take().is_some() {
                    self.retry_unless_refused(over);
                }
            }
        }
    }

    /// The call that should have started the step ended before the step itself left.
    pub(super) fn unstarted(&mut self, call: &Call, over: &Over) -> bool {
        let Ask::Start { whole } = call.ask else { return false };
        if let Over::NotOpened { why, .. } | Over::Refused { why } = over {
            self.end(Fate::NotStarted(why.clone()));
            return true;
        }
        if whole || self.sent {
            return false;
        }
        match over {
            Over::NotOpened { why, .. } | Over::Refused { why } | Over::Lost { why, .. } => {
                self.end(Fate::NotStarted(why.clone()));
            }
            Over::Closed { how } => {
                let why = format!(
                    "it answered {how} in place of our shell: a forced command, a restricted shell, or no POSIX shell"
                );
                self.end(Fate::Attached(why));
            }
            Over::Noise => {
                let why = "its login scripts print so much that its answer is not found";
                self.end(Fate::Attached(why.to_owned()));
            }
        }
        true
    }

    pub(super) fn watch_over(&mut self, over: &Over) {
        if self.last.is_some() && matches!(over, Over::Closed { .. }) {
            self.late = None;
            return self.again_for_bytes();
        }
        self.late = None;
        match over {
            Over::Lost { why, quiet } => self.lost(why, *quiet),
            Over::Closed { how } => self.lost(&format!("the call ended: {how}"), Millis::ZERO),
            Over::NotOpened { why, .. } | Over::Refused { why } => self.lost(why, Millis::ZERO),
            Over::Noise => self.lost("its login scripts print too much", Millis::ZERO),
        }
        self.retry_unless_refused(over);
    }

    pub(super) fn retry_unless_refused(&mut self, over: &Over) {
        if self.retry.is_none() {
            self.pause();
        }
        if let Over::NotOpened { auth: true, why } = over {
            self.refusals = self.refusals.saturating_add(1);
            // What was never seen here has been told to be lost by the resume.
            if self.refusals == AUTH_MAX
                && let Some(seen) = self.seen
            {
                let why = format!(
                    "{why}; no key is tried any more until the host is reached otherwise, or a stop is asked"
                );
                let proved = Millis::new(self.now.saturating_sub(seen));
                self.told_lost = true;
                self.acts.push(Act::Tell(Sight::Lost { why: SafeText::new(&why), proved }));
            }
            if self.refusals >= AUTH_MAX {
                self.retry = None;
            }
        }
    }
}
