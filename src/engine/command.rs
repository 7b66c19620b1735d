//! What somebody asks for, and what the edge reports.

use std::sync::Arc;

use crate::base::{ChannelId, HostId, Millis, PlaybookId, SafeText, StepId};
use crate::plan::Plan;
use crate::runbook::Class;

use super::event::Genesis;
use super::gate::{Choice, Criterion, Evidence, Voice};
use super::health::{Change, Reading};
use super::hosts::HostSaid;
use super::job::{End, Job, Part, Transcript};
use super::readiness::{Need, Proof};
use super::shell::ShellEnded;
use super::sight::Sight;

/// A wish of the operator, or a report of the edge. `decide` turns it into events or a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open the session.
    Open(Genesis),
    /// Begin the run.
    Begin,
    /// Take the session up after its process ended.
    Resume {
        /// Who drives now.
        driver: SafeText,
        /// The machine.
        machine: SafeText,
        /// How long nobody watched.
        away: Millis,
        /// The public key that is to sign the record from here on.
        signer: Option<SafeText>,
    },
    /// The driver leaves, or the terminal is gone.
    Leave {
        /// How.
        why: SafeText,
    },
    /// Start a step.
    Start {
        /// Which.
        step: StepId,
        /// The gesture.
        gesture: Gesture,
    },
    /// Run a failed, timed-out or unknown step again.
    Retry {
        /// Which.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// On which hosts.
        which: Which,
        /// The gesture.
        gesture: Gesture,
        /// Why; has to be there after `unknown`, unless the step is idempotent.
        reason: Option<SafeText>,
    },
    /// Poll a step's verification again, or for the first time after a failure.
    Recheck {
        /// Which.
        step: StepId,
    },
    /// Pass over a step.
    Skip {
        /// Which.
        step: StepId,
        /// Why.
        reason: SafeText,
    },
    /// A person has done it.
    DoneByHand {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// How, and how it was checked.
        reason: SafeText,
    },
    /// Go on in spite of the failure.
    AcceptFailure {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// Why.
        reason: SafeText,
    },
    /// Change the command of a step for this run. It starts nothing.
    Edit {
        /// Which.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// The new command, sent as it stands.
        text: String,
        /// Why.
        reason: SafeText,
    },
    /// Go on by another plan.
    Replan {
        /// The plan; its inputs are pinned already.
        plan: Arc<Plan>,
        /// Why.
        reason: SafeText,
    },
    /// Stop what runs of a step.
    Stop {
        /// Which.
        step: StepId,
    },
    /// Look no further for the jobs of a step that nobody can watch.
    LetGo {
        /// Which.
        step: StepId,
        /// Why.
        reason: SafeText,
    },
    /// Sign off a manual step or undo.
    SignOff {
        /// Which step.
        step: StepId,
        /// Its action or its undo.
        part: Part,
        /// How many items of the checklist are ticked.
        ticked: usize,
        /// Words or evidence.
        words: SafeText,
    },
    /// Decide a gate.
    Decide {
        /// Which step.
        step: StepId,
        /// How.
        choice: Choice,
        /// How many items of the checklist are ticked.
        ticked: usize,
        /// What the probes say at this moment.
        evidence: Vec<Evidence>,
        /// What is left of the window at the forecast end, in milliseconds; negative when over.
        margin: Option<i64>,
        /// Why.
        reason: Option<SafeText>,
    },
    /// What a role answers at a gate.
    Vote {
        /// Which step.
        step: StepId,
        /// Who.
        voice: Voice,
        /// GO or NO-GO.
        choice: Choice,
        /// In their words.
        words: SafeText,
    },
    /// Let a criterion of a gate pass for a while.
    Waive {
        /// Which step.
        step: StepId,
        /// Which criterion.
        criterion: Criterion,
        /// Why.
        reason: SafeText,
        /// For how long.
        lasts: Millis,
    },
    /// A second person agrees that a step may start.
    Approve {
        /// Which step.
        step: StepId,
        /// Who.
        voice: Voice,
        /// In their words.
        words: SafeText,
    },
    /// Let steps that change something start although the window is shut.
    OverrideWindow {
        /// Why.
        reason: SafeText,
    },
    /// Start nothing new.
    Hold {
        /// Why.
        why: SafeText,
    },
    /// End the hold.
    Continue,
    /// Let steps of class check start by themselves, or not.
    AutoAdvance {
        /// Do they?
        on: bool,
    },
    /// Open the rollback guard.
    OpenGuard,
    /// Close it without a rollback.
    CloseGuard {
        /// How.
        why: SafeText,
    },
    /// Roll back.
    RollBack {
        /// Why.
        reason: SafeText,
        /// Why it is right past the point of no return.
        break_glass: Option<SafeText>,
        /// To which checkpoint; none: all the way.
        to: Option<SafeText>,
    },
    /// Open an emergency procedure.
    OpenPlaybook {
        /// Which.
        playbook: PlaybookId,
        /// Why.
        reason: SafeText,
    },
    /// Close it.
    ClosePlaybook {
        /// Which.
        playbook: PlaybookId,
    },
    /// The open alarms have been seen.
    AcknowledgeAlarms,
    /// Write a note.
    Note {
        /// At which step.
        step: Option<StepId>,
        /// The text.
        text: String,
    },
    /// Open a shell on a host. It starts nothing of the run, and holds it.
    OpenShell {
        /// Which host.
        host: HostId,
        /// From which step, if from one.
        step: Option<StepId>,
        /// Why.
        reason: SafeText,
    },
    /// The open shell is over.
    ShellEnded(Box<ShellEnded>),
    /// Give the run up without rolling back.
    Abandon {
        /// Why.
        reason: SafeText,
    },
    /// Close a session that is over.
    Close,
    /// Time has passed, or something changed: do what is due by itself.
    Wake,
    /// A job ended.
    Ended {
        /// Which.
        job: Job,
        /// How.
        end: End,
        /// What it printed.
        transcript: Option<Transcript>,
    },
    /// Something became known of a job that runs, or it went out of sight.
    Sighted {
        /// Which.
        job: Job,
        /// What.
        sight: Sight,
    },
    /// A job has printed very much, which its host keeps.
    Flood {
        /// Which.
        job: Job,
        /// So many bytes at least.
        bytes: u64,
    },
    /// A job has printed nothing for longer than its step allows.
    Silent {
        /// Which.
        job: Job,
        /// For how long.
        quiet: Millis,
    },
    /// A probe's health changed.
    Health(Change),
    /// What the way back needs was looked at.
    Proved {
        /// What it needs.
        need: Need,
        /// What that gave; none: nobody looks any more.
        proof: Option<Proof>,
    },
    /// The clock of the objectives has started: what is lost is measured.
    Measure {
        /// The last reading of the probe that says so, where it is fresh.
        reading: Option<Reading>,
    },
    /// A host's link changed.
    Link {
        /// Which host.
        host: HostId,
        /// What is wrong; none when it is up.
        down: Option<SafeText>,
    },
    /// The latest safe rollback or the window comes near.
    Limit {
        /// Milliseconds until the latest safe rollback; negative when past.
        latest_safe: Option<i64>,
        /// Milliseconds until the window closes; negative when past.
        window: Option<i64>,
    },
    /// Hold a host to the other key that it showed.
    AcceptHostKey {
        /// Which host.
        host: HostId,
        /// Why.
        reason: SafeText,
    },
    /// A host has shown something of itself.
    Host {
        /// Which host.
        host: HostId,
        /// What.
        said: HostSaid,
    },
    /// golive did not run for a while.
    StoodStill {
        /// For how long.
        span: Millis,
        /// Whether its machine slept.
        asleep: bool,
    },
    /// The record is not signed as it should be, or it is again.
    Signing {
        /// Why it is not; none when it is.
        trouble: Option<SafeText>,
    },
    /// Nothing can be recorded any more.
    RecordLost {
        /// What the disk said.
        why: SafeText,
    },
    /// Go on unrecorded: back, and to stop what runs. Nobody but a person at a screen asks for it.
    OverrideRecord {
        /// Why.
        reason: SafeText,
    },
    /// Try at once whether something can be recorded again; the session does that.
    TryRecord,
    /// All that was kept has been recorded.
    RecordedLate,
    /// Notices were delivered or given up.
    Told {
        /// To whom.
        channel: ChannelId,
        /// Which.
        numbers: Vec<u64>,
        /// The tries that it took.
        tries: u32,
        /// Why they were given up; none when they were delivered.
        lost: Option<SafeText>,
    },
    /// The wall clock moved.
    ClockJump {
        /// By how many milliseconds.
        millis: i64,
    },
}

impl Command {
    /// Whether a person asks for something new to begin, or to go on by itself.
    pub const fn starts_something(&self) -> bool {
        matches!(
            self,
            Self::Begin
                | Self::Start { .. }
                | Self::Retry { .. }
                | Self::Continue
                | Self::AutoAdvance { on: true }
        )
    }
}

/// How a start was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gesture {
    /// The hardest class it is good for.
    pub class: Class,
    /// How long the dialog had been open.
    pub after: Millis,
}

/// On which hosts to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// On all of them.
    All,
    /// Where it did not succeed.
    Failed,
}
