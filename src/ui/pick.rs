//! Lists to choose from: emergency procedures and their steps, and who the second person is.

use ratatui::text::{Line, Span};

use crate::base::{PlaybookId, SafeText, StepId, pad};
use crate::engine::{Part, Status, Voice};
use crate::plan::PlaybookPlan;

use super::model::Model;
use super::sheet::Sheet;
use super::step::Rows;
use super::text::pick as words;
use super::text::{self, Say, label};
use super::theme::{Role, Theme};

/// The emergency procedures: all of them, or the steps of one that is open.
#[derive(Clone, Debug, Default)]
pub(super) struct Playbooks {
    /// The one that is looked into.
    pub(super) inside: Option<PlaybookId>,
    pub(super) at: usize,
    pub(super) scroll: usize,
}

impl Playbooks {
    /// On the one that an open alarm proposes, if there is one.
    pub(super) fn new(m: &Model<'_>) -> Self {
        let proposed = m.state.proposed_playbooks().next().map(|playbook| &playbook.id);
        let all = &m.plan().playbooks;
        let at = all.iter().position(|playbook| Some(&playbook.id) == proposed).unwrap_or(0);
        Self { inside: None, at, scroll: 0 }
    }

    pub(super) fn step_by(&mut self, by: isize, m: &Model<'_>) {
        let rows = match self.open(m) {
            Some(playbook) => playbook.steps.len(),
            None => m.plan().playbooks.len(),
        };
        self.at = self.at.saturating_add_signed(by).min(rows.saturating_sub(1));
    }

    /// The playbook that is looked into.
    pub(super) fn open<'m>(&self, m: &Model<'m>) -> Option<&'m PlaybookPlan> {
        m.plan().playbook(self.inside.as_ref()?)
    }

    /// The playbook under the cursor of the list.
    pub(super) fn chosen<'m>(&self, m: &Model<'m>) -> Option<&'m PlaybookPlan> {
        let plan: &'m crate::plan::Plan = m.plan();
        plan.playbooks.get(self.at).filter(|_| self.inside.is_none())
    }

    /// The step under the cursor.
    pub(super) fn step(&self, m: &Model<'_>) -> Option<StepId> {
        self.open(m)?.steps.get(self.at).cloned()
    }

    /// Looks into one; the cursor is on its first step that is not over.
    pub(super) fn look_into(&mut self, id: &PlaybookId, m: &Model<'_>) {
        let steps = m.plan().playbook(id).map(|playbook| playbook.steps.as_slice());
        let mut steps = steps.unwrap_or_default().iter();
        let open = steps.position(|step| !m.state.track(step).status.is_over());
        self.inside = Some(id.clone());
        self.at = open.unwrap_or(0);
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let (title, remark, foot) = match self.open(m) {
            Some(playbook) => self.steps(playbook, &mut rows),
            None => self.all(&mut rows),
        };
        let foot = foot.into_iter().map(|(key, what)| {
            Span::styled(format!("{key}  {}      ", m.to(what)), theme.style(Role::Key))
        });
        let foot = vec![
            Line::from(foot.collect::<Vec<_>>()),
            Line::styled(m.to(words::FREE), theme.style(Role::Dim)),
        ];
        Sheet { title, remark, body: rows.lines, foot, low: false, must: 0 }
    }

    fn all(&self, rows: &mut Rows<'_, '_>) -> Parts {
        let m = rows.m;
        let proposed: Vec<_> =
            m.state.proposed_playbooks().map(|playbook| playbook.id.clone()).collect();
        for (at, playbook) in m.plan().playbooks.iter().enumerate() {
            let stands = match m.state.playbooks().get(&playbook.id) {
                Some(open) => words::open_since(m.lang, &m.minute(open.at)),
                None if proposed.contains(&playbook.id) => words::PROPOSED.own(m.lang),
                None => String::new(),
            };
            let steps = text::steps(m.lang, playbook.steps.len());
            let here = at == self.at;
            let role = match (here, stands.is_empty()) {
                (true, _) => Role::Selected,
                (false, false) => Role::Title,
                (false, true) => Role::Text,
            };
            let cursor = if here { ">" } else { " " };
            let name = pad(playbook.id.as_str(), 16);
            let room = rows.width.saturating_sub(52).max(12);
            let title = pad(playbook.title.as_str(), room);
            rows.row(&format!("{cursor} {name} {title} {} {stands}", pad(&steps, 8)), role);
        }
        if m.plan().playbooks.is_empty() {
            rows.row(m.to(words::NONE), Role::Dim);
        }
        let remark = words::count(m.lang, m.plan().playbooks.len());
        let foot = vec![("Enter", words::LOOK_INTO), ("Esc", text::ESC_BACK)];
        (words::PLAYBOOKS.own(m.lang), remark, foot)
    }

    fn steps(&self, playbook: &PlaybookPlan, rows: &mut Rows<'_, '_>) -> Parts {
        let m = rows.m;
        if let Some(open) = m.state.playbooks().get(&playbook.id) {
            let (by, at) = (open.by.name(), m.time(open.at));
            let said = words::opened(m.lang, by, &at, open.reason.as_str());
            rows.say_as(label::OPENED, &said, Role::Title);
            rows.blank();
        }
        for (at, id) in playbook.steps.iter().enumerate() {
            let Some(step) = m.plan().step(id) else { continue };
            let status = m.state.track(id).status;
            let here = at == self.at;
            let cursor = if here { ">" } else { " " };
            let mark = rows.theme.mark(status);
            let word = if status == Status::Pending { "" } else { m.status(status) };
            let room = rows.width.saturating_sub(44).max(12);
            let (id, title) = (pad(id.as_str(), 14), pad(step.title.as_str(), room));
            let class = pad(text::class(step.class), 8);
            let role = match (here, status.wants_choice(), status.is_over()) {
                (true, _, _) => Role::Selected,
                (false, true, _) => Role::Warning,
                (false, false, true) => Role::Dim,
                (false, false, false) => Role::Text,
            };
            rows.row(&format!("{cursor} {mark} {id} {title} {class} {word}"), role);
        }
        let foot = vec![("Enter", words::OPEN_STEP), ("x", words::CLOSE), ("Esc", text::ESC_BACK)];
        let title = words::title(m.lang, playbook.id.as_str(), playbook.title.as_str());
        (title, words::BREAK_GLASS.own(m.lang), foot)
    }
}

type Parts = (String, String, Vec<(&'static str, Say)>);

/// Who agrees that a step starts.
#[derive(Clone, Debug)]
pub(super) struct Second {
    pub(super) step: StepId,
    pub(super) at: usize,
}

impl Second {
    /// Everybody who could: all people of all roles but the driver.
    fn people(m: &Model<'_>) -> Vec<Voice> {
        let same = |name: &SafeText| name.as_str().trim().to_lowercase();
        let driver = same(m.state.driver());
        let roles = m.plan().roles.iter();
        let all = roles.flat_map(|(id, role)| {
            role.people.iter().map(|person| Voice::heard(id.clone(), person.clone()))
        });
        all.filter(|voice| same(&voice.person) != driver).collect()
    }

    pub(super) fn step_by(&mut self, by: isize, m: &Model<'_>) {
        let last = Self::people(m).len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
    }

    /// The one under the cursor.
    pub(super) fn chosen(&self, m: &Model<'_>) -> Option<Voice> {
        Self::people(m).get(self.at).cloned()
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        rows.row(m.to(words::SECOND_WHY), Role::Text);
        rows.blank();
        for (at, voice) in Self::people(m).iter().enumerate() {
            let here = at == self.at;
            let cursor = if here { ">" } else { " " };
            let (role, person) = (pad(voice.role.as_str(), 14), &voice.person);
            let row = format!("{cursor} {role} {person}");
            rows.row(&row, if here { Role::Selected } else { Role::Text });
        }
        let key = theme.style(Role::Key);
        let foot = vec![Line::styled(m.to(words::SECOND_KEYS), key)];
        let title = words::who_agrees(m.lang, self.step.as_str());
        let remark = words::SECOND.own(m.lang);
        Sheet { title, remark, body: rows.lines, foot, low: false, must: 0 }
    }
}

/// The second person's word about a step, in words; none where nobody has to agree.
pub(super) fn agreed(m: &Model<'_>, step: &StepId, part: Part) -> Option<(String, Role)> {
    let plan = m.plan().step(step).filter(|step| step.four_eyes && part == Part::Action)?;
    Some(match m.state.approval(&plan.id, m.now) {
        Some(approval) => {
            let voice = &approval.voice;
            let at = m.minute(approval.at);
            let said = words::agreed(m.lang, voice.person.as_str(), voice.role.as_str(), &at);
            (said, Role::Text)
        }
        None => (text::SECOND_MISSES.own(m.lang), Role::Caution),
    })
}
