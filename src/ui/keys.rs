//! A key comes in: what it may do here and now. Time comes in: what is due.

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::base::{Millis, SafeText, Timestamp};
use crate::engine::{Command, RunStage, Status};

use super::guard::{PATIENCE, Stage};
use super::keymap::{Action, Spot, lookup};
use super::model::{Model, Run};
use super::press::Press;
use super::screen::{Dialog, Intent, Leave, Screen};
use super::text;

impl Screen {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent, m: &Model<'_>) -> Vec<Intent> {
        self.now = m.now;
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let repeats = key.kind == KeyEventKind::Repeat;
        let press = Press::of(key);
        if press == Press::Ctrl('c') {
            return if repeats { Vec::new() } else { self.interrupt(m) };
        }
        if let Some(intents) = self.guard_key(m) {
            return intents;
        }
        if press == Press::Ctrl('z') && !self.is_editing() {
            self.say(text::CTRL_Z);
            return Vec::new();
        }
        let spot = self.spot();
        if self.log.typing && self.dialogs.is_empty() {
            return self.find_key(press, m);
        }
        if spot == Spot::Line {
            return self.line_key(key, press, repeats, m);
        }
        if spot == Spot::Text {
            return self.text_key(key, press, repeats, m);
        }
        if self.reins.is_dead(m.now) {
            // What stops things is let through even now; a second press could end a hold.
            let holds = press == Press::F(8) && m.state.hold().is_none() && !repeats;
            return if holds { self.hold(m) } else { Vec::new() };
        }
        if self.reins.is_flood(m.now) && press.is_char() {
            self.forget_digits();
            self.say(text::FLOOD);
            return Vec::new();
        }
        if let Press::Char(c) = press
            && !c.is_ascii()
        {
            if self.reins.tell_of_input_method(m.now) {
                self.say(text::INPUT_METHOD);
            }
            return Vec::new();
        }
        if let Some(digit) = press.digit()
            && spot != Spot::List
            && spot != Spot::Log
        {
            return if repeats { Vec::new() } else { self.digit(digit, m) };
        }
        let Some(action) = lookup(spot, press) else {
            return self.unknown_key(press, spot);
        };
        if repeats && !action.may_repeat() {
            return Vec::new();
        }
        self.act(action, press, m)
    }

    /// In the count-down every key stops; at the open guard every key is a sign of life.
    fn guard_key(&mut self, m: &Model<'_>) -> Option<Vec<Intent>> {
        let text_above = matches!(self.dialogs.last(), Some(Dialog::Text(_)));
        let now = m.now;
        let guard = self.guard_mut()?;
        guard.last_key = now;
        if guard.peek && !text_above {
            guard.peek = false;
            return Some(Vec::new());
        }
        match guard.stage {
            Stage::Counting(_) => {
                self.stop_countdown();
                Some(vec![Intent::Bell])
            }
            Stage::Sent => Some(Vec::new()),
            Stage::Open | Stage::Reason => None,
        }
    }

    fn stop_countdown(&mut self) {
        let digits = (self.codes)();
        if let Some(guard) = self.guard_mut() {
            guard.stage = Stage::Open;
            guard.code.renew(digits);
        }
        self.say(text::STOPPED_COUNTDOWN);
    }

    pub(super) fn guard_mut(&mut self) -> Option<&mut super::guard::Guard> {
        self.dialogs.iter_mut().find_map(|dialog| match dialog {
            Dialog::Guard(guard) => Some(&mut **guard),
            Dialog::Confirm(_)
            | Dialog::Failure(_)
            | Dialog::Gate(_)
            | Dialog::Manual(_)
            | Dialog::Text(_)
            | Dialog::Playbooks(_)
            | Dialog::Second(_)
            | Dialog::Edit(_)
            | Dialog::Shell(_)
            | Dialog::Help { .. }
            | Dialog::Alarms { .. }
            | Dialog::Leave => None,
        })
    }

    fn unknown_key(&mut self, press: Press, spot: Spot) -> Vec<Intent> {
        self.forget_digits();
        if spot == Spot::Guard && press.is_char() {
            self.say(text::NOT_HERE);
            return vec![Intent::Bell];
        }
        if press.is_char() {
            self.say(text::NOT_HERE);
        }
        Vec::new()
    }

    /// Digits typed so far do not count any more.
    fn forget_digits(&mut self) {
        match self.dialogs.last_mut() {
            Some(Dialog::Guard(guard)) => guard.code.forget(),
            Some(Dialog::Confirm(confirm)) => {
                if let Some(code) = &mut confirm.code {
                    code.forget();
                }
            }
            Some(
                Dialog::Failure(_)
                | Dialog::Gate(_)
                | Dialog::Manual(_)
                | Dialog::Text(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            )
            | None => {}
        }
    }

    /// Ctrl-C explains; the third within two seconds leaves with a hold.
    fn interrupt(&mut self, m: &Model<'_>) -> Vec<Intent> {
        if self.is_counting() {
            self.stop_countdown();
        }
        if self.reins.third_interrupt(m.now) {
            return Self::leave_held(text::recorded::CTRL_C, m);
        }
        self.say(text::CTRL_C);
        Vec::new()
    }

    /// The intents of leaving with a hold.
    pub(super) fn leave_held(why: &str, m: &Model<'_>) -> Vec<Intent> {
        let mut intents = Vec::new();
        if m.state.hold().is_none()
            && matches!(m.state.stage(), RunStage::Active | RunStage::RollingBack)
        {
            let why = SafeText::new(&text::recorded::driver_leaves(why));
            intents.push(Intent::Submit(Command::Hold { why }));
        }
        intents.push(Intent::Submit(Command::Leave { why: SafeText::new(why) }));
        intents.push(Intent::Leave(Leave::Held));
        intents
    }

    /// A key in the search field.
    fn find_key(&mut self, press: Press, m: &Model<'_>) -> Vec<Intent> {
        let scope = self.log.scope(self.heard(m).as_ref());
        if press == Press::Enter {
            self.log.typing = false;
            if self.log.searches() && !self.log.hit(m.log, &scope, false) {
                self.say(text::NO_HIT);
            }
        } else if press == Press::Esc {
            self.log.typing = false;
        } else if press == Press::Backspace {
            self.log.find.pop();
        } else if press == Press::F(8) {
            return self.hold(m);
        } else if press == Press::F(9) {
            self.log.typing = false;
            return self.act(Action::Guard, press, m);
        } else if let Press::Char(c) = press
            && self.log.find.chars().count() < 100
            && !c.is_control()
        {
            self.log.find.push(c);
        }
        Vec::new()
    }

    /// A key in a text field.
    fn text_key(
        &mut self,
        key: KeyEvent,
        press: Press,
        repeats: bool,
        m: &Model<'_>,
    ) -> Vec<Intent> {
        if let Some(action) = lookup(Spot::Text, press) {
            if repeats {
                return Vec::new();
            }
            // A queued key may write, but not finish what nobody has seen yet.
            let decides =
                matches!(self.dialogs.last(), Some(Dialog::Text(p)) if p.purpose.is_decision());
            if action == Action::Save && decides && self.reins.is_dead(m.now) {
                return Vec::new();
            }
            return self.act(action, press, m);
        }
        if let Some(Dialog::Text(prompt)) = self.dialogs.last_mut() {
            prompt.input(key);
        }
        Vec::new()
    }

    /// Text was pasted: it goes into text fields and nowhere else.
    pub fn paste(&mut self, pasted: &str) {
        if self.is_counting() {
            self.stop_countdown();
            return;
        }
        if self.dialogs.is_empty() && self.paste_into_line(pasted) {
            return;
        }
        if self.log.typing && self.dialogs.is_empty() {
            let room = 100_usize.saturating_sub(self.log.find.chars().count());
            let clean = pasted.chars().filter(|c| !c.is_control()).take(room);
            self.log.find.extend(clean);
            return;
        }
        if let Some(Dialog::Text(prompt)) = self.dialogs.last_mut() {
            prompt.paste(pasted);
        } else {
            self.forget_digits();
            self.say(text::PASTE_DROPPED);
        }
    }

    /// Time has passed, or the state has changed: what is due by itself.
    pub fn tick(&mut self, m: &Model<'_>) -> Vec<Intent> {
        self.keep_said(m.now);
        self.now = m.now;
        let mut intents = self.guard_tick(m);
        self.close_what_is_over(m);
        self.show_failure(m);
        let waiting =
            matches!(m.run(), Run::Waiting | Run::Failed | Run::FailedHold | Run::RollbackHeld);
        let times = self.bell.due(m.state, waiting, m.now);
        intents.extend(std::iter::repeat_n(Intent::Bell, times));
        intents
    }

    /// The command line stands where things are said: its time does not count.
    fn keep_said(&mut self, now: Timestamp) {
        if self.line.is_some()
            && let Some((at, _)) = &mut self.said
        {
            *at = at.after(now.since(self.now));
        }
    }

    fn guard_tick(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let now = m.now;
        let is_open = m.state.guard().is_some();
        let rolls = matches!(m.state.stage(), RunStage::RollingBack | RunStage::RolledBack { .. });
        let Some(guard) = self.guard_mut() else { return Vec::new() };
        guard.confirmed |= is_open;
        if rolls || (guard.confirmed && !is_open && guard.stage != Stage::Sent) {
            self.dialogs.clear();
            self.list.follow();
            return Vec::new();
        }
        if guard.look(m) {
            if guard.stage != Stage::Sent {
                guard.stage = Stage::Open;
            }
            let digits = (self.codes)();
            if let Some(guard) = self.guard_mut() {
                guard.code.renew(digits);
            }
            self.say(text::PLAN_CHANGED);
            return vec![Intent::Bell];
        }
        if guard.seconds(now) == Some(0) {
            guard.stage = Stage::Sent;
            return vec![Intent::Submit(guard.command(m))];
        }
        if guard.stage != Stage::Sent && now.since(guard.last_key) >= PATIENCE {
            self.say(text::GUARD_TIMED_OUT);
            return self.close_guard_and_hold(text::recorded::NO_KEY, m);
        }
        Vec::new()
    }

    /// Closes the guard and leaves a hold behind.
    pub(super) fn close_guard_and_hold(&mut self, why: &str, m: &Model<'_>) -> Vec<Intent> {
        self.drop_guard();
        let mut intents = Vec::new();
        if m.state.hold().is_none() {
            let why = SafeText::new(&text::recorded::guard_closed(why));
            intents.push(Intent::Submit(Command::Hold { why }));
        }
        intents.push(Intent::Submit(Command::CloseGuard { why: SafeText::new(why) }));
        intents
    }

    /// Takes the guard, and what lies on it, off the stack.
    pub(super) fn drop_guard(&mut self) {
        let at = self.dialogs.iter().position(|dialog| matches!(dialog, Dialog::Guard(_)));
        if let Some(at) = at {
            self.dialogs.truncate(at);
        }
    }

    /// Closes dialogs that the run has left behind.
    fn close_what_is_over(&mut self, m: &Model<'_>) {
        let over = |dialog: &Dialog| match dialog {
            Dialog::Failure(dialog) => {
                !m.state.track_of(&dialog.step, dialog.part).status.wants_choice()
            }
            Dialog::Gate(dialog) => {
                let status = m.state.track(&dialog.step).status;
                status != Status::Waiting && status != Status::Pending && !status.wants_choice()
            }
            Dialog::Manual(dialog) => {
                let status = m.state.track_of(&dialog.step, dialog.part).status;
                status != Status::Waiting && !status.wants_choice()
            }
            Dialog::Confirm(_)
            | Dialog::Guard(_)
            | Dialog::Text(_)
            | Dialog::Playbooks(_)
            | Dialog::Second(_)
            | Dialog::Edit(_)
            | Dialog::Shell(_)
            | Dialog::Help { .. }
            | Dialog::Alarms { .. }
            | Dialog::Leave => false,
        };
        if let Some(at) = self.dialogs.iter().position(over) {
            if let Some(Dialog::Text(prompt)) = self.dialogs.last() {
                let draft = (prompt.purpose.clone(), prompt.text());
                self.keep_draft(draft);
            }
            self.dialogs.truncate(at);
        }
    }

    /// A new failure asks for its choice at once, unless somebody is busy with something else.
    fn show_failure(&mut self, m: &Model<'_>) {
        let Some((step, part)) = m.choice() else { return };
        let settled = m.state.track_of(&step, part).settled;
        let new = Some((step.clone(), part, settled));
        let rolls_on = m.run() == Run::RollingBack;
        let busy = !self.dialogs.is_empty() || self.log.typing || self.line.is_some();
        if self.shown_failure == new || busy || rolls_on {
            return;
        }
        self.shown_failure = new;
        self.open_failure(step, part, m);
    }

    /// A dialog opens: keys that were typed before it was seen are dropped.
    pub(super) fn open(&mut self, dialog: Dialog, m: &Model<'_>) {
        self.reins.dialog_opens(m.now, m.rtt);
        self.said = None;
        self.dialogs.push(dialog);
    }

    /// `H` and `F8`: hold, or go on.
    pub(super) fn hold(&mut self, m: &Model<'_>) -> Vec<Intent> {
        match m.state.hold() {
            None => {
                let why = SafeText::new(text::recorded::BY_OPERATOR);
                vec![Intent::Submit(Command::Hold { why })]
            }
            Some(hold) if m.now.since(hold.since) < Millis::from_secs(1) => {
                self.say(text::TOO_SOON);
                Vec::new()
            }
            Some(_) => vec![Intent::Submit(Command::Continue)],
        }
    }
}
