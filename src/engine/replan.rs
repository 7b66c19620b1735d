//! Another plan for the rest of a run: what stands in its way, and what it makes of the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::{HostId, SafeText, StepId, Timestamp};
use crate::plan::{
    ACTION, Became, COSMETIC, Plan, StepChange, StepPlan, UndoPlan, changed_keys, changes,
    is_same_machine, place,
};

use super::because::{Already, Standing};
use super::edit::Edit;
use super::event::{Actor, Event};
use super::health::Health;
use super::job::Part;
use super::refusal::Refusal;
use super::state::{RunStage, State};
use super::track::Status;

/// What may not change of a step that is over: the record says that it was done so.
const OF_THE_RECORD: [&str; 10] =
    [ACTION, "on", "batch", "env", "stdin", "become", "dir", "shell", "checkpoint", "for_each"];
/// What may never change of a step that has started: who may go back, and where to.
const OF_THE_WAY_BACK: [&str; 3] = ["point_of_no_return", "commit", "checkpoint"];

/// A plan that took the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replanned {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// What it changed.
    pub changes: Vec<StepChange>,
    /// Why.
    pub reason: SafeText,
}

/// How a run's plan came to be what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Course {
    /// The plan without the commands that were edited since.
    pub(super) base: Arc<Plan>,
    /// The plans that took the place of others.
    pub(super) replans: Vec<Replanned>,
    /// The edits of each step's commands.
    pub(super) edits: BTreeMap<StepId, Vec<Edit>>,
}

impl Course {
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        Self { base: Arc::clone(plan), replans: Vec::new(), edits: BTreeMap::new() }
    }
}

impl State {
    /// The plan as its inputs give it, without the commands that were edited since.
    pub const fn base(&self) -> &Arc<Plan> {
        &self.course.base
    }

    /// The plans that took the place of others, oldest first.
    pub fn replans(&self) -> &[Replanned] {
        &self.course.replans
    }

    /// Brings along a plan that may take the place of this one.
    pub(super) fn offer(&mut self, plan: &Arc<Plan>) {
        Arc::make_mut(&mut self.course.base).later.insert(Arc::clone(plan));
    }

    /// Everything that stands in the way of going on by `new`, in words; nothing where it may.
    pub fn obstacles(&self, new: &Plan) -> Vec<String> {
        let old = &self.course.base;
        let mut found = Vec::new();
        if old.id != new.id {
            found.push(format!(
                "it is another runbook: `{}`, and the run is of `{}`",
                new.id, old.id
            ));
        }
        if old.environment != new.environment {
            let name =
                |it: &Option<SafeText>| it.as_ref().map_or("none", SafeText::as_str).to_owned();
            let (was, is) = (name(&old.environment), name(&new.environment));
            found
                .push(format!("its hosts are of environment `{is}`, and the run began on `{was}`"));
        }
        for playbook in self.playbooks.keys() {
            let steps = |plan: &Plan| plan.playbook(playbook).map(|it| it.steps.clone());
            if steps(old) != steps(new) {
                found.push(format!(
                    "playbook `{playbook}` is open and has other steps: close it first"
                ));
            }
        }
        let mut machines = BTreeSet::new();
        for (id, step) in old.steps.iter().filter(|(id, _)| self.is_touched(id)) {
            let Some(other) = new.step(id) else {
                let status = self.track(id).status.word();
                found.push(format!("`{id}` is {status} and is not in the new runbook"));
                continue;
            };
            if place(old, id) != place(new, id) {
                let (was, is) = (place(old, id), place(new, id));
                found.push(format!("`{id}` was a {was} step and is a {is} one"));
            }
            found.extend(self.step_obstacles(step, other));
            machines.extend(hosts_of(step));
        }
        for id in machines {
            match (old.hosts.get(&id), new.hosts.get(&id)) {
                (Some(old), Some(new)) if is_same_machine(old, new) => {}
                (Some(_), Some(_)) => found.push(format!(
                    "host `{id}` is another machine or another user, and steps have run on it"
                )),
                (Some(_), None) => {
                    found.push(format!("host `{id}` is gone, and steps have run on it"));
                }
                (None, _) => {}
            }
        }
        found
    }

    /// What of a step that has started makes the record untrue.
    fn step_obstacles(&self, old: &StepPlan, new: &StepPlan) -> Vec<String> {
        let id = &old.id;
        let (track, undo) = (self.track(id), self.undo_track(id));
        let keys = changed_keys(old, new);
        let changed = |names: &[&str]| {
            let hit = keys.iter().filter(|key| names.contains(&key.as_str()));
            let hit = hit.filter(|key| !self.is_as_edited(key, new));
            hit.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        };
        let mut attempts = track.attempts.iter().chain(&undo.attempts);
        let runs = attempts.any(|attempt| !attempt.has_ended())
            || track.status.is_in_flight()
            || undo.status.is_in_flight();
        let mut found = Vec::new();
        if runs {
            let all = keys.iter().filter(|key| !COSMETIC.contains(&key.as_str()));
            let all: Vec<_> = all.map(|key| format!("`{key}`")).collect();
            if !all.is_empty() {
                let all = all.join(", ");
                found.push(format!("`{id}` is under way, and {all} changed: wait for its end"));
            }
            return found;
        }
        let fixed: &[&str] =
            if track.status.is_over() { &OF_THE_RECORD } else { &["on", "batch", "for_each"] };
        let untrue = changed(fixed);
        if !untrue.is_empty() {
            let word = track.status.word();
            found
                .push(format!("`{id}` is {word}, and {untrue} changed: the record says it was so"));
        }
        let back = changed(&OF_THE_WAY_BACK);
        if !back.is_empty() && untrue.is_empty() {
            found.push(format!("`{id}` has started, and {back} changed: that was relied on"));
        }
        if !track.status.is_over() && old.work.word() != new.work.word() {
            let (was, is) = (old.work.word(), new.work.word());
            found.push(format!("`{id}` has started as `{was}`, and is a `{is}` step now"));
        }
        let undone = !undo.attempts.is_empty() || undo.status != Status::Pending;
        if undone && keys.iter().any(|key| key == "undo") {
            found.push(format!("the undo of `{id}` has started, and it changed"));
        }
        let lost = matches!(old.undo, UndoPlan::Undo(_)) && !matches!(new.undo, UndoPlan::Undo(_));
        if lost && track.may_have_run() {
            found.push(format!("`{id}` has run, and the new runbook has no undo for it"));
        }
        found
    }

    /// Whether the new action is the edited command that ran.
    fn is_as_edited(&self, key: &str, new: &StepPlan) -> bool {
        let edit = self.last_edit(&new.id, Part::Action);
        let command = new.command(false).map(crate::plan::Text::shown);
        key == ACTION && edit.is_some_and(|edit| command == Some(edit.new.as_str()))
    }

    fn last_edit(&self, step: &StepId, part: Part) -> Option<&Edit> {
        self.edits(step).iter().rev().find(|edit| edit.part == part)
    }

    /// The edit that makes the command of a step's part another than the runbook's, if one does.
    pub fn edit_in_force(&self, step: &StepId, part: Part) -> Option<&Edit> {
        let command = |plan: &Plan| {
            let command = plan.step(step)?.command(part.is_undo())?;
            Some(command.shown().to_owned())
        };
        let (now, base) = (command(&self.plan)?, command(&self.course.base)?);
        self.last_edit(step, part).filter(|edit| edit.new == now && now != base)
    }

    /// Whether anything has happened to a step.
    fn is_touched(&self, step: &StepId) -> bool {
        let tracks = [Part::Action, Part::Undo].map(|part| self.track_of(step, part));
        tracks.iter().any(|it| it.status != Status::Pending || !it.attempts.is_empty())
    }

    /// Goes on by another plan.
    pub(super) fn replan(&self, new: &Plan, reason: &SafeText) -> Result<Vec<Event>, Refusal> {
        match self.stage {
            RunStage::Preparing | RunStage::Active => {}
            RunStage::RollingBack | RunStage::RolledBack { .. } => {
                return Err(Refusal::RollingBack);
            }
            RunStage::Completed => return Err(Refusal::NotActive(Standing::Completed)),
            RunStage::Abandoned => return Err(Refusal::NotActive(Standing::GivenUp)),
        }
        if self.guard.is_some() {
            return Err(Refusal::GuardOpen);
        }
        if new.digest == self.course.base.digest {
            return Err(Refusal::Already(Already::SamePlan));
        }
        let obstacles = self.obstacles(new);
        if !obstacles.is_empty() {
            return Err(Refusal::Replan(obstacles));
        }
        Ok(vec![Event::Replanned {
            was: self.course.base.digest,
            plan: new.digest,
            changes: changes(&self.course.base, new),
            reason: reason.clone(),
        }])
    }

    /// Folds another plan. One that nobody has brought along changes nothing: the loader refuses
    /// such a journal before.
    pub(super) fn replanned(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        let Event::Replanned { plan, changes, reason, .. } = event else { return };
        let Some(new) = self.course.base.later.get(plan) else { return };
        let mut new = (**new).clone();
        new.later.clone_from(&self.course.base.later);
        let old = std::mem::replace(&mut self.course.base, Arc::new(new));
        self.plan = Arc::clone(&self.course.base);
        self.keep_edits(&old);
        let plan = Arc::clone(&self.plan);
        let gone = |id: &StepId| plan.step(id).is_none();
        let untouched: Vec<_> =
            old.steps.keys().filter(|id| gone(id) && !self.is_touched(id)).collect();
        for id in untouched {
            self.actions.remove(id);
            self.undos.remove(id);
        }
        for id in plan.steps.keys() {
            self.actions.entry(id.clone()).or_default();
        }
        for id in &plan.order {
            self.undos.entry(id.clone()).or_default();
        }
        // What people agreed to was another step.
        for change in changes.iter().filter(|change| change.became != Became::Added) {
            self.approvals.remove(&change.step);
            if !self.track(&change.step).status.is_over() {
                self.votes.remove(&change.step);
                self.waivers.remove(&change.step);
            }
        }
        self.readiness.clear(); // Nobody has looked at what the way back of this plan needs.
        self.health.retain(|probe, _| plan.probe(probe).is_some());
        self.since.retain(|probe, _| plan.probe(probe).is_some());
        for probe in &plan.probes {
            self.health.entry(probe.id.clone()).or_insert(Health::Unknown);
        }
        let (by, reason) = (by.clone(), reason.clone());
        self.course.replans.push(Replanned { at, by, changes: changes.clone(), reason });
    }

    /// An edited command stays where the new runbook has left the command as it was.
    fn keep_edits(&mut self, old: &Plan) {
        let edits: Vec<_> = self.course.edits.keys().cloned().collect();
        for step in edits {
            for part in [Part::Action, Part::Undo] {
                let undo = part.is_undo();
                let command = |plan: &Plan| {
                    let command = plan.step(&step)?.command(undo)?;
                    Some(command.shown().to_owned())
                };
                let is_left = command(old) == command(&self.course.base);
                let Some(edit) = self.last_edit(&step, part).filter(|_| is_left).cloned() else {
                    continue;
                };
                if let Some(kept) = Arc::make_mut(&mut self.plan).steps.get_mut(&step) {
                    let class = kept.class.max(edit.class);
                    let because = kept.class_because.clone();
                    kept.replace_command(undo, &edit.new, (class, because));
                }
            }
        }
    }
}

/// The hosts of a step and of its undo.
fn hosts_of(step: &StepPlan) -> impl Iterator<Item = HostId> {
    let undo = match &step.undo {
        UndoPlan::Undo(undo) => undo.hosts.clone(),
        UndoPlan::None | UndoPlan::Irreversible(_) => Vec::new(),
    };
    step.hosts.clone().into_iter().chain(undo)
}
