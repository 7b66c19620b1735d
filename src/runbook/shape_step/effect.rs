//! Which keys have an effect on which action.

use super::super::code::Code;
use super::super::reader::{Item, Reading, Table};
use super::Role;
use super::builtin::BUILTINS;

/// Keys that need a command.
const OF_COMMANDS: &[&str] = &[
    "silence",
    "expect",
    "warn_exit",
    "progress",
    "env",
    "stdin",
    "dir",
    "shell",
    "detached",
    "reboot",
];
/// Keys that need a command, or something that golive does itself.
const OF_TRIES: &[&str] = &["timeout", "retry", "dry_run"];
/// Keys that need output to take values from.
const OF_OUTPUT: &[&str] = &["capture"];
/// Keys that need something which may be done twice, and may change something or not.
const OF_DEEDS: &[&str] = &["read_only", "idempotent"];
/// Keys that need work which changes something.
const OF_WORK: &[&str] = &["verify", "soak", "undo", "irreversible"];
/// Keys of forward steps only.
const OF_FORWARD: &[&str] = &[
    "needs",
    "stream",
    "batch",
    "pause",
    "max_failures",
    "undo",
    "irreversible",
    "point_of_no_return",
    "checkpoint",
    "commit",
    "auto",
    "dry_run",
    "gate",
];
/// Keys of steps that somebody starts.
const OF_STARTED: &[&str] = &["four_eyes"];

/// Keys that the program would not act on are problems, like unknown ones.
pub(super) fn no_effect(
    reading: &mut Reading<'_>,
    table: &Table<'_>,
    kind: &'static str,
    role: Role,
) {
    let command = matches!(kind, "run" | "script" | "local");
    let builtin = BUILTINS.contains(&kind);
    let hosts = matches!(kind, "run" | "script" | "upload" | "download");
    let compares = kind == "soak" && table.peek("soak").is_some_and(|soak| soak.has("reconcile"));
    if matches!(kind, "none" | "many") {
        return;
    }
    let mut check = |keys: &[&'static str], what: &str| {
        for key in keys {
            if let Some(item) = table.peek(key) {
                without_effect(reading, &item, what);
            }
        }
    };
    let what = format!("a `{kind}` step");
    if !hosts {
        check(&["batch", "pause", "max_failures"], &what);
    }
    // What a person does is verified where it is said to be, on every host.
    let by_hand = kind == "manual" && verifies_on_hosts(table);
    if !hosts && !by_hand {
        check(&["on"], &what);
    }
    if !matches!(kind, "run" | "script" | "upload") {
        check(&["become"], &what);
    }
    if kind == "local" {
        check(&["detached", "reboot"], &what);
    }
    if !command {
        let given = |key: &&&str| kind == "reconcile" && **key == "env";
        let keys: Vec<_> = OF_COMMANDS.iter().filter(|key| !given(key)).copied().collect();
        check(&keys, &what);
    }
    if !command && kind != "http" {
        check(OF_OUTPUT, &what);
        check(OF_DEEDS, &what);
    }
    if !command && !builtin {
        // A comparison inside a soak may be tried again.
        let again = |key: &&&str| compares && **key == "retry";
        let keys: Vec<_> = OF_TRIES.iter().filter(|key| !again(key)).copied().collect();
        check(&keys, &what);
    }
    if !command && !matches!(kind, "manual" | "upload" | "http") {
        let keys: Vec<_> = OF_WORK.iter().copied().filter(|key| *key != kind).collect();
        check(&keys, &format!("a `{kind}` step"));
    }
    if matches!(kind, "manual" | "gate") {
        check(&["auto"], &format!("a `{kind}` step: it waits for a person"));
    }
    match role {
        Role::Forward => {}
        Role::Rollback => {
            check(OF_FORWARD, role.name());
            check(OF_STARTED, role.name());
        }
        Role::Playbook => check(OF_FORWARD, role.name()),
    }
    if kind == "gate" {
        check(OF_STARTED, "a `gate` step");
    }
}

/// Whether the verification of a step is a command.
fn verifies_on_hosts(table: &Table<'_>) -> bool {
    let verify = table.peek("verify");
    verify.and_then(|item| item.raw().as_table()).is_some_and(|table| table.contains_key("run"))
}

pub(in crate::runbook) fn without_effect(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    on_what: &str,
) {
    let (from, to) = item.key_span;
    let message = format!("`{}` has no effect on {on_what}", item.key);
    let help = match (item.key, on_what) {
        ("needs" | "stream", "a step of a playbook") => {
            "the steps of a playbook run one after the other, as written"
        }
        ("on", "a `manual` step") => {
            "add `verify = { run = \"…\" }`, which runs there, on every host, once it is signed off"
        }
        ("dry_run", "a `manual` step" | "a `gate` step" | "a `soak` step" | "a `notify` step") => {
            "a dry run shows what a command is going to do"
        }
        ("on", "a `reconcile` step") => {
            "each side says where it is read: left = { on = \"db-old\", run = \"…\" }"
        }
        ("expect" | "capture" | "verify", "a `reconcile` step") => {
            "what is expected of it is that both sides agree: see `compare` and `tolerance`"
        }
        ("read_only" | "undo" | "irreversible", "a `reconcile` step") => {
            "remove it: a reconciliation only reads, whatever its commands are"
        }
        ("become", "a `reconcile` step") => "write `sudo -n` in the command of the side",
        ("gate", "a step of a playbook") => {
            "an emergency is not put to the vote: use `manual` to ask for a sign-off"
        }
        ("four_eyes", "a `gate` step") => "ask more than one role with `poll`",
        ("four_eyes", _) => "a rollback is confirmed as a whole, and waits for nobody",
        ("needs" | "stream", _) => "the steps of a rollback run one after the other, as written",
        ("batch" | "pause" | "max_failures", "a step of the rollback") => {
            "a rollback goes everywhere at once"
        }
        ("pause" | "max_failures", _) => "add `batch = [1, \"100%\"]`, or remove it",
        ("gate", _) => "a rollback is not decided twice; use `manual` to ask for a sign-off",
        ("timeout", _) => "a person is not stopped by a clock; use `estimate`",
        _ => "remove it",
    };
    reading.complain(Code::NoEffect, &(from..to), &message, "no effect", help);
}
