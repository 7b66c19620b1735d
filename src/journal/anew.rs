//! The whole record in a new file, when the disk has failed the old one.
//!
//! After a failed sync the kernel may have dropped the page and marked it clean: a second sync of
//! the same file that succeeds proves nothing. So the old file is never believed again: what it
//! has is read back and checked against the chain, and all of it is written to a new file. The
//! bytes are the same: whoever notes a place in the journal notes the same place as before.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::Digest;

use super::away;
use super::disk::{self, Disk, DiskFile, Open};
use super::error::JournalError;
use super::file::{Head, Journal, head_text};
use super::wire;
use super::{FALLBACK_FILE, HEAD_FILE, JOURNAL_FILE, OUTPUT_DIR, TORN_DIR};

/// The name under which the new file is written.
const NEW_FILE: &str = "journal.jsonl.new";

/// That a record had to be written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenAnew {
    /// How often.
    pub times: u64,
    /// What the disk said the last time.
    pub why: String,
}

/// A record that was written anew.
#[derive(Debug)]
struct Anew {
    path: PathBuf,
    tape: Box<dyn DiskFile>,
    head_file: Box<dyn DiskFile>,
}

impl Journal {
    /// Whether the record had to be written anew since it was opened: a disk that failed once is
    /// to be replaced.
    pub const fn written_anew(&self) -> Option<&WrittenAnew> {
        self.anew.as_ref()
    }

    /// How often the record was written anew since it was opened: what was opened before that is
    /// not the record any more.
    pub fn times_anew(&self) -> u64 {
        self.anew.as_ref().map_or(0, |anew| anew.times)
    }

    /// The folder in which the record goes on, if not where it began.
    pub fn away(&self) -> Option<&Path> {
        self.path.parent().filter(|dir| *dir != self.home)
    }

    /// Names the folder in which the record goes on when its own cannot be written. It can be made
    /// and written, and the one above it is ours alone; the session's own folder notes it.
    pub fn fall_back_to(&mut self, dir: &Path) -> Result<(), JournalError> {
        let path = self.home.join(FALLBACK_FILE);
        let text = format!("{}\n", dir.display());
        let noted = disk::replace_file(&*self.disk, &path, text.as_bytes());
        noted.map_err(|source| JournalError::io("write", &path, source))?;
        self.fallback = Some(dir.to_owned());
        Ok(())
    }

    /// Writes all that is recorded, and `more`, to a new file, in the session's folder or else in
    /// the fallback folder; says whether a disk has it then. `head` and `last` are those of the end
    /// of `more`.
    pub(super) fn rescue(&mut self, more: &[u8], head: Head, last: Digest, why: &str) -> bool {
        let read = read_back(&*self.disk, &self.path, self.bytes, self.genesis, self.last);
        let mut text = match read {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, why, "the record cannot be read back");
                return false;
            }
        };
        text.extend_from_slice(more);
        for dir in [Some(self.home.clone()), self.fallback.clone()].into_iter().flatten() {
            if dir != self.home {
                self.disk.make_dir(&dir).ok(); // What is wrong with it shows at once.
            }
            match write(&*self.disk, &dir, &text, head) {
                Ok(anew) => {
                    self.take(anew, head, last, &text);
                    let times = self.times_anew() + 1;
                    self.anew = Some(WrittenAnew { times, why: why.to_owned() });
                    tracing::warn!(why, dir = %dir.display(), "the record was written anew");
                    return true;
                }
                Err(error) => {
                    tracing::error!(%error, why, dir = %dir.display(), "the record cannot be written anew");
                }
            }
        }
        false
    }

    /// The folder in which the record, or an output, goes on when its own cannot be written.
    pub fn fallback(&self) -> Option<&Path> {
        self.fallback.as_deref()
    }

    /// Brings the outputs that are elsewhere back to the session's folder, if it takes them.
    pub(super) fn bring_outputs_home(&self) {
        if let Some(away) = &self.fallback
            && away::bring_home(&*self.disk, &self.home, away)
            && self.away().is_none()
            && self.disk.list(away).is_ok_and(|names| names.is_empty())
        {
            self.disk.remove_dir_all(away).ok();
        }
    }

    /// Brings the record back to the session's folder, if it went on elsewhere and that folder can
    /// be written again.
    pub(super) fn come_home(&mut self) {
        let Some(away) = self.away().map(Path::to_owned) else { return };
        let read = read_back(&*self.disk, &self.path, self.bytes, self.genesis, self.last);
        let home = read.and_then(|text| {
            let anew = write(&*self.disk, &self.home, &text, self.head)?;
            self.take(anew, self.head, self.last, &text);
            Ok(())
        });
        match home {
            // A copy that cannot be removed is the beginning of what is at home.
            Ok(()) => {
                for name in [JOURNAL_FILE, HEAD_FILE] {
                    self.disk.remove(&away.join(name)).ok();
                }
                let empty = |name: &str| self.disk.is_there(&away.join(name)).is_ok_and(|it| !it);
                if [TORN_DIR, OUTPUT_DIR].into_iter().all(empty) {
                    self.disk.remove_dir_all(&away).ok();
                }
            }
            Err(error) => tracing::warn!(%error, "the record stays where it is"),
        }
    }

    fn take(&mut self, anew: Anew, head: Head, last: Digest, text: &[u8]) {
        let Anew { path, tape, head_file } = anew;
        (self.path, self.tape, self.head_file) = (path, tape, head_file);
        (self.head, self.last) = (head, last);
        self.bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
    }
}

/// The first `bytes` bytes of the journal at `path`, which end with the line that has the digest
/// `last`, and begin after `genesis`.
fn read_back(
    disk: &dyn Disk,
    path: &Path,
    bytes: u64,
    genesis: Digest,
    last: Digest,
) -> io::Result<Vec<u8>> {
    let mut text = disk::read_file(disk, path)?;
    text.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
    let other = || io::Error::other("what is read back is not what was written");
    let mut before = genesis;
    let whole = text.strip_suffix(b"\n").unwrap_or(&text);
    let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for line in lines {
        let sealed = wire::decode(line).map_err(|_| other())?;
        if sealed.prev != before {
            return Err(other());
        }
        before = sealed.digest;
    }
    let as_long = u64::try_from(text.len()).is_ok_and(|len| len == bytes);
    if before == last && as_long { Ok(text) } else { Err(other()) }
}

/// Makes the journal in `dir` hold `text`, in a new file; whatever happens meanwhile, there is the
/// old one or the new one. `head` is its end.
///
/// Once the new file has the name, it holds all of `text`, whether this is an error or not.
fn write(disk: &dyn Disk, dir: &Path, text: &[u8], head: Head) -> io::Result<Anew> {
    let new = dir.join(NEW_FILE);
    match disk.remove(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut tape = disk.open(&new, Open::AppendNew)?;
    let written = disk::append_all(&mut *tape, text).and_then(|()| tape.sync_data());
    if let Err(error) = written {
        disk.remove(&new).ok(); // It takes room.
        return Err(error);
    }
    let path = dir.join(JOURNAL_FILE);
    disk.rename(&new, &path)?;
    // The head is never ahead of the journal, so the journal's name comes first.
    disk.sync_dir(dir)?;
    let head_path = dir.join(HEAD_FILE);
    disk::replace_file(disk, &head_path, head_text(head).as_bytes())?;
    let head_file = disk.open(&head_path, Open::Write)?;
    Ok(Anew { path, tape, head_file })
}

#[cfg(test)]
mod tests {
    use super::super::entry::Stamp;
    use super::super::error::JournalError;
    use super::super::file::Journal;
    use super::super::file::tests::{Failing, Fault, held, opened};
    use super::super::{JOURNAL_FILE, continued, read_all, verify};

    #[test]
    fn a_file_that_failed_is_never_written_again_and_the_record_is_written_anew() {
        for how in [Fault::NoSpace, Fault::Short, Fault::Sync] {
            let dir = tempfile::tempdir().unwrap();
            let mut journal = opened(dir.path());
            let path = dir.path().join(JOURNAL_FILE);
            let before = std::fs::read(&path).unwrap();
            let below = journal.tape;
            journal.tape = Box::new(Failing::new(below, how));
            assert_eq!(journal.append(&Stamp::default(), &held("a")).unwrap().seq, 2);
            assert_eq!(journal.written_anew().unwrap().times, 1, "{how:?}");
            assert_eq!(journal.append(&Stamp::default(), &held("b")).unwrap().seq, 3);
            assert_eq!(journal.written_anew().unwrap().times, 1, "{how:?}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), journal.bytes());
            drop(journal);
            assert!(std::fs::read(&path).unwrap().starts_with(&before), "the same bytes");
            let (_, entries, recovery) = Journal::open(dir.path()).unwrap();
            assert_eq!((entries.len(), recovery), (3, None));
        }
    }

    #[test]
    fn where_the_record_cannot_be_written_anew_either_the_journal_is_closed() {
        for how in [Fault::NoSpace, Fault::Short, Fault::Sync] {
            let dir = tempfile::tempdir().unwrap();
            let mut journal = opened(dir.path());
            let before = std::fs::read(dir.path().join(JOURNAL_FILE)).unwrap();
            let below = journal.tape;
            journal.tape = Box::new(Failing::new(below, how));
            // A folder is in the way of the new file.
            let way = dir.path().join("journal.jsonl.new");
            std::fs::create_dir(&way).unwrap();
            let first = journal.append(&Stamp::default(), &held("a")).unwrap_err().to_string();
            let again = journal.append(&Stamp::default(), &held("b")).unwrap_err();
            assert!(matches!(&again, JournalError::Poisoned { first: f } if *f == first));
            assert_eq!(journal.head().seq, 1);
            drop(journal);
            // What was not acknowledged is not there, and a new process may go on.
            assert_eq!(std::fs::read(dir.path().join(JOURNAL_FILE)).unwrap(), before, "{how:?}");
            let (mut journal, entries, recovery) = Journal::open(dir.path()).unwrap();
            assert_eq!((entries.len(), recovery), (1, None));
            assert_eq!(journal.append(&Stamp::default(), &held("c")).unwrap().seq, 2);
            assert_eq!(read_all(dir.path()).unwrap().len(), 2);
        }
    }

    #[test]
    fn what_is_not_what_was_written_is_never_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = opened(dir.path());
        let path = dir.path().join(JOURNAL_FILE);
        let text = std::fs::read_to_string(&path).unwrap().replace("night", "fight");
        std::fs::write(&path, &text).unwrap();
        let below = journal.tape;
        journal.tape = Box::new(Failing::new(below, Fault::Sync));
        journal.append(&Stamp::default(), &held("a")).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(journal.poison().is_some());
    }

    #[test]
    fn where_its_folder_fails_the_record_goes_on_elsewhere_and_is_brought_home() {
        let all = tempfile::tempdir().unwrap();
        let (home, away) = (all.path().join("home"), all.path().join("away"));
        let mut journal = opened(&home);
        journal.fall_back_to(&away).unwrap();
        journal.append(&Stamp::default(), &held("at home")).unwrap();
        let way = home.join("journal.jsonl.new");
        std::fs::create_dir(&way).unwrap();
        let below = journal.tape;
        journal.tape = Box::new(Failing::new(below, Fault::Sync));
        assert_eq!(journal.append(&Stamp::default(), &held("away")).unwrap().seq, 3);
        assert_eq!(journal.away(), Some(&*away));
        assert_eq!(journal.append(&Stamp::default(), &held("away")).unwrap().seq, 4);
        drop(journal);
        // Every reader finds it, from the session's own folder.
        assert_eq!(continued(&home).unwrap().as_deref(), Some(&*away));
        assert_eq!(read_all(&home).unwrap().len(), 4);
        let verdict = verify(&home, None).unwrap();
        assert!(verdict.intact && verdict.lines == 4, "{verdict}");
        let (journal, entries, _) = Journal::open(&home).unwrap();
        assert_eq!((entries.len(), journal.away()), (4, Some(&*away)), "the way is blocked still");
        drop(journal);
        std::fs::remove_dir(&way).unwrap();
        let (mut journal, entries, _) = Journal::open(&home).unwrap();
        assert_eq!((entries.len(), journal.away()), (4, None));
        assert_eq!(journal.append(&Stamp::default(), &held("at home")).unwrap().seq, 5);
        assert!(!away.exists());
        assert_eq!((continued(&home).unwrap(), read_all(&home).unwrap().len()), (None, 5));
    }

    #[test]
    fn what_does_not_go_on_from_the_record_is_not_its_continuation() {
        let all = tempfile::tempdir().unwrap();
        let (home, away) = (all.path().join("home"), all.path().join("away"));
        let mut journal = opened(&home);
        journal.append(&Stamp::default(), &held("one thing")).unwrap();
        let mut other = opened(&away);
        other.append(&Stamp::default(), &held("another")).unwrap();
        other.append(&Stamp::default(), &held("and more")).unwrap();
        journal.fall_back_to(&away).unwrap();
        let error = continued(&home).unwrap_err().to_string();
        assert!(error.contains("does not go on from"), "{error}");
        assert!(Journal::open(&home).is_err() && read_all(&home).is_err());
        // A copy of its beginning does no harm.
        std::fs::copy(home.join(JOURNAL_FILE), away.join(JOURNAL_FILE)).unwrap();
        assert_eq!(continued(&home).unwrap(), None);
        journal.append(&Stamp::default(), &held("further")).unwrap();
        assert_eq!(read_all(&home).unwrap().len(), 3);
    }
}
