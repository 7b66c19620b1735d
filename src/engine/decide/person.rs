//! A person's work: sign-offs and gates.

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::engine::event::{Choice, Confirmed, Event, Evidence};
use crate::engine::health::Health;
use crate::engine::job::Part;
use crate::engine::refusal::Refusal;
use crate::engine::state::{State, Status};
use crate::plan::{StepPlan, Work};
use crate::runbook::{Class, Gate};

use super::need_reason;

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
        return Err(Refusal::WrongKind { step: step.clone(), kind: "manual" });
    };
    let mut events = open_for_person(state, plan, part, now)?;
    let all = manual.checklist.len();
    if ticked < all {
        return Err(Refusal::Checklist { ticked, all });
    }
    events.push(Event::SignedOff { step: step.clone(), part, words: words.clone() });
    events.extend(state.after_success(step, part, now)?);
    Ok(events)
}

/// The start of a person's work, where it is not open yet.
fn open_for_person(
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
            state.begin(step, part, Vec::new(), confirmed, now)
        }
        Status::Failed | Status::Cancelled => {
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
        | Status::FailureAccepted => Err(state.wrong(step, part, "deciding it or signing it off")),
    }
}

pub(super) struct GateWish<'a> {
    pub(super) step: &'a StepId,
    pub(super) choice: Choice,
    pub(super) ticked: usize,
    pub(super) evidence: &'a [Evidence],
    pub(super) margin: Option<i64>,
    pub(super) reason: Option<&'a SafeText>,
}

pub(super) fn decide_gate(
    state: &State,
    wish: &GateWish<'_>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    state.may_choose(wish.step, Part::Action)?;
    let plan = state.known(wish.step)?;
    let Work::Gate(gate) = &plan.work else {
        return Err(Refusal::WrongKind { step: wish.step.clone(), kind: "gate" });
    };
    let mut events = open_for_person(state, plan, Part::Action, now)?;
    let reason = wish.reason.cloned().unwrap_or_default();
    let said_why = !reason.as_str().trim().is_empty();
    match wish.choice {
        Choice::NoGo => need_reason(&reason, "NO-GO")?,
        Choice::Go => {
            let all = gate.checklist.len();
            if wish.ticked < all {
                return Err(Refusal::Checklist { ticked: wish.ticked, all });
            }
            if !said_why {
                criteria_hold(state, gate, wish)?;
            }
        }
    }
    events.push(Event::GateDecided {
        step: wish.step.clone(),
        choice: wish.choice,
        evidence: wish.evidence.to_vec(),
        reason: said_why.then_some(reason),
    });
    match wish.choice {
        Choice::Go => events.extend(state.after_success(wish.step, Part::Action, now)?),
        Choice::NoGo if !state.is_held_by_person() => {
            let why = SafeText::new(&format!("NO-GO at gate {}", wish.step));
            events.push(Event::Held { why });
        }
        Choice::NoGo => {}
    }
    Ok(events)
}

/// Every criterion of a gate; unknown health holds it as failed health does.
fn criteria_hold(state: &State, gate: &Gate, wish: &GateWish<'_>) -> Result<(), Refusal> {
    for probe in &gate.healthy {
        let seen = wish.evidence.iter().find(|e| e.probe == *probe);
        let seen = seen.map_or(Health::Unknown, |evidence| evidence.health);
        let health = seen.max(state.health(probe));
        if health != Health::Healthy {
            return Err(Refusal::NotHealthy { probe: probe.clone(), health });
        }
    }
    let Some(asked) = gate.margin else { return Ok(()) };
    let asked_millis = i64::try_from(asked.as_millis()).unwrap_or(i64::MAX);
    let enough = wish.margin.is_some_and(|left| left >= asked_millis); // Not known is not enough.
    if enough { Ok(()) } else { Err(Refusal::Margin(asked)) }
}
