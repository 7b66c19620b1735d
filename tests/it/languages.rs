//! The languages of the console: nothing is left untranslated, and a switch changes words alone.

use std::collections::BTreeSet;

use crossterm::event::KeyCode;
use golive::base::{SafeText, cells};
use golive::engine::{Command, RunKind};
use golive::ui::Lang;

use crate::console_night::{Night, PLAIN};

/// Words that are the same in every language, each for a reason.
const SAME: &[&[&str]] = &[
    // Keys, as they are printed on them.
    &["Enter", "Esc", "Tab", "Shift-Tab", "Space", "Up", "Down", "Home", "End", "PgUp", "PgDn"],
    // Classes, which the runbook writes with these words.
    &["check", "CHANGE", "CRITICAL", "critical", "COMMIT"],
    // Keys of the runbook that are named as such.
    &["become", "verify", "auto", "commit", "idempotent", "playbook"],
    // Names: of the program, of clocks, of signals, of protocols, of what has no other name.
    &["golive", "UTC", "CST", "TERM", "KILL", "HTTP", "RTO", "Shell", "SHA-256", "English"],
    // The word that an override begins with, and the command that goes on.
    &["UNRECORDED", "resume"],
    // The machine of the operator, as files and the record name it; kinds of sources of probes.
    &["local", "http", "prometheus", "metrics", "tcp"],
];

/// The words of a Chinese screen that are neither data nor the same in every language.
pub(crate) fn untranslated(screen: &str, night: &Night) -> BTreeSet<String> {
    let data = night.data();
    let same: BTreeSet<&str> = SAME.iter().flat_map(|words| words.iter().copied()).collect();
    let kinds: BTreeSet<&str> =
        night.audit.lines().iter().flat_map(|line| line.what.split(' ')).collect();
    let mut found = BTreeSet::new();
    for row in screen.lines() {
        let between = |c: char| !c.is_ascii_graphic() && c != ' ';
        let runs = row.split(between).flat_map(|run| run.split("  "));
        for run in runs.map(str::trim).filter(|run| !run.is_empty()) {
            let words: Vec<&str> = run.split(' ').collect();
            let mut at = 0;
            while at < words.len() {
                // As much of it as there is in the data, two words and more: a title, a reason.
                let most = (at + 2..=words.len())
                    .rev()
                    .find(|to| data.contains(whole(&words[at..*to].join(" "))));
                if let Some(to) = most {
                    at = to;
                    continue;
                }
                let word = bare(words[at]);
                let letters = word.chars().filter(char::is_ascii_alphabetic).count();
                let name = word.contains(|c: char| c.is_ascii_digit() || "-_./=:#@%".contains(c));
                let fine = letters < 2
                    || name
                    || word.starts_with("..")
                    || same.contains(word)
                    || kinds.contains(word)
                    || night.names().contains(word)
                    || words[at].ends_with("..") && data.contains(whole(words[at]));
                if !fine {
                    found.insert(word.to_owned());
                }
                at += 1;
            }
        }
    }
    found
}

/// A word without the signs around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
}

/// What is left of a text that was cut.
fn whole(text: &str) -> &str {
    text.trim_end_matches(['.', '>', '…', ',', ':', ')', '\\', ' ']).trim_start_matches(['(', '"'])
}

#[test]
fn the_test_finds_what_is_not_translated() {
    let night = Night::migrating(RunKind::Live);
    let found = |text: &str| untranslated(text, &night).into_iter().collect::<Vec<_>>();
    assert_eq!(found("│ 状态 RUNNING │ c3 正在执行。 15m27s Enter 打开"), ["RUNNING"]);
    assert_eq!(found("负责人   wang.fang (dba)   需时 about 4m"), ["about"]);
    let title = night.state.plan().step(&"c3".parse().unwrap()).unwrap().title.clone();
    assert_eq!(found(&format!("► c3 {title}    15m")), Vec::<String>::new());
}

/// A way to a screen from the night of the failed canary.
type Way = (&'static str, fn(&mut Night));

const WAYS: &[Way] = &[
    ("drive", |_| {}),
    ("step", |night| night.keys("2")),
    ("log", |night| night.keys("3/rows")),
    ("found", |night| {
        night.keys("3/rows");
        night.key(KeyCode::Enter);
        night.keys("&wt");
    }),
    ("health", |night| night.keys("4")),
    ("audit", |night| night.keys("6")),
    ("notes", |night| night.keys("7")),
    ("help", |night| night.keys("?")),
    ("alarms", |night| night.keys("C")),
    ("leave", |night| night.keys("q")),
    ("guard", |night| night.keys("R")),
    ("guard in full", |night| night.keys("Rv")),
    ("checkpoints", |night| night.keys("Rp")),
    ("failure", |night| night.key(KeyCode::Enter)),
    ("note", |night| night.keys("N")),
    ("abandon", |night| night.keys("B")),
    ("hold", |night| night.keys("H")),
    ("paused", |night| {
        night.keys("3k");
    }),
];

/// Answers to keys: what is said in the message row.
const SAID: &[Way] = &[
    ("not here", |night| night.keys("@")),
    ("Ctrl-C", |night| night.control('c')),
    ("Ctrl-Z", |night| night.control('z')),
    ("mute", |night| night.keys("M")),
    ("recorded", |night| night.keys("V")),
    ("nothing runs", |night| night.keys("X")),
    ("nothing unseen", |night| night.keys("U")),
    ("no hit", |night| night.keys("3Y")),
    ("wrong code", |night| night.keys("R99")),
    ("input method", |night| night.key(KeyCode::Char('工'))),
    ("paste", |night| {
        night.with(|screen, _| {
            screen.paste("rm");
            Vec::new()
        });
    }),
    ("refused", |night| {
        let reason = SafeText::default();
        night.ask(&Command::Abandon { reason });
    }),
    ("no playbook", |night| night.keys("P")),
    ("language", |night| night.keys("ll")),
];

const SIZES: [(u16, u16); 5] = [(120, 36), (80, 24), (60, 18), (40, 10), (30, 8)];

#[test]
fn every_screen_is_in_chinese() {
    for kind in [RunKind::Live, RunKind::Drill, RunKind::Rehearsal] {
        for (name, go) in WAYS.iter().chain(SAID) {
            for (width, height) in SIZES {
                let mut night = Night::failed(kind);
                night.tick();
                night.key(KeyCode::Esc);
                night.lang = Lang::Zh;
                go(&mut night);
                let text = night.draw(width, height, PLAIN);
                let left = untranslated(&text, &night);
                assert!(left.is_empty(), "{name} {width}x{height}: {left:?}\n{text}");
            }
        }
    }
}

#[test]
fn a_switch_changes_words_and_nothing_else() {
    for (name, go) in WAYS {
        let mut night = Night::failed(RunKind::Live);
        night.tick();
        night.key(KeyCode::Esc);
        go(&mut night);
        let (state, submitted) = (night.state.clone(), night.submitted.len());
        for (width, height) in SIZES {
            night.lang = Lang::En;
            let english = night.draw(width, height, PLAIN);
            night.lang = Lang::Zh;
            let chinese = night.draw(width, height, PLAIN);
            assert_ne!(english, chinese, "{name}");
            night.lang = Lang::En;
            assert_eq!(night.draw(width, height, PLAIN), english, "{name}: there and back");
        }
        assert!(night.state == state && night.submitted.len() == submitted, "{name}");
    }
}

#[test]
fn the_key_switches_and_what_was_said_is_said_again() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("M");
    assert!(night.draw(80, 24, PLAIN).contains("The bell is off"));
    night.lang = Lang::Zh;
    assert!(night.draw(80, 24, PLAIN).contains("铃声已静音"));
    night.lang = Lang::En;
    let submitted = night.submitted.len();
    night.keys("l");
    assert_eq!((night.lang, night.submitted.len()), (Lang::Zh, submitted));
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("简体中文") && text.contains("执行中"), "{text}");
    night.keys("?l");
    assert_eq!(night.lang, Lang::En, "in a dialog too");
    // In a text it is a letter.
    night.key(KeyCode::Esc);
    night.keys("Nl");
    assert_eq!(night.lang, Lang::En);
}

#[test]
fn chinese_fits_where_english_does() {
    // The key bar keeps what must not go, and no row is wider than the screen (`draw` asks).
    for kind in [RunKind::Live, RunKind::Drill] {
        for (name, go) in WAYS {
            let mut night = Night::failed(kind);
            night.tick();
            night.key(KeyCode::Esc);
            night.lang = Lang::Zh;
            go(&mut night);
            for (width, height) in [(120, 36), (80, 24), (60, 18), (40, 10)] {
                let text = night.draw(width, height, PLAIN);
                let keys = text.lines().last().unwrap();
                for pinned in ["暂停", "回滚"] {
                    assert!(keys.contains(pinned), "{name} {width}: {keys}");
                }
                assert!(text.lines().all(|row| cells(row) == usize::from(width)), "{text}");
            }
        }
    }
}
