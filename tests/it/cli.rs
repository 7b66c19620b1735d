//! The program as it is called: arguments in; output, messages and exit codes out.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The state directory, the output and the exit code of one call.
pub(crate) struct Called {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The program with an environment that says nothing, and a state directory.
pub(crate) fn program(state: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_golive"));
    command.args(args).stdin(Stdio::null());
    for name in ["GOLIVE_STATE", "CLICOLOR_FORCE", "NO_COLOR", "SSH_AUTH_SOCK", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env_remove("GOLIVE_SIGN_KEY").env("GOLIVE_NO_SIGN", "1");
    command.env("GOLIVE_STATE", state).env("LOGNAME", "wei.zhang").env("TERM", "xterm");
    command
}

pub(crate) fn called(output: &Output) -> Called {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Called {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

pub(crate) fn golive_in(state: &Path, args: &[&str]) -> Called {
    called(&program(state, args).output().unwrap())
}

fn golive(args: &[&str]) -> Called {
    let state = tempfile::tempdir().unwrap();
    golive_in(state.path(), args)
}

/// A directory with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

const SHOP: &str = "tests/it/runbooks/shop.toml";

#[test]
fn alone_it_names_three_commands() {
    let called = golive(&[]);
    assert_eq!(called.code, 0);
    assert_eq!(called.out.matches("\n  golive ").count(), 3, "{}", called.out);
}

#[test]
fn wrong_use_is_code_2() {
    for args in [
        &["frobnicate"] as &[&str],
        &["check"],
        &["plan", SHOP, "--format", "jpeg"],
        &["plan", SHOP, "--var", "release"],
        &["status", "nope"],
        &["run", SHOP, "--confirm", "critical"],
        &["run", SHOP, "--answer", "ready=perhaps"],
    ] {
        let called = golive(args);
        assert_eq!((called.code, called.out.as_str()), (2, ""), "{args:?}");
        assert!(called.err.starts_with("error: "), "{args:?}: {}", called.err);
    }
}

#[test]
fn a_plan_is_a_tree() {
    let called = golive(&["plan", SHOP]);
    assert_eq!((called.code, called.err.as_str()), (0, ""));
    insta::assert_snapshot!(called.out);
}

#[test]
fn a_plan_is_a_document() {
    let called = golive(&["plan", SHOP, "--format", "markdown", "--var", "release=3.0"]);
    assert_eq!((called.code, called.err.as_str()), (0, ""));
    insta::assert_snapshot!(called.out);
}

#[test]
fn a_plan_is_data() {
    let called = golive(&["plan", SHOP, "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    assert_eq!(plan["schema"], "golive.plan/1");
    let step = &plan["phases"][1]["steps"][0];
    assert_eq!((&step["id"], &step["class"]), (&"deploy-green".into(), &"change".into()));
    assert_eq!(step["undo"]["text"], "deploy --version previous");
    assert_eq!(plan["schedule"]["rag"], "green");
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    assert!(!golive(&["plan", SHOP]).out.contains('\u{1b}'));
    assert!(golive(&["plan", SHOP, "--color", "always"]).out.contains('\u{1b}'));
    assert!(golive(&["plan", SHOP, "--ascii"]).out.is_ascii());
}

#[test]
fn every_problem_of_every_file_at_once() {
    let dir = folder(&[
        ("a.toml", "golive = 1\n[runbook\nid = 1\n[x"),
        ("b.toml", include_str!("runbooks/wrong.toml")),
        ("hosts.toml", "[hosts.web1]\nadress = \"10.0.0.1\"\n"),
    ]);
    let path = |name: &str| dir.path().join(name).display().to_string();
    let files = [path("a.toml"), path("b.toml"), path("hosts.toml"), path("missing.toml")];
    let mut args = vec!["check", "--format", "human"];
    args.extend(files.iter().map(String::as_str));
    let called = golive(&args);
    assert_eq!(called.code, 3, "{}", called.err);
    let shown = called.out.replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(shown);
    assert!(called.err.starts_with("4 files: "), "{}", called.err);
}

#[test]
fn problems_are_data() {
    let dir = folder(&[("b.toml", include_str!("runbooks/wrong.toml"))]);
    let file = dir.path().join("b.toml").display().to_string();
    let called = golive(&["check", "--json", &file]);
    assert_eq!((called.code, called.err.as_str()), (3, ""));
    let json: serde_json::Value = serde_json::from_str(&called.out).unwrap();
    let problems = json["problems"].as_array().unwrap();
    let codes: Vec<_> = problems.iter().map(|it| it["code"].as_str().unwrap()).collect();
    for code in ["G002", "G013", "G015", "G017"] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
    for problem in problems {
        assert_eq!(problem["file"], file);
        assert!(problem["line"].as_u64().unwrap() > 0);
    }
    let sarif = golive(&["check", "--format", "sarif", &file]);
    let sarif: serde_json::Value = serde_json::from_str(&sarif.out).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), problems.len());
    let github = golive(&["check", "--format", "github", &file]);
    assert_eq!(github.out.lines().count(), problems.len());
}

#[test]
fn a_broken_runbook_is_told_before_anything_starts() {
    let dir = folder(&[("b.toml", include_str!("runbooks/wrong.toml"))]);
    let file = dir.path().join("b.toml").display().to_string();
    for args in [&["plan", &file] as &[&str], &["run", &file]] {
        let state = tempfile::tempdir().unwrap();
        let called = golive_in(state.path(), args);
        assert_eq!((called.code, called.out.as_str()), (3, ""));
        assert!(called.err.contains("G017 needs-cycle"), "{}", called.err);
        assert!(called.err.contains("error: "), "{}", called.err);
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0, "nothing was begun");
    }
    let missing = golive(&["plan", "missing.toml"]);
    assert_eq!(missing.code, 3);
    assert!(missing.err.starts_with("error: cannot read missing.toml: "), "{}", missing.err);
}

#[test]
fn a_starter_works_as_written_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("night");
    let night = target.display().to_string();
    assert_eq!(golive(&["init", &night, "--strategy", "canary"]).code, 0);
    let (runbook, inventory) = (format!("{night}/runbook.toml"), format!("{night}/inventory.toml"));
    let checked = golive(&["check", "--deny", "warnings", &runbook, &inventory]);
    assert_eq!((checked.code, checked.out.as_str()), (0, ""), "{}", checked.err);
    std::fs::remove_file(&inventory).unwrap();
    let before = std::fs::read(&runbook).unwrap();
    let again = golive(&["init", &night]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("runbook.toml is there already"), "{}", again.err);
    assert_eq!(std::fs::read(&runbook).unwrap(), before);
    assert!(!Path::new(&inventory).exists(), "all or nothing");
}

#[test]
fn a_code_explains_itself() {
    let called = golive(&["check", "--explain", "undefined-variable"]);
    assert_eq!(called.code, 0);
    assert!(called.out.starts_with("G013 undefined-variable (error)\n"));
    assert!(called.out.contains("# good"));
}

#[test]
fn shells_and_man_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let called = golive(&["completions", shell]);
        assert_eq!(called.code, 0);
        assert!(called.out.contains("rehearse"), "{shell}");
    }
    let page = golive(&["man"]).out;
    for command in ["drive", "run", "verify", "Exit codes"] {
        assert!(page.contains(command), "{command}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let state = tempfile::tempdir().unwrap();
    let mut command = program(state.path(), &["man"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
