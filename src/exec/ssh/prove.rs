//! The proof of identity: before something is changed on a host, the host says which machine it
//! is.
//!
//! A name that resolves elsewhere, a moved address, a restored copy with the same host key: the
//! key proves whom we speak with, not that it is the machine that the runbook means.
//!
//! # Invariants
//!
//! - The question is asked on the connection that the command then goes over. Another connection
//!   is asked anew; the same one is asked once.
//! - Only an answer that was read whole and is equal is a proof. Silence is none.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::channel::{NoChannel, open_channel};
use super::connect::Connection;
use super::error::{SshError, words};
use super::known_hosts::HostKey;
use super::pool::{Pool, lock};
use super::run::{Closing, collect, nonce};
use super::shell::{BOOTSTRAP, step_line};
use crate::base::HostId;
use crate::runbook::HostProof;

/// A host that takes longer to say who it is has not said it.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Login scripts may talk before the answer; more than this is not read.
const HEARD_MAX: usize = 128 * 1024;
/// The answer begins after the line with this word.
const MARK: &str = "golive-proof";

/// Why a host is not proved.
pub(super) enum Unproved {
    /// It could not be asked; a further trial may do better.
    NoChannel(NoChannel),
    /// It answered something else, or nothing.
    Not(SshError),
}

impl Pool {
    /// Holds `host` to a key from now on, given as [`HostKey`] prints it: a connection that
    /// shows another one is refused, whatever `known_hosts` says. Without this, a host is held to
    /// the key of its first connection.
    pub fn hold_to_key(&self, host: &HostId, key: &str) {
        let Some((algorithm, fingerprint)) = key.split_once(' ') else { return };
        let key = HostKey { algorithm: algorithm.to_owned(), fingerprint: fingerprint.to_owned() };
        if let Ok(slot) = self.slot(host) {
            *lock(&slot.held) = Some(key);
        }
    }
}

/// Asks the host behind `connection`, unless it has proved itself there already, or has nothing
/// to prove.
pub(super) async fn once(
    connection: &Arc<Connection>,
    host: &str,
    proof: Option<&HostProof>,
    budget: Duration,
) -> Result<(), Unproved> {
    let Some(proof) = proof else { return Ok(()) };
    connection.proved.get_or_try_init(|| ask(connection, host, proof, budget)).await?;
    Ok(())
}

async fn ask(
    connection: &Arc<Connection>,
    host: &str,
    proof: &HostProof,
    budget: Duration,
) -> Result<(), Unproved> {
    let not = |why: String| Unproved::Not(SshError::NotProved { host: host.to_owned(), why });
    let expected = words(&proof.equals);
    let nonce = nonce();
    let line = step_line(&proof.run, &[]).map_err(|why| not(format!("its `run` is bad: {why}")))?;
    let text = format!("exec </dev/null;echo {MARK} {nonce};{line}");
    let channel = open_channel(connection, budget).await.map_err(Unproved::NoChannel)?;
    let (read, write) = channel.split();
    let write = Arc::new(write);
    let mut closing = Closing::new(&write);
    let dead = || {
        let why = connection.end().unwrap_or_else(|| "the session ended early".to_owned());
        Unproved::NoChannel(NoChannel::Dead(why))
    };
    let work = async {
        write.exec(true, BOOTSTRAP).await.map_err(|_| dead())?;
        write.data_bytes(text.into_bytes()).await.map_err(|_| dead())?;
        write.eof().await.ok();
        Ok(collect(read, HEARD_MAX).await)
    };
    let (heard, status) = timeout(ANSWER_MAX, work).await.unwrap_or_else(|_| {
        let limit = ANSWER_MAX.as_secs();
        Err(not(format!("expected `{expected}`, the host said nothing within {limit} s")))
    })?;
    closing.ended();
    if status.is_none() && connection.handle.is_closed() {
        return Err(dead());
    }
    let heard = String::from_utf8_lossy(&heard);
    let Some(said) = answer(&heard, &nonce) else {
        let why = "a forced command or a restricted shell may have answered in its place";
        return Err(not(format!(
            "expected `{expected}`, the host did not run the question: {why}"
        )));
    };
    if said == proof.equals.trim() {
        return Ok(());
    }
    let code = status.filter(|code| *code != 0);
    let code = code.map_or(String::new(), |code| format!(" and exited with {code}"));
    Err(not(if said.is_empty() {
        format!("expected `{expected}`, the host said nothing{code}")
    } else {
        format!("expected `{expected}`, the host said `{}`{code}", words(said))
    }))
}

/// What was printed after the mark, without the blanks around it.
fn answer<'t>(heard: &'t str, nonce: &str) -> Option<&'t str> {
    let (_, said) = heard.split_once(&format!("{MARK} {nonce}\n"))?;
    Some(said.trim())
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn the_answer_is_what_comes_after_the_mark() {
        assert_eq!(answer("Welcome!\ngolive-proof ab\n web1 \n", "ab"), Some("web1"));
        assert_eq!(answer("golive-proof ab\n", "ab"), Some(""));
        for none in ["web1\n", "golive-proof ab", "golive-proof other\nweb1\n", ""] {
            assert_eq!(answer(none, "ab"), None, "{none}");
        }
    }
}
