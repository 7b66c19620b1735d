//! Witnesses: every host of the session keeps the checkpoints, out of the operator's reach as far
//! as its syslog goes.
//!
//! Best effort, and never in the way: only where a link is open, on a channel beside the steps'.
//! A host writes a checkpoint once; a second one of the same number is not taken.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;

use crate::base::{HostId, SessionId};
use crate::exec::durable::{witness_get, witness_put};
use crate::exec::ssh::{LinkState, Pool};
use crate::journal::checkpoint_name;

/// A host that takes longer is asked again at the next checkpoint.
const PUT_MAX: Duration = Duration::from_secs(10);
/// A host that is asked what it holds.
const GET_MAX: Duration = Duration::from_secs(30);

/// A checkpoint on its way: four lines.
pub(super) fn parcel(number: u64, text: &str, signature: Option<&str>, line: &str) -> Arc<str> {
    let flat = |text: &str| text.replace('\n', "\\n");
    let signature = signature.map(flat).unwrap_or_default();
    format!("{}\n{}\n{signature}\n{line}\n", checkpoint_name(number), flat(text)).into()
}

/// How far a host is.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Checkpoints that it holds.
    held: usize,
    /// Checkpoints that it was last asked to hold.
    asked: usize,
    busy: bool,
}

/// The hosts, and what they are to hold.
#[derive(Debug)]
pub(super) struct Witnesses {
    session: SessionId,
    pool: Pool,
    runtime: Runtime,
    parcels: Vec<Arc<str>>,
    board: Arc<Board>,
}

/// How far each host is; who waits is told when one has answered.
#[derive(Debug)]
struct Board {
    hosts: Mutex<BTreeMap<HostId, Progress>>,
    answered: Condvar,
}

impl Board {
    fn hosts(&self) -> MutexGuard<'_, BTreeMap<HostId, Progress>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witnesses {
    pub(super) fn new(
        session: SessionId,
        pool: Pool,
        runtime: Runtime,
        hosts: impl Iterator<Item = HostId>,
    ) -> Self {
        let hosts = Mutex::new(hosts.map(|host| (host, Progress::default())).collect());
        let board = Arc::new(Board { hosts, answered: Condvar::new() });
        Self { session, pool, runtime, parcels: Vec::new(), board }
    }

    /// One more checkpoint that they are to hold.
    pub(super) fn add(&mut self, parcel: Arc<str>) {
        self.parcels.push(parcel);
    }

    /// Sends each host with an open link what it does not hold yet. Waits for nothing.
    pub(super) fn send(&self) {
        let all = self.parcels.len();
        let mut hosts = self.board.hosts();
        for (host, progress) in hosts.iter_mut() {
            let is_up = matches!(self.pool.link(host), LinkState::Up { .. });
            if progress.busy || progress.held == all || !is_up {
                continue;
            }
            *progress = Progress { asked: all, busy: true, ..*progress };
            let parcels = self.parcels.iter().skip(progress.held);
            let mut input = format!("{}\n", self.session);
            parcels.for_each(|parcel| input.push_str(parcel));
            let (pool, host, board) = (self.pool.clone(), host.clone(), Arc::clone(&self.board));
            self.runtime.spawn(async move {
                let put = pool.aside(&host, witness_put(), input.as_bytes(), PUT_MAX).await;
                let held = matches!(put, Ok((_, Some(0))));
                if !held {
                    tracing::debug!(%host, ?put, "a checkpoint was not taken");
                }
                if let Some(progress) = board.hosts().get_mut(&host) {
                    progress.busy = false;
                    progress.held = if held { all } else { progress.held };
                }
                board.answered.notify_all();
            });
        }
    }

    /// Whether nothing is on its way, and every host with an open link was asked to hold all.
    fn is_done(&self) -> bool {
        self.board.hosts().iter().all(|(host, progress)| {
            let is_up = matches!(self.pool.link(host), LinkState::Up { .. });
            !progress.busy && (!is_up || progress.asked == self.parcels.len())
        })
    }

    /// Sends each host with an open link what it does not hold yet, and waits for their answers
    /// until then at most.
    pub(super) fn settle(&self, until: Instant) {
        self.send();
        while !self.is_done() && Instant::now() < until {
            let left = until.saturating_duration_since(Instant::now());
            let hosts = self.board.hosts();
            // Nobody is asked: a link has come up just now.
            if hosts.values().any(|progress| progress.busy) {
                drop(self.board.answered.wait_timeout(hosts, left));
            } else {
                drop(hosts);
            }
            self.send();
        }
    }

    /// How many hosts hold all.
    pub(super) fn holders(&self) -> usize {
        let all = self.parcels.len();
        self.board.hosts().values().filter(|progress| all > 0 && progress.held == all).count()
    }
}

/// All that `host` holds of a session, as one text for [`crate::journal::Witness::parse`].
///
/// # Errors
/// It cannot be reached, or holds nothing of it.
pub async fn held_by(pool: &Pool, host: &HostId, session: &SessionId) -> Result<String, String> {
    pool.connect(host).await.map_err(|error| error.to_string())?;
    let input = format!("{session}\n");
    let answer = pool.aside(host, witness_get(), input.as_bytes(), GET_MAX).await;
    match answer.map_err(|error| error.to_string())? {
        (text, Some(0)) => Ok(String::from_utf8_lossy(&text).into_owned()),
        (_, Some(3)) => Err(format!("{host} holds no checkpoint of session {session}")),
        (_, _) => Err(format!("{host} cannot say what it holds of session {session}")),
    }
}
