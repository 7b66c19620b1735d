//! What happened. The journal holds these and nothing else.

use serde::{Deserialize, Serialize};

use crate::base::{
    ChannelId, Digest, HostId, Millis, PlaybookId, ProbeId, RunbookId, SafeText, SessionId, StepId,
    Timestamp, VarName,
};
use crate::plan::StepChange;
use crate::runbook::Class;

use super::gate::{Choice, Criterion, Evidence, Frozen, Voice};
use super::health::{Health, Reading};
use super::hosts::HostFact;
use super::job::{End, Job, Key, Part, Place, Transcript, Verdict};
use super::limits::WindowEdge;
use super::readiness::{Need, Proof};
use super::shell::{ShellEnded, ShellOpened};
use super::sight::Sight;

/// Who caused something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// A person at the keyboard, or the flags of a run without a screen.
    Operator(SafeText),
    /// The program, by the runbook's rules.
    Engine,
    /// A host, by what it answered.
    Host(HostId),
    /// A probe.
    Probe(ProbeId),
    /// The clock.
    Clock,
}

impl Actor {
    /// Who reports of a job there.
    pub fn at(place: &Place) -> Self {
        match place {
            Place::Host(host) => Self::Host(host.clone()),
            Place::Here => Self::Engine,
        }
    }

    /// The name for tables.
    pub fn name(&self) -> &str {
        match self {
            Self::Operator(name) => name.as_str(),
            Self::Engine => "golive",
            Self::Host(host) => host.as_str(),
            Self::Probe(probe) => probe.as_str(),
            Self::Clock => "clock",
        }
    }
}

/// What kind of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    /// The real one.
    Live,
    /// Real hosts of another inventory.
    Rehearsal,
    /// The practice fleet, or a disaster-recovery exercise.
    Drill,
}

impl RunKind {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "PROD",
            Self::Rehearsal => "REHEARSAL",
            Self::Drill => "DRILL",
        }
    }
}

/// The first event of every journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    /// The session's name.
    pub session: SessionId,
    /// What kind of run.
    pub kind: RunKind,
    /// Version of golive.
    pub version: SafeText,
    /// The runbook's name.
    pub runbook: RunbookId,
    /// The runbook's title.
    pub title: SafeText,
    /// Digest of everything the plan was made from.
    pub plan: Digest,
    /// Who drives.
    pub driver: SafeText,
    /// The machine golive runs on.
    pub machine: SafeText,
    /// The environment that the inventory names.
    pub environment: Option<SafeText>,
    /// Why kind and environment may disagree, where they do.
    pub overridden: Option<SafeText>,
    /// The public key that is to sign the record, as in `authorized_keys`; none: it is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<SafeText>,
}

/// How hard an alarm asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For information.
    Advisory,
    /// Know now, act soon.
    Caution,
    /// Act now.
    Warning,
}

/// What an alarm is about; equal ones fold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmId {
    /// A step failed, timed out or is unknown.
    Step(StepId),
    /// A step has printed nothing for too long.
    Silent(StepId),
    /// A step prints more than its host can keep for long.
    Flood(StepId),
    /// A probe is not healthy.
    Probe(ProbeId),
    /// A soak was breached.
    Soak(StepId),
    /// A waiver of a gate is over.
    Waiver(StepId),
    /// A probe has been unwell for so long that the runbook proposes to roll back.
    Trigger(ProbeId),
    /// The way back is planned for now.
    PlannedReturn,
    /// A host cannot be reached.
    Host(HostId),
    /// A host showed another key than the one it is held to.
    HostKey(HostId),
    /// The clock of a host is wrong.
    HostClock(HostId),
    /// A step runs, and nobody can watch it.
    Unseen(StepId),
    /// The latest safe rollback comes near, or is past.
    LatestSafe,
    /// The window comes to its end.
    Window,
    /// A channel does not deliver.
    Notice(ChannelId),
    /// The record is not signed, although somebody is to sign it.
    Signing,
    /// The way back is not ready any more.
    Readiness,
    /// The recovery takes longer than it may.
    Rto,
    /// More data was lost than may be, or nobody knows how much.
    Rpo,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "kebab-case")]
pub enum Event {
    /// The session was opened. Always the first.
    SessionOpened(Genesis),
    /// The run began: steps may start.
    RunBegan,
    /// A journal was taken up again after its process ended.
    Resumed {
        /// Who drives now.
        driver: SafeText,
        /// The machine.
        machine: SafeText,
        /// How long nobody watched.
        away: Millis,
        /// Jobs in flight at that time that ended with their link: their outcome is unknown.
        in_doubt: Vec<Job>,
        /// Durable jobs in flight at that time: their hosts are asked what became of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        sought: Vec<Job>,
        /// The public key that is to sign the record from here on; none: it is not signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signer: Option<SafeText>,
    },
    /// The driver left, or the terminal went away.
    DriverLeft {
        /// How.
        why: SafeText,
    },
    /// An attempt starts. On disk before a byte leaves for any of its places.
    AttemptStarted {
        /// The attempt.
        key: Key,
        /// Where.
        places: Vec<Place>,
        /// Digest of what is sent: command, environment names, input.
        payload: Digest,
        /// What was confirmed on screen, or that nobody had to.
        confirmed: Confirmed,
    },
    /// An attempt goes on in waves: these are to come, each once the one before is well.
    WavesPlanned {
        /// The attempt.
        key: Key,
        /// The places of each.
        waves: Vec<Vec<Place>>,
    },
    /// A wave is over and well; the next does not start before this time.
    WavePaused {
        /// The attempt.
        key: Key,
        /// When.
        until: Timestamp,
    },
    /// The next wave of an attempt starts. On disk before a byte leaves for any of its places.
    WaveStarted {
        /// The attempt.
        key: Key,
        /// Where.
        places: Vec<Place>,
    },
    /// Something became known of a job that runs, or it went out of sight.
    JobSighted {
        /// Which.
        job: Job,
        /// What.
        sight: Sight,
    },
    /// A job ended.
    JobEnded {
        /// Which.
        job: Job,
        /// How.
        end: End,
        /// What it printed, where it printed anything.
        transcript: Option<Transcript>,
    },
    /// An attempt has run past its limit; it is being stopped.
    TimeLimitReached {
        /// Which.
        key: Key,
    },
    /// Somebody asked to stop an attempt.
    StopAsked {
        /// Which.
        key: Key,
    },
    /// A failed attempt will be repeated by itself.
    RetryPlanned {
        /// Which step.
        step: StepId,
        /// When.
        at: Timestamp,
    },
    /// Probes are being watched.
    SoakStarted {
        /// For which step.
        step: StepId,
        /// Until when.
        until: Timestamp,
    },
    /// A watched probe was not healthy.
    SoakBreached {
        /// For which step.
        step: StepId,
        /// Which probe.
        probe: ProbeId,
        /// What it said.
        health: Health,
    },
    /// A step's part is over, with this verdict.
    Settled {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// How it ended.
        verdict: Verdict,
    },
    /// A step was passed over.
    Skipped {
        /// Which.
        step: StepId,
        /// Why.
        reason: SafeText,
    },
    /// Somebody says that they did it by hand; its verification, which begins, is to prove it.
    SaidDone {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// How, and how they checked it.
        reason: SafeText,
    },
    /// A step or an undo was done by hand: it has no verification, or that holds.
    DoneByHand {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// How, and how it was checked.
        reason: SafeText,
    },
    /// A failure was accepted.
    FailureAccepted {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// Why.
        reason: SafeText,
    },
    /// A person signed off a manual step or a manual undo.
    SignedOff {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// Their words, or the evidence.
        words: SafeText,
    },
    /// A gate was decided.
    GateDecided {
        /// Which step.
        step: StepId,
        /// How.
        choice: Choice,
        /// The readings it was decided on.
        evidence: Vec<Evidence>,
        /// Why; always there for no-go and for a go over a criterion that does not hold.
        reason: Option<SafeText>,
        /// What was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        frozen: Option<Box<Frozen>>,
    },
    /// A role answered at a gate. It decides nothing by itself.
    Voted {
        /// At which step.
        step: StepId,
        /// Who.
        voice: Voice,
        /// GO or NO-GO.
        choice: Choice,
        /// In their words; always there for NO-GO.
        words: SafeText,
    },
    /// A criterion of a gate that does not hold is let pass for a while.
    Waived {
        /// Of which gate.
        step: StepId,
        /// Which criterion.
        criterion: Criterion,
        /// Why.
        reason: SafeText,
        /// Until when.
        until: Timestamp,
    },
    /// A waiver is over.
    WaiverEnded {
        /// Of which gate.
        step: StepId,
        /// Which criterion.
        criterion: Criterion,
    },
    /// The command of a step was changed for this run. The runbook and its pinned copy stay.
    StepEdited {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// Digest of the command as it was.
        was: Digest,
        /// The command from here on, sent as it stands.
        text: String,
        /// The class of the step from here on.
        class: Class,
        /// Why it has that class.
        because: SafeText,
        /// Why.
        reason: SafeText,
    },
    /// The run goes on by another plan, whose inputs are pinned beside the others.
    Replanned {
        /// Digest of the plan before.
        was: Digest,
        /// Digest of the plan from here on.
        plan: Digest,
        /// The steps that are not the same.
        changes: Vec<StepChange>,
        /// Why.
        reason: SafeText,
    },
    /// A second person agreed that a step may start.
    Approved {
        /// Which step.
        step: StepId,
        /// Who.
        voice: Voice,
        /// In their words.
        words: SafeText,
    },
    /// An emergency procedure was opened: its steps may be started, each by itself.
    PlaybookOpened {
        /// Which.
        playbook: PlaybookId,
        /// Why.
        reason: SafeText,
    },
    /// An emergency procedure was closed.
    PlaybookClosed {
        /// Which.
        playbook: PlaybookId,
    },
    /// Steps that change something start although the window is shut.
    WindowOverridden {
        /// It is not open yet, or it has closed.
        edge: WindowEdge,
        /// Why.
        reason: SafeText,
    },
    /// Nothing new starts until further notice.
    Held {
        /// Why.
        why: SafeText,
    },
    /// The hold is over.
    Continued,
    /// Steps of class check start by themselves, or no longer do.
    AutoAdvance {
        /// Do they?
        on: bool,
    },
    /// The rollback guard was opened: forward steps are held.
    GuardOpened,
    /// The rollback guard was closed without a rollback.
    GuardClosed {
        /// How.
        why: SafeText,
    },
    /// A rollback began.
    RollbackBegan {
        /// Why.
        reason: SafeText,
        /// What will be done, in this order.
        items: Vec<Item>,
        /// Why going back past the point of no return is right, where it is.
        break_glass: Option<SafeText>,
        /// How far; none: all the way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Return>,
    },
    /// A rollback to a checkpoint is over: the run may go forward from there again.
    Returned {
        /// The checkpoint.
        checkpoint: SafeText,
    },
    /// The rollback is over.
    RollbackEnded {
        /// Every item succeeded, was done by hand, or was accepted; the old system was verified.
        verified: bool,
    },
    /// The health of a probe changed.
    HealthChanged {
        /// Which.
        probe: ProbeId,
        /// What it was.
        was: Health,
        /// What it is.
        is: Health,
        /// The reading that made it so; none when readings are missing.
        reading: Option<Reading>,
    },
    /// Looks at what the way back needs give something else than before.
    ReadinessChanged {
        /// What it needs.
        need: Need,
        /// What they give; none: nobody looks any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Proof>,
    },
    /// How much data was lost was measured, at the start of the clock of the objectives.
    LossMeasured {
        /// How much; none where that is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<Millis>,
        /// What it was read from, or why it is not known.
        says: SafeText,
    },
    /// An alarm was raised.
    AlarmRaised {
        /// About what.
        id: AlarmId,
        /// How hard.
        level: Level,
        /// What happened, and what to do.
        text: SafeText,
    },
    /// The cause of an alarm is gone.
    AlarmCleared {
        /// About what.
        id: AlarmId,
    },
    /// Somebody has seen the alarms that are open.
    AlarmsAcknowledged,
    /// A note.
    Noted {
        /// At which step.
        step: Option<StepId>,
        /// The text, Markdown.
        text: String,
    },
    /// A captured value.
    Captured {
        /// Its name.
        name: VarName,
        /// Its value.
        value: SafeText,
        /// Where it was captured.
        from: Place,
    },
    /// The wall clock moved against the boot-time clock.
    ClockJumped {
        /// By how many milliseconds; positive is forward.
        millis: i64,
    },
    /// golive did not run for a while: what should have happened then happens now, and no limit
    /// counts that time.
    StoodStill {
        /// For how long.
        span: Millis,
        /// Its machine slept; otherwise it was stopped, or its machine had no time for it.
        asleep: bool,
    },
    /// From here on nothing could be recorded: what follows was kept in memory.
    RecordingLost {
        /// What the disk said.
        why: SafeText,
    },
    /// A person goes on although nothing is recorded: back, and to stop what runs.
    RecordingOverridden {
        /// Why.
        reason: SafeText,
    },
    /// All that was kept in memory is in the record now, in its order.
    RecordedLate {
        /// Since when nothing had been recorded.
        since: Timestamp,
        /// How many facts were written late: those since [`Event::RecordingLost`], with it.
        facts: u64,
        /// Why somebody went on all the same, if somebody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SafeText>,
    },
    /// Something was learnt of a host.
    HostNoted {
        /// Which.
        host: HostId,
        /// What.
        fact: HostFact,
    },
    /// Notices were delivered, in one message.
    NoticeDelivered {
        /// To whom.
        channel: ChannelId,
        /// Which.
        numbers: Vec<u64>,
        /// At which try.
        tries: u32,
    },
    /// Notices were given up.
    NoticeLost {
        /// To whom.
        channel: ChannelId,
        /// Which.
        numbers: Vec<u64>,
        /// After how many tries.
        tries: u32,
        /// Why.
        why: SafeText,
    },
    /// A person opens a shell on a host. On disk before it opens.
    ShellOpened(ShellOpened),
    /// It is over.
    ShellEnded(Box<ShellEnded>),
    /// Every step is over.
    Completed,
    /// The run was given up, without rolling back.
    Abandoned {
        /// Why.
        reason: SafeText,
    },
    /// The session is closed: nothing follows.
    Closed,
}

/// One item of a rollback.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Item {
    /// The step.
    pub step: StepId,
    /// `undo` for a forward step, `action` for a rollback's own step.
    pub part: Part,
}

/// How far a rollback goes that does not go all the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// The checkpoint.
    pub checkpoint: SafeText,
    /// The steps that are to be done once more after it.
    pub again: Vec<StepId>,
}

/// What stood between the wish and the start of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmed {
    /// Nobody had to confirm: the runbook says `auto`, a retry by itself, a verification, or an
    /// item of a rollback that was confirmed as a whole.
    ByRule,
    /// A person confirmed, this long after the dialog opened.
    ByPerson {
        /// The hardest class that the gesture was good for.
        class: Class,
        /// How long the dialog had been open.
        after: Millis,
    },
}
