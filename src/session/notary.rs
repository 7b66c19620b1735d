//! The notary: checkpoints of the journal, signed with the operator's key, on a thread of its own.
//!
//! # Invariants
//!
//! - The session never waits for it: it is told where the journal stands, and nothing else.
//! - A checkpoint covers only lines that are on disk, and is on disk before it is signed.
//! - A signature that cannot be made is no error: it is said, and tried again.
//! - The operator's key is asked for as few signatures as can be where each one takes a person.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::base::{Digest, Hasher, SafeText, SessionId};
use crate::engine::{Confirmed, Event, Fact};
use crate::exec::ssh::SigningKey;
use crate::journal::{
    CHECKPOINT_DIR, Checkpoint, Checkpoints, Cursor, Disk, JOURNAL_FILE, Journal, JournalError,
    NAMESPACE, stored,
};
use crate::runbook::Class;

use super::dispatcher::Start;
use super::store::Found;
use super::witness::{Witnesses, parcel};

/// A line is covered by a checkpoint at most this long after it was written.
const AFTER_A_LINE: Duration = Duration::from_mins(1);
/// The first signature may need a touch, or a passphrase in the agent's own window.
const FIRST_MAX: Duration = Duration::from_mins(1);
/// Every other one.
const SIGN_MAX: Duration = Duration::from_secs(10);
/// A signature that took longer had a person behind it, who is not to be asked again.
const BY_A_PERSON: Duration = Duration::from_secs(2);
/// What follows the reason why a checkpoint is not signed, while the session goes on.
const AGAIN: &str = "; tried again within a minute";
/// Witnesses may take so long when the session is left.
const WITNESS_MAX: Duration = Duration::from_secs(3);

/// Who signs the record of a session.
#[derive(Clone, Debug, Default)]
pub struct Notary {
    /// The operator's key; none: the checkpoints are not signed.
    pub key: Option<SigningKey>,
    /// Why there is no key, for people.
    pub unsigned: Option<SafeText>,
    /// Ask that key once; a key of the session, which it certifies, signs the rest.
    pub once: bool,
}

/// How far the record is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// The fingerprint of the operator's key; none: the record is not signed.
    pub key: Option<SafeText>,
    /// Why there is none.
    pub unsigned: Option<SafeText>,
    /// A key of the session signs, which the operator's has certified.
    pub by_own: bool,
    /// The operator's key waits for a person's touch at this moment.
    pub touch: bool,
    /// Lines that the last checkpoint covers.
    pub covered: u64,
    /// Lines that a signature covers.
    pub signed: u64,
    /// Hosts that hold every checkpoint.
    pub witnesses: usize,
    /// Why the last checkpoint is not written or not signed.
    pub trouble: Option<SafeText>,
}

impl Signing {
    /// What is to be said when the session is left: why the record is not signed to its end.
    pub fn last_word(&self) -> Option<&str> {
        let trouble = self.trouble.as_ref()?.as_str();
        Some(trouble.strip_suffix(AGAIN).unwrap_or(trouble))
    }

    /// Whether all that a checkpoint covers is signed, or nobody is to sign it.
    pub const fn is_up_to_date(&self) -> bool {
        self.covered > 0 && (self.key.is_none() || self.signed >= self.covered)
    }
}

/// Where the journal stands.
#[derive(Clone, Debug)]
struct Mark {
    /// The file, and how often it was written anew: what was opened before is not the record.
    file: (PathBuf, u64),
    lines: u64,
    bytes: u64,
    head: Digest,
    /// Whether what was written calls for a checkpoint at once.
    now: bool,
}

#[derive(Debug)]
enum Message {
    Stands(Mark),
    Settle(oneshot::Sender<()>),
}

/// Whether facts call for a checkpoint at once: beginnings, ends, decisions.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others wait for a minute")]
fn calls_for_one(facts: &[Fact]) -> bool {
    facts.iter().any(|fact| match &fact.event {
        Event::SessionOpened(_)
        | Event::Resumed { .. }
        | Event::DriverLeft { .. }
        | Event::GateDecided { .. }
        | Event::RollbackBegan { .. }
        | Event::RollbackEnded { .. }
        | Event::Completed
        | Event::Abandoned { .. }
        | Event::Closed => true,
        Event::AttemptStarted { confirmed, .. } => {
            matches!(confirmed, Confirmed::ByPerson { class: Class::Critical, .. })
        }
        _ => false,
    })
}

/// The way to the notary. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    messages: Sender<Message>,
    state: Arc<Mutex<Signing>>,
}

impl Desk {
    /// How far the record is signed.
    pub(super) fn signing(&self) -> Signing {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Comes back when all that was written is covered, signed and with its witnesses, as far as
    /// that can be.
    pub(super) async fn settle(&self) {
        let (tell, told) = oneshot::channel();
        if self.messages.send(Message::Settle(tell)).is_ok() {
            told.await.ok();
        }
    }
}

/// All that a session has to do with its notary; nothing, where it has none.
#[derive(Debug, Default)]
pub(super) struct Office {
    desk: Option<Desk>,
    clerk: Option<JoinHandle<()>>,
    shown: Signing,
}

impl Office {
    /// The office of a session that starts.
    ///
    /// # Errors
    /// The disk or the system refused.
    pub(super) fn open(
        start: &Start,
        disk: &Arc<dyn Disk>,
        found: &Found,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Self, JournalError> {
        let Some(notary) = start.notary.clone() else { return Ok(Self::default()) };
        let (session, hosts) = (found.id.clone(), start.plan.hosts.keys().cloned());
        let witnesses = Witnesses::new(session, start.pool.clone(), runtime.clone(), hosts);
        let (desk, clerk) = open(notary, disk, found, witnesses)?;
        Ok(Self { shown: desk.signing(), desk: Some(desk), clerk: Some(clerk) })
    }

    pub(super) fn desk(&self) -> Option<Desk> {
        self.desk.clone()
    }

    /// How far the record was signed when last asked for news.
    pub(super) const fn signing(&self) -> &Signing {
        &self.shown
    }

    /// The journal stands here now, after these facts, and the disk has it.
    pub(super) fn stands(&self, journal: &Journal, facts: &[Fact]) {
        if let Some(desk) = &self.desk {
            let (head, bytes, now) = (journal.head(), journal.bytes(), calls_for_one(facts));
            let file = (journal.path().to_owned(), journal.times_anew());
            let mark = Mark { file, lines: head.seq, bytes, head: head.seal, now };
            desk.messages.send(Message::Stands(mark)).ok();
        }
    }

    /// Looks how far the record is signed now; whether that is news.
    pub(super) fn look(&mut self) -> bool {
        let Some(signing) = self.desk.as_ref().map(Desk::signing) else { return false };
        if signing == self.shown {
            return false;
        }
        self.shown = signing;
        true
    }

    /// Lets the notary finish. All other ways to its desk have to be gone.
    pub(super) fn close(&mut self) {
        self.desk = None;
        if let Some(clerk) = self.clerk.take() {
            clerk.join().ok();
        }
    }
}

/// Opens the notary's desk for the session in `dir`.
fn open(
    notary: Notary,
    disk: &Arc<dyn Disk>,
    found: &Found,
    mut witnesses: Witnesses,
) -> Result<(Desk, JoinHandle<()>), JournalError> {
    let path = found.path(JOURNAL_FILE);
    let failed = |doing, source| JournalError::Io { doing, path: path.clone(), source };
    let checkpoints = Checkpoints::open(disk, &found.dir)?;
    // Witnesses that were not there before take all that was.
    let (before, _) = stored(&**disk, &found.path(CHECKPOINT_DIR))?;
    for old in before {
        if let Ok(checkpoint) = Checkpoint::parse(&old.text) {
            let line = checkpoint.line(old.number);
            witnesses.add(parcel(old.number, &old.text, old.signature.as_deref(), &line));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| failed("sign", source))?;
    let key = notary.key.as_ref().map(|key| SafeText::new(&key.fingerprint()));
    let unsigned = notary.unsigned.clone();
    let state = Arc::new(Mutex::new(Signing { key, unsigned, ..Signing::default() }));
    let (messages, inbox) = mpsc::channel();
    let clerk = Clerk {
        session: found.id.clone(),
        own: notary.key.as_ref().and_then(|_| SigningKey::generate().ok()),
        notary,
        disk: Arc::clone(disk),
        journal: None,
        hasher: Hasher::default(),
        hashed: 0,
        checkpoints,
        is_certified: false,
        by_own: false,
        unsigned: None,
        witnesses,
        runtime,
        state: Arc::clone(&state),
    };
    let thread = std::thread::Builder::new().name("notary".to_owned());
    let thread =
        thread.spawn(move || clerk.work(&inbox)).map_err(|source| failed("sign", source))?;
    Ok((Desk { messages, state }, thread))
}

/// A checkpoint on disk that waits for its signature.
#[derive(Debug)]
struct Unsigned {
    number: u64,
    checkpoint: Checkpoint,
}

struct Clerk {
    session: SessionId,
    notary: Notary,
    disk: Arc<dyn Disk>,
    /// The record, and which file it is.
    journal: Option<((PathBuf, u64), Cursor)>,
    hasher: Hasher,
    hashed: u64,
    checkpoints: Checkpoints,
    /// The key of this session.
    own: Option<SigningKey>,
    /// The operator's key has signed a checkpoint that names the session's.
    is_certified: bool,
    /// The session's key signs from here on.
    by_own: bool,
    unsigned: Option<Unsigned>,
    witnesses: Witnesses,
    runtime: tokio::runtime::Runtime,
    state: Arc<Mutex<Signing>>,
}

impl Clerk {
    fn work(mut self, inbox: &Receiver<Message>) {
        let (mut stands, mut due) = (None, None::<Instant>);
        loop {
            let wait = due.map(|due| due.saturating_duration_since(Instant::now()));
            let first = match wait {
                Some(wait) => inbox.recv_timeout(wait),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            let (mut now, mut settle) = (first.is_err(), Vec::new());
            let gone = first.as_ref().err() == Some(&RecvTimeoutError::Disconnected);
            // What came meanwhile shares a checkpoint.
            for message in first.into_iter().chain(inbox.try_iter()) {
                match message {
                    Message::Stands(mark) => {
                        now |= mark.now;
                        stands = Some(mark);
                    }
                    Message::Settle(tell) => settle.push(tell),
                }
            }
            if now || !settle.is_empty() {
                let done = stands.take().is_none_or(|mark| self.checkpoint(&mark));
                self.sign();
                self.witnesses.send();
                due = (!done || self.unsigned.is_some()).then(|| Instant::now() + AFTER_A_LINE);
            } else if stands.is_some() {
                due = due.or_else(|| Some(Instant::now() + AFTER_A_LINE));
            }
            if gone || !settle.is_empty() {
                self.wait_for_witnesses();
            }
            for tell in settle {
                tell.send(()).ok();
            }
            if gone {
                return;
            }
        }
    }

    fn say(&self, say: impl FnOnce(&mut Signing)) {
        say(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Writes a checkpoint of the first lines down.
    fn checkpoint(&mut self, mark: &Mark) -> bool {
        if let Err(error) = self.hash_to(mark) {
            let why = format!("no checkpoint: the journal cannot be read back: {error}");
            self.say(|it| it.trouble = Some(SafeText::new(&why)));
            return false;
        }
        let certify = self.notary.key.is_some() && !self.is_certified;
        let checkpoint = Checkpoint {
            session: self.session.clone(),
            lines: mark.lines,
            bytes: mark.bytes,
            digest: self.hasher.digest(),
            head: mark.head,
            prev: self.checkpoints.prev(),
            key: self.own.as_ref().filter(|_| certify).map(SigningKey::public_line),
        };
        let number = match self.checkpoints.add(&checkpoint) {
            Ok(number) => number,
            Err(error) => {
                let why = format!("no checkpoint: {error}");
                self.say(|it| it.trouble = Some(SafeText::new(&why)));
                return false;
            }
        };
        self.say(|it| it.covered = mark.lines);
        // An older one that waits still is covered by this one, and goes to its witnesses as it is.
        if let Some(older) = self.unsigned.take() {
            self.hand_over(&older, None);
        }
        self.unsigned = Some(Unsigned { number, checkpoint });
        if self.notary.key.is_none()
            && let Some(unsigned) = self.unsigned.take()
        {
            self.hand_over(&unsigned, None);
            self.say(|it| it.trouble = None);
        }
        true
    }

    fn hash_to(&mut self, mark: &Mark) -> io::Result<()> {
        let open = self.journal.take().filter(|(file, _)| *file == mark.file);
        let mut journal = if let Some((_, journal)) = open {
            journal
        } else {
            let mut journal = Cursor::open(&*self.disk, &mark.file.0)?;
            // The bytes are the same in every file of the record.
            journal.seek(SeekFrom::Start(self.hashed))?;
            journal
        };
        let mut buffer = vec![0; 1 << 16];
        while self.hashed < mark.bytes {
            let left = usize::try_from(mark.bytes - self.hashed).unwrap_or(usize::MAX);
            let room = left.min(buffer.len());
            let piece = buffer.get_mut(..room).unwrap_or_default();
            let count = match journal.read(piece) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            self.hasher.update(piece.get(..count).unwrap_or_default());
            self.hashed += u64::try_from(count).unwrap_or(0);
        }
        self.journal = Some((mark.file.clone(), journal));
        Ok(())
    }

    /// Signs the checkpoint that waits, if one does.
    fn sign(&mut self) {
        let Some(unsigned) = self.unsigned.take() else { return };
        let signed = self.signature(&unsigned.checkpoint);
        let written = signed.and_then(|armour| {
            let written = self.checkpoints.sign(unsigned.number, &armour);
            written.map(|()| armour).map_err(|error| error.to_string())
        });
        match written {
            Ok(armour) => {
                self.hand_over(&unsigned, Some(&armour));
                self.say(|it| {
                    it.signed = unsigned.checkpoint.lines;
                    it.by_own = self.by_own;
                    it.trouble = None;
                });
            }
            Err(why) => {
                tracing::warn!(%why, number = unsigned.number, "a checkpoint is not signed");
                self.say(|it| {
                    let upto = match it.signed {
                        0 => "the record is not signed".to_owned(),
                        upto => format!("the record is signed up to #{upto} only"),
                    };
                    let why = format!("{upto}: {why}{AGAIN}");
                    it.trouble = Some(SafeText::new(&why));
                });
                self.unsigned = Some(unsigned);
            }
        }
    }

    fn signature(&mut self, checkpoint: &Checkpoint) -> Result<String, String> {
        let text = checkpoint.text();
        let message = text.as_bytes();
        let Some(key) = &self.notary.key else { return Err("there is no key".to_owned()) };
        let own = self.own.as_ref().filter(|_| self.is_certified);
        if let Some(own) = own.filter(|_| self.by_own) {
            return self.runtime.block_on(own.sign(NAMESPACE, message));
        }
        let limit = if self.is_certified { SIGN_MAX } else { FIRST_MAX };
        let began = Instant::now();
        self.say(|it| it.touch = key.needs_touch());
        let signed =
            self.runtime.block_on(async { timeout(limit, key.sign(NAMESPACE, message)).await });
        self.say(|it| it.touch = false);
        let signed = signed.unwrap_or_else(|_| Err("its key did not answer in time".to_owned()));
        let by_a_person = self.notary.once || key.needs_touch() || began.elapsed() > BY_A_PERSON;
        match (signed, own) {
            (Ok(armour), _) => {
                self.is_certified |= checkpoint.key.is_some();
                self.by_own = self.is_certified && by_a_person;
                Ok(armour)
            }
            (Err(why), Some(own)) => {
                tracing::warn!(%why, "the session's own key signs from here on");
                let signed = self.runtime.block_on(own.sign(NAMESPACE, message));
                self.by_own = true;
                signed
            }
            (Err(why), None) => Err(why),
        }
    }

    fn hand_over(&mut self, done: &Unsigned, signature: Option<&str>) {
        let (number, checkpoint) = (done.number, &done.checkpoint);
        let line = checkpoint.line(number);
        self.witnesses.add(parcel(number, &checkpoint.text(), signature, &line));
    }

    fn wait_for_witnesses(&self) {
        self.witnesses.settle(Instant::now() + WITNESS_MAX);
        self.say(|it| it.witnesses = self.witnesses.holders());
    }
}
