//! What may happen while nothing can be recorded: the one place that says so.
//!
//! A record that fails is itself an event, and so is the word of the person who goes on without
//! one. They are kept in memory with all that happens meanwhile, and are written first when the
//! disk takes something again; so a replay sees what the session saw, gap and all.

use crate::base::{SafeText, StepId, Timestamp};

use super::because::Already;
use super::event::{Actor, Event};
use super::hosts::HostFact;
use super::job::Part;
use super::refusal::Refusal;
use super::state::{RunStage, State};

/// That nothing can be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Since when.
    pub since: Timestamp,
    /// What the disk said.
    pub why: SafeText,
    /// How many facts are known since then, this one included, and are in no record.
    pub facts: u64,
    /// The word of a person that the way back may be walked all the same.
    pub overridden: Option<Overridden>,
}

/// A typed override: until something can be recorded again, and for the way back only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overridden {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// Why.
    pub reason: SafeText,
}

/// What an event asks for while nothing can be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// It has happened already, or stops something from starting: it is kept.
    Nothing,
    /// A typed override.
    Override,
    /// A typed override, on the way back.
    WayBack,
    /// A record: it has to wait.
    Record,
}

impl State {
    /// That nothing can be recorded, if so.
    pub const fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// Whether a person has typed the override that holds now.
    pub fn is_overridden(&self) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.overridden.is_some())
    }

    /// Refuses what may not happen while nothing can be recorded. All of `events` or none.
    pub(super) fn may_go_unrecorded(&self, events: &[Event]) -> Result<(), Refusal> {
        let Some(lost) = &self.lost else { return Ok(()) };
        let goes_back = self.stage == RunStage::RollingBack
            || events.iter().any(|event| matches!(event, Event::RollbackBegan { .. }));
        let overridden = lost.overridden.is_some();
        let may = |event: &Event| match self.needs(event) {
            Needs::Nothing => true,
            Needs::Override => overridden,
            Needs::WayBack => overridden && goes_back,
            Needs::Record => false,
        };
        if events.iter().all(may) {
            return Ok(());
        }
        Err(Refusal::NotRecorded { why: lost.why.clone() })
    }

    fn needs(&self, event: &Event) -> Needs {
        match event {
            Event::JobSighted { .. }
            | Event::WavePaused { .. }
            | Event::JobEnded { .. }
            | Event::SoakBreached { .. }
            | Event::Settled { .. }
            | Event::Captured { .. }
            | Event::Held { .. }
            | Event::DriverLeft { .. }
            | Event::GuardOpened
            | Event::GuardClosed { .. }
            | Event::HealthChanged { .. }
            | Event::ReadinessChanged { .. }
            | Event::LossMeasured { .. }
            | Event::AlarmRaised { .. }
            | Event::AlarmCleared { .. }
            | Event::AlarmsAcknowledged
            | Event::Noted { .. }
            | Event::WaiverEnded { .. }
            | Event::ClockJumped { .. }
            | Event::StoodStill { .. }
            | Event::NoticeDelivered { .. }
            | Event::NoticeLost { .. }
            | Event::RecordingLost { .. }
            | Event::RecordingOverridden { .. }
            | Event::RecordedLate { .. }
            | Event::ShellEnded(_) => Needs::Nothing,
            Event::HostNoted { fact, .. } => match fact {
                HostFact::KeyAccepted { .. } => Needs::Override,
                HostFact::KeySeen { .. } | HostFact::KeyChanged { .. } | HostFact::Clock(_) => {
                    Needs::Nothing
                }
            },
            // A running step is not touched without a person. The end of its time is no
            // exception: the limit was confirmed, but the stop of a half-done migration because
            // golive's own disk is full would be in no record, and being late can be undone. So
            // its end is said, and waits for the override, or for the record.
            Event::StopAsked { .. } | Event::TimeLimitReached { .. } => Needs::Override,
            Event::RollbackBegan { .. }
            | Event::RollbackEnded { .. }
            | Event::Returned { .. }
            | Event::Continued => Needs::WayBack,
            Event::AttemptStarted { key, .. }
            | Event::WavesPlanned { key, .. }
            | Event::WaveStarted { key, .. } => self.on_the_way_back(&key.step, key.part),
            Event::SaidDone { step, part, .. }
            | Event::DoneByHand { step, part, .. }
            | Event::StepEdited { step, part, .. }
            | Event::FailureAccepted { step, part, .. }
            | Event::SignedOff { step, part, .. } => self.on_the_way_back(step, *part),
            Event::RetryPlanned { step, .. }
            | Event::SoakStarted { step, .. }
            | Event::Skipped { step, .. }
            | Event::GateDecided { step, .. } => self.on_the_way_back(step, Part::Action),
            Event::SessionOpened(_)
            | Event::RunBegan
            | Event::Resumed { .. }
            | Event::AutoAdvance { .. }
            | Event::Voted { .. }
            | Event::Waived { .. }
            | Event::Approved { .. }
            | Event::Replanned { .. }
            | Event::PlaybookOpened { .. }
            | Event::PlaybookClosed { .. }
            | Event::WindowOverridden { .. }
            | Event::ShellOpened(_)
            | Event::Completed
            | Event::Abandoned { .. }
            | Event::Closed => Needs::Record,
        }
    }

    fn on_the_way_back(&self, step: &StepId, part: Part) -> Needs {
        if part.is_undo() || !self.plan.is_forward(step) { Needs::WayBack } else { Needs::Record }
    }

    /// What nothing having been recorded, for `why`, causes.
    pub(super) fn lose(&self, why: &SafeText) -> Vec<Event> {
        if self.lost.is_some() {
            return Vec::new();
        }
        let mut events = vec![Event::RecordingLost { why: why.clone() }];
        // When it can be recorded again, a person looks first. A rollback goes on by itself then.
        if self.stage == RunStage::Active && self.hold.is_none() {
            events.push(Event::Held { why: SafeText::new("nothing can be recorded") });
        }
        events
    }

    /// What a person's word that it goes on unrecorded causes.
    pub(super) fn go_unrecorded(&self, reason: &SafeText) -> Result<Vec<Event>, Refusal> {
        match &self.lost {
            None => Err(Refusal::Already(Already::NothingToOverride)),
            Some(lost) if lost.overridden.is_some() => Err(Refusal::Already(Already::Overridden)),
            Some(_) => Ok(vec![Event::RecordingOverridden { reason: reason.clone() }]),
        }
    }

    /// What all that was kept being in the record now causes.
    pub(super) fn recorded_late(&self) -> Vec<Event> {
        let event = |lost: &Lost| Event::RecordedLate {
            since: lost.since,
            facts: lost.facts,
            reason: lost.overridden.as_ref().map(|it| it.reason.clone()),
        };
        self.lost.iter().map(event).collect()
    }

    /// Folds what an event says of the record, and counts it where it is in none.
    pub(super) fn note_record(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        if let Event::RecordingLost { why } = event {
            let (why, overridden) = (why.clone(), None);
            self.lost.get_or_insert(Lost { since: at, why, facts: 0, overridden });
        } else if matches!(event, Event::RecordedLate { .. }) {
            self.lost = None;
        }
        if let Some(lost) = &mut self.lost {
            lost.facts += 1;
            if let Event::RecordingOverridden { reason } = event {
                let (by, reason) = (by.clone(), reason.clone());
                lost.overridden = Some(Overridden { at, by, reason });
            }
        }
    }
}
