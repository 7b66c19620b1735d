//! Customers: where their requests go, how long they take, how many fail.

use std::collections::BTreeMap;

use super::World;
use super::machine::{CHECK_TIME, Colour, Part, START_TIME, ServiceState};
use crate::base::Millis;

/// Orders a minute that customers want to place.
const DEMAND: u64 = 1_200;

/// Orders a minute that one application host can take.
const CAPACITY: u64 = 900;

/// A service that was just started is slower for this long: its caches are cold.
const WARM_TIME: Millis = Millis::from_secs(15);

/// Writes wait for a read-only primary for so long, then they fail.
const WRITE_PATIENCE: Millis = Millis::from_secs(10);

/// What customers feel, averaged over about a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Of a hundred requests one takes at least so many milliseconds.
    pub p99_ms: u64,
    /// Requests that fail, in hundredths of a percent.
    pub errors_bp: u64,
    /// The same for requests that go to the green hosts.
    pub green_errors_bp: u64,
    /// Orders that were placed, a minute.
    pub orders_per_min: u64,
}

/// The same, in thousandths, so that averaging can move by small steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Smoothed {
    p99: u64,
    errors: u64,
    green_errors: u64,
    orders: u64,
}

/// What one step of traffic came to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    load: u64,
    errors: u64,
    blend: u64,
    worst: u64,
    worst_load: u64,
    green_load: u64,
    green_errors: u64,
}

impl World {
    /// What customers feel now.
    pub(in crate::practice) const fn metrics(&self) -> Metrics {
        Metrics {
            p99_ms: self.smoothed.p99 / 1000,
            errors_bp: self.smoothed.errors / 1000,
            green_errors_bp: self.smoothed.green_errors / 1000,
            orders_per_min: self.smoothed.orders / 1000,
        }
    }

    /// How much of the traffic goes to `colour`, in percent.
    pub(in crate::practice) fn share(&self, colour: Colour) -> u64 {
        let loads = self.loads(100_000).0;
        let mine = loads.iter().filter(|(host, _)| self.colour(host) == Some(colour));
        let sum: u64 = mine.map(|(_, load)| load).sum();
        (sum + 500) / 1000
    }

    /// The orders a minute that now go to `host`.
    pub(super) fn load_of(&self, host: &str) -> u64 {
        self.loads(DEMAND * 1000).0.get(host).copied().unwrap_or(0) / 1000
    }

    /// Shares `demand` out over the hosts, and how much of it finds none.
    fn loads(&self, demand: u64) -> (BTreeMap<String, u64>, u64) {
        let balancers: Vec<_> = self
            .machines
            .values()
            .filter(|machine| machine.serves("haproxy"))
            .filter_map(|machine| match &machine.part {
                Part::Balancer(balancer) => Some(balancer),
                Part::App { .. } | Part::Database(_) | Part::Plain => None,
            })
            .collect();
        let mut loads: BTreeMap<String, u64> = BTreeMap::new();
        let mut lost = demand;
        for balancer in &balancers {
            let mine = demand / balancers.len() as u64;
            let total = u64::from(balancer.blue) + u64::from(balancer.green);
            for colour in [Colour::Blue, Colour::Green] {
                let part = mine * u64::from(balancer.weight(colour)) / total.max(1);
                let members: Vec<&String> = self
                    .machines
                    .iter()
                    .filter(|(name, _)| !balancer.drained.contains(*name))
                    .filter(|(name, _)| self.in_rotation(name, colour))
                    .map(|(name, _)| name)
                    .collect();
                for member in &members {
                    let piece = part / members.len() as u64;
                    *loads.entry((*member).clone()).or_default() += piece;
                    lost -= piece;
                }
            }
        }
        // What is left over by rounding is no loss.
        (loads, if lost < 20 { 0 } else { lost })
    }

    fn colour(&self, host: &str) -> Option<Colour> {
        match self.machines.get(host)?.part {
            Part::App { colour, .. } => Some(colour),
            Part::Balancer(_) | Part::Database(_) | Part::Plain => None,
        }
    }

    fn in_rotation(&self, host: &str, colour: Colour) -> bool {
        let Some(machine) = self.machines.get(host) else { return false };
        let is = matches!(&machine.part, Part::App { colour: it, .. } if *it == colour);
        let service = machine.services.get("orders");
        is && service.is_some_and(|service| match service.state {
            ServiceState::Running => machine.up,
            ServiceState::Starting => false,
            ServiceState::Stopped => {
                service.since > Millis::ZERO && self.now.minus(service.since) < CHECK_TIME
            }
        })
    }

    /// One step of traffic.
    pub(super) fn serve(&mut self) {
        self.wake_services();
        self.drift();
        let demand = self.dice.around(DEMAND * self.mood, 15);
        let (loads, lost) = self.loads(demand);
        let mut sum = Sum { load: lost, errors: lost * 10_000, ..Sum::default() };
        for (host, load) in &loads {
            let (errors_bp, p99) = self.answer(host, load / 1000);
            sum.load += load;
            sum.errors += load * errors_bp;
            sum.blend += load * p99;
            if matches!(self.colour(host), Some(Colour::Green)) {
                sum.green_load += load;
                sum.green_errors += load * errors_bp;
            }
            if p99 > sum.worst && *load * 100 >= demand {
                (sum.worst, sum.worst_load) = (p99, *load);
            }
        }
        let served: u64 = loads.values().sum();
        // Where nobody serves, the balancers say no at once.
        let blend = sum.blend.checked_div(served).unwrap_or(30);
        // One request in a hundred comes from the slowest host, if that has its share.
        let reach = (sum.worst_load * 3000).checked_div(served).unwrap_or(0).min(1000);
        let mut p99 = blend + sum.worst.saturating_sub(blend) * reach / 1000;
        let mut errors_bp = sum.errors.checked_div(sum.load).unwrap_or(10_000).min(10_000);
        let green_bp = sum.green_errors.checked_div(sum.green_load).unwrap_or(0).min(10_000);

        let (waited, dead) = self.primary_state();
        if dead || waited > WRITE_PATIENCE {
            errors_bp = 10_000;
        }
        if served > 0 {
            p99 += waited.as_millis().min(WRITE_PATIENCE.as_millis());
        }
        p99 = self.dice.around(p99 * self.mood / 1000, 60);
        let mut orders = demand * (10_000 - errors_bp) / 10_000;
        if waited > Millis::ZERO {
            self.waiting += orders / 600;
            orders = 0;
        } else {
            let waited = std::mem::take(&mut self.waiting);
            self.write_orders(orders / 600 + waited);
        }
        self.replicate();

        let nearer = |old: u64, new: u64| (old * 7 + new) / 8;
        self.smoothed = Smoothed {
            p99: nearer(self.smoothed.p99, p99 * 1000),
            errors: nearer(self.smoothed.errors, errors_bp * 1000),
            green_errors: nearer(self.smoothed.green_errors, green_bp * 1000),
            orders: nearer(self.smoothed.orders, orders),
        };
    }

    /// Puts the averages where they settle, for a world that has run for long.
    pub(super) fn settle(&mut self) {
        self.smoothed =
            Smoothed { p99: 118_000, errors: 8_000, green_errors: 0, orders: DEMAND * 1000 };
    }

    /// Customers come in waves: a few percent more, a few percent less.
    fn drift(&mut self) {
        let step = self.dice.roll(17);
        let back = if self.mood > 1000 { 9 } else { 8 };
        self.mood = (self.mood + step).saturating_sub(back).clamp(930, 1070);
    }

    fn wake_services(&mut self) {
        let now = self.now;
        for service in self.machines.values_mut().flat_map(|it| it.services.values_mut()) {
            if service.state == ServiceState::Starting && now.minus(service.since) >= START_TIME {
                (service.state, service.since) = (ServiceState::Running, now);
            }
        }
    }

    /// How long writes have waited for the primary, and whether it is gone.
    fn primary_state(&self) -> (Millis, bool) {
        let machine = self.machines.get(&self.primary);
        let dead = !machine.is_some_and(|machine| machine.serves("postgresql"));
        let read_only = self.read_only(&self.primary).ok().flatten();
        (read_only.map_or(Millis::ZERO, |since| self.now.minus(since).plus(Millis::new(1))), dead)
    }

    /// How `host` answers at `load` orders a minute: failures in hundredths of a percent, and
    /// the slowest of a hundred in milliseconds.
    fn answer(&mut self, host: &str, load: u64) -> (u64, u64) {
        let Some(service) = self.machines.get(host).and_then(|it| it.services.get("orders")) else {
            return (10_000, 30);
        };
        if service.state != ServiceState::Running {
            return (10_000, 30);
        }
        let release = service.release.clone().unwrap_or_default();
        let mut p99 = if release.starts_with("1.") { 118 } else { 104 };
        let mut errors_bp = 8;
        if service.since > Millis::ZERO {
            let cold = WARM_TIME.minus(self.now.minus(service.since)).as_millis();
            p99 += 90 * cold / WARM_TIME.as_millis();
        }
        // A release candidate has a fault that shows only under load.
        if release.contains("rc") && load > 100 {
            (p99, errors_bp) = (p99 + 420, errors_bp + 350);
        }
        if let Some((errors, delay)) = self.bad_releases.get(&release) {
            (p99, errors_bp) = (p99 + delay.as_millis(), errors_bp + errors * 100);
        }
        if self.is_sick(host) {
            (p99, errors_bp) = (p99 + 600, errors_bp + 4_000);
        }
        let busy = CAPACITY * 85 / 100;
        p99 += load.saturating_sub(busy) * 2;
        let over = load.saturating_sub(CAPACITY);
        errors_bp += (over * 10_000).checked_div(load).unwrap_or(0);
        (self.dice.around(errors_bp.min(10_000), 200), p99)
    }

    /// Whether a fault makes `host` sick at the share of traffic that its colour has.
    pub(super) fn is_sick(&self, host: &str) -> bool {
        let Some(above) = self.sick.get(host) else { return false };
        let weights = self.machines.values().filter_map(|machine| match &machine.part {
            Part::Balancer(balancer) => Some(balancer),
            Part::App { .. } | Part::Database(_) | Part::Plain => None,
        });
        let Some(colour) = self.colour(host) else { return true };
        weights.map(|balancer| balancer.weight(colour)).max().unwrap_or(0) >= *above
    }
}
