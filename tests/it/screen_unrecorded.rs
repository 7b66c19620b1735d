//! The screen while nothing can be recorded: it says so in every view and dialog, and what may be
//! done all the same asks for the override.

use crossterm::event::KeyCode;
use golive::base::SafeText;
use golive::engine::{Command, RunKind, RunStage};
use golive::ui::{Depth, GlyphSet, Lang, Theme};

use crate::console_night::{ASCII, Night, PLAIN};
use crate::languages::untranslated;

const WHY: &str = "cannot write /var/lib/golive/sessions/billing/journal.jsonl: No space left";

/// A night in which the disk fills up while a step runs.
fn lost(kind: RunKind) -> Night {
    let mut night = Night::migrating(kind);
    night.seq = 1493;
    night.ask(&Command::RecordLost { why: SafeText::new(WHY) });
    night.tick();
    night
}

pub(crate) fn overridden() -> Night {
    let mut night = lost(RunKind::Live);
    night.keys("V");
    night.keys("unrecorded the shop is down");
    night.control('s');
    assert!(night.state.is_overridden(), "{:?}", night.submitted);
    night
}

#[test]
fn not_recorded_never_leaves_the_screen() {
    for kind in [RunKind::Live, RunKind::Drill] {
        let color = Theme { depth: Depth::TrueColor, glyphs: GlyphSet::Unicode };
        for (width, height) in [(120, 36), (80, 24), (60, 18), (40, 10), (30, 8)] {
            for theme in [PLAIN, ASCII, color] {
                let mut night = lost(kind);
                for keys in ["1", "2", "3", "4", "6", "7", "z", "?"] {
                    night.keys(keys);
                    let text = night.draw(width, height, theme);
                    assert!(text.contains("NOT RECORDED"), "{keys} {width}x{height}\n{text}");
                }
                night.key(KeyCode::Esc);
                for keys in ["R", "w", "V"] {
                    night.keys(keys);
                    let text = night.draw(width, height, theme);
                    assert!(text.contains("NOT RECORDED"), "{keys} {width}x{height}\n{text}");
                }
            }
        }
    }
}

#[test]
fn the_screens_of_it() {
    for (width, height) in [(120, 36), (80, 24)] {
        let shot = |name: &str, night: &mut Night| {
            insta::assert_snapshot!(
                format!("unrecorded-{name}-{width}"),
                night.draw(width, height, PLAIN)
            );
            night.lang = Lang::Zh;
            let text = night.draw(width, height, PLAIN);
            night.lang = Lang::En;
            let left = untranslated(&text, night);
            assert!(left.is_empty(), "{name} {width}x{height}: {left:?}\n{text}");
            assert!(text.contains("未记录"), "{text}");
            insta::assert_snapshot!(format!("unrecorded-{name}-{width}-zh"), text);
        };
        let mut night = lost(RunKind::Live);
        shot("drive", &mut night);
        night.keys("R");
        shot("guard", &mut night);
        night.keys("w");
        night.keys("unrecorded the shop is down");
        shot("override", &mut night);
        night.control('s');
        shot("guard-overridden", &mut night);
        night.key(KeyCode::Esc);
        shot("overridden", &mut night);
    }
}

#[test]
fn the_guard_gives_its_digits_after_the_override_and_not_before() {
    let mut night = lost(RunKind::Live);
    night.keys("R");
    assert!(night.state.guard().is_some());
    let text = night.draw(120, 36, PLAIN);
    assert!(
        text.contains("press w and type UNRECORDED and why") && !text.contains("To start, type"),
        "{text}"
    );
    for code in ["47", "58", "69"] {
        night.keys(code);
    }
    assert_eq!(night.rolled_back(), 0);
    night.keys("w");
    // Without the word, or without a reason, it is none.
    for wrong in ["the shop is down", "UNRECORDED", "unrecordedthe shop"] {
        night.keys(wrong);
        night.control('s');
        assert!(!night.state.is_overridden(), "{wrong}");
        (0..wrong.len()).for_each(|_| night.key(KeyCode::Backspace));
    }
    night.keys("Unrecorded: the shop is down");
    night.control('s');
    assert!(night.state.is_overridden());
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("To start, type") && text.contains("the shop is down"), "{text}");
    let shown = ["47", "58", "69"].into_iter().find(|code| {
        let mut digits = code.chars();
        let (a, b) = (digits.next().unwrap(), digits.next().unwrap());
        text.contains(&format!("{a} {b}    ["))
    });
    let digits = shown.unwrap();
    night.keys(digits);
    night.pass(4);
    night.tick();
    assert_eq!(night.rolled_back(), 1, "{}", night.draw(120, 36, PLAIN));
    assert_eq!(night.state.stage(), RunStage::RollingBack);
    assert_eq!(night.state.rollback().unwrap().reason.as_str(), "the shop is down");
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("NOT RECORDED, OVERRIDE"), "{text}");
}

#[test]
fn a_step_is_stopped_after_the_override() {
    let mut night = lost(RunKind::Live);
    night.keys("X");
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("Type UNRECORDED and why you"), "{text}");
    night.keys("unrecorded it eats the disk");
    night.control('s');
    night.keys("X");
    night.keys("y");
    let stops = night.submitted.iter().filter(|it| matches!(it, Command::Stop { .. })).count();
    assert_eq!(stops, 1, "{:?}", night.submitted);
}

#[test]
fn nothing_forward_starts_with_the_override() {
    let mut night = overridden();
    let before = night.started();
    for keys in ["H", "A", "\n", "y", "s"] {
        night.keys(keys);
    }
    night.key(KeyCode::Enter);
    night.keys("y");
    assert_eq!(night.started(), before);
    assert!(night.state.hold().is_some(), "a hold that the record began stays");
}

#[test]
fn where_everything_is_recorded_there_is_nothing_to_override() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("V");
    night.keys("W");
    assert!(night.draw(120, 36, PLAIN).contains("Everything is recorded"));
    assert!(!night.submitted.contains(&Command::TryRecord));
    let mut night = lost(RunKind::Live);
    night.keys("W");
    assert!(night.submitted.contains(&Command::TryRecord));
}
