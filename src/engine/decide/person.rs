//! A person's work: sign-offs.

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::engine::because::{Deed, StepKind};
use crate::engine::event::{Confirmed, Event};
use crate::engine::job::Part;
use crate::engine::refusal::Refusal;
use crate::engine::state::State;
use crate::engine::track::Status;
use crate::plan::{StepPlan, Work};
use crate::runbook::Class;

pub(super) fn sign_off(
    state: &State,
    step: &StepId,
    part: Part,
    ticked: usize,
    words: &SafeText,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    state.may_choose(step, part)?;
    let plan = state.known(step)?;
    let Some(Work::Manual(manual)) = state.work_of(step, part) else {
        return Err(Refusal::WrongKind { step: step.clone(), kind: StepKind::Manual });
    };
    let mut events = open_for_person(state, plan, part, now)?;
    let all = manual.checklist.len();
    if ticked < all {
        return Err(Refusal::Checklist { ticked, all });
    }
    if manual.evidence && words.as_str().trim().is_empty() {
        return Err(Refusal::NoEvidence(step.clone()));
    }
    events.push(Event::SignedOff { step: step.clone(), part, words: words.clone() });
    events.extend(state.after_success(step, part, now)?);
    Ok(events)
}

/// The start of a person's work, where it is not open yet.
pub(super) fn open_for_person(
    state: &State,
    plan: &StepPlan,
    part: Part,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let step = &plan.id;
    let confirmed = Confirmed::ByPerson { class: Class::Check, after: Millis::ZERO };
    match state.track_of(step, part).status {
        Status::Waiting => Ok(Vec::new()),
        // On the way back the order is fixed: an item opens when it is its turn.
        Status::Pending if state.plan.is_forward(step) && !part.is_undo() => {
            if let Some(hold) = &state.hold {
                return Err(Refusal::Held(hold.why.clone()));
            }
            state.need_all_met(plan)?;
            state.second_agrees(plan, now)?;
            state.begin(step, part, Vec::new(), confirmed, now)
        }
        Status::Pending if state.plan.playbook_of(step).is_some() => {
            state.need_all_met(plan)?;
            state.second_agrees(plan, now)?;
            state.begin(step, part, Vec::new(), confirmed, now)
        }
        Status::Failed | Status::Cancelled => {
            if !part.is_undo() {
                state.second_agrees(plan, now)?;
            }
            let mut events = state.settle_choice(step, part);
            events.extend(state.begin(step, part, Vec::new(), confirmed, now)?);
            Ok(events)
        }
        Status::Pending
        | Status::Running
        | Status::Soaking { .. }
        | Status::Verifying
        | Status::Succeeded
        | Status::TimedOut
        | Status::Unknown
        | Status::Skipped
        | Status::DoneByHand
        | Status::FailureAccepted => Err(state.wrong(step, part, Deed::Decide)),
    }
}
