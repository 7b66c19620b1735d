//! Signing with a key that the operator already has: in the agent, or in a file.
//!
//! # Invariants
//!
//! - No question to a person but the passphrase of a file that was named for signing, or of one
//!   that opens a host as well; and only through the pool's own prompt.
//! - What is signed is an SSH signature (SSHSIG, SHA-512): `ssh-keygen -Y verify` takes it.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::{LineEnding, Signature, SshSig};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::config::home;
use super::error::words;
use super::pool::Pool;

/// An agent answers in milliseconds, unless it asks a person.
const AGENT_LIST_MAX: Duration = Duration::from_secs(5);
/// The names of OpenSSH's own keys, in the order in which one is taken to sign.
const NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Which key signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyChoice {
    /// The agent's first; else the first of OpenSSH's own files that opens without a question.
    First,
    /// The first of these that is at hand: fingerprints, `SHA256:…`.
    OneOf(Vec<String>),
    /// The one with this fingerprint.
    Fingerprint(String),
    /// The one in this file; its secret half may be in the agent. `~` is understood.
    File(PathBuf),
}

#[derive(Clone)]
enum Secret {
    Memory(Arc<PrivateKey>),
    Agent(PathBuf),
}

/// A key that can sign.
#[derive(Clone)]
pub struct SigningKey {
    public: PublicKey,
    secret: Secret,
    label: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.label)
    }
}

impl SigningKey {
    /// A new ed25519 key that is in memory alone.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, String> {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519);
        let key = key.map_err(|error| error.to_string())?;
        Ok(Self::memory(Arc::new(key), "the session's own key"))
    }

    /// The keys that the agent at `socket` holds, without certificates.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn in_agent(socket: &Path) -> Result<Vec<Self>, String> {
        let mut agent = connect(socket).await?;
        let identities = timeout(AGENT_LIST_MAX, agent.request_identities()).await;
        let identities = identities.map_err(|_| "the agent does not answer".to_owned())?;
        let identities =
            identities.map_err(|error| format!("agent: {}", words(&error.to_string())))?;
        let key = |identity: AgentIdentity| match identity {
            AgentIdentity::PublicKey { key, comment } => {
                let public = PublicKey::from(key.key_data().clone());
                let label = format!("{} (agent, {})", shown(&public), words(&comment));
                Some(Self { public, secret: Secret::Agent(socket.to_owned()), label })
            }
            AgentIdentity::Certificate { .. } => None,
        };
        Ok(identities.into_iter().filter_map(key).collect())
    }

    fn memory(key: Arc<PrivateKey>, place: &str) -> Self {
        let public = PublicKey::from(key.public_key().key_data().clone());
        let label = format!("{} ({place})", shown(&public));
        Self { public, secret: Secret::Memory(key), label }
    }

    /// The public half as in `authorized_keys`, without a comment.
    pub fn public_line(&self) -> String {
        self.public.to_openssh().unwrap_or_default()
    }

    /// `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.public.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Kind, fingerprint and where it is, for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether each signature asks for a touch: a security key.
    pub fn needs_touch(&self) -> bool {
        matches!(self.public.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
    }

    /// The signature over `message`, armoured. Takes as long as the agent does: limit it.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn sign(&self, namespace: &str, message: &[u8]) -> Result<String, String> {
        let hash = HashAlg::Sha512;
        let told = |error: russh::keys::ssh_key::Error| error.to_string();
        let signature = match &self.secret {
            Secret::Memory(key) => SshSig::sign(&**key, namespace, hash, message).map_err(told)?,
            Secret::Agent(socket) => {
                let data = SshSig::signed_data(namespace, hash, message).map_err(told)?;
                let mut agent = connect(socket).await?;
                let rsa = matches!(self.public.algorithm(), Algorithm::Rsa { .. });
                let signed = agent.sign_request_signature(&self.public, rsa.then_some(hash), &data);
                let signed = signed.await.map_err(|error| {
                    format!("the agent did not sign: {}", words(&error.to_string()))
                })?;
                let key = self.public.key_data().clone();
                SshSig::new(key, namespace, hash, signed).map_err(told)?
            }
        };
        // What does not verify is none, whoever made it.
        self.public
            .verify(namespace, message, &signature)
            .map_err(|_| "what came back is no signature by this key".to_owned())?;
        if self.needs_touch() && !is_touched(signature.signature()) {
            return Err("the security key signed without a touch, which proves nobody's presence \
                 (a key made with no-touch-required?): name another one"
                .to_owned());
        }
        signature.to_pem(LineEnding::LF).map_err(told)
    }
}

/// Whether a security key says that a person was there: the lowest of the flags that stand, with
/// the counter's four bytes, behind its signature.
fn is_touched(signature: &Signature) -> bool {
    signature.as_bytes().iter().rev().nth(4).is_some_and(|flags| flags & 1 == 1)
}

fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

async fn connect(socket: &Path) -> Result<AgentClient<UnixStream>, String> {
    let connected = timeout(AGENT_LIST_MAX, AgentClient::connect_uds(socket)).await;
    let connected = connected.map_err(|_| "the agent does not answer".to_owned())?;
    connected.map_err(|error| format!("agent {}: {}", socket.display(), words(&error.to_string())))
}

/// The keys of the agent that `SSH_AUTH_SOCK` names; without certificates.
async fn held() -> Result<Vec<SigningKey>, String> {
    match env::var_os("SSH_AUTH_SOCK").filter(|it| !it.is_empty()) {
        Some(socket) => SigningKey::in_agent(Path::new(&socket)).await,
        None => Ok(Vec::new()),
    }
}

impl Pool {
    /// The key that `choice` means; none if there is nothing to choose from.
    ///
    /// # Errors
    /// Why the key that was asked for is not at hand.
    pub async fn signing_key(&self, choice: &KeyChoice) -> Result<Option<SigningKey>, String> {
        let held = match held().await {
            Ok(held) => held,
            Err(why) if *choice == KeyChoice::First => {
                tracing::debug!(%why, "no agent to sign with");
                Vec::new()
            }
            Err(why) if matches!(choice, KeyChoice::Fingerprint(_)) => return Err(why),
            Err(_) => Vec::new(),
        };
        match choice {
            KeyChoice::First => match held.into_iter().next() {
                Some(key) => Ok(Some(key)),
                None => Ok(self.own_files().await.into_iter().next()),
            },
            KeyChoice::OneOf(fingerprints) => {
                let wanted = |key: &SigningKey| fingerprints.contains(&key.fingerprint());
                let mut all = held;
                all.extend(self.own_files().await);
                Ok(all.into_iter().find(wanted))
            }
            KeyChoice::Fingerprint(fingerprint) => {
                let mut all = held;
                all.extend(self.own_files().await);
                let found = all.into_iter().find(|key| key.fingerprint() == *fingerprint);
                let found = found.ok_or_else(|| {
                    format!("no key {} is in the agent or in ~/.ssh", words(fingerprint))
                });
                found.map(Some)
            }
            KeyChoice::File(path) => self.in_file(path, &held).await.map(Some),
        }
    }

    /// OpenSSH's own key files that open without a question.
    async fn own_files(&self) -> Vec<SigningKey> {
        let mut keys = Vec::new();
        for name in NAMES {
            let path = home().join(".ssh").join(name);
            if let Some(key) = self.ring().ready(&path).await {
                keys.push(SigningKey::memory(key, &format!("~/.ssh/{name}")));
            }
        }
        keys
    }

    /// The key in a file; where only its public half is there, the agent has to have it.
    async fn in_file(&self, path: &Path, held: &[SigningKey]) -> Result<SigningKey, String> {
        let path = path.strip_prefix("~").map_or_else(|_| path.to_owned(), |it| home().join(it));
        let shown = path.display().to_string();
        let read = |path: &Path| std::fs::read_to_string(path);
        let text = read(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(".pub");
        let beside = read(Path::new(&beside)).ok();
        let public = |text: &str| PublicKey::from_openssh(text.trim()).ok();
        let secret = PrivateKey::from_openssh(&text).ok();
        let own = public(&text)
            .or_else(|| Some(secret.as_ref()?.public_key().clone()))
            .or_else(|| public(beside.as_deref()?));
        let same = |key: &&SigningKey| {
            own.as_ref().is_some_and(|own| own.key_data() == key.public.key_data())
        };
        if let Some(key) = held.iter().find(same) {
            return Ok(key.clone());
        }
        if public(&text).is_some() {
            return Err(format!(
                "{shown} is a public key, and the agent does not have its secret half"
            ));
        }
        let key = self.ring().unlock(&path).await.map_err(|why| format!("{shown}: {why}"))?;
        Ok(SigningKey::memory(key, &shown))
    }
}
