//! What a command causes: events, or a refusal.

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::plan::Work;
use crate::runbook::Class;

use super::command::{Command, Gesture, Which};
use super::event::{Actor, AlarmId, Choice, Confirmed, Event, Evidence, Level};
use super::health::{Change, Health};
use super::job::{End, Job, Part, Transcript, Verdict};
use super::limits::limit_alarms;
use super::refusal::Refusal;
use super::state::{RunStage, State, Status};

/// What `command` causes at time `now`; nothing is changed.
#[expect(clippy::too_many_lines, reason = "one arm for each thing that can be asked")]
pub fn decide(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    if state.closed {
        return Err(Refusal::Closed);
    }
    match command {
        Command::Open(genesis) => match state.genesis {
            None => Ok(vec![Event::SessionOpened(genesis.clone())]),
            Some(_) => Err(Refusal::Already("the session is open")),
        },
        Command::Begin => match state.stage {
            RunStage::Preparing => Ok(vec![Event::RunBegan]),
            RunStage::Active
            | RunStage::RollingBack
            | RunStage::RolledBack { .. }
            | RunStage::Completed
            | RunStage::Abandoned => Err(Refusal::Already("the run has begun")),
        },
        Command::Resume { driver, machine, away } => Ok(resume(state, driver, machine, *away)),
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
            let wish = Repeat { step, part: *part, which: *which, gesture: *gesture };
            retry(state, &wish, reason.as_ref(), now)
        }
        Command::Recheck { step } => recheck(state, step, now),
        Command::Skip { step, reason } => skip(state, step, reason),
        Command::DoneByHand { step, part, reason } => {
            let event =
                Event::DoneByHand { step: step.clone(), part: *part, reason: reason.clone() };
            choice(state, step, *part, reason, event, "marking it done by hand")
        }
        Command::AcceptFailure { step, part, reason } => {
            let event =
                Event::FailureAccepted { step: step.clone(), part: *part, reason: reason.clone() };
            choice(state, step, *part, reason, event, "accepting its failure")
        }
        Command::Stop { step } => stop(state, step),
        Command::SignOff { step, part, ticked, words } => {
            sign_off(state, step, *part, *ticked, words, now)
        }
        Command::Decide { step, choice, ticked, evidence, margin, reason } => {
            let asked = GateWish {
                step,
                choice: *choice,
                ticked: *ticked,
                evidence,
                margin: *margin,
                reason: reason.as_ref(),
            };
            decide_gate(state, &asked, now)
        }
        Command::Hold { why } => match &state.hold {
            Some(_) => Err(Refusal::Already("the session is held already")),
            None => Ok(vec![Event::Held { why: why.clone() }]),
        },
        Command::Continue => match (&state.hold, state.guard) {
            (_, Some(_)) => Err(Refusal::GuardOpen),
            (None, None) => Err(Refusal::Already("the session is not held")),
            (Some(_), None) => Ok(vec![Event::Continued]),
        },
        Command::AutoAdvance { on } => Ok(vec![Event::AutoAdvance { on: *on }]),
        Command::OpenGuard => open_guard(state),
        Command::CloseGuard { why } => match state.guard {
            None => Err(Refusal::GuardClosed),
            Some(_) => Ok(vec![Event::GuardClosed { why: why.clone() }]),
        },
        Command::RollBack { reason, break_glass } => roll_back(state, reason, break_glass.as_ref()),
        Command::AcknowledgeAlarms => {
            let open = state.alarms.iter().any(|alarm| alarm.acknowledged.is_none());
            Ok(if open { vec![Event::AlarmsAcknowledged] } else { Vec::new() })
        }
        Command::Note { step, text } if text.trim().is_empty() => {
            Err(Refusal::NoReason(if step.is_some() { "a note at a step" } else { "a note" }))
        }
        Command::Note { step, text } => {
            Ok(vec![Event::Noted { step: step.clone(), text: text.clone() }])
        }
        Command::Abandon { reason } => {
            need_reason(reason, "giving up the run")?;
            match state.stage {
                RunStage::Abandoned => Err(Refusal::Already("the run is given up already")),
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RollingBack
                | RunStage::RolledBack { .. }
                | RunStage::Completed => Ok(vec![Event::Abandoned { reason: reason.clone() }]),
            }
        }
        Command::Close => close(state),
        Command::Wake => Ok(super::due::due(state, now)),
        Command::Ended { job, end, transcript } => ended(state, job, end, *transcript),
        Command::Silent { job, quiet } => Ok(silent(state, job, *quiet)),
        Command::Health(change) => Ok(health(state, change)),
        Command::Link { host, down } => {
            let id = AlarmId::Host(host.clone());
            Ok(match down {
                Some(why) => {
                    let text = format!("{host} cannot be reached: {why}");
                    state.alarm(id, Level::Caution, &text)
                }
                None => state.all_clear(id),
            })
        }
        Command::Limit { latest_safe, window } => Ok(limit_alarms(state, *latest_safe, *window)),
        Command::ClockJump { millis } => Ok(vec![Event::ClockJumped { millis: *millis }]),
    }
}

pub(super) fn need_reason(reason: &SafeText, what: &'static str) -> Result<(), Refusal> {
    if reason.as_str().trim().is_empty() { Err(Refusal::NoReason(what)) } else { Ok(()) }
}

impl State {
    /// Whether steps, forward or back, may be under way.
    const fn runs(&self) -> bool {
        matches!(self.stage, RunStage::Active | RunStage::RollingBack)
    }

    /// Whether something forward may start now.
    fn may_start(&self) -> Result<(), Refusal> {
        match self.stage {
            RunStage::Active => {}
            RunStage::Preparing => return Err(Refusal::NotActive("not begun yet")),
            RunStage::RollingBack | RunStage::RolledBack { .. } => {
                return Err(Refusal::RollingBack);
            }
            RunStage::Completed => return Err(Refusal::NotActive("completed")),
            RunStage::Abandoned => return Err(Refusal::NotActive("given up")),
        }
        if self.guard.is_some() {
            return Err(Refusal::GuardOpen);
        }
        Ok(())
    }

    /// Whether a choice about `part` of a step fits the stage of the run.
    fn may_choose(&self, step: &StepId, part: Part) -> Result<(), Refusal> {
        let forward = self.plan.is_forward(step) && !part.is_undo();
        match (forward, self.stage) {
            (true, _) => self.may_start(),
            (false, RunStage::RollingBack) => Ok(()),
            (
                false,
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RolledBack { .. }
                | RunStage::Completed
                | RunStage::Abandoned,
            ) => Err(Refusal::NotActive("not rolling back")),
        }
    }

    /// Raises an alarm, unless the same one is open.
    pub(super) fn alarm(&self, id: AlarmId, level: Level, text: &str) -> Vec<Event> {
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
    pub(super) fn all_clear(&self, id: AlarmId) -> Vec<Event> {
        let open = self.alarms.iter().any(|alarm| alarm.id == id && alarm.cleared.is_none());
        if open { vec![Event::AlarmCleared { id }] } else { Vec::new() }
    }

    /// Ends what a failure of `step` began: its alarm, and the hold if it was the last one.
    fn settle_choice(&self, step: &StepId) -> Vec<Event> {
        let mut events = self.all_clear(AlarmId::Step(step.clone()));
        events.extend(self.all_clear(AlarmId::Soak(step.clone())));
        events.extend(self.all_clear(AlarmId::Silent(step.clone())));
        let by_engine = self.hold.as_ref().is_some_and(|hold| hold.by == Actor::Engine);
        let waits = |(id, track): (&StepId, &std::sync::Arc<super::state::Track>)| {
            id != step && track.status.wants_choice()
        };
        let others = self.actions.iter().any(waits) || self.undos.iter().any(waits);
        if by_engine && !others {
            events.push(Event::Continued);
        }
        events
    }

    fn wrong(&self, step: &StepId, part: Part, what: &'static str) -> Refusal {
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
    state.may_start()?;
    if let Some(hold) = &state.hold {
        return Err(Refusal::Held(hold.why.clone()));
    }
    let plan = state.known(step)?;
    if !state.plan.is_forward(step) {
        return Err(Refusal::WrongKind { step: step.clone(), kind: "forward" });
    }
    if state.track(step).status != Status::Pending {
        return Err(state.wrong(step, Part::Action, "starting it"));
    }
    if let Some(need) = state.first_unmet(plan) {
        let status = state.track(need).status;
        return Err(Refusal::Needs { step: step.clone(), need: need.clone(), status });
    }
    if !state.wanted(plan)? {
        return Ok(vec![skipped_by_when(plan)]);
    }
    if gesture.class < plan.class {
        return Err(Refusal::Unconfirmed { step: step.clone(), needed: plan.class });
    }
    let confirmed = Confirmed::ByPerson { class: gesture.class, after: gesture.after };
    state.begin(step, Part::Action, state.places_of(step, Part::Action), confirmed, now)
}

pub(super) fn skipped_by_when(plan: &crate::plan::StepPlan) -> Event {
    let when = plan.when.as_deref().unwrap_or_default();
    let reason = SafeText::new(&format!("its `when` does not hold: {when}"));
    Event::Skipped { step: plan.id.clone(), reason }
}

struct Repeat<'a> {
    step: &'a StepId,
    part: Part,
    which: Which,
    gesture: Gesture,
}

fn retry(
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
        return Err(state.wrong(step, part, "running it again"));
    }
    let unknown = track.status == Status::Unknown
        || track.latest_ends().values().flatten().any(|end| end.end.verdict() == Verdict::Unknown);
    if unknown {
        // It may have run: only a person who looked can say that once more is right.
        need_reason(&reason.cloned().unwrap_or_default(), "running it again, as it may have run,")?;
    }
    if gesture.class < plan.class && !part.is_undo() {
        return Err(Refusal::Unconfirmed { step: step.clone(), needed: plan.class });
    }
    let all = state.places_of(step, part);
    let places = match which {
        Which::All => all,
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
    events.extend(state.settle_choice(step));
    let confirmed = Confirmed::ByPerson { class: gesture.class, after: gesture.after };
    events.extend(state.begin(step, part, places, confirmed, now)?);
    Ok(events)
}

fn recheck(state: &State, step: &StepId, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    let part = state.part_in_question(step);
    state.may_choose(step, part)?;
    state.known(step)?;
    let verify = if part.is_undo() { Part::UndoVerify } else { Part::Verify };
    if state.verify_of(step, verify).is_none() {
        return Err(Refusal::NoVerify(step.clone()));
    }
    if !state.track_of(step, part).status.wants_choice() {
        return Err(state.wrong(step, part, "checking it again"));
    }
    let mut events = state.settle_choice(step);
    let places = state.verify_places(step, verify);
    events.extend(state.begin(step, verify, places, Confirmed::ByRule, now)?);
    Ok(events)
}

fn skip(state: &State, step: &StepId, reason: &SafeText) -> Result<Vec<Event>, Refusal> {
    state.may_choose(step, Part::Action)?;
    need_reason(reason, "skipping a step")?;
    let plan = state.known(step)?;
    if !plan.skippable {
        return Err(Refusal::NotSkippable(step.clone()));
    }
    let status = state.track(step).status;
    if status != Status::Pending && status != Status::Waiting && !status.wants_choice() {
        return Err(state.wrong(step, Part::Action, "skipping it"));
    }
    let mut events = vec![Event::Skipped { step: step.clone(), reason: reason.clone() }];
    events.extend(state.settle_choice(step));
    Ok(events)
}

fn choice(
    state: &State,
    step: &StepId,
    part: Part,
    reason: &SafeText,
    event: Event,
    what: &'static str,
) -> Result<Vec<Event>, Refusal> {
    state.may_choose(step, part)?;
    state.known(step)?;
    need_reason(reason, what)?;
    let status = state.track_of(step, part).status;
    let by_hand = matches!(event, Event::DoneByHand { .. });
    let open = matches!(status, Status::Pending | Status::Waiting) && by_hand;
    if !status.wants_choice() && !open {
        return Err(state.wrong(step, part, what));
    }
    let gate = matches!(state.work_of(step, part), Some(Work::Gate(_)));
    if gate {
        return Err(Refusal::WrongKind { step: step.clone(), kind: "run or manual" });
    }
    if status == Status::Pending
        && !part.is_undo()
        && let Some(plan) = state.plan.step(step)
        && let Some(need) = state.first_unmet(plan)
    {
        let status = state.track(need).status;
        return Err(Refusal::Needs { step: step.clone(), need: need.clone(), status });
    }
    let mut events = vec![event];
    events.extend(state.settle_choice(step));
    Ok(events)
}

fn stop(state: &State, step: &StepId) -> Result<Vec<Event>, Refusal> {
    state.known(step)?;
    let mut events = Vec::new();
    for part in [Part::Action, Part::Undo] {
        let track = state.track_of(step, part);
        events.extend(State::stop_track(step, part, track));
    }
    if events.is_empty() { Err(Refusal::NothingRuns(step.clone())) } else { Ok(events) }
}

impl State {
    /// The events that stop what is in flight of a track.
    fn stop_track(step: &StepId, part: Part, track: &super::state::Track) -> Vec<Event> {
        let running = track.attempts.iter().filter(|attempt| !attempt.has_ended());
        let asked: Vec<_> =
            running.map(|attempt| Event::StopAsked { key: attempt.key.clone() }).collect();
        if !asked.is_empty() || !track.status.is_in_flight() {
            return asked;
        }
        // A person's work, a soak, a watched probe: nothing runs anywhere, so it ends at once.
        let verdict = Verdict::Cancelled;
        vec![Event::Settled { step: step.clone(), part, verdict }]
    }

    /// The undo where one is under way or wants a choice, else the action.
    fn part_in_question(&self, step: &StepId) -> Part {
        let undo = self.undo_track(step);
        if undo.status == Status::Pending { Part::Action } else { Part::Undo }
    }
}

fn sign_off(
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
    let all = manual.checklist.len();
    if ticked < all {
        return Err(Refusal::Checklist { ticked, all });
    }
    let mut events = open_for_person(state, plan, part, now)?;
    events.push(Event::SignedOff { step: step.clone(), part, words: words.clone() });
    events.extend(state.after_success(step, part, now)?);
    Ok(events)
}

/// The start of a person's work, where it is not open yet.
fn open_for_person(
    state: &State,
    plan: &crate::plan::StepPlan,
    part: Part,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let step = &plan.id;
    match state.track_of(step, part).status {
        Status::Waiting => Ok(Vec::new()),
        Status::Pending if !part.is_undo() => {
            if let Some(hold) = &state.hold {
                return Err(Refusal::Held(hold.why.clone()));
            }
            if let Some(need) = state.first_unmet(plan) {
                let status = state.track(need).status;
                return Err(Refusal::Needs { step: step.clone(), need: need.clone(), status });
            }
            let confirmed = Confirmed::ByPerson { class: Class::Check, after: Millis::ZERO };
            state.begin(step, part, Vec::new(), confirmed, now)
        }
        Status::Failed | Status::Cancelled => {
            let mut events = state.settle_choice(step);
            let confirmed = Confirmed::ByPerson { class: Class::Check, after: Millis::ZERO };
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
        | Status::FailureAccepted => Err(state.wrong(step, part, "signing it off")),
    }
}

struct GateWish<'a> {
    step: &'a StepId,
    choice: Choice,
    ticked: usize,
    evidence: &'a [Evidence],
    margin: Option<i64>,
    reason: Option<&'a SafeText>,
}

fn decide_gate(state: &State, wish: &GateWish<'_>, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    state.may_choose(wish.step, Part::Action)?;
    let plan = state.known(wish.step)?;
    let Work::Gate(gate) = &plan.work else {
        return Err(Refusal::WrongKind { step: wish.step.clone(), kind: "gate" });
    };
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
    let mut events = open_for_person(state, plan, Part::Action, now)?;
    events.push(Event::GateDecided {
        step: wish.step.clone(),
        choice: wish.choice,
        evidence: wish.evidence.to_vec(),
        reason: said_why.then_some(reason),
    });
    match wish.choice {
        Choice::Go => events.extend(state.after_success(wish.step, Part::Action, now)?),
        Choice::NoGo if state.hold.is_none() => {
            let why = SafeText::new(&format!("NO-GO at gate {}", wish.step));
            events.push(Event::Held { why });
        }
        Choice::NoGo => {}
    }
    Ok(events)
}

/// Every criterion of a gate; unknown health holds it as failed health does.
fn criteria_hold(
    state: &State,
    gate: &crate::runbook::Gate,
    wish: &GateWish<'_>,
) -> Result<(), Refusal> {
    for probe in &gate.healthy {
        let seen = wish.evidence.iter().find(|e| e.probe == *probe);
        let seen = seen.map_or(Health::Unknown, |evidence| evidence.health);
        let health = seen.max(state.health(probe));
        if health != Health::Healthy {
            return Err(Refusal::NotHealthy { probe: probe.clone(), health });
        }
    }
    if let (Some(asked), Some(left)) = (gate.margin, wish.margin)
        && left < i64::try_from(asked.as_millis()).unwrap_or(i64::MAX)
    {
        return Err(Refusal::Margin(asked));
    }
    Ok(())
}

fn open_guard(state: &State) -> Result<Vec<Event>, Refusal> {
    if state.guard.is_some() {
        return Err(Refusal::GuardOpen);
    }
    may_roll_back(state)?;
    Ok(vec![Event::GuardOpened])
}

fn may_roll_back(state: &State) -> Result<(), Refusal> {
    match state.stage {
        RunStage::RollingBack | RunStage::RolledBack { .. } => Err(Refusal::RollingBack),
        RunStage::Abandoned => Err(Refusal::NotActive("given up")),
        RunStage::Preparing => Err(Refusal::NothingToRollBack),
        RunStage::Active | RunStage::Completed => {
            let started = state.plan.order.iter().any(|id| state.track(id).may_have_run());
            if started { Ok(()) } else { Err(Refusal::NothingToRollBack) }
        }
    }
}

fn roll_back(
    state: &State,
    reason: &SafeText,
    break_glass: Option<&SafeText>,
) -> Result<Vec<Event>, Refusal> {
    may_roll_back(state)?;
    need_reason(reason, "rolling back")?;
    let why_past = break_glass.filter(|why| !why.as_str().trim().is_empty());
    if let (Some(step), None) = (state.past_no_return(), why_past) {
        return Err(Refusal::PointOfNoReturn(step.clone()));
    }
    let mut events = Vec::new();
    if state.hold.is_some() {
        events.push(Event::Continued);
    }
    events.push(Event::RollbackBegan {
        reason: reason.clone(),
        items: state.rollback_items(),
        break_glass: why_past.cloned(),
    });
    if state.plan.running == crate::runbook::InFlight::Cancel {
        for step in &state.plan.order {
            events.extend(State::stop_track(step, Part::Action, state.track(step)));
        }
    }
    Ok(events)
}

fn close(state: &State) -> Result<Vec<Event>, Refusal> {
    match state.stage {
        RunStage::Completed | RunStage::RolledBack { .. } | RunStage::Abandoned
            if state.in_flight().next().is_none() =>
        {
            Ok(vec![Event::Closed])
        }
        RunStage::Completed | RunStage::RolledBack { .. } | RunStage::Abandoned => {
            Err(Refusal::NotActive("waiting for what still runs"))
        }
        RunStage::Preparing => Err(Refusal::NotActive("not begun yet")),
        RunStage::Active | RunStage::RollingBack => Err(Refusal::NotActive("still under way")),
    }
}

fn resume(state: &State, driver: &SafeText, machine: &SafeText, away: Millis) -> Vec<Event> {
    let in_doubt: Vec<Job> = state
        .in_flight()
        .flat_map(|attempt| {
            let open = attempt.places.iter().filter(|(_, end)| end.is_none());
            open.map(|(place, _)| Job { key: attempt.key.clone(), place: place.clone() })
        })
        .collect();
    let mut events = vec![Event::Resumed {
        driver: driver.clone(),
        machine: machine.clone(),
        away,
        in_doubt: in_doubt.clone(),
    }];
    let why = SafeText::new("golive ended while it was in flight: it may have run");
    events.extend(in_doubt.into_iter().map(|job| Event::JobEnded {
        job,
        end: End::Unknown { why: why.clone() },
        transcript: None,
    }));
    for (probe, was) in &state.health {
        if *was != Health::Unknown {
            let (probe, was) = (probe.clone(), *was);
            events.push(Event::HealthChanged { probe, was, is: Health::Unknown, reading: None });
        }
    }
    if state.hold.is_none() && state.runs() {
        let why = SafeText::new("resumed: look at what happened, then continue");
        events.push(Event::Held { why });
    }
    events
}

fn ended(
    state: &State,
    job: &Job,
    end: &End,
    transcript: Option<Transcript>,
) -> Result<Vec<Event>, Refusal> {
    let track = state.track_of(&job.key.step, job.key.part);
    let attempt = track.attempts.iter().find(|attempt| attempt.key == job.key);
    match attempt.and_then(|attempt| attempt.places.get(&job.place)) {
        Some(None) => {
            let (job, end) = (job.clone(), end.clone());
            Ok(vec![Event::JobEnded { job, end, transcript }])
        }
        Some(Some(_)) | None => Err(Refusal::NotInFlight(job.to_string())),
    }
}

fn silent(state: &State, job: &Job, quiet: Millis) -> Vec<Event> {
    let step = &job.key.step;
    let text = format!("{step} has printed nothing on {} for {quiet}: look at its log", job.place);
    state.alarm(AlarmId::Silent(step.clone()), Level::Caution, &text)
}

fn health(state: &State, change: &Change) -> Vec<Event> {
    let Change { probe, was, is, reading } = change.clone();
    let id = AlarmId::Probe(probe.clone());
    let title = state.plan.probe(&probe).map_or("probe", |probe| probe.title.as_str()).to_owned();
    let said = reading.as_ref().map_or_else(String::new, |reading| format!(": {}", reading.note));
    let alarms = match is {
        Health::Healthy => state.all_clear(id),
        Health::Degraded => state.alarm(id, Level::Caution, &format!("{title} is degraded{said}")),
        Health::Failed => state.alarm(id, Level::Warning, &format!("{title} has failed{said}")),
        Health::Unknown => {
            let text = format!("{title} is unknown: no reading. Unknown is never a pass");
            state.alarm(id, Level::Caution, &text)
        }
    };
    let mut events = vec![Event::HealthChanged { probe, was, is, reading }];
    events.extend(alarms);
    events
}
