//! The whole program on a disk that is really full: small file systems in memory, in a mount
//! namespace of their own. As root, as the mounts need.
#![expect(clippy::wildcard_enum_match_arm, reason = "a check looks at the events it is about")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use golive::engine::Event;
use golive::journal::{Entry, read_all};

use crate::pty::Pty;
use crate::sshd::{Sshd, me, until};

/// The exit code of a session that was rolled back, and the old system verified.
const ROLLED_BACK: u32 = 7;

fn runbook(sshd: &Sshd, dir: &Path) -> String {
    let text = r#"
golive = 1
[runbook]
id = "night"
title = "A night on a full disk"
strategy = "direct"
[hosts.target]
address = "127.0.0.1"
port = PORT
user = "USER"
identity = "IDENTITY"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "First"
on = "target"
run = "echo one >>DIR/ledger"
estimate = "1s"
timeout = "30s"
undo = { run = "echo undo-one >>DIR/ledger", estimate = "1s" }
[[phase.step]]
id = "two"
title = "Second"
on = "target"
run = "echo two >>DIR/ledger; while :; do echo copying rows; sleep 0.1; done"
estimate = "1s"
timeout = "10m"
undo = { run = "echo undo-two >>DIR/ledger; echo two is undone", estimate = "1s" }
[[phase.step]]
id = "three"
title = "Third"
on = "target"
needs = []
run = "echo three >>DIR/ledger"
estimate = "1s"
timeout = "30s"
undo = { run = "echo undo-three >>DIR/ledger", estimate = "1s" }
[[rollback.after]]
id = "old"
title = "The old system answers"
stage = "verify"
on = "target"
run = "echo old >>DIR/ledger"
read_only = true
estimate = "1s"
timeout = "10s"
"#;
    text.replace("PORT", &sshd.port.to_string())
        .replace("USER", &me())
        .replace("IDENTITY", &sshd.identity().display().to_string())
        .replace("DIR", &dir.display().to_string())
}

/// Takes every byte of a file system, and whatever becomes free, until it is told to stop.
struct Filler {
    path: PathBuf,
    stop: Arc<AtomicBool>,
    work: JoinHandle<()>,
}

impl Filler {
    fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let stopped = Arc::clone(&stop);
        let work = std::thread::spawn(move || {
            let zeros = vec![0; 1 << 16];
            while !stopped.load(Ordering::SeqCst) {
                if file.write_all(&zeros).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        Self { path, stop, work }
    }

    /// There is room again.
    fn give_back(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.work.join().unwrap();
        fs::remove_file(self.path).unwrap();
    }
}

/// The two digits that the open guard shows.
fn code(screen: &str) -> String {
    let line = screen.lines().find(|line| line.contains("To start, type")).unwrap_or_default();
    line.chars().filter(char::is_ascii_digit).take(2).collect()
}

fn ledger(dir: &Path) -> String {
    fs::read_to_string(dir.join("ledger")).unwrap_or_default()
}

/// The facts of the gap: between the word that nothing can be recorded and the word that all is.
fn gap(entries: &[Entry]) -> Vec<Event> {
    let mut facts = entries.iter().flat_map(|entry| &entry.facts).map(|fact| fact.event.clone());
    let lost = facts.by_ref().find(|event| matches!(event, Event::RecordingLost { .. }));
    let mut gap: Vec<Event> = lost.into_iter().collect();
    for event in facts {
        gap.push(event);
        if let Some(Event::RecordedLate { .. }) = gap.last() {
            return gap;
        }
    }
    panic!("no gap that is closed: {gap:#?}")
}

#[test]
fn on_a_full_disk_the_way_back_is_walked_by_a_typed_override_and_recorded_late() {
    for size in [(120, 36), (80, 24)] {
        let sshd = Sshd::start();
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir(dir.join(".ssh")).unwrap();
        fs::copy(sshd.known_hosts("ed25519"), dir.join(".ssh/known_hosts")).unwrap();
        fs::write(dir.join("night.toml"), runbook(&sshd, dir)).unwrap();
        for name in ["full", "state", "run", "var"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        // One file system for the record and for both folders in which it could go on.
        let script = format!(
            "mount -t tmpfs -o size=24m,mode=700 tmpfs full\n\
             for one in state run var; do mkdir -m 700 full/$one; mount --bind full/$one $one; done\n\
             mount --bind full/var /var/tmp\n\
             {} rehearse night.toml --session night; code=$?\n\
             cp -a state kept; exit $code",
            env!("CARGO_BIN_EXE_golive")
        );
        // Whatever goes wrong here, nothing of it stays behind.
        let args = ["-mpf", "--mount-proc", "--kill-child", "sh", "-c", &script];
        let mut golive = Pty::start_program(dir, size, "unshare", &args);
        golive.until("READY");
        golive.press_until("\r", "BEGIN the run?");
        golive.press_until("y", "WAITING");
        golive.press_until("\r", "RUN one");
        golive.press_until("y", "1/3");
        golive.press_until("\r", "RUN two");
        golive.press_until("y", "RUNNING");
        until("the second step", || (ledger(dir) == "one\ntwo\n").then_some(()));
        golive.until_it("what it prints", |screen| screen.matches("copying rows").count() > 2);
        let full = format!("/proc/{}/root{}/full/fill", golive.pid(), dir.display());
        let filler = Filler::start(full.into());
        // Whatever is written next: the room kept for the last words goes first.
        let note = "n".repeat(1500);
        let mut tries = 0;
        while !golive.screen().contains("NOT RECORDED") {
            golive.press_until("N", "into the audit");
            golive.keys(&note);
            golive.until("nnnn");
            golive.keys("\x13");
            golive.until_it("the note is taken", |it| !it.contains("into the audit"));
            tries += 1;
            assert!(tries < 60, "recorded still\n{}", golive.screen());
        }
        assert_eq!(ledger(dir), "one\ntwo\n");
        // Nothing forward starts, whatever is pressed.
        golive.keys("\r");
        golive.until("NOT RECORDED");
        golive.keys("\x1b");
        let guard = golive.press_until("R", "type UNRECORDED");
        assert!(code(&guard).is_empty(), "no digits before the override\n{guard}");
        golive.press_until("w", "Type UNRECORDED");
        golive.keys("UNRECORDED the shop is down");
        golive.until("the shop is down");
        golive.press_until("\x13", "To start, type");
        assert!(golive.screen().contains("NOT RECORDED"), "{}", golive.screen());
        let mut tries = 0;
        while !golive.screen().contains("ROLLED BACK") {
            let digits = code(&golive.screen());
            golive.keys(&digits);
            std::thread::sleep(Duration::from_millis(1200));
            tries += 1;
            assert!(tries < 60, "no way back\n{}", golive.screen());
        }
        assert!(golive.screen().contains("NOT RECORDED, OVERRIDE"), "{}", golive.screen());
        assert_eq!(ledger(dir), "one\ntwo\nundo-two\nundo-one\nold\n");
        filler.give_back();
        golive.until_it("all of it is recorded", |screen| !screen.contains("NOT RECORDED"));
        golive.press_until("q", "Leave");
        golive.press_until("c", "golive verify");
        assert_eq!(golive.wait().exit_code(), ROLLED_BACK, "{}", golive.screen());
        let entries = read_all(&dir.join("kept/sessions/night")).unwrap();
        let gap = gap(&entries);
        let at = |what: &dyn Fn(&Event) -> bool| gap.iter().position(what).unwrap();
        let order = [
            at(&|event| matches!(event, Event::RecordingOverridden { .. })),
            at(&|event| matches!(event, Event::RollbackBegan { .. })),
            at(&|event| matches!(event, Event::AttemptStarted { .. })),
            at(&|event| matches!(event, Event::RollbackEnded { verified: true })),
        ];
        assert!(order.is_sorted(), "{gap:#?}");
        // What an undo printed was not kept: said, and no reason to doubt how it ended.
        let notes = gap.iter().filter_map(|event| match event {
            Event::Noted { text, .. } => Some(text.clone()),
            _ => None,
        });
        let lost = notes.filter(|text| text.contains("two.undo.1.target is NOT KEPT")).count();
        assert_eq!(lost, 1, "{gap:#?}");
        let verify = in_folder(dir, "kept", &["verify", "night"]);
        let said = String::from_utf8_lossy(&verify.stdout).into_owned();
        assert_eq!(verify.status.code(), Some(15), "intact, and signed by nobody: {said}");
        assert!(said.contains("written late") && said.contains("the shop is down"), "{said}");
    }
}

/// golive with its state directory in `state`.
fn in_folder(dir: &Path, state: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_golive"));
    command.args(args).current_dir(dir).env("HOME", dir).env("GOLIVE_STATE", dir.join(state));
    command.env("XDG_RUNTIME_DIR", dir.join("run"));
    command.output().unwrap()
}

const BIG: &str = r#"
golive = 1
[runbook]
id = "night"
title = "A step that prints more than there is room for"
strategy = "direct"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "big"
title = "Prints much"
local = "echo big >>LEDGER; head -c 6000000 /dev/zero | tr '\\0' x | fold -w 99; echo; echo done"
read_only = true
estimate = "1s"
timeout = "1m"
[[phase.step]]
id = "after"
title = "Comes after it"
local = "echo after >>LEDGER; echo well"
read_only = true
estimate = "1s"
timeout = "1m"
"#;

/// Runs a script as a shell does in a mount namespace with a small file system for `state`.
fn scripted(dir: &Path, script: &str) -> String {
    for name in ["state", "run", "var"] {
        fs::create_dir_all(dir.join(name)).unwrap();
    }
    let ledger = dir.join("ledger").display().to_string();
    fs::write(dir.join("night.toml"), BIG.replace("LEDGER", &ledger)).unwrap();
    let program = env!("CARGO_BIN_EXE_golive");
    let script = format!(
        "exec 2>&1; golive() {{ {program} \"$@\"; echo \"$1: exit $?\"; }}\n\
         mount --bind var /var/tmp&&mount -t tmpfs -o size=12m,mode=700 tmpfs state||exit 1\n{script}"
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).current_dir(dir).env("HOME", dir);
    command.env("GOLIVE_STATE", dir.join("state")).env("XDG_RUNTIME_DIR", dir.join("run"));
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_output_that_fills_the_disk_goes_on_elsewhere_and_is_brought_home() {
    let dir = tempfile::tempdir().unwrap();
    let said = scripted(
        dir.path(),
        "golive run night.toml --session night --confirm check -q\n\
         find var -name '*.log'; find state -name '*.log'\n\
         golive verify night\n\
         golive resume night --headless --confirm check -q\n\
         find var -name '*.log'; find state -name '*.log'\n\
         golive verify night\n\
         golive export night --format md -o - | grep 'goes on in'",
    );
    let (first, second) = said.split_once("resume: exit").unwrap_or_else(|| panic!("{said}"));
    assert!(first.contains("run: exit 6"), "held: {said}");
    assert!(first.contains("the disk of"), "why it is held: {said}");
    assert!(first.lines().any(|line| line.starts_with("var/golive-")), "elsewhere: {said}");
    assert!(!first.contains("state/sessions/night/output/big"), "whole, and once: {said}");
    assert!(first.contains("1 as recorded, 6060612 bytes"), "no byte is lost: {said}");
    assert!(second.starts_with(" 0"), "done: {said}");
    assert!(second.contains("state/sessions/night/output/big.1.local.log"), "{said}");
    assert!(!second.contains("var/golive-"), "nothing is left behind: {said}");
    assert!(second.contains("2 as recorded, 6060617 bytes"), "{said}");
    assert!(second.contains("the output of big.1.local goes on in"), "{said}");
    assert_eq!(ledger(dir.path()), "big\nafter\n", "nothing ran twice");
}

#[test]
fn an_output_whose_file_cannot_be_synced_is_written_anew_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let said = scripted(
        dir.path(),
        "log=$PWD/state/sessions/night/output/big.1.local.log\n\
         sed -i 's/6000000/60000/' night.toml\n\
         traced() { strace -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync \
         -e inject=fdatasync:error=EIO:when=1+ -P \"$log\" \"$@\"; echo \"run: exit $?\"; }\n\
         traced \
         PROGRAM run night.toml --session night --confirm check -q\n\
         golive verify night\n\
         golive resume night --headless --confirm check -q\n\
         golive verify night"
            .replace("PROGRAM", env!("CARGO_BIN_EXE_golive"))
            .as_str(),
    );
    let (first, second) = said.split_once("resume: exit").unwrap_or_else(|| panic!("{said}"));
    assert!(first.contains("run: exit 6") && first.contains("1 as recorded"), "{said}");
    assert!(second.starts_with(" 0") && second.contains("2 as recorded"), "{said}");
}
