//! The loop: the next input, the decision, the line on disk, the belief, the effect.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Actor, Command, Effect, Genesis, RunKind, State, decide};
use crate::exec::ssh::Pool;
use crate::exec::{Edge, Report, Secrets};
use crate::journal::{
    Disk, Entry, Holder, Journal, JournalError, Lock, LockError, RealDisk, Recovery, has_outputs,
};
use crate::plan::Plan;

use super::clock::{Clock, Still, machine_name};
use super::core::Core;
use super::fallback;
use super::handle::{Chunk, Handle, Request, SubmitError, View};
use super::inputs::{Inputs, InputsError};
use super::notary::{Notary, Office};
use super::output::Outputs;
use super::recovery::Recovered;
use super::shell::Shells;
use super::store::{Found, Store, StoreError};

/// How often time is looked at when nothing else happens.
const TICK: Duration = Duration::from_millis(500);
/// Reports that share a line of the journal, if they come together.
const REPORTS_AT_ONCE: usize = 256;
/// So long does the end of a session wait for notices that are under way.
const NOTICES_MAX: Duration = Duration::from_secs(10);
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
    /// The values of the plan's secrets.
    pub secrets: Secrets,
    /// Where output goes as it comes, for a screen.
    pub tap: Option<mpsc::Sender<Chunk>>,
    /// The session to take up again, in place of a new one.
    pub resume: Option<Recovered>,
    /// The session that is taken up goes on by [`Start::plan`] and [`Start::inputs`] in the place
    /// of its own, as the first thing that happens.
    pub replan: Option<Replan>,
    /// Who signs the record; none: it has no checkpoints either.
    pub notary: Option<Notary>,
}

/// Another plan for a session that is taken up.
#[derive(Clone, Debug)]
pub struct Replan {
    /// The plan that it goes by until then, with the addresses that are really used.
    pub before: Arc<Plan>,
    /// Why.
    pub reason: SafeText,
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
    let found = place_of(start, now);
    let disk = RealDisk::shared();
    let holder = Holder::this_process(start.driver.clone(), machine_name(), now);
    let (mut journal, lock, entries, cut) = if start.resume.is_some() {
        let lock = Lock::acquire(&found.dir, &holder)?;
        // Read again under the lock: another driver may have written since.
        let (journal, entries, cut) = Journal::open_on(&disk, &found.dir)?;
        (journal, lock, entries, cut)
    } else {
        let (journal, lock) = create(start, &disk, &found, &holder)?;
        (journal, lock, Vec::new(), None)
    };
    if let Err(error) = journal.keep_room() {
        tracing::warn!(%error, "no room is kept for the last words of a full disk");
    }
    fall_back(&mut journal, &found);
    let runtime = tokio::runtime::Handle::current();
    let clock = Arc::new(Mutex::new(clock));
    let (report_sender, reports) = mpsc::unbounded_channel();
    let unrecorded = Arc::new(AtomicBool::new(false));
    let shells = Shells {
        pool: start.pool.clone(),
        secrets: start.secrets.clone(),
        disk: Arc::clone(&disk),
        dir: found.dir.clone(),
        away: journal.fallback().map(std::path::Path::to_owned),
        clock: Arc::clone(&clock),
        runtime: runtime.clone(),
    };
    let outputs = Outputs {
        disk: Arc::clone(&disk),
        dir: found.dir.clone(),
        away: journal.fallback().map(std::path::Path::to_owned),
        clock: Arc::clone(&clock),
        tap: start.tap.clone(),
        dropped: Arc::new(AtomicU64::new(0)),
        unrecorded: Arc::clone(&unrecorded),
        reports: report_sender.clone(),
    };
    if start.resume.is_some() && !start.secrets.is_empty() {
        // A secret may have another value now: what is written already was not searched for it.
        let (dir, secrets) = (found.dir.clone(), start.secrets.clone());
        let reports = report_sender.clone();
        runtime.spawn_blocking(move || {
            if let Err(error) = super::late::look_back(&dir, &secrets, &reports) {
                tracing::warn!(%error, "what was written before cannot be searched for secrets");
            }
        });
    }
    let office = Office::open(start, &disk, &found, &runtime)?;
    let (plan, pool, secrets) = (&start.plan, start.pool.clone(), start.secrets.clone());
    let edge = Edge::new(plan, pool, Arc::new(outputs), report_sender, runtime, &secrets)?;
    // The plan of the state has the addresses that are really used; its digest is the inputs'.
    let state = super::recovery::fold(&first_plan(start), &entries);
    hold_to_keys(&start.pool, &state);
    let desk = office.desk();
    let mut core = Core::new(state, journal, now).with(office);
    edge.recall(core.state());
    let ahead = core.ahead().clone();
    let opening = opening(&mut core, start, &found, &*disk, (entries, cut), now)?;
    let views = watch::Sender::new(Arc::new(core.view(now)));
    let mut session =
        Session { core, _lock: lock, clock, edge, views, unrecorded, secrets, closing: None };
    let (requests, receiver) = mpsc::channel(REQUESTS);
    let handle = Handle { requests, views: session.views.subscribe(), desk, ahead, shells };
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

/// Where the session is kept: where it was, or in a folder of its own.
fn place_of(start: &Start, now: Timestamp) -> Found {
    match (&start.resume, &start.name) {
        (Some(recovered), _) => recovered.found.clone(),
        (None, name) => {
            let tail =
                std::process::id() ^ u32::try_from(now.as_unix_millis() & 0xffff).unwrap_or(0);
            let id = name
                .clone()
                .unwrap_or_else(|| start.store.new_id(start.plan.id.as_str(), now, tail));
            Found { dir: start.store.dir(&id), id }
        }
    }
}

/// What has to be said at the beginning of what the record is kept on, and was not said before. What
/// the latest jobs printed is shown again on the way.
fn doubts(start: &Start, found: &Found, entries: &[Entry], state: &State) -> Vec<(Actor, Command)> {
    let tap = start.tap.as_ref();
    let unread = tap.map(|tap| super::output::show_again(&found.dir, entries, tap));
    let doubts = super::place::place_doubts(&found.dir).into_iter();
    let doubts = doubts.chain(unread.into_iter().flatten());
    let new = doubts.filter(|text| state.notes().iter().all(|note| note.text != *text));
    new.map(|text| (Actor::Engine, Command::Note { step: None, text })).collect()
}

/// What happens first, one after the other.
fn opening(
    core: &mut Core,
    start: &Start,
    found: &Found,
    disk: &dyn Disk,
    (entries, cut): (Vec<Entry>, Option<Recovery>),
    now: Timestamp,
) -> Result<Vec<(Actor, Command)>, StartError> {
    let doubts = doubts(start, found, &entries, core.state());
    let mut opening = core.opening(genesis(start, found), entries, cut, now);
    if let Some(Replan { reason, .. }) = &start.replan {
        // On disk before the line that names them.
        start.inputs.pin_beside(disk, found)?;
        let (plan, reason) = (Arc::clone(&start.plan), reason.clone());
        let by = Actor::Operator(start.driver.clone());
        opening.insert(1, (by, Command::Replan { plan, reason }));
    }
    opening.extend(doubts);
    Ok(opening)
}

/// The plan that a session was opened with, with all that it brings along.
fn first_plan(start: &Start) -> Arc<Plan> {
    let now = start.replan.as_ref().map_or(&start.plan, |replan| &replan.before);
    start.resume.as_ref().map_or_else(|| Arc::clone(now), |recovered| recovered.grounded(now))
}

/// Every host has to show the key that a session has seen of it before; to be said before the
/// first connection. Where the inventory names the key itself, that counts.
pub fn hold_to_keys(pool: &Pool, state: &State) {
    for (id, host) in &state.plan().hosts {
        let key = state.host(id).and_then(|record| record.key.as_ref());
        if let Some(key) = key.filter(|_| host.hostkey.is_none()) {
            pool.hold_to_key(id, key.as_str());
        }
    }
}

/// Chooses the folder in which the record goes on when its own cannot be written; one that is in use
/// stays.
fn fall_back(journal: &mut Journal, found: &Found) {
    // What was printed may be there still.
    let in_use = journal.fallback().is_some_and(|dir| has_outputs(&RealDisk, dir));
    if journal.away().is_some() || in_use {
        return;
    }
    let chosen = fallback::choose(&found.dir, &found.id);
    if let Some(dir) = chosen
        && let Err(error) = journal.fall_back_to(&dir)
    {
        tracing::warn!(%error, "the fallback folder cannot be named");
    }
}

/// Makes the folder of a new session. What cannot be made whole is taken away again: nothing is
/// half-started, and the name is free.
fn create(
    start: &Start,
    disk: &Arc<dyn Disk>,
    found: &Found,
    holder: &Holder,
) -> Result<(Journal, Lock), StartError> {
    let path = found.path(crate::journal::JOURNAL_FILE);
    if found.dir.symlink_metadata().is_ok() {
        return Err(JournalError::Exists { path }.into());
    }
    let make = || {
        let journal = Journal::create_on(disk, &found.dir, &found.id)?;
        let lock = Lock::acquire(&found.dir, holder)?;
        start.inputs.pin_on(&**disk, found)?;
        Ok((journal, lock))
    };
    make().inspect_err(|error: &StartError| {
        let lost_the_race = matches!(error, StartError::Journal(JournalError::Exists { .. }));
        if !lost_the_race {
            std::fs::remove_dir_all(&found.dir).ok();
        }
    })
}

/// How a new session begins.
fn genesis(start: &Start, found: &Found) -> Genesis {
    let key = start.notary.as_ref().and_then(|notary| notary.key.as_ref());
    Genesis {
        session: found.id.clone(),
        kind: start.kind,
        version: SafeText::new(env!("CARGO_PKG_VERSION")),
        runbook: start.plan.id.clone(),
        title: start.plan.title.clone(),
        plan: start.plan.digest,
        driver: start.driver.clone(),
        machine: machine_name(),
        environment: start.plan.environment.clone(),
        overridden: start.overridden.clone(),
        signer: key.map(|key| SafeText::new(&key.public_line())),
    }
}

struct Session {
    core: Core,
    /// Held for as long as the session lives.
    _lock: Lock,
    clock: Arc<Mutex<Clock>>,
    edge: Edge,
    views: watch::Sender<Arc<View>>,
    /// Whether output may go unkept.
    unrecorded: Arc<AtomicBool>,
    /// What may be in no text that a person writes for a host.
    secrets: Secrets,
    /// Somebody has asked to close it, and until when that waits for notices.
    closing: Option<(Request, Instant)>,
}

impl Session {
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
                if self.closing.is_some() && self.may_close(Instant::now()) {
                    self.close().await;
                }
                if due <= Instant::now() {
                    self.tick();
                    next_tick = Instant::now() + TICK;
                    continue;
                }
                tokio::select! {
                    biased;
                    request = requests.recv() => match request {
                        None => break,
                        Some(request) if request.command == Command::Close => {
                            // What is told of the end is on its way: it is waited for, not long.
                            self.closing = Some((request, Instant::now() + NOTICES_MAX));
                        }
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
        let rest = self.core.take_rest(&lock(&self.clock).stamp());
        self.perform(Ok(rest)).ok();
        runtime.block_on(self.close());
        self.core.close(); // Before the lock is let go of.
        tracing::debug!("the session has ended");
    }

    /// Whether nothing is waited for any more before the session is closed.
    fn may_close(&self, now: Instant) -> bool {
        let late = self.closing.as_ref().is_some_and(|(_, until)| *until <= now);
        let refused = decide(self.core.state(), &Command::Close, now_of(&self.clock)).is_err();
        late || refused || self.core.state().open_notices().is_empty()
    }

    /// Closes the session, if that was asked for, and says what was not told.
    async fn close(&mut self) {
        let Some((Request { by, command, answer }, _)) = self.closing.take() else { return };
        let open = self.core.state().open_notices();
        let mut channels: Vec<_> = open.iter().map(|notice| notice.channel.as_str()).collect();
        let count = channels.len();
        channels.dedup();
        if count > 0 && decide(self.core.state(), &command, now_of(&self.clock)).is_ok() {
            let to = channels.join(", ");
            let text = format!(
                "{count} notices were not delivered before the end, to {to}: tell people yourself"
            );
            let note = Command::Note { step: None, text };
            self.submit(&Actor::Engine, &note).ok();
        }
        self.clean().await;
        let result = self.submit(&by, &command);
        answer.send(result).ok();
    }

    /// Lets the hosts go of what they hold of the run, if it may be closed now.
    async fn clean(&mut self) {
        let now = now_of(&self.clock);
        let state = Arc::clone(self.core.state());
        if decide(&state, &Command::Close, now).is_err() {
            return;
        }
        for (by, note) in super::spools::clean(&state, &self.edge).await {
            // A note that cannot be written hinders nothing.
            self.submit(&by, &note).ok();
        }
    }

    /// When the next timer of the engine is due.
    fn next_wake(&self) -> Instant {
        let now = now_of(&self.clock);
        Instant::now() + self.core.next_wake().map_or(TICK, |at| at.since(now).to_std())
    }

    /// Carries out `command`. The core gives effects back only when their line is on disk.
    fn submit(&mut self, by: &Actor, command: &Command) -> Result<(), SubmitError> {
        if let Command::Edit { text, reason, .. } = command {
            super::late::no_secret(&self.secrets, &[text, reason.as_str()])?;
        } else if let Command::OpenShell { reason, .. } = command {
            super::late::no_secret(&self.secrets, &[reason.as_str()])?;
        }
        let stamp = lock(&self.clock).stamp();
        let effects = self.core.submit(&stamp, by, command);
        self.perform(effects)
    }

    fn take_reports(&mut self, reports: &mut Vec<Report>) {
        let stamp = lock(&self.clock).stamp();
        let effects = self.core.take_reports(&stamp, reports.drain(..));
        self.perform(Ok(effects)).ok();
    }

    fn tick(&mut self) {
        let (stamp, jump, still) = {
            let mut clock = lock(&self.clock);
            (clock.stamp(), clock.jump(), clock.stood_still())
        };
        // Before anything that is due: no limit counts the time in which golive did not run.
        if let Some(Still { span, asleep }) = still {
            let still = Command::StoodStill { span, asleep };
            self.submit(&Actor::Clock, &still).ok();
        }
        let effects = self.core.tick(&stamp, jump);
        self.perform(Ok(effects)).ok();
    }

    /// Does outside what is on disk, and shows the newest view to whoever watches.
    fn perform(&mut self, effects: Result<Vec<Effect>, SubmitError>) -> Result<(), SubmitError> {
        self.unrecorded.store(self.core.state().is_overridden(), Ordering::SeqCst);
        let done = effects.map(|effects| {
            for effect in effects {
                self.edge.perform(effect);
            }
        });
        let now = now_of(&self.clock);
        if let Some(watches) = self.core.watches(now) {
            self.edge.look_at(watches);
        }
        if let Some(view) = self.core.news(now) {
            self.views.send_replace(Arc::new(view));
        }
        done
    }
}

fn lock(clock: &Mutex<Clock>) -> MutexGuard<'_, Clock> {
    clock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_of(clock: &Mutex<Clock>) -> Timestamp {
    lock(clock).now()
}
