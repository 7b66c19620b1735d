//! Logging in to a real `sshd`: files, passphrases, the agent, certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use golive::exec::ssh::{
    ErrorKind, HostSpec, LinkState, Options, Passphrase, Phrase, Pool, SecretKey, SshError,
};

use crate::sshd::{
    Agent, Sshd, configured, exited, id, keygen, me, not_started, pool_for, public, run_line, sh,
};

#[tokio::test]
async fn keys_of_every_kind_open_the_door() {
    let sshd = Sshd::start();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = keygen(sshd.dir.path(), &format!("key_{kind}"), kind, "");
        sshd.authorize_only(&public(&key));
        let pool = pool_for(&sshd, |spec, _| spec.identity = Some(key));
        assert_eq!(exited(&run_line(&pool, "true").await.0), 0, "{kind}");
    }
    // The older formats, too.
    let pem = sshd.path("pem");
    let file = pem.to_str().unwrap();
    sh("ssh-keygen", &["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f", file]);
    sshd.authorize_only(&public(&pem));
    let pool = pool_for(&sshd, |spec, _| spec.identity = Some(pem));
    assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
    // And one that never was in a file.
    let key = SecretKey::generate().unwrap();
    sshd.authorize_only(&key.public_line());
    let pool = pool_for(&sshd, |spec, options| {
        spec.identity = None;
        options.extra_keys = vec![key];
    });
    assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
}

/// Answers with these phrases in turn, and counts.
#[derive(Default)]
struct Answers {
    phrases: Mutex<Vec<&'static str>>,
    asked: AtomicUsize,
}

impl Answers {
    fn of(phrases: &[&'static str]) -> Arc<Self> {
        let phrases = Mutex::new(phrases.iter().rev().copied().collect());
        Arc::new(Self { phrases, asked: AtomicUsize::new(0) })
    }
}

impl Passphrase for Answers {
    fn ask(&self, key: &Path, attempt: u32) -> Option<Phrase> {
        let before = self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(key.exists());
        assert_eq!(usize::try_from(attempt).unwrap(), before % 3 + 1);
        self.phrases.lock().unwrap().pop().map(|phrase| Phrase::new(phrase.to_owned()))
    }
}

#[tokio::test]
async fn an_encrypted_key_is_asked_for_once_for_all_hosts() {
    let sshd = Sshd::start();
    let key = keygen(sshd.dir.path(), "locked", "ed25519", "open sesame");
    sshd.authorize_only(&public(&key));
    let answers = Answers::of(&["wrong", "open sesame"]);
    let specs =
        (0..6).map(|n| HostSpec { identity: Some(key.clone()), ..sshd.spec(&format!("web{n}")) });
    let prompt: Arc<dyn Passphrase> = Arc::clone(&answers) as _;
    let pool = Pool::new(specs.collect(), Options { prompt, ..sshd.options() });
    let hosts: Vec<_> = (0..6).map(|n| id(&format!("web{n}"))).collect();
    let opened = futures_util::future::join_all(hosts.iter().map(|host| pool.connect(host))).await;
    for peer in opened {
        peer.unwrap();
    }
    assert_eq!(answers.asked.load(Ordering::SeqCst), 2, "wrong once, then right for all");
}

#[tokio::test]
async fn a_locked_key_that_the_server_would_refuse_is_not_asked_for() {
    let sshd = Sshd::start();
    let key = keygen(sshd.dir.path(), "locked", "ed25519", "open sesame");
    let answers = Answers::of(&[]);
    let prompt: Arc<dyn Passphrase> = Arc::clone(&answers) as _;
    let pool = pool_for(&sshd, |spec, options| {
        spec.identity = Some(key.clone());
        options.prompt = prompt;
    });
    let why = not_started(run_line(&pool, "true").await.0);
    assert_eq!(why.kind(), ErrorKind::Auth);
    assert_eq!(answers.asked.load(Ordering::SeqCst), 0);

    sshd.authorize(&public(&key));
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(why.to_string().contains("passphrase was not given"), "{why}");
    assert_eq!(answers.asked.load(Ordering::SeqCst), 1, "declined at once");
}

#[tokio::test]
async fn a_refused_login_says_what_was_tried_and_what_would_do() {
    let sshd = Sshd::with(&["ed25519"], "PasswordAuthentication yes");
    let stranger = keygen(sshd.dir.path(), "stranger", "ecdsa", "");
    let open = keygen(sshd.dir.path(), "open", "ed25519", "");
    let pool = pool_for(&sshd, |spec, _| spec.identity = Some(stranger.clone()));
    let why = not_started(run_line(&pool, "true").await.0);
    let SshError::Auth(trouble) = &why else { panic!("{why}") };
    assert_eq!(trouble.tried.len(), 1);
    assert!(trouble.tried[0].contains("stranger"), "{trouble:?}");
    assert!(trouble.accepts.contains(&"password".to_owned()), "{trouble:?}");
    assert!(trouble.accepts.contains(&"publickey".to_owned()), "{trouble:?}");
    assert!(matches!(pool.link(&id("web1")), LinkState::Down { .. }));

    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    sshd.authorize(&public(&open));
    let pool = pool_for(&sshd, |spec, _| spec.identity = Some(open));
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(why.to_string().contains("chmod 600"), "{why}");

    let pool = pool_for(&sshd, |spec, _| spec.identity = Some(PathBuf::from("/no/such/key")));
    let why = not_started(run_line(&pool, "true").await.0);
    assert!(matches!(why, SshError::Config { .. }), "{why}");
}

#[tokio::test]
async fn the_agent_signs_and_identities_only_limits_it() {
    let sshd = Sshd::start();
    let agent = Agent::start(sshd.dir.path());
    // Six strangers before the right key: more than the server lets one try.
    for n in 0..6 {
        agent.add(&keygen(sshd.dir.path(), &format!("stranger{n}"), "ed25519", ""));
    }
    let key = keygen(sshd.dir.path(), "agents", "ecdsa", "");
    agent.add(&key);
    sshd.authorize_only(&public(&key));
    // Only the public half is on disk: the agent alone can sign.
    fs::remove_file(&key).unwrap();
    let host = HostSpec { identity: None, ..sshd.spec("web1") };
    let config = |more: &str| format!("Host *\nIdentityAgent {}\n{more}", agent.socket.display());

    let options = configured(&sshd, "all", &config("IdentityFile none\n"));
    let why = not_started(run_line(&Pool::new(vec![host.clone()], options), "true").await.0);
    let SshError::Auth(trouble) = &why else { panic!("{why}") };
    assert!(trouble.why.contains("IdentitiesOnly"), "{why}");

    for (name, only) in [("first", ""), ("only", "IdentitiesOnly yes\n")] {
        let text = config(&format!("IdentityFile {}\n{only}", key.display()));
        let options = configured(&sshd, name, &text);
        let (end, _) = run_line(&Pool::new(vec![host.clone()], options), "true").await;
        assert_eq!(exited(&end), 0, "{name}");
    }
    // With IdentitiesOnly, keys of the agent that nobody named stay out.
    let other = keygen(sshd.dir.path(), "other", "ed25519", "");
    let text = config(&format!("IdentityFile {}\nIdentitiesOnly yes\n", other.display()));
    let options = configured(&sshd, "other_config", &text);
    let why = not_started(run_line(&Pool::new(vec![host], options), "true").await.0);
    let SshError::Auth(trouble) = &why else { panic!("{why}") };
    assert_eq!(trouble.tried.len(), 1, "{trouble:?}");
}

#[tokio::test]
async fn a_user_certificate_opens_the_door_that_its_key_does_not() {
    for kind in ["ed25519", "rsa"] {
        let sshd = Sshd::with(&["ed25519"], "");
        let ca = keygen(sshd.dir.path(), "ca", "ed25519", "");
        sshd.authorize_only(&format!("cert-authority {}", public(&ca)));
        let key = keygen(sshd.dir.path(), "certified", kind, "");
        let pub_file = format!("{}.pub", key.display());
        sh("ssh-keygen", &["-q", "-s", ca.to_str().unwrap(), "-I", "op", "-n", &me(), &pub_file]);
        let pool = pool_for(&sshd, |spec, _| spec.identity = Some(key));
        assert_eq!(exited(&run_line(&pool, "true").await.0), 0, "{kind}");
    }
}
