//! The streams of a command: where its input comes from and where its output goes.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::mpsc;

use super::files::Files;
use crate::practice::host::SharedSpool;
use crate::practice::{spool, tty};

/// A line without end is handed on in pieces of this size.
const LINE_BYTES_MAX: usize = 1 << 20;

/// What `$(…)` may hold.
pub(super) const CAPTURE_BYTES_MAX: usize = 1 << 20;

/// Input that nobody reads is kept up to here; more is dropped.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Why something could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::practice) enum Broken {
    /// Nobody reads it any more.
    Unread,
    /// It goes to a file, and that failed.
    Disk(super::files::FileError),
    /// It goes into a `$(…)` that holds enough.
    TooMuch,
}

/// Where output goes.
#[derive(Clone)]
pub(in crate::practice) enum Output {
    /// Nowhere.
    Null,
    /// To a channel or a pipe, as fast as its reader takes it.
    Stream(Arc<tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>>),
    /// The same to a terminal, whose lines end where the next ones begin.
    Terminal(Arc<tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>>),
    /// To a file of the host.
    File(Files, String),
    /// To the spool of a durable step.
    Spool(SharedSpool, u32, spool::Stream),
    /// To memory, for `$(…)`.
    Capture(Arc<Mutex<Vec<u8>>>),
}

impl Output {
    /// Output into `writer`.
    pub(in crate::practice) fn stream(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Stream(Arc::new(tokio::sync::Mutex::new(Box::new(writer))))
    }

    /// Output into `writer`, which is a terminal's.
    pub(in crate::practice) fn terminal(writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Terminal(Arc::new(tokio::sync::Mutex::new(Box::new(writer))))
    }

    /// Shows on a terminal what is typed there, as it is; a terminal that is gone shows nothing.
    pub(in crate::practice) async fn raw(&self, bytes: &[u8]) {
        if let Self::Terminal(writer) = self
            && !bytes.is_empty()
        {
            writer.lock().await.write_all(bytes).await.ok();
        }
    }

    /// Writes all of `bytes`, waiting for the reader.
    pub(in crate::practice) async fn write(&self, bytes: &[u8]) -> Result<(), Broken> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self {
            Self::Null => Ok(()),
            Self::Stream(writer) => {
                writer.lock().await.write_all(bytes).await.map_err(|_| Broken::Unread)
            }
            Self::Terminal(writer) => {
                let cooked = tty::cooked(bytes);
                writer.lock().await.write_all(&cooked).await.map_err(|_| Broken::Unread)
            }
            Self::File(files, path) => files.append(path, bytes).map_err(Broken::Disk),
            Self::Spool(spool, pid, stream) => {
                if !spool.with(|it| it.write(*pid, *stream, bytes)) {
                    return Err(Broken::Disk(super::files::FileError::Full));
                }
                spool.changed();
                Ok(())
            }
            Self::Capture(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() + bytes.len() > CAPTURE_BYTES_MAX {
                    return Err(Broken::TooMuch);
                }
                kept.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// Where input comes from; shared by all that read it.
#[derive(Clone)]
pub(in crate::practice) struct Input(Arc<tokio::sync::Mutex<Reader>>);

struct Reader {
    source: Box<dyn AsyncRead + Send + Unpin>,
    kept: Vec<u8>,
    start: usize,
    ended: bool,
}

impl Input {
    /// Input from `source`.
    pub(in crate::practice) fn stream(source: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let reader = Reader { source: Box::new(source), kept: Vec::new(), start: 0, ended: false };
        Self(Arc::new(tokio::sync::Mutex::new(reader)))
    }

    /// Nothing to read.
    pub(in crate::practice) fn empty() -> Self {
        Self::stream(tokio::io::empty())
    }

    /// Input from memory.
    pub(in crate::practice) fn bytes(bytes: Vec<u8>) -> Self {
        Self::stream(std::io::Cursor::new(bytes))
    }

    /// The next bytes, as many as there are; `None` at the end.
    pub(super) async fn chunk(&self) -> Option<Vec<u8>> {
        let mut reader = self.0.lock().await;
        if reader.start >= reader.kept.len() && !reader.fill().await {
            return None;
        }
        let start = std::mem::take(&mut reader.start);
        let mut kept = std::mem::take(&mut reader.kept);
        kept.drain(..start);
        Some(kept)
    }

    /// The next line with its line end; `None` at the end.
    pub(super) async fn line(&self) -> Option<Vec<u8>> {
        let mut reader = self.0.lock().await;
        let mut seen = reader.start;
        loop {
            let rest = reader.kept.get(seen..).unwrap_or_default();
            let found = rest.iter().position(|byte| *byte == b'\n').map(|at| seen + at + 1);
            let length = reader.kept.len() - reader.start;
            if let Some(end) = found.or((length >= LINE_BYTES_MAX).then_some(reader.kept.len())) {
                return reader.take(end);
            }
            seen = reader.kept.len();
            let gone = reader.start;
            if !reader.fill().await {
                let end = reader.kept.len();
                return if end > reader.start { reader.take(end) } else { None };
            }
            seen -= gone; // `fill` moved the rest to the front.
        }
    }
}

impl Reader {
    /// Reads more; false at the end.
    async fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.kept.drain(..self.start);
        self.start = 0;
        let read = self.source.read_buf(&mut self.kept).await;
        self.ended = !read.is_ok_and(|count| count > 0);
        !self.ended
    }

    fn take(&mut self, end: usize) -> Option<Vec<u8>> {
        let line = self.kept.get(self.start..end)?.to_vec();
        self.start = end;
        Some(line)
    }
}

/// The end of a command's standard input that the connection feeds.
#[derive(Debug)]
pub(in crate::practice) struct Feed {
    sender: Option<mpsc::UnboundedSender<Bytes>>,
    waiting: Arc<std::sync::atomic::AtomicUsize>,
}

struct Fed {
    receiver: mpsc::UnboundedReceiver<Bytes>,
    current: Bytes,
    waiting: Arc<std::sync::atomic::AtomicUsize>,
}

/// Standard input, and what feeds it. Feeding never waits: a command that does not read must
/// not hold up its connection.
pub(in crate::practice) fn standard_input() -> (Feed, Input) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::default();
    let fed = Fed { receiver, current: Bytes::new(), waiting: Arc::clone(&waiting) };
    (Feed { sender: Some(sender), waiting }, Input::stream(fed))
}

impl Feed {
    /// Hands `bytes` to the command; drops them if too much waits already.
    pub(in crate::practice) fn push(&self, bytes: Bytes) {
        use std::sync::atomic::Ordering::Relaxed;
        let fits = self.waiting.load(Relaxed) + bytes.len() <= WAITING_BYTES_MAX;
        if let (Some(sender), true) = (&self.sender, fits) {
            self.waiting.fetch_add(bytes.len(), Relaxed);
            sender.send(bytes).ok();
        }
    }

    /// There is no more.
    pub(in crate::practice) fn end(&mut self) {
        self.sender = None;
    }
}

impl AsyncRead for Fed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while self.current.is_empty() {
            match self.receiver.poll_recv(context) {
                Poll::Ready(Some(bytes)) => {
                    self.waiting.fetch_sub(bytes.len(), std::sync::atomic::Ordering::Relaxed);
                    self.current = bytes;
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
        let count = self.current.len().min(buffer.remaining());
        let piece = self.current.split_to(count);
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}
