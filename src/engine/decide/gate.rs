//! Gates: the roles' answers, waivers, the decision; and the second person of a step.

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::engine::event::{AlarmId, Event, Level};
use crate::engine::gate::{Choice, Criterion, Evidence, Judged, Voice, WAIVER_MAX};
use crate::engine::health::Health;
use crate::engine::job::Part;
use crate::engine::refusal::Refusal;
use crate::engine::state::State;
use crate::plan::StepPlan;
use crate::runbook::Gate;

use super::need_reason;
use super::person::open_for_person;
use crate::engine::because::{Already, Deed, StepKind};

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
    let (plan, gate) = state.open_gate(wish.step)?;
    let mut events = open_for_person(state, plan, Part::Action, now)?;
    let reason = wish.reason.cloned().unwrap_or_default();
    let said_why = !reason.as_str().trim().is_empty();
    let frozen = state.freeze(wish.step, wish.evidence, wish.margin, now);
    match wish.choice {
        Choice::NoGo => need_reason(&reason, Deed::NoGo)?,
        Choice::Go => {
            state.within_window(plan, now)?;
            let all = gate.checklist.len();
            if wish.ticked < all {
                return Err(Refusal::Checklist { ticked: wish.ticked, all });
            }
            let tally = state.tally(wish.step, now);
            if !tally.is_go() {
                // No reason of one person stands for the word of another.
                return Err(Refusal::Poll { go: tally.go, needed: tally.needed });
            }
            let in_the_way = frozen.criteria.iter().find(|it| it.stands_in_the_way());
            if let Some(judged) = in_the_way.filter(|_| !said_why) {
                return Err(state.unmet(gate, judged, wish.evidence));
            }
        }
    }
    events.push(Event::GateDecided {
        step: wish.step.clone(),
        choice: wish.choice,
        evidence: wish.evidence.to_vec(),
        reason: said_why.then_some(reason),
        frozen: Some(Box::new(frozen)),
    });
    match wish.choice {
        Choice::Go => {
            events.extend(state.all_clear(AlarmId::Waiver(wish.step.clone())));
            events.extend(state.after_success(wish.step, Part::Action, now)?);
        }
        Choice::NoGo if !state.is_held_by_person() => {
            let why = SafeText::new(&format!("NO-GO at gate {}", wish.step));
            events.push(Event::Held { why });
        }
        Choice::NoGo => {}
    }
    Ok(events)
}

pub(super) fn vote(
    state: &State,
    step: &StepId,
    voice: &Voice,
    choice: Choice,
    words: &SafeText,
) -> Result<Vec<Event>, Refusal> {
    let (plan, gate) = state.open_gate(step)?;
    state.need_all_met(plan)?;
    if !gate.poll.contains(&voice.role) {
        return Err(Refusal::NotAsked { step: step.clone(), role: voice.role.clone() });
    }
    state.is_of_role(voice)?;
    state.may_say(step, voice)?;
    if choice == Choice::NoGo {
        need_reason(words, Deed::NoGo)?;
    }
    let (step, voice, words) = (step.clone(), voice.clone(), words.clone());
    Ok(vec![Event::Voted { step, voice, choice, words }])
}

pub(super) fn waive(
    state: &State,
    step: &StepId,
    criterion: &Criterion,
    reason: &SafeText,
    lasts: Millis,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    state.open_gate(step)?;
    need_reason(reason, Deed::Waive)?;
    if lasts == Millis::ZERO || lasts > WAIVER_MAX {
        return Err(Refusal::WaiverLasts);
    }
    let evidence = state.plan.probes.iter().map(|probe| Evidence {
        probe: probe.id.clone(),
        health: state.health(&probe.id),
        reading: None,
        age: None,
    });
    let judged = state.judge(step, &evidence.collect::<Vec<_>>(), state.margin(now), now);
    let Some(judged) = judged.iter().find(|judged| judged.criterion == *criterion) else {
        let criterion = SafeText::new(criterion.word());
        return Err(Refusal::NoCriterion { step: step.clone(), criterion });
    };
    if judged.holds {
        return Err(Refusal::Already(Already::Holds));
    }
    let (id, until) = (AlarmId::Waiver(step.clone()), now.after(lasts));
    let (step, criterion, reason) = (step.clone(), criterion.clone(), reason.clone());
    let mut events = vec![Event::Waived { step, criterion, reason, until }];
    events.extend(state.all_clear(id));
    Ok(events)
}

pub(super) fn approve(
    state: &State,
    step: &StepId,
    voice: &Voice,
    words: &SafeText,
) -> Result<Vec<Event>, Refusal> {
    let plan = state.known(step)?;
    state.may_choose(step, Part::Action)?;
    if !plan.four_eyes {
        return Err(Refusal::Already(Already::NobodyAsked));
    }
    let status = state.track(step).status;
    if status.is_over() || status.is_in_flight() {
        return Err(state.wrong(step, Part::Action, Deed::Agree));
    }
    state.is_of_role(voice)?;
    let same = |name: &SafeText| name.as_str().trim().to_lowercase();
    if same(&voice.person) == same(&state.driver) {
        return Err(Refusal::SamePerson(voice.person.clone()));
    }
    state.is_second(voice)?;
    state.may_say(step, voice)?;
    Ok(vec![Event::Approved { step: step.clone(), voice: voice.clone(), words: words.clone() }])
}

impl State {
    /// A gate that is not over, in a run that goes forward.
    fn open_gate(&self, step: &StepId) -> Result<(&StepPlan, &Gate), Refusal> {
        self.may_choose(step, Part::Action)?;
        let plan = self.known(step)?;
        let Some(gate) = self.gate_of(step) else {
            return Err(Refusal::WrongKind { step: step.clone(), kind: StepKind::Gate });
        };
        if self.track(step).status.is_over() {
            return Err(self.wrong(step, Part::Action, Deed::Decide));
        }
        Ok((plan, gate))
    }

    /// Whether somebody is one of the role that they speak for.
    fn is_of_role(&self, voice: &Voice) -> Result<(), Refusal> {
        let Voice { role, person, .. } = voice;
        let known = self.plan.roles.get(role);
        let people = known.map_or(&[][..], |role| role.people.as_slice());
        let named = !person.as_str().trim().is_empty();
        if known.is_some() && named && (people.is_empty() || people.contains(person)) {
            return Ok(());
        }
        Err(Refusal::NotOfRole { person: person.clone(), role: role.clone() })
    }

    /// Refuses a step that two people have to want, and only one does.
    pub(super) fn second_agrees(&self, plan: &StepPlan, now: Timestamp) -> Result<(), Refusal> {
        if plan.four_eyes && self.approval(&plan.id, now).is_none() {
            return Err(Refusal::NoSecond(plan.id.clone()));
        }
        Ok(())
    }

    /// Why a criterion that does not hold stands in the way.
    fn unmet(&self, gate: &Gate, judged: &Judged, evidence: &[Evidence]) -> Refusal {
        match &judged.criterion {
            Criterion::Probe(probe) => {
                let seen = evidence.iter().find(|seen| seen.probe == *probe);
                let health = seen.map_or(Health::Unknown, |seen| seen.health);
                Refusal::NotHealthy { probe: probe.clone(), health: health.max(self.health(probe)) }
            }
            Criterion::Margin => Refusal::Margin(gate.margin.unwrap_or_default()),
            Criterion::RollbackReady => Refusal::NotReady(judged.says.clone()),
        }
    }

    /// The waivers that are over while their gate is not passed.
    pub(in crate::engine) fn waivers_due(&self, now: Timestamp) -> Vec<Event> {
        for (step, waiver) in self.all_waivers() {
            if waiver.ended || now < waiver.until {
                continue;
            }
            let criterion = waiver.criterion.clone();
            let word = criterion.word();
            let text = format!("the waiver of {word} at gate {step} is over: decide again");
            let mut events = vec![Event::WaiverEnded { step: step.clone(), criterion }];
            let renewed = self.waiver(step, &waiver.criterion, now).is_some();
            if !self.track(step).status.is_over() && !renewed {
                events.extend(self.alarm(AlarmId::Waiver(step.clone()), Level::Caution, &text));
            }
            return events;
        }
        Vec::new()
    }
}
