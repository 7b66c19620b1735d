//! Runs without a screen, on the practice fleet and on a real `sshd`: what they do, what they
//! say, and the code they end with.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{Called, called, folder, golive_in, program};
use crate::sshd::{Sshd, keygen, me, until};

const SMALL: &str = "tests/it/runbooks/small.toml";
const FAULT: &str = "tests/it/runbooks/small-fault.toml";
const DRILL: [&str; 5] = ["run", SMALL, "--practice", "--speed", "20"];
const ALL: [&str; 8] = [
    "--confirm",
    "change",
    "--confirm-step",
    "all",
    "--answer",
    "ready=go",
    "--answer",
    "sign-off=done:\"seen\"",
];

/// A drill of the small runbook with these flags, in a state directory of its own.
fn drill(flags: &[&[&str]]) -> (TempDir, Called) {
    let state = tempfile::tempdir().unwrap();
    let args: Vec<&str> =
        DRILL.into_iter().chain(flags.iter().copied().flatten().copied()).collect();
    let called = golive_in(state.path(), &args);
    (state, called)
}

fn status(state: &Path) -> Value {
    let called = golive_in(state, &["status", "last", "--json"]);
    serde_json::from_str(&called.out).unwrap_or(Value::Null)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_that_may_do_everything_is_done_and_sealed() {
    let (state, run) = drill(&[&ALL, &["--json", "--driver", "li.wei"]]);
    assert_eq!(run.code, 0, "{}", run.err);
    let events = lines(&run.out);
    let event = |name: &str| events.iter().find(|line| line["ev"] == name);
    assert_eq!(event("session-opened").unwrap()["kind"], "drill");
    assert_eq!(event("session-opened").unwrap()["driver"], "li.wei");
    assert_eq!(event("gate-decided").unwrap()["choice"], "go");
    assert!(event("closed").is_some());
    let printed = |line: &Value| line["schema"] == "golive.output/1" && line["place"] == "lb1";
    assert!(events.iter().any(printed));
    let verify = golive_in(state.path(), &["verify", "last"]);
    assert_eq!(verify.code, 15, "closed, sealed, and signed by nobody: {}", verify.out);
    assert!(verify.out.contains("sealed     yes"), "{}", verify.out);
    assert!(verify.out.contains("a drill need not be signed"), "{}", verify.out);
    let resume = golive_in(state.path(), &["resume", "last", "--headless"]);
    assert_eq!(resume.code, 2);
    assert!(resume.err.contains("is closed"), "{}", resume.err);
}

#[test]
fn output_never_comes_before_its_start() {
    let (_state, run) = drill(&[&ALL]);
    let at = |text: &str| run.out.find(text).unwrap_or_else(|| panic!("no {text}: {}", run.out));
    assert!(at("look: attempt 1 on blue1") < at("blue1 | "));
    assert!(at("canary: attempt 1 on lb1") < at("lb1 | "));
    let quiet = drill(&[&ALL, &["-q"]]).1;
    assert!(!quiet.out.contains(" | "));
    assert!(quiet.out.contains("session closed"));
}

#[test]
fn nothing_is_confirmed_by_itself() {
    let (state, run) = drill(&[]);
    assert_eq!(run.code, 6, "{}", run.err);
    assert!(run.err.contains("look is of class check: --confirm check or --confirm-step look"));
    assert!(!run.out.contains("attempt 1"), "{}", run.out);
    assert!(run.err.contains("go on with: golive resume "), "{}", run.err);
    assert_eq!(golive_in(state.path(), &["verify", "last"]).code, 15, "open, and intact");

    let go_on = |flags: &[&str]| {
        let fixed = ["resume", "last", "--headless", "--speed", "20"];
        let args: Vec<&str> = fixed.into_iter().chain(flags.iter().copied()).collect();
        golive_in(state.path(), &args)
    };
    let gate = go_on(&["--confirm", "change"]);
    assert_eq!(gate.code, 6);
    assert!(gate.err.contains("ready is a go/no-go: --answer ready=go"), "{}", gate.err);
    assert!(gate.out.contains("look: ended - succeeded"), "{}", gate.out);
    let critical = go_on(&["--confirm", "change", "--answer", "ready=go"]);
    assert_eq!(critical.code, 6);
    assert!(critical.err.contains("all is of class critical: --confirm-step all"));
    let person = go_on(&["--confirm-step", "all"]);
    assert_eq!(person.code, 6);
    assert!(person.err.contains("--answer sign-off=done:"), "{}", person.err);
    let last = go_on(&["--answer", "sign-off=done:seen"]);
    assert_eq!(last.code, 0, "{}", last.err);
    assert_eq!(golive_in(state.path(), &["verify", "last"]).code, 15);
}

#[test]
fn a_no_go_is_code_9_until_it_is_a_go() {
    let no_go: &[&str] = &["--confirm", "change", "--answer", "ready=no-go:\"p99 is high\""];
    let (state, run) = drill(&[no_go]);
    assert_eq!(run.code, 9, "{}", run.err);
    assert!(run.err.contains("NO-GO at ready: p99 is high"), "{}", run.err);
    assert!(!run.out.contains("canary"), "{}", run.out);
    let fixed = ["resume", "last", "--headless", "--speed", "20"];
    let args: Vec<&str> = fixed.into_iter().chain(ALL).collect();
    let go = golive_in(state.path(), &args);
    assert_eq!(go.code, 0, "{}", go.err);
}

#[test]
fn a_failure_holds_and_can_be_rolled_back_later() {
    let (state, run) = drill(&[&ALL, &["--scenario", FAULT]]);
    assert_eq!(run.code, 5, "{}", run.err);
    assert!(run.err.contains("all failed"), "{}", run.err);
    assert!(run.out.contains("lb1 | lb1: cannot reload: socket timeout"), "{}", run.out);
    let short = golive_in(state.path(), &["status", "--format", "short"]);
    assert!(short.out.starts_with("DRILL HELD · 3/5 · "), "{}", short.out);

    let plan = golive_in(state.path(), &["rollback", "last", "--plan-only"]);
    assert_eq!(plan.code, 0);
    let order = ["  1  undo  all", "  2  undo  canary", "  3  step  old-serves"];
    for line in order {
        assert!(plan.out.contains(line), "{}", plan.out);
    }
    let reason = ["rollback", "last", "--reason", "it failed"];
    let asks = golive_in(state.path(), &reason);
    assert_eq!(asks.code, 2);
    assert!(asks.err.contains("--unattended"), "{}", asks.err);
    let args: Vec<&str> = reason.into_iter().chain(["--unattended"]).collect();
    let back = golive_in(state.path(), &args);
    assert_eq!(back.code, 7, "{}", back.err);
    assert_eq!(golive_in(state.path(), &["verify", "last"]).code, 15);
    let again = golive_in(state.path(), &args);
    assert_eq!(again.code, 2, "{}", again.err);
}

#[test]
fn a_failure_can_be_rolled_back_at_once() {
    let (state, run) = drill(&[&ALL, &["--scenario", FAULT, "--on-failure", "rollback"]]);
    assert_eq!(run.code, 7, "{}", run.err);
    assert!(run.out.contains("--on-failure rollback: all failed"), "{}", run.out);
    assert_eq!(status(state.path())["state"], "rolled back, old system verified");
}

#[test]
fn a_signal_holds_and_a_living_driver_keeps_others_out() {
    let dir = folder(&[("slow.toml", SLOW)]);
    let file = dir.path().join("slow.toml").display().to_string();
    let state = tempfile::tempdir().unwrap();
    let args = ["run", &file, "--practice", "--confirm", "change", "--session", "tonight"];
    let mut child =
        program(state.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("the slow step", || {
        (status(state.path())["steps"][0]["status"] == "running").then_some(())
    });
    let watched = golive_in(state.path(), &["status", "tonight"]);
    assert!(watched.out.contains("slow for "), "{}", watched.out);
    for args in [
        &["resume", "tonight", "--headless"] as &[&str],
        &["rollback", "tonight", "--reason", "x", "--unattended"],
    ] {
        let second = golive_in(state.path(), args);
        assert_eq!(second.code, 14, "{}", second.err);
        assert!(second.err.contains("wei.zhang drives this session"), "{}", second.err);
    }
    let interrupt = |child: &Child| kill_process(Pid::from_child(child), Signal::INT).unwrap();
    interrupt(&child);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    let output = child.wait_with_output().unwrap();
    let ended = called(&output);
    assert_eq!(ended.code, 130, "{err}");
    assert!(ended.out.contains("slow: ended - succeeded"), "what ran was not cut off");
    assert!(!ended.out.contains("later: attempt"), "{}", ended.out);
    let status = status(state.path());
    assert_eq!((&status["state"], &status["driven_by"]), (&"held".into(), &Value::Null));
    let resumed = golive_in(state.path(), &["resume", "ton", "--headless", "--confirm", "change"]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    let same = golive_in(state.path(), &args);
    assert_eq!(same.code, 2, "a name is used once: {}", same.err);
}

#[test]
fn nothing_starts_after_a_signal_while_nobody_reads_the_output() {
    let loud = SLOW.replace("sleep 3", "seq 1 40000; sleep 6");
    let dir = folder(&[("loud.toml", &loud)]);
    let file = dir.path().join("loud.toml").display().to_string();
    let state = tempfile::tempdir().unwrap();
    let args = ["run", &file, "--practice", "--confirm", "change", "--session", "tonight"];
    let mut child =
        program(state.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdout.as_ref().unwrap();
    let waiting = || ioctl_fionread(pipe).unwrap();
    until("the output to stand still", || (waiting() > 60_000).then_some(()));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let over = || {
        let steps = status(state.path())["steps"].take();
        (steps[0]["status"] == "succeeded").then_some(steps)
    };
    let steps = until("the step to end", over);
    assert_eq!(steps[1]["status"], "pending", "{steps}");
    // Whoever reads again hears of both, and it ends as the signal asks.
    let mut out = child.stdout.take().unwrap();
    let reads = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).unwrap();
        text
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(called(&output).code, 130, "{}", called(&output).err);
    assert!(!reads.join().unwrap().contains("later: attempt"));
    assert_eq!(status(state.path())["steps"][1]["status"], "pending");
}

const SLOW: &str = r#"
golive = 1
[runbook]
id = "slow"
title = "Slow"
strategy = "direct"
[hosts.blue1]
[[phase]]
id = "p"
title = "P"
  [[phase.step]]
  id = "slow"
  title = "Slow"
  on = "blue1"
  run = "sleep 3"
  undo = { run = "true" }
  [[phase.step]]
  id = "later"
  title = "Later"
  on = "blue1"
  run = "true"
  undo = { run = "true" }
"#;

/// A runbook with one step on one host with these settings.
fn one_host(host: &str) -> TempDir {
    let text = format!("{ONE_HOST}[hosts.web1]\naddress = \"127.0.0.1\"\n{host}");
    folder(&[("one.toml", &text)])
}

pub(crate) const ONE_HOST: &str = r#"
golive = 1
[runbook]
id = "one"
title = "One"
strategy = "direct"
[[phase]]
id = "p"
title = "P"
  [[phase.step]]
  id = "hello"
  title = "Hello"
  on = "web1"
  run = "echo hello"
  read_only = true
"#;

fn run_one(host: &str) -> Called {
    let dir = one_host(host);
    let file = dir.path().join("one.toml").display().to_string();
    let state = tempfile::tempdir().unwrap();
    golive_in(state.path(), &["run", &file, "--confirm", "check"])
}

#[test]
fn a_host_that_cannot_be_reached_is_code_13() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = run_one(&format!("port = {free}\n"));
    assert_eq!(refused.code, 13, "{}\n{}", refused.out, refused.err);
    assert!(refused.err.contains("refused"), "{}", refused.err);
}

#[test]
fn keys_decide_who_is_reached() {
    let server = Sshd::start();
    let pin =
        crate::sshd::sh("ssh-keygen", &["-lf", server.path("host_ed25519.pub").to_str().unwrap()]);
    let pin = pin.split_whitespace().nth(1).unwrap().to_owned();
    let host = |pin: &str, key: &Path| {
        let (port, user, key) = (server.port, me(), key.display());
        format!("port = {port}\nuser = \"{user}\"\nhostkey = \"{pin}\"\nidentity = \"{key}\"\n")
    };
    let good = run_one(&host(&pin, &server.identity()));
    assert_eq!(good.code, 0, "{}\n{}", good.out, good.err);
    assert!(good.out.contains("web1 | hello"), "{}", good.out);

    let wrong_pin = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDqTOvsLDQN5QYqAbc";
    let wrong = run_one(&host(wrong_pin, &server.identity()));
    assert_eq!(wrong.code, 13, "{}\n{}", wrong.out, wrong.err);
    assert!(wrong.err.contains("HOST KEY"), "{}", wrong.err);

    let stranger = keygen(server.dir.path(), "stranger", "ed25519", "");
    let refused = run_one(&host(&pin, &stranger));
    assert_eq!(refused.code, 13, "{}\n{}", refused.out, refused.err);
    assert!(refused.err.contains("refused the login"), "{}", refused.err);
}

#[test]
fn kind_and_environment_have_to_agree() {
    let production = folder(&[(
        "one.toml",
        &format!(
            "{}[hosts.web1]\naddress = \"127.0.0.1\"\n",
            ONE_HOST.replace("title = \"One\"", "title = \"One\"\nenvironment = \"production\""),
        ),
    )]);
    let file = production.path().join("one.toml").display().to_string();
    let state = tempfile::tempdir().unwrap();
    let rehearsal = golive_in(state.path(), &["run", &file]);
    assert_eq!(rehearsal.code, 2);
    assert!(rehearsal.err.contains("--override-environment REASON"), "{}", rehearsal.err);
    let unnamed = one_host("");
    let unnamed = unnamed.path().join("one.toml").display().to_string();
    let live = golive_in(state.path(), &["run", &unnamed, "--kind", "live"]);
    assert_eq!(live.code, 2);
    assert!(live.err.contains("--environment production"), "{}", live.err);
    assert!(!state.path().join("sessions").exists(), "nothing was begun");
    let args = ["run", &unnamed, "--kind", "live", "--environment", "production"];
    assert_eq!(golive_in(state.path(), &args).code, 6);
    let reason = "the standby is not serving";
    let args = ["run", &file, "--override-environment", reason, "--session", "standby"];
    assert_eq!(golive_in(state.path(), &args).code, 6);
    let journal =
        golive_in(state.path(), &["export", "standby", "--format", "jsonl", "-o", "-"]).out;
    assert!(journal.contains(reason), "the reason is recorded");
    let practice = golive_in(state.path(), &["run", SMALL, "--practice", "--kind", "live"]);
    assert_eq!(practice.code, 2, "{}", practice.err);
}

#[test]
fn without_a_terminal_the_console_names_what_to_do() {
    let state = tempfile::tempdir().unwrap();
    for (args, instead) in [
        (&["drive", SMALL] as &[&str], "golive run"),
        (&["rehearse", SMALL, "--practice"], "golive run"),
        (&["demo"], "golive run"),
    ] {
        let called = golive_in(state.path(), args);
        assert_eq!(called.code, 2, "{}", called.err);
        assert!(called.err.contains(instead), "{}", called.err);
    }
}

#[test]
fn a_state_directory_that_cannot_be_written_is_code_1() {
    let dir = folder(&[("state", "a file")]);
    let state = dir.path().join("state");
    let args: Vec<&str> = DRILL.into_iter().chain(ALL).collect();
    let called = golive_in(&state, &args);
    assert_eq!(called.code, 1, "{}", called.err);
    assert!(called.err.contains("choose another place with --state-dir"), "{}", called.err);
}

#[test]
fn a_session_is_found_by_what_is_unique() {
    let (state, first) = drill(&[]);
    assert_eq!(first.code, 6);
    let second = golive_in(state.path(), &DRILL);
    assert_eq!(second.code, 6);
    let called = golive_in(state.path(), &["status", "2"]);
    assert_eq!(called.code, 2);
    assert!(called.err.contains("is the start of 2 sessions"), "{}", called.err);
    let called = golive_in(state.path(), &["verify", "nope"]);
    assert_eq!(called.code, 2);
    assert!(called.err.contains("`golive sessions` lists them"), "{}", called.err);
    let named: Vec<&str> = DRILL.into_iter().chain(["--session", "a-name-of-its-own"]).collect();
    assert_eq!(golive_in(state.path(), &named).code, 6);
    assert_eq!(status(state.path())["session"], "a-name-of-its-own", "the last by time");
    std::fs::remove_dir_all(state.path().join("sessions/a-name-of-its-own")).unwrap();
    let list = golive_in(state.path(), &["sessions", "--json"]);
    let list: Value = serde_json::from_str(&list.out).unwrap();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(list["sessions"][0]["state"], "held");
    let alone = golive_in(state.path(), &[]);
    assert!(alone.out.contains("golive resume "), "{}", alone.out);
}

#[test]
fn a_changed_record_is_found_and_named() {
    let (state, run) = drill(&[&ALL]);
    assert_eq!(run.code, 0, "{}", run.err);
    let id = status(state.path())["session"].as_str().unwrap().to_owned();
    let dir = state.path().join("sessions").join(&id);
    let journal = dir.join("journal.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    std::fs::write(&journal, text.replacen("wei.zhang", "li.weiwei", 1)).unwrap();
    let by_path = dir.display().to_string();
    for args in [&["verify", &id] as &[&str], &["verify", &by_path, "--json"]] {
        let called = golive_in(state.path(), args);
        assert_eq!(called.code, 10, "{}", called.out);
        assert!(called.out.contains("line 1") || called.out.contains("\"line\": 1"));
    }
    std::fs::write(&journal, text).unwrap();
    assert_eq!(golive_in(state.path(), &["verify", &id]).code, 15);
    let pinned = std::fs::read_dir(dir.join("pinned")).unwrap();
    let mut pinned = pinned.map(|entry| entry.unwrap().path());
    let runbook = pinned.find(|path| path.extension().is_some_and(|it| it == "toml"));
    let mut text = std::fs::read_to_string(runbook.as_ref().unwrap()).unwrap();
    text.push_str("# changed\n");
    std::fs::write(runbook.unwrap(), text).unwrap();
    let called = golive_in(state.path(), &["verify", &id]);
    assert_eq!(called.code, 10, "{}", called.out);
    assert!(called.out.contains("the pinned texts give the plan"), "{}", called.out);
    assert_eq!(golive_in(state.path(), &["export", &id, "-o", "-"]).code, 10);
}

#[test]
fn an_export_is_the_same_every_time() {
    let (state, run) = drill(&[&ALL]);
    assert_eq!(run.code, 0, "{}", run.err);
    let export = || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("review").display().to_string();
        let args = ["export", "last", "--format", "md,csv,jsonl", "-o", &path];
        let called = golive_in(state.path(), &args);
        assert_eq!((called.code, called.out.as_str()), (0, ""), "{}", called.err);
        let mut files: Vec<_> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_owned(), std::fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let first = export();
    let names: Vec<_> = first.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    for name in ["audit.jsonl", "report.md", "steps.csv", "verify.txt"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(first == export(), "byte for byte");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("report.md").display().to_string();
    assert_eq!(golive_in(state.path(), &["export", "last", "-o", &file]).code, 0);
    let report = std::fs::read_to_string(&file).unwrap();
    assert!(report.contains("Small shift"));
    let printed = golive_in(state.path(), &["export", "last", "-o", "-"]);
    assert_eq!(printed.out, report);
    let several = golive_in(state.path(), &["export", "last", "--format", "csv", "-o", "-"]);
    assert_eq!(several.code, 2, "{}", several.err);
}
