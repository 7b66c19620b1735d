//! Checkpoints: what the record was at one moment, in a few lines that fit a signature.
//!
//! ```text
//! golive-audit/20261129-010203-shop-1f3a
//! 1482
//! 918273
//! sha256:…    of the first 918273 bytes of the journal
//! head:…      the seal of line 1482
//! prev:…      SHA-256 of the checkpoint before, or `none`
//! key:…       a key of this session that the signature certifies; in some only
//! ```
//!
//! A checkpoint is a file in `checkpoints/`, named by its number from `000001`; its signature is
//! beside it with `.sig` behind: what `ssh-keygen -Y verify` takes.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Digest, SafeText, SessionId};

use super::disk::{Cursor, Disk, replace_file};
use super::error::JournalError;
use super::file::{make_dir, sync_dir};

/// The directory of the checkpoints in a session's directory.
pub const CHECKPOINT_DIR: &str = "checkpoints";
/// The namespace of the signatures: a signature for another purpose is none here.
pub const NAMESPACE: &str = "golive-checkpoint";
/// Longer than any checkpoint and any signature.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// What the record was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose record.
    pub session: SessionId,
    /// How many lines it had.
    pub lines: u64,
    /// How many bytes these are.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub digest: Digest,
    /// The seal of the last of these lines.
    pub head: Digest,
    /// SHA-256 of the checkpoint before; none for the first.
    pub prev: Option<Digest>,
    /// A key made for this session alone, as in `authorized_keys`. Who signs this checkpoint
    /// vouches for what that key signs.
    pub key: Option<String>,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let Self { session, lines, bytes, digest, head, prev, key } = self;
        let prev = prev.map_or_else(|| "none".to_owned(), |prev| prev.to_string());
        let key = key.as_ref().map_or_else(String::new, |key| format!("key:{key}\n"));
        format!(
            "golive-audit/{session}\n{lines}\n{bytes}\nsha256:{digest}\nhead:{head}\nprev:{prev}\n{key}"
        )
    }

    /// Reads the text of a checkpoint: exactly what [`Checkpoint::text`] writes.
    ///
    /// # Errors
    /// What it is not.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut lines = text.lines();
        let mut field = |prefix: &str, what| {
            lines.next().and_then(|line| line.strip_prefix(prefix)).ok_or(what)
        };
        let not = "it is no checkpoint of a golive record";
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| "a digest in it is none");
        let number = |text: &str| text.parse::<u64>().map_err(|_| "a number in it is none");
        let checkpoint = Self {
            session: field("golive-audit/", not)?.parse().map_err(|_| not)?,
            lines: number(field("", not)?)?,
            bytes: number(field("", not)?)?,
            digest: digest(field("sha256:", not)?)?,
            head: digest(field("head:", not)?)?,
            prev: match field("prev:", not)? {
                "none" => None,
                prev => Some(digest(prev)?),
            },
            key: lines.next().and_then(|line| line.strip_prefix("key:")).map(str::to_owned),
        };
        if checkpoint.text() == text {
            Ok(checkpoint)
        } else {
            Err("it holds more than golive writes")
        }
    }

    /// One line for a log on a host: all that the record can be compared with.
    pub fn line(&self, number: u64) -> String {
        let Self { session, lines, bytes, digest, head, .. } = self;
        format!(
            "golive-checkpoint session={session} number={number} lines={lines} bytes={bytes} \
             sha256={digest} head={}",
            head.short()
        )
    }
}

/// A checkpoint as it lies in a directory, or with a witness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its number, from 1.
    pub number: u64,
    /// Its text.
    pub text: String,
    /// Its signature, armoured; none if nobody signed it.
    pub signature: Option<String>,
}

/// The file name of a checkpoint.
pub fn checkpoint_name(number: u64) -> String {
    format!("{number:06}")
}

/// The number in the file name of a checkpoint, and whether it is that of its signature.
pub(super) fn named(name: &str) -> Option<(u64, bool)> {
    let (digits, signature) = name.strip_suffix(".sig").map_or((name, false), |it| (it, true));
    let number = digits.parse().ok()?;
    (number > 0 && checkpoint_name(number) == digits).then_some((number, signature))
}

/// The checkpoints in `dir`, by number; and the names of files that are none. A directory that is
/// not there holds none.
///
/// # Errors
/// The disk refused.
pub fn stored(disk: &dyn Disk, dir: &Path) -> Result<(Vec<Stored>, Vec<String>), JournalError> {
    let names = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Vec::new(), Vec::new()));
        }
        names => names.map_err(|source| JournalError::io("list", dir, source))?,
    };
    let mut found = std::collections::BTreeMap::<u64, (Option<String>, Option<String>)>::new();
    let mut strange = Vec::new();
    for (name, is_file) in names {
        let Some((number, signature)) = named(&name).filter(|_| is_file) else {
            // What a crash left of a file that was being written is nothing to talk about.
            if !name.ends_with(TEMPORARY) {
                strange.push(SafeText::new(&name).to_string());
            }
            continue;
        };
        let text = text_of(disk, &dir.join(&name))?;
        let pair = found.entry(number).or_default();
        if signature { pair.1 = Some(text) } else { pair.0 = Some(text) }
    }
    let stored = found.into_iter().map(|(number, (text, signature))| Stored {
        number,
        text: text.unwrap_or_default(),
        signature,
    });
    Ok((stored.collect(), strange))
}

fn text_of(disk: &dyn Disk, path: &Path) -> Result<String, JournalError> {
    let mut bytes = Vec::new();
    Cursor::open(disk, path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|source| JournalError::io("read", path, source))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// How a file ends that is being written.
const TEMPORARY: &str = ".new";

/// The checkpoints of a session, to be added to. Hold the session's lock meanwhile.
#[derive(Debug)]
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    last: u64,
    prev: Option<Digest>,
}

impl Checkpoints {
    /// Those of the session in `session_dir`; the directory is made if it is not there.
    ///
    /// # Errors
    /// The disk refused.
    pub fn open(disk: &Arc<dyn Disk>, session_dir: &Path) -> Result<Self, JournalError> {
        let dir = session_dir.join(CHECKPOINT_DIR);
        make_dir(&**disk, &dir)?;
        sync_dir(&**disk, session_dir)?;
        let (stored, _) = stored(&**disk, &dir)?;
        let last = stored.last();
        let prev = last.map(|last| Digest::of(last.text.as_bytes()));
        let last = last.map_or(0, |last| last.number);
        Ok(Self { disk: Arc::clone(disk), dir, last, prev })
    }

    /// The digest of the last one, which the next one names.
    pub const fn prev(&self) -> Option<Digest> {
        self.prev
    }

    /// Writes the next one down, and its number once the disk has it.
    ///
    /// # Errors
    /// The disk refused; nothing is there under its name then.
    pub fn add(&mut self, checkpoint: &Checkpoint) -> Result<u64, JournalError> {
        let (number, text) = (self.last + 1, checkpoint.text());
        self.write(&checkpoint_name(number), &text)?;
        self.last = number;
        self.prev = Some(Digest::of(text.as_bytes()));
        Ok(number)
    }

    /// Writes the signature of a checkpoint down.
    ///
    /// # Errors
    /// The disk refused.
    pub fn sign(&self, number: u64, armour: &str) -> Result<(), JournalError> {
        self.write(&format!("{}.sig", checkpoint_name(number)), armour)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), JournalError> {
        let path = self.dir.join(name);
        replace_file(&*self.disk, &path, text.as_bytes())
            .map_err(|source| JournalError::io("write", &path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::{Checkpoint, Checkpoints, named, stored};
    use crate::base::Digest;

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            session: "night".parse().unwrap(),
            lines: 3,
            bytes: 700,
            digest: Digest::of(b"bytes"),
            head: Digest::of(b"head"),
            prev: None,
            key: None,
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let first = checkpoint();
        let key = Some("ssh-ed25519 AAAA".to_owned());
        let second = Checkpoint { prev: Some(Digest::of(b"x")), key, ..checkpoint() };
        for it in [&first, &second] {
            assert_eq!(Checkpoint::parse(&it.text()).as_ref(), Ok(it));
            for bad in [
                format!("{}more\n", it.text()),
                it.text().replace("\n700", "\n0700"),
                String::new(),
            ] {
                assert!(Checkpoint::parse(&bad).is_err(), "{bad}");
            }
        }
    }

    #[test]
    fn numbers_go_on_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut open = Checkpoints::open(&RealDisk::shared(), dir.path()).unwrap();
        assert_eq!(open.add(&checkpoint()).unwrap(), 1);
        open.sign(1, "armour").unwrap();
        let mut again = Checkpoints::open(&RealDisk::shared(), dir.path()).unwrap();
        assert_eq!(again.prev(), Some(Digest::of(checkpoint().text().as_bytes())));
        assert_eq!(again.add(&checkpoint()).unwrap(), 2);
        let place = dir.path().join(super::CHECKPOINT_DIR);
        std::fs::write(place.join("000003.new"), "half").unwrap();
        std::fs::write(place.join("x"), "").unwrap();
        let (all, strange) = stored(&RealDisk, &place).unwrap();
        assert_eq!((all.len(), strange), (2, vec!["x".to_owned()]));
        assert_eq!(all[0].signature.as_deref(), Some("armour"));
        assert_eq!(named("000001.sig"), Some((1, true)));
        assert!(["0", "1", "000000", "+00001"].into_iter().all(|name| named(name).is_none()));
    }
}
