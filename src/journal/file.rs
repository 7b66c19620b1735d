//! The journal on disk: the only place that writes it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Digest, SessionId};
use crate::engine::Fact;

use super::anew::WrittenAnew;
use super::ballast::{self, Ballast};
use super::disk::{self, Disk, DiskFile, Open, RealDisk};
use super::entry::{Entry, Stamp};
use super::error::JournalError;
use super::fallback;
use super::keep::Kept;
use super::read::read_on;
use super::wire::{self, LINE_BYTES_MAX, Sealed};
use super::{HEAD_FILE, JOURNAL_FILE, OUTPUT_DIR, TORN_DIR};

/// The end of a journal: what one has to hold to notice later that it was rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the last line; 0 before the first.
    pub seq: u64,
    /// Its seal; before the first line, what the first line names as the one before it.
    pub seal: Digest,
}

/// An unfinished last line that a crash left. It was never acknowledged, so nothing is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How many bytes were cut.
    pub cut_bytes: u64,
    /// Their digest.
    pub digest: Digest,
    /// Where they are kept.
    pub kept: PathBuf,
}

/// A journal that is open for appending. Hold the session's [`super::Lock`] meanwhile.
#[derive(Debug)]
pub struct Journal {
    pub(super) disk: Arc<dyn Disk>,
    /// The session's folder.
    pub(super) home: PathBuf,
    /// Where it goes on when it cannot be written there.
    pub(super) fallback: Option<PathBuf>,
    /// The file as it is now.
    pub(super) path: PathBuf,
    /// What the first line names as the one before it.
    pub(super) genesis: Digest,
    pub(super) tape: Box<dyn DiskFile>,
    pub(super) head_file: Box<dyn DiskFile>,
    pub(super) head: Head,
    pub(super) last: Digest,
    pub(super) bytes: u64,
    pub(super) poison: Option<String>,
    ballast: Option<Ballast>,
    /// Why the kept room was given up.
    short: Option<String>,
    pub(super) anew: Option<WrittenAnew>,
    pub(super) kept: Kept,
}

impl Journal {
    /// Creates the journal of a new session. `dir` is created too, for its owner alone; its
    /// parent has to be there.
    pub fn create(dir: &Path, session: &SessionId) -> Result<Self, JournalError> {
        Self::create_on(&RealDisk::shared(), dir, session)
    }

    /// The same on any disk.
    pub fn create_on(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        session: &SessionId,
    ) -> Result<Self, JournalError> {
        make_dir(&**disk, dir)?;
        let path = dir.join(JOURNAL_FILE);
        let opened = disk.open(&path, Open::AppendNew);
        let mut tape = opened.map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                return JournalError::Exists { path: path.clone() };
            }
            JournalError::io("create", &path, source)
        })?;
        let genesis = wire::genesis(session);
        let head = Head { seq: 0, seal: genesis };
        let head_path = dir.join(HEAD_FILE);
        let head_file = (|| {
            let mut file = disk.open(&head_path, Open::WriteNew)?;
            disk::append_all(&mut *file, head_text(head).as_bytes())?;
            file.sync_all()?;
            Ok(file)
        })()
        .map_err(|source| JournalError::io("create", &head_path, source))?;
        tape.sync_all().map_err(|source| JournalError::io("create", &path, source))?;
        make_dir(&**disk, &dir.join(OUTPUT_DIR))?;
        sync_dir(&**disk, dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(&**disk, parent)?;
        }
        Ok(Self {
            disk: Arc::clone(disk),
            home: dir.to_owned(),
            fallback: None,
            path,
            genesis,
            tape,
            head_file,
            head,
            last: genesis,
            bytes: 0,
            poison: None,
            ballast: None,
            short: None,
            anew: None,
            kept: Kept::default(),
        })
    }

    /// Takes up the journal of the session in `dir`: reads and checks all of it, and cuts an
    /// unfinished last line that a crash left.
    ///
    /// Anything else that is wrong is an error, and nothing is written.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Entry>, Option<Recovery>), JournalError> {
        Self::open_on(&RealDisk::shared(), dir)
    }

    /// The same on any disk.
    pub fn open_on(
        disk: &Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<(Self, Vec<Entry>, Option<Recovery>), JournalError> {
        let place = fallback::place_of(&**disk, dir)?;
        let path = place.join(JOURNAL_FILE);
        let mut reader = read_on(&**disk, dir)?;
        let noted = read_head(&**disk, &place)?;
        let mut noted_seal = (noted.seq == 0).then_some(noted.seal);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next() {
            entries.push(entry?);
            if reader.seq() == noted.seq {
                noted_seal = reader.seal();
            }
        }
        let (seq, bytes) = (reader.seq(), reader.bytes());
        if noted_seal != Some(noted.seal) {
            let what = if noted.seq > seq {
                format!("the journal had {} lines once: its end was cut or damaged", noted.seq)
            } else {
                "its seal is not the one noted in `head`: the journal was rewritten".to_owned()
            };
            let what = format!("{what}; nothing is written to it any more");
            return Err(JournalError::broken(&path, noted.seq.min(seq + 1), what));
        }
        let opened = disk.open(&path, Open::Append);
        let mut tape = opened.map_err(|source| JournalError::io("open", &path, source))?;
        let recovery = match reader.partial() {
            [] => None,
            torn => Some(cut_tail(&**disk, &place, &mut *tape, torn, bytes)?),
        };
        let (Some(last), Some(seal)) = (reader.last_digest(), reader.seal()) else {
            return Err(JournalError::Empty { path });
        };
        let genesis = reader.session().map_or(noted.seal, wire::genesis);
        let head_path = place.join(HEAD_FILE);
        let opened = disk.open(&head_path, Open::Write);
        let head_file = opened.map_err(|source| JournalError::io("open", &head_path, source))?;
        let head = Head { seq, seal };
        let mut journal = Self {
            disk: Arc::clone(disk),
            home: dir.to_owned(),
            fallback: fallback::named_on(&**disk, dir)?,
            path,
            genesis,
            tape,
            head_file,
            head,
            last,
            bytes,
            poison: None,
            ballast: None,
            short: None,
            anew: None,
            kept: Kept::default(),
        };
        // What was read may be in memory only; from here on it counts as recorded.
        if let Err(source) = journal.tape.sync_data() {
            let error = JournalError::io("sync", &journal.path, source);
            if !journal.rescue(&[], head, last, &error.to_string()) {
                return Err(error);
            }
        }
        ballast::forget(&**disk, dir);
        journal.bring_outputs_home();
        journal.come_home();
        journal.note_head();
        Ok((journal, entries, recovery))
    }

    /// Writes down what one decision caused, as one line, and waits until the disk has it.
    ///
    /// Gives back the entry as it will be read from the line: apply that one, and a replay gives
    /// the same state. A file that failed is cut back to its last good line and not believed again:
    /// the whole record is written to a new one, see [`Journal::written_anew`]. Where that fails
    /// too it is an error, and the journal takes nothing more.
    pub fn append(&mut self, stamp: &Stamp, facts: &[Fact]) -> Result<Entry, JournalError> {
        if let Some(first) = &self.poison {
            return Err(JournalError::Poisoned { first: first.clone() });
        }
        let seq = self.head.seq + 1;
        let (line, sealed) = sealed_line(seq, stamp, facts, self.last)?;
        let head = Head { seq, seal: sealed.seal };
        if let Err(source) = self.write(&line) {
            let error = JournalError::io("write", &self.path, source);
            if !self.rescue(&line, head, sealed.digest, &error.to_string()) {
                self.poison = Some(error.to_string());
                return Err(error);
            }
            return Ok(sealed.entry);
        }
        self.head = head;
        self.last = sealed.digest;
        self.note_head();
        Ok(sealed.entry)
    }

    /// The end of the journal as it stands.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// How many bytes the lines have that the disk has.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps room for the last words, unless it is kept already; it is given up when the disk is
    /// full. From then on [`Journal::short`] says so, until there is room again.
    pub fn keep_room(&mut self) -> Result<(), JournalError> {
        if self.ballast.is_none() {
            let dir = self.path.parent().unwrap_or(Path::new("."));
            let kept = Ballast::keep(&self.disk, dir);
            self.ballast = Some(kept.map_err(|e| JournalError::io("keep room in", dir, e))?);
        }
        self.short = None;
        Ok(())
    }

    /// Why the kept room was given up, if it was: lines are recorded still, not many more.
    pub fn short(&self) -> Option<&str> {
        self.short.as_deref()
    }

    /// How many bytes are free where the journal is; none if the system does not say.
    pub fn free(&self) -> Option<u64> {
        self.disk.free(self.path.parent()?).ok()
    }

    /// The first error, if one has closed the journal.
    pub fn poison(&self) -> Option<&str> {
        self.poison.as_deref()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let full = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        };
        match self.write_once(line) {
            Err(Unwritten { error, clean: true }) if full(&error) && self.ballast.is_some() => {
                self.ballast = None; // Given up: the last words fit in its place.
                self.short = Some(error.to_string());
                self.write_once(line).map_err(|unwritten| unwritten.error)
            }
            written => written.map_err(|unwritten| unwritten.error),
        }
    }

    fn write_once(&mut self, line: &[u8]) -> Result<(), Unwritten> {
        let mut left = disk::INTERRUPTIONS;
        let written = loop {
            match self.tape.append(line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted && left > 0 => left -= 1,
                done => break done,
            }
        };
        let whole = written.and_then(|count| {
            let short = || {
                let text = format!("only {count} of {} bytes were written", line.len());
                io::Error::new(io::ErrorKind::WriteZero, text)
            };
            // A disk that fills up takes a part, and says why only when asked for the rest.
            let rest = line.get(count..).unwrap_or_default();
            if rest.is_empty() {
                Ok(())
            } else {
                Err(self.tape.append(rest).err().unwrap_or_else(short))
            }
        });
        let written = whole.is_ok();
        // A failed sync is not tried again: the kernel may already have dropped the page.
        let synced = whole.and_then(|()| self.tape.sync_data());
        if let Err(error) = synced {
            // Best effort: a torn end would be cut when the session is resumed.
            return Err(match self.tape.cut_to(self.bytes) {
                Ok(()) => Unwritten { error, clean: !written },
                Err(cut) => {
                    let text = format!("{error}; and cutting the torn end failed: {cut}");
                    Unwritten { error: io::Error::new(error.kind(), text), clean: false }
                }
            });
        }
        self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Notes the end beside the journal. The line itself is safe by now: an error closes the
    /// journal for the next one, if the record cannot be written anew either.
    fn note_head(&mut self) {
        let text = head_text(self.head);
        if let Err(error) = disk::write_all_at(&mut *self.head_file, text.as_bytes(), 0) {
            let path = self.path.with_file_name(HEAD_FILE);
            let why = JournalError::io("write", &path, error).to_string();
            if !self.rescue(&[], self.head, self.last, &why) {
                self.poison = Some(why);
            }
        }
    }
}

/// Line `seq` after the one with digest `last`, with its line end, and as it will be read back.
pub(super) fn sealed_line(
    seq: u64,
    stamp: &Stamp,
    facts: &[Fact],
    last: Digest,
) -> Result<(Vec<u8>, Sealed), JournalError> {
    let unwritable = |why: String| JournalError::Unwritable { why };
    let mut line =
        wire::encode(seq, stamp, facts, last).map_err(|error| unwritable(error.to_string()))?;
    if line.len() > LINE_BYTES_MAX {
        return Err(JournalError::too_long(line.len()));
    }
    let sealed = wire::decode(&line).map_err(|fault| unwritable(fault.to_string()))?;
    line.push(b'\n');
    Ok((line, sealed))
}

/// A line that was not written.
struct Unwritten {
    error: io::Error,
    /// Nothing of it is there, and no sync has failed: the file can be written again.
    clean: bool,
}

/// The text of the head file: always of one length, so that it is rewritten in place.
pub(super) fn head_text(head: Head) -> String {
    format!("{:020} {}\n", head.seq, head.seal)
}

/// What the head file in `dir` notes.
pub(super) fn read_head(disk: &dyn Disk, dir: &Path) -> Result<Head, JournalError> {
    let path = dir.join(HEAD_FILE);
    let text =
        disk::read_file(disk, &path).map_err(|source| JournalError::io("read", &path, source))?;
    let head = std::str::from_utf8(&text).ok().and_then(|text| {
        let (seq, seal) = text.strip_suffix('\n')?.split_once(' ')?;
        let head = Head { seq: seq.parse().ok()?, seal: seal.parse().ok()? };
        (head_text(head) == text).then_some(head)
    });
    head.ok_or_else(|| {
        let what = "this is not what golive writes there: it was changed; whether the journal's \
                    end was cut cannot be told";
        JournalError::broken(&path, 1, what.to_owned())
    })
}

fn cut_tail(
    disk: &dyn Disk,
    dir: &Path,
    tape: &mut dyn DiskFile,
    torn: &[u8],
    keep: u64,
) -> Result<Recovery, JournalError> {
    let digest = Digest::of(torn);
    let torn_dir = dir.join(TORN_DIR);
    make_dir(disk, &torn_dir)?;
    let kept = torn_dir.join(format!("journal.at-{keep}.{}", digest.short()));
    let saved = disk.open(&kept, Open::Replace).and_then(|mut copy| {
        disk::write_all_at(&mut *copy, torn, 0)?;
        copy.sync_all()
    });
    saved.map_err(|source| JournalError::io("write", &kept, source))?;
    sync_dir(disk, &torn_dir)?;
    sync_dir(disk, dir)?;
    let path = dir.join(JOURNAL_FILE);
    let cut = tape.cut_to(keep).and_then(|()| tape.sync_all());
    cut.map_err(|source| JournalError::io("cut", &path, source))?;
    let cut_bytes = u64::try_from(torn.len()).unwrap_or(u64::MAX);
    Ok(Recovery { cut_bytes, digest, kept })
}

/// Creates `dir` for its owner alone, unless it is there.
pub(super) fn make_dir(disk: &dyn Disk, dir: &Path) -> Result<(), JournalError> {
    match disk.make_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|source| JournalError::io("create", dir, source)),
    }
}

/// Makes the names in `dir` survive a power cut.
pub(super) fn sync_dir(disk: &dyn Disk, dir: &Path) -> Result<(), JournalError> {
    disk.sync_dir(dir).map_err(|source| JournalError::io("sync", dir, source))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::path::Path;

    use crate::base::SafeText;
    use crate::engine::{Actor, Event, Fact};

    use super::super::entry::Stamp;
    use super::super::read_all;
    use super::{DiskFile, Journal};

    /// A disk that fails in one way, the first time only.
    #[derive(Debug)]
    pub(in super::super) struct Failing {
        below: Box<dyn DiskFile>,
        how: Fault,
        appends: usize,
        /// Whether it may be written again after it has failed.
        again: bool,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(in super::super) enum Fault {
        NoSpace,
        Short,
        Sync,
    }

    impl Failing {
        pub(in super::super) fn new(below: Box<dyn DiskFile>, how: Fault) -> Self {
            Self { below, how, appends: 0, again: false }
        }
    }

    impl DiskFile for Failing {
        fn append(&mut self, line: &[u8]) -> io::Result<usize> {
            self.appends += 1;
            if self.again && self.appends > 1 {
                return self.below.append(line);
            }
            if self.how == Fault::Short && self.appends == 2 {
                return Err(io::ErrorKind::StorageFull.into()); // So it says when asked for the rest.
            }
            assert_eq!(self.appends, 1, "a journal with an error is never written again");
            match self.how {
                Fault::NoSpace => Err(io::ErrorKind::StorageFull.into()),
                Fault::Short => self.below.append(&line[..line.len() / 2]),
                Fault::Sync => self.below.append(line),
            }
        }

        fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
            self.below.write_at(bytes, offset)
        }

        fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
            self.below.read_at(bytes, offset)
        }

        fn sync_data(&mut self) -> io::Result<()> {
            if self.how == Fault::Sync {
                Err(io::Error::other("EIO"))
            } else {
                self.below.sync_data()
            }
        }

        fn sync_all(&mut self) -> io::Result<()> {
            self.sync_data()
        }

        fn allocate(&mut self, bytes: u64) -> io::Result<()> {
            self.below.allocate(bytes)
        }

        fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
            self.below.cut_to(bytes)
        }

        fn len(&self) -> io::Result<u64> {
            self.below.len()
        }
    }

    pub(in super::super) fn held(why: &str) -> Vec<Fact> {
        vec![Fact { by: Actor::Engine, event: Event::Held { why: SafeText::new(why) } }]
    }

    pub(in super::super) fn opened(dir: &Path) -> Journal {
        let genesis = super::super::wire::tests::genesis("night");
        let mut journal = Journal::create(dir, &genesis.session).unwrap();
        let opened = Fact { by: Actor::Engine, event: Event::SessionOpened(genesis) };
        journal.append(&Stamp::default(), &[opened]).unwrap();
        journal
    }

    #[test]
    fn a_full_disk_leaves_room_for_the_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = opened(dir.path());
        journal.keep_room().unwrap();
        let ballast = dir.path().join("ballast");
        assert_eq!(std::fs::metadata(&ballast).unwrap().len(), 8 << 20);
        let below = journal.tape;
        journal.tape = Box::new(Failing { again: true, ..Failing::new(below, Fault::NoSpace) });
        assert_eq!(journal.append(&Stamp::default(), &held("last words")).unwrap().seq, 2);
        assert!(journal.short().is_some() && !ballast.exists());
        assert_eq!(read_all(dir.path()).unwrap().len(), 2);
        journal.keep_room().unwrap();
        assert!(journal.short().is_none() && ballast.exists());
        drop(journal);
        assert!(!ballast.exists(), "no session leaves it behind");
    }
}
