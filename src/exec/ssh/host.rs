//! What a caller says about hosts and about how to reach them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::base::HostId;
use crate::runbook::HostProof;

/// Sessions that one connection carries at most: `sshd` allows 10, and two stay free for
/// stopping what runs.
pub const SESSIONS_MAX: usize = 8;

/// A host to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// Its name in the inventory.
    pub id: HostId,
    /// A host name, an IP address, or an alias of the user's SSH configuration.
    pub address: String,
    /// Else as configured, else 22.
    pub port: Option<u16>,
    /// Else as configured, else the local user.
    pub user: Option<String>,
    /// The hosts to go through, in order: names of hosts in the same pool, or aliases or
    /// `user@host:port` of the SSH configuration. Empty: as configured (`ProxyJump`,
    /// `ProxyCommand`).
    pub jump: Vec<String>,
    /// A private key that is tried first; `~` is understood.
    pub identity: Option<PathBuf>,
    /// A pinned host key, `SHA256:…`; then `known_hosts` is not asked.
    pub hostkey: Option<String>,
    /// What it has to answer before a command that asks for proof is sent.
    pub proof: Option<HostProof>,
    /// Sessions at once, at least 1 and at most [`SESSIONS_MAX`].
    pub max_concurrent: usize,
}

impl HostSpec {
    /// A host with nothing but a name and an address.
    pub fn new(id: HostId, address: impl Into<String>) -> Self {
        Self {
            id,
            address: address.into(),
            port: None,
            user: None,
            jump: Vec::new(),
            identity: None,
            hostkey: None,
            proof: None,
            max_concurrent: SESSIONS_MAX,
        }
    }
}

/// Where the settings of SSH come from.
///
/// They are read by `ssh -G`, hence exactly as OpenSSH reads them: `Include`, `Match`, tokens,
/// defaults. Beware that `ssh -G` itself runs the commands of `Match exec` lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// The user's and the system's files.
    System,
    /// This file alone (`ssh -F`).
    File(PathBuf),
    /// None: nothing but the [`HostSpec`].
    None,
}

/// How long each part of opening a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Name resolution and TCP, all addresses together. `ConnectTimeout` of the SSH
    /// configuration goes before it.
    pub connect: Duration,
    /// Greeting and key exchange.
    pub banner: Duration,
    /// Each answer while authenticating; a person's time at a prompt does not count.
    pub auth: Duration,
    /// Opening a session on an open connection.
    pub open: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            banner: Duration::from_secs(15),
            auth: Duration::from_secs(20),
            open: Duration::from_secs(10),
        }
    }
}

/// A passphrase; wiped from memory when dropped.
pub struct Phrase(Zeroizing<String>);

impl Phrase {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phrase(…)")
    }
}

/// Asks a person for the passphrase of a key file.
pub trait Passphrase: Send + Sync {
    /// The passphrase of `key`; `attempt` counts from 1. `None` declines: the key is left out.
    /// May block; it is called on a thread of its own, and for one key file at a time.
    fn ask(&self, key: &Path, attempt: u32) -> Option<Phrase>;
}

/// Declines always: encrypted keys are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct NeverAsk;

impl Passphrase for NeverAsk {
    fn ask(&self, _key: &Path, _attempt: u32) -> Option<Phrase> {
        None
    }
}

/// A private key text that is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("not a usable private key: {0}")]
pub struct InvalidKey(String);

/// A private key held in memory, for hosts that come with one (the practice fleet, tests).
#[derive(Clone)]
pub struct SecretKey(Arc<PrivateKey>);

impl SecretKey {
    /// A new ed25519 key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, InvalidKey> {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
            .map(|key| Self(Arc::new(key)))
            .map_err(|error| InvalidKey(error.to_string()))
    }

    /// Reads OpenSSH, PKCS#1, PKCS#8 or `PuTTY` text that is not encrypted.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        russh::keys::decode_secret_key(text, None)
            .map(|key| Self(Arc::new(key)))
            .map_err(|error| InvalidKey(error.to_string()))
    }

    /// The public half as one line of `authorized_keys`.
    pub fn public_line(&self) -> String {
        self.0.public_key().to_openssh().unwrap_or_default()
    }

    /// The whole key as OpenSSH text, to be kept in a file of mode 0600.
    pub fn secret_text(&self) -> Zeroizing<String> {
        self.0.to_openssh(LineEnding::LF).unwrap_or_default()
    }

    pub(super) fn key(&self) -> Arc<PrivateKey> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public_line())
    }
}

/// How hosts are reached.
#[derive(Clone)]
pub struct Options {
    /// Where settings come from.
    pub config: ConfigSource,
    /// Keys in memory, tried before all others on every host.
    pub extra_keys: Vec<SecretKey>,
    /// Whether the SSH agent may be asked.
    pub agent: bool,
    /// In place of the configured `UserKnownHostsFile` and `GlobalKnownHostsFile`.
    pub known_hosts: Option<Vec<PathBuf>>,
    /// How long things may take.
    pub budgets: Budgets,
    /// Silence after which a host is asked for a sign of life; after three such spans without
    /// any, the link is dead.
    pub keepalive: Duration,
    /// Whether hosts are asked for their clocks.
    pub clocks: bool,
    /// Who is asked for passphrases.
    pub prompt: Arc<dyn Passphrase>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: ConfigSource::System,
            extra_keys: Vec::new(),
            agent: true,
            known_hosts: None,
            budgets: Budgets::default(),
            keepalive: Duration::from_secs(5),
            clocks: true,
            prompt: Arc::new(NeverAsk),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("extra_keys", &self.extra_keys.len())
            .field("agent", &self.agent)
            .field("known_hosts", &self.known_hosts)
            .field("budgets", &self.budgets)
            .field("keepalive", &self.keepalive)
            .finish_non_exhaustive()
    }
}
