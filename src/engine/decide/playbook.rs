//! Playbooks: emergency procedures that somebody opens, with a reason, whatever the run does.

use crate::base::{PlaybookId, SafeText, StepId, Timestamp};
use crate::engine::command::Gesture;
use crate::engine::event::{Confirmed, Event};
use crate::engine::job::Part;
use crate::engine::refusal::Refusal;
use crate::engine::state::{RunStage, State};
use crate::engine::track::Status;
use crate::plan::{PlaybookPlan, StepPlan};

use super::need_reason;
use crate::engine::because::{Already, Deed, Standing};

pub(super) fn open(
    state: &State,
    playbook: &PlaybookId,
    reason: &SafeText,
) -> Result<Vec<Event>, Refusal> {
    known(state, playbook)?;
    if state.stage == RunStage::Preparing {
        return Err(Refusal::NotActive(Standing::NotBegun));
    }
    if state.playbooks.contains_key(playbook) {
        return Err(Refusal::Already(Already::PlaybookOpen));
    }
    need_reason(reason, Deed::OpenPlaybook)?;
    Ok(vec![Event::PlaybookOpened { playbook: playbook.clone(), reason: reason.clone() }])
}

pub(super) fn close(state: &State, playbook: &PlaybookId) -> Result<Vec<Event>, Refusal> {
    let plan = known(state, playbook)?;
    if !state.playbooks.contains_key(playbook) {
        return Err(Refusal::PlaybookShut(playbook.clone()));
    }
    let runs = plan.steps.iter().find(|step| state.track(step).status.is_in_flight());
    if let Some(step) = runs {
        return Err(state.wrong(step, Part::Action, Deed::ClosePlaybook));
    }
    let mut events = vec![Event::PlaybookClosed { playbook: playbook.clone() }];
    // Nobody will choose any more what becomes of a step that failed.
    let open = plan.steps.iter().filter(|step| state.track(step).status.wants_choice());
    for step in open {
        events.extend(state.settle_choice(step, Part::Action));
    }
    Ok(events)
}

/// Starts a step of a playbook that is open: a hold of the run does not hold it.
pub(super) fn start(
    state: &State,
    plan: &StepPlan,
    gesture: Gesture,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let step = &plan.id;
    state.may_choose(step, Part::Action)?;
    if state.track(step).status != Status::Pending {
        return Err(state.wrong(step, Part::Action, Deed::Start));
    }
    state.need_all_met(plan)?;
    if !state.wanted(plan)? {
        return Ok(vec![super::skipped_by_when(plan)]);
    }
    if gesture.class < plan.class {
        return Err(Refusal::Unconfirmed { step: step.clone(), needed: plan.class });
    }
    state.second_agrees(plan, now)?;
    let confirmed = Confirmed::ByPerson { class: gesture.class, after: gesture.after };
    state.begin(step, Part::Action, state.places_of(step, Part::Action), confirmed, now)
}

fn known<'a>(state: &'a State, playbook: &PlaybookId) -> Result<&'a PlaybookPlan, Refusal> {
    state.plan.playbook(playbook).ok_or_else(|| Refusal::NoPlaybook(playbook.clone()))
}

impl State {
    /// Whether a step of a playbook may be started, chosen about, stopped: its playbook is open.
    pub(super) fn playbook_is_open(&self, step: &StepId) -> Option<Result<(), Refusal>> {
        let playbook = self.plan.playbook_of(step)?;
        Some(if self.guard.is_some() {
            Err(Refusal::GuardOpen)
        } else if self.playbooks.contains_key(&playbook.id) {
            Ok(())
        } else {
            Err(Refusal::PlaybookShut(playbook.id.clone()))
        })
    }
}
