//! A disk that says that it has synced, and has not: one of the mistakes made on purpose.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use golive::journal::{Disk, DiskFile, Open};

/// The disk below, without its syncs of bytes.
#[derive(Clone, Debug)]
pub(super) struct Lying(pub(super) Arc<dyn Disk>);

#[derive(Debug)]
struct LyingFile(Box<dyn DiskFile>);

impl Disk for Lying {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(LyingFile(self.0.open(path, how)?)))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.0.make_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.0.remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<BTreeMap<String, bool>> {
        self.0.list(path)
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        self.0.is_there(path)
    }

    fn may_write_in(&self, path: &Path) -> io::Result<()> {
        self.0.may_write_in(path)
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        self.0.free(path)
    }
}

impl DiskFile for LyingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn allocate(&mut self, bytes: u64) -> io::Result<()> {
        self.0.allocate(bytes)
    }

    fn cut_to(&mut self, bytes: u64) -> io::Result<()> {
        self.0.cut_to(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}
