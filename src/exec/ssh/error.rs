//! What can go wrong between this machine and a host, each with its place and its remedy.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::known_hosts::{HostKey, Record};
use crate::base::SafeText;

/// The family of an [`SshError`], for exit codes and for what a console offers next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The host could not be reached, or the link to it died.
    Unreachable,
    /// The host's key is unknown, another one than recorded, or revoked.
    HostKey,
    /// The host accepted none of our keys.
    Auth,
    /// A setting or a request that cannot work; trying again changes nothing.
    Other,
}

/// Which of the budgets of a connection ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Resolving the name and opening the TCP connection.
    Connect,
    /// The server's greeting and the key exchange.
    Banner,
    /// One answer of the server while authenticating. Time that a person needs for a passphrase
    /// does not count.
    Auth,
    /// Opening a session on an open connection.
    Open,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "open a TCP connection",
            Self::Banner => "get the server's greeting and exchange keys",
            Self::Auth => "get an answer to our key",
            Self::Open => "open a session",
        })
    }
}

/// A host key that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTrouble {
    /// The host, as the runbook names it.
    pub host: String,
    /// Where it was reached.
    pub address: String,
    /// The key that it showed.
    pub offered: HostKey,
    /// What is recorded instead (changed), or the revoking line (revoked); empty when unknown.
    pub records: Vec<Record>,
    /// The `known_hosts` line that would make it known.
    pub line: String,
    /// The file that such a line goes into.
    pub file: String,
}

/// A host key that is not the one from the start of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySwap {
    /// The host, as the runbook names it.
    pub host: String,
    /// Where it was reached.
    pub address: String,
    /// The key that it is held to.
    pub held: HostKey,
    /// The key that it showed.
    pub shown: HostKey,
}

/// Keys that were tried without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthTrouble {
    /// The host, as the runbook names it.
    pub host: String,
    /// Where it was reached.
    pub address: String,
    /// The account.
    pub user: String,
    /// Each key with its fate, in the order of trial.
    pub tried: Vec<String>,
    /// The methods that the server would accept.
    pub accepts: Vec<String>,
    /// Why no further key was tried.
    pub why: String,
}

/// What went wrong with a host. Cheap to copy: everybody who waited for one connection gets it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SshError {
    /// The pool does not have this host.
    #[error("host `{host}` is not in the inventory of this run: add it under [hosts]")]
    NoSuchHost {
        /// The name asked for.
        host: String,
    },
    /// A setting that cannot be followed.
    #[error("{host}: {why}")]
    Config {
        /// The host.
        host: String,
        /// What, where, and how to put it right.
        why: String,
    },
    /// The name has no address.
    #[error("{host}: cannot resolve `{address}`: {why}. Correct `address` or the resolver.")]
    Resolve {
        /// The host.
        host: String,
        /// The name.
        address: String,
        /// The resolver's words.
        why: String,
    },
    /// No TCP connection.
    #[error(
        "{host}: cannot connect to {address}: {why}. Is sshd running there, is the port right, does a firewall stand between?"
    )]
    Connect {
        /// The host.
        host: String,
        /// Address and port.
        address: String,
        /// The system's words.
        why: String,
    },
    /// A budget ran out.
    #[error("{host}: {address} took longer than {} s to {budget}", after.as_secs_f32())]
    Timeout {
        /// The host.
        host: String,
        /// Address and port.
        address: String,
        /// Which one.
        budget: Budget,
        /// How long we waited.
        after: Duration,
    },
    /// The way through a jump host or a `ProxyCommand` is closed.
    #[error("{host}: no way through {via}: {why}")]
    Proxy {
        /// The host.
        host: String,
        /// The jump host or command.
        via: String,
        /// Why.
        why: String,
    },
    /// The other side does not speak SSH to us, or stopped doing so.
    #[error("{host}: {address} did not complete the SSH handshake: {why}")]
    Handshake {
        /// The host.
        host: String,
        /// Address and port.
        address: String,
        /// Why.
        why: String,
    },
    /// Never seen before: strictly refused.
    #[error("{}: the host key of {} is not known: {}. Compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` prints on the host's own console; if it is the same, record it with `golive trust`, or add this line to {}: {}", .0.host, .0.address, .0.offered, .0.file, .0.line)]
    HostKeyUnknown(Box<KeyTrouble>),
    /// Another key than the recorded one.
    #[error("{}: THE HOST KEY OF {} HAS CHANGED: it showed {}, recorded is {}. Either the host was rebuilt or someone stands between. Ask its owner; if it was rebuilt, replace that line by: {}", .0.host, .0.address, .0.offered, records(&.0.records), .0.line)]
    HostKeyChanged(Box<KeyTrouble>),
    /// The key is marked `@revoked`.
    #[error("{}: the host key of {} is REVOKED: it showed {}, revoked by {}. Do not connect; ask the host's owner for a new key", .0.host, .0.address, .0.offered, records(&.0.records))]
    HostKeyRevoked(Box<KeyTrouble>),
    /// Another key than the one that it is held to in this session.
    #[error("{}: STOPPED: THE HOST KEY OF {} CHANGED DURING THIS SESSION: it showed {}, it is held to {}. Nothing was sent. Either the host was rebuilt or someone stands between: ask its owner", .0.host, .0.address, .0.shown, .0.held)]
    HostKeySwapped(Box<KeySwap>),
    /// A `known_hosts` file that is there and cannot be read; it is not taken for an empty one.
    #[error(
        "{host}: cannot read {file}: {why}. Make it readable; without it no host key can be judged"
    )]
    KnownHosts {
        /// The host.
        host: String,
        /// The file.
        file: String,
        /// The system's words.
        why: String,
    },
    /// No key of ours opened the account.
    #[error("{}: {} refused the login of `{}`: {}. Tried: {}. The server accepts: {}. Check the key (`identity`), the agent (`ssh-add -l`) and the account's authorized_keys", .0.host, .0.address, .0.user, .0.why, list(&.0.tried), list(&.0.accepts))]
    Auth(Box<AuthTrouble>),
    /// The server refused a further session on the connection.
    #[error(
        "{host}: the server opens no session: {why}. Lower `max_concurrent` of this host or raise MaxSessions in its sshd_config"
    )]
    NoSession {
        /// The host.
        host: String,
        /// Its words.
        why: String,
    },
    /// The server refused to execute a command in the session; nothing ran.
    #[error("{host}: the server refuses to execute commands for this account")]
    ExecRefused {
        /// The host.
        host: String,
    },
    /// The host did not prove that it is the machine that is meant; nothing was sent.
    #[error(
        "{host}: host proof: {why}. Nothing was sent. Is `address` the right machine, and `proof` its own?"
    )]
    NotProved {
        /// The host.
        host: String,
        /// What was expected, and what it said.
        why: String,
    },
    /// The link died.
    #[error("{host}: the link is lost: {why}")]
    LinkLost {
        /// The host.
        host: String,
        /// What was seen.
        why: String,
    },
    /// The session ended without an exit status though the link is alive.
    #[error(
        "{host}: the session ended without an exit status; whether the command finished is not known"
    )]
    NoStatus {
        /// The host.
        host: String,
    },
    /// The session ended, but our shell never said that the step began.
    #[error(
        "{host}: the session ended with {status} before the step was seen to begin: a forced command, a restricted shell or a closed account may have answered in its place"
    )]
    NoStart {
        /// The host.
        host: String,
        /// The status that came, in words.
        status: String,
    },
    /// A command that cannot be sent.
    #[error("{host}: the command cannot be sent: {why}")]
    BadCommand {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// Stopped before anything was sent.
    #[error("{host}: stopped before the command was sent")]
    StoppedBefore {
        /// The host.
        host: String,
    },
}

impl SshError {
    /// Its family.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Proxy { .. }
            | Self::Handshake { .. }
            | Self::LinkLost { .. } => ErrorKind::Unreachable,
            Self::HostKeyUnknown(_)
            | Self::HostKeyChanged(_)
            | Self::HostKeyRevoked(_)
            | Self::HostKeySwapped(_)
            | Self::KnownHosts { .. } => ErrorKind::HostKey,
            Self::Auth(_) => ErrorKind::Auth,
            Self::NoSuchHost { .. }
            | Self::Config { .. }
            | Self::NoSession { .. }
            | Self::ExecRefused { .. }
            | Self::NotProved { .. }
            | Self::NoStatus { .. }
            | Self::NoStart { .. }
            | Self::BadCommand { .. }
            | Self::StoppedBefore { .. } => ErrorKind::Other,
        }
    }
}

/// Words of the other side, made safe and short enough for a message.
pub(super) fn words(text: &str) -> String {
    let text: String = text.trim().chars().take(300).collect();
    SafeText::new(&text).as_str().to_owned()
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join("; ") }
}

fn records(records: &[Record]) -> String {
    if records.is_empty() {
        return "the pinned `hostkey`".to_owned();
    }
    list(&records.iter().map(ToString::to_string).collect::<Vec<_>>())
}
