//! A shell on a host and back: what is asked first, what is recorded, and that the terminal comes
//! back as it was.

use std::path::Path;

use crossterm::event::{KeyCode, KeyEventKind};
use golive::base::{Millis, SafeText};
use golive::engine::{
    Actor, Command, Event, Refusal, RunKind, ShellEnd, ShellEnded, State, advance,
};
use golive::journal;
use golive::ui::Lang;

use crate::console_night::{BILLING, Night, PLAIN, id, person};
use crate::pty::Pty;
use crate::sshd::{Sshd, me, until};

fn open(host: &str, reason: &str) -> Command {
    let reason = SafeText::new(reason);
    Command::OpenShell { host: host.parse().unwrap(), step: Some(id("c3")), reason }
}

fn ended(number: u32, host: &str) -> Command {
    Command::ShellEnded(Box::new(ShellEnded {
        number,
        host: host.parse().unwrap(),
        end: ShellEnd::Exited { code: 0 },
        lasted: Millis::from_secs(90),
        transcript: None,
        not_kept: None,
    }))
}

fn refused(state: &State, command: &Command, night: &Night) -> Refusal {
    advance(state, &person(), command, night.now).unwrap_err()
}

#[test]
fn a_shell_is_in_the_record_before_it_opens_and_holds_the_run() {
    let mut night = Night::migrating(RunKind::Live);
    assert!(night.state.hold().is_none());
    let none = refused(&night.state, &open("db-old-1", " "), &night);
    assert!(matches!(none, Refusal::NoReason(_)), "{none}");
    let strange = refused(&night.state, &open("db-old-9", "to look"), &night);
    assert!(strange.to_string().contains("no host `db-old-9`"), "{strange}");
    night.ask(&open("db-old-1", "to look"));
    let shell = night.state.open_shell().unwrap();
    assert_eq!((shell.by.clone(), shell.opened.number), (person(), 1));
    assert_eq!(shell.opened.transcript(), "@shell.1.db-old-1");
    assert!(night.state.hold().is_some(), "nothing new starts meanwhile");
    assert_eq!(night.jobs().len(), 2, "what runs goes on");
    let second = refused(&night.state, &open("db-new-1", "too"), &night);
    assert!(matches!(second, Refusal::ShellOpen(_)), "{second}");
    let other = refused(&night.state, &ended(2, "db-old-1"), &night);
    assert!(matches!(other, Refusal::NotInFlight(_)), "{other}");
    night.pass(90);
    night.ask(&ended(1, "db-old-1"));
    assert!(night.state.open_shell().is_none());
    assert!(night.state.hold().is_some(), "only a person goes on");
    night.ask(&open("db-new-1", "now there"));
    assert_eq!(night.state.open_shell().unwrap().opened.number, 2);
    // golive dies: nobody has seen how it ended, and the next one can be opened.
    night.ask(&Command::Resume {
        driver: SafeText::new("li.wei"),
        machine: SafeText::new("bastion"),
        away: Millis::from_secs(60),
        signer: None,
    });
    assert!(night.state.shells()[1].unseen);
    night.ask(&open("db-new-1", "again"));
    assert_eq!(night.state.shells().len(), 3);
}

#[test]
fn no_shell_beside_an_open_guard_or_without_a_record() {
    let mut night = Night::migrating(RunKind::Live);
    night.ask(&Command::OpenGuard);
    assert_eq!(refused(&night.state, &open("db-old-1", "x"), &night), Refusal::GuardOpen);
    night.ask(&Command::CloseGuard { why: SafeText::new("closed") });
    let why = SafeText::new("disk full");
    let lost = advance(&night.state, &Actor::Engine, &Command::RecordLost { why }, night.now);
    let lost = lost.unwrap().state;
    let why = refused(&lost, &open("db-old-1", "x"), &night);
    assert!(matches!(why, Refusal::NotRecorded { .. }), "{why}");
}

#[test]
fn replaying_the_record_of_shells_gives_the_same_state() {
    let mut night = Night::migrating(RunKind::Live);
    let commands = [
        open("db-old-1", "first"),
        ended(1, "db-old-1"),
        Command::Continue,
        open("db-new-1", "second"),
        ended(7, "db-new-1"),
        ended(2, "db-new-1"),
    ];
    let mut replayed = night.state.clone();
    for command in commands {
        let Ok(next) = advance(&night.state, &person(), &command, night.now) else { continue };
        for fact in &next.facts {
            let text = serde_json::to_string(fact).unwrap();
            let read: golive::engine::Fact = serde_json::from_str(&text).unwrap();
            assert_eq!(&read, fact, "{text}");
            replayed.apply(night.now, &read.by, &read.event);
        }
        night.state = next.state;
        assert_eq!(replayed, night.state);
    }
    assert_eq!(night.state.shells().len(), 2);
}

#[test]
fn the_dialog_says_what_it_means_and_asks_why() {
    for (width, height) in [(120, 36), (80, 24)] {
        let mut night = Night::failed(RunKind::Live);
        night.tick();
        night.draw(width, height, PLAIN);
        night.keys("!");
        let shown = night.draw(width, height, PLAIN);
        assert!(shown.contains("> lb-2"), "the host where it failed comes first\n{shown}");
        insta::assert_snapshot!(format!("shell-{width}"), shown);
        night.key(KeyCode::Enter);
        assert!(night.submitted.is_empty(), "Enter never opens it");
        night.keys("vvy");
        let shown = night.draw(width, height, PLAIN);
        assert!(shown.contains("A shell on a host: why?"), "{shown}");
        night.keys("see");
        night.key(KeyCode::F(2));
        assert!(night.submitted.is_empty(), "the reason opens nothing by itself");
        night.keys("y");
        let [Command::OpenShell { host, step, reason }] = &night.submitted[..] else {
            panic!("{:?}", night.submitted)
        };
        assert_eq!((host.as_str(), reason.as_str()), ("lb-2", "see"));
        assert_eq!(step.as_ref(), Some(&id("e3")));
    }
}

#[test]
fn the_dialog_says_what_becomes_of_a_rollback_that_begins_by_itself() {
    let auto = |by_itself: bool| {
        let trigger = format!(
            "[rollback]\ntrigger = [{{ probe = \"errors\", state = \"failed\", for = \"60s\", auto = {by_itself} }}]\n"
        );
        BILLING.replace("[rollback]\n", &trigger)
    };
    for (by_itself, lang, words) in [
        (true, Lang::En, "an automatic rollback that comes due meanwhile only rings; R takes it."),
        (true, Lang::Zh, "期间到期的自动回滚只会响铃，不会开始；按 R 执行。"),
        (false, Lang::En, "automatic rollback"),
    ] {
        let mut night = Night::of(&auto(by_itself), RunKind::Live);
        night.lang = lang;
        night.ask(&Command::Begin);
        night.draw(120, 36, PLAIN);
        night.keys("!");
        let shown = night.draw(120, 36, PLAIN);
        assert!(shown.contains("SHELL") || shown.contains("Shell"), "{shown}");
        assert_eq!(shown.contains(words), by_itself, "{shown}");
    }
}

#[test]
fn the_command_line_asks_too() {
    let mut night = Night::migrating(RunKind::Drill);
    night.draw(120, 36, PLAIN);
    for c in ":shell db-ol".chars() {
        night.event(KeyCode::Char(c), KeyEventKind::Press);
    }
    night.key(KeyCode::Tab);
    night.key(KeyCode::Enter);
    let shown = night.draw(120, 36, PLAIN);
    assert!(shown.contains("Open a SHELL on db-old-1?"), "{shown}");
    assert!(night.submitted.is_empty());
    night.key(KeyCode::Esc);
    for c in ":shell db-old-7".chars() {
        night.event(KeyCode::Char(c), KeyEventKind::Press);
    }
    night.key(KeyCode::Enter);
    let shown = night.draw(120, 36, PLAIN);
    assert!(shown.contains("There is no host `db-old-7`: did you mean `db-old-1`?"), "{shown}");
}

/// Asks for a shell from the failure dialog, which stays open below it.
fn asked_from_a_failure() -> Night {
    let mut night = Night::failed(RunKind::Live);
    night.tick();
    night.draw(120, 36, PLAIN);
    night.keys("!y");
    night.keys("see");
    night.key(KeyCode::F(2));
    night.keys("y");
    assert!(night.state.open_shell().is_some());
    night
}

#[test]
fn no_shell_takes_the_terminal_from_somebody_in_the_middle_of_something() {
    let mut night = asked_from_a_failure();
    assert!(!night.screen.is_in_use(), "the dialog that it was asked from is no hindrance");
    for key in ["?", "N"] {
        night.keys(key);
        assert!(night.screen.is_in_use(), "{key}");
        night.key(KeyCode::Esc);
        assert!(!night.screen.is_in_use(), "{key} and back");
    }
    night.key(KeyCode::Esc);
    for (opens, what) in [(":", "the command line"), ("/", "a filter")] {
        night.keys(opens);
        assert!(night.screen.is_in_use(), "{what}");
        night.key(KeyCode::Esc);
        assert!(!night.screen.is_in_use(), "{what} and back");
    }
}

#[test]
fn a_host_that_is_slow_to_give_a_shell_does_not_keep_the_way_back_waiting() {
    let mut night = asked_from_a_failure();
    night.key(KeyCode::F(12));
    night.keys("R");
    assert!(night.state.guard().is_some(), "{:?}", night.submitted);
    assert!(night.screen.is_in_use());
    let why = SafeText::new("golive was in use when the host answered");
    night.ask(&Command::ShellEnded(Box::new(ShellEnded {
        number: 1,
        host: "lb-2".parse().unwrap(),
        end: ShellEnd::NotOpened { why },
        lasted: Millis::ZERO,
        transcript: None,
        not_kept: None,
    })));
    assert!(night.state.open_shell().is_none() && night.state.guard().is_some());
}

/// A rehearsal on one real host, with a step that has not run.
fn runbook(server: &Sshd) -> String {
    let (port, user, key) = (server.port, me(), server.identity());
    let fingerprint =
        crate::sshd::sh("ssh-keygen", &["-lf", server.path("host_ed25519.pub").to_str().unwrap()]);
    let pin = fingerprint.split_whitespace().nth(1).unwrap();
    format!(
        r#"
golive = 1
[runbook]
id = "night"
title = "A short night"
strategy = "direct"
[secrets]
token = {{ env = "GOLIVE_TEST_TOKEN" }}
[hosts.web1]
address = "127.0.0.1"
port = {port}
user = "{user}"
identity = "{key}"
hostkey = "{pin}"
proof = {{ run = "echo right", equals = "right" }}
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "First"
on = ["web1"]
run = "echo one"
env = {{ TOKEN = {{ secret = "token" }} }}
estimate = "1s"
timeout = "10s"
undo = {{ run = "echo undone", estimate = "1s" }}
"#,
        key = key.display()
    )
}

/// The facts of the only session in `dir`, and its folder.
fn record(dir: &Path) -> (std::path::PathBuf, Vec<Event>) {
    let sessions = dir.join("state/sessions");
    let session = std::fs::read_dir(sessions).unwrap().next().unwrap().unwrap().path();
    let entries = journal::read_all(&session).unwrap();
    (session, entries.into_iter().flat_map(|it| it.facts).map(|fact| fact.event).collect())
}

fn begun(server: &Sshd) -> (tempfile::TempDir, Pty) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("night.toml"), runbook(server)).unwrap();
    let token = "GOLIVE_TEST_TOKEN=s3cr3t-of-the-night-0815";
    let args = [token, env!("CARGO_BIN_EXE_golive"), "rehearse", "night.toml"];
    let mut golive = Pty::start_program(dir.path(), (120, 36), "env", &args);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING");
    (dir, golive)
}

fn open_on_screen(golive: &mut Pty) {
    golive.press_until("!", "Open a SHELL on web1?");
    golive.press_until("y", "A shell on a host: why?");
    // A second `y` may have gone into the text: it is taken away.
    golive.keys("\x01\x0bto look at the load");
    golive.press_until("\x13", "y  opens it");
    golive.press_until("y", "SHELL 1 on web1");
    // Keys are dead at first; Ctrl-U takes away what was typed too early, or too often.
    golive.press_until("\x15echo $((30 + 3))-ready\r", "33-ready");
}

#[test]
fn the_terminal_is_the_hosts_and_comes_back_as_it_was() {
    let server = Sshd::start();
    let (dir, mut golive) = begun(&server);
    open_on_screen(&mut golive);
    assert!(!golive.is_alternate(), "it is on the terminal's own screen");
    // What is echoed is not what is printed: the sum proves that a shell was there.
    golive.keys("stty size; echo $((40 + 2))-is-it; echo ${TERM}-term\r");
    golive.until("42-is-it");
    let shown = golive.until("xterm-256color-term");
    assert!(shown.contains("36 120"), "{shown}");
    golive.resize(90, 30);
    golive.keys("sleep 0.2; stty size\r");
    golive.until("30 90");
    // A secret that the host prints is on no screen and in no file.
    golive.keys("printf 's3cr3t-of-the-%s\\n' night-0815\r");
    golive.until("‹redacted:token›");
    // What a host may do to a terminal while it has it.
    golive.keys("printf '\\033[?1049h\\033[?1000h\\033[?2004h\\033[31m\\033]2;mine\\007\\033[3;5r'; exit 7\r");
    let back = golive.until("Back from web1");
    assert!(back.contains("Back from web1: exit status 7. H ends the HOLD."), "{back}");
    assert!(golive.is_alternate());
    golive.until("HOLD");
    golive.resize(120, 36);
    golive.until("1 Runbook");
    golive.press_until("6", "shell over");
    golive.press_until("\x1b", "1 Runbook");
    golive.press_until("q", "Leave the run?");
    golive.press_until("h", "go on with");
    assert_eq!(golive.wait().exit_code(), 6);
    let bytes = String::from_utf8_lossy(&golive.bytes()).into_owned();
    let (_, after) = bytes.rsplit_once("\x1b]2;mine").unwrap();
    for reset in ["\x1b[!p", "\x1b[?1000l", "\x1b[?2004l", "\x1b[?1049h"] {
        assert!(after.contains(reset), "{reset:?}");
    }
    assert!(!bytes.contains("s3cr3t-of-the-night-0815"), "the secret was shown");

    let (session, facts) = record(dir.path());
    let opened = facts.iter().position(|it| matches!(it, Event::ShellOpened(_))).unwrap();
    let held = facts.iter().position(|it| matches!(it, Event::Held { .. })).unwrap();
    let over = facts.iter().position(|it| matches!(it, Event::ShellEnded(_))).unwrap();
    assert!(opened < held && held < over);
    let Event::ShellOpened(what) = &facts[opened] else { unreachable!() };
    assert_eq!((what.host.as_str(), what.reason.as_str()), ("web1", "to look at the load"));
    assert_eq!(what.step.as_ref(), Some(&id("one")));
    let Event::ShellEnded(what) = &facts[over] else { unreachable!() };
    assert_eq!(what.end, ShellEnd::Exited { code: 7 });
    let kept = std::fs::read(session.join("output/@shell.1.web1.log")).unwrap();
    let recorded = what.transcript.clone().unwrap();
    assert_eq!(recorded.bytes, u64::try_from(kept.len()).unwrap());
    assert_eq!(recorded.digest, golive_digest(&kept));
    let kept = String::from_utf8_lossy(&kept).into_owned();
    assert!(kept.contains("42-is-it") && kept.contains("‹redacted:token›"), "{kept}");
    assert!(!kept.contains("s3cr3t-of-the-night-0815"), "{kept}");
    let verdict = journal::verify(&session, None).unwrap();
    assert!(verdict.intact, "{:?}", verdict.findings);
    assert_eq!(verdict.transcripts, 1, "{verdict:?}");
    assert_eq!(verdict.shells, ["1 on web1, exit status 7 (to look at the load)"]);
    std::fs::write(session.join("output/@shell.1.web1.log"), "nothing happened\n").unwrap();
    assert!(!journal::verify(&session, None).unwrap().intact, "a changed transcript is found");
}

fn golive_digest(bytes: &[u8]) -> golive::base::Digest {
    golive::base::Digest::of(bytes)
}

#[test]
fn a_host_that_answers_while_somebody_types_does_not_get_the_terminal() {
    let server = Sshd::start();
    let (dir, mut golive) = begun(&server);
    golive.press_until("!", "Open a SHELL on web1?");
    golive.press_until("y", "A shell on a host: why?");
    // A second `y` may have gone into the text: it is taken away.
    golive.keys("\x01\x0bto look at the load");
    golive.press_until("\x13", "y  opens it");
    let stopped = server.connections();
    for pid in &stopped {
        crate::sshd::signal("STOP", *pid);
    }
    golive.press_until("y", "Opening the shell");
    golive.press_until(":", "Enter");
    golive.keys("shell typed-for-golive");
    golive.until("typed-for-golive");
    for pid in &stopped {
        crate::sshd::signal("CONT", *pid);
    }
    let facts = until("the end of the shell", || {
        let (_, facts) = record(dir.path());
        let over = facts.iter().any(|fact| matches!(fact, Event::ShellEnded(_)));
        over.then_some(facts)
    });
    let why = SafeText::new("golive was in use when the host answered");
    let declined = facts.iter().any(|fact| {
        matches!(fact, Event::ShellEnded(ended) if ended.end == ShellEnd::NotOpened { why: why.clone() })
    });
    assert!(declined, "{facts:?}");
    assert!(golive.is_alternate(), "the terminal was golive's all the time");
    assert!(
        golive.screen().contains("typed-for-golive"),
        "and so is the line\n{}",
        golive.screen()
    );
    golive.keys("\x1b");
    golive.until("No shell on web1: golive was in use when the host answered. H ends the HOLD.");
    golive.press_until("q", "Leave the run?");
    golive.press_until("h", "go on with");
    assert_eq!(golive.wait().exit_code(), 6);
    let bytes = String::from_utf8_lossy(&golive.bytes()).into_owned();
    assert!(!bytes.contains("SHELL 1 on web1"), "no banner");
    let (session, _) = record(dir.path());
    let verdict = journal::verify(&session, None).unwrap();
    assert!(verdict.intact, "{:?}", verdict.findings);
}

#[test]
fn a_shell_that_does_not_answer_is_cut_off_from_here() {
    let server = Sshd::start();
    let (dir, mut golive) = begun(&server);
    open_on_screen(&mut golive);
    golive.keys("echo $((6 * 7))-there; stty raw -echo; cat >/dev/null\r");
    golive.until("42-there");
    golive.keys("\x03\x03");
    golive.press_until("\r~.", "Back from web1");
    golive.press_until("q", "Leave the run?");
    golive.press_until("h", "go on with");
    golive.wait();
    let (_, facts) = record(dir.path());
    let end = facts.iter().find_map(|fact| {
        let Event::ShellEnded(ended) = fact else { return None };
        Some(ended.end.clone())
    });
    assert_eq!(end, Some(ShellEnd::CutOff));
}

#[test]
fn a_link_that_is_lost_brings_the_console_back_with_words() {
    let mut server = Sshd::start();
    let (dir, mut golive) = begun(&server);
    open_on_screen(&mut golive);
    golive.keys("echo $((6 * 7))-there\r");
    golive.until("42-there");
    server.stop();
    for pid in server.connections() {
        crate::sshd::signal("KILL", pid);
    }
    let back = golive.until("Back from web1");
    assert!(back.contains("link was lost"), "{back}");
    golive.press_until("q", "Leave the run?");
    golive.press_until("h", "go on with");
    golive.wait();
    let (_, facts) = record(dir.path());
    let lost = facts.iter().any(|fact| {
        matches!(fact, Event::ShellEnded(ended) if matches!(ended.end, ShellEnd::Lost { .. }))
    });
    assert!(lost, "{facts:?}");
}

#[test]
fn a_signal_in_the_shell_gives_the_terminal_back_and_records_the_end() {
    let server = Sshd::start();
    let (dir, mut golive) = begun(&server);
    open_on_screen(&mut golive);
    golive.keys("echo $((6 * 7))-there\r");
    golive.until("42-there");
    crate::sshd::signal("TERM", golive.pid());
    let code = golive.wait().exit_code();
    assert_eq!(code, 143);
    assert!(!golive.is_alternate());
    let facts = until("the end of the shell", || {
        let (_, facts) = record(dir.path());
        let over = facts.iter().any(|fact| matches!(fact, Event::ShellEnded(_)));
        over.then_some(facts)
    });
    assert!(facts.iter().any(|fact| matches!(fact, Event::DriverLeft { .. })));
}

#[test]
fn the_practice_fleet_has_shells_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut golive = Pty::start(dir.path(), (120, 36), &["demo"]);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "T+00");
    golive.keys("\x1b");
    golive.press_until("!", "Open a SHELL on");
    golive.press_until("y", "A shell on a host: why?");
    golive.keys("to train");
    golive.press_until("\x13", "y  opens it");
    golive.press_until("y", "(practice) $");
    golive.press_until("\x15echo $((40 + 2))-iz\x7fs-it\r", "42-is-it");
    golive.keys("\x04");
    let back = golive.until("Back from");
    assert!(back.contains("H ends the HOLD"), "{back}");
    golive.press_until("q", "Leave the run?");
    golive.press_until("h", "go on with");
    golive.wait();
}
