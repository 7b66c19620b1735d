//! Stories of the engine: retries, verifications, soaks, choices after a failure, and the work of
//! people. The tables are read by `night`.

use golive::engine::RunKind;

use crate::night::{Night, ONE, RETRY, SOAK, WEB, change, gate, look, manual, story, tell};

// ---- retries, verification, soak --------------------------------------------------------------

#[test]
fn a_retry_by_itself_runs_only_where_it_failed_and_only_so_often() {
    story(
        &change("a", WEB, RETRY),
        "1 start a          | run a.1 web1,web2
         2 end a.1.web1 ok
         3 end a.1.web2 bad | a:running; free; quiet; wake 13; facts: job-ended retry-planned
         12 wake            | facts: 
         13 wake            | run a.2 web2; by golive attempt-started
         14 end a.2.web2 bad | wake 24
         24 wake            | run a.3 web2
         25 end a.3.web2 bad | a:failed; held; alarm exit 3
         26 retry a failed  | run a.4 web2
         27 end a.4.web2 bad | a:failed",
    );
}

#[test]
fn rule_3_a_retry_by_itself_never_follows_an_unknown_end() {
    story(
        &change("a", WEB, RETRY),
        "1 start a              | run a.1 web1,web2
         2 end a.1.web1 bad
         3 end a.1.web2 unknown | a:unknown; held
         99 continue            | a:unknown",
    );
    story(
        &change("a", ONE, RETRY),
        "1 start a              | run a.1 web1
         2 stop a               | stop a.1
         3 end a.1.web1 stopped | a:cancelled",
    );
}

#[test]
fn a_retry_by_itself_never_goes_beside_an_earlier_attempt_in_doubt() {
    let tail = "
         4 continue
         5 retry a looked at it     | run a.2 web1
         6 end a.2.web1 not-started | a:failed; held; alarm not repeated by itself: nobody knows whether a.1 is over there
         7 continue
         99 wake                    | a:failed
         100 retry a looked again   | run a.3 web1
         101 end a.3.web1 bad       | a:failed; alarm exit 3";
    for detached in ["", "detached = false\n"] {
        let head = "1 start a                   | run a.1 web1
         3 end a.1.web1 unknown     | a:unknown; held";
        story(&change("a", ONE, &format!("{detached}{RETRY}")), &format!("{head}{tail}"));
    }
    // What is in doubt elsewhere does not keep it.
    story(
        &change("a", WEB, RETRY),
        "1 start a                  | run a.1 web1,web2
         2 end a.1.web1 unknown
         3 end a.1.web2 bad         | a:unknown
         4 continue
         5 retry a looked at it     | run a.2 web1,web2
         6 end a.2.web1 ok
         7 end a.2.web2 bad         | a:running; wake 17
         17 wake                    | run a.3 web2",
    );
}

#[test]
fn a_planned_retry_waits_for_a_hold_and_for_the_guard_and_can_be_stopped() {
    story(
        &change("a", ONE, RETRY),
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | a:running
         3 hold wait
         20 wake            | a:running; facts: 
         21 guard
         22 wake            | facts: 
         23 close-guard     | a:running
         24 continue        | run a.2 web1
         25 end a.2.web1 bad
         26 stop a          | a:cancelled; facts: settled
         99 wake            | a:cancelled
         99 skip a enough   | a:skipped; completed",
    );
}

#[test]
fn a_verification_decides_after_the_action() {
    let verify = "verify = { run = \"check\", every = \"5s\", within = \"1m\" }";
    story(
        &change("a", WEB, verify),
        "1 start a          | run a.1 web1,web2
         2 end a.1.web1 ok
         2 end a.1.web2 ok  | a:verifying; run a.verify.1 web1,web2
         3 end a.verify.1.web1 ok
         4 end a.verify.1.web2 bad | a:failed; held; alarm its verification did not hold
         5 recheck a        | a:verifying; free; quiet; run a.verify.2 web1,web2
         6 end a.verify.2.web1 unknown
         6 end a.verify.2.web2 ok | a:unknown
         7 recheck a        | run a.verify.3 web1,web2
         90 wake            | stop a.verify.3
         91 end a.verify.3.web1 stopped
         91 end a.verify.3.web2 ok | a:failed
         92 retry a failed  | run a.2 web1,web2
         93 end a.2.web1 ok
         93 end a.2.web2 ok | run a.verify.4 web1,web2
         94 stop a          | stop a.verify.4
         95 end a.verify.4.web1 stopped
         95 end a.verify.4.web2 stopped | a:cancelled
         96 recheck a       | run a.verify.5 web1,web2
         97 end a.verify.5.web1 ok
         97 end a.verify.5.web2 ok | a:succeeded; completed",
    );
}

#[test]
fn rule_3_a_verification_can_settle_what_is_unknown() {
    let verify = "verify = { run = \"check\", within = \"1m\" }";
    story(
        &(change("a", ONE, verify) + &change("b", ONE, "")),
        "1 start a              | run a.1 web1
         2 recheck a            | refused `a` is running
         3 end a.1.web1 unknown | a:unknown
         4 recheck a            | run a.verify.1 web1
         5 end a.verify.1.web1 ok | a:succeeded; free; quiet
         6 start b              | run b.1 web1
         7 end b.1.web1 bad
         8 recheck b            | refused no `verify`",
    );
}

#[test]
fn a_verification_by_probe_waits_for_health_and_not_for_ever() {
    let verify = "verify = { probe = \"p99\", within = \"1m\" }";
    story(
        &change("a", ONE, verify),
        "1 start a             | run a.1 web1
         2 end a.1.web1 ok     | a:verifying; wake 62
         3 health p99 failed   | a:verifying; alarm Warning: p99 has failed
         4 health p99 healthy  | a:succeeded; completed; quiet",
    );
    story(
        &change("a", ONE, verify),
        "1 start a             | run a.1 web1
         2 end a.1.web1 ok     | a:verifying
         62 wake               | a:verifying
         63 wake               | a:failed; alarm probe p99 was not healthy within 1m; held
         64 retry a            | run a.2 web1
         65 end a.2.web1 ok    | a:verifying
         66 stop a             | a:cancelled
         67 recheck a          | a:verifying
         68 health p99 healthy | a:succeeded",
    );
}

#[test]
fn a_soak_passes_only_with_all_probes_healthy_to_its_end() {
    story(
        &change("a", ONE, SOAK),
        "1 health p99 healthy
         1 health errors healthy
         2 start a             | run a.1 web1
         3 end a.1.web1 ok     | a:soaking; wake 63
         62 wake               | a:soaking
         63 wake               | a:succeeded; completed",
    );
    story(
        &(change("a", ONE, SOAK) + &change("b", ONE, "")),
        "1 health p99 healthy
         1 health errors healthy
         2 start a               | run a.1 web1
         3 end a.1.web1 ok       | a:soaking
         30 health p99 degraded  | a:failed; held; alarm probe p99 is degraded; facts: health-changed alarm-raised soak-breached settled alarm-raised held
         31 health p99 healthy   | a:failed
         # What was done is done: only the watching begins again.
         32 recheck a            | a:soaking; free; wake 92
         91 wake                 | a:soaking
         92 wake                 | a:succeeded",
    );
}

#[test]
fn a_soak_waits_for_first_readings_and_takes_no_silence_for_health() {
    story(
        &change("a", ONE, SOAK),
        "1 start a              | run a.1 web1
         2 health errors healthy
         3 end a.1.web1 ok      | a:soaking; wake 63; wake 23
         22 wake                | a:soaking
         24 wake                | a:failed; alarm probe p99 is unknown",
    );
    story(
        &change("a", ONE, &SOAK.replace("60s", "5s")),
        "1 start a              | run a.1 web1
         2 health errors healthy
         3 end a.1.web1 ok      | a:soaking
         9 wake                 | a:soaking
         10 health p99 healthy  | a:succeeded",
    );
}

#[test]
fn a_soak_of_its_own_can_be_stopped_and_watched_again() {
    let soak = "[[phase.step]]\nid = \"watch\"\nsoak = { for = \"60s\", probes = [\"p99\"] }\n";
    story(
        soak,
        "1 health p99 healthy
         2 start watch check | watch:soaking; wake 62
         3 stop watch        | watch:cancelled
         4 retry watch       | watch:soaking; wake 64
         64 wake             | watch:succeeded; completed",
    );
}

// ---- choices ----------------------------------------------------------------------------------

#[test]
fn every_choice_needs_a_reason_and_a_status_that_asks_for_it() {
    let body =
        change("a", ONE, "") + &change("b", ONE, "skippable = false") + &change("c", ONE, "");
    story(
        &body,
        "1 skip a        | refused skipping a step needs a reason
         1 hand a        | refused marking it done by hand needs a reason
         1 accept a why  | refused `a` is pending
         1 retry a why   | refused `a` is pending
         1 recheck a     | refused `a` is pending
         1 hand b why    | refused `b` needs `a`
         1 skip b why    | refused skippable = false
         1 skip x why    | refused there is no step `x`
         1 hand a undo why | refused not rolling back
         2 start a       | run a.1 web1
         2 skip a why    | refused `a` is running
         2 hand a why    | refused `a` is running
         2 accept a why  | refused `a` is running
         3 end a.1.web1 bad | a:failed
         4 accept a      | refused accepting its failure needs a reason
         4 accept a only a warning | a:failure_accepted; free; quiet; by Wei Zhang failure-accepted
         5 accept a why  | refused `a` is failure_accepted
         6 start b       | run b.1 web1
         7 end b.1.web1 bad
         8 skip b why    | refused skippable = false
         9 hand b done on the host | b:done_by_hand; free
         10 start c      | run c.1 web1
         11 end c.1.web1 bad
         12 skip c why   | c:skipped; completed; notice phase The night is over",
    );
}

#[test]
fn the_hold_of_the_program_ends_with_the_last_choice_and_a_persons_does_not() {
    let body = change("a", ONE, "") + &change("b", ONE, "needs = []") + &look("c", "needs = []");
    let begun = "1 end c.1.web1 ok
         1 start a | run a.1 web1
         1 start b | run b.1 web1
         2 end a.1.web1 bad | held by golive: a failed
         3 end b.1.web1 bad | held by golive: a failed";
    let night = &mut Night::open(&body, RunKind::Live);
    tell(night, "0 begin | run c.1 web1");
    tell(night, begun);
    tell(
        night,
        "4 skip a why | held by golive; 
                 5 skip b why | free; completed",
    );
    let night = &mut Night::open(&body, RunKind::Live);
    tell(night, "0 begin | run c.1 web1");
    tell(night, begun);
    tell(
        night,
        "4 hold I want to look | held by Wei Zhang: I want to look
         5 skip a why          | held by Wei Zhang
         5 skip b why          | held by Wei Zhang; active
         6 continue            | completed",
    );
}

#[test]
fn a_continue_with_something_undecided_goes_on_elsewhere_and_forgets_nothing() {
    let body = change("a", ONE, "")
        + &change("b", ONE, "needs = []")
        + &change("c", ONE, "needs = [\"a\"]");
    story(
        &body,
        "1 start a          | run a.1 web1
         2 end a.1.web1 bad | held
         3 continue         | free; a:failed; alarm a failed
         4 start c          | refused `c` needs `a`, which is failed
         5 start b          | run b.1 web1
         6 end b.1.web1 ok  | b:succeeded; active
         7 accept a fine    | quiet
         8 start c          | run c.1 web1
         9 end c.1.web1 ok  | completed",
    );
}

#[test]
fn rule_7_a_skip_never_lets_a_later_step_start_early() {
    let body =
        change("a", ONE, "") + &change("b", ONE, "") + &change("c", ONE, "") + &look("d", "");
    story(
        &body,
        "1 skip b not tonight | b:skipped
         1 skip c nor this   | c:skipped; d:pending
         2 start a           | run a.1 web1; d:pending
         3 end a.1.web1 bad  | d:pending
         4 continue          | d:pending
         5 hand a why        | a:done_by_hand; run d.1 web1",
    );
    story(
        &(change("a", ONE, "") + &manual("m", "") + &change("c", ONE, "")),
        "1 skip m why | m:skipped
         2 start c    | refused `c` needs `a`, which is pending
         3 skip a why | a:skipped
         4 start c    | run c.1 web1",
    );
}

// ---- people: manual steps and gates -----------------------------------------------------------

#[test]
fn a_manual_step_is_signed_off_with_its_whole_list() {
    let body = change("a", ONE, "")
        + &manual("m", "")
        + &manual("n", "verify = { run = \"check\", within = \"1m\" }");
    story(
        &body,
        "1 sign m 2 ok   | refused `m` needs `a`
         1 sign a 2 ok   | refused not a manual step
         2 skip a why
         3 start m check | m:waiting
         4 sign m 1 ok   | refused 1 of 2 items
         5 hold wait
         5 sign n 2 ok   | refused held
         6 sign m 2 seen | m:succeeded; facts: signed-off settled; by Wei Zhang settled
         7 continue
         8 sign n 2 seen | n:verifying; run n.verify.1 local; facts: attempt-started signed-off attempt-started
         9 end n.verify.1.local bad | n:failed
         10 sign n 2 again | n:verifying; run n.verify.2 local; free
         11 end n.verify.2.local unknown | n:unknown
         12 sign n 2 why | refused `n` is unknown
         13 hand n I looked | n:verifying; free; run n.verify.3 local
         14 end n.verify.3.local ok | n:done_by_hand; completed; by golive done-by-hand",
    );
}

#[test]
fn what_is_said_to_be_done_by_hand_is_done_once_its_verification_holds() {
    let verify = "verify = { run = \"check\", every = \"5s\", within = \"1m\" }";
    // From a failure: it did not hold, it could not be read, it holds.
    story(
        &(change("a", WEB, verify) + &change("b", ONE, "")),
        "1 start a             | run a.1 web1,web2
         2 end a.1.web1 ok
         2 end a.1.web2 bad    | a:failed; held
         3 hand a              | refused marking it done by hand needs a reason
         3 hand a on web2, too | a:verifying; free; quiet; run a.verify.1 web1,web2; by Wei Zhang said-done
         4 start b             | refused `b` needs `a`, which is verifying
         5 end a.verify.1.web1 ok
         5 end a.verify.1.web2 bad | a:failed; held; alarm said to be done by hand, and its verification did not hold on web2
         6 start b             | refused held
         7 hand a once more    | a:verifying; run a.verify.2 web1,web2
         8 end a.verify.2.web1 ok
         8 end a.verify.2.web2 unknown | a:unknown; held; alarm said to be done by hand, and not verified on web2
         9 retry a             | refused needs a reason
         9 recheck a           | a:verifying; free; run a.verify.3 web1,web2
         10 end a.verify.3.web1 ok
         10 end a.verify.3.web2 ok | a:done_by_hand; quiet; by golive done-by-hand
         11 start b            | run b.1 web1",
    );
    // Before golive did anything; and nothing but a reason passes what did not hold.
    story(
        &change("a", ONE, verify),
        "1 hand a in the console of the provider | a:verifying; run a.verify.1 web1
         2 end a.verify.1.web1 bad | a:failed; held
         3 accept a the check is wrong tonight | a:failure_accepted; completed",
    );
    // Run again since: what holds then is golive's own attempt.
    story(
        &change("a", ONE, verify),
        "1 hand a why | run a.verify.1 web1
         2 end a.verify.1.web1 bad | a:failed
         3 retry a    | run a.1 web1
         4 end a.1.web1 ok | run a.verify.2 web1
         5 end a.verify.2.web1 ok | a:succeeded; completed",
    );
    let probe = "verify = { probe = \"p99\", within = \"1m\" }";
    story(
        &change("a", ONE, probe),
        "1 hand a why | a:verifying
         80 wake      | a:unknown; alarm probe p99 was not healthy
         81 health p99 failed
         82 recheck a
         150 wake     | a:failed
         151 recheck a
         152 health p99 healthy | a:done_by_hand; completed",
    );
}

#[test]
fn a_verification_that_cannot_even_begin_proves_no_word() {
    let body = change(
        "a",
        ONE,
        "capture = { id = \"id=(.*)\" }
         verify = { run = \"check {{ id }}\", within = \"1m\" }",
    );
    story(
        &body,
        "1 hand a why | a:unknown; held; alarm said to be done by hand, and cannot be verified
         2 accept a seen in the console | a:failure_accepted; completed",
    );
}

#[test]
fn one_act_of_a_person_in_two_systems_is_done_once_it_holds_in_both() {
    let body = manual(
        "m",
        "on = [\"web1\", \"web2\"]\nverify = { run = \"check\", within = \"1m\" }
         undo = { manual = \"the old record\", verify = { run = \"check\", within = \"1m\" } }",
    );
    story(
        &body,
        "1 start m | m:waiting
         2 sign m 2 both | m:verifying; run m.verify.1 web1,web2
         3 end m.verify.1.web1 ok
         3 end m.verify.1.web2 bad | m:failed; alarm its verification did not hold
         4 sign m 2 now really | m:verifying; run m.verify.2 web1,web2
         5 end m.verify.2.web1 ok
         5 end m.verify.2.web2 ok | m:succeeded
         6 roll-back enough | rolling-back; ~m:waiting
         7 sign m undo 0 back | ~m:verifying; run m.undo-verify.1 web1,web2",
    );
}

#[test]
fn a_manual_step_that_is_open_can_be_stopped_skipped_or_done_by_hand() {
    for (line, status) in
        [("3 stop m", "cancelled"), ("3 skip m why", "skipped"), ("3 hand m why", "done_by_hand")]
    {
        story(&manual("m", ""), &format!("2 start m | m:waiting\n{line} | m:{status}"));
    }
    story(
        &manual("m", ""),
        "2 start m
         3 stop m
         4 sign m 2 after all | m:succeeded; completed",
    );
}

#[test]
fn rule_10_unknown_health_holds_a_gate_and_an_override_has_a_reason() {
    story(
        &(gate("g", "") + &change("b", ONE, "")),
        "1 go b 1             | refused not a gate step
         1 go g 0             | refused 0 of 1 items
         1 go g 1             | refused probe `p99` is unknown: GO needs a reason
         2 health p99 failed
         2 go g 1             | refused probe `p99` is failed
         2 start b            | refused `b` needs `g`
         3 accept g why       | refused `g` is pending
         3 hand g why         | refused not a run or manual
         4 go g 1 we know the cause | g:succeeded; facts: attempt-started gate-decided settled; notice gate g: GO; by Wei Zhang gate-decided
         5 go g 1             | refused `g` is succeeded",
    );
    story(
        &gate("g", ""),
        "1 health p99 healthy
         2 start g check | g:waiting
         3 go g 1        | g:succeeded; completed",
    );
}

#[test]
fn a_gate_with_a_margin_does_not_pass_on_a_forecast_that_is_not_known() {
    let gate =
        "[window]\nopens = 2026-11-29T01:00:00\ncloses = 2026-11-29T05:00:00\nzone = \"UTC\"\n"
            .to_owned();
    let body = "[[phase.step]]\nid = \"g\"\ngate = { margin = \"30m\" }\n".to_owned() + &gate;
    story(&body, "1 go g 0 | refused leaves less than 30m\n2 go g 0 it is fine | completed");
}

#[test]
fn a_no_go_holds_and_keeps_the_gate_open() {
    story(
        &(gate("g", "") + &change("b", ONE, "")),
        "1 no-go g             | refused NO-GO needs a reason
         2 no-go g disk is full | g:waiting; held by Wei Zhang: NO-GO at gate g; notice gate g: NO-GO
         3 health p99 healthy
         4 go g 1              | g:succeeded; held
         5 continue            | free",
    );
    // The hold of the program, which a choice would end, becomes the decider's.
    story(
        &(change("a", ONE, "") + &gate("g", "needs = []")),
        "1 start g check
         1 start a          | run a.1 web1
         2 end a.1.web1 bad | held by golive
         3 no-go g bad omen | held by Wei Zhang
         4 accept a why     | held by Wei Zhang",
    );
}

#[test]
fn an_open_gate_can_be_stopped_and_decided_after_all() {
    story(
        &gate("g", "skippable = false"),
        "1 start g check
         2 stop g        | g:cancelled
         3 accept g why  | refused not a run or manual
         4 skip g why    | refused skippable = false
         5 go g 1 fine   | completed",
    );
}
