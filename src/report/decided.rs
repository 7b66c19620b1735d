//! What people decided, with what they knew: gates, answers, waivers; and emergency procedures.

use crate::base::SafeText;
use crate::engine::{Event, Frozen, Said, Voice, Vote};
use crate::plan::{Work, diff};

use super::facts::who;
use super::sections::{dash, value};
use super::story::Story;
use super::words::{choice_word, class_word, counted, part_of};
use super::write::{Document, md, to_second};

/// Every answer at a gate, with what it was given on.
pub(super) fn gates(story: &Story<'_>, to: &mut Document) {
    to.heading(2, "Go/no-go");
    let mut any = false;
    for (at, fact) in story.facts() {
        let Event::GateDecided { step, choice, evidence, reason, frozen } = &fact.event else {
            continue;
        };
        any = true;
        let plan = story.plan.step(step);
        let title = plan.map_or_else(String::new, |plan| format!(": {}", md(plan.title.as_str())));
        to.heading(3, &format!("{}{title}", md(step.as_str())));
        let (by, word) = (md(&who(&fact.by)), choice_word(*choice));
        let why = reason.as_ref().map_or_else(String::new, |why| format!(": {}", md(why.as_str())));
        to.paragraph(&format!("**{word}** by {by} at {}{why}", story.moment(at)));
        if let Some(Work::Gate(gate)) = plan.map(|plan| &plan.work) {
            for item in &gate.checklist {
                to.line(&format!("- criterion: {}", md(item.as_str())));
            }
            if let Some(margin) = gate.margin.filter(|_| frozen.is_none()) {
                to.line(&format!("- criterion: at least {margin} of the window left at the end"));
            }
            to.line("");
        }
        if let Some(frozen) = frozen {
            known(story, frozen, to);
        }
        let rows = evidence.iter().map(|seen| {
            let reading = seen.reading.as_ref();
            vec![
                md(seen.probe.as_str()),
                seen.health.word().to_owned(),
                reading.map_or_else(dash, |reading| value(story, &seen.probe, reading)),
                seen.age.map_or_else(dash, |age| age.to_string()),
                md(reading.map_or("", |reading| reading.note.as_str())),
            ]
        });
        let rows: Vec<_> = rows.collect();
        let head = ["Probe", "Health", "Value", "Age", "It said"];
        to.table(&head, &rows, "No probe was asked.");
    }
    if !any {
        to.paragraph("No gate was decided.");
    }
}

/// What was frozen with a decision.
fn known(story: &Story<'_>, frozen: &Frozen, to: &mut Document) {
    let criteria = frozen.criteria.iter().map(|judged| {
        let waived = judged.waived.as_ref().map(|why| format!("waived: {}", md(why.as_str())));
        let stands = match (judged.holds, waived) {
            (true, _) => "holds".to_owned(),
            (false, Some(waived)) => waived,
            (false, None) => "DOES NOT HOLD".to_owned(),
        };
        vec![md(judged.criterion.word()), md(judged.says.as_str()), stands]
    });
    let criteria: Vec<_> = criteria.collect();
    if !criteria.is_empty() {
        to.table(&["Criterion", "Seen", "Stands"], &criteria, "");
    }
    votes(story, &frozen.votes, to);
    let back_by = frozen.back_by.map(|by| format!(", by {}", story.plan.zone.time(by)));
    to.line(&format!(
        "- Forecast end {}; a rollback would have taken {}{}",
        story.plan.zone.time(frozen.ends),
        to_second(frozen.back_takes),
        back_by.unwrap_or_default()
    ));
    let over: Vec<_> = frozen.passed_over.iter().map(|step| md(step.as_str())).collect();
    let over = if over.is_empty() { "none".to_owned() } else { over.join(", ") };
    let notes = counted(frozen.notes, "note");
    to.line(&format!("- Skipped, or failed and accepted: {over}; {notes}"));
    for alarm in &frozen.alarms {
        to.line(&format!("- Open alarm: {}", md(alarm.as_str())));
    }
    to.line("");
}

fn votes(story: &Story<'_>, votes: &[Vote], to: &mut Document) {
    let rows = votes.iter().map(|vote| {
        vec![
            md(vote.voice.role.as_str()),
            md(&format!("{}{}", vote.voice.person, proof(&vote.voice))),
            choice_word(vote.choice).to_owned(),
            story.plan.zone.time(vote.at),
            md(vote.words.as_str()),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        to.table(&["Role", "Who", "Answer", "At", "Words"], &rows, "");
    }
}

/// Commands that were changed for this run, with what changed.
pub(super) fn edits(story: &Story<'_>, to: &mut Document) {
    let edits = story.state.edited_steps();
    let mut edits: Vec<_> =
        edits.flat_map(|(step, edits)| edits.iter().map(move |edit| (step, edit))).collect();
    if edits.is_empty() {
        return;
    }
    edits.sort_by_key(|(_, edit)| edit.at);
    to.heading(2, "Edited commands");
    to.paragraph("These ran in place of the commands of the runbook, in this run only.");
    for (step, edit) in edits {
        let (by, why) = (md(&who(&edit.by)), md(edit.reason.as_str()));
        let (part, moment) = (part_of(edit.part), story.moment(edit.at));
        let class = if edit.was == edit.class {
            format!("class {}", class_word(edit.class))
        } else {
            format!("class {} before, {} after", class_word(edit.was), class_word(edit.class))
        };
        to.paragraph(&format!("{part}{} by {by} at {moment}, {class}: {why}", md(step.as_str())));
        for line in diff(edit.old.trim_end(), &edit.new) {
            to.line(&format!("    {} {}", line.sign(), SafeText::new(line.text())));
        }
        to.line("");
    }
}

/// Runbooks that took the place of others in this run, with what they changed.
pub(super) fn replans(story: &Story<'_>, to: &mut Document) {
    let mut any = false;
    for (at, fact) in story.facts() {
        let Event::Replanned { was, plan, changes, reason } = &fact.event else { continue };
        if !any {
            to.heading(2, "Changed runbook");
        }
        any = true;
        let (by, why, moment) = (md(&who(&fact.by)), md(reason.as_str()), story.moment(at));
        let (was, plan) = (was.short(), plan.short());
        to.paragraph(&format!("Plan {was} became {plan} by {by} at {moment}: {why}"));
        for change in changes {
            to.line(&format!("    {}", SafeText::new(&change.words())));
        }
        to.line("");
    }
}

/// What proves a word that came from another terminal.
fn proof(voice: &Voice) -> String {
    match voice.said.as_deref() {
        None => String::new(),
        Some(Said { signed: Some(signed), .. }) => format!(" (signed with {})", signed.key),
        Some(Said { signed: None, .. }) => " (from another terminal, not signed)".to_owned(),
    }
}

/// Emergency procedures that were opened, and what was done of them.
pub(super) fn playbooks(story: &Story<'_>, to: &mut Document) {
    let mut any = false;
    for (at, fact) in story.facts() {
        let Event::PlaybookOpened { playbook, reason } = &fact.event else { continue };
        if !any {
            to.heading(2, "Emergency procedures");
        }
        any = true;
        let title = story.plan.playbook(playbook).map_or("", |plan| plan.title.as_str());
        let (name, title) = (md(playbook.as_str()), md(title));
        let (by, why) = (md(&who(&fact.by)), md(reason.as_str()));
        to.line(&format!("- {name} ({title}) opened by {by} at {}: {why}", story.moment(at)));
        let steps = story.plan.playbook(playbook).into_iter().flat_map(|plan| &plan.steps);
        for step in steps {
            let track = story.state.track(step);
            let word = track.status.word();
            to.line(&format!("  - {}: {word}", md(step.as_str())));
        }
    }
    if any {
        to.line("");
    }
}
