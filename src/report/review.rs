//! The review of every rollback, from the record alone: why, by whom, what had failed before, the
//! five stages with their times, what failed on the way back, who was told.

use std::sync::Arc;

use crate::base::{SafeText, StepId, Timestamp};
use crate::engine::{AlarmId, Attempt, Event, Fact, Item, Part, Rollback, RunStage, State, Status};
use crate::plan::{UndoPlan, Work};
use crate::runbook::UndoStage;

use super::facts::who;
use super::sections::{dash, outcome};
use super::story::{Story, took};
use super::words::{end_words, part_of, stage_words};
use super::write::{Document, md, to_second};

const STAGES: [UndoStage; 5] = [
    UndoStage::StopNew,
    UndoStage::RestoreCode,
    UndoStage::RestoreData,
    UndoStage::Verify,
    UndoStage::Notify,
];

/// One rollback: the run as it was before it and after it.
struct Turn {
    by: String,
    before: State,
    after: State,
    rollback: Rollback,
}

/// The rollbacks with their reviews.
pub(super) fn rollback(story: &Story<'_>, to: &mut Document) {
    to.heading(2, "Rollback");
    let turns = turns(story);
    if turns.is_empty() {
        to.paragraph("There was none.");
        return;
    }
    for turn in &turns {
        if let Some(back) = &turn.rollback.to {
            let checkpoint = md(back.checkpoint.as_str());
            to.paragraph(&format!(
                "**To checkpoint {checkpoint}.** The run could go on from there."
            ));
        }
        head(story, turn, to);
        had_failed(story, turn, to);
        stages(story, turn, to);
        went_wrong(story, turn, to);
        not_undone(story, turn, to);
        told(story, turn, to);
    }
    for blank in ["What was lost", "Reasons", "Review meeting"] {
        to.heading(3, blank);
        to.paragraph("_To be written._");
    }
}

/// Every rollback of the record, in order.
fn turns(story: &Story<'_>) -> Vec<Turn> {
    let mut state = State::new(Arc::clone(story.first));
    let mut turns: Vec<Turn> = Vec::new();
    for (at, Fact { by, event }) in story.facts() {
        let before = matches!(event, Event::RollbackBegan { .. }).then(|| state.clone());
        state.apply(at, by, event);
        if let (Some(before), Some(rollback)) = (before, state.rollback().cloned()) {
            turns.push(Turn { by: who(by), before, after: state.clone(), rollback });
        }
        let ends = matches!(event, Event::Returned { .. } | Event::RollbackEnded { .. });
        if let Some(turn) = turns.last_mut().filter(|_| ends) {
            let ended = state.rollback().or(state.returns().last()).cloned();
            turn.rollback = ended.unwrap_or_else(|| turn.rollback.clone());
            turn.after = state.clone();
        }
    }
    if state.stage() == RunStage::RollingBack
        && let Some(turn) = turns.last_mut()
    {
        turn.after = state;
    }
    turns
}

fn head(story: &Story<'_>, turn: &Turn, to: &mut Document) {
    let rollback = &turn.rollback;
    to.line(&format!("- Began: {}, by {}", story.moment(rollback.began), md(&turn.by)));
    let ended = rollback.ended.map_or_else(
        || "not ended".to_owned(),
        |at| format!("{}, after {}", story.moment(at), to_second(at.since(rollback.began))),
    );
    to.line(&format!("- Ended: {ended}"));
    to.line(&format!("- Reason: {}", md(rollback.reason.as_str())));
    if let Some(why) = &rollback.break_glass {
        to.line(&format!("- Past the point of no return because: {}", md(why.as_str())));
    }
    let window = story.plan.window.as_ref().zip(rollback.ended);
    if let Some((window, ended)) = window {
        let word =
            if ended > window.closes { "AFTER the window closed" } else { "inside the window" };
        to.line(&format!("- Back {word}"));
    }
    to.line("");
}

/// What was wrong when it began: failed steps, and warnings that were open.
fn had_failed(story: &Story<'_>, turn: &Turn, to: &mut Document) {
    let state = &turn.before;
    let mut lines = Vec::new();
    for id in state.undecided() {
        let track = state.track(id);
        let said = track.last_action().map(ends).unwrap_or_default();
        let attempts = track.present().len();
        let attempts = if attempts > 1 { format!(", {attempts} attempts") } else { String::new() };
        let word = track.status.word();
        lines.push(format!("- {}: {word}{attempts}{}", md(id.as_str()), md(&said)));
    }
    for alarm in state.open_alarms() {
        if matches!(alarm.id, AlarmId::Step(_)) {
            continue; // Its step is named above.
        }
        let since = story.plan.zone.time(alarm.since);
        lines.push(format!("- since {since}: {}", md(alarm.text.as_str())));
    }
    if lines.is_empty() {
        return;
    }
    to.heading(3, "What was wrong when it began");
    for line in lines {
        to.line(&line);
    }
    to.line("");
}

fn ends(attempt: &Attempt) -> String {
    let ended = attempt.places.iter().filter_map(|(place, end)| Some((place, end.as_ref()?)));
    let said = ended.map(|(place, end)| format!("{place}: {}", end_words(&end.end)));
    let said: Vec<_> = said.collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join("; ")) }
}

fn stages(story: &Story<'_>, turn: &Turn, to: &mut Document) {
    let stage_of = |item: &Item| turn.after.describe_item(item).map(|item| item.stage);
    for (number, stage) in (1..).zip(STAGES) {
        to.heading(3, &format!("{number}. {}", stage_words(stage)));
        let items = turn.rollback.items.iter().filter(|item| stage_of(item) == Some(stage));
        let rows: Vec<_> = items.map(|item| undo_row(story, turn, item)).collect();
        let head = ["Step", "What", "Began", "Took", "Outcome", "Reason"];
        to.table(&head, &rows, "Nothing was planned here.");
    }
}

fn undo_row(story: &Story<'_>, turn: &Turn, item: &Item) -> Vec<String> {
    let track = turn.after.track_of(&item.step, item.part);
    let what = if item.part.is_undo() { "undo of " } else { "" };
    let title = story.plan.step(&item.step).map_or("", |step| step.title.as_str());
    vec![
        md(item.step.as_str()),
        format!("{what}{}", md(title)),
        track.started.map_or_else(dash, |at| story.plan.zone.time(at)),
        took(track).map_or_else(dash, |took| to_second(took).to_string()),
        outcome(track, item.part),
        md(track.reason.as_ref().map_or("", SafeText::as_str)),
    ]
}

/// Attempts of the way back that did not go well, even where a later one did.
fn went_wrong(story: &Story<'_>, turn: &Turn, to: &mut Document) {
    let mut rows = Vec::new();
    for Item { step, part } in &turn.rollback.items {
        for attempt in turn.after.track_of(step, *part).present() {
            for (place, end) in &attempt.places {
                let Some(end) = end else { continue };
                if end.end.verdict() == crate::engine::Verdict::Succeeded {
                    continue;
                }
                let which = format!("{}attempt {}", part_of(attempt.key.part), attempt.key.attempt);
                rows.push(vec![
                    story.plan.zone.time(end.at),
                    md(step.as_str()),
                    which,
                    md(&place.to_string()),
                    md(&end_words(&end.end)),
                ]);
            }
        }
    }
    if !rows.is_empty() {
        to.heading(3, "What failed on the way back");
        to.table(&["Time", "Step", "What", "Where", "How it ended"], &rows, "");
    }
}

fn not_undone(story: &Story<'_>, turn: &Turn, to: &mut Document) {
    let is_item = |id: &StepId| {
        turn.rollback.items.iter().any(|item| item.step == *id && item.part == Part::Undo)
    };
    let again = |id: &StepId| turn.rollback.to.as_ref().is_none_or(|to| to.again.contains(id));
    let left = story.plan.order.iter().filter_map(|id| {
        let ran = turn.before.track(id).may_have_run();
        match &story.plan.step(id)?.undo {
            UndoPlan::Irreversible(why) if ran && !is_item(id) && turn.rollback.to.is_none() => {
                Some((id, why.as_str()))
            }
            UndoPlan::Undo(_) if is_item(id) && again(id) => {
                let accepted = turn.after.undo_track(id).status == Status::FailureAccepted;
                accepted.then_some((id, "its undo failed, and that was accepted"))
            }
            UndoPlan::Irreversible(_) | UndoPlan::None | UndoPlan::Undo(_) => None,
        }
    });
    let left: Vec<_> = left.collect();
    if !left.is_empty() {
        to.heading(3, "Not undone");
        for (id, why) in left {
            to.line(&format!("- {}: {}", md(id.as_str()), md(why)));
        }
        to.line("");
    }
}

/// Who was told by a step of the way back, and when.
fn told(story: &Story<'_>, turn: &Turn, to: &mut Document) {
    to.heading(3, "Who was told, and when");
    let mut any = false;
    for item in &turn.rollback.items {
        let work = story.plan.step(&item.step).map(|step| &step.work);
        let Some(Work::Notify { channels, .. }) = work.filter(|_| item.part == Part::Action) else {
            continue;
        };
        let track = turn.after.track_of(&item.step, item.part);
        let Some(at) = track.settled.filter(|_| track.status == Status::Succeeded) else {
            continue;
        };
        any = true;
        let names: Vec<_> = channels.iter().map(|channel| md(channel.as_str())).collect();
        let time = moment(story, at);
        to.line(&format!("- {time}: {} ({})", names.join(", "), md(item.step.as_str())));
    }
    if any {
        to.line("");
    }
    to.paragraph("_To be written._");
}

fn moment(story: &Story<'_>, at: Timestamp) -> String {
    story.plan.zone.time(at)
}
