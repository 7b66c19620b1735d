//! What a practice host is: its part in the world, its services and its releases.

use std::collections::{BTreeMap, BTreeSet};

use super::data::Database;
use crate::base::Millis;

/// A service that was started needs this long until it answers.
pub(super) const START_TIME: Millis = Millis::new(1_500);

/// A balancer takes a dead host out of rotation after this time.
pub(super) const CHECK_TIME: Millis = Millis::new(2_000);

/// The release that runs before the cutover.
pub const OLD_RELEASE: &str = "1.9.4";

/// One of the two sets of application hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::practice) enum Colour {
    /// The old set.
    Blue,
    /// The new set.
    Green,
}

impl Colour {
    /// `blue` or `green`.
    pub(in crate::practice) const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

/// A host's part in the world.
#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Shares the customers' requests out.
    Balancer(Balancer),
    /// Runs the application.
    App { colour: Colour, releases: Releases },
    /// Keeps the rows.
    Database(Database),
    /// No part: only a shell.
    Plain,
}

/// A load balancer.
#[derive(Clone, Debug)]
pub(super) struct Balancer {
    pub(super) blue: u8,
    pub(super) green: u8,
    pub(super) drained: BTreeSet<String>,
}

impl Balancer {
    pub(super) const fn weight(&self, colour: Colour) -> u8 {
        match colour {
            Colour::Blue => self.blue,
            Colour::Green => self.green,
        }
    }
}

/// The releases on an application host.
#[derive(Clone, Debug, Default)]
pub(super) struct Releases {
    pub(super) fetched: BTreeSet<String>,
    pub(super) installed: BTreeSet<String>,
    pub(super) current: Option<String>,
}

/// A host of the world.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) part: Part,
    pub(super) up: bool,
    pub(super) services: BTreeMap<String, Service>,
}

/// A service of a host.
#[derive(Clone, Debug)]
pub(in crate::practice) struct Service {
    /// What it does.
    pub(in crate::practice) state: ServiceState,
    /// Since when.
    pub(in crate::practice) since: Millis,
    /// The release that runs, if it runs one.
    pub(in crate::practice) release: Option<String>,
}

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// Nothing.
    Stopped,
    /// It was started and does not answer yet.
    Starting,
    /// It answers.
    Running,
}

impl ServiceState {
    /// As `systemctl is-active` says it.
    pub(in crate::practice) const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "inactive",
            Self::Starting => "activating",
            Self::Running => "active",
        }
    }
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix);
    number.is_some_and(|it| !it.is_empty() && it.chars().all(|c| c.is_ascii_digit()))
}

impl Machine {
    /// The host of this name, as it is before the cutover.
    pub(super) fn new(name: &str) -> Self {
        let service = |state, release: Option<&str>| Service {
            state,
            since: Millis::ZERO,
            release: release.map(str::to_owned),
        };
        let mut services = BTreeMap::new();
        let part = if is_numbered(name, "lb") {
            services.insert("haproxy".to_owned(), service(ServiceState::Running, None));
            Part::Balancer(Balancer { blue: 100, green: 0, drained: BTreeSet::new() })
        } else if is_numbered(name, "blue") {
            let running = service(ServiceState::Running, Some(OLD_RELEASE));
            services.insert("orders".to_owned(), running);
            let old = BTreeSet::from([OLD_RELEASE.to_owned()]);
            let current = Some(OLD_RELEASE.to_owned());
            let releases = Releases { fetched: old.clone(), installed: old, current };
            Part::App { colour: Colour::Blue, releases }
        } else if is_numbered(name, "green") {
            services.insert("orders".to_owned(), service(ServiceState::Stopped, None));
            Part::App { colour: Colour::Green, releases: Releases::default() }
        } else if name == "db-old" || name == "db-new" {
            services.insert("postgresql".to_owned(), service(ServiceState::Running, None));
            Part::Database(if name == "db-old" { Database::old() } else { Database::empty() })
        } else {
            Part::Plain
        };
        Self { part, up: true, services }
    }

    pub(super) fn serves(&self, service: &str) -> bool {
        self.up && self.services.get(service).is_some_and(|it| it.state == ServiceState::Running)
    }
}
