//! The k-th operation that a session does on its disk fails, once or from then on, for every k and
//! in every way a disk has: no space, an error, over quota, interrupted, a short write, read-only.
//!
//! What has to hold: nothing is acknowledged that is not in the record; nothing is done that was
//! not acknowledged; nothing runs twice; and when the disk is well again the session is taken up
//! from its record, which nobody calls tampered with.
//!
//! `GOLIVE_TESTS=long` tries all of it; else one in twenty-three of these trials.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use golive::base::Timestamp;
use golive::engine::{Command, Job, Key, Part, Place};
use golive::journal::{
    Disk, Journal, Stream, Transcript, What, digest_file_on, read_all_on, verify_on,
};

use crate::counts::{counted, is_long};
use crate::crashfs::{Night, Play, night, told_to_start, wei};
use crate::memdisk::{Fault, How, MemDisk, Op};

const HOW: [How; 6] = [
    How::Error(28),  // ENOSPC
    How::Error(5),   // EIO
    How::Error(122), // EDQUOT
    How::Error(4),   // EINTR
    How::Error(30),  // EROFS
    How::Short,
];

fn one_failure(night: &Night, fault: Fault) -> Result<(), String> {
    let disk = night.empty_disk();
    disk.fail(Some(fault));
    let ledger = match Play::open(night, &disk) {
        None => BTreeSet::new(),
        Some(mut play) => {
            play.go_on_for(60);
            if let Some(job) = play.twice.first() {
                return Err(format!("{job} ran twice"));
            }
            play.ledger
        }
    };
    disk.fail(None);
    let mut acknowledged = 0;
    for op in disk.log() {
        if let Op::Acknowledged(seq) = op {
            acknowledged = seq;
        }
    }
    if acknowledged == 0 {
        return if ledger.is_empty() { Ok(()) } else { Err("something ran before all".to_owned()) };
    }
    // The process ends here; what it had written is all there is.
    let disk = MemDisk::from_image(&disk.image());
    let dir = &night.found.dir;
    let read = read_all_on(&disk, dir).map_err(|error| format!("cannot be read: {error}"))?;
    if u64::try_from(read.len()).is_ok_and(|count| count < acknowledged) {
        return Err(format!("{acknowledged} lines were acknowledged, {} are left", read.len()));
    }
    let known = told_to_start(&read);
    if let Some(unknown) = ledger.difference(&known).next() {
        return Err(format!("{unknown} ran, and the record does not know"));
    }
    let resumed = Play::resume(night, &disk, ledger).map_err(|error| error.to_string())?;
    let mut play = resumed.ok_or("its first line is refused")?;
    if !play.go_on_for(200) {
        return Err("taken up again, it never ends".to_owned());
    }
    if let Some(job) = play.twice.first() {
        return Err(format!("{job} ran twice"));
    }
    let verdict = verify_on(&disk, dir, Some(&night.found.id)).map_err(|e| e.to_string())?;
    let wrong = verdict.findings.iter().find(|finding| finding.what != What::Torn);
    wrong.map_or(Ok(()), |wrong| Err(format!("called tampering: {wrong}")))
}

#[test]
fn every_operation_fails_in_every_way_and_nothing_is_lost() {
    let night = night();
    let disk = night.empty_disk();
    assert!(Play::open(&night, &disk).unwrap().go_on_for(60));
    let count = disk.count();
    let next = AtomicUsize::new(0);
    let tried = AtomicUsize::new(0);
    let long = is_long();
    let look = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return found;
            }
            let ways = HOW.iter().flat_map(|how| [(*how, false), (*how, true)]);
            for (way, (how, for_ever)) in ways.enumerate() {
                if !long && !(at * 12 + way).is_multiple_of(23) {
                    continue;
                }
                tried.fetch_add(1, Ordering::Relaxed);
                let fault = Fault { at, how, for_ever };
                if let Err(wrong) = one_failure(&night, fault) {
                    found.push(format!("operation {at} of {count}, {how:?}, {for_ever}: {wrong}"));
                }
            }
        }
    };
    let found = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(look), scope.spawn(look));
        [one.join().unwrap(), two.join().unwrap()].concat()
    });
    let trials = tried.into_inner();
    println!(
        "failing operations of golive: {count} operations, {trials} trials, {} violations",
        found.len()
    );
    let what =
        format!("each of {count} operations of a session fails, once or for good, in 6 ways");
    counted("a disk that fails", &what, trials, found.len());
    let some: Vec<_> = found.iter().step_by(1 + found.len() / 12).collect();
    assert!(some.is_empty(), "{} violations, for example {some:#?}", found.len());
}

#[test]
fn a_full_disk_is_told_in_the_record_and_nothing_starts_until_there_is_room() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = Play::open(&night, &disk).unwrap();
    play.submit(&wei(), &Command::Begin).unwrap();
    let full = Fault { at: disk.count(), how: How::Error(28), for_ever: false };
    disk.fail(Some(full));
    let note = |text: &str| Command::Note { step: None, text: text.to_owned() };
    play.submit(&wei(), &note("the last words")).unwrap();
    let said = |play: &Play<'_>, what: &str| {
        play.core.state().notes().iter().any(|note| note.text.contains(what))
    };
    assert!(said(&play, "the last words") && said(&play, "recording degraded"));
    assert!(play.core.state().hold().is_some());
    let refused = play.submit(&wei(), &Command::Continue).unwrap_err();
    assert!(refused.to_string().contains("make room"), "{refused}");
    play.submit(&wei(), &note("still taken")).unwrap();
    play.wait();
    assert!(said(&play, "recording restored"));
    play.submit(&wei(), &Command::Continue).unwrap();
    assert!(play.go_on_for(60), "and the night goes on to its end");
    let entries = read_all_on(&disk, &night.found.dir).unwrap();
    assert_eq!(golive::session::fold(&night.plan, &entries), **play.core.state());
}

/// Writes a transcript whose disk fails at an operation, so many times; what it claims to be, if it
/// claims anything.
fn write_output(night: &Night, disk: &MemDisk) -> Option<golive::engine::Transcript> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let away = Path::new("/var/tmp/golive/night");
    let made = Transcript::create_with(&shared, &night.found.dir, Some(away), &job());
    let mut transcript = made.ok()?;
    for (number, chunk) in OUTPUT.iter().enumerate() {
        let stream = if number % 2 == 0 { Stream::Out } else { Stream::Err };
        let at = Timestamp::from_unix_millis(u64::try_from(number).unwrap() * 1000);
        transcript.write(stream, chunk, at).ok()?;
    }
    transcript.finish().ok()
}

const OUTPUT: [&[u8]; 4] = [b"one\ntw", b"o\n", b"three\n", b"the end"];

fn job() -> Job {
    let key = Key { step: "one".parse().unwrap(), part: Part::Action, attempt: 1 };
    Job { key, place: Place::Here }
}

#[test]
fn an_output_is_whole_here_or_elsewhere_or_nobody_says_so() {
    let night = night();
    let disk_of = || {
        let disk = night.empty_disk();
        for dir in ["/var", "/var/tmp", "/var/tmp/golive"] {
            disk.make_dir(Path::new(dir)).ok();
        }
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut journal = Journal::create_on(&shared, &night.found.dir, &night.found.id).unwrap();
        journal.fall_back_to(Path::new("/var/tmp/golive/night")).unwrap();
        disk
    };
    let disk = disk_of();
    let base = disk.count();
    let whole = write_output(&night, &disk).unwrap();
    assert_eq!(whole.bytes, 21);
    let count = disk.count() - base;
    let (mut trials, mut kept, mut moved, mut wrong) = (0, 0, 0, Vec::new());
    for at in 0..count {
        for how in HOW {
            for times in [1, 2, 3, 5, 8, 13, usize::MAX / 2] {
                let disk = disk_of();
                disk.fail_times(base + at, how, times);
                let claimed = write_output(&night, &disk);
                disk.fail(None);
                trials += 1;
                let Some(claimed) = claimed else { continue };
                kept += 1;
                let path = Transcript::path_on(&disk, &night.found.dir, &job());
                moved += usize::from(path.starts_with("/var/tmp"));
                let there = digest_file_on(&disk, &path).ok();
                if claimed != whole || there != Some((whole.bytes, whole.digest)) {
                    wrong.push(format!("operation {at}, {how:?}, {times} times: {there:?}"));
                }
            }
        }
    }
    println!("failing outputs: {trials} trials, {kept} kept, {moved} of them elsewhere");
    let what = format!("each of {count} operations on an output fails for a while, in 6 ways");
    counted("a disk that fails", &what, trials, wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(kept > trials / 4 && moved > kept / 4, "{kept} kept, {moved} elsewhere of {trials}");
}
