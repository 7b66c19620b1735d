//! Uploads and requests as undos, in a rollback as it really runs: done, and where one fails, the
//! others go on; and a run that keeps to its window until somebody says why it should not.

use crate::cli::{Called, folder, golive_in};
use crate::moves_http::{BAD, OK, Server};

const HEAD: &str = r#"
golive = 1
[runbook]
id = "back"
title = "Back"
environment = "practice"
"#;

const AFTER: &str = r#"
[[rollback.after]]
id = "old-well"
stage = "verify"
local = "true"
read_only = true
"#;

/// Runs a runbook with these files beside it, on the practice fleet if `practice`.
fn run(text: &str, files: &[(&str, &str)], more: &[&str]) -> (tempfile::TempDir, Called) {
    let dir = folder(&[&[("back.toml", text)], files].concat());
    let file = dir.path().join("back.toml");
    let fixed = ["run", file.to_str().unwrap(), "--session", "tonight", "--confirm", "change"];
    let args = [&fixed[..], &["--on-failure", "rollback"], more].concat();
    let called = golive_in(&dir.path().join("state"), &args);
    (dir, called)
}

/// Runs `first` and `second`, each with its undo, then a step that fails.
fn requests(answers: &[&'static str]) -> (Vec<String>, Called) {
    let server = Server::with(answers);
    let address = &server.address;
    let ask = |method: &str| {
        format!("http = {{ method = \"{method}\", url = \"http://{address}/drain\" }}")
    };
    let text = format!(
        "{HEAD}[probes]\nallow = [\"{address}\"]\n[[phase]]\nid = \"p\"\n\
         [[phase.step]]\nid = \"first\"\nlocal = \"true\"\n\
         undo = {{ local = \"echo first is back\", estimate = \"1s\" }}\n\
         [[phase.step]]\nid = \"second\"\n{}\n\
         undo = {{ {}, estimate = \"1s\", timeout = \"10s\" }}\n\
         [[phase.step]]\nid = \"third\"\nlocal = \"false\"\nundo = {{ local = \"true\" }}\n{AFTER}",
        ask("POST"),
        ask("DELETE"),
    );
    let (_, called) = run(&text, &[], &[]);
    (server.heard(), called)
}

#[test]
fn a_request_takes_back_what_a_request_did() {
    let (heard, called) = requests(&[OK, OK]);
    assert_eq!(called.code, 7, "{}\n{}", called.out, called.err);
    let lines: Vec<_> = heard.iter().filter_map(|it| it.lines().next()).collect();
    assert_eq!(lines, ["POST /drain HTTP/1.1", "DELETE /drain HTTP/1.1"]);
}

#[test]
fn a_request_that_takes_nothing_back_does_not_stop_the_others() {
    let (heard, called) = requests(&[OK, BAD]);
    assert_eq!(called.code, 8, "{}\n{}", called.out, called.err);
    assert_eq!(heard.len(), 2, "it is sent once: what it did is not known");
    assert!(called.out.contains("first is back"), "{}", called.out);
    assert!(called.out.contains("old-well"), "{}", called.out);
}

/// Two files are placed on two hosts of the practice fleet; `harm` is done to the second, and the
/// step after it fails.
fn files(harm: &str) -> Called {
    let text = format!(
        "{HEAD}[hosts.lb1]\naddress = \"lb1.practice\"\n[hosts.lb2]\naddress = \"lb2.practice\"\n\
         [[phase]]\nid = \"p\"\n\
         [[phase.step]]\nid = \"first\"\non = \"lb1\"\nupload = {{ from = \"new\", to = \"/tmp/f\" }}\n\
         undo = {{ upload = {{ from = \"old\", to = \"/tmp/f\" }}, estimate = \"1s\", timeout = \"10s\" }}\n\
         [[phase.step]]\nid = \"second\"\non = \"lb2\"\nupload = {{ from = \"new\", to = \"/tmp/f\" }}\n\
         undo = {{ upload = {{ from = \"old\", to = \"/tmp/f\" }}, estimate = \"1s\", timeout = \"10s\" }}\n\
         [[phase.step]]\nid = \"third\"\non = \"lb2\"\nrun = \"grep new /tmp/f && {harm} && false\"\n\
         undo = {{ local = \"true\" }}\n\
         [[rollback.after]]\nid = \"old-well\"\nstage = \"verify\"\non = \"lb1\"\nrun = \"grep old /tmp/f\"\n\
         read_only = true\n"
    );
    let (_, called) = run(&text, &[("new", "new\n"), ("old", "old\n")], &["--practice"]);
    called
}

#[test]
fn a_file_is_put_back_by_an_upload() {
    let called = files("true");
    assert_eq!(called.code, 7, "{}\n{}", called.out, called.err);
    for undone in ["first: undo: ended - succeeded", "second: undo: ended - succeeded"] {
        assert!(called.out.contains(undone), "{}", called.out);
    }
}

#[test]
fn a_file_that_cannot_be_put_back_does_not_stop_the_others() {
    let called = files("rm -f /tmp/f && mkdir -p /tmp/f/in-the-way");
    assert_eq!(called.code, 8, "{}\n{}", called.out, called.err);
    assert!(called.out.contains("first: undo: ended - succeeded"), "{}", called.out);
    assert!(!called.out.contains("second: undo: ended - succeeded"), "{}", called.out);
    assert!(called.out.contains("lb1 | old"), "the old system is looked at: {}", called.out);
}

#[test]
fn outside_the_window_a_reason_is_needed_and_recorded() {
    let text = format!(
        "{}[window]\nopens = 2026-01-10T01:00:00\ncloses = 2026-01-10T02:00:00\nzone = \"UTC\"\n\
         [[phase]]\nid = \"p\"\n[[phase.step]]\nid = \"change\"\nlocal = \"true\"\n\
         undo = {{ local = \"true\" }}\n",
        HEAD.replace("practice", "production"),
    );
    let live = ["--kind", "live"];
    let (_, shut) = run(&text, &[], &live);
    assert_eq!(shut.code, 11, "{}", shut.err);
    assert!(shut.err.contains("the window closed Sat 02:00 UTC"), "{}", shut.err);
    assert!(!shut.out.contains("change: attempt"), "{}", shut.out);
    let why = [&live[..], &["--outside-window", "the vendor was late"]].concat();
    let (dir, open) = run(&text, &[], &why);
    assert_eq!(open.code, 0, "{}", open.err);
    let journal = std::fs::read_to_string(dir.path().join("state/sessions/tonight/journal.jsonl"));
    let journal = journal.unwrap();
    let at = |what: &str| journal.find(what).expect(what);
    assert!(at("the vendor was late") < at("attempt-started"), "first why, then what");
}
