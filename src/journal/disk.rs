//! What the record asks of a file system: the only way from a session's record to its files.
//!
//! [`RealDisk`] is the product's. A test or a simulation stands in for one that fails, that
//! loses what was not synced, or that is nowhere but in memory. The lock is not here: it is no
//! part of the record, and the kernel's alone to give.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, FallocateFlags, access, fallocate, statvfs};
use rustix::io::Errno;

/// How a file is opened. New files are their owner's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Open {
    /// An existing file, for reading.
    Read,
    /// An existing file, to write at its end only.
    Append,
    /// A file that is not there yet, to write at its end only.
    AppendNew,
    /// An existing file, to write anywhere in it.
    Write,
    /// A file that is not there yet, to write anywhere in it.
    WriteNew,
    /// Made, or emptied if it is there, to write anywhere in it.
    Replace,
}

/// A file system, as much of one as a record needs. Errors are the system's.
///
/// What is not synced may be lost, torn or late when the power goes; so may a name whose
/// directory is not synced.
pub trait Disk: Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a directory for its owner alone; its parent is there, and it is not.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory survive a power cut.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, in place of what had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all that is in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, and whether each is a regular file.
    fn list(&self, path: &Path) -> io::Result<BTreeMap<String, bool>>;
    /// Whether something has this name, be it a link that leads nowhere.
    fn is_there(&self, path: &Path) -> io::Result<bool>;
    /// Whether files can be made in a directory.
    fn may_write_in(&self, path: &Path) -> io::Result<()>;
    /// How many bytes are free for us where `path` is.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Debug + Send {
    /// Writes at the end; how many bytes were written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes from `offset` on; how many bytes were written.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Reads from `offset` on; how many bytes were read, 0 at the end.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Waits until the disk has the bytes of the file. After an error nobody knows what it has,
    /// and a second success would prove nothing.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Waits until the disk has all of the file.
    fn sync_all(&mut self) -> io::Result<()>;
    /// Takes room for so many bytes, for real.
    fn allocate(&mut self, bytes: u64) -> io::Result<()>;
    /// Cuts the file to its first bytes.
    fn cut_to(&mut self, bytes: u64) -> io::Result<()>;
    /// How long it is.
    fn len(&self) -> io::Result<u64>;
    /// Whether nothing is in it.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RealDisk;

impl RealDisk {
    /// It, for those who keep a disk.
    pub fn shared() -> Arc<dyn Disk> {
        Arc::new(Self)
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        match how {
            Open::Read => options.read(true),
            Open::Append => options.append(true),
            Open::AppendNew => options.append(true).create_new(true),
            Open::Write => options.write(true),
            Open::WriteNew => options.write(true).create_new(true),
            Open::Replace => options.write(true).create(true).truncate(true),
        };
        Ok(Box::new(options.mode(0o600).open(path)?))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<BTreeMap<String, bool>> {
        let name_and_kind = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            let is_file = entry.file_type()?.is_file();
            Ok((entry.file_name().to_string_lossy().into_owned(), is_file))
        };
        fs::read_dir(path)?.map(name_and_kind).collect()
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn may_write_in(&self, path: &Path) -> io::Result<()> {
        Ok(access(path, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let system = statvfs(path)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&mut self) -> io::Result<()> {
        Self::sync_all(self)
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        match fallocate(&*self, FallocateFlags::empty(), 0, bytes) {
            // Where room cannot be taken, it is written.
            Err(Errno::OPNOTSUPP) => {
                let zeros = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
                write_all_at(self, &zeros, 0)
            }
            taken => Ok(taken?),
        }
    }

    fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

/// So often a write that a signal interrupted is tried again.
pub(super) const INTERRUPTIONS: u32 = 100;

/// Hands all of `bytes` to `write`, which takes as many as it likes at a time; it is told how many
/// were taken before.
fn write_all(
    bytes: &[u8],
    mut write: impl FnMut(&[u8], u64) -> io::Result<usize>,
) -> io::Result<()> {
    let mut done = 0;
    let mut left = INTERRUPTIONS;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match write(rest, u64::try_from(done).unwrap_or(u64::MAX)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted && left > 0 => left -= 1,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes all of `bytes` at the end of `file`.
pub fn append_all(file: &mut dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
    write_all(bytes, |rest, _| file.append(rest))
}

/// Writes all of `bytes` from `offset` on.
pub fn write_all_at(file: &mut dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    write_all(bytes, |rest, done| file.write_at(rest, offset + done))
}

/// All that is in the file at `path`.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Cursor::open(disk, path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes `path` hold `bytes` and nothing else: after a crash it is as before or as now. The
/// directory is synced too.
pub fn replace_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = disk.open(&new, Open::Replace)?;
    write_all_at(&mut *file, bytes, 0)?;
    file.sync_all()?;
    disk.rename(&new, path)?;
    path.parent().map_or(Ok(()), |dir| disk.sync_dir(dir))
}

/// A place in a file of a [`Disk`], from which one reads on.
#[derive(Debug)]
pub struct Cursor {
    file: Box<dyn DiskFile>,
    at: u64,
}

impl Cursor {
    /// The beginning of the file at `path`.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        Ok(Self { file: disk.open(path, Open::Read)?, at: 0 })
    }
}

impl Read for Cursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut left = INTERRUPTIONS;
        let count = loop {
            match self.file.read_at(bytes, self.at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted && left > 0 => left -= 1,
                // Those who read would try without end.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    return Err(io::Error::other(error));
                }
                done => break done?,
            }
        };
        self.at += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.file.len()?.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
