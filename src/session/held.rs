//! Reports that lie for a moment, so that they share the line and the sync of what comes next.
//!
//! That a step has begun on its host changes nothing that anybody does: no effect waits for it. A
//! short step ends a few milliseconds later, and one line says both. Until then it is neither
//! recorded nor believed nor shown; a crash leaves what it leaves a moment before the report came:
//! a step that was started, of which its host knows more.

use crate::base::{Millis, Timestamp};
use crate::engine::{Actor, Command, Sight};

/// So long does a report wait for company.
const WAITS: Millis = Millis::new(20);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Held {
    decided: Vec<(Actor, Command)>,
    until: Option<Timestamp>,
}

impl Held {
    /// Whether `command` may wait.
    pub(super) const fn may(command: &Command) -> bool {
        matches!(command, Command::Sighted { sight: Sight::Began(_), .. })
    }

    /// Until when it waits, if anything does.
    pub(super) const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether something has waited for long enough.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Lets it wait, together with what does already.
    pub(super) fn add(&mut self, decided: Vec<(Actor, Command)>, now: Timestamp) {
        if !decided.is_empty() {
            self.decided.extend(decided);
            self.until.get_or_insert(now.after(WAITS));
        }
    }

    /// All that waits, in the order in which it came.
    pub(super) fn take(&mut self) -> Vec<(Actor, Command)> {
        self.until = None;
        std::mem::take(&mut self.decided)
    }
}
