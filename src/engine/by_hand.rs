//! What a person says that they did by hand, and the verification that has to prove it.
//!
//! Their word alone makes nothing done where the runbook has a `verify`. What did not hold is
//! failed, what could not be read is unknown, and both go on only by an accepted failure.

use crate::base::{SafeText, StepId};

use super::event::{AlarmId, Event};
use super::job::{End, Part, Verdict};
use super::state::State;
use super::track::{Attempt, Track};

impl State {
    /// What follows when the verification of a person's word holds: it is done, and not watched,
    /// as after any word of a person.
    pub(super) fn done_by_hand(&self, step: &StepId, part: Part, reason: &SafeText) -> Vec<Event> {
        let (id, part) = (step.clone(), part.thing());
        let mut events = vec![Event::DoneByHand { step: id, part, reason: reason.clone() }];
        let of_step = [AlarmId::Silent, AlarmId::Flood, AlarmId::Step, AlarmId::Unseen];
        events.extend(of_step.into_iter().flat_map(|id| self.all_clear(id(step.clone()))));
        events
    }

    /// What follows when a person's word is not proved, for this reason.
    pub(super) fn unproved(
        &self,
        step: &StepId,
        part: Part,
        verdict: Verdict,
        why: &str,
    ) -> Vec<Event> {
        let why = format!(": said to be done by hand, and {why}");
        self.failed(step, part, verdict, &why)
    }

    /// The same, by how the verification ended.
    pub(super) fn not_proved(&self, step: &StepId, part: Part, track: &Track) -> Vec<Event> {
        let said = super::due::describe(track);
        if track.last().is_some_and(was_read) {
            let why = format!("its verification did not hold{said}");
            self.unproved(step, part, Verdict::Failed, &why)
        } else {
            self.unproved(step, part, Verdict::Unknown, &format!("not verified{said}"))
        }
    }
}

/// Whether a verification that did not hold says something of what it looked at: it came to its
/// own end somewhere, and there it said no.
fn was_read(verify: &Attempt) -> bool {
    verify.places.values().flatten().any(|end| match &end.end {
        End::Exited { .. } | End::Signalled { .. } | End::Done(_) => {
            end.end.verdict() == Verdict::Failed
        }
        End::Stopped { .. }
        | End::NotStarted { .. }
        | End::Rebooted { .. }
        | End::Unknown { .. } => false,
    })
}
