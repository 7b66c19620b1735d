//! SSH: reaching hosts, trusting them, running commands on them and stopping those.
//!
//! # Invariants
//!
//! - No type of the SSH library leaves this folder.
//! - A host whose key is not known is refused, whatever the user's configuration says of
//!   `StrictHostKeyChecking`.
//! - A command that may have reached its host is never reported as not started.
//! - Nothing of a step shows in a host's process list but the fixed words of its bootstrap.
//!
//! # Deliberately absent
//!
//! Pseudo-terminals but for a person's own shell, forwarding of agents and ports, passwords, trust on first use, and a
//! parser of `ssh_config`: `ssh -G` is asked instead.

mod aside;
mod auth;
mod call;
mod channel;
mod clock;
mod config;
mod connect;
mod error;
mod host;
mod known_hosts;
mod lookup;
mod pool;
mod prove;
mod ready;
mod run;
mod shell;
mod sign;
mod stop;
mod subsystem;
mod terminal;
mod transport;

pub(super) use call::{At, Call, CallEnd, Said};
pub use connect::Peer;
pub use error::{AuthTrouble, Budget, ErrorKind, KeySwap, KeyTrouble, SshError};
pub use host::{
    Budgets, ConfigSource, HostSpec, InvalidKey, NeverAsk, Options, Passphrase, Phrase,
    SESSIONS_MAX, SecretKey,
};
pub use known_hosts::{HostKey, KnownHostsFile, Record, RecordedName, Verdict, judge_line};
pub use pool::{LinkChange, LinkState, Pool};
pub(super) use run::nonce;
pub use run::{Command, Output, RunEnd, Status, StopHandle, StopSignal, Stream, stop_pair};
pub use shell::{Group, Survivor};
pub(super) use shell::{TAKE_LINE, becoming, step_line};
pub use sign::{KeyChoice, SigningKey};
pub use stop::Proof;
pub use terminal::{Cells, Shown, Terminal};
