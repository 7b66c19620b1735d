//! Where sessions are kept: `STATE/sessions/<id>/`, for their owner alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use thiserror::Error;

use crate::base::{SafeText, SessionId, Timestamp};
use crate::engine::{Event, Genesis};
use crate::journal::{Holder, Lock};

/// The state directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A state directory or a session in it that cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The disk refused.
    #[error("cannot {doing} {}: {source}; choose another place with --state-dir", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No session of that name.
    #[error("no session is called `{0}`: `golive sessions` lists them")]
    NotFound(SafeText),
    /// There is no session at all.
    #[error("there is no session yet in {}", .0.display())]
    Empty(PathBuf),
    /// More than one session begins like that.
    #[error("`{name}` is the start of {count} sessions: {}", candidates.join(", "))]
    Ambiguous {
        /// The prefix.
        name: SafeText,
        /// How many.
        count: usize,
        /// The first few.
        candidates: Vec<String>,
    },
}

/// A session's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub id: SessionId,
    /// Its folder.
    pub dir: PathBuf,
}

/// What a list says of a session without folding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its first event; none if the journal cannot be read.
    pub genesis: Option<Genesis>,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// The time of its last line.
    pub last: Option<Timestamp>,
    /// Its last word: `completed`, `rolled back`, `held`, `open`, …
    pub state: &'static str,
    /// Who drives it now.
    pub holder: Option<Holder>,
    /// What is wrong with its journal, if anything.
    pub trouble: Option<String>,
}

impl Store {
    /// The store in `root`, which is made when the first session is.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of all sessions.
    pub fn sessions_dir(&self) -> PathBuf {
        self.root.join("sessions")
    }

    /// Makes the store ready to take a new session, and says at once if it cannot.
    pub fn prepare(&self) -> Result<(), StoreError> {
        let dir = self.sessions_dir();
        let io = |doing, source| StoreError::Io { doing, path: dir.clone(), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|source| io("create", source))?;
        let meta = fs::metadata(&dir).map_err(|source| io("read", source))?;
        let (owner, mode) = (meta.uid(), meta.mode());
        if owner != rustix::process::geteuid().as_raw() || mode & 0o022 != 0 {
            let why = "others may write in it, and so change the record: give it to yourself alone";
            return Err(io("trust", io::Error::new(io::ErrorKind::PermissionDenied, why)));
        }
        // Two processes may try at the same moment.
        let probe = dir.join(format!(".writable-{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options
            .write(true)
            .create(true)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        options.open(&probe).map_err(|source| io("write in", source))?;
        fs::remove_file(&probe).map_err(|source| io("write in", source))
    }

    /// The folder of a session, whether it is there or not.
    pub fn dir(&self, id: &SessionId) -> PathBuf {
        self.sessions_dir().join(id.as_str())
    }

    /// All sessions, oldest first.
    pub fn all(&self) -> Result<Vec<Found>, StoreError> {
        let dir = self.sessions_dir();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(StoreError::Io { doing: "list", path: dir, source }),
        };
        let found = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            let id = path.file_name()?.to_str()?.parse().ok()?;
            path.is_dir().then_some(Found { id, dir: path })
        };
        let mut all: Vec<_> = entries.filter_map(found).collect();
        // By time, not by name: a name may be anybody's own, and two sessions may share a second.
        all.sort_by_cached_key(|found| (found.opened(), found.id.clone()));
        Ok(all)
    }

    /// The session that `name` means: an id, a unique prefix of one, or `last`.
    pub fn find(&self, name: &str) -> Result<Found, StoreError> {
        if name.is_empty() {
            return Err(StoreError::NotFound(SafeText::default())); // Not the start of every name.
        }
        let mut all = self.all()?;
        if name == "last" {
            return all.pop().ok_or_else(|| StoreError::Empty(self.sessions_dir()));
        }
        if let Some(exact) = all.iter().find(|found| found.id.as_str() == name) {
            return Ok(exact.clone());
        }
        all.retain(|found| found.id.as_str().starts_with(name));
        match all.as_slice() {
            [] => Err(StoreError::NotFound(SafeText::new(name))),
            [one] => Ok(one.clone()),
            many => Err(StoreError::Ambiguous {
                name: SafeText::new(name),
                count: many.len(),
                candidates: many.iter().take(5).map(|found| found.id.to_string()).collect(),
            }),
        }
    }

    /// A name for a new session: its time first, so that names sort by time.
    pub fn new_id(&self, runbook: &str, now: Timestamp, tail: u32) -> SessionId {
        let time = crate::base::Zone::UTC.format(now, "%Y%m%d-%H%M%S");
        let runbook: String = runbook.chars().take(30).collect();
        let name = format!("{time}-{runbook}-{:04x}", tail & 0xffff);
        name.parse().expect("digits, a name and hex digits make a name")
    }
}

impl Found {
    /// When the session was opened, by the wall clock; by the file's own time if its first line
    /// cannot be read.
    fn opened(&self) -> Timestamp {
        let first = crate::journal::read(&self.dir).ok().and_then(|mut lines| lines.next()?.ok());
        first.map_or_else(|| changed(&self.dir), |entry| entry.wall)
    }

    /// What a list says of the session.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary {
            genesis: None,
            opened: None,
            last: None,
            state: "unreadable",
            holder: Lock::holder(&self.dir).ok().flatten(),
            trouble: None,
        };
        let entries = match crate::journal::read_all(&self.dir) {
            Ok(entries) => entries,
            Err(error) => {
                summary.trouble = Some(error.to_string());
                return summary;
            }
        };
        summary.state = "open";
        for entry in &entries {
            summary.opened.get_or_insert(entry.at);
            summary.last = Some(entry.at);
            for fact in &entry.facts {
                if let Event::SessionOpened(genesis) = &fact.event {
                    summary.genesis = Some(genesis.clone());
                }
                summary.state = said_by(&fact.event).unwrap_or(summary.state);
            }
        }
        summary
    }

    /// A path inside the session's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of the exact texts that the session was started from.
    pub fn pinned(&self) -> PathBuf {
        self.dir.join("pinned")
    }
}

/// When a directory was last changed.
fn changed(path: &Path) -> Timestamp {
    let time = fs::metadata(path).and_then(|it| it.modified()).ok();
    let since = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Timestamp::from_unix_millis(millis)
}

/// What an event says about the session as a whole, if it says anything.
#[expect(clippy::wildcard_enum_match_arm, reason = "only these change the session's own word")]
const fn said_by(event: &Event) -> Option<&'static str> {
    match event {
        Event::RunBegan | Event::Continued => Some("active"),
        Event::Held { .. } => Some("held"),
        Event::RollbackBegan { .. } => Some("rolling back"),
        Event::RollbackEnded { verified: true } => Some("rolled back"),
        Event::RollbackEnded { verified: false } => Some("rolled back, not verified"),
        Event::Completed => Some("completed"),
        Event::Abandoned { .. } => Some("abandoned"),
        _ => None,
    }
}
