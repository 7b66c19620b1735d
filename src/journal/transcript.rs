//! What a job printed: every byte of both streams, in the order it came.
//!
//! `output/<job>.log` holds the bytes and nothing else. `output/<job>.idx` beside it says which
//! bytes are of which stream, and when they came: lines of one width, `offset length stream
//! time`, chunks of one stream within a quarter of a second on one line. The journal vouches for
//! the first file only; the second is a help for readers.
//!
//! Where the session's folder cannot take more, it goes on in the folder in which the record goes on.
//!
//! A job that prints nothing has neither file: most steps of a fan-out are silent, and two files
//! for each of them are dearer than all else that is written about it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{Hasher, Millis, Timestamp};
use crate::engine::{Job, Transcript as Summary};

use super::OUTPUT_DIR;
use super::away;
use super::disk::{self, Disk, DiskFile, Open, RealDisk};
use super::file::{make_dir, sync_dir};

/// Chunks this near to each other share a line of the index.
const MERGE: Millis = Millis::new(250);

/// Which of its two streams a job printed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A line of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Where the bytes begin.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
    /// Of which stream.
    pub stream: Stream,
    /// When the first of them came.
    pub at: Timestamp,
}

impl Span {
    /// The width of every line, its end included.
    pub(super) const WIDTH: usize = 50;

    fn text(self) -> String {
        let Self { offset, len, stream, at } = self;
        let stream = match stream {
            Stream::Out => 'o',
            Stream::Err => 'e',
        };
        format!("{offset:>15} {len:>15} {stream} {:>15}\n", at.as_unix_millis())
    }

    /// Reads a line, without its end.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let offset = fields.next()?.parse().ok()?;
        let len = fields.next()?.parse().ok()?;
        let stream = match fields.next()? {
            "o" => Stream::Out,
            "e" => Stream::Err,
            _ => return None,
        };
        let at = Timestamp::from_unix_millis(fields.next()?.parse().ok()?);
        fields.next().is_none().then_some(Self { offset, len, stream, at })
    }
}

/// The transcript of a job that runs. Every chunk is handed to the system before
/// [`Transcript::write`] returns: it outlives the process, and after [`Transcript::finish`] a
/// power cut too.
#[derive(Debug)]
pub struct Transcript {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    path: PathBuf,
    /// Where it goes on when it cannot be written here; none, or it has gone there.
    away: Option<PathBuf>,
    /// Why it went on there, until somebody asks.
    went: Option<io::Error>,
    /// Made by the first byte.
    files: Option<Files>,
    span: Option<Span>,
    spans: u64,
    hasher: Hasher,
    bytes: u64,
    newlines: u64,
    /// For each stream, whether its last line has no end yet.
    open: [bool; 2],
}

#[derive(Debug)]
struct Files {
    log: Box<dyn DiskFile>,
    index: Box<dyn DiskFile>,
}

impl Files {
    fn create(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let create = |path: &Path, how| {
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            disk.open(path, how).map_err(named)
        };
        let log = create(path, Open::AppendNew)?;
        Ok(Self { log, index: create(&path.with_extension("idx"), Open::WriteNew)? })
    }
}

impl Transcript {
    /// Where the transcript of `job` is, or will be, in the session's directory.
    pub fn path_of(dir: &Path, job: &Job) -> PathBuf {
        Self::path_on(&RealDisk, dir, job)
    }

    /// The same on any disk.
    pub fn path_on(disk: &dyn Disk, dir: &Path, job: &Job) -> PathBuf {
        away::output_in(disk, dir, &format!("{job}.log"))
    }

    /// Makes ready for the transcript of `job` in the session's directory `dir`: it can be
    /// written there, and there is none. One that is there already is never written over: this
    /// is an error of kind `AlreadyExists`.
    pub fn create(dir: &Path, job: &Job) -> io::Result<Self> {
        Self::create_on(&RealDisk::shared(), dir, job)
    }

    /// The same on any disk.
    pub fn create_on(disk: &Arc<dyn Disk>, dir: &Path, job: &Job) -> io::Result<Self> {
        Self::create_with(disk, dir, None, job)
    }

    /// The same with a folder in which it goes on where `dir` cannot be written.
    pub fn create_with(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        away: Option<&Path>,
        job: &Job,
    ) -> io::Result<Self> {
        Self::create_named(disk, dir, away, &job.to_string())
    }

    /// The same under a name of its own: for what no job printed.
    pub fn create_named(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        away: Option<&Path>,
        name: &str,
    ) -> io::Result<Self> {
        let path = away::output_in(&**disk, dir, &format!("{name}.log"));
        let named = |path: &Path, kind: io::ErrorKind, why: &dyn std::fmt::Display| {
            io::Error::new(kind, format!("{}: {why}", path.display()))
        };
        match disk.is_there(&path) {
            Ok(true) => {
                return Err(named(&path, io::ErrorKind::AlreadyExists, &"it is there already"));
            }
            Ok(false) => {}
            Err(error) => return Err(named(&path, error.kind(), &error)),
        }
        let dir = dir.join(OUTPUT_DIR);
        let ready = make_dir(&**disk, &dir).map_err(io::Error::other);
        let ready = ready.and_then(|()| {
            disk.may_write_in(&dir).map_err(|error| named(&dir, error.kind(), &error))
        });
        let mut transcript = Self {
            disk: Arc::clone(disk),
            dir,
            path,
            away: away.map(Path::to_owned),
            went: None,
            files: None,
            span: None,
            spans: 0,
            hasher: Hasher::default(),
            bytes: 0,
            newlines: 0,
            open: [false; 2],
        };
        if let Err(error) = ready {
            transcript.go_away(error)?;
        }
        Ok(transcript)
    }

    /// Takes in the next bytes of a stream, which came at `at`.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], at: Timestamp) -> io::Result<()> {
        let Some(last) = bytes.last() else { return Ok(()) };
        if let Err(error) = self.append(bytes) {
            self.go_away(error)?;
            self.append(bytes)?;
        }
        self.hasher.update(bytes);
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let offset = self.bytes;
        self.bytes += len;
        let ends = bytes.split(|byte| *byte == b'\n').count() - 1;
        self.newlines += u64::try_from(ends).unwrap_or(u64::MAX);
        let [out, err] = &mut self.open;
        let open = match stream {
            Stream::Out => out,
            Stream::Err => err,
        };
        *open = *last != b'\n';
        let before = (self.span, self.spans);
        let chunk = Span { offset, len, stream, at };
        if let Err(error) = self.note(chunk) {
            (self.span, self.spans) = before;
            self.go_away(error)?;
            self.note(chunk)?;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let files = match &mut self.files {
            Some(files) => files,
            None => self.files.insert(Files::create(&*self.disk, &self.path)?),
        };
        disk::append_all(&mut *files.log, bytes)
    }

    /// Goes on in the other folder, with all that came so far; an error is why it does not go on
    /// here or there. What failed once is not believed again: it is read back and compared.
    fn go_away(&mut self, why: io::Error) -> io::Result<()> {
        let Some(away) = self.away.take() else { return Err(why) };
        let moved = self.copy_to(&away);
        match moved {
            Ok(()) => {
                tracing::warn!(%why, path = %self.path.display(), "a transcript goes on elsewhere");
                self.went = Some(why);
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a transcript cannot go on elsewhere");
                Err(io::Error::new(why.kind(), format!("{why}; nor elsewhere: {error}")))
            }
        }
    }

    fn copy_to(&mut self, away: &Path) -> io::Result<()> {
        let disk = Arc::clone(&self.disk);
        let dir = away::make_ready(&*disk, away)?;
        let path = dir.join(self.path.file_name().unwrap_or_default());
        let (old, old_index) = (self.path.clone(), self.path.with_extension("idx"));
        let mut files = None;
        if self.bytes > 0 {
            let log = away::copy(&*disk, &old, &path, self.bytes, self.hasher.digest())?;
            let index_path = path.with_extension("idx");
            let text = disk::read_file(&*disk, &old_index).unwrap_or_default();
            let mut index = disk.open(&index_path, Open::Replace)?;
            disk::write_all_at(&mut *index, &text, 0)?;
            sync_dir(&*disk, &dir).map_err(io::Error::other)?;
            files = Some(Files { log, index });
        }
        // The copy is on a disk: this takes room that others need.
        for path in [old, old_index] {
            disk.remove(&path).ok();
        }
        (self.dir, self.path, self.files) = (dir, path, files);
        Ok(())
    }

    /// Where it goes on and why, once after it had to.
    pub fn went_away(&mut self) -> Option<(PathBuf, io::Error)> {
        Some((self.dir.clone(), self.went.take()?))
    }

    /// What has come so far.
    pub fn summary(&self) -> Summary {
        let open = self.open.iter().filter(|open| **open).count();
        let lines = self.newlines + u64::try_from(open).unwrap_or(0);
        let digest = self.hasher.digest();
        Summary { bytes: self.bytes, lines, digest, redacted: BTreeMap::new() }
    }

    /// The file; it is there once something was printed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the disk has everything, and says what it is. The session journals that.
    ///
    /// The index is a reading aid: it is not waited for.
    pub fn finish(mut self) -> io::Result<Summary> {
        self.sync()?;
        Ok(self.summary())
    }

    /// Waits until a disk has everything, here or elsewhere.
    pub fn sync(&mut self) -> io::Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let synced = files.log.sync_data();
        let synced =
            synced.and_then(|()| sync_dir(&*self.disk, &self.dir).map_err(io::Error::other));
        // A copy is synced when it is made.
        synced.or_else(|error| self.go_away(error))
    }

    /// Notes the chunk in the index: on the last line while that is young, else on a new one.
    fn note(&mut self, chunk: Span) -> io::Result<()> {
        let span = match self.span {
            Some(span) if span.stream == chunk.stream && chunk.at.since(span.at) < MERGE => {
                Span { len: span.len + chunk.len, ..span }
            }
            Some(_) | None => {
                self.spans += 1;
                chunk
            }
        };
        self.span = Some(span);
        let width = u64::try_from(Span::WIDTH).unwrap_or(u64::MAX);
        let at = (self.spans - 1) * width;
        let index = self.files.as_mut().map(|files| &mut *files.index);
        index.map_or(Ok(()), |index| disk::write_all_at(index, span.text().as_bytes(), at))
    }
}
