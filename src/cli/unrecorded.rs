//! The last words of a session that no disk took: tried once more, then printed.

use crate::engine::{Actor, Command};
use crate::journal::{JOURNAL_FILE, continued};
use crate::session::{Found, Handle};

use super::screen::{Ink, Screen};

/// Tries once more to record what is in memory only, in the session's folder or the fallback
/// folder; whether it is in the record now, and was not before. What no disk takes is printed, as
/// the lines that the journal lacks: the last copy of them there is.
pub(super) async fn last_words(screen: Screen, found: &Found, handle: &Handle, by: &Actor) -> bool {
    if handle.view().not_recorded.is_none() {
        return false;
    }
    handle.submit(by, Command::TryRecord).await.ok();
    let view = handle.view();
    if view.not_recorded.is_none() {
        let late = screen.error_ink(Ink::Yellow, "recorded late:");
        screen.complain(&format!("{late} what was in memory only is in the record now"));
        return true;
    }
    let head = screen.error_ink(Ink::Red, "NOT RECORDED:");
    let (count, after) = (view.kept.len(), view.seq);
    let away = continued(&found.dir).ok().flatten();
    let path = away.as_deref().unwrap_or(&found.dir).join(JOURNAL_FILE);
    screen.complain(&format!(
        "{head} no disk took the next {count} lines of the record. Keep them. They belong behind \
         line {after} of {}: they are what is lost otherwise",
        path.display()
    ));
    for line in &view.kept {
        screen.complain(line.trim_end_matches('\n'));
    }
    screen.complain(&format!("{head} these were the {count} lines"));
    false
}
