//! The result of a run in words: the first sentences of the report.

use crate::base::Timestamp;
use crate::engine::{RunStage, Status};
use crate::plan::signed;

use super::story::Story;
use super::words::counted;
use super::write::{delta, md, to_second};

/// The result in a few words.
pub(super) fn result(story: &Story<'_>) -> String {
    let failed = story.state.undecided().count();
    match story.state.stage() {
        RunStage::Preparing => "never begun".to_owned(),
        RunStage::Active if failed > 0 => {
            format!("NOT FINISHED: {} without a decision", counted(failed, "failed step"))
        }
        RunStage::Active => "NOT FINISHED".to_owned(),
        RunStage::RollingBack => "ROLLBACK NOT FINISHED".to_owned(),
        RunStage::RolledBack { verified: true } => "ROLLED BACK, old system verified".to_owned(),
        RunStage::RolledBack { verified: false } => {
            "ROLLED BACK, old system NOT verified".to_owned()
        }
        RunStage::Completed => "completed".to_owned(),
        RunStage::Abandoned => "ABANDONED without rolling back".to_owned(),
    }
}

/// Three sentences that anybody could write from the record.
pub(super) fn summary(story: &Story<'_>) -> [String; 3] {
    [when_and_how(story), steps(story), margin(story)]
}

fn when_and_how(story: &Story<'_>) -> String {
    let title = md(story.plan.title.as_str());
    let kind = story.kind();
    if story.state.began().is_none() {
        return format!(
            "{title} ({kind}) was opened at {} and never begun.",
            story.moment(story.began)
        );
    }
    let began = story.moment(story.began);
    let result = result(story);
    let Some(ended) = story.ended else {
        let last = story.moment(story.last);
        return format!(
            "{title} ({kind}) began at {began} and was last recorded at {last}: {result}."
        );
    };
    let (span, ended) = (to_second(ended.since(story.began)), story.moment(ended));
    format!("{title} ({kind}) ran from {began} to {ended}, {span}: {result}.")
}

fn steps(story: &Story<'_>) -> String {
    let is = |wanted: fn(Status) -> bool| {
        let order = story.plan.order.iter();
        order.filter(|id| wanted(story.state.track(id).status)).count()
    };
    let done = is(|status| status == Status::Succeeded);
    let again = |attempts: Option<u32>| attempts.is_some_and(|attempt| attempt > 1);
    let repeated = story
        .steps()
        .filter(|(_, track)| again(track.last_action().map(|action| action.key.attempt)))
        .count();
    let others: [(usize, &str); 6] = [
        (is(|status| status == Status::Skipped), "skipped"),
        (is(|status| status == Status::DoneByHand), "done by hand"),
        (is(|status| status == Status::FailureAccepted), "accepted as failed"),
        (is(Status::wants_choice), "failed or unknown"),
        (is(|status| status == Status::Pending), "not started"),
        (repeated, "tried more than once"),
    ];
    let total = counted(story.plan.order.len(), "step");
    let mut parts = vec![format!("{done} of {total} succeeded")];
    let others = others.iter().filter(|(count, _)| *count > 0);
    parts.extend(others.map(|(count, word)| format!("{count} {word}")));
    format!("{}.", parts.join(", "))
}

fn margin(story: &Story<'_>) -> String {
    let alarms = counted(story.state.alarms().len(), "alarm");
    if let Some(rollback) = story.state.rollback() {
        let span = match rollback.ended {
            None => "had not ended when the record ends".to_owned(),
            Some(ended) => {
                let span = to_second(ended.since(rollback.began));
                format!("took {span}{}", window(story, ended))
            }
        };
        let (at, reason) = (story.moment(rollback.began), md(rollback.reason.as_str()));
        return format!("The rollback began at {at} because \"{reason}\" and {span}; {alarms}.");
    }
    let planned = story.planned.planned_end;
    match story.ended {
        None => format!("The planned end was {}; {alarms}.", story.moment(planned)),
        Some(ended) => {
            let against = delta(signed(planned, ended));
            format!("It ended {against} against the plan{}; {alarms}.", window(story, ended))
        }
    }
}

/// How an end lies to the window.
fn window(story: &Story<'_>, ended: Timestamp) -> String {
    let Some(window) = &story.plan.window else { return String::new() };
    let left = signed(ended, window.closes);
    let side = if left >= 0 { "before" } else { "AFTER" };
    let size = delta(left);
    format!(", {} {side} the window closed", size.trim_start_matches(['+', '-']))
}
