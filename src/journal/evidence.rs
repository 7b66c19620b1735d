//! What the checkpoints of a record prove, and what others who hold some of them prove.
//!
//! A checkpoint says what the first so many bytes of the journal were. Signed, it binds them to a
//! key; held by a witness, it binds them to a time at which nobody here could change it any more.
//! Whoever has the key can write and sign another history: only a witness shows that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::base::{Digest, SafeText, SessionId, Timestamp};

use super::checkpoint::{CHECKPOINT_DIR, Checkpoint, Stored, checkpoint_name, stored};
use super::disk::Disk;
use super::error::JournalError;
use super::read::read_on;
use super::signers::{AllowedSigners, Standing};
use super::sshsig::{Key, signer};
use super::verify::{Finding, What};
use super::wire;

/// A witness's clock may be off by this much before it is called an anomaly.
const ARRIVAL_MILLIS: u64 = 5 * 60 * 1000;

/// What a record is looked at with.
#[derive(Clone, Debug, Default)]
pub struct Scrutiny {
    /// Who may sign, and with which keys; none: nobody is asked.
    pub allowed: Option<AllowedSigners>,
    /// The one among them who has to have signed.
    pub identity: Option<String>,
    /// What others hold.
    pub witnesses: Vec<Witness>,
    /// The time of looking.
    pub now: Timestamp,
}

/// What somebody else holds of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witness {
    /// Who.
    pub by: String,
    /// The checkpoints.
    pub held: Vec<Stored>,
    /// When each came there, by the witness's own clock.
    pub arrived: BTreeMap<u64, Timestamp>,
    /// First digits of heads that somebody noted.
    pub heads: Vec<String>,
}

/// What is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Checkpoints that hold.
    pub checkpoints: u64,
    /// How many of them nobody signed.
    pub unsigned: u64,
    /// Lines that the last one covers.
    pub covered: u64,
    /// Whether the last one covers every byte of the journal.
    pub covers_all: bool,
    /// Lines that a good signature covers.
    pub signed: u64,
    /// Whether a good signature covers every byte of the journal.
    pub signed_all: bool,
    /// Who signed, in the order of their first signature.
    pub signers: Vec<Signer>,
    /// Fingerprints of the keys that the record names as its signers.
    pub announced: Vec<String>,
    /// What the witnesses hold that agrees.
    pub witnesses: Vec<Witnessed>,
    /// Lines that the furthest witness covers.
    pub witnessed: u64,
    /// What is strange about times; no contradiction.
    pub anomalies: Vec<String>,
}

/// A key that signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// `SHA256:…`.
    pub fingerprint: String,
    /// `ssh-ed25519`, …
    pub kind: String,
    /// The key that certified it, if it was made for this session alone.
    pub certified_by: Option<String>,
    /// How many checkpoints it signed.
    pub count: u64,
    /// Lines up to which.
    pub lines: u64,
    /// How it stands with those who are allowed.
    pub standing: Standing,
}

/// A witness that agrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Who.
    pub by: String,
    /// How many checkpoints, or heads.
    pub count: u64,
    /// Lines up to which.
    pub lines: u64,
}

impl Evidence {
    /// Whether all signatures are by people who are allowed; true if nobody was asked.
    pub fn is_vouched(&self) -> bool {
        let good =
            |signer: &Signer| matches!(signer.standing, Standing::NotAsked | Standing::Vouched(_));
        self.signers.iter().all(good)
    }
}

/// The journal at the end of one of its lines.
#[derive(Clone, Copy, Debug)]
struct Point {
    lines: u64,
    digest: Digest,
    seal: Option<Digest>,
    wall: Timestamp,
}

/// The journal's length, and its lines where a checkpoint ends.
#[derive(Debug, Default)]
struct Points {
    bytes: u64,
    lines: u64,
    torn: u64,
    at: BTreeMap<u64, Point>,
    /// The line that each noted head is the seal of.
    heads: BTreeMap<String, u64>,
}

/// Examines the checkpoints of the session in `dir`. `announced` are the keys that the record
/// names as its signers; `session` is whose record it is.
///
/// # Errors
/// What cannot be read at all.
pub(super) fn examine(
    disk: &dyn Disk,
    dir: &Path,
    session: Option<&SessionId>,
    announced: &[Key],
    look: &Scrutiny,
) -> Result<(Evidence, Vec<Finding>), JournalError> {
    let (local, strange) = stored(disk, &dir.join(CHECKPOINT_DIR))?;
    let heads = look.witnesses.iter().flat_map(|witness| witness.heads.iter().cloned()).collect();
    let all = local.iter().chain(look.witnesses.iter().flat_map(|witness| &witness.held));
    let ends = all.filter_map(|stored| Some(Checkpoint::parse(&stored.text).ok()?.bytes)).collect();
    let points = Points::read(disk, dir, &ends, &heads)?;
    let mut examiner = Examiner {
        session,
        look,
        points,
        evidence: Evidence::default(),
        findings: Vec::new(),
        keys: announced.iter().map(|key| (key.clone(), None)).collect(),
        broken: false,
    };
    examiner.evidence.announced = announced.iter().map(Key::fingerprint).collect();
    for name in strange {
        examiner.file(What::FileExtra, format!("{CHECKPOINT_DIR}/{name} is not of this record"));
    }
    examiner.local(&local);
    for witness in &look.witnesses {
        examiner.witness(witness, &local);
    }
    Ok((examiner.evidence, examiner.findings))
}

impl Points {
    fn read(
        disk: &dyn Disk,
        dir: &Path,
        ends: &BTreeSet<u64>,
        heads: &BTreeSet<String>,
    ) -> Result<Self, JournalError> {
        let mut reader = read_on(disk, dir)?;
        let mut points = Self::default();
        let mut hasher = crate::base::Hasher::default();
        loop {
            let line = match reader.next_line() {
                Ok(Some(line)) => line,
                // Not a line that golive wrote: nothing behind it is covered by anything.
                Ok(None) | Err(JournalError::Broken { .. }) => break,
                Err(error) => return Err(error),
            };
            points.lines += 1;
            points.bytes = reader.bytes();
            hasher.update(&line);
            hasher.update(b"\n");
            let ends_here = ends.contains(&points.bytes);
            if !ends_here && heads.is_empty() {
                continue;
            }
            let sealed = wire::decode(&line).ok();
            let seal = sealed.as_ref().map(|sealed| sealed.seal);
            let text = seal.map(|seal| seal.to_string()).unwrap_or_default();
            for head in heads.iter().filter(|head| text.starts_with(head.as_str())) {
                points.heads.insert(head.clone(), points.lines);
            }
            if ends_here {
                let wall = sealed.map_or_else(Timestamp::default, |sealed| sealed.entry.wall);
                let point = Point { lines: points.lines, digest: hasher.digest(), seal, wall };
                points.at.insert(points.bytes, point);
            }
        }
        points.torn = u64::try_from(reader.partial().len()).unwrap_or(u64::MAX);
        Ok(points)
    }

    /// Why the journal is not what `checkpoint` says; `good` lines are known to be. Else the line.
    fn against(&self, checkpoint: &Checkpoint, good: u64) -> Result<Point, (What, u64, String)> {
        let Checkpoint { lines, bytes, digest, head, .. } = checkpoint;
        if *bytes > self.bytes {
            let text = format!(
                "it covers {lines} lines, {bytes} bytes, and the journal has {} lines, {} bytes: \
                 its end was cut",
                self.lines, self.bytes
            );
            return Err((What::Cut, self.lines + 1, text));
        }
        match self.at.get(bytes) {
            Some(point) if (point.digest, point.lines) != (*digest, *lines) => {}
            Some(point) if point.seal == Some(*head) => return Ok(*point),
            Some(_) | None => {}
        }
        let text = format!("lines {} to {lines} are not those that it covers", good + 1);
        Err((What::Changed, good + 1, text))
    }
}

struct Examiner<'a> {
    session: Option<&'a SessionId>,
    look: &'a Scrutiny,
    points: Points,
    evidence: Evidence,
    findings: Vec<Finding>,
    /// Keys that may sign, and who certified each.
    keys: Vec<(Key, Option<Key>)>,
    /// A checkpoint does not fit the journal; later ones would only say so again.
    broken: bool,
}

impl Examiner<'_> {
    fn file(&mut self, what: What, text: String) {
        self.findings.push(Finding { line: None, what, text });
    }

    fn local(&mut self, local: &[Stored]) {
        let (mut next, mut prev, mut good) = (1, None, 0);
        for stored in local {
            let name = format!("{CHECKPOINT_DIR}/{}", checkpoint_name(stored.number));
            if stored.number != next {
                let gone = checkpoint_name(next);
                self.file(What::FileMissing, format!("{CHECKPOINT_DIR}/{gone} is gone"));
                prev = None;
            }
            let follows_known = stored.number == next && next > 1;
            next = stored.number + 1;
            let checkpoint = match Checkpoint::parse(&stored.text) {
                Ok(checkpoint) => checkpoint,
                Err(why) => {
                    self.file(What::Checkpoint, format!("{name} was changed: {why}"));
                    continue;
                }
            };
            if self.session.is_some_and(|session| *session != checkpoint.session) {
                let text = format!("{name} is of session {}", checkpoint.session);
                self.file(What::Checkpoint, text);
                continue;
            }
            if (follows_known && checkpoint.prev != prev)
                || (stored.number == 1 && checkpoint.prev.is_some())
            {
                let text = format!("{name} does not follow the one before it: one was changed");
                self.file(What::Checkpoint, text);
            }
            prev = Some(Digest::of(stored.text.as_bytes()));
            let signature = stored.signature.as_deref();
            let signed = signature.map(|armour| self.signature(&name, armour, stored, &checkpoint));
            if self.broken {
                continue;
            }
            match self.points.against(&checkpoint, good) {
                Ok(point) => {
                    good = point.lines;
                    self.covers(&point, &checkpoint, signed.flatten());
                }
                Err((what, line, text)) => {
                    self.broken = true;
                    let text = format!("{text}: {name}");
                    self.findings.push(Finding { line: Some(line), what, text });
                }
            }
        }
    }

    /// The key that signed, if it may.
    fn signature(
        &mut self,
        name: &str,
        armour: &str,
        stored: &Stored,
        checkpoint: &Checkpoint,
    ) -> Option<Key> {
        let key = match signer(armour, &stored.text) {
            Ok(key) => key,
            Err(why) => {
                let text = format!("{name}: its signature does not hold: {why}");
                self.file(What::Signature, text);
                return None;
            }
        };
        let Some((_, certified_by)) = self.keys.iter().find(|(known, _)| known.is(&key)) else {
            let text = format!(
                "{name} is signed by {key}, which the record does not name as its signer: it was \
                 signed anew, or the record was"
            );
            self.file(What::Signature, text);
            return None;
        };
        // A key of the session vouches for no other.
        let own = certified_by.is_none();
        let new = checkpoint.key.as_deref().and_then(Key::parse).filter(|_| own);
        if let Some(new) = new.filter(|new| !self.keys.iter().any(|(known, _)| known.is(new))) {
            self.keys.push((new, Some(key.clone())));
        }
        Some(key)
    }

    fn covers(&mut self, point: &Point, checkpoint: &Checkpoint, signed: Option<Key>) {
        let all = checkpoint.bytes == self.points.bytes && self.points.torn == 0;
        self.evidence.checkpoints += 1;
        self.evidence.covered = point.lines;
        self.evidence.covers_all = all;
        let Some(key) = signed else {
            self.evidence.unsigned += 1;
            return;
        };
        self.evidence.signed = point.lines;
        self.evidence.signed_all = all;
        let standing = self.standing(&key, point.wall);
        let fingerprint = key.fingerprint();
        if standing == Standing::Stranger {
            let text = format!(
                "checkpoint of line {} is signed by {fingerprint}, which was nobody's key of those \
                 who are allowed then",
                point.lines
            );
            self.file(What::Signature, text);
        }
        let certified_by = self.keys.iter().find(|(known, _)| known.is(&key));
        let certified_by = certified_by.and_then(|(_, by)| Some(by.as_ref()?.fingerprint()));
        let known = self.evidence.signers.iter_mut();
        match known.into_iter().find(|signer| signer.fingerprint == fingerprint) {
            Some(signer) => {
                signer.count += 1;
                signer.lines = point.lines;
                signer.standing = standing;
            }
            None => self.evidence.signers.push(Signer {
                kind: key.kind(),
                certified_by,
                count: 1,
                lines: point.lines,
                standing,
                fingerprint,
            }),
        }
    }

    /// How a key stands; one of the session stands as the one that certified it.
    fn standing(&self, key: &Key, then: Timestamp) -> Standing {
        let Some(allowed) = &self.look.allowed else { return Standing::NotAsked };
        let certified = self.keys.iter().find(|(known, _)| known.is(key));
        let own = certified.and_then(|(_, by)| by.as_ref()).unwrap_or(key);
        allowed.standing(own, then, self.look.now, self.look.identity.as_deref())
    }

    fn witness(&mut self, witness: &Witness, local: &[Stored]) {
        let by = SafeText::new(&witness.by);
        let mut agreed = Witnessed { by: by.to_string(), count: 0, lines: 0 };
        for stored in &witness.held {
            let number = stored.number;
            let Ok(checkpoint) = Checkpoint::parse(&stored.text) else {
                self.file(
                    What::Witness,
                    format!("{by} holds something else as checkpoint {number}"),
                );
                continue;
            };
            if self.session.is_some_and(|session| *session != checkpoint.session) {
                let text = format!("{by} holds a checkpoint of session {}", checkpoint.session);
                self.file(What::Witness, text);
                continue;
            }
            let here = local.iter().find(|own| match number {
                0 => own.text == stored.text,
                number => own.number == number,
            });
            if here.is_none_or(|own| own.text != stored.text) {
                let fate = if here.is_none() { "is gone from" } else { "is another one in" };
                let text = format!(
                    "the checkpoint of line {}, which {by} holds, {fate} this record",
                    checkpoint.lines
                );
                self.file(What::Witness, text);
            }
            match self.points.against(&checkpoint, agreed.lines) {
                Ok(point) => {
                    agreed.count += 1;
                    agreed.lines = agreed.lines.max(point.lines);
                    self.arrival(&by, number, &point, witness.arrived.get(&number));
                }
                Err((_, line, text)) => {
                    let text = format!("{text}: a checkpoint that {by} holds");
                    self.findings.push(Finding { line: Some(line), what: What::Witness, text });
                    break;
                }
            }
        }
        for head in &witness.heads {
            if let Some(line) = self.points.heads.get(head) {
                agreed.count += 1;
                agreed.lines = agreed.lines.max(*line);
            } else {
                let text = format!("no line has the head {}, noted by {by}", SafeText::new(head));
                self.file(What::Witness, text);
            }
        }
        self.evidence.witnessed = self.evidence.witnessed.max(agreed.lines);
        if agreed.count > 0 {
            self.evidence.witnesses.push(agreed);
        }
    }

    /// A line cannot have been written after its checkpoint arrived elsewhere; nor, as they are
    /// sent at once, long before.
    fn arrival(&mut self, by: &SafeText, number: u64, point: &Point, arrived: Option<&Timestamp>) {
        let Some(arrived) = arrived else { return };
        let (wall, came) = (point.wall.as_unix_millis(), arrived.as_unix_millis());
        if wall.abs_diff(came) > ARRIVAL_MILLIS {
            self.evidence.anomalies.push(format!(
                "line {} says {}, and its checkpoint {number} came to {by} at {}, by that clock",
                point.lines,
                point.wall.rfc3339(),
                arrived.rfc3339()
            ));
        }
    }
}
