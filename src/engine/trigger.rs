//! What proposes a rollback: probes that have not been well for longer than the runbook bears.

use crate::base::{ProbeId, SafeText, Timestamp};
use crate::runbook::{Ailing, Trigger};

use super::event::{Actor, AlarmId, Event, Level};
use super::health::Health;
use super::state::{RunStage, State};

/// Since when a probe is as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Since {
    /// Since when it has its present health.
    pub(super) is: Timestamp,
    /// Since when it is degraded or failed, without a break.
    pub(super) ailing: Option<Timestamp>,
}

impl Since {
    /// The health changed at `at`.
    pub(super) fn turn(&mut self, at: Timestamp, is: Health) {
        self.is = at;
        self.ailing = match is {
            Health::Degraded | Health::Failed => Some(self.ailing.unwrap_or(at)),
            Health::Healthy | Health::Unknown => None,
        };
    }
}

impl State {
    /// Since when a trigger's condition holds; none while it does not. What was before the run
    /// began does not count.
    fn met_since(&self, trigger: &Trigger) -> Option<Timestamp> {
        let began = self.began?;
        let since = self.since.get(&trigger.probe).copied().unwrap_or_default();
        let health = self.health(&trigger.probe);
        let met = match trigger.state {
            Ailing::Degraded => since.ailing,
            Ailing::Failed => (health == Health::Failed).then_some(since.is),
            Ailing::Unknown => (health == Health::Unknown).then_some(since.is),
        };
        met.map(|met| met.max(began))
    }

    /// The alarms of triggers, and the rollback that one of them asks for by itself.
    pub(super) fn triggers_due(&self, now: Timestamp) -> Vec<Event> {
        let mut probes: Vec<&ProbeId> = Vec::new();
        for Trigger { probe, .. } in &self.plan.triggers {
            if probes.contains(&probe) {
                continue;
            }
            probes.push(probe);
            let id = AlarmId::Trigger(probe.clone());
            // Of several triggers of one probe the first that is due speaks.
            let mut of_probe = self.plan.triggers.iter().filter(|it| it.probe == *probe);
            let due = of_probe.find(|trigger| self.is_due(trigger, now));
            let events = match due {
                None => self.all_clear(id),
                Some(trigger) => self.pulled(trigger),
            };
            if !events.is_empty() {
                return events;
            }
        }
        Vec::new()
    }

    fn is_due(&self, trigger: &Trigger, now: Timestamp) -> bool {
        self.stage == RunStage::Active
            && self.may_go_back()
            && self
                .met_since(trigger)
                .is_some_and(|since| self.watched_since(since, now) >= trigger.r#for)
    }

    fn pulled(&self, trigger: &Trigger) -> Vec<Event> {
        let Trigger { probe, state, r#for, auto } = trigger;
        let acts = *auto && self.may_pull();
        let what = format!("trigger: {probe} has been {} for {}", state.word(), r#for);
        let text = format!("{what}: the runbook proposes to ROLL BACK (R)");
        let mut events = self.alarm(AlarmId::Trigger(probe.clone()), Level::Warning, &text);
        // At the moment that it is pulled, or not at all: who held the run then, and goes on with
        // the alarm open, has decided.
        if acts && !events.is_empty() {
            let reason = SafeText::new(&format!("{what} (auto)"));
            events.extend(self.back_events(&reason, None, None));
        }
        events
    }

    /// Whether the program may begin a rollback by itself: not while a person holds the run or
    /// looks at the guard, not unrecorded, and not past the point of no return.
    pub(super) fn may_pull(&self) -> bool {
        let held = self.hold.as_ref().is_some_and(|hold| hold.by != Actor::Engine);
        !held && self.lost.is_none() && self.guard.is_none() && self.past_no_return().is_none()
    }

    /// Whether a rollback may still begin by itself in this run, by a trigger or as planned. A
    /// person's hold stands against it, and what comes due meanwhile is used up.
    pub fn may_go_back_by_itself(&self) -> bool {
        let triggers =
            self.stage == RunStage::Active && self.plan.triggers.iter().any(|it| it.auto);
        let planned = matches!(self.stage, RunStage::Active | RunStage::Completed)
            && self.plan.planned.as_ref().is_some_and(|planned| planned.auto);
        triggers || planned
    }

    /// When triggers that are met will be due, for those that are not due yet.
    pub(super) fn trigger_wakes(&self) -> impl Iterator<Item = Timestamp> {
        let triggers = self.plan.triggers.iter();
        triggers.filter_map(|trigger| Some(self.met_since(trigger)?.after(trigger.r#for)))
    }
}
