//! Every word on screen that is not data, in one place.

use crate::engine::{Choice, Lamp, RunKind, WindowEdge};
use crate::runbook::Window;

use super::header;
use super::model::{Model, Run};

// Why not.
pub(super) const NOT_BEGUN: &str = "the run has not begun";
pub(super) const ROLLBACK_BEGAN: &str = "a rollback has begun: going forward again is a new run";
pub(super) const IS_OVER: &str = "the run is over";
pub(super) const SECOND_MISSES: &str = "a second person has to agree first: p";
pub(super) const GUARD_BLOCKS: &str = "the rollback guard is open";

pub(super) fn not_recorded(why: &str) -> String {
    format!("NOT RECORDED ({why}): no step can start")
}

/// The word that an override begins with.
pub(super) const OVERRIDE_WORD: &str = "UNRECORDED";
pub(super) const OVERRIDE_MEANS: &str =
    "Lets rollback and stop work unrecorded: nothing else, and on your word.";
pub(super) const OVERRIDE_FORM: &str =
    "Begin with the word UNRECORDED, then write why: rollback and stop only, and on your word.";
pub(super) const OVERRIDE_FIRST: &str =
    "NOT RECORDED: a step is stopped only after the override. Type it, then X again.";
pub(super) const ALL_RECORDED: &str = "Everything is recorded: there is nothing to override.";
pub(super) const UNRECORDED: &str =
    "NOT RECORDED: nothing forward starts. W tries again. V overrides, for R and X.";
pub(super) const UNRECORDED_BACK: &str =
    "NOT RECORDED, by override: R rolls back, X stops, nothing else. W tries again.";

pub(super) fn is_already(step: &str, status: &str) -> String {
    format!("{step} is {status}")
}

pub(super) fn needs(need: &str, status: &str) -> String {
    format!("it needs {need}, which is {status}")
}

pub(super) fn hold_blocks(why: &str) -> String {
    format!("the run is on HOLD ({why}): H ends the hold")
}

// Another command for a step.
pub(super) const EDIT_MEANS: &str =
    "Only in this run: the runbook and its pinned copy stay as they are. Nothing is sent yet.";
pub(super) const EDIT_SECOND: &str =
    "a second person has to agree to the new command before it starts";
pub(super) const EDIT_BRACES: &str = "{{ }} is sent as it stands: no variable is filled in";
pub(super) const EDIT_UNDO: &str = "the undo is the runbook's: does it undo this command too?";
pub(super) const EDIT_Y_ASKS: &str = "asks why, then records it: nothing is sent";
pub(super) const EDIT_Y: &str = "records it: nothing is sent";

// Words of the header.
pub(super) const fn run(run: Run) -> &'static str {
    match run {
        Run::Ready => "READY",
        Run::Running => "RUNNING",
        Run::Waiting => "WAITING FOR YOU",
        Run::Hold => "HOLD",
        Run::Failed => "FAILED",
        Run::FailedHold => "FAILED - HOLD",
        Run::GuardOpen => "GUARD OPEN",
        Run::RollingBack => "ROLLING BACK",
        Run::RollbackHeld => "ROLLBACK HELD",
        Run::RolledBack => "ROLLED BACK",
        Run::RolledBackUnverified => "ROLLED BACK, NOT VERIFIED",
        Run::Done => "DONE",
        Run::Abandoned => "ABANDONED",
    }
}

pub(super) const fn run_short(run: Run) -> &'static str {
    match run {
        Run::Waiting => "WAITING",
        Run::RolledBackUnverified => "BACK, UNVERIFIED",
        Run::Ready
        | Run::Running
        | Run::Hold
        | Run::Failed
        | Run::FailedHold
        | Run::GuardOpen
        | Run::RollingBack
        | Run::RollbackHeld
        | Run::RolledBack
        | Run::Done
        | Run::Abandoned => self::run(run),
    }
}

/// Where there is no way back that could be ready.
pub(super) const NO_LAMP: &str = "--";

/// Whether the way back is ready.
pub(super) const fn lamp(lamp: Lamp) -> &'static str {
    match lamp {
        Lamp::Ready => "ready",
        Lamp::Unknown => "UNKNOWN",
        Lamp::NotReady => "NOT READY",
    }
}

pub(super) const fn choice(choice: Choice) -> &'static str {
    match choice {
        Choice::Go => "GO",
        Choice::NoGo => "NO-GO",
    }
}

pub(super) const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// What a line of a practice run begins with, so that nobody takes it for the real one.
pub(super) const fn prefix(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Live => "",
        RunKind::Drill => "DRILL ",
        RunKind::Rehearsal => "REHEARSAL ",
    }
}

/// What the message row of a practice run says beside the rest.
pub(super) const fn practice(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Live => "",
        RunKind::Drill => "DRILL: ",
        RunKind::Rehearsal => "REHEARSAL: ",
    }
}

/// `1 host`, `6 hosts`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

pub(super) fn hosts(n: usize) -> String {
    count(n, "host", "hosts")
}

// Messages in answer to a key.
pub(super) const INPUT_METHOD: &str = "The input method is on: letters do nothing here. Digits, arrows, Enter, Esc, F1, F8 and F9 work.";
pub(super) const FLOOD: &str = "Too many keys at once: letters are locked for 1 second.";
pub(super) const PASTE_DROPPED: &str = "Paste dropped: it goes into text fields only.";
pub(super) const NOT_HERE: &str = "That key does nothing here. ? shows the keys.";
pub(super) const STOPPED_COUNTDOWN: &str = "Count-down stopped. Nothing was sent. New digits.";
pub(super) const WRONG_CODE: &str = "Wrong code. New digits, after 1 second.";
pub(super) const THREE_WRONG: &str = "Three wrong codes: the guard is closed, the run is on HOLD.";
pub(super) const PLAN_CHANGED: &str =
    "The plan has changed: the marked lines are new, and so are the digits.";
pub(super) const GUARD_TIMED_OUT: &str =
    "No key for 60 s: the guard is closed, the run is on HOLD.";
pub(super) const READ_FIRST: &str =
    "Not all of it has been on screen: v shows the rest, then y works.";
pub(super) const NOT_OVER: &str = "The run is not over: h holds it and leaves, Esc stays.";
pub(super) const TOO_SMALL: &str =
    "Too small to show what would be done: make the window larger, at least 40x10.";
pub(super) const NOTHING_RUNS: &str = "Nothing of this step runs: there is nothing to stop.";
pub(super) const NOTHING_UNSEEN: &str = "Nothing of this step runs unseen: X stops what runs.";
pub(super) const DRAFT_KEPT: &str = "The text is kept as a draft.";
pub(super) const EMPTY: &str = "Nothing is written yet.";
pub(super) const MUTED: &str = "The bell is off for 10 minutes.";
pub(super) const TOO_SOON: &str = "H again within 1 second: taken for a bounce. The hold stays.";
pub(super) const CTRL_C: &str = "Ctrl-C stops nothing. H holds, X stops a step, q leaves. Ctrl-C 3 times in 2 s: HOLD and leave.";
pub(super) const CTRL_Z: &str =
    "Ctrl-Z suspends nothing: a run must not stop with its screen. H holds, q leaves.";
pub(super) const NO_HIT: &str = "No hit.";
pub(super) const COPIED: &str = "Copied.";
pub(super) const ALREADY_BACK: &str = "A rollback has begun already. H holds it between its steps.";
pub(super) const CHOOSE_FIRST: &str = "Choose a letter first, then y.";
pub(super) const TICK_FIRST: &str = "Tick every item of the checklist first.";

pub(super) const FACTS_CHANGED: &str =
    "The facts have changed since you looked: they are marked. y again decides on them.";
pub(super) const NOT_HEARD: &str = "GO is not possible: the poll is not met yet.";
pub(super) const NOTHING_TO_WAIVE: &str = "Every criterion holds, or is waived.";
pub(super) const WAIVER_HOW: &str = "Begin with how long: 30m the reason";
pub(super) const NO_PLAYBOOK: &str = "This runbook has no emergency procedure.";
pub(super) const NO_CHECKPOINT: &str =
    "The run has not reached a checkpoint since when anything started.";
pub(super) const NOBODY_HAS_TO: &str = "Nobody has to agree to this.";
pub(super) const RECORD_ANSWER: &str = "An answer is for the role under the cursor: j k.";

// Texts of dialogs.
pub(super) const PLAYBOOK_FREE: &str =
    "A hold does not stop a playbook, nor a playbook a rollback: R works here.";
pub(super) const CHECKPOINT_WHAT: &str = "A checkpoint is the state right after its step. What \
    started since is undone, newest first, and can be run again; the steps before and after a whole \
    rollback are left out.";
pub(super) const COMMIT: &str = "after it NOTHING CAN BE ROLLED BACK; what is wrong goes forward";
pub(super) const FIVE_STAGES: &str =
    " #  stage: 1 stop the new  2 old code  3 old data  4 verify  5 tell everyone";
pub(super) const SECOND_WHY: &str =
    "Ask them on the bridge. What they say is recorded in their name, as told to the driver.";
pub(super) const SAFE_TO_REPEAT: &str = "safe to repeat: yes, the runbook says (idempotent)";
pub(super) const UNKNOWN_1: &str = "It may have run. golive does not know.";
pub(super) const UNKNOWN_2: &str =
    "Look on the host first. Running it again needs a written reason.";
pub(super) const NOTHING_CHOSEN: &str = "letter, then y.  Enter does nothing.  Esc = hold and look";
pub(super) const IME_HELP: &str = "Input method on? Letters do nothing then. Digits, arrows, Tab, Enter, Esc, F1 F2 F8 F9 always work.";
pub(super) const TYPE_DIGITS: &str = "This step is critical: type the two digits instead of y.";
pub(super) const NOT_OFFERED: &str = "That choice is not possible for this step.";
pub(super) const NOT_SKIPPABLE: &str = "The runbook says that this may not be skipped.";
pub(super) const THREE_WRONG_STEP: &str =
    "Three wrong codes: the dialog is closed, nothing was sent.";

pub(super) const EDITING: &str =
    "EDITING: keys are text. F8 = HOLD and F9 = ROLLBACK guard work even here.";
pub(super) const UNSENT: &str =
    "Waiting for you. Nothing is sent before you confirm. HOLD and ROLLBACK work here too.";
pub(super) const CHOOSE: &str = "Nothing starts until you choose: a letter, then y.";
pub(super) const UNDECIDED: &str = "The gate is open: nothing behind it starts before GO.";

pub(super) fn starts_in(seconds: u64) -> String {
    format!("ROLLBACK starts in {seconds} s. Any key stops it. Nothing has been sent.")
}

/// That the window is shut.
pub(super) fn shut(m: &Model<'_>, edge: WindowEdge, window: &Window) -> String {
    let left = |from, to| header::countdown(crate::plan::signed(from, to));
    match edge {
        WindowEdge::Opens => {
            let opens = m.minute(window.opens);
            format!("THE WINDOW OPENS AT {opens} ({})", left(m.now, window.opens))
        }
        WindowEdge::Closes => {
            let closed = m.minute(window.closes);
            format!("THE WINDOW CLOSED AT {closed} ({})", left(m.now, window.closes))
        }
    }
}
