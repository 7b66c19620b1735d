//! Stories of the engine: durable steps that go out of sight, come back, or are let go.

use golive::engine::{Effect, Part};

use crate::night::{Night, ONE, WEB, change, look, step, story, tell};
use golive::engine::RunKind;

#[test]
fn a_lost_link_is_no_end() {
    story(
        &change("a", WEB, ""),
        "1 start a                 | run a.1 web1,web2
         2 began a.1.web1          | facts: job-sighted
         3 began a.1.web2
         10 lost a.1.web1 reset    | a:running; alarm a runs on web1, and nobody sees it: reset
         11 lost a.1.web2 reset    | a:running
         12 back a.1.web1          | facts: job-sighted
         13 back a.1.web2          | facts: job-sighted alarm-cleared
         14 end a.1.web1 ok        | a:running
         15 end a.1.web2 ok        | a:succeeded",
    );
}

#[test]
fn an_end_clears_what_was_out_of_sight() {
    story(
        &change("a", ONE, ""),
        "1 start a                 | run a.1 web1
         10 lost a.1.web1 reset    | a:running
         14 end a.1.web1 ok        | a:succeeded; facts: job-ended alarm-cleared settled completed
         15 back a.1.web1          | refused nothing in flight",
    );
}

#[test]
fn what_is_durable_is_looked_for_after_a_crash_and_nothing_starts() {
    story(
        &(change("a", WEB, "") + &change("b", ONE, "needs = []\ndetached = false")),
        "1 start a                 | run a.1 web1,web2
         2 began a.1.web1
         3 start b                 | run b.1 web1
         4 end a.1.web2 ok
         60 resume                 | follow a.1 web1; a:running; b:unknown; held by Wei Zhang
         61 end a.1.web1 ok        | a:succeeded; facts: job-ended settled",
    );
}

#[test]
fn a_stop_that_was_asked_before_a_crash_is_asked_again() {
    story(
        &change("a", ONE, ""),
        "1 start a                 | run a.1 web1
         5 stop a                  | stop a.1
         60 resume                 | follow a.1 web1 stopping; a:running",
    );
}

#[test]
fn only_what_nobody_sees_can_be_let_go_and_the_next_attempt_asks_the_host_first() {
    let mut night = Night::open(&change("a", WEB, ""), RunKind::Live);
    tell(
        &mut night,
        "0 begin
         1 start a                 | run a.1 web1,web2
         2 let-go a why            | refused out of sight
         10 lost a.1.web1 silent   | a:running
         11 let-go a               | refused needs a reason
         12 end a.1.web2 bad
         13 let-go a it is on fire | let-go a.1.web1; a:unknown
         14 end a.1.web1 ok        | refused nothing in flight
         20 continue
         21 retry a                | refused needs a reason
         22 retry a looked at it   | run a.2 web1,web2",
    );
    let mut runs = night.effects.iter().filter_map(Effect::started);
    let sent = runs.find_map(|run| run.durable.clone());
    let after = sent.expect("it is durable").after;
    let of = |host: &str| {
        let place = after.iter().find(|(place, _)| place.to_string() == host);
        place.map(|(_, keys)| keys.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(of("web1"), Some(vec!["a.1".to_owned()]), "nobody knows whether it is over there");
    assert_eq!(of("web2"), Some(vec![]), "it ended there");
}

#[test]
fn an_earlier_attempt_is_asked_about_in_its_own_records() {
    let asked = |end: &str| {
        let mut night = Night::open(&change("a", ONE, ""), RunKind::Live);
        let text = format!(
            "0 begin
             1 start a                 | run a.1 web1
             2 began a.1.web1
             10 lost a.1.web1 silent   | a:running
             {end}
             20 continue
             22 retry a looked at it   | run a.2 web1"
        );
        tell(&mut night, &text);
        let mut runs = night.effects.iter().filter_map(Effect::started);
        let durable = runs.find_map(|run| run.durable.clone()).expect("it is durable");
        let keys: Vec<_> = durable.after.values().flatten().map(ToString::to_string).collect();
        assert_eq!(keys, ["a.1"]);
        // Those that were there when it started are its own too.
        assert_eq!(durable.records.values().map(ToString::to_string).collect::<Vec<_>>(), ["7f"]);
        durable.after_in.into_values().flatten().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(asked("13 let-go a it is on fire | let-go a.1.web1; a:unknown"), ["7f"]);
    assert_eq!(asked("13 end a.1.web1 unknown"), ["7f"]);
    // That its host has forgotten it is known: there is nothing left to ask.
    assert!(asked("13 end a.1.web1 forgotten").is_empty());
}

#[test]
fn an_undo_asks_the_host_about_the_action_that_nobody_knows_of() {
    let mut night = Night::open(&change("a", ONE, ""), RunKind::Live);
    tell(
        &mut night,
        "0 begin
         1 start a                 | run a.1 web1
         2 lost a.1.web1 silent
         3 let-go a it is on fire  | let-go a.1.web1; a:unknown
         4 roll-back no way        | run a.undo.1 web1",
    );
    let track = night.state.undo_track(&step("a"));
    assert_eq!(track.attempts.last().map(|attempt| attempt.key.part), Some(Part::Undo));
    let mut runs = night.effects.iter().filter_map(Effect::started);
    let after = runs.find_map(|run| Some(run.durable.as_ref()?.after.clone()));
    let keys: Vec<_> = after.unwrap().into_values().flatten().map(|key| key.to_string()).collect();
    assert_eq!(keys, ["a.1"]);
}

#[test]
fn an_orphan_is_told_and_what_only_reads_is_not_durable() {
    story(
        &(change("a", ONE, "") + &look("b", "")),
        "1 start a                 | run a.1 web1
         2 orphan a.1.web1         | alarm a runs on web1 without its watcher
         3 end a.1.web1 unknown    | a:unknown
         4 hand a looked at it     | run b.1 web1
         60 resume                 | b:unknown",
    );
}
