//! Signing where the key or the hosts do not play along: what is said, tried again, and kept.

use std::path::Path;
use std::process::Command;

use golive::engine::{AlarmId, Level};
use golive::exec::ssh::SigningKey;
use golive::session::{Notary, View, start};

use crate::cli::{called, golive_in, program};
use crate::session::{Night, THREE, request};
use crate::sshd::{Agent, keygen};

/// The open alarm about signing, in words.
fn alarm(view: &View) -> Option<String> {
    let open = view.state.open_alarms();
    let of_signing = open.into_iter().find(|alarm| alarm.id == AlarmId::Signing)?;
    assert_eq!(of_signing.level, Level::Caution);
    Some(of_signing.text.to_string())
}

/// A session whose record is signed by `key`.
pub(crate) fn night(key: SigningKey) -> Night {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    std::fs::write(&file, THREE.replace("DIR", &dir.path().display().to_string())).unwrap();
    let notary = Notary { key: Some(key), ..Notary::default() };
    let asked = golive::session::Start {
        notary: Some(notary),
        ..request(dir.path(), Path::new(&file), None)
    };
    let (found, handle) = start(&asked).unwrap();
    Night { dir, found, handle }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_goes_away_raises_an_alarm_and_clears_it_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let secret = keygen(dir.path(), "own", "ed25519", "");
    let agent = Agent::start(dir.path());
    agent.add(&secret);
    let key = SigningKey::in_agent(&agent.socket).await.unwrap().remove(0);
    let socket = agent.socket.clone();
    drop(agent);
    std::fs::remove_file(&socket).ok();

    let night = night(key);
    let view = night.until("the alarm", |view| alarm(view).is_some()).await;
    let text = alarm(&view).unwrap();
    assert!(text.starts_with("the record is not signed: agent "), "{text}");
    assert_eq!(view.signing.trouble.as_ref().map(ToString::to_string), Some(text));
    assert_eq!(view.signing.signed, 0);
    assert!(view.signing.covered > 0, "the checkpoint is there nevertheless");
    let raised = view.state.alarms().len();

    // Tried again in vain: the same alarm, not another one.
    night.handle.settle().await;
    let view = night.handle.view();
    assert_eq!((view.state.alarms().len(), view.signing.signed), (raised, 0));

    let agent = Agent::start(dir.path());
    agent.add(&secret);
    night.handle.settle().await;
    let view = night.until("the all-clear", |view| alarm(view).is_none()).await;
    assert_eq!(view.signing.trouble, None);
    assert!(view.signing.signed > 0 && view.signing.signed == view.signing.covered);

    // Gone once more, the session's own key, which is certified by now, goes on by itself.
    drop(agent);
    night.ask(golive::engine::Command::Begin).await.unwrap();
    night.handle.settle().await;
    let view = night.until("more is signed", |view| view.signing.by_own).await;
    assert_eq!((alarm(&view), view.signing.trouble.clone()), (None, None));
}

const ROLES: &str = r#"
golive = 1
[runbook]
id = "roles"
title = "Roles"
strategy = "direct"
[roles.lead]
people = ["li.wei"]
keys = ["KEY"]
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "one"
title = "One"
local = "echo one"
read_only = true
"#;

#[test]
fn the_key_that_a_role_names_signs_and_verify_says_whose_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (first, own) =
        (keygen(dir.path(), "first", "ed25519", ""), keygen(dir.path(), "own", "ed25519", ""));
    let agent = Agent::start(dir.path());
    agent.add(&first);
    agent.add(&own);
    let print = |key: &Path| {
        let out = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
        String::from_utf8(out.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    let file = dir.path().join("roles.toml");
    let run = |name: &str, key: &str| {
        std::fs::write(&file, ROLES.replace("KEY", key)).unwrap();
        let file = file.display().to_string();
        let mut run = program(dir.path(), &["run", &file, "--session", name, "--confirm", "check"]);
        run.env_remove("GOLIVE_NO_SIGN").env_remove("GOLIVE_SIGN_KEY");
        run.env("SSH_AUTH_SOCK", &agent.socket).env("HOME", dir.path());
        called(&run.output().unwrap())
    };
    let own = print(&own);
    let ran = run("night", &own);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let said = golive_in(dir.path(), &["verify", "night"]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(
        said.out.contains(&format!("{own}, of the runbook's role lead (li.wei)")),
        "{}",
        said.out
    );
    let json = golive_in(dir.path(), &["verify", "night", "--json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["signers"][0]["roles"][0], "lead (li.wei)");

    let stranger = "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDqTOvsLDQN5QYqAbc";
    let ran = run("unsigned", stranger);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let why = "unsigned: no key that the runbook's roles name is at hand";
    assert!(format!("{}{}", ran.out, ran.err).contains(why), "{}{}", ran.out, ran.err);
    assert_eq!(golive_in(dir.path(), &["verify", "unsigned"]).code, 15);

    let ran = run("wrong", "SHA256:abc");
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("this is not the fingerprint of a key"), "{}", ran.err);
    assert!(ran.err.contains("roles.toml:9:9"), "with its place: {}", ran.err);
}
