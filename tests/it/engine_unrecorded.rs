//! Stories and rules of the engine while nothing can be recorded. The tables are read by `night`.

use std::cell::Cell;

use golive::engine::{Actor, Effect, Event, Part, RunStage};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::histories::{history, live_on_a_bad_disk};
use crate::night::{AFTER, ONE, RETRY, SOAK, WEB, change, manual, story};
use crate::plans::replay;

#[test]
fn nothing_forward_starts_and_what_runs_is_not_touched() {
    let body = change("a", WEB, "verify = { run = \"check\", within = \"1m\" }")
        + &change("b", ONE, "needs = []");
    story(
        &body,
        "2 start a          | run a.1 web1,web2
         3 record-lost      | held by golive: nothing can be recorded; unrecorded 2
         4 record-lost      | facts:
         5 start b          | refused nothing can be recorded: disk full
         5 continue         | refused nothing can be recorded
         5 stop a           | refused nothing can be recorded
         5 skip b why       | refused nothing can be recorded
         5 roll-back why    | refused nothing can be recorded
         5 auto on          | refused nothing can be recorded
         5 abandon why      | refused nothing can be recorded
         6 note still here  | unrecorded 3
         6 guard            | guard
         6 close-guard      | no-guard
         7 end a.1.web1 ok  | a:running
         7 end a.1.web2 ok  | a:running
         8 health p99 failed | alarm p99
         # Nothing was lost, so its verification begins now; a person goes on.
         9 recorded         | run a.verify.1 web1,web2; is-recorded; held by golive
         10 continue        | free
         11 start b         | run b.1 web1",
    );
}

#[test]
fn the_way_back_is_walked_by_override() {
    let body = change("a", ONE, "undo_note = 1").replace("undo_note = 1\n", "")
        + &change("b", ONE, "")
        + &change("c", ONE, "")
        + AFTER;
    story(
        &body,
        "1 start a          | run a.1 web1
         2 end a.1.web1 ok
         3 start b          | run b.1 web1
         4 override no need | refused everything is recorded
         4 record-lost      | unrecorded 2
         5 override         | refused needs a reason
         5 override the shop is down | unrecorded 3 overridden; by Wei Zhang recording-overridden
         6 override again   | refused the override is given already
         7 start c          | refused nothing can be recorded
         7 continue         | refused nothing can be recorded
         8 guard            | guard
         9 roll-back the shop is down | rolling-back; stop b.1
         10 end b.1.web1 stopped | run freeze.1 local
         11 end freeze.1.local ok | run b.undo.1 web1
         12 end b.undo.1.web1 bad | ~b:failed; run a.undo.1 web1
         13 end a.undo.1.web1 ok | run verify-old.1 web1
         14 end verify-old.1.web1 ok | held by golive
         15 retry b undo    | run b.undo.2 web1
         16 end b.undo.2.web1 bad | held by golive
         17 hand b undo done by hand | rolled-back verified
         18 close           | refused nothing can be recorded
         19 recorded        | is-recorded; facts: recorded-late
         20 close           | closed",
    );
}

#[test]
fn a_rollback_under_way_waits_for_the_record_or_the_override() {
    let body = change("a", ONE, "") + &change("b", ONE, "");
    let begins = "1 start a              | run a.1 web1
         2 end a.1.web1 ok
         3 start b              | run b.1 web1
         4 end b.1.web1 ok
         5 roll-back why        | run b.undo.1 web1
         6 record-lost          | free; unrecorded 1
         7 end b.undo.1.web1 ok | ~b:succeeded; ~a:pending";
    story(&body, &format!("{begins}\n8 override go on | run a.undo.1 web1"));
    story(&body, &format!("{begins}\n8 recorded | run a.undo.1 web1"));
}

#[test]
fn the_end_of_its_time_is_said_and_waits() {
    let body = change("a", ONE, RETRY);
    let late = "1 start a          | run a.1 web1
         2 record-lost
         310 wake           | alarm runs past its limit and is not stopped
         320 wake           | facts:";
    story(&body, &format!("{late}\n330 override it blocks the rest | stop a.1"));
    story(&body, &format!("{late}\n330 recorded | stop a.1"));
    // It fails; the next try is a new start.
    story(
        &body,
        "1 start a          | run a.1 web1
         2 record-lost
         3 end a.1.web1 bad | a:running
         30 wake            | a:running
         31 recorded        | held by golive",
    );
}

#[test]
fn a_person_and_a_watch_wait_too() {
    let body = manual("m", "") + &change("a", ONE, &format!("needs = []\n{SOAK}"));
    story(
        &body,
        "1 health p99 healthy
         1 health errors healthy
         1 start m          | m:waiting
         2 start a          | run a.1 web1
         3 record-lost
         4 sign m 2 done    | refused nothing can be recorded
         5 end a.1.web1 ok  | a:running
         6 hand m done      | refused nothing can be recorded
         7 recorded         | a:soaking
         8 sign m 2 done    | m:succeeded",
    );
}

#[test]
fn lines_put_back_by_hand_end_the_gap_at_the_resume() {
    story(
        &change("a", ONE, ""),
        "1 start a          | run a.1 web1
         2 record-lost      | unrecorded 2
         3 override why     | unrecorded 3 overridden
         4 resume           | follow a.1 web1; is-recorded",
    );
}

/// What starts while nothing is recorded starts on the way back, after an override; and the state
/// is the one of a replay.
#[test]
fn whatever_happens_nothing_forward_starts_unrecorded() {
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let (unrecorded, back) = (Cell::new(0), Cell::new(0));
    let told = runner.run(&history(), |history| {
        let look = |turn: &crate::histories::Turn<'_>| {
            turn.each(|before, fact, _| {
                let Some(lost) = before.lost() else { return };
                unrecorded.set(unrecorded.get() + 1);
                let overridden = lost.overridden.is_some();
                if let Event::AttemptStarted { key, .. } = &fact.event {
                    back.set(back.get() + 1);
                    let goes_back = key.part.is_undo() || !before.plan().is_forward(&key.step);
                    assert!(overridden && goes_back, "{key} started unrecorded");
                    assert_eq!(before.stage(), RunStage::RollingBack);
                }
                if matches!(fact.event, Event::StopAsked { .. } | Event::TimeLimitReached { .. }) {
                    assert!(overridden, "a step was stopped unrecorded");
                }
                if matches!(fact.event, Event::RecordingOverridden { .. }) {
                    assert!(matches!(fact.by, Actor::Operator(_)), "{fact:?}");
                }
            });
            let lost = turn.before.lost().filter(|_| turn.after.lost().is_some());
            let starts = |effect: &Effect| {
                effect.started().is_some_and(|run| {
                    matches!(run.key.part, Part::Action | Part::Verify)
                        && turn.after.plan().is_forward(&run.key.step)
                })
            };
            assert!(lost.is_none() || !turn.effects.iter().any(starts));
        };
        let world = live_on_a_bad_disk(&history, &look);
        prop_assert_eq!(replay(&world.plan, &world.journal), world.state);
        Ok(())
    });
    assert!(told.is_ok(), "{told:?}");
    assert!(unrecorded.get() > 1_000, "{} facts unrecorded", unrecorded.get());
    assert!(back.get() > 20, "{} starts on the way back", back.get());
}
