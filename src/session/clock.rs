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

/// A machine that slept for longer is said to have slept.
const ASLEEP: Millis = Millis::from_secs(1);
/// golive looks at its clocks twice a second; after a longer gap it is said to have stood still.
const STILL: Millis = Millis::from_secs(10);

/// What the machine's clocks say at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reading {
    /// The wall clock.
    wall: Timestamp,
    /// Since the boot, sleep included.
    boot: Millis,
    /// Since the boot, sleep left out.
    awake: Millis,
}

/// Where readings come from.
struct Source(Box<dyn Fn() -> Reading + Send>);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// A time in which golive did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Still {
    /// How long.
    pub span: Millis,
    /// Whether the machine slept.
    pub asleep: bool,
}

/// The time line of a session: it only grows.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    /// The session's time at `base`.
    opened: Timestamp,
    /// The boot-time clock then.
    base: Millis,
    /// How far the wall clock is ahead of the session's time, when last looked at.
    ahead: i64,
    /// The clocks when it was last looked whether golive stood still.
    looked: Option<Reading>,
    boot: String,
}

impl Clock {
    /// A clock that starts at the wall clock, and never before `not_before`, which is the last
    /// time of a journal that is taken up again.
    pub fn new(not_before: Timestamp) -> Self {
        Self::with(Source(Box::new(machine)), not_before)
    }

    fn with(source: Source, not_before: Timestamp) -> Self {
        let Reading { wall, boot, .. } = (source.0)();
        let opened = wall.max(not_before);
        let ahead = crate::plan::signed(opened, wall);
        Self { source, opened, base: boot, ahead, looked: None, boot: boot_id() }
    }

    fn read(&self) -> Reading {
        (self.source.0)()
    }

    /// Now, on the session's time line.
    pub fn now(&self) -> Timestamp {
        self.at(self.read())
    }

    fn at(&self, reading: Reading) -> Timestamp {
        self.opened.after(reading.boot.minus(self.base))
    }

    /// Now, by every clock.
    pub fn stamp(&self) -> Stamp {
        let reading = self.read();
        let (wall, mono) = (reading.wall, reading.boot);
        Stamp { at: self.at(reading), wall, mono, boot: self.boot.clone() }
    }

    /// By how many milliseconds the wall clock has jumped since this was last asked.
    pub fn jump(&mut self) -> Option<i64> {
        let reading = self.read();
        let ahead = crate::plan::signed(self.at(reading), reading.wall);
        let moved = ahead - self.ahead;
        if moved.unsigned_abs() <= JUMP.as_millis() {
            return None;
        }
        self.ahead = ahead;
        Some(moved)
    }

    /// For how long golive did not run since this was last asked: because the machine slept, or
    /// because golive was stopped or got no time. Asked twice a second.
    pub(super) fn stood_still(&mut self) -> Option<Still> {
        let reading = self.read();
        let before = self.looked.replace(reading)?;
        let span = reading.boot.minus(before.boot);
        let asleep = span.minus(reading.awake.minus(before.awake)) > ASLEEP;
        (asleep || span > STILL).then_some(Still { span, asleep })
    }
}

/// The clocks of the machine.
fn machine() -> Reading {
    Reading {
        wall: wall(),
        boot: since_boot(ClockId::Boottime),
        awake: since_boot(ClockId::Monotonic),
    }
}

pub(super) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn since_boot(clock: ClockId) -> Millis {
    let time = clock_gettime(clock);
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
    use std::sync::{Arc, Mutex};

    use super::{Clock, Reading, Source, Still, wall};
    use crate::base::{Millis, Timestamp};

    /// A machine whose clocks are moved by hand.
    #[derive(Clone)]
    struct Machine(Arc<Mutex<Reading>>);

    impl Machine {
        fn new() -> (Self, Clock) {
            let start = Reading {
                wall: Timestamp::from_unix_millis(1_000_000_000),
                boot: Millis::from_secs(500),
                awake: Millis::from_secs(300),
            };
            let machine = Self(Arc::new(Mutex::new(start)));
            let read = Arc::clone(&machine.0);
            let source = Source(Box::new(move || *read.lock().unwrap()));
            let clock = Clock::with(source, Timestamp::default());
            (machine, clock)
        }

        /// Time passes: by the wall, since the boot, and awake.
        fn pass(&self, wall: i64, boot: u64, awake: u64) {
            let mut reading = self.0.lock().unwrap();
            let by = Millis::new(wall.unsigned_abs());
            reading.wall = if wall < 0 { reading.wall.before(by) } else { reading.wall.after(by) };
            reading.boot = reading.boot.plus(Millis::new(boot));
            reading.awake = reading.awake.plus(Millis::new(awake));
        }
    }

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
        let mut clock = Clock::new(Timestamp::default());
        assert_eq!(clock.jump(), None);
    }

    #[test]
    fn a_wall_clock_that_is_set_is_a_jump_and_moves_no_time() {
        let (machine, mut clock) = Machine::new();
        let began = clock.now();
        machine.pass(500, 500, 500);
        assert_eq!((clock.jump(), clock.stood_still()), (None, None));
        machine.pass(3_600_500, 500, 500);
        assert_eq!(clock.jump(), Some(3_600_000), "summer time in the machine's own clock");
        machine.pass(-7_199_500, 500, 500);
        assert_eq!(clock.jump(), Some(-7_200_000));
        machine.pass(500, 500, 500);
        assert_eq!(clock.jump(), None, "said once");
        assert_eq!(clock.now().since(began), Millis::from_secs(2));
        let stamp = clock.stamp();
        assert_eq!(stamp.mono, Millis::from_secs(502));
    }

    #[test]
    fn sleep_is_told_from_standing_still() {
        let (machine, mut clock) = Machine::new();
        assert_eq!(clock.stood_still(), None, "the first look");
        let began = clock.now();
        machine.pass(600_500, 600_500, 500);
        let slept = Some(Still { span: Millis::new(600_500), asleep: true });
        assert_eq!(clock.stood_still(), slept);
        assert_eq!(clock.jump(), None, "the wall clock went on as it should");
        assert_eq!(clock.now().since(began), Millis::new(600_500), "a window closes while asleep");
        assert_eq!(clock.stood_still(), None, "said once");
        machine.pass(1_400, 1_400, 500);
        assert_eq!(clock.stood_still(), None, "less than a second of sleep is no sleep");
        machine.pass(9_999, 9_999, 9_999);
        assert_eq!(clock.stood_still(), None, "a slow moment");
        machine.pass(45_000, 45_000, 45_000);
        let stopped = Some(Still { span: Millis::from_secs(45), asleep: false });
        assert_eq!(clock.stood_still(), stopped, "SIGSTOP, or a machine without time");
        // Asleep, and woken with a wall clock that lost its battery.
        machine.pass(-1_000_000, 60_000, 0);
        assert!(clock.stood_still().is_some_and(|still| still.asleep));
        assert_eq!(clock.jump(), Some(-1_060_000));
    }
}
