//! The small living world behind the practice hosts.
//!
//! Pure: a seed and the time, passed in, decide everything. Services start and stop, balancers
//! share customers out, latency and failures follow, orders become rows in a database, a second
//! database follows the first. All numbers are whole, so that the same night comes out the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Millis;

mod data;
mod dice;
mod machine;
mod traffic;
mod web;

pub(super) use data::TABLES;
pub(super) use machine::{Colour, Service};
pub use machine::{OLD_RELEASE, ServiceState};
pub use traffic::Metrics;

use dice::Dice;
use machine::{Balancer, Machine, Part, Releases};

/// The world moves in steps of this length.
const STEP: Millis = Millis::new(100);

/// A world that was not asked for so long (the laptop slept) catches up by this much at most.
const CATCH_UP_MAX: Millis = Millis::from_secs(600);

/// The hosts that the world always has.
pub const FLEET: [&str; 8] =
    ["lb1", "lb2", "blue1", "blue2", "green1", "green2", "db-old", "db-new"];

/// The world.
#[derive(Clone, Debug)]
pub(in crate::practice) struct World {
    now: Millis,
    dice: Dice,
    machines: BTreeMap<String, Machine>,
    /// The database that takes writes.
    primary: String,
    /// Grows whenever another database becomes primary.
    epoch: u32,
    smoothed: traffic::Smoothed,
    /// How much of the usual traffic there is, in thousandths.
    mood: u64,
    /// Thousandths of orders that wait for a primary that takes none.
    waiting: u64,
    sick: BTreeMap<String, u8>,
    bad_releases: BTreeMap<String, (u64, Millis)>,
    lag_fault: Millis,
}

/// The world at one moment, for tests and for the curious.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The weights of each balancer: blue, green.
    pub weights: BTreeMap<String, (u8, u8)>,
    /// The state of each service, as `HOST/SERVICE`.
    pub services: BTreeMap<String, ServiceState>,
    /// The release that each application host runs.
    pub versions: BTreeMap<String, String>,
    /// Rows, as `HOST/TABLE`.
    pub rows: BTreeMap<String, u64>,
    /// The database that takes writes.
    pub primary: String,
    /// What customers feel.
    pub metrics: Metrics,
}

impl World {
    /// The world before the cutover, with `more` hosts beside the usual ones.
    pub(in crate::practice) fn new(seed: u64, more: &[&str]) -> Self {
        let names: BTreeSet<&str> = FLEET.iter().chain(more).copied().collect();
        let mut world = Self {
            now: Millis::ZERO,
            dice: Dice::new(seed),
            machines: names.iter().map(|it| ((*it).to_owned(), Machine::new(it))).collect(),
            primary: "db-old".to_owned(),
            epoch: 1,
            smoothed: traffic::Smoothed::default(),
            mood: 1000,
            waiting: 0,
            sick: BTreeMap::new(),
            bad_releases: BTreeMap::new(),
            lag_fault: Millis::ZERO,
        };
        world.settle();
        world
    }

    /// Lets the world go on until `now`, counted from its beginning.
    pub(in crate::practice) fn advance(&mut self, now: Millis) {
        if now.minus(self.now) > CATCH_UP_MAX {
            self.now = now.minus(CATCH_UP_MAX);
        }
        while self.now.plus(STEP) <= now {
            self.now = self.now.plus(STEP);
            self.serve();
        }
    }

    /// How long the world has been.
    pub(in crate::practice) const fn now(&self) -> Millis {
        self.now
    }

    /// A number below `sides`.
    pub(in crate::practice) const fn roll(&mut self, sides: u64) -> u64 {
        self.dice.roll(sides)
    }

    /// Whether there is a host of this name.
    pub(in crate::practice) fn has(&self, host: &str) -> bool {
        self.machines.contains_key(host)
    }

    /// The database that takes writes.
    pub(in crate::practice) fn primary(&self) -> &str {
        &self.primary
    }

    /// The world at this moment.
    pub(in crate::practice) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            weights: BTreeMap::new(),
            services: BTreeMap::new(),
            versions: BTreeMap::new(),
            rows: BTreeMap::new(),
            primary: self.primary.clone(),
            metrics: self.metrics(),
        };
        for (name, machine) in &self.machines {
            for (service, it) in &machine.services {
                snapshot.services.insert(format!("{name}/{service}"), it.state);
                let release = it.release.clone().filter(|_| it.state == ServiceState::Running);
                snapshot.versions.extend(release.map(|release| (name.clone(), release)));
            }
            match &machine.part {
                Part::Balancer(it) => {
                    snapshot.weights.insert(name.clone(), (it.blue, it.green));
                }
                Part::Database(it) => {
                    let rows =
                        it.tables.iter().map(|(t, rows)| (format!("{name}/{t}"), rows.count()));
                    snapshot.rows.extend(rows);
                }
                Part::App { .. } | Part::Plain => {}
            }
        }
        snapshot
    }

    fn balancer(&mut self, host: &str) -> Result<&mut Balancer, String> {
        match self.machines.get_mut(host).map(|machine| &mut machine.part) {
            Some(Part::Balancer(balancer)) => Ok(balancer),
            _ => Err(format!("no load balancer runs on {host}")),
        }
    }

    /// The weights on the balancer `host`: blue, green.
    pub(in crate::practice) fn weights(&mut self, host: &str) -> Result<(u8, u8), String> {
        self.balancer(host).map(|it| (it.blue, it.green))
    }

    /// Sends `percent` of this balancer's traffic to `colour`, the rest to the other.
    pub(in crate::practice) fn set_weight(
        &mut self,
        host: &str,
        colour: Colour,
        percent: u8,
    ) -> Result<(), String> {
        let balancer = self.balancer(host)?;
        let rest = 100_u8.checked_sub(percent).ok_or("a weight is between 0 and 100")?;
        (balancer.blue, balancer.green) = match colour {
            Colour::Blue => (percent, rest),
            Colour::Green => (rest, percent),
        };
        Ok(())
    }

    /// Takes `server` out of this balancer's rotation, or back in.
    pub(in crate::practice) fn drain(
        &mut self,
        host: &str,
        server: &str,
        out: bool,
    ) -> Result<(), String> {
        if !matches!(self.machines.get(server).map(|it| &it.part), Some(Part::App { .. })) {
            return Err(format!("no server {server}"));
        }
        let balancer = self.balancer(host)?;
        if out {
            balancer.drained.insert(server.to_owned());
        } else {
            balancer.drained.remove(server);
        }
        Ok(())
    }

    /// The servers behind the balancers: name, colour, whether it serves, orders a minute.
    pub(in crate::practice) fn servers(&self) -> Vec<(String, Colour, bool, u64)> {
        let machines = self.machines.iter();
        machines
            .filter_map(|(name, machine)| match &machine.part {
                Part::App { colour, .. } => {
                    Some((name.clone(), *colour, machine.serves("orders"), self.load_of(name)))
                }
                Part::Balancer(_) | Part::Database(_) | Part::Plain => None,
            })
            .collect()
    }

    /// The service `name` of `host`.
    pub(in crate::practice) fn service(&self, host: &str, name: &str) -> Result<&Service, String> {
        let service = self.machines.get(host).and_then(|it| it.services.get(name));
        service.ok_or_else(|| format!("Unit {name}.service could not be found."))
    }

    /// The names of the services of `host`.
    pub(in crate::practice) fn services(&self, host: &str) -> Vec<String> {
        self.machines.get(host).map_or_else(Vec::new, |it| it.services.keys().cloned().collect())
    }

    /// Starts a service; one that runs goes on.
    pub(in crate::practice) fn start(&mut self, host: &str, name: &str) -> Result<(), String> {
        let now = self.now;
        let release = match self.machines.get(host).map(|machine| &machine.part) {
            Some(Part::App { releases, .. }) if name == "orders" => match &releases.current {
                None => return Err("no release to run: `deploy switch VERSION` first".to_owned()),
                release => release.clone(),
            },
            _ => None,
        };
        self.service(host, name)?;
        let service = self.machines.get_mut(host).and_then(|it| it.services.get_mut(name));
        if let Some(service) = service.filter(|it| it.state == ServiceState::Stopped) {
            *service = Service { state: ServiceState::Starting, since: now, release };
        }
        Ok(())
    }

    /// Stops a service.
    pub(in crate::practice) fn stop(&mut self, host: &str, name: &str) -> Result<(), String> {
        let now = self.now;
        self.service(host, name)?;
        let service = self.machines.get_mut(host).and_then(|it| it.services.get_mut(name));
        if let Some(service) = service.filter(|it| it.state != ServiceState::Stopped) {
            (service.state, service.since) = (ServiceState::Stopped, now);
        }
        Ok(())
    }

    fn releases(&mut self, host: &str) -> Result<&mut Releases, String> {
        match self.machines.get_mut(host).map(|machine| &mut machine.part) {
            Some(Part::App { releases, .. }) => Ok(releases),
            _ => Err(format!("{host} runs no application")),
        }
    }

    /// The release that `host` is switched to.
    pub(in crate::practice) fn release(&mut self, host: &str) -> Result<Option<String>, String> {
        self.releases(host).map(|it| it.current.clone())
    }

    /// Brings a release to `host`.
    pub(in crate::practice) fn fetch(&mut self, host: &str, version: &str) -> Result<(), String> {
        self.releases(host)?.fetched.insert(version.to_owned());
        Ok(())
    }

    /// Unpacks a release that was fetched.
    pub(in crate::practice) fn install(&mut self, host: &str, version: &str) -> Result<(), String> {
        let releases = self.releases(host)?;
        if !releases.fetched.contains(version) {
            return Err(format!("release {version} is not here: `deploy fetch {version}` first"));
        }
        releases.installed.insert(version.to_owned());
        Ok(())
    }

    /// Makes an installed release the one that the next start runs.
    pub(in crate::practice) fn switch(&mut self, host: &str, version: &str) -> Result<(), String> {
        let releases = self.releases(host)?;
        if !releases.installed.contains(version) {
            return Err(format!("{version} is not installed: `deploy install {version}` first"));
        }
        releases.current = Some(version.to_owned());
        Ok(())
    }

    /// Takes a release away again.
    pub(in crate::practice) fn remove(&mut self, host: &str, version: &str) -> Result<(), String> {
        if self.service(host, "orders").is_ok_and(|it| {
            it.state != ServiceState::Stopped && it.release.as_deref() == Some(version)
        }) {
            return Err(format!("{version} is running: stop the service first"));
        }
        let releases = self.releases(host)?;
        releases.fetched.remove(version);
        releases.installed.remove(version);
        if releases.current.as_deref() == Some(version) {
            releases.current = None;
        }
        Ok(())
    }

    /// Switches a host's power.
    pub(super) fn set_up(&mut self, host: &str, up: bool) {
        if let Some(machine) = self.machines.get_mut(host) {
            machine.up = up;
        }
    }

    /// Makes `host` fail as soon as its colour has `above` percent of the traffic.
    pub(super) fn make_sick(&mut self, host: &str, above: u8) {
        self.sick.insert(host.to_owned(), above);
    }

    /// Makes a release fail in `errors` percent of its requests, and slower by `delay`.
    pub(super) fn make_bad(&mut self, version: &str, errors: u8, delay: Millis) {
        self.bad_releases.insert(version.to_owned(), (u64::from(errors), delay));
    }

    /// Holds the following database back by `span`.
    pub(super) const fn hold_back(&mut self, span: Millis) {
        self.lag_fault = span;
    }

    /// Heals everything that faults did to the world.
    pub(super) fn heal(&mut self) {
        self.sick.clear();
        self.bad_releases.clear();
        self.lag_fault = Millis::ZERO;
        self.machines.values_mut().for_each(|machine| machine.up = true);
    }
}

#[cfg(test)]
mod tests;
