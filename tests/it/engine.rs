//! Stories of the engine: the life of a session, starts, ends, notices. The tables are read by
//! `night`.

use golive::engine::{Effect, RunKind};

use crate::night::{AFTER, Night, ONE, WEB, change, look, step, story, story_of, tell};

// ---- the life of a session --------------------------------------------------------------------

#[test]
fn a_session_opens_begins_completes_and_closes_once() {
    let mut night = Night::open(&change("a", WEB, ""), RunKind::Live);
    tell(
        &mut night,
        "0 open                | refused the session is open
         0 start a             | refused not begun yet
         0 roll-back why       | refused no step has started
         0 close               | refused not begun yet
         1 begin               | active; facts: run-began; notice the run has begun; by Wei Zhang run-began
         1 begin               | refused the run has begun
         2 start a             | a:running; run a.1 web1,web2; facts: attempt-started; wake 302
         2 close               | refused still under way
         3 end a.1.web1 ok     | a:running; facts: job-ended; by web1 job-ended
         3 end a.1.web1 bad    | refused nothing in flight is called `a.1.web1`
         4 end a.1.web2 ok     | a:succeeded; completed; facts: job-ended settled completed; by golive settled
         5 start a             | refused the session is completed
         5 skip a why          | refused the session is completed
         6 close               | closed; facts: closed
         7 note more           | refused the session is closed
         7 wake                | refused the session is closed
         7 resume              | refused the session is closed",
    );
}

#[test]
fn nothing_happens_before_a_session_is_open() {
    let mut night = Night::open(&change("a", WEB, ""), RunKind::Live);
    night.state = golive::engine::State::new(std::sync::Arc::clone(&night.plan));
    night.journal.clear();
    tell(
        &mut night,
        "0 begin  | refused not open yet
         0 note x | refused not open yet
         0 wake   | facts: ",
    );
}

#[test]
fn a_run_is_given_up_with_a_reason_and_can_still_be_rolled_back() {
    story(
        &(change("a", ONE, "") + &change("b", ONE, "")),
        "1 start a         | run a.1 web1
         2 abandon         | refused giving up the run needs a reason
         3 abandon storm   | abandoned; notice the run was given up: storm
         3 abandon storm   | refused given up already
         4 close           | refused waiting for what still runs
         5 start b         | refused given up
         6 end a.1.web1 ok | a:succeeded; abandoned
         7 roll-back storm is over | rolling-back; run a.undo.1 web1; items ~a
         8 end a.undo.1.web1 ok | ~a:succeeded; rolled-back
         9 close           | closed",
    );
}

#[test]
fn notes_marks_and_clock_jumps_are_recorded() {
    let night = story(
        &change("a", ONE, ""),
        "1 note            | refused a note needs some text
         1 note-at x hello | refused there is no step `x`
         2 note-at a hello | facts: noted
         3 jump 1500       | facts: clock-jumped; by clock clock-jumped
         4 ack             | facts: 
         5 link web1 down  | alarm web1 cannot be reached: no route; facts: alarm-raised; by golive alarm-raised
         5 link web1 down  | facts: 
         6 ack             | facts: alarms-acknowledged; alarm web1
         7 ack             | facts: 
         8 link web1 up    | quiet; facts: alarm-cleared
         8 link web1 up    | facts: 
         9 auto on         | facts: auto-advance",
    );
    assert_eq!(night.state.notes()[0].text, "hello");
    assert!(night.state.auto_advance());
}

#[test]
fn a_record_that_is_not_signed_is_a_caution_until_it_is() {
    story(
        &change("a", ONE, ""),
        "1 signing works | quiet; facts: 
         2 signing fails | alarm Caution: the agent does not answer; facts: alarm-raised
         3 signing fails | alarm Caution: the agent does not answer; facts: 
         4 signing works | quiet; facts: alarm-cleared
         5 signing fails | alarm Caution: the agent does not answer; facts: alarm-raised",
    );
}

#[test]
fn time_alarms_change_at_their_marks_and_end_with_their_cause() {
    story(
        &change("a", ONE, ""),
        "1 limit 45 90  | quiet; facts: 
         2 limit 29 90  | alarm Advisory: latest safe rollback in less than 30 minutes; facts: alarm-raised
         3 limit 28 90  | facts: 
         4 limit 9 29   | alarm Caution: latest safe rollback in less than 10 minutes; alarm Advisory: the window closes
         4 limit 10 30  | facts: 
         4 limit 11 28  | facts: 
         5 limit 0 20   | alarm Warning: the latest safe rollback is past; facts: alarm-raised
         5 limit 1 20   | facts: 
         5 limit -9 20  | facts: 
         6 limit 15 20  | alarm Advisory: latest safe rollback in less than 30 minutes; facts: alarm-raised
         6 limit 31 20  | facts: 
         6 limit 32 20  | facts: alarm-cleared
         6 limit 30 20  | alarm Advisory: latest safe rollback in less than 30 minutes; facts: alarm-raised
         7 limit - 0    | alarm Warning: the window is closed; facts: alarm-cleared alarm-raised
         8 limit - -    | quiet",
    );
}

// ---- starting ---------------------------------------------------------------------------------

#[test]
fn a_start_needs_its_class_its_needs_and_an_active_free_session() {
    story(
        &(change("a", ONE, "") + &change("b", ONE, "") + AFTER),
        "1 start x          | refused there is no step `x`
         1 start verify-old | refused not a forward step
         1 start b          | refused `b` needs `a`, which is pending
         1 start a check    | refused confirmed as such
         2 hold lunch       | held by Wei Zhang: lunch; facts: held
         2 hold again       | refused held already
         2 start a          | refused the session is held (lunch)
         3 continue         | free
         3 continue         | refused not held
         4 start a change   | a:running; run a.1 web1
         4 start a          | refused `a` is running
         4 guard            | guard
         4 guard            | refused guard is open
         5 start b          | refused guard is open
         5 skip b why       | refused guard is open
         5 continue         | refused guard is open
         6 close-guard      | no-guard
         6 close-guard      | refused guard is not open",
    );
}

#[test]
fn steps_of_class_check_start_by_themselves_where_they_may_and_no_others_ever() {
    let by_hand = look("c", "needs = []").replace("auto = true\n", "");
    let body =
        look("a", "") + &look("b", "needs = []") + &by_hand + &change("d", ONE, "needs = []");
    let mut night = Night::open(&body, RunKind::Live);
    tell(
        &mut night,
        "1 begin           | a:running; b:running; c:pending; run a.1 web1; run b.1 web1; by golive attempt-started
         2 auto on         | c:running; d:pending; run c.1 web1; by golive attempt-started
         3 auto on         | d:pending
         4 end a.1.web1 ok | a:succeeded",
    );
}

#[test]
fn a_hold_and_an_open_guard_keep_what_starts_by_itself() {
    let body = change("a", ONE, "") + &look("b", "needs = []") + &look("c", "needs = [\"a\"]");
    let mut night = Night::open(&body, RunKind::Live);
    tell(
        &mut night,
        "1 hold wait       | preparing
         2 begin           | b:pending; held
         3 continue        | run b.1 web1
         4 start a         | run a.1 web1
         5 guard           | guard
         6 end a.1.web1 ok | a:succeeded; c:pending
         7 close-guard     | c:running; run c.1 web1",
    );
}

#[test]
fn a_step_is_passed_over_when_its_when_does_not_hold() {
    let body = change("a", ONE, "capture = { rows = '(\\d+)' }")
        + &change("b", ONE, "when = \"rows == '0'\"")
        + &change("c", ONE, "when = \"rows == '7'\"");
    story(
        &body,
        "1 start a                | run a.1 web1
         2 end a.1.web1 ok rows=7 | b:skipped; c:pending; facts: job-ended captured settled skipped; by golive skipped
         3 start c                | run c.1 web1",
    );
}

#[test]
fn a_when_that_cannot_be_evaluated_starts_nothing_and_says_why() {
    let body = change("a", ONE, "capture = { rows = '(\\d+)' }")
        + &change("b", ONE, "when = \"rows == '0'\"");
    story(
        &body,
        "1 skip a not today | a:skipped; b:pending; active
         2 start b          | refused `when` of `b` cannot be evaluated
         3 skip b neither   | completed",
    );
}

#[test]
fn what_a_step_needs_captured_has_to_be_captured() {
    let body = change("a", ONE, "capture = { rows = '(\\d+)' }")
        + &change("b", ONE, "").replace("do b", "do b {{ rows }}");
    let night = story(
        &body,
        "1 hand a as agreed | a:done_by_hand
         2 start b          | refused `b` cannot start: it needs `rows`",
    );
    assert_eq!(night.state.track(&step("b")).attempts.len(), 0);
    let night = story(
        &body,
        "1 start a                | run a.1 web1
         2 end a.1.web1 ok rows=7 | a:succeeded
         3 start b                | run b.1 web1",
    );
    let mut runs = night.effects.iter().filter_map(Effect::started);
    assert!(runs.any(|run| run.line.contains("do b 7")), "{:?}", night.effects);
}

#[test]
fn a_verification_can_use_what_its_own_step_captured() {
    let more =
        "capture = { pid = '(\\d+)' }\nverify = { run = \"check {{ pid }}\", within = \"30s\" }";
    let night = story(
        &change("a", ONE, more),
        "1 start a               | run a.1 web1
         2 end a.1.web1 ok pid=9 | a:verifying; run a.verify.1 web1; facts: job-ended captured attempt-started",
    );
    let mut runs = night.effects.iter().filter_map(Effect::started);
    assert!(runs.any(|run| run.line == "check 9" && run.poll.is_some()), "{:?}", night.effects);
}

// ---- rule 1, 2, 3: ends -----------------------------------------------------------------------

#[test]
fn rule_3_the_worst_end_of_all_places_is_the_steps() {
    for (first, second, status) in [
        ("ok", "ok", "succeeded"),
        ("ok", "bad", "failed"),
        ("signal", "ok", "failed"),
        ("not-started", "ok", "failed"),
        ("ok", "unknown", "unknown"),
        ("bad", "unknown", "unknown"),
        ("stopped", "ok", "cancelled"),
        ("stopped", "bad", "failed"),
        ("alive", "ok", "unknown"),
        ("stopped-perhaps", "bad", "unknown"),
    ] {
        let lines = format!(
            "1 start a              | run a.1 web1,web2
             2 end a.1.web1 {first}
             3 end a.1.web2 {second} | a:{status}"
        );
        let night = story(&(change("a", WEB, "") + &change("b", ONE, "")), &lines);
        let well = status == "succeeded";
        assert_eq!(night.state.hold().is_none(), well, "{first} {second}");
        assert_eq!(night.state.open_alarms().is_empty(), well, "{first} {second}");
    }
}

#[test]
fn rule_3_unknown_is_never_run_again_without_a_reason() {
    story(
        &change("a", WEB, ""),
        "1 start a              | run a.1 web1,web2
         2 end a.1.web1 ok
         3 end a.1.web2 unknown | a:unknown; held by golive; alarm may have run
         4 retry a failed       | refused as it may have run, needs a reason
         5 retry a failed looked: not there | a:running; free; quiet; run a.2 web2; facts: noted alarm-cleared continued attempt-started
         6 end a.2.web2 bad     | a:failed
         7 retry a failed       | run a.3 web2
         8 end a.3.web2 ok      | a:succeeded; completed",
    );
}

#[test]
fn a_stopped_step_is_cancelled_only_where_all_of_it_is_gone() {
    story(
        &(change("a", WEB, "") + &change("b", ONE, "")),
        "1 stop a             | refused nothing of `a` is running
         1 stop x             | refused there is no step
         2 start a            | run a.1 web1,web2
         3 stop a             | stop a.1; a:running; facts: stop-asked
         4 stop a             | stop a.1
         5 end a.1.web1 ok
         6 end a.1.web2 stopped | a:cancelled; held; alarm was stopped
         7 start b            | refused held
         8 retry a failed     | run a.2 web2; free
         9 stop a             | stop a.2
         # The report of its own end was faster than the stop.
         9 end a.2.web2 ok    | a:succeeded; free; quiet",
    );
}

#[test]
fn a_step_past_its_limit_is_stopped_and_survivors_make_it_unknown() {
    story(
        &change("a", ONE, ""),
        "1 start a              | run a.1 web1; wake 301
         300 wake               | a:running; facts: 
         302 wake               | stop a.1; facts: time-limit-reached; by golive time-limit-reached
         303 wake               | facts: 
         304 end a.1.web1 stopped | a:timed_out; held; alarm timed out
         305 retry a            | run a.2 web1
         700 wake               | stop a.2
         701 end a.2.web1 alive | a:unknown; alarm something of it may be left
         702 accept a we see it is idle | a:failure_accepted; completed; quiet",
    );
}

#[test]
fn silence_raises_an_alarm_once_and_its_end_clears_it() {
    story(
        &change("a", WEB, ""),
        "1 start a           | run a.1 web1,web2
         2 silent a.1.web1   | alarm a has printed nothing on web1
         3 silent a.1.web2   | facts: 
         4 end a.1.web1 ok   | alarm nothing
         5 end a.1.web2 ok   | quiet
         6 silent a.1.web2   | facts: ; quiet",
    );
}

#[test]
fn a_flood_is_said_where_its_host_keeps_it_and_again_when_a_person_has_to_decide() {
    story(
        &change("a", WEB, ""),
        "1 start a            | run a.1 web1,web2
         2 flood a.1.web1 1   | alarm a has printed 1 GiB, and web1 keeps them
         3 flood a.1.web1 1   | facts: 
         4 flood a.1.web1 4   | alarm a has printed 4 GiB
         5 end a.1.web1 ok    | alarm a has printed
         6 end a.1.web2 ok    | quiet
         7 flood a.1.web2 4   | facts: ; quiet",
    );
}

// ---- notices ----------------------------------------------------------------------------------

#[test]
fn a_notify_step_tells_and_ends_like_any_other() {
    let notify =
        "[[phase.step]]\nid = \"tell\"\nnotify = { channels = [\"ops\"], text = \"it begins\" }\n";
    let night = story(
        notify,
        "1 start tell check   | tell:running; tell tell.1
         2 end tell.1.local bad | tell:failed; notice step tell failed
         3 retry tell         | tell tell.2
         4 end tell.2.local ok | completed; notice every step is over",
    );
    assert_eq!(night.state.ready().count(), 0);
}

#[test]
fn a_drill_says_so_and_only_to_channels_that_want_drills() {
    let night = story_of(
        RunKind::Drill,
        "[[phase.step]]\nid = \"tell\"\nnotify = { channels = [\"ops\"], text = \"it begins\" }\n",
        "1 start tell check | tell tell.1; no-notice",
    );
    let Some(Effect::Notify { channels, text, .. }) = night.effects.first() else {
        panic!("{:?}", night.effects)
    };
    assert!(channels.is_empty());
    assert_eq!(text.as_str(), "[DRILL] it begins");
}

#[test]
fn a_phase_is_over_with_its_last_step_however_it_ended() {
    for (line, told) in [
        ("3 accept a why", true),
        ("3 skip a why", true),
        ("3 hand a why", true),
        ("3 retry a | run a.2 web1", false),
    ] {
        let lines = format!("1 start a | run a.1 web1\n2 end a.1.web1 bad\n{line}");
        let night = story(&change("a", ONE, ""), &lines);
        let heard = night.effects.iter().any(|effect| match effect {
            Effect::Notify { text, .. } => text.as_str().contains("phase The night is over"),
            Effect::Run(_)
            | Effect::Follow(_)
            | Effect::LetGo(_)
            | Effect::Stop(_)
            | Effect::HoldToKey { .. }
            | Effect::ProbeLinks
            | Effect::WakeAt(_) => false,
        });
        assert_eq!(heard, told, "{line}");
    }
}
