//! Questions on a terminal: the two digits of a rollback, and passphrases.

use std::path::Path;

use tempfile::TempDir;

use crate::cli::{folder, golive_in};
use crate::pty::Pty;
use crate::sshd::{Sshd, keygen, me, public, sh};

/// A session of the small runbook that stands at its sign-off, in `DIR/state`.
fn half_way() -> TempDir {
    let dir = folder(&[("small.toml", include_str!("runbooks/small.toml"))]);
    let state = dir.path().join("state");
    let file = dir.path().join("small.toml").display().to_string();
    let args = [
        "run",
        &file,
        "--practice",
        "--speed",
        "20",
        "--confirm",
        "change",
        "--confirm-step",
        "all",
        "--answer",
        "ready=go",
        "--session",
        "night",
    ];
    let run = golive_in(&state, &args);
    assert_eq!(run.code, 6, "{}", run.err);
    dir
}

fn rollback(dir: &Path) -> Pty {
    Pty::start(dir, (100, 30), &["rollback", "night", "--reason", "orders are lost"])
}

/// The two digits that are asked for.
fn code(screen: &str) -> String {
    let (_, rest) = screen.split_once("Type ").unwrap();
    rest.chars().filter(char::is_ascii_digit).take(2).collect()
}

#[test]
fn a_rollback_wants_the_two_digits_that_it_shows() {
    let dir = half_way();
    let mut golive = rollback(dir.path());
    let screen = golive.until("to roll back: ");
    for line in ["undo  all", "undo  canary", "step  old-serves", "nothing has been sent"] {
        assert!(screen.contains(line), "{screen}");
    }
    let wrong = if code(&screen) == "11" { "22" } else { "11" };
    golive.keys(&format!("{wrong}\r"));
    assert_eq!(golive.wait().exit_code(), 6);
    assert!(golive.screen().contains("not the two digits: nothing was sent"));

    let mut golive = rollback(dir.path());
    let screen = golive.until("to roll back: ");
    golive.keys(&format!("{}\r", code(&screen)));
    assert_eq!(golive.wait().exit_code(), 7, "{}", golive.screen());
    let state = dir.path().join("state");
    assert_eq!(golive_in(&state, &["verify", "night"]).code, 15, "not signed");
}

#[test]
fn a_passphrase_is_asked_for_and_not_shown() {
    let server = Sshd::start();
    let key = keygen(server.dir.path(), "locked", "ed25519", "open sesame");
    server.authorize_only(&public(&key));
    let print = sh("ssh-keygen", &["-lf", server.path("host_ed25519.pub").to_str().unwrap()]);
    let pin = print.split_whitespace().nth(1).unwrap();
    let (port, user) = (server.port, me());
    let runbook = format!(
        "{}[hosts.web1]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\n\
         hostkey = \"{pin}\"\nidentity = \"{}\"\n",
        crate::cli_run::ONE_HOST,
        key.display()
    );
    let dir = folder(&[("one.toml", &runbook)]);
    let mut golive = Pty::start(dir.path(), (100, 30), &["run", "one.toml", "--confirm", "check"]);
    golive.until("passphrase of");
    golive.keys("wrong\r");
    golive.until("(the last one was wrong)");
    golive.keys("open sesame\r");
    assert_eq!(golive.wait().exit_code(), 0, "{}", golive.screen());
    let bytes = String::from_utf8_lossy(&golive.bytes()).into_owned();
    assert!(bytes.contains("web1 | hello"), "{bytes}");
    assert!(!bytes.contains("sesame") && !bytes.contains("wrong\r"), "{bytes}");
}
