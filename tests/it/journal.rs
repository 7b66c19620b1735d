//! The journal, the lock and the transcripts on a real disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use golive::base::{Digest, Millis, Timestamp};
use golive::engine::{Actor, Event, Fact, Genesis, Job, Key, Part, Place, RunKind};
use golive::journal::{
    HEAD_FILE, Holder, JOURNAL_FILE, Journal, JournalError, Lines, Lock, LockError, Stamp, Stream,
    Transcript, read, read_all, read_range,
};

const NIGHT: u64 = 1_796_000_000_000;

pub(crate) fn genesis() -> Genesis {
    Genesis {
        session: "night-1".parse().unwrap(),
        kind: RunKind::Live,
        version: "0.1.0".into(),
        runbook: "shop".parse().unwrap(),
        title: "The shop moves".into(),
        plan: Digest::of(b"plan"),
        driver: "li.wei".into(),
        machine: "bastion".into(),
        environment: Some("production".into()),
        overridden: None,
    }
}

pub(crate) fn stamp(secs: u64) -> Stamp {
    let at = Timestamp::from_unix_millis(NIGHT + secs * 1000);
    Stamp { at, wall: at, mono: Millis::from_secs(1000 + secs), boot: "b-1".to_owned() }
}

pub(crate) fn fact(event: Event) -> Fact {
    Fact { by: Actor::Operator("li.wei".into()), event }
}

pub(crate) fn noted(text: &str) -> Vec<Fact> {
    vec![fact(Event::Noted { step: None, text: text.to_owned() })]
}

/// A journal in `dir` that has its first line.
pub(crate) fn opened(dir: &Path) -> Journal {
    let mut journal = Journal::create(dir, &genesis().session).unwrap();
    journal.append(&stamp(0), &[fact(Event::SessionOpened(genesis()))]).unwrap();
    journal
}

pub(crate) fn job(step: &str, attempt: u32, host: &str) -> Job {
    let key = Key { step: step.parse().unwrap(), part: Part::Action, attempt };
    Job { key, place: Place::Host(host.parse().unwrap()) }
}

#[test]
fn what_was_appended_is_read() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("night-1");
    let mut journal = opened(&dir);
    let mut live = read(&dir).unwrap();
    assert_eq!(live.next().unwrap().unwrap().seq, 1);
    assert!(live.next().is_none());
    let entry = journal.append(&stamp(5), &noted("so far so good")).unwrap();
    assert_eq!((entry.seq, &entry.facts), (2, &noted("so far so good")));
    assert_eq!(live.next().unwrap().unwrap(), entry, "a reader goes on where it stopped");
    assert_eq!(live.seal(), Some(journal.head().seal));

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!((mode(&dir.join(JOURNAL_FILE)), mode(&dir.join(HEAD_FILE))), (0o600, 0o600));
    let again = Journal::create(&dir, &genesis().session);
    assert!(matches!(again, Err(JournalError::Exists { .. })));
}

#[test]
fn a_torn_line_is_a_crash_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = opened(dir.path());
    let path = journal.path().to_owned();
    let two = fs::read(&path).unwrap();
    journal.append(&stamp(1), &noted("three")).unwrap();
    drop(journal);
    let whole = fs::read(&path).unwrap();
    // The line never was acknowledged: the head is still the one before it.
    let head = dir.path().join(HEAD_FILE);
    let first_seal = std::str::from_utf8(&two).unwrap().trim_end();
    let first_seal = &first_seal[first_seal.len() - 66..first_seal.len() - 2];
    for end in two.len() + 1..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        fs::write(&head, format!("{:020} {first_seal}\n", 1)).unwrap();
        let (mut journal, entries, recovery) = Journal::open(dir.path()).unwrap();
        let recovery = recovery.unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(fs::read(&recovery.kept).unwrap(), &whole[two.len()..end]);
        assert_eq!(recovery.digest, Digest::of(&whole[two.len()..end]));
        assert_eq!(journal.append(&stamp(9), &noted("again")).unwrap().seq, 2);
        assert_eq!(read_all(dir.path()).unwrap().len(), 2);
    }
}

#[test]
fn a_journal_that_was_touched_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = opened(dir.path());
    for text in ["a", "b", "c"] {
        journal.append(&stamp(1), &noted(text)).unwrap();
    }
    let path = journal.path().to_owned();
    drop(journal);
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let refused = |text: &str, line: u64| {
        fs::write(&path, text).unwrap();
        let error = Journal::open(dir.path()).unwrap_err();
        assert!(matches!(error, JournalError::Broken { line: l, .. } if l == line), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing is written");
    };
    refused(&lines[..3].concat(), 4);
    refused(&good[..good.len() - 1], 4);
    refused(&good[..good.len() - 20], 4);
    refused(&[lines[0], lines[2], lines[3]].concat(), 2);
    refused(&[lines[0], lines[2], lines[1], lines[3]].concat(), 2);
    refused(&[lines[0], lines[1], lines[1], lines[2], lines[3]].concat(), 3);
    refused(&good.replace("\"b\"", "\"B\""), 3);
    fs::write(&path, &good).unwrap();
    assert_eq!(Journal::open(dir.path()).unwrap().1.len(), 4);
}

#[test]
fn one_driver_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let at = Timestamp::from_unix_millis(NIGHT);
    let li = Holder::this_process("li.wei".into(), "bastion".into(), at);
    let chen = Holder { driver: "chen.yu".into(), ..li.clone() };
    assert!(Lock::holder(dir.path()).unwrap().is_none());
    let lock = Lock::acquire(dir.path(), &li).unwrap();
    assert_eq!(Lock::holder(dir.path()).unwrap(), Some(li.clone()));
    let refused = Lock::acquire(dir.path(), &chen).unwrap_err();
    assert!(matches!(&refused, LockError::Held(who) if **who == li));
    assert!(refused.to_string().contains("li.wei drives this session on bastion since 2026-"));
    drop(lock);
    // What a dead process left is no obstacle.
    assert!(Lock::holder(dir.path()).unwrap().is_none());
    let _lock = Lock::acquire(dir.path(), &chen).unwrap();
    assert_eq!(Lock::holder(dir.path()).unwrap(), Some(chen));
}

#[test]
fn a_transcript_keeps_every_byte_and_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let ms = |ms: u64| Timestamp::from_unix_millis(NIGHT + ms);
    let job = job("shift.1", 2, "web-1");
    let mut transcript = Transcript::create(dir.path(), &job).unwrap();
    let chunks: [(Stream, &[u8], u64); 6] = [
        (Stream::Out, b"loading \xff\x1b[2J", 0),
        (Stream::Err, b"warning: low\n", 10),
        (Stream::Out, b"done\r\nnext", 20),
        (Stream::Out, b" line\n", 200),
        (Stream::Out, b"later\n", 300),
        (Stream::Err, b"no end", 301),
    ];
    for (stream, bytes, at) in chunks {
        transcript.write(stream, bytes, ms(at)).unwrap();
    }
    let path = transcript.path().to_owned();
    assert!(path.ends_with("output/shift.1.2.web-1.log"));
    let all: Vec<u8> = chunks.iter().flat_map(|(_, bytes, _)| bytes.to_vec()).collect();
    let summary = transcript.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), all);
    assert_eq!((summary.bytes, summary.lines), (all.len() as u64, 5));
    assert_eq!(summary.digest, Digest::of(&all));
    assert_eq!(read_range(&path, 8, 5).unwrap(), b"\xff\x1b[2J");
    assert_eq!(read_range(&path, 1000, 5).unwrap(), b"");

    let lines: Vec<_> = Lines::open(&path).unwrap().map(Result::unwrap).collect();
    let seen: Vec<(Stream, &[u8], u64)> = lines
        .iter()
        .map(|line| (line.stream, line.bytes.as_slice(), line.at.since(ms(0)).as_millis()))
        .collect();
    let expected: [(Stream, &[u8], u64); 5] = [
        (Stream::Err, b"warning: low", 10),
        (Stream::Out, b"loading \xff\x1b[2Jdone\r", 0),
        (Stream::Out, b"next line", 20),
        (Stream::Out, b"later", 300),
        (Stream::Err, b"no end", 301),
    ];
    assert_eq!(seen, expected);
    // Two chunks of one stream near each other share a line of the index.
    assert_eq!(fs::read_to_string(path.with_extension("idx")).unwrap().lines().count(), 5);
    let last = Lines::near_end(&path, 10).unwrap().map(Result::unwrap).last().unwrap();
    assert_eq!((last.stream, last.bytes.as_slice()), (Stream::Err, &b"no end"[..]));
    // Without its index it still reads, as one stream.
    fs::remove_file(path.with_extension("idx")).unwrap();
    assert_eq!(Lines::open(&path).unwrap().count(), 5);
    let error = Transcript::create(dir.path(), &job).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), all, "never written over");
}

#[test]
fn a_flood_is_counted_line_by_line() {
    let dir = tempfile::tempdir().unwrap();
    let job = job("load", 1, "db-1");
    let mut transcript = Transcript::create(dir.path(), &job).unwrap();
    let chunk = [b"x".repeat(999), b"\n".to_vec()].concat().repeat(32);
    for n in 0..64 {
        transcript.write(Stream::Out, &chunk, Timestamp::from_unix_millis(NIGHT + n)).unwrap();
    }
    transcript.write(Stream::Out, &b"y".repeat(200_000), Timestamp::default()).unwrap();
    let path = transcript.path().to_owned();
    let summary = transcript.finish().unwrap();
    assert_eq!((summary.bytes, summary.lines), (64 * 32_000 + 200_000, 64 * 32 + 1));
    let pieces: Vec<usize> =
        Lines::open(&path).unwrap().map(|line| line.unwrap().bytes.len()).collect();
    assert_eq!(pieces.iter().filter(|len| **len == 999).count(), 64 * 32);
    assert_eq!(pieces[64 * 32..].iter().sum::<usize>(), 200_000);
    assert!(pieces.iter().all(|len| *len <= 65_536));
}
