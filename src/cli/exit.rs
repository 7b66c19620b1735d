//! How the process ends. The numbers are a promise to the scripts that call golive.

use std::process::ExitCode;

/// The end of the process, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// golive itself failed: a bug, a full disk, a state directory that cannot be written.
    Failed = 1,
    /// Wrong use.
    Usage = 2,
    /// The runbook or the inventory is not valid.
    Invalid = 3,
    /// A preflight found something that has to be put right.
    MustFix = 4,
    /// A step failed and the session is held.
    StepFailed = 5,
    /// Stopped for a person: a gate, a confirmation, a hold. Resumable.
    Stopped = 6,
    /// Rolled back, and the old system verified.
    RolledBack = 7,
    /// The rollback did not finish, or the old system was not verified.
    RollbackUnfinished = 8,
    /// The go/no-go ended with NO-GO.
    NoGo = 9,
    /// The record is contradicted.
    Contradicted = 10,
    /// The window closed, or the latest safe rollback passed, without a decision.
    TooLate = 11,
    /// A host cannot be reached, or does not let us in.
    Unreachable = 13,
    /// Another driver holds the session.
    Driven = 14,
    /// The record is intact, but not sealed or not fully signed.
    Unsealed = 15,
    /// Ended by SIGINT; the session is held and resumable.
    Interrupted = 130,
    /// Ended by SIGTERM; the session is held and resumable.
    Terminated = 143,
}

impl Exit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Invalid,
        Self::MustFix,
        Self::StepFailed,
        Self::Stopped,
        Self::RolledBack,
        Self::RollbackUnfinished,
        Self::NoGo,
        Self::Contradicted,
        Self::TooLate,
        Self::Unreachable,
        Self::Driven,
        Self::Unsealed,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for the help and the manual page.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done as asked",
            Self::Failed => "golive itself failed (bug, disk full)",
            Self::Usage => "wrong use",
            Self::Invalid => "runbook or inventory not valid",
            Self::MustFix => "preflight found something that must be fixed",
            Self::StepFailed => "a step failed and the session is held",
            Self::Stopped => "stopped for a person (gate, confirmation, hold); resumable",
            Self::RolledBack => "rolled back, old system verified",
            Self::RollbackUnfinished => "rollback did not finish, or was not verified",
            Self::NoGo => "go/no-go ended with NO-GO",
            Self::Contradicted => "record contradicted (tampered)",
            Self::TooLate => "window closed or latest safe rollback passed without a decision",
            Self::Unreachable => "cannot reach or log in",
            Self::Driven => "another driver holds the session",
            Self::Unsealed => "record intact, but not sealed or not fully signed",
            Self::Interrupted => "ended by SIGINT; the session is held and resumable",
            Self::Terminated => "ended by SIGTERM; the session is held and resumable",
        }
    }

    /// The whole table as lines: number, meaning.
    pub(super) fn table() -> String {
        let line = |exit: &Self| format!("  {:>3}  {}\n", exit.code(), exit.meaning());
        Self::ALL.iter().map(line).collect()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn no_number_means_two_things() {
        let codes: std::collections::BTreeSet<_> = Exit::ALL.iter().map(|e| e.code()).collect();
        assert_eq!(codes.len(), Exit::ALL.len());
    }
}
