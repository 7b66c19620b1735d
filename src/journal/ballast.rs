//! Room that is kept for the last words: a file that is given up when the disk is full.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, Open};

/// How much room is kept.
const BYTES: u64 = 8 << 20;
/// The file that keeps it.
const BALLAST_FILE: &str = "ballast";

/// The room. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Ballast {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Ballast {
    /// Keeps room on the file system of `dir`.
    pub(super) fn keep(disk: &Arc<dyn Disk>, dir: &Path) -> io::Result<Self> {
        let ballast = Self { disk: Arc::clone(disk), path: dir.join(BALLAST_FILE) };
        let mut file = disk.open(&ballast.path, Open::Replace)?;
        file.allocate(BYTES)?; // Whatever goes wrong, dropping it takes the file away.
        Ok(ballast)
    }
}

/// Gives back what a process that died has kept: what is elsewhere may need that room to come home.
pub(super) fn forget(disk: &dyn Disk, dir: &Path) {
    disk.remove(&dir.join(BALLAST_FILE)).ok();
}

impl Drop for Ballast {
    fn drop(&mut self) {
        if let Err(error) = self.disk.remove(&self.path) {
            tracing::debug!(%error, "the kept room is not given back");
        }
    }
}
