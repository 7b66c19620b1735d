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
    // The language that the key switches to, and the environment in both.
    &["PROD", "DRILL", "REHEARSAL"],
    // Commands of the command line, and what they take.
    &["drive", "step", "log", "health", "timeline", "audit", "notes", "alarms", "playbooks"],
    &["goto", "hold", "continue", "note", "ack", "mute", "auto", "stop", "rollback", "abandon"],
    &["lang", "help", "reload", "shell", "quit", "exit", "STEP", "HOST", "TEXT"],
    // The machine of the operator, as files and the record name it; kinds of sources of probes.
    &["local", "http", "prometheus", "metrics", "tcp", "run"],
];

/// The words of a Chinese screen that are neither data nor the same in every language.
///
/// Data is known by its neighbours: two words that stand beside each other in what the runbook, the
/// hosts or people have said, or a name of one word.
pub(crate) fn untranslated(screen: &str, night: &Night) -> BTreeSet<String> {
    let data = night.data();
    let said: Vec<&str> = data.split(apart).map(bare).filter(|word| !word.is_empty()).collect();
    let pairs: BTreeSet<(&str, &str)> =
        said.windows(2).filter_map(|two| Some((*two.first()?, *two.get(1)?))).collect();
    let same: BTreeSet<&str> = SAME.iter().flat_map(|words| words.iter().copied()).collect();
    let kinds: BTreeSet<&str> =
        night.audit.lines().iter().flat_map(|line| line.what.split(' ')).collect();
    let names = night.names();
    let fine = |raw: &str| {
        let word = bare(raw);
        let letters = word.chars().filter(char::is_ascii_alphabetic).count();
        // Numbers with units, paths, ids: nothing that a language has.
        let id = raw.contains(|c: char| c.is_ascii_digit() || "-_/=#@%".contains(c))
            || word.contains(['.', ':']);
        let cut = raw.contains("..") || raw.contains('>');
        let known = same.contains(word) || kinds.contains(word) || names.contains(word);
        letters < 2 || id || cut || known
    };
    let mut found = BTreeSet::new();
    for row in screen.lines() {
        let runs = row.split(|c: char| !c.is_ascii_graphic() && c != ' ');
        for run in runs.flat_map(|run| run.split("  ")) {
            let words: Vec<&str> = run.split(apart).filter(|word| !bare(word).is_empty()).collect();
            for (at, word) in words.iter().enumerate() {
                let pair = |one: Option<&&str>, other: Option<&&str>| {
                    let two = one.zip(other).map(|(one, other)| (bare(one), bare(other)));
                    two.is_some_and(|two| pairs.contains(&two))
                };
                let before = at.checked_sub(1).and_then(|at| words.get(at));
                // A word alone may be what a sentence has left over in its next row; where a text is
                // cut, its last word stands alone too.
                let alone = (words.len() == 1 || run.contains('>')) && said.contains(&bare(word));
                let next = words.get(at + 1);
                let data = alone || pair(before, Some(word)) || pair(Some(word), next);
                if !data && !fine(word) {
                    found.insert(bare(word).to_owned());
                }
            }
        }
    }
    found
}

/// What stands between two words, on screen and in the record.
fn apart(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '"' | '{' | '}' | '[' | ']' | '(' | ')' | ';' | '|')
}

/// A word without the signs around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_ascii_alphanumeric())
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
                let guards = matches!(*name, "guard" | "guard in full" | "checkpoints" | "note");
                for pinned in ["暂停", "回滚"].into_iter().take(if guards { 1 } else { 2 }) {
                    assert!(keys.contains(pinned), "{name} {width}: {keys}");
                }
                assert!(text.lines().all(|row| cells(row) == usize::from(width)), "{text}");
            }
        }
    }
}

/// The fields of the rows that never leave the screen.
fn header(screen: &str) -> Vec<String> {
    let rows = screen.lines().take(4).flat_map(|row| row.split(" | "));
    rows.map(|field| field.trim().to_owned()).collect()
}

#[test]
fn what_the_header_has_to_say_is_never_cut() {
    for (overrides, late) in
        [false, true].into_iter().flat_map(|it| [0, 14_000, 38_400].map(|late| (it, late)))
    {
        let mut night = if overrides {
            crate::screen_unrecorded::overridden()
        } else {
            Night::failed(RunKind::Live)
        };
        night.pass(late);
        night.tick();
        night.key(KeyCode::Esc);
        night.seq = 123_456;
        for (lang, (width, height)) in
            [Lang::En, Lang::Zh].into_iter().flat_map(|lang| SIZES.map(|size| (lang, size)))
        {
            if width < 40 {
                continue;
            }
            night.lang = lang;
            let text = night.draw(width, height, PLAIN);
            let audit = match (overrides, lang, width) {
                (false, Lang::En, 60) => "AUDIT ok",
                (false, Lang::En, _) => "AUDIT ok #123456",
                (false, Lang::Zh, 60) => "审计正常",
                (false, Lang::Zh, _) => "审计正常#123456",
                (true, Lang::En, 80..) => "NOT RECORDED, OVERRIDE",
                (true, Lang::En, _) => "NOT RECORDED, OVR",
                (true, Lang::Zh, 120) => "未记录，已强制",
                (true, Lang::Zh, _) => "未记录·强制",
            };
            let fields = header(&text);
            assert!(fields.iter().any(|field| field == audit), "{audit} {fields:?}\n{text}");
            let back = |field: &String| {
                let words: &[&str] = match lang {
                    Lang::En => &["RB-", "RB PAST", "ROLL BACK BY"],
                    Lang::Zh => &["回滚0", "回滚超", "最晚回滚", "回0"],
                };
                words.iter().any(|word| field.starts_with(word))
            };
            let window =
                |field: &String| field.starts_with(if lang == Lang::En { "W" } else { "窗" });
            assert!(fields.iter().any(back) && fields.iter().any(window), "{fields:?}\n{text}");
            // No clock loses a digit.
            for field in &fields {
                for part in field.split(':').skip(1) {
                    let digits = part.chars().take_while(char::is_ascii_digit).count();
                    assert_eq!(digits, 2, "{field} {width}\n{text}");
                }
            }
        }
    }
}
