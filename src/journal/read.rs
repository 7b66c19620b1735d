//! Reading a journal while somebody else may be writing it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use crate::base::{Digest, SessionId};

use super::JOURNAL_FILE;
use super::disk::{Cursor, Disk, RealDisk};
use super::entry::Entry;
use super::error::JournalError;
use super::wire::{self, Fault, LINE_BYTES_MAX, Sealed};

/// The entries of a journal, each checked against its seal and against the line before.
///
/// Gives `None` at the end, and also where a line is still being written; asked again later, it
/// goes on from there. After an error it gives nothing more.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    input: BufReader<Cursor>,
    partial: Vec<u8>,
    seq: u64,
    last: Option<Digest>,
    seal: Option<Digest>,
    session: Option<SessionId>,
    bytes: u64,
    broken: bool,
}

/// Opens the journal of the session in `dir` for reading, wherever it goes on.
pub fn read(dir: &Path) -> Result<Reader, JournalError> {
    read_on(&RealDisk, dir)
}

/// The same on any disk.
pub fn read_on(disk: &dyn Disk, dir: &Path) -> Result<Reader, JournalError> {
    let path = super::fallback::place_of(disk, dir)?.join(JOURNAL_FILE);
    let file =
        Cursor::open(disk, &path).map_err(|source| JournalError::io("read", &path, source))?;
    Ok(Reader {
        path,
        input: BufReader::with_capacity(1 << 16, file),
        partial: Vec::new(),
        seq: 0,
        last: None,
        seal: None,
        session: None,
        bytes: 0,
        broken: false,
    })
}

/// All entries of the journal of the session in `dir`; a line still being written is left out.
pub fn read_all(dir: &Path) -> Result<Vec<Entry>, JournalError> {
    read_all_on(&RealDisk, dir)
}

/// The same on any disk.
pub fn read_all_on(disk: &dyn Disk, dir: &Path) -> Result<Vec<Entry>, JournalError> {
    read_on(disk, dir)?.collect()
}

impl Reader {
    /// The session's name; none before the first line.
    pub const fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// The seal of the last line given; none before the first.
    pub const fn seal(&self) -> Option<Digest> {
        self.seal
    }

    /// How many bytes the lines given so far have.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the last line given; 0 before the first.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// The digest of the last line given.
    pub(super) const fn last_digest(&self) -> Option<Digest> {
        self.last
    }

    /// The bytes of a line without its end, or of one that has a hole.
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// The next whole line, without its end.
    pub(super) fn next_line(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let room = LINE_BYTES_MAX.saturating_sub(self.partial.len()) + 1;
        let room = u64::try_from(room).unwrap_or(u64::MAX);
        let mut input = self.input.by_ref().take(room);
        let read = input.read_until(b'\n', &mut self.partial);
        read.map_err(|source| JournalError::io("read", &self.path, source))?;
        if self.partial.last() == Some(&b'\n') {
            if self.partial.contains(&0) && self.is_at_end()? {
                // No line has a zero byte: a part of the last one never reached the disk.
                return Ok(None);
            }
            let mut line = std::mem::take(&mut self.partial);
            self.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
            line.pop();
            return Ok(Some(line));
        }
        if self.partial.len() > LINE_BYTES_MAX {
            return Err(JournalError::fault(&self.path, self.seq + 1, &Fault::TooLong));
        }
        Ok(None)
    }

    fn is_at_end(&mut self) -> Result<bool, JournalError> {
        let rest = self.input.fill_buf();
        Ok(rest.map_err(|source| JournalError::io("read", &self.path, source))?.is_empty())
    }

    fn check(&mut self, line: &[u8]) -> Result<Entry, JournalError> {
        let number = self.seq + 1;
        let broken = |what: &str| {
            let what = format!("{what}; `golive verify` names all that is wrong");
            JournalError::broken(&self.path, number, what)
        };
        let Sealed { entry, prev, seal, digest } =
            wire::decode(line).map_err(|fault| JournalError::fault(&self.path, number, &fault))?;
        if entry.seq != number {
            let what = format!("it is numbered {}: lines were cut, inserted or moved", entry.seq);
            return Err(broken(&what));
        }
        let before = match (self.last, wire::session_of(&entry)) {
            (Some(last), None) => last,
            (None, Some(session)) => {
                self.session = Some(session.clone());
                wire::genesis(session)
            }
            (Some(_), Some(_)) => return Err(broken("the session is opened a second time")),
            (None, None) => return Err(broken("a journal begins with the opening of its session")),
        };
        if prev != before {
            return Err(broken("it does not follow from the line before: that line was changed"));
        }
        self.seq = number;
        self.last = Some(digest);
        self.seal = Some(seal);
        Ok(entry)
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let entry = match self.next_line() {
            Ok(None) => return None,
            Ok(Some(line)) => self.check(&line),
            Err(error) => Err(error),
        };
        self.broken = entry.is_err();
        Some(entry)
    }
}
