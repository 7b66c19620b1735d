//! Stories of the engine: polls, waivers, second persons, playbooks, triggers, commit, and the way
//! back to a checkpoint. The tables are read by `night`.

use golive::base::SafeText;
use golive::engine::{Choice, Event, RunKind};

use crate::night::{AFTER, Night, ONE, change, step, story, tell};
use crate::plans::at;

/// A gate with these criteria.
fn gate(id: &str, criteria: &str) -> String {
    format!("[[phase.step]]\nid = \"{id}\"\ngate = {{ {criteria} }}\n")
}

// ---- polls and waivers ------------------------------------------------------------------------

#[test]
fn a_poll_needs_every_role_and_no_reason_stands_for_a_missing_one() {
    let night = story(
        &gate("g", "poll = [\"dba\", \"lead\"]"),
        "1 go g 0                       | refused 0 of the 2 roles that have to say GO
         1 go g 0 I know better         | refused 0 of the 2 roles that have to say GO
         2 vote g ops Ana_Souza go      | refused gate `g` does not ask `ops`
         2 vote g dba Wei_Zhang go      | refused `Wei Zhang` is not one of the role `dba`
         2 vote g dba Ana_Souza no-go   | refused NO-GO needs a reason
         3 vote g dba Ana_Souza go lag is 2 s | facts: voted; by Wei Zhang voted
         4 go g 0                       | refused 1 of the 2 roles
         5 vote g lead Wei_Zhang no-go the bridge is empty
         6 go g 0                       | refused 1 of the 2 roles
         7 vote g lead Wei_Zhang go     | g:pending
         8 go g 0                       | g:succeeded; completed",
    );
    let record = night.state.gate(&step("g")).unwrap();
    let frozen = record.frozen.as_ref().unwrap();
    let said: Vec<_> =
        frozen.votes.iter().map(|vote| (vote.voice.role.as_str(), vote.choice)).collect();
    assert_eq!(said, [("dba", Choice::Go), ("lead", Choice::Go)]);
    assert_eq!(frozen.votes[0].words.as_str(), "lag is 2 s");
}

#[test]
fn an_answer_counts_for_twenty_minutes_and_some_of_the_roles_can_be_enough() {
    story(
        &gate("g", "poll = [\"dba\", \"lead\"], require = 1"),
        "1 vote g dba Bo_Li go
         2 vote g lead Wei_Zhang no-go not yet
         1300 go g 0                    | refused 0 of the 1 roles
         1301 vote g dba Bo_Li go
         1302 go g 0                    | g:succeeded; completed",
    );
    story(
        &(change("a", ONE, "") + &gate("g", "poll = [\"dba\"]")),
        "1 vote g dba Bo_Li go          | refused `g` needs `a`
         2 no-go g it is late           | refused `g` needs `a`
         3 vote a dba Bo_Li go          | refused not a gate step",
    );
}

#[test]
fn a_waiver_lets_one_criterion_pass_until_its_end() {
    let mut night = Night::open(&gate("g", "healthy = [\"p99\", \"errors\"]"), RunKind::Live);
    tell(
        &mut night,
        "1 begin
         1 health p99 degraded
         1 health errors healthy
         2 go g 0                       | refused probe `p99` is degraded
         3 waive g p99 30m              | refused a waiver needs a reason
         3 waive g p99 0s why           | refused a waiver lasts from 1s to 24h
         3 waive g errors 30m why       | refused it holds: there is nothing to waive
         3 waive g margin 30m why       | refused gate `g` has no criterion `margin`
         4 waive g p99 60s the vendor knows | facts: waived; wake 64; by Wei Zhang waived
         63 wake                        | facts: 
         65 wake                        | facts: waiver-ended alarm-raised; alarm the waiver of p99 at gate g is over; by golive waiver-ended
         66 go g 0                      | refused probe `p99` is degraded
         67 waive g p99 60s once more   | facts: waived alarm-cleared
         68 go g 0                      | g:succeeded; completed
         200 wake                       | facts: waiver-ended",
    );
    let frozen = night.state.gate(&step("g")).unwrap().frozen.clone().unwrap();
    let waived: Vec<_> =
        frozen.criteria.iter().map(|it| it.waived.as_ref().map(SafeText::as_str)).collect();
    assert_eq!(waived, [Some("once more"), None]);
    assert!(!frozen.criteria[0].holds && frozen.criteria[1].holds);
    assert_eq!(frozen.alarms.len(), 1);
}

#[test]
fn a_rollback_that_is_not_ready_holds_a_gate() {
    story(
        &(change("a", ONE, "") + &gate("g", "rollback_ready = true")),
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok              | a:succeeded
         2 go g 0                       | refused a rollback is not ready (not known: web1: nobody has looked yet
         3 link web1 down               | alarm web1 cannot be reached
         4 go g 0                       | refused a rollback is not ready (web1 cannot be reached
         5 link web1 up
         6 go g 0                       | refused a rollback is not ready (not known: web1
         7 prove-all ready
         8 go g 0                       | g:succeeded; completed",
    );
}

// ---- a second person, evidence ----------------------------------------------------------------

#[test]
fn four_eyes_need_somebody_of_a_role_who_does_not_drive() {
    story(
        &(change("a", ONE, "four_eyes = true") + &change("b", ONE, "")),
        "1 start a                      | refused `a` needs a second person
         2 agree a dba Wei_Zhang        | refused `Wei Zhang` is not one of the role `dba`
         2 agree a lead Wei_Zhang       | refused Wei Zhang drives: a second person has to agree
         2 agree b dba Bo_Li            | refused nobody has to agree to this step
         3 agree a dba Bo_Li I looked   | facts: approved
         1300 start a                   | refused `a` needs a second person
         1301 agree a dba Bo_Li
         1302 start a                   | run a.1 web1
         1303 end a.1.web1 bad          | a:failed
         1304 retry a failed            | refused `a` needs a second person
         1305 agree a dba Ana_Souza
         1306 retry a failed            | run a.2 web1",
    );
}

#[test]
fn a_sign_off_with_evidence_says_where_it_is() {
    let body = "[[phase.step]]\nid = \"m\"\nmanual = { text = \"Hand over\", evidence = true }\n";
    story(
        body,
        "1 sign m 0                     | refused the sign-off of `m` needs evidence
         2 sign m 0 https://wiki/42     | m:succeeded; completed",
    );
}

// ---- back to a checkpoint, commit -------------------------------------------------------------

#[test]
fn a_return_undoes_what_started_since_and_the_run_goes_on_from_there() {
    let body = change("a", ONE, "")
        + &change("b", ONE, "checkpoint = \"data\"")
        + &change("c", ONE, "")
        + &gate("g", "")
        + &change("d", ONE, "")
        + AFTER;
    let night = story(
        &body,
        "1 back-to data too early       | refused nothing to roll back
         2 start a                      | run a.1 web1
         3 end a.1.web1 ok
         4 start b                      | run b.1 web1
         5 end b.1.web1 ok
         6 back-to data nothing yet     | refused nothing has started since checkpoint `data`
         6 back-to other why            | refused no checkpoint `other`
         7 start c                      | run c.1 web1
         8 end c.1.web1 ok
         9 go g 0                       | g:succeeded
         10 start d                     | run d.1 web1
         11 end d.1.web1 bad            | d:failed; held
         12 back-to data                | refused rolling back needs a reason
         13 back-to data the copy is wrong | rolling-back; free; items ~d ~c; run d.undo.1 web1
         14 end d.undo.1.web1 ok        | run c.undo.1 web1
         15 end c.undo.1.web1 ok        | active; held back at checkpoint data; c:pending; g:pending; d:pending; b:succeeded; notice back at checkpoint data
         16 start c                     | refused the session is held
         17 continue                    | free
         18 start c                     | run c.2 web1
         19 end c.2.web1 ok             | c:succeeded
         20 go g 0                      | g:succeeded
         21 roll-back all the way       | items freeze ~c ~b ~a verify-old; run freeze.1 local
         22 end freeze.1.local ok       | run c.undo.2 web1",
    );
    assert_eq!(night.state.returns().len(), 1);
    assert_eq!(night.state.returns()[0].ended, Some(at(15)));
}

#[test]
fn a_return_that_fails_is_held_and_what_cannot_be_undone_stays() {
    let body = change("a", ONE, "checkpoint = \"start\"")
        + &change("b", ONE, "")
        + "[[phase.step]]\nid = \"c\"\nrun = \"drop\"\non = \"web1\"\nirreversible = \"gone\"\ntimeout = \"5m\"\n";
    story(
        &body,
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         3 start b                      | run b.1 web1
         4 end b.1.web1 ok
         5 start c                      | run c.1 web1
         6 end c.1.web1 ok              | completed
         7 back-to start once more      | items ~b; run b.undo.1 web1
         8 end b.undo.1.web1 bad        | rolling-back; held 1 of 1 rollback items did not succeed
         9 accept b undo by hand later  | active; b:pending; c:succeeded; held back at checkpoint
         10 continue
         11 start b                     | run b.2 web1
         12 end b.2.web1 ok             | completed",
    );
}

#[test]
fn commit_ends_the_right_to_roll_back() {
    let body = change("a", ONE, "checkpoint = \"one\"")
        + &change("b", ONE, "commit = true")
        + &change("c", ONE, "");
    story(
        &body,
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         3 start b change               | refused has to be confirmed as such
         3 start b critical             | run b.1 web1
         4 guard                        | guard
         5 close-guard
         6 limit 9 90                   | alarm latest safe rollback
         7 end b.1.web1 ok              | b:succeeded
         8 guard                        | refused `b` has ended the right to roll back
         9 break-glass all is lost      | refused `b` has ended the right to roll back
         9 back-to one why              | refused `b` has ended the right to roll back
         10 limit 9 90                  | quiet
         11 start c                     | run c.1 web1
         12 end c.1.web1 ok             | completed",
    );
}

// ---- triggers ---------------------------------------------------------------------------------

#[test]
fn a_trigger_proposes_after_its_time_and_acts_by_itself_only_where_it_may() {
    let body = |auto: bool| {
        change("a", ONE, "")
            + &change("b", ONE, "point_of_no_return = true")
            + &format!(
                "[rollback]\ntrigger = [{{ probe = \"errors\", state = \"failed\", for = \"60s\", auto = {auto} }}]\n"
            )
    };
    story(
        &body(false),
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         3 health errors failed         | wake 63
         62 wake                        | facts: 
         63 wake                        | alarm Warning: trigger: errors has been failed for 1m: the runbook proposes to ROLL BACK; active
         64 wake                        | facts: 
         65 health errors degraded      | facts: health-changed alarm-raised alarm-cleared",
    );
    story(
        &body(true),
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         3 health errors failed
         63 wake                        | rolling-back; by golive rollback-began; run a.undo.1 web1",
    );
    story(
        &body(true),
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         3 hold let me look
         4 health errors failed
         70 wake                        | active; alarm trigger: errors
         71 continue                    | active",
    );
    story(
        &body(true),
        "1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         3 start b                      | run b.1 web1
         4 end b.1.web1 ok              | completed
         5 health errors failed
         70 wake                        | completed",
    );
}

#[test]
fn a_planned_return_is_next_once_its_step_is_over() {
    let body = |more: &str| {
        change("a", ONE, "")
            + "[[phase.step]]\nid = \"stay\"\nsoak = { for = \"1m\", probes = [\"p99\"] }\n"
            + &change("b", ONE, "")
            + &format!("[rollback]\nplanned = {{ after = \"stay\"{more} }}\n")
    };
    let there = "1 health p99 healthy
         1 start a        | run a.1 web1
         2 end a.1.web1 ok
         3 start stay     | stay:soaking";
    story(
        &body(""),
        &format!(
            "{there}
         62 wake          | active; facts: 
         63 wake          | stay:succeeded; active; alarm Caution: planned return: stay is over: the way back is next
         64 wake          | facts: 
         65 roll-back the hour is over | rolling-back; quiet; run a.undo.1 web1
         66 end a.undo.1.web1 ok | rolled-back"
        ),
    );
    story(
        &body(", auto = true"),
        &format!(
            "{there}
         63 wake          | stay:succeeded; rolling-back; by golive rollback-began; run a.undo.1 web1"
        ),
    );
    // Who holds the run decides; and what was passed over has waited for nothing.
    story(
        &body(", auto = true"),
        &format!(
            "{there}
         4 hold let me look
         63 wake          | stay:succeeded; active; alarm planned return
         70 continue      | active"
        ),
    );
    story(
        &body(", auto = true"),
        "1 start a        | run a.1 web1
         2 end a.1.web1 ok
         3 skip stay why  | stay:skipped; active; alarm planned return",
    );
}

// ---- playbooks --------------------------------------------------------------------------------

const PLAYBOOK: &str = "
[[playbook]]
id = \"drain\"
on_alarm = \"p99\"
[[playbook.step]]
id = \"d1\"
run = \"drain\"
on = \"web2\"
timeout = \"5m\"
[[playbook.step]]
id = \"d2\"
manual = { text = \"call the vendor\" }
";

#[test]
fn a_playbook_runs_whatever_the_run_does_and_holds_no_rollback() {
    let night = story(
        &(change("a", ONE, "") + PLAYBOOK),
        "1 start d1                     | refused playbook `drain` is not open
         1 playbook drain               | refused an emergency procedure needs a reason
         1 playbook nothing why         | refused there is no playbook `nothing`
         2 start a                      | run a.1 web1
         3 end a.1.web1 bad             | a:failed; held
         4 playbook drain web2 burns    | facts: playbook-opened; notice drain was opened
         4 playbook drain again         | refused this playbook is open
         5 sign d2 0 called             | refused `d2` needs `d1`
         6 start d1 change              | refused has to be confirmed as such
         6 start d1                     | run d1.1 web2
         7 shut drain                   | refused closing its playbook is not possible
         8 roll-back enough             | rolling-back; run a.undo.1 web1
         9 end a.undo.1.web1 ok         | rolled-back
         10 end d1.1.web2 ok            | d1:succeeded
         11 sign d2 0 called            | d2:succeeded
         12 shut drain                  | facts: playbook-closed
         13 playbook drain once more    | d1:pending; d2:pending
         14 start d1                    | run d1.2 web2
         15 end d1.2.web2 ok
         16 close                       | closed",
    );
    let opened = night.journal.iter();
    let opened = opened.filter(|(_, fact)| matches!(fact.event, Event::PlaybookOpened { .. }));
    assert_eq!(opened.count(), 2);
}

#[test]
fn a_playbook_is_proposed_while_its_alarm_is_open() {
    let mut night = Night::open(&(change("a", ONE, "") + PLAYBOOK), RunKind::Live);
    tell(&mut night, "1 begin\n2 health p99 failed | alarm p99 has failed");
    assert_eq!(night.state.proposed_playbooks().count(), 1);
    tell(&mut night, "3 health p99 healthy | quiet");
    assert_eq!(night.state.proposed_playbooks().count(), 0);
}
