//! A living session and somebody else who wants to drive it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{called, golive_in, program};
use crate::pty::Pty;
use crate::sshd::until;

/// Its second step runs here, and so ends with golive; a file lets it end.
const NIGHT: &str = r#"
golive = 1
[runbook]
id = "night"
title = "A short night"
strategy = "direct"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "First"
local = "echo one >> ledger; until [ -e enough ]; do sleep 0.05; done; echo end >> ledger"
estimate = "1s"
timeout = "1m"
undo = { local = "true", estimate = "1s" }
[[phase.step]]
id = "two"
title = "Second"
local = "echo two >> ledger"
estimate = "1s"
timeout = "1m"
undo = { local = "true", estimate = "1s" }
"#;

/// A console whose first step runs.
fn driven() -> (tempfile::TempDir, Pty) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("night.toml"), NIGHT).unwrap();
    let mut golive =
        Pty::start(dir.path(), (80, 24), &["rehearse", "night.toml", "--session", "tonight"]);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING");
    golive.press_until("\r", "RUN one");
    golive.press_until("y", "RUNNING");
    until("the first step", || (ledger(dir.path()) == "one\n").then_some(()));
    (dir, golive)
}

fn ledger(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("ledger")).unwrap_or_default()
}

/// `golive resume` from another terminal.
fn resume(dir: &Path, more: &[&str]) -> Child {
    let args = [&["resume", "tonight", "--headless", "--driver", "ana.souza"], more].concat();
    let mut command = program(&dir.join("state"), &args);
    command.current_dir(dir).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn journal(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("state/sessions/tonight/journal.jsonl")).unwrap()
}

#[test]
fn a_session_without_a_terminal_lives_on_and_is_handed_over() {
    let (dir, mut golive) = driven();
    let socket = dir.path().join("state/sessions/tonight/socket");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else knocks");
    golive.hang_up();
    until("the driver's leaving", || journal(dir.path()).contains("driver-left").then_some(()));
    let heir = resume(dir.path(), &["--confirm", "change"]);
    until("the handing over", || journal(dir.path()).contains("handed over").then_some(()));
    assert_eq!(ledger(dir.path()), "one\n");
    std::fs::write(dir.path().join("enough"), "").unwrap();
    golive.wait();
    let heir = called(&heir.wait_with_output().unwrap());
    assert_eq!(heir.code, 0, "{}", heir.err);
    assert_eq!(ledger(dir.path()), "one\nend\ntwo\n", "nothing ran twice, nothing was cut off");
    let journal = journal(dir.path());
    let at = |what: &str| journal.lines().position(|line| line.contains(what)).expect(what);
    assert!(at("handed over to ana.souza on") < at("\"ev\":\"resumed\""), "{journal}");
    assert!(!socket.exists(), "a door with nobody behind it is no door");
}

#[test]
fn a_driver_at_the_console_stays_until_somebody_has_a_reason() {
    let (dir, mut golive) = driven();
    let polite = called(&resume(dir.path(), &[]).wait_with_output().unwrap());
    assert_eq!(polite.code, 14, "{}", polite.err);
    assert!(polite.err.contains("its driver is at the console"), "{}", polite.err);
    golive.until("ana.souza on");
    let no_reason = golive_in(&dir.path().join("state"), &["resume", "tonight", "--take-over"]);
    assert_eq!(no_reason.code, 2, "{}", no_reason.err);
    let taking = resume(dir.path(), &["--take-over", "--reason", "he fell ill"]);
    golive.until("what ends with golive ends first");
    std::fs::write(dir.path().join("enough"), "").unwrap();
    assert_eq!(golive.wait().exit_code(), 6);
    let taken = called(&taking.wait_with_output().unwrap());
    assert_eq!(taken.code, 6, "the next step wants a confirmation: {}", taken.err);
    assert_eq!(ledger(dir.path()), "one\nend\n");
    assert!(journal(dir.path()).contains("taken over by ana.souza on"), "{}", journal(dir.path()));
}

#[test]
fn one_that_does_not_answer_keeps_its_lock_and_a_killed_one_leaves_it() {
    let (dir, mut golive) = driven();
    let pid = Pid::from_raw(i32::try_from(golive.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    golive.wait();
    std::fs::write(dir.path().join("enough"), "").unwrap();
    // The socket of a dead process is there, and in nobody's way.
    assert!(dir.path().join("state/sessions/tonight/socket").exists());
    let heir = called(&resume(dir.path(), &[]).wait_with_output().unwrap());
    assert_eq!(heir.code, 5, "what ended with golive is unknown: {}", heir.err);
    assert!(journal(dir.path()).contains("in_doubt\":[{"), "{}", journal(dir.path()));
}
