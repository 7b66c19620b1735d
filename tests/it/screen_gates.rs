//! The screens of polls, waivers, second persons, checkpoints, commit and playbooks.

use crossterm::event::KeyCode;
use golive::base::SafeText;
use golive::engine::{Command, RunKind, Status};
use golive::ui::Lang;

use crate::console_night::{BILLING, Night, PLAIN, id};
use crate::languages::untranslated;

/// The same runbook with everything that this is about.
fn text() -> String {
    let gate = "gate = { healthy = [\"p95\", \"errors\", \"lag\"], margin = \"30m\",";
    let asks = "gate = { poll = [\"dba\", \"app\", \"lead\"], rollback_ready = true, \
                healthy = [\"p95\", \"errors\", \"lag\"], margin = \"30m\",";
    let text = BILLING.replace(gate, asks);
    let text = text.replace("people = [\"wang.fang\"]", "people = [\"wang.fang\", \"he.ping\"]");
    let text = text.replace("id = \"c1\"\n", "id = \"c1\"\n  four_eyes = true\n");
    let text = text.replace("id = \"e1\"\n", "id = \"e1\"\n  commit = true\n");
    text + "
[[playbook]]
id = \"lag\"
title = \"The replica falls behind\"
on_alarm = \"lag\"

  [[playbook.step]]
  id = \"lag-readers\"
  title = \"Send the readers to the primary\"
  on = \"lb-1\"
  run = \"golive-lb readers primary\"
  estimate = \"1m\"

  [[playbook.step]]
  id = \"lag-dba\"
  title = \"Ring the DBA\"
  manual = { text = \"Ring wang.fang.\", evidence = true }

[[playbook]]
id = \"pages\"
title = \"Notice pages are down\"

  [[playbook.step]]
  id = \"pages-up\"
  local = \"pages up\"
"
}

fn night() -> Night {
    let mut night = Night::of(&text(), RunKind::Live);
    night.ask(&Command::Begin);
    for step in ["a1", "a2"] {
        night.run(step);
    }
    night
}

/// Runs what comes before the gate, and opens that.
fn at_the_gate() -> Night {
    let mut night = night();
    agree(&mut night);
    for step in ["c1", "c2", "c3"] {
        night.run(step);
    }
    night.health(&[("p95", 212.0), ("errors", 0.02), ("lag", 41.0), ("orders", 118.0)]);
    night.key(KeyCode::Enter);
    night
}

fn agree(night: &mut Night) {
    let role = "dba".parse().expect("a name");
    let voice = golive::engine::Voice::heard(role, SafeText::new("wang.fang"));
    night.ask(&Command::Approve { step: id("c1"), voice, words: SafeText::new("the copy is ok") });
}

fn look(name: &str, night: &mut Night) {
    for (width, height) in [(120, 36), (80, 24)] {
        let text = night.draw(width, height, PLAIN);
        insta::assert_snapshot!(format!("{name}-{width}"), text);
        night.lang = Lang::Zh;
        let text = night.draw(width, height, PLAIN);
        night.lang = Lang::En;
        let left = untranslated(&text, night);
        assert!(left.is_empty(), "{name} {width}x{height}: {left:?}\n{text}");
        insta::assert_snapshot!(format!("{name}-{width}-zh"), text);
    }
}

#[test]
fn a_poll_is_taken_role_by_role() {
    let mut night = at_the_gate();
    night.keys("o");
    night.keys("g");
    night.keys("n");
    night.keys("the app is not warm");
    night.control('s');
    look("poll", &mut night);
    let votes: Vec<_> =
        night.state.votes(&id("g2")).iter().map(|vote| &vote.voice.person).collect();
    assert_eq!(votes.iter().map(|it| it.as_str()).collect::<Vec<_>>(), ["he.ping", "sun.hao"]);
    // GO is not to be had before all have said it, whatever the reason.
    night.keys("g");
    night.keys("12gy");
    assert_eq!(night.state.gate(&id("g2")), None);
    night.keys("kk");
    night.keys("g");
    assert!(night.state.tally(&id("g2"), night.now).is_go());
}

#[test]
fn a_criterion_is_waived_for_a_while() {
    let mut night = at_the_gate();
    night.keys("W");
    night.keys("the vendor says it falls");
    look("waiver", &mut night);
    night.control('s');
    assert!(night.state.waivers(&id("g2")).is_empty(), "it did not say how long");
    night.key(KeyCode::Home);
    night.keys("30m ");
    night.control('s');
    assert_eq!(night.state.waivers(&id("g2")).len(), 1);
    for _ in 0..3 {
        night.keys("g");
    }
    look("waived", &mut night);
    night.keys("12g");
    night.keys("y");
    assert_eq!(night.state.track(&id("g2")).status, Status::Pending, "the facts have changed");
    night.keys("y");
    assert_eq!(night.state.track(&id("g2")).status, Status::Succeeded);
}

#[test]
fn a_second_person_agrees_before_a_step_starts() {
    let mut night = night();
    night.key(KeyCode::Enter);
    night.keys("y");
    assert_eq!(night.state.track(&id("c1")).status, Status::Pending);
    look("second-missing", &mut night);
    night.keys("p");
    look("second", &mut night);
    night.key(KeyCode::Enter);
    night.control('s');
    night.keys("y");
    assert_ne!(night.state.track(&id("c1")).status, Status::Pending);
}

#[test]
fn the_guard_can_stop_at_a_checkpoint() {
    let mut night = at_the_gate();
    night.key(KeyCode::Esc);
    night.keys("R");
    night.keys("p");
    night.keys("j");
    look("checkpoints", &mut night);
    night.key(KeyCode::Enter);
    look("guard-checkpoint", &mut night);
    // Other digits than before: the plan is another.
    night.keys("58");
    night.keys("the copy is wrong");
    night.control('s');
    for _ in 0..5 {
        night.pass(1);
        night.tick();
    }
    let rollback = night.state.rollback().expect("it began");
    assert_eq!(rollback.to.as_ref().unwrap().checkpoint.as_str(), "B2");
    night.end_all_of_first_items(9);
    assert_eq!(night.state.rollback(), None);
    assert_eq!(night.state.track(&id("c1")).status, Status::Pending);
    assert_eq!(night.state.track(&id("a2")).status, Status::Succeeded);
}

#[test]
fn commit_says_what_it_ends() {
    let mut night = at_the_gate();
    night.key(KeyCode::Esc);
    night.ask(&Command::Skip { step: id("g2"), reason: SafeText::new("decided on the bridge") });
    night.ask(&Command::Skip { step: id("d1"), reason: SafeText::new("told") });
    night.key(KeyCode::Enter);
    look("commit", &mut night);
    night.keys("47");
    night.end_all();
    assert_eq!(night.state.committed(), Some(&id("e1")));
    night.keys("R");
    assert_eq!(night.state.guard(), None);
    look("committed", &mut night);
}

#[test]
fn playbooks_are_at_hand_and_run_nothing_by_being_opened() {
    let mut night = at_the_gate();
    night.key(KeyCode::Esc);
    night.keys("P");
    look("playbooks", &mut night);
    night.key(KeyCode::Enter);
    night.keys("lag grows since 00:50");
    night.control('s');
    assert_eq!(night.started(), 0, "opening runs nothing");
    look("playbook", &mut night);
    night.key(KeyCode::Enter);
    look("playbook-step", &mut night);
    night.keys("47");
    night.end_all();
    assert_eq!(night.state.track(&id("lag-readers")).status, Status::Succeeded);
    night.keys("x");
    assert!(night.state.playbooks().is_empty());
}
