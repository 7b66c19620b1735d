//! What the operator chooses when a step did not go well, and stopping one.

use crate::base::{SafeText, StepId, Timestamp};
use crate::engine::command::{Gesture, Which};
use crate::engine::event::{AlarmId, Confirmed, Event};
use crate::engine::job::{End, Job, Part, Place, Verdict};
use crate::engine::refusal::Refusal;
use crate::engine::sight::Doubt;
use crate::engine::state::State;
use crate::engine::track::Status;
use crate::plan::Work;

use super::need_reason;
use crate::engine::because::{Deed, StepKind};

pub(super) struct Repeat<'a> {
    pub(super) step: &'a StepId,
    pub(super) part: Part,
    pub(super) which: Which,
    pub(super) gesture: Gesture,
}

pub(super) fn retry(
    state: &State,
    wish: &Repeat<'_>,
    reason: Option<&SafeText>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let Repeat { step, part, which, gesture } = *wish;
    state.may_choose(step, part)?;
    let plan = state.known(step)?;
    let track = state.track_of(step, part);
    if !track.status.wants_choice() {
        return Err(state.wrong(step, part, Deed::RunAgain));
    }
    let unknown = track.status == Status::Unknown
        || track.latest_ends().values().flatten().any(|end| end.end.verdict() == Verdict::Unknown);
    if unknown && (part.is_undo() || !plan.idempotent) {
        // It may have run: only a person who looked can say that once more is right, or the
        // runbook, which says that twice is the same as once.
        need_reason(&reason.cloned().unwrap_or_default(), Deed::RunInDoubtAgain)?;
    }
    if gesture.class < plan.class && !part.is_undo() {
        return Err(Refusal::Unconfirmed { step: step.clone(), needed: plan.class });
    }
    if !part.is_undo() {
        state.second_agrees(plan, now)?;
    }
    let all = state.places_of(step, part);
    let places = match which {
        Which::All => all,
        Which::Failed if plan.batch.is_some() && !part.is_undo() => state.to_repeat(step),
        Which::Failed => {
            let failed = track.failed_places();
            // All places are fine and the verification failed: the whole step runs again.
            if failed.is_empty() { all } else { failed }
        }
    };
    let mut events = Vec::new();
    if let Some(reason) = reason.filter(|reason| !reason.as_str().trim().is_empty()) {
        let text = format!("retry of {step}: {reason}");
        events.push(Event::Noted { step: Some(step.clone()), text });
    }
    events.extend(state.settle_choice(step, part));
    let confirmed = Confirmed::ByPerson { class: gesture.class, after: gesture.after };
    events.extend(state.begin(step, part, places, confirmed, now)?);
    Ok(events)
}

pub(super) fn recheck(state: &State, step: &StepId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let part = state.part_in_question(step);
    state.may_choose(step, part)?;
    let track = state.track_of(step, part);
    if !track.status.wants_choice() {
        return Err(state.wrong(step, part, Deed::CheckAgain));
    }
    let mut events = state.settle_choice(step, part);
    let verify = part.verification();
    if state.verify_of(step, verify).is_some() {
        let by_hand = track.unproved().is_some();
        let places = if by_hand {
            state.check_places(step, verify)
        } else {
            state.verify_places(step, verify)
        };
        events.extend(state.begin(step, verify, places, Confirmed::ByRule, now)?);
        return Ok(events);
    }
    // Nothing but the watching went wrong: watch again, without doing it again.
    let done = track.last().is_some() && track.failed_places().is_empty();
    match state.soak_of(step).filter(|_| !part.is_undo() && done) {
        Some(soak) => {
            events.push(Event::SoakStarted { step: step.clone(), until: now.after(soak.r#for) });
            Ok(events)
        }
        None => Err(Refusal::NoVerify(step.clone())),
    }
}

pub(super) fn skip(state: &State, step: &StepId, reason: &SafeText) -> Result<Vec<Event>, Refusal> {
    state.may_choose(step, Part::Action)?;
    need_reason(reason, Deed::Skip)?;
    let plan = state.known(step)?;
    if !plan.skippable {
        return Err(Refusal::NotSkippable(step.clone()));
    }
    let status = state.track(step).status;
    if status != Status::Pending && status != Status::Waiting && !status.wants_choice() {
        return Err(state.wrong(step, Part::Action, Deed::SkipIt));
    }
    let mut events = vec![Event::Skipped { step: step.clone(), reason: reason.clone() }];
    events.extend(state.settle_choice(step, Part::Action));
    Ok(events)
}

/// A person says that they did it. Where it has a verification, that has to hold first: a word
/// given at 03:30 about the wrong host is proved wrong before anything is built on it.
pub(super) fn by_hand(
    state: &State,
    step: &StepId,
    part: Part,
    reason: &SafeText,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let (id, said) = (step.clone(), reason.clone());
    let verify = part.verification();
    let proves = state.verify_of(step, verify).is_some();
    let event = if proves {
        Event::SaidDone { step: id, part, reason: said }
    } else {
        Event::DoneByHand { step: id, part, reason: said }
    };
    let mut events = choice(state, step, part, reason, event, Deed::DoneByHand)?;
    if proves {
        // Wherever the step runs: nobody wrote down where the person was.
        let places = state.check_places(step, verify);
        let begun = state.begin(step, verify, places, Confirmed::ByRule, now);
        events.extend(begun.unwrap_or_else(|why| {
            state.unproved(step, part, Verdict::Unknown, &format!("cannot be verified: {why}"))
        }));
    }
    Ok(events)
}

pub(super) fn choice(
    state: &State,
    step: &StepId,
    part: Part,
    reason: &SafeText,
    event: Event,
    what: Deed,
) -> Result<Vec<Event>, Refusal> {
    state.may_choose(step, part)?;
    let plan = state.known(step)?;
    need_reason(reason, what)?;
    let status = state.track_of(step, part).status;
    let by_hand = matches!(event, Event::DoneByHand { .. } | Event::SaidDone { .. });
    let open = matches!(status, Status::Pending | Status::Waiting) && by_hand;
    if !status.wants_choice() && !open {
        return Err(state.wrong(step, part, what));
    }
    if matches!(state.work_of(step, part), Some(Work::Gate(_))) {
        return Err(Refusal::WrongKind { step: step.clone(), kind: StepKind::RunOrManual });
    }
    if status == Status::Pending && !part.is_undo() {
        state.need_all_met(plan)?;
    }
    let mut events = vec![event];
    events.extend(state.settle_choice(step, part));
    Ok(events)
}

pub(super) fn stop(state: &State, step: &StepId) -> Result<Vec<Event>, Refusal> {
    state.known(step)?;
    let parts = [Part::Action, Part::Undo];
    let events: Vec<_> = parts
        .into_iter()
        .flat_map(|part| {
            let asked = state.stop_jobs(step, part);
            if asked.is_empty() { state.stop_waiting(step, part) } else { asked }
        })
        .collect();
    if events.is_empty() { Err(Refusal::NothingRuns(step.clone())) } else { Ok(events) }
}

/// Ends the jobs of a step that nobody can watch: what became of them is not known, and their
/// hosts will be asked before anything of the step starts there again.
pub(super) fn let_go(
    state: &State,
    step: &StepId,
    reason: &SafeText,
) -> Result<Vec<Event>, Refusal> {
    state.known(step)?;
    need_reason(reason, Deed::LookNoFurther)?;
    let parts = [Part::Action, Part::Undo];
    let attempts = parts.into_iter().flat_map(|part| &state.track_of(step, part).attempts);
    let unseen = attempts.flat_map(|attempt| {
        let job = |place: &Place| Job { key: attempt.key.clone(), place: place.clone() };
        attempt.out_of_sight().map(move |(place, _)| job(place))
    });
    let end = End::Unknown { why: reason.clone(), doubt: Doubt::LetGo };
    let ended = unseen.map(|job| Event::JobEnded { job, end: end.clone(), transcript: None });
    let mut events: Vec<_> = ended.collect();
    if events.is_empty() {
        return Err(Refusal::NothingUnseen(step.clone()));
    }
    events.extend(state.all_clear(AlarmId::Unseen(step.clone())));
    Ok(events)
}

impl State {
    /// The events that stop what runs somewhere.
    pub(in crate::engine) fn stop_jobs(&self, step: &StepId, part: Part) -> Vec<Event> {
        let attempts = self.track_of(step, part).attempts.iter();
        let running = attempts.filter(|attempt| !attempt.has_ended());
        running.map(|attempt| Event::StopAsked { key: attempt.key.clone() }).collect()
    }

    /// The events that end what is in flight and runs nowhere: a person's work, a soak, a watched
    /// probe, a wait for the next try. It ends at once.
    pub(super) fn stop_waiting(&self, step: &StepId, part: Part) -> Vec<Event> {
        let track = self.track_of(step, part);
        if !track.status.is_in_flight() || track.attempts.iter().any(|a| !a.has_ended()) {
            return Vec::new();
        }
        let verdict = Verdict::Cancelled;
        let mut events = vec![Event::Settled { step: step.clone(), part, verdict }];
        events.extend(self.all_clear(AlarmId::Silent(step.clone())));
        events.extend(self.all_clear(AlarmId::Flood(step.clone())));
        events
    }

    /// The undo where one is under way or wants a choice, else the action.
    fn part_in_question(&self, step: &StepId) -> Part {
        let undo = self.undo_track(step);
        if undo.status == Status::Pending { Part::Action } else { Part::Undo }
    }
}
