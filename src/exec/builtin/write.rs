//! One local file to one place on a host: many writes ahead.

use std::io::{self, Read as _, Seek as _};
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use russh_sftp::protocol::OpenFlags;
use tokio::sync::mpsc;

use crate::base::{Digest, Hasher};
use crate::runbook::size;

use super::Voice;
use super::sftp::{Answer, Sftp, Trouble, answer};

/// Bytes on the way to a host before its first answer has to come.
const FLYING_BYTES: usize = 4 << 20;
/// Pieces between the disk and the link.
const PIECES: usize = 8;
/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// How far all of it is, for people.
pub(super) struct Progress {
    voice: Voice,
    all: u64,
    done: u64,
    began: Instant,
    /// Bytes that were on the host before.
    given: u64,
    told: Instant,
}

impl Progress {
    pub(super) fn new(voice: &Voice, all: u64) -> Self {
        let now = Instant::now();
        Self { voice: voice.clone(), all, done: 0, began: now, given: 0, told: now }
    }

    /// The next bytes are there already.
    pub(super) fn given(&mut self, bytes: u64) {
        self.given = self.given.saturating_add(bytes);
        self.done = self.done.saturating_add(bytes);
    }

    /// The next bytes have arrived.
    pub(super) fn more(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            self.tell();
        }
    }

    pub(super) const fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn tell(&self) {
        let percent = u128::from(self.done) * 100 / u128::from(self.all.max(1));
        let rate = self.rate();
        let left = self.all.saturating_sub(self.done) / rate.max(1);
        self.voice.say(&format!(
            "{percent} %  {} of {}, {}/s, {left} s left",
            size(self.done),
            size(self.all),
            size(rate)
        ));
    }

    /// Bytes a second so far.
    pub(super) fn rate(&self) -> u64 {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.done.saturating_sub(self.given).saturating_mul(1000) / millis
    }
}

/// Sends the bytes of `local` from `offset` on to the file `handle`. Whether they are those that
/// were confirmed is seen when the host says what has arrived: no digest is taken on the way.
pub(super) async fn write(
    sftp: &Sftp,
    local: &Path,
    (handle, offset): (&str, u64),
    progress: &mut Progress,
) -> Answer<()> {
    let mut pieces = pieces(local, sftp.chunk, offset);
    let ahead = (FLYING_BYTES / sftp.chunk.max(1)).max(2);
    let mut flying = FuturesUnordered::new();
    let mut at = offset;
    loop {
        tokio::select! {
            biased;
            Some(written) = flying.next(), if !flying.is_empty() => {
                let count: u64 = written?;
                progress.more(count);
            }
            piece = pieces.recv(), if flying.len() < ahead => match piece {
                Some(Ok(bytes)) if bytes.is_empty() => break,
                Some(Ok(bytes)) => {
                    let count = u64::try_from(bytes.len()).unwrap_or(0);
                    let write = sftp.raw.write(handle, at, bytes);
                    flying.push(async move { answer(write.await).map(|_| count) });
                    at = at.saturating_add(count);
                }
                Some(Err(why)) => return Err(Trouble::Refused(unreadable(local, &why))),
                None => return Err(Trouble::Refused("its reader ended early".to_owned())),
            },
        }
    }
    while let Some(written) = flying.next().await {
        progress.more(written?);
    }
    Ok(())
}

/// What is said of a local file that cannot be read.
pub(super) fn unreadable(local: &Path, why: &io::Error) -> String {
    format!("{} cannot be read here: {why}", local.display())
}

/// What is said of a local file that is no longer what was confirmed.
pub(super) fn changed(local: &Path) -> String {
    format!(
        "{} has changed since the plan was made: what was confirmed cannot be sent. Put it back, or begin a new run",
        local.display()
    )
}

/// Reads a file from `offset` on, beside the link; an empty piece is its end.
fn pieces(local: &Path, size: usize, offset: u64) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(PIECES);
    let path = local.to_owned();
    tokio::task::spawn_blocking(move || {
        let most = u64::try_from(size).unwrap_or(u64::MAX);
        let opened = std::fs::File::open(&path).and_then(|mut file| {
            file.seek(io::SeekFrom::Start(offset))?;
            Ok(file)
        });
        let read = |file: &std::fs::File| {
            let mut bytes = Vec::with_capacity(size);
            file.take(most).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let file = match opened {
            Ok(file) => file,
            Err(why) => {
                sender.blocking_send(Err(why)).ok();
                return;
            }
        };
        loop {
            let piece = read(&file);
            let last = !matches!(&piece, Ok(bytes) if !bytes.is_empty());
            if sender.blocking_send(piece).is_err() || last {
                return;
            }
        }
    });
    receiver
}

/// The digest of the first `count` bytes of a local file.
pub(super) async fn prefix_digest(local: &Path, count: u64) -> io::Result<Digest> {
    let path = local.to_owned();
    let read = move || {
        let mut hasher = Hasher::default();
        let mut file = std::fs::File::open(path)?.take(count);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = file.read(&mut buffer)?;
            let Some(bytes) = buffer.get(..count).filter(|it| !it.is_empty()) else { break };
            hasher.update(bytes);
        }
        Ok(hasher.digest())
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// How a file is opened to be written: anew, or to be continued.
pub(super) fn flags(anew: bool) -> OpenFlags {
    if anew { OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE } else { OpenFlags::WRITE }
}
