//! A host's disk, in memory. Nothing here touches the machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All files of a host together.
const DISK_BYTES_MAX: usize = 32 << 20;

/// Names on a host.
const NAMES_MAX: usize = 10_000;

/// A host's files and folders, by their whole path. Shared by all commands of the host.
#[derive(Clone, Debug)]
pub(in crate::practice) struct Files(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    nodes: BTreeMap<String, Node>,
    bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(Vec<u8>),
}

/// Why a file could not be used; its text is what the tools print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::practice) enum FileError {
    #[error("No such file or directory")]
    Missing,
    #[error("Is a directory")]
    Folder,
    #[error("Not a directory")]
    NotFolder,
    #[error("File exists")]
    Exists,
    #[error("Directory not empty")]
    NotEmpty,
    #[error("No space left on device")]
    Full,
}

type Answer<T> = Result<T, FileError>;

/// `path` seen from the folder `from`, without `.`, `..` and doubled slashes.
pub(in crate::practice) fn absolute(from: &str, path: &str) -> String {
    let whole = if path.starts_with('/') { path.to_owned() } else { format!("{from}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

impl Files {
    /// The disk of a fresh host.
    pub(in crate::practice) fn new(host: &str) -> Self {
        let files = Self(Arc::default());
        for folder in ["/", "/etc", "/home/deploy", "/opt", "/tmp", "/var/log", "/backup", "/proc"]
        {
            files.make_folder(folder, true).ok();
        }
        let machine = crate::base::Digest::of(host.as_bytes()).to_string();
        let machine: String = machine.chars().take(32).collect();
        for (path, text) in [
            ("/etc/hostname", format!("{host}\n")),
            ("/etc/machine-id", format!("{machine}\n")),
            ("/etc/os-release", "PRETTY_NAME=\"golive practice fleet\"\nID=practice\n".to_owned()),
            ("/proc/loadavg", "0.42 0.38 0.31 1/214 4242\n".to_owned()),
            ("/proc/uptime", "864213.42 3400211.10\n".to_owned()),
        ] {
            files.write(path, text.as_bytes()).ok();
        }
        files
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file holds.
    pub(in crate::practice) fn read(&self, path: &str) -> Answer<Vec<u8>> {
        match self.disk().nodes.get(path) {
            Some(Node::File(bytes)) => Ok(bytes.clone()),
            Some(Node::Folder) => Err(FileError::Folder),
            None => Err(FileError::Missing),
        }
    }

    /// Makes the file hold just `bytes`.
    pub(in crate::practice) fn write(&self, path: &str, bytes: &[u8]) -> Answer<()> {
        self.disk().put(path, bytes, false)
    }

    /// Adds `bytes` at the file's end.
    pub(super) fn append(&self, path: &str, bytes: &[u8]) -> Answer<()> {
        self.disk().put(path, bytes, true)
    }

    pub(in crate::practice) fn is_file(&self, path: &str) -> bool {
        matches!(self.disk().nodes.get(path), Some(Node::File(_)))
    }

    pub(in crate::practice) fn is_folder(&self, path: &str) -> bool {
        matches!(self.disk().nodes.get(path), Some(Node::Folder))
    }

    pub(in crate::practice) fn size(&self, path: &str) -> Option<usize> {
        match self.disk().nodes.get(path)? {
            Node::File(bytes) => Some(bytes.len()),
            Node::Folder => Some(4096),
        }
    }

    /// Makes a folder, and those above it if `parents`.
    pub(in crate::practice) fn make_folder(&self, path: &str, parents: bool) -> Answer<()> {
        let mut disk = self.disk();
        match disk.nodes.get(path) {
            Some(Node::Folder) if parents => return Ok(()),
            Some(_) => return Err(FileError::Exists),
            None => {}
        }
        if parents {
            for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
                let above = path.get(..at).unwrap_or_default().to_owned();
                match disk.nodes.get(&above) {
                    Some(Node::Folder) => {}
                    Some(Node::File(_)) => return Err(FileError::NotFolder),
                    None => disk.add(above, Node::Folder)?,
                }
            }
        } else if path != "/" && disk.nodes.get(parent(path)) != Some(&Node::Folder) {
            return Err(FileError::Missing);
        }
        disk.add(path.to_owned(), Node::Folder)
    }

    /// Takes away a file, or a folder with all that is in it if `all`.
    pub(in crate::practice) fn remove(&self, path: &str, all: bool) -> Answer<()> {
        let mut disk = self.disk();
        match disk.nodes.get(path) {
            None => return Err(FileError::Missing),
            Some(Node::Folder) if !all => return Err(FileError::Folder),
            Some(Node::Folder | Node::File(_)) => {}
        }
        let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        disk.nodes.retain(|name, _| name != path && !name.starts_with(&below));
        disk.nodes.entry("/".to_owned()).or_insert(Node::Folder);
        disk.bytes = disk.nodes.values().map(Node::len).sum();
        Ok(())
    }

    /// Takes away an empty folder.
    pub(in crate::practice) fn remove_folder(&self, path: &str) -> Answer<()> {
        if !self.is_folder(path) {
            return Err(FileError::NotFolder);
        }
        if !self.names(path).is_empty() {
            return Err(FileError::NotEmpty);
        }
        self.remove(path, true)
    }

    /// The names in a folder, in order.
    pub(in crate::practice) fn names(&self, folder: &str) -> Vec<String> {
        let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
        let disk = self.disk();
        let below = disk.nodes.range(prefix.clone()..).map(|(name, _)| name);
        below
            .take_while(|name| name.starts_with(&prefix))
            .filter_map(|name| name.strip_prefix(&prefix))
            .filter(|name| !name.is_empty() && !name.contains('/'))
            .map(str::to_owned)
            .collect()
    }

    /// At most `length` bytes of a file, from `offset` on; none at its end.
    pub(in crate::practice) fn read_at(
        &self,
        path: &str,
        offset: u64,
        length: usize,
    ) -> Answer<Vec<u8>> {
        match self.disk().nodes.get(path) {
            Some(Node::File(bytes)) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let rest = bytes.get(from..).unwrap_or_default();
                Ok(rest.iter().take(length).copied().collect())
            }
            Some(Node::Folder) => Err(FileError::Folder),
            None => Err(FileError::Missing),
        }
    }

    /// Puts bytes into a file that is there, from `offset` on.
    pub(in crate::practice) fn write_at(
        &self,
        path: &str,
        offset: u64,
        bytes: &[u8],
    ) -> Answer<()> {
        let mut disk = self.disk();
        let used = disk.bytes;
        let Some(Node::File(held)) = disk.nodes.get_mut(path) else {
            return Err(FileError::Missing);
        };
        let from = usize::try_from(offset).map_err(|_| FileError::Full)?;
        let end = from.checked_add(bytes.len()).ok_or(FileError::Full)?;
        let more = end.saturating_sub(held.len());
        if used + more > DISK_BYTES_MAX {
            return Err(FileError::Full);
        }
        held.resize(held.len().max(end), 0);
        if let Some(place) = held.get_mut(from..end) {
            place.copy_from_slice(bytes);
        }
        disk.bytes += more;
        Ok(())
    }

    /// Gives a file or a folder another name, over a file that is there.
    pub(in crate::practice) fn rename(&self, from: &str, to: &str) -> Answer<()> {
        let mut disk = self.disk();
        if disk.nodes.get(parent(to)) != Some(&Node::Folder) {
            return Err(FileError::Missing);
        }
        let folder = match disk.nodes.get(from) {
            None => return Err(FileError::Missing),
            Some(node) => *node == Node::Folder,
        };
        match disk.nodes.get(to) {
            Some(Node::Folder) => return Err(FileError::Exists),
            Some(Node::File(_)) if folder => return Err(FileError::NotFolder),
            Some(Node::File(_)) | None => {}
        }
        let below = format!("{from}/");
        let moved = |name: &String| name == from || name.starts_with(&below);
        let names: Vec<String> = disk.nodes.keys().filter(|name| moved(name)).cloned().collect();
        for name in names {
            if let Some(node) = disk.nodes.remove(&name) {
                let target = format!("{to}{}", name.strip_prefix(from).unwrap_or_default());
                disk.nodes.insert(target, node);
            }
        }
        disk.bytes = disk.nodes.values().map(Node::len).sum();
        Ok(())
    }

    /// Copies a file, or a folder with all that is in it.
    pub(super) fn copy(&self, from: &str, to: &str) -> Answer<()> {
        let below = format!("{from}/");
        let found: Vec<(String, Node)> = {
            let disk = self.disk();
            let all = disk.nodes.iter();
            all.filter(|(name, _)| *name == from || name.starts_with(&below))
                .map(|(name, node)| (name.clone(), node.clone()))
                .collect()
        };
        if found.is_empty() {
            return Err(FileError::Missing);
        }
        for (name, node) in found {
            let target = format!("{to}{}", name.strip_prefix(from).unwrap_or_default());
            match node {
                Node::Folder => self.make_folder(&target, true)?,
                Node::File(bytes) => self.write(&target, &bytes)?,
            }
        }
        Ok(())
    }
}

impl Node {
    fn len(&self) -> usize {
        match self {
            Self::Folder => 0,
            Self::File(bytes) => bytes.len(),
        }
    }
}

impl Disk {
    fn add(&mut self, path: String, node: Node) -> Answer<()> {
        if self.nodes.len() >= NAMES_MAX {
            return Err(FileError::Full);
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    fn put(&mut self, path: &str, bytes: &[u8], append: bool) -> Answer<()> {
        if self.nodes.get(parent(path)) != Some(&Node::Folder) {
            return Err(FileError::Missing);
        }
        if self.nodes.get(path) == Some(&Node::Folder) {
            return Err(FileError::Folder);
        }
        if !self.nodes.contains_key(path) {
            self.add(path.to_owned(), Node::File(Vec::new()))?;
        }
        let Some(Node::File(held)) = self.nodes.get_mut(path) else {
            return Err(FileError::Folder);
        };
        if !append {
            self.bytes = self.bytes.saturating_sub(held.len());
            held.clear();
        }
        if self.bytes + bytes.len() > DISK_BYTES_MAX {
            return Err(FileError::Full);
        }
        held.extend_from_slice(bytes);
        self.bytes += bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{FileError, Files, absolute};

    #[test]
    fn paths_stay_on_the_disk() {
        assert_eq!(absolute("/tmp", "../../etc/./x//y"), "/etc/x/y");
        assert_eq!(absolute("/", "a"), "/a");
        assert_eq!(absolute("/a", "/"), "/");
    }

    #[test]
    fn a_disk_holds_files() {
        let files = Files::new("blue1");
        assert_eq!(files.write("/no/x", b"1"), Err(FileError::Missing));
        files.make_folder("/srv/a", true).unwrap();
        files.write("/srv/a/x", b"1").unwrap();
        files.append("/srv/a/x", b"2").unwrap();
        assert_eq!(files.read("/srv/a/x"), Ok(b"12".to_vec()));
        files.copy("/srv", "/copy").unwrap();
        assert_eq!(files.names("/copy"), ["a"]);
        files.remove("/", true).unwrap();
        assert_eq!(files.read("/copy/a/x"), Err(FileError::Missing));
        assert!(files.is_folder("/"));
    }

    #[test]
    fn a_disk_can_be_full() {
        let files = Files::new("blue1");
        let piece = vec![b'x'; 1 << 20];
        let written = (0..100).take_while(|_| files.append("/tmp/big", &piece).is_ok()).count();
        assert_eq!(written, 31);
        files.remove("/tmp/big", false).unwrap();
        assert_eq!(files.append("/tmp/big", &piece), Ok(()));
    }
}
