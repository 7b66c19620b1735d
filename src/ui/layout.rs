//! Where things are on the screen, from a wall to a single cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::base::Millis;

use super::canvas::{put, put_line};
use super::keymap::{Action, Spot};
use super::model::{Model, Run};
use super::prompt::Purpose;
use super::screen::{Dialog, Pane, Screen, View};
use super::sheet::Sheet;
use super::text::bottom as bar;
use super::text::header_words::{self as words, Room};
use super::text::{self, Say};
use super::theme::{Role, Theme};
use super::{bottom, header, health, pages, step, steps};

/// How long an answer to a key stays in the message row.
const MESSAGE: Millis = Millis::from_secs(8);

/// How much the screen can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Full,
    Medium,
    Pocket,
    Strip,
    Tiny,
}

pub(super) const fn size(area: Rect) -> Size {
    match (area.width, area.height) {
        (110.., 32..) => Size::Full,
        (76.., 22..) => Size::Medium,
        (56.., 16..) => Size::Pocket,
        (38.., 9..) => Size::Strip,
        _ => Size::Tiny,
    }
}

/// The parts of the screen.
pub(super) struct Parts {
    pub(super) header: Rect,
    pub(super) body: Rect,
    pub(super) alarms: Rect,
    pub(super) message: Rect,
    pub(super) keys: Rect,
}

/// Divides the area; with a dialog the alarms shrink to one row.
pub(super) fn parts(area: Rect, dialog: bool) -> Parts {
    let (head, alarms) = match size(area) {
        Size::Full => (3, if dialog { 1 } else { 4 }),
        Size::Medium => (2, if dialog { 1 } else { 2 }),
        Size::Pocket => (3, 1),
        Size::Strip => (if dialog { 4 } else { 5 }, 1),
        Size::Tiny => (0, 0),
    };
    let rows = |y: u16, height: u16| {
        Rect { x: area.x, y: area.y + y, width: area.width, height }.intersection(area)
    };
    // On a strip a dialog needs the row more than the message does.
    let message = u16::from(!(dialog && size(area) == Size::Strip));
    let below = alarms + message + 1;
    let body = area.height.saturating_sub(head + below);
    Parts {
        header: rows(0, head),
        body: rows(head, body),
        alarms: rows(head + body, alarms),
        message: rows(head + body + alarms, message),
        keys: rows(head + body + alarms + message, 1),
    }
}

impl Screen {
    /// The answer to the last key while it is fresh, else what happens and what comes next.
    pub(super) fn message(&self, buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
        let fresh = self.said.as_ref().filter(|(at, _)| m.now.since(*at) < MESSAGE);
        if let Some((_, told)) = fresh {
            bottom::message(buf, area, told.to(m.lang), theme, Role::Key);
            return;
        }
        let role = match m.run() {
            Run::Waiting | Run::Ready | Run::GuardOpen => Role::Key,
            Run::Failed | Run::FailedHold | Run::RollbackHeld | Run::RolledBackUnverified => {
                Role::Caution
            }
            Run::Running
            | Run::Hold
            | Run::RollingBack
            | Run::RolledBack
            | Run::Done
            | Run::Abandoned => Role::Text,
        };
        let practice = text::practice(m.kind(), m.lang);
        if m.recording.is_some() && self.dialogs.is_empty() && !m.is_over() {
            let said = if m.needs_override() { text::UNRECORDED } else { text::UNRECORDED_BACK };
            let said = format!("{practice}{}", said.to(m.lang));
            bottom::message(buf, area, &said, theme, Role::Warning);
            return;
        }
        let said = match self.dialogs.last() {
            Some(Dialog::Text(prompt)) if prompt.purpose == Purpose::Unrecorded => {
                format!("{practice}{}", text::OVERRIDE_MEANS.to(m.lang))
            }
            Some(Dialog::Text(_)) => format!("{practice}{}", text::EDITING.to(m.lang)),
            Some(Dialog::Guard(guard)) => match guard.seconds(m.now) {
                Some(seconds) => format!("{practice}{}", text::starts_in(m.lang, seconds)),
                None => bottom::sentence(m),
            },
            Some(Dialog::Confirm(_)) => format!("{practice}{}", text::UNSENT.to(m.lang)),
            Some(Dialog::Failure(_)) => format!("{practice}{}", text::CHOOSE.to(m.lang)),
            Some(Dialog::Gate(_)) => format!("{practice}{}", text::UNDECIDED.to(m.lang)),
            Some(
                Dialog::Manual(_)
                | Dialog::Playbooks(_)
                | Dialog::Second(_)
                | Dialog::Edit(_)
                | Dialog::Shell(_)
                | Dialog::Help { .. }
                | Dialog::Alarms { .. }
                | Dialog::Leave,
            )
            | None => bottom::sentence(m),
        };
        bottom::message(buf, area, &said, theme, role);
    }

    pub(super) fn body(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) {
        match size {
            Size::Pocket | Size::Strip | Size::Tiny => self.pocket(buf, area, size, m, theme),
            Size::Full | Size::Medium => match self.view {
                View::Drive if !self.zoom => self.drive(buf, area, size, m, theme),
                View::Drive | View::Step | View::Log => self.one_pane(buf, area, size, m, theme),
                View::Health => health::view(buf, area, m, theme),
                View::Timeline => {
                    let how = (size, across(size, m, theme));
                    self.timeline.draw(buf, area, (&self.list, m, theme), how);
                }
                View::Audit => {
                    pages::audit(buf, area, m, theme, (self.page_scroll, across(size, m, theme)));
                }
                View::Notes => {
                    pages::notes(buf, area, m, theme, (self.page_scroll, across(size, m, theme)));
                }
            },
        }
    }

    /// The pane that `one_pane` shows.
    const fn pane(&self) -> Pane {
        match self.view {
            View::Step => Pane::Step,
            View::Log => Pane::Log,
            View::Drive | View::Health | View::Timeline | View::Audit | View::Notes => self.focus,
        }
    }

    pub(super) fn one_pane(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) {
        let across = across(size, m, theme);
        let about = self.about(m);
        match self.pane() {
            Pane::List => steps::draw(buf, area, &self.list, m, theme, (true, across)),
            Pane::Step => {
                let Some((id, part)) = &about else { return };
                // The log takes what the step leaves.
                let wanted = step::height((id, *part), m, theme, area.width);
                let upper = Rect { height: wanted.min(area.height), ..area };
                let lower = Rect { y: upper.bottom(), height: area.height - upper.height, ..area };
                let (upper, lower) = if lower.height < 4 {
                    (area, Rect { height: 0, ..area })
                } else {
                    (upper, lower)
                };
                let how = (true, across, self.step_scroll);
                step::draw(buf, upper, (id, *part), m, theme, how);
                if lower.height > 0 {
                    self.log.draw(buf, lower, self.heard(m).as_ref(), m, theme, (false, None));
                }
            }
            Pane::Log => self.log.draw(buf, area, self.heard(m).as_ref(), m, theme, (true, across)),
        }
    }

    pub(super) fn drive(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) {
        let wide = size == Size::Full;
        let strip = health::strip_height(m, wide).min(area.height / 3);
        let about = self.about(m);
        let main = Rect { height: area.height - strip, ..area };
        let below = Rect { y: main.bottom(), height: strip, ..area };
        if m.is_back() && !wide && self.focus != Pane::Step {
            self.back_drive(buf, main, size, m, theme);
            health::strip(buf, below, m, theme, wide);
            return;
        }
        let left = if m.is_back() {
            main.width * 11 / 20
        } else if wide {
            main.width * 5 / 12
        } else {
            main.width * 9 / 20
        };
        let list = Rect { width: left, ..main };
        let right = Rect { x: main.x + left, width: main.width - left, ..main };
        let log_least = if wide { 8 } else { 5 };
        let log_height = match &about {
            Some((id, part)) => {
                let wanted = step::height((id, *part), m, theme, right.width);
                right.height.saturating_sub(wanted.max(8)).max(log_least).min(right.height)
            }
            None => right.height / 2,
        };
        let upper = Rect { height: right.height - log_height, ..right };
        let lower = Rect { y: upper.bottom(), height: log_height, ..right };
        let across = across(size, m, theme);
        let focus = |pane| self.focus == pane;
        steps::draw(buf, list, &self.list, m, theme, (focus(Pane::List), across));
        if let Some((id, part)) = &about {
            let how = (focus(Pane::Step), across, self.step_scroll);
            step::draw(buf, upper, (id, *part), m, theme, how);
        }
        let log_focus = focus(Pane::Log);
        self.log.draw(buf, lower, self.heard(m).as_ref(), m, theme, (log_focus, None));
        if strip > 0 {
            health::strip(buf, below, m, theme, wide);
        }
    }

    /// Health stays in sight below a dialog that leaves room for it; returns the dialog's area.
    pub(super) fn beside_health(
        buf: &mut Buffer,
        area: Rect,
        sheet: &Sheet,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) -> Rect {
        let wide = size == Size::Full;
        let rows = health::strip_height(m, wide);
        let framed = wide || size == Size::Medium;
        if !framed || sheet.low || rows == 0 || sheet.height().saturating_add(rows) > area.height {
            return area;
        }
        let upper = Rect { height: area.height - rows, ..area };
        let below = Rect { y: upper.bottom(), height: rows, ..area };
        health::strip(buf, below, m, theme, wide);
        upper
    }

    /// The way back on a narrow screen: the list over the whole width, the log below it.
    pub(super) fn back_drive(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) {
        let rows = super::canvas::cell_count(m.way_back.items.len()).saturating_add(2);
        let upper = rows.clamp(4, area.height.saturating_sub(4).max(4)).min(area.height);
        let list = Rect { height: upper, ..area };
        let log = Rect { y: list.bottom(), height: area.height - upper, ..area };
        let across = across(size, m, theme);
        let focus = self.focus;
        steps::draw(buf, list, &self.list, m, theme, (focus == Pane::List, across));
        self.log.draw(buf, log, self.heard(m).as_ref(), m, theme, (focus == Pane::Log, None));
    }

    /// The pocket form and the strip: rows without frames.
    pub(super) fn pocket(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        size: Size,
        m: &Model<'_>,
        theme: Theme,
    ) {
        let steps = if size == Size::Pocket { (area.height / 3).min(4) } else { 1 };
        let list = Rect { height: steps.min(area.height), ..area };
        steps::pocket(buf, list, &self.list, m, theme);
        let health = u16::from(size == Size::Pocket && area.height > 6);
        let rest = Rect {
            x: area.x + 1,
            y: list.bottom(),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(list.height + health),
        };
        let about = self.about(m);
        let mut rest = rest;
        if size == Size::Pocket && rest.height > 3 {
            let dash = theme.dash().repeat(usize::from(rest.width));
            put(buf, rest, 0, &dash, theme.style(Role::Dim));
            let command = about
                .as_ref()
                .and_then(|(id, part)| Model::work(m.plan().step(id)?, *part))
                .and_then(|work| super::model::command(m, work))
                .map(|text| crate::base::SafeText::new(&text).to_string());
            put(buf, rest, 1, &command.unwrap_or_default(), theme.style(Role::Title));
            rest = Rect { y: rest.y + 2, height: rest.height - 2, ..rest };
        }
        let scope = self.log.scope(self.heard(m).as_ref());
        self.log.lines(buf, rest, &scope, m, theme);
        if health > 0 {
            let width = area.width.saturating_sub(2);
            let row = Rect { x: area.x + 1, y: rest.bottom(), width, height: 1 };
            put_line(buf, row, 0, &health::one_line(m, theme, usize::from(width)));
        }
    }

    /// Too small for a screen: what matters most, in the order of importance.
    pub(super) fn tiny(&self, buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
        let kind = m.kind();
        put(buf, area, 0, &header::one_line(m), theme.style(Role::Env(kind)));
        let dialog = self.dialogs.last().map(|dialog| match dialog {
            Dialog::Guard(guard) => guard.one_line(m),
            Dialog::Text(_) => words::TINY_FIELD.own(m.lang),
            Dialog::Confirm(_)
            | Dialog::Failure(_)
            | Dialog::Gate(_)
            | Dialog::Manual(_)
            | Dialog::Playbooks(_)
            | Dialog::Second(_)
            | Dialog::Edit(_)
            | Dialog::Shell(_)
            | Dialog::Help { .. }
            | Dialog::Alarms { .. }
            | Dialog::Leave => self
                .sheet(dialog, m, theme)
                .and_then(|(sheet, _)| sheet.foot.first().map(ToString::to_string))
                .unwrap_or_default(),
        });
        let (counts, _) = m.alarm_counts(Room::Tight);
        let audit = match m.recording {
            None => words::audit_ok(m.lang, m.seq),
            Some(_) => words::NOT_RECORDED.own(m.lang),
        };
        let small = words::tiny(m.lang, area.width, area.height);
        let said = self.said.as_ref().filter(|(at, _)| m.now.since(*at) < MESSAGE);
        let rows = [
            said.map(|(_, told)| told.to(m.lang).to_owned()),
            dialog,
            Some(format!("{} {counts} {audit}", m.time(m.now))),
            Some(small),
            Some(words::TINY_ALL.own(m.lang)),
            Some(words::TINY_KEYS.own(m.lang)),
            Some(words::TINY_GOES_ON.own(m.lang)),
        ];
        for (at, row) in rows.into_iter().flatten().enumerate() {
            let role = if at == 0 && !self.dialogs.is_empty() { Role::Key } else { Role::Text };
            put(buf, area, super::canvas::cell_count(at + 1), &row, theme.style(role));
        }
    }

    /// The actions of the step list: what is next comes first, what cannot be is left out.
    fn list_bar(&self, m: &Model<'_>) -> Vec<(Action, Say)> {
        let over = m.is_over();
        let mut bar = Vec::new();
        if over {
            bar.push((Action::Leave, bar::BAR_CLOSE));
        }
        if m.recording.is_some() {
            bar.push((Action::TryRecord, Say::NONE));
        }
        if m.needs_override() {
            bar.push((Action::Unrecorded, Say::NONE));
        }
        bar.push((Action::Open, Say::NONE));
        if self.view != View::Drive || self.zoom {
            bar.push((Action::Back, Say::NONE));
        }
        if m.state.in_flight().next().is_some() {
            bar.push((Action::StopStep, Say::NONE));
        }
        if m.state.in_flight().any(|attempt| attempt.out_of_sight().next().is_some()) {
            bar.push((Action::LetGo, Say::NONE));
        }
        if m.state.proposed_playbooks().next().is_some() || !m.state.playbooks().is_empty() {
            bar.push((Action::Playbooks, bar::BAR_PLAYBOOK));
        }
        bar.push((Action::Note, Say::NONE));
        if !over {
            bar.push((Action::Leave, Say::NONE));
        }
        bar.extend([(Action::Find, Say::NONE), (Action::View, bar::BAR_VIEWS)]);
        if !over {
            let auto = if m.state.auto_advance() { bar::BAR_AUTO_OFF } else { bar::BAR_AUTO_ON };
            bar.push((Action::AutoAdvance, auto));
        }
        bar.push((Action::Zoom, Say::NONE));
        bar.extend([(Action::CommandLine, Say::NONE), (Action::Shell, Say::NONE)]);
        bar
    }

    /// The actions after a failure: those that are possible.
    fn failure_bar(&self, m: &Model<'_>) -> Vec<(Action, Say)> {
        let choices = [
            Action::HoldAndLook,
            Action::RetryFailed,
            Action::Skip,
            Action::ByHand,
            Action::Accept,
            Action::Edit,
        ];
        let offers = |action: &Action| match self.dialogs.last() {
            Some(Dialog::Failure(dialog)) => dialog.offers(*action, m),
            _other => true,
        };
        let mut bar = vec![(Action::Yes, bar::BAR_DO_IT)];
        bar.extend(choices.into_iter().filter(offers).map(|action| (action, Say::NONE)));
        bar.push((Action::Note, Say::NONE));
        bar
    }

    /// The actions of the timeline.
    fn timeline_bar(&self, m: &Model<'_>) -> Vec<(Action, Say)> {
        let late = if self.timeline.late { text::timeline::ALL } else { Say::NONE };
        let late = (!m.is_back()).then_some((Action::OnlyLate, late));
        let moves = [
            Action::Open,
            Action::Back,
            Action::Finer,
            Action::Coarser,
            Action::Earlier,
            Action::Later,
        ];
        let moves = moves.map(|action| (action, Say::NONE));
        moves.into_iter().chain(late).chain([(Action::View, bar::BAR_VIEWS)]).collect()
    }

    /// The actions of a confirmation.
    fn confirm_bar(&self, m: &Model<'_>) -> Vec<(Action, Say)> {
        let digits = matches!(self.dialogs.last(), Some(Dialog::Confirm(c)) if c.code.is_some());
        let yes = match self.dialogs.last() {
            Some(Dialog::Confirm(dialog)) => dialog.yes(m),
            _other => Say::NONE,
        };
        let yes = (!digits).then_some((Action::Yes, yes));
        let rest =
            [(Action::Back, Say::NONE), (Action::Full, Say::NONE), (Action::Note, Say::NONE)];
        let misses = match self.dialogs.last() {
            Some(Dialog::Confirm(dialog)) => dialog.second_misses(m),
            _other => false,
        };
        let second = misses.then_some((Action::Second, Say::NONE));
        let yes = yes.filter(|_| !misses);
        second.into_iter().chain(yes).chain(rest).collect()
    }

    /// The actions of the key bar, the most useful first.
    pub(super) fn bar(&self, m: &Model<'_>) -> Vec<(Action, Say)> {
        match self.spot() {
            Spot::List => self.list_bar(m),
            Spot::Timeline => self.timeline_bar(m),
            Spot::Log => vec![
                (Action::Find, Say::NONE),
                (Action::Back, Say::NONE),
                (Action::FindNext, bar::BAR_NEXT_HIT),
                (Action::NextError, bar::BAR_ERROR),
                (Action::Follow, Say::NONE),
                (Action::Wrap, Say::NONE),
                (Action::HostFilter, Say::NONE),
                (Action::OnlyHits, Say::NONE),
                (Action::AllSteps, Say::NONE),
                (Action::CopyLine, Say::NONE),
            ],
            Spot::Confirm => self.confirm_bar(m),
            Spot::Failure => self.failure_bar(m),
            Spot::Gate => vec![
                (Action::Go, Say::NONE),
                (Action::NoGo, Say::NONE),
                (Action::Yes, bar::BAR_DECIDE),
                (Action::Tick, Say::NONE),
                (Action::Waive, Say::NONE),
                (Action::Back, Say::NONE),
            ],
            Spot::Pick => {
                let shuts = matches!(
                    self.dialogs.last(),
                    Some(Dialog::Playbooks(dialog)) if dialog.inside.is_some()
                );
                let shut = shuts.then_some((Action::ShutPlaybook, Say::NONE));
                let first = [
                    (Action::Open, Say::NONE),
                    (Action::Back, Say::NONE),
                    (Action::Down, Say::NONE),
                ];
                first.into_iter().chain(shut).collect()
            }
            Spot::Manual => vec![
                (Action::Yes, bar::BAR_SIGN_OFF),
                (Action::Tick, Say::NONE),
                (Action::Back, Say::NONE),
                (Action::Note, Say::NONE),
            ],
            Spot::Guard => vec![
                (Action::Back, bar::BAR_CLOSE),
                (Action::Full, Say::NONE),
                (Action::Words, Say::NONE),
                (Action::Checkpoints, Say::NONE),
                (Action::Peek, Say::NONE),
            ],
            Spot::Edit if matches!(self.dialogs.last(), Some(Dialog::Shell(_))) => {
                super::shell::BAR.to_vec()
            }
            Spot::Edit => super::edit::BAR.to_vec(),
            Spot::Text => vec![(Action::Back, bar::BAR_TEXT_KEPT), (Action::Help, Say::NONE)],
            Spot::Leave if m.is_over() => vec![
                (Action::Close, Say::NONE),
                (Action::HoldAndLeave, bar::BAR_LEAVE_OPEN),
                (Action::Back, bar::BAR_STAY),
            ],
            Spot::Line => vec![
                (Action::CarryOut, Say::NONE),
                (Action::Complete, Say::NONE),
                (Action::Older, Say::NONE),
                (Action::Back, text::line::LEAVE_KEPT),
            ],
            Spot::Leave => vec![(Action::HoldAndLeave, Say::NONE), (Action::Back, bar::BAR_STAY)],
            Spot::Sheet => vec![(Action::Back, bar::BAR_CLOSE), (Action::Down, Say::NONE)],
        }
    }
}

/// The pattern of the environment for the edges of panes, where no row of the header has it.
fn across(size: Size, m: &Model<'_>, theme: Theme) -> Option<&'static str> {
    if size == Size::Full { None } else { Some(theme.pattern(m.kind())) }
}
