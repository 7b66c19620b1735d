//! A host proves which machine it is before anything is changed on it.

use std::fs;

use golive::exec::ssh::{Command, HostSpec, Pool, SshError};
use golive::runbook::{Code, HostProof, SourceFile, check};

use crate::cli::{folder, golive_in};
use crate::runbook::listing;
use crate::sshd::{Sshd, eventually, exited, me, not_started, pool_for, run, sh, signal};

/// The server as `web1`; it answers `says` and counts how often it was asked.
fn asked(sshd: &Sshd, says: &str, equals: &str) -> Pool {
    let run = format!("echo x >>{}; {says}", sshd.path("asked").display());
    pool_for(sshd, |spec: &mut HostSpec, _| {
        spec.proof = Some(HostProof { run, equals: equals.to_owned() });
    })
}

fn count(sshd: &Sshd) -> usize {
    fs::read_to_string(sshd.path("asked")).unwrap_or_default().lines().count()
}

fn proving(line: &str) -> Command {
    Command { prove: true, ..Command::new(line) }
}

#[tokio::test]
async fn a_proof_is_asked_once_a_connection_and_only_where_it_is_wanted() {
    let sshd = Sshd::start();
    let pool = asked(&sshd, "echo; echo '  the-machine '; exit 7", "the-machine");
    assert_eq!(exited(&run(&pool, Command::new("true")).await.0), 0);
    assert_eq!(count(&sshd), 0, "a look needs no proof");
    let (one, two) = tokio::join!(run(&pool, proving("exit 3")), run(&pool, proving("exit 4")));
    assert_eq!((exited(&one.0), exited(&two.0)), (3, 4));
    assert_eq!(exited(&run(&pool, proving("exit 5")).await.0), 5);
    assert_eq!(count(&sshd), 1, "one connection, one proof");
    // Another connection is another machine until it has proved otherwise.
    for pid in sshd.connections() {
        signal("KILL", pid);
    }
    eventually("the end of the connection", || sshd.connections().is_empty().then_some(())).await;
    assert_eq!(exited(&run(&pool, proving("exit 6")).await.0), 6);
    assert_eq!(count(&sshd), 2);
}

#[tokio::test]
async fn another_answer_or_none_means_that_nothing_is_sent() {
    let sshd = Sshd::with(&["ed25519"], "MaxSessions 1");
    let ledger = sshd.path("ledger");
    let step = format!("echo ran >>{}", ledger.display());
    for (says, told) in [
        ("echo other", "expected `the-machine`, the host said `other`"),
        ("echo the-machine more", "the host said `the-machine more`"),
        ("true", "the host said nothing."),
        ("no-such-program", "the host said nothing and exited with 127"),
        ("printf '\\033[2Jthe-machine\\n'", "the host said `"),
    ] {
        let pool = asked(&sshd, says, "the-machine");
        let why = not_started(run(&pool, proving(&step)).await.0);
        assert!(matches!(why, SshError::NotProved { .. }), "{why:?}");
        let text = why.to_string();
        assert!(text.starts_with("web1: host proof: "), "{text}");
        assert!(text.contains(told), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(!ledger.exists(), "{says}");
        // The same connection is still good for looking.
        assert_eq!(exited(&run(&pool, Command::new("true")).await.0), 0);
        pool.close().await;
    }
}

#[tokio::test]
async fn talk_of_login_scripts_is_no_answer_and_a_forced_command_is_none_either() {
    let sshd = Sshd::start();
    sshd.write(".bashrc", "echo Welcome to the-machine\n");
    let pool = asked(&sshd, "echo the-machine", "the-machine");
    assert_eq!(exited(&run(&pool, proving("true")).await.0), 0);
    let key = fs::read_to_string(sshd.path("user.pub")).unwrap();
    sshd.authorize_only(&format!("command=\"echo the-machine\" {}", key.trim()));
    let pool = asked(&sshd, "echo the-machine", "the-machine");
    let why = not_started(run(&pool, proving("true")).await.0).to_string();
    assert!(why.contains("did not run the question"), "{why}");
}

const RUNBOOK: &str = r#"
golive = 1
[runbook]
id = "proof"
title = "Proof"
strategy = "direct"
[[phase]]
id = "p"
title = "P"
  [[phase.step]]
  id = "look"
  title = "Look"
  on = "web1"
  run = "echo looked >>LEDGER"
  read_only = true
  [[phase.step]]
  id = "change"
  title = "Change"
  on = "web1"
  run = "echo changed >>LEDGER"
  undo = { run = "echo undone >>LEDGER" }
"#;

#[test]
fn a_run_changes_nothing_on_a_host_that_is_another_machine() {
    let sshd = Sshd::start();
    let pin = sh("ssh-keygen", &["-lf", sshd.path("host_ed25519.pub").to_str().unwrap()]);
    let pin = pin.split_whitespace().nth(1).unwrap();
    let ledger = sshd.path("ledger");
    let host = format!(
        "[hosts.web1]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nhostkey = \"{pin}\"\n\
         identity = \"{}\"\nproof = {{ run = \"echo this-one\", equals = \"EQUALS\" }}\n",
        sshd.port,
        me(),
        sshd.identity().display()
    );
    let text = format!("{RUNBOOK}{host}").replace("LEDGER", &ledger.display().to_string());
    let go = |equals: &str| {
        let dir = folder(&[("proof.toml", &text.replace("EQUALS", equals))]);
        let file = dir.path().join("proof.toml").display().to_string();
        golive_in(&dir.path().join("state"), &["run", &file, "--confirm", "change"])
    };
    let wrong = go("that-one");
    assert_eq!(wrong.code, 5, "{}\n{}", wrong.out, wrong.err);
    let told = "host proof: expected `that-one`, the host said `this-one`";
    assert!(wrong.out.contains(told) || wrong.err.contains(told), "{}\n{}", wrong.out, wrong.err);
    assert_eq!(fs::read_to_string(&ledger).unwrap(), "looked\n");
    let right = go("this-one");
    assert_eq!(right.code, 0, "{}\n{}", right.out, right.err);
    assert_eq!(fs::read_to_string(&ledger).unwrap(), "looked\nlooked\nchanged\n");
}

#[test]
fn what_is_wrong_with_a_proof_or_a_reboot_is_told_with_its_place() {
    let text = r#"golive = 1
[runbook]
id = "x"
title = "X"
strategy = "direct"
[hosts.web1]
proof = { run = "hostname", equal = "web1" }
[hosts.web2]
proof = "hostname"
[hosts.web3]
proof = { run = "cat /etc/motd", equals = "a\nb" }
[[phase]]
id = "p"
title = "P"
[[phase.step]]
id = "boot"
title = "Boot"
on = ["web1", "web2", "web3"]
run = "reboot"
reboot = true
detached = false
read_only = true
estimate = "1m"
timeout = "5m"
[[phase.step]]
id = "here"
title = "Here"
local = "reboot"
reboot = true
undo = { local = "true" }
estimate = "1m"
timeout = "5m"
"#;
    let checked = check(&SourceFile::new("x.toml", text), &mut |_| Err("no".to_owned()));
    let told = listing(&checked);
    for line in [
        "x.toml:7:9-7:45 error G004: a host's proof without `equals`",
        "x.toml:7:29-7:34 error G002: unknown key `equal` in a host's proof",
        "help: did you mean `equals`?",
        "x.toml:9:9-9:19 error G005: `proof` is a string, not a table",
        "x.toml:11:43-11:49 error G006: `equals` is not one line of at most 256 bytes",
        "x.toml:22:13-22:17 error G025: a reboot is not a look",
        "x.toml:21:12-21:17 error G025: a reboot is followed by a step that outlives its link",
        "x.toml:29:1-29:7 error G024: `reboot` has no effect on a `local` step",
        "x.toml:20:10-20:14 warning G122: after its reboot nothing looks at the hosts",
    ] {
        assert!(told.contains(line), "no {line} in\n{told}");
    }
    assert!(checked.problems.iter().any(|problem| problem.code == Code::RebootUnverified));
}

#[test]
fn a_plan_says_what_is_proved_and_what_reboots() {
    let text = r#"golive = 1
[runbook]
id = "x"
title = "X"
strategy = "direct"
[hosts.web1]
proof = { run = "cat /etc/machine-id", equals = "4242" }
[[phase]]
id = "p"
title = "P"
[[phase.step]]
id = "boot"
title = "Boot"
on = "web1"
run = "reboot"
reboot = true
irreversible = "a reboot"
"#;
    let dir = folder(&[("x.toml", text)]);
    let file = dir.path().join("x.toml").display().to_string();
    for format in ["tree", "markdown", "json"] {
        let plan = golive_in(dir.path(), &["plan", &file, "--format", format]);
        assert_eq!(plan.code, 0, "{}", plan.err);
        assert!(plan.out.contains("cat /etc/machine-id"), "{}", plan.out);
        assert!(plan.out.contains("4242"), "{}", plan.out);
        assert!(plan.out.contains("reboot"), "{}", plan.out);
        if format == "tree" {
            assert!(plan.out.contains("its boot id has to change"), "{}", plan.out);
        }
    }
}
