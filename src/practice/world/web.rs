//! What the hosts answer over HTTP.

use serde_json::{Value, json};

use super::World;
use super::machine::{Colour, Part, ServiceState};

/// An answer: the status, and JSON.
pub(in crate::practice) type Answer = (u16, Value);

/// A whole number, with `digits` of them behind the point.
#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn decimal(value: u64, scale: f64) -> f64 {
    value as f64 / scale
}

impl World {
    /// What `host` answers to `GET path`; `None` if there is no such host.
    pub(in crate::practice) fn get(&self, host: &str, path: &str) -> Option<Answer> {
        let machine = self.machines.get(host)?;
        if !machine.up {
            return Some((503, json!({ "status": "down", "host": host })));
        }
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        Some(match path {
            "/health" | "/healthz" | "/ready" => self.health(host),
            "/metrics.json" => (200, self.metrics_json(host)),
            "/version" => {
                let service = machine.services.get("orders");
                let release = service.and_then(|service| service.release.clone());
                (200, json!({ "host": host, "version": release }))
            }
            "/stats" if matches!(machine.part, Part::Balancer(_)) => (200, self.stats(host)),
            "" => match &machine.part {
                // The shop as customers see it.
                Part::Balancer(_) if self.metrics().errors_bp < 5_000 => {
                    (200, json!({ "shop": "open" }))
                }
                Part::Balancer(_) => (503, json!({ "shop": "unavailable" })),
                Part::App { .. } | Part::Database(_) | Part::Plain => self.health(host),
            },
            _ => (404, json!({ "error": "not found", "path": path })),
        })
    }

    fn health(&self, host: &str) -> Answer {
        let Some(machine) = self.machines.get(host) else { return (404, Value::Null) };
        let service = machine.services.values().next();
        let state = service.map_or(ServiceState::Running, |service| service.state);
        let since = service.map_or(self.now, |service| self.now.minus(service.since));
        let uptime_s = since.as_secs();
        let (code, status) = match state {
            ServiceState::Running if self.is_sick(host) => (503, "failing"),
            ServiceState::Running => (200, "ok"),
            ServiceState::Starting => (503, "starting"),
            ServiceState::Stopped => (503, "stopped"),
        };
        let mut body = json!({ "status": status, "host": host, "uptime_s": uptime_s });
        let more = match &machine.part {
            Part::App { colour, .. } => json!({
                "version": service.and_then(|service| service.release.clone()),
                "colour": colour.name(),
                "database": self.primary,
            }),
            Part::Database(database) => json!({
                "role": if self.primary == host { "primary" } else { "standby" },
                "read_only": database.read_only.is_some(),
                "lag_s": self.lag_s(host),
            }),
            Part::Balancer(balancer) => json!({ "blue": balancer.blue, "green": balancer.green }),
            Part::Plain => json!({}),
        };
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        (code, body)
    }

    fn lag_s(&self, host: &str) -> f64 {
        let lag = self.lag(host).ok().flatten();
        lag.map_or(0.0, |(time, _)| decimal(time.as_millis() / 10, 100.0))
    }

    fn metrics_json(&self, host: &str) -> Value {
        let metrics = self.metrics();
        let lag = [host, "db-new", "db-old"].map(|host| self.lag_s(host));
        json!({
            "p99_ms": metrics.p99_ms,
            "error_rate": decimal(metrics.errors_bp, 100.0),
            "green_error_rate": decimal(metrics.green_errors_bp, 100.0),
            "orders_per_min": metrics.orders_per_min,
            "lag_s": lag.into_iter().fold(0.0, f64::max),
            "blue_share": self.share(Colour::Blue),
            "green_share": self.share(Colour::Green),
            "host_orders_per_min": self.load_of(host),
            "primary": self.primary,
        })
    }

    fn stats(&self, host: &str) -> Value {
        let Some(Part::Balancer(balancer)) = self.machines.get(host).map(|it| &it.part) else {
            return Value::Null;
        };
        let servers: Vec<Value> = self
            .machines
            .iter()
            .filter_map(|(name, machine)| match &machine.part {
                Part::App { colour, .. } => Some(json!({
                    "server": name,
                    "pool": colour.name(),
                    "status": if machine.serves("orders") { "UP" } else { "DOWN" },
                    "drained": balancer.drained.contains(name),
                    "orders_per_min": self.load_of(name),
                })),
                Part::Balancer(_) | Part::Database(_) | Part::Plain => None,
            })
            .collect();
        json!({ "blue": balancer.blue, "green": balancer.green, "servers": servers })
    }
}
