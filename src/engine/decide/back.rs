//! The way back, the end of a session, and taking it up again.

use std::sync::Arc;

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::engine::event::{Confirmed, Event, Return};
use crate::engine::health::Health;
use crate::engine::job::{End, Job, Part};
use crate::engine::refusal::Refusal;
use crate::engine::sight::Doubt;
use crate::engine::state::{RunStage, State};
use crate::engine::track::{Attempt, Status, Track};
use crate::runbook::InFlight;

use super::need_reason;
use crate::engine::because::{Deed, Standing};

pub(super) fn open_guard(state: &State) -> Result<Vec<Event>, Refusal> {
    if state.guard.is_some() {
        return Err(Refusal::GuardOpen);
    }
    // A shell that is open, or that a host is still asked for, is no reason against it: the way back
    // never waits for a host. The console gives up the shell instead.
    may_roll_back(state)?;
    Ok(vec![Event::GuardOpened])
}

fn may_roll_back(state: &State) -> Result<(), Refusal> {
    if let (None, Some(step)) = (&state.rollback, state.committed()) {
        return Err(Refusal::Committed(step.clone()));
    }
    match state.stage {
        RunStage::RollingBack | RunStage::RolledBack { .. } => Err(Refusal::RollingBack),
        RunStage::Preparing => Err(Refusal::NothingToRollBack),
        RunStage::Active | RunStage::Completed | RunStage::Abandoned => {
            let started = state.plan.order.iter().any(|id| state.track(id).may_have_run());
            if started { Ok(()) } else { Err(Refusal::NothingToRollBack) }
        }
    }
}

pub(super) fn roll_back(
    state: &State,
    reason: &SafeText,
    break_glass: Option<&SafeText>,
    to: Option<&SafeText>,
) -> Result<Vec<Event>, Refusal> {
    may_roll_back(state)?;
    need_reason(reason, Deed::RollBack)?;
    let why_past = break_glass.filter(|why| !why.as_str().trim().is_empty());
    let past = match to {
        Some(checkpoint) => {
            if state.stage == RunStage::Abandoned {
                return Err(Refusal::NotActive(Standing::GivenUp));
            }
            let since = state.since_checkpoint(checkpoint);
            let Some(since) = since else { return Err(Refusal::NoCheckpoint(checkpoint.clone())) };
            if since.is_empty() {
                return Err(Refusal::NothingSince(checkpoint.clone()));
            }
            state.past_no_return_of(&since)
        }
        None => state.past_no_return(),
    };
    if let (Some(step), None) = (past, why_past) {
        return Err(Refusal::PointOfNoReturn(step.clone()));
    }
    Ok(state.back_events(reason, why_past, to))
}

impl State {
    /// Whether a rollback could begin now, the point of no return aside.
    pub(in crate::engine) fn may_go_back(&self) -> bool {
        may_roll_back(self).is_ok()
    }

    /// The events that begin a rollback.
    pub(in crate::engine) fn back_events(
        &self,
        reason: &SafeText,
        break_glass: Option<&SafeText>,
        to: Option<&SafeText>,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if self.hold.is_some() {
            events.push(Event::Continued);
        }
        let items = match to {
            Some(checkpoint) => self.items_to(checkpoint),
            None => self.rollback_items(),
        };
        events.push(Event::RollbackBegan {
            reason: reason.clone(),
            items,
            break_glass: break_glass.cloned(),
            to: to.map(|checkpoint| Return {
                checkpoint: checkpoint.clone(),
                again: self.again_after(checkpoint),
            }),
        });
        for step in &self.plan.order {
            // Rolling back is the choice that a failed step waited for.
            if self.track(step).status.wants_choice() {
                events.extend(self.step_clear(step));
            }
            // What runs nowhere would never end by itself, so it ends now.
            events.extend(self.stop_waiting(step, Part::Action));
            if self.plan.running == InFlight::Cancel {
                events.extend(self.stop_jobs(step, Part::Action));
            }
        }
        events
    }
}

pub(super) fn close(state: &State) -> Result<Vec<Event>, Refusal> {
    match state.stage {
        RunStage::Completed | RunStage::RolledBack { .. } | RunStage::Abandoned
            if state.in_flight().next().is_none() =>
        {
            Ok(vec![Event::Closed])
        }
        RunStage::Completed | RunStage::RolledBack { .. } | RunStage::Abandoned => {
            Err(Refusal::NotActive(Standing::StillRuns))
        }
        RunStage::Preparing => Err(Refusal::NotActive(Standing::NotBegun)),
        RunStage::Active | RunStage::RollingBack => Err(Refusal::NotActive(Standing::UnderWay)),
    }
}

pub(super) fn resume(
    state: &State,
    (driver, machine): (&SafeText, &SafeText),
    away: Millis,
    signer: Option<&SafeText>,
    now: Timestamp,
) -> Vec<Event> {
    let (sought, in_doubt): (Vec<Job>, Vec<Job>) = state
        .in_flight()
        .flat_map(Attempt::open_jobs)
        .partition(|job| state.is_durable(job) || state.can_be_looked_at(job));
    let mut events = vec![Event::Resumed {
        driver: driver.clone(),
        machine: machine.clone(),
        away,
        in_doubt: in_doubt.clone(),
        sought,
        signer: signer.cloned(),
    }];
    // What came after the record was lost, and is read now, was written late, by hand.
    events.extend(state.recorded_late());
    let end = End::unknown(Doubt::Link, "golive ended while it was in flight: it may have run");
    events.extend(in_doubt.into_iter().map(|job| Event::JobEnded {
        job,
        end: end.clone(),
        transcript: None,
    }));
    for (probe, was) in &state.health {
        if *was != Health::Unknown {
            let (probe, was) = (probe.clone(), *was);
            events.push(Event::HealthChanged { probe, was, is: Health::Unknown, reading: None });
        }
    }
    events.extend(state.watch_again(now));
    // Even where the program holds: a person looks first, and their choice is not yet that.
    if state.runs() && !state.is_held_by_person() {
        let why = SafeText::new("resumed: look at what happened, then continue");
        events.push(Event::Held { why });
    }
    events
}

impl State {
    /// Watching that begins again from zero, as nobody watched in between.
    fn watch_again(&self, now: Timestamp) -> Vec<Event> {
        let actions = self.actions.iter().map(|(step, track)| (step, Part::Action, track));
        let undos = self.undos.iter().map(|(step, track)| (step, Part::Undo, track));
        let again = |(step, part, track): (&StepId, Part, &Arc<Track>)| {
            let nowhere = track.last().is_some_and(|last| last.places.is_empty());
            let verify = if part.is_undo() { Part::UndoVerify } else { Part::Verify };
            match (track.status, self.soak_of(step)) {
                (Status::Soaking { .. }, Some(soak)) => {
                    let until = now.after(soak.r#for);
                    vec![Event::SoakStarted { step: step.clone(), until }]
                }
                (Status::Verifying, _) if nowhere => {
                    self.begin(step, verify, Vec::new(), Confirmed::ByRule, now).unwrap_or_default()
                }
                (_, Some(_) | None) => Vec::new(),
            }
        };
        actions.chain(undos).flat_map(again).collect()
    }
}
