//! What a command causes: events, or a refusal.

mod alarm;
mod back;
mod choice;
mod edit;
mod gate;
mod person;
mod playbook;
mod report;

use crate::base::{SafeText, StepId, Timestamp};
use crate::plan::StepPlan;

use super::because::{Already, Deed, Standing, StepKind};
use super::command::{Command, Gesture};
use super::event::{Actor, Confirmed, Event, Item};
use super::job::Part;
use super::limits::limit_alarms;
use super::refusal::Refusal;
use super::state::{Hold, RunStage, State};
use super::track::Status;

/// What `command` causes at time `now`; nothing is changed.
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let events = cause(state, command, now).map_err(|refusal| match (&state.lost, refusal) {
        // The hold that came with it is not what has to end first.
        (Some(lost), Refusal::Held(_)) => Refusal::NotRecorded { why: lost.why.clone() },
        (_, refusal) => refusal,
    })?;
    // A session is taken up only where its record can be written.
    if !matches!(command, Command::Resume { .. }) {
        state.may_go_unrecorded(&events)?;
    }
    Ok(events)
}

/// The same where everything can be recorded.
#[expect(clippy::too_many_lines, reason = "one arm for each thing that can be asked")]
fn cause(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if state.closed {
        return Err(Refusal::Closed);
    }
    if state.genesis.is_none() && !matches!(command, Command::Open(_) | Command::Wake) {
        return Err(Refusal::NotActive(Standing::NotOpen));
    }
    match command {
        Command::Open(genesis) => match state.genesis {
            None => Ok(vec![Event::SessionOpened(genesis.clone())]),
            Some(_) => Err(Refusal::Already(Already::Opened)),
        },
        Command::Begin => match state.stage {
            RunStage::Preparing => Ok(vec![Event::RunBegan]),
            RunStage::Active
            | RunStage::RollingBack
            | RunStage::RolledBack { .. }
            | RunStage::Completed
            | RunStage::Abandoned => Err(Refusal::Already(Already::Begun)),
        },
        Command::Resume { driver, machine, away, signer } => {
            Ok(back::resume(state, (driver, machine), *away, signer.as_ref(), now))
        }
        Command::Leave { why } => {
            let mut events = vec![Event::DriverLeft { why: why.clone() }];
            if state.hold.is_none() && state.runs() {
                let why = SafeText::new(&format!("the driver left: {why}"));
                events.push(Event::Held { why });
            }
            Ok(events)
        }
        Command::Start { step, gesture } => start(state, step, *gesture, now),
        Command::Retry { step, part, which, gesture, reason } => {
            let wish =
                choice::Repeat { step, part: part.thing(), which: *which, gesture: *gesture };
            choice::retry(state, &wish, reason.as_ref(), now)
        }
        Command::Recheck { step } => choice::recheck(state, step, now),
        Command::Skip { step, reason } => choice::skip(state, step, reason),
        Command::DoneByHand { step, part, reason } => {
            choice::by_hand(state, step, part.thing(), reason, now)
        }
        Command::AcceptFailure { step, part, reason } => {
            let part = part.thing();
            let event = Event::FailureAccepted { step: step.clone(), part, reason: reason.clone() };
            choice::choice(state, step, part, reason, event, Deed::AcceptFailure)
        }
        Command::Edit { step, part, text, reason } => {
            edit::edit(state, step, part.thing(), text, reason)
        }
        Command::Replan { plan, reason } => {
            need_reason(reason, Deed::Replan)?;
            state.replan(plan, reason)
        }
        Command::Stop { step } => choice::stop(state, step),
        Command::LetGo { step, reason } => choice::let_go(state, step, reason),
        Command::SignOff { step, part, ticked, words } => {
            person::sign_off(state, step, part.thing(), *ticked, words, now)
        }
        Command::Decide { step, choice, ticked, evidence, margin, reason } => {
            let asked = gate::GateWish {
                step,
                choice: *choice,
                ticked: *ticked,
                evidence,
                margin: *margin,
                reason: reason.as_ref(),
            };
            gate::decide_gate(state, &asked, now)
        }
        Command::Vote { step, voice, choice, words } => {
            gate::vote(state, step, voice, *choice, words)
        }
        Command::Waive { step, criterion, reason, lasts } => {
            gate::waive(state, step, criterion, reason, *lasts, now)
        }
        Command::Approve { step, voice, words } => gate::approve(state, step, voice, words),
        Command::OpenPlaybook { playbook, reason } => playbook::open(state, playbook, reason),
        Command::ClosePlaybook { playbook } => playbook::close(state, playbook),
        Command::OverrideWindow { reason } => {
            need_reason(reason, Deed::OutsideWindow)?;
            state.override_window(reason, now)
        }
        Command::Hold { why } => match &state.hold {
            // A hold of the program ends with a choice; a person's stays until they continue.
            Some(hold) if hold.by != Actor::Engine => Err(Refusal::Already(Already::OnHold)),
            Some(_) | None => Ok(vec![Event::Held { why: why.clone() }]),
        },
        Command::Continue => match (&state.hold, state.guard) {
            (_, Some(_)) => Err(Refusal::GuardOpen),
            (None, None) => Err(Refusal::Already(Already::NotOnHold)),
            (Some(_), None) => Ok(vec![Event::Continued]),
        },
        Command::AutoAdvance { on } => Ok(vec![Event::AutoAdvance { on: *on }]),
        Command::OpenGuard => back::open_guard(state),
        Command::CloseGuard { why } => match state.guard {
            None => Err(Refusal::GuardClosed),
            Some(_) => Ok(vec![Event::GuardClosed { why: why.clone() }]),
        },
        Command::RollBack { reason, break_glass, to } => {
            back::roll_back(state, reason, break_glass.as_ref(), to.as_ref())
        }
        Command::AcknowledgeAlarms => {
            let open = state.alarms.iter().any(|alarm| alarm.acknowledged.is_none());
            Ok(if open { vec![Event::AlarmsAcknowledged] } else { Vec::new() })
        }
        Command::Note { text, .. } if text.trim().is_empty() => {
            Err(Refusal::Already(Already::NoText))
        }
        Command::Note { step, text } => {
            if let Some(step) = step {
                state.known(step)?;
            }
            Ok(vec![Event::Noted { step: step.clone(), text: text.clone() }])
        }
        Command::OpenShell { host, step, reason } => state.opens_shell(host, step.as_ref(), reason),
        Command::ShellEnded(ended) => state.ends_shell(ended),
        Command::Abandon { reason } => {
            need_reason(reason, Deed::GiveUp)?;
            match state.stage {
                RunStage::Abandoned => Err(Refusal::Already(Already::GivenUp)),
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RollingBack
                | RunStage::RolledBack { .. }
                | RunStage::Completed => Ok(vec![Event::Abandoned { reason: reason.clone() }]),
            }
        }
        Command::Close => back::close(state),
        Command::Wake => Ok(super::due::due(state, now)),
        Command::Ended { job, end, transcript } => {
            report::ended(state, job, end, transcript.as_ref())
        }
        Command::Sighted { job, sight } => report::sighted(state, job, sight),
        Command::Flood { job, bytes } => Ok(report::flood(state, job, *bytes)),
        Command::Silent { job, quiet } => Ok(report::silent(state, job, *quiet)),
        Command::Health(change) => Ok(report::health(state, change)),
        Command::Proved { need, proof } => Ok(state.proved(need, proof.as_ref())),
        Command::Measure { reading } => Ok(state.measured(reading.as_ref(), now)),
        Command::Link { host, down } => Ok(report::link(state, host, down.as_ref())),
        Command::Told { channel, numbers, tries, lost } => {
            Ok(report::told(state, channel, numbers, *tries, lost.as_ref()))
        }
        Command::Signing { trouble } => Ok(report::signing(state, trouble.as_ref())),
        Command::Limit { latest_safe, window } => Ok(limit_alarms(state, *latest_safe, *window)),
        Command::AcceptHostKey { host, reason } => state.accept_key(host, reason),
        Command::Host { host, said } => Ok(state.host_said(host, said)),
        Command::StoodStill { span, asleep } => {
            Ok(vec![Event::StoodStill { span: *span, asleep: *asleep }])
        }
        Command::RecordLost { why } => Ok(state.lose(why)),
        Command::OverrideRecord { reason } => {
            need_reason(reason, Deed::Unrecorded)?;
            state.go_unrecorded(reason)
        }
        Command::TryRecord => match state.lost {
            None => Err(Refusal::Already(Already::Recorded)),
            Some(_) => Ok(Vec::new()),
        },
        Command::RecordedLate => Ok(state.recorded_late()),
        Command::ClockJump { millis } => Ok(vec![Event::ClockJumped { millis: *millis }]),
    }
}

pub(super) fn need_reason(reason: &SafeText, what: Deed) -> Result<(), Refusal> {
    if reason.as_str().trim().is_empty() { Err(Refusal::NoReason(what)) } else { Ok(()) }
}

impl State {
    /// Whether steps, forward or back, may be under way.
    pub(super) const fn runs(&self) -> bool {
        matches!(self.stage, RunStage::Active | RunStage::RollingBack)
    }

    /// Whether a person holds the session: a choice about a step does not end that.
    pub(super) fn is_held_by_person(&self) -> bool {
        self.hold.as_ref().is_some_and(|Hold { by, .. }| *by != Actor::Engine)
    }

    /// Whether something forward may start now.
    fn may_start(&self) -> Result<(), Refusal> {
        match self.stage {
            RunStage::Active => {}
            RunStage::Preparing => return Err(Refusal::NotActive(Standing::NotBegun)),
            RunStage::RollingBack | RunStage::RolledBack { .. } => {
                return Err(Refusal::RollingBack);
            }
            RunStage::Completed => return Err(Refusal::NotActive(Standing::Completed)),
            RunStage::Abandoned => return Err(Refusal::NotActive(Standing::GivenUp)),
        }
        if self.guard.is_some() {
            return Err(Refusal::GuardOpen);
        }
        Ok(())
    }

    /// Whether a choice about `part` of a step fits the stage of the run.
    fn may_choose(&self, step: &StepId, part: Part) -> Result<(), Refusal> {
        self.known(step)?;
        if !part.is_undo()
            && let Some(open) = self.playbook_is_open(step)
        {
            return open;
        }
        let forward = self.plan.is_forward(step) && !part.is_undo();
        match (forward, self.stage) {
            (true, _) => self.may_start(),
            (false, RunStage::RollingBack) => {
                let item = Item { step: step.clone(), part };
                if self.rollback.as_ref().is_some_and(|rollback| rollback.items.contains(&item)) {
                    Ok(())
                } else {
                    Err(Refusal::WrongKind { step: item.step, kind: StepKind::Rollback })
                }
            }
            (
                false,
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RolledBack { .. }
                | RunStage::Completed
                | RunStage::Abandoned,
            ) => Err(Refusal::NotActive(Standing::NotRollingBack)),
        }
    }

    /// Refuses what comes before something that it needs.
    fn need_all_met(&self, step: &StepPlan) -> Result<(), Refusal> {
        match self.first_unmet(step) {
            None => Ok(()),
            Some(need) => {
                let status = self.track(need).status;
                Err(Refusal::Needs { step: step.id.clone(), need: need.clone(), status })
            }
        }
    }

    fn wrong(&self, step: &StepId, part: Part, what: Deed) -> Refusal {
        let status = self.track_of(step, part).status;
        Refusal::WrongStatus { step: step.clone(), status, what }
    }
}

fn start(
    state: &State,
    step: &StepId,
    gesture: Gesture,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let plan = state.known(step)?;
    if state.plan.playbook_of(step).is_some() {
        return playbook::start(state, plan, gesture, now);
    }
    state.may_start()?;
    if let Some(hold) = &state.hold {
        return Err(Refusal::Held(hold.why.clone()));
    }
    if !state.plan.is_forward(step) {
        return Err(Refusal::WrongKind { step: step.clone(), kind: StepKind::Forward });
    }
    if state.track(step).status != Status::Pending {
        return Err(state.wrong(step, Part::Action, Deed::Start));
    }
    state.need_all_met(plan)?;
    if !state.wanted(plan)? {
        return Ok(vec![skipped_by_when(plan)]);
    }
    if gesture.class < plan.class {
        return Err(Refusal::Unconfirmed { step: step.clone(), needed: plan.class });
    }
    state.second_agrees(plan, now)?;
    let confirmed = Confirmed::ByPerson { class: gesture.class, after: gesture.after };
    state.begin(step, Part::Action, state.places_of(step, Part::Action), confirmed, now)
}

pub(super) fn skipped_by_when(plan: &StepPlan) -> Event {
    let when = plan.when.as_deref().unwrap_or_default();
    let reason = SafeText::new(&format!("its `when` does not hold: {when}"));
    Event::Skipped { step: plan.id.clone(), reason }
}
