//! A record, folded: what every document is made from.

use std::sync::Arc;

use crate::base::{Millis, StepId, Timestamp};
use crate::engine::{Event, Fact, Genesis, State, Track};
use crate::journal::Entry;
use crate::plan::{Forecast, Plan, initial};

use super::words::mark;

/// A record and what follows from it.
pub(super) struct Story<'a> {
    /// The plan that it was opened with.
    pub first: &'a Arc<Plan>,
    /// The plan that it ended with.
    pub plan: Arc<Plan>,
    /// The record.
    pub entries: &'a [Entry],
    /// Where it ended.
    pub state: State,
    /// When the run began; the opening where it never did.
    pub began: Timestamp,
    /// When it was over: completed, rolled back or given up.
    pub ended: Option<Timestamp>,
    /// The last moment of the record.
    pub last: Timestamp,
    /// The times as planned from the beginning.
    pub planned: Forecast,
}

impl<'a> Story<'a> {
    /// Folds the entries.
    pub(super) fn new(plan: &'a Arc<Plan>, entries: &'a [Entry]) -> Self {
        let mut state = State::new(Arc::clone(plan));
        let mut ended = None;
        for (at, fact) in facts(entries) {
            state.apply(at, &fact.by, &fact.event);
            let ends = matches!(
                fact.event,
                Event::Completed | Event::Abandoned { .. } | Event::RollbackEnded { .. }
            );
            let goes_on = matches!(fact.event, Event::Returned { .. });
            ended = if ends { Some(at) } else { ended.filter(|_| !goes_on) };
        }
        let began = state.began().unwrap_or(state.opened());
        let last = entries.last().map_or(began, |entry| entry.at);
        let (first, plan) = (plan, Arc::clone(state.plan()));
        let planned = initial(&plan, began);
        Self { first, plan, entries, state, began, ended, last, planned }
    }

    /// All facts with their times, in order.
    pub(super) fn facts(&self) -> impl Iterator<Item = (Timestamp, &'a Fact)> + use<'a> {
        facts(self.entries)
    }

    /// The first event.
    pub(super) fn genesis(&self) -> Option<&Genesis> {
        self.state.genesis()
    }

    /// What headings begin with.
    pub(super) fn mark(&self) -> &'static str {
        self.genesis().map_or("", |genesis| mark(genesis.kind))
    }

    /// The word for the kind of run.
    pub(super) fn kind(&self) -> &'static str {
        self.genesis().map_or("-", |genesis| genesis.kind.word())
    }

    /// Every step with its own record: forward, then those of the rollback.
    pub(super) fn steps(&self) -> impl Iterator<Item = (&StepId, &Track)> {
        let own = self.plan.before.iter().chain(&self.plan.after);
        self.plan.order.iter().chain(own).map(|id| (id, self.state.track(id)))
    }

    /// `date time zone` at the site.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        let zone = &self.plan.zone;
        format!("{} {}", zone.format(at, "%Y-%m-%d %H:%M:%S"), zone.abbreviation(at))
    }

    /// The time since the run began; a dash before that.
    pub(super) fn since_began(&self, at: Timestamp) -> String {
        if self.state.began().is_none_or(|began| at < began) {
            return "-".to_owned();
        }
        at.since(self.began).clock()
    }
}

/// From first start to the settling of a step.
pub(super) fn took(track: &Track) -> Option<Millis> {
    Some(track.settled?.since(track.started?))
}

fn facts(entries: &[Entry]) -> impl Iterator<Item = (Timestamp, &Fact)> {
    entries.iter().flat_map(|entry| entry.facts.iter().map(|fact| (entry.at, fact)))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use crate::base::{Digest, Zone};
    use crate::plan::Plan;
    use crate::runbook::{InFlight, Strategy};

    /// A plan without a step.
    pub(in super::super) fn plan() -> Plan {
        Plan {
            digest: Digest::of(b"plan"),
            id: "shop".parse().unwrap(),
            title: "The shop".into(),
            strategy: Strategy::Direct,
            owner: None,
            change: None,
            summary: String::new(),
            environment: None,
            window: None,
            objectives: crate::runbook::Objectives::default(),
            zone: Zone::UTC,
            hosts: BTreeMap::new(),
            roles: BTreeMap::new(),
            vars: BTreeMap::new(),
            asked: BTreeMap::new(),
            secrets: BTreeMap::new(),
            phases: Vec::new(),
            steps: BTreeMap::new(),
            order: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            running: InFlight::Cancel,
            triggers: Vec::new(),
            planned: None,
            playbooks: Vec::new(),
            probes: Vec::new(),
            channels: Vec::new(),
            network: crate::plan::Lazy::default(),
            later: crate::plan::Later::default(),
        }
    }
}
