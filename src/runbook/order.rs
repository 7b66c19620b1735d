//! What follows from a runbook's steps alone: their order, what runs before what, and the class
//! that each has at least.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::StepId;

use super::model::{Action, Class, Runbook, Step, UndoSource, UndoStage};

impl Runbook {
    /// The forward steps, in the order of the file.
    pub fn forward(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(|phase| &phase.steps)
    }

    /// Every step: forward, before and after a rollback.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.forward().chain(self.own_rollback_steps())
    }

    /// The rollback's own steps, in order.
    pub fn own_rollback_steps(&self) -> impl Iterator<Item = &Step> {
        self.rollback.before.iter().chain(&self.rollback.after)
    }

    /// What every step needs: what it says, else the step before it in the file. The rollback's
    /// own steps run one after the other.
    pub fn needs(&self) -> BTreeMap<&StepId, Vec<&StepId>> {
        let mut needs = BTreeMap::new();
        let mut before: Option<&StepId> = None;
        for step in self.forward() {
            let own = match &step.needs {
                Some(own) => own.iter().collect(),
                // Two steps of one name are a problem already, not a circle too.
                None => before.into_iter().filter(|before| **before != step.id).collect(),
            };
            needs.insert(&step.id, own);
            before = Some(&step.id);
        }
        before = None;
        for step in self.own_rollback_steps() {
            needs.insert(&step.id, before.into_iter().collect());
            before = Some(&step.id);
        }
        needs
    }
}

impl Step {
    /// The class that it has at least, and why: computed from what it does, never from mood.
    pub fn floor(&self) -> (Class, &'static str) {
        if self.point_of_no_return {
            return (Class::Critical, "point of no return");
        }
        match (&self.action, &self.undo) {
            (_, UndoSource::Irreversible(_)) => (Class::Critical, "it cannot be undone"),
            (Action::Gate(_), _) => (Class::Check, "a gate is decided in its own dialog"),
            (Action::Soak(_), _) => (Class::Check, "it only watches"),
            (Action::Notify(_), _) => (Class::Check, "it only tells people"),
            (Action::Manual(_), UndoSource::None) => {
                (Class::Check, "a person does it and signs off")
            }
            (Action::Run(_) | Action::Script(_) | Action::Local(_), _) if self.read_only => {
                (Class::Check, "it only reads")
            }
            (_, UndoSource::Undo(_)) => (Class::Change, "it changes, and has an undo"),
            (_, UndoSource::None) => (Class::Critical, "it changes, and has no undo"),
        }
    }

    /// The same for a step of the rollback itself: a rollback is not undone.
    pub fn rollback_floor(&self) -> (Class, &'static str) {
        let looks = matches!(self.stage, Some(UndoStage::Verify | UndoStage::Notify));
        match self.action {
            Action::Run(_) | Action::Script(_) if self.reboot => {
                (Class::Change, "it reboots its hosts")
            }
            Action::Run(_) | Action::Script(_) | Action::Local(_) if !self.read_only && !looks => {
                (Class::Change, "a step of the rollback")
            }
            Action::Run(_)
            | Action::Script(_)
            | Action::Local(_)
            | Action::Manual(_)
            | Action::Gate(_)
            | Action::Soak(_)
            | Action::Notify(_) => (Class::Check, "it only looks and tells"),
        }
    }

    /// Whether it runs a command, here or on hosts.
    pub const fn is_command(&self) -> bool {
        matches!(self.action, Action::Run(_) | Action::Script(_) | Action::Local(_))
    }

    /// Whether it runs on hosts.
    pub const fn is_remote(&self) -> bool {
        matches!(self.action, Action::Run(_) | Action::Script(_))
    }
}

/// All steps that run before `step`.
pub(super) fn ancestors<'a>(
    needs: &BTreeMap<&'a StepId, Vec<&'a StepId>>,
    step: &StepId,
) -> BTreeSet<&'a StepId> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&StepId> = needs.get(step).into_iter().flatten().copied().collect();
    while let Some(id) = open.pop() {
        if let Some((id, needs)) = needs.get_key_value(id)
            && found.insert(*id)
        {
            open.extend(needs.iter().copied());
        }
    }
    found
}

/// One circle of steps that need each other, in the order of need, if there is one.
pub(super) fn circle<'a>(needs: &BTreeMap<&'a StepId, Vec<&'a StepId>>) -> Option<Vec<&'a StepId>> {
    let mut left: BTreeMap<&StepId, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&StepId, Vec<&'a StepId>> = BTreeMap::new();
    for (step, own) in needs {
        let known: Vec<_> = own.iter().filter(|need| needs.contains_key(*need)).collect();
        left.insert(step, known.len());
        for need in known {
            dependents.entry(need).or_default().push(step);
        }
    }
    let mut free: Vec<&StepId> = left.iter().filter(|(_, n)| **n == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        left.remove(id);
        for dependent in dependents.get(id).into_iter().flatten() {
            let Some(count) = left.get_mut(dependent) else { continue };
            *count -= 1;
            if *count == 0 {
                free.push(dependent);
            }
        }
    }
    // Every step that is left needs one that is left: following the needs comes round.
    let mut path: Vec<&'a StepId> = Vec::new();
    let mut at = needs.keys().find(|id| left.contains_key(*id)).copied()?;
    loop {
        if let Some(start) = path.iter().position(|id| *id == at) {
            return Some(path.split_off(start));
        }
        path.push(at);
        at = needs.get(at)?.iter().find(|id| left.contains_key(*id)).copied()?;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::base::StepId;

    use super::{ancestors, circle};

    type Graph<'a> = BTreeMap<&'a StepId, Vec<&'a StepId>>;

    fn graph<'a>(ids: &'a BTreeMap<String, StepId>, edges: &[(&str, &[&str])]) -> Graph<'a> {
        let mut graph = Graph::new();
        for (id, own) in edges {
            graph.insert(&ids[*id], own.iter().map(|name| &ids[*name]).collect());
        }
        graph
    }

    #[test]
    fn circles_and_ancestors() {
        let names = ["a", "b", "c", "d"].into_iter();
        let ids = names.map(|name| (name.to_owned(), name.parse().unwrap())).collect();
        let line = graph(&ids, &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(circle(&line), None);
        assert_eq!(ancestors(&line, &ids["d"]).len(), 3);
        assert_eq!(ancestors(&line, &ids["a"]).len(), 0);
        let round = graph(&ids, &[("a", &[]), ("b", &["a", "d"]), ("c", &["b"]), ("d", &["c"])]);
        let names: Vec<_> = circle(&round).unwrap().into_iter().map(StepId::as_str).collect();
        assert_eq!(names, ["b", "d", "c"]);
        assert_eq!(circle(&graph(&ids, &[("a", &["a"])])), Some(vec![&ids["a"]]));
        assert_eq!(ancestors(&round, &ids["b"]).len(), 4);
    }
}
