//! Why not, and what would help. Nothing was done and nothing is journaled.

use thiserror::Error;

use crate::base::{HostId, Millis, PlaybookId, ProbeId, RoleId, SafeText, StepId};
use crate::plan::NotCaptured;
use crate::runbook::Class;

use super::because::{Already, Deed, Standing, StepKind, Unfit};
use super::health::Health;
use super::track::Status;

/// Something that was asked for and is not possible now.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// No such step.
    #[error("there is no step `{0}` in this runbook")]
    UnknownStep(StepId),
    /// The session is not active.
    #[error("nothing can start: the session is {0}")]
    NotActive(Standing),
    /// The session is held.
    #[error("the session is held ({0}): continue first")]
    Held(SafeText),
    /// The rollback guard is open.
    #[error("the rollback guard is open: close it first")]
    GuardOpen,
    /// The guard is not open.
    #[error("the rollback guard is not open")]
    GuardClosed,
    /// A step that it needs is not over.
    #[error("`{step}` needs `{need}`, which is {status}", status = .status.word())]
    Needs {
        /// Which step.
        step: StepId,
        /// What it needs.
        need: StepId,
        /// How that stands.
        status: Status,
    },
    /// The step is not in a state that allows it.
    #[error("`{step}` is {status}: {what} is not possible", status = .status.word())]
    WrongStatus {
        /// Which step.
        step: StepId,
        /// How it stands.
        status: Status,
        /// What was asked for.
        what: Deed,
    },
    /// The gesture is not good enough.
    #[error("`{step}` is of class {needed:?}: it has to be confirmed as such")]
    Unconfirmed {
        /// Which step.
        step: StepId,
        /// The class.
        needed: Class,
    },
    /// A reason is missing.
    #[error("{0} needs a reason")]
    NoReason(Deed),
    /// A step that has not started is edited only while nothing can start it.
    #[error("`{0}` has not started: hold the run first, then edit its command")]
    NotHeld(StepId),
    /// The new command of a step is none.
    #[error("the new command of `{step}` is not taken: {why}")]
    NoCommand {
        /// Which step.
        step: StepId,
        /// Why.
        why: Unfit,
    },
    /// The value of a secret would be in the record.
    #[error("it is not taken: it holds {0}, and would be in the record; give it as a secret")]
    HoldsSecret(SafeText),
    /// A changed runbook cannot be gone on by.
    #[error("the run cannot go on by that runbook: {}", .0.join("; "))]
    Replan(Vec<String>),
    /// The author forbids it.
    #[error("`{0}` may not be skipped: the runbook says `skippable = false`")]
    NotSkippable(StepId),
    /// It is not that kind of step.
    #[error("`{step}` is not a {kind} step")]
    WrongKind {
        /// Which step.
        step: StepId,
        /// What it is not.
        kind: StepKind,
    },
    /// The checklist is not done.
    #[error("{ticked} of {all} items of the checklist are ticked: tick all of them")]
    Checklist {
        /// How many are ticked.
        ticked: usize,
        /// How many there are.
        all: usize,
    },
    /// A probe that a gate needs is not healthy.
    #[error("probe `{probe}` is {health}: GO needs a reason", health = .health.word())]
    NotHealthy {
        /// Which probe.
        probe: ProbeId,
        /// What it says.
        health: Health,
    },
    /// The window is not open yet.
    #[error(
        "`{step}` changes something, and the window opens at {opens}, in {left}: wait, or override \
         it with a reason"
    )]
    NotOpen {
        /// Which step.
        step: StepId,
        /// When it opens, in the site's zone.
        opens: SafeText,
        /// How long it is until then.
        left: Millis,
    },
    /// The window has closed.
    #[error(
        "`{step}` changes something, and the window closed at {closed}, {ago} ago: roll back, or \
         override it with a reason"
    )]
    WindowClosed {
        /// Which step.
        step: StepId,
        /// When it closed, in the site's zone.
        closed: SafeText,
        /// How long ago that was.
        ago: Millis,
    },
    /// The window is too short.
    #[error("the forecast end leaves less than {0} of the window: GO needs a reason")]
    Margin(Millis),
    /// A rollback would not find what it needs.
    #[error("a rollback is not ready ({0}): GO needs a reason")]
    NotReady(SafeText),
    /// Too few of the roles have said GO.
    #[error("{go} of the {needed} roles that have to say GO have said it: ask the others")]
    Poll {
        /// How many have.
        go: usize,
        /// How many have to.
        needed: usize,
    },
    /// The gate does not ask that role.
    #[error("gate `{step}` does not ask `{role}`")]
    NotAsked {
        /// Which gate.
        step: StepId,
        /// Which role.
        role: RoleId,
    },
    /// Somebody speaks for a role that they are not in.
    #[error("`{person}` is not one of the role `{role}`")]
    NotOfRole {
        /// Who.
        person: SafeText,
        /// Which role.
        role: RoleId,
    },
    /// The role has keys, and its word came without a signature.
    #[error("`{0}` has keys in the runbook: its word from another terminal is signed with one")]
    Unsigned(RoleId),
    /// The key is not one of the role's.
    #[error("{key} is not a key of the role `{role}`: the runbook names its keys")]
    StrangeKey {
        /// Its fingerprint.
        key: SafeText,
        /// The role.
        role: RoleId,
    },
    /// What was signed is no later than what the key signed last.
    #[error("{0} has said that, or something later, before: a signed word counts once")]
    SaidBefore(SafeText),
    /// They spoke of another attempt.
    #[error(
        "that was said of attempt {said} of `{step}`, and it is at attempt {now}: say it again"
    )]
    OtherAttempt {
        /// Of which step.
        step: StepId,
        /// Of which attempt they spoke.
        said: u32,
        /// Which it is.
        now: u32,
    },
    /// A second person has to sign.
    #[error(
        "another terminal of the account that drives is no second person: sign with a key that \
         the runbook names for a role"
    )]
    SecondUnsigned,
    /// A second person signs with the key of the first.
    #[error("that key signs the record for the driver: a second person has a key of their own")]
    SameKey,
    /// The gate has no such criterion.
    #[error("gate `{step}` has no criterion `{criterion}` to waive")]
    NoCriterion {
        /// Which gate.
        step: StepId,
        /// What was named.
        criterion: SafeText,
    },
    /// A waiver without an end, or with one far away.
    #[error("a waiver lasts from 1s to 24h")]
    WaiverLasts,
    /// A second person has to agree.
    #[error(
        "`{0}` needs a second person: somebody of a role who does not drive has to agree first"
    )]
    NoSecond(StepId),
    /// The second person is the first.
    #[error("{0} drives: a second person has to agree")]
    SamePerson(SafeText),
    /// No evidence was given.
    #[error("the sign-off of `{0}` needs evidence: a link, or what was seen")]
    NoEvidence(StepId),
    /// No such playbook.
    #[error("there is no playbook `{0}` in this runbook")]
    NoPlaybook(PlaybookId),
    /// The playbook is not open.
    #[error("playbook `{0}` is not open: open it first, with a reason")]
    PlaybookShut(PlaybookId),
    /// No such checkpoint, or it was not reached.
    #[error("there is no checkpoint `{0}` that the run has reached")]
    NoCheckpoint(SafeText),
    /// Nothing has started since.
    #[error("nothing has started since checkpoint `{0}`")]
    NothingSince(SafeText),
    /// The right to roll back has ended.
    #[error("`{0}` has ended the right to roll back (commit): what is wrong is put right forward")]
    Committed(StepId),
    /// A captured value is missing.
    #[error("`{step}` cannot start: {missing}")]
    NotCaptured {
        /// Which step.
        step: StepId,
        /// What is missing.
        missing: NotCaptured,
    },
    /// A `when` expression could not be evaluated.
    #[error("`when` of `{step}` cannot be evaluated: {why}")]
    When {
        /// Which step.
        step: StepId,
        /// Why.
        why: String,
    },
    /// A rollback is under way or over.
    #[error("a rollback has begun: going forward again is a new run")]
    RollingBack,
    /// Past the point of no return.
    #[error("`{0}` is a point of no return and has run: rolling back needs a break-glass reason")]
    PointOfNoReturn(StepId),
    /// Nothing to undo and nothing to do.
    #[error("no step has started: there is nothing to roll back")]
    NothingToRollBack,
    /// The step has no verification.
    #[error("`{0}` has no `verify` to check again")]
    NoVerify(StepId),
    /// There is nothing to stop.
    #[error("nothing of `{0}` is running")]
    NothingRuns(StepId),
    /// Every job of the step is watched, or none runs.
    #[error("nothing of `{0}` runs out of sight")]
    NothingUnseen(StepId),
    /// No such host.
    #[error("there is no host `{0}` in this runbook")]
    NoSuchHost(HostId),
    /// A shell is open.
    #[error("a shell on `{0}` is open: leave it first")]
    ShellOpen(HostId),
    /// The session is closed.
    #[error("the session is closed: its record is complete")]
    Closed,
    /// Nothing can be recorded.
    #[error("nothing can be recorded: {why}")]
    NotRecorded {
        /// What the disk said.
        why: SafeText,
    },
    /// It is already so.
    #[error("{0}")]
    Already(Already),
    /// A report about something that is not in flight.
    #[error("nothing in flight is called `{0}`")]
    NotInFlight(String),
}
