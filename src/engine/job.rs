//! Names of pieces of work, and how they end.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::{Digest, HostId, Millis, SafeText, SecretName, StepId, VarName};

use super::done::Done;
use super::reconcile::Reconciled;
use super::sight::Doubt;

/// Which part of a step an attempt belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The step's own action.
    Action,
    /// Its verification.
    Verify,
    /// A comparison of two systems while it is watched.
    Compare,
    /// Its undo.
    Undo,
    /// The verification of its undo.
    UndoVerify,
}

impl Part {
    /// Whether it belongs to the way back.
    pub const fn is_undo(self) -> bool {
        matches!(self, Self::Undo | Self::UndoVerify)
    }

    /// The verification that belongs to it.
    #[must_use]
    pub const fn verification(self) -> Self {
        if self.is_undo() { Self::UndoVerify } else { Self::Verify }
    }

    /// The thing itself: the action or the undo that a verification belongs to.
    #[must_use]
    pub const fn thing(self) -> Self {
        if self.is_undo() { Self::Undo } else { Self::Action }
    }
}

/// One attempt at one part of one step: never started twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The step.
    pub step: StepId,
    /// Which part of it.
    pub part: Part,
    /// The attempt, from 1, counted per part.
    pub attempt: u32,
}

impl fmt::Display for Key {
    /// The stem of the transcript's file name: `shift.1.2`, `shift.1.undo.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, part, attempt } = self;
        match part {
            Part::Action => write!(f, "{step}.{attempt}"),
            Part::Verify => write!(f, "{step}.verify.{attempt}"),
            Part::Compare => write!(f, "{step}.compare.{attempt}"),
            Part::Undo => write!(f, "{step}.undo.{attempt}"),
            Part::UndoVerify => write!(f, "{step}.undo-verify.{attempt}"),
        }
    }
}

/// Where a job runs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On the operator's machine.
    Here,
    /// On a host.
    Host(HostId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.pad("local"),
            Self::Host(host) => f.pad(host.as_str()),
        }
    }
}

/// One attempt in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Job {
    /// The attempt.
    pub key: Key,
    /// The place.
    pub place: Place,
}

impl fmt::Display for Job {
    /// The transcript's file name without `.log`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, self.place)
    }
}

/// How a job ended, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The command ended by itself.
    Exited {
        /// Its exit status.
        code: i32,
        /// What `expect` did not find; none if all is as expected.
        unmet: Option<SafeText>,
        /// What `capture` took from the output.
        captured: BTreeMap<VarName, SafeText>,
    },
    /// A signal ended it that golive did not send.
    Signalled {
        /// The signal's name without `SIG`.
        signal: SafeText,
    },
    /// golive did it itself, or found out for certain that it is not done.
    Done(Box<Done>),
    /// It was stopped on demand.
    Stopped {
        /// What still lives of it, where that is known; empty is the proof that all is gone.
        survivors: Option<Vec<SafeText>>,
    },
    /// Nothing was sent: it did not run, and starting it again is safe.
    NotStarted {
        /// Why.
        why: SafeText,
    },
    /// The host was started again, as the step wanted.
    Rebooted {
        /// From the start of the step until the host answered again.
        after: Millis,
    },
    /// It may have run, or may be running: nobody knows.
    Unknown {
        /// Why.
        why: SafeText,
        /// What kind of not knowing it is.
        #[serde(default, skip_serializing_if = "Doubt::is_link")]
        doubt: Doubt,
    },
}

impl End {
    /// Nobody knows how it ended, for this reason.
    pub fn unknown(doubt: Doubt, why: &str) -> Self {
        Self::Unknown { why: SafeText::new(why), doubt }
    }

    /// What a comparison found, where this is the end of one.
    pub fn reconciled(&self) -> Option<&Reconciled> {
        match self {
            Self::Done(done) => done.reconciled.as_deref(),
            Self::Exited { .. }
            | Self::Signalled { .. }
            | Self::Stopped { .. }
            | Self::NotStarted { .. }
            | Self::Rebooted { .. }
            | Self::Unknown { .. } => None,
        }
    }

    /// The values that were captured from what it printed or answered.
    pub const fn captured(&self) -> Option<&BTreeMap<VarName, SafeText>> {
        match self {
            Self::Exited { captured, .. } => Some(captured),
            Self::Done(done) => Some(&done.captured),
            Self::Signalled { .. }
            | Self::Stopped { .. }
            | Self::NotStarted { .. }
            | Self::Rebooted { .. }
            | Self::Unknown { .. } => None,
        }
    }

    /// The outcome in one word of the step states.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Exited { unmet: None, .. } | Self::Rebooted { .. } => Verdict::Succeeded,
            Self::Done(done) if done.unmet.is_none() => Verdict::Succeeded,
            Self::Exited { .. }
            | Self::Done(_)
            | Self::Signalled { .. }
            | Self::NotStarted { .. } => Verdict::Failed,
            Self::Stopped { survivors: Some(alive) } if alive.is_empty() => Verdict::Cancelled,
            Self::Stopped { .. } | Self::Unknown { .. } => Verdict::Unknown,
        }
    }
}

/// What an end means for the step. Ordered: the worst of all hosts is the step's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Done as expected.
    Succeeded,
    /// Stopped on demand, and gone.
    Cancelled,
    /// Ran and went wrong, or could not start.
    Failed,
    /// Ran past its limit and was stopped.
    TimedOut,
    /// Nobody knows.
    Unknown,
}

/// The transcript of a job, as it was when the job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// Bytes of output, both streams.
    pub bytes: u64,
    /// Lines of output, both streams.
    pub lines: u64,
    /// Digest of the transcript file.
    pub digest: Digest,
    /// How often the value of which secret was taken out before it was written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redacted: BTreeMap<SecretName, u64>,
}
