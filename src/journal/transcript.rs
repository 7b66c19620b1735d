//! What a job printed: every byte of both streams, in the order it came.
//!
//! `output/<job>.log` holds the bytes and nothing else. `output/<job>.idx` beside it says which
//! bytes are of which stream, and when they came: lines of one width, `offset length stream
//! time`, chunks of one stream within a quarter of a second on one line. The journal vouches for
//! the first file only; the second is a help for readers.
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
        dir.join(OUTPUT_DIR).join(format!("{job}.log"))
    }

    /// Makes ready for the transcript of `job` in the session's directory `dir`: it can be
    /// written there, and there is none. One that is there already is never written over: this
    /// is an error of kind `AlreadyExists`.
    pub fn create(dir: &Path, job: &Job) -> io::Result<Self> {
        Self::create_on(&RealDisk::shared(), dir, job)
    }

    /// The same on any disk.
    pub fn create_on(disk: &Arc<dyn Disk>, dir: &Path, job: &Job) -> io::Result<Self> {
        let path = Self::path_of(dir, job);
        let dir = dir.join(OUTPUT_DIR);
        make_dir(&**disk, &dir).map_err(io::Error::other)?;
        let named = |path: &Path, kind: io::ErrorKind, why: &dyn std::fmt::Display| {
            io::Error::new(kind, format!("{}: {why}", path.display()))
        };
        if let Err(error) = disk.may_write_in(&dir) {
            return Err(named(&dir, error.kind(), &error));
        }
        match disk.is_there(&path) {
            Ok(true) => {
                return Err(named(&path, io::ErrorKind::AlreadyExists, &"it is there already"));
            }
            Ok(false) => {}
            Err(error) => return Err(named(&path, error.kind(), &error)),
        }
        Ok(Self {
            disk: Arc::clone(disk),
            dir,
            path,
            files: None,
            span: None,
            spans: 0,
            hasher: Hasher::default(),
            bytes: 0,
            newlines: 0,
            open: [false; 2],
        })
    }

    /// Takes in the next bytes of a stream, which came at `at`.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], at: Timestamp) -> io::Result<()> {
        let Some(last) = bytes.last() else { return Ok(()) };
        let files = match &mut self.files {
            Some(files) => files,
            None => self.files.insert(Files::create(&*self.disk, &self.path)?),
        };
        disk::append_all(&mut *files.log, bytes)?;
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
        self.note(Span { offset, len, stream, at })
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
        if let Some(files) = &mut self.files {
            files.log.sync_data()?;
            sync_dir(&*self.disk, &self.dir).map_err(io::Error::other)?;
        }
        Ok(self.summary())
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
