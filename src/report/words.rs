//! The words of tables and lines.

use crate::base::Timestamp;
use crate::engine::{AlarmId, Choice, Doubt, End, Level, Part, RunKind, State, Verdict};
use crate::runbook::{Class, UndoStage};

/// How many places or probes are named before the rest is only counted.
const NAMED: usize = 6;

/// A class in one word.
pub(super) const fn class_word(class: Class) -> &'static str {
    match class {
        Class::Check => "check",
        Class::Change => "change",
        Class::Critical => "critical",
    }
}

/// What an alarm is about.
pub(super) fn alarm_words(id: &AlarmId) -> String {
    match id {
        AlarmId::Step(step) => format!("step {step}"),
        AlarmId::Silent(step) => format!("step {step} prints nothing"),
        AlarmId::Flood(step) => format!("step {step} prints very much"),
        AlarmId::Probe(probe) => format!("probe {probe}"),
        AlarmId::Soak(step) => format!("soak of {step}"),
        AlarmId::Host(host) => format!("host {host}"),
        AlarmId::HostKey(host) => format!("host key of {host}"),
        AlarmId::HostClock(host) => format!("clock of {host}"),
        AlarmId::Unseen(step) => format!("step {step} out of sight"),
        AlarmId::Waiver(step) => format!("waiver at gate {step}"),
        AlarmId::Trigger(probe) => format!("rollback trigger {probe}"),
        AlarmId::LatestSafe => "latest safe rollback".to_owned(),
        AlarmId::Window => "window".to_owned(),
        AlarmId::Signing => "signing of the record".to_owned(),
        AlarmId::PlannedReturn => "planned return".to_owned(),
        AlarmId::Readiness => "readiness of the way back".to_owned(),
        AlarmId::Rto => "recovery time".to_owned(),
        AlarmId::Rpo => "data lost".to_owned(),
        AlarmId::Notice(channel) => format!("channel {channel}"),
    }
}

/// How the objectives stand, by their names; nothing where there are none.
pub fn objectives_words(state: &State, now: Timestamp) -> Vec<(&'static str, String)> {
    let objectives = &state.plan().objectives;
    let mut words = Vec::new();
    if let Some((rto, rta)) = objectives.rto.as_ref().zip(state.rta(now)) {
        let taken = rta.taken.map_or_else(String::new, |taken| {
            let so_far = if rta.runs { " so far" } else { "" };
            format!(", RTA {taken}{so_far}")
        });
        let why = rta.why.map_or_else(String::new, |why| format!(" ({why})"));
        let verdict = rta.verdict.words();
        let (within, from, to) = (rto.within, &rto.from, &rto.to);
        words.push(("RTO", format!("{within} from {from} to {to}{taken}: {verdict}{why}")));
    }
    if let Some((rpo, rpa)) = objectives.rpo.as_ref().zip(state.rpa()) {
        let lost = rpa.lost.map_or_else(String::new, |lost| format!(", RPA {lost}"));
        let verdict = rpa.verdict.words();
        words.push(("RPO", format!("{}{lost}: {verdict} ({})", rpo.within, rpa.says)));
    }
    words
}

/// How a job ended.
pub fn end_words(end: &End) -> String {
    match end {
        End::Exited { code, unmet: None, .. } => format!("exit {code}"),
        End::Exited { code, unmet: Some(unmet), .. } => format!("exit {code}, {unmet}"),
        End::Done(done) => done.words(),
        End::Signalled { signal } => format!("ended by SIG{signal}"),
        End::Stopped { survivors: None } => {
            "stopped; what still lives of it is not known".to_owned()
        }
        End::Stopped { survivors: Some(alive) } if alive.is_empty() => {
            "stopped, all of it gone".to_owned()
        }
        End::Stopped { survivors: Some(alive) } => format!("stopped; still alive: {}", list(alive)),
        End::NotStarted { why } => format!("did not run: {why}"),
        End::Rebooted { after } => format!("rebooted, answered after {after}"),
        End::Unknown { why, doubt: Doubt::Link } => format!("may have run: {why}"),
        End::Unknown { why, doubt } => format!("{}: {why}", doubt.words()),
    }
}

/// A value and its unit.
pub(super) fn measured(value: f64, unit: &str) -> String {
    format!("{value} {unit}").trim_end().to_owned()
}

/// `1 line`, `2 lines`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The first few of `items`, and how many more there are.
pub(super) fn list<T: ToString>(items: &[T]) -> String {
    let named: Vec<String> = items.iter().take(NAMED).map(ToString::to_string).collect();
    let more = items.len().saturating_sub(NAMED);
    let rest = if more == 0 { String::new() } else { format!(" + {more} more") };
    named.join(", ") + &rest
}

/// What a sentence about a part of a step begins with.
pub(super) const fn part_of(part: Part) -> &'static str {
    match part {
        Part::Action => "",
        Part::Verify => "verification: ",
        Part::Compare => "comparison: ",
        Part::Undo => "undo: ",
        Part::UndoVerify => "verification of the undo: ",
    }
}

/// The word for a part of a step, in tables.
pub(super) const fn part_word(part: Part) -> &'static str {
    match part {
        Part::Action => "action",
        Part::Verify => "verify",
        Part::Compare => "compare",
        Part::Undo => "undo",
        Part::UndoVerify => "undo-verify",
    }
}

/// How a part of a step ended.
pub(super) const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::Cancelled => "CANCELLED",
        Verdict::Failed => "FAILED",
        Verdict::TimedOut => "TIMED OUT",
        Verdict::Unknown => "UNKNOWN, may have run",
    }
}

/// The word for an alarm's level.
pub(super) const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Advisory => "advisory",
        Level::Caution => "CAUTION",
        Level::Warning => "WARNING",
    }
}

/// GO or NO-GO.
pub(super) const fn choice_word(choice: Choice) -> &'static str {
    match choice {
        Choice::Go => "GO",
        Choice::NoGo => "NO-GO",
    }
}

/// The five stages of a rollback, as a sentence each.
pub(super) const fn stage_words(stage: UndoStage) -> &'static str {
    match stage {
        UndoStage::StopNew => "Stop the new and restore the old environment",
        UndoStage::RestoreCode => "Restore old code and configuration",
        UndoStage::RestoreData => "Roll data back to the backup point",
        UndoStage::Verify => "Verify the old system",
        UndoStage::Notify => "Notify everyone and record the reasons",
    }
}

/// What every heading and every row of a rehearsal or drill begins with.
pub(super) const fn mark(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Live => "",
        RunKind::Rehearsal => "REHEARSAL ",
        RunKind::Drill => "DRILL ",
    }
}
