//! Ctrl-C and SIGTERM at a question: the terminal is as it was, the code is the signal's, and
//! nothing is on disk that would have to be taken up.

use std::fs;
use std::path::Path;

use crate::pty::Pty;
use crate::sshd::{Sshd, children, keygen, me, public, signal, until};

/// The program in a terminal, and then the terminal's own settings.
fn golive(dir: &Path, args: &str) -> Pty {
    let program = env!("CARGO_BIN_EXE_golive");
    let script = format!("trap : INT; {program} {args}; echo \"code=$?\"; stty -a; read rest");
    Pty::start_program(dir, (110, 40), "sh", &["-c", &script])
}

/// Waits for the code and looks at what is left.
fn ended(screen: &Pty, dir: &Path, code: u32) {
    let text = screen.until(&format!("code={code}\n"));
    let text = if text.contains("icanon") { text } else { screen.until("icanon") };
    screen.until(" echo ");
    for word in ["-icanon", "-echo ", "-isig", "-opost"] {
        assert!(!text.contains(word), "{word}\n{text}");
    }
    let sessions = fs::read_dir(dir.join("state/sessions")).map_or(0, Iterator::count);
    assert_eq!(sessions, 0, "{text}");
    assert!(!dir.join("ledger").exists(), "nothing ran");
}

/// Ends the question that is open: by Ctrl-C, or by SIGTERM.
fn end(screen: &mut Pty, by_key: bool) {
    if by_key {
        screen.keys("\x03");
    } else {
        let golive = until("golive", || children(screen.pid()).first().copied());
        signal("TERM", golive);
    }
}

fn night(more: &str, step: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        r#"
golive = 1
[runbook]
id = "night"
{more}
[[phase]]
id = "p"
[[phase.step]]
id = "one"
{step}
estimate = "1s"
timeout = "10s"
undo = {{ local = "true", estimate = "1s" }}
"#
    );
    fs::write(dir.path().join("night.toml"), text).unwrap();
    dir
}

#[test]
fn a_question_for_a_secret_ends_with_the_signal() {
    let secret = "[secrets]\nword = { prompt = \"The word\" }";
    let step = "local = \"echo one >>ledger\"\nenv = { WORD = { secret = \"word\" } }";
    for (by_key, code) in [(true, 130), (false, 143)] {
        for command in ["rehearse night.toml", "run night.toml --confirm change"] {
            let dir = night(secret, step);
            let mut screen = golive(dir.path(), command);
            screen.until("nothing is shown):");
            screen.keys("half-a-wo");
            end(&mut screen, by_key);
            ended(&screen, dir.path(), code);
            assert!(screen.screen().contains("nothing was started or sent"), "{}", screen.screen());
            assert!(!screen.screen().contains("half-a-wo"), "{}", screen.screen());
        }
    }
}

#[test]
fn a_question_for_a_variable_ends_with_the_signal() {
    let vars = "[vars_required]\nticket = { prompt = \"Change ticket\" }";
    let step = "local = \"echo {{ ticket }} >>ledger\"";
    for (by_key, code) in [(true, 130), (false, 143)] {
        let dir = night(vars, step);
        let mut screen = golive(dir.path(), "run night.toml --confirm change");
        screen.until("Change ticket (ticket):");
        end(&mut screen, by_key);
        ended(&screen, dir.path(), code);
    }
}

#[test]
fn a_question_for_a_passphrase_ends_with_the_signal() {
    let sshd = Sshd::start();
    let key = keygen(sshd.dir.path(), "locked", "ed25519", "hunter2000");
    sshd.authorize_only(&public(&key));
    let host = format!(
        "[hosts.target]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nidentity = \"{}\"",
        sshd.port,
        me(),
        key.display()
    );
    for (by_key, code) in [(true, 130), (false, 143)] {
        let dir = night(&host, "on = \"target\"\nrun = \"echo one >>ledger\"");
        fs::create_dir(dir.path().join(".ssh")).unwrap();
        fs::copy(sshd.known_hosts("ed25519"), dir.path().join(".ssh/known_hosts")).unwrap();
        let mut screen = golive(dir.path(), "rehearse night.toml");
        screen.until("passphrase of");
        end(&mut screen, by_key);
        ended(&screen, dir.path(), code);
    }
}
