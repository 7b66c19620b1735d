//! What keeps keys from doing harm: dead times, the flood lock, the bounce, the bell's manners.

use std::collections::VecDeque;

use crate::base::{Millis, Timestamp};
use crate::engine::{Level, State};

/// More keys than this in a second are not a person's.
const KEYS_A_SECOND: usize = 12;

/// How keys came in, and until when they are not listened to.
#[derive(Clone, Debug, Default)]
pub(super) struct Reins {
    dead_until: Timestamp,
    recent: VecDeque<Timestamp>,
    locked_until: Timestamp,
    interrupts: VecDeque<Timestamp>,
    told_of_input_method: Option<Timestamp>,
}

impl Reins {
    /// A dialog opens: what was typed before it was seen does not count.
    pub(super) fn dialog_opens(&mut self, now: Timestamp, rtt: Millis) {
        let round_trips = Millis::new(rtt.as_millis().saturating_mul(3) / 2);
        self.dead_until = now.after(round_trips.max(Millis::new(400)));
    }

    /// Whether a dialog has just opened.
    pub(super) fn is_dead(&self, now: Timestamp) -> bool {
        now < self.dead_until
    }

    /// Counts a key; whether letters are locked.
    pub(super) fn is_flood(&mut self, now: Timestamp) -> bool {
        self.recent.push_back(now);
        let second_ago = now.before(Millis::from_secs(1));
        while self.recent.front().is_some_and(|at| *at <= second_ago)
            || self.recent.len() > 4 * KEYS_A_SECOND
        {
            self.recent.pop_front();
        }
        if self.recent.len() > KEYS_A_SECOND {
            self.locked_until = now.after(Millis::from_secs(1));
        }
        now < self.locked_until
    }

    /// Counts a Ctrl-C; whether it is the third within two seconds.
    pub(super) fn third_interrupt(&mut self, now: Timestamp) -> bool {
        self.interrupts.push_back(now);
        let start = now.before(Millis::from_secs(2));
        while self.interrupts.front().is_some_and(|at| *at < start) {
            self.interrupts.pop_front();
        }
        let third = self.interrupts.len() >= 3;
        if third {
            self.interrupts.clear();
        }
        third
    }

    /// Whether to say that the input method is on: once in a while, not for every letter.
    pub(super) fn tell_of_input_method(&mut self, now: Timestamp) -> bool {
        let quiet = Millis::from_secs(10);
        let told = self.told_of_input_method.is_some_and(|at| now.since(at) < quiet);
        self.told_of_input_method = Some(now);
        !told
    }
}

/// When the bell rings.
#[derive(Clone, Debug, Default)]
pub(super) struct Bell {
    last: Option<Timestamp>,
    muted_until: Timestamp,
    alarms: usize,
    waiting: bool,
}

impl Bell {
    /// Quiet for this long.
    pub(super) fn mute(&mut self, now: Timestamp, span: Millis) {
        self.muted_until = now.after(span);
    }

    /// How often the bell rings now: for a new warning three times, for a new caution or a
    /// decision once, and once a minute while a warning is not acknowledged.
    pub(super) fn due(&mut self, state: &State, waiting: bool, now: Timestamp) -> usize {
        let new = state.alarms().iter().skip(self.alarms).map(|alarm| alarm.level).max();
        let decision = waiting && !self.waiting;
        let open = state.open_alarms();
        let unseen = open.iter().any(|a| a.level == Level::Warning && a.acknowledged.is_none());
        let since = self.last.map(|last| now.since(last));
        let again = unseen && since.is_none_or(|since| since >= Millis::from_secs(60));
        let times = match new {
            Some(Level::Warning) => 3,
            Some(Level::Caution) => 1,
            Some(Level::Advisory) | None if decision || again => 1,
            Some(Level::Advisory) | None => 0,
        };
        let too_soon = since.is_some_and(|since| since < Millis::from_secs(10));
        if times == 0 {
            self.alarms = state.alarms().len();
            self.waiting = waiting;
            return 0;
        }
        if too_soon {
            return 0; // It rings as soon as it may: what is new stays new.
        }
        self.alarms = state.alarms().len();
        self.waiting = waiting;
        self.last = Some(now);
        if now < self.muted_until { 0 } else { times }
    }
}

#[cfg(test)]
mod tests {
    use super::Reins;
    use crate::base::{Millis, Timestamp};

    #[test]
    fn a_flood_locks_letters_for_a_second() {
        let mut reins = Reins::default();
        let start = Timestamp::from_unix_millis(1_000_000);
        let at = |millis| start.after(Millis::new(millis));
        for n in 0..12 {
            assert!(!reins.is_flood(at(n * 10)), "{n}");
        }
        assert!(reins.is_flood(at(130)));
        assert!(!reins.is_flood(at(2_500)));
    }

    #[test]
    fn the_dead_time_follows_the_link() {
        let mut reins = Reins::default();
        let start = Timestamp::from_unix_millis(1_000_000);
        reins.dialog_opens(start, Millis::new(30));
        assert!(reins.is_dead(start.after(Millis::new(399))));
        assert!(!reins.is_dead(start.after(Millis::new(400))));
        reins.dialog_opens(start, Millis::new(800));
        assert!(reins.is_dead(start.after(Millis::new(1_199))));
        assert!(!reins.is_dead(start.after(Millis::new(1_200))));
    }

    #[test]
    fn three_interrupts_in_two_seconds() {
        let mut reins = Reins::default();
        let start = Timestamp::from_unix_millis(1_000_000);
        let at = |millis| start.after(Millis::new(millis));
        assert!(!reins.third_interrupt(at(0)));
        assert!(!reins.third_interrupt(at(1_900)));
        assert!(!reins.third_interrupt(at(2_100)));
        assert!(reins.third_interrupt(at(2_200)));
    }
}
