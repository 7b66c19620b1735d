//! Alarms about time: the latest safe rollback and the end of the window.

use super::event::{AlarmId, Event, Level};
use super::state::State;

const MINUTE: i64 = 60_000;

/// The alarms at 30, 10 and 0 minutes; an alarm changes only when a mark is passed.
pub(super) fn limit_alarms(
    state: &State,
    latest_safe: Option<i64>,
    window: Option<i64>,
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut one = |id: AlarmId, left: Option<i64>, name: &str, past: &str| {
        let raise = |level, text: &str| state.alarm(id.clone(), level, text);
        events.extend(match left {
            Some(left) if left <= 0 => raise(Level::Warning, past),
            Some(left) if left <= 10 * MINUTE => {
                raise(Level::Warning, &format!("{name} in less than 10 minutes: decide now"))
            }
            Some(left) if left <= 30 * MINUTE => {
                raise(Level::Caution, &format!("{name} in less than 30 minutes"))
            }
            // Far away, or nothing to be late for any more.
            Some(_) | None => state.all_clear(id),
        });
    };
    // Nobody is late for what cannot be done any more.
    let latest_safe = latest_safe.filter(|_| state.committed().is_none());
    one(
        AlarmId::LatestSafe,
        latest_safe,
        "latest safe rollback",
        "the latest safe rollback is past: a rollback begun now may end after the window closes",
    );
    one(AlarmId::Window, window, "the window closes", "the window is closed");
    events
}
