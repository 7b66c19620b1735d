//! What a night has shown of itself, and what the forecast makes of it for the steps to come: how
//! long people take before they start a step, how the work stands to its estimates, how often a
//! try fails and what a failure costs.
//!
//! A few steps say little. Before [`ENOUGH`] of them are over the forecast is the plan's, but for
//! the time that people take; after that every number is drawn towards what the author thought.
//! The numbers were chosen on simulated nights other than those that `tests/it/forecasts.rs` lives.

use crate::base::{Millis, Timestamp};
use crate::runbook::Class;

use super::forecast::{Actual, Goes, Progress, not_before_opening};
use super::model::{StepPlan, Work};
use super::network::{Network, Node};

/// A wait counts up to here: somebody who goes for a coffee does not do so before every step.
const WAIT_MAX: Millis = Millis::from_secs(5 * 60);
/// As if so many steps had been started at once, before the first one: one slow start says little.
const STARTS_PRIOR: u64 = 3;
/// So many steps have to be over, and so many tries, before a night says something of the rest.
const ENOUGH: u64 = 8;
/// As if so many steps had kept to their estimates.
const STEPS_PRIOR: u64 = 20;
/// As if of so many tries so many had failed.
const TRIES_PRIOR: (u64, u64) = (60, 2);
/// As if after so many failures somebody had looked for so long before the next try.
const LOOKS_PRIOR: (u64, Millis) = (2, Millis::from_secs(120));
/// What runs has at least this part of its work left, however near it is to its estimate.
const LEFT_PART: u64 = 5;
/// A thousand of these are one.
const PARTS: u64 = 1_000;

/// Who starts a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// It starts by itself.
    Alone,
    /// By itself while checks do.
    WithChecks,
    /// A person starts it.
    ByHand,
}

impl Starts {
    pub(super) fn of(step: &StepPlan) -> Self {
        let machine = match step.work {
            Work::Manual(_) | Work::Gate(_) => false,
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Soak(_)
            | Work::Notify { .. } => true,
        };
        if !machine || step.class > Class::Check || step.four_eyes {
            Self::ByHand
        } else if step.auto {
            Self::Alone
        } else {
            Self::WithChecks
        }
    }

    const fn by_hand(self, auto: bool) -> bool {
        match self {
            Self::Alone => false,
            Self::WithChecks => !auto,
            Self::ByHand => true,
        }
    }
}

/// What of a step's time depends on how the night goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effort {
    /// Its work.
    works: Millis,
    /// How long it is watched after that, to the second.
    watches: Millis,
    /// How often something of it is tried that can fail, at the least.
    tries: u64,
    /// How long a try waits that follows a failure by itself.
    again: Option<Millis>,
}

impl Effort {
    pub(super) fn of(step: &StepPlan) -> Self {
        let again = step.retry.as_ref().map(|retry| retry.delay);
        let waves = step.batch.as_ref().map_or(1, |batch| batch.waves.len().max(1));
        let tries = u64::try_from(waves).unwrap_or(1) + u64::from(step.verify.is_some());
        let works = step.works();
        match &step.work {
            Work::Soak(soak) => Self { watches: soak.r#for, ..Self::default() },
            Work::Manual(_) | Work::Gate(_) => {
                Self { works, watches: step.watches(), ..Self::default() }
            }
            Work::Run(_) | Work::Local(_) | Work::Builtin(_) | Work::Notify { .. } => {
                Self { works, watches: step.watches(), tries, again }
            }
        }
    }
}

/// How the tries of a run have ended so far, as the engine counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that have ended, verifications among them.
    pub all: u64,
    /// Those that did not succeed.
    pub failed: u64,
    /// After how many of them a person tried again.
    pub looks: u64,
    /// How long those people took until then, all together.
    pub looked: Millis,
}

/// What a night has shown of itself so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a step that could start is taken to wait for a person.
    pub waits: Millis,
    /// How many steps were started by hand.
    pub starts: u64,
    /// What is learned from the work; none before enough of it is over.
    pub work: Option<Learned>,
}

/// What the work of a night has shown of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// How much of its estimate a step is taken to need, in parts of a thousand.
    pub ratio: u64,
    /// How many steps that is learned from.
    pub steps: u64,
    /// How the tries have ended.
    pub tries: Tries,
}

fn part(span: Millis, parts: u64, of: u64) -> Millis {
    let product = u128::from(span.as_millis()) * u128::from(parts) / u128::from(of.max(1));
    Millis::new(u64::try_from(product).unwrap_or(u64::MAX))
}

impl Learned {
    /// How long a person is taken to look after a failure.
    pub fn looks(&self) -> Millis {
        let (number, each) = LOOKS_PRIOR;
        let all = self.tries.looked.plus(part(each, number, 1));
        part(all, 1, self.tries.looks + number)
    }

    /// What one try is taken to cost besides its time, as some fail, where one more costs `cost`.
    fn risk(&self, cost: Millis) -> Millis {
        let (all, failed) = TRIES_PRIOR;
        part(cost, self.tries.failed + failed, self.tries.all + all)
    }

    fn takes(&self, effort: &Effort) -> Millis {
        let once_more = effort.works.plus(effort.again.unwrap_or_else(|| self.looks()));
        let risk = part(self.risk(once_more), effort.tries, 1);
        part(effort.works, self.ratio, PARTS).plus(effort.watches).plus(risk)
    }
}

impl Pace {
    /// How long a step will wait for a person.
    pub(super) const fn of(&self, node: &Node, auto: bool) -> Millis {
        if node.starts.by_hand(auto) { self.waits } else { Millis::ZERO }
    }

    /// How long a step that has not started will take.
    pub(super) fn takes(&self, node: &Node) -> Millis {
        self.work.map_or(node.takes, |learned| learned.takes(&node.effort))
    }

    /// When a step that has started will be over, as it looks at `now`.
    pub(super) fn ends(&self, node: &Node, actual: Actual, now: Timestamp) -> Timestamp {
        let Some(learned) = self.work else { return actual.ends(now) };
        match actual.goes {
            Goes::Over(at) => at,
            // Somebody is on the way, and half of the time that they take is over.
            Goes::Waits { .. } => now.after(part(learned.looks(), 1, 2)).after(self.takes(node)),
            Goes::Runs { since, takes } => {
                let watches = node.effort.watches.min(takes);
                let works = takes.minus(watches);
                let should = Actual {
                    goes: Goes::Runs { since, takes: part(works, learned.ratio, PARTS) },
                    ..actual
                };
                let left = if since <= now { part(works, 1, LEFT_PART) } else { Millis::ZERO };
                should.ends(now).max(now.after(left)).after(watches)
            }
        }
    }

    /// It in words, each with what it is learned from; nothing where nothing is.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.starts > 0 {
            let waits = Millis::from_secs(self.waits.as_secs());
            words.push(format!("{waits} before each start by hand ({} so far)", self.starts));
        }
        if let Some(Learned { ratio, steps, tries }) = self.work {
            let hundredths = ratio / 10;
            let (whole, rest) = (hundredths / 100, hundredths % 100);
            words.push(format!("work {whole}.{rest:02} of its estimates ({steps} steps so far)"));
            words.push(format!("{} of {} tries failed", tries.failed, tries.all));
        }
        words
    }
}

impl Network {
    /// The pace of a run, from what is over.
    pub(super) fn pace(
        &self,
        actual: &[Option<Actual>],
        progress: &Progress,
        opens: Option<Timestamp>,
    ) -> Pace {
        let over = |place: &usize| match actual.get(*place)?.as_ref()?.goes {
            Goes::Over(at) => Some(at),
            Goes::Runs { .. } | Goes::Waits { .. } => None,
        };
        let (mut sum, mut starts) = (0_u64, 0_u64);
        let (mut took, mut thought, mut steps) = (0_u64, 0_u64, 0_u64);
        for (node, actual) in self.nodes.iter().zip(actual) {
            let Some(actual) = actual else { continue };
            if let (Goes::Over(at), true) = (actual.goes, actual.once)
                && node.effort.works > Millis::ZERO
            {
                let works = at.since(actual.started).minus(node.effort.watches);
                took = took.saturating_add(works.as_millis());
                thought = thought.saturating_add(node.effort.works.as_millis());
                steps += 1;
            }
            if node.starts.by_hand(progress.auto) {
                let ready = self.needs(node).iter().filter_map(over).max().unwrap_or_default();
                let ready = not_before_opening(node, ready.max(progress.began), opens);
                let waited = actual.started.since(ready).min(WAIT_MAX);
                sum = sum.saturating_add(waited.as_millis());
                starts += 1;
            }
        }
        let waits = if starts == 0 { 0 } else { sum / (starts + STARTS_PRIOR) };
        let enough = steps >= ENOUGH && progress.tries.all >= ENOUGH;
        let work = enough.then(|| {
            // As long as it took, and as if some more had taken what was thought of them.
            let both = u128::from(took) * u128::from(steps)
                + u128::from(thought) * u128::from(STEPS_PRIOR);
            let all = u128::from(thought) * u128::from(steps + STEPS_PRIOR);
            let ratio = both * u128::from(PARTS) / all.max(1);
            let ratio = u64::try_from(ratio).unwrap_or(u64::MAX).clamp(PARTS / 2, PARTS * 2);
            Learned { ratio, steps, tries: progress.tries }
        });
        Pace { waits: Millis::new(waits), starts, work }
    }
}
