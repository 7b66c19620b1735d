//! The console in a real terminal: what a newcomer does, and what the night does to the terminal.

use rustix::process::{Pid, Signal, kill_process};

use crate::pty::Pty;

const RUNBOOK: &str = r#"
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
local = "echo one >> ledger"
estimate = "1s"
timeout = "10s"
undo = { local = "echo undo-one >> ledger", estimate = "1s" }
[[phase.step]]
id = "two"
title = "Second"
local = "echo two >> ledger; sleep 30"
estimate = "1s"
timeout = "1m"
undo = { local = "echo undo-two >> ledger", estimate = "1s" }
[[rollback.after]]
id = "old"
title = "The old system answers"
stage = "verify"
local = "echo old >> ledger"
read_only = true
estimate = "1s"
timeout = "10s"
"#;

/// The exit code of a session that was rolled back, and the old system verified.
const ROLLED_BACK: u32 = 7;

fn night(size: (u16, u16)) -> (tempfile::TempDir, Pty) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("night.toml"), RUNBOOK).unwrap();
    let golive = Pty::start(dir.path(), size, &["rehearse", "night.toml"]);
    golive.until("READY");
    (dir, golive)
}

fn begin(golive: &mut Pty) {
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING");
}

fn ledger(dir: &tempfile::TempDir) -> String {
    std::fs::read_to_string(dir.path().join("ledger")).unwrap_or_default()
}

/// The two digits that the open guard shows.
fn code(screen: &str) -> String {
    let line = screen.lines().find(|line| line.contains("type")).unwrap_or_default();
    line.chars().filter(char::is_ascii_digit).take(2).collect()
}

#[test]
fn a_rollback_in_the_middle_of_a_step_takes_its_code_and_three_seconds() {
    for size in [(120, 36), (80, 24)] {
        let (dir, mut golive) = night(size);
        begin(&mut golive);
        golive.press_until("\r", "RUN one");
        golive.press_until("y", "1/2");
        golive.press_until("\r", "RUN two");
        golive.press_until("y", "RUNNING");
        golive.press_until("R", "GUARD");
        golive.press_until("w", "Ctrl-S");
        golive.keys("the business says no");
        golive.until("the business says no");
        golive.press_until("\x13", "To start");
        // Keys are dead right after the guard is back: the code is typed until it counts.
        let mut tries = 0;
        while !golive.screen().contains("ROLLED BACK") {
            let screen = golive.screen();
            if screen.contains("To start") && tries < 200 {
                let digits = code(&screen);
                golive.keys(&digits);
                tries += 1;
            }
            std::thread::sleep(std::time::Duration::from_millis(1200));
        }
        assert_eq!(ledger(&dir), "one\ntwo\nundo-two\nundo-one\nold\n");
        golive.press_until("q", "Leave");
        golive.press_until("c", "golive verify");
        assert_eq!(golive.wait().exit_code(), ROLLED_BACK);
    }
}

#[test]
fn enter_runs_nothing_and_a_paste_runs_nothing() {
    let (dir, mut golive) = night((120, 36));
    begin(&mut golive);
    golive.press_until("\r", "RUN one");
    golive.keys("\r\r\r");
    golive.keys("\x1b[200~y\r y\x1b[201~");
    golive.until("WAITING FOR YOU");
    golive.press_until("\x1b", "Enter opens it");
    assert_eq!(ledger(&dir), "", "nothing was sent");
}

#[test]
fn any_size_is_drawn_and_a_dialog_stays() {
    let (_dir, mut golive) = night((120, 36));
    begin(&mut golive);
    golive.press_until("\r", "RUN one");
    for (columns, rows) in [(80, 24), (60, 18), (40, 10), (20, 5), (3, 2), (1, 1), (120, 36)] {
        golive.resize(columns, rows);
        if columns >= 80 {
            golive.until("RUN one");
        }
    }
    golive.press_until("\x1b", "Enter opens it");
}

#[test]
fn a_signal_gives_the_terminal_back_and_holds_the_run() {
    let (dir, mut golive) = night((80, 24));
    begin(&mut golive);
    golive.press_until("\r", "RUN one");
    golive.press_until("y", "1/2");
    assert!(golive.is_alternate());
    let pid = Pid::from_raw(i32::try_from(golive.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(golive.wait().exit_code(), 143);
    assert!(!golive.is_alternate(), "the other screen is left");
    let text = String::from_utf8_lossy(&golive.bytes()).into_owned();
    for given_back in ["\x1b[?1049l", "\x1b[?2004l", "\x1b[?25h"] {
        assert!(text.contains(given_back), "{given_back:?}");
    }
    assert!(golive.screen().contains("golive resume"), "{}", golive.screen());
    let mut again = Pty::start(dir.path(), (80, 24), &["resume", "last"]);
    again.until("HOLD");
    again.press_until("H", "WAITING");
    assert_eq!(ledger(&dir), "one\n", "nothing ran a second time");
}

#[test]
fn a_lost_terminal_holds_the_run() {
    let (dir, mut golive) = night((80, 24));
    begin(&mut golive);
    let pid = Pid::from_raw(i32::try_from(golive.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    golive.wait();
    let session = std::fs::read_dir(dir.path().join("state/sessions")).unwrap().next().unwrap();
    let journal = std::fs::read_to_string(session.unwrap().path().join("journal.jsonl")).unwrap();
    assert!(journal.contains("driver-left") && journal.contains("held"), "{journal}");
}

#[test]
fn a_step_outlives_the_terminal_that_hung_up() {
    let dir = tempfile::tempdir().unwrap();
    let slow = RUNBOOK.replace("echo two >> ledger; sleep 30", "sleep 3; echo two-ended >> ledger");
    std::fs::write(dir.path().join("night.toml"), slow).unwrap();
    let mut golive = Pty::start(dir.path(), (80, 24), &["rehearse", "night.toml"]);
    golive.until("READY");
    begin(&mut golive);
    golive.press_until("\r", "RUN one");
    golive.press_until("y", "1/2");
    golive.press_until("\r", "RUN two");
    golive.press_until("y", "RUNNING");
    golive.hang_up();
    assert_eq!(golive.wait().exit_code(), 143);
    assert_eq!(ledger(&dir), "one\ntwo-ended\n", "what runs ends first");
    let session = std::fs::read_dir(dir.path().join("state/sessions")).unwrap().next().unwrap();
    let journal = std::fs::read_to_string(session.unwrap().path().join("journal.jsonl")).unwrap();
    let lines: Vec<_> = journal.lines().collect();
    let at = |what: &str| lines.iter().rposition(|line| line.contains(what)).unwrap();
    assert!(at("driver-left") < at("job-ended"), "{journal}");
    assert!(lines[at("job-ended")].contains(r#""code":0"#), "its end is known\n{journal}");
}

fn signal(golive: &Pty, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(golive.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn journal(dir: &tempfile::TempDir) -> String {
    let session = std::fs::read_dir(dir.path().join("state/sessions")).unwrap().next().unwrap();
    std::fs::read_to_string(session.unwrap().path().join("journal.jsonl")).unwrap()
}

#[test]
fn a_stopped_console_takes_the_terminal_again_when_it_goes_on() {
    let (_dir, mut golive) = night((80, 24));
    begin(&mut golive);
    // Ctrl-Z from outside is not obeyed, the one that cannot be refused is survived.
    signal(&golive, Signal::TSTP);
    golive.until("not stopped with SIGTSTP");
    signal(&golive, Signal::STOP);
    golive.forget();
    signal(&golive, Signal::CONT);
    golive.until("WAITING");
    assert!(golive.is_alternate());
    golive.press_until("\r", "RUN one");
}

#[test]
fn a_terminal_that_closes_without_a_signal_holds_the_run_and_waits_for_what_runs() {
    let dir = tempfile::tempdir().unwrap();
    let quick = RUNBOOK.replace("sleep 30", "sleep 2; echo end >> ledger");
    std::fs::write(dir.path().join("night.toml"), quick).unwrap();
    let script = format!("trap '' HUP; exec {} rehearse night.toml", env!("CARGO_BIN_EXE_golive"));
    let mut golive = Pty::start_program(dir.path(), (80, 24), "sh", &["-c", &script]);
    golive.until("READY");
    begin(&mut golive);
    golive.press_until("\r", "RUN one");
    golive.press_until("y", "1/2");
    golive.press_until("\r", "RUN two");
    golive.press_until("y", "RUNNING");
    golive.hang_up();
    assert_eq!(golive.wait().exit_code(), 143);
    assert_eq!(ledger(&dir), "one\ntwo\nend\n", "what ran came to its end");
    let journal = journal(&dir);
    assert!(journal.contains("driver-left") && journal.contains("held"), "{journal}");
    assert!(
        journal.contains("\"step\":\"two\",\"part\":\"action\",\"verdict\":\"succeeded\""),
        "{journal}"
    );
}

#[test]
fn a_second_signal_leaves_at_once() {
    let (dir, mut golive) = night((80, 24));
    begin(&mut golive);
    golive.press_until("\r", "RUN one");
    golive.press_until("y", "1/2");
    golive.press_until("\r", "RUN two");
    golive.press_until("y", "RUNNING");
    signal(&golive, Signal::TERM);
    golive.until("what ends with golive ends first");
    signal(&golive, Signal::TERM);
    assert_eq!(golive.wait().exit_code(), 143);
    assert!(!journal(&dir).contains("\"step\":\"two\",\"part\":\"action\",\"verdict\""));
}
