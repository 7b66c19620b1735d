//! What each action of the key map does.

use crate::base::{Millis, SafeText, StepId};
use crate::engine::{Choice, Command, Part, RunStage, Status};
use crate::runbook::Class;

use super::confirm::{Ask, Code, Confirm};
use super::failure::Failure;
use super::gate::{GateDialog, gate_of};
use super::guard::{Guard, Stage};
use super::keymap::Action;
use super::model::Model;
use super::person::{Checklist, ManualDialog, manual_of};
use super::pick::Playbooks;
use super::press::Press;
use super::prompt::Purpose;
use super::screen::{Dialog, Intent, Leave, Pane, Screen, View};
use super::steps::RowId;
use super::text::{self, Lang};

impl Screen {
    /// Does what a key stands for.
    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    pub(super) fn act(&mut self, action: Action, press: Press, m: &Model<'_>) -> Vec<Intent> {
        if !action.may_repeat() {
            self.said = None; // What was said before is answered by this key.
        }
        match action {
            Action::Hold => return self.hold(m),
            Action::Guard => return self.open_guard(m),
            Action::Back => return self.back(m),
            Action::Help => self.open(Dialog::Help { scroll: 0 }, m),
            Action::View => self.view(press),
            Action::NextPane => self.next_pane(true),
            Action::PrevPane => self.next_pane(false),
            Action::Zoom => self.zoom = !self.zoom,
            Action::Up => self.step_by(-1, m),
            Action::Down => self.step_by(1, m),
            Action::PageUp => self.step_by(-10, m),
            Action::PageDown => self.step_by(10, m),
            Action::Top => self.jump(false, m),
            Action::Bottom => self.jump(true, m),
            Action::PrevStep => self.list.other_step(m, false),
            Action::NextStep => self.list.other_step(m, true),
            Action::Find => self.find(),
            Action::FindNext => self.hit(true, m),
            Action::FindPrev => self.hit(false, m),
            Action::OnlyHits => self.log.toggle_only(),
            Action::NextError => self.error(true, m),
            Action::PrevError => self.error(false, m),
            Action::Follow => {
                self.log.follow();
                self.list.follow();
            }
            Action::Wrap => self.log.toggle_wrap(),
            Action::TimeForm => self.log.next_time_form(),
            Action::HostFilter => {
                let about = self.heard(m);
                self.log.next_place(m.log, about.as_ref());
            }
            Action::AllSteps => self.log.toggle_steps(),
            Action::ClearFilter => self.log.clear(),
            Action::CopyLine => return self.copy(false, m),
            Action::CopyHits => return self.copy(true, m),
            Action::Acknowledge => return vec![Intent::Submit(Command::AcknowledgeAlarms)],
            Action::Recall => self.open(Dialog::Alarms { scroll: 0 }, m),
            // In the log, `N` after a search is the hit before, as in every pager.
            Action::Note if self.log.searches() && self.spot() == super::keymap::Spot::Log => {
                self.hit(false, m);
            }
            Action::Note => {
                let step = self.about(m).map(|(step, _)| step);
                self.ask_text(Purpose::Note { step }, m);
            }
            Action::Mute => {
                self.bell.mute(m.now, Millis::from_secs(600));
                self.say(text::MUTED);
            }
            Action::Redraw => return vec![Intent::Redraw],
            Action::Language => return self.speak(m.lang.next()),
            Action::CommandLine => self.open_line(),
            Action::Shell => self.shell(m),
            // They have their meaning in the line, where there is one.
            Action::CarryOut | Action::Complete | Action::Older | Action::Newer => {}
            Action::Open if self.spot() == super::keymap::Spot::Pick => self.pick(m),
            Action::Open => self.open_row(m),
            Action::Speaker => self.next_speaker(),
            Action::Waive => self.waive(m),
            Action::Second => self.second(m),
            Action::Edit => self.edit(m),
            Action::Playbooks => self.open_playbooks(m),
            Action::ShutPlaybook => return self.shut_playbook(),
            Action::Checkpoints => self.pick_checkpoint(m),
            Action::Yes => return self.yes(m),
            Action::Full => self.full(m),
            Action::Words if self.spot() == super::keymap::Spot::Gate => self.vote_words(m),
            Action::Words if matches!(self.dialogs.last(), Some(Dialog::Shell(_))) => {
                self.shell_words(m);
            }
            Action::Words if self.spot() == super::keymap::Spot::Edit => self.edit_words(m),
            Action::Words => self.words(m),
            Action::Tick => self.tick_item(None),
            Action::Go => return self.choose_gate(Choice::Go, m),
            Action::NoGo => return self.choose_gate(Choice::NoGo, m),
            Action::StopStep => self.stop_step(m),
            Action::LetGo => self.let_go(m),
            Action::AutoAdvance => {
                let on = !m.state.auto_advance();
                return vec![Intent::Submit(Command::AutoAdvance { on })];
            }
            Action::HoldAndLook
            | Action::RetryFailed
            | Action::RetryAll
            | Action::Accept
            | Action::Recheck => self.choose(action, m),
            Action::Skip | Action::ByHand => self.skip_or_by_hand(action, m),
            Action::TryRecord | Action::Unrecorded => return self.unrecorded(action, m),
            Action::Abandon => self.ask_text(Purpose::Abandon, m),
            Action::Peek => {
                if let Some(guard) = self.guard_mut() {
                    guard.peek = true;
                }
            }
            Action::Save => return self.save(m),
            Action::Close if m.is_over() => {
                return vec![Intent::Submit(Command::Close), Intent::Leave(Leave::Closed)];
            }
            Action::Close => self.say(text::NOT_OVER),
            Action::HoldAndLeave if m.is_over() => return vec![Intent::Leave(Leave::Open)],
            Action::HoldAndLeave => return Self::leave_held(text::recorded::BY_OPERATOR, m),
            Action::Leave => self.open(Dialog::Leave, m),
            Action::Finer | Action::Coarser => {
                let by = if action == Action::Finer { 1 } else { -1 };
                self.timeline.choice = self.timeline.choice.zoomed(by);
            }
            Action::Earlier | Action::Later => {
                let by = if action == Action::Later { 1 } else { -1 };
                self.timeline.choice = self.timeline.choice.shifted(by);
            }
            Action::OnlyLate => self.timeline.late = !self.timeline.late,
        }
        Vec::new()
    }

    /// Another language from now on. It changes words and nothing else.
    pub(super) fn speak(&mut self, lang: Lang) -> Vec<Intent> {
        self.say(text::told::language(lang));
        vec![Intent::Speak(lang)]
    }

    /// Where nothing is recorded: tries again, or asks for the override.
    fn unrecorded(&mut self, action: Action, m: &Model<'_>) -> Vec<Intent> {
        if action == Action::TryRecord && m.recording.is_some() {
            return vec![Intent::Submit(Command::TryRecord)];
        }
        if m.needs_override() {
            self.ask_text(Purpose::Unrecorded, m);
        } else {
            self.say(text::ALL_RECORDED);
        }
        Vec::new()
    }

    pub(super) fn view(&mut self, press: Press) {
        self.view = match press.digit() {
            Some(2) => View::Step,
            Some(3) => View::Log,
            Some(4) => View::Health,
            Some(5) => View::Timeline,
            Some(6) => View::Audit,
            Some(7) => View::Notes,
            Some(_) | None => View::Drive,
        };
        self.focus = match self.view {
            View::Step => Pane::Step,
            View::Log => Pane::Log,
            View::Drive | View::Health | View::Timeline | View::Audit | View::Notes => Pane::List,
        };
        self.zoom = false;
        self.page_scroll = 0;
        self.step_scroll = 0;
    }

    pub(super) fn next_pane(&mut self, forward: bool) {
        self.focus = match (self.focus, forward) {
            (Pane::List, true) | (Pane::Log, false) => Pane::Step,
            (Pane::Step, true) | (Pane::List, false) => Pane::Log,
            (Pane::Log, true) | (Pane::Step, false) => Pane::List,
        };
        if self.view == View::Step || self.view == View::Log {
            self.view = View::Drive;
        }
    }

    /// Esc: one step back, and never more than that.
    pub(super) fn back(&mut self, m: &Model<'_>) -> Vec<Intent> {
        match self.dialogs.last() {
            Some(Dialog::Text(prompt)) => {
                let draft = (prompt.purpose.clone(), prompt.text());
                self.dialogs.pop();
                if let Some(guard) = self.guard_mut()
                    && guard.stage == Stage::Reason
                {
                    guard.stage = Stage::Open;
                    let digits = (self.codes)();
                    if let Some(guard) = self.guard_mut() {
                        guard.code.renew(digits);
                    }
                }
                if !draft.1.is_empty() {
                    self.say(text::DRAFT_KEPT);
                }
                self.keep_draft(draft);
                Vec::new()
            }
            Some(Dialog::Guard(guard)) if guard.picking.is_some() => {
                if let Some(guard) = self.guard_mut() {
                    guard.picking = None;
                }
                Vec::new()
            }
            Some(Dialog::Playbooks(dialog)) if dialog.inside.is_some() => {
                if let Some(Dialog::Playbooks(dialog)) = self.dialogs.last_mut() {
                    *dialog = Playbooks::new(m);
                }
                Vec::new()
            }
            Some(Dialog::Guard(_)) => {
                self.dialogs.pop();
                let why = SafeText::new(text::recorded::CLOSED_BY_OPERATOR);
                vec![Intent::Submit(Command::CloseGuard { why })]
            }
            Some(Dialog::Failure(_)) => {
                self.dialogs.pop();
                Self::hold_if_free(m)
            }
            Some(
                Dialog::Confirm(_)
                | Dialog::Gate(_)
                | Dialog::Manual(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            ) => {
                self.dialogs.pop();
                Vec::new()
            }
            None if self.view == View::Drive && self.focus == Pane::List && !self.zoom => {
                self.list.follow();
                Vec::new()
            }
            None => {
                self.view(Press::Char('1'));
                Vec::new()
            }
        }
    }

    /// A hold, where nothing holds yet.
    pub(super) fn hold_if_free(m: &Model<'_>) -> Vec<Intent> {
        let runs = matches!(m.state.stage(), RunStage::Active);
        if m.state.hold().is_some() || !runs {
            return Vec::new();
        }
        let why = SafeText::new(text::recorded::HOLD_AND_LOOK);
        vec![Intent::Submit(Command::Hold { why })]
    }

    pub(super) fn open_guard(&mut self, m: &Model<'_>) -> Vec<Intent> {
        if m.is_back() {
            self.say(text::ALREADY_BACK);
            return Vec::new();
        }
        if let Some(step) = m.state.committed() {
            let told = text::committed(step.as_str());
            self.say(told);
            return Vec::new();
        }
        if self.guard_mut().is_some() {
            return Vec::new();
        }
        if let Some(Dialog::Text(prompt)) = self.dialogs.last() {
            let draft = (prompt.purpose.clone(), prompt.text());
            self.dialogs.pop();
            self.keep_draft(draft);
        }
        let digits = (self.codes)();
        let guard = Guard::new(digits, m);
        self.open(Dialog::Guard(Box::new(guard)), m);
        if m.state.guard().is_some() {
            return Vec::new();
        }
        vec![Intent::Submit(Command::OpenGuard)]
    }

    /// Enter: opens what is under the cursor, and nothing else.
    pub(super) fn open_row(&mut self, m: &Model<'_>) {
        if self.view != View::Drive || self.focus != Pane::List {
            if self.focus == Pane::Log {
                self.zoom = !self.zoom;
            }
            if self.view != View::Step && self.view != View::Timeline {
                return;
            }
        }
        if self.view == View::Timeline {
            match self.list.current(m) {
                Some(RowId::Phase(phase)) => self.list.toggle(m, &phase),
                Some(RowId::Step(_, _)) => self.view(Press::Char('2')),
                None => {}
            }
            return;
        }
        if m.state.stage() == RunStage::Preparing {
            self.confirm(Ask::Begin, m);
            return;
        }
        match self.list.current(m) {
            Some(RowId::Phase(phase)) => self.list.toggle(m, &phase),
            Some(RowId::Step(step, part)) => self.open_step(&step, part, m),
            None => {}
        }
    }

    pub(super) fn open_step(&mut self, step: &StepId, part: Part, m: &Model<'_>) {
        let status = m.state.track_of(step, part).status;
        match status {
            Status::Failed | Status::TimedOut | Status::Unknown | Status::Cancelled => {
                self.open_failure(step.clone(), part, m);
            }
            Status::Waiting => self.open_in_hand(step, part, m),
            Status::Pending if m.plan().playbook_of(step).is_some() => {
                self.confirm(Ask::Start(step.clone()), m);
            }
            Status::Pending if part == Part::Action && m.plan().is_forward(step) => {
                let ready = m.plan().step(step).is_some_and(|step| m.blocked(step).is_none());
                if gate_of(m, step).is_some() && ready {
                    self.open_in_hand(step, part, m);
                } else {
                    self.confirm(Ask::Start(step.clone()), m);
                }
            }
            Status::Pending
            | Status::Running
            | Status::Soaking { .. }
            | Status::Verifying
            | Status::Succeeded
            | Status::Skipped
            | Status::DoneByHand
            | Status::FailureAccepted => {
                self.view(Press::Char('2'));
            }
        }
    }

    /// Opens a gate or work by hand.
    pub(super) fn open_in_hand(&mut self, step: &StepId, part: Part, m: &Model<'_>) {
        let step = step.clone();
        if let Some(gate) = gate_of(m, &step) {
            let dialog = GateDialog::new(step, gate, m);
            self.open(Dialog::Gate(dialog), m);
        } else if let Some(manual) = manual_of(m, &step, part) {
            let list = Checklist::new(&manual.checklist);
            let dialog = ManualDialog { step, part, list, scroll: 0 };
            self.open(Dialog::Manual(dialog), m);
        } else {
            self.view(Press::Char('2'));
        }
    }

    pub(super) fn open_failure(&mut self, step: StepId, part: Part, m: &Model<'_>) {
        let dialog = Failure { step, part, opened: m.now, choice: None, scroll: 0 };
        self.open(Dialog::Failure(dialog), m);
    }

    /// Opens a confirmation, with digits for class critical.
    pub(super) fn confirm(&mut self, ask: Ask, m: &Model<'_>) {
        let critical = Confirm::class(&ask, m) == Class::Critical;
        let code = critical.then(|| Code::new((self.codes)()));
        let dialog = Confirm { ask, opened: m.now, code, scroll: 0, read: 0 };
        self.open(Dialog::Confirm(dialog), m);
    }

    pub(super) fn stop_step(&mut self, m: &Model<'_>) {
        let about = match self.dialogs.last() {
            Some(Dialog::Manual(dialog)) => Some((dialog.step.clone(), dialog.part)),
            Some(
                Dialog::Confirm(_)
                | Dialog::Failure(_)
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
            | None => self.about(m),
        };
        let runs = |step: &StepId| {
            let parts = [Part::Action, Part::Undo];
            parts.iter().any(|part| m.state.track_of(step, *part).status.is_in_flight())
        };
        match about {
            Some((step, _)) if runs(&step) && m.needs_override() => {
                self.ask_text(Purpose::Unrecorded, m);
                self.say(text::OVERRIDE_FIRST);
            }
            Some((step, _)) if runs(&step) => self.confirm(Ask::Stop(step), m),
            Some(_) | None => self.say(text::NOTHING_RUNS),
        }
    }

    /// Looks no further for a step that runs unseen, once somebody has said why.
    fn let_go(&mut self, m: &Model<'_>) {
        let unseen = |step: &StepId| {
            let tracks = [Part::Action, Part::Undo].map(|part| m.state.track_of(step, part));
            let mut attempts = tracks.into_iter().flat_map(|track| &track.attempts);
            attempts.any(|attempt| attempt.out_of_sight().next().is_some())
        };
        match self.about(m).filter(|(step, _)| unseen(step)) {
            Some((step, _)) => self.ask_text(Purpose::LetGo { step }, m),
            None => self.say(text::NOTHING_UNSEEN),
        }
    }

    pub(super) fn step_by(&mut self, by: isize, m: &Model<'_>) {
        match self.dialogs.last_mut() {
            Some(Dialog::Gate(dialog)) => dialog.step_by(by, m),
            Some(Dialog::Manual(dialog)) => dialog.list.step_by(by),
            Some(Dialog::Playbooks(dialog)) => return dialog.step_by(by, m),
            Some(Dialog::Second(dialog)) => return dialog.step_by(by, m),
            Some(Dialog::Shell(dialog)) if dialog.hosts.len() > 1 => return dialog.step_by(by),
            Some(Dialog::Guard(guard)) if guard.picking.is_some() => {
                return guard.move_pick(by, m);
            }
            Some(
                Dialog::Confirm(_)
                | Dialog::Failure(_)
                | Dialog::Guard(_)
                | Dialog::Text(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            ) => return self.scroll_by(by, m),
            None => return self.move_in_view(by, m),
        }
        self.scroll_by(by, m);
    }

    pub(super) fn move_in_view(&mut self, by: isize, m: &Model<'_>) {
        if matches!(self.view, View::Audit | View::Notes) {
            // These pages show the newest below: up is back in time.
            self.page_scroll = self.page_scroll.saturating_add_signed(-by).min(100_000);
            return;
        }
        match self.focus {
            Pane::List => {
                self.list.step_by(m, by);
                self.step_scroll = 0;
            }
            Pane::Step => {
                let by = i16::try_from(by).unwrap_or(0);
                self.step_scroll = self.step_scroll.saturating_add_signed(by).min(200);
            }
            Pane::Log => {
                let scope = self.log.scope(self.heard(m).as_ref());
                self.log.step_by(m.log, &scope, by);
            }
        }
    }

    pub(super) fn jump(&mut self, last: bool, m: &Model<'_>) {
        match (self.focus, last) {
            (Pane::Log, true) => self.log.follow(),
            (Pane::Log, false) => {
                let scope = self.log.scope(self.heard(m).as_ref());
                self.log.top(m.log, &scope);
            }
            (Pane::Step, _) => self.step_scroll = 0,
            (Pane::List, true) => self.list.step_by(m, isize::MAX / 2),
            (Pane::List, false) => self.list.step_by(m, isize::MIN / 2),
        }
        self.page_scroll = 0;
    }

    pub(super) fn find(&mut self) {
        self.focus = Pane::Log;
        if self.view != View::Drive {
            self.view = View::Log;
        }
        self.log.typing = true;
        self.log.find.clear();
    }

    pub(super) fn hit(&mut self, forward: bool, m: &Model<'_>) {
        let scope = self.log.scope(self.heard(m).as_ref());
        if !self.log.hit(m.log, &scope, forward) {
            self.say(text::NO_HIT);
        }
    }

    pub(super) fn error(&mut self, forward: bool, m: &Model<'_>) {
        let scope = self.log.scope(self.heard(m).as_ref());
        self.focus = Pane::Log;
        if !self.log.error(m.log, &scope, forward) {
            self.say(text::NO_HIT);
        }
    }

    pub(super) fn copy(&mut self, all: bool, m: &Model<'_>) -> Vec<Intent> {
        let scope = self.log.scope(self.heard(m).as_ref());
        let copied = if all {
            Some(self.log.all_hits(m.log, &scope)).filter(|text| !text.is_empty())
        } else {
            self.log.line(m.log, &scope)
        };
        let Some(copied) = copied else {
            self.say(text::NO_HIT);
            return Vec::new();
        };
        self.say(text::COPIED);
        vec![Intent::Copy(copied)]
    }
}
