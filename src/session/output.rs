//! Output of jobs: to the transcript first, then to whoever watches.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Event, Job, Place, Transcript as Summary};
use crate::exec::{Report, Sink, Sinks};
use crate::journal::{Disk, Entry, Lines, Stream, Transcript};

use super::clock::Clock;
use super::handle::Chunk;

/// Of each job, so much of its transcript is shown again after a resume.
const TAIL_BYTES: u64 = 64 * 1024;
/// Of so many jobs, the latest.
const TAIL_JOBS: usize = 24;

/// Hands the ends of the latest transcripts to `tap`, oldest job first, so that a screen that
/// takes a session up again does not begin empty. Gives back what is to be said of those that the
/// disk does not give back.
pub(super) fn show_again(dir: &Path, entries: &[Entry], tap: &mpsc::Sender<Chunk>) -> Vec<String> {
    let mut unread = Vec::new();
    let mut jobs = Vec::new();
    for fact in entries.iter().rev().flat_map(|entry| entry.facts.iter().rev()) {
        // Those that never ended too: what they printed is what there is to judge them by.
        let (Event::AttemptStarted { key, places, .. } | Event::WaveStarted { key, places }) =
            &fact.event
        else {
            continue;
        };
        let job = |place: &Place| Job { key: key.clone(), place: place.clone() };
        jobs.extend(places.iter().rev().map(job).take(TAIL_JOBS.saturating_sub(jobs.len())));
    }
    for job in jobs.into_iter().rev() {
        let path = Transcript::path_of(dir, &job);
        let lines = match Lines::near_end(&path, TAIL_BYTES) {
            Ok(lines) => lines,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // It printed nothing.
            Err(error) => {
                unread.push(unread_words(&job, &path, &error));
                continue;
            }
        };
        let mut chunk: Option<(Stream, Timestamp, Vec<u8>)> = None;
        for line in lines {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    unread.push(unread_words(&job, &path, &error));
                    break;
                }
            };
            match &mut chunk {
                // Lines that came together go on together.
                Some((stream, at, bytes)) if (*stream, *at) == (line.stream, line.at) => {
                    bytes.extend_from_slice(&line.bytes);
                    bytes.push(b'\n');
                }
                Some(_) | None => {
                    let bytes = [&line.bytes[..], b"\n"].concat();
                    let before = chunk.replace((line.stream, line.at, bytes));
                    send(tap, &job, before);
                }
            }
        }
        send(tap, &job, chunk);
    }
    unread
}

fn unread_words(job: &Job, path: &Path, error: &io::Error) -> String {
    format!(
        "what {job} printed before cannot be read back from {}: {error}; look at that disk before \
         you decide by it",
        path.display()
    )
}

/// Hands on what there is room for; a screen can do without the rest.
fn send(tap: &mpsc::Sender<Chunk>, job: &Job, chunk: Option<(Stream, Timestamp, Vec<u8>)>) {
    if let Some((stream, at, bytes)) = chunk {
        tap.try_send(Chunk { job: job.clone(), stream, bytes: bytes.into(), at }).ok();
    }
}

/// Opens a transcript for every job.
pub(super) struct Outputs {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    /// Where outputs go on when `dir` cannot be written.
    pub away: Option<PathBuf>,
    pub clock: Arc<std::sync::Mutex<Clock>>,
    pub tap: Option<mpsc::Sender<Chunk>>,
    pub dropped: Arc<AtomicU64>,
    /// Whether a person has said that what is done may go unrecorded: then no output has to be
    /// kept either, and a job ends as it ended. That its output is not kept is told.
    pub unrecorded: Arc<AtomicBool>,
    pub reports: mpsc::UnboundedSender<Report>,
}

struct Output {
    /// None once it cannot be kept.
    transcript: Option<Transcript>,
    unrecorded: Arc<AtomicBool>,
    reports: mpsc::UnboundedSender<Report>,
    job: Job,
    clock: Arc<std::sync::Mutex<Clock>>,
    tap: Option<mpsc::Sender<Chunk>>,
    dropped: Arc<AtomicU64>,
    /// Bytes of each stream that a screen has been shown before.
    shown: [u64; 2],
}

impl Outputs {
    fn new_sink(&self, job: &Job, shown: [u64; 2]) -> io::Result<Box<dyn Sink>> {
        let away = self.away.as_deref();
        let made = Transcript::create_with(&self.disk, &self.dir, away, job);
        let (transcript, lost) = match made {
            Ok(transcript) => (Some(transcript), None),
            // It may have been run before: that is no matter of the disk.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(error) => (None, Some(error)),
        };
        let mut output = Output {
            transcript,
            unrecorded: Arc::clone(&self.unrecorded),
            reports: self.reports.clone(),
            job: job.clone(),
            clock: Arc::clone(&self.clock),
            tap: self.tap.clone(),
            dropped: Arc::clone(&self.dropped),
            shown,
        };
        lost.map_or(Ok(()), |error| output.lose(error))?;
        output.tell_where();
        Ok(Box::new(output))
    }
}

impl Sinks for Outputs {
    fn open(&self, job: &Job) -> io::Result<Box<dyn Sink>> {
        self.new_sink(job, [0; 2])
    }

    fn evidence(&self) -> io::Result<PathBuf> {
        Ok(self.dir.join("evidence"))
    }

    /// What was kept of the job before is kept beside what comes now: nothing is lost.
    fn again(&self, job: &Job) -> io::Result<Box<dyn Sink>> {
        let path = Transcript::path_on(&*self.disk, &self.dir, job);
        if !self.disk.is_there(&path)? {
            return self.open(job);
        }
        let shown = sizes(&path).unwrap_or_default();
        let mut number = 1_u32;
        let beside = |path: &Path, number: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(if number == 1 { ".before".to_owned() } else { format!(".before{number}") });
            PathBuf::from(name)
        };
        while self.disk.is_there(&beside(&path, number))? {
            number = number.saturating_add(1);
        }
        for path in [path.with_extension("idx"), path] {
            if self.disk.is_there(&path)? {
                self.disk.rename(&path, &beside(&path, number))?;
            }
        }
        self.new_sink(job, shown)
    }
}

/// How many bytes of each stream a transcript has, but for the end of a last line.
fn sizes(path: &Path) -> io::Result<[u64; 2]> {
    let (mut sizes, mut ends) = ([0_u64; 2], [0_u64; 2]);
    for line in Lines::open(path)? {
        let line = line?;
        let at = usize::from(line.stream == Stream::Err);
        if let (Some(size), Some(end)) = (sizes.get_mut(at), ends.get_mut(at)) {
            *size += *end + u64::try_from(line.bytes.len()).unwrap_or(u64::MAX);
            *end = 1;
        }
    }
    Ok(sizes)
}

impl Output {
    /// Its output cannot be kept, which is said at once: an error, unless that may be.
    fn lose(&mut self, error: io::Error) -> io::Result<()> {
        self.transcript = None;
        if let Some(tap) = &self.tap {
            // The log stops here, or goes on with what is in no record: it does not look as if all
            // were well.
            let text = format!("-- golive: what follows is NOT KEPT here: {error}\n");
            let (job, at, bytes) = (self.job.clone(), self.now(), Bytes::from(text));
            tap.try_send(Chunk { job, stream: Stream::Err, bytes, at }).ok();
        }
        let (job, why) = (self.job.clone(), SafeText::new(&error.to_string()));
        self.reports.send(Report::OutputLost { job, why }).ok();
        if self.unrecorded.load(Ordering::SeqCst) { Ok(()) } else { Err(error) }
    }

    fn now(&self) -> Timestamp {
        self.clock.lock().map_or_else(|poison| poison.into_inner().now(), |clock| clock.now())
    }

    /// Says where its output is kept, if that has changed.
    fn tell_where(&mut self) {
        if let Some((dir, why)) = self.transcript.as_mut().and_then(Transcript::went_away) {
            let (job, why) = (self.job.clone(), SafeText::new(&why.to_string()));
            let dir = SafeText::new(&dir.display().to_string());
            self.reports.send(Report::OutputAway { job, dir, why }).ok();
        }
    }
}

impl Sink for Output {
    fn write(&mut self, error_stream: bool, bytes: &[u8]) -> io::Result<()> {
        let stream = if error_stream { Stream::Err } else { Stream::Out };
        let at = self.now();
        let kept = self.transcript.as_mut().map(|transcript| transcript.write(stream, bytes, at));
        if let Some(Err(error)) = kept {
            self.lose(error)?;
        }
        self.tell_where();
        let shown = self.shown.get_mut(usize::from(error_stream));
        let bytes = match shown {
            Some(shown) => {
                let known = usize::try_from(*shown).unwrap_or(usize::MAX).min(bytes.len());
                *shown -= u64::try_from(known).unwrap_or(0);
                bytes.get(known..).unwrap_or_default()
            }
            None => bytes,
        };
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(tap) = &self.tap {
            // A slow screen loses the live view of some output, never the output.
            let chunk =
                Chunk { job: self.job.clone(), stream, bytes: Bytes::copy_from_slice(bytes), at };
            if tap.try_send(chunk).is_err() {
                let lost = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.dropped.fetch_add(lost, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Option<Summary>> {
        let synced = self.transcript.as_mut().map(Transcript::sync);
        self.tell_where();
        match synced.map(|synced| synced.map(|()| self.transcript.take())) {
            None => Ok(None),
            Some(Ok(kept)) => Ok(kept.map(|kept| kept.summary())),
            Some(Err(error)) => self.lose(error).map(|()| None),
        }
    }
}
