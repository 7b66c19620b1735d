//! The timeline on screen: bars, marks, what it says of the end, and how it is moved.

use crossterm::event::KeyCode;
use golive::base::SafeText;
use golive::engine::{Command, RunKind};

use crate::console_night::{Night, PLAIN};
use crate::screen::look;

fn timeline(kind: RunKind) -> Night {
    let mut night = Night::migrating(kind);
    night.keys("5");
    night
}

#[test]
fn timeline_of_a_night() {
    look("timeline", timeline);
}

/// What has failed is seen in the bars.
#[test]
fn timeline_of_a_failure() {
    look("timeline-failed", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.key(KeyCode::Esc);
        night.keys("5");
        night
    });
}

#[test]
fn timeline_of_the_way_back() {
    look("timeline-back", |kind| {
        let mut night = Night::failed(kind);
        night.ask(&Command::RollBack {
            reason: SafeText::new("E3 failed twice"),
            break_glass: None,
            to: None,
        });
        night.pass(70);
        night.end_all_of_first_items(2);
        night.tick();
        night.keys("5");
        night
    });
}

/// The rows that tell what the columns are: the title and the times.
fn axis(text: &str) -> Vec<&str> {
    text.lines().skip(3).take(2).collect()
}

/// Finer columns show less of the night, around the present; keys go to its ends and no further.
#[test]
fn timeline_moves_and_stays_inside() {
    let mut night = timeline(RunKind::Live);
    let whole = night.draw(120, 36, PLAIN);
    for _ in 0..30 {
        night.keys("+");
    }
    let fine = night.draw(120, 36, PLAIN);
    assert!(fine.contains("1s a column"), "{fine}");
    for _ in 0..30 {
        night.keys("-");
    }
    let coarse = night.draw(120, 36, PLAIN);
    assert!(coarse.contains("1d a column") || coarse.contains("24h a column"), "{coarse}");
    let mut night = timeline(RunKind::Live);
    night.keys("++");
    for _ in 0..100 {
        night.keys("<");
    }
    let first = night.draw(120, 36, PLAIN);
    night.keys("<");
    assert_eq!(axis(&first), axis(&night.draw(120, 36, PLAIN)));
    night.keys("--");
    assert_eq!(axis(&whole), axis(&night.draw(120, 36, PLAIN)));
}

/// `d` leaves what ends late, and Enter on a step goes to it without starting anything.
#[test]
fn timeline_shows_what_is_late_and_opens_nothing_else() {
    let mut night = timeline(RunKind::Live);
    night.keys("d");
    let late = night.draw(120, 36, PLAIN);
    night.keys("d");
    let all = night.draw(120, 36, PLAIN);
    let rows = |text: &str| text.lines().filter(|line| line.contains("actual")).count();
    assert!(rows(&late) < rows(&all), "{late}\n{all}");
    night.key(KeyCode::Enter);
    assert!(night.submitted.is_empty(), "{:?}", night.submitted);
}
