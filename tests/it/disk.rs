//! A disk that fails at every write and every sync of the journal, one after the other: nothing new
//! starts, what runs is not cut off, and everybody is told.
//!
//! The failure is the kernel's, on the n-th system call on the journal (`strace`'s fault
//! injection). What the steps wrote into a ledger says what really ran.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use golive::base::Digest;

use crate::counts::counted;
use crate::pty::Pty;

const STEPS: [&str; 2] = ["one", "two"];

/// Steps that do not wait for each other.
fn runbook() -> String {
    let mut text = r#"
golive = 1
[runbook]
id = "night"
title = "A night with a bad disk"
strategy = "direct"
[[phase]]
id = "p"
title = "All"
"#
    .to_owned();
    for step in STEPS {
        text.extend([format!(
            r#"
[[phase.step]]
id = "{step}"
title = "{step}"
needs = []
local = "echo start {step} >> ledger; sleep 0.3; echo end {step} >> ledger"
estimate = "1s"
timeout = "30s"
undo = {{ local = "true", estimate = "1s" }}
"#
        )]);
    }
    text
}

/// How much of the disk fails.
#[derive(Clone, Copy, PartialEq)]
enum Fails {
    /// The file of the journal; another one can be written.
    File,
    /// Whatever the journal is written to in the session's folder.
    Folder,
    /// In the fallback folder too.
    All,
}

/// The folder in which the record goes on.
fn away(dir: &Path) -> PathBuf {
    let home = dir.join("state/sessions/night");
    let of = Digest::of(home.as_os_str().as_encoded_bytes()).short();
    dir.join(format!("run/golive/night.{of}"))
}

/// The arguments of `strace` for a journal that fails from the `nth` call on.
fn failing(dir: &Path, fails: Fails, call: &str, error: &str, nth: u32) -> Vec<String> {
    let home = dir.join("state/sessions/night");
    let mut paths = vec![home.join("journal.jsonl")];
    if fails != Fails::File {
        paths.push(home.join("journal.jsonl.new"));
    }
    if fails == Fails::All {
        paths.push(away(dir).join("journal.jsonl.new"));
    }
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:error={error}:when={nth}+");
    let args = ["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let paths = paths.iter().flat_map(|path| ["-P".to_owned(), path.display().to_string()]);
    args.iter().map(|arg| (*arg).to_owned()).chain(paths).collect()
}

fn golive(dir: &Path, mut command: Command, args: &[&str]) -> Output {
    std::fs::create_dir_all(dir.join("run")).unwrap();
    command.args(args).current_dir(dir).env("HOME", dir).env("GOLIVE_STATE", dir.join("state"));
    command.env("XDG_RUNTIME_DIR", dir.join("run"));
    command.output().unwrap()
}

fn ledger(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join("ledger")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn every_failure(call: &str, error: &str) {
    let program = env!("CARGO_BIN_EXE_golive");
    let mut failures = 0;
    for nth in 1.. {
        assert!(nth < 100, "a run of two steps has no 100 lines");
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::write(dir.path().join("night.toml"), runbook()).unwrap();
        let mut strace = Command::new("strace");
        strace.args(failing(dir.path(), Fails::All, call, error, nth)).arg(program);
        let run = ["run", "night.toml", "--session", "night", "--confirm", "change"];
        let output = golive(dir.path(), strace, &run);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let what = format!("{call} {nth}: {said}");
        let before = ledger(dir.path());
        if output.status.success() {
            assert_eq!(before.len(), 2 * STEPS.len(), "{what}");
            break;
        }
        failures += 1;
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(said.contains("recorded") || said.contains("cannot"), "{what}");
        for step in STEPS {
            let began = before.contains(&format!("start {step}"));
            let ended = before.contains(&format!("end {step}"));
            assert_eq!(began, ended, "{step} was cut off: {what}");
            if ended && said.contains(&format!("ended and not recorded: {step}")) {
                assert!(said.contains("exit 0"), "{what}");
            }
        }
        let resume = ["resume", "night", "--headless", "--confirm", "change"];
        let resumed = golive(dir.path(), Command::new(program), &resume);
        let said = String::from_utf8_lossy(&resumed.stderr).into_owned();
        // Never opened; in doubt and held; done.
        assert!(matches!(resumed.status.code(), Some(0 | 2 | 5 | 6)), "{what}\n{said}");
        let after = ledger(dir.path());
        for line in &after {
            let count = after.iter().filter(|other| *other == line).count();
            assert_eq!(count, 1, "ran twice: {what}\n{said}");
        }
        if before.is_empty() && resumed.status.code() == Some(2) {
            let left = std::fs::read_dir(dir.path().join("state/sessions")).unwrap().count();
            assert_eq!(left, 0, "half a session: {what}");
        }
    }
    assert!(failures > STEPS.len(), "{failures} failures are not every one");
    let what = format!("each {call} of a run fails with {error} from then on");
    counted("a disk that fails under the whole program", &what, failures, 0);
}

#[test]
fn a_full_disk_holds_the_run_and_cuts_nothing_off() {
    every_failure("write", "ENOSPC");
}

#[test]
fn a_broken_disk_holds_the_run_and_cuts_nothing_off() {
    every_failure("fdatasync", "EIO");
}

/// The lines of the record that a run printed, by their numbers.
fn printed(output: &Output) -> Vec<u64> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut lines: Vec<u64> = lines.filter_map(|line| line["seq"].as_u64()).collect();
    lines.dedup(); // A line of several facts.
    lines
}

/// A disk of which a part fails: the record goes on, the run is held once and nothing is lost.
fn a_part_fails(fails: Fails, call: &str, error: &str) {
    let program = env!("CARGO_BIN_EXE_golive");
    let mut held = 0;
    for nth in 1..100 {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::write(dir.path().join("night.toml"), runbook()).unwrap();
        let mut strace = Command::new("strace");
        strace.args(failing(dir.path(), fails, call, error, nth)).arg(program);
        let run = ["run", "night.toml", "--session", "night", "--confirm", "change", "--json"];
        let output = golive(dir.path(), strace, &run);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let what = format!("{call} {nth}: {said}");
        // Whoever reads the record while it is written anew gets all of it, once and in order.
        let session = dir.path().join("state/sessions/night");
        let recorded = golive::journal::read_all(&session).unwrap();
        let recorded: Vec<u64> = recorded.iter().map(|entry| entry.seq).collect();
        assert_eq!(printed(&output), recorded, "{what}");
        if output.status.success() {
            break; // It failed when nothing was left to hold, or not at all.
        }
        held += 1;
        assert_eq!(output.status.code(), Some(6), "{what}");
        assert!(said.contains("held: the disk of the record failed"), "{what}");
        let verify = golive(dir.path(), Command::new(program), &["verify", "night"]);
        assert_eq!(verify.status.code(), Some(15), "intact, and open still: {what}");
        let status = golive(dir.path(), Command::new(program), &["status", "night"]);
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        let is_away = fails == Fails::Folder;
        assert_eq!(away(dir.path()).join("journal.jsonl").exists(), is_away, "{what}");
        assert_eq!(status.contains("continued in"), is_away, "{status}");
        let resume = ["resume", "night", "--headless", "--confirm", "change"];
        let resumed = golive(dir.path(), Command::new(program), &resume);
        let more = String::from_utf8_lossy(&resumed.stderr).into_owned();
        assert_eq!(resumed.status.code(), Some(0), "{what}\n{more}");
        assert_eq!(more.contains("the record is continued in"), is_away, "{more}");
        assert!(!away(dir.path()).exists(), "brought home, and nothing left behind");
        let mut ran = ledger(dir.path());
        ran.sort();
        assert_eq!(ran, ["end one", "end two", "start one", "start two"], "{what}\n{more}");
    }
    assert!(held > STEPS.len(), "{held} failures are not every one");
    let part = if fails == Fails::File { "file" } else { "folder" };
    let what = format!("each {call} on the record's {part} fails with {error} from then on");
    counted("a disk that fails under the whole program", &what, held, 0);
}

#[test]
fn after_a_failed_sync_the_record_is_written_anew_and_the_run_goes_on() {
    a_part_fails(Fails::File, "fdatasync", "EIO");
}

#[test]
fn where_its_folder_fails_the_record_goes_on_elsewhere_and_is_brought_home() {
    a_part_fails(Fails::Folder, "fdatasync", "EIO");
}

#[test]
fn the_console_says_what_ended_and_is_in_no_record() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::write(dir.path().join("night.toml"), runbook()).unwrap();
    // Opened, begun, started: the fourth line is the end.
    let mut args = failing(dir.path(), Fails::All, "fdatasync", "EIO", 4);
    args.push(env!("CARGO_BIN_EXE_golive").to_owned());
    args.extend(["rehearse", "night.toml", "--session", "night"].map(str::to_owned));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut golive = Pty::start_program(dir.path(), (120, 36), "strace", &args);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING");
    golive.press_until("\r", "RUN one");
    golive.press_until("y", "NOT RECORDED");
    golive.until("two 1/2");
    golive.press_until("[", "ended, NOT RECORDED: exit 0");
    golive.press_until("q", "Leave");
    golive.press_until("h", "ended and not recorded: one.1");
    assert_eq!(golive.wait().exit_code(), 1, "{}", golive.screen());
    assert!(golive.screen().contains("nothing could be recorded"), "{}", golive.screen());
    assert_eq!(ledger(dir.path()), ["start one", "end one"]);
}

fn run_with(dir: &Path, shell: &str) -> Output {
    std::fs::write(dir.join("night.toml"), runbook()).unwrap();
    let program = env!("CARGO_BIN_EXE_golive");
    let run = format!("{shell} exec {program} run night.toml --session night --confirm change");
    let mut command = Command::new("sh");
    command.arg("-c").arg(run);
    golive(dir, command, &[])
}

fn all_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_below(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn all_that_is_kept_is_its_owners_alone() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let output = run_with(dir.path(), "umask 0;");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let state = dir.path().join("state");
    let mut found = vec![state.clone()];
    all_below(&state, &mut found);
    assert!(found.len() > 6, "{found:?}");
    for path in found {
        let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o777;
        let right = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, right, "{}", path.display());
    }
}

#[test]
fn nothing_is_kept_where_others_may_write() {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let sessions = dir.path().join("state/sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    std::fs::set_permissions(&sessions, std::fs::Permissions::from_mode(0o777)).unwrap();
    let output = run_with(dir.path(), "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("others may write in it"), "{said}");
    // Nor where somebody put a way to another place.
    std::fs::set_permissions(&sessions, std::fs::Permissions::from_mode(0o700)).unwrap();
    let elsewhere = dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, sessions.join("night")).unwrap();
    let output = run_with(dir.path(), "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert!(ledger(dir.path()).is_empty(), "nothing ran");
}

#[test]
fn a_synced_folder_is_warned_of_and_the_record_says_so() {
    let all = tempfile::tempdir_in("/var/tmp").unwrap();
    let dir = all.path().join("Dropbox");
    std::fs::create_dir(&dir).unwrap();
    let output = run_with(&dir, "");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("Dropbox keeps it in step"), "{said}");
    let journal = std::fs::read_to_string(dir.join("state/sessions/night/journal.jsonl")).unwrap();
    assert_eq!(journal.matches("Dropbox keeps it in step").count(), 1, "a note, once");
}
