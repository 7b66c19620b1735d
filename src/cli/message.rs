//! Bad news: what is wrong, where, and how to go on; and the exit code that goes with it.

use crate::base::SafeText;
use crate::journal::{JournalError, LockError};
use crate::report::end_words;
use crate::session::{
    Environment, Handle, InputsError, RecoverError, StartError, StoreError, SubmitError, View,
};

use super::exit::Exit;
use super::screen::{Ink, Screen};

/// Why a command did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is wrong and where; empty if all of it was said already.
    pub message: String,
    /// How to go on.
    pub help: Option<String>,
}

impl Failure {
    /// A failure with this message.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    /// Wrong use.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An end of which everything was said already.
    pub(super) const fn said(exit: Exit) -> Self {
        Self { exit, message: String::new(), help: None }
    }

    /// The same with a way out.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with what somebody said about it.
    #[must_use]
    pub(super) fn because(mut self, why: &str) -> Self {
        self.message = format!("{}; {why}", self.message);
        self
    }

    /// The lines for standard error; no byte of them acts on a terminal.
    pub(super) fn lines(&self) -> Vec<String> {
        if self.message.is_empty() {
            return Vec::new();
        }
        let (mut lines, mut first) = (Vec::new(), "error: ");
        for line in self.message.lines() {
            lines.push(format!("{first}{}", SafeText::new(line)));
            first = "       ";
        }
        let help = self.help.iter().flat_map(|help| help.lines());
        lines.extend(help.map(|line| format!("  help: {}", SafeText::new(line))));
        lines
    }
}

/// How to go on where the disk does not give a part of a record back.
const NOT_GIVEN_BACK: &str = "nothing was written: copy the state directory to a disk that is well, or \
    repair this one, and go on there with --state-dir; what is durable runs on on its host meanwhile";

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::Io { .. } => Exit::Failed,
            StoreError::NotFound(_) | StoreError::Empty(_) | StoreError::Ambiguous { .. } => {
                Exit::Usage
            }
        };
        Self::new(exit, error.to_string())
    }
}

impl From<InputsError> for Failure {
    fn from(error: InputsError) -> Self {
        let exit = match &error {
            InputsError::Read { .. } | InputsError::Invalid(_) | InputsError::Plan(_) => {
                Exit::Invalid
            }
            InputsError::Pinned { .. } => Exit::Contradicted,
            InputsError::Store(_) => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<Environment> for Failure {
    fn from(error: Environment) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match &error {
            JournalError::Broken { .. } => Exit::Contradicted,
            JournalError::Exists { .. } | JournalError::Foreign { .. } => Exit::Usage,
            JournalError::Io { .. }
            | JournalError::Poisoned { .. }
            | JournalError::Unwritable { .. }
            | JournalError::Empty { .. } => Exit::Failed,
        };
        let read = matches!(&error, JournalError::Io { doing: "read" | "list", source, .. }
            if source.kind() != std::io::ErrorKind::NotFound);
        let failure = Self::new(exit, error.to_string());
        if read { failure.help(NOT_GIVEN_BACK) } else { failure }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let exit = match &error {
            LockError::Held(_) | LockError::HeldByUnknown(_) => Exit::Driven,
            LockError::Io { .. } => Exit::Failed,
        };
        let failure = Self::new(exit, error.to_string());
        match &error {
            LockError::Held(holder) => failure.help(format!(
                "`golive status` shows where it stands without touching it. `golive resume \
                 --take-over --reason TEXT` takes it from a driver who is there; `kill -INT {}` ends \
                 one that does not answer, and `golive resume` then finds what is durable again",
                holder.pid
            )),
            LockError::HeldByUnknown(_) => {
                failure.help("`golive status` shows where it stands without touching it")
            }
            LockError::Io { .. } => failure,
        }
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::Journal(error) => error.into(),
            RecoverError::Inputs(InputsError::Invalid(checked)) => {
                let message = InputsError::Invalid(checked).to_string();
                Self::new(Exit::Contradicted, format!("what the session was made from: {message}"))
            }
            RecoverError::Inputs(error) if error.is_of_the_disk() => {
                Self::new(Exit::Failed, error.to_string()).help(NOT_GIVEN_BACK)
            }
            RecoverError::Inputs(error) => error.into(),
            RecoverError::Changed { .. } | RecoverError::NoGenesis => {
                Self::new(Exit::Contradicted, error.to_string())
            }
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            StartError::Inputs(error) => error.into(),
            StartError::Lock(error) => error.into(),
            StartError::Journal(error) => error.into(),
            StartError::Submit(error) => error.into(),
            StartError::Http(_) | StartError::Thread(_) => {
                Self::new(Exit::Failed, error.to_string())
            }
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let exit = match &error {
            SubmitError::Refused(_) => Exit::Usage,
            SubmitError::NotRecorded(_) | SubmitError::Gone => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

/// So long is waited for notices when golive ends.
const NOTICES_MAX: std::time::Duration = std::time::Duration::from_secs(10);

/// Lets notices that are under way come to their end, for a while, and says which did not.
pub(super) async fn wait_for_notices(screen: Screen, handle: &Handle) {
    let left = handle.told(NOTICES_MAX).await;
    let closed = handle.view().state.is_closed();
    for (channel, count) in left {
        let warning = screen.error_ink(Ink::Yellow, "warning:");
        let then =
            if closed { "tell people yourself" } else { "`golive resume` goes on with them" };
        screen
            .complain(&format!("{warning} {count} notices to {channel} are not delivered: {then}"));
    }
}

/// What ended after the record had failed, a line each: seen, and in no record.
pub(super) fn unrecorded(view: &View) -> impl Iterator<Item = String> {
    let line = |(job, end)| format!("ended and not recorded: {job}: {}", end_words(end));
    view.unrecorded.iter().map(line)
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};

    #[test]
    fn what_where_and_how() {
        let failure = Failure::new(Exit::Invalid, "no `x`\nin y\u{1b}[2J").help("write `x`");
        let lines = ["error: no `x`", "       in y·[2J", "  help: write `x`"];
        assert_eq!(failure.lines(), lines);
        assert!(Failure::said(Exit::StepFailed).lines().is_empty());
    }
}
