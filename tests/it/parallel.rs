//! A parallel run: a soak that compares two systems on a schedule.

use std::sync::Arc;

use golive::base::{Millis, Timestamp};
use golive::engine::{Command, Done, End, Job, Part, Place, Reconciled, RunKind, Status};
use golive::runbook::{Code, SourceFile, check};

use crate::console_night::{Night, PLAIN, id};
use crate::runbook::listing;

fn runbook(soak: &str) -> String {
    format!(
        r#"golive = 1
[runbook]
id = "days"
title = "Three days"
strategy = "parallel"
environment = "practice"
[hosts.db-old]
[hosts.db-new]
[[phase]]
id = "side-by-side"
title = "Side by side"
[[phase.step]]
id = "days"
title = "Both books agree"
soak = {{ {soak} }}
[[phase.step]]
id = "next"
on = "db-new"
run = "hostname"
read_only = true
estimate = "1s"
timeout = "30s"
"#
    )
}

const BOOKS: &str = r#"reconcile = { left = { on = "db-old", run = "sums" }, right = { on = "db-new", run = "sums" }, compare = "rows" }"#;

fn days(breach: &str) -> Night {
    let soak = format!("for = \"3d\", every = \"6h\", breach = \"{breach}\", {BOOKS}");
    let mut night = Night::of(&runbook(&soak), RunKind::Drill);
    night.ask(&Command::Begin);
    night.start("days");
    night
}

/// Ends the comparison under way with what both sides say.
fn compare(night: &mut Night, left: &str, right: &str) -> Job {
    let jobs = night.jobs();
    let [job] = jobs.as_slice() else { panic!("not one comparison: {jobs:?}") };
    assert_eq!((job.key.part, &job.place), (Part::Compare, &Place::Here));
    let plan = Arc::clone(night.state.plan());
    let parallel = plan.step(&id("days")).unwrap().parallel().unwrap();
    let found = Reconciled::of(&parallel.reconcile, left.as_bytes(), right.as_bytes());
    let end = End::Done(Box::new(Done::reconciled(found)));
    night.ask(&Command::Ended { job: job.clone(), end, transcript: None });
    job.clone()
}

fn status(night: &Night) -> Status {
    night.state.track(&id("days")).status
}

fn soaks(night: &Night) -> bool {
    matches!(status(night), Status::Soaking { .. })
}

fn next(night: &Night) -> Option<Timestamp> {
    night.state.next_comparison(&id("days"))
}

#[test]
fn both_are_compared_at_the_beginning_on_schedule_and_at_the_end() {
    let mut night = days("hold");
    let began = night.now;
    assert!(soaks(&night) && next(&night).is_none(), "one is under way");
    assert_eq!(compare(&mut night, "a 1", "a 1").to_string(), "days.compare.1.local");
    assert_eq!(next(&night), Some(began.after(Millis::from_secs(6 * 3_600))));
    let mut late = 0;
    for number in 2..=12 {
        night.pass(6 * 3_600 - 1 - late);
        assert!(night.jobs().is_empty() && soaks(&night), "before comparison {number}");
        night.pass(1);
        late = 20;
        night.pass(late);
        assert_eq!(compare(&mut night, "a 1", "a 1").key.attempt, number);
    }
    night.pass(6 * 3_600 - late);
    assert!(soaks(&night), "the last comparison comes at the end");
    assert_eq!(compare(&mut night, "a 1", "a 1").key.attempt, 13);
    assert_eq!(status(&night), Status::Succeeded);
    assert!(night.state.hold().is_none());
}

#[test]
fn a_difference_is_a_breach() {
    for (breach, says) in [("hold", "look, then choose"), ("rollback", "proposes to roll back")] {
        let mut night = days(breach);
        compare(&mut night, "a 1", "a 1");
        night.pass(6 * 3_600);
        compare(&mut night, "a 1", "a 2");
        assert_eq!(status(&night), Status::Failed);
        assert!(night.state.hold().is_some());
        let alarms = night.state.open_alarms();
        let text = alarms[0].text.as_str();
        assert!(text.contains("comparison 2 on local: 1 of 1 row differs"), "{text}");
        assert!(text.contains(says), "{text}");
        // Watching again begins with a comparison.
        night.pass(60);
        night.ask(&Command::Recheck { step: id("days") });
        assert!(soaks(&night));
        assert_eq!(compare(&mut night, "a 2", "a 2").key.attempt, 3);
        assert!(soaks(&night) && night.jobs().is_empty());
    }
}

#[test]
fn nothing_to_compare_is_a_breach_too() {
    let mut night = days("fail");
    compare(&mut night, "a 1", "");
    assert_eq!(status(&night), Status::Failed);
    let text = night.state.open_alarms()[0].text.to_string();
    assert!(text.contains("nothing was compared: db-new gave nothing"), "{text}");
}

/// Three days in which what cannot be read is read three times.
fn patient() -> Night {
    let soak = format!("for = \"3d\", every = \"6h\", breach = \"hold\", {BOOKS}");
    let retry = "retry = { attempts = 3, delay = \"2m\" }";
    let text = runbook(&soak).replace(
        "[[phase.step]]\nid = \"next\"",
        &format!("{retry}\n[[phase.step]]\nid = \"next\""),
    );
    let mut night = Night::of(&text, RunKind::Drill);
    night.ask(&Command::Begin);
    night.start("days");
    night
}

#[test]
fn what_could_not_be_read_is_read_again_and_what_differs_is_not() {
    let mut night = patient();
    compare(&mut night, "a 1", "");
    assert!(soaks(&night) && night.jobs().is_empty(), "it waits two minutes");
    assert_eq!(next(&night), Some(night.now.after(Millis::from_secs(120))));
    night.key(crossterm::event::KeyCode::Char('2'));
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("could not be compared; compares again at"), "{text}");
    night.key(crossterm::event::KeyCode::Esc);
    night.pass(120);
    // Read at last: the schedule goes on from here, and the next time it may fail twice again.
    assert_eq!(compare(&mut night, "a 1", "a 1").key.attempt, 2);
    assert_eq!(next(&night), Some(night.now.after(Millis::from_secs(6 * 3_600))));
    night.pass(6 * 3_600);
    for attempt in [3, 4] {
        assert_eq!(compare(&mut night, "", "a 1").key.attempt, attempt);
        assert!(soaks(&night));
        night.pass(120);
    }
    assert_eq!(compare(&mut night, "", "a 1").key.attempt, 5);
    assert_eq!(status(&night), Status::Failed);
    let text = night.state.open_alarms()[0].text.to_string();
    assert!(text.contains("comparison 5 on local: nothing was compared"), "{text}");

    let mut night = patient();
    compare(&mut night, "a 1", "");
    night.pass(120);
    compare(&mut night, "a 1", "a 2");
    assert_eq!(status(&night), Status::Failed, "a difference is an answer");
}

#[test]
fn the_last_comparison_is_read_again_after_the_end() {
    let mut night = patient();
    for _ in 0..12 {
        compare(&mut night, "a 1", "a 1");
        night.pass(6 * 3_600);
    }
    compare(&mut night, "a 1", "");
    assert!(soaks(&night), "nobody knows yet whether both agree");
    night.pass(120);
    compare(&mut night, "a 1", "a 1");
    assert_eq!(status(&night), Status::Succeeded);
}

#[test]
fn one_that_hangs_is_stopped_and_one_that_is_stopped_ends_the_soak() {
    let mut night = days("hold");
    let job = night.jobs().remove(0);
    night.pass(11 * 60);
    let attempt = night.state.track(&id("days")).last().unwrap();
    assert!(attempt.stopping.is_some(), "ten minutes are enough");
    let end = End::Stopped { survivors: Some(Vec::new()) };
    night.ask(&Command::Ended { job, end, transcript: None });
    assert_eq!(status(&night), Status::Failed);

    let mut night = days("hold");
    night.ask(&Command::Stop { step: id("days") });
    let job = night.jobs().remove(0);
    let end = End::Stopped { survivors: Some(Vec::new()) };
    night.ask(&Command::Ended { job, end, transcript: None });
    assert_eq!(status(&night), Status::Cancelled);
}

#[test]
fn the_next_comparison_is_on_the_screen() {
    let mut night = days("hold");
    compare(&mut night, "orders 5\nbills 7", "orders 5\nbills 7");
    night.pass(60);
    for (width, height) in [(120, 36), (80, 24)] {
        night.key(crossterm::event::KeyCode::Char('2'));
        let text = night.draw(width, height, PLAIN);
        assert!(text.contains("compares again at 22:00"), "{text}");
        assert!(text.contains("2 rows agree"), "{text}");
        insta::assert_snapshot!(format!("parallel-{width}"), text);
        night.key(crossterm::event::KeyCode::Esc);
    }
}

#[test]
fn what_makes_no_sense_is_told() {
    for (soak, code, said) in [
        ("for = \"1h\"", Code::MissingKey, "a soak without `probes`"),
        ("for = \"1h\", probes = [], every = \"1m\"", Code::NoEffect, "`every` has no effect"),
        (&format!("for = \"1h\", {BOOKS}"), Code::MissingKey, "does not say how often"),
        (
            &format!("for = \"1h\", every = \"2h\", {BOOKS}"),
            Code::Contradiction,
            "is over after 1h",
        ),
    ] {
        let main = SourceFile::new("x.toml", &runbook(soak));
        let checked = check(&main, &mut |_| Err("no".to_owned()));
        let found = checked.problems.iter().any(|it| it.code == code);
        let listing = listing(&checked);
        assert!(found && listing.contains(said), "{soak}\n{listing}");
    }
}
