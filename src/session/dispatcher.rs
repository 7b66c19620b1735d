//! The loop: the next input, the decision, the line on disk, the belief, the effect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::base::{HostId, Millis, SafeText, Timestamp};
use crate::engine::{
    Actor, Board, Command, Doubt, Effect, End, Event, Genesis, Job, Place, Refusal, RunKind,
    RunStage, State, advance, decide,
};
use crate::exec::ssh::Pool;
use crate::exec::{Edge, Link, Report};
use crate::journal::{Entry, Holder, Journal, JournalError, Lock, LockError, Recovery};
use crate::plan::{self, Plan};

use super::clock::{Clock, machine_name};
use super::handle::{Chunk, Handle, LinkView, Request, SubmitError, TailFact, View};
use super::inputs::{Inputs, InputsError};
use super::output::Outputs;
use super::recovery::Recovered;
use super::store::{Found, Store, StoreError};

/// Facts that a view carries for the audit screen.
const TAIL_MAX: usize = 500;
/// How often time is looked at when nothing else happens.
const TICK: Duration = Duration::from_millis(500);
/// Ticks between two looks at the limits of time.
const TICKS_PER_LIMIT_CHECK: u32 = 10;
/// Reports that share a line of the journal, if they come together.
const REPORTS_AT_ONCE: usize = 256;
/// Commands waiting for the session.
const REQUESTS: usize = 256;

/// All that a session needs to start.
pub struct Start {
    /// Where it is kept.
    pub store: Store,
    /// What it is made from.
    pub inputs: Inputs,
    /// The plan of these inputs; addresses may have been replaced by the practice fleet's.
    pub plan: Arc<Plan>,
    /// What kind of run.
    pub kind: RunKind,
    /// Who drives.
    pub driver: SafeText,
    /// Why kind and environment may disagree, where they do.
    pub overridden: Option<SafeText>,
    /// A name for it, in place of one made from the time.
    pub name: Option<crate::base::SessionId>,
    /// The hosts.
    pub pool: Pool,
    /// Where output goes as it comes, for a screen.
    pub tap: Option<mpsc::Sender<Chunk>>,
    /// The session to take up again, in place of a new one.
    pub resume: Option<Recovered>,
}

/// A session that could not be started. Nothing was sent to any host.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its folder cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its inputs cannot be kept.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// Somebody else drives it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its journal cannot be written or taken up.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its first line was refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The HTTP client for probes cannot be made.
    #[error("cannot read this machine's certificates for HTTP probes: {0}")]
    Http(#[from] reqwest::Error),
    /// The session's thread cannot be started.
    #[error("cannot start the session's thread: {0}")]
    Thread(std::io::Error),
}

/// Starts a session, or takes one up again, on a thread of its own. Its jobs run on the runtime
/// that this is called in.
///
/// The first line is on disk when this returns. The session ends when all handles are gone.
pub fn start(start: &Start) -> Result<(Found, Handle), StartError> {
    start.store.prepare()?;
    let not_before = start.resume.as_ref().map_or_else(Timestamp::default, Recovered::last);
    let clock = Clock::new(not_before);
    let now = clock.now();
    let found = match (&start.resume, &start.name) {
        (Some(recovered), _) => recovered.found.clone(),
        (None, name) => {
            let tail =
                std::process::id() ^ u32::try_from(now.as_unix_millis() & 0xffff).unwrap_or(0);
            let id = name
                .clone()
                .unwrap_or_else(|| start.store.new_id(start.plan.id.as_str(), now, tail));
            Found { dir: start.store.dir(&id), id }
        }
    };
    let holder = Holder::this_process(start.driver.clone(), machine_name(), now);
    let (journal, lock, entries, cut) = if start.resume.is_some() {
        let lock = Lock::acquire(&found.dir, &holder)?;
        // Read again under the lock: another driver may have written since.
        let (journal, entries, cut) = Journal::open(&found.dir)?;
        (journal, lock, entries, cut)
    } else {
        let (journal, lock) = create(start, &found, &holder)?;
        (journal, lock, Vec::new(), None)
    };
    let runtime = tokio::runtime::Handle::current();
    let clock = Arc::new(Mutex::new(clock));
    let (report_sender, reports) = mpsc::unbounded_channel();
    let outputs = Outputs {
        dir: found.dir.clone(),
        clock: Arc::clone(&clock),
        tap: start.tap.clone(),
        dropped: Arc::new(AtomicU64::new(0)),
    };
    let edge =
        Edge::new(&start.plan, start.pool.clone(), Arc::new(outputs), report_sender, runtime)?;
    // The plan of the state has the addresses that are really used; its digest is the inputs'.
    let state = super::recovery::fold(&start.plan, &entries);
    let mut session = Session::new(state, journal, lock, clock, edge, now);
    if let Some(tap) = &start.tap {
        super::output::show_again(&found.dir, &entries, tap);
    }
    let opening = session.opening(start, &found, entries, cut);
    let (requests, receiver) = mpsc::channel(REQUESTS);
    let handle = Handle { requests, views: session.views.subscribe() };
    let (tell, told) = std::sync::mpsc::channel();
    // From its first line on, this thread alone writes the journal.
    std::thread::Builder::new()
        .name("session".to_owned())
        .spawn(move || {
            let opened = opening.iter().try_for_each(|(by, command)| session.submit(by, command));
            let is_open = opened.is_ok();
            if tell.send(opened).is_ok() && is_open {
                session.run(receiver, reports);
            }
        })
        .map_err(StartError::Thread)?;
    let told = told.recv().map_err(|error| StartError::Thread(std::io::Error::other(error)))?;
    told.inspect_err(|_| {
        if start.resume.is_none() {
            std::fs::remove_dir_all(&found.dir).ok(); // Nothing of it was ever recorded.
        }
    })?;
    Ok((found, handle))
}

/// Makes the folder of a new session. What cannot be made whole is taken away again: nothing is
/// half-started, and the name is free.
fn create(start: &Start, found: &Found, holder: &Holder) -> Result<(Journal, Lock), StartError> {
    let path = found.path(crate::journal::JOURNAL_FILE);
    if found.dir.symlink_metadata().is_ok() {
        return Err(JournalError::Exists { path }.into());
    }
    let make = || {
        let journal = Journal::create(&found.dir, &found.id)?;
        let lock = Lock::acquire(&found.dir, holder)?;
        start.inputs.pin(found)?;
        Ok((journal, lock))
    };
    make().inspect_err(|error: &StartError| {
        let lost_the_race = matches!(error, StartError::Journal(JournalError::Exists { .. }));
        if !lost_the_race {
            std::fs::remove_dir_all(&found.dir).ok();
        }
    })
}

struct Session {
    state: Arc<State>,
    board: Board,
    journal: Journal,
    /// Held for as long as the session lives.
    _lock: Lock,
    clock: Arc<Mutex<Clock>>,
    edge: Edge,
    views: watch::Sender<Arc<View>>,
    wakes: BTreeSet<Timestamp>,
    links: Arc<BTreeMap<HostId, LinkView>>,
    tail: VecDeque<Arc<TailFact>>,
    not_recorded: Option<SafeText>,
    /// Ends that came after the record had failed.
    unrecorded: Arc<BTreeMap<Job, End>>,
    ticks: u32,
}

impl Session {
    fn new(
        state: State,
        journal: Journal,
        lock: Lock,
        clock: Arc<Mutex<Clock>>,
        edge: Edge,
        now: Timestamp,
    ) -> Self {
        let board = Board::new(state.plan(), now);
        let hosts = state.plan().hosts.keys();
        let links = hosts.map(|host| (host.clone(), LinkView::Idle)).collect();
        let links: Arc<BTreeMap<_, _>> = Arc::new(links);
        let head = journal.head();
        let view = View {
            state: Arc::new(state.clone()),
            board: Arc::new(board.clone()),
            seq: head.seq,
            head: head.seal.short(),
            not_recorded: None,
            unrecorded: Arc::default(),
            links: Arc::clone(&links),
            tail: VecDeque::new(),
            at: now,
        };
        Self {
            state: Arc::new(state),
            board,
            journal,
            _lock: lock,
            clock,
            edge,
            views: watch::Sender::new(Arc::new(view)),
            wakes: BTreeSet::new(),
            links,
            tail: VecDeque::new(),
            not_recorded: None,
            unrecorded: Arc::default(),
            ticks: 0,
        }
    }

    /// What the first line says, or the line that says that the session is taken up again; and
    /// that a crash had left half a line, and where it is kept.
    fn opening(
        &mut self,
        start: &Start,
        found: &Found,
        entries: Vec<Entry>,
        cut: Option<Recovery>,
    ) -> Vec<(Actor, Command)> {
        let driver = start.driver.clone();
        let by = Actor::Operator(driver.clone());
        let machine = machine_name();
        let first = if let Some(last) = entries.last().map(|entry| entry.at) {
            let away = self.now().since(last);
            let skipped = entries.len().saturating_sub(TAIL_MAX);
            entries.into_iter().skip(skipped).for_each(|entry| self.remember(entry));
            Command::Resume { driver, machine, away }
        } else {
            Command::Open(Genesis {
                session: found.id.clone(),
                kind: start.kind,
                version: SafeText::new(env!("CARGO_PKG_VERSION")),
                runbook: start.plan.id.clone(),
                title: start.plan.title.clone(),
                plan: start.plan.digest,
                driver,
                machine,
                environment: start.plan.environment.clone(),
                overridden: start.overridden.clone(),
            })
        };
        let note = cut.map(|cut| {
            let text = format!(
                "a crash had left {} bytes of an unfinished line; they are kept in {}",
                cut.cut_bytes,
                cut.kept.display()
            );
            (Actor::Engine, Command::Note { step: None, text })
        });
        std::iter::once((by, first)).chain(note).collect()
    }

    fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the session has no runtime");
                return;
            }
        };
        self.edge.warm();
        let clock = Arc::clone(&self.clock);
        self.edge.watch_health(move || now_of(&clock));
        let mut batch = Vec::new();
        runtime.block_on(async {
            let mut next_tick = Instant::now();
            loop {
                // Looked at first, so that no flood of reports can keep time from passing.
                let due = self.next_wake().min(next_tick);
                if due <= Instant::now() {
                    self.tick();
                    next_tick = Instant::now() + TICK;
                    continue;
                }
                tokio::select! {
                    biased;
                    request = requests.recv() => match request {
                        None => break,
                        Some(Request { by, command, answer }) => {
                            let result = self.submit(&by, &command);
                            answer.send(result).ok();
                        }
                    },
                    count = reports.recv_many(&mut batch, REPORTS_AT_ONCE) => match count {
                        0 => break,
                        _ => self.take_reports(&mut batch),
                    },
                    () = tokio::time::sleep_until(due) => {}
                }
            }
        });
        tracing::debug!("the session has ended");
    }

    /// When the next timer of the engine is due.
    fn next_wake(&self) -> Instant {
        let now = self.now();
        Instant::now() + self.wakes.first().map_or(TICK, |at| at.since(now).to_std())
    }

    fn now(&self) -> Timestamp {
        now_of(&self.clock)
    }

    /// Carries out `command`: decide, write down, believe, and only then do.
    ///
    /// If this returns an error, nothing was done outside. If the program dies between the two
    /// halves, the journal says that the attempt started and nothing more, and the resume puts
    /// it in doubt instead of running it a second time.
    fn submit(&mut self, by: &Actor, command: &Command) -> Result<(), SubmitError> {
        self.submit_all(&[(by, command)])
    }

    /// The same for commands that came together: one line, one wait for the disk.
    ///
    /// A single command that is refused is an error; among several it is passed over.
    fn submit_all(&mut self, commands: &[(&Actor, &Command)]) -> Result<(), SubmitError> {
        if let Some(why) = &self.not_recorded {
            return Err(SubmitError::NotRecorded(why.clone()));
        }
        let stamp = self.clock.lock().unwrap_or_else(PoisonError::into_inner).stamp();
        let mut next = Arc::clone(&self.state);
        let (mut facts, mut effects, mut refused) = (Vec::new(), Vec::new(), None);
        for (by, command) in commands {
            if **command == Command::Wake && decide(&next, command, stamp.at)?.is_empty() {
                continue; // Most timers: nothing is due.
            }
            match advance(&next, by, command, stamp.at) {
                Ok(advance) => {
                    facts.extend(advance.facts);
                    effects.extend(advance.effects);
                    next = Arc::new(advance.state);
                }
                Err(refusal) => refused = Some(refusal),
            }
        }
        if facts.is_empty() {
            return refused.map_or(Ok(()), |refusal: Refusal| Err(refusal.into()));
        }
        let written = self.journal.append(&stamp, &facts); // 1. on disk
        let entry = written.map_err(|error| match error {
            // The disk is well, and so is the journal: only this cannot be said in one line.
            JournalError::Unwritable { .. } => {
                SubmitError::NotRecorded(SafeText::new(&error.to_string()))
            }
            JournalError::Io { .. }
            | JournalError::Exists { .. }
            | JournalError::Poisoned { .. }
            | JournalError::Broken { .. }
            | JournalError::Foreign { .. }
            | JournalError::Empty { .. } => self.recording_failed(&error),
        })?;
        self.remember(entry);
        self.state = next; // 2. in memory
        for effect in effects {
            match effect {
                Effect::WakeAt(at) => {
                    self.wakes.insert(at);
                }
                effect @ (Effect::Run(_)
                | Effect::Follow(_)
                | Effect::LetGo(_)
                | Effect::Stop(_)
                | Effect::Notify { .. }) => {
                    self.edge.perform(effect); // 3. outside
                }
            }
        }
        self.show();
        Ok(())
    }

    fn remember(&mut self, entry: Entry) {
        let Entry { seq, at, facts, .. } = entry;
        let facts = facts.into_iter().map(|fact| Arc::new(TailFact { seq, at, fact }));
        self.tail.extend(facts);
        let extra = self.tail.len().saturating_sub(TAIL_MAX);
        self.tail.drain(..extra);
    }

    /// The record has failed: nothing new starts, what runs goes on, and everybody sees it.
    fn recording_failed(&mut self, error: &JournalError) -> SubmitError {
        let why = SafeText::new(&error.to_string());
        tracing::error!(%why, "the journal cannot be written");
        self.not_recorded = Some(why.clone());
        self.show();
        SubmitError::NotRecorded(why)
    }

    /// Shows the newest view to whoever watches.
    fn show(&self) {
        let head = self.journal.head();
        self.views.send_replace(Arc::new(View {
            state: Arc::clone(&self.state),
            board: Arc::new(self.board.clone()),
            seq: head.seq,
            head: head.seal.short(),
            not_recorded: self.not_recorded.clone(),
            unrecorded: Arc::clone(&self.unrecorded),
            links: Arc::clone(&self.links),
            tail: self.tail.clone(),
            at: self.now(),
        }));
    }

    /// Takes in all reports that have come together; what they say is recorded as one line.
    fn take_reports(&mut self, reports: &mut Vec<Report>) {
        let mut decided = Vec::new();
        for report in reports.drain(..) {
            decided.extend(self.command_of(report));
        }
        if decided.is_empty() {
            return self.show();
        }
        let together: Vec<_> = decided.iter().map(|(by, command)| (by, command)).collect();
        match self.submit_all(&together) {
            Ok(()) => {}
            Err(SubmitError::NotRecorded(why)) => {
                for (by, command) in decided {
                    self.not_taken(&by, command, &why);
                }
                self.show();
            }
            Err(error @ (SubmitError::Refused(_) | SubmitError::Gone)) => {
                tracing::debug!(%error, "a report was not taken");
                self.show();
            }
        }
    }

    /// A report that could not be recorded together with the others. What ended is not forgotten:
    /// it is shown as ended, and said to be in no record.
    fn not_taken(&mut self, by: &Actor, command: Command, why: &SafeText) {
        if self.not_recorded.is_none() {
            match self.submit(by, &command) {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "a report was not taken"),
            }
        }
        let Command::Ended { job, end, transcript } = command else { return };
        if self.not_recorded.is_none() {
            // It says too much for a line of the journal: what is left is that it ended.
            let why = format!("how it ended cannot be recorded: {why}");
            let end = End::unknown(Doubt::Unrecorded, &why);
            return self.submit_report(by, &Command::Ended { job, end, transcript });
        }
        Arc::make_mut(&mut self.unrecorded).insert(job, end);
    }

    /// What a report asks to decide; nothing where it only changes what is shown.
    fn command_of(&mut self, report: Report) -> Option<(Actor, Command)> {
        match report {
            Report::Ended { job, end, transcript } => {
                let by = match &job.place {
                    Place::Host(host) => Actor::Host(host.clone()),
                    Place::Here => Actor::Engine,
                };
                Some((by, Command::Ended { job, end, transcript }))
            }
            Report::Sighted { job, sight } => {
                let by = match &job.place {
                    Place::Host(host) => Actor::Host(host.clone()),
                    Place::Here => Actor::Engine,
                };
                Some((by, Command::Sighted { job, sight }))
            }
            Report::Silent { job, quiet } => Some((Actor::Clock, Command::Silent { job, quiet })),
            Report::Reading { probe, reading } => {
                let change = self.board.take(&probe, reading)?;
                Some((Actor::Probe(probe), Command::Health(change)))
            }
            Report::Link { host, link } => self.link(host, link),
            Report::NoticeLost { why } => {
                let text = format!("a notice was not delivered: {why}");
                Some((Actor::Engine, Command::Note { step: None, text }))
            }
        }
    }

    fn link(&mut self, host: HostId, link: Link) -> Option<(Actor, Command)> {
        let view = match &link {
            Link::Connecting => LinkView::Connecting,
            Link::Up => LinkView::Up,
            Link::Down(why) => LinkView::Down(why.clone()),
        };
        let was = Arc::make_mut(&mut self.links).insert(host.clone(), view);
        let down = match link {
            Link::Connecting => return None,
            Link::Up if !self.state.links_down().contains_key(&host) => return None,
            Link::Up => None,
            Link::Down(why) if was == Some(LinkView::Down(why.clone())) => return None,
            Link::Down(why) => Some(why),
        };
        Some((Actor::Host(host.clone()), Command::Link { host, down }))
    }

    /// A report is decided like a key press; when it is refused, nobody is there to tell.
    fn submit_report(&mut self, by: &Actor, command: &Command) {
        if let Err(error) = self.submit(by, command) {
            tracing::debug!(%error, "a report was not taken");
        }
    }

    /// Time has passed.
    fn tick(&mut self) {
        let now = self.now();
        let later = self.wakes.split_off(&now.after(Millis::new(1)));
        self.wakes = later;
        self.submit_report(&Actor::Clock, &Command::Wake);
        for change in self.board.tick(now) {
            let by = Actor::Probe(change.probe.clone());
            self.submit_report(&by, &Command::Health(change));
        }
        let jump = self.clock.lock().unwrap_or_else(PoisonError::into_inner).jump();
        if let Some(millis) = jump {
            self.submit_report(&Actor::Clock, &Command::ClockJump { millis });
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_PER_LIMIT_CHECK) {
            self.check_limits(now);
        }
    }

    /// Raises the alarms about time, where the plan has a window.
    fn check_limits(&mut self, now: Timestamp) {
        let plan: &Plan = self.state.plan();
        let Some(window) = &plan.window else { return };
        let limit = if self.state.stage() == RunStage::Active {
            let forecast = plan::forecast(plan, &self.state.progress(), now);
            let latest_safe = forecast.backout.latest_safe.map(|at| plan::signed(now, at));
            Command::Limit { latest_safe, window: Some(plan::signed(now, window.closes)) }
        } else {
            // Nothing is left to decide in time: the alarms about it end.
            Command::Limit { latest_safe: None, window: None }
        };
        self.submit_report(&Actor::Clock, &limit);
    }
}

fn now_of(clock: &Mutex<Clock>) -> Timestamp {
    clock.lock().unwrap_or_else(PoisonError::into_inner).now()
}

impl View {
    /// Whether the last word of the journal closes the session.
    pub fn is_closed(&self) -> bool {
        self.tail.back().is_some_and(|last| last.fact.event == Event::Closed)
    }
}
