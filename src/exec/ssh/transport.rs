//! The byte stream below a connection: TCP, a channel through a jump host, or a command.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::config::{Family, Settings};
use super::error::{Budget, SshError, words};

/// Unacknowledged data for so long means a dead peer, even while a write blocks the keepalive.
const TCP_USER_TIMEOUT_MS: u32 = 15_000;
/// The server's greeting is a line of at most 255 bytes; some servers chat before it.
const GREETING_MAX: usize = 512;
/// A `ProxyCommand` that has closed its output has said all soon after.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

/// Any stream that SSH can be spoken over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What times of signs of life are counted from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When the other side was last heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<AtomicU64>);

impl Pulse {
    fn beat(&self) {
        let millis = u64::try_from(EPOCH.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.store(millis, Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(super) fn quiet(&self) -> Duration {
        EPOCH.elapsed().saturating_sub(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

/// A stream that remembers the first bytes it gave, to say what the other side was, and when the
/// last ones came.
pub(super) struct Tap {
    inner: Box<dyn Stream>,
    greeting: Greeting,
    pulse: Pulse,
    full: bool,
}

/// The first bytes of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Greeting(Arc<Mutex<Vec<u8>>>);

impl Greeting {
    /// The `SSH-2.0-…` line without the prefix of the protocol, or else whatever came first.
    pub(super) fn server(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.split(['\r', '\n']).filter(|line| !line.is_empty());
        let first = lines.clone().next()?;
        let line = lines.find(|line| line.starts_with("SSH-")).unwrap_or(first);
        Some(words(line.strip_prefix("SSH-2.0-").unwrap_or(line)))
    }

    /// Whether what was said, if anything, leaves hope for a second trial: an SSH server, or
    /// one that is only too busy.
    pub(super) fn hopeful(&self) -> bool {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let busy = text.contains("MaxStartups") || text.contains("Not allowed at this time");
        text.is_empty() || busy || text.split(['\r', '\n']).any(|line| line.starts_with("SSH-"))
    }
}

impl Tap {
    pub(super) fn new(inner: Box<dyn Stream>) -> (Self, Greeting) {
        let greeting = Greeting::default();
        let pulse = Pulse::default();
        pulse.beat();
        (Self { inner, greeting: greeting.clone(), pulse, full: false }, greeting)
    }

    /// When the other side was last heard, from now on.
    pub(super) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            this.pulse.beat();
        }
        if !this.full && polled.is_ready() {
            let mut seen = this.greeting.0.lock().unwrap_or_else(PoisonError::into_inner);
            let room = GREETING_MAX.saturating_sub(seen.len());
            seen.extend(buf.filled().iter().skip(before).take(room));
            this.full = seen.len() >= GREETING_MAX;
        }
        polled
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// Opens a TCP connection to the first address that answers, within `budget` altogether.
pub(super) async fn tcp(
    settings: &Settings,
    host: &str,
    budget: Duration,
) -> Result<Box<dyn Stream>, SshError> {
    let address = super::connect::shown(settings);
    let name = settings.hostname.as_str();
    let open = async {
        let found = tokio::net::lookup_host((name, settings.port)).await;
        let resolve = |why: String| SshError::Resolve {
            host: host.to_owned(),
            address: name.to_owned(),
            why,
        };
        let found = found.map_err(|error| resolve(words(&error.to_string())))?;
        let fits = |at: &SocketAddr| match settings.family {
            Family::Any => true,
            Family::V4 => at.is_ipv4(),
            Family::V6 => at.is_ipv6(),
        };
        let mut last = None;
        for at in found.filter(fits) {
            match TcpStream::connect(at).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            None => resolve("no address of the wanted family".to_owned()),
            Some(error) => SshError::Connect {
                host: host.to_owned(),
                address: address.clone(),
                why: error.to_string(),
            },
        })
    };
    let stream = timeout(budget, open).await.map_err(|_| SshError::Timeout {
        host: host.to_owned(),
        address: address.clone(),
        budget: Budget::Connect,
        after: budget,
    })??;
    // Without it, each command waits 40 ms for a delayed acknowledgement.
    stream.set_nodelay(true).ok();
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(&stream, TCP_USER_TIMEOUT_MS).ok();
    Ok(Box::new(Prompt(stream)))
}

/// A TCP stream that acknowledges at once whatever it has read.
///
/// sshd sends a short answer in several small packets and, by Nagle's algorithm, each one only
/// when the one before is acknowledged; a kernel that waits 40 ms for company to its
/// acknowledgements makes a command of 3 ms take 80.
struct Prompt(TcpStream);

impl AsyncRead for Prompt {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.0).poll_read(cx, buf);
        // Nothing more to read: now is the time. Linux forgets the wish, so it is told anew.
        #[cfg(target_os = "linux")]
        if polled.is_pending() {
            rustix::net::sockopt::set_tcp_quickack(&this.0, true).ok();
        }
        polled
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

/// Runs a `ProxyCommand` and speaks over its standard streams.
pub(super) fn command(line: &str, host: &str) -> Result<(Box<dyn Stream>, LastWords), SshError> {
    let refuse = |why: String| SshError::Proxy {
        host: host.to_owned(),
        via: format!("ProxyCommand `{}`", words(line)),
        why,
    };
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("exec {line}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| refuse(error.to_string()))?;
    let (Some(stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(refuse("it has no standard streams".to_owned()));
    };
    let child = Arc::new(child);
    let last_words =
        LastWords { _child: Arc::clone(&child), kept: Arc::default(), ended: Arc::default() };
    let (kept, ended) = (Arc::clone(&last_words.kept), Arc::clone(&last_words.ended));
    tokio::spawn(async move {
        let mut chunk = [0_u8; 1024];
        while let Ok(n @ 1..) = stderr.read(&mut chunk).await {
            hear(&kept, chunk.get(..n).unwrap_or_default());
        }
        ended.notify_one();
    });
    Ok((Box::new(Piped { _child: child, stdin, stdout }), last_words))
}

/// The end of what a `ProxyCommand` complained about.
#[derive(Debug)]
pub(super) struct LastWords {
    /// It may close its output before it speaks: it must live until it has.
    _child: Arc<Child>,
    kept: Arc<Mutex<Vec<u8>>>,
    ended: Arc<Notify>,
}

impl LastWords {
    /// Waits a moment for the command to have spoken.
    pub(super) async fn text(&self) -> Option<String> {
        timeout(LAST_WORDS_MAX, self.ended.notified()).await.ok();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let text = words(&String::from_utf8_lossy(&kept));
        (!text.is_empty()).then_some(text)
    }
}

fn hear(kept: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.extend_from_slice(bytes);
    let excess = kept.len().saturating_sub(GREETING_MAX);
    kept.drain(..excess);
}

/// A child's standard streams; the child ends with them.
struct Piped {
    _child: Arc<Child>,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl AsyncRead for Piped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stdin).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stdin).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stdin).poll_shutdown(cx)
    }
}
