//! How a step's commands run: `dir`, `shell`, `warn_exit`, `idempotent`.

use std::process::Command;

use golive::engine::{Effect, RunKind};
use golive::runbook::{Code, SourceFile, check};

use crate::night::{Night, ONE, WEB, change, story};
use crate::runbook::listing;

/// The line that goes to the shell when the only step, `a`, starts.
fn sent(keys: &str) -> String {
    let body = format!("[[phase.step]]\nid = \"a\"\nread_only = true\n{keys}");
    let mut night = Night::open(&body, RunKind::Drill);
    night.line("0 begin | active");
    night.line("1 start a | a:running; run a.1 local");
    let mut runs = night.effects.iter().filter_map(Effect::started);
    runs.next_back().expect("it runs").line.clone()
}

fn run(line: &str) -> (Option<i32>, String) {
    let ran = Command::new("sh").args(["-c", line]).output().expect("there is a shell");
    (ran.status.code(), String::from_utf8_lossy(&ran.stdout).trim_end().to_owned())
}

#[test]
fn a_command_runs_in_its_folder_whatever_its_name() {
    let home = tempfile::tempdir().unwrap();
    let odd = home.path().join("a 'b' $HOME;x");
    std::fs::create_dir(&odd).unwrap();
    let dir = odd.to_str().unwrap();
    let (code, out) = run(&sent(&format!("local = \"pwd\"\ndir = \"\"\"{dir}\"\"\"\n")));
    assert_eq!((code, out.as_str()), (Some(0), dir));
    // Relative ones never go to what `-` or $CDPATH mean.
    assert!(sent("local = \"pwd\"\ndir = \"-\"\n").starts_with("cd './-' || exit 125\n"));
}

#[test]
fn a_folder_that_is_not_there_is_never_a_success() {
    let keys = "local = \"true\"\ndir = \"/no/such/folder\"\nexpect = { exit = [0, 125] }\n\
                warn_exit = [124]\n";
    assert_eq!(run(&sent(keys)).0, Some(123));
}

#[test]
fn a_command_runs_by_its_shell_and_its_text_is_no_argument() {
    let line = sent(
        "local = '''\necho \"${BASH_VERSION:+bash}\" \"it's\" \"${gl_c-unset}\"\n\
                     tr '\\0' ' ' < /proc/$$/cmdline\ncat\n'''\nshell = \"bash\"\n",
    );
    let (code, out) = run(&format!("echo input | {{ {line}\n}}"));
    assert_eq!(code, Some(0));
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("bash it's unset"));
    let rest = lines.next().unwrap();
    assert!(rest.starts_with("bash -c ") && !rest.contains("BASH_VERSION"), "{rest}");
    assert!(rest.ends_with("input"), "{rest}");
}

#[test]
fn an_exit_status_can_succeed_with_a_warning() {
    let body = change("a", WEB, "warn_exit = [2]") + &change("b", ONE, "");
    story(
        &body,
        "1 start a            | run a.1 web1,web2
         2 end a.1.web1 ok    | quiet
         3 end a.1.web2 warn  | a:succeeded; free; alarm Caution: a succeeded with a warning: exit 2 on web2
         4 start b            | run b.1 web1
         5 end b.1.web1 ok    | b:succeeded; completed",
    );
}

#[test]
fn what_is_safe_to_repeat_is_repeated_without_a_reason() {
    story(
        &change("a", ONE, ""),
        "1 start a              | run a.1 web1
         2 end a.1.web1 unknown | a:unknown
         3 retry a              | refused reason",
    );
    story(
        &change("a", ONE, "idempotent = true"),
        "1 start a              | run a.1 web1
         2 end a.1.web1 unknown | a:unknown; held
         3 retry a              | a:running; run a.2 web1
         4 end a.2.web1 ok      | a:succeeded
         5 roll-back no         | run a.undo.1 web1
         6 end a.undo.1.web1 unknown | ~a:unknown
         7 retry a undo         | refused reason",
    );
}

#[test]
fn values_that_these_keys_do_not_take() {
    for (keys, code) in [
        ("run = \"x\"\ndir = \"~/app\"", Code::BadValue),
        ("run = \"x\"\ndir = \"/srv/{{ nope }}\"", Code::UndefinedVariable),
        ("run = \"x\"\nshell = \"fish\"", Code::BadValue),
        ("run = \"x\"\nshell = \"bin/bash\"", Code::BadValue),
        ("run = \"x\"\nshell = \"bash; rm x\"", Code::BadValue),
        ("run = \"x\"\nwarn_exit = [0]", Code::Contradiction),
        ("run = \"x\"\nwarn_exit = [256]", Code::BadValue),
        ("run = \"x\"\nidempotent = 1", Code::WrongType),
        ("manual = \"x\"\ndir = \"/srv\"", Code::NoEffect),
        ("manual = \"x\"\nshell = \"bash\"", Code::NoEffect),
        ("manual = \"x\"\nwarn_exit = [2]", Code::NoEffect),
        ("manual = \"x\"\nidempotent = true", Code::NoEffect),
    ] {
        let on = if keys.starts_with("run") { "on = \"web1\"\n" } else { "" };
        let text = format!(
            "golive = 1\n[runbook]\nid = \"x\"\n[hosts.web1]\n[[phase]]\nid = \"p\"\n\
             [[phase.step]]\nid = \"s\"\n{on}{keys}\n"
        );
        let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no".to_owned()));
        let found = checked.problems.iter().any(|problem| problem.code == code);
        assert!(found, "{keys}: no {code}\n{}", listing(&checked));
    }
}
