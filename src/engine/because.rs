//! The parts of a refusal that are words: each is a case of its own, so that another language can
//! say it.

use std::fmt;

/// What was asked for, in the words of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Another command is put in its place.
    Edit,
    /// An emergency procedure is opened.
    OpenPlaybook,
    /// Its playbook is closed.
    ClosePlaybook,
    /// The way back is walked.
    RollBack,
    /// A NO-GO is said.
    NoGo,
    /// A criterion is waived.
    Waive,
    /// The run goes on by another runbook.
    Replan,
    /// Steps start although the window is shut.
    OutsideWindow,
    /// A shell is opened on a host.
    OpenShell,
    /// The run is given up.
    GiveUp,
    /// It goes on although nothing is recorded.
    Unrecorded,
    /// It runs once more.
    RunAgain,
    /// It runs once more, although it may have run.
    RunInDoubtAgain,
    /// Only its verification runs again.
    CheckAgain,
    /// A step is skipped.
    Skip,
    /// The step is skipped.
    SkipIt,
    /// Nobody looks any further for it.
    LookNoFurther,
    /// It is marked done by hand.
    DoneByHand,
    /// Its failure is accepted.
    AcceptFailure,
    /// Another host key is accepted.
    AcceptKey,
    /// It starts.
    Start,
    /// A second person agrees.
    Agree,
    /// It is decided or signed off.
    Decide,
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Edit => "editing its command",
            Self::OpenPlaybook => "an emergency procedure",
            Self::ClosePlaybook => "closing its playbook",
            Self::RollBack => "rolling back",
            Self::NoGo => "NO-GO",
            Self::Waive => "a waiver",
            Self::Replan => "going on by another runbook",
            Self::OutsideWindow => "starting steps outside the window",
            Self::OpenShell => "a shell on a host",
            Self::GiveUp => "giving up the run",
            Self::Unrecorded => "going on unrecorded",
            Self::RunAgain => "running it again",
            Self::RunInDoubtAgain => "running it again, as it may have run,",
            Self::CheckAgain => "checking it again",
            Self::Skip => "skipping a step",
            Self::SkipIt => "skipping it",
            Self::LookNoFurther => "looking no further for a step",
            Self::DoneByHand => "marking it done by hand",
            Self::AcceptFailure => "accepting its failure",
            Self::AcceptKey => "accepting another host key",
            Self::Start => "starting it",
            Self::Agree => "agreeing to it",
            Self::Decide => "deciding it or signing it off",
        })
    }
}

/// How the session stands, where that is why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not open yet.
    NotOpen,
    /// It has not begun.
    NotBegun,
    /// It is under way.
    UnderWay,
    /// It is completed.
    Completed,
    /// It was given up.
    GivenUp,
    /// Something of it runs still.
    StillRuns,
    /// It does not roll back.
    NotRollingBack,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotOpen => "not open yet",
            Self::NotBegun => "not begun yet",
            Self::UnderWay => "still under way",
            Self::Completed => "completed",
            Self::GivenUp => "given up",
            Self::StillRuns => "waiting for what still runs",
            Self::NotRollingBack => "not rolling back",
        })
    }
}

/// What is so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Already {
    /// The runbook is the same.
    SamePlan,
    /// The playbook is open.
    PlaybookOpen,
    /// The criterion holds.
    Holds,
    /// Nobody has to agree.
    NobodyAsked,
    /// The session is open.
    Opened,
    /// The run has begun.
    Begun,
    /// The session is held.
    OnHold,
    /// The session is not held.
    NotOnHold,
    /// The note is empty.
    NoText,
    /// The run is given up.
    GivenUp,
    /// Everything is recorded.
    Recorded,
    /// The window keeps nothing from starting.
    WindowOpen,
    /// There is nothing to override.
    NothingToOverride,
    /// The override is given.
    Overridden,
    /// The host has shown no other key.
    SameKey,
}

impl fmt::Display for Already {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SamePlan => "the runbook is the one that the run goes by",
            Self::PlaybookOpen => "this playbook is open",
            Self::Holds => "it holds: there is nothing to waive",
            Self::NobodyAsked => "nobody has to agree to this step",
            Self::Opened => "the session is open",
            Self::Begun => "the run has begun",
            Self::OnHold => "the session is held already",
            Self::NotOnHold => "the session is not held",
            Self::NoText => "a note needs some text",
            Self::GivenUp => "the run is given up already",
            Self::Recorded => "everything is recorded",
            Self::WindowOpen => "the window does not keep any step from starting",
            Self::NothingToOverride => "everything is recorded: nothing to override",
            Self::Overridden => "the override is given already",
            Self::SameKey => "this host has shown no other key",
        })
    }
}

/// Why the new command of a step is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Nothing is written.
    Empty,
    /// It is too long.
    TooLong,
    /// Nothing is changed.
    Same,
    /// It holds a mark that stands for a value.
    Mark,
    /// It holds characters that nobody sees.
    Hidden,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is longer than 64 KiB",
            Self::Same => "it is the same as before",
            Self::Mark => "a mark like ‹captured: name› stands for a value; write the value",
            Self::Hidden => "it has control characters or characters that nobody sees",
        })
    }
}

/// What kind of step is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A command.
    RunOrLocal,
    /// A command, or work by hand.
    RunOrManual,
    /// Work by hand.
    Manual,
    /// A decision.
    Gate,
    /// A part of the rollback.
    Rollback,
    /// A step of the way forward.
    Forward,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RunOrLocal => "run or local",
            Self::RunOrManual => "run or manual",
            Self::Manual => "manual",
            Self::Gate => "gate",
            Self::Rollback => "rollback",
            Self::Forward => "forward",
        })
    }
}
