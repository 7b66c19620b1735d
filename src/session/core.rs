//! What a session decides and knows, without a thread, a clock or a link: whoever drives it brings
//! the time, the disk and the edge.
//!
//! [`Core::submit_all`] is the one place where an effect comes to be: it gives effects back only
//! after their line is on the disk. The dispatcher drives it in a run; a simulation drives it with
//! a time, a disk and an edge of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::base::{HostId, Millis, SafeText, Timestamp};
use crate::engine::{
    Actor, Attempt, Board, Command, Effect, End, Event, Genesis, Job, Refusal, RunStage, State,
    Watch, WindowEdge, advance, decide,
};
use crate::journal::{Entry, Journal, JournalError, Recovery, Stamp};

use super::ahead::Ahead;
use super::handle::{Gauge, LinkView, SubmitError, TailFact, View, links_of};
use super::held::Held;
use super::lookout::Lookout;
use super::notary::Office;

/// Facts that a view carries for the audit screen.
const TAIL_MAX: usize = 500;
/// When less is free where the record is kept, people are told.
pub(super) const FREE_MIN: u64 = 500 << 20;
/// Ticks between two looks at the limits of time.
const TICKS_PER_LIMIT_CHECK: u32 = 10;

/// A session's state, its journal, and what is shown of both.
#[derive(Debug)]
pub struct Core {
    pub(super) state: Arc<State>,
    pub(super) board: Board,
    pub(super) journal: Journal,
    wakes: BTreeSet<Timestamp>,
    pub(super) gauges: Arc<BTreeMap<Job, Gauge>>,
    pub(super) links: Arc<BTreeMap<HostId, LinkView>>,
    tail: VecDeque<Arc<TailFact>>,
    /// Checkpoints and signatures.
    office: Office,
    /// The disk is full, and the last words are being written: nothing new starts.
    pub(super) short: bool,
    /// That little room is left has been said.
    warned: bool,
    /// So often the record has to have been written anew before that is said the next time.
    say_anew_at: u64,
    /// Why the run has to be held as soon as it runs.
    pub(super) hold_due: Option<String>,
    /// Ends that are in no record.
    pub(super) unrecorded: Arc<BTreeMap<Job, End>>,
    /// Whether there is something to show that was not shown yet.
    pub(super) news: bool,
    ticks: u32,
    /// What of the way back is looked at.
    pub(super) lookout: Lookout,
    /// On which side of the window the last look was.
    shut: Option<WindowEdge>,
    /// What has come and waits for company.
    pub(super) held: Held,
    /// What whoever drives would ask for next.
    pub(super) ahead: Ahead,
}

impl Core {
    /// A session in `state`, which is what `journal` says. `now` is when its probes begin.
    pub fn new(state: State, journal: Journal, now: Timestamp) -> Self {
        let board = Board::new(state.plan(), now);
        let links = links_of(state.plan(), &BTreeMap::new());
        Self {
            state: Arc::new(state),
            board,
            journal,
            wakes: BTreeSet::new(),
            gauges: Arc::default(),
            links: Arc::new(links),
            tail: VecDeque::new(),
            office: Office::default(),
            short: false,
            warned: false,
            say_anew_at: 1,
            hold_due: None,
            unrecorded: Arc::default(),
            news: false,
            ticks: 0,
            lookout: Lookout::default(),
            shut: None,
            held: Held::default(),
            ahead: Ahead::default(),
        }
    }

    /// The same with a notary, who is told where the journal stands.
    pub(super) fn with(self, office: Office) -> Self {
        Self { office, ..self }
    }

    /// Lets the notary finish. All handles have to be gone.
    pub(super) fn close(&mut self) {
        self.office.close();
    }

    /// What has to be submitted first, one after the other: that the session is opened, or, where
    /// its journal has `entries`, that it is taken up again; and that a crash had left half a
    /// line, and where it is kept.
    pub fn opening(
        &mut self,
        genesis: Genesis,
        entries: Vec<Entry>,
        cut: Option<Recovery>,
        now: Timestamp,
    ) -> Vec<(Actor, Command)> {
        let by = Actor::Operator(genesis.driver.clone());
        let first = if let Some(last) = entries.last().map(|entry| entry.at) {
            let away = now.since(last);
            let skipped = entries.len().saturating_sub(TAIL_MAX);
            entries.into_iter().skip(skipped).for_each(|entry| self.remember(entry));
            let Genesis { driver, machine, signer, .. } = genesis;
            Command::Resume { driver, machine, away, signer }
        } else {
            Command::Open(genesis)
        };
        let note = cut.map(|cut| {
            let text = format!(
                "a crash had left {} bytes of an unfinished line; they are kept in {}",
                cut.cut_bytes,
                cut.kept.display()
            );
            (Actor::Engine, Command::Note { step: None, text })
        });
        let away = self.journal.away().map(|dir| {
            let text = format!(
                "the record is continued in {}: its own folder cannot be written still",
                dir.display()
            );
            (Actor::Engine, Command::Note { step: None, text })
        });
        std::iter::once((by, first)).chain(note).chain(away).collect()
    }

    /// Where the run stands.
    pub const fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// When [`Core::tick`] is due, for a timer of the engine or for what waits for company; none
    /// if nothing is.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().copied().into_iter().chain(self.held.until()).min()
    }

    /// What is shown of it at `now`.
    pub fn view(&self, now: Timestamp) -> View {
        let head = self.journal.head();
        View {
            state: Arc::clone(&self.state),
            board: Arc::new(self.board.clone()),
            seq: head.seq,
            anew: self.journal.times_anew(),
            head: head.seal.short(),
            signing: self.office.signing().clone(),
            not_recorded: self.state.lost().map(|lost| lost.why.clone()),
            kept: self.journal.kept().to_vec(),
            unrecorded: Arc::clone(&self.unrecorded),
            gauges: Arc::clone(&self.gauges),
            links: Arc::clone(&self.links),
            proved: self.lookout.proved(),
            tail: self.tail.clone(),
            at: now,
        }
    }

    /// What of the way back is to be looked at from now on, where that has changed.
    pub fn watches(&mut self, now: Timestamp) -> Option<Vec<Watch>> {
        self.lookout.orders(&self.state, now)
    }

    /// The same, if it shows anything that was not given out yet.
    pub fn news(&mut self, now: Timestamp) -> Option<View> {
        std::mem::take(&mut self.news).then(|| self.view(now))
    }

    /// Carries out `command`: decide, write down, believe; what is given back is to be done then.
    ///
    /// If this returns an error, nothing is to be done. If the program dies before the effects are
    /// done, the journal says that the attempt started and nothing more, and the resume puts it in
    /// doubt instead of running it a second time.
    pub fn submit(
        &mut self,
        stamp: &Stamp,
        by: &Actor,
        command: &Command,
    ) -> Result<Vec<Effect>, SubmitError> {
        self.submit_all(stamp, &[(by, command)])
    }

    /// The same for commands that came together: one line, one wait for the disk.
    ///
    /// A single command that is refused is an error; among several it is passed over.
    pub fn submit_all(
        &mut self,
        stamp: &Stamp,
        commands: &[(&Actor, &Command)],
    ) -> Result<Vec<Effect>, SubmitError> {
        let tries = commands.iter().any(|(_, command)| **command == Command::TryRecord);
        if tries && self.state.lost().is_some() {
            let effects = self.try_record(stamp);
            let fails = self.state.lost().map(|lost| lost.why.clone());
            return fails.map_or(Ok(effects), |why| Err(SubmitError::NotRecorded(why)));
        }
        self.submit_now(stamp, commands)
    }

    fn submit_now(
        &mut self,
        stamp: &Stamp,
        commands: &[(&Actor, &Command)],
    ) -> Result<Vec<Effect>, SubmitError> {
        if self.short && commands.iter().any(|(_, command)| command.starts_something()) {
            let why = "the disk is full: make room, then steps may start again";
            return Err(SubmitError::NotRecorded(SafeText::new(why)));
        }
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
            let nothing = Ok(Vec::new());
            return refused.map_or(nothing, |refusal: Refusal| Err(refusal.into()));
        }
        if self.state.lost().is_some() {
            // What the engine lets happen without a record is kept as its next line.
            let entry = self.journal.keep(stamp, &facts).map_err(|error| not_recorded(&error))?;
            self.remember_unrecorded(entry);
        } else {
            match self.journal.append(stamp, &facts) {
                Ok(entry) => self.remember(entry), // 1. on disk
                Err(error @ JournalError::Unwritable { .. }) => {
                    // The disk is well, and so is the journal: only this cannot be said in a line.
                    return Err(not_recorded(&error));
                }
                // The note of its end had failed, and the disk is well again: there is no gap.
                Err(JournalError::Poisoned { .. }) if self.journal.revive() => {
                    return self.submit_now(stamp, commands);
                }
                Err(error) => {
                    let before = self.recording_fails(stamp, &error, commands)?;
                    // Decided once more, now that it is known.
                    let effects = self.submit_now(stamp, commands);
                    return if before.is_empty() {
                        effects
                    } else {
                        Ok([before, effects.unwrap_or_default()].concat())
                    };
                }
            }
            self.office.stands(&self.journal, &facts);
        }
        let replanned = self.state.base().digest != next.base().digest;
        self.state = next; // 2. in memory
        if replanned {
            self.board = Board::new(self.state.plan(), stamp.at);
            self.links = Arc::new(links_of(self.state.plan(), &self.links));
        }
        let mut outside = self.outside(effects);
        if self.state.lost().is_some() {
            return Ok(outside);
        }
        if !self.short && self.journal.short().is_some() {
            self.short = true;
            outside.extend(self.say_short(stamp));
        }
        outside.extend(self.say_anew(stamp));
        if let Some(measure) = self.state.measures(&self.board) {
            outside.extend(self.submit_report(stamp, &Actor::Clock, &measure));
        }
        Ok(outside) // 3. outside
    }

    /// Notes the timers among `effects`; the others are for outside.
    fn outside(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let outside = effects.into_iter().filter_map(|effect| match effect {
            Effect::WakeAt(at) => {
                self.wakes.insert(at);
                None
            }
            effect @ (Effect::Run(_)
            | Effect::Follow(_)
            | Effect::LetGo(_)
            | Effect::Stop(_)
            | Effect::HoldToKey { .. }
            | Effect::ProbeLinks
            | Effect::Notify { .. }) => Some(effect),
        });
        outside.collect()
    }

    /// Time has passed; `jump` is by how many milliseconds the wall clock has jumped meanwhile.
    /// Gives back what has to be done then.
    pub fn tick(&mut self, stamp: &Stamp, jump: Option<i64>) -> Vec<Effect> {
        let now = stamp.at;
        let later = self.wakes.split_off(&now.after(Millis::new(1)));
        self.wakes = later;
        let mut effects = self.take_held(stamp);
        effects.extend(self.submit_report(stamp, &Actor::Clock, &Command::Wake));
        for change in self.board.tick(now) {
            let by = Actor::Probe(change.probe.clone());
            effects.extend(self.submit_report(stamp, &by, &Command::Health(change)));
        }
        let forgotten = self.lookout.too_old(&self.state, now);
        let forgotten: Vec<_> = forgotten.iter().map(|command| (&Actor::Clock, command)).collect();
        effects.extend(self.submit_all(stamp, &forgotten).unwrap_or_default());
        if self.office.look() {
            self.news = true;
            let signing = self.office.signing();
            let trouble = signing.trouble.clone();
            if trouble.is_some() || signing.is_up_to_date() {
                let signing = Command::Signing { trouble };
                effects.extend(self.submit_report(stamp, &Actor::Engine, &signing));
            }
        }
        if let Some(millis) = jump {
            let jump = Command::ClockJump { millis };
            effects.extend(self.submit_report(stamp, &Actor::Clock, &jump));
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(TICKS_PER_LIMIT_CHECK) {
            effects.extend(self.check_limits(stamp));
            effects.extend(self.check_room(stamp));
        }
        effects
    }

    /// Says in the record that the disk is full, and holds the run; a rollback goes on.
    fn say_short(&mut self, stamp: &Stamp) -> Vec<Effect> {
        let text = "recording degraded: the disk is full; the room kept for the last words is in \
                    use; nothing new starts until there is room again";
        let mut effects = self.say(stamp, text);
        effects.extend(self.hold(stamp, "the disk of the record is full"));
        effects
    }

    /// Says in the record that a disk failed and that the record was written anew, and holds the
    /// run the first time. A disk that fails all the time is said to do so, not line after line.
    fn say_anew(&mut self, stamp: &Stamp) -> Vec<Effect> {
        if self.state.stage() == RunStage::Active
            && let Some(why) = self.hold_due.take()
        {
            return self.hold(stamp, &why);
        }
        let Some(anew) = self.journal.written_anew().filter(|it| it.times >= self.say_anew_at)
        else {
            return Vec::new();
        };
        let first = self.say_anew_at == 1;
        self.say_anew_at = anew.times.saturating_mul(10);
        let so = match self.journal.away() {
            Some(dir) => format!("the record is continued in {}", dir.display()),
            None if first => "the record was written anew, nothing is lost".to_owned(),
            None => format!("the record was written anew {} times", anew.times),
        };
        let text =
            format!("recording degraded: the disk failed; {so}: replace that disk ({})", anew.why);
        if first {
            self.hold_due = Some(format!("the disk of the record failed; {so}"));
        }
        self.say(stamp, &text) // And the hold with it, where something can be held.
    }

    fn hold(&mut self, stamp: &Stamp, why: &str) -> Vec<Effect> {
        if self.state.stage() != RunStage::Active || self.state.hold().is_some() {
            return Vec::new();
        }
        let hold = Command::Hold { why: SafeText::new(why) };
        self.submit_report(stamp, &Actor::Engine, &hold)
    }

    /// Looks whether there is room for the record, and whether there is room again.
    fn check_room(&mut self, stamp: &Stamp) -> Vec<Effect> {
        if self.state.lost().is_some() {
            return self.try_record(stamp);
        }
        if self.short {
            return match self.journal.keep_room() {
                Ok(()) => {
                    self.short = false;
                    self.say(stamp, "recording restored: there is room again; steps may start")
                }
                Err(_) => Vec::new(),
            };
        }
        let little = self.journal.free().filter(|free| *free < FREE_MIN);
        let was = std::mem::replace(&mut self.warned, little.is_some());
        match little {
            Some(free) if !was => {
                let free = free >> 20;
                let text = format!("only {free} MiB are free where the record is kept: make room");
                self.say(stamp, &text)
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn say(&mut self, stamp: &Stamp, text: &str) -> Vec<Effect> {
        let note = Command::Note { step: None, text: text.to_owned() };
        self.submit_report(stamp, &Actor::Engine, &note)
    }

    fn remember(&mut self, entry: Entry) {
        self.news = true;
        let Entry { seq, at, facts, .. } = entry;
        let facts = facts.into_iter().map(|fact| Arc::new(TailFact { seq, at, fact }));
        self.tail.extend(facts);
        let extra = self.tail.len().saturating_sub(TAIL_MAX);
        self.tail.drain(..extra);
    }

    /// The same for a line that is in memory only.
    fn remember_unrecorded(&mut self, entry: Entry) {
        for fact in &entry.facts {
            if let Event::JobEnded { job, end, .. } = &fact.event {
                Arc::make_mut(&mut self.unrecorded).insert(job.clone(), end.clone());
            }
        }
        self.remember(entry);
    }

    /// The record has failed: nothing forward starts, what runs goes on, everybody sees it, and
    /// what happens is kept. `commands` were to be recorded; a session that opens with them does
    /// not, where it cannot be recorded.
    fn recording_fails(
        &mut self,
        stamp: &Stamp,
        error: &JournalError,
        commands: &[(&Actor, &Command)],
    ) -> Result<Vec<Effect>, SubmitError> {
        tracing::error!(%error, "the journal cannot be written");
        let opens =
            |command: &Command| matches!(command, Command::Open(_) | Command::Resume { .. });
        if commands.iter().any(|(_, command)| opens(command)) {
            return Err(not_recorded(error));
        }
        let lost = Command::RecordLost { why: SafeText::new(&error.to_string()) };
        let advance = advance(&self.state, &Actor::Engine, &lost, stamp.at)?;
        let kept = self.journal.keep(stamp, &advance.facts);
        self.remember_unrecorded(kept.map_err(|error| not_recorded(&error))?);
        self.state = Arc::new(advance.state);
        Ok(self.outside(advance.effects))
    }

    /// Where nothing can be recorded: tries it again, with all that is kept; then says so.
    fn try_record(&mut self, stamp: &Stamp) -> Vec<Effect> {
        if self.state.lost().is_none() || !self.journal.revive() {
            return Vec::new();
        }
        let late = advance(&self.state, &Actor::Engine, &Command::RecordedLate, stamp.at);
        let Ok(late) = late.inspect_err(|error| tracing::error!(%error, "a bug")) else {
            return Vec::new();
        };
        match self.journal.append(stamp, &late.facts) {
            Ok(entry) => self.remember(entry),
            Err(error) => {
                tracing::error!(%error, "it failed again");
                return Vec::new(); // What was kept is on the disk; that it is, is not.
            }
        }
        self.office.stands(&self.journal, &late.facts);
        self.state = Arc::new(late.state);
        let open: BTreeSet<Job> = self.state.in_flight().flat_map(Attempt::open_jobs).collect();
        Arc::make_mut(&mut self.unrecorded).retain(|job, _| open.contains(job));
        let mut effects = self.outside(late.effects);
        effects.extend(self.say_anew(stamp));
        effects
    }

    /// A report is decided like a key press; when it is refused, nobody is there to tell.
    pub(super) fn submit_report(
        &mut self,
        stamp: &Stamp,
        by: &Actor,
        command: &Command,
    ) -> Vec<Effect> {
        self.submit(stamp, by, command).unwrap_or_else(|error| {
            tracing::debug!(%error, "a report was not taken");
            Vec::new()
        })
    }

    /// Raises the alarms about time, where the plan has a window.
    fn check_limits(&mut self, stamp: &Stamp) -> Vec<Effect> {
        if self.state.plan().window.is_none() {
            return Vec::new();
        }
        let shut = self.state.shut(stamp.at).map(|(edge, _)| edge);
        self.news |= std::mem::replace(&mut self.shut, shut) != shut; // It opens, or it closes.
        let (latest_safe, window) =
            self.state.time_left(&self.view(stamp.at).forecast(stamp.at), stamp.at);
        let limit = Command::Limit { latest_safe, window };
        self.submit_report(stamp, &Actor::Clock, &limit)
    }
}

fn not_recorded(error: &JournalError) -> SubmitError {
    SubmitError::NotRecorded(SafeText::new(&error.to_string()))
}
