//! A local file or folder as it is: what a plan pins, and what an upload is held to.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::base::Hasher;
use crate::runbook::{Content, ContentFile};

/// More files are packed by their author.
const FILES_MAX: usize = 10_000;
/// Read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What is at `path`, file by file.
///
/// # Errors
/// It cannot be read, or holds what cannot be uploaded.
pub fn read_content(path: &Path) -> io::Result<Content> {
    let found = fs::metadata(path)?;
    let mut content = Content { is_folder: found.is_dir(), ..Content::default() };
    if found.is_dir() {
        walk(path, "", &mut content)?;
        content.files.sort_by(|a, b| a.path.cmp(&b.path));
        content.folders.sort();
    } else if found.is_file() {
        content.files.push(file(path, String::new())?);
    } else {
        return Err(io::Error::other("it is neither a file nor a folder"));
    }
    Ok(content)
}

fn walk(top: &Path, inside: &str, content: &mut Content) -> io::Result<()> {
    for entry in fs::read_dir(top.join(inside))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().filter(|name| !name.chars().any(char::is_control));
        let name = name.ok_or_else(|| {
            let what = entry.path().to_string_lossy().escape_debug().to_string();
            io::Error::other(format!("{what}: a name with control characters, or no UTF-8"))
        })?;
        let path = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            let why = "is a symbolic link: put what it points to in its place";
            return Err(io::Error::other(format!("{path} in it {why}")));
        }
        if kind.is_dir() {
            content.folders.push(path.clone());
            walk(top, &path, content)?;
        } else if kind.is_file() {
            content.files.push(file(&top.join(&path), path)?);
        } else {
            return Err(io::Error::other(format!("{path} in it is no file and no folder")));
        }
        if content.files.len() + content.folders.len() > FILES_MAX {
            return Err(io::Error::other(format!("it holds more than {FILES_MAX} files: pack it")));
        }
    }
    Ok(())
}

fn file(at: &Path, path: String) -> io::Result<ContentFile> {
    let mut file = fs::File::open(at)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let (mut hasher, mut bytes) = (Hasher::default(), 0_u64);
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
        bytes = bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
    Ok(ContentFile { path, bytes, mode, digest: hasher.digest() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::read_content as read;

    #[test]
    fn files_and_folders_are_looked_at_and_links_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        std::fs::create_dir_all(top.join("b/empty")).unwrap();
        std::fs::write(top.join("b/two"), "22").unwrap();
        std::fs::write(top.join("a"), "").unwrap();
        let content = read(&top).unwrap();
        let files: Vec<_> =
            content.files.iter().map(|file| (file.path.as_str(), file.bytes)).collect();
        assert_eq!(files, [("a", 0), ("b/two", 2)]);
        assert_eq!(content.folders, ["b", "b/empty"]);
        let one = read(&top.join("b/two")).unwrap();
        assert_eq!((one.is_folder, one.digest()), (false, crate::base::Digest::of(b"22")));
        symlink("two", top.join("b/link")).unwrap();
        let refused = read(&top).unwrap_err().to_string();
        assert!(refused.starts_with("b/link in it is a symbolic link"), "{refused}");
        let nothing = read(&top.join("none")).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::NotFound);
    }
}
