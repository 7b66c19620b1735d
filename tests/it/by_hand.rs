//! Done by hand, at the screen and in a session: a person's word is proved by the step's `verify`.
//! And what a person sees of a dry run before they confirm the real one.

use std::collections::BTreeMap;

use crossterm::event::KeyCode;
use golive::base::SafeText;
use golive::engine::{Command, End, Part, RunKind, Status, Transcript};
use golive::ui::Lang;

use crate::console_night::{BILLING, Night as Console, PLAIN, id};
use crate::session::{id as step, night};

/// The canary with a verification, failed on one of two load balancers.
fn failed() -> Console {
    let canary = "run = \"golive-lb weight --pool billing --new 25\"\n";
    assert!(BILLING.contains(canary));
    let verified = format!("{canary}  verify = {{ run = \"golive-lb show\", within = \"1m\" }}\n");
    let mut night = Console::of(&BILLING.replace(canary, &verified), RunKind::Live);
    night.reach_the_canary();
    night.print("e3", "lb-2", "error: pool \"billing\" has 1 healthy new member, need 2\n");
    night.end("e3", "lb-1", 0);
    night.end("e3", "lb-2", 22);
    night
}

fn by_hand(night: &mut Console, reason: &str) {
    night.tick();
    night.keys("d");
    night.keys("y");
    night.keys(reason);
    night.control('s');
}

#[test]
fn what_was_done_by_hand_is_verified_before_the_run_goes_on() {
    let mut night = failed();
    night.tick();
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("its `verify` runs and has to prove it"), "{text}");
    night.keys("d");
    night.keys("y");
    let text = night.draw(120, 36, PLAIN);
    for word in ["How was e3 done, and how was it checked?", "say so, and verify it"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    night.keys("set the weight in the console of lb-2");
    night.control('s');
    assert_eq!(night.state.track(&id("e3")).status, Status::Verifying);
    night.end("e3", "lb-1", 0);
    night.end("e3", "lb-2", 1);
    assert_eq!(night.state.track(&id("e3")).status, Status::Failed);
    night.tick();
    for (width, height) in [(120, 36), (80, 24)] {
        insta::assert_snapshot!(
            format!("by-hand-not-proved-{width}"),
            night.draw(width, height, PLAIN)
        );
    }
    by_hand(&mut night, "now on lb-2 too");
    assert_eq!(night.state.track(&id("e3")).status, Status::Verifying);
    night.end("e3", "lb-1", 0);
    night.end("e3", "lb-2", 0);
    assert_eq!(night.state.track(&id("e3")).status, Status::DoneByHand);
    let said = night.submitted.iter().filter(|it| matches!(it, Command::DoneByHand { .. }));
    assert_eq!(said.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_proves_a_word_by_the_verification_and_by_nothing_else() {
    const TEXT: &str = r#"
golive = 1
[runbook]
id = "by-hand"
[[phase]]
id = "p"
[[phase.step]]
id = "one"
local = "exit 3"
undo = { local = "rm -f DIR/there" }
verify = { run = "test -e DIR/there", every = "1s", within = "1s" }
timeout = "10s"
estimate = "1s"
"#;
    let night = night(TEXT);
    night.ask(Command::Begin).await.unwrap();
    night.start("one").await;
    night.settled("one", Status::Failed).await;
    let (one, part) = (step("one"), Part::Action);
    let word = |reason: &str| Command::DoneByHand {
        step: one.clone(),
        part,
        reason: SafeText::new(reason),
    };
    night.ask(word("I made the file")).await.unwrap();
    let verified = |attempts: usize, status: Status| {
        let one = one.clone();
        move |view: &golive::session::View| {
            let track = view.state.track(&one);
            let of_verify = track.attempts.iter().filter(|it| it.key.part == Part::Verify);
            track.status == status && of_verify.count() == attempts
        }
    };
    let view = night.until("it is not there", verified(1, Status::Failed)).await;
    let alarms = view.state.open_alarms();
    assert!(alarms.iter().any(|it| it.text.as_str().contains("said to be done by hand")));
    std::fs::write(night.dir.path().join("there"), "").unwrap();
    night.ask(word("now I did")).await.unwrap();
    night.until("it is there", verified(2, Status::DoneByHand)).await;
}

#[test]
fn a_dry_run_is_shown_where_the_real_one_is_confirmed() {
    let canary = "  [[phase.step]]\n  id = \"e3\"\n";
    let dry = "  [[phase.step]]\n  id = \"e2\"\n  title = \"What the canary will do\"\n  on = \"@lb\"\n  \
               run = \"golive-lb plan --new 25\"\n  read_only = true\n\n";
    assert!(BILLING.contains(canary));
    let text = BILLING.replace(canary, &format!("{dry}{canary}  dry_run = \"e2\"\n"));
    let mut night = Console::of(&text, RunKind::Live);
    night.before_the_canary();
    night.start("e2");
    night.pass(2);
    for host in ["lb-1", "lb-2"] {
        night.print("e2", host, "~ pool billing: weight new 0 -> 25\n");
        night.print("e2", host, "1 to change, 0 to add, 0 to destroy\n");
        night.end("e2", host, 0);
    }
    night.pass(75);
    night.tick();
    night.key(KeyCode::Enter);
    let text = night.draw(120, 36, PLAIN);
    for word in ["Dry run", "lb-2 | ~ pool billing: weight new 0 -> 25", "1:15 ago"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    for (width, height) in [(120, 36), (80, 24)] {
        insta::assert_snapshot!(format!("dry-run-{width}"), night.draw(width, height, PLAIN));
    }
}

#[test]
fn that_something_printed_nothing_is_said_where_it_is_recorded_only() {
    let canary = "  [[phase.step]]\n  id = \"e3\"\n";
    let dry = "  [[phase.step]]\n  id = \"e2\"\n  title = \"What the canary will do\"\n  on = \"@lb\"\n  \
               run = \"golive-lb plan --new 25\"\n  read_only = true\n\n";
    let text = BILLING.replace(canary, &format!("{dry}{canary}  dry_run = \"e2\"\n"));
    for (bytes, said) in [
        ([0, 0], ["it printed nothing", "没有输出"]),
        // After the session was resumed no line of before is here.
        (
            [0, 40],
            [
                "its output is not on this screen: output/e2.1.lb-2.log",
                "其输出不在此屏幕上：output/e2.1.lb-2.log",
            ],
        ),
    ] {
        let mut night = Console::of(&text, RunKind::Live);
        night.before_the_canary();
        night.start("e2");
        night.pass(2);
        for (job, bytes) in night.jobs().into_iter().zip(bytes) {
            let end = End::Exited { code: 0, unmet: None, captured: BTreeMap::new() };
            let transcript = Transcript {
                bytes,
                lines: bytes / 40,
                digest: golive::base::Digest::of(b""),
                redacted: BTreeMap::new(),
            };
            night.ask(&Command::Ended { job, end, transcript: Some(transcript) });
        }
        night.pass(75);
        night.tick();
        night.key(KeyCode::Enter);
        for (lang, said) in [Lang::En, Lang::Zh].into_iter().zip(said) {
            night.lang = lang;
            let text = night.draw(120, 36, PLAIN);
            assert!(text.contains(said), "{said} is missing in\n{text}");
        }
    }
}
