//! Where a run stands: derived from the plan and the events, and from nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{HostId, Millis, PlaybookId, ProbeId, SafeText, StepId, Timestamp, VarName};
use crate::plan::{Plan, StepPlan};

use super::event::{Actor, AlarmId, Genesis, Item, Level, Return};
use super::gate::{Approval, GateRecord, Vote, Waiver};
use super::health::Health;
use super::hosts::{HostRecord, StoodStill};
use super::job::Part;
use super::limits::Overrides;
use super::notice::OpenNotice;
use super::readiness::{Known, Need};
use super::replan::Course;
use super::shell::ShellRecord;
use super::track::{Attempt, Status, Track};
use super::trigger::Since;
use super::unrecorded::Lost;
use super::voice::Spoken;

/// A run of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) course: Course,
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
    pub(super) playbooks: BTreeMap<PlaybookId, PlaybookRecord>,
    pub(super) since: BTreeMap<ProbeId, Since>,
    pub(super) events: u64,
    pub(super) closed: bool,
    pub(super) last_away: Option<(Timestamp, Millis)>,
    pub(super) hosts: BTreeMap<HostId, HostRecord>,
    pub(super) standstills: Vec<StoodStill>,
    pub(super) shells: Vec<ShellRecord>,
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

impl State {
    /// A run of `plan` of which nothing is known yet.
    pub fn new(plan: Arc<Plan>) -> Self {
        let actions = plan.steps.keys().map(|id| (id.clone(), Arc::default())).collect();
        let undos = plan.order.iter().map(|id| (id.clone(), Arc::default())).collect();
        let health = plan.probes.iter().map(|p| (p.id.clone(), Health::Unknown)).collect();
        Self {
            course: Course::new(&plan),
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
            playbooks: BTreeMap::new(),
            since: BTreeMap::new(),
            events: 0,
            closed: false,
            last_away: None,
            hosts: BTreeMap::new(),
            standstills: Vec::new(),
            shells: Vec::new(),
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
            claim: None,
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
