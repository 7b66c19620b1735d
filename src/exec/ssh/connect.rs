//! One connection: the way to the host, the handshake, the judgement of its key, the login.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use russh::client::{Config, DisconnectReason, Handle, Handler, Session};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Names, Preferred, cipher, kex};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::auth::{self, KeyRing};
use super::config::{Proxy, Settings};
use super::error::{Budget, KeySwap, KeyTrouble, SshError, words};
use super::host::Options;
use super::known_hosts::{
    Expected, HostKey, KnownHostsFile, Offered, RecordedName, Verdict, expected, judge, line_for,
};
use super::transport::{self, Greeting, LastWords, Pulse, Stream, Tap};

/// Bytes that a server may send ahead on a channel. More was measured to be slower.
const WINDOW: u32 = 2 * 1024 * 1024;
/// Signs of life that may stay out: with the interval of 5 s a dead peer is noticed after 15 s.
const KEEPALIVES_LOST: usize = 2;
/// Handshakes that are tried anew when the server hangs up on us before anything was sent,
/// as `MaxStartups` does by lot.
const DROPPED_MAX: u32 = 6;
/// The first pause before such a new trial; each doubles, and luck adds up to its length.
const DROPPED_PAUSE: Duration = Duration::from_millis(100);

/// What was agreed with a host, to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Address and port.
    pub address: String,
    /// The account.
    pub user: String,
    /// The server's software, as it calls itself.
    pub server: String,
    /// Its key.
    pub host_key: HostKey,
    /// Whether a certificate vouched for the key.
    pub certified: bool,
    /// Key exchange.
    pub kex: String,
    /// Cipher.
    pub cipher: String,
    /// Message authentication from us; the AEAD ciphers need none.
    pub mac: String,
    /// The jump host that the connection goes through.
    pub via: Option<String>,
}

/// Whom an end of a connection is told.
pub(super) type OnEnd = Box<dyn FnOnce(&str) + Send>;

/// A logged-in connection.
pub(super) struct Connection {
    pub(super) handle: Handle<Client>,
    pub(super) peer: Arc<Peer>,
    /// Set once the host has proved on it which machine it is.
    pub(super) proved: OnceCell<()>,
    seen: Arc<Mutex<Seen>>,
    /// The connection that this one goes through lives as long.
    _via: Option<Arc<Self>>,
}

impl Connection {
    /// Why it ended, once it has.
    pub(super) fn end(&self) -> Option<String> {
        lock(&self.seen).end.clone()
    }

    /// It is gone: for whoever had something on it.
    pub(super) fn lost(&self, host: &str) -> SshError {
        let why = self.end().unwrap_or_else(|| "the connection was closed".to_owned());
        SshError::LinkLost { host: host.to_owned(), why }
    }

    /// Nobody said how something on it ended: it is gone, or the host kept that to itself.
    pub(super) fn no_status(&self, host: &str) -> SshError {
        if self.end().is_some() || self.handle.is_closed() {
            self.lost(host)
        } else {
            SshError::NoStatus { host: host.to_owned() }
        }
    }

    /// How long the host has given no sign of life.
    pub(super) fn quiet(&self) -> Duration {
        lock(&self.seen).pulse.quiet()
    }
}

/// What the handler saw of the other side.
#[derive(Default)]
struct Seen {
    key: Option<(HostKey, bool)>,
    names: Option<(String, String, String)>,
    end: Option<String>,
    on_end: Option<OnEnd>,
    pulse: Pulse,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that a connection is made of.
pub(super) struct Plan<'a> {
    pub(super) host: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) pin: Option<&'a str>,
    /// The key that the host is held to in this session.
    pub(super) held: Option<HostKey>,
    pub(super) options: &'a Options,
    pub(super) ring: &'a KeyRing,
    /// The connection to the last jump host, with its name.
    pub(super) via: Option<(&'a str, Arc<Connection>)>,
    /// Handshakes at once: everywhere, and through the jump host.
    pub(super) gates: Vec<Arc<Semaphore>>,
}

/// Address and port as shown in messages.
pub(super) fn shown(settings: &Settings) -> String {
    if settings.hostname.contains(':') {
        format!("[{}]:{}", settings.hostname, settings.port)
    } else {
        format!("{}:{}", settings.hostname, settings.port)
    }
}

/// Opens the connection and logs in.
pub(super) async fn open(plan: &Plan<'_>, on_end: OnEnd) -> Result<Connection, SshError> {
    let trust = Arc::new(Trust::read(plan).await?);
    let mut on_end = Some(on_end);
    let mut login_lost = false;
    loop {
        // The places are kept until after the login: `MaxStartups` counts up to there.
        let (mut handle, seen, server, _places) = shake_hands(plan, &trust).await?;
        let asked = plan.ring.asked();
        let address = shown(plan.settings);
        let login = auth::log_in(
            &mut handle,
            plan.settings,
            plan.options.agent,
            (plan.ring, &plan.options.budgets),
            (plan.host, &address),
        );
        if let Err(error) = login.await {
            // A person at a prompt may outlast the server's patience; the key is open now.
            if handle.is_closed() && plan.ring.asked() != asked && !login_lost {
                login_lost = true;
                continue;
            }
            return Err(error);
        }
        let peer = Arc::new(peer(plan, &seen, server));
        let via = plan.via.as_ref().map(|(_, connection)| Arc::clone(connection));
        let gone = {
            let mut seen = lock(&seen);
            if seen.end.is_none() {
                seen.on_end = on_end.take();
            }
            seen.end.clone()
        };
        if let (Some(end), Some(on_end)) = (gone, on_end.take()) {
            on_end(&end);
        }
        return Ok(Connection { handle, peer, proved: OnceCell::new(), seen, _via: via });
    }
}

fn peer(plan: &Plan<'_>, seen: &Mutex<Seen>, server: String) -> Peer {
    let seen = lock(seen);
    let unknown = || HostKey { algorithm: String::new(), fingerprint: String::new() };
    let (host_key, certified) = seen.key.clone().unwrap_or_else(|| (unknown(), false));
    let (kex, cipher, mac) = seen.names.clone().unwrap_or_default();
    Peer {
        address: shown(plan.settings),
        user: plan.settings.user.clone(),
        server,
        host_key,
        certified,
        kex,
        cipher,
        mac,
        via: plan.via.as_ref().map(|(name, _)| (*name).to_owned()),
    }
}

type Hands<'a> = (Handle<Client>, Arc<Mutex<Seen>>, String, Vec<SemaphorePermit<'a>>);

/// Greeting, key exchange, host key. Tries anew, with pauses, when the server hangs up before
/// it has shown a key: nothing has been sent then, and `MaxStartups` does so by lot.
async fn shake_hands<'a>(plan: &'a Plan<'_>, trust: &Arc<Trust>) -> Result<Hands<'a>, SshError> {
    let mut dropped = 0;
    let mut refused: Vec<Algorithm> = Vec::new();
    loop {
        let mut permits = Vec::new();
        for gate in &plan.gates {
            permits.extend(gate.acquire().await.ok());
        }
        let (stream, last_words) = dial(plan).await?;
        let (tap, greeting) = Tap::new(stream);
        let seen = Arc::new(Mutex::new(Seen { pulse: tap.pulse(), ..Seen::default() }));
        let client = Client { trust: Arc::clone(trust), seen: Arc::clone(&seen) };
        let config = Arc::new(config(plan.options, trust, &refused));
        let budget = plan.options.budgets.banner;
        let hands = russh::client::connect_stream(config, tap, client);
        let error = match timeout(budget, hands).await {
            Ok(Ok(handle)) => {
                let server = greeting.server().unwrap_or_default();
                return Ok((handle, seen, server, permits));
            }
            Ok(Err(error)) => error,
            Err(_) => {
                return Err(SshError::Timeout {
                    host: plan.host.to_owned(),
                    address: shown(plan.settings),
                    budget: Budget::Banner,
                    after: budget,
                });
            }
        };
        drop(permits);
        let shown_key = lock(&seen).key.clone();
        match error {
            // A pin names one key of several: ask for the server's keys of other kinds.
            ClientError::Refused(refusal)
                if trust.pin.is_some() && more_kinds(&mut refused, &seen) =>
            {
                tracing::debug!(host = plan.host, %refusal, "not the pinned key, asking for another kind");
                lock_first(trust, *refusal);
            }
            ClientError::Refused(refusal) => return Err(*refusal),
            ClientError::Russh(russh::Error::NoCommonAlgo { .. }) if !refused.is_empty() => {
                return Err(lock(&trust.first).take().unwrap_or_else(|| {
                    handshake(plan, "it has no key of the pinned kind".to_owned())
                }));
            }
            ClientError::Russh(error)
                if shown_key.is_none()
                    && is_drop(&error)
                    && greeting.hopeful()
                    && dropped < if last_words.is_some() { 1 } else { DROPPED_MAX } =>
            {
                tracing::debug!(host = plan.host, %error, dropped, "hung up before the greeting");
                sleep(pause(dropped)).await;
                dropped = dropped.saturating_add(1);
            }
            ClientError::Russh(error) => {
                return Err(handshake(plan, told(&error, &greeting, last_words.as_ref()).await));
            }
        }
    }
}

/// The first refusal is the one to tell when no other kind of key helps.
fn lock_first(trust: &Trust, refusal: SshError) {
    lock(&trust.first).get_or_insert(refusal);
}

fn handshake(plan: &Plan<'_>, why: String) -> SshError {
    SshError::Handshake { host: plan.host.to_owned(), address: shown(plan.settings), why }
}

async fn told(error: &russh::Error, greeting: &Greeting, last_words: Option<&LastWords>) -> String {
    let mut why = words(&error.to_string());
    if let Some(server) = greeting.server() {
        why = format!("{why} (it said `{server}`)");
    } else if is_drop(error) {
        why = String::from(
            "it hung up without a greeting, several times (MaxStartups, a penalty, TCP wrappers?)",
        );
    }
    if let Some(last_words) = last_words
        && let Some(last) = last_words.text().await
    {
        why = format!("{why}; the ProxyCommand said `{last}`");
    }
    why
}

/// Notes the kind of key just refused; whether there are kinds left to ask for.
fn more_kinds(refused: &mut Vec<Algorithm>, seen: &Mutex<Seen>) -> bool {
    let Some((key, _)) = lock(seen).key.clone() else { return false };
    let kinds: Vec<Algorithm> =
        all_kinds().into_iter().filter(|kind| plain_name(kind) == key.algorithm).collect();
    let new = kinds.iter().any(|kind| !refused.contains(kind));
    refused.extend(kinds);
    new && refused.len() < all_kinds().len()
}

/// The name of a kind as a key has it, whatever hash it signs with.
#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
fn plain_name(kind: &Algorithm) -> String {
    match kind {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.to_string(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "not our enum")]
fn is_drop(error: &russh::Error) -> bool {
    match error {
        russh::Error::Disconnect | russh::Error::HUP => true,
        russh::Error::IO(error) => matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
        ),
        _ => false,
    }
}

/// Exponential, with up to as much again by luck, so that a fan-out does not march in step.
fn pause(dropped: u32) -> Duration {
    use std::hash::{BuildHasher as _, Hasher as _};
    let base = DROPPED_PAUSE.saturating_mul(1 << dropped.min(5));
    let luck = std::hash::RandomState::new().build_hasher().finish() % 1_000;
    base.saturating_add(base.saturating_mul(u32::try_from(luck).unwrap_or(0)) / 1_000)
}

async fn dial(plan: &Plan<'_>) -> Result<(Box<dyn Stream>, Option<LastWords>), SshError> {
    let budget = plan.settings.connect.unwrap_or(plan.options.budgets.connect);
    if let Some((name, hop)) = &plan.via {
        let to = plan.settings;
        let refuse = |why: String| SshError::Proxy {
            host: plan.host.to_owned(),
            via: format!("jump host `{name}`"),
            why: format!("{} from there: {why}", shown(to)),
        };
        let open = hop.handle.channel_open_direct_tcpip(
            to.hostname.clone(),
            u32::from(to.port),
            "127.0.0.1",
            0,
        );
        let channel = match timeout(budget, open).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(refuse(words(&error.to_string()))),
            Err(_) => {
                return Err(SshError::Timeout {
                    host: plan.host.to_owned(),
                    address: format!("{} through `{name}`", shown(to)),
                    budget: Budget::Connect,
                    after: budget,
                });
            }
        };
        return Ok((Box::new(channel.into_stream()), None));
    }
    match &plan.settings.proxy {
        Proxy::Command(line) => {
            let (stream, last_words) = transport::command(line, plan.host)?;
            Ok((stream, Some(last_words)))
        }
        // Jumps are `via`; an empty chain is none.
        Proxy::Direct | Proxy::Jump(_) => {
            Ok((transport::tcp(plan.settings, plan.host, budget).await?, None))
        }
    }
}

fn all_kinds() -> Vec<Algorithm> {
    let curve = |curve| Algorithm::Ecdsa { curve };
    let rsa = |hash| Algorithm::Rsa { hash: Some(hash) };
    vec![
        Algorithm::Ed25519,
        curve(EcdsaCurve::NistP256),
        curve(EcdsaCurve::NistP384),
        curve(EcdsaCurve::NistP521),
        rsa(HashAlg::Sha512),
        rsa(HashAlg::Sha256),
    ]
}

fn config(options: &Options, trust: &Trust, refused: &[Algorithm]) -> Config {
    // Recorded kinds first: a host with only an RSA line must be asked for its RSA key.
    let mut kinds = all_kinds();
    kinds.retain(|kind| !refused.contains(kind));
    let recorded: Vec<String> = trust.expected.algorithms.iter().map(plain_name).collect();
    kinds.sort_by_key(|kind| !recorded.contains(&plain_name(kind)));
    // Before these, the kind that the host is held to: a second key of its own is no swap.
    if let Some(held) = &trust.held {
        kinds.sort_by_key(|kind| plain_name(kind) != held.algorithm);
    }
    let certificates = if trust.expected.certificates { all_kinds() } else { Vec::new() };
    Config {
        window_size: WINDOW,
        keepalive_interval: Some(options.keepalive),
        keepalive_max: KEEPALIVES_LOST,
        nodelay: true,
        preferred: Preferred {
            kex: vec![
                kex::MLKEM768X25519_SHA256,
                kex::CURVE25519,
                kex::CURVE25519_PRE_RFC_8731,
                kex::ECDH_SHA2_NISTP256,
                kex::ECDH_SHA2_NISTP384,
                kex::ECDH_SHA2_NISTP521,
                kex::DH_GEX_SHA256,
                kex::DH_G16_SHA512,
                kex::DH_G18_SHA512,
                kex::DH_G14_SHA256,
                kex::EXTENSION_SUPPORT_AS_CLIENT,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ]
            .into(),
            key: kinds.into(),
            host_key_certificates: certificates.into(),
            cipher: vec![
                cipher::AES_256_GCM,
                cipher::AES_128_GCM,
                cipher::CHACHA20_POLY1305,
                cipher::AES_256_CTR,
                cipher::AES_192_CTR,
                cipher::AES_128_CTR,
            ]
            .into(),
            compression: vec![russh::compression::NONE].into(),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}

/// What a host's key is judged by.
struct Trust {
    host: String,
    address: String,
    name: RecordedName,
    files: Vec<KnownHostsFile>,
    /// The file for new lines.
    user_file: String,
    pin: Option<String>,
    held: Option<HostKey>,
    expected: Expected,
    first: Mutex<Option<SshError>>,
}

impl Trust {
    async fn read(plan: &Plan<'_>) -> Result<Self, SshError> {
        let settings = plan.settings;
        let paths = plan.options.known_hosts.as_ref().unwrap_or(&settings.known_hosts);
        let mut files = Vec::new();
        for path in paths {
            match tokio::fs::read(path).await {
                Ok(bytes) => files.push(KnownHostsFile {
                    path: path.display().to_string(),
                    text: String::from_utf8_lossy(&bytes).into_owned(),
                }),
                // A file that does not exist holds nothing; one that cannot be read might.
                Err(error) if error.kind() == io::ErrorKind::NotFound => (),
                Err(error) => {
                    return Err(SshError::KnownHosts {
                        host: plan.host.to_owned(),
                        file: path.display().to_string(),
                        why: error.to_string(),
                    });
                }
            }
        }
        let name = match &settings.host_key_alias {
            Some(alias) => RecordedName::alias(alias),
            None => RecordedName::new(&settings.hostname, settings.port),
        };
        let expected = expected(&files, &name, plan.pin);
        Ok(Self {
            host: plan.host.to_owned(),
            address: shown(settings),
            user_file: paths.first().map(|p| p.display().to_string()).unwrap_or_default(),
            pin: plan.pin.map(str::to_owned),
            held: plan.held.clone(),
            first: Mutex::new(None),
            name,
            files,
            expected,
        })
    }

    /// Judges a key by what is recorded, and holds the host to the one from the session's start:
    /// another one is refused even where `known_hosts` would take it.
    fn check(&self, offered: Offered<'_>, key: &PublicKey) -> Result<(), SshError> {
        let judged = self.check_records(offered, key);
        let shown = HostKey::of(key);
        match &self.held {
            Some(held)
                if held.fingerprint != shown.fingerprint
                    && !matches!(judged, Err(SshError::HostKeyRevoked(_))) =>
            {
                let (host, address) = (self.host.clone(), self.address.clone());
                let swap = KeySwap { host, address, held: held.clone(), shown };
                Err(SshError::HostKeySwapped(Box::new(swap)))
            }
            Some(_) | None => judged,
        }
    }

    fn check_records(&self, offered: Offered<'_>, key: &PublicKey) -> Result<(), SshError> {
        let trouble = |records| {
            Box::new(KeyTrouble {
                host: self.host.clone(),
                address: self.address.clone(),
                offered: HostKey::of(key),
                records,
                line: line_for(&self.name, key),
                file: self.user_file.clone(),
            })
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let verdict = judge(&self.files, &self.name, offered, now.map_or(0, |d| d.as_secs()));
        match (verdict, &self.pin) {
            // A pin overrides what is recorded, not what is revoked.
            (Verdict::Revoked(record), _) => Err(SshError::HostKeyRevoked(trouble(vec![record]))),
            (_, Some(pin)) if HostKey::of(key).fingerprint == *pin => Ok(()),
            (_, Some(_)) => Err(SshError::HostKeyChanged(trouble(Vec::new()))),
            (Verdict::Known(_), None) => Ok(()),
            (Verdict::Unknown, None) => Err(SshError::HostKeyUnknown(trouble(Vec::new()))),
            (Verdict::Changed(records), None) => Err(SshError::HostKeyChanged(trouble(records))),
        }
    }
}

/// Our side of the protocol's callbacks.
pub(super) struct Client {
    trust: Arc<Trust>,
    seen: Arc<Mutex<Seen>>,
}

/// What ends a connection from our side.
#[derive(Debug)]
pub(super) enum ClientError {
    Russh(russh::Error),
    /// The host key, or what was agreed, is not acceptable.
    Refused(Box<SshError>),
}

impl From<russh::Error> for ClientError {
    fn from(error: russh::Error) -> Self {
        Self::Russh(error)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Russh(error) => error.fmt(f),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl Handler for Client {
    type Error = ClientError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, ClientError> {
        let key = shown.public_key();
        let certificate = shown.certificate();
        lock(&self.seen).key = Some((HostKey::of(&key), certificate.is_some()));
        let offered = certificate.map_or(Offered::Key(&key), Offered::Certificate);
        self.trust
            .check(offered, &key)
            .map(|()| true)
            .map_err(|refusal| ClientError::Refused(Box::new(refusal)))
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        names: &Names,
        _session: &mut Session,
    ) -> Result<(), ClientError> {
        let text = |name: &str| name.to_owned();
        lock(&self.seen).names = Some((
            text(names.kex.as_ref()),
            text(names.cipher.as_ref()),
            text(names.client_mac.as_ref()),
        ));
        if names.cipher == cipher::CHACHA20_POLY1305 && !names.strict_kex() {
            let why = "it agrees on chacha20-poly1305 without strict key exchange (the Terrapin weakness): update its sshd".to_owned();
            let (host, address) = (self.trust.host.clone(), self.trust.address.clone());
            return Err(ClientError::Refused(Box::new(SshError::Handshake { host, address, why })));
        }
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<ClientError>,
    ) -> Result<(), ClientError> {
        let (end, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the server said goodbye: {}", words(&info.message)), Ok(()))
            }
            DisconnectReason::Error(ClientError::Russh(russh::Error::KeepaliveTimeout)) => {
                let why = "no sign of life from it: the host, its network or its sshd is dead";
                (why.to_owned(), Err(ClientError::Russh(russh::Error::KeepaliveTimeout)))
            }
            DisconnectReason::Error(error) => (words(&error.to_string()), Err(error)),
        };
        let on_end = {
            let mut seen = lock(&self.seen);
            seen.end.get_or_insert_with(|| end.clone());
            seen.on_end.take()
        };
        if let Some(on_end) = on_end {
            on_end(&end);
        }
        result
    }
}
