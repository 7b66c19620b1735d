//! The hosts of a run, each with one warm connection that all its sessions share.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use russh::client::Msg;
use russh::{Channel, Disconnect};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep, timeout};

use super::auth::KeyRing;
use super::channel::{NoChannel, Session, open_channel};
use super::config::{self, Proxy, Query, expand_home, parse_hop};
use super::connect::{self, Connection, OnEnd, Peer, Plan};
use super::error::{Budget, ErrorKind, SshError};
use super::host::{HostSpec, Options, SESSIONS_MAX, SecretKey};
use super::known_hosts::HostKey;
use super::lookup::Lookups;
use super::prove::{self, Unproved};
use super::ready::Ready;
use super::run::{Command, Flight, Output, RunEnd, StopSignal};
use super::shell::{Group, Survivor};
use super::stop::{self, Proof};
use crate::base::{HostId, Timestamp};
use crate::runbook::HostProof;

/// Handshakes at once through one jump host: stock sshd drops some beyond 10 (`MaxStartups`).
const HANDSHAKES_PER_HOP: usize = 8;
/// Handshakes at once altogether.
const HANDSHAKES: usize = 32;
/// Nobody waits longer for a connection that somebody else is opening: its budgets are shorter.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Link changes that a slow listener may fall behind.
const CHANGES_KEPT: usize = 1_024;
/// Pause before a refused session is asked for again; the server may be just closing one.
const REFUSED_PAUSE: Duration = Duration::from_millis(25);

/// The state of the link to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Not asked for yet.
    Idle,
    /// Being opened.
    Connecting,
    /// Open and logged in.
    Up {
        /// Since when.
        since: Timestamp,
        /// Whom we speak with, and how.
        peer: Arc<Peer>,
    },
    /// It could not be opened, or it died. The next command opens it anew.
    Down {
        /// Why.
        reason: String,
        /// The key that it showed, where that is not the one that it is held to.
        other_key: Option<HostKey>,
    },
}

/// The link of a host has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkChange {
    /// Whose.
    pub host: HostId,
    /// What it is now.
    pub state: LinkState,
}

/// Hosts and their connections. Cheap to clone; all clones share everything.
#[derive(Clone)]
pub struct Pool(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) options: Options,
    ring: KeyRing,
    lookups: Lookups,
    hosts: BTreeMap<HostId, Arc<Slot>>,
    /// Jump hosts that are no hosts of the inventory, by the way to them.
    hops: Mutex<BTreeMap<String, Arc<Slot>>>,
    handshakes: Arc<Semaphore>,
    changes: broadcast::Sender<LinkChange>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("hosts", &self.0.hosts.keys()).finish_non_exhaustive()
    }
}

/// What is known of a host before it is looked up.
#[derive(Clone, Debug)]
struct Node {
    query: Query,
    jump: Vec<String>,
    identity: Option<std::path::PathBuf>,
    pin: Option<String>,
    proof: Option<HostProof>,
}

/// A host's place in the pool.
pub(super) struct Slot {
    id: Option<HostId>,
    node: Node,
    pub(super) phase: Mutex<Phase>,
    /// The key of its first connection; every other one has to show the same.
    pub(super) held: Mutex<Option<HostKey>>,
    view: watch::Sender<LinkState>,
    /// Places for sessions.
    pub(super) sessions: Arc<Semaphore>,
    /// How many there are; fewer after the server has shown that it allows fewer.
    pub(super) places: Mutex<usize>,
    /// The call that waits for the next step.
    pub(super) ready: Ready,
    /// Handshakes through this host.
    handshakes: Arc<Semaphore>,
}

pub(super) type Opened = Result<Arc<Connection>, SshError>;

pub(super) enum Phase {
    Idle,
    Opening(watch::Receiver<Option<Opened>>),
    Up(Arc<Connection>),
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    fn new(id: Option<HostId>, node: Node, places: usize) -> Arc<Self> {
        let places = places.clamp(1, SESSIONS_MAX);
        Arc::new(Self {
            id,
            node,
            phase: Mutex::new(Phase::Idle),
            held: Mutex::default(),
            view: watch::Sender::new(LinkState::Idle),
            sessions: Arc::new(Semaphore::new(places)),
            places: Mutex::new(places),
            ready: Ready::default(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_PER_HOP)),
        })
    }

    /// What the inventory asks this host to prove.
    pub(super) fn proof(&self) -> Option<&HostProof> {
        self.node.proof.as_ref()
    }

    /// Its name for messages.
    pub(super) fn name(&self) -> &str {
        &self.node.query.host
    }

    /// Gives up the place of `permit` for good, if somebody else holds one: the server allows
    /// fewer sessions than we thought. The first refusal may be of a session that the server is
    /// just closing.
    fn shrink(&self, permit: OwnedSemaphorePermit, refused: u32) -> Option<OwnedSemaphorePermit> {
        let mut places = lock(&self.places);
        let used = places.saturating_sub(self.sessions.available_permits());
        if used <= 1 || refused <= 1 {
            return Some(permit);
        }
        *places = places.saturating_sub(1);
        permit.forget();
        None
    }
}

impl Pool {
    /// A pool of `hosts`. Nothing is opened yet.
    pub fn new(hosts: Vec<HostSpec>, options: Options) -> Self {
        let slot = |spec: HostSpec| {
            let node = Node {
                query: Query {
                    host: spec.id.to_string(),
                    address: spec.address,
                    port: spec.port,
                    user: spec.user,
                },
                jump: spec.jump,
                identity: spec.identity,
                pin: spec.hostkey,
                proof: spec.proof,
            };
            (spec.id.clone(), Slot::new(Some(spec.id), node, spec.max_concurrent))
        };
        let extra = options.extra_keys.iter().map(SecretKey::key).collect();
        Self(Arc::new(Inner {
            ring: KeyRing::new(extra, Arc::clone(&options.prompt)),
            lookups: Lookups::default(),
            hosts: hosts.into_iter().map(slot).collect(),
            hops: Mutex::default(),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            options,
        }))
    }

    /// Opens the connection in the background, if it is not open. Needs a tokio runtime.
    pub fn warm(&self, host: &HostId) {
        if let Some(slot) = self.0.hosts.get(host) {
            let (pool, slot) = (self.clone(), Arc::clone(slot));
            // What comes of it shows in the link's state.
            tokio::spawn(async move { pool.acquire(&slot, Vec::new()).await.ok() });
        }
    }

    /// Opens the connection and waits for it.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self, host: &HostId) -> Result<Arc<Peer>, SshError> {
        let slot = self.slot(host)?;
        let connection = self.acquire(&slot, Vec::new()).await?;
        Ok(Arc::clone(&connection.peer))
    }

    /// The state of the link to `host`; [`LinkState::Idle`] for an unknown one.
    pub fn link(&self, host: &HostId) -> LinkState {
        self.0.hosts.get(host).map_or(LinkState::Idle, |slot| slot.view.borrow().clone())
    }

    /// Every change of every link from now on.
    pub fn changes(&self) -> broadcast::Receiver<LinkChange> {
        self.0.changes.subscribe()
    }

    /// Runs `command` on `host` and hands its output to `output` as it comes. Returns when the
    /// channel has ended, which is when the last process that holds the step's outputs has let
    /// go of them.
    ///
    /// The command has a task of its own: dropping this future stops neither the command nor
    /// the taking of its output.
    pub async fn run(
        &self,
        host: &HostId,
        command: Command,
        output: Box<dyn Output>,
        mut signal: StopSignal,
    ) -> RunEnd {
        let name = host.to_string();
        let slot = match self.slot(host) {
            Ok(slot) => slot,
            Err(why) => return RunEnd::NotStarted { why },
        };
        if signal.grace().is_some() {
            return RunEnd::NotStarted { why: SshError::StoppedBefore { host: name } };
        }
        let opened = tokio::select! {
            opened = self.session(&slot, command.prove) => opened,
            _ = signal.asked() => Err(SshError::StoppedBefore { host: name }),
        };
        let (session, channel) = match opened {
            Ok(opened) => opened,
            Err(why) => return RunEnd::NotStarted { why },
        };
        Flight::apart(self.clone(), (session, channel), command, output, signal).await
    }

    /// Who lives in a process group of `host`: for commands that were lost.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub async fn living(&self, host: &HostId, group: Group) -> Result<Vec<Survivor>, SshError> {
        let slot = self.slot(host)?;
        stop::look(self, &slot, group, None, None).await
    }

    /// Stops a process group of `host`, as a running command is stopped: for lost ones.
    pub async fn stop_group(
        &self,
        host: &HostId,
        group: Group,
        grace: Duration,
        become_prefix: Option<String>,
    ) -> Proof {
        match self.slot(host) {
            Ok(slot) => {
                stop::stop(self, &slot, group, grace, StopSignal::never(), become_prefix).await
            }
            Err(error) => Proof::unknown(&error.to_string()),
        }
    }

    /// Says goodbye on every open connection. Commands that run are lost, not stopped.
    pub async fn close(&self) {
        let hops: Vec<Arc<Slot>> = lock(&self.0.hops).values().cloned().collect();
        for slot in self.0.hosts.values().cloned().chain(hops) {
            slot.ready.let_go();
            let phase = std::mem::replace(&mut *lock(&slot.phase), Phase::Idle);
            if let Phase::Up(connection) = phase {
                connection.handle.disconnect(Disconnect::ByApplication, "done", "").await.ok();
            }
        }
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.0.hosts.values()
    }

    /// What hosts have in common that are lost together: the way to them.
    pub(in crate::exec) fn way(&self, host: &HostId) -> String {
        self.0.hosts.get(host).map(|slot| slot.node.jump.join(",")).unwrap_or_default()
    }

    pub(super) fn slot(&self, host: &HostId) -> Result<Arc<Slot>, SshError> {
        let found = self.0.hosts.get(host).map(Arc::clone);
        found.ok_or_else(|| SshError::NoSuchHost { host: host.to_string() })
    }

    /// A place and an open channel in it. Nothing has been sent when this fails.
    ///
    /// With `prove`, the host has proved on this very connection which machine it is, if its
    /// inventory asks for that.
    pub(super) async fn session(
        &self,
        slot: &Arc<Slot>,
        prove: bool,
    ) -> Result<(Session, Channel<Msg>), SshError> {
        let budget = self.0.options.budgets.open;
        let host = || slot.name().to_owned();
        let closed = || SshError::LinkLost { host: host(), why: "the pool is closed".to_owned() };
        let place = || {
            if slot.sessions.available_permits() == 0 {
                slot.ready.let_go();
            }
            Arc::clone(&slot.sessions).acquire_owned()
        };
        let mut permit = place().await.map_err(|_| closed())?;
        let mut deadline = Instant::now() + budget;
        let (mut dead, mut refused) = (false, 0_u32);
        loop {
            let connection = self.acquire(slot, Vec::new()).await?;
            let proof = slot.proof().filter(|_| prove);
            let opened = match prove::once(&connection, slot.name(), proof, budget).await {
                Ok(()) => open_channel(&connection, budget).await,
                Err(Unproved::NoChannel(why)) => Err(why),
                Err(Unproved::Not(error)) => return Err(error),
            };
            match opened {
                Ok(channel) => {
                    return Ok((Session::new(slot, &connection, permit), channel));
                }
                Err(NoChannel::Slow) => {
                    return Err(SshError::Timeout {
                        host: host(),
                        address: connection.peer.address.clone(),
                        budget: Budget::Open,
                        after: budget,
                    });
                }
                // It died under us; nothing was sent, so one fresh connection may be tried.
                Err(NoChannel::Dead(why)) if dead => {
                    return Err(SshError::LinkLost { host: host(), why });
                }
                Err(NoChannel::Dead(_)) => dead = true,
                Err(NoChannel::Refused(why)) if Instant::now() > deadline => {
                    return Err(SshError::NoSession { host: host(), why });
                }
                Err(NoChannel::Refused(_)) => {
                    slot.ready.no_more();
                    refused = refused.saturating_add(1);
                    sleep(REFUSED_PAUSE * refused.min(10)).await;
                    permit = match slot.shrink(permit, refused) {
                        Some(permit) => permit,
                        None => place().await.map_err(|_| closed())?,
                    };
                    deadline = deadline.max(Instant::now() + budget / 2);
                }
            }
        }
    }

    /// How long a channel may take to open.
    pub(super) fn open_budget(&self) -> Duration {
        self.0.options.budgets.open
    }

    /// The keys that the pool has opened.
    pub(super) fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// A channel for stopping and looking, beside the places: on the shared connection, or on
    /// one of its own when that is full.
    pub(super) async fn control_channel(
        &self,
        slot: &Arc<Slot>,
    ) -> Result<(Arc<Connection>, Channel<Msg>), SshError> {
        let budget = self.0.options.budgets.open;
        let connection = self.acquire(slot, Vec::new()).await?;
        if let Ok(channel) = open_channel(&connection, budget).await {
            return Ok((connection, channel));
        }
        let fresh = self.clone().establish(Arc::clone(slot), Vec::new(), Box::new(|_| ())).await?;
        let fresh = Arc::new(fresh);
        let host = slot.name().to_owned();
        match open_channel(&fresh, budget).await {
            Ok(channel) => Ok((fresh, channel)),
            Err(NoChannel::Refused(why)) => Err(SshError::NoSession { host, why }),
            Err(NoChannel::Dead(why)) => Err(SshError::LinkLost { host, why }),
            Err(NoChannel::Slow) => Err(SshError::Timeout {
                host,
                address: fresh.peer.address.clone(),
                budget: Budget::Open,
                after: budget,
            }),
        }
    }

    /// The connection of `slot`, opened if need be; those who come meanwhile wait for the same
    /// one. `trail`: the hosts that wait for it to go through it.
    async fn acquire(&self, slot: &Arc<Slot>, trail: Vec<String>) -> Opened {
        if trail.iter().any(|name| name == slot.name()) {
            let host = slot.name().to_owned();
            let why = format!("its jump hosts form a ring: {}", trail.join(", "));
            return Err(SshError::Config { host, why });
        }
        let mut outcome = {
            let mut phase = lock(&slot.phase);
            match &*phase {
                Phase::Up(connection) if !connection.handle.is_closed() => {
                    return Ok(Arc::clone(connection));
                }
                Phase::Opening(outcome) if outcome.has_changed().is_ok() => outcome.clone(),
                Phase::Idle | Phase::Opening(_) | Phase::Up(_) => {
                    let (tell, outcome) = watch::channel(None);
                    *phase = Phase::Opening(outcome.clone());
                    self.show(slot, LinkState::Connecting);
                    tokio::spawn(self.clone().open(Arc::clone(slot), trail, tell));
                    outcome
                }
            }
        };
        let lost =
            |why: &str| SshError::LinkLost { host: slot.name().to_owned(), why: why.to_owned() };
        let opened = match timeout(WAIT_MAX, outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => None,
            Err(_) => return Err(lost("nobody could open it in time")),
        };
        opened.unwrap_or_else(|| Err(lost("the task that opened it ended")))
    }

    /// Opens the connection of `slot` and tells all who wait.
    async fn open(self, slot: Arc<Slot>, trail: Vec<String>, tell: watch::Sender<Option<Opened>>) {
        let on_end = self.on_end(&slot);
        let opened = self.clone().establish(Arc::clone(&slot), trail, on_end).await.map(Arc::new);
        let (phase, view) = match &opened {
            Ok(connection) => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let millis =
                    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                let since = Timestamp::from_unix_millis(millis);
                let peer = Arc::clone(&connection.peer);
                let up = if let Some(reason) = connection.end() {
                    LinkState::Down { reason, other_key: None }
                } else {
                    LinkState::Up { since, peer }
                };
                (Phase::Up(Arc::clone(connection)), up)
            }
            Err(error) => {
                let reason = error.to_string();
                let other_key = if let SshError::HostKeySwapped(swap) = error {
                    (swap.host == slot.name()).then(|| swap.shown.clone())
                } else {
                    None
                };
                (Phase::Idle, LinkState::Down { reason, other_key })
            }
        };
        *lock(&slot.phase) = phase;
        self.show(&slot, view);
        tell.send_replace(Some(opened));
    }

    /// Opens the connection anew; what comes of it shows in the link's state.
    pub(super) async fn acquire_again(&self, slot: &Arc<Slot>) {
        self.acquire(slot, Vec::new()).await.ok();
    }

    fn on_end(&self, slot: &Arc<Slot>) -> OnEnd {
        let (pool, slot): (Weak<Inner>, Weak<Slot>) =
            (Arc::downgrade(&self.0), Arc::downgrade(slot));
        Box::new(move |reason| {
            if let (Some(pool), Some(slot)) = (pool.upgrade(), slot.upgrade()) {
                Self(pool)
                    .show(&slot, LinkState::Down { reason: reason.to_owned(), other_key: None });
            }
        })
    }

    fn show(&self, slot: &Slot, state: LinkState) {
        tracing::debug!(host = slot.name(), ?state, "link");
        slot.view.send_replace(state.clone());
        if let Some(host) = slot.id.clone() {
            // Nobody may be listening.
            self.0.changes.send(LinkChange { host, state }).ok();
        }
    }

    /// Looks the host up, goes through its jump hosts, and opens a connection of its own.
    fn establish(
        self,
        slot: Arc<Slot>,
        mut trail: Vec<String>,
        on_end: OnEnd,
    ) -> Pin<Box<dyn Future<Output = Result<Connection, SshError>> + Send>> {
        // Boxed: a jump host is opened the same way, from within.
        Box::pin(async move {
            let node = &slot.node;
            let options = &self.0.options;
            let mut settings = self.0.lookups.settings(&options.config, &node.query).await?;
            if let Some(identity) = &node.identity {
                settings.identities.insert(0, identity_file(node, identity)?);
            }
            let (hops, by_id) = match (&node.jump[..], &settings.proxy) {
                ([], Proxy::Jump(hops)) => (hops.clone(), false),
                ([], Proxy::Direct | Proxy::Command(_)) => (Vec::new(), false),
                (hops, _) => (hops.to_vec(), true),
            };
            let mut gates = vec![Arc::clone(&self.0.handshakes)];
            let via = match hops.split_last() {
                None => None,
                Some((last, before)) => {
                    let hop = self.hop(last, before, by_id);
                    trail.push(slot.name().to_owned());
                    let connection = self
                        .acquire(&hop, trail)
                        .await
                        .map_err(|error| through(node, last, error))?;
                    gates.push(Arc::clone(&hop.handshakes));
                    Some((last.as_str(), connection))
                }
            };
            let plan = Plan {
                host: slot.name(),
                settings: &settings,
                pin: node.pin.as_deref(),
                held: lock(&slot.held).clone(),
                options,
                ring: &self.0.ring,
                via,
                gates,
            };
            let connection = connect::open(&plan, on_end).await?;
            lock(&slot.held).get_or_insert_with(|| connection.peer.host_key.clone());
            Ok(connection)
        })
    }

    /// The place of the jump host `name`, reached through those `before` it.
    fn hop(&self, name: &str, before: &[String], by_id: bool) -> Arc<Slot> {
        let known = name.parse().ok().filter(|_| by_id);
        let known = known.and_then(|id: HostId| self.0.hosts.get(&id));
        if let Some(slot) = known
            && (before.is_empty() || slot.node.jump == before)
        {
            return Arc::clone(slot);
        }
        let way = format!("{by_id} {} {name}", before.join(","));
        let make = || {
            let mut node = known.map_or_else(
                || Node {
                    query: parse_hop(name),
                    jump: Vec::new(),
                    identity: None,
                    pin: None,
                    proof: None,
                },
                |slot| slot.node.clone(),
            );
            node.jump = before.to_vec();
            Slot::new(None, node, SESSIONS_MAX)
        };
        Arc::clone(lock(&self.0.hops).entry(way).or_insert_with(make))
    }
}

/// The error of a jump host, told of the host behind it.
fn through(node: &Node, hop: &str, error: SshError) -> SshError {
    match error.kind() {
        // These name the jump host, and the remedy is there.
        ErrorKind::HostKey | ErrorKind::Auth | ErrorKind::Other => error,
        ErrorKind::Unreachable => SshError::Proxy {
            host: node.query.host.clone(),
            via: format!("jump host `{hop}`"),
            why: error.to_string(),
        },
    }
}

/// The identity of a host, which unlike a default must exist.
fn identity_file(node: &Node, path: &std::path::Path) -> Result<std::path::PathBuf, SshError> {
    let path = expand_home(&path.to_string_lossy(), &config::home());
    let mut public = path.clone().into_os_string();
    public.push(".pub");
    if path.exists() || std::path::Path::new(&public).exists() {
        return Ok(path);
    }
    let why = format!("`identity` {} does not exist", path.display());
    Err(SshError::Config { host: node.query.host.clone(), why })
}
