//! Stories of the engine: the way back, leaving and resuming. The tables are read by `night`.

use golive::base::StepId;
use golive::engine::{Event, Place, RunKind};

use crate::night::{
    AFTER, Night, ONE, RETRY, SOAK, WEB, change, gate, look, manual, step, story, tell,
};

// ---- rolling back -----------------------------------------------------------------------------

#[test]
fn rule_6_a_rollback_undoes_exactly_what_started_newest_first() {
    let body = change("a", WEB, "")
        + &change("b", ONE, "")
        + &change("c", ONE, "needs = [\"a\"]")
        + &look("l", "needs = [\"never\"]")
        + &change("never", ONE, "needs = [\"c\"]")
        + AFTER;
    story(
        &body,
        "1 guard            | refused no step has started
         1 start a          | run a.1 web1,web2
         2 end a.1.web1 ok
         2 end a.1.web2 ok
         3 start c          | run c.1 web1
         4 start b          | run b.1 web1
         5 end c.1.web1 bad | held
         6 end b.1.web1 unknown | b:unknown
         7 skip c why       | c:skipped
         8 guard            | guard; held
         9 roll-back        | refused rolling back needs a reason
         9 roll-back too slow | rolling-back; free; no-guard; quiet; items freeze ~b ~c ~a verify-old; run freeze.1 local; notice rolling back: too slow; by golive attempt-started
         10 guard           | refused a rollback has begun
         10 start never     | refused a rollback has begun
         10 skip never why  | refused a rollback has begun
         10 roll-back x     | refused a rollback has begun
         11 end freeze.1.local ok | run b.undo.1 web1
         12 end b.undo.1.web1 bad | ~b:failed; run c.undo.1 web1; free; alarm undo of b failed
         13 end c.undo.1.web1 unknown | ~c:unknown; run a.undo.1 web1,web2
         14 end a.undo.1.web1 ok
         14 end a.undo.1.web2 ok | run verify-old.1 web1; no-notice
         15 end verify-old.1.web1 ok | rolling-back; held by golive: 2 of 5 rollback items
         16 continue        | held
         17 retry c undo    | refused as it may have run, needs a reason
         17 retry c undo looked | run c.undo.2 web1; held by golive
         18 end c.undo.2.web1 ok | ~c:succeeded; held
         19 hand b undo done by hand | ~b:done_by_hand; free; rolled-back verified; quiet; notice the old system is verified
         20 guard           | refused a rollback has begun
         21 close           | closed",
    );
}

#[test]
fn rule_6_on_the_way_back_a_choice_ends_the_hold_whatever_failed_forward() {
    story(
        &change("a", ONE, ""),
        "1 start a               | run a.1 web1
         2 end a.1.web1 bad      | a:failed; held
         3 roll-back why         | run a.undo.1 web1; a:failed
         4 end a.undo.1.web1 bad | held by golive
         5 accept a undo fine    | rolled-back; free; quiet",
    );
}

#[test]
fn rule_6_a_completed_run_can_be_rolled_back_until_it_is_closed() {
    story(
        &change("a", ONE, ""),
        "1 start a          | run a.1 web1
         2 end a.1.web1 ok  | completed
         3 guard            | guard
         4 roll-back morning says no | run a.undo.1 web1
         5 end a.undo.1.web1 ok | rolled-back; notice no step has verified",
    );
}

#[test]
fn rule_6_past_the_point_of_no_return_only_with_a_break_glass_reason() {
    let ponr = "[[phase.step]]\nid = \"drop\"\non = \"web1\"\nrun = \"drop\"\npoint_of_no_return = true\n\
                irreversible = \"gone\"\ntimeout = \"1m\"\n";
    story(
        &(change("a", ONE, "") + ponr),
        "1 start a          | run a.1 web1
         2 end a.1.web1 ok
         3 start drop       | run drop.1 web1
         4 roll-back why    | refused `drop` is a point of no return
         5 guard            | guard
         6 break-glass worse to stay | rolling-back; items ~a; stop drop.1
         7 end drop.1.web1 stopped | run a.undo.1 web1; quiet",
    );
    // A gate is passed by its GO.
    let gate = gate("g", "point_of_no_return = true");
    story(
        &(change("a", ONE, "") + &gate),
        "1 start a             | run a.1 web1
         2 end a.1.web1 ok
         3 no-go g not tonight | g:waiting
         4 roll-back why       | g:cancelled; run a.undo.1 web1",
    );
}

#[test]
fn a_rollback_stops_what_runs_and_then_undoes_it() {
    let body = change("a", WEB, RETRY)
        + &change("b", ONE, "needs = []\nverify = { run = \"check\", within = \"1m\" }")
        + &change("c", ONE, &format!("needs = []\n{SOAK}"))
        + &change("d", ONE, &format!("needs = []\n{RETRY}"))
        + &manual("m", "needs = []\nundo = { manual = { text = \"undo it\" } }")
        + AFTER;
    story(
        &body,
        "1 health p99 healthy
         1 health errors healthy
         1 start a          | run a.1 web1,web2
         2 start b          | run b.1 web1
         3 end b.1.web1 ok  | run b.verify.1 web1
         4 start c          | run c.1 web1
         5 end c.1.web1 ok  | c:soaking
         6 start d          | run d.1 web1
         7 end d.1.web1 bad | d:running
         8 start m          | m:waiting
         9 roll-back why    | stop a.1; stop b.verify.1; c:cancelled; d:cancelled; m:cancelled; quiet; items freeze ~m ~d ~c ~b ~a verify-old
         10 end b.verify.1.web1 ok | b:succeeded; quiet
         11 end a.1.web1 ok
         # Stopped too late for web2, where it had not even started: it is undone where it ran.
         12 end a.1.web2 not-started | a:failed; run freeze.1 local
         13 end freeze.1.local ok | ~m:waiting
         14 sign verify-old 0 x  | refused not a manual step
         14 sign m undo 0 undone | ~m:succeeded; run d.undo.1 web1
         15 end d.undo.1.web1 ok | run c.undo.1 web1
         16 end c.undo.1.web1 ok | run b.undo.1 web1
         17 end b.undo.1.web1 ok | run a.undo.1 web1
         18 end a.undo.1.web1 ok | run verify-old.1 web1
         19 end verify-old.1.web1 bad | held
         20 skip verify-old the phone says it works | rolled-back",
    );
}

#[test]
fn a_rollback_that_lets_things_finish_waits_for_jobs_and_for_nothing_else() {
    let body = change(
        "a",
        ONE,
        &format!("verify = {{ run = \"check\", within = \"1m\" }}\n{SOAK}\n{RETRY}"),
    ) + &change("d", ONE, &format!("needs = []\n{RETRY}"))
        + &manual("m", "needs = []")
        + &gate("g", "needs = []")
        + &AFTER.replace("cancel", "finish");
    story(
        &body,
        "1 start a         | run a.1 web1
         2 start d         | run d.1 web1
         3 end d.1.web1 bad | d:running
         4 start m
         4 start g
         5 roll-back why   | a:running; d:cancelled; m:cancelled; g:cancelled; items freeze ~d ~a verify-old
         6 wake            | freeze:pending
         # It is undone now: nobody verifies or watches it any more.
         7 end a.1.web1 ok | a:cancelled; run freeze.1 local; quiet",
    );
    story(
        &body,
        "1 start a          | run a.1 web1
         5 roll-back why    | a:running
         # Nor is it tried again.
         7 end a.1.web1 bad | a:failed; run freeze.1 local",
    );
}

#[test]
fn an_undo_is_left_out_if_its_step_turned_out_never_to_have_started() {
    story(
        &(change("a", ONE, "") + &change("b", ONE, "needs = []") + AFTER),
        "1 start a                | run a.1 web1
         2 end a.1.web1 ok
         3 start b                | run b.1 web1
         4 roll-back why          | stop b.1; items freeze ~b ~a verify-old
         5 end b.1.web1 not-started | run freeze.1 local
         6 end freeze.1.local ok  | run a.undo.1 web1; ~b:pending
         7 end a.undo.1.web1 ok   | run verify-old.1 web1
         8 end verify-old.1.web1 ok | rolled-back verified",
    );
    // One that is known never to have started is no item at all.
    story(
        &(change("a", ONE, "") + &change("b", ONE, "needs = []")),
        "1 start a                  | run a.1 web1
         2 end a.1.web1 not-started | a:failed
         3 roll-back why            | refused no step has started",
    );
}

#[test]
fn an_undo_runs_on_its_own_hosts_and_not_where_the_step_never_started() {
    let elsewhere = change("a", WEB, "").replace("undo a\"", "undo a\", on = [\"web2\", \"web3\"]");
    story(
        &elsewhere,
        "1 start a              | run a.1 web1,web2
         2 end a.1.web1 ok
         2 end a.1.web2 not-started | a:failed
         3 roll-back why        | run a.undo.1 web3",
    );
    story(
        &change("a", WEB, ""),
        "1 hand a done by Ana   | completed
         2 roll-back why        | run a.undo.1 web1,web2",
    );
}

#[test]
fn rule_6_a_rollback_can_be_held_stopped_and_retried() {
    let body = change("a", WEB, "")
        .replace("undo a\"", "undo a\", verify = { run = \"check\", within = \"1m\" }")
        + AFTER;
    story(
        &body,
        "1 start a                  | run a.1 web1,web2
         2 end a.1.web1 ok
         2 end a.1.web2 ok
         3 roll-back why            | run freeze.1 local
         4 hold let us think        | held
         5 end freeze.1.local ok    | ~a:pending; rolling-back
         6 hand b undo why          | refused there is no step
         6 hand freeze undo why     | refused not a rollback step
         7 continue                 | run a.undo.1 web1,web2
         8 stop a                   | stop a.undo.1
         9 end a.undo.1.web1 ok
         9 end a.undo.1.web2 stopped | ~a:cancelled; run verify-old.1 web1
         10 retry a undo failed     | run a.undo.2 web2
         11 end a.undo.2.web2 ok    | ~a:verifying; run a.undo-verify.1 web1,web2
         12 end a.undo-verify.1.web1 ok
         12 end a.undo-verify.1.web2 bad | ~a:failed
         13 recheck a               | run a.undo-verify.2 web1,web2
         14 end a.undo-verify.2.web1 ok
         14 end a.undo-verify.2.web2 ok | ~a:succeeded
         15 end verify-old.1.web1 ok | rolled-back verified",
    );
}

#[test]
fn the_rollbacks_own_steps_keep_their_when_their_retry_and_their_order() {
    let body = change("a", ONE, "")
        + "
[rollback]
[[rollback.before]]
id = \"freeze\"
local = \"freeze\"
when = \"false\"
[[rollback.after]]
id = \"look\"
manual = { text = \"look\" }
[[rollback.after]]
id = \"verify-old\"
stage = \"verify\"
on = \"web1\"
run = \"check old\"
retry = { attempts = 2, delay = \"10s\" }
";
    story(
        &body,
        "1 start a              | run a.1 web1
         2 end a.1.web1 ok
         3 roll-back why        | freeze:skipped; run a.undo.1 web1
         4 sign look 0 early    | refused `look` is pending
         5 end a.undo.1.web1 ok | look:waiting
         6 sign look 0 fine     | look:succeeded; run verify-old.1 web1
         7 end verify-old.1.web1 bad | verify-old:running; wake 17
         17 wake                | run verify-old.2 web1
         18 end verify-old.2.web1 ok | rolled-back verified",
    );
}

#[test]
fn a_run_given_up_on_the_way_back_can_be_taken_back_up() {
    story(
        &(change("a", ONE, "") + &change("b", ONE, "")),
        "1 start a              | run a.1 web1
         2 end a.1.web1 ok
         3 start b              | run b.1 web1
         4 end b.1.web1 ok
         5 roll-back why        | run b.undo.1 web1
         6 end b.undo.1.web1 ok | run a.undo.1 web1
         7 abandon enough
         8 end a.undo.1.web1 bad | ~a:failed; abandoned
         9 roll-back no, really | rolling-back; items ~a; held
         10 retry a undo        | run a.undo.2 web1
         11 end a.undo.2.web1 ok | rolled-back",
    );
}

// ---- leaving and resuming ---------------------------------------------------------------------

#[test]
fn a_driver_who_leaves_holds_the_run() {
    story(
        &(change("a", ONE, "") + &look("b", "")),
        "1 start a         | run a.1 web1
         2 leave SIGHUP    | held by Wei Zhang: the driver left: SIGHUP; facts: driver-left held
         3 end a.1.web1 ok | a:succeeded; b:pending
         4 continue        | run b.1 web1",
    );
}

#[test]
fn after_a_crash_nothing_in_flight_is_started_again_and_a_person_looks_first() {
    let attached = format!("{RETRY}\ndetached = false");
    let body = change("a", WEB, &attached) + &look("b", "needs = [\"a\"]");
    story(
        &body,
        "1 start a                 | run a.1 web1,web2
         2 end a.1.web1 bad
         60 resume                 | a:unknown; held by Wei Zhang: resumed; alarm golive ended while it was in flight; facts: resumed job-ended held settled alarm-raised
         61 end a.1.web2 ok        | refused nothing in flight
         62 wake                   | facts: 
         63 continue               | a:unknown; b:pending
         64 retry a failed         | refused needs a reason
         65 hand a looked: it is there | a:done_by_hand; run b.1 web1",
    );
}

#[test]
fn a_resume_holds_even_where_the_program_did() {
    story(
        &(change("a", ONE, "") + &look("b", "")),
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | held by golive
         60 resume          | held by Wei Zhang: resumed
         61 accept a fine   | b:pending; held
         62 continue        | run b.1 web1",
    );
}

#[test]
fn a_resume_plans_retries_again_and_closes_the_guard() {
    story(
        &change("a", ONE, RETRY),
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | a:running; wake 12
         3 guard            | guard
         60 resume          | no-guard; held; a:running; wake 12
         61 continue        | run a.2 web1",
    );
}

#[test]
fn a_resume_watches_soaks_and_probes_from_zero() {
    let verify = "needs = []\nverify = { probe = \"errors\", within = \"1m\" }";
    story(
        &(change("a", ONE, SOAK) + &change("b", ONE, verify)),
        "1 health p99 healthy
         1 health errors degraded
         1 health errors healthy
         2 start a              | run a.1 web1
         3 end a.1.web1 ok      | a:soaking
         4 start b              | run b.1 web1
         5 health errors unknown
         6 end b.1.web1 ok      | b:verifying
         # It was away for longer than both.
         600 resume             | a:soaking; b:verifying; wake 660; held
         601 health errors healthy | b:succeeded
         602 health p99 healthy | a:soaking
         660 wake               | a:succeeded",
    );
}

#[test]
fn a_resumed_rollback_goes_on_at_the_next_item() {
    let night = story(
        &(change("a", ONE, "") + &change("b", ONE, "") + AFTER),
        "1 start a                | run a.1 web1
         2 end a.1.web1 ok
         3 start b                | run b.1 web1
         4 end b.1.web1 ok
         5 roll-back why          | run freeze.1 local
         6 end freeze.1.local ok  | run b.undo.1 web1
         60 resume                | follow b.undo.1 web1; ~b:running; ~a:pending; rolling-back; held by Wei Zhang
         61 end b.undo.1.web1 unknown | ~b:unknown
         61 continue              | run a.undo.1 web1; freeze:succeeded
         62 end a.undo.1.web1 ok  | run verify-old.1 web1
         63 end verify-old.1.web1 ok | held by golive: 1 of 4
         64 accept b undo it was idempotent | rolled-back verified",
    );
    let doubts = night.journal.iter().find_map(|(_, fact)| {
        if let Event::Resumed { sought, .. } = &fact.event { Some(sought) } else { None }
    });
    let id: StepId = step("b");
    assert!(doubts.unwrap().iter().all(|job| job.key.step == id && job.place != Place::Here));
}

#[test]
fn a_resume_before_the_run_and_after_it_holds_nothing() {
    let mut night = Night::open(&change("a", ONE, ""), RunKind::Live);
    tell(
        &mut night,
        "1 resume          | preparing; free
         2 begin
         3 skip a why      | completed
         4 resume          | completed; free
         5 close           | closed",
    );
}
