//! Text fields open, keep their drafts, and hand over what was written.

use crate::base::SafeText;
use crate::engine::Command;

use super::confirm::Ask;
use super::gate::{GateDialog, waiver};
use super::guard::Stage;
use super::model::Model;
use super::prompt::{Prompt, Purpose};
use super::screen::{Dialog, Intent, Screen};
use super::text;

impl Screen {
    pub(super) fn words(&mut self, m: &Model<'_>) {
        let locked = self.guard_mut().is_some_and(|guard| guard.locked(m));
        let purpose = match (m.needs_override(), locked) {
            (true, _) => Purpose::Unrecorded,
            (false, true) => Purpose::BreakGlass,
            (false, false) => Purpose::RollBack,
        };
        self.ask_text(purpose, m);
    }

    /// Opens a text field, with the draft that was left for the same purpose.
    pub(super) fn ask_text(&mut self, purpose: Purpose, m: &Model<'_>) {
        let draft = match (&purpose, self.guard_mut()) {
            (Purpose::RollBack, Some(guard)) => Some(guard.reason.clone()),
            (Purpose::BreakGlass, Some(guard)) => Some(guard.break_glass.clone()),
            (_, _) => None,
        };
        let kept = self.drafts.iter().find(|(of, _)| *of == purpose);
        let draft = draft.filter(|draft| !draft.is_empty());
        let draft = draft.or_else(|| kept.map(|(_, text)| text.clone())).unwrap_or_default();
        let prompt = Prompt::new(purpose, &draft);
        self.open(Dialog::Text(Box::new(prompt)), m);
    }

    /// The same, with `text` where no draft was left.
    pub(super) fn ask_text_from(&mut self, purpose: Purpose, text: &str, m: &Model<'_>) {
        let kept = self.drafts.iter().find(|(of, _)| *of == purpose);
        let draft = kept.map_or_else(|| text.to_owned(), |(_, text)| text.clone());
        self.open(Dialog::Text(Box::new(Prompt::new(purpose, &draft))), m);
    }

    pub(super) fn keep_draft(&mut self, (purpose, text): (Purpose, String)) {
        self.drafts.retain(|(of, _)| *of != purpose);
        if !text.is_empty() {
            self.drafts.push((purpose, text));
        }
    }

    /// A text is finished: it goes where it was asked for.
    pub(super) fn save(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let Some(Dialog::Text(prompt)) = self.dialogs.last() else { return Vec::new() };
        let (written, purpose) = (prompt.text(), prompt.purpose.clone());
        if written.is_empty() && !purpose.may_be_empty() {
            self.say(text::EMPTY);
            return Vec::new();
        }
        if purpose == Purpose::Unrecorded {
            return self.go_unrecorded(&written, m);
        }
        self.dialogs.pop();
        let reason = SafeText::new(&written);
        let kept = written.clone();
        let command = match purpose.clone() {
            Purpose::Note { step } => Command::Note { step, text: written },
            Purpose::RollBack => return self.rollback_reason(written, m),
            Purpose::BreakGlass => {
                let digits = (self.codes)();
                if let Some(guard) = self.guard_mut() {
                    guard.break_glass = written;
                    guard.code.renew(digits);
                    guard.last_key = m.now;
                }
                // New digits are on screen: what was typed before does not count.
                self.reins.dialog_opens(m.now, m.rtt);
                return Vec::new();
            }
            Purpose::RunAgain { step, part, which } => {
                self.keep_draft((purpose, written));
                self.confirm(Ask::Retry { step, part, which, reason: Some(reason) }, m);
                return Vec::new();
            }
            Purpose::Command { .. } | Purpose::EditReason { .. } => {
                return self.edit_written(&purpose, written, m);
            }
            Purpose::Shell => return self.shell_reason(written, m),
            Purpose::Skip { step } => Command::Skip { step, reason },
            Purpose::ByHand { step, part, .. } => Command::DoneByHand { step, part, reason },
            Purpose::Accept { step, part } => Command::AcceptFailure { step, part, reason },
            Purpose::Vote { step, voice, choice } => {
                self.drafts.retain(|(of, _)| *of != purpose);
                if let Some(Dialog::Gate(dialog)) = self.dialogs.last_mut() {
                    dialog.next_role(m);
                }
                let command = Command::Vote { step, voice, choice, words: reason };
                return vec![Intent::Submit(command)];
            }
            Purpose::Waive { step, criterion } => {
                let Some((lasts, reason)) = waiver(&written) else {
                    self.say(text::WAIVER_HOW);
                    self.ask_again(purpose, &written, m);
                    return Vec::new();
                };
                return vec![Intent::Submit(Command::Waive { step, criterion, reason, lasts })];
            }
            Purpose::Approve { step, voice } => {
                // The list of people is done with; the step's own dialog goes on.
                if matches!(self.dialogs.last(), Some(Dialog::Second(_))) {
                    self.dialogs.pop();
                }
                return vec![Intent::Submit(Command::Approve { step, voice, words: reason })];
            }
            Purpose::Playbook { playbook } => {
                if let Some(Dialog::Playbooks(dialog)) = self.dialogs.last_mut() {
                    dialog.look_into(&playbook, m);
                    dialog.at = 0;
                }
                return vec![Intent::Submit(Command::OpenPlaybook { playbook, reason })];
            }
            Purpose::SignOff { step, part, ticked, .. } => {
                Command::SignOff { step, part, ticked, words: reason }
            }
            Purpose::Gate { step, choice, ticked } => {
                GateDialog::command(&step, choice, ticked, Some(reason), m)
            }
            Purpose::LetGo { step } => {
                self.keep_draft((Purpose::LetGo { step: step.clone() }, kept));
                return vec![Intent::Submit(Command::LetGo { step, reason })];
            }
            Purpose::Outside => {
                // The dialog that asked stays: what it shows was not started yet.
                self.keep_draft((purpose, kept));
                return vec![Intent::Submit(Command::OverrideWindow { reason })];
            }
            Purpose::Abandon => Command::Abandon { reason },
            Purpose::Unrecorded => Command::OverrideRecord { reason },
        };
        if purpose.is_decision() {
            // The dialog that asked is done with; a refusal leaves the words as a draft.
            self.keep_draft((purpose, kept));
            self.dialogs.pop();
        } else {
            self.drafts.retain(|(of, _)| *of != purpose);
        }
        vec![Intent::Submit(command)]
    }

    /// The override counts with its word first, and a reason after it.
    fn go_unrecorded(&mut self, written: &str, m: &Model<'_>) -> Vec<Intent> {
        let (word, reason) = written.split_once(char::is_whitespace).unwrap_or((written, ""));
        let word = word.trim_end_matches([':', ',', '.']);
        let reason = reason.trim().to_owned();
        if !word.eq_ignore_ascii_case(text::OVERRIDE_WORD) || reason.is_empty() {
            self.say(text::OVERRIDE_FORM);
            return vec![Intent::Bell];
        }
        self.dialogs.pop();
        let digits = (self.codes)();
        if let Some(guard) = self.guard_mut() {
            // Its reason is the rollback's too, unless another is written.
            if guard.reason.is_empty() {
                guard.reason.clone_from(&reason);
            }
            guard.code.renew(digits);
            guard.last_key = m.now;
        }
        // New digits are on screen: what was typed before does not count.
        self.reins.dialog_opens(m.now, m.rtt);
        let reason = SafeText::new(&reason);
        vec![Intent::Submit(Command::OverrideRecord { reason })]
    }

    /// What was written will not do: the field opens once more, with it.
    fn ask_again(&mut self, purpose: Purpose, written: &str, m: &Model<'_>) {
        let said = self.said.take();
        self.open(Dialog::Text(Box::new(Prompt::new(purpose, written))), m);
        self.said = said;
    }

    pub(super) fn rollback_reason(&mut self, written: String, m: &Model<'_>) -> Vec<Intent> {
        let digits = (self.codes)();
        if let Some(guard) = self.guard_mut() {
            guard.reason = written;
            guard.last_key = m.now;
            match guard.stage {
                Stage::Reason => guard.stage = Stage::Counting(m.now),
                Stage::Open | Stage::Counting(_) | Stage::Sent => guard.code.renew(digits),
            }
        }
        Vec::new()
    }
}
