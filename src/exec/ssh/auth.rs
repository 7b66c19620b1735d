//! Logging in: which keys are tried, in which order, and who signs.
//!
//! Keys in memory first; then certificates; then the agent's keys that the settings name; then
//! the agent's others (unless `IdentitiesOnly`); then key files. An encrypted file is opened
//! only when the server has said that it would accept the key, and its passphrase is asked
//! once for all hosts.
//!
//! # Deliberately absent
//!
//! Passwords and keyboard-interactive: a cutover that waits for a typed password on one of
//! forty hosts stands still.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PublicKey};
use russh::{MethodKind, SendError, Signer};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::config::Settings;
use super::connect::Client;
use super::error::{AuthTrouble, Budget, SshError, words};
use super::host::{Budgets, Passphrase};

/// Trials of a passphrase before the key is left out.
const PHRASE_TRIALS: u32 = 3;
/// How long a declined passphrase is not asked for again, so that forty hosts ask once.
const DECLINED_FOR: Duration = Duration::from_secs(30);
/// A human confirms an agent's signature (`ssh-add -c`) within sshd's grace for a login.
const AGENT_MAX: Duration = Duration::from_mins(2);

/// The keys at hand, unlocked once and shared by all hosts.
pub(super) struct KeyRing {
    extra: Vec<Arc<PrivateKey>>,
    prompt: Arc<dyn Passphrase>,
    files: Mutex<BTreeMap<PathBuf, Arc<Mutex<Unlocked>>>>,
    /// Questions to a person that are open now.
    asking: AtomicUsize,
    /// Questions that were ever asked.
    asked: AtomicUsize,
}

#[derive(Default)]
enum Unlocked {
    #[default]
    NotYet,
    Key(Arc<PrivateKey>),
    Declined(Instant),
}

impl KeyRing {
    pub(super) fn new(extra: Vec<Arc<PrivateKey>>, prompt: Arc<dyn Passphrase>) -> Self {
        let files = Mutex::default();
        Self { extra, prompt, files, asking: AtomicUsize::new(0), asked: AtomicUsize::new(0) }
    }

    /// How many questions have been put to a person so far.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// The private key in `path`, if nobody has to be asked for it.
    pub(super) async fn ready(&self, path: &Path) -> Option<Arc<PrivateKey>> {
        if let Some(cell) = self.files.lock().await.get(path).cloned()
            && let Ok(cell) = cell.try_lock()
            && let Unlocked::Key(key) = &*cell
        {
            return Some(Arc::clone(key));
        }
        let is_open = fs::metadata(path).ok()?.mode() & 0o077 != 0;
        let text = tokio::fs::read_to_string(path).await.ok().filter(|_| !is_open)?;
        russh::keys::decode_secret_key(&text, None).ok().map(Arc::new)
    }

    /// The private key in `path`, asking for its passphrase if need be.
    pub(super) async fn unlock(&self, path: &Path) -> Result<Arc<PrivateKey>, String> {
        let cell = Arc::clone(self.files.lock().await.entry(path.to_path_buf()).or_default());
        let mut cell = cell.lock().await;
        match &*cell {
            Unlocked::Key(key) => return Ok(Arc::clone(key)),
            Unlocked::Declined(at) if at.elapsed() < DECLINED_FOR => {
                return Err("its passphrase was not given".to_owned());
            }
            Unlocked::Declined(_) | Unlocked::NotYet => (),
        }
        let key = self.open(path).await?;
        *cell = match &key {
            Some(key) => Unlocked::Key(Arc::clone(key)),
            None => Unlocked::Declined(Instant::now()),
        };
        key.ok_or_else(|| "its passphrase was not given".to_owned())
    }

    /// `None`: a person declined, or failed three times.
    async fn open(&self, path: &Path) -> Result<Option<Arc<PrivateKey>>, String> {
        let text = tokio::fs::read_to_string(path).await.map_err(|error| error.to_string())?;
        match russh::keys::decode_secret_key(&text, None) {
            Ok(key) => return Ok(Some(Arc::new(key))),
            Err(russh::keys::Error::KeyIsEncrypted) => (),
            Err(error) => {
                return Err(format!("not a usable private key: {}", words(&error.to_string())));
            }
        }
        let text = Arc::new(text);
        for attempt in 1..=PHRASE_TRIALS {
            let (prompt, path) = (Arc::clone(&self.prompt), path.to_path_buf());
            let text = Arc::clone(&text);
            let question = Question::new(self);
            let answer = tokio::task::spawn_blocking(move || {
                let phrase = prompt.ask(&path, attempt)?;
                Some(russh::keys::decode_secret_key(&text, Some(phrase.as_str())).ok())
            })
            .await;
            drop(question);
            match answer {
                Ok(Some(Some(key))) => return Ok(Some(Arc::new(key))),
                Ok(Some(None)) => (),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Runs `future` for at most `budget`, not counting time in which a person was asked.
    async fn within<T>(&self, budget: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            let before = self.asked();
            tokio::select! {
                done = &mut future => return Some(done),
                () = sleep(budget) => (),
            }
            if self.asking.load(Ordering::SeqCst) == 0 && self.asked() == before {
                return None;
            }
        }
    }
}

/// Counts an open question for as long as it lives.
struct Question<'a>(&'a KeyRing);

impl<'a> Question<'a> {
    fn new(ring: &'a KeyRing) -> Self {
        ring.asking.fetch_add(1, Ordering::SeqCst);
        ring.asked.fetch_add(1, Ordering::SeqCst);
        Self(ring)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Where the secret half of a key is.
#[derive(Clone)]
enum Secret {
    Memory(Arc<PrivateKey>),
    File(PathBuf),
    Agent,
}

/// A key, or a certificate for one, that may be offered.
#[derive(Clone)]
struct Candidate {
    label: String,
    public: PublicKey,
    certificate: Option<Certificate>,
    secret: Secret,
}

impl Candidate {
    fn same(&self, other: &Self) -> bool {
        self.public.key_data() == other.public.key_data() && self.certificate == other.certificate
    }
}

type Agent = AgentClient<UnixStream>;

/// What a login was refused for, before it is told as an [`AuthTrouble`].
#[derive(Default)]
struct Trials {
    tried: Vec<String>,
    accepts: Vec<String>,
}

/// Logs in on `handle`.
pub(super) async fn log_in(
    handle: &mut Handle<Client>,
    settings: &Settings,
    agent_allowed: bool,
    (ring, budgets): (&KeyRing, &Budgets),
    (host, address): (&str, &str),
) -> Result<(), SshError> {
    let mut trials = Trials::default();
    let refuse = |trials: Trials, why: &str| {
        SshError::Auth(Box::new(AuthTrouble {
            host: host.to_owned(),
            address: address.to_owned(),
            user: settings.user.clone(),
            tried: trials.tried,
            accepts: trials.accepts,
            why: why.to_owned(),
        }))
    };
    if !settings.public_key {
        return Err(refuse(trials, "PubkeyAuthentication is off in the SSH configuration"));
    }
    let mut agent = None;
    if agent_allowed && let Some(path) = &settings.agent {
        agent = connect_agent(path, handle, &mut trials.tried).await;
    }
    let candidates = candidates(ring, settings, agent.as_mut(), &mut trials.tried).await;
    if candidates.is_empty() {
        return Err(refuse(trials, "there is no key to try"));
    }
    let mut rsa = RsaHash::NotAsked;
    for candidate in candidates {
        let mut hash = None;
        if matches!(candidate.public.algorithm(), Algorithm::Rsa { .. }) {
            hash = rsa_hash(handle, &mut rsa).await;
            if hash.is_none() {
                let label = &candidate.label;
                trials.tried.push(format!("{label}: the server takes RSA with SHA-1 only"));
                continue;
            }
        }
        let mut signer =
            KeySigner { ring, agent: agent.as_mut(), candidate: &candidate, failed: None };
        let user = settings.user.as_str();
        let attempt = async {
            if let Some(certificate) = candidate.certificate.clone() {
                handle.authenticate_certificate_with(user, certificate, hash, &mut signer).await
            } else {
                let public = candidate.public.clone();
                handle.authenticate_publickey_with(user, public, hash, &mut signer).await
            }
        };
        let result = ring.within(budgets.auth, attempt).await;
        let label = &candidate.label;
        match result {
            None => {
                return Err(SshError::Timeout {
                    host: host.to_owned(),
                    address: address.to_owned(),
                    budget: Budget::Auth,
                    after: budgets.auth,
                });
            }
            Some(Ok(AuthResult::Success)) => return Ok(()),
            Some(Ok(AuthResult::Failure { remaining_methods, partial_success })) => {
                if handle.is_closed() || remaining_methods.is_empty() {
                    trials.tried.push(format!("{label}: the server hung up"));
                    let why = "the server hung up during the login (after too many keys? set `identity`, or IdentitiesOnly in the SSH configuration)";
                    return Err(refuse(trials, why));
                }
                let fate = if partial_success { "accepted, but more is wanted" } else { "refused" };
                trials.tried.push(format!("{label}: {fate}"));
                trials.accepts =
                    remaining_methods.iter().map(|m| <&str>::from(m).to_owned()).collect();
                if !remaining_methods.contains(&MethodKind::PublicKey) {
                    return Err(refuse(trials, "the server wants what cannot be given unattended"));
                }
            }
            Some(Err(error)) => {
                let why = signer.failed.take().unwrap_or_else(|| error.to_string());
                trials.tried.push(format!("{label}: {}", words(&why)));
                if handle.is_closed() {
                    return Err(refuse(trials, "the server hung up during the login"));
                }
            }
        }
    }
    Err(refuse(trials, "no key was accepted"))
}

/// The hash to sign with RSA, asked of the server once; `None`: it takes SHA-1 only.
async fn rsa_hash(handle: &Handle<Client>, known: &mut RsaHash) -> Option<HashAlg> {
    if matches!(known, RsaHash::NotAsked) {
        // Silent servers of today take SHA-2.
        let best = handle.best_supported_rsa_hash().await.ok().flatten();
        *known = match best.unwrap_or(Some(HashAlg::Sha512)) {
            Some(hash) => RsaHash::Use(hash),
            None => RsaHash::Sha1Only,
        };
    }
    match known {
        RsaHash::Use(hash) => Some(*hash),
        RsaHash::NotAsked | RsaHash::Sha1Only => None,
    }
}

/// What the server takes from RSA keys.
enum RsaHash {
    NotAsked,
    Use(HashAlg),
    Sha1Only,
}

async fn connect_agent(
    path: &Path,
    handle: &Handle<Client>,
    notes: &mut Vec<String>,
) -> Option<Agent> {
    let mut agent = match Agent::connect_uds(path).await {
        Ok(agent) => agent,
        Err(error) => {
            notes.push(format!("agent {}: {}", path.display(), words(&error.to_string())));
            return None;
        }
    };
    if let Some(binding) = handle.agent_session_binding() {
        // Lets the agent hold keys to their destinations; agents that know nothing of it refuse.
        match timeout(AGENT_MAX, agent.bind_session(binding, false)).await {
            Ok(Ok(()) | Err(_)) | Err(_) => (),
        }
    }
    Some(agent)
}

/// All that may be offered, in order.
async fn candidates(
    ring: &KeyRing,
    settings: &Settings,
    agent: Option<&mut Agent>,
    notes: &mut Vec<String>,
) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    for key in &ring.extra {
        all.push(Candidate {
            label: format!("key in memory {}", fingerprint(key.public_key())),
            public: key.public_key().clone(),
            certificate: None,
            secret: Secret::Memory(Arc::clone(key)),
        });
    }
    let held = match agent {
        Some(agent) => agent_candidates(agent, notes).await,
        None => Vec::new(),
    };
    let mut files = Vec::new();
    for path in &settings.identities {
        match file_candidate(ring, path).await {
            Ok(candidate) => files.push(candidate),
            Err(Some(why)) => notes.push(format!("{}: {why}", path.display())),
            Err(None) => (),
        }
    }
    let listed = |candidate: &Candidate| {
        files.iter().any(|file| file.public.key_data() == candidate.public.key_data())
    };
    // Certificates: of files, then of the agent.
    for path in certificate_paths(settings) {
        if let Some(candidate) = certificate_candidate(&path, &held, &files) {
            all.push(candidate);
        }
    }
    let allowed = |candidate: &&Candidate| !settings.identities_only || listed(candidate);
    all.extend(held.iter().filter(|c| c.certificate.is_some()).filter(allowed).cloned());
    let plain: Vec<&Candidate> = held.iter().filter(|c| c.certificate.is_none()).collect();
    for file in &files {
        all.extend(
            plain
                .iter()
                .filter(|c| c.public.key_data() == file.public.key_data())
                .map(|c| (**c).clone()),
        );
    }
    all.extend(plain.iter().filter(|c| allowed(c)).map(|c| (**c).clone()));
    let absent =
        |file: &&Candidate| !plain.iter().any(|c| c.public.key_data() == file.public.key_data());
    // A public key file only selects a key of the agent.
    let secret = |file: &&Candidate| matches!(&file.secret, Secret::File(path) if path.extension().is_none_or(|e| e != "pub"));
    all.extend(files.iter().filter(absent).filter(secret).cloned());
    let mut unique: Vec<Candidate> = Vec::new();
    for candidate in all {
        if !unique.iter().any(|known| known.same(&candidate)) {
            unique.push(candidate);
        }
    }
    unique
}

async fn agent_candidates(agent: &mut Agent, notes: &mut Vec<String>) -> Vec<Candidate> {
    let identities = match timeout(AGENT_MAX, agent.request_identities()).await {
        Ok(Ok(identities)) => identities,
        Ok(Err(error)) => {
            notes.push(format!("agent: {}", words(&error.to_string())));
            return Vec::new();
        }
        Err(_) => {
            notes.push("agent: it does not answer".to_owned());
            return Vec::new();
        }
    };
    let candidate = |identity: AgentIdentity| {
        let public = identity.public_key().into_owned();
        let comment = words(identity.comment());
        let (kind, certificate) = match identity {
            AgentIdentity::PublicKey { .. } => ("key", None),
            AgentIdentity::Certificate { certificate, .. } => ("certificate", Some(certificate)),
        };
        let label = format!("agent's {kind} {} {comment}", fingerprint(&public));
        Candidate { label, public, certificate, secret: Secret::Agent }
    };
    identities.into_iter().map(candidate).collect()
}

/// The key in a file; `Err(None)` when there is no such file, as for OpenSSH's defaults.
async fn file_candidate(ring: &KeyRing, path: &Path) -> Result<Candidate, Option<String>> {
    let text = match tokio::fs::read_to_string(path).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // An identity may exist as a public key alone, its secret half in the agent.
            let beside = with_suffix(path, ".pub");
            let public = PublicKey::read_openssh_file(&beside).map_err(|_| None)?;
            return Ok(candidate_of(&beside, public));
        }
        Err(error) => return Err(Some(error.to_string())),
    };
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        return Ok(candidate_of(&with_suffix(path, ".pub"), public));
    }
    let mode = fs::metadata(path).map_err(|error| Some(error.to_string()))?.mode();
    if mode & 0o077 != 0 {
        return Err(Some(format!("left out, others can read it: chmod 600 {}", path.display())));
    }
    if let Ok(key) = PrivateKey::from_openssh(&text) {
        return Ok(candidate_of(path, key.public_key().clone()));
    }
    if let Ok(public) = PublicKey::read_openssh_file(with_suffix(path, ".pub")) {
        return Ok(candidate_of(path, public));
    }
    // Older formats tell nothing of the key before they are opened.
    let key = ring.unlock(path).await.map_err(Some)?;
    Ok(candidate_of(path, key.public_key().clone()))
}

fn candidate_of(path: &Path, public: PublicKey) -> Candidate {
    let label = format!("{} {}", path.display(), fingerprint(&public));
    Candidate { label, public, certificate: None, secret: Secret::File(path.to_path_buf()) }
}

fn certificate_paths(settings: &Settings) -> Vec<PathBuf> {
    let beside = settings.identities.iter().map(|path| with_suffix(path, "-cert.pub"));
    settings.certificates.iter().cloned().chain(beside).collect()
}

/// The certificate in `path`, if there is one and its key is at hand.
fn certificate_candidate(
    path: &Path,
    held: &[Candidate],
    files: &[Candidate],
) -> Option<Candidate> {
    let certificate = Certificate::read_file(path).ok()?;
    let fits = |c: &&Candidate| c.public.key_data() == certificate.public_key();
    let key = held.iter().chain(files).find(fits)?;
    Some(Candidate {
        label: format!("certificate {} {}", path.display(), fingerprint(&key.public)),
        public: key.public.clone(),
        secret: key.secret.clone(),
        certificate: Some(certificate),
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// Signs with the secret half of one candidate; called only once the server wants it.
struct KeySigner<'a> {
    ring: &'a KeyRing,
    agent: Option<&'a mut Agent>,
    candidate: &'a Candidate,
    failed: Option<String>,
}

/// A signature that could not be made; the words are in [`KeySigner::failed`].
#[derive(Debug)]
pub(super) struct NotSigned(String);

impl From<SendError> for NotSigned {
    fn from(error: SendError) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for NotSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Signer for KeySigner<'_> {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        let signed = self.sign(identity, hash, to_sign).await;
        signed.map_err(|why| {
            self.failed = Some(why.clone());
            NotSigned(why)
        })
    }
}

impl KeySigner<'_> {
    async fn sign(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, String> {
        match &self.candidate.secret {
            Secret::Memory(key) => sign_with(key, hash, to_sign),
            Secret::File(path) => sign_with(&*self.ring.unlock(path).await?, hash, to_sign),
            Secret::Agent => {
                let agent = self.agent.as_mut().ok_or("the agent is gone")?;
                let plain = AgentIdentity::from(self.candidate.public.clone());
                // The agent holds this certificate, or only the key that it is for.
                let held = self.candidate.label.starts_with("agent's");
                let identity = if held { identity } else { &plain };
                let question = Question::new(self.ring);
                let signed = timeout(AGENT_MAX, agent.sign_request(identity, hash, to_sign)).await;
                drop(question);
                match signed {
                    Ok(Ok(signed)) => Ok(signed),
                    Ok(Err(error)) => Err(format!("the agent did not sign: {error}")),
                    Err(_) => Err("the agent does not answer".to_owned()),
                }
            }
        }
    }
}

/// `data` with the signature over it behind, as the protocol wants it.
#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
fn sign_with(
    key: &PrivateKey,
    hash: Option<HashAlg>,
    mut data: Vec<u8>,
) -> Result<Vec<u8>, String> {
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) => (pair, hash).try_sign(&data),
        other => other.try_sign(&data),
    }
    .map_err(|error| error.to_string())?;
    let mut blob = Vec::new();
    signature.encode(&mut blob).map_err(|error| error.to_string())?;
    blob.encode(&mut data).map_err(|error| error.to_string())?;
    Ok(data)
}
