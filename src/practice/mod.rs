//! The practice fleet: real SSH servers inside the process, and a small living world behind them.
//!
//! [`Fleet::start`] gives every host of an inventory a server on loopback. Two load balancers,
//! four application hosts in blue and green, an old and a new database share one world: services
//! start and stop, weights move customers, error rate and latency follow, rows are written. The
//! demo, drills, tests and the pictures in the documentation all use this fleet, through the same
//! client as every real host.
//!
//! # Invariants
//!
//! - A durable step runs apart from the connection that asked for it, as on a real host.
//! - No command reaches the machine: hosts have a shell of their own, in memory, with files of
//!   their own. `rm -rf /` empties a map.
//! - Everything listens on loopback only, and only the fleet's own key opens it.
//! - Loops, calls, files, output in memory and requests are bounded.
//! - The world is a function of its seed, the time, and what was done to it.
//!
//! # Deliberately absent
//!
//! Programs that draw on a terminal, forwarding, background jobs. A command outside the built-ins is
//! `not found on the practice fleet` (127), never approximated.

mod durable;
mod fault;
mod fleet;
mod host;
mod server;
mod sftp;
mod shell;
mod spool;
mod switch;
mod tools;
mod tty;
mod web;
mod world;

pub use fault::{Fault, InvalidScenario, PlannedFault, scenario};
pub use fleet::{Fleet, FleetOptions, PracticeHost};
pub use spool::{Act, Call, Launch, Now, Spool, State, Stream, Strength};
pub use world::{FLEET, Metrics, OLD_RELEASE, ServiceState, Snapshot};
