//! Lines that no disk takes: kept in memory, in their order and with their place in the chain,
//! and written first when a disk takes something again.
//!
//! They are the very bytes that the journal will have: whoever gets them on paper can put them
//! behind its last line, and the chain holds.

use std::path::Path;
use std::sync::Arc;

use crate::base::Digest;
use crate::engine::Fact;

use super::entry::{Entry, Stamp};
use super::error::JournalError;
use super::fallback;
use super::file::{Head, Journal, sealed_line};
use super::{HEAD_FILE, JOURNAL_FILE};

/// So much is kept at most: what a night of flapping probes says is less.
const BYTES_MAX: usize = 64 << 20;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    lines: Vec<Arc<str>>,
    bytes: usize,
    /// The end of the last line, and its digest.
    end: Option<(Head, Digest)>,
}

impl Journal {
    /// Keeps what one decision caused, when [`Journal::append`] cannot write it: as its next line.
    ///
    /// # Errors
    /// It cannot be read back, or too much is kept already; then it is not kept.
    pub fn keep(&mut self, stamp: &Stamp, facts: &[Fact]) -> Result<Entry, JournalError> {
        let (head, last) = self.kept.end.unwrap_or((self.head, self.last));
        let seq = head.seq + 1;
        let (line, sealed) = sealed_line(seq, stamp, facts, last)?;
        let bytes = self.kept.bytes.saturating_add(line.len());
        if bytes > BYTES_MAX {
            let why =
                format!("{BYTES_MAX} bytes are kept in memory already, and no disk takes them");
            return Err(JournalError::Unwritable { why });
        }
        let line = String::from_utf8(line)
            .map_err(|_| JournalError::Unwritable { why: "its line is no text".to_owned() })?;
        self.poison.get_or_insert_with(|| "its lines are kept in memory".to_owned());
        self.kept.lines.push(line.into());
        self.kept.bytes = bytes;
        self.kept.end = Some((Head { seq, seal: sealed.seal }, sealed.digest));
        Ok(sealed.entry)
    }

    /// The lines that are kept, oldest first, each with its line end. They follow the last line
    /// that is on disk.
    pub fn kept(&self) -> &[Arc<str>] {
        &self.kept.lines
    }

    /// Writes what is kept, and all that is recorded before it, to a new file in the session's
    /// folder or else in the fallback folder; says whether a disk has it now. Then the journal
    /// takes lines again.
    pub fn revive(&mut self) -> bool {
        let Some(why) = self.poison.clone() else { return true };
        let (head, last) = self.kept.end.unwrap_or((self.head, self.last));
        let more: String = self.kept.lines.iter().map(|line| &**line).collect();
        if !self.rescue_apart(more.as_bytes(), head, last, &why) {
            return false;
        }
        self.poison = None;
        self.kept = Kept::default();
        true
    }

    /// The same as a rescue, where a line that was refused may stand at the end of a file that was
    /// given up: two records that do not follow from each other are not left behind.
    fn rescue_apart(&mut self, more: &[u8], head: Head, last: Digest, why: &str) -> bool {
        let away = self.away().map(Path::to_owned);
        let other = if away.is_some() { None } else { self.fallback.clone() };
        if let Some(other) = other
            && !self.forget(&other)
        {
            return false;
        }
        if !self.rescue(more, head, last, why) {
            return false;
        }
        match (self.away().map(Path::to_owned), away) {
            (Some(now), _) => {
                let at_odds = fallback::continued_on(&*self.disk, &self.home);
                let at_odds = matches!(at_odds, Err(JournalError::Broken { .. }));
                if at_odds {
                    tracing::error!(dir = %now.display(), "it does not go on from the record at home");
                    self.kept = Kept::default(); // It is on that disk, for one that finds it.
                }
                !at_odds
            }
            (None, Some(before)) => {
                self.forget(&before);
                true
            }
            (None, None) => true,
        }
    }

    /// Takes the record in a folder away that is not the session's own; whether none is seen there then.
    fn forget(&self, dir: &Path) -> bool {
        let path = dir.join(JOURNAL_FILE);
        self.disk.remove(&dir.join(HEAD_FILE)).ok();
        self.disk.remove(&path).is_ok() || !self.disk.is_there(&path).is_ok_and(|there| there)
    }
}
