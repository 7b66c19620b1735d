//! The steps of a plan as numbers: made once for a plan, walked at every forecast.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::base::{Millis, StepId, Timestamp};
use crate::runbook::Class;

use super::forecast::Interval;
use super::model::{Plan, StepPlan};
use super::names::Names;
use super::pace::{Effort, Starts};

/// The forward steps by their places in the file, with their needs, in an order in which needs
/// come first.
#[derive(Debug)]
pub(super) struct Network {
    /// The steps by their places.
    pub(super) nodes: Vec<Node>,
    /// Their names.
    pub(super) names: Names,
    /// The needs of all nodes, one after the other.
    needs: Vec<usize>,
    /// The places, needs first.
    order: Vec<usize>,
    /// The steps of a rollback before and after the undos, with all the time they may take.
    pub(super) own: Millis,
}

/// What a forecast asks of a step.
#[derive(Debug)]
pub(super) struct Node {
    /// How long it should take from start to end.
    pub(super) takes: Millis,
    /// How long probes are watched after its action.
    pub(super) watches: Millis,
    /// How long undoing it may take.
    pub(super) undo: Millis,
    /// Whether it may not start before the window opens.
    pub(super) bound: bool,
    /// Who starts it.
    pub(super) starts: Starts,
    /// What of it depends on how the night goes.
    pub(super) effort: Effort,
    /// Where its needs begin and end in [`Network::needs`].
    needs: (usize, usize),
}

/// The network of a plan, made when it is first asked for. A copy of a plan makes its own, as it
/// may be changed.
#[derive(Debug, Default)]
pub struct Lazy(OnceLock<Arc<Network>>);

impl Clone for Lazy {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Lazy {
    /// What is derived from the plan does not tell two plans apart.
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Lazy {}

impl Plan {
    pub(super) fn network(&self) -> &Arc<Network> {
        self.network.0.get_or_init(|| Arc::new(Network::new(self)))
    }

    /// The place of a forward step in the file, from 1.
    pub fn number(&self, id: &StepId) -> Option<usize> {
        self.network().names.place(id).map(|place| place + 1)
    }
}

impl Network {
    fn new(plan: &Plan) -> Self {
        let steps: Vec<&StepPlan> = plan.order.iter().filter_map(|id| plan.steps.get(id)).collect();
        let names = Names::new(steps.iter().map(|step| step.id.clone()).collect());
        let mut needs = Vec::new();
        let nodes = steps.iter().map(|step| {
            let from = needs.len();
            needs.extend(step.needs.iter().filter_map(|need| names.place(need)));
            Node {
                takes: step.takes(),
                watches: step.watches(),
                undo: step.undo_takes(),
                bound: step.class > Class::Check,
                starts: Starts::of(step),
                effort: Effort::of(step),
                needs: (from, needs.len()),
            }
        });
        let nodes: Vec<Node> = nodes.collect();
        let own = plan.before.iter().chain(&plan.after).filter_map(|id| plan.step(id));
        let mut network = Self {
            own: sum(own.map(|step| step.back_takes(&plan.probes))),
            nodes,
            names,
            needs,
            order: Vec::new(),
        };
        network.order = network.in_order();
        network
    }

    /// What is known of the steps, by their places.
    pub(super) fn aligned<T: Copy>(&self, steps: &BTreeMap<StepId, T>) -> Vec<Option<T>> {
        let mut found = vec![None; self.nodes.len()];
        for (id, known) in steps {
            if let Some(slot) = self.names.place(id).and_then(|place| found.get_mut(place)) {
                *slot = Some(*known);
            }
        }
        found
    }

    pub(super) fn needs(&self, node: &Node) -> &[usize] {
        self.needs.get(node.needs.0..node.needs.1).unwrap_or_default()
    }

    /// The interval of every step, by what it makes of the moment when all its needs are over.
    pub(super) fn forward<F>(&self, interval: F) -> Vec<Interval>
    where
        F: Fn(usize, &Node, Timestamp) -> Interval,
    {
        let nothing = Interval { start: Timestamp::default(), end: Timestamp::default() };
        let mut times = vec![nothing; self.nodes.len()];
        for &place in &self.order {
            let Some(node) = self.nodes.get(place) else { continue };
            let ends = self.needs(node).iter().filter_map(|need| times.get(*need));
            let ready = ends.map(|times| times.end).max().unwrap_or_default();
            let time = interval(place, node, ready);
            if let Some(slot) = times.get_mut(place) {
                *slot = time;
            }
        }
        times
    }

    /// The latest end of every step that does not move `end`, where a step starts so long after
    /// all that it needs.
    pub(super) fn backward<F>(&self, times: &[Interval], end: Timestamp, after: F) -> Vec<Timestamp>
    where
        F: Fn(&Node) -> Millis,
    {
        let mut latest = vec![end; self.nodes.len()];
        for &place in self.order.iter().rev() {
            let (Some(own), Some(time), Some(node)) =
                (latest.get(place).copied(), times.get(place), self.nodes.get(place))
            else {
                continue;
            };
            let start = own.before(time.end.since(time.start)).before(after(node));
            for need in self.needs(node) {
                if let Some(slot) = latest.get_mut(*need) {
                    *slot = start.min(*slot);
                }
            }
        }
        latest
    }

    /// Places in an order in which needs come first. A circle, which the loader refuses, is left
    /// out.
    fn in_order(&self) -> Vec<usize> {
        let mut left: Vec<usize> = self.nodes.iter().map(|node| self.needs(node).len()).collect();
        let mut dependents = vec![Vec::new(); self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            for need in self.needs(node) {
                if let Some(list) = dependents.get_mut(*need) {
                    list.push(place);
                }
            }
        }
        let free = left.iter().enumerate().filter(|(_, count)| **count == 0);
        let mut order: Vec<usize> = free.map(|(place, _)| place).collect();
        let mut next = 0;
        while let Some(&place) = order.get(next) {
            next += 1;
            for &dependent in dependents.get(place).into_iter().flatten() {
                let Some(count) = left.get_mut(dependent) else { continue };
                *count -= 1;
                if *count == 0 {
                    order.push(dependent);
                }
            }
        }
        order
    }
}

pub(super) fn sum<I: Iterator<Item = Millis>>(spans: I) -> Millis {
    spans.fold(Millis::ZERO, Millis::plus)
}
