//! Where a run stands: derived from the plan and the events, and from nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{HostId, Millis, PlaybookId, ProbeId, SafeText, StepId, Timestamp, VarName};
use crate::plan::{Plan, StepPlan};

use super::edit::Edit;
use super::event::{Actor, AlarmId, Choice, Evidence, Genesis, Item, Level, Return};
use super::gate::{Approval, Frozen, Vote, Waiver};
use super::health::Health;
use super::hosts::{HostRecord, StoodStill};
use super::job::{End, Job, Key, Part, Place, Transcript, Verdict};
use super::limits::Overrides;
use super::notice::OpenNotice;
use super::readiness::{Known, Need};
use super::sight::{OutOfSight, Seen};
use super::trigger::Since;
use super::unrecorded::Lost;
use super::voice::Spoken;

/// A run of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) genesis: Option<Arc<Genesis>>,
    pub(super) opened: Timestamp,
    pub(super) began: Option<Timestamp>,
    pub(super) driver: SafeText,
    pub(super) driver_left: Option<Timestamp>,
    pub(super) stage: RunStage,
    pub(super) hold: Option<Hold>,
    pub(super) guard: Option<Timestamp>,
    pub(super) auto: bool,
    pub(super) actions: BTreeMap<StepId, Arc<Track>>,
    pub(super) undos: BTreeMap<StepId, Arc<Track>>,
    pub(super) captures: BTreeMap<VarName, String>,
    pub(super) health: BTreeMap<ProbeId, Health>,
    pub(super) alarms: Vec<Alarm>,
    pub(super) notes: Vec<Note>,
    pub(super) links_down: BTreeMap<HostId, SafeText>,
    pub(super) rollback: Option<Rollback>,
    /// Rollbacks to checkpoints that are over.
    pub(super) returns: Vec<Rollback>,
    pub(super) gates: BTreeMap<StepId, GateRecord>,
    pub(super) votes: BTreeMap<StepId, Vec<Vote>>,
    pub(super) waivers: BTreeMap<StepId, Vec<Waiver>>,
    pub(super) approvals: BTreeMap<StepId, Approval>,
    pub(super) edits: BTreeMap<StepId, Vec<Edit>>,
    pub(super) playbooks: BTreeMap<PlaybookId, PlaybookRecord>,
    pub(super) since: BTreeMap<ProbeId, Since>,
    pub(super) events: u64,
    pub(super) closed: bool,
    pub(super) last_away: Option<(Timestamp, Millis)>,
    pub(super) hosts: BTreeMap<HostId, HostRecord>,
    pub(super) standstills: Vec<StoodStill>,
    pub(super) notices: Vec<OpenNotice>,
    pub(super) lost: Option<Lost>,
    pub(super) overrides: Overrides,
    pub(super) readiness: BTreeMap<Need, Known>,
    pub(super) spoken: Spoken,
    pub(super) loss: Option<super::objective::Loss>,
}

/// The life of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// Opened, not begun.
    Preparing,
    /// Steps may start.
    Active,
    /// The way back is being walked.
    RollingBack,
    /// Back on the old system.
    RolledBack {
        /// Verified by a step of the rollback.
        verified: bool,
    },
    /// Every step is over.
    Completed,
    /// Given up.
    Abandoned,
}

/// Nothing new starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub why: SafeText,
    /// Who asked for it.
    pub by: Actor,
}

/// Where a step, or its undo, stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Not started.
    #[default]
    Pending,
    /// Sent, and not known to have ended.
    Running,
    /// In a person's hands: a manual step or a gate is open.
    Waiting,
    /// Its probes are being watched.
    Soaking {
        /// Until when.
        until: Timestamp,
    },
    /// Its result is being checked.
    Verifying,
    /// Done as expected.
    Succeeded,
    /// Went wrong.
    Failed,
    /// Ran past its limit and was stopped.
    TimedOut,
    /// It may have run: nobody knows.
    Unknown,
    /// Stopped on demand, and gone.
    Cancelled,
    /// Passed over, with a reason.
    Skipped,
    /// A person did it.
    DoneByHand,
    /// It failed, and that was accepted with a reason.
    FailureAccepted,
}

impl Status {
    /// Over for good: what needs it may start.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Skipped | Self::DoneByHand | Self::FailureAccepted)
    }

    /// Started and not settled.
    pub const fn is_in_flight(self) -> bool {
        matches!(self, Self::Running | Self::Waiting | Self::Soaking { .. } | Self::Verifying)
    }

    /// Somebody has to choose how to go on.
    pub const fn wants_choice(self) -> bool {
        matches!(self, Self::Failed | Self::TimedOut | Self::Unknown | Self::Cancelled)
    }

    /// The word of the field for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Soaking { .. } => "soaking",
            Self::Verifying => "verifying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
            Self::DoneByHand => "done_by_hand",
            Self::FailureAccepted => "failure_accepted",
        }
    }
}

/// The record of a step's action, or of its undo. Every attempt is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// Where it stands.
    pub status: Status,
    /// All attempts, verifications included, oldest first.
    pub attempts: Vec<Attempt>,
    /// When it first started.
    pub started: Option<Timestamp>,
    /// When it was settled; none again while it is repeated.
    pub settled: Option<Timestamp>,
    /// When a failed attempt will be repeated by itself.
    pub retry_at: Option<Timestamp>,
    /// Why it was skipped, done by hand or accepted; the words of a sign-off.
    pub reason: Option<SafeText>,
    /// Attempts before this one were before a return to a checkpoint, or belong to an earlier
    /// opening of a playbook: they are told, and count no more.
    pub since: usize,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub key: Key,
    /// When it started.
    pub started: Timestamp,
    /// Who started it.
    pub by: Actor,
    /// Its places and how they ended; empty for a person's work and for watching probes.
    pub places: BTreeMap<Place, Option<PlaceEnd>>,
    /// What is known of it in each place where anything is, beyond that it was started.
    pub seen: BTreeMap<Place, Seen>,
    /// Whether it is being stopped, and why.
    pub stopping: Option<Stopping>,
    /// The wave under way, or the last one: all of its places, where it has no others.
    pub wave: Wave,
    /// The waves that have not started, in order.
    pub to_come: Vec<Vec<Place>>,
}

/// Some places of an attempt, which start together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Its number in the attempt, from 1.
    pub number: usize,
    /// When it started.
    pub started: Timestamp,
    /// Its places.
    pub places: Vec<Place>,
    /// When the next may start: it is over and well.
    pub next_at: Option<Timestamp>,
}

/// How an attempt ended in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceEnd {
    /// When it was reported.
    pub at: Timestamp,
    /// How.
    pub end: End,
    /// What it printed.
    pub transcript: Option<Transcript>,
}

impl PlaceEnd {
    /// Whether it is known that nothing was sent, or that nothing came of it.
    pub fn never_started(&self) -> bool {
        match &self.end {
            End::NotStarted { .. } => true,
            End::Done(done) => done.untouched,
            End::Exited { .. }
            | End::Signalled { .. }
            | End::Stopped { .. }
            | End::Rebooted { .. }
            | End::Unknown { .. } => false,
        }
    }
}

/// Why an attempt is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopping {
    /// Somebody asked.
    Asked,
    /// It ran past its limit.
    TimeLimit,
}

impl Attempt {
    /// Whether every place has ended.
    pub fn has_ended(&self) -> bool {
        self.places.values().all(Option::is_some)
    }

    /// How many waves it has, started or not.
    pub const fn waves(&self) -> usize {
        self.wave.number + self.to_come.len()
    }

    /// The places where it has not ended, as far as is known.
    pub fn open_places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|(_, end)| end.is_none()).map(|(place, _)| place)
    }

    /// Its jobs that have not ended, as far as is known.
    pub fn open_jobs(&self) -> impl Iterator<Item = Job> {
        self.open_places().map(|place| Job { key: self.key.clone(), place: place.clone() })
    }

    /// The places where it runs as far as is known, and nobody can watch it now.
    pub fn out_of_sight(&self) -> impl Iterator<Item = (&Place, &OutOfSight)> {
        self.open_places().filter_map(|place| Some((place, self.seen.get(place)?.lost.as_ref()?)))
    }
}

impl Track {
    /// The attempts that count, oldest first.
    pub fn present(&self) -> &[Attempt] {
        self.attempts.get(self.since..).unwrap_or_default()
    }

    /// As if nothing had been done; the attempts so far stay, and count no more.
    pub(super) fn begin_anew(&mut self) {
        let attempts = std::mem::take(&mut self.attempts);
        *self = Self { since: attempts.len(), attempts, ..Self::default() };
    }

    /// The last attempt at the thing itself, not at its verification.
    pub fn last_action(&self) -> Option<&Attempt> {
        let is_action = |a: &&Attempt| matches!(a.key.part, Part::Action | Part::Undo);
        self.present().iter().rev().find(is_action)
    }

    /// The last attempt of any part.
    pub fn last(&self) -> Option<&Attempt> {
        self.present().last()
    }

    /// The number of the next attempt of `part`.
    pub fn next_attempt(&self, part: Part) -> u32 {
        let made = self.attempts.iter().filter(|a| a.key.part == part).map(|a| a.key.attempt);
        made.max().unwrap_or(0).saturating_add(1)
    }

    /// How the thing itself last ended in each place, over all attempts that count.
    pub fn latest_ends(&self) -> BTreeMap<&Place, Option<&PlaceEnd>> {
        let is_action = |a: &&Attempt| matches!(a.key.part, Part::Action | Part::Undo);
        let places = self.present().iter().filter(is_action).flat_map(|a| &a.places);
        places.map(|(place, end)| (place, end.as_ref())).collect()
    }

    /// Places where the thing did not end well.
    pub fn failed_places(&self) -> Vec<Place> {
        let bad =
            |end: Option<&PlaceEnd>| end.is_none_or(|end| end.end.verdict() != Verdict::Succeeded);
        let ends = self.latest_ends().into_iter();
        ends.filter(|(_, end)| bad(*end)).map(|(place, _)| place.clone()).collect()
    }

    /// Whether anything may have been done: an attempt that is not known never to have started.
    pub fn may_have_run(&self) -> bool {
        let untouched = |end: &Option<PlaceEnd>| end.as_ref().is_some_and(PlaceEnd::never_started);
        self.status == Status::DoneByHand
            || self.present().iter().any(|a| {
                matches!(a.key.part, Part::Action | Part::Undo)
                    && (a.places.is_empty() || !a.places.values().all(untouched))
            })
    }
}

/// An alarm that is open, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// About what.
    pub id: AlarmId,
    /// How hard.
    pub level: Level,
    /// Since when.
    pub since: Timestamp,
    /// What happened, and what to do.
    pub text: SafeText,
    /// When somebody saw it.
    pub acknowledged: Option<Timestamp>,
    /// When its cause was gone.
    pub cleared: Option<Timestamp>,
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// At which step.
    pub step: Option<StepId>,
    /// The text, Markdown.
    pub text: String,
}

/// A rollback under way or over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// Why.
    pub reason: SafeText,
    /// Why it was right past the point of no return, where it was.
    pub break_glass: Option<SafeText>,
    /// What is done, in this order.
    pub items: Vec<Item>,
    /// How far it goes; none: all the way.
    pub to: Option<Return>,
}

/// An emergency procedure that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaybookRecord {
    /// Since when.
    pub at: Timestamp,
    /// Who opened it.
    pub by: Actor,
    /// Why.
    pub reason: SafeText,
}

/// How a gate was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRecord {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// How.
    pub choice: Choice,
    /// On what.
    pub evidence: Vec<Evidence>,
    /// Why.
    pub reason: Option<SafeText>,
    /// What was known.
    pub frozen: Option<Box<Frozen>>,
}

impl State {
    /// A run of `plan` of which nothing is known yet.
    pub fn new(plan: Arc<Plan>) -> Self {
        let actions = plan.steps.keys().map(|id| (id.clone(), Arc::default())).collect();
        let undos = plan.order.iter().map(|id| (id.clone(), Arc::default())).collect();
        let health = plan.probes.iter().map(|p| (p.id.clone(), Health::Unknown)).collect();
        Self {
            plan,
            genesis: None,
            opened: Timestamp::default(),
            began: None,
            driver: SafeText::default(),
            driver_left: None,
            stage: RunStage::Preparing,
            hold: None,
            guard: None,
            auto: false,
            actions,
            undos,
            captures: BTreeMap::new(),
            health,
            alarms: Vec::new(),
            notes: Vec::new(),
            links_down: BTreeMap::new(),
            rollback: None,
            returns: Vec::new(),
            gates: BTreeMap::new(),
            votes: BTreeMap::new(),
            waivers: BTreeMap::new(),
            approvals: BTreeMap::new(),
            edits: BTreeMap::new(),
            playbooks: BTreeMap::new(),
            since: BTreeMap::new(),
            events: 0,
            closed: false,
            last_away: None,
            hosts: BTreeMap::new(),
            standstills: Vec::new(),
            notices: Vec::new(),
            lost: None,
            overrides: Overrides::default(),
            readiness: BTreeMap::new(),
            spoken: Spoken::default(),
            loss: None,
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The first event; none before it.
    pub fn genesis(&self) -> Option<&Genesis> {
        self.genesis.as_deref()
    }

    /// When the session was opened.
    pub const fn opened(&self) -> Timestamp {
        self.opened
    }

    /// When the run began.
    pub const fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// Who drives.
    pub const fn driver(&self) -> &SafeText {
        &self.driver
    }

    /// Since when nobody drives, if so.
    pub const fn driver_left(&self) -> Option<Timestamp> {
        self.driver_left
    }

    /// The life of the session.
    pub const fn stage(&self) -> RunStage {
        self.stage
    }

    /// The hold, if nothing new may start.
    pub const fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Since when the rollback guard is open, if it is.
    pub const fn guard(&self) -> Option<Timestamp> {
        self.guard
    }

    /// Whether steps of class check start by themselves.
    pub const fn auto_advance(&self) -> bool {
        self.auto
    }

    /// Whether the session is closed: its record is complete.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many events have been applied.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// When the last resume was, and how long nobody had watched.
    pub const fn last_away(&self) -> Option<(Timestamp, Millis)> {
        self.last_away
    }

    /// The record of a step's action.
    pub fn track(&self, step: &StepId) -> &Track {
        self.track_of(step, Part::Action)
    }

    /// The record of a step's undo.
    pub fn undo_track(&self, step: &StepId) -> &Track {
        self.track_of(step, Part::Undo)
    }

    /// The record that `part` of a step belongs to.
    pub fn track_of(&self, step: &StepId, part: Part) -> &Track {
        static NEVER: Track = Track {
            status: Status::Pending,
            attempts: Vec::new(),
            started: None,
            settled: None,
            retry_at: None,
            reason: None,
            since: 0,
        };
        let tracks = if part.is_undo() { &self.undos } else { &self.actions };
        tracks.get(step).map_or(&NEVER, |track| track)
    }

    /// What steps captured.
    pub const fn captures(&self) -> &BTreeMap<VarName, String> {
        &self.captures
    }

    /// The health of a probe, as journaled.
    pub fn health(&self, probe: &ProbeId) -> Health {
        self.health.get(probe).copied().unwrap_or_default()
    }

    /// All alarms, oldest first; see [`Alarm::cleared`] and [`Alarm::acknowledged`].
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// The alarms whose cause is not gone, worst and newest first.
    pub fn open_alarms(&self) -> Vec<&Alarm> {
        let mut open: Vec<_> = self.alarms.iter().filter(|a| a.cleared.is_none()).collect();
        open.sort_by_key(|alarm| std::cmp::Reverse((alarm.level, alarm.since)));
        open
    }

    /// All notes, oldest first.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The hosts that cannot be reached, and why.
    pub const fn links_down(&self) -> &BTreeMap<HostId, SafeText> {
        &self.links_down
    }

    /// The rollback, if one began.
    pub const fn rollback(&self) -> Option<&Rollback> {
        self.rollback.as_ref()
    }

    /// The rollbacks to checkpoints that are over, oldest first.
    pub fn returns(&self) -> &[Rollback] {
        &self.returns
    }

    /// The emergency procedures that are open.
    pub const fn playbooks(&self) -> &BTreeMap<PlaybookId, PlaybookRecord> {
        &self.playbooks
    }

    /// The playbooks whose alarm is open, in the order of the runbook.
    pub fn proposed_playbooks(&self) -> impl Iterator<Item = &crate::plan::PlaybookPlan> {
        let raised = |probe: &ProbeId| {
            let id = AlarmId::Probe(probe.clone());
            self.alarms.iter().any(|alarm| alarm.id == id && alarm.cleared.is_none())
        };
        self.plan.playbooks.iter().filter(move |it| it.on_alarm.as_ref().is_some_and(raised))
    }

    /// How a gate was decided, if it was.
    pub fn gate(&self, step: &StepId) -> Option<&GateRecord> {
        self.gates.get(step)
    }

    /// Whether all that a forward step needs is over.
    pub fn is_ready(&self, step: &StepPlan) -> bool {
        self.track(&step.id).status == Status::Pending && self.first_unmet(step).is_none()
    }

    /// The forward steps that could start now, in the order of the file.
    pub fn ready(&self) -> impl Iterator<Item = &StepPlan> {
        let steps = self.plan.order.iter().filter_map(|id| self.plan.step(id));
        steps.filter(|step| self.is_ready(step))
    }

    /// The forward steps that want a choice, in the order of the file.
    pub fn undecided(&self) -> impl Iterator<Item = &StepId> {
        self.plan.order.iter().filter(|id| self.track(id).status.wants_choice())
    }

    /// Everything in flight: attempts that started and have not ended everywhere.
    pub fn in_flight(&self) -> impl Iterator<Item = &Attempt> {
        let tracks = self.actions.values().chain(self.undos.values());
        let attempts = tracks.flat_map(|track| &track.attempts);
        attempts.filter(|attempt| !attempt.has_ended())
    }

    /// How many forward steps are over, and how many there are.
    pub fn count(&self) -> (usize, usize) {
        let over = self.plan.order.iter().filter(|id| self.track(id).status.is_over()).count();
        (over, self.plan.order.len())
    }

    /// The step to look at: what runs, else what wants a choice, else what is ready, else the
    /// last one.
    pub fn current(&self) -> Option<&StepId> {
        let order = || self.plan.order.iter();
        order()
            .find(|id| self.track(id).status.is_in_flight())
            .or_else(|| self.undecided().next())
            .or_else(|| self.ready().next().map(|step| &step.id))
            .or_else(|| order().find(|id| !self.track(id).status.is_over()))
            .or_else(|| self.plan.order.last())
    }
}
