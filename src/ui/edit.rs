//! Another command for a step, for this run only: the difference, the class, the reason.

use ratatui::text::{Line, Span};

use crate::base::{SafeText, StepId};
use crate::engine::{Command, Part};
use crate::plan::{DiffLine, diff};
use crate::runbook::Class;

use super::action::Action;
use super::canvas::wrap_command;
use super::model::Model;
use super::prompt::Purpose;
use super::screen::{Dialog, Intent, Screen};
use super::sheet::Sheet;
use super::step::Rows;
use super::text::edit as words;
use super::text::{self, Say, label};
use super::theme::{Role, Theme};

/// Its keys, for the key bar.
pub(super) const BAR: [(Action, Say); 5] = [
    (Action::Yes, words::BAR_RECORD),
    (Action::Edit, words::BAR_AGAIN),
    (Action::Words, words::BAR_REASON),
    (Action::Back, Say::NONE),
    (Action::Full, Say::NONE),
];

/// The dialog.
#[derive(Clone, Debug)]
pub(super) struct EditDialog {
    pub(super) step: StepId,
    pub(super) part: Part,
    /// The new command.
    pub(super) text: String,
    pub(super) reason: String,
    pub(super) scroll: usize,
    /// How far down somebody has read.
    pub(super) read: usize,
}

impl EditDialog {
    /// The class with the new command, and why.
    fn class(&self, m: &Model<'_>) -> (Class, SafeText) {
        let unknown = || (Class::Critical, SafeText::default());
        m.plan().step(&self.step).map_or_else(unknown, |step| {
            if self.part.is_undo() {
                (step.class, step.class_because.clone())
            } else {
                m.plan().class_with(step, &self.text)
            }
        })
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let (class, because) = self.class(m);
        rows.row(m.to(words::MEANS), Role::Dim);
        let old = m.state.editable(&self.step, self.part);
        let Some(step) = m.plan().step(&self.step) else { return Sheet::default() };
        let before = step.command(self.part.is_undo()).map(|text| m.state.filled(text));
        rows.difference(&before.unwrap_or_default(), &self.text);
        rows.blank();
        let must = rows.lines.len();
        let (was, is) = (text::class(step.class), text::class(class));
        if class == step.class {
            rows.say(label::CLASS, is);
        } else {
            let said = words::other_class(m.lang, was, is, because.as_str());
            rows.say_as(label::CLASS, &said, Role::Caution);
        }
        if step.four_eyes && !self.part.is_undo() {
            rows.say_as(label::SECOND, m.to(words::SECOND), Role::Caution);
        }
        if self.text.contains("{{") {
            rows.say_as(label::BRACES, m.to(words::BRACES), Role::Caution);
        }
        rows.say_as(label::REASON, &self.reason, Role::Title);
        rows.hosts(step, self.part);
        if !self.part.is_undo() {
            rows.undo(step);
            rows.say_as(Say::NONE, m.to(words::UNDO), Role::Text);
        }
        let first = if let Err(why) = old {
            let why = text::refusal::words(m.lang, &why);
            Line::styled(text::confirm::not_possible(m.lang, &why), theme.style(Role::Caution))
        } else {
            let y = m.to(if self.reason.is_empty() { words::Y_ASKS } else { words::Y });
            Line::from(vec![
                Span::styled("y", theme.style(Role::Key)),
                Span::styled(format!("  {y}"), theme.style(Role::Text)),
                Span::styled("      Esc", theme.style(Role::Key)),
                Span::styled(m.to(words::ESC), theme.style(Role::Text)),
            ])
        };
        let keys = m.to(words::KEYS);
        Sheet {
            title: words::title(m.lang, self.part.is_undo(), self.step.as_str()),
            remark: text::class_is(m.lang, is),
            body: rows.lines,
            foot: vec![first, Line::styled(keys, theme.style(Role::Dim))],
            low: false,
            must,
        }
    }
}

impl Rows<'_, '_> {
    /// What changes from `old` to `new`.
    fn difference(&mut self, old: &str, new: &str) {
        let width = self.width.saturating_sub(4);
        for line in diff(old.trim_end(), new.trim_end()) {
            let role = match line {
                DiffLine::Same(_) => Role::Dim,
                DiffLine::Old(_) => Role::Text,
                DiffLine::New(_) => Role::Title,
            };
            let folded = wrap_command(line.text(), width);
            let folded = if folded.is_empty() { vec![String::new()] } else { folded };
            for row in folded {
                let row = format!("  {} {row}", line.sign());
                self.lines.push(Line::styled(row, self.theme.style(role)));
            }
        }
    }

    /// That the command is not the runbook's, where it is not.
    pub(super) fn edited(&mut self, step: &StepId, part: Part) {
        if let Some(edit) = self.m.state.edit_in_force(step, part) {
            let (at, by) = (self.m.time(edit.at), edit.by.name());
            let said = words::edited(self.lang(), (by, &at), edit.reason.as_str());
            self.say_as(label::EDITED, &said, Role::Caution);
        }
    }
}

impl Screen {
    /// `e`: opens the command of the step that the dialog is about, to be changed.
    pub(super) fn edit(&mut self, m: &Model<'_>) {
        let (step, part) = match self.dialogs.last() {
            Some(Dialog::Failure(dialog)) => (dialog.step.clone(), dialog.part),
            Some(Dialog::Edit(dialog)) => (dialog.step.clone(), dialog.part),
            Some(Dialog::Confirm(dialog)) => match dialog.edits() {
                Some((step, part)) => (step.clone(), part),
                None => return self.say(text::NOT_HERE),
            },
            _other => return,
        };
        match m.state.editable(&step, part) {
            Ok(command) => {
                let draft = match self.dialogs.last() {
                    Some(Dialog::Edit(dialog)) => dialog.text.clone(),
                    _other => command,
                };
                self.ask_text_from(Purpose::Command { step, part }, &draft, m);
            }
            Err(why) => self.say(text::refused(&why)),
        }
    }

    /// A new command, or the reason for it, is written: the dialog shows it.
    pub(super) fn edit_written(
        &mut self,
        purpose: &Purpose,
        written: String,
        m: &Model<'_>,
    ) -> Vec<Intent> {
        self.drafts.retain(|(of, _)| of != purpose);
        if let Purpose::Command { step, part } = purpose {
            self.show_edit(step.clone(), *part, written, m);
        } else {
            self.reason_of_edit(written, m);
        }
        Vec::new()
    }

    /// A new command is written: it is shown beside the old one.
    fn show_edit(&mut self, step: StepId, part: Part, text: String, m: &Model<'_>) {
        if let Some(Dialog::Edit(dialog)) = self.dialogs.last_mut() {
            dialog.text = text;
            (dialog.scroll, dialog.read) = (0, 0);
            self.reins.dialog_opens(m.now, m.rtt);
            return;
        }
        let reason = String::new();
        let dialog = EditDialog { step, part, text, reason, scroll: 0, read: 0 };
        self.open(Dialog::Edit(Box::new(dialog)), m);
    }

    /// `w`: the reason, as it stands.
    pub(super) fn edit_words(&mut self, m: &Model<'_>) {
        if let Some(Dialog::Edit(dialog)) = self.dialogs.last() {
            let (step, part) = (dialog.step.clone(), dialog.part);
            let reason = dialog.reason.clone();
            self.ask_text_from(Purpose::EditReason { step, part }, &reason, m);
        }
    }

    /// A reason is written: it stands in the dialog, which goes on.
    fn reason_of_edit(&mut self, reason: String, m: &Model<'_>) {
        if let Some(Dialog::Edit(dialog)) = self.dialogs.last_mut() {
            dialog.reason = reason;
            self.reins.dialog_opens(m.now, m.rtt);
        }
    }

    /// `y`: records the edit, once there is a reason and all of it has been on screen.
    pub(super) fn do_edit(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let unread = self.unread(m);
        let Some(Dialog::Edit(dialog)) = self.dialogs.last() else { return Vec::new() };
        let (step, part) = (dialog.step.clone(), dialog.part);
        if let Err(why) = m.state.editable(&step, part) {
            self.say(text::refused(&why));
            return Vec::new();
        }
        if unread > dialog.read {
            self.say(text::READ_FIRST);
            return Vec::new();
        }
        if dialog.reason.is_empty() {
            self.ask_text(Purpose::EditReason { step, part }, m);
            return Vec::new();
        }
        let (text, reason) = (dialog.text.clone(), SafeText::new(&dialog.reason));
        self.keep_draft((Purpose::Command { step: step.clone(), part }, text.clone()));
        self.dialogs.pop();
        // Its class may be another from here on: it is opened anew.
        if matches!(self.dialogs.last(), Some(Dialog::Confirm(_))) {
            self.dialogs.pop();
        }
        if let Some(Dialog::Failure(dialog)) = self.dialogs.last_mut() {
            dialog.choice = None;
            dialog.scroll = 0;
        }
        self.reins.dialog_opens(m.now, m.rtt);
        vec![Intent::Submit(Command::Edit { step, part, text, reason })]
    }
}
