//! Every event in plain English.

use crate::base::{Millis, ProbeId, SafeText, StepId};
use crate::engine::{
    Actor, AlarmId, Choice, Confirmed, Event, Evidence, Fact, Genesis, Part, Proof, Reading, Said,
    ShellEnded, ShellOpened, Sight, Transcript, Verdict, Voice, WindowEdge,
};
use crate::plan::Plan;

use super::words::{
    alarm_words, choice_word, class_word, counted, end_words, level_word, list, measured, part_of,
    verdict_word,
};

/// An event, told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The step it is about.
    pub step: Option<StepId>,
    /// What happened.
    pub what: String,
    /// How it ended, in capitals where somebody has to know; often empty.
    pub result: String,
    /// Whether it belongs on the short time line: marks, decisions, failures, alarms, gates.
    pub main: bool,
}

fn of(step: &StepId, what: impl Into<String>) -> Told {
    Told { step: Some(step.clone()), what: what.into(), ..Told::default() }
}

fn run(what: impl Into<String>) -> Told {
    Told { what: what.into(), main: true, ..Told::default() }
}

impl Told {
    fn result(self, result: impl Into<String>) -> Self {
        Self { result: result.into(), ..self }
    }

    fn main(self, main: bool) -> Self {
        Self { main, ..self }
    }
}

/// What a fact says.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
pub(super) fn told(plan: &Plan, fact: &Fact) -> Told {
    match &fact.event {
        Event::SessionOpened(genesis) => opened(genesis),
        Event::RunBegan => run("the run began"),
        Event::Resumed { driver, machine, away, in_doubt, sought, signer: _ } => {
            let doubt = match in_doubt.len() {
                0 => String::new(),
                count => format!("{count} IN DOUBT: {}", list(in_doubt)),
            };
            let asked = maybe(!sought.is_empty(), || format!("; asking about {}", list(sought)));
            run(format!("{driver} took over on {machine}; nobody watched for {away}{asked}"))
                .result(doubt)
        }
        Event::DriverLeft { why } => run(format!("the driver left: {why}")),
        Event::AttemptStarted { key, places, confirmed, .. } => {
            let by = match confirmed {
                Confirmed::ByRule => "by rule".to_owned(),
                Confirmed::ByPerson { after, .. } => format!("confirmed after {after}"),
            };
            let place = maybe(!places.is_empty(), || format!(" on {}", list(places)));
            let what = format!("{}attempt {}{place}, {by}", part_of(key.part), key.attempt);
            let again = key.attempt > 1 && *confirmed != Confirmed::ByRule;
            of(&key.step, what).result("started").main(again || key.part == Part::Undo)
        }
        Event::WavesPlanned { key, waves } => {
            let sizes: Vec<_> = waves.iter().map(|wave| wave.len().to_string()).collect();
            of(&key.step, format!("waves to come, with {} hosts", sizes.join(", ")))
        }
        Event::WavePaused { key, until } => {
            of(&key.step, format!("wave over; the next from {}", plan.zone.time(*until)))
                .result("WELL")
        }
        Event::WaveStarted { key, places } => {
            let what = format!("attempt {}, next wave on {}", key.attempt, list(places));
            of(&key.step, what).result("started")
        }
        Event::JobSighted { job, sight } => {
            let what = format!("{}attempt {}", part_of(job.key.part), job.key.attempt);
            let lost = !matches!(sight, Sight::Began(_) | Sight::Back);
            of(&job.key.step, format!("{what} on {}: {}", job.place, sight.words())).main(lost)
        }
        Event::JobEnded { job, end, transcript } => {
            let what = format!("{}attempt {}", part_of(job.key.part), job.key.attempt);
            let printed = transcript.as_ref().map_or_else(String::new, printed);
            let what = format!("{what} on {}: {}{printed}", job.place, end_words(end));
            of(&job.key.step, what).main(end.verdict() != Verdict::Succeeded)
        }
        Event::TimeLimitReached { key } => {
            let what = format!("{}attempt {} ran past its limit", part_of(key.part), key.attempt);
            of(&key.step, what).result("being stopped").main(true)
        }
        Event::StopAsked { key } => {
            of(&key.step, format!("stop {}attempt {}", part_of(key.part), key.attempt)).main(true)
        }
        Event::RetryPlanned { step, at } => {
            of(step, format!("will be tried again by itself at {}", plan.zone.time(*at)))
        }
        Event::SoakStarted { step, until } => {
            of(step, format!("watching probes until {}", plan.zone.time(*until)))
        }
        Event::SoakBreached { step, probe, health } => {
            of(step, format!("probe {probe} is {}", health.word())).result("BREACHED").main(true)
        }
        Event::Settled { step, part, verdict } => {
            let main = *verdict != Verdict::Succeeded || part.is_undo();
            of(step, format!("{}ended", part_of(*part))).result(verdict_word(*verdict)).main(main)
        }
        Event::Skipped { step, reason } => by_word(step, "skipped", reason, "SKIPPED"),
        Event::SaidDone { step, part, reason } => {
            let what = format!("{}said to be done by hand", part_of(*part));
            by_word(step, &what, reason, "TO BE VERIFIED")
        }
        Event::DoneByHand { step, part, reason } => {
            by_word(step, &format!("{}done by hand", part_of(*part)), reason, "DONE BY HAND")
        }
        Event::FailureAccepted { step, part, reason } => {
            by_word(step, &format!("{}failure accepted", part_of(*part)), reason, "ACCEPTED")
        }
        Event::SignedOff { step, part, words } => {
            by_word(step, &format!("{}signed off", part_of(*part)), words, "SIGNED OFF")
        }
        Event::Voted { step, voice, choice, words } => {
            let words = maybe(!words.as_str().is_empty(), || format!(": {words}"));
            of(step, format!("{} answered{words}", voice_words(voice)))
                .result(choice_word(*choice))
                .main(*choice == Choice::NoGo)
        }
        Event::Waived { step, criterion, reason, until } => {
            let (word, until) = (criterion.word(), plan.zone.time(*until));
            of(step, format!("{word} waived until {until}: {reason}")).result("WAIVED").main(true)
        }
        Event::WaiverEnded { step, criterion } => {
            of(step, format!("the waiver of {} is over", criterion.word())).main(true)
        }
        Event::Approved { step, voice, words } => {
            let words = maybe(!words.as_str().is_empty(), || format!(": {words}"));
            of(step, format!("{} agrees that it starts{words}", voice_words(voice)))
                .result("SECOND PERSON")
                .main(true)
        }
        Event::StepEdited { step, part, class, reason, .. } => {
            let what = format!(
                "{}command edited for this run, class {}",
                part_of(*part),
                class_word(*class)
            );
            by_word(step, &what, reason, "EDITED")
        }
        Event::Replanned { changes, reason, plan, .. } => {
            let many = counted(changes.len(), "step");
            run(format!("goes on by plan {}, {many} changed: {reason}", plan.short()))
                .result("REPLANNED")
        }
        Event::PlaybookOpened { playbook, reason } => {
            run(format!("emergency procedure {playbook} opened: {reason}")).result("BREAK GLASS")
        }
        Event::ShellOpened(ShellOpened { number, host, step, reason }) => {
            let what = format!("shell {number} on {host} opened: {reason}");
            let fact =
                step.as_ref().map_or_else(|| run(what.clone()), |step| of(step, what.clone()));
            fact.result("SHELL").main(true)
        }
        Event::ShellEnded(ended) => {
            let ShellEnded { number, host, end, lasted, transcript, not_kept } = &**ended;
            let printed = transcript.as_ref().map_or_else(String::new, printed);
            let lost = not_kept.as_ref().map(|why| format!("; NOT ALL KEPT: {why}"));
            let lost = lost.unwrap_or_default();
            let words = end.words();
            run(format!("shell {number} on {host} after {lasted}: {words}{printed}{lost}"))
                .main(true)
        }
        Event::PlaybookClosed { playbook } => run(format!("emergency procedure {playbook} closed")),
        Event::GateDecided { step, choice, evidence, reason, frozen } => {
            let went_over = frozen.iter().flat_map(|frozen| &frozen.criteria);
            let went_over = went_over.filter(|it| it.stands_in_the_way()).count();
            let over = maybe(*choice == Choice::Go && went_over > 0, || {
                format!(" OVER {} that did not hold", counted_criteria(went_over))
            });
            let reason = reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            let seen: Vec<String> = evidence.iter().map(evidence_words).collect();
            let seen = maybe(!seen.is_empty(), || format!(" ({})", list(&seen)));
            of(step, format!("gate decided{over}{reason}{seen}"))
                .result(choice_word(*choice))
                .main(true)
        }
        Event::WindowOverridden { edge, reason } => {
            let edge = match edge {
                WindowEdge::Opens => "before the window opens",
                WindowEdge::Closes => "after the window has closed",
            };
            run(format!("steps may start {edge}: {reason}")).result("OVERRIDE")
        }
        Event::Held { why } => run(format!("hold: {why}")).result("HELD"),
        Event::Continued => run("the hold is over"),
        Event::AutoAdvance { on } => {
            run(format!("checks start by themselves: {}", if *on { "on" } else { "off" }))
        }
        Event::GuardOpened => run("rollback guard opened").result("nothing sent"),
        Event::GuardClosed { why } => {
            run(format!("rollback guard closed: {why}")).result("nothing sent")
        }
        Event::Returned { checkpoint } => {
            run(format!("rollback over: back at checkpoint {checkpoint}")).result("BACK THERE")
        }
        Event::RollbackBegan { reason, items, break_glass, to } => {
            let glass = break_glass.as_ref();
            let glass = glass.map_or_else(String::new, |why| format!("; BREAK GLASS: {why}"));
            let to = to.as_ref();
            let to = to.map_or_else(String::new, |to| format!(" to checkpoint {}", to.checkpoint));
            run(format!("rollback{to} began: {reason}{glass}"))
                .result(format!("{} to do", counted(items.len(), "item")))
        }
        Event::RollbackEnded { verified: true } => {
            run("rollback over").result("old system verified")
        }
        Event::RollbackEnded { verified: false } => {
            run("rollback over").result("OLD SYSTEM NOT VERIFIED")
        }
        Event::HealthChanged { probe, was, is, reading } => {
            let said = reading.as_ref();
            let said = said.map_or_else(|| "no reading".to_owned(), |r| said_by(plan, probe, r));
            let what = format!("probe {probe}: {} after {} ({said})", is.word(), was.word());
            Told { what, ..Told::default() }
        }
        Event::ReadinessChanged { need, proof } => {
            let said = Proof::words(proof.as_ref());
            run(format!("way back: {}: {said}", need.words())).main(false)
        }
        Event::LossMeasured { lost, says } => {
            let lost = lost.map_or_else(|| "not known".to_owned(), |lost| lost.to_string());
            run(format!("data lost: {lost} ({says})"))
        }
        Event::AlarmRaised { id, level, text } => {
            alarm(id, format!("alarm: {text}")).result(level_word(*level))
        }
        Event::AlarmCleared { id } => {
            alarm(id, format!("alarm over: {}", alarm_words(id))).main(false)
        }
        Event::AlarmsAcknowledged => run("alarms acknowledged").main(false),
        Event::Noted { step, text } => {
            let text = SafeText::new(text.trim());
            Told { step: step.clone(), ..run(format!("note: {text}")) }
        }
        Event::Captured { name, value, from } => {
            run(format!("captured {name} = {value} from {from}")).main(false)
        }
        Event::StoodStill { span, asleep } => {
            let why = if *asleep { "its machine slept" } else { "it was stopped or had no time" };
            run(format!("golive did not run for {span}: {why}; no limit counts that time"))
        }
        Event::RecordingLost { why } => {
            run(format!("nothing could be recorded from here on: {why}"))
                .result("kept in memory, written late")
        }
        Event::RecordingOverridden { reason } => {
            run(format!("goes back and stops steps although nothing is recorded: {reason}"))
                .result("OVERRIDE")
        }
        Event::RecordedLate { since, facts, reason } => {
            let moment = plan.zone.format(*since, "%H:%M:%S");
            let why = reason.as_ref();
            let why = why.map_or_else(String::new, |why| format!("; OVERRIDE: {why}"));
            let many = counted(usize::try_from(*facts).unwrap_or(usize::MAX), "fact");
            run(format!("recording again: {many} since {moment} written late{why}"))
        }
        Event::HostNoted { host, fact } => {
            let told = run(format!("host {host}: {}", fact.words()));
            if fact.is_grave() { told } else { told.main(false) }
        }
        Event::ClockJumped { millis } => {
            let by = Millis::new(millis.unsigned_abs());
            let way = if *millis < 0 { "back" } else { "forward" };
            run(format!("the wall clock jumped {way} by {by}; times here do not follow it"))
        }
        Event::NoticeDelivered { channel, numbers, tries } => {
            let many = counted(numbers.len(), "notice");
            let tries = maybe(*tries > 1, || format!(" at try {tries}"));
            run(format!("{many} delivered to {channel}{tries}")).main(false)
        }
        Event::NoticeLost { numbers, tries, why, .. } => {
            let many = counted(numbers.len(), "notice");
            run(format!("{many} given up: {why}")).result(format!("NOT DELIVERED, tries: {tries}"))
        }
        Event::Completed => run("every step is over").result("COMPLETED"),
        Event::Abandoned { reason } => {
            run(format!("given up without rolling back: {reason}")).result("ABANDONED")
        }
        Event::Closed => run("session closed: nothing follows"),
    }
}

fn maybe(there: bool, text: impl FnOnce() -> String) -> String {
    if there { text() } else { String::new() }
}

fn opened(genesis: &Genesis) -> Told {
    let Genesis { session, title, driver, machine, .. } = genesis;
    let place = genesis.environment.as_ref().map_or_else(String::new, |name| format!(" in {name}"));
    let kind = genesis.kind.word();
    let what =
        format!("session {session} opened: {title} ({kind}{place}) by {driver} on {machine}");
    let why = genesis.overridden.as_ref();
    run(what).result(why.map_or_else(String::new, |why| format!("OVERRIDE: {why}")))
}

/// A person's word that settles something.
fn by_word(step: &StepId, what: &str, reason: &SafeText, result: &str) -> Told {
    let reason = maybe(!reason.as_str().is_empty(), || format!(": {reason}"));
    of(step, format!("{what}{reason}")).result(result).main(true)
}

fn alarm(id: &AlarmId, what: String) -> Told {
    let step = match id {
        AlarmId::Step(step)
        | AlarmId::Silent(step)
        | AlarmId::Flood(step)
        | AlarmId::Soak(step)
        | AlarmId::Unseen(step)
        | AlarmId::Waiver(step) => Some(step.clone()),
        AlarmId::Notice(_)
        | AlarmId::Probe(_)
        | AlarmId::Trigger(_)
        | AlarmId::Host(_)
        | AlarmId::HostKey(_)
        | AlarmId::HostClock(_)
        | AlarmId::LatestSafe
        | AlarmId::Window
        | AlarmId::Signing
        | AlarmId::PlannedReturn
        | AlarmId::Readiness
        | AlarmId::Rto
        | AlarmId::Rpo => None,
    };
    Told { step, ..run(what) }
}

/// Who speaks for a role.
pub(super) fn voice_words(voice: &Voice) -> String {
    let how = match voice.said.as_deref() {
        None => "as told to the driver".to_owned(),
        Some(Said { signed: Some(signed), .. }) => format!("signed with {}", signed.key),
        Some(Said { signed: None, from, .. }) => format!("not signed, from {from}"),
    };
    format!("{} for {}, {how},", voice.person, voice.role)
}

fn counted_criteria(count: usize) -> String {
    if count == 1 { "1 criterion".to_owned() } else { format!("{count} criteria") }
}

/// A probe's word at a decision.
fn evidence_words(evidence: &Evidence) -> String {
    let age = evidence.age.map_or_else(|| "no reading".to_owned(), |age| format!("{age} old"));
    format!("{} {}, {age}", evidence.probe, evidence.health.word())
}

fn said_by(plan: &Plan, probe: &ProbeId, reading: &Reading) -> String {
    let unit = plan.probe(probe).map_or("", |probe| probe.unit.as_str());
    let value = reading.value.map_or_else(|| "no value".to_owned(), |value| measured(value, unit));
    if reading.note.as_str().is_empty() { value } else { format!("{value}, {}", reading.note) }
}

fn printed(transcript: &Transcript) -> String {
    let lines = usize::try_from(transcript.lines).unwrap_or(usize::MAX);
    let times: u64 = transcript.redacted.values().sum();
    let redacted = maybe(times > 0, || format!(", a secret taken out {times}x"));
    format!(", {} printed{redacted}", counted(lines, "line"))
}

/// Who, for tables.
pub(super) fn who(by: &Actor) -> String {
    match by {
        Actor::Operator(_) | Actor::Engine | Actor::Clock | Actor::Host(_) => by.name().to_owned(),
        // Which one is said in what it says.
        Actor::Probe(_) => "probe".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Told, told};
    use crate::base::{Digest, Millis};
    use crate::engine::{Actor, Confirmed, Doubt, End, Event, Fact, Job, Key, Part, Place};

    fn plan() -> crate::plan::Plan {
        super::super::story::tests::plan()
    }

    fn tell(event: Event) -> Told {
        told(&plan(), &Fact { by: Actor::Engine, event })
    }

    #[test]
    fn an_event_reads_as_a_sentence() {
        let key = Key { step: "shift".parse().unwrap(), part: Part::Undo, attempt: 1 };
        let places: Vec<_> =
            (1..9).map(|n| Place::Host(format!("web-{n}").parse().unwrap())).collect();
        let started = tell(Event::AttemptStarted {
            key: key.clone(),
            places,
            payload: Digest::of(b""),
            confirmed: Confirmed::ByPerson {
                class: crate::runbook::Class::Change,
                after: Millis::new(3000),
            },
        });
        assert_eq!(
            started.what,
            "undo: attempt 1 on web-1, web-2, web-3, web-4, web-5, web-6 + 2 more, confirmed after 3s"
        );
        assert!(started.main);
        let job = Job { key, place: Place::Here };
        let end = End::unknown(Doubt::Link, "link lost");
        let ended = tell(Event::JobEnded { job, end, transcript: None });
        assert_eq!(ended.what, "undo: attempt 1 on local: may have run: link lost");
    }
}
