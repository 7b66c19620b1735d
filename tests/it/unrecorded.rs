//! A disk on which nothing can be recorded for a while: from every operation of a session on, in
//! every way a disk has, for so many operations or until somebody looks; with a fallback folder
//! and without one; with a person who overrides that and rolls back in the middle, and with one
//! who waits.
//!
//! What has to hold: nothing forward starts unrecorded; nothing starts that was not confirmed;
//! nothing runs twice; when a disk takes something again, all that was kept is in the record, in
//! its order, with its gap told and its facts counted; no line that was acknowledged as recorded
//! is gone; nobody calls it tampering; and where no disk ever takes it, the lines that are printed
//! complete the record.
//!
//! `GOLIVE_TESTS=long` tries all of it; else one in thirty-one of these trials.
#![expect(clippy::wildcard_enum_match_arm, reason = "a check looks at the events it is about")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use golive::base::SafeText;
use golive::engine::{Command, Event, Job, RunStage};
use golive::journal::{
    Disk as _, Entry, HEAD_FILE, JOURNAL_FILE, Open, What, append_all, continued_on, read_all_on,
    verify_on,
};
use golive::session::fold;

use crate::counts::{counted, is_long};
use crate::crashfs::{Night, Play, night, told_to_start, wei};
use crate::memdisk::{Fault, How, MemDisk};

const HOW: [How; 4] = [How::Error(28), How::Error(5), How::Error(30), How::Short];
/// For so many operations: the few on which a rescue stops half-way, and for good.
const TIMES: [usize; 7] = [3, 5, 7, 9, 12, 16, usize::MAX / 2];

/// One way in which it happens.
#[derive(Clone, Copy, Debug)]
struct Trial {
    at: usize,
    how: How,
    times: usize,
    falls_back: bool,
    overrides: bool,
    /// Things that are done before the disk is well again.
    after: usize,
}

fn away() -> PathBuf {
    PathBuf::from("/var/tmp/golive/night")
}

fn disk_of(night: &Night) -> MemDisk {
    let disk = night.empty_disk();
    for dir in ["/var", "/var/tmp", "/var/tmp/golive"] {
        disk.make_dir(Path::new(dir)).ok();
    }
    disk
}

fn is_back(play: &Play<'_>, job: &Job) -> bool {
    job.key.part.is_undo() || !play.core.state().plan().is_forward(&job.key.step)
}

/// Goes on as far as the session lets it; what started unrecorded has to be on the way back.
fn step(play: &mut Play<'_>) -> Result<(), String> {
    let (lost, before) = (play.core.state().lost().cloned(), play.ledger.clone());
    play.go_on();
    let new: Vec<Job> = play.ledger.difference(&before).cloned().collect();
    let still = lost.filter(|_| play.core.state().lost().is_some());
    if let (Some(lost), Some(job)) = (still, new.first()) {
        let goes_back = new.iter().all(|job| is_back(play, job));
        if lost.overridden.is_none() || !goes_back {
            return Err(format!("{job} started, and nothing was recorded"));
        }
    }
    Ok(())
}

/// The gaps of a record: each one closed, and its facts counted.
fn gaps(read: &[Entry]) -> Result<usize, String> {
    let (mut gaps, mut open) = (0, None::<u64>);
    for fact in read.iter().flat_map(|entry| &entry.facts) {
        match &fact.event {
            Event::RecordingLost { .. } if open.is_some() => return Err("a gap in a gap".into()),
            Event::RecordingLost { .. } => open = Some(1),
            Event::RecordedLate { facts, .. } => {
                if open.take() != Some(*facts) {
                    return Err(format!("a gap that has not {facts} facts"));
                }
                gaps += 1;
            }
            _ => open = open.map(|facts| facts + 1),
        }
    }
    if open.is_some() { Err("a gap that is not closed".to_owned()) } else { Ok(gaps) }
}

/// What is wrong with the record as it is on the disk, if anything; how many gaps it has.
fn check(night: &Night, disk: &MemDisk, play: &Play<'_>) -> Result<usize, String> {
    let dir = &night.found.dir;
    let read = read_all_on(disk, dir).map_err(|error| format!("cannot be read: {error}"))?;
    if read.windows(2).any(|two| two[0].at > two[1].at) {
        return Err("not in its order".to_owned());
    }
    if let Some(unknown) = play.ledger.difference(&told_to_start(&read)).next() {
        return Err(format!("{unknown} ran, and the record does not know"));
    }
    if let Some(job) = play.twice.first() {
        return Err(format!("{job} ran twice"));
    }
    let verdict = verify_on(disk, dir, Some(&night.found.id)).map_err(|e| e.to_string())?;
    if let Some(wrong) = verdict.findings.iter().find(|finding| finding.what != What::Torn) {
        return Err(format!("called tampering: {wrong}"));
    }
    let count = u64::try_from(read.len()).unwrap_or(u64::MAX);
    let acknowledged = play.acknowledged();
    if count < acknowledged {
        return Err(format!("{acknowledged} lines were acknowledged, {count} are left"));
    }
    if fold(&night.plan, &read) != **play.core.state() {
        return Err("its replay is another state".to_owned());
    }
    gaps(&read)
}

/// Puts the printed lines behind the last one, as a person would.
fn by_hand(night: &Night, disk: &MemDisk, lines: &[std::sync::Arc<str>], after: u64) {
    let dir = &night.found.dir;
    let place = continued_on(disk, dir).unwrap().unwrap_or_else(|| dir.clone());
    let path = place.join(JOURNAL_FILE);
    let text = golive::journal::read_file(disk, &path).unwrap();
    // A line that was refused may stand there still: what counts is what was acknowledged.
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let keep = ends.into_iter().nth(usize::try_from(after).unwrap() - 1).unwrap();
    let mut whole = text[..keep].to_vec();
    for line in lines {
        whole.extend_from_slice(line.as_bytes());
    }
    let mut file = disk.open(&path, Open::Replace).unwrap();
    append_all(&mut *file, &whole).unwrap();
}

/// A night with such a disk; how many gaps its record has in the end.
fn one_night(night: &Night, trial: Trial) -> Result<usize, String> {
    let disk = disk_of(night);
    let fallback = away();
    let fallback = trial.falls_back.then_some(fallback.as_path());
    disk.fail_times(trial.at, trial.how, trial.times);
    let Some(mut play) = Play::open_with(night, &disk, fallback) else { return Ok(0) };
    let mut left = trial.after;
    let mut tried = false;
    for _ in 0..60 {
        if play.core.state().lost().is_some() && trial.overrides && !tried {
            tried = true;
            let reason = SafeText::new("the shop is down");
            if play.tries_to_roll_back() {
                return Err("rolled back unrecorded, without an override".to_owned());
            }
            play.submit(&wei(), &Command::OverrideRecord { reason }).map_err(|e| e.to_string())?;
            if play.core.state().guard().is_some() {
                let reason = SafeText::new("it is");
                play.submit(&wei(), &Command::RollBack { reason, break_glass: None, to: None })
                    .ok();
            }
        }
        if play.core.state().lost().is_some() {
            if left == 0 {
                break;
            }
            left -= 1;
        }
        step(&mut play)?;
        if play.is_over() {
            break;
        }
    }
    let kept = play.core.view(play.now()).kept;
    let (after, image) = (play.acknowledged(), disk.image());
    if !kept.is_empty() {
        never_well_again(night, &MemDisk::from_image(&image), &kept, after, &play.ledger)?;
    }
    disk.fail(None);
    play.wait();
    if play.core.state().lost().is_some() {
        return Err("the disk is well, and nothing is recorded".to_owned());
    }
    for _ in 0..120 {
        step(&mut play)?;
    }
    if !play.is_over() {
        return Err(format!("it never ends: {:?}", play.core.state().stage()));
    }
    play.submit(&wei(), &Command::Close).map_err(|error| error.to_string())?;
    check(night, &disk, &play)
}

/// golive ends, and the printed lines are all there is.
fn never_well_again(
    night: &Night,
    disk: &MemDisk,
    kept: &[std::sync::Arc<str>],
    after: u64,
    ledger: &BTreeSet<Job>,
) -> Result<(), String> {
    by_hand(night, disk, kept, after);
    // Whatever the head file notes is of a line that is there, or of one that was refused.
    disk.remove(&night.found.dir.join(HEAD_FILE)).ok();
    let read = read_all_on(disk, &night.found.dir);
    let read = read.map_err(|error| format!("the printed lines do not fit: {error}"))?;
    if let Some(unknown) = ledger.difference(&told_to_start(&read)).next() {
        return Err(format!("{unknown} ran, and no printed line knows"));
    }
    Ok(())
}

#[test]
fn nothing_is_recorded_for_a_while_and_all_of_it_is_recorded_late() {
    let night = night();
    let disk = disk_of(&night);
    let mut play = Play::open_with(&night, &disk, Some(&away())).unwrap();
    assert!(play.go_on_for(60));
    let count = disk.count();
    let mut trials = Vec::new();
    for at in 0..count {
        for how in HOW {
            for times in TIMES {
                for (falls_back, overrides) in
                    [(false, false), (false, true), (true, false), (true, true)]
                {
                    let after = (at + times % 7) % 9;
                    trials.push(Trial { at, how, times, falls_back, overrides, after });
                }
            }
        }
    }
    if !is_long() {
        trials = trials.into_iter().step_by(31).collect();
    }
    let next = AtomicUsize::new(0);
    let gaps = AtomicUsize::new(0);
    let look = || {
        let mut found = Vec::new();
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
            match one_night(&night, *trial) {
                Ok(some) => {
                    gaps.fetch_add(some, Ordering::Relaxed);
                }
                Err(wrong) => found.push(format!("{trial:?}: {wrong}")),
            }
        }
        found
    };
    let found = std::thread::scope(|scope| {
        let (one, two) = (scope.spawn(look), scope.spawn(look));
        [one.join().unwrap(), two.join().unwrap()].concat()
    });
    let (trials, gaps) = (trials.len(), gaps.into_inner());
    println!("nothing recorded for a while: {trials} nights, {gaps} gaps, {} wrong", found.len());
    let what = format!(
        "from each of {count} operations on nothing can be recorded for a while, {gaps} gaps; rolled back by override"
    );
    counted("a disk that fails", &what, trials, found.len());
    let some: Vec<_> = found.iter().step_by(1 + found.len() / 12).collect();
    assert!(some.is_empty(), "{} violations, for example {some:#?}", found.len());
    assert!(gaps > trials / 5, "{gaps} gaps in {trials} nights");
}

#[test]
fn the_gap_is_told_and_the_way_back_was_walked_in_it() {
    let night = night();
    let disk = disk_of(&night);
    let mut play = Play::open(&night, &disk).unwrap();
    while !play.ledger.iter().any(|job| job.key.step.as_str() == "two") {
        assert!(play.go_on());
    }
    disk.fail(Some(Fault { at: disk.count(), how: How::Error(28), for_ever: true }));
    let started = play.ledger.len();
    for _ in 0..10 {
        step(&mut play).unwrap();
    }
    assert_eq!(play.ledger.len(), started, "nothing forward");
    assert!(play.core.view(play.now()).not_recorded.is_some());
    let again = play.submit(&wei(), &Command::TryRecord).unwrap_err();
    assert!(again.to_string().contains("not recorded"), "{again}");
    let reason = SafeText::new("the shop is down");
    play.submit(&wei(), &Command::OverrideRecord { reason }).unwrap();
    play.roll_back();
    assert!(play.go_on_for(60), "the whole way back");
    assert!(matches!(play.core.state().stage(), RunStage::RolledBack { .. }));
    let undone = play.ledger.iter().filter(|job| job.key.part.is_undo()).count();
    assert_eq!(undone, 3, "{:?}", play.ledger);
    assert!(play.submit(&wei(), &Command::Close).is_err(), "the record is not complete");
    let view = play.core.view(play.now());
    assert!(view.kept.len() > 5 && view.seq < 10, "{} kept after {}", view.kept.len(), view.seq);
    disk.fail(None);
    play.submit(&wei(), &Command::TryRecord).unwrap();
    let view = play.core.view(play.now());
    assert!(view.kept.is_empty() && view.not_recorded.is_none() && view.unrecorded.is_empty());
    play.submit(&wei(), &Command::Close).unwrap();
    assert_eq!(check(&night, &disk, &play), Ok(1));
    let verdict = verify_on(&disk, &night.found.dir, None).unwrap();
    let gap = verdict.gaps.first().unwrap();
    assert!(gap.contains("written late") && gap.contains("the shop is down"), "{gap}");
    let read = read_all_on(&disk, &night.found.dir).unwrap();
    let late = read.iter().flat_map(|entry| &entry.facts).find_map(|fact| match &fact.event {
        Event::RecordedLate { reason, facts, .. } => Some((reason.clone(), *facts)),
        _ => None,
    });
    let (reason, facts) = late.unwrap();
    assert_eq!(reason, Some(SafeText::new("the shop is down")));
    assert!(facts > 8, "{facts}");
}
