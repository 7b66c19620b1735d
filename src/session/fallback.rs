//! The folder in which a record goes on when its own cannot be written: chosen and tried before
//! anything is sent.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::base::{Digest, SessionId};
use crate::journal::{Disk as _, JOURNAL_FILE, OUTPUT_DIR, Open, RealDisk, write_all_at};

/// So many leftovers of other sessions of the same name are stepped over.
const NAMES: u32 = 10;

/// A folder for the record of session `id`, whose own is `home`: `/var/tmp/golive-UID/…`, else
/// `$XDG_RUNTIME_DIR/golive/…`, which is memory and goes with a power cut. Where `/var/tmp` is on
/// the device of `home`, it fails and fills up with it: then memory comes first. None if neither
/// can be written, or is ours alone.
pub(super) fn choose(home: &Path, id: &SessionId) -> Option<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let runtime = runtime.filter(|dir| dir.is_absolute()).map(|dir| dir.join("golive"));
    let user = rustix::process::geteuid().as_raw();
    let disk = PathBuf::from(format!("/var/tmp/golive-{user}"));
    let parents = if device(&disk).is_some_and(|of| device(home) == Some(of)) {
        [runtime, Some(disk)]
    } else {
        [Some(disk), runtime]
    };
    // Two state directories may have sessions of one name.
    let of = Digest::of(home.as_os_str().as_encoded_bytes()).short();
    for parent in parents.into_iter().flatten() {
        for nth in 0..NAMES {
            let suffix = if nth == 0 { String::new() } else { format!(".{nth}") };
            let dir = parent.join(format!("{id}.{of}{suffix}"));
            match private(&parent).and_then(|()| private(&dir)).and_then(|()| try_out(&dir)) {
                Ok(true) => return Some(dir),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, dir = %dir.display(), "no fallback folder here");
                    break;
                }
            }
        }
    }
    None
}

/// On which device `dir` is, or will be.
fn device(dir: &Path) -> Option<u64> {
    dir.ancestors().find_map(|it| Some(it.metadata().ok()?.dev()))
}

/// Makes `dir`, or finds it: ours, nobody else's, and no link.
fn private(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let meta = dir.symlink_metadata()?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    if !meta.is_dir() || !ours || meta.mode() & 0o077 != 0 {
        let why = "it is not ours alone";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(())
}

/// Whether the folder is free, and can be written. It is taken away again: what is in the folder
/// above, which is ours alone, can be made later.
fn try_out(dir: &Path) -> io::Result<bool> {
    for name in [JOURNAL_FILE, OUTPUT_DIR] {
        if RealDisk.is_there(&dir.join(name))? {
            return Ok(false);
        }
    }
    let path = dir.join(".writable");
    let mut file = RealDisk.open(&path, Open::Replace)?;
    write_all_at(&mut *file, b"golive", 0)?;
    file.sync_all()?;
    RealDisk.remove(&path)?;
    fs::remove_dir(dir)?;
    Ok(true)
}
