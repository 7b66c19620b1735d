//! Keys at the screens: what they do, and that they cannot do harm.

use crossterm::event::{KeyCode, KeyEventKind};
use golive::base::{Millis, SafeText, Timestamp};
use golive::engine::{Command, Gesture, Part, RunKind, RunStage, Status};
use golive::runbook::Class;
use golive::ui::{Depth, GlyphSet, Theme};
use proptest::prelude::*;

use crate::console_night::{ASCII, Night, PLAIN, id};

#[test]
fn nothing_recorded_is_shouted() {
    let mut night = Night::migrating(RunKind::Live);
    night.end("c3", "db-old-1", 0);
    night.end("c3", "db-new-1", 0);
    night.recording = Some("disk full".to_owned());
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("NOT RECORDED"), "{text}");
}

#[test]
fn enter_opens_and_y_runs() {
    let mut night = Night::new(RunKind::Live);
    night.key(KeyCode::Enter);
    night.key(KeyCode::Enter);
    assert!(night.submitted.is_empty(), "Enter never begins");
    night.keys("y");
    assert_eq!(night.submitted, [Command::Begin]);
    assert_eq!(night.state.stage(), RunStage::Active);
    night.end_all();
    night.key(KeyCode::Enter);
    for _ in 0..5 {
        night.key(KeyCode::Enter);
    }
    assert_eq!(night.started(), 0, "Enter never starts");
    night.keys("y");
    assert_eq!(night.started(), 1);
    assert_eq!(night.state.track(&id("a2")).status, Status::Running);
}

#[test]
fn nothing_runs_unseen_on_a_small_screen() {
    let mut night = Night::new(RunKind::Live);
    night.ask(&Command::Begin);
    for step in ["a1", "a2", "c1"] {
        night.run(step);
    }
    night.draw(30, 6, PLAIN);
    night.key(KeyCode::Enter);
    night.keys("y");
    assert_eq!(night.started(), 0, "nobody could read the command");
    night.draw(40, 10, PLAIN);
    night.keys("y");
    assert_eq!(night.started(), 0, "not all of the command has been on screen");
    let mut seen = night.draw(40, 10, PLAIN);
    for _ in 0..8 {
        night.keys("j");
        seen.push_str(&night.draw(40, 10, PLAIN));
    }
    for word in ["invoice_line", "ledger_2025", "--resume", "db-old-1"] {
        assert!(seen.contains(word), "{word}");
    }
    night.keys("y");
    assert_eq!(night.started(), 1);
}

#[test]
fn keys_typed_before_a_dialog_is_seen_are_dropped() {
    let mut night = Night::new(RunKind::Live);
    night.ask(&Command::Begin);
    night.end_all();
    night.pass(1);
    night.event(KeyCode::Enter, KeyEventKind::Press);
    for _ in 0..3 {
        night.pass_millis(120);
        night.event(KeyCode::Char('y'), KeyEventKind::Press);
    }
    assert_eq!(night.started(), 0, "0.36 s is too soon");
    night.pass_millis(60);
    night.event(KeyCode::Char('y'), KeyEventKind::Repeat);
    assert_eq!(night.started(), 0, "a held key does not confirm");
    night.event(KeyCode::Char('y'), KeyEventKind::Press);
    assert_eq!(night.started(), 1);
}

#[test]
fn a_critical_step_takes_its_digits_and_nothing_else() {
    let mut night = Night::failed(RunKind::Live);
    let reason = SafeText::new("fine");
    night.ask(&Command::AcceptFailure { step: id("e3"), part: Part::Action, reason });
    night.key(KeyCode::Enter);
    night.keys("y");
    assert_eq!(night.started(), 0);
    night.keys("99");
    night.pass(2);
    night.with(|screen, _| {
        screen.paste("58");
        Vec::new()
    });
    assert_eq!(night.started(), 0, "pasted digits do not count");
    night.draw(120, 36, PLAIN);
    // Every wrong code makes new digits; the test's own come in turns.
    let shown = night.draw(80, 24, PLAIN);
    let code = if shown.contains("5 8    [") {
        "５８"
    } else if shown.contains("6 9    [") {
        "６９"
    } else {
        "４７"
    };
    night.keys(code);
    assert_eq!(night.started(), 1, "full-width digits count\n{shown}");
}

#[test]
fn the_guard_takes_code_reason_and_patience() {
    let mut night = Night::failed(RunKind::Live);
    night.tick();
    night.key(KeyCode::F(9));
    assert!(night.state.guard().is_some());
    night.keys("47");
    night.pass(5);
    night.tick();
    assert_eq!(night.rolled_back(), 0, "the reason is missing");
    night.keys("twice");
    night.key(KeyCode::F(2));
    night.pass(1);
    night.tick();
    night.keys("x");
    night.pass(5);
    night.tick();
    assert_eq!(night.rolled_back(), 0, "any key stops the count-down");
    let shown = night.draw(80, 24, PLAIN);
    let code = ["47", "58", "69"].into_iter().find(|code| {
        let mut digits = code.chars();
        let (a, b) = (digits.next().unwrap(), digits.next().unwrap());
        shown.contains(&format!("{a} {b}    ["))
    });
    night.keys(code.unwrap());
    night.pass(3);
    night.tick();
    assert_eq!(night.rolled_back(), 1, "{shown}");
    assert_eq!(night.state.stage(), RunStage::RollingBack);
    night.tick();
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("ROLLING BACK"), "{text}");
}

#[test]
fn three_wrong_codes_close_the_guard_and_hold() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    assert!(night.state.guard().is_some());
    for _ in 0..3 {
        night.keys("00");
        night.pass(2);
    }
    assert!(night.state.guard().is_none());
    assert!(night.state.hold().is_some());
    assert_eq!(night.rolled_back(), 0);
}

#[test]
fn a_guard_that_nobody_touches_closes_and_holds() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    night.pass(59);
    night.tick();
    assert!(night.state.guard().is_some());
    night.pass(2);
    night.tick();
    assert!(night.state.guard().is_none());
    assert!(night.state.hold().is_some());
}

#[test]
fn escape_closes_the_guard_without_a_trace_in_the_run() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    night.key(KeyCode::Esc);
    assert!(night.state.guard().is_none());
    assert!(night.state.hold().is_none());
}

#[test]
fn a_changed_plan_makes_new_digits() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    night.keys("4");
    let before = night.way_back.items.len();
    night.end("c3", "db-old-1", 0);
    night.end("c3", "db-new-1", 0);
    night.way_back.items.pop();
    assert_ne!(before, night.way_back.items.len());
    night.tick();
    night.event(KeyCode::Char('7'), KeyEventKind::Press);
    night.pass(4);
    night.tick();
    assert_eq!(night.rolled_back(), 0);
}

#[test]
fn past_the_point_of_no_return_the_digits_wait_for_a_reason() {
    let mut night = Night::failed(RunKind::Live);
    let reason = SafeText::new("fine");
    night.ask(&Command::AcceptFailure { step: id("e3"), part: Part::Action, reason });
    night.start("e4");
    night.end_all();
    night.key(KeyCode::F(9));
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("PAST THE POINT OF NO RETURN"), "{text}");
    night.keys("47");
    night.pass(5);
    night.tick();
    assert_eq!(night.rolled_back(), 0);
    night.keys("w");
    night.keys("data is wrong");
    night.control('s');
    night.pass(1);
    let shown = night.draw(80, 24, PLAIN);
    let code = if shown.contains("5 8    [") {
        "58"
    } else if shown.contains("6 9    [") {
        "69"
    } else {
        "47"
    };
    night.keys(code);
    night.pass(3);
    night.tick();
    let Some(Command::RollBack { break_glass: Some(why), .. }) = night.submitted.last() else {
        panic!("{:?}\n{shown}", night.submitted.last())
    };
    assert_eq!(why.as_str(), "data is wrong");
}

#[test]
fn a_choice_after_unknown_needs_words_and_a_second_look() {
    let mut night = Night::failed(RunKind::Live);
    let command = Command::Retry {
        step: id("e3"),
        part: Part::Action,
        which: golive::engine::Which::Failed,
        gesture: Gesture { class: Class::Change, after: Millis::new(700) },
        reason: None,
    };
    night.ask(&command);
    night.unknown("e3", "lb-2");
    night.tick();
    night.keys("ry");
    let retried = |night: &Night| {
        night.submitted.iter().filter(|c| matches!(c, Command::Retry { .. })).count()
    };
    assert_eq!(retried(&night), 0);
    night.keys("looked: not there");
    night.control('s');
    assert_eq!(retried(&night), 0, "one more look");
    night.keys("y");
    assert_eq!(retried(&night), 1);
    assert_eq!(night.state.track(&id("e3")).status, Status::Running);
}

#[test]
fn a_failure_is_chosen_by_letter_and_y() {
    let mut night = Night::failed(RunKind::Live);
    night.tick();
    night.key(KeyCode::Enter);
    night.keys("y");
    assert!(night.submitted.is_empty(), "nothing is chosen for you: {:?}", night.submitted);
    night.keys("f");
    night.keys("y");
    night.keys("5 % is enough");
    night.control('s');
    assert_eq!(night.state.track(&id("e3")).status, Status::FailureAccepted);
}

#[test]
fn holding_is_one_key_everywhere() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("N");
    night.keys("H is a letter here");
    assert!(night.state.hold().is_none());
    night.key(KeyCode::F(8));
    assert!(night.state.hold().is_some());
    night.key(KeyCode::Esc);
    night.pass(2);
    night.keys("H");
    assert!(night.state.hold().is_none());
    night.event(KeyCode::Char('H'), KeyEventKind::Press);
    night.event(KeyCode::Char('H'), KeyEventKind::Press);
    assert!(night.state.hold().is_some(), "a bounce does not end a hold");
}

#[test]
fn a_draft_is_kept() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("N");
    night.keys("half a thought");
    night.key(KeyCode::Esc);
    night.keys("N");
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("half a thought"), "{text}");
    night.control('s');
    assert_eq!(night.state.notes()[0].text, "half a thought");
}

#[test]
fn a_line_feed_begins_a_line() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("N");
    night.keys("first");
    night.control('j'); // What a terminal without bracketed paste makes of a line's end.
    night.keys("second");
    night.control('s');
    assert_eq!(night.state.notes()[0].text, "first\nsecond", "nothing typed is lost");
}

#[test]
fn a_run_that_is_over_shows_how_it_is_closed() {
    let mut night = Night::failed(RunKind::Live);
    let text = night.draw(80, 24, PLAIN);
    assert!(!text.contains("X stop step"), "nothing runs: there is nothing to stop\n{text}");
    night.ask(&Command::RollBack { reason: SafeText::new("enough"), break_glass: None, to: None });
    for _ in 0..12 {
        night.end_all();
    }
    night.tick();
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("q close"), "{text}");
    assert!(!text.contains("H HOLD"), "{text}");
}

#[test]
fn a_flood_of_keys_does_nothing() {
    let mut night = Night::migrating(RunKind::Live);
    for _ in 0..200 {
        night.now = night.now.after(Millis::new(20));
        for c in ['R', '4', '7', 'y', '5', '8'] {
            night.event(KeyCode::Char(c), KeyEventKind::Press);
        }
        night.tick();
    }
    assert_eq!(night.rolled_back(), 0);
    assert_eq!(night.started(), 0);
}

#[test]
fn an_input_method_is_told_once() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("生");
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("input method is on"), "{text}");
}

#[test]
fn ctrl_c_explains_and_the_third_holds() {
    let mut night = Night::migrating(RunKind::Live);
    night.control('c');
    assert!(night.submitted.is_empty());
    night.control('c');
    night.control('c');
    assert!(matches!(night.submitted.first(), Some(Command::Hold { .. })));
    assert!(night.state.hold().is_some());
}

#[test]
fn every_size_draws() {
    let mut nights = [
        Night::migrating(RunKind::Drill),
        Night::failed(RunKind::Live),
        Night::new(RunKind::Rehearsal),
    ];
    nights[0].keys("N");
    nights[1].key(KeyCode::F(9));
    for night in &mut nights {
        for width in 1..=130 {
            for height in (1..=40).step_by(if width % 7 == 0 { 1 } else { 3 }) {
                let theme = if width % 2 == 0 { PLAIN } else { ASCII };
                night.draw(width, height, theme);
            }
        }
    }
}

#[test]
fn colours_are_decoration() {
    let mut night = Night::failed(RunKind::Drill);
    let plain = night.draw(120, 36, PLAIN);
    for depth in [Depth::TrueColor, Depth::Ansi256, Depth::Ansi16] {
        let theme = Theme { depth, glyphs: GlyphSet::Unicode };
        assert_eq!(night.draw(120, 36, theme), plain);
    }
}

fn any_key() -> impl Strategy<Value = KeyCode> {
    prop_oneof![
        8 => proptest::sample::select("yRHNqcChjkgGnsdafvwrX?/&123479xeE[]zAB 4758６９生".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        2 => Just(KeyCode::Enter),
        1 => Just(KeyCode::Esc),
        1 => (1_u8..12).prop_map(KeyCode::F),
        1 => proptest::sample::select(vec![
            KeyCode::Tab, KeyCode::Up, KeyCode::Down, KeyCode::PageDown, KeyCode::Backspace, KeyCode::Home,
        ]),
    ]
}

#[derive(Clone, Debug)]
enum Input {
    Key(KeyCode, KeyEventKind, u64),
    Paste(String),
    Resize(u16, u16),
    End(i32),
}

fn any_input() -> impl Strategy<Value = Input> {
    let kind = prop_oneof![
        5 => Just(KeyEventKind::Press),
        1 => Just(KeyEventKind::Repeat),
        1 => Just(KeyEventKind::Release),
    ];
    prop_oneof![
        20 => (any_key(), kind, 0_u64..900).prop_map(|(key, kind, ms)| Input::Key(key, kind, ms)),
        1 => "\\PC{0,12}".prop_map(Input::Paste),
        1 => (1_u16..130, 1_u16..40).prop_map(|(w, h)| Input::Resize(w, h)),
        2 => (0_i32..2).prop_map(Input::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever comes in: no panic, nothing starts without a dialog that was there long enough
    /// before its key, and no rollback without its code.
    #[test]
    fn random_keys_do_no_harm(inputs in proptest::collection::vec(any_input(), 1..220)) {
        let mut night = Night::failed(RunKind::Drill);
        let mut last_digits: Vec<(Timestamp, char)> = Vec::new();
        for input in inputs {
            let before = night.submitted.len();
            match input {
                Input::Key(code, kind, millis) => {
                    night.pass_millis(millis);
                    if let (KeyCode::Char(c), KeyEventKind::Press) = (code, kind) {
                        last_digits.push((night.now, c));
                    }
                    night.event(code, kind);
                }
                Input::Paste(text) => night.with(|screen, _| { screen.paste(&text); Vec::new() }),
                Input::Resize(width, height) => { night.draw(width, height, PLAIN); }
                Input::End(code) => {
                    if let Some(job) = night.jobs().first().cloned() {
                        night.report(job, code);
                    }
                }
            }
            night.tick();
            for command in night.submitted.get(before..).unwrap_or_default() {
                if let Command::Start { gesture, .. } | Command::Retry { gesture, .. } = command {
                    prop_assert!(gesture.after >= Millis::new(400), "{command:?}");
                }
                if let Command::RollBack { .. } = command {
                    let digits: String = last_digits
                        .iter()
                        .filter_map(|(_, c)| match c {
                            '６' => Some('6'),
                            '９' => Some('9'),
                            c => c.is_ascii_digit().then_some(*c),
                        })
                        .collect();
                    let typed = ["47", "58", "69"].iter().any(|code| digits.contains(code));
                    prop_assert!(typed, "{digits}");
                }
            }
        }
    }
}
