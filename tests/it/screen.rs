//! The screens, drawn exactly in every size and in both kinds of run.

use crossterm::event::KeyCode;
use golive::base::{Millis, SafeText};
use golive::engine::{Command, Gesture, Part, Proof, RunKind};
use golive::runbook::Class;
use golive::ui::{Lang, Signed};

use crate::console_night::{ASCII, BILLING, Night, PLAIN, id};
use crate::languages::untranslated;

/// The same in Chinese.
fn has_the_facts_in_chinese(text: &str, night: &Night, kind: RunKind) {
    let env = match kind {
        RunKind::Live => "生产",
        RunKind::Drill => "演练",
        RunKind::Rehearsal => "预演",
    };
    let clock = night.state.plan().zone.hour_minute(night.now);
    for fact in [env, clock.as_str(), "窗", "审计正常", "周二", "Z 周", "暂停"] {
        assert!(text.contains(fact), "{fact} is missing in\n{text}");
    }
    let [elapsed, back, alarms] =
        [&["已用", "T+"][..], &["回", "预计"], &["告", "警戒", "提示", "没有未解除"]];
    for any in [elapsed, back, alarms] {
        assert!(any.iter().any(|fact| text.contains(fact)), "{any:?} is missing in\n{text}");
    }
}

/// The facts that never leave the screen.
fn has_the_facts(text: &str, night: &Night, kind: RunKind) {
    if night.lang == Lang::Zh {
        return has_the_facts_in_chinese(text, night, kind);
    }
    let zone = &night.state.plan().zone;
    let clock = zone.hour_minute(night.now);
    for fact in [kind.word(), clock.as_str(), "T+", "W", "RB", "AUDIT ok", "C", "H"] {
        let fact =
            if fact == "RB" && text.contains("ROLL BACK BY") { "ROLL BACK BY" } else { fact };
        let back = fact == "RB" && text.contains("ENDS");
        assert!(text.contains(fact) || back, "{fact} is missing in\n{text}");
    }
    assert!(text.contains("Z ") && text.contains("Tu"), "day and UTC\n{text}");
}

/// Draws a night in every size and both kinds, and holds it against its snapshots.
pub(crate) fn look(name: &str, make: fn(RunKind) -> Night) {
    for kind in [RunKind::Live, RunKind::Drill] {
        let mut night = make(kind);
        for (width, height) in [(120, 36), (80, 24)] {
            let text = night.draw(width, height, PLAIN);
            has_the_facts(&text, &night, kind);
            let word = kind.word().to_lowercase();
            insta::assert_snapshot!(format!("{name}-{width}-{word}"), text);
        }
        for (width, height) in [(60, 18), (40, 10)] {
            let text = night.draw(width, height, PLAIN);
            has_the_facts(&text, &night, kind);
            if kind == RunKind::Live {
                insta::assert_snapshot!(format!("{name}-{width}"), text);
            }
        }
        night.lang = Lang::Zh;
        for (width, height) in [(120, 36), (80, 24), (60, 18), (40, 10)] {
            let text = night.draw(width, height, PLAIN);
            has_the_facts(&text, &night, kind);
            let left = untranslated(&text, &night);
            assert!(left.is_empty(), "{name} {width}x{height}: {left:?}\n{text}");
            // The small ones, and those of a drill, once: what differs is in the header.
            if (width >= 80 && kind == RunKind::Live) || name == "drive" {
                let word = kind.word().to_lowercase();
                insta::assert_snapshot!(format!("{name}-{width}-{word}-zh"), text);
            }
        }
    }
}

#[test]
fn drive() {
    look("drive", |kind| {
        let mut night = Night::migrating(kind);
        night.tick();
        night
    });
}

#[test]
fn drive_in_ascii() {
    let mut night = Night::migrating(RunKind::Drill);
    let text = night.draw(80, 24, ASCII);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!("drive-ascii-drill", text);
}

#[test]
fn drive_in_a_rehearsal() {
    let mut night = Night::migrating(RunKind::Rehearsal);
    for (width, height) in [(120, 36), (80, 24)] {
        let text = night.draw(width, height, PLAIN);
        has_the_facts(&text, &night, RunKind::Rehearsal);
        insta::assert_snapshot!(format!("drive-{width}-rehearsal"), text);
    }
}

#[test]
fn begin() {
    look("begin", |kind| {
        let mut night = Night::new(kind);
        night.key(KeyCode::Enter);
        night
    });
}

#[test]
fn confirm_a_change() {
    look("confirm-change", |kind| {
        let mut night = Night::new(kind);
        night.ask(&Command::Begin);
        night.run("a1");
        night.run("a2");
        night.run("c1");
        night.health(&[("p95", 212.0), ("errors", 0.02), ("lag", 4.0), ("orders", 118.0)]);
        night.key(KeyCode::Enter);
        night
    });
}

#[test]
fn confirm_a_check() {
    look("confirm-check", |kind| {
        let mut night = Night::new(kind);
        night.ask(&Command::Begin);
        for step in ["a1", "a2", "c1", "c2"] {
            night.run(step);
        }
        night.key(KeyCode::Enter);
        night
    });
}

#[test]
fn confirm_a_critical_step() {
    look("confirm-critical", |kind| {
        let mut night = Night::failed(kind);
        night.ask(&Command::AcceptFailure {
            step: id("e3"),
            part: Part::Action,
            reason: SafeText::new("5 % is enough"),
        });
        night.key(KeyCode::Enter);
        night.keys("4");
        night
    });
}

#[test]
fn failure() {
    look("failure", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.keys("r");
        night
    });
}

#[test]
fn failure_that_nobody_knows() {
    look("failure-unknown", |kind| {
        let mut night = Night::failed(kind);
        let command = Command::Retry {
            step: id("e3"),
            part: Part::Action,
            which: golive::engine::Which::Failed,
            gesture: Gesture { class: Class::Change, after: Millis::new(700) },
            reason: None,
        };
        night.ask(&command);
        night.pass(9);
        night.unknown("e3", "lb-2");
        night.tick();
        night
    });
}

/// A night whose canary runs on where nobody sees it, on one of two load balancers.
fn unseen(kind: RunKind) -> Night {
    let mut night = Night::at_the_canary(kind);
    night.lose_sight("e3", "lb-2");
    night.refresh();
    night
}

#[test]
fn a_step_that_nobody_sees() {
    look("unseen", unseen);
}

#[test]
fn a_step_that_nobody_sees_is_let_go_for_a_reason() {
    let mut night = unseen(RunKind::Live);
    night.keys("U");
    night.pass(2);
    night.keys("lb-2 burns");
    let text = night.draw(80, 24, PLAIN);
    insta::assert_snapshot!("let-go", text);
    night.control('s');
    let text = night.draw(120, 36, PLAIN);
    assert!(!text.contains("UNSEEN"), "{text}");
    let state = &night.model().state;
    let end = state.track(&id("e3")).last().unwrap().places.values();
    let words: Vec<_> = end.flatten().map(|end| golive::ui::end_words(&end.end)).collect();
    assert_eq!(words, ["unknown: its host does not answer: lb-2 burns"]);
}

#[test]
fn resumed() {
    look("resumed", |kind| {
        let mut night = unseen(kind);
        night.pass(300);
        night.ask(&Command::Resume {
            driver: "Ana Souza".into(),
            machine: "laptop".into(),
            away: Millis::from_secs(340),
            signer: None,
        });
        night.refresh();
        night
    });
}

#[test]
fn gate() {
    look("gate", |kind| {
        let mut night = Night::migrating(kind);
        night.end("c3", "db-old-1", 0);
        night.end("c3", "db-new-1", 0);
        night.key(KeyCode::Enter);
        night.keys("1g");
        night
    });
}

#[test]
fn manual() {
    look("manual", |kind| {
        let mut night = Night::migrating(kind);
        night.end("c3", "db-old-1", 0);
        night.end("c3", "db-new-1", 0);
        night.go();
        night.start("d1");
        night.key(KeyCode::Enter);
        night.keys(" ");
        night
    });
}

#[test]
fn guard() {
    look("guard", |kind| {
        let mut night = Night::failed(kind);
        night.key(KeyCode::Char('R'));
        night.keys("4");
        night
    });
}

#[test]
fn lamp_of_a_way_back_that_is_not_ready() {
    look("lamp", |kind| {
        let mut night = Night::failed(kind);
        let needs: Vec<_> = night.state.back_needs().into_keys().collect();
        night.hosts_are_well = false;
        let missing = [
            ("app-2 answers", Proof::NotReady("it cannot be reached: app-2: refused".into())),
            ("db-new-1 answers", Proof::Unknown("no answer within 10s".into())),
        ];
        for (words, proof) in missing {
            let need = needs.iter().find(|need| need.words().contains(words));
            let need = need.unwrap_or_else(|| panic!("{words} is no need: {needs:?}"));
            night.prove(need, proof);
        }
        night.pass(1);
        night.key(KeyCode::Char('R'));
        night
    });
}

#[test]
fn recovery_clock() {
    let text = BILLING.replacen(
        "[[phase]]",
        "[objectives]\nrto = { within = \"30m\", from = \"c1\", to = \"e3\" }\n[[phase]]",
        1,
    );
    for (width, height, name) in [(120, 36, "120"), (80, 24, "80"), (60, 20, "60"), (40, 10, "40")]
    {
        let mut night = Night::of(&text, RunKind::Live);
        night.ask(&Command::Begin);
        for step in ["a1", "a2", "c1", "c2"] {
            night.run(step);
        }
        night.pass(360);
        night.tick();
        insta::assert_snapshot!(format!("recovery-{name}"), night.draw(width, height, PLAIN));
    }
}

#[test]
fn guard_past_the_point_of_no_return() {
    look("guard-past", |kind| {
        let mut night = Night::failed(kind);
        let reason = SafeText::new("5 % is enough");
        night.ask(&Command::AcceptFailure { step: id("e3"), part: Part::Action, reason });
        night.start("e4");
        night.pass(30);
        night.key(KeyCode::F(9));
        night
    });
}

#[test]
fn guard_counts_down() {
    look("countdown", |kind| {
        let mut night = Night::failed(kind);
        night.key(KeyCode::Char('R'));
        night.keys("47");
        night.keys("E3 failed twice");
        night.control('s');
        night.pass_millis(600);
        night.tick();
        night
    });
}

#[test]
fn rollback() {
    look("rollback", |kind| {
        let mut night = Night::failed(kind);
        night.ask(&Command::RollBack {
            reason: SafeText::new("E3 failed twice"),
            break_glass: None,
            to: None,
        });
        night.pass(70);
        night.end_all_of_first_items(2);
        night.tick();
        night
    });
}

#[test]
fn note() {
    look("note", |kind| {
        let mut night = Night::migrating(kind);
        night.key(KeyCode::Char('N'));
        night.with(|screen, _| {
            screen.paste("计划：6 台应用一次切换。\nRisk: two versions run side by side\u{1b}[2J.");
            Vec::new()
        });
        night.hear("Risk: two versions run side by side [2J.");
        night
    });
}

#[test]
fn reason() {
    look("reason", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.keys("sy");
        night.keys("canary not needed");
        night
    });
}

#[test]
fn help() {
    look("help", |kind| {
        let mut night = Night::migrating(kind);
        night.key(KeyCode::Char('?'));
        night
    });
}

#[test]
fn log_search() {
    look("log", |kind| {
        let mut night = Night::migrating(kind);
        for n in 0..60 {
            night.now = night.now.after(Millis::from_secs(1));
            let host = if n % 2 == 0 { "db-old-1" } else { "db-new-1" };
            let text = if n % 13 == 5 { "WARN slow read 3.1s" } else { "rows ok" };
            night.print("c3", host, &format!("table t{n} {text}\n"));
        }
        night.refresh();
        night.keys("3/slow");
        night.key(KeyCode::Enter);
        night.keys("N");
        night.keys("n");
        night.keys("N");
        night
    });
}

#[test]
fn audit() {
    look("audit", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.key(KeyCode::Esc);
        night.keys("6");
        night
    });
}

#[test]
fn audit_of_a_signed_night() {
    let key = SafeText::new("SHA256:xRk0W9o0vX8JHKKqfLXvRcPqzCWBqLwa7mJTrvXm5dM");
    let signed = Signed { key: Some(key), upto: 1_527, ..Signed::default() };
    let agent = "the record is signed up to #1527 only: agent /run/agent: Connection refused; \
                 tried again within a minute";
    let why = SafeText::new("no SSH key is at hand; --sign-key names one");
    let nights = [
        ("own", Signed { by_own: true, ..signed.clone() }),
        ("failing", Signed { trouble: Some(SafeText::new(agent)), ..signed.clone() }),
        ("touch", Signed { touch: true, ..signed.clone() }),
        ("signed", signed),
        ("unsigned", Signed { unsigned: Some(why), ..Signed::default() }),
    ];
    for (name, signing) in nights {
        let mut night = Night::failed(RunKind::Live);
        night.tick();
        night.key(KeyCode::Esc);
        night.keys("6");
        if signing.trouble.is_some() {
            night.ask(&Command::Signing { trouble: signing.trouble.clone() });
            night.refresh();
        }
        night.signing = signing;
        for (width, height) in [(120, 36), (80, 24)] {
            let text = night.draw(width, height, PLAIN);
            has_the_facts(&text, &night, RunKind::Live);
            insta::assert_snapshot!(format!("audit-{name}-{width}"), text);
        }
        for (width, height) in [(60, 18), (40, 10)] {
            has_the_facts(&night.draw(width, height, PLAIN), &night, RunKind::Live);
        }
        let mut asks = |width, height| night.draw(width, height, PLAIN).contains("TOUCH KEY");
        let sizes = [(120, 36), (80, 24), (60, 18), (40, 10)];
        assert!(sizes.into_iter().all(|(w, h)| asks(w, h) == (name == "touch")), "{name}");
    }
}

#[test]
fn health_view() {
    look("health", |kind| {
        let mut night = Night::migrating(kind);
        night.keys("4");
        night.pass(30);
        night.health(&[("p95", 222.0)]);
        night
    });
}

#[test]
fn leave() {
    look("leave", |kind| {
        let mut night = Night::migrating(kind);
        night.keys("q");
        night
    });
}
