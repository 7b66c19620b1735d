//! Whether a record is as it was written, and if not, where not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;

use crate::base::{Digest, Millis, SafeText, SecretName, SessionId, Timestamp};
use crate::engine::{Event, Genesis, Job, Place, ShellOpened, Transcript};

use super::away::output_dirs_on;
use super::chain::{Chain, Link};
use super::disk::{Disk, RealDisk};
use super::entry::Entry;
use super::error::JournalError;
use super::evidence::{Evidence, Scrutiny, examine};
use super::file::read_head;
use super::output::digest_file_on;
use super::read::read_on;
use super::sshsig::Key;
use super::voice::{SignedWord, Words};
use super::wire::{self, Fault, Sealed};
use super::{HEAD_FILE, OUTPUT_DIR, PINNED_DIR};

/// Clocks that move by more than this against each other have jumped.
const JUMP_MILLIS: u128 = 500;

/// What was found about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Nothing contradicts it; an unfinished line that a crash left does not.
    pub intact: bool,
    /// Whose record it is; none if no line says so.
    pub session: Option<SessionId>,
    /// Lines in the journal.
    pub lines: u64,
    /// The last fact is that the session was closed: nothing is to come.
    pub sealed: bool,
    /// The first 16 digits of the last line's seal, for comparing with a note of it elsewhere.
    pub head: String,
    /// Transcripts that are as the journal says.
    pub transcripts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How often the value of which secret was taken out of them before they were written.
    pub redacted: BTreeMap<SecretName, u64>,
    /// Transcripts whose end the journal does not have: those of jobs in flight, or in doubt.
    pub unproven: Vec<String>,
    /// Files that the disk did not give back, and why: neither confirmed nor contradicted.
    pub unreadable: Vec<String>,
    /// What the checkpoints prove.
    pub evidence: Evidence,
    /// What people signed at another terminal, and whose signature holds.
    pub voices: Vec<SignedWord>,
    /// The shells that people opened on hosts, outside the runbook, and how each ended.
    pub shells: Vec<String>,
    /// Where the wall clock moved against the boot-time clock; no contradiction.
    pub jumps: Vec<String>,
    /// Where nothing had been recorded for a while, and what was kept was written late; no
    /// contradiction.
    pub gaps: Vec<String>,
    /// Everything that is wrong, in the order of the journal, then of the file names.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line of the journal, from 1; for a cut line the number that it had.
    pub line: Option<u64>,
    /// What kind.
    pub what: What,
    /// What, where, and what it means.
    pub text: String,
}

/// The kinds of things that can be wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A line is not as it was written.
    Changed,
    /// A line is gone.
    Cut,
    /// A line was put there.
    Inserted,
    /// A line stands in another place.
    Moved,
    /// A crash left an unfinished line. No contradiction.
    Torn,
    /// Sealed, and of a kind that another golive writes: neither confirmed nor contradicted.
    Foreign,
    /// Sealed, and nothing that any golive writes.
    NotUnderstood,
    /// The first line does not open a session, or another one does.
    NotOpened,
    /// It is the record of another session.
    WrongSession,
    /// Something follows the end of the session.
    AfterEnd,
    /// The note of the journal's end is gone or changed.
    Head,
    /// A checkpoint is not as it was written.
    Checkpoint,
    /// A signature does not hold, or is by somebody else.
    Signature,
    /// Somebody else holds a checkpoint or a head that says otherwise.
    Witness,
    /// A file beside the journal is not as recorded.
    FileChanged,
    /// A file beside the journal is gone.
    FileMissing,
    /// A file beside the journal is not of this record.
    FileExtra,
}

impl Finding {
    pub(super) const fn at(line: u64, what: What, text: String) -> Self {
        Self { line: Some(line), what, text }
    }

    const fn file(what: What, text: String) -> Self {
        Self { line: None, what, text }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Verdict {
    /// Whether nothing is to come, and the last checkpoint covers every byte.
    pub const fn is_sealed(&self) -> bool {
        self.sealed && self.evidence.covers_all
    }

    /// Whether a good signature covers every byte, and none is by somebody who may not.
    pub fn is_signed(&self) -> bool {
        self.evidence.signed_all && self.evidence.is_vouched()
    }

    /// Whether another golive wrote it, and nothing contradicts what this one understands of it.
    pub fn is_foreign(&self) -> bool {
        let kind = |finding: &Finding| finding.what;
        self.findings.iter().map(kind).any(|what| what == What::Foreign)
            && self.findings.iter().map(kind).all(|w| matches!(w, What::Foreign | What::Torn))
    }
}

impl fmt::Display for Verdict {
    /// One line: what is proven, and what not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.findings.len();
        let chain = match (self.intact, self.is_foreign()) {
            (true, _) => "intact",
            (false, true) => "NOT UNDERSTOOD",
            (false, false) => "CONTRADICTED",
        };
        let end = if self.sealed { "closed" } else { "not closed" };
        write!(f, "{chain}: {} lines, {end}, head {}", self.lines, self.head)?;
        write!(f, "; {} outputs, {} bytes as recorded", self.transcripts, self.bytes)?;
        if !self.unreadable.is_empty() {
            write!(f, "; {} files CANNOT BE READ", self.unreadable.len())?;
        }
        if !self.unproven.is_empty() {
            write!(f, "; {} outputs without a recorded end", self.unproven.len())?;
        }
        if count > 0 {
            write!(f, "; {count} findings")?;
        }
        let evidence = &self.evidence;
        if evidence.signers.is_empty() {
            return f.write_str("; not signed");
        }
        write!(f, "; signed up to line {} by", evidence.signed)?;
        let own = evidence.signers.iter().filter(|signer| signer.certified_by.is_none());
        own.enumerate().try_for_each(|(at, signer)| {
            write!(f, "{} {}", if at == 0 { "" } else { "," }, signer.fingerprint)
        })
    }
}

/// What the lines say, put together.
#[derive(Debug, Default)]
struct Told {
    session: Option<SessionId>,
    started: BTreeSet<String>,
    ended: BTreeMap<String, Option<Transcript>>,
    /// The shells by their numbers: where each was opened, and how it ended, in words.
    shells: BTreeMap<u32, (ShellOpened, String)>,
    closed: Option<u64>,
    signers: Vec<Key>,
    words: Words,
    clock: Option<(u64, Timestamp, Millis, String)>,
    jumps: Vec<String>,
    /// The line since which nothing was recorded at the time, and when that was.
    gap: Option<(u64, Timestamp)>,
    gaps: Vec<String>,
    findings: Vec<Finding>,
}

/// Reads the whole record of the session in `dir` and names everything that is wrong with it.
/// With `expected` given, the record of another session is wrong too.
///
/// Only what cannot be read at all is an error.
pub fn verify(dir: &Path, expected: Option<&SessionId>) -> Result<Verdict, JournalError> {
    verify_on(&RealDisk, dir, expected)
}

/// The same on any disk.
pub fn verify_on(
    disk: &dyn Disk,
    dir: &Path,
    expected: Option<&SessionId>,
) -> Result<Verdict, JournalError> {
    verify_with(disk, dir, expected, &Scrutiny::default())
}

/// The same, with what is known of it elsewhere.
pub fn verify_with(
    disk: &dyn Disk,
    dir: &Path,
    expected: Option<&SessionId>,
    look: &Scrutiny,
) -> Result<Verdict, JournalError> {
    let mut told = Told::default();
    let (lines, torn) = told.read(disk, dir)?;
    let head = match read_head(disk, &super::fallback::place_of(disk, dir)?) {
        Ok(head) => Some(head),
        Err(error @ JournalError::Broken { .. }) => {
            told.findings.push(Finding::file(What::Head, error.to_string()));
            None
        }
        Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let text =
                format!("{HEAD_FILE} is gone: whether the journal's end was cut cannot be told");
            told.findings.push(Finding::file(What::Head, text));
            None
        }
        Err(error) => return Err(error),
    };
    if let Some((first, since)) = told.gap {
        told.gaps.push(format!(
            "from line {first} on (since {}) nothing was recorded at the time, and no line says \
             that it was written late: it was put there by hand",
            since.rfc3339()
        ));
    }
    let genesis = told.session.as_ref().map(wire::genesis);
    let mut findings = Chain { lines: &lines, torn, head, genesis }.examine();
    findings.append(&mut told.findings);
    let (evidence, mut more) = examine(disk, dir, told.session.as_ref(), &told.signers, look)?;
    findings.append(&mut more);
    if let (Some(expected), Some(found)) = (expected, &told.session)
        && expected != found
    {
        let text = format!("it is the record of session {found}, not of {expected}");
        findings.push(Finding::at(1, What::WrongSession, text));
    }
    if lines.is_empty() && head.is_none_or(|head| head.seq == 0) {
        let text = "the journal has no line: the session was never opened".to_owned();
        findings.push(Finding::file(What::NotOpened, text));
    }
    findings.sort_by_key(|finding| finding.line.unwrap_or(u64::MAX));
    let last = lines.iter().rev().find_map(|line| line.as_ref().ok());
    let mut verdict = Verdict {
        intact: true,
        lines: u64::try_from(lines.len()).unwrap_or(u64::MAX),
        sealed: told.closed.is_some_and(|seq| last.is_some_and(|last| last.seq == seq)),
        head: last.map_or_else(String::new, |last| last.seal.short()),
        transcripts: 0,
        bytes: 0,
        redacted: BTreeMap::new(),
        unproven: Vec::new(),
        unreadable: Vec::new(),
        evidence,
        voices: told.words.good,
        shells: told.shells.into_values().map(|(opened, how)| shell_words(&opened, &how)).collect(),
        jumps: told.jumps,
        gaps: told.gaps,
        findings,
        session: told.session,
    };
    verdict.check_outputs(disk, dir, &told.started, &told.ended)?;
    verdict.intact = verdict.findings.iter().all(|finding| finding.what == What::Torn);
    Ok(verdict)
}

impl Told {
    fn read(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
    ) -> Result<(Vec<Result<Link, Fault>>, usize), JournalError> {
        let mut reader = read_on(disk, dir)?;
        let mut lines = Vec::new();
        loop {
            let line = match reader.next_line() {
                Ok(Some(line)) => line,
                Ok(None) => return Ok((lines, reader.partial().len())),
                // Not a line that golive wrote; what follows it cannot be told apart.
                Err(JournalError::Broken { .. }) => {
                    lines.push(Err(Fault::TooLong));
                    return Ok((lines, 0));
                }
                Err(error) => return Err(error),
            };
            let at = u64::try_from(lines.len()).unwrap_or(u64::MAX).saturating_add(1);
            lines.push(wire::decode(&line).map(|sealed| {
                self.take(at, &sealed);
                let Sealed { entry, prev, seal, digest } = sealed;
                Link { seq: entry.seq, prev, seal, digest }
            }));
        }
    }

    /// Notes where the wall clock and the boot-time clock do not agree on how long it took.
    fn clocks(&mut self, entry: &Entry) {
        let Entry { seq, wall, mono, boot, .. } = entry;
        if let Some((before, was, since, same)) = &self.clock
            && same == boot
        {
            let moved = |from: u64, to: u64| i128::from(to) - i128::from(from);
            let by = moved(was.as_unix_millis(), wall.as_unix_millis())
                - moved(since.as_millis(), mono.as_millis());
            if by.unsigned_abs() > JUMP_MILLIS {
                self.jumps.push(format!(
                    "between lines {before} and {seq} the wall clock moved by {by} ms more than \
                     the boot-time clock"
                ));
            }
        }
        self.clock = Some((*seq, *wall, *mono, boot.clone()));
    }

    /// Notes where lines were kept in memory and written late.
    fn note_gap(&mut self, entry: &Entry) {
        for fact in &entry.facts {
            if matches!(fact.event, Event::RecordingLost { .. }) {
                self.gap.get_or_insert((entry.seq, entry.at));
            } else if let Event::RecordedLate { facts, reason, .. } = &fact.event
                && let Some((first, since)) = self.gap.take()
            {
                let so = reason.as_ref().map_or_else(
                    || "nobody overrode that".to_owned(),
                    |why| format!("overridden: {why}"),
                );
                self.gaps.push(format!(
                    "lines {first} to {} ({facts} facts, from {}) were not recorded at the time, \
                     and written late at {}; {so}",
                    entry.seq.saturating_sub(1),
                    since.rfc3339(),
                    entry.at.rfc3339()
                ));
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only these name a key")]
    fn take(&mut self, at: u64, sealed: &Sealed) {
        let seq = sealed.entry.seq;
        let mut add = |what, text: &str| self.findings.push(Finding::at(at, what, text.to_owned()));
        match (wire::session_of(&sealed.entry), &self.session) {
            (Some(session), None) => self.session = Some(session.clone()),
            (Some(session), Some(first)) if session != first => {
                add(What::WrongSession, "it opens another session");
            }
            (None, _) if seq == 1 => add(What::NotOpened, "it does not open a session"),
            (Some(_), Some(_)) | (None, _) => {}
        }
        if self.closed.is_some_and(|closed| seq > closed) {
            add(What::AfterEnd, "it follows the end of the session");
        }
        self.clocks(&sealed.entry);
        self.note_gap(&sealed.entry);
        for fact in &sealed.entry.facts {
            if let Some(wrong) = self.words.take(at, sealed.entry.at, &fact.event) {
                self.findings.push(Finding::at(at, What::Signature, wrong));
            }
            let signer = match &fact.event {
                Event::SessionOpened(Genesis { signer, .. }) | Event::Resumed { signer, .. } => {
                    signer.as_ref().and_then(|line| Key::parse(line.as_str()))
                }
                _ => None,
            };
            if let Some(key) = signer.filter(|key| !self.signers.iter().any(|own| own.is(key))) {
                self.signers.push(key);
            }
            let event = &fact.event;
            if let Event::AttemptStarted { key, places, .. } | Event::WaveStarted { key, places } =
                event
            {
                let job = |place: &Place| Job { key: key.clone(), place: place.clone() };
                self.started.extend(places.iter().map(|place| job(place).to_string()));
            } else if let Event::JobEnded { job, transcript, .. } = event {
                self.started.insert(job.to_string());
                self.ended.insert(job.to_string(), transcript.clone());
            } else if let Event::ShellOpened(opened) = event {
                self.started.insert(opened.transcript());
                let unknown = "its end is not in the record".to_owned();
                self.shells.insert(opened.number, (opened.clone(), unknown));
            } else if let Event::ShellEnded(ended) = event {
                if let Some((opened, how)) = self.shells.get_mut(&ended.number) {
                    *how = ended.end.words();
                    self.ended.insert(opened.transcript(), ended.transcript.clone());
                }
            } else if *event == Event::Closed {
                self.closed = Some(self.closed.map_or(seq, |closed| closed.min(seq)));
            }
        }
    }
}

impl Verdict {
    fn check_outputs(
        &mut self,
        disk: &dyn Disk,
        dir: &Path,
        started: &BTreeSet<String>,
        ended: &BTreeMap<String, Option<Transcript>>,
    ) -> Result<(), JournalError> {
        // A copy elsewhere is the one that was written on; what was left at home is its beginning.
        let mut found = BTreeMap::new();
        for dir in output_dirs_on(disk, dir)?.into_iter().rev() {
            let names = list(disk, &dir)?.into_iter();
            found.extend(names.map(|(name, is_file)| (name, (dir.clone(), is_file))));
        }
        for (name, count) in ended.values().flatten().flat_map(|recorded| &recorded.redacted) {
            *self.redacted.entry(name.clone()).or_default() += count;
        }
        for job in started {
            let name = format!("{job}.log");
            let log = found.remove(&name);
            found.remove(&format!("{job}.idx"));
            match (ended.get(job).and_then(Option::as_ref), log) {
                (Some(recorded), Some((dir, true))) => {
                    self.check_output(disk, &dir, &name, recorded);
                }
                (Some(_), Some((_, false))) => {
                    let text = format!("{OUTPUT_DIR}/{name} is not a file: it was replaced");
                    self.findings.push(Finding::file(What::FileChanged, text));
                }
                (Some(recorded), None) if recorded.bytes > 0 => {
                    let text = format!(
                        "{OUTPUT_DIR}/{name} is gone: {} bytes, SHA-256 {}",
                        recorded.bytes, recorded.digest
                    );
                    self.findings.push(Finding::file(What::FileMissing, text));
                }
                (None, Some(_)) => self.unproven.push(name),
                (_, None) => {}
            }
        }
        if self.findings.iter().any(|finding| finding.what == What::Foreign) {
            found.clear(); // The lines that are not understood may be the ones that name them.
        }
        for name in found.keys() {
            let text = format!("{OUTPUT_DIR}/{} is not of this record", SafeText::new(name));
            self.findings.push(Finding::file(What::FileExtra, text));
        }
        Ok(())
    }

    fn check_output(&mut self, disk: &dyn Disk, dir: &Path, name: &str, recorded: &Transcript) {
        let path = dir.join(name);
        let (bytes, digest) = match digest_file_on(disk, &path) {
            Ok(found) => found,
            // The others can be read, perhaps.
            Err(error) => {
                let text = format!(
                    "{}: {error}; {} bytes, SHA-256 {} when recorded",
                    path.display(),
                    recorded.bytes,
                    recorded.digest
                );
                self.unreadable.push(text);
                return;
            }
        };
        if (bytes, digest) == (recorded.bytes, recorded.digest) {
            self.transcripts += 1;
            self.bytes += bytes;
            return;
        }
        let size = if bytes == recorded.bytes {
            format!("still {bytes} bytes")
        } else {
            format!("{bytes} bytes now, {} when recorded", recorded.bytes)
        };
        let text = format!(
            "{OUTPUT_DIR}/{name} was changed: {size}; SHA-256 {digest} now, {} when recorded",
            recorded.digest
        );
        self.findings.push(Finding::file(What::FileChanged, text));
    }
}

/// The digests of all files in `pinned/`, by name.
pub fn digest_files(dir: &Path) -> Result<BTreeMap<String, Digest>, JournalError> {
    let dir = dir.join(PINNED_DIR);
    let mut digests = BTreeMap::new();
    for (name, _) in list(&RealDisk, &dir)?.into_iter().filter(|(_, is_file)| *is_file) {
        let path = dir.join(&name);
        let (_, digest) = digest_file_on(&RealDisk, &path)
            .map_err(|source| JournalError::io("read", &path, source))?;
        digests.insert(name, digest);
    }
    Ok(digests)
}

/// What differs between the files of `pinned/` and what was recorded of them.
pub fn verify_files(
    dir: &Path,
    recorded: &BTreeMap<String, Digest>,
) -> Result<Vec<Finding>, JournalError> {
    let found = digest_files(dir)?;
    let names: BTreeSet<&String> = recorded.keys().chain(found.keys()).collect();
    let findings = names.into_iter().filter_map(|name| {
        let (what, text) = match (recorded.get(name), found.get(name)) {
            (Some(was), Some(is)) if was == is => return None,
            (Some(was), Some(is)) => {
                (What::FileChanged, format!("was changed: SHA-256 {is} now, {was} when recorded"))
            }
            (Some(was), None) => (What::FileMissing, format!("is gone: SHA-256 {was}")),
            (None, _) => (What::FileExtra, "is not of this record".to_owned()),
        };
        Some(Finding::file(what, format!("{PINNED_DIR}/{} {text}", SafeText::new(name))))
    });
    Ok(findings.collect())
}

fn shell_words(opened: &ShellOpened, how: &str) -> String {
    let ShellOpened { number, host, reason, .. } = opened;
    format!("{number} on {host}, {how} ({reason})")
}

/// The names in a directory, and whether each is a regular file; empty if there is none.
fn list(disk: &dyn Disk, dir: &Path) -> Result<BTreeMap<String, bool>, JournalError> {
    match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        names => names.map_err(|source| JournalError::io("list", dir, source)),
    }
}
