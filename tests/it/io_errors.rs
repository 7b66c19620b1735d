//! The k-th operation that a session does on its disk fails, once or from then on, for every k and
//! in every way a disk has: no space, an error, over quota, interrupted, a short write, read-only.
//!
//! What has to hold: nothing is acknowledged that is not in the record; nothing is done that was
//! not acknowledged; nothing runs twice; and when the disk is well again the session is taken up
//! from its record, which nobody calls tampered with.
//!
//! `GOLIVE_TESTS=long` tries all of it; else one in twenty-three of these trials.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use golive::engine::Command;
use golive::journal::{What, read_all_on, verify_on};

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
