//! The last facts of the journal, as lines for people.

use std::collections::VecDeque;

use crate::base::{SafeText, Timestamp};
use crate::engine::{Actor, Doubt, End, Event, Fact, Proof, Said, Verdict, Voice};

/// Facts kept for the audit view.
pub const FACTS_MAX: usize = 2_000;

/// One fact as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// Its line in the journal.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: SafeText,
    /// What, in one word.
    pub what: &'static str,
    /// About what.
    pub about: SafeText,
}

/// The tail of the journal.
#[derive(Clone, Debug, Default)]
pub struct AuditTail {
    lines: VecDeque<AuditLine>,
}

impl AuditTail {
    /// Takes in a fact that is on disk.
    pub fn push(&mut self, seq: u64, at: Timestamp, fact: &Fact) {
        if self.lines.len() == FACTS_MAX {
            self.lines.pop_front();
        }
        let (what, about) = describe(&fact.event);
        self.lines.push_back(AuditLine {
            seq,
            at,
            who: SafeText::new(fact.by.name()),
            what,
            about: SafeText::new(&about),
        });
    }

    /// The lines, oldest first.
    pub const fn lines(&self) -> &VecDeque<AuditLine> {
        &self.lines
    }
}

/// What somebody else than the driver says, holds or decides: the driver hears of it at once.
/// None where it is the program's own doing.
pub fn said_elsewhere(fact: &Fact) -> Option<String> {
    if !matches!(fact.by, Actor::Operator(_)) {
        return None;
    }
    let (what, about) = describe(&fact.event);
    Some(format!("{}: {what} {about}", fact.by.name()).trim_end().to_owned())
}

/// Who speaks, for whom, and what proves it.
fn voice_words(voice: &Voice) -> String {
    let proof = match voice.said.as_deref() {
        None => "",
        Some(Said { signed: Some(_), .. }) => " (signed)",
        Some(Said { signed: None, .. }) => " (not signed)",
    };
    format!("{} {}{proof}", voice.role, voice.person)
}

/// An event's word and what it is about.
#[expect(clippy::too_many_lines, reason = "one arm for each thing that can happen")]
fn describe(event: &Event) -> (&'static str, String) {
    match event {
        Event::SessionOpened(genesis) => {
            let plan = genesis.plan.short();
            ("opened", format!("{} {} plan {plan}", genesis.kind.word(), genesis.runbook))
        }
        Event::RunBegan => ("began", String::new()),
        Event::Resumed { driver, away, in_doubt, sought, .. } => {
            let (doubt, asked) = (in_doubt.len(), sought.len());
            ("resumed", format!("by {driver} after {away}, {doubt} in doubt, {asked} asked for"))
        }
        Event::DriverLeft { why } => ("driver left", why.to_string()),
        Event::AttemptStarted { key, places, payload, .. } => {
            ("started", format!("{key} in {} places, sends {}", places.len(), payload.short()))
        }
        Event::WavesPlanned { key, waves } => {
            ("waves planned", format!("{key} goes on in {} more", waves.len()))
        }
        Event::WavePaused { key, .. } => ("wave over", key.to_string()),
        Event::WaveStarted { key, places } => {
            ("wave started", format!("{key} in {} more places", places.len()))
        }
        Event::JobEnded { job, end, transcript } => {
            let bytes = transcript.as_ref().map_or(0, |transcript| transcript.bytes);
            ("ended", format!("{job} {}, {bytes} bytes", end_words(end)))
        }
        Event::JobSighted { job, sight } => ("sighted", format!("{job} {}", sight.words())),
        Event::TimeLimitReached { key } => ("time limit", key.to_string()),
        Event::StopAsked { key } => ("stop asked", key.to_string()),
        Event::RetryPlanned { step, .. } => ("retry planned", step.to_string()),
        Event::SoakStarted { step, .. } => ("soak started", step.to_string()),
        Event::SoakBreached { step, probe, health } => {
            ("soak breached", format!("{step}: {probe} {}", health.word()))
        }
        Event::Settled { step, part, verdict } => {
            let undo = if part.is_undo() { "undo of " } else { "" };
            ("settled", format!("{undo}{step} {}", verdict_word(*verdict)))
        }
        Event::Skipped { step, reason } => ("skipped", format!("{step}: {reason}")),
        Event::DoneByHand { step, reason, .. } => ("done by hand", format!("{step}: {reason}")),
        Event::FailureAccepted { step, reason, .. } => {
            ("failure accepted", format!("{step}: {reason}"))
        }
        Event::SignedOff { step, words, .. } => ("signed off", format!("{step}: {words}")),
        Event::Voted { step, voice, choice, words } => {
            let said = super::text::choice(*choice);
            ("vote", format!("{step}: {} {said} {words}", voice_words(voice)))
        }
        Event::Waived { step, criterion, reason, .. } => {
            ("waived", format!("{step} {}: {reason}", criterion.word()))
        }
        Event::WaiverEnded { step, criterion } => {
            ("waiver over", format!("{step} {}", criterion.word()))
        }
        Event::Approved { step, voice, words } => {
            ("second person", format!("{step}: {} {words}", voice_words(voice)))
        }
        Event::StepEdited { step, part, was, text, reason, .. } => {
            let undo = if part.is_undo() { "undo of " } else { "" };
            let is = crate::base::Digest::of(text.as_bytes());
            let (was, is) = (was.short(), is.short());
            ("edited", format!("{undo}{step}: {was} is now {is}: {reason}"))
        }
        Event::Replanned { was, plan, changes, reason } => {
            let (was, plan) = (was.short(), plan.short());
            ("replanned", format!("{was} is now {plan}, {} steps: {reason}", changes.len()))
        }
        Event::PlaybookOpened { playbook, reason } => {
            ("playbook open", format!("{playbook}: {reason}"))
        }
        Event::PlaybookClosed { playbook } => ("playbook shut", playbook.to_string()),
        Event::Returned { checkpoint } => ("returned", format!("to checkpoint {checkpoint}")),
        Event::GateDecided { step, choice, reason, .. } => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            ("gate", format!("{step} {}{reason}", super::text::choice(*choice)))
        }
        Event::WindowOverridden { reason, .. } => ("override", format!("window: {reason}")),
        Event::Held { why } => ("held", why.to_string()),
        Event::Continued => ("continued", String::new()),
        Event::AutoAdvance { on } => ("auto-advance", super::text::on_off(*on).to_owned()),
        Event::GuardOpened => ("guard open", String::new()),
        Event::GuardClosed { why } => ("guard closed", why.to_string()),
        Event::RollbackBegan { reason, items, to, .. } => {
            let to = to.as_ref().map(|to| format!(" to checkpoint {}", to.checkpoint));
            ("rollback", format!("{} items{}: {reason}", items.len(), to.unwrap_or_default()))
        }
        Event::RollbackEnded { verified: true } => ("rolled back", "verified".to_owned()),
        Event::RollbackEnded { verified: false } => ("rolled back", "NOT verified".to_owned()),
        Event::HealthChanged { probe, was, is, .. } => {
            ("health", format!("{probe} {} -> {}", was.word(), is.word()))
        }
        Event::ReadinessChanged { need, proof } => {
            let said = Proof::words(proof.as_ref());
            ("way back", format!("{}: {said}", need.words()))
        }
        Event::LossMeasured { lost, says } => {
            let lost = lost.map_or_else(|| "not known".to_owned(), |lost| lost.to_string());
            ("data lost", format!("{lost}: {says}"))
        }
        Event::AlarmRaised { text, .. } => ("alarm", text.to_string()),
        Event::AlarmCleared { .. } => ("alarm over", String::new()),
        Event::AlarmsAcknowledged => ("acknowledged", String::new()),
        Event::Noted { step, text } => {
            let step = step.as_ref().map(|step| format!("{step}: ")).unwrap_or_default();
            ("note", format!("{step}{text}"))
        }
        Event::Captured { name, value, from } => ("captured", format!("{name}={value} on {from}")),
        Event::StoodStill { span, asleep: true } => ("slept", span.to_string()),
        Event::StoodStill { span, asleep: false } => ("stood still", span.to_string()),
        Event::HostNoted { host, fact } => ("host", format!("{host}: {}", fact.words())),
        Event::ClockJumped { millis } => ("clock jumped", format!("{millis} ms")),
        Event::RecordingLost { why } => ("RECORD LOST", why.to_string()),
        Event::RecordingOverridden { reason } => ("override", format!("unrecorded: {reason}")),
        Event::RecordedLate { facts, .. } => ("recorded late", format!("{facts} facts")),
        Event::NoticeDelivered { channel, numbers, tries } => {
            let tries = if *tries > 1 { format!(", at try {tries}") } else { String::new() };
            ("notice", format!("{channel}: {} delivered{tries}", numbers.len()))
        }
        Event::NoticeLost { tries, why, .. } => {
            ("notice LOST", format!("{why}, after {tries} tries"))
        }
        Event::Completed => ("completed", String::new()),
        Event::Abandoned { reason } => ("abandoned", reason.to_string()),
        Event::Closed => ("closed", String::new()),
    }
}

/// How a job ended, in words.
pub fn end_words(end: &End) -> String {
    match end {
        End::Exited { code, unmet: None, .. } => format!("exit {code}"),
        End::Exited { code, unmet: Some(unmet), .. } => format!("exit {code}, {unmet}"),
        End::Done(done) => done.words(),
        End::Signalled { signal } => format!("ended by signal {signal}"),
        End::Stopped { survivors: None } => "stopped, not known what still lives".to_owned(),
        End::Stopped { survivors: Some(alive) } if alive.is_empty() => "stopped, gone".to_owned(),
        End::Stopped { survivors: Some(alive) } => {
            let alive: Vec<&str> = alive.iter().map(SafeText::as_str).collect();
            format!("stopped, still alive: {}", alive.join(", "))
        }
        End::NotStarted { why } => format!("not started: {why}"),
        End::Rebooted { after } => format!("rebooted, answered after {after}"),
        End::Unknown { why, doubt: Doubt::Link } => format!("unknown: {why}"),
        End::Unknown { why, doubt } => format!("{}: {why}", doubt.words()),
    }
}

/// The word of a verdict.
const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::Cancelled => "cancelled",
        Verdict::Failed => "failed",
        Verdict::TimedOut => "timed_out",
        Verdict::Unknown => "unknown",
    }
}
