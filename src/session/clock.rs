//! The only clock: the wall clock read once, and the boot-time clock added from there.
//!
//! The boot-time clock counts the time that a laptop sleeps, so a deadline does not move when the
//! lid is shut. When the wall clock moves against it by more than half a second, that is an event.

use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

use crate::base::{Millis, SafeText, Timestamp};
use crate::journal::Stamp;

/// A wall clock that moves by more than this against the boot-time clock has jumped.
pub(super) const JUMP: Millis = Millis::new(500);

/// The time line of a session: it only grows.
#[derive(Debug)]
pub struct Clock {
    /// The session's time at `base`.
    opened: Timestamp,
    /// The boot-time clock then.
    base: Millis,
    /// How far the wall clock is ahead of the session's time, when last looked at.
    ahead: i64,
    boot: String,
}

impl Clock {
    /// A clock that starts at the wall clock, and never before `not_before`, which is the last
    /// time of a journal that is taken up again.
    pub fn new(not_before: Timestamp) -> Self {
        let opened = wall().max(not_before);
        let ahead = crate::plan::signed(opened, wall());
        Self { opened, base: boot_time(), ahead, boot: boot_id() }
    }

    /// Now, on the session's time line.
    pub fn now(&self) -> Timestamp {
        self.opened.after(boot_time().minus(self.base))
    }

    /// Now, by every clock.
    pub fn stamp(&self) -> Stamp {
        Stamp { at: self.now(), wall: wall(), mono: boot_time(), boot: self.boot.clone() }
    }

    /// By how many milliseconds the wall clock has jumped since this was last asked.
    pub fn jump(&mut self) -> Option<i64> {
        let ahead = crate::plan::signed(self.now(), wall());
        let moved = ahead - self.ahead;
        if moved.unsigned_abs() <= JUMP.as_millis() {
            return None;
        }
        self.ahead = ahead;
        Some(moved)
    }
}

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn boot_time() -> Millis {
    let time = clock_gettime(ClockId::Boottime);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let millis = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    Millis::from_secs(secs).plus(Millis::new(millis))
}

/// Which boot of the machine this is; empty where the system does not say.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// The machine golive runs on.
pub fn machine_name() -> SafeText {
    SafeText::new(&rustix::system::uname().nodename().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::{Clock, wall};
    use crate::base::Millis;

    #[test]
    fn the_time_line_never_runs_backwards() {
        let later = wall().after(Millis::from_secs(3600));
        let clock = Clock::new(later);
        assert!(clock.now() >= later, "a journal from a clock ahead is not gone behind");
        let (first, second) = (clock.now(), clock.now());
        assert!(second >= first);
    }

    #[test]
    fn a_steady_wall_clock_has_not_jumped() {
        let mut clock = Clock::new(crate::base::Timestamp::default());
        assert_eq!(clock.jump(), None);
    }
}
