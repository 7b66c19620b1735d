//! A shell on a host: what it means, where, and why, before the terminal is handed over.

use ratatui::text::{Line, Span};

use crate::base::{HostId, SafeText, StepId, pad};
use crate::engine::{Command, Part, Place, Verdict};
use crate::runbook::nearest;

use super::action::Action;
use super::model::Model;
use super::prompt::Purpose;
use super::screen::{Dialog, Intent, Screen};
use super::sheet::Sheet;
use super::step::Rows;
use super::text::shell as words;
use super::text::{self, Say, label};
use super::theme::{Role, Theme};

/// Its keys, for the key bar.
pub(super) const BAR: [(Action, Say); 4] = [
    (Action::Yes, words::OPENS),
    (Action::Words, words::REASON),
    (Action::Back, Say::NONE),
    (Action::Down, words::OTHER),
];
/// Hosts that are listed at once.
const HOSTS_SHOWN: usize = 3;

/// The dialog.
#[derive(Clone, Debug)]
pub(super) struct ShellDialog {
    /// From which step it was asked for.
    pub(super) step: Option<StepId>,
    /// Where it can be opened, the likeliest first.
    pub(super) hosts: Vec<HostId>,
    pub(super) at: usize,
    pub(super) reason: String,
    pub(super) scroll: usize,
    /// How far down somebody has read.
    pub(super) read: usize,
}

impl ShellDialog {
    /// The host under the cursor.
    pub(super) fn host(&self) -> Option<&HostId> {
        self.hosts.get(self.at)
    }

    pub(super) fn step_by(&mut self, by: isize) {
        let last = self.hosts.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let from = self.at.saturating_sub(HOSTS_SHOWN - 1);
        let shown = self.hosts.iter().enumerate().skip(from).take(HOSTS_SHOWN);
        for (at, id) in shown {
            rows.row(&Self::host_row(id, at == self.at, m), Self::role(at == self.at));
        }
        let more = self.hosts.len().saturating_sub(HOSTS_SHOWN);
        if more > 0 {
            rows.row(&words::more_hosts(m.lang, self.hosts.len()), Role::Dim);
        }
        rows.blank();
        rows.say_as(label::OUTSIDE, m.to(words::OUTSIDE), Role::Caution);
        rows.say_as(label::RECORD, m.to(words::RECORD), Role::Text);
        let holds = words::holds((m.is_over(), m.state.hold().is_some()));
        rows.say_as(label::THE_RUN, m.to(holds), Role::Text);
        if m.state.may_go_back_by_itself() {
            rows.say_as(label::AUTO, m.to(words::ONLY_RINGS), Role::Caution);
        }
        rows.say_as(label::TERMINAL, m.to(words::TERMINAL), Role::Text);
        rows.say_as(label::BACK_HOW, m.to(words::BACK), Role::Title);
        let must = rows.lines.len();
        rows.say_as(label::REASON, &self.reason, Role::Title); // Whoever wrote it has seen it.
        let possible = self.host().map(|host| m.state.may_open_shell(host));
        let first = if let Some(Err(why)) = possible {
            let why = text::refusal::words(m.lang, &why);
            Line::styled(words::not_now(m.lang, &why), theme.style(Role::Caution))
        } else {
            let y = m.to(if self.reason.is_empty() { words::Y_ASKS } else { words::Y });
            Line::from(vec![
                Span::styled("y", theme.style(Role::Key)),
                Span::styled(format!("  {y}"), theme.style(Role::Text)),
                Span::styled("      Esc", theme.style(Role::Key)),
                Span::styled(format!("  {}", m.to(words::NOTHING_OPENS)), theme.style(Role::Text)),
            ])
        };
        let host = self.host().map_or("", HostId::as_str);
        Sheet {
            title: words::title(m.lang, host),
            remark: words::REMARK.own(m.lang),
            body: rows.lines,
            foot: vec![first, Line::styled(m.to(words::KEYS), theme.style(Role::Dim))],
            low: false,
            must,
        }
    }

    fn host_row(id: &HostId, here: bool, m: &Model<'_>) -> String {
        let cursor = if here { ">" } else { " " };
        let host = m.plan().hosts.get(id);
        let address = host.map_or("", |host| host.address.as_str());
        let user = host.and_then(|host| host.user.as_deref());
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let down = m.state.links_down().get(id);
        let down = down.map(|why| format!("  {why}")).unwrap_or_default();
        let row = format!("{cursor} {} {user}{address}{down}", pad(id.as_str(), 18));
        SafeText::new(&row).to_string()
    }

    const fn role(here: bool) -> Role {
        if here { Role::Selected } else { Role::Text }
    }
}

/// The hosts of a step, those where it did not succeed first.
fn hosts_of(step: &StepId, part: Part, m: &Model<'_>) -> Vec<HostId> {
    let Some(plan) = m.plan().step(step) else { return Vec::new() };
    let mut hosts = Model::hosts(plan, part).to_vec();
    let ends = m.state.track_of(step, part).latest_ends();
    let well = |host: &HostId| {
        let end = ends.get(&Place::Host(host.clone())).copied().flatten();
        end.is_some_and(|end| end.end.verdict() == Verdict::Succeeded)
    };
    hosts.sort_by_key(well); // Stable: the runbook's order within both.
    hosts
}

impl Screen {
    /// `!`: asks for a shell on a host of the step that this is about.
    pub(super) fn shell(&mut self, m: &Model<'_>) {
        let about = match self.dialogs.last() {
            Some(Dialog::Failure(dialog)) => Some((dialog.step.clone(), dialog.part)),
            Some(Dialog::Manual(dialog)) => Some((dialog.step.clone(), dialog.part)),
            Some(Dialog::Confirm(dialog)) => dialog.step().map(|s| (s.clone(), Part::Action)),
            Some(_) => return,
            None => self.about(m),
        };
        let mut hosts: Vec<HostId> =
            about.as_ref().map(|(step, part)| hosts_of(step, *part, m)).unwrap_or_default();
        let others = m.plan().hosts.keys().filter(|id| !hosts.contains(id)).cloned();
        let others: Vec<_> = others.collect();
        hosts.extend(others);
        self.open_shell_dialog(about.map(|(step, _)| step), hosts, m);
    }

    /// `:shell HOST`.
    pub(super) fn shell_on(&mut self, name: &str, m: &Model<'_>) {
        let known = m.plan().hosts.keys();
        if let Some(host) = known.clone().find(|id| id.as_str() == name) {
            let step = self.about(m).map(|(step, _)| step);
            self.open_shell_dialog(step, vec![host.clone()], m);
            return;
        }
        let near = nearest(name, known.map(HostId::as_str));
        self.say(words::no_host(SafeText::new(name).as_str(), near));
    }

    fn open_shell_dialog(&mut self, step: Option<StepId>, hosts: Vec<HostId>, m: &Model<'_>) {
        if hosts.is_empty() {
            self.say(words::NO_HOSTS);
            return;
        }
        let reason = String::new();
        let dialog = ShellDialog { step, hosts, at: 0, reason, scroll: 0, read: 0 };
        self.open(Dialog::Shell(Box::new(dialog)), m);
    }

    /// A reason is written: it stands in the dialog, which goes on.
    pub(super) fn shell_reason(&mut self, reason: String, m: &Model<'_>) -> Vec<Intent> {
        if let Some(Dialog::Shell(dialog)) = self.dialogs.last_mut() {
            dialog.reason = reason;
            self.reins.dialog_opens(m.now, m.rtt);
        }
        Vec::new()
    }

    /// `w`: the reason, as it stands.
    pub(super) fn shell_words(&mut self, m: &Model<'_>) {
        if let Some(Dialog::Shell(dialog)) = self.dialogs.last() {
            let reason = dialog.reason.clone();
            self.ask_text_from(Purpose::Shell, &reason, m);
        }
    }

    /// `y`: asks the session for it, once there is a reason and all of it has been on screen.
    pub(super) fn do_shell(&mut self, m: &Model<'_>) -> Vec<Intent> {
        let unread = self.unread(m);
        let Some(Dialog::Shell(dialog)) = self.dialogs.last() else { return Vec::new() };
        let Some(host) = dialog.host().cloned() else { return Vec::new() };
        if let Err(why) = m.state.may_open_shell(&host) {
            self.say(text::refused(&why));
            return Vec::new();
        }
        if unread > dialog.read {
            self.say(text::READ_FIRST);
            return Vec::new();
        }
        if dialog.reason.is_empty() {
            self.ask_text(Purpose::Shell, m);
            return Vec::new();
        }
        let (step, reason) = (dialog.step.clone(), SafeText::new(&dialog.reason));
        self.drafts.retain(|(of, _)| *of != Purpose::Shell);
        self.dialogs.pop();
        self.below_shell = self.dialogs.len();
        vec![Intent::Submit(Command::OpenShell { host, step, reason })]
    }

    /// The terminal is golive's again: what was typed for the host is no key of ours.
    pub fn is_back(&mut self, m: &Model<'_>) {
        self.now = m.now;
        self.reins.dialog_opens(m.now, m.rtt);
    }
}
