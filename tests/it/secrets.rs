//! Secrets on real hosts and in the whole program: their values reach the steps, and nothing else.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::sshd::{Sshd, me};

const IN_ENV: &str = "c4nary-of-the-environment";
const IN_FILE: &str = "c4nary in 'a file' \"of\" 2 lines\nand $this is the 2nd";

fn golive(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_golive"));
    command.args(args).current_dir(dir).env("HOME", dir).env("GOLIVE_STATE", dir.join("state"));
    command.envs(env.iter().copied()).stdin(std::process::Stdio::null());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Every file below a folder.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else if entry.file_type().unwrap().is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
        }
    }
    found
}

fn holds(bytes: &[u8], value: &str) -> bool {
    bytes.windows(value.len()).any(|window| window == value.as_bytes())
}

fn runbook(sshd: &Sshd, dir: &Path, steps: &str) -> String {
    format!(
        r#"
golive = 1
[runbook]
id = "night"
[hosts.target]
address = "127.0.0.1"
port = {}
user = "{}"
identity = "{}"
[secrets]
in_env = {{ env = "CANARY" }}
in_file = {{ file = "canary" }}
by_command = {{ command = "cat word" }}
[[phase]]
id = "one"
{}"#,
        sshd.port,
        me(),
        sshd.identity().display(),
        steps.replace("DIR", &dir.display().to_string())
    )
}

/// A folder with a runbook, its secrets, and the known hosts.
fn night(sshd: &Sshd, steps: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".ssh")).unwrap();
    fs::create_dir(dir.path().join("seen")).unwrap();
    fs::copy(sshd.known_hosts("ed25519"), dir.path().join(".ssh/known_hosts")).unwrap();
    fs::write(dir.path().join("canary"), format!("{IN_FILE}\n")).unwrap();
    fs::write(dir.path().join("word"), "c4nary-of-a-command\n").unwrap();
    fs::write(dir.path().join("night.toml"), runbook(sshd, dir.path(), steps)).unwrap();
    dir
}

const STEPS: &str = r#"
[[phase.step]]
id = "env"
on = "target"
read_only = true
env = { WORD = { secret = "in_env" }, KEY = { secret = "in_file" } }
run = '''
for p in /proc/[0-9]*; do tr '\0' ' ' <$p/cmdline; echo; done >DIR/seen/cmdlines 2>/dev/null
set -x
echo "word: $WORD" >&2
set +x
printf 'key: %s.' "$KEY"
printf %s "$WORD" | base64
printf %s "$WORD" | od -An -tx1 | tr -d ' \n'
i=0; while [ $i -lt 25 ]; do i=$((i+1)); printf %s "$WORD" | cut -c$i | tr -d '\n'; done; echo
[ "$WORD" = c4nary-of-"the"-environment ] && echo "the variable is whole"
'''
[[phase.step]]
id = "input"
on = "target"
read_only = true
stdin = { secret = "in_file" }
run = "tr '\\0' ' ' </proc/$$/cmdline >>DIR/seen/cmdlines; cksum | tee DIR/seen/sum; echo read"
[[phase.step]]
id = "here"
read_only = true
env = { WORD = { secret = "by_command" } }
local = "env | sort; echo \"$WORD\" | tee DIR/seen/local >/dev/null; cat DIR/seen/local"
"#;

#[test]
fn values_reach_the_steps_and_nothing_else() {
    let sshd = Sshd::start();
    let dir = night(&sshd, STEPS);
    let run = golive(
        dir.path(),
        &["run", "night.toml", "--session", "night", "--confirm", "change"],
        &[("CANARY", IN_ENV)],
    );
    let text = said(&run);
    assert_eq!(run.status.code(), Some(0), "{text}");
    // They have arrived.
    let sum = fs::read_to_string(dir.path().join("seen/sum")).unwrap();
    let length = format!(" {}\n", IN_FILE.len() + 1);
    assert!(sum.ends_with(&length), "byte for byte, with its line end: {sum}");
    let local = fs::read_to_string(dir.path().join("seen/local")).unwrap();
    assert_eq!(local, "c4nary-of-a-command\n");
    fs::remove_file(dir.path().join("seen/local")).unwrap();
    let transcript =
        fs::read_to_string(dir.path().join("state/sessions/night/output/env.1.target.log"));
    let transcript = transcript.unwrap();
    assert!(transcript.contains("the variable is whole"), "{transcript}");
    assert!(transcript.contains("word: ‹redacted:in_env›"), "{transcript}");
    assert!(transcript.contains("key: ‹redacted:in_file›."), "{transcript}");
    // Every export.
    let out = dir.path().join("report");
    let formats = ["export", "night", "--format", "md,csv,jsonl", "-o", out.to_str().unwrap()];
    let export = golive(dir.path(), &formats, &[]);
    assert_eq!(export.status.code(), Some(0), "{}", said(&export));
    let verify = golive(dir.path(), &["verify", "night"], &[]);
    assert!(said(&verify).contains("redacted   secrets taken out"), "{}", said(&verify));
    assert!(said(&verify).contains("in_env"), "{}", said(&verify));
    let report = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(report.contains("Secrets taken out of output"), "{report}");
    // No process list, no file of the session, of an export, of the host's account; not the screen.
    fs::remove_file(dir.path().join("canary")).unwrap();
    fs::remove_file(dir.path().join("word")).unwrap();
    let mut everything = files(dir.path());
    everything.push(("the terminal".to_owned(), [run.stdout, run.stderr].concat()));
    assert!(everything.iter().any(|(name, bytes)| name.ends_with("cmdlines") && bytes.len() > 100));
    let base64 = "YzRuYXJ5LW9mLXRoZS1lbnZpcm9ubWVu";
    let hex = "63346e6172792d6f662d7468652d656e7669726f6e6d656e74";
    let line = "and $this is the 2nd";
    for value in [IN_ENV, IN_FILE, line, base64, hex, "c4nary-of-a-command"] {
        for (name, bytes) in &everything {
            assert!(!holds(bytes, value), "{value} is in {name}");
        }
    }
}

/// A runbook for this machine alone.
fn local(secret: &str, step: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "golive = 1\n[runbook]\nid = \"night\"\n[secrets]\nword = {secret}\n[[phase]]\nid = \"one\"\n\
        [[phase.step]]\nid = \"say\"\nread_only = true\nenv = {{ WORD = {{ secret = \"word\" }} }}\n{step}\n"
    );
    fs::write(dir.path().join("night.toml"), text).unwrap();
    dir
}

const SAY: &str = "local = 'echo \"$WORD\"'";

fn run(dir: &Path, env: &[(&str, &str)]) -> Output {
    golive(dir, &["run", "night.toml", "--session", "night", "--confirm", "change"], env)
}

#[test]
fn a_value_that_is_not_there_ends_the_command_before_it_begins() {
    for (secret, env, why) in [
        ("{ env = \"WORD_X\" }", &[][..], "secret `word`: the variable WORD_X is not set"),
        ("{ env = \"WORD_X\" }", &[("WORD_X", "")], "its value is empty"),
        ("{ env = \"WORD_X\" }", &[("WORD_X", "short")], "has 5 bytes: at least 6"),
        ("{ env = \"WORD_X\" }", &[("WORD_X", "WORD_X")], "stands in night.toml:5"),
        ("{ file = \"nowhere\" }", &[], "nowhere: No such file"),
        ("{ command = \"exit 3\" }", &[], "`exit 3` failed: exit status: 3"),
        (
            "{ prompt = \"The word\" }",
            &[],
            "secret `word` is asked for on the terminal, and there is none",
        ),
    ] {
        let dir = local(secret, SAY);
        let run = run(dir.path(), env);
        assert_eq!(run.status.code(), Some(2), "{}", said(&run));
        assert!(said(&run).contains(why), "{why}: {}", said(&run));
        assert!(!dir.path().join("state/sessions/night").exists(), "{why}");
    }
}

#[test]
fn practice_asks_for_nothing_and_says_so_once() {
    let dir = local("{ prompt = \"The word\" }", SAY);
    let run = golive(
        dir.path(),
        &["run", "night.toml", "--practice", "--session", "night", "--confirm", "change"],
        &[],
    );
    let text = said(&run);
    assert_eq!(run.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("practice: made-up values for the secrets word").count(), 1, "{text}");
    assert!(text.contains("‹redacted:word›"), "{text}");
}

#[test]
fn a_captured_value_that_holds_a_secret_fails_the_step() {
    let dir = local(
        "{ env = \"WORD_X\" }",
        "local = 'echo \"token=$WORD.\"'\ncapture = { token = 'token=.(.{4})' }",
    );
    let run = run(dir.path(), &[("WORD_X", "hunter2000")]);
    let text = said(&run);
    assert_eq!(run.status.code(), Some(5), "{text}");
    assert!(text.contains("what it captures as token holds secret word"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
}

#[test]
fn output_that_looks_like_a_secret_is_told_once_and_kept() {
    let dir = local(
        "{ env = \"WORD_X\" }",
        "local = 'for i in 1 2 3; do echo \"$WORD: pass\"\"word=hunter$i-of-3\"; done'",
    );
    let run = run(dir.path(), &[("WORD_X", "hunter2000")]);
    let text = said(&run);
    assert_eq!(run.status.code(), Some(0), "{text}");
    let log = fs::read_to_string(dir.path().join("state/sessions/night/output/say.1.local.log"));
    assert!(log.unwrap().contains("word=hunter3-of-3"));
    let journal =
        fs::read_to_string(dir.path().join("state/sessions/night/journal.jsonl")).unwrap();
    assert_eq!(
        journal.matches("looks as if it held a secret (a password)").count(),
        1,
        "{journal}"
    );
    assert!(!journal.contains("hunter"), "{journal}");
}

#[test]
fn a_question_shows_nothing_of_the_answer() {
    let dir = local("{ prompt = \"The word of the night\" }", SAY);
    let mut screen = crate::pty::Pty::start(dir.path(), (100, 30), &["rehearse", "night.toml"]);
    screen.until("The word of the night (secret word, nothing is shown):");
    screen.keys("hunter2000\r");
    screen.until("READY");
    screen.press_until("\r", "BEGIN the run?");
    screen.press_until("y", "WAITING");
    let dialog = screen.press_until("\r", "y run");
    assert!(dialog.contains("WORD=‹secret: word›"), "{dialog}");
    screen.press_until("y", "succeeded");
    screen.press_until("3", "‹redacted:word›");
    assert!(!holds(&screen.bytes(), "hunter2000"));
    for (name, bytes) in files(dir.path()) {
        assert!(!holds(&bytes, "hunter2000"), "{name}");
    }
}

#[test]
fn secrets_are_checked_like_every_other_name() {
    let dir = tempfile::tempdir().unwrap();
    let text = "golive = 1
[runbook]
id = \"night\"
[vars]
same = \"x\"
[secrets]
word = { env = \"WORD\" }
idle = { file = \"~/idle\" }
same = { prompt = true }
open = \"hunter2000\"
both = { env = \"A\", file = \"b\" }
[[phase]]
id = \"one\"
[[phase.step]]
id = \"say\"
title = \"Say {{ word }}\"
local = \"say {{ word }} {{ same }}\"
when = \"word == 'x'\"
read_only = true
stdin = { secret = \"wrod\" }
env = { A = { secret = \"same\" }, B = { secret = \"both\" }, C = 5, D = { secret = \"open\" } }
";
    fs::write(dir.path().join("night.toml"), text).unwrap();
    let check = golive(dir.path(), &["check", "night.toml"], &[]);
    let told = said(&check);
    for (code, count) in [("G028 ", 3), ("G015 ", 1), ("G014 ", 1), ("G005 ", 2), ("G006 ", 1)] {
        assert_eq!(told.matches(code).count(), count, "{code}: {told}");
    }
    for words in [
        "night.toml:8:1", // never used
        "secret `idle` is never used",
        "did you mean `word`?",
        "night.toml:20:",
        "`same` is a secret and a value that is no secret",
        "secret `open` would have its value in the runbook",
        "secret `both` needs exactly one source",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let how = golive(dir.path(), &["check", "--explain", "G028"], &[]);
    assert!(said(&how).contains("environment, or as its standard input"), "{}", said(&how));
}
