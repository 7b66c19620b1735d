//! Polls, waivers, second persons and returns to a checkpoint without a screen, and what the
//! loader says of their keys. Every step runs on this machine.

use golive::runbook::{SourceFile, check};

use crate::cli::{Called, golive_in};

const HEAD: &str = "
golive = 1
[runbook]
id = \"small\"
title = \"Small\"
environment = \"here\"
[roles.lead]
people = [\"Wei Zhang\"]
[roles.dba]
people = [\"Ana Souza\", \"Bo Li\"]
[probes]
allow = [\"127.0.0.1:1\"]
[[probe]]
id = \"nowhere\"
source = { tcp = \"127.0.0.1:1\" }
every = \"1s\"
stale = \"1s\"
[[phase]]
id = \"night\"
";

const STEPS: &str = "
[[phase.step]]
id = \"a\"
local = \"true\"
undo = { local = \"true\" }
checkpoint = \"one\"
[[phase.step]]
id = \"b\"
local = \"true\"
undo = { local = \"echo b is undone\" }
four_eyes = true
[[phase.step]]
id = \"g\"
gate = { poll = [\"dba\", \"lead\"], healthy = [\"nowhere\"], rollback_ready = true }
[[phase.step]]
id = \"c\"
local = \"true\"
undo = { local = \"true\" }
commit = true
[[playbook]]
id = \"help\"
on_alarm = \"nowhere\"
[[playbook.step]]
id = \"h\"
local = \"true\"
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("{HEAD}{STEPS}");
        std::fs::write(folder.path().join("small.toml"), text).expect("it can be written");
        Self(folder)
    }

    fn run(&self, more: &[&str]) -> Called {
        let file = self.0.path().join("small.toml");
        let fixed = [
            "run",
            file.to_str().expect("it is UTF-8"),
            "--driver",
            "Wei Zhang",
            "--confirm",
            "change",
        ];
        self.call(&fixed.iter().chain(more).copied().collect::<Vec<_>>())
    }

    fn call(&self, args: &[&str]) -> Called {
        golive_in(self.0.path(), args)
    }
}

const AGREED: [&str; 2] = ["--answer", "b@dba/Bo Li=agree:\"I looked\""];

#[test]
fn a_second_person_is_asked_for_by_name() {
    let folder = Folder::new();
    let alone = folder.run(&[]);
    assert_eq!(alone.code, 6, "{}", alone.err);
    assert!(alone.err.contains("b needs a second person: --answer b@ROLE/PERSON=agree"));
    let oneself = folder.run(&["--answer", "b@lead=agree"]);
    assert_eq!(oneself.code, 6);
    assert!(oneself.err.contains("Wei Zhang drives: a second person has to agree"));
    let which = folder.run(&["--answer", "b@dba=agree"]);
    assert!(which.err.contains("who of dba says it? write @dba/PERSON"), "{}", which.err);
    let together = folder.run(&AGREED);
    assert_eq!(together.code, 6);
    assert!(together.out.contains("b: Bo Li for dba, as told to the driver, agrees"));
    assert!(together.err.contains("g is a go/no-go"), "{}", together.err);
}

#[test]
fn a_poll_a_waiver_and_a_commit_are_kept() {
    let folder = Folder::new();
    let no: &[&str] = &["--answer", "g@dba/Ana Souza=no-go:\"lag\"", "--answer", "g@lead=go"];
    let go: &[&str] = &["--answer", "g@dba/Ana Souza=go", "--answer", "g@lead=go"];
    let decide: &[&str] = &["--answer", "g=go"];
    let with = |parts: &[&[&str]]| {
        folder
            .run(&AGREED.iter().chain(parts.iter().copied().flatten()).copied().collect::<Vec<_>>())
    };
    let unheard = with(&[decide]);
    assert_eq!(unheard.code, 6);
    assert!(unheard.err.contains("--answer g@dba=go"), "{}", unheard.err);
    let against = with(&[no, decide]);
    assert_eq!(against.code, 6);
    assert!(against.err.contains("1 of 2 roles said GO at g, 1 said NO-GO"), "{}", against.err);
    let ended = with(&[no, &["--answer", "g=no-go:\"the dba says no\""]]);
    assert_eq!(ended.code, 9, "{}", ended.err);
    let waived = with(&[go, decide, &["--waive", "g:nowhere=30m:\"it is not built yet\""]]);
    assert_eq!(waived.code, 6, "{}", waived.err);
    assert!(waived.err.contains("c is of class critical"), "{}", waived.err);
    assert!(waived.out.contains("nowhere waived until"), "{}", waived.out);

    let back = folder.call(&["rollback", "last", "--plan-only", "--to", "two"]);
    assert_eq!(back.code, 2);
    assert!(back.err.contains("it has reached: one"), "{}", back.err);
    let plan = folder.call(&["rollback", "last", "--plan-only", "--to", "one"]);
    assert!(plan.out.contains("Way back to checkpoint one  1 items"), "{}", plan.out);
    let back =
        folder.call(&["rollback", "last", "--to", "one", "--unattended", "--reason", "once more"]);
    assert_eq!(back.code, 6, "{}", back.err);
    assert!(back.out.contains("b is undone") && back.err.contains("back at checkpoint one"));

    let on: &[&str] =
        &["resume", "last", "--headless", "--confirm", "change", "--confirm-step", "c"];
    let flags = on.iter().chain(&AGREED).chain(go).chain(&["--answer", "g=go:\"agreed\""]);
    let done = folder.call(&flags.copied().collect::<Vec<_>>());
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn what_ends_the_right_to_roll_back_is_told_before_anything_is_asked() {
    let folder = Folder::new();
    let text = format!("{HEAD}{}", STEPS.replace("id = \"c\"", "id = \"c\"\nneeds = [\"a\"]"));
    std::fs::write(folder.0.path().join("small.toml"), text).unwrap();
    let run = folder.run(&["--confirm-step", "c"]);
    assert_eq!(run.code, 6, "{}", run.err);
    let back = folder.call(&["rollback", "last", "--unattended", "--reason", "why"]);
    assert_eq!(back.code, 2);
    assert!(back.err.contains("`c` has ended the right to roll back"), "{}", back.err);
}

/// The errors of a runbook with these steps.
fn errors(steps: &str) -> Vec<String> {
    let main = SourceFile::new("small.toml", &format!("{HEAD}{steps}"));
    let checked = check(&main, &mut |path| Err(format!("no file {path}")));
    checked.errors().map(|problem| format!("{} {}", problem.code, problem.message)).collect()
}

#[test]
fn keys_that_would_promise_nothing_are_refused() {
    assert_eq!(errors(STEPS), Vec::<String>::new());
    let step = |more: &str| format!("[[phase.step]]\nid = \"x\"\n{more}\n");
    let gate = |inside: &str| step(&format!("gate = {{ {inside} }}"));
    for (text, wanted) in [
        (gate("poll = []"), "G006 a poll that asks nobody"),
        (gate("poll = [\"dbas\"]"), "G015 there is no role `dbas`"),
        (gate("poll = [\"dba\", \"dba\"]"), "G006 the poll asks `dba` twice"),
        (gate("require = 2"), "G024 `require` counts the answers of a `poll`"),
        (gate("poll = [\"dba\"], require = 2"), "G006 `require` is 2; it has to be 1 to 1"),
        (gate("poll = [\"dba\"], require = \"most\""), "G006 `most` is none of the words"),
        (step("gate = {}\nfour_eyes = true"), "G024 `four_eyes` has no effect on a `gate` step"),
        (
            step(
                "local = \"a\"\ncheckpoint = \"p\"\n[[phase.step]]\nid = \"y\"\nlocal = \"b\"\ncheckpoint = \"p\"",
            ),
            "G014 two checkpoints are called `p`",
        ),
        (
            step("local = \"a\"\ncommit = true\nclass = \"change\""),
            "G025 the class cannot be lower",
        ),
        (
            step("local = \"a\"") + "[rollback]\ntrigger = [{ probe = \"here\" }]\n",
            "G015 there is no probe `here`",
        ),
        (
            step("local = \"a\"")
                + "[rollback]\ntrigger = [{ probe = \"nowhere\", state = \"ill\" }]\n",
            "G006 `ill` is none of the words",
        ),
        (step("local = \"a\"") + "[[playbook]]\nid = \"p\"\n", "G013 a playbook without a step"),
        (
            step("local = \"a\"")
                + "[[playbook]]\nid = \"p\"\n[[playbook.step]]\nid = \"z\"\nlocal = \"b\"\nundo = { local = \"c\" }\n",
            "G024 `undo` has no effect on a step of a playbook",
        ),
        (
            step("local = \"a\"")
                + "[[rollback.after]]\nid = \"z\"\nlocal = \"b\"\nfour_eyes = true\n",
            "G024 `four_eyes` has no effect on a step of the rollback",
        ),
    ] {
        let found = errors(&text);
        let kind = wanted.split_once(' ').unwrap().1;
        assert!(found.iter().any(|error| error.contains(kind)), "{wanted}: {found:#?}\n{text}");
    }
}
