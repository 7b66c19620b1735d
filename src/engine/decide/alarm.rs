//! Raising alarms once, and clearing them with their cause.

use crate::base::{SafeText, StepId};
use crate::engine::event::{Actor, AlarmId, Event, Level};
use crate::engine::job::Part;
use crate::engine::state::{RunStage, State};
use crate::engine::track::Status;

impl State {
    /// Raises an alarm, unless the same one is open.
    pub(in crate::engine) fn alarm(&self, id: AlarmId, level: Level, text: &str) -> Vec<Event> {
        let text = SafeText::new(text);
        let open = self.alarms.iter().any(|alarm| {
            alarm.id == id
                && alarm.cleared.is_none()
                && alarm.level == level
                && (alarm.text == text || matches!(alarm.id, AlarmId::Silent(_)))
        });
        if open { Vec::new() } else { vec![Event::AlarmRaised { id, level, text }] }
    }

    /// Clears an alarm, if it is open.
    pub(in crate::engine) fn all_clear(&self, id: AlarmId) -> Vec<Event> {
        let open = self.alarms.iter().any(|alarm| alarm.id == id && alarm.cleared.is_none());
        if open { vec![Event::AlarmCleared { id }] } else { Vec::new() }
    }

    /// Clears the alarms of a step.
    pub(super) fn step_clear(&self, step: &StepId) -> Vec<Event> {
        let ids = [AlarmId::Step(step.clone()), AlarmId::Soak(step.clone())];
        let ids =
            ids.into_iter().chain([AlarmId::Silent(step.clone()), AlarmId::Flood(step.clone())]);
        let ids = ids.chain([AlarmId::Waiver(step.clone())]);
        ids.flat_map(|id| self.all_clear(id)).collect()
    }

    /// Ends what a failure of `part` of `step` began: its alarms, and the hold of the program if
    /// nothing else wants a choice.
    pub(super) fn settle_choice(&self, step: &StepId, part: Part) -> Vec<Event> {
        let mut events = self.step_clear(step);
        let by_engine = self.hold.as_ref().is_some_and(|hold| hold.by == Actor::Engine);
        if by_engine && !self.another_wants_choice(step, part) && !self.a_wave_asks(step) {
            events.push(Event::Continued);
        }
        events
    }

    /// Whether a wave of another step is over, and a person has to say that it goes on.
    fn a_wave_asks(&self, step: &StepId) -> bool {
        self.plan.order.iter().filter(|id| *id != step).any(|id| {
            let track = self.track(id);
            let wave = track.last_action().filter(|_| track.status == Status::Running);
            self.batch_of(id).is_some_and(|batch| batch.ask)
                && wave.is_some_and(|attempt| attempt.wave.next_at.is_some())
        })
    }

    /// Whether anything else that matters at this stage wants a choice. On the way back, a
    /// forward step that failed no longer does.
    fn another_wants_choice(&self, step: &StepId, part: Part) -> bool {
        let waits = |other: &StepId, its: Part| {
            (other, its) != (step, part) && self.track_of(other, its).status.wants_choice()
        };
        match (&self.rollback, self.stage) {
            (Some(rollback), RunStage::RollingBack) => {
                rollback.items.iter().any(|item| waits(&item.step, item.part))
            }
            (
                Some(_) | None,
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RollingBack
                | RunStage::RolledBack { .. }
                | RunStage::Completed
                | RunStage::Abandoned,
            ) => self.plan.order.iter().any(|id| waits(id, Part::Action)),
        }
    }
}
