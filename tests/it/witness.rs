//! Hosts as witnesses, asked by the whole program over a real `sshd`.

use std::fs;
use std::path::{Path, PathBuf};

use golive::engine::Event;
use golive::journal::{JOURNAL_FILE, Journal, Stamp, read_all};

use crate::cli::{Called, called, golive_in, program};
use crate::cli_run::ONE_HOST;
use crate::sshd::{Sshd, is_root, keygen, me, public, sh};

/// A signed session that ran on the host of a server.
struct Night {
    dir: tempfile::TempDir,
    server: Sshd,
}

impl Night {
    fn on(server: Sshd) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let pin = sh("ssh-keygen", &["-lf", server.path("host_ed25519.pub").to_str().unwrap()]);
        let pin = pin.split_whitespace().nth(1).unwrap().to_owned();
        let (port, user, key) = (server.port, me(), server.identity().display().to_string());
        let host = format!(
            "[hosts.web1]\naddress = \"127.0.0.1\"\nport = {port}\nuser = \"{user}\"\n\
             hostkey = \"{pin}\"\nidentity = \"{key}\"\n"
        );
        fs::write(dir.path().join("one.toml"), format!("{ONE_HOST}{host}")).unwrap();
        let own = keygen(dir.path(), "own", "ed25519", "");
        fs::write(dir.path().join("allowed"), format!("op@ops {}\n", public(&own))).unwrap();
        let file = dir.path().join("one.toml").display().to_string();
        let own = own.display().to_string();
        let args = [
            "run",
            &file,
            "--confirm",
            "check",
            "--session",
            &name(dir.path()),
            "--sign-key",
            &own,
        ];
        let mut run = program(dir.path(), &args);
        let run = called(&run.env_remove("GOLIVE_NO_SIGN").output().unwrap());
        assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
        Self { dir, server }
    }

    fn name(&self) -> String {
        name(self.dir.path())
    }

    fn session(&self) -> PathBuf {
        self.dir.path().join("sessions").join(self.name())
    }

    fn verify(&self) -> Called {
        let allowed = self.dir.path().join("allowed").display().to_string();
        let args = ["verify", &self.name(), "--allowed-signers", &allowed, "--witness", "ssh:web1"];
        golive_in(self.dir.path(), &args)
    }

    /// The record as somebody with its key would like it to have been, signed by that key.
    fn forge(&self) {
        let mut entries = read_all(&self.session()).unwrap();
        for fact in entries.iter_mut().flat_map(|entry| &mut entry.facts) {
            if let Event::SessionOpened(genesis) = &mut fact.event {
                genesis.driver = "somebody else".into();
            }
        }
        for name in [JOURNAL_FILE, "head"] {
            fs::remove_file(self.session().join(name)).unwrap();
        }
        let id = self.name().parse().unwrap();
        let mut journal = Journal::create(&self.session(), &id).unwrap();
        for entry in entries {
            let golive::journal::Entry { at, wall, mono, boot, facts, .. } = entry;
            journal.append(&Stamp { at, wall, mono, boot }, &facts).unwrap();
        }
        fs::remove_dir_all(self.session().join("checkpoints")).unwrap();
    }
}

/// A session's name that no other test has: hosts may share a folder.
fn name(dir: &Path) -> String {
    let own = dir.file_name().unwrap().to_string_lossy().to_lowercase();
    let own: String = own.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("night-{own}")
}

#[test]
fn a_host_of_the_session_says_what_it_holds() {
    let night = Night::on(Sshd::start());
    let said = night.verify();
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    let lines = read_all(&night.session()).unwrap().len();
    let witnessed = format!("witnessed  up to line {lines}");
    assert!(said.out.contains(&witnessed), "{witnessed}: {}", said.out);
    assert!(said.out.contains("by web1"), "{}", said.out);
    let kept = night.server.path(".golive/R").join(night.name()).join("witness");
    assert!(kept.join("000001").exists() && kept.join("000001.sig").exists());

    night.forge();
    let alone = golive_in(night.dir.path(), &["verify", &night.name()]);
    assert_eq!(alone.code, 15, "alone it cannot be seen: {}", alone.out);
    let said = night.verify();
    assert_eq!(said.code, 10, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("web1"), "{}", said.out);

    fs::remove_dir_all(kept).unwrap();
    let said = night.verify();
    assert_eq!(said.code, 13, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("web1 holds no checkpoint of session"), "{}", said.err);
}

#[test]
fn a_host_that_is_gone_was_not_heard() {
    let Night { dir, mut server } = Night::on(Sshd::start());
    server.stop();
    let said = golive_in(dir.path(), &["verify", &name(dir.path()), "--witness", "ssh:web1"]);
    assert_eq!(said.code, 13, "{}\n{}", said.out, said.err);
    assert!(said.err.contains("not heard: ") && said.err.contains("refused"), "{}", said.err);
    assert!(said.out.contains("a witness was not heard"), "{}", said.out);
}

#[test]
fn a_host_without_a_home_is_a_witness_as_well() {
    let night = Night::on(Sshd::homeless());
    let said = night.verify();
    assert_eq!(said.code, 0, "{}\n{}", said.out, said.err);
    assert!(said.out.contains("by web1"), "{}", said.out);
    let uid = sh("id", &["-u"]);
    let root = PathBuf::from(format!("golive-{}", uid.trim()));
    if is_root() {
        let root = night.server.path("var-tmp").join(root);
        assert!(root.join("R").join(night.name()).join("witness/000001").exists());
        // A folder that others can write to holds nothing that anybody believes.
        sh("chmod", &["777", root.to_str().unwrap()]);
        let said = night.verify();
        assert_eq!(said.code, 13, "{}\n{}", said.out, said.err);
    } else {
        fs::remove_dir_all(Path::new("/var/tmp").join(root).join("R").join(night.name())).unwrap();
    }
}
