//! `golive trust`: a person records the key of a host; and what messages tell people to type.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::{called, golive_in, program};
use crate::pty::Pty;
use crate::sshd::{Sshd, me, sh};

fn fingerprint(server: &Sshd) -> String {
    let said = sh("ssh-keygen", &["-lf", server.path("host_ed25519.pub").to_str().unwrap()]);
    said.split_whitespace().nth(1).unwrap().to_owned()
}

/// `golive trust` of this server, with its file of known hosts.
fn args<'a>(host: &'a str, file: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let fixed = ["trust", host, "--known-hosts", file.to_str().unwrap()];
    fixed.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn a_key_is_recorded_when_its_fingerprint_was_given_and_only_then() {
    let server = Sshd::start();
    let (dir, host) = (tempfile::tempdir().unwrap(), format!("{}@127.0.0.1:{}", me(), server.port));
    let file = dir.path().join("ssh/known");
    let own = fingerprint(&server);
    let trust = |more: &[&str]| golive_in(dir.path(), &args(&host, &file, more));

    let asked = trust(&[]);
    assert_eq!(asked.code, 2, "nobody can be asked: {}", asked.err);
    assert!(asked.err.contains(&own) && asked.err.contains("--fingerprint"), "{}", asked.err);
    let other = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDqTOvsLDQN5QYqAbc";
    let wrong = trust(&["--fingerprint", other]);
    assert_eq!(wrong.code, 13, "{}", wrong.err);
    assert!(wrong.err.contains("someone stands between"), "{}", wrong.err);
    assert!(!file.exists(), "nothing was recorded");

    let right = trust(&["--fingerprint", other, "--fingerprint", &own]);
    assert_eq!(right.code, 0, "{}\n{}", right.out, right.err);
    assert!(right.out.contains("known"), "{}", right.out);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    let name = format!("[127.0.0.1]:{}", server.port);
    let found = sh("ssh-keygen", &["-F", &name, "-f", file.to_str().unwrap()]);
    assert!(found.contains(server.host_key("ed25519").split(' ').nth(1).unwrap()), "{found}");

    // Known by now: nothing is added, and another fingerprint is no match.
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!((trust(&[]).code, trust(&["--fingerprint", other]).code), (0, 13));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_recorded_key_is_never_replaced() {
    let (server, another) = (Sshd::start(), Sshd::start());
    let (dir, host) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{}", server.port));
    let file = dir.path().join("known");
    // No line end: the next line must not become part of this one.
    let text = format!("[127.0.0.1]:{} {}", server.port, another.host_key("ed25519"));
    fs::write(&file, &text).unwrap();
    let own = fingerprint(&server);
    let said = golive_in(dir.path(), &args(&host, &file, &["--fingerprint", &own]));
    assert_eq!(said.code, 13, "{}", said.err);
    assert!(said.err.contains("HAS CHANGED"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);

    let host = format!("127.0.0.1:{}", another.port);
    let own = fingerprint(&another);
    let said = golive_in(dir.path(), &args(&host, &file, &["--fingerprint", &own]));
    assert_eq!(said.code, 0, "{}", said.err);
    let after = fs::read_to_string(&file).unwrap();
    assert_eq!(after.lines().count(), 2);
    assert!(after.starts_with(&format!("{text}\n[127.0.0.1]:{} ", another.port)), "{after}");
}

#[test]
fn a_person_is_asked_on_a_terminal() {
    let server = Sshd::start();
    let (dir, host) = (tempfile::tempdir().unwrap(), format!("127.0.0.1:{}", server.port));
    let file = dir.path().join("known");
    for (answer, code) in [("y", 6), ("yes", 0)] {
        let mut golive = Pty::start(dir.path(), (120, 30), &args(&host, &file, &[]));
        let screen = golive.until("Type yes to record it: ");
        assert!(screen.contains(&fingerprint(&server)), "{screen}");
        golive.keys(&format!("{answer}\r"));
        assert_eq!(golive.wait().exit_code(), code, "{answer}: {}", golive.screen());
        assert_eq!(file.exists(), answer == "yes");
    }
}

#[test]
fn hosts_of_an_inventory_go_by_their_names() {
    let server = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    let (file, hosts) = (dir.path().join("known"), dir.path().join("hosts.toml"));
    let text = format!("[hosts.web1]\naddress = \"127.0.0.1\"\nport = {}\n", server.port);
    fs::write(&hosts, text).unwrap();
    let (hosts, own) = (hosts.display().to_string(), fingerprint(&server));
    let more = ["-i", &hosts, "--fingerprint", &own];
    let said = golive_in(dir.path(), &args("web1", &file, &more));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(fs::read_to_string(&file).unwrap().contains("[127.0.0.1]"));
    let said = golive_in(dir.path(), &args("web2", &file, &more));
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("names no host web2"), "{}", said.err);
}

#[test]
fn what_is_no_host_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for host in ["web1:ssh", "a@", ":22"] {
        let said = golive_in(dir.path(), &["trust", host]);
        assert_eq!(said.code, 2, "{host}: {}", said.err);
    }
}

/// Every file under `folder` with one of these endings.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, endings, found);
        } else if path.extension().is_some_and(|it| endings.iter().any(|end| it == *end)) {
            found.push(path);
        }
    }
}

/// What people are told to type exists.
#[test]
fn every_command_that_is_named_is_one() {
    let mut texts = vec![PathBuf::from("README.md")];
    files(Path::new("src"), &["rs", "md", "toml"], &mut texts);
    files(Path::new("runbooks"), &["toml"], &mut texts);
    let mut named = BTreeSet::new();
    for path in &texts {
        let text = fs::read_to_string(path).unwrap();
        let pieces: Vec<&str> = text.split("golive ").collect();
        for (before, rest) in pieces.iter().zip(pieces.iter().skip(1)) {
            let line = before.rsplit('\n').next().unwrap();
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            // It stands in a line of examples, in a sentence's quotes, or is put together.
            let example = line == "  " || line.ends_with("$ ") || line.ends_with("with: ");
            let made = line.ends_with('"') && behind.starts_with(" {");
            if !(line.ends_with('`') || example || made) {
                continue;
            }
            if !word.is_empty() && !word.starts_with('-') {
                named.insert((word.to_owned(), path.display().to_string()));
            }
        }
    }
    let words: BTreeSet<&String> = named.iter().map(|(word, _)| word).collect();
    assert!(words.len() > 10, "{words:?}");
    let dir = tempfile::tempdir().unwrap();
    let unknown =
        |word: &String| called(&program(dir.path(), &[word, "--help"]).output().unwrap()).code != 0;
    let unknown: BTreeSet<_> = words.into_iter().filter(|word| unknown(word)).collect();
    let places: Vec<_> = named.iter().filter(|(word, _)| unknown.contains(word)).collect();
    assert!(places.is_empty(), "named, and no command: {places:?}");
}
