//! Output of jobs: to the transcript first, then to whoever watches.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::engine::{Job, Transcript as Summary};
use crate::exec::{Sink, Sinks};
use crate::journal::{Stream, Transcript};

use super::clock::Clock;
use super::handle::Chunk;

/// Opens a transcript for every job.
pub(super) struct Outputs {
    pub dir: PathBuf,
    pub clock: Arc<std::sync::Mutex<Clock>>,
    pub tap: Option<mpsc::Sender<Chunk>>,
    pub dropped: Arc<AtomicU64>,
}

struct Output {
    transcript: Transcript,
    job: Job,
    clock: Arc<std::sync::Mutex<Clock>>,
    tap: Option<mpsc::Sender<Chunk>>,
    dropped: Arc<AtomicU64>,
}

impl Sinks for Outputs {
    fn open(&self, job: &Job) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Output {
            transcript: Transcript::create(&self.dir, job)?,
            job: job.clone(),
            clock: Arc::clone(&self.clock),
            tap: self.tap.clone(),
            dropped: Arc::clone(&self.dropped),
        }))
    }
}

impl Sink for Output {
    fn write(&mut self, error_stream: bool, bytes: &[u8]) -> io::Result<()> {
        let stream = if error_stream { Stream::Err } else { Stream::Out };
        let at = self.clock.lock().map_or_else(|poison| poison.into_inner().now(), |c| c.now());
        self.transcript.write(stream, bytes, at)?;
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

    fn finish(self: Box<Self>) -> io::Result<Summary> {
        self.transcript.finish()
    }
}
