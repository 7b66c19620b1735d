//! A disk in memory that writes down every operation on it, fails where it is told to, and can be
//! looked at as it would be after a power cut at any moment.
//!
//! What a power cut leaves: everything that a sync has covered; of everything else, what the
//! caller of [`MemDisk::after_cut`] chooses: nothing, all, the first bytes of a write, a write
//! with a hole where a sector never came, the operations on one file and not on another. A write
//! inside one sector of a file that has it already is not torn: no disk does that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use golive::engine::Job;
use golive::journal::{Disk, DiskFile, Open};

pub(crate) const SECTOR: usize = 512;

/// An operation on a disk, or something that happened between two of them.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create(PathBuf, usize),
    MakeDir(PathBuf),
    Write(usize, u64, Vec<u8>),
    Cut(usize, u64),
    Sync(usize),
    SyncDir(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    /// The session said that everything up to this line is recorded.
    Acknowledged(u64),
    /// The edge was told to start this.
    Started(Job),
}

/// What is kept of an operation that no sync covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    All,
    /// Of a write, the first bytes.
    First(usize),
    /// Of a write, everything but the bytes before this: they are zeros.
    Hole(usize),
}

/// What to do with the operations from one on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// The first that fails, counted from 0.
    pub(crate) at: usize,
    pub(crate) how: How,
    /// Whether all after it fail too.
    pub(crate) for_ever: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Error(i32),
    Short,
}

#[derive(Clone, Debug, Default)]
struct World {
    files: Vec<Vec<u8>>,
    names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    log: Vec<Op>,
    fault: Option<Fault>,
    /// The operation at which it is well again.
    until: Option<usize>,
    /// Operations that can fail, so far.
    count: usize,
    /// So many bytes are free, where it is not as good as endless.
    free: Option<u64>,
}

/// The disk. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemDisk(Arc<Mutex<World>>);

#[derive(Debug)]
struct MemFile(MemDisk, usize);

/// All that can be seen of a disk.
pub(crate) type Image = (BTreeMap<PathBuf, Vec<u8>>, BTreeSet<PathBuf>);

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

fn there() -> io::Error {
    io::Error::from(io::ErrorKind::AlreadyExists)
}

fn size(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap()
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl World {
    fn apply(&mut self, op: &Op, keep: Keep) {
        match op {
            _ if keep == Keep::Nothing => {}
            Op::Create(path, file) => {
                if self.has_parent(path) {
                    self.names.insert(path.clone(), *file);
                }
            }
            Op::MakeDir(path) => {
                if self.has_parent(path) {
                    self.dirs.insert(path.clone());
                }
            }
            Op::Write(file, offset, bytes) => {
                let data = &mut self.files[*file];
                let offset = usize::try_from(*offset).unwrap();
                let (from, to) = match keep {
                    Keep::First(count) => (0, count),
                    Keep::Hole(count) => (count, bytes.len()),
                    Keep::All | Keep::Nothing => (0, bytes.len()),
                };
                data.resize(data.len().max(offset + to), 0);
                data[offset + from..offset + to].copy_from_slice(&bytes[from..to]);
            }
            Op::Cut(file, len) => self.files[*file].resize(usize::try_from(*len).unwrap(), 0),
            Op::Rename(from, to) => {
                if let Some(file) = self.names.remove(from) {
                    self.names.insert(to.clone(), file);
                }
            }
            Op::Remove(path) => {
                self.names.remove(path);
            }
            Op::Sync(_) | Op::SyncDir(_) | Op::Acknowledged(_) | Op::Started(_) => {}
        }
    }

    fn has_parent(&self, path: &Path) -> bool {
        path.parent().is_some_and(|parent| self.dirs.contains(parent))
    }

    fn done(&mut self, op: Op) {
        if let Op::Create(..) = op {
            self.files.push(Vec::new());
        }
        self.apply(&op, Keep::All);
        self.log.push(op);
    }

    /// Counts an operation, and fails it if it is its turn; of a write, how much is taken.
    fn turn(&mut self, len: usize) -> io::Result<usize> {
        let at = self.count;
        self.count += 1;
        let Some(fault) = self.fault else { return Ok(len) };
        let over = self.until.is_some_and(|until| at >= until);
        if over || at != fault.at && !(fault.for_ever && at > fault.at) {
            return Ok(len);
        }
        match fault.how {
            How::Error(code) => Err(io::Error::from_raw_os_error(code)),
            How::Short => Ok(len / 2),
        }
    }
}

impl Op {
    /// What a sync has to name to cover it.
    fn file(&self) -> Option<usize> {
        match self {
            Self::Write(file, ..) | Self::Cut(file, _) => Some(*file),
            Self::Create(..)
            | Self::MakeDir(_)
            | Self::Sync(_)
            | Self::SyncDir(_)
            | Self::Rename(..)
            | Self::Remove(_)
            | Self::Acknowledged(_)
            | Self::Started(_) => None,
        }
    }

    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Create(path, _)
            | Self::MakeDir(path)
            | Self::Rename(path, _)
            | Self::Remove(path) => path.parent(),
            Self::Write(..)
            | Self::Cut(..)
            | Self::Sync(_)
            | Self::SyncDir(_)
            | Self::Acknowledged(_)
            | Self::Started(_) => None,
        }
    }

    /// On what it works, for those that keep the operations on one thing and not on another.
    pub(crate) fn on(&self) -> Option<String> {
        let file = self.file().map(|file| format!("file {file}"));
        file.or_else(|| self.dir().map(|dir| format!("dir {}", dir.display())))
    }
}

impl MemDisk {
    /// A disk that has `dir` and the folders above it, and nothing else.
    pub(crate) fn with_dir(dir: &Path) -> Self {
        let disk = Self::default();
        disk.world().dirs.extend(dir.ancestors().map(Path::to_owned));
        disk
    }

    pub(crate) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(crate) fn note(&self, op: Op) {
        self.world().log.push(op);
    }

    pub(crate) fn leave_free(&self, bytes: u64) {
        self.world().free = Some(bytes);
    }

    pub(crate) fn fail(&self, fault: Option<Fault>) {
        let mut world = self.world();
        (world.fault, world.until) = (fault, None);
    }

    /// Fails from operation `at` on, so many times.
    pub(crate) fn fail_times(&self, at: usize, how: How, times: usize) {
        let mut world = self.world();
        world.fault = Some(Fault { at, how, for_ever: true });
        world.until = Some(at + times);
    }

    /// How many operations there were that could have failed.
    pub(crate) fn count(&self) -> usize {
        self.world().count
    }

    pub(crate) fn log(&self) -> Vec<Op> {
        self.world().log.clone()
    }

    pub(crate) fn image(&self) -> Image {
        let world = self.world();
        let content = |(path, file): (&PathBuf, &usize)| (path.clone(), world.files[*file].clone());
        (world.names.iter().map(content).collect(), world.dirs.clone())
    }

    /// A disk with all that `image` has, all of it safe.
    pub(crate) fn from_image((files, dirs): &Image) -> Self {
        let mut world = World { dirs: dirs.clone(), ..World::default() };
        for (path, data) in files {
            world.names.insert(path.clone(), world.files.len());
            world.files.push(data.clone());
        }
        Self(Arc::new(Mutex::new(world)))
    }

    /// What is left of `before` when the power goes after the operations `ops`; `keep` chooses
    /// for every operation that no sync covers.
    pub(crate) fn after_cut(
        before: &Image,
        ops: &[Op],
        mut keep: impl FnMut(usize, &Op) -> Keep,
    ) -> Image {
        let disk = Self::from_image(before);
        let mut world = disk.world();
        // Walked backwards: what a later sync covers is safe.
        let (mut files, mut dirs, mut safe) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for op in ops.iter().rev() {
            if let Op::Sync(file) = op {
                files.insert(*file);
            } else if let Op::SyncDir(dir) = op {
                dirs.insert(dir.clone());
            }
            let by_file = op.file().is_some_and(|file| files.contains(&file));
            safe.push(by_file || op.dir().is_some_and(|dir| dirs.contains(dir)));
        }
        for (at, (op, safe)) in ops.iter().zip(safe.into_iter().rev()).enumerate() {
            if let Op::Create(_, file) = op
                && world.files.len() <= *file
            {
                world.files.resize(file + 1, Vec::new());
            }
            let kept = if safe { Keep::All } else { keep(at, op) };
            world.apply(op, kept);
        }
        drop(world);
        disk.image()
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut world = self.world();
        world.turn(0)?;
        let file = match (world.names.get(path).copied(), how) {
            (Some(_), Open::AppendNew | Open::WriteNew) => return Err(there()),
            (None, Open::Read | Open::Append | Open::Write) => return Err(missing()),
            (Some(file), Open::Replace) => {
                world.done(Op::Cut(file, 0));
                file
            }
            (Some(file), Open::Read | Open::Append | Open::Write) => file,
            (None, Open::AppendNew | Open::WriteNew | Open::Replace) => {
                if !world.has_parent(path) {
                    return Err(missing());
                }
                let file = world.files.len();
                world.done(Op::Create(path.to_owned(), file));
                file
            }
        };
        drop(world);
        Ok(Box::new(MemFile(self.clone(), file)))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.turn(0)?;
        if world.dirs.contains(path) {
            return Err(there());
        }
        if !world.has_parent(path) {
            return Err(missing());
        }
        world.done(Op::MakeDir(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.turn(0)?;
        world.done(Op::SyncDir(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.turn(0)?;
        if !world.names.contains_key(from) {
            return Err(missing());
        }
        world.done(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.turn(0)?;
        if !world.names.contains_key(path) {
            return Err(missing());
        }
        world.done(Op::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.turn(0)?;
        world.names.retain(|name, _| !name.starts_with(path));
        world.dirs.retain(|name| !name.starts_with(path));
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<BTreeMap<String, bool>> {
        let mut world = self.world();
        world.turn(0)?;
        if !world.dirs.contains(path) {
            return Err(missing());
        }
        let files = world.names.keys().map(|name| (name, true));
        let dirs = world.dirs.iter().map(|name| (name, false));
        let here = files.chain(dirs).filter(|(name, _)| name.parent() == Some(path));
        let name = |name: &Path| name.file_name().unwrap().to_str().unwrap().to_owned();
        Ok(here.map(|(path, is_file)| (name(path), is_file)).collect())
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        let mut world = self.world();
        world.turn(0)?;
        Ok(world.names.contains_key(path) || world.dirs.contains(path))
    }

    fn free(&self, _path: &Path) -> io::Result<u64> {
        Ok(self.world().free.unwrap_or(u64::MAX))
    }

    fn may_write_in(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.turn(0)?;
        if world.dirs.contains(path) { Ok(()) } else { Err(missing()) }
    }
}

impl DiskFile for MemFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.0.world();
        let count = world.turn(bytes.len())?;
        let end = size(&world.files[self.1]);
        world.done(Op::Write(self.1, end, bytes[..count].to_vec()));
        Ok(count)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut world = self.0.world();
        let count = world.turn(bytes.len())?;
        world.done(Op::Write(self.1, offset, bytes[..count].to_vec()));
        Ok(count)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.0.world();
        world.turn(0)?;
        let data = &world.files[self.1];
        let from = place(offset).min(data.len());
        let count = bytes.len().min(data.len() - from);
        bytes[..count].copy_from_slice(&data[from..from + count]);
        Ok(count)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut world = self.0.world();
        world.turn(0)?;
        world.done(Op::Sync(self.1));
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn allocate(&mut self, _bytes: u64) -> io::Result<()> {
        self.0.world().turn(0).map(drop)
    }

    fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        let mut world = self.0.world();
        world.turn(0)?;
        world.done(Op::Cut(self.1, bytes));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut world = self.0.world();
        world.turn(0)?;
        Ok(size(&world.files[self.1]))
    }
}
