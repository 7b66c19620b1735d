//! Signing where the key or the hosts do not play along: what is said, tried again, and kept.

use std::path::Path;

use golive::engine::{AlarmId, Level};
use golive::exec::ssh::SigningKey;
use golive::session::{Notary, View, start};

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
fn night(key: SigningKey) -> Night {
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
