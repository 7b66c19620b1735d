//! Where a record goes on when its own folder cannot be written: a folder that was chosen and
//! tried at the start, and is named in the session's own.
//!
//! What is there counts only if it begins with the lines that the session's own folder has.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{self, Disk, RealDisk};
use super::error::JournalError;
use super::file::read_head;
use super::wire;
use super::{FALLBACK_FILE, JOURNAL_FILE};

/// Where the record of the session in `dir` goes on; none if that is where it began.
///
/// # Errors
/// A file cannot be read, or there are two records that do not follow from each other.
pub fn continued(dir: &Path) -> Result<Option<PathBuf>, JournalError> {
    continued_on(&RealDisk, dir)
}

/// The same on any disk.
pub fn continued_on(disk: &dyn Disk, dir: &Path) -> Result<Option<PathBuf>, JournalError> {
    let Some(named) = named_on(disk, dir)? else { return Ok(None) };
    let (here, there) = (dir.join(JOURNAL_FILE), named.join(JOURNAL_FILE));
    let Some(away) = read_if_there(disk, &there)? else { return Ok(None) };
    let away = whole_lines(&away);
    let home = read_if_there(disk, &here)?.unwrap_or_default();
    if whole_lines(&home).starts_with(away) {
        return Ok(None); // It was brought home, and a copy is left.
    }
    let noted = read_head(disk, dir)?;
    if noted.seq == 0 {
        let first = away.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if wire::decode(first).is_ok_and(|first| first.prev == noted.seal) {
            return Ok(Some(named)); // It was never written at home.
        }
    }
    let noted = usize::try_from(noted.seq).unwrap_or(usize::MAX);
    let ends = home.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let sure = noted.checked_sub(1).and_then(|last| ends.into_iter().nth(last));
    let sure = sure.and_then(|end| home.get(..end)).filter(|it| !it.is_empty());
    if sure.is_some_and(|sure| away.starts_with(sure)) {
        return Ok(Some(named));
    }
    let what = format!(
        "it does not go on from {}: one of them was changed; nothing is written to either",
        here.display()
    );
    Err(JournalError::broken(&there, 1, what))
}

/// The folder in which the record of the session in `dir` is.
pub(super) fn place_of(disk: &dyn Disk, dir: &Path) -> Result<PathBuf, JournalError> {
    Ok(continued_on(disk, dir)?.unwrap_or_else(|| dir.to_owned()))
}

/// The folder that was named at the start.
pub(super) fn named_on(disk: &dyn Disk, dir: &Path) -> Result<Option<PathBuf>, JournalError> {
    let path = dir.join(FALLBACK_FILE);
    let text = read_if_there(disk, &path)?.and_then(|text| String::from_utf8(text).ok());
    let named = text.and_then(|text| Some(PathBuf::from(text.strip_suffix('\n')?)));
    Ok(named.filter(|named| named.is_absolute()))
}

fn read_if_there(disk: &dyn Disk, path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    match disk::read_file(disk, path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(JournalError::io("read", path, source)),
    }
}

fn whole_lines(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    text.get(..end).unwrap_or_default()
}
