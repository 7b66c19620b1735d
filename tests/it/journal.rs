//! The journal, the lock and the transcripts on a real disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use golive::base::{Digest, Millis, Timestamp};
use golive::engine::{
    Actor, Confirmed, End, Event, Fact, Genesis, Job, Key, Part, Place, RunKind, Verdict as Outcome,
};
use golive::journal::{
    HEAD_FILE, Holder, JOURNAL_FILE, Journal, JournalError, Lines, Lock, LockError, Stamp, Stream,
    Transcript, Verdict, What, digest_files, read, read_all, read_range, verify, verify_files,
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
        signer: None,
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
    let first_seal = std::str::from_utf8(&two[two.len() - 67..two.len() - 3]).unwrap();
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
    refused(good.trim_end(), 4);
    refused(good.trim_end_matches("\"}\n"), 4);
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

/// A closed record of seven lines with two outputs.
fn closed(dir: &Path) -> Vec<String> {
    let mut journal = opened(dir);
    let job = job("shift", 1, "web-1");
    let started = Event::AttemptStarted {
        key: job.key.clone(),
        places: vec![job.place.clone(), Place::Here],
        payload: Digest::of(b"shift"),
        confirmed: Confirmed::ByRule,
    };
    journal.append(&stamp(1), &[fact(started)]).unwrap();
    for (place, secs) in [(job.place.clone(), 2), (Place::Here, 3)] {
        let job = Job { place, ..job.clone() };
        let mut transcript = Transcript::create(dir, &job).unwrap();
        transcript.write(Stream::Out, b"moved 3\nof 3\n", stamp(secs).at).unwrap();
        let transcript = Some(transcript.finish().unwrap());
        let end = End::Exited { code: 0, unmet: None, captured: BTreeMap::new() };
        let ended = fact(Event::JobEnded { job, end, transcript });
        journal.append(&stamp(secs), &[ended]).unwrap();
    }
    let verdict = Outcome::Succeeded;
    let settled = Event::Settled { step: "shift".parse().unwrap(), part: Part::Action, verdict };
    journal.append(&stamp(4), &[fact(settled), fact(Event::Completed)]).unwrap();
    journal.append(&stamp(5), &noted("quiet night")).unwrap();
    journal.append(&stamp(6), &[fact(Event::Closed)]).unwrap();
    let text = fs::read_to_string(journal.path()).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

/// What `verify` says once the journal is `text`.
fn judged(dir: &Path, text: &[u8]) -> Verdict {
    fs::write(dir.join(JOURNAL_FILE), text).unwrap();
    verify(dir, None).unwrap()
}

fn blamed(verdict: &Verdict) -> Vec<(u64, What)> {
    verdict.findings.iter().map(|f| (f.line.unwrap_or(0), f.what)).collect()
}

#[test]
fn a_record_that_nobody_touched_is_intact() {
    let dir = tempfile::tempdir().unwrap();
    let lines = closed(dir.path());
    let verdict = verify(dir.path(), Some(&genesis().session)).unwrap();
    assert!(verdict.intact && verdict.sealed, "{verdict:?}");
    assert_eq!((verdict.lines, verdict.transcripts, verdict.bytes), (7, 2, 26));
    assert!(lines[6].contains(&format!("\"seal\":\"{}", verdict.head)));
    let other = "night-2".parse().unwrap();
    assert_eq!(blamed(&verify(dir.path(), Some(&other)).unwrap()), [(1, What::WrongSession)]);
}

#[test]
fn every_changed_byte_is_found_in_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let lines = closed(dir.path());
    let good = lines.concat().into_bytes();
    let mut line = 1;
    for at in 0..good.len() {
        for flip in [1, 0x2a] {
            let mut changed = good.clone();
            changed[at] ^= flip;
            let verdict = judged(dir.path(), &changed);
            assert!(!verdict.intact);
            assert_eq!(verdict.findings[0].line, Some(line), "byte {at}: {:?}", verdict.findings);
            assert_eq!(verdict.findings[0].what, What::Changed, "byte {at}");
        }
        line += u64::from(good[at] == b'\n');
    }
    for file in ["shift.1.web-1.log", "shift.1.local.log"] {
        let path = dir.path().join("output").join(file);
        fs::write(dir.path().join(JOURNAL_FILE), &good).unwrap();
        let output = fs::read(&path).unwrap();
        for at in 0..output.len() {
            let mut changed = output.clone();
            changed[at] ^= 0x20;
            fs::write(&path, &changed).unwrap();
            let verdict = verify(dir.path(), None).unwrap();
            assert_eq!(blamed(&verdict), [(0, What::FileChanged)]);
            assert!(verdict.findings[0].text.contains(file), "{verdict:?}");
        }
        fs::write(&path, &output).unwrap();
    }
    assert!(verify(dir.path(), None).unwrap().intact);
}

#[test]
fn every_cut_insertion_and_move_is_found_at_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let lines = closed(dir.path());
    let judge = |lines: &[&String]| {
        let text: String = lines.iter().map(|line| line.as_str()).collect();
        let verdict = judged(dir.path(), text.as_bytes());
        assert!(!verdict.intact);
        verdict
    };
    for k in 0..lines.len() {
        let number = k as u64 + 1;
        let mut cut: Vec<&String> = lines.iter().collect();
        cut.remove(k);
        let outputs_aside = |verdict: &Verdict| {
            blamed(verdict).into_iter().filter(|(line, _)| *line > 0).collect::<Vec<_>>()
        };
        assert_eq!(outputs_aside(&judge(&cut)), [(number, What::Cut)]);
        for at in 0..=lines.len() {
            let mut doubled: Vec<&String> = lines.iter().collect();
            doubled.insert(at, &lines[k]);
            let found = blamed(&judge(&doubled));
            let own = if at <= k { [at as u64 + 1, number + 1] } else { [at as u64 + 1, number] };
            let first = found.iter().find(|(_, what)| *what == What::Inserted).unwrap();
            assert!(own.contains(&first.0), "copy of {number} at {at}: {found:?}");
        }
        for m in k + 1..lines.len() {
            let mut swapped: Vec<&String> = lines.iter().collect();
            swapped.swap(k, m);
            let verdict = judge(&swapped);
            let found = blamed(&verdict);
            let moved: Vec<_> = found.iter().filter(|(_, what)| *what == What::Moved).collect();
            assert_eq!(moved.len(), if m == k + 1 { 1 } else { 2 }, "{k} {m} {found:?}");
            let both = [number, m as u64 + 1];
            assert!(moved.iter().all(|(line, _)| both.contains(line)), "{k} {m} {found:?}");
            if m == k + 1 {
                let text = &verdict.findings.iter().find(|f| f.what == What::Moved).unwrap().text;
                assert!(both.iter().all(|n| text.contains(&format!("number {n}"))), "{text}");
            }
            assert!(!found.iter().any(|(_, what)| matches!(what, What::Cut | What::Changed)));
        }
    }
    for keep in 0..lines.len() {
        let verdict = judge(&lines.iter().take(keep).collect::<Vec<_>>());
        assert!(blamed(&verdict).contains(&(keep as u64 + 1, What::Cut)), "{verdict:?}");
    }
}

#[test]
fn a_line_sealed_anew_is_found_by_its_neighbour_or_by_the_head() {
    let dir = tempfile::tempdir().unwrap();
    let lines = closed(dir.path());
    for k in 0..lines.len() {
        let mut forged = lines.clone();
        let body =
            forged[k].split_once(",\"seal\":").unwrap().0.replace("\"boot\":\"b-", "\"boot\":\"c-");
        forged[k] = format!("{body},\"seal\":\"{}\"}}\n", Digest::of(body.as_bytes()));
        assert_ne!(forged[k], lines[k]);
        let verdict = judged(dir.path(), forged.concat().as_bytes());
        assert_eq!(blamed(&verdict), [(k as u64 + 1, What::Changed)], "{verdict:?}");
    }
    // A line of another night.
    let other = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(other.path(), &"night-2".parse().unwrap()).unwrap();
    let opening = Genesis { session: "night-2".parse().unwrap(), ..genesis() };
    journal.append(&stamp(0), &[fact(Event::SessionOpened(opening))]).unwrap();
    let mut mixed = lines.clone();
    mixed[0] = fs::read_to_string(journal.path()).unwrap();
    assert_eq!(blamed(&judged(dir.path(), mixed.concat().as_bytes())), [(1, What::Changed)]);
    // Written on after the end.
    fs::write(dir.path().join(JOURNAL_FILE), lines.concat()).unwrap();
    let (mut journal, _, _) = Journal::open(dir.path()).unwrap();
    journal.append(&stamp(9), &noted("one more thing")).unwrap();
    let verdict = verify(dir.path(), None).unwrap();
    assert_eq!(blamed(&verdict), [(8, What::AfterEnd)]);
    assert!(!verdict.sealed);
}

#[test]
fn a_crash_is_not_an_attack_and_files_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let lines = closed(dir.path());
    let text = lines.concat() + "{\"v\":1,\"seq\":8,";
    let verdict = judged(dir.path(), text.as_bytes());
    assert!(verdict.intact && verdict.sealed);
    assert_eq!(blamed(&verdict), [(8, What::Torn)]);
    fs::write(dir.path().join(JOURNAL_FILE), lines.concat()).unwrap();

    let output = dir.path().join("output");
    fs::rename(output.join("shift.1.web-1.log"), output.join("stray.log")).unwrap();
    let verdict = verify(dir.path(), None).unwrap();
    assert_eq!(blamed(&verdict), [(0, What::FileMissing), (0, What::FileExtra)]);
    fs::rename(output.join("stray.log"), output.join("shift.1.web-1.log")).unwrap();

    fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
    assert_eq!(blamed(&verify(dir.path(), None).unwrap()), [(0, What::Head)]);
    assert!(Journal::open(dir.path()).is_err(), "whether lines were cut cannot be told");

    let pinned = dir.path().join("pinned");
    fs::create_dir(&pinned).unwrap();
    fs::write(pinned.join("shop.toml"), "id = 'shop'").unwrap();
    let recorded = digest_files(dir.path()).unwrap();
    assert!(verify_files(dir.path(), &recorded).unwrap().is_empty());
    fs::write(pinned.join("shop.toml"), "id = 'shoq'").unwrap();
    fs::write(pinned.join("new"), "").unwrap();
    let kinds: Vec<_> =
        verify_files(dir.path(), &recorded).unwrap().iter().map(|f| f.what).collect();
    assert_eq!(kinds, [What::FileExtra, What::FileChanged]);
}

/// The record as another golive would have sealed it: each line as `change` makes it.
fn sealed_by_another(dir: &Path, lines: &[String], change: impl Fn(&str) -> String) {
    let (mut text, mut head, mut before) = (String::new(), String::new(), None::<Digest>);
    for (line, seq) in lines.iter().zip(1..) {
        let (body, _) = line.rsplit_once(",\"seal\":\"").unwrap();
        let mut body = change(body);
        if let Some(before) = before {
            let (kept, _) = body.rsplit_once("\"prev\":\"").unwrap();
            body = format!("{kept}\"prev\":\"{before}\"");
        }
        let seal = Digest::of(body.as_bytes());
        let line = format!("{body},\"seal\":\"{seal}\"}}");
        before = Some(Digest::of(line.as_bytes()));
        text.push_str(&line);
        text.push('\n');
        head = format!("{seq:020} {seal}\n");
    }
    fs::write(dir.join(JOURNAL_FILE), text).unwrap();
    fs::write(dir.join("head"), head).unwrap();
}

#[test]
fn a_newer_golives_record_is_not_called_tampered_with() {
    for (from, to) in [("{\"v\":1,", "{\"v\":2,"), ("\"ev\":\"job-ended\"", "\"ev\":\"job-done\"")]
    {
        let dir = tempfile::tempdir().unwrap();
        let lines = closed(dir.path());
        let newer = |line: &str| {
            let first = line.contains("session-opened");
            if first { line.to_owned() } else { line.replace(from, to) }
        };
        sealed_by_another(dir.path(), &lines, newer);
        let verdict = verify(dir.path(), None).unwrap();
        assert!(verdict.is_foreign() && !verdict.intact, "{verdict:?}");
        assert!(verdict.to_string().starts_with("NOT UNDERSTOOD"), "{verdict}");
        let error = read_all(dir.path()).unwrap_err();
        assert!(matches!(error, JournalError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("the golive that wrote it"), "{error}");
        // A change is a change, whoever wrote the rest.
        let text = fs::read_to_string(dir.path().join(JOURNAL_FILE)).unwrap();
        let changed = text.replacen("li", "lo", 1);
        let verdict = judged(dir.path(), changed.as_bytes());
        assert!(!verdict.is_foreign() && verdict.to_string().starts_with("CONTRADICTED"));
    }
}
