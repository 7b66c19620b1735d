//! What follows from a runbook's steps alone: their order, what runs before what, and the class
//! that each has at least.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{StepId, StreamId};

use super::model::{Action, Class, Runbook, Step, UndoSource, UndoStage};

impl Runbook {
    /// The forward steps, in the order of the file.
    pub fn forward(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(|phase| &phase.steps)
    }

    /// Every step: forward, before and after a rollback, and those of playbooks.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.forward().chain(self.own_rollback_steps()).chain(self.playbook_steps())
    }

    /// The steps of all playbooks, in order.
    pub fn playbook_steps(&self) -> impl Iterator<Item = &Step> {
        self.playbooks.iter().flat_map(|playbook| &playbook.steps)
    }

    /// The rollback's own steps, in order.
    pub fn own_rollback_steps(&self) -> impl Iterator<Item = &Step> {
        self.rollback.before.iter().chain(&self.rollback.after)
    }

    /// What every step needs: what it says, else the step before it in the same stream. The
    /// rollback's own steps run one after the other, and so do those of each playbook.
    ///
    /// A step without a stream is common to all: it needs the last step of each, and each needs
    /// it. A phase begins when the one before is over, in all streams: its first step in each
    /// needs the last steps of all.
    pub fn needs(&self) -> BTreeMap<&StepId, Vec<&StepId>> {
        let mut needs = BTreeMap::new();
        let mut streams = Streams::default();
        for phase in &self.phases {
            streams.join();
            for step in &phase.steps {
                let own = match &step.needs {
                    Some(own) => own.iter().collect(),
                    // Two steps of one name are a problem already, not a circle too.
                    None => streams.before(step).filter(|before| **before != step.id).collect(),
                };
                needs.insert(&step.id, own);
                streams.pass(step);
            }
        }
        let mut before: Option<&StepId> = None;
        for step in self.own_rollback_steps() {
            needs.insert(&step.id, before.into_iter().collect());
            before = Some(&step.id);
        }
        for playbook in &self.playbooks {
            before = None;
            for step in &playbook.steps {
                needs.insert(&step.id, before.into_iter().collect());
                before = Some(&step.id);
            }
        }
        needs
    }
}

/// Where each stream stands while steps are passed in the order of the file.
#[derive(Default)]
struct Streams<'a> {
    /// What a stream needs that has not begun since the streams last met.
    met: Vec<&'a StepId>,
    /// What the next step needs in each stream that has.
    heads: Vec<(&'a StreamId, Vec<&'a StepId>)>,
}

impl<'a> Streams<'a> {
    /// All of them meet: whatever comes next needs the last step of each.
    fn join(&mut self) {
        if !self.heads.is_empty() {
            self.met = self.all().collect();
            self.heads.clear();
        }
    }

    /// The last steps of all streams, each once.
    fn all(&self) -> impl Iterator<Item = &'a StepId> + use<'a> {
        let mut all: Vec<&StepId> = Vec::new();
        for step in self.heads.iter().flat_map(|(_, steps)| steps) {
            if !all.contains(step) {
                all.push(step);
            }
        }
        all.into_iter()
    }

    /// What `step` needs if it does not say so.
    fn before(&self, step: &'a Step) -> impl Iterator<Item = &'a StepId> + use<'a> {
        let head = |stream: &StreamId| self.heads.iter().find(|(name, _)| *name == stream);
        let needs = match &step.stream {
            Some(stream) => head(stream).map_or(&self.met, |(_, steps)| steps).clone(),
            None if self.heads.is_empty() => self.met.clone(),
            None => self.all().collect(),
        };
        needs.into_iter()
    }

    fn pass(&mut self, step: &'a Step) {
        match &step.stream {
            Some(stream) => match self.heads.iter_mut().find(|(name, _)| *name == stream) {
                Some((_, steps)) => *steps = vec![&step.id],
                None => self.heads.push((stream, vec![&step.id])),
            },
            // It says itself what it needs, so it may be over before the streams are.
            None if step.needs.is_some() && !self.heads.is_empty() => {
                for (_, steps) in &mut self.heads {
                    steps.push(&step.id);
                }
                self.met.push(&step.id);
            }
            None => {
                self.met = vec![&step.id];
                self.heads.clear();
            }
        }
    }
}

impl Step {
    /// The class that it has at least, and why: computed from what it does, never from mood.
    pub fn floor(&self) -> (Class, &'static str) {
        if self.point_of_no_return {
            return (Class::Critical, "point of no return");
        }
        if self.commit {
            return (Class::Critical, "it ends the right to roll back");
        }
        match (&self.action, &self.undo) {
            (_, UndoSource::Irreversible(_)) => (Class::Critical, "it cannot be undone"),
            (Action::Gate(_), _) => (Class::Check, "a gate is decided in its own dialog"),
            (Action::Soak(_), _) => (Class::Check, "it only watches"),
            (Action::Notify(_), _) => (Class::Check, "it only tells people"),
            (Action::Builtin(builtin), _) if builtin.only_reads() || self.read_only => {
                (Class::Check, "it only reads")
            }
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
            Action::Builtin(ref builtin) if !builtin.only_reads() && !self.read_only => {
                (Class::Change, "a step of the rollback")
            }
            Action::Run(_)
            | Action::Script(_)
            | Action::Local(_)
            | Action::Builtin(_)
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
        self.action.is_remote()
    }

    /// Whether it may change something, here or on hosts, as far as its action tells.
    pub fn may_change(&self) -> bool {
        match &self.action {
            Action::Run(_) | Action::Script(_) | Action::Local(_) => true,
            Action::Builtin(builtin) => !builtin.only_reads(),
            Action::Manual(_) | Action::Gate(_) | Action::Soak(_) | Action::Notify(_) => false,
        }
    }
}

impl Action {
    /// Whether it is done on hosts, one by one.
    pub const fn is_remote(&self) -> bool {
        match self {
            Self::Run(_) | Self::Script(_) => true,
            Self::Builtin(builtin) => builtin.is_on_hosts(),
            Self::Local(_) | Self::Manual(_) | Self::Gate(_) | Self::Soak(_) | Self::Notify(_) => {
                false
            }
        }
    }

    /// The key of the runbook that it is written under.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Script(_) => "script",
            Self::Local(_) => "local",
            Self::Builtin(builtin) => builtin.word(),
            Self::Manual(_) => "manual",
            Self::Gate(_) => "gate",
            Self::Soak(_) => "soak",
            Self::Notify(_) => "notify",
        }
    }
}

/// Whether `first` is over before `step` starts, however far back. The nearest steps are looked at
/// first: what a step uses was mostly captured a few steps before it.
pub(super) fn runs_before(
    needs: &BTreeMap<&StepId, Vec<&StepId>>,
    first: &StepId,
    step: &StepId,
) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: VecDeque<&StepId> = needs.get(step).into_iter().flatten().copied().collect();
    while let Some(id) = open.pop_front() {
        if id == first {
            return true;
        }
        if seen.insert(id) {
            open.extend(needs.get(id).into_iter().flatten());
        }
    }
    false
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

    use super::{circle, runs_before};

    type Graph<'a> = BTreeMap<&'a StepId, Vec<&'a StepId>>;

    fn graph<'a>(ids: &'a BTreeMap<String, StepId>, edges: &[(&str, &[&str])]) -> Graph<'a> {
        let mut graph = Graph::new();
        for (id, own) in edges {
            graph.insert(&ids[*id], own.iter().map(|name| &ids[*name]).collect());
        }
        graph
    }

    #[test]
    fn circles_and_what_runs_before() {
        let names = ["a", "b", "c", "d"].into_iter();
        let ids = names.map(|name| (name.to_owned(), name.parse().unwrap())).collect();
        let line = graph(&ids, &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
        assert_eq!(circle(&line), None);
        let before = |of: &Graph<'_>, step: &str| {
            let first = ids.iter().filter(|(_, id)| runs_before(of, id, &ids[step]));
            first.map(|(name, _)| name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(before(&line, "d"), "a b c");
        assert_eq!(before(&line, "a"), "");
        let round = graph(&ids, &[("a", &[]), ("b", &["a", "d"]), ("c", &["b"]), ("d", &["c"])]);
        let names: Vec<_> = circle(&round).unwrap().into_iter().map(StepId::as_str).collect();
        assert_eq!(names, ["b", "d", "c"]);
        assert_eq!(circle(&graph(&ids, &[("a", &["a"])])), Some(vec![&ids["a"]]));
        assert_eq!(before(&round, "b"), "a b c d");
    }
}
