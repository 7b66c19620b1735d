//! The gestures that decide something: `y`, a letter and `y`, two digits.

use crate::base::{Millis, SafeText};
use crate::engine::{Choice, Command, Part, Which};
use crate::runbook::Class;

use super::confirm::{Ask, Typed};
use super::gate::GateDialog;
use super::guard::Stage;
use super::keymap::Action;
use super::layout::{Size, size};
use super::model::Model;
use super::person::manual_of;
use super::prompt::Purpose;
use super::screen::{Dialog, Intent, Screen};
use super::text::{self, Told};
use super::theme::{Depth, GlyphSet, Theme};

/// Any theme: for asking how many rows a dialog has.
const MEASURE: Theme = Theme { depth: Depth::Mono, glyphs: GlyphSet::Unicode };

impl Screen {
    /// `y`: does what the dialog shows.
    pub(super) fn yes(&mut self, m: &Model<'_>) -> Vec<Intent> {
        if size(self.area) == Size::Tiny {
            self.say(text::TOO_SMALL);
            return Vec::new();
        }
        match self.dialogs.last() {
            Some(Dialog::Confirm(dialog)) if dialog.code.is_some() => {
                self.say(text::TYPE_DIGITS);
                Vec::new()
            }
            Some(Dialog::Confirm(_)) => self.run_it(m),
            Some(Dialog::Failure(_)) => self.do_choice(m),
            Some(Dialog::Gate(_)) => self.decide(m),
            Some(Dialog::Edit(_)) => self.do_edit(m),
            Some(Dialog::Shell(_)) => self.do_shell(m),
            Some(Dialog::Manual(dialog)) => {
                if !dialog.list.is_done() {
                    self.say(text::TICK_FIRST);
                    return Vec::new();
                }
                let (step, part) = (dialog.step.clone(), dialog.part);
                let ticked = dialog.list.count();
                let evidence = manual_of(m, &step, part).is_some_and(|manual| manual.evidence);
                self.ask_text(Purpose::SignOff { step, part, ticked, evidence }, m);
                Vec::new()
            }
            Some(
                Dialog::Leave
                | Dialog::Guard(_)
                | Dialog::Text(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. },
            )
            | None => Vec::new(),
        }
    }

    /// Submits a confirmation, if it is possible now and all of it has been on screen.
    pub(super) fn run_it(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let unread = self.unread(m);
        let Some(Dialog::Confirm(dialog)) = self.dialogs.last() else { return Vec::new() };
        if dialog.blocked(m).is_some() {
            let why = |lang| dialog.blocked(&Model { lang, ..*m }).unwrap_or_default();
            let told = Told::of(|lang| text::not_possible_now(lang, &why(lang)));
            self.say(told);
            return Vec::new();
        }
        if unread > dialog.read {
            self.say(text::READ_FIRST);
            return Vec::new();
        }
        if dialog.shut(m).is_some() {
            self.ask_text(Purpose::Outside, m);
            return Vec::new();
        }
        let command = dialog.command(m);
        // A retry lies on the failure dialog; both are done with.
        self.dialogs.pop();
        if matches!(self.dialogs.last(), Some(Dialog::Failure(_))) {
            self.dialogs.pop();
        }
        self.list.follow();
        vec![Intent::Submit(command)]
    }

    pub(super) fn do_choice(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let Some(Dialog::Failure(dialog)) = self.dialogs.last() else { return Vec::new() };
        let (step, part) = (dialog.step.clone(), dialog.part);
        let asks_why = dialog.asks_why(m);
        let critical = m.plan().step(&step).is_some_and(|step| step.class == Class::Critical);
        let Some(choice) = dialog.choice else {
            self.say(text::CHOOSE_FIRST);
            return Vec::new();
        };
        let which = if choice == Action::RetryAll { Which::All } else { Which::Failed };
        if matches!(choice, Action::RetryFailed | Action::RetryAll) {
            if asks_why {
                self.ask_text(Purpose::RunAgain { step, part, which }, m);
                return Vec::new();
            }
            if critical && !part.is_undo() {
                self.confirm(Ask::Retry { step, part, which, reason: None }, m);
                return Vec::new();
            }
            if !part.is_undo() && m.shut_for(&step).is_some() {
                self.ask_text(Purpose::Outside, m);
                return Vec::new();
            }
            let command = dialog.retry(which, m);
            self.dialogs.pop();
            return vec![Intent::Submit(command)];
        }
        if choice == Action::HoldAndLook {
            self.dialogs.pop();
            return Self::hold_if_free(m);
        }
        if choice == Action::Recheck {
            self.dialogs.pop();
            return vec![Intent::Submit(Command::Recheck { step })];
        }
        let purpose = if choice == Action::Skip {
            Purpose::Skip { step }
        } else if choice == Action::ByHand {
            Purpose::by_hand(step, part, m)
        } else {
            Purpose::Accept { step, part }
        };
        self.ask_text(purpose, m);
        Vec::new()
    }

    pub(super) fn choose(&mut self, action: Action, m: &Model<'_>) {
        if let Some(Dialog::Failure(dialog)) = self.dialogs.last_mut()
            && dialog.offers(action, m)
        {
            dialog.choice = Some(action);
        } else {
            self.say(text::NOT_OFFERED);
        }
    }

    /// After a failure a letter to choose; at a step that has not run, a reason at once.
    pub(super) fn skip_or_by_hand(&mut self, action: Action, m: &Model<'_>) {
        let (step, part) = match self.dialogs.last() {
            Some(Dialog::Confirm(dialog)) if matches!(dialog.ask, Ask::Start(_)) => {
                let Some(step) = dialog.step().cloned() else { return };
                (step, Part::Action)
            }
            Some(Dialog::Manual(dialog)) => (dialog.step.clone(), dialog.part),
            Some(Dialog::Failure(_)) => return self.choose(action, m),
            Some(
                Dialog::Confirm(_)
                | Dialog::Gate(_)
                | Dialog::Guard(_)
                | Dialog::Text(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            )
            | None => return,
        };
        let purpose = if action == Action::Skip {
            if !m.plan().step(&step).is_some_and(|step| step.skippable) || part.is_undo() {
                self.say(text::NOT_SKIPPABLE);
                return;
            }
            Purpose::Skip { step }
        } else {
            Purpose::by_hand(step, part, m)
        };
        self.ask_text(purpose, m);
    }

    /// On a role that is asked: its answer. Elsewhere: what the driver is about to decide.
    pub(super) fn choose_gate(&mut self, choice: Choice, m: &Model<'_>) -> Vec<Intent> {
        let Some(Dialog::Gate(dialog)) = self.dialogs.last_mut() else { return Vec::new() };
        let Some(voice) = dialog.role(m) else {
            dialog.choice = Some(choice);
            return Vec::new();
        };
        let step = dialog.step.clone();
        if choice == Choice::NoGo {
            self.ask_text(Purpose::Vote { step, voice, choice }, m);
            return Vec::new();
        }
        dialog.next_role(m);
        vec![Intent::Submit(Command::Vote { step, voice, choice, words: SafeText::default() })]
    }

    pub(super) fn decide(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let Some(Dialog::Gate(dialog)) = self.dialogs.last() else { return Vec::new() };
        let Some(choice) = dialog.choice else {
            self.say(text::CHOOSE_FIRST);
            return Vec::new();
        };
        if choice == Choice::Go && !dialog.list.is_done() {
            self.say(text::TICK_FIRST);
            return Vec::new();
        }
        if choice == Choice::Go && !dialog.is_heard(m) {
            self.say(text::NOT_HEARD);
            return Vec::new();
        }
        if let Some(Dialog::Gate(dialog)) = self.dialogs.last_mut()
            && dialog.look(m)
        {
            // Nobody decides on what they have not seen.
            self.say(text::FACTS_CHANGED);
            return vec![Intent::Bell];
        }
        let Some(Dialog::Gate(dialog)) = self.dialogs.last() else { return Vec::new() };
        let (step, ticked) = (dialog.step.clone(), dialog.list.count());
        if choice == Choice::Go && m.shut_for(&step).is_some() {
            self.ask_text(Purpose::Outside, m);
            return Vec::new();
        }
        if dialog.needs_reason(m) {
            self.ask_text(Purpose::Gate { step, choice, ticked }, m);
            return Vec::new();
        }
        let command = GateDialog::command(&step, choice, ticked, None, m);
        self.dialogs.pop();
        vec![Intent::Submit(command)]
    }

    pub(super) fn tick_item(&mut self, at: Option<usize>) {
        let list = match self.dialogs.last_mut() {
            Some(Dialog::Gate(dialog)) => &mut dialog.list,
            Some(Dialog::Manual(dialog)) => &mut dialog.list,
            Some(
                Dialog::Confirm(_)
                | Dialog::Failure(_)
                | Dialog::Guard(_)
                | Dialog::Text(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            )
            | None => return,
        };
        match at {
            None => list.tick(),
            Some(at) => list.tick_at(at),
        }
    }

    /// A digit in a dialog: a code, or an item of a checklist.
    pub(super) fn digit(&mut self, digit: u8, m: &Model<'_>) -> Vec<Intent> {
        match self.dialogs.last() {
            Some(Dialog::Guard(_)) => self.guard_digit(digit, m),
            Some(Dialog::Confirm(dialog)) if dialog.code.is_some() => self.code_digit(digit, m),
            Some(Dialog::Gate(_) | Dialog::Manual(_)) => {
                if let Some(at) = usize::from(digit).checked_sub(1) {
                    self.tick_item(Some(at));
                }
                Vec::new()
            }
            Some(
                Dialog::Confirm(_)
                | Dialog::Failure(_)
                | Dialog::Text(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            )
            | None => Vec::new(),
        }
    }

    pub(super) fn code_digit(&mut self, digit: u8, m: &Model<'_>) -> Vec<Intent> {
        let fresh = (self.codes)();
        let Some(Dialog::Confirm(dialog)) = self.dialogs.last_mut() else { return Vec::new() };
        if dialog.blocked(m).is_some() {
            return Vec::new();
        }
        if size(self.area) == Size::Tiny {
            self.say(text::TOO_SMALL);
            return Vec::new();
        }
        let Some(code) = &mut dialog.code else { return Vec::new() };
        if m.now < code.paused_until {
            return Vec::new();
        }
        match code.take(digit) {
            Typed::More => Vec::new(),
            Typed::Right => {
                code.renew(fresh);
                self.run_it(m)
            }
            Typed::Wrong => {
                code.renew(fresh);
                code.paused_until = m.now.after(Millis::from_secs(1));
                if code.wrong >= 3 {
                    self.dialogs.pop();
                    self.say(text::THREE_WRONG_STEP);
                } else {
                    self.say(text::WRONG_CODE);
                }
                vec![Intent::Bell]
            }
        }
    }

    pub(super) fn guard_digit(&mut self, digit: u8, m: &Model<'_>) -> Vec<Intent> {
        let fresh = (self.codes)();
        let Some(guard) = self.guard_mut() else { return Vec::new() };
        if guard.stage != Stage::Open
            || guard.picking.is_some()
            || guard.locked(m)
            || m.now < guard.code.paused_until
        {
            return Vec::new();
        }
        match guard.code.take(digit) {
            Typed::More => Vec::new(),
            Typed::Right => {
                guard.code.renew(fresh);
                if guard.why().is_empty() {
                    guard.stage = Stage::Reason;
                    self.ask_text(Purpose::RollBack, m);
                } else {
                    guard.stage = Stage::Counting(m.now);
                }
                vec![Intent::Bell]
            }
            Typed::Wrong => {
                guard.code.renew(fresh);
                guard.code.paused_until = m.now.after(Millis::from_secs(1));
                if guard.code.wrong >= 3 {
                    self.say(text::THREE_WRONG);
                    let mut intents = self.close_guard_and_hold(text::recorded::THREE_WRONG, m);
                    intents.push(Intent::Bell);
                    return intents;
                }
                self.say(text::WRONG_CODE);
                vec![Intent::Bell]
            }
        }
    }

    /// `v`: the rest of what did not fit, page by page; in the guard, every command in full.
    pub(super) fn full(&mut self, m: &Model<'_>) {
        if let Some(Dialog::Guard(guard)) = self.dialogs.last_mut()
            && !guard.full
        {
            guard.full = true;
            guard.scroll = 0;
            return;
        }
        let hidden = self.hidden(m);
        let at = self.scroll_mut().map_or(0, |scroll| *scroll);
        let page = isize::try_from(self.dialog_area().height / 2).unwrap_or(1).max(1);
        let by = if at >= hidden { isize::MIN / 2 } else { page };
        self.scroll_by(by, m);
    }

    /// Rows of the top dialog that do not fit.
    pub(super) fn hidden(&self, m: &Model<'_>) -> usize {
        let Some(dialog) = self.dialogs.last() else { return 0 };
        let sheet = self.sheet(dialog, m, MEASURE);
        sheet.map_or(0, |(sheet, _)| sheet.hidden(self.dialog_area()))
    }

    /// How far down somebody has to read before the top dialog's gesture counts.
    pub(super) fn unread(&self, m: &Model<'_>) -> usize {
        let Some(dialog) = self.dialogs.last() else { return 0 };
        let sheet = self.sheet(dialog, m, MEASURE);
        sheet.map_or(0, |(sheet, _)| sheet.unread(self.dialog_area()))
    }

    pub(super) fn scroll_mut(&mut self) -> Option<&mut usize> {
        match self.dialogs.last_mut()? {
            Dialog::Confirm(dialog) => Some(&mut dialog.scroll),
            Dialog::Failure(dialog) => Some(&mut dialog.scroll),
            Dialog::Gate(dialog) => Some(&mut dialog.scroll),
            Dialog::Manual(dialog) => Some(&mut dialog.scroll),
            Dialog::Guard(dialog) => Some(&mut dialog.scroll),
            Dialog::Playbooks(dialog) => Some(&mut dialog.scroll),
            Dialog::Edit(dialog) => Some(&mut dialog.scroll),
            Dialog::Shell(dialog) => Some(&mut dialog.scroll),
            Dialog::Help { scroll } | Dialog::Alarms { scroll } => Some(scroll),
            Dialog::Text(_) | Dialog::Leave | Dialog::Second(_) => None,
        }
    }

    pub(super) fn scroll_by(&mut self, by: isize, m: &Model<'_>) {
        let hidden = self.hidden(m);
        if let Some(scroll) = self.scroll_mut() {
            *scroll = scroll.saturating_add_signed(by).min(hidden);
        }
        if let Some(Dialog::Confirm(dialog)) = self.dialogs.last_mut() {
            dialog.read = dialog.read.max(dialog.scroll);
        }
        if let Some(Dialog::Edit(dialog)) = self.dialogs.last_mut() {
            dialog.read = dialog.read.max(dialog.scroll);
        }
        if let Some(Dialog::Shell(dialog)) = self.dialogs.last_mut() {
            dialog.read = dialog.read.max(dialog.scroll);
        }
    }
}
