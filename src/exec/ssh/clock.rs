//! The clock of a host, and whether its link lives: asked when nothing else goes over the link.
//!
//! # Deliberately absent
//!
//! Setting anything by it: golive's times are its own, and a host's clock only explains the times
//! that the host writes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use russh::Disconnect;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use super::channel::open_channel;
use super::connect::Connection;
use super::pool::{Phase, Pool, Slot, lock};
use super::run::{Closing, collect};
use crate::base::{HostId, Millis};

/// After a link has come up, its steps go first.
const AFTER_UP: Duration = Duration::from_secs(2);
/// How often it is looked whether the link has become idle.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// A link that is busy for longer keeps its clock to itself until the next one.
const IDLE_LOOKS_MAX: u32 = 600;
/// A slower answer says nothing, and a link that gives none is dead.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether a connection has ended.
const CLOSED_LOOK: Duration = Duration::from_millis(20);
/// Login scripts may talk before.
const HEARD_MAX: usize = 16 * 1024;
/// Prints seconds since 1970 with a fraction, where `date` can.
const QUESTION: &str = "date +%s.%N";

impl Pool {
    /// By how many milliseconds the clock of `host` is ahead of this machine's, and how far that
    /// may be off: half of the round trip. Waits until the link is open for a while and idle, so
    /// that no step waits for it; none if that never comes, or the host does not say.
    pub async fn clock(&self, host: &HostId) -> Option<(i64, Millis)> {
        let slot = self.slot(host).ok().filter(|_| self.0.options.clocks)?;
        sleep(AFTER_UP).await;
        for _ in 0..IDLE_LOOKS_MAX {
            let connection = slot.connection()?;
            if let Some(places) = slot.all_places() {
                // Asked for beside the places: a step that comes now does not wait for it.
                drop(places);
                return timeout(ANSWER_MAX, ask(&connection)).await.ok().flatten();
            }
            sleep(IDLE_LOOK).await;
        }
        None
    }

    /// Looks at once whether the open links still live, and opens anew those that do not. Needs a
    /// tokio runtime.
    pub fn probe_links(&self) {
        for slot in self.slots() {
            if let Some(connection) = slot.connection() {
                tokio::spawn(probe(self.clone(), Arc::clone(slot), connection));
            }
        }
    }
}

impl Slot {
    /// The open connection, if there is one.
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        match &*lock(&self.phase) {
            Phase::Up(connection) if !connection.handle.is_closed() => Some(Arc::clone(connection)),
            Phase::Idle | Phase::Opening(_) | Phase::Up(_) => None,
        }
    }

    /// All places, if nobody has one: nothing runs over the connection.
    pub(super) fn all_places(&self) -> Option<OwnedSemaphorePermit> {
        let count = u32::try_from(*lock(&self.places)).ok()?;
        Arc::clone(&self.sessions).try_acquire_many_owned(count).ok()
    }
}

/// Ends a connection over which no answer comes, so that nobody waits for it any longer.
async fn probe(pool: Pool, slot: Arc<Slot>, connection: Arc<Connection>) {
    let lives = timeout(ANSWER_MAX, connection.handle.send_ping()).await;
    if matches!(lives, Ok(Ok(()))) && !connection.handle.is_closed() {
        return;
    }
    tracing::debug!(host = slot.name(), "the link did not outlive the pause");
    connection.handle.disconnect(Disconnect::ByApplication, "no answer", "").await.ok();
    let closed = async {
        while !connection.handle.is_closed() {
            sleep(CLOSED_LOOK).await;
        }
    };
    if timeout(ANSWER_MAX, closed).await.is_ok() {
        pool.acquire_again(&slot).await;
    }
}

async fn ask(connection: &Arc<Connection>) -> Option<(i64, Millis)> {
    let channel = open_channel(connection, ANSWER_MAX).await.ok()?;
    let (read, write) = channel.split();
    let write = Arc::new(write);
    let mut closing = Closing::new(&write);
    let sent = now();
    write.exec(true, QUESTION).await.ok()?;
    write.eof().await.ok();
    let (heard, _status) = collect(read, HEARD_MAX).await;
    let heard_at = now();
    closing.ended();
    let (theirs, unsure) = reading(&String::from_utf8_lossy(&heard))?;
    Some(offset(sent, heard_at, theirs, unsure))
}

/// The offset in milliseconds by a clock that said `theirs` between `sent` and `heard`, all in
/// microseconds.
fn offset(sent: i64, heard: i64, theirs: i64, unsure: i64) -> (i64, Millis) {
    let half = heard.saturating_sub(sent).max(0) / 2;
    let middle = sent.saturating_add(half);
    let within = half.saturating_add(unsure).saturating_add(999) / 1000;
    let millis = theirs.saturating_sub(middle) / 1000;
    (millis, Millis::new(u64::try_from(within).unwrap_or(0)))
}

/// Microseconds since 1970 and how far they may be off, from the last line of an answer. A `date`
/// that knows no fraction prints something else in its place: then it is the middle of the second.
fn reading(heard: &str) -> Option<(i64, i64)> {
    let line = heard.trim_end().lines().next_back()?.trim();
    let (secs, fraction) = line.split_once('.').unwrap_or((line, ""));
    let secs: i64 = secs.parse().ok()?;
    let micros = secs.checked_mul(1_000_000)?;
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let digits = fraction.get(..6).filter(|_| digits).and_then(|it| it.parse::<i64>().ok());
    Some(match digits {
        Some(digits) => (micros.checked_add(digits)?, 0),
        None => (micros.checked_add(500_000)?, 500_000),
    })
}

/// Microseconds since 1970 on this machine.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{offset, reading};
    use crate::base::Millis;

    #[test]
    fn a_clock_is_read_whatever_date_can_do() {
        assert_eq!(reading("1700000000.250000000\n"), Some((1_700_000_000_250_000, 0)));
        assert_eq!(reading("Welcome\n1700000000.25\n"), Some((1_700_000_000_500_000, 500_000)));
        for coarse in ["1700000000.N\n", "1700000000.%N", "1700000000.\n", "1700000000\n"] {
            assert_eq!(reading(coarse), Some((1_700_000_000_500_000, 500_000)), "{coarse}");
        }
        for none in ["", "\n", "x.5", "date: not found\n", "99999999999999999999.0"] {
            assert_eq!(reading(none), None, "{none}");
        }
    }

    #[test]
    fn an_offset_is_measured_from_the_middle_of_the_round_trip() {
        assert_eq!(offset(1_000_000, 1_040_000, 3_520_000, 0), (2_500, Millis::new(20)));
        assert_eq!(offset(1_000_000, 1_040_000, 520_000, 0), (-500, Millis::new(20)));
        assert_eq!(offset(1_000_000, 1_000_001, 1_500_000, 500_000), (500, Millis::new(500)));
        // This machine's clock was set back meanwhile.
        assert_eq!(offset(5_000_000, 1_000_000, 5_000_000, 0), (0, Millis::ZERO));
    }
}
