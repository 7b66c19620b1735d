//! Records that are signed by a security key: accepted by golive and by stock `ssh-keygen`, refused
//! when anything of the signature is touched up, and never in the way while a person is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use golive::engine::Status;
use golive::exec::ssh::SigningKey;
use russh::keys::ssh_key::{LineEnding, SshSig};

use crate::cli::{Called, called, golive_in, program};
use crate::counts::counted;
use crate::session::THREE;
use crate::signing::night;
use crate::sk_agent::{PRESENT, SkAgent};

const SMALL: &str = "tests/it/runbooks/small.toml";
const KINDS: [&str; 2] = ["sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256"];

/// A drill whose record the agent's key signs.
struct Record {
    dir: tempfile::TempDir,
    agent: SkAgent,
    run: Called,
}

impl Record {
    fn new(kind: &str, flags: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let agent = SkAgent::start(dir.path(), kind, flags);
        let allowed = format!("op@ops {}\n", agent.public_line());
        fs::write(dir.path().join("allowed"), allowed).unwrap();
        let args = ["run", SMALL, "--practice", "--speed", "20", "--session", "night", "-q"];
        let rest = ["--confirm", "check", "--sign-key", &agent.fingerprint()].map(str::to_owned);
        let args: Vec<&str> = args.into_iter().chain(rest.iter().map(String::as_str)).collect();
        let mut run = program(dir.path(), &args);
        run.env_remove("GOLIVE_NO_SIGN").env("SSH_AUTH_SOCK", &agent.socket);
        let run = called(&run.output().unwrap());
        assert_eq!(run.code, 6, "it stops at the gate: {}", run.err);
        Self { dir, agent, run }
    }

    fn first(&self) -> PathBuf {
        self.dir.path().join("sessions/night/checkpoints/000001")
    }

    fn verify(&self) -> Called {
        let allowed = self.dir.path().join("allowed").display().to_string();
        golive_in(self.dir.path(), &["verify", "night", "--allowed-signers", &allowed])
    }

    /// What stock `ssh-keygen` says of the first checkpoint.
    fn stock(&self) -> bool {
        let mut verify = Command::new("ssh-keygen");
        verify.args(["-q", "-Y", "verify", "-n", "golive-checkpoint", "-I", "op@ops", "-f"]);
        verify.arg(self.dir.path().join("allowed"));
        verify.arg("-s").arg(self.first().with_extension("sig"));
        verify.stdin(fs::File::open(self.first()).unwrap());
        verify.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}

/// The armour with one byte of what it holds changed, counted from the end.
fn spoilt(armour: &str, from_end: usize) -> String {
    let signature = SshSig::from_pem(armour).unwrap();
    let inner = signature.signature();
    let mut bytes = inner.as_bytes().to_vec();
    let at = bytes.len() - from_end;
    bytes[at] ^= 2;
    let inner = russh::keys::ssh_key::Signature::new(inner.algorithm(), bytes).unwrap();
    let (key, namespace) = (signature.public_key().clone(), signature.namespace().to_owned());
    let spoilt = SshSig::new(key, namespace, signature.hash_alg(), inner).unwrap();
    spoilt.to_pem(LineEnding::LF).unwrap()
}

#[test]
fn a_security_key_signs_once_and_both_verifiers_take_it() {
    for kind in KINDS {
        let record = Record::new(kind, PRESENT);
        assert!(record.run.err.contains("touch your security key"), "{}", record.run.err);
        assert_eq!(record.agent.asked(), 1, "one touch a night");
        let said = record.verify();
        assert_eq!(said.code, 15, "signed, and open: {}", said.out);
        assert!(said.out.contains(&format!("{kind}@openssh.com")), "{}", said.out);
        assert!(said.out.contains("of op@ops"), "{}", said.out);
        assert!(!said.out.contains("finding"), "{}", said.out);
        assert!(record.stock(), "{kind}");

        let good = fs::read_to_string(record.first().with_extension("sig")).unwrap();
        for (what, from_end) in [("counter", 1), ("flags", 5), ("signature", 6)] {
            fs::write(record.first().with_extension("sig"), spoilt(&good, from_end)).unwrap();
            assert!(!record.stock(), "{kind}: {what}");
            let said = record.verify();
            assert_eq!(said.code, 10, "{kind}: {what}: {}", said.out);
            let row = format!("record alone: a security key's {what} changed ({kind}): found");
            counted("tampering with a record", &row, 1, 0);
        }
        fs::write(record.first().with_extension("sig"), &good).unwrap();
        assert!(record.stock() && record.verify().code == 15, "{kind}");
    }
}

#[test]
fn a_signature_without_a_touch_is_none() {
    for kind in KINDS {
        let record = Record::new(kind, 0);
        let said = record.verify();
        assert_eq!(said.code, 15, "{}", said.out);
        assert!(said.out.contains("it did not sign"), "{}", said.out);
        let why = "the record is not signed: the security key signed without a touch";
        assert!(record.run.err.contains(why), "{}", record.run.err);
        // Put there by somebody else, it is told as what it is. Stock ssh-keygen does not look.
        let text = fs::read(record.first()).unwrap();
        let untouched = record.agent.sign_file("golive-checkpoint", &text);
        fs::write(record.first().with_extension("sig"), untouched).unwrap();
        let said = record.verify();
        assert_eq!(said.code, 10, "{}", said.out);
        assert!(said.out.contains("signed without a touch"), "{}", said.out);
        assert!(record.stock(), "if this fails, ssh-keygen has learned to look: say so");
        let row = format!("record alone: a security key signed without a touch ({kind}): found");
        counted("tampering with a record", &row, 1, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_key_waits_for_a_touch_everything_else_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let agent = SkAgent::start(dir.path(), "sk-ssh-ed25519", PRESENT);
    agent.wait_for_touch(true);
    let key = SigningKey::in_agent(&agent.socket).await.unwrap().remove(0);
    assert!(key.needs_touch());
    let night = night(key);
    night.until("the question", |view| view.signing.touch).await;
    night.ask(golive::engine::Command::Begin).await.unwrap();
    night.start("one").await;
    let view = night.settled("one", Status::Succeeded).await;
    assert!(view.signing.touch && view.signing.signed == 0, "still asked for");
    assert!(THREE.contains("id = \"one\""));
    agent.wait_for_touch(false);
    night.handle.settle().await;
    let view = night.until("the signature", |view| view.signing.signed > 0).await;
    assert!(!view.signing.touch && view.signing.trouble.is_none());
    assert!(Path::new(&night.found.dir).join("checkpoints/000001.sig").exists());
}
