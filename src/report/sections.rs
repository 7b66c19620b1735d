//! The tables of the report.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use crate::base::{Millis, ProbeId, SafeText, SecretName, StepId, Timestamp, Zone};
use crate::engine::{
    Attempt, Doubt, End, Event, Health, Part, Place, PlaceEnd, Reading, State, Status, Track,
};
use crate::journal::Verdict;
use crate::plan::{CheckPlan, Rag, Text, UndoPlan, VerifyPlan, Work, signed};

use super::facts::{Told, told, who};
use super::story::{Story, took};
use super::words::{end_words, measured};
use super::write::{Document, delta, md, quoted, to_second};

pub(super) fn dash() -> String {
    "-".to_owned()
}

/// What was planned, and what was.
pub(super) fn plan_and_actual(story: &Story<'_>, to: &mut Document) {
    let time = |at: Timestamp| story.plan.zone.time(at);
    let judged = judged(story);
    let rows = story.plan.order.iter().filter_map(|id| {
        let step = story.plan.step(id)?;
        let times = story.planned.steps.get(id)?;
        let planned = times.planned;
        let slack =
            if times.critical { "critical".to_owned() } else { to_second(times.slack).to_string() };
        let track = story.state.track(id);
        let expected = planned.end.since(planned.start);
        let lasted = took(track);
        let late = track.settled.filter(|_| track.started.is_some());
        Some(vec![
            md(id.as_str()),
            md(step.title.as_str()),
            time(planned.start),
            track.started.map_or_else(dash, time),
            to_second(expected).to_string(),
            slack,
            lasted.map_or_else(dash, |lasted| to_second(lasted).to_string()),
            lasted.map_or_else(dash, |lasted| delta(difference(expected, lasted))),
            late.map_or_else(dash, |end| delta(signed(planned.end, end))),
            judged.get(id).map_or_else(dash, |rag| rag.word().to_owned()),
            track.status.word().to_owned(),
            md(track.reason.as_ref().map_or("", SafeText::as_str)),
        ])
    });
    let rows: Vec<_> = rows.collect();
    to.heading(2, "Plan and actual");
    let head = [
        "Step",
        "Title",
        "Planned start",
        "Start",
        "Planned",
        "Slack",
        "Took",
        "Delta",
        "End against plan",
        "RAG then",
        "Outcome",
        "Reason",
    ];
    to.table(&head, &rows, "The plan has no step.");
    if !rows.is_empty() {
        to.paragraph("Slack is of the plan: how much later a step may end before the end of the run moves. RAG is what the clocks said of the run against the window in the moment when the step was over.");
    }
}

/// What the clocks said of the run when each step was over; nothing where there is no window.
pub(super) fn judged<'a>(story: &'a Story<'_>) -> BTreeMap<&'a StepId, Rag> {
    let settled = story.plan.order.iter().filter_map(|id| {
        let track = story.state.track(id);
        Some((id, track.started.and(track.settled)?))
    });
    let settled: Vec<_> = settled.collect();
    let moments: BTreeSet<Timestamp> = settled.iter().map(|(_, at)| *at).collect();
    let mut state = State::new(Arc::clone(story.first));
    let mut judged = BTreeMap::new();
    for entry in story.entries {
        for fact in &entry.facts {
            state.apply(entry.at, &fact.by, &fact.event);
        }
        if moments.contains(&entry.at)
            && let Some(rag) = state.forecast(entry.at).rag
        {
            judged.insert(entry.at, rag);
        }
    }
    let of = |(id, at)| Some((id, *judged.get(&at)?));
    settled.into_iter().filter_map(of).collect()
}

/// What was sent, in the order in which it started, and where to: by the plan of that moment, with
/// the commands that were edited by then.
pub(super) fn sent(story: &Story<'_>, to: &mut Document) {
    let mut state = State::new(Arc::clone(story.first));
    let rows = story.facts().filter_map(|(at, fact)| {
        state.apply(at, &fact.by, &fact.event);
        let (Event::AttemptStarted { key, places, .. } | Event::WaveStarted { key, places }) =
            &fact.event
        else {
            return None;
        };
        let step = state.plan().step(&key.step)?;
        let undo = match &step.undo {
            UndoPlan::Undo(undo) => Some(undo),
            UndoPlan::None | UndoPlan::Irreversible(_) => None,
        };
        let verify = |verify: Option<&VerifyPlan>| match &verify?.check {
            CheckPlan::Run(text) => Some(state.filled(text)),
            CheckPlan::Probe(_) => None,
            CheckPlan::Http(http) => Some(http.filled(&mut |text| state.filled(text)).words()),
        };
        let work = |work: &Work| match work {
            Work::Run(text) | Work::Local(text) => Some(state.filled(text)),
            Work::Builtin(builtin) => Some(state.filled_in(builtin).brief()),
            Work::Notify { text, .. } => Some(format!("tell: {}", state.filled(text))),
            Work::Manual(_) | Work::Gate(_) | Work::Soak(_) => None,
        };
        let (part, command) = match key.part {
            Part::Action => ("", work(&step.work)),
            Part::Verify => (" verification", verify(step.verify.as_ref())),
            Part::Compare => {
                let reconcile = step.parallel().map(|parallel| &parallel.reconcile);
                let filled = |text: &Text| Ok::<_, Infallible>(story.state.filled(text));
                let brief = reconcile.map(|it| {
                    let Ok(it) = it.try_map(&mut |text| filled(text));
                    it.brief()
                });
                (" comparison", brief)
            }
            Part::Undo => (" undo", undo.and_then(|undo| work(&undo.work))),
            Part::UndoVerify => {
                (" undo verification", verify(undo.and_then(|undo| undo.verify.as_ref())))
            }
        };
        let places: Vec<_> = places.iter().map(|place| md(&place.to_string())).collect();
        Some(vec![
            story.plan.zone.time(at),
            format!("{}{part}, attempt {}", md(key.step.as_str()), key.attempt),
            places.join(", "),
            md(command?.trim_end()),
        ])
    });
    let rows: Vec<_> = rows.collect();
    to.heading(2, "What was sent");
    to.table(&["Time", "What", "Where", "Command"], &rows, "Nothing was sent.");
}

/// The hosts: their keys, and how far their clocks were off.
pub(super) fn hosts(story: &Story<'_>, to: &mut Document) {
    let rows = story.plan.hosts.keys().filter_map(|host| {
        let record = story.state.host(host)?;
        let key = record.key.as_ref().map_or_else(dash, |key| md(key.as_str()));
        let clock = record.clock.map_or_else(dash, |clock| md(&clock.words()));
        Some(vec![md(host.as_str()), key, clock])
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        to.heading(2, "Hosts");
        to.table(&["Host", "Key", "Clock against golive's machine"], &rows, "");
    }
}

fn difference(planned: Millis, actual: Millis) -> i64 {
    signed(
        Timestamp::from_unix_millis(planned.as_millis()),
        Timestamp::from_unix_millis(actual.as_millis()),
    )
}

/// What people decided, where the run left the plan, and the notes.
pub(super) fn decisions(story: &Story<'_>, to: &mut Document) {
    let rows = story.facts().filter(|(_, fact)| is_decision(&fact.event)).map(|(at, fact)| {
        let Told { step, what, result, .. } = told(&story.plan, fact);
        vec![
            story.plan.zone.time(at),
            story.since_began(at),
            step.map_or_else(dash, |step| md(step.as_str())),
            md(&who(&fact.by)),
            md(&what),
            md(&result),
        ]
    });
    let rows: Vec<_> = rows.collect();
    to.heading(2, "Decisions and deviations");
    let head = ["Time", "T+", "Step", "Who", "Decision", "Result"];
    to.table(&head, &rows, "None.");
    to.heading(3, "Notes");
    if story.state.notes().is_empty() {
        to.paragraph("None.");
    }
    for note in story.state.notes() {
        let step = note.step.as_ref().map_or_else(String::new, |s| format!(", {}", md(s.as_str())));
        let by = md(&who(&note.by));
        to.paragraph(&format!("{}{step}, {by}:", story.moment(note.at)));
        to.paragraph(&quoted(&note.text));
    }
}

/// Whether somebody chose, or the run left the plan.
fn is_decision(event: &Event) -> bool {
    match event {
        Event::Skipped { .. }
        | Event::SaidDone { .. }
        | Event::DoneByHand { .. }
        | Event::FailureAccepted { .. }
        | Event::SignedOff { .. }
        | Event::GateDecided { .. }
        | Event::Voted { .. }
        | Event::Waived { .. }
        | Event::WaiverEnded { .. }
        | Event::Approved { .. }
        | Event::StepEdited { .. }
        | Event::Replanned { .. }
        | Event::PlaybookOpened { .. }
        | Event::PlaybookClosed { .. }
        | Event::ShellOpened(_)
        | Event::ShellEnded(_)
        | Event::Returned { .. }
        | Event::StopAsked { .. }
        | Event::TimeLimitReached { .. }
        | Event::SoakBreached { .. }
        | Event::WindowOverridden { .. }
        | Event::Held { .. }
        | Event::Continued
        | Event::AutoAdvance { .. }
        | Event::GuardOpened
        | Event::GuardClosed { .. }
        | Event::RollbackBegan { .. }
        | Event::Abandoned { .. }
        | Event::RecordingLost { .. }
        | Event::RecordingOverridden { .. }
        | Event::RecordedLate { .. }
        | Event::Resumed { .. }
        | Event::DriverLeft { .. }
        | Event::NoticeLost { .. }
        | Event::JobEnded { end: End::Unknown { doubt: Doubt::LetGo, .. }, .. } => true,
        Event::HostNoted { fact, .. } => fact.is_grave(),
        Event::AttemptStarted { key, .. } => key.attempt > 1,
        Event::SessionOpened(genesis) => genesis.overridden.is_some(),
        Event::RunBegan
        | Event::WavesPlanned { .. }
        | Event::WavePaused { .. }
        | Event::WaveStarted { .. }
        | Event::JobSighted { .. }
        | Event::JobEnded { .. }
        | Event::RetryPlanned { .. }
        | Event::SoakStarted { .. }
        | Event::Settled { .. }
        | Event::RollbackEnded { .. }
        | Event::HealthChanged { .. }
        | Event::ReadinessChanged { .. }
        | Event::LossMeasured { .. }
        | Event::AlarmRaised { .. }
        | Event::AlarmCleared { .. }
        | Event::AlarmsAcknowledged
        | Event::Noted { .. }
        | Event::Captured { .. }
        | Event::ClockJumped { .. }
        | Event::StoodStill { .. }
        | Event::NoticeDelivered { .. }
        | Event::Completed
        | Event::Closed => false,
    }
}

pub(super) fn value(story: &Story<'_>, probe: &ProbeId, reading: &Reading) -> String {
    let unit = story.plan.probe(probe).map_or("", |probe| probe.unit.as_str());
    reading.value.map_or_else(dash, |value| md(&measured(value, unit)))
}

/// What the record says of one probe.
#[derive(Debug, Default)]
struct Course {
    health: Health,
    since: Timestamp,
    changes: usize,
    least: Option<f64>,
    most: Option<f64>,
    spent: BTreeMap<Health, Millis>,
}

impl Course {
    fn take(&mut self, reading: Option<&Reading>) {
        if let Some(value) = reading.and_then(|reading| reading.value) {
            self.least = Some(self.least.map_or(value, |least| least.min(value)));
            self.most = Some(self.most.map_or(value, |most| most.max(value)));
        }
    }

    fn turn(&mut self, at: Timestamp, is: Health) {
        let spent = self.spent.entry(self.health).or_default();
        *spent = spent.plus(at.since(self.since));
        self.since = self.since.max(at);
        self.health = is;
    }
}

/// Per probe: its extremes and how long it was not healthy, from the beginning of the run.
pub(super) fn health(story: &Story<'_>, to: &mut Document) {
    let end = story.ended.unwrap_or(story.last);
    let mut courses: BTreeMap<&ProbeId, Course> = BTreeMap::new();
    for probe in &story.plan.probes {
        courses.insert(&probe.id, Course { since: story.began, ..Course::default() });
    }
    for (at, fact) in story.facts() {
        if let Event::HealthChanged { probe, is, reading, .. } = &fact.event
            && let Some(course) = courses.get_mut(probe)
        {
            course.take(reading.as_ref());
            course.changes += usize::from(at >= story.began && at <= end);
            course.turn(at.min(end), *is);
        } else if let Event::GateDecided { evidence, .. } = &fact.event {
            for seen in evidence {
                if let Some(course) = courses.get_mut(&seen.probe) {
                    course.take(seen.reading.as_ref());
                }
            }
        }
    }
    let rows = story.plan.probes.iter().filter_map(|probe| {
        let course = courses.get_mut(&probe.id)?;
        course.turn(end, course.health);
        let number =
            |value: Option<f64>| value.map_or_else(dash, |v| md(&measured(v, probe.unit.as_str())));
        let spent = |health: Health| {
            course.spent.get(&health).copied().map(to_second).unwrap_or_default().to_string()
        };
        Some(vec![
            md(probe.title.as_str()),
            number(course.least),
            number(course.most),
            spent(Health::Degraded),
            spent(Health::Failed),
            spent(Health::Unknown),
            course.changes.to_string(),
            course.health.word().to_owned(),
        ])
    });
    let rows: Vec<_> = rows.collect();
    to.heading(2, "Health");
    to.paragraph("Minimum and maximum are of the readings in the record: those that changed a probe's health, and those that a gate was decided on.");
    let head =
        ["Probe", "Minimum", "Maximum", "Degraded", "Failed", "Unknown", "Changes", "At the end"];
    to.table(&head, &rows, "The runbook has no probe.");
}

/// The word for how a step or its undo stands.
pub(super) fn outcome(track: &Track, part: Part) -> String {
    match (part.is_undo(), track.status) {
        (true, Status::Succeeded) => "undone".to_owned(),
        (true, Status::Failed) => "undo_failed".to_owned(),
        (true, Status::Pending) => "undo_pending".to_owned(),
        (true | false, status) => status.word().to_owned(),
    }
}

/// The notes marked `#followup`, as tasks.
pub(super) fn follow_ups(story: &Story<'_>, to: &mut Document) {
    to.heading(2, "Follow-ups");
    for note in story.state.notes() {
        let step = note.step.as_ref().map_or_else(String::new, |s| format!(", {}", md(s.as_str())));
        let (at, by) = (story.plan.zone.time(note.at), md(&who(&note.by)));
        for task in tasks(&note.text) {
            let task = md(&task);
            to.line(&format!("- [ ] {task} (noted {at}{step}, {by}; owner: ____, due: ____)"));
        }
    }
    to.paragraph("- [ ] ____ (owner: ____, due: ____)");
}

/// The lines of a note that are marked, without the mark; the whole note for a mark alone.
fn tasks(text: &str) -> Vec<String> {
    const MARK: &str = "#followup";
    let plain = |text: &str| {
        let text = text.replace(MARK, " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let marked: Vec<String> = text.lines().filter(|line| line.contains(MARK)).map(plain).collect();
    if marked.iter().any(String::is_empty) { vec![plain(text)] } else { marked }
}

/// The files that the report rests on, with their digests.
pub(super) fn evidence(story: &Story<'_>, verdict: Option<&Verdict>, to: &mut Document) {
    to.heading(2, "Evidence");
    let head = verdict.map_or_else(dash, |verdict| verdict.head.clone());
    to.line(&format!("- Record: {} lines, head {head}", story.entries.len()));
    to.line(&format!("- Plan: SHA-256 {}", story.first.digest));
    for (_, fact) in story.facts() {
        if let Event::Replanned { plan, .. } = &fact.event {
            to.line(&format!("- Plan after a change: SHA-256 {plan}"));
        }
    }
    let redacted = redacted(story);
    if !redacted.is_empty() {
        let counts: Vec<_> =
            redacted.iter().map(|(name, count)| format!("{} {count}", md(name.as_str()))).collect();
        to.line(&format!(
            "- Secrets taken out of output before it was written, and how often: {}",
            counts.join(", ")
        ));
    }
    for one in verdict.iter().flat_map(|verdict| &verdict.unreadable) {
        to.line(&format!("- **Cannot be read:** {}", md(one)));
    }
    for finding in verdict.iter().flat_map(|verdict| &verdict.findings) {
        to.line(&format!("- **Finding:** {}", md(&finding.to_string())));
    }
    to.line("");
    let rows = story.facts().filter_map(|(at, fact)| {
        let (job, end, transcript) = if let Event::JobEnded { job, end, transcript } = &fact.event {
            (job.to_string(), end_words(end), transcript.as_ref())
        } else if let Event::ShellEnded(ended) = &fact.event {
            let name = format!("@shell.{}.{}", ended.number, ended.host);
            (name, ended.end.words(), ended.transcript.as_ref())
        } else {
            return None;
        };
        Some(vec![
            md(&match transcript {
                Some(transcript) if transcript.bytes == 0 => format!("{job} printed nothing"),
                Some(_) | None => format!("output/{job}.log"),
            }),
            Zone::UTC.time(at),
            md(&end),
            transcript.map_or_else(dash, |transcript| transcript.bytes.to_string()),
            transcript.map_or_else(dash, |transcript| transcript.digest.to_string()),
        ])
    });
    let rows: Vec<_> = rows.collect();
    to.table(&["Output", "UTC", "End", "Bytes", "SHA-256"], &rows, "No job ended.");
    by_hand(to);
}

/// How to check it all without golive. `tests/it/tamper.rs` runs these very lines.
fn by_hand(to: &mut Document) {
    to.paragraph(
        "To check this without golive, go to the directory of the session and set `ALLOWED` to a \
         file as in ssh-keygen(1) with the signer's public key, and `WHO` to the signer's name in \
         it. This checks that the last checkpoint covers the record, and who signed it (where the \
         checkpoint 000001 names a `key`, that key signs the rest); `sha256sum output/*.log` has \
         to give the column above.",
    );
    to.line("```sh");
    for line in [
        "last=$(ls checkpoints | grep -v sig | tail -n 1)",
        "sum=$(sed -n '4s/sha256://p' \"checkpoints/$last\")",
        "test \"$(head -c \"$(sed -n 3p \"checkpoints/$last\")\" journal.jsonl | sha256sum)\" = \"$sum  -\"",
        "ssh-keygen -Y verify -f \"$ALLOWED\" -I \"$WHO\" -n golive-checkpoint \\",
        "  -s \"checkpoints/$last.sig\" < \"checkpoints/$last\"",
        "sha256sum output/*.log",
    ] {
        to.line(line);
    }
    to.line("```");
}

/// How often the value of which secret was taken out of output.
fn redacted<'a>(story: &Story<'a>) -> BTreeMap<&'a SecretName, u64> {
    let mut counts = BTreeMap::new();
    for (_, fact) in story.facts() {
        if let Event::JobEnded { transcript: Some(transcript), .. } = &fact.event {
            for (name, count) in &transcript.redacted {
                *counts.entry(name).or_default() += count;
            }
        }
    }
    counts
}

/// The ends of all jobs of a track: attempt, place, how.
pub(super) fn jobs(track: &Track) -> impl Iterator<Item = Row<'_>> {
    track.attempts.iter().flat_map(|attempt| {
        attempt.places.iter().map(move |(place, end)| Row { attempt, place, end: end.as_ref() })
    })
}

/// One job in one place.
pub(super) struct Row<'a> {
    /// The attempt.
    pub attempt: &'a Attempt,
    /// The place.
    pub place: &'a Place,
    /// How it ended; none if it has not.
    pub end: Option<&'a PlaceEnd>,
}

/// The phase of a step, by its title.
pub(super) fn phase<'a>(story: &'a Story<'_>, step: &StepId) -> &'a str {
    let phases = &story.plan.phases;
    let phase = phases.iter().find(|phase| phase.steps.contains(step));
    phase.map_or("rollback", |phase| phase.title.as_str())
}
