//! The clock of a run: the window and who may go against it, alarms before it is too late, and
//! what a forecast makes of what has happened.

use golive::base::{Millis, Timestamp};
use golive::engine::{RunKind, WindowEdge};
use golive::plan::{Rag, Tries};

use crate::night::{AFTER, Night, ONE, change, step, story_of};
use crate::plans::at;

/// A window of four hours that opens `secs` seconds after the tests' beginning of time.
fn window(secs: u64) -> String {
    let moment = |secs: u64| at(secs).rfc3339().replace(".000Z", "Z");
    format!(
        "[window]\nopens = {}\ncloses = {}\nzone = \"UTC\"\nprotect = \"30m\"\n",
        moment(secs),
        moment(secs + 4 * 3600)
    )
}

/// A step of ten minutes whose undo takes an hour.
fn slow(id: &str) -> String {
    format!(
        "[[phase.step]]\nid = \"{id}\"\non = \"web1\"\nrun = \"do\"\nestimate = \"10m\"\n\
         undo = {{ run = \"undo\", estimate = \"1h\" }}\n"
    )
}

const LOOK: &str = "[[phase.step]]\nid = \"look\"\non = \"web1\"\nrun = \"look\"\n\
                    read_only = true\nneeds = []\n";

#[test]
fn nothing_that_changes_starts_before_the_window_opens_and_checks_do() {
    let body = change("a", ONE, "needs = []") + LOOK + &window(7200);
    let night = story_of(
        RunKind::Live,
        &body,
        "1 start look check   | run look.1 web1
         2 start a            | refused `a` changes something, and the window opens at Fr 10:00 UTC, in 1h59m: wait, or override it with a reason
         3 outside            | refused needs a reason
         4 outside CAB moved it | facts: window-overridden; by Wei Zhang window-overridden
         5 outside again      | refused does not keep any step
         6 start a            | run a.1 web1",
    );
    assert_eq!(night.state.overrides().early.as_ref().unwrap().as_str(), "CAB moved it");
    assert_eq!(night.state.overrides().late, None);
    let times = night.state.forecast(at(6));
    assert_eq!(times.steps[&step("a")].forecast.start, at(6));
}

#[test]
fn it_starts_by_itself_at_no_time_and_by_hand_when_it_is_open() {
    let body = change("a", ONE, "needs = []") + &window(100);
    story_of(
        RunKind::Live,
        &body,
        "99 start a  | refused the window opens at
         100 start a | run a.1 web1",
    );
}

#[test]
fn after_the_window_a_change_needs_a_reason_and_a_rollback_never_does() {
    let closes = 4 * 3600;
    let body = change("a", ONE, "") + &change("b", ONE, "") + AFTER + &window(0);
    let lines = format!(
        "1 start a            | run a.1 web1
         2 end a.1.web1 ok    | a:succeeded
         {closes} start b     | refused the window closed at Fr 12:00 UTC
         {closes} guard       | guard
         {closes} roll-back the window is over | rolling-back; run freeze.1 local"
    );
    let night = story_of(RunKind::Live, &body, &lines);
    assert_eq!(night.state.shut(at(closes)).unwrap().0, WindowEdge::Closes);
}

#[test]
fn a_freeze_blocks_no_part_of_a_rollback() {
    // Rolled back before it opens (after an override), and days after it has closed: every item
    // runs, undo and own steps, and a failed one may be repeated.
    for (opens, late) in [(86_400, 50), (0, 10 * 86_400)] {
        let body = change("a", ONE, "") + AFTER + &window(opens);
        let start = if opens > 0 { "2 outside CAB moved it" } else { "2 auto off" };
        let (one, two, three) = (late + 1, late + 2, late + 3);
        story_of(
            RunKind::Live,
            &body,
            &format!(
                "{start}
                 3 start a             | run a.1 web1
                 4 end a.1.web1 bad    | a:failed
                 {late} roll-back it failed | rolling-back; run freeze.1 local
                 {late} end freeze.1.local ok | run a.undo.1 web1
                 {one} end a.undo.1.web1 bad | ~a:failed; run verify-old.1 web1
                 {one} end verify-old.1.web1 ok | held
                 {two} retry a undo    | run a.undo.2 web1
                 {three} end a.undo.2.web1 ok | rolled-back verified"
            ),
        );
    }
}

#[test]
fn a_retry_is_a_start_too_and_what_runs_is_let_run() {
    let (last, closes) = (4 * 3600 - 1, 4 * 3600);
    let body = change("a", ONE, "") + &window(0);
    story_of(
        RunKind::Live,
        &body,
        &format!(
            "{last} start a              | run a.1 web1
             {closes} wake             | a:running
             {closes} end a.1.web1 bad | a:failed
             {closes} retry a          | refused the window closed
             {closes} outside one more try, agreed on the bridge |
             {closes} retry a          | run a.2 web1"
        ),
    );
}

#[test]
fn a_rehearsal_has_a_window_of_its_own() {
    let body = change("a", ONE, "") + &window(86_400);
    let night = story_of(RunKind::Rehearsal, &body, "5 start a | run a.1 web1");
    let own = night.state.window().unwrap();
    assert_eq!((own.opens, own.closes), (at(0), at(4 * 3600)));
    let times = night.state.forecast(at(6));
    assert_eq!(times.backout.latest_safe.unwrap().after(times.backout.takes), at(4 * 3600));
    // One that is held inside its window has that.
    let body = change("a", ONE, "") + &window(0);
    let mut inside = Night::open(&body, RunKind::Drill);
    inside.line("60 begin");
    assert_eq!(inside.state.window().unwrap().closes, at(4 * 3600));
}

#[test]
fn what_is_over_its_time_never_looks_nearer_to_its_end() {
    let body = slow("a") + &change("b", ONE, "") + &window(0);
    let night = story_of(RunKind::Live, &body, "0 start a | run a.1 web1");
    let ends = |secs: u64| night.state.forecast(at(secs)).end;
    let mut before = Timestamp::default();
    for secs in (0..7200).step_by(7) {
        let end = ends(secs);
        assert!(end >= before, "at {secs} s");
        assert!(end > at(secs), "b is still to come");
        before = end;
    }
    assert_eq!(ends(0), ends(600));
    assert_eq!(ends(1000), ends(600).after(Millis::from_secs(400 + 100)));
}

#[test]
fn a_failure_waits_for_a_person_and_the_forecast_waits_with_it() {
    let body = slow("a") + &window(0);
    let mut night = story_of(
        RunKind::Live,
        &body,
        "0 start a         | run a.1 web1
         300 end a.1.web1 bad | a:failed",
    );
    let takes = Millis::from_secs(600);
    for secs in [300, 301, 3000] {
        assert_eq!(night.state.forecast(at(secs)).end, at(secs).after(takes));
    }
    night.line("3000 retry a | run a.2 web1");
    assert_eq!(night.state.forecast(at(3100)).end, at(3600));
    // What it cost is counted: one of one try failed, and somebody looked for 45 minutes.
    let looked = Millis::from_secs(2700);
    assert_eq!(night.state.progress().tries, Tries { all: 1, failed: 1, looks: 1, looked });
}

#[test]
fn the_judgement_counts_the_way_back_and_the_reserve() {
    let body = slow("a") + &window(0);
    let night = story_of(RunKind::Live, &body, "0 start a | run a.1 web1\n9 end a.1.web1 ok");
    let rag = |minutes: u64| night.state.forecast(at(60 * minutes)).rag.unwrap();
    assert_eq!(rag(179), Rag::Green);
    // The way back takes an hour: from 3:00 it needs the reserve, from 3:30 it is too long for that.
    assert_eq!((rag(181), rag(209), rag(211)), (Rag::Amber, Rag::Amber, Rag::Red));
}
