//! What jobs printed, where the session's own folder could not take it: in `output/` of the folder
//! in which the record goes on, under the same names.
//!
//! A transcript is in one place or in the other, whole: one that cannot be written on is read back,
//! held against the digest of what was written, and copied. If both places have one, the copy
//! counts: it is the one that was written on.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::base::{Digest, Hasher};

use super::OUTPUT_DIR;
use super::disk::{self, Cursor, Disk, DiskFile, Open, RealDisk};
use super::error::JournalError;
use super::fallback::named_on;
use super::file::make_dir;

/// Bytes read at once.
const CHUNK_BYTES: usize = 1 << 18;
/// What follows the name of a file that is brought home, until all of it is there.
const COMING: &str = ".coming";

/// The folders in which outputs of the session in `dir` may be: the copies first.
///
/// # Errors
/// The file that names the other folder cannot be read.
pub fn output_dirs(dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    output_dirs_on(&RealDisk, dir)
}

/// The same on any disk.
pub fn output_dirs_on(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let away = named_on(disk, dir)?.map(|away| away.join(OUTPUT_DIR));
    let away = away.filter(|away| disk.is_there(away).unwrap_or(false));
    Ok(away.into_iter().chain([dir.join(OUTPUT_DIR)]).collect())
}

/// Where the output of this name is; where it would be, if there is none.
pub(super) fn output_in(disk: &dyn Disk, dir: &Path, name: &str) -> PathBuf {
    let home = dir.join(OUTPUT_DIR).join(name);
    let dirs = output_dirs_on(disk, dir).unwrap_or_default();
    let mut all = dirs.into_iter().map(|dir| dir.join(name));
    all.find(|path| disk.is_there(path).unwrap_or(false)).unwrap_or(home)
}

/// Copies the first `bytes` bytes of `from`, which have this digest, to a new file. A disk has
/// them then.
pub(super) fn copy(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    bytes: u64,
    digest: Digest,
) -> io::Result<Box<dyn DiskFile>> {
    match disk.remove(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let copied = copy_new(disk, from, to, bytes, digest);
    if copied.is_err() {
        disk.remove(to).ok(); // It takes room.
    }
    copied
}

fn copy_new(
    disk: &dyn Disk,
    from: &Path,
    to: &Path,
    bytes: u64,
    digest: Digest,
) -> io::Result<Box<dyn DiskFile>> {
    let mut input = Cursor::open(disk, from)?.take(bytes);
    let mut output = disk.open(to, Open::AppendNew)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = input.read(&mut buffer)?;
        let piece = buffer.get(..count).filter(|piece| !piece.is_empty());
        let Some(piece) = piece else { break };
        hasher.update(piece);
        disk::append_all(&mut *output, piece)?;
    }
    if hasher.digest() != digest {
        return Err(io::Error::other("what is read back is not what was written"));
    }
    output.sync_data()?;
    Ok(output)
}

/// Makes the folder for outputs in `away`.
pub(super) fn make_ready(disk: &dyn Disk, away: &Path) -> io::Result<PathBuf> {
    let dir = away.join(OUTPUT_DIR);
    for dir in [away, &dir] {
        make_dir(disk, dir).map_err(io::Error::other)?;
    }
    disk.may_write_in(&dir)?;
    Ok(dir)
}

/// Brings the outputs in `away` to the session's folder `home`; whether none is left there.
pub(super) fn bring_home(disk: &dyn Disk, home: &Path, away: &Path) -> bool {
    let from = away.join(OUTPUT_DIR);
    let names = match disk.list(&from) {
        Ok(names) => names,
        Err(error) => return error.kind() == io::ErrorKind::NotFound,
    };
    let to = home.join(OUTPUT_DIR);
    let mut left = false;
    for (name, _) in names.iter().filter(|(_, is_file)| **is_file) {
        let brought = bring(disk, &from.join(name), &to, name);
        if let Err(error) = &brought {
            tracing::warn!(%error, name, "an output stays where it is");
        }
        left |= brought.is_err();
    }
    !left && disk.remove_dir_all(&from).is_ok()
}

fn bring(disk: &dyn Disk, from: &Path, to: &Path, name: &str) -> io::Result<()> {
    let (bytes, digest) = super::output::digest_file_on(disk, from)?;
    let coming = to.join(format!("{name}{COMING}"));
    drop(copy(disk, from, &coming, bytes, digest)?);
    disk.rename(&coming, &to.join(name))?;
    disk.sync_dir(to)
}

/// Whether outputs of the session in `home` are in the folder `away`.
pub fn has_outputs(disk: &dyn Disk, away: &Path) -> bool {
    disk.is_there(&away.join(OUTPUT_DIR)).unwrap_or(true)
}
