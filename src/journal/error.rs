//! What can go wrong with a journal.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::wire::{Fault, LINE_BYTES_MAX};

/// A journal that cannot be written or read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The disk refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried: `create`, `write`, …
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A session of this name has a journal already.
    #[error("{} exists already: resume that session, or start one of another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An earlier error closed the journal.
    #[error(
        "the journal takes nothing more after an error: {first}; start nothing new, make room or repair the disk, then resume the session"
    )]
    Poisoned {
        /// The first error.
        first: String,
    },
    /// Facts that could not be read back, or too many for a line.
    #[error("this cannot be recorded, so it is not done: {why}")]
    Unwritable {
        /// Why.
        why: String,
    },
    /// A line that does not belong there.
    #[error("{}, line {line}: {what}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A line that another golive wrote.
    #[error("{}, line {line}: {what}; read it with the golive that wrote it", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is not understood.
        what: String,
    },
    /// No line at all: the session was never opened.
    #[error("{} holds nothing: the session was never opened; start a new one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn broken(path: &Path, line: u64, what: String) -> Self {
        Self::Broken { path: path.to_owned(), line, what }
    }

    pub(super) fn fault(path: &Path, line: u64, fault: &Fault) -> Self {
        let advice = match fault {
            Fault::Version(_) | Fault::UnknownEvent(_) => {
                return Self::Foreign { path: path.to_owned(), line, what: fault.to_string() };
            }
            Fault::Frame | Fault::Seal { .. } | Fault::Shape(_) | Fault::TooLong => {
                "nothing is written to this journal any more; `golive verify` names all that is wrong"
            }
        };
        Self::broken(path, line, format!("{fault}; {advice}"))
    }

    pub(super) fn too_long(bytes: usize) -> Self {
        let why = format!("its line would have {bytes} bytes; the limit is {LINE_BYTES_MAX}");
        Self::Unwritable { why }
    }
}
