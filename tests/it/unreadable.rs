//! A disk that does not give a part of the record back: which file, what then, and never a word
//! that all is well.
//!
//! The failure is the kernel's, at every read of one file (`strace`'s fault injection).

use std::path::Path;
use std::process::{Command, Output};

const RUNBOOK: &str = r#"
golive = 1
[runbook]
id = "night"
title = "Two steps"
strategy = "direct"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "First"
local = "echo the first"
read_only = true
estimate = "1s"
timeout = "30s"
[[phase.step]]
id = "two"
title = "Second"
local = "echo the second; echo two >>ledger"
estimate = "1s"
timeout = "30s"
undo = { local = "true", estimate = "1s" }
"#;

fn golive(dir: &Path, unreadable: Option<&str>, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_golive");
    let mut command = match unreadable {
        None => Command::new(program),
        Some(file) => {
            let mut strace = Command::new("strace");
            let path = dir.join("state/sessions/night").join(file);
            let calls = "pread64,read";
            strace.args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-P"]).arg(path);
            strace.args(["-e", &format!("trace={calls}")]);
            strace.args(["-e", &format!("inject={calls}:error=EIO")]);
            strace.arg(program);
            strace
        }
    };
    std::fs::create_dir_all(dir.join("run")).unwrap();
    command.args(args).current_dir(dir).env("HOME", dir).env("GOLIVE_STATE", dir.join("state"));
    command.env("XDG_RUNTIME_DIR", dir.join("run"));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// A session that is held after its first step.
fn held() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    std::fs::write(dir.path().join("night.toml"), RUNBOOK).unwrap();
    let run = ["run", "night.toml", "--session", "night", "--confirm", "check"];
    let output = golive(dir.path(), None, &run);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    dir
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_called_well() {
    let dir = held();
    let files = ["journal.jsonl", "head", "pinned/inputs.json", "output/one.1.local.log"];
    let resume = ["resume", "night", "--headless", "--confirm", "change"];
    let export = ["export", "night", "--format", "md", "-o", "-"];
    for file in files {
        for args in [&["verify", "night"][..], &["status", "night"], &export, &resume] {
            // A state needs neither the outputs nor the note of the end.
            let needs_it = match args[0] {
                "status" => matches!(file, "journal.jsonl" | "pinned/inputs.json"),
                "resume" => file != "output/one.1.local.log",
                _ => true,
            };
            if !needs_it {
                continue;
            }
            let before = std::fs::read(dir.path().join("state/sessions/night/journal.jsonl"));
            let output = golive(dir.path(), Some(file), args);
            let said = said(&output);
            let what = format!("{file}, {args:?}: {said}");
            assert_eq!(output.status.code(), Some(1), "{what}");
            assert!(said.contains(file) && said.contains("Input/output error"), "{what}");
            assert!(said.contains("disk that is well") || args[0] == "export", "{what}");
            assert!(!said.contains("CONTRADICTED"), "{what}");
            let after = std::fs::read(dir.path().join("state/sessions/night/journal.jsonl"));
            assert_eq!(before.unwrap(), after.unwrap(), "nothing is written: {what}");
        }
    }
    assert!(!dir.path().join("ledger").exists(), "nothing ran");
    let sessions = golive(dir.path(), Some("journal.jsonl"), &["sessions"]);
    assert!(said(&sessions).contains("unreadable"), "{}", said(&sessions));
    // The disk is well again.
    assert_eq!(golive(dir.path(), None, &["verify", "night"]).status.code(), Some(15));
    assert_eq!(golive(dir.path(), None, &resume).status.code(), Some(0));
}

#[test]
fn an_output_that_cannot_be_read_at_resume_is_told_in_the_record() {
    let dir = held();
    let resume = ["resume", "night", "--headless", "--confirm", "change"];
    let output = golive(dir.path(), Some("output/one.1.local.log"), &resume);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let word = "what one.1.local printed before cannot be read back";
    assert!(text.contains(word) && text.contains("Input/output error"), "{text}");
    let status = golive(dir.path(), Some("output/one.1.local.log"), &["verify", "night", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status.status.code(), Some(1));
    assert_eq!(document["outputs"], 1, "the other one is as recorded: {document}");
    assert_eq!(document["unreadable"].as_array().unwrap().len(), 1, "{document}");
}
