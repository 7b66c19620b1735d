//! What shares a line of the record, and one wait for the disk: that a step has begun with what
//! comes a moment later, and an end with what follows from it by what was said ahead.
#![expect(clippy::wildcard_enum_match_arm, reason = "a check looks at the events it is about")]

use std::collections::BTreeMap;

use golive::base::{Millis, Timestamp};
use golive::engine::{
    Actor, Begun, Command, Effect, End, Event, Job, Key, Part, Place, RunStage, Sight, Sync,
};
use golive::exec::Report;
use golive::journal::{Stamp, read_all_on};

use crate::crashfs::{Night, Play, night, wei};
use crate::histories::first_start;
use crate::memdisk::{Fault, How, MemDisk};

fn key(step: &str) -> Key {
    Key { step: step.parse().unwrap(), part: Part::Action, attempt: 1 }
}

fn two(host: &str) -> Job {
    Job { key: key("two"), place: Place::Host(host.parse().unwrap()) }
}

fn began(host: &str) -> Report {
    let begun = Begun {
        pid: 7,
        born: Some(70),
        boot: "boot".into(),
        root: "/root/.golive".into(),
        root_id: "id".into(),
        sync: Sync::File,
        group: true,
    };
    Report::Sighted { job: two(host), sight: Sight::Began(begun) }
}

fn ended(job: Job) -> Report {
    let end = End::Exited { code: 0, unmet: None, captured: BTreeMap::new() };
    Report::Ended { job, end, transcript: None }
}

fn stamp(at: Timestamp) -> Stamp {
    Stamp { at, wall: at, mono: Millis::new(1), boot: "boot".to_owned() }
}

/// A session in which step two has just been started on both hosts.
fn in_step_two<'a>(night: &'a Night, disk: &MemDisk) -> Play<'a> {
    let mut play = Play::open(night, disk).unwrap();
    while !play.ledger.contains(&two("b")) {
        assert!(play.go_on());
    }
    assert_eq!(play.core.state().stage(), RunStage::Active);
    play
}

/// The names of the events in each line after `seq`.
fn lines(night: &Night, disk: &MemDisk, seq: u64) -> Vec<Vec<&'static str>> {
    let entries = read_all_on(disk, &night.found.dir).unwrap();
    let name = |event: &Event| match event {
        Event::JobSighted { .. } => "sighted",
        Event::JobEnded { .. } => "ended",
        Event::AttemptStarted { .. } => "started",
        _ => "more",
    };
    let new = entries.iter().filter(|entry| entry.seq > seq);
    let of = |entry: &golive::journal::Entry| {
        let names = entry.facts.iter().map(|fact| name(&fact.event));
        names.filter(|name| *name != "more").collect()
    };
    new.map(of).collect()
}

#[test]
fn that_a_step_has_begun_shares_the_line_of_its_end() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    let seq = core.view(now).seq;
    assert_eq!(core.take_reports(&stamp(now), [began("a")]), []);
    // Neither on disk nor believed nor shown.
    assert_eq!(core.view(now).seq, seq);
    let begun = |core: &golive::session::Core| core.state().records_on_hosts().len();
    assert_eq!(begun(core), 0);
    assert_eq!(core.next_wake(), Some(now.after(Millis::new(20))));
    core.take_reports(&stamp(now.after(Millis::new(5))), [ended(two("a"))]);
    assert_eq!(begun(core), 1);
    assert_eq!(lines(&night, &disk, seq), [["sighted", "ended"]]);
}

#[test]
fn that_a_step_has_begun_does_not_wait_for_long() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    let seq = core.view(now).seq;
    core.take_reports(&stamp(now), [began("a")]);
    core.take_reports(&stamp(now.after(Millis::new(15))), [began("b")]);
    core.tick(&stamp(now.after(Millis::new(19))), None);
    assert_eq!(core.view(now).seq, seq);
    core.tick(&stamp(now.after(Millis::new(20))), None);
    assert_eq!(lines(&night, &disk, seq), [["sighted", "sighted"]]);
    // The last of a process is not lost either.
    core.take_rest(&stamp(now.after(Millis::new(21))));
    assert_eq!(core.view(now).seq, seq + 1);
}

#[test]
fn what_was_said_ahead_shares_the_line_of_the_end_before_it() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    let seq = core.view(now).seq;
    core.take_reports(&stamp(now), [ended(two("a"))]);
    core.ahead().give(|view| Some((wei(), first_start(&view.state, view.at)?)));
    let effects = core.take_reports(&stamp(now), [ended(two("b"))]);
    assert_eq!(lines(&night, &disk, seq), [&["ended"][..], &["ended", "started"]]);
    let starts = |effect: &Effect| matches!(effect, Effect::Run(run) if run.key == key("three"));
    assert!(effects.iter().any(starts), "{effects:?}");
    let three = "three".parse().unwrap();
    assert!(core.ahead().has_started(&three) && !core.ahead().has_started(&three));
    // It was good for one line.
    let job = Job { key: key("three"), place: Place::Here };
    let effects = core.take_reports(&stamp(now), [ended(job)]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run(_))), "{effects:?}");
}

#[test]
fn what_was_said_ahead_is_only_ever_the_start_of_a_step() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    core.ahead().give(|_| Some((wei(), Command::Hold { why: "no".into() })));
    core.take_reports(&stamp(now), [ended(two("a"))]);
    assert!(core.state().hold().is_none());
    // Nor is it asked when nothing ends, or when it was taken back.
    core.ahead().give(|_| panic!("asked"));
    core.take_reports(&stamp(now), [began("b")]);
    core.tick(&stamp(now.after(Millis::from_secs(1))), None);
    core.ahead().take_back();
    core.take_reports(&stamp(now), [ended(two("b"))]);
}

#[test]
fn what_was_said_ahead_has_to_be_asked_for_where_little_room_is_left() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    core.take_reports(&stamp(now), [ended(two("a"))]);
    core.ahead().give(|view| Some((wei(), first_start(&view.state, view.at)?)));
    disk.leave_free(400 << 20);
    // The line with this end is the first that the disk has no room for.
    disk.fail(Some(Fault { at: disk.count(), how: How::Error(28), for_ever: false }));
    let effects = core.take_reports(&stamp(now), [ended(two("b"))]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run(_))), "{effects:?}");
    let three = "three".parse().unwrap();
    let state = core.state();
    assert!(state.track(&three).attempts.is_empty() && state.hold().is_some());
    assert!(core.view(now).not_recorded.is_none(), "the end itself is recorded");
}

#[test]
fn nothing_is_said_ahead_any_more_once_its_driver_is_asked_to_leave() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    core.take_reports(&stamp(now), [ended(two("a"))]);
    core.ahead().give(|_| panic!("asked"));
    core.ahead().close();
    core.ahead().give(|_| panic!("asked"));
    let effects = core.take_reports(&stamp(now), [ended(two("b"))]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run(_))), "{effects:?}");
    assert!(core.state().track(&"three".parse().unwrap()).attempts.is_empty());
}

#[test]
fn nothing_that_was_said_ahead_starts_when_its_line_is_not_on_disk() {
    let night = night();
    let disk = night.empty_disk();
    let mut play = in_step_two(&night, &disk);
    let (now, core) = (play.now(), &mut play.core);
    core.take_reports(&stamp(now), [ended(two("a"))]);
    core.ahead().give(|view| Some((wei(), first_start(&view.state, view.at)?)));
    disk.fail(Some(Fault { at: disk.count(), how: How::Error(28), for_ever: true }));
    let effects = core.take_reports(&stamp(now), [ended(two("b"))]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run(_))), "{effects:?}");
    let view = core.view(now);
    assert!(view.not_recorded.is_some() && view.unrecorded.contains_key(&two("b")));
    assert!(view.state.track(&"three".parse().unwrap()).attempts.is_empty());
    // Nor later, when the disk is well again: whoever drives has seen none of it.
    disk.fail(None);
    let engine = Actor::Engine;
    let effects = core.submit(&stamp(now), &engine, &Command::TryRecord).unwrap();
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Run(_))), "{effects:?}");
}
