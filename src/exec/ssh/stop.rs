//! Stopping a process group on a host: TERM, then KILL, then proof that it is gone.
//!
//! # Deliberately absent
//!
//! A belief in `kill`'s exit status: some shells get it wrong, and a zombie can be signalled.
//! Proof is a list of the processes of the group in which nobody lives.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::error::SshError;
use super::pool::{Pool, Slot};
use super::run::{Closing, StopSignal, collect};
use super::shell::{Group, Survivor, control, living};

/// How long the dead may take to be gone after KILL.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// One look at a host may take this long.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// The first pause between two looks; each is half as long again, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(30);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// A list of processes longer than this is not one group's.
const LIST_MAX: usize = 256 * 1024;

/// What is known of the processes of a stopped command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Nobody lives in its process group.
    pub gone: bool,
    /// KILL was needed.
    pub killed: bool,
    /// Who lives still.
    pub survivors: Vec<Survivor>,
    /// Whether the group could be signalled and looked at.
    pub reached: bool,
    /// Why nothing is proved, if so.
    pub unproved: Option<String>,
}

impl Proof {
    pub(super) fn unknown(why: &str) -> Self {
        Self { unproved: Some(why.to_owned()), ..Self::default() }
    }
}

/// Stops `group`, with `grace` between TERM and KILL. `signal` may shorten the grace.
pub(super) async fn stop(
    pool: &Pool,
    slot: &Arc<Slot>,
    group: Group,
    grace: Duration,
    mut signal: StopSignal,
    become_prefix: Option<String>,
) -> Proof {
    let become_ = become_prefix.as_deref();
    let mut proof = Proof::default();
    let mut deadline = Instant::now() + grace;
    if !grace.is_zero() {
        match look(pool, slot, group, Some("TERM"), become_).await {
            Ok(survivors) => proof.survivors = survivors,
            Err(error) => return Proof::unknown(&error.to_string()),
        }
        proof.reached = true;
        let mut pause = PAUSE;
        while !proof.survivors.is_empty() && Instant::now() < deadline {
            tokio::select! {
                () = sleep(pause.min(deadline.saturating_duration_since(Instant::now()))) => (),
                grace = signal.asked() => deadline = Instant::now() + grace,
            }
            pause = (pause + pause / 2).min(PAUSE_MAX);
            match look(pool, slot, group, None, become_).await {
                Ok(survivors) => proof.survivors = survivors,
                Err(error) => proof.unproved = Some(error.to_string()),
            }
        }
        if proof.survivors.is_empty() {
            proof.gone = proof.unproved.is_none();
            return proof;
        }
    }
    proof.killed = true;
    kill(pool, slot, group, become_, proof).await
}

async fn kill(
    pool: &Pool,
    slot: &Arc<Slot>,
    group: Group,
    become_: Option<&str>,
    mut proof: Proof,
) -> Proof {
    let deadline = Instant::now() + AFTER_KILL;
    let mut pause = PAUSE;
    let mut signal = Some("KILL");
    loop {
        match look(pool, slot, group, signal, become_).await {
            Ok(survivors) => {
                proof.reached = true;
                proof.unproved = None;
                proof.gone = survivors.is_empty();
                proof.survivors = survivors;
                signal = None;
            }
            Err(error) => proof.unproved = Some(error.to_string()),
        }
        if proof.gone || Instant::now() >= deadline {
            return proof;
        }
        sleep(pause).await;
        pause = (pause + pause / 2).min(PAUSE_MAX);
    }
}

/// Signals the group, if asked to, and lists who lives in it.
pub(super) async fn look(
    pool: &Pool,
    slot: &Arc<Slot>,
    group: Group,
    signal: Option<&str>,
    become_: Option<&str>,
) -> Result<Vec<Survivor>, SshError> {
    let line = control(group, signal, become_);
    let work = async {
        let (connection, channel) = pool.control_channel(slot).await?;
        let (read, write) = channel.split();
        let write = Arc::new(write);
        let mut closing = Closing::new(&write);
        let lost = || SshError::LinkLost {
            host: slot.name().to_owned(),
            why: connection.end().unwrap_or_else(|| "the session ended early".to_owned()),
        };
        write.exec(true, line).await.map_err(|_| lost())?;
        write.eof().await.ok();
        let (output, _status) = collect(read, LIST_MAX).await;
        closing.ended();
        living(&String::from_utf8_lossy(&output)).ok_or_else(lost)
    };
    timeout(LOOK_MAX, work).await.unwrap_or_else(|_| {
        Err(SshError::LinkLost {
            host: slot.name().to_owned(),
            why: format!("no answer about process group {} in {} s", group.id, LOOK_MAX.as_secs()),
        })
    })
}
