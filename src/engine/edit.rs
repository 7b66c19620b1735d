//! The commands that were changed for this run only.

use std::sync::Arc;

use crate::base::{SafeText, StepId, Timestamp};
use crate::runbook::Class;

use super::event::{Actor, Event};
use super::job::Part;
use super::state::State;

/// A command that was changed for this run. The runbook and its pinned copy stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Actor,
    /// The action or the undo.
    pub part: Part,
    /// The command as it was, with what was captured by then.
    pub old: String,
    /// The command from then on, sent as it stands.
    pub new: String,
    /// The class that the step had.
    pub was: Class,
    /// The class of the step from then on.
    pub class: Class,
    /// Why.
    pub reason: SafeText,
}

impl State {
    /// The edits of a step's commands in this run, oldest first.
    pub fn edits(&self, step: &StepId) -> &[Edit] {
        self.course.edits.get(step).map_or(&[], Vec::as_slice)
    }

    /// Every step whose command was edited in this run.
    pub fn edited_steps(&self) -> impl Iterator<Item = (&StepId, &[Edit])> {
        self.course.edits.iter().map(|(step, edits)| (step, edits.as_slice()))
    }

    /// Folds the edit of a command. What a second person agreed to was another command.
    pub(super) fn edited(&mut self, at: Timestamp, by: &Actor, event: &Event) {
        let Event::StepEdited { step, part, text, class, because, reason, .. } = event else {
            return;
        };
        let Some(before) = self.plan.step(step) else { return };
        let Some(old) = before.command(part.is_undo()).map(|text| self.filled(text)) else {
            return;
        };
        let was = before.class;
        if let Some(plan) = Arc::make_mut(&mut self.plan).steps.get_mut(step) {
            plan.replace_command(part.is_undo(), text, (*class, because.clone()));
        }
        self.approvals.remove(step);
        self.course.edits.entry(step.clone()).or_default().push(Edit {
            at,
            by: by.clone(),
            part: *part,
            old,
            new: text.clone(),
            was,
            class: *class,
            reason: reason.clone(),
        });
    }
}
