//! The command line of the console: what it carries out, and that it is no way around a guard.

use crossterm::event::{KeyCode, KeyEventKind};
use golive::engine::{Command, RunKind, RunStage};

use crate::console_night::{ASCII, Night, PLAIN, id};

/// Writes a line, as fast as a person types, and carries it out.
fn say(night: &mut Night, line: &str) {
    night.keys(":");
    write(night, line);
    night.key(KeyCode::Enter);
}

fn write(night: &mut Night, text: &str) {
    for c in text.chars() {
        night.pass_millis(90);
        night.event(KeyCode::Char(c), KeyEventKind::Press);
    }
}

fn begun() -> Night {
    let mut night = Night::new(RunKind::Live);
    night.ask(&Command::Begin);
    night.end_all();
    night.draw(120, 36, PLAIN);
    night
}

#[test]
fn every_view_has_its_word() {
    let mut night = begun();
    for (word, title) in [("audit", "6 Audit"), ("notes", "7 Notes"), ("health", "p95 latency")] {
        say(&mut night, word);
        let shown = night.draw(120, 36, PLAIN);
        assert!(shown.contains(title), "{word}:\n{shown}");
    }
    say(&mut night, "help");
    let mut shown = night.draw(160, 60, PLAIN);
    for _ in 0..40 {
        night.keys("j");
        shown.push_str(&night.draw(160, 60, PLAIN));
    }
    assert!(shown.contains("goto STEP") && shown.contains("COMMANDS"), "{shown}");
}

#[test]
fn a_hold_that_is_written_out_never_ends_a_hold() {
    let mut night = begun();
    say(&mut night, "hold the database is slow");
    let why = night.state.hold().unwrap().why.clone();
    assert_eq!(why.as_str(), "the database is slow");
    night.pass(5);
    say(&mut night, "hold");
    assert!(night.state.hold().is_some());
    assert!(night.draw(120, 36, PLAIN).contains("on HOLD already"));
    say(&mut night, "continue");
    assert!(night.state.hold().is_none());
}

#[test]
fn it_goes_to_a_step_and_writes_notes_about_it() {
    let mut night = begun();
    say(&mut night, "goto e3");
    say(&mut night, "note lb-2 was slow last week");
    let note = night.state.notes().last().unwrap();
    assert_eq!(note.step, Some(id("e3")));
    assert_eq!(note.text, "lb-2 was slow last week");
    say(&mut night, "goto e33");
    let shown = night.draw(120, 36, PLAIN);
    assert!(shown.contains("There is no step `e33`: did you mean `e3`?"), "{shown}");
    say(&mut night, "step c2");
    assert!(night.draw(120, 36, PLAIN).contains("c2"), "the step view is about it");
}

#[test]
fn it_is_no_way_around_a_guard() {
    let mut night = Night::failed(RunKind::Live);
    night.key(KeyCode::Esc);
    night.draw(120, 36, PLAIN);
    say(&mut night, "rollback");
    night.pass(5);
    assert_eq!(night.rolled_back(), 0);
    assert!(night.state.guard().is_some(), "the guard is open, as by R");
    night.key(KeyCode::Esc);
    say(&mut night, "quit");
    assert!(night.draw(120, 36, PLAIN).contains("Leave the run?"));
    night.key(KeyCode::Esc);
    say(&mut night, "abandon");
    assert_eq!(night.state.stage(), RunStage::Active, "it asks why first");
}

#[test]
fn no_word_is_ever_a_guess() {
    let mut night = begun();
    let before = night.submitted.len();
    for line in ["hol", "ls -l", "!rm", "rollback now", "start a2", ":", "", "HOLD", "quit!"] {
        say(&mut night, line);
    }
    assert_eq!(night.submitted.len(), before);
    say(&mut night, "gto e3");
    let shown = night.draw(80, 24, PLAIN);
    assert!(shown.contains("There is no command `gto`: did you mean `goto`?"), "{shown}");
}

#[test]
fn what_is_left_in_it_is_kept_and_never_in_front_of_the_next() {
    let mut night = begun();
    say(&mut night, "audit");
    night.keys(":");
    write(&mut night, "note half a thou");
    night.key(KeyCode::Esc);
    assert!(night.draw(120, 36, PLAIN).contains("Up in the next one"));
    say(&mut night, "notes");
    assert!(night.state.notes().is_empty());
    night.keys(":");
    for _ in 0..2 {
        night.key(KeyCode::Up);
    }
    write(&mut night, "ght");
    night.key(KeyCode::Enter);
    assert_eq!(night.state.notes().last().unwrap().text, "half a thought");
    night.keys(":");
    night.key(KeyCode::Up);
    night.key(KeyCode::Down);
    write(&mut night, "drive");
    assert!(night.draw(120, 36, PLAIN).contains(" :drive"));
}

#[test]
fn tab_completes_words_and_steps() {
    let mut night = begun();
    night.keys(":");
    write(&mut night, "go");
    night.key(KeyCode::Tab);
    write(&mut night, "e");
    night.key(KeyCode::Tab);
    let shown = night.draw(120, 36, PLAIN);
    assert!(shown.contains(" :goto e1"), "{shown}");
    night.key(KeyCode::Tab);
    assert!(night.draw(120, 36, PLAIN).contains(" :goto e3"), "one after the other");
    night.key(KeyCode::Enter);
    night.keys(":");
    write(&mut night, "note x");
    night.key(KeyCode::Enter);
    assert_eq!(night.state.notes().last().unwrap().step, Some(id("e3")));
}

#[test]
fn a_paste_and_the_safety_keys_in_the_line() {
    let mut night = begun();
    night.keys(":");
    night.with(|screen, _| {
        screen.paste("rollback\n\u{1b}[31mhold\n");
        Vec::new()
    });
    assert!(night.draw(120, 36, PLAIN).contains(" :rollback  [31mhold"), "nothing is carried out");
    assert!(night.state.guard().is_none() && night.state.hold().is_none());
    night.key(KeyCode::F(8));
    assert!(night.state.hold().is_some());
    assert!(night.draw(120, 36, PLAIN).contains(" :rollback"), "what is written stays");
    night.key(KeyCode::F(9));
    assert!(night.state.guard().is_some());
}

#[test]
fn the_line_at_every_size() {
    for (width, height) in [(120, 36), (80, 24), (60, 18), (40, 10)] {
        let mut night = Night::migrating(RunKind::Drill);
        night.draw(width, height, PLAIN);
        night.keys(":");
        write(&mut night, "g");
        insta::assert_snapshot!(format!("line-{width}"), night.draw(width, height, PLAIN));
        night.draw(width, height, ASCII);
        write(&mut night, &"o".repeat(300));
        for size in [(width, height), (20, 5), (3, 2), (1, 1)] {
            night.draw(size.0, size.1, PLAIN);
        }
    }
}
