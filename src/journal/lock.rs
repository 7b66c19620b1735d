//! One driver per session.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base::{SafeText, Timestamp};

use super::LOCK_FILE;

/// Somebody may look at the lock at the very moment we want it; a look is this short.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 10;

/// Who drives a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The person.
    pub driver: SafeText,
    /// The machine.
    pub machine: SafeText,
    /// The process on it.
    pub pid: u32,
    /// Since when.
    pub since: Timestamp,
    /// When the process started, in the kernel's ticks since boot; tells it from a later process
    /// of the same number. None where the system does not say.
    pub started: Option<u64>,
}

/// A session that cannot be locked.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody drives it.
    #[error("{} drives this session on {} since {} (pid {}): ask them to leave", .0.driver, .0.machine, .0.since.rfc3339(), .0.pid)]
    Held(Box<Holder>),
    /// Somebody drives it, and does not say who.
    #[error("another process drives this session, and {} does not say which", .0.display())]
    HeldByUnknown(PathBuf),
    /// The disk refused.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The right to drive a session, for as long as it lives. Dropping it gives it back; so does the
/// end of the process, however it ends.
#[derive(Debug)]
pub struct Lock {
    #[expect(dead_code, reason = "the lock lives as long as the open file")]
    file: File,
}

impl Holder {
    /// This process.
    pub fn this_process(driver: SafeText, machine: SafeText, since: Timestamp) -> Self {
        let pid = std::process::id();
        Self { driver, machine, pid, since, started: started(pid) }
    }
}

impl Lock {
    /// Locks the session in `dir` for `holder`. What a dead process left is taken over.
    pub fn acquire(dir: &Path, holder: &Holder) -> Result<Self, LockError> {
        let path = dir.join(LOCK_FILE);
        let io_error = |source: io::Error| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(io_error)?;
        let mut locked = try_lock(&file, FlockOperation::NonBlockingLockExclusive);
        for _ in 0..LOOKS {
            if !matches!(locked, Ok(false)) {
                break;
            }
            std::thread::sleep(LOOK);
            locked = try_lock(&file, FlockOperation::NonBlockingLockExclusive);
        }
        if !locked.map_err(io_error)? {
            return Err(match content(&file) {
                Some(holder) => LockError::Held(Box::new(holder)),
                None => LockError::HeldByUnknown(path),
            });
        }
        let text = serde_json::to_string(holder).map_err(|e| io_error(e.into()))? + "\n";
        let written = file.set_len(0).and_then(|()| file.write_all_at(text.as_bytes(), 0));
        written.map_err(io_error)?;
        Ok(Self { file })
    }

    /// Who drives the session in `dir` at this moment; none if nobody does.
    pub fn holder(dir: &Path) -> Result<Option<Holder>, LockError> {
        let path = dir.join(LOCK_FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| LockError::Io { path: path.clone(), source })?,
        };
        let free = try_lock(&file, FlockOperation::NonBlockingLockShared);
        if free.map_err(|source| LockError::Io { path: path.clone(), source })? {
            return Ok(None);
        }
        content(&file).map(Some).ok_or(LockError::HeldByUnknown(path))
    }
}

fn try_lock(file: &File, how: FlockOperation) -> io::Result<bool> {
    match flock(file, how) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn content(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// When the process of this number started.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks; the start is the 20th field after it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}
