//! How long people take before they start a step: they read it first. The forecast counts that
//! for every step that is still to be started by hand.

use crate::base::{Millis, Timestamp};
use crate::runbook::Class;

use super::forecast::{Actual, Goes, Progress, not_before_opening};
use super::model::{StepPlan, Work};
use super::network::{Network, Node};

/// A wait counts up to here: somebody who goes for a coffee does not do so before every step.
const WAIT_MAX: Millis = Millis::from_secs(5 * 60);
/// As if so many steps had been started at once, before the first one: one slow start says little.
const PRIOR: u64 = 3;

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

/// How long a step that could start has waited for a person, so far this night.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace(Millis);

impl Pace {
    /// How long a step will wait.
    pub(super) const fn of(self, node: &Node, auto: bool) -> Millis {
        if node.starts.by_hand(auto) { self.0 } else { Millis::ZERO }
    }
}

impl Network {
    /// The pace of a run, from the steps that were started by hand.
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
        for (node, actual) in self.nodes.iter().zip(actual) {
            let Some(actual) = actual.filter(|_| node.starts.by_hand(progress.auto)) else {
                continue;
            };
            let ready = self.needs(node).iter().filter_map(over).max().unwrap_or_default();
            let ready = not_before_opening(node, ready.max(progress.began), opens);
            sum = sum.saturating_add(actual.started.since(ready).min(WAIT_MAX).as_millis());
            starts += 1;
        }
        if starts == 0 { Pace(Millis::ZERO) } else { Pace(Millis::new(sum / (starts + PRIOR))) }
    }
}
