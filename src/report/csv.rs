//! Tables for spreadsheets: RFC 4180, a header, UTF-8, times as two ISO columns (site and UTC),
//! durations in seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Millis, SafeText, Timestamp};
use crate::engine::{End, Event, Outcome, Part};
use crate::journal::Entry;
use crate::plan::{Plan, signed};

use super::facts::who;
use super::sections::{Row, jobs, judged, outcome, phase};
use super::story::{Story, took};
use super::words::{alarm_words, choice_word, class_word, end_words, level_word, part_word};
use super::write::{cell, seconds, signed_seconds};

/// The tables by file name: `steps.csv`, `hosts.csv`, `alarms.csv`, `gates.csv`, `health.csv`,
/// `reconcile.csv`.
/// Every row begins with the kind of run and the session.
pub fn csv(plan: &Arc<Plan>, entries: &[Entry]) -> BTreeMap<&'static str, String> {
    let story = Story::new(plan, entries);
    BTreeMap::from([
        ("steps.csv", steps(&story)),
        ("hosts.csv", hosts(&story)),
        ("alarms.csv", alarms(&story)),
        ("gates.csv", gates(&story)),
        ("health.csv", health(&story)),
        ("reconcile.csv", reconcile(&story)),
    ])
}

/// A table as it grows; every column is named once.
struct Sheet {
    text: String,
    lead: String,
}

/// One row as it grows.
#[derive(Default)]
struct Cells(Vec<String>);

impl Cells {
    /// Text from outside or from us.
    fn text(mut self, text: &str) -> Self {
        self.0.push(cell(text));
        self
    }

    /// A number; empty if there is none.
    fn number<N: ToString>(mut self, number: Option<N>) -> Self {
        self.0.push(number.map_or_else(String::new, |number| number.to_string()));
        self
    }

    /// A span in seconds.
    fn span(self, span: Option<Millis>) -> Self {
        self.number(span.map(seconds))
    }

    /// A time in its two columns.
    fn time(self, story: &Story<'_>, at: Option<Timestamp>) -> Self {
        let site = at.map(|at| story.plan.zone.format(at, "%Y-%m-%dT%H:%M:%S%.3f%:z"));
        self.number(site).number(at.map(Timestamp::rfc3339))
    }
}

impl Sheet {
    fn new(story: &Story<'_>, columns: &str) -> Self {
        let session = story.genesis().map_or("", |genesis| genesis.session.as_str());
        let lead = format!("{},{}", cell(story.kind()), cell(session));
        Self { text: format!("run,session,{columns}\r\n"), lead }
    }

    fn row(&mut self, cells: &Cells) {
        for part in [&self.lead, ",", &cells.0.join(","), "\r\n"] {
            self.text.push_str(part);
        }
    }
}

fn steps(story: &Story<'_>) -> String {
    let mut sheet = Sheet::new(
        story,
        "step,phase,title,kind,class,owner,planned_start_site,planned_start_utc,planned_end_site,\
         planned_end_utc,start_site,start_utc,end_site,end_utc,planned_s,actual_s,delta_s,attempts,\
         outcome,reason,undo_outcome,undo_s,critical,slack_s,rag",
    );
    let judged = judged(story);
    for (id, track) in story.steps() {
        let Some(step) = story.plan.step(id) else { continue };
        let times = story.planned.steps.get(id);
        let planned = times.map(|times| times.planned);
        let expected = planned.map_or(step.estimate, |planned| planned.end.since(planned.start));
        let lasted = took(track);
        let off = lasted.map(|lasted| {
            let point = |span: Millis| Timestamp::from_unix_millis(span.as_millis());
            signed_seconds(signed(point(expected), point(lasted)))
        });
        let undo = story.state.undo_track(id);
        let undone = undo.started.is_some() || undo.settled.is_some();
        let class = class_word(step.class);
        let owner = step.owner.as_ref().map_or("", |owner| owner.as_str());
        let reason = track.reason.as_ref().map_or("", SafeText::as_str);
        let undo_outcome = if undone { outcome(undo, Part::Undo) } else { String::new() };
        let attempts = track.last_action().map_or(0, |action| action.key.attempt);
        let row = Cells::default()
            .text(id.as_str())
            .text(phase(story, id))
            .text(step.title.as_str())
            .text(step.work.word())
            .text(class)
            .text(owner)
            .time(story, planned.map(|planned| planned.start))
            .time(story, planned.map(|planned| planned.end))
            .time(story, track.started)
            .time(story, track.settled)
            .span(Some(expected))
            .span(lasted)
            .number(off)
            .number(Some(attempts))
            .text(track.status.word())
            .text(reason)
            .text(&undo_outcome)
            .span(took(undo))
            .number(times.map(|times| times.critical))
            .span(times.map(|times| times.slack))
            .text(judged.get(id).map_or("", |rag| rag.word()));
        sheet.row(&row);
    }
    sheet.text
}

fn hosts(story: &Story<'_>) -> String {
    let mut sheet = Sheet::new(
        story,
        "step,part,attempt,place,by,start_site,start_utc,end_site,end_utc,actual_s,exit,end,bytes,\
         lines,sha256",
    );
    let undos = story.plan.order.iter().map(|id| (id, story.state.undo_track(id)));
    for (id, track) in story.steps().chain(undos) {
        for Row { attempt, place, end } in jobs(track) {
            let code = end.and_then(|end| match &end.end {
                End::Exited { code, .. } => Some(*code),
                End::Done(_)
                | End::Signalled { .. }
                | End::Stopped { .. }
                | End::Rebooted { .. }
                | End::NotStarted { .. }
                | End::Unknown { .. } => None,
            });
            let transcript = end.and_then(|end| end.transcript.as_ref());
            let words = end.map_or_else(|| "not ended".to_owned(), |end| end_words(&end.end));
            let row = Cells::default()
                .text(id.as_str())
                .text(part_word(attempt.key.part))
                .number(Some(attempt.key.attempt))
                .text(&place.to_string())
                .text(&who(&attempt.by))
                .time(story, Some(attempt.started))
                .time(story, end.map(|end| end.at))
                .span(end.map(|end| end.at.since(attempt.started)))
                .number(code)
                .text(&words)
                .number(transcript.map(|transcript| transcript.bytes))
                .number(transcript.map(|transcript| transcript.lines))
                .number(transcript.map(|transcript| transcript.digest));
            sheet.row(&row);
        }
    }
    sheet.text
}

fn alarms(story: &Story<'_>) -> String {
    let mut sheet = Sheet::new(
        story,
        "level,about,text,raised_site,raised_utc,acknowledged_site,acknowledged_utc,cleared_site,\
         cleared_utc,lasted_s",
    );
    for alarm in story.state.alarms() {
        let row = Cells::default()
            .text(level_word(alarm.level))
            .text(&alarm_words(&alarm.id))
            .text(alarm.text.as_str())
            .time(story, Some(alarm.since))
            .time(story, alarm.acknowledged)
            .time(story, alarm.cleared)
            .span(alarm.cleared.map(|cleared| cleared.since(alarm.since)));
        sheet.row(&row);
    }
    sheet.text
}

fn gates(story: &Story<'_>) -> String {
    let mut sheet = Sheet::new(
        story,
        "step,title,at_site,at_utc,by,choice,reason,probe,health,value,unit,age_s,note",
    );
    for (at, fact) in story.facts() {
        let Event::GateDecided { step, choice, evidence, reason, .. } = &fact.event else {
            continue;
        };
        let title = story.plan.step(step).map_or("", |step| step.title.as_str());
        let lead = || {
            Cells::default()
                .text(step.as_str())
                .text(title)
                .time(story, Some(at))
                .text(&who(&fact.by))
                .text(choice_word(*choice))
                .text(reason.as_ref().map_or("", SafeText::as_str))
        };
        if evidence.is_empty() {
            sheet.row(&lead().text("").text("").text("").text("").text("").text(""));
        }
        for seen in evidence {
            let unit = story.plan.probe(&seen.probe).map_or("", |probe| probe.unit.as_str());
            let reading = seen.reading.as_ref();
            let row = lead()
                .text(seen.probe.as_str())
                .text(seen.health.word())
                .number(reading.and_then(|reading| reading.value))
                .text(unit)
                .span(seen.age)
                .text(reading.map_or("", |reading| reading.note.as_str()));
            sheet.row(&row);
        }
    }
    sheet.text
}

fn health(story: &Story<'_>) -> String {
    let mut sheet = Sheet::new(story, "at_site,at_utc,probe,title,was,is,value,unit,ok,note");
    for (at, fact) in story.facts() {
        let Event::HealthChanged { probe, was, is, reading } = &fact.event else { continue };
        let known = story.plan.probe(probe);
        let reading = reading.as_ref();
        let row = Cells::default()
            .time(story, Some(at))
            .text(probe.as_str())
            .text(known.map_or("", |probe| probe.title.as_str()))
            .text(was.word())
            .text(is.word())
            .number(reading.and_then(|reading| reading.value))
            .text(known.map_or("", |probe| probe.unit.as_str()))
            .number(reading.map(|reading| reading.ok))
            .text(reading.map_or("", |reading| reading.note.as_str()));
        sheet.row(&row);
    }
    sheet.text
}

/// Every comparison of two systems with what differed; one row without a key where nothing did, or
/// where nobody knows. `unlisted` counts the differences that the record does not name.
fn reconcile(story: &Story<'_>) -> String {
    let mut sheet = Sheet::new(
        story,
        "step,title,part,attempt,at_site,at_utc,outcome,words,how,left_host,right_host,compared,\
         differ,within,only_left,only_right,unlisted,key,left,right,apart",
    );
    for (at, fact) in story.facts() {
        let Event::JobEnded { job, end: End::Done(done), .. } = &fact.event else { continue };
        let Some(found) = &done.reconciled else { continue };
        let key = &job.key;
        let title = story.plan.step(&key.step).map_or("", |step| step.title.as_str());
        let outcome = match found.outcome {
            Outcome::Equal => "equal",
            Outcome::Differs => "differs",
            Outcome::Unknown { .. } => "unknown",
        };
        let lead = || {
            Cells::default()
                .text(key.step.as_str())
                .text(title)
                .text(part_word(key.part))
                .number(Some(key.attempt))
                .time(story, Some(at))
                .text(outcome)
                .text(&found.words())
                .text(found.how.as_str())
                .text(found.left.host.as_str())
                .text(found.right.host.as_str())
                .number(Some(found.count))
                .number(Some(found.differ))
                .number(Some(found.within))
                .number(Some(found.only_left))
                .number(Some(found.only_right))
                .number(Some(found.more()))
        };
        if found.table.is_empty() {
            sheet.row(&lead().text("").text("").text("").text(""));
        }
        for it in &found.table {
            let side = |text: &Option<SafeText>| text.clone().unwrap_or_default();
            let row = lead()
                .text(it.key.as_str())
                .text(side(&it.left).as_str())
                .text(side(&it.right).as_str())
                .text(side(&it.apart).as_str());
            sheet.row(&row);
        }
    }
    sheet.text
}
