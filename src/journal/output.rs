//! Reading transcripts, of any size, in little memory.

use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::base::{Digest, Hasher, Timestamp};

use super::disk::{Cursor, Disk, Open, RealDisk};
use super::transcript::{Span, Stream};

/// A longer line is given in pieces.
const LINE_BYTES_MAX: usize = 1 << 16;

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of which stream; standard output where the index does not say.
    pub stream: Stream,
    /// When its first byte came; the time 0 where the index does not say.
    pub at: Timestamp,
    /// Where in the file its first byte is.
    pub offset: u64,
    /// Its bytes, without its end.
    pub bytes: Vec<u8>,
}

/// The lines of a transcript in the order in which they ended; the two streams are not mixed
/// within a line.
#[derive(Debug)]
pub struct Lines {
    log: BufReader<Cursor>,
    index: Option<BufReader<Cursor>>,
    span: Option<Span>,
    offset: u64,
    parts: [Part; 2],
    flushed: bool,
}

/// The line of one stream that has not ended.
#[derive(Debug, Default)]
struct Part {
    bytes: Vec<u8>,
    offset: u64,
    at: Timestamp,
    begun: bool,
}

/// Reads `len` bytes from `offset`, or as many as there are.
pub fn read_range(path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let file = RealDisk.open(path, Open::Read)?;
    let size = file.len()?.saturating_sub(offset);
    let mut bytes = vec![0; len.min(usize::try_from(size).unwrap_or(usize::MAX))];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset + u64::try_from(filled).unwrap_or(u64::MAX);
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// The length and the digest of a file.
pub fn digest_file(path: &Path) -> io::Result<(u64, Digest)> {
    digest_file_on(&RealDisk, path)
}

/// The same on any disk.
pub fn digest_file_on(disk: &dyn Disk, path: &Path) -> io::Result<(u64, Digest)> {
    let mut input = BufReader::with_capacity(1 << 18, Cursor::open(disk, path)?);
    let mut hasher = Hasher::default();
    let mut bytes = 0;
    loop {
        let chunk = input.fill_buf()?;
        if chunk.is_empty() {
            return Ok((bytes, hasher.digest()));
        }
        hasher.update(chunk);
        let len = chunk.len();
        bytes += u64::try_from(len).unwrap_or(u64::MAX);
        input.consume(len);
    }
}

impl Lines {
    /// The lines of the transcript at `path`, a `.log` file, from its beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::from_span(path, None)
    }

    /// The lines of the last `bytes` bytes or a little more. The first may be cut.
    pub fn near_end(path: &Path, bytes: u64) -> io::Result<Self> {
        let from = RealDisk.open(path, Open::Read)?.len()?.saturating_sub(bytes);
        Self::from_span(path, Some(from))
    }

    fn from_span(path: &Path, from: Option<u64>) -> io::Result<Self> {
        let mut log = BufReader::with_capacity(1 << 16, Cursor::open(&RealDisk, path)?);
        let mut index = match Cursor::open(&RealDisk, &path.with_extension("idx")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            opened => Some(BufReader::new(opened?)),
        };
        let mut span = None;
        let mut offset = 0;
        if let Some(from) = from {
            span = index.as_mut().map(|index| span_of(index, from)).transpose()?.flatten();
            offset = span.map_or(from, |span| span.offset.max(from));
            log.seek(SeekFrom::Start(offset))?;
        }
        Ok(Self { log, index, span, offset, parts: Default::default(), flushed: false })
    }

    /// The span that the next byte belongs to, and how many bytes of it are left.
    fn current(&mut self) -> io::Result<(Stream, Timestamp, u64)> {
        loop {
            let end = |span: Span| span.offset.saturating_add(span.len);
            let holds = |span: &Span| (span.offset..end(*span)).contains(&self.offset);
            if let Some(span) = self.span.filter(holds) {
                return Ok((span.stream, span.at, end(span) - self.offset));
            }
            let next = self.index.as_mut().map(next_span).transpose()?.flatten();
            if next.is_none() {
                self.index = None;
                let at = self.span.map(|span| span.at).unwrap_or_default();
                return Ok((Stream::Out, at, u64::MAX));
            }
            self.span = next;
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let (stream, at, left) = self.current()?;
            let [out, err] = &mut self.parts;
            let part = match stream {
                Stream::Out => out,
                Stream::Err => err,
            };
            if !part.begun {
                *part = Part { bytes: Vec::new(), offset: self.offset, at, begun: true };
            }
            let room = u64::try_from(LINE_BYTES_MAX - part.bytes.len()).unwrap_or(0);
            let mut input = self.log.by_ref().take(left.min(room));
            let count = input.read_until(b'\n', &mut part.bytes)?;
            self.offset += u64::try_from(count).unwrap_or(u64::MAX);
            if count == 0 {
                return Ok(self.rest());
            }
            if part.bytes.last() == Some(&b'\n') {
                part.bytes.pop();
                return Ok(Some(part.take(stream)));
            }
            if part.bytes.len() >= LINE_BYTES_MAX {
                return Ok(Some(part.take(stream)));
            }
        }
    }

    /// What the streams left without a line end.
    fn rest(&mut self) -> Option<Line> {
        self.flushed = true;
        let [out, err] = &mut self.parts;
        let mut rest = [(Stream::Out, out), (Stream::Err, err)];
        rest.sort_by_key(|(_, part)| part.offset);
        let mut unfinished = rest.into_iter().filter(|(_, part)| !part.bytes.is_empty());
        unfinished.next().map(|(stream, part)| part.take(stream))
    }
}

impl Part {
    fn take(&mut self, stream: Stream) -> Line {
        self.begun = false;
        Line { stream, at: self.at, offset: self.offset, bytes: std::mem::take(&mut self.bytes) }
    }
}

impl Iterator for Lines {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.flushed {
            return self.rest().map(Ok);
        }
        let line = self.next_line();
        self.flushed |= line.is_err();
        line.transpose()
    }
}

fn next_span(index: &mut BufReader<Cursor>) -> io::Result<Option<Span>> {
    let mut line = Vec::with_capacity(Span::WIDTH);
    index.by_ref().take(1 << 10).read_until(b'\n', &mut line)?;
    Ok(std::str::from_utf8(&line).ok().and_then(Span::parse))
}

/// The span that holds the byte at `offset`, or the last before it.
fn span_of(index: &mut BufReader<Cursor>, offset: u64) -> io::Result<Option<Span>> {
    let mut found = None;
    while let Some(span) = next_span(index)? {
        found = Some(span);
        if span.offset.saturating_add(span.len) > offset {
            break;
        }
    }
    Ok(found)
}
