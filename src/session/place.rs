//! What may be wrong with the place where records are kept: a file system on which locks and syncs
//! may mean nothing, or a folder that another program keeps in step with a server.

use std::path::Path;

use rustix::fs::statfs;

/// File systems by their number in the kernel, and what is wrong with them.
const SYSTEMS: [(u64, &str, &str); 9] = [
    (0x6969, "NFS", NETWORK),
    (0xff53_4d42, "CIFS", NETWORK),
    (0xfe53_4d42, "SMB", NETWORK),
    (0x517b, "SMB", NETWORK),
    (0x6573_5546, "FUSE", "a program decides what a lock and a sync mean there"),
    (0x794c_7630, "an overlay", "what is written may go with its container"),
    (0x0102_1997, "9P", NETWORK),
    (0x00c3_6400, "Ceph", NETWORK),
    (0x5346_414f, "AFS", NETWORK),
];
const NETWORK: &str = "a lock, a sync and a rename may mean little there";

/// Words by which folders are known that a program keeps in step with a server.
const SYNCED: [(&str, &str); 8] = [
    ("dropbox", "Dropbox"),
    ("onedrive", "OneDrive"),
    ("google drive", "Google Drive"),
    ("googledrive", "Google Drive"),
    ("icloud", "iCloud"),
    ("com~apple~clouddocs", "iCloud"),
    ("nextcloud", "Nextcloud"),
    ("syncthing", "Syncthing"),
];
/// What Syncthing puts into a folder that it keeps.
const SYNCTHING_MARK: &str = ".stfolder";

/// Why a record had better not be kept in `dir`; none if nothing is known against it.
pub fn place_doubts(dir: &Path) -> Option<String> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let there = dir.ancestors().find(|it| it.exists())?;
    let number = statfs(there).ok().and_then(|it| u64::try_from(it.f_type).ok());
    let marked = dir.ancestors().any(|it| it.join(SYNCTHING_MARK).exists());
    let synced = if marked { Some("Syncthing") } else { synced(&dir) };
    let why = match (synced, number.and_then(system)) {
        (Some(name), _) => format!("{name} keeps it in step with other machines and may change it"),
        (None, Some((name, why))) => format!("it is on {name}: {why}"),
        (None, None) => return None,
    };
    Some(format!(
        "the record is kept in {}: {why}; choose a local folder with --state-dir",
        dir.display()
    ))
}

fn system(number: u64) -> Option<(&'static str, &'static str)> {
    // Where the number is signed and short, its sign was spread.
    let same = |known: &&(u64, &str, &str)| known.0 == number & 0xffff_ffff;
    SYSTEMS.iter().find(same).map(|(_, name, why)| (*name, *why))
}

/// The program that keeps a folder of such a name, as `Dropbox`, `OneDrive - Firm`.
fn synced(dir: &Path) -> Option<&'static str> {
    let mut names = dir.components().map(|it| it.as_os_str().to_string_lossy().to_lowercase());
    let known = |name: String| {
        let name = name.trim_start_matches('.').to_owned();
        SYNCED.iter().find(|(word, _)| name.starts_with(word)).map(|(_, program)| *program)
    };
    names.find_map(known)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{SYNCTHING_MARK, place_doubts, synced, system};

    #[test]
    fn file_systems_and_synced_folders_are_known() {
        assert_eq!(system(0x6969).map(|it| it.0), Some("NFS"));
        assert_eq!(system(0xffff_ffff_ff53_4d42).map(|it| it.0), Some("CIFS"));
        assert_eq!(system(0xef53), None, "ext4");
        let of = |path: &str| synced(Path::new(path));
        assert_eq!(of("/home/wei/Dropbox/state"), Some("Dropbox"));
        assert_eq!(of("/home/wei/OneDrive - Firm/state"), Some("OneDrive"));
        assert_eq!(of("/home/wei/My Google Drive/state"), None);
        assert_eq!(of("/home/wei/Google Drive/state"), Some("Google Drive"));
        assert_eq!(of("/home/wei/.local/state/golive"), None);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_what_is_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("Nextcloud/not/there");
        let said = place_doubts(&state).unwrap();
        assert!(said.contains("Nextcloud keeps it") && said.contains("--state-dir"), "{said}");
        std::fs::create_dir(dir.path().join(SYNCTHING_MARK)).unwrap();
        let said = place_doubts(&dir.path().join("state")).unwrap();
        assert!(said.contains("Syncthing keeps it"), "{said}");
    }
}
