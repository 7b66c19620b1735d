//! The fleet: starts the hosts, tells where they are, ends them.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::fault::{Fault, PlannedFault};
use super::host::{Host, Shared};
use super::web::split_url;
use super::world::{Snapshot, World};
use super::{server, web};
use crate::base::HostId;

/// The world is looked after this often, so that it goes on when nobody asks.
const TICK: Duration = Duration::from_millis(200);

/// How a fleet is to be.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Decides all that is luck: the same seed gives the same night.
    pub seed: u64,
    /// The world's time, and with it every command, runs so many times faster. At least 1.
    pub speed: u32,
    /// What goes wrong, and when.
    pub faults: Vec<PlannedFault>,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self { seed: 42, speed: 1, faults: Vec::new() }
    }
}

/// A host of the fleet, as a client finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PracticeHost {
    /// Its name.
    pub id: HostId,
    /// Where its SSH server listens: on loopback.
    pub addr: SocketAddr,
    /// Its host key's fingerprint, `SHA256:…`.
    pub hostkey: String,
}

/// A running fleet. It ends when it is dropped.
#[derive(Debug)]
pub struct Fleet {
    hosts: Vec<PracticeHost>,
    client_key: String,
    http: SocketAddr,
    shared: Arc<Shared>,
    known: BTreeMap<HostId, Arc<Host>>,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Starts an SSH server on loopback for each of `hosts`, and one HTTP server for the world.
    ///
    /// A host with a part in the world (`lb1`, `blue2`, `green1`, `db-old`, …) plays it; every
    /// other is a host with nothing but a shell. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the machine has no free port, or no randomness for keys.
    pub async fn start(hosts: &[HostId], options: FleetOptions) -> io::Result<Self> {
        let names: Vec<&str> = hosts.iter().map(HostId::as_str).collect();
        let world = World::new(options.seed, &names);
        let shared = Arc::new(Shared::new(world, options.speed));
        let client = new_key()?;
        let client_key = client.to_openssh(LineEnding::LF).map_err(io::Error::other)?.to_string();
        let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut fleet = Self {
            hosts: Vec::new(),
            client_key,
            http: web.local_addr()?,
            shared: Arc::clone(&shared),
            known: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        fleet.tasks.spawn(web::serve(web, Arc::clone(&shared)));
        for id in hosts {
            if fleet.known.contains_key(id) {
                continue;
            }
            let key = new_key()?;
            let hostkey = key.public_key().fingerprint(HashAlg::Sha256).to_string();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let addr = listener.local_addr()?;
            let host = Arc::new(Host::new(id.as_str(), Arc::clone(&shared)));
            let config = Arc::new(server::config(key));
            let serving =
                server::serve(listener, config, Arc::clone(&host), client.public_key().clone());
            fleet.tasks.spawn(serving);
            fleet.known.insert(id.clone(), host);
            fleet.hosts.push(PracticeHost { id: id.clone(), addr, hostkey });
        }
        fleet.look_after(options.faults);
        Ok(fleet)
    }

    /// Lets the world go on, and lets faults happen when their time has come.
    fn look_after(&mut self, mut faults: Vec<PlannedFault>) {
        faults.sort_by_key(|planned| planned.at);
        let (shared, known) = (Arc::clone(&self.shared), self.known.clone());
        self.tasks.spawn(async move {
            let mut faults = faults.into_iter().peekable();
            loop {
                let now = shared.elapsed();
                while let Some(planned) = faults.next_if(|planned| planned.at <= now) {
                    strike(&shared, &known, planned.fault);
                }
                shared.world(|_| ());
                tokio::time::sleep(TICK).await;
            }
        });
    }

    /// The hosts, in the order in which they were asked for.
    pub fn hosts(&self) -> &[PracticeHost] {
        &self.hosts
    }

    /// The private key that every host accepts, for every user, in OpenSSH's format. It exists
    /// only in memory and only for this fleet.
    pub fn client_key(&self) -> &str {
        &self.client_key
    }

    /// Where the world's HTTP server listens: on loopback.
    pub const fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// The loopback address of a URL that leads to a host of the fleet: `http://green1/health`
    /// and `http://green1.practice:8080/health` become `http://127.0.0.1:PORT/green1/health`.
    /// `None` for every other URL.
    pub fn rewrite(&self, url: &str) -> Option<String> {
        let (host, path) = split_url(url)?;
        let known = self.shared.world(|world| world.has(host));
        known.then(|| format!("http://{}/{host}{path}", self.http))
    }

    /// Lets something go wrong now.
    pub fn inject(&self, fault: Fault) {
        strike(&self.shared, &self.known, fault);
    }

    /// The world as it is now.
    pub fn world(&self) -> Snapshot {
        self.shared.world(|world| world.snapshot())
    }

    /// Ends the fleet: all connections break, all commands end.
    pub async fn shutdown(mut self) {
        self.shared.end.cancel();
        self.tasks.shutdown().await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.end.cancel();
    }
}

fn strike(shared: &Shared, known: &BTreeMap<HostId, Arc<Host>>, fault: Fault) {
    match &fault {
        Fault::HostDown { host } => {
            if let Some(host) = known.get(host) {
                host.switch.set(false);
            }
        }
        Fault::HostUp { host } => {
            if let Some(host) = known.get(host) {
                host.switch.set(true);
            }
        }
        Fault::LinkCut { host } => {
            if let Some(host) = known.get(host) {
                host.switch.cut();
            }
        }
        Fault::Reboot { host, span } => {
            if let Some(host) = known.get(host) {
                host.reboot(*span);
            }
        }
        Fault::Clear => known.values().for_each(|host| host.switch.set(true)),
        Fault::FailNext { .. }
        | Fault::Slow { .. }
        | Fault::Silent { .. }
        | Fault::Noise { .. }
        | Fault::Unhealthy { .. }
        | Fault::BadRelease { .. }
        | Fault::Lag { .. } => {}
    }
    shared.inject(fault);
}

fn new_key() -> io::Result<PrivateKey> {
    let mut luck = russh::keys::key::safe_rng();
    PrivateKey::random(&mut luck, Algorithm::Ed25519).map_err(io::Error::other)
}
