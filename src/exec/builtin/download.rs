//! A file or folder of a host into the session's evidence. Every name from the host is data.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh_sftp::client::error::Error;
use russh_sftp::protocol::StatusCode;
use rustix::fs::OFlags;
use tokio::time::sleep;

use crate::base::{Digest, Hasher};
use crate::engine::{Done, End, Place};
use crate::exec::job::Task;
use crate::exec::redact::Redactor;
use crate::runbook::{Download, size};

use super::digests::read;
use super::sftp::{Answer, Found, Sftp, Trouble, answer};
use super::target::Target;
use super::{Voice, not_done, not_started};

/// More is not taken from one host in one attempt: evidence, not backups.
const BYTES_MAX: u64 = 1 << 30;
/// More files are not taken.
const FILES_MAX: usize = 10_000;
/// Deeper folders are not looked into.
const DEPTH_MAX: usize = 16;
/// Ways to the host before it is given up.
const WAYS: u32 = 3;
/// Between two ways.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings it from the job's host.
pub(super) async fn download(task: &Task, download: &Download<String>, voice: &Voice) -> End {
    let Place::Host(host) = &task.job.place else {
        return not_started("a download comes from a host");
    };
    let folder = match task.sinks.evidence() {
        Ok(dir) => dir.join(host.as_str()).join(task.job.key.to_string()),
        Err(why) => return not_started(&format!("there is no place for evidence: {why}")),
    };
    let target = Target::new(task, host, voice);
    let mut stopped = task.stopped.clone();
    if stopped.grace().is_some() {
        return End::Stopped { survivors: Some(Vec::new()) };
    }
    let mut way = 1;
    loop {
        let coming = Coming { target: &target, from: &download.from, folder: &folder };
        let outcome = tokio::select! {
            outcome = coming.come(download.name()) => outcome,
            _ = stopped.asked() => {
                std::fs::remove_dir_all(&folder).ok();
                return End::Stopped { survivors: Some(Vec::new()) };
            }
        };
        let why = match outcome {
            Ok(done) => return End::Done(Box::new(done)),
            Err(Trouble::Lost(why)) if way < WAYS => {
                way += 1;
                voice.say(&format!("{why}; it is asked for again from the start"));
                std::fs::remove_dir_all(&folder).ok();
                sleep(PAUSE).await;
                continue;
            }
            Err(Trouble::Missing) => format!("{} is not there", download.from),
            Err(Trouble::Lost(why) | Trouble::Refused(why)) => why,
        };
        std::fs::remove_dir_all(&folder).ok();
        return not_done(&why, "nothing of it is kept");
    }
}

/// What comes, and where to.
struct Coming<'a> {
    target: &'a Target<'a>,
    from: &'a str,
    folder: &'a Path,
}

/// What has come so far.
#[derive(Default)]
struct Kept {
    bytes: u64,
    files: usize,
    redacted: u64,
    /// `DIGEST  NAME` a line.
    manifest: Hasher,
    /// Of the last file.
    digest: Option<Digest>,
}

impl Coming<'_> {
    async fn come(&self, name: &str) -> Answer<Done> {
        let sftp = self.target.open().await?;
        DirBuilder::new().recursive(true).mode(0o700).create(self.folder).map_err(here)?;
        let to = self.folder.join(harmless(name, 0));
        let mut kept = Kept::default();
        let found = sftp.look_through(self.from).await?;
        match found {
            Found::Nothing => return Err(Trouble::Missing),
            Found::File { bytes, .. } => {
                self.file(&sftp, (self.from, bytes), &to, &mut kept).await?;
            }
            Found::Folder => self.all(&sftp, &to, &mut kept).await?,
            Found::Link | Found::Other => {
                let why = format!("{} is no ordinary file and no folder", self.from);
                return Err(Trouble::Refused(why));
            }
        }
        let digest =
            if found == Found::Folder { Some(kept.manifest.digest()) } else { kept.digest };
        let files = match (found, kept.files) {
            (Found::Folder, 1) => "1 file, ".to_owned(),
            (Found::Folder, count) => format!("{count} files, "),
            (_, _) => String::new(),
        };
        let redacted = match kept.redacted {
            0 => String::new(),
            count => format!("; secrets in it were replaced, {count} times"),
        };
        let what = format!("{files}{} kept in {}{redacted}", size(kept.bytes), self.place(&to));
        Ok(Done::well(&what, digest))
    }

    /// Where it is kept, from the session's folder on.
    fn place(&self, to: &Path) -> String {
        let top = self.folder.parent().and_then(Path::parent).unwrap_or(self.folder);
        format!("evidence/{}", to.strip_prefix(top).unwrap_or(to).display())
    }

    /// Everything in a folder; links and what is no file are passed over.
    async fn all(&self, sftp: &Sftp, to: &Path, kept: &mut Kept) -> Answer<()> {
        let mut open = vec![(self.from.trim_end_matches('/').to_owned(), to.to_owned(), 0_usize)];
        while let Some((from, to, depth)) = open.pop() {
            DirBuilder::new().mode(0o700).create(&to).map_err(here)?;
            for (index, name) in names(sftp, &from).await?.into_iter().enumerate() {
                let (path, into) = (format!("{from}/{name}"), to.join(harmless(&name, index)));
                match sftp.look(&path).await? {
                    Found::File { bytes, .. } => {
                        self.file(sftp, (&path, bytes), &into, kept).await?;
                    }
                    Found::Folder if depth < DEPTH_MAX => open.push((path, into, depth + 1)),
                    Found::Folder => {
                        self.target.voice.say(&format!("{path} is too deep, and left out"));
                    }
                    Found::Link | Found::Other => {
                        self.target.voice.say(&format!("{path} is no file, and left out"));
                    }
                    Found::Nothing => {}
                }
            }
        }
        Ok(())
    }

    async fn file(
        &self,
        sftp: &Sftp,
        (from, bytes): (&str, u64),
        to: &Path,
        kept: &mut Kept,
    ) -> Answer<()> {
        kept.files += 1;
        if kept.files > FILES_MAX {
            return Err(Trouble::Refused(format!(
                "there are more than {FILES_MAX} files: pack them"
            )));
        }
        if kept.bytes.saturating_add(bytes) > BYTES_MAX {
            let limit = size(BYTES_MAX);
            let why = format!("{from} brings it to more than {limit}: take less, or pack it");
            return Err(Trouble::Refused(why));
        }
        let mut keeping = Keeping::new(to, self.target.task.secrets.redactor()).map_err(here)?;
        let came = read(sftp, from, bytes, &mut |piece| keeping.take(piece).map_err(here)).await?;
        let (digest, redacted) = keeping.finish().await.map_err(here)?;
        kept.bytes = kept.bytes.saturating_add(came);
        kept.redacted = kept.redacted.saturating_add(redacted);
        let name = self.place(to);
        let line = format!("{digest}  {name}\n");
        kept.manifest.update(line.as_bytes());
        kept.digest = Some(digest);
        self.target.voice.say(&format!("{digest}  {name}  {} of {from}", size(came)));
        Ok(())
    }
}

/// A file that is being kept, without the values of secrets.
struct Keeping {
    file: File,
    hasher: Hasher,
    redactor: Redactor,
}

impl Keeping {
    fn new(to: &Path, redactor: Redactor) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        Ok(Self { file: options.open(to)?, hasher: Hasher::default(), redactor })
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        let clean = self.redactor.feed(piece);
        self.hasher.update(&clean);
        self.file.write_all(&clean)
    }

    /// The digest of what is kept, and how often something was taken out.
    async fn finish(mut self) -> io::Result<(Digest, u64)> {
        let rest = self.redactor.finish();
        self.hasher.update(&rest);
        self.file.write_all(&rest)?;
        let redacted = self.redactor.counts().values().sum();
        let file = self.file;
        let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
        synced.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        Ok((self.hasher.digest(), redacted))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn here(error: io::Error) -> Trouble {
    Trouble::Refused(format!("it cannot be kept here: {error}"))
}

/// The names in a folder of a host, sorted.
async fn names(sftp: &Sftp, folder: &str) -> Answer<Vec<String>> {
    let handle = answer(sftp.raw.opendir(folder).await)?.handle;
    let mut names = Vec::new();
    loop {
        match sftp.raw.readdir(handle.as_str()).await {
            Ok(more) => {
                let more = more.files.into_iter().map(|file| file.filename);
                names.extend(more.filter(|name| is_name(name)));
                if names.len() > FILES_MAX {
                    let why = format!("{folder} holds more than {FILES_MAX} names: pack it");
                    return Err(Trouble::Refused(why));
                }
            }
            Err(Error::Status(status)) if status.status_code == StatusCode::Eof => break,
            Err(error) => return answer(Err(error)),
        }
    }
    answer(sftp.raw.close(handle).await)?;
    names.sort();
    names.dedup();
    Ok(names)
}

/// Whether a host may have a file of that name in a folder.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// A name for a local file that no byte of the host's name acts in. Other names than the host's
/// own begin with their number, so that no two are the same.
fn harmless(name: &str, index: usize) -> PathBuf {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let clean: String = name.chars().take(120).map(|c| if good(c) { c } else { '_' }).collect();
    let same = clean == name && !clean.starts_with(['.', '-']) && !clean.is_empty();
    let numbered = clean.split_once('-').is_some_and(|(head, _)| {
        !head.is_empty() && head.bytes().all(|byte| byte.is_ascii_digit())
    });
    PathBuf::from(if same && !numbered { clean } else { format!("{index}-{clean}") })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{harmless, is_name};

    #[test]
    fn no_name_of_a_host_leaves_its_folder() {
        for (name, is) in [
            ("app.log", "app.log"),
            ("a b\n\u{1b}[2J", "3-a_b___2J"),
            ("-rf", "3--rf"),
            (".ssh", "3-.ssh"),
            ("../../etc/passwd", "3-.._.._etc_passwd"),
            ("3-a", "3-3-a"),
            ("日志", "3-__"),
        ] {
            assert_eq!(harmless(name, 3), Path::new(is), "{name:?}");
        }
        assert!(!is_name("..") && !is_name("a/b") && !is_name("") && is_name("a..b"));
    }
}
