//! The door of a living session: another terminal knocks, and the session is handed over.
//!
//! One process drives a session, for as long as it holds the lock. When its terminal is gone it
//! lives on, holds, and watches what runs; whoever knocks then gets the session: the process
//! writes down to whom, ends, and the lock is free. One that has a terminal is left alone, unless
//! the other gives a reason. What is durable runs on in between.
//!
//! Others come on an errand: they want something said or held, and do not want to drive.
//!
//! The socket lies in the session's folder, which is its owner's alone; who connects is asked of
//! the kernel besides. No step is started, confirmed or stopped by a socket.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::base::SafeText;

use super::errand::{self, Errand};
use super::handle::Handle;
use super::store::Found;

/// The name of the socket in the session's folder.
pub const SOCKET_FILE: &str = "socket";
/// What is spoken at the door.
const LANGUAGE: &str = "golive.door/1";
/// Nobody says more than this at the door.
const WORDS_MAX: u64 = 16 * 1024;
/// Who knocks has to say what they want within this time.
const SAY_WITHIN: Duration = Duration::from_secs(5);
/// A living session answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// The door of a session that this process drives.
#[derive(Debug)]
pub struct Door {
    visits: mpsc::Receiver<Visit>,
    path: PathBuf,
    task: JoinHandle<()>,
}

/// Somebody at the door.
#[derive(Debug)]
enum Visit {
    /// They want to drive.
    Knock(Knock),
    /// They want something said or held.
    Errand(Errand),
}

/// Somebody who wants to drive.
#[derive(Debug)]
pub struct Knock {
    /// Who.
    pub driver: SafeText,
    /// On which machine.
    pub machine: SafeText,
    /// Why the session is to be taken from a driver who is there; none asks politely.
    pub reason: Option<SafeText>,
    answer: oneshot::Sender<Answer>,
}

impl Knock {
    /// The session is theirs, once this process has ended; `why` it has not yet.
    pub fn open(self, why: &str) {
        self.answer.send(Answer { yes: true, why: SafeText::new(why) }).ok();
    }

    /// Not now.
    pub fn refuse(self, why: &str) {
        self.answer.send(Answer { yes: false, why: SafeText::new(why) }).ok();
    }

    /// What the record says of the one who leaves.
    pub fn words(&self) -> SafeText {
        let Self { driver, machine, reason, .. } = self;
        SafeText::new(&match reason {
            Some(reason) => format!("taken over by {driver} on {machine}: {reason}"),
            None => format!("handed over to {driver} on {machine}"),
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    language: String,
    driver: SafeText,
    machine: SafeText,
    reason: Option<SafeText>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) yes: bool,
    pub(super) why: SafeText,
}

impl Answer {
    pub(super) fn new(yes: bool, why: &str) -> Self {
        Self { yes, why: SafeText::new(why) }
    }
}

/// How whatever is said at the door begins.
#[derive(Debug, Deserialize)]
struct Tongue {
    language: String,
}

impl Door {
    /// Opens the door of the session `found`, which this process holds the lock of.
    ///
    /// # Errors
    /// The socket cannot be made: nobody can knock, and everything else goes on.
    pub fn open(found: &Found) -> io::Result<Self> {
        let path = found.path(SOCKET_FILE);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let folder = std::fs::File::open(&found.dir)?;
        let listener = UnixListener::bind(short_path(found, &folder))?;
        drop(folder);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (tell, visits) = mpsc::channel(4);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, tell.clone()));
            }
        });
        Ok(Self { visits, path, task })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        std::fs::remove_file(&self.path).ok();
    }
}

/// Waits for the next knock at a door that may not be there. Who comes on an errand meanwhile is
/// served beside, so that neither keys nor a disk wait for the other.
pub async fn next_knock(door: &mut Option<Door>, handle: &Handle) -> Knock {
    let Some(door) = door else { return std::future::pending().await };
    loop {
        match door.visits.recv().await {
            Some(Visit::Knock(knock)) => return knock,
            Some(Visit::Errand(errand)) => {
                let handle = handle.clone();
                tokio::spawn(async move { errand.carry_out(&handle).await });
            }
            None => return std::future::pending().await,
        }
    }
}

/// A path to a socket has few bytes; the folder's own descriptor is short however deep it lies.
fn short_path(found: &Found, folder: &std::fs::File) -> PathBuf {
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    let dir = if short.exists() { short } else { found.dir.clone() };
    dir.join(SOCKET_FILE)
}

async fn receive(stream: UnixStream, tell: mpsc::Sender<Visit>) {
    let own = rustix::process::geteuid().as_raw();
    if stream.peer_cred().map_or(true, |peer| peer.uid() != own) {
        return;
    }
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(WORDS_MAX));
    let said = timeout(SAY_WITHIN, read.read_line(&mut line)).await;
    let whole = said.is_ok_and(|said| said.is_ok());
    let tongue = serde_json::from_str(&line).ok().filter(|_| whole);
    let tongue = tongue.map(|tongue: Tongue| tongue.language).unwrap_or_default();
    let (answer, answered) = oneshot::channel();
    let visit = match tongue.as_str() {
        LANGUAGE => serde_json::from_str(&line).ok().map(|asked| {
            let Asked { driver, machine, reason, .. } = asked;
            Visit::Knock(Knock { driver, machine, reason, answer })
        }),
        errand::LANGUAGE => serde_json::from_str(&line)
            .ok()
            .map(|asked| Visit::Errand(Errand::new(asked, own, answer))),
        _ => None,
    };
    let leaves = matches!(visit, Some(Visit::Knock(_)));
    let answer = match visit {
        Some(visit) => {
            tell.send(visit).await.ok();
            answered.await.unwrap_or_else(|_| Answer::new(false, "the session has ended"))
        }
        None => Answer::new(false, "this golive speaks another language at the door"),
    };
    let yes = answer.yes && leaves;
    let text = serde_json::to_string(&answer).unwrap_or_default() + "\n";
    write.write_all(text.as_bytes()).await.ok();
    if yes {
        // The end of this process is the end of the connection.
        std::future::pending::<()>().await;
    }
}

/// What a living session said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It has left.
    Left,
    /// It stays, for this reason.
    Stays(SafeText),
    /// It said nothing that could be understood: it hangs, is stopped, or is on another machine.
    Silent(SafeText),
}

/// Asks the process that drives `found` to leave, and waits until it has; `tell` hears why that
/// takes a while.
pub async fn ask_to_leave(
    found: &Found,
    driver: SafeText,
    machine: SafeText,
    reason: Option<SafeText>,
    tell: impl Fn(&SafeText),
) -> Answered {
    let asked = Asked { language: LANGUAGE.to_owned(), driver, machine, reason };
    match timeout(ANSWER_WITHIN, speak(found, &asked)).await {
        Err(_) => Answered::Silent(SafeText::new("it does not answer")),
        Ok(Err(error)) => Answered::Silent(SafeText::new(&error.to_string())),
        Ok(Ok((Answer { yes: false, why }, _))) => Answered::Stays(why),
        Ok(Ok((Answer { yes: true, why }, mut stream))) => {
            if !why.as_str().is_empty() {
                tell(&why);
            }
            // What it waits for takes as long as it takes; its end is the connection's.
            stream.read_to_end(&mut Vec::new()).await.ok();
            Answered::Left
        }
    }
}

/// Says `asked` at the door of `found`, and hears the answer.
pub(super) async fn speak(
    found: &Found,
    asked: &impl Serialize,
) -> io::Result<(Answer, BufReader<UnixStream>)> {
    let folder = std::fs::File::open(&found.dir)?;
    let mut stream = UnixStream::connect(short_path(found, &folder)).await?;
    let text = serde_json::to_string(asked)? + "\n";
    stream.write_all(text.as_bytes()).await?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    (&mut stream).take(WORDS_MAX).read_line(&mut line).await?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    Ok((serde_json::from_str(&line)?, stream))
}
