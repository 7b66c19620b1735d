//! A step floods its host's link for as long as somebody types: the console answers every key
//! meanwhile, all of it is on disk, and golive stays small.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::pty::Pty;
use crate::sshd::{Sshd, me};

/// Lines of one round of the flood, each of 100 bytes.
const LINES: usize = 20_000;
/// Rounds at least.
const ROUNDS: usize = 10;
/// Keys typed during the flood.
const KEYS: usize = 20;
const PAGE_UP: &str = "\x1b[5~";
const END: &str = "\x1b[F";
/// What golive may have had in memory at most, in KiB.
const MEMORY_KIB: u64 = 100 * 1024;

fn round() -> String {
    (0..LINES).fold(String::new(), |mut text, number| {
        let line = format!("L{number:07} rows copied from the old ledger to the new one ");
        writeln!(text, "{line:x<99}").unwrap();
        text
    })
}

/// The most memory that the process has ever had, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn transcript(dir: &Path) -> PathBuf {
    let session = std::fs::read_dir(dir.join("state/sessions")).unwrap().next().unwrap();
    session.unwrap().path().join("output/flood.1.target.log")
}

fn bytes_of(path: &Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}

#[test]
fn keys_are_answered_in_a_flood_and_all_of_it_is_kept() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().display();
    let text = round();
    std::fs::write(dir.path().join("round"), &text).unwrap();
    std::fs::create_dir(dir.path().join(".ssh")).unwrap();
    std::fs::copy(sshd.known_hosts("ed25519"), dir.path().join(".ssh/known_hosts")).unwrap();
    let runbook = format!(
        r#"
golive = 1
[runbook]
id = "night"
title = "A flood"
strategy = "direct"
[hosts.target]
address = "127.0.0.1"
port = {}
user = "{}"
identity = "{}"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "flood"
title = "Flood"
on = "target"
detached = false
run = '''
n=0
until [ -e {here}/enough ] && [ $n -ge {ROUNDS} ]; do cat {here}/round; n=$((n+1)); done
echo $n > {here}/rounds
'''
estimate = "10s"
timeout = "5m"
undo = {{ run = "true", estimate = "1s" }}
"#,
        sshd.port,
        me(),
        sshd.identity().display()
    );
    std::fs::write(dir.path().join("night.toml"), runbook).unwrap();
    let mut golive = Pty::start(dir.path(), (120, 36), &["rehearse", "night.toml"]);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING");
    golive.press_until("\r", "y run");
    golive.press_until("y", "RUNNING");
    golive.press_until("3", "FOLLOW");
    golive.until("rows copied");
    let log = transcript(dir.path());
    for _ in 0..KEYS / 2 {
        let before = bytes_of(&log);
        golive.keys(PAGE_UP);
        golive.until("PAUSED, ");
        golive.keys(END);
        golive.until("FOLLOW  ");
        crate::sshd::until("more of the flood", || (bytes_of(&log) > before).then_some(()));
    }
    std::fs::write(dir.path().join("enough"), "").unwrap();
    golive.until("DONE");
    let memory = peak(golive.pid());
    golive.press_until("q", "Leave");
    golive.press_until("c", "golive verify");
    assert!(golive.wait().success());
    assert!(memory < MEMORY_KIB, "{memory} KiB");

    let rounds = std::fs::read_to_string(dir.path().join("rounds")).unwrap();
    let rounds: usize = rounds.trim().parse().unwrap();
    assert!(rounds >= ROUNDS);
    assert_eq!(bytes_of(&log), u64::try_from(rounds * text.len()).unwrap());
    let mut kept = std::fs::File::open(&log).unwrap();
    let mut piece = vec![0; text.len()];
    for number in 0..rounds {
        kept.read_exact(&mut piece).unwrap();
        assert!(piece == text.as_bytes(), "round {number} is not as it was printed");
    }
}
