//! What keys do in lists and at gates: emergency procedures, the second person, checkpoints, the
//! words of roles.

use crate::base::StepId;
use crate::engine::{Choice, Command, Part, Status};

use super::model::Model;
use super::pick::{Playbooks, Second};
use super::prompt::Purpose;
use super::screen::{Dialog, Intent, Screen};
use super::text;

impl Screen {
    /// Somebody else of the role under the cursor speaks.
    pub(super) fn next_speaker(&mut self) {
        if let Some(Dialog::Gate(dialog)) = self.dialogs.last_mut() {
            dialog.next_speaker();
        }
    }

    pub(super) fn open_playbooks(&mut self, m: &Model<'_>) {
        if m.plan().playbooks.is_empty() {
            self.say(text::NO_PLAYBOOK);
            return;
        }
        if self.dialogs.iter().any(|dialog| matches!(dialog, Dialog::Playbooks(_))) {
            return;
        }
        self.open(Dialog::Playbooks(Playbooks::new(m)), m);
    }

    /// Enter in a list: opens what is under the cursor, and runs nothing.
    pub(super) fn pick(&mut self, m: &Model<'_>) {
        match self.dialogs.last_mut() {
            Some(Dialog::Playbooks(dialog)) => {
                if let Some(step) = dialog.step(m) {
                    let status = m.state.track(&step).status;
                    let looks =
                        status.is_over() || (status.is_in_flight() && status != Status::Waiting);
                    if !looks {
                        self.open_step(&step, Part::Action, m);
                    }
                    return;
                }
                let Some(playbook) = dialog.chosen(m).map(|playbook| playbook.id.clone()) else {
                    return;
                };
                if m.state.playbooks().contains_key(&playbook) {
                    dialog.look_into(&playbook, m);
                } else {
                    self.ask_text(Purpose::Playbook { playbook }, m);
                }
            }
            Some(Dialog::Second(dialog)) => {
                let step = dialog.step.clone();
                if let Some(voice) = dialog.chosen(m) {
                    self.ask_text(Purpose::Approve { step, voice }, m);
                }
            }
            Some(Dialog::Guard(_)) => self.take_checkpoint(m),
            Some(
                Dialog::Confirm(_)
                | Dialog::Failure(_)
                | Dialog::Gate(_)
                | Dialog::Manual(_)
                | Dialog::Text(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            )
            | None => {}
        }
    }

    pub(super) fn shut_playbook(&mut self) -> Vec<Intent> {
        let Some(Dialog::Playbooks(dialog)) = self.dialogs.last_mut() else { return Vec::new() };
        let Some(playbook) = dialog.inside.take() else { return Vec::new() };
        dialog.at = 0;
        vec![Intent::Submit(Command::ClosePlaybook { playbook })]
    }

    /// Asks who the second person is.
    pub(super) fn second(&mut self, m: &Model<'_>) {
        let step = match self.dialogs.last() {
            Some(Dialog::Confirm(dialog)) => dialog.step().cloned(),
            Some(Dialog::Failure(dialog)) if !dialog.part.is_undo() => Some(dialog.step.clone()),
            Some(Dialog::Manual(dialog)) if !dialog.part.is_undo() => Some(dialog.step.clone()),
            _other => None,
        };
        let asks = |step: &StepId| m.plan().step(step).is_some_and(|step| step.four_eyes);
        match step.filter(asks) {
            Some(step) => self.open(Dialog::Second(Second { step, at: 0 }), m),
            None => self.say(text::NOBODY_HAS_TO),
        }
    }

    /// Asks how long the first criterion that stands in the way is waived, and why.
    pub(super) fn waive(&mut self, m: &Model<'_>) {
        let Some(Dialog::Gate(dialog)) = self.dialogs.last() else { return };
        let step = dialog.step.clone();
        match dialog.to_waive(m) {
            Some(criterion) => self.ask_text(Purpose::Waive { step, criterion }, m),
            None => self.say(text::NOTHING_TO_WAIVE),
        }
    }

    /// The GO of the role under the cursor, in its words.
    pub(super) fn vote_words(&mut self, m: &Model<'_>) {
        let Some(Dialog::Gate(dialog)) = self.dialogs.last() else { return };
        let step = dialog.step.clone();
        match dialog.role(m) {
            Some(voice) => self.ask_text(Purpose::Vote { step, voice, choice: Choice::Go }, m),
            None => self.say(text::RECORD_ANSWER),
        }
    }

    /// In the guard: the checkpoints that a rollback can stop at.
    pub(super) fn pick_checkpoint(&mut self, m: &Model<'_>) {
        if m.state.checkpoints().is_empty() {
            self.say(text::NO_CHECKPOINT);
            return;
        }
        if let Some(guard) = self.guard_mut() {
            guard.pick(m);
        }
    }

    /// The checkpoint under the cursor is where the rollback goes; new digits appear.
    fn take_checkpoint(&mut self, m: &Model<'_>) {
        let digits = (self.codes)();
        if let Some(guard) = self.guard_mut() {
            guard.take_pick(digits, m);
        }
        self.reins.dialog_opens(m.now, m.rtt);
    }
}
