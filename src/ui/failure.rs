//! The choice after a failure: the facts first, then what can be done. Nothing is chosen for you.

use ratatui::text::{Line, Span};

use crate::base::{StepId, Timestamp, cells, pad};
use crate::engine::{
    AlarmId, Command, Gesture, Part, Place, RunStage, Status, Track, Verdict, Which,
};
use crate::plan::Work;
use crate::runbook::Class;

use super::header::short_span;
use super::keymap::{Action, Spot, binding};
use super::model::{Model, command};
use super::sheet::Sheet;
use super::step::{Rows, estimate};
use super::text::failure as words;
use super::text::{Say, ends, label};
use super::theme::{Role, Theme};

/// The dialog.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) step: StepId,
    pub(super) part: Part,
    pub(super) opened: Timestamp,
    /// The letter that was typed.
    pub(super) choice: Option<Action>,
    pub(super) scroll: usize,
}

/// One line of the choices.
struct Offer {
    action: Action,
    name: String,
    what: String,
    takes: String,
}

impl Failure {
    fn track<'m>(&self, m: &Model<'m>) -> &'m Track {
        m.state.track_of(&self.step, self.part)
    }

    /// Whether anything of it may have run without anybody knowing.
    pub(super) fn is_unknown(&self, m: &Model<'_>) -> bool {
        let track = self.track(m);
        let unknown = |end: Option<&crate::engine::PlaceEnd>| {
            end.is_some_and(|end| end.end.verdict() == Verdict::Unknown)
        };
        track.status == Status::Unknown || track.latest_ends().into_values().any(unknown)
    }

    /// Whether a person has to say why running it again is right.
    pub(super) fn asks_why(&self, m: &Model<'_>) -> bool {
        self.is_unknown(m) && !self.is_safe_to_repeat(m)
    }

    /// Whether the runbook says that running it twice is the same as running it once.
    fn is_safe_to_repeat(&self, m: &Model<'_>) -> bool {
        !self.part.is_undo() && m.plan().step(&self.step).is_some_and(|step| step.idempotent)
    }

    /// The command of a retry that needs no reason.
    pub(super) fn retry(&self, which: Which, m: &Model<'_>) -> Command {
        Command::Retry {
            step: self.step.clone(),
            part: self.part,
            which,
            gesture: Gesture { class: Class::Change, after: m.now.since(self.opened) },
            reason: None,
        }
    }

    /// Whether a choice is on the list.
    pub(super) fn offers(&self, action: Action, m: &Model<'_>) -> bool {
        self.list(m).iter().any(|offer| offer.action == action)
    }

    fn list(&self, m: &Model<'_>) -> Vec<Offer> {
        let Some(step) = m.plan().step(&self.step) else { return Vec::new() };
        let takes = short_span(estimate(step, self.part));
        let none = || "-".to_owned();
        let lang = m.lang;
        let offer = |action, name: Say, what: Say, takes: String| Offer {
            action,
            name: name.own(lang),
            what: what.own(lang),
            takes,
        };
        let mut list = vec![offer(Action::HoldAndLook, words::HOLD, words::HOLD_WHAT, none())];
        list.extend(self.retries(m, &takes));
        let verified = step.verification(self.part.is_undo()).is_some();
        if verified {
            list.push(offer(Action::Recheck, words::RECHECK, words::RECHECK_WHAT, none()));
        }
        if m.state.editable(&self.step, self.part).is_ok() {
            list.push(offer(Action::Edit, words::EDIT, words::EDIT_WHAT, none()));
        }
        if step.skippable && !self.part.is_undo() {
            list.push(offer(Action::Skip, words::SKIP, words::SKIP_WHAT, none()));
        }
        let by_hand = if verified { words::BY_HAND_PROVED } else { words::BY_HAND_WHAT };
        list.push(offer(Action::ByHand, words::BY_HAND, by_hand, none()));
        list.push(offer(Action::Accept, words::ACCEPT, words::ACCEPT_WHAT, none()));
        if m.state.stage() == RunStage::Active {
            let what = words::roll_back_what(lang, m.way_back.items.len());
            let takes = short_span(m.back_takes());
            list.push(Offer { what, ..offer(Action::Guard, words::ROLL_BACK, Say::NONE, takes) });
        }
        list
    }

    fn retries(&self, m: &Model<'_>, takes: &str) -> Vec<Offer> {
        let track = self.track(m);
        let failed: Vec<String> = track.failed_places().iter().map(Place::to_string).collect();
        let all = track.latest_ends().len();
        let lang = m.lang;
        let offer = |action, name: String, what: String| {
            let takes = takes.to_owned();
            Offer { action, name, what, takes }
        };
        if self.asks_why(m) {
            let (name, what) = (words::AGAIN.own(lang), words::AGAIN_WHAT.own(lang));
            return vec![offer(Action::RetryFailed, name, what)];
        }
        if failed.is_empty() || failed.len() == all {
            let (name, what) = (words::RETRY.own(lang), words::RETRY_WHAT.own(lang));
            return vec![offer(Action::RetryFailed, name, what)];
        }
        let name = words::retry_on(lang, &failed.join(" "));
        let every = words::retry_all_what(lang, all);
        vec![
            offer(Action::RetryFailed, name, words::RETRY_THERE_WHAT.own(lang)),
            offer(Action::RetryAll, words::RETRY_ALL.own(lang), every),
        ]
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        self.facts(&mut rows);
        rows.blank();
        self.choices(&mut rows);
        let chosen = self.choice.and_then(|action| {
            let key = binding(Spot::Failure, action)?.presses.first()?.name();
            let offer = self.list(m).into_iter().find(|offer| offer.action == action)?;
            Some(words::chosen(m.lang, &key, &offer.name))
        });
        let chosen = chosen.unwrap_or_else(|| format!("[   ]  {}", m.to(words::NOTHING_CHOSEN)));
        let foot = vec![Line::from(vec![
            Span::styled(m.to(words::CHOICE), theme.style(Role::Text)),
            Span::styled(chosen, theme.style(Role::Key)),
        ])];
        let track = self.track(m);
        let failed: Vec<String> = track.failed_places().iter().map(Place::to_string).collect();
        let on = (failed.as_slice(), track.latest_ends().len());
        let title = words::title(m.lang, (self.part, self.step.as_str()), track.status, on);
        let remark = words::CHOOSE.own(m.lang);
        Sheet { title, remark, body: rows.lines, foot, low: false, must: 0 }
    }

    fn facts(&self, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        let track = self.track(m);
        if self.is_unknown(m) {
            rows.say_as(label::UNKNOWN, m.to(words::UNKNOWN_1), Role::Warning);
            rows.say_as(Say::NONE, m.to(words::UNKNOWN_2), Role::Title);
        }
        if self.is_safe_to_repeat(m) {
            rows.say_as(label::REPEAT, m.to(words::SAFE_TO_REPEAT), Role::Title);
        }
        self.why(rows);
        rows.claim(track);
        let started = track.last_action().map(|attempt| attempt.started);
        for (place, end) in track.latest_ends() {
            let Some(end) = end else { continue };
            let spent =
                started.map(|start| words::after_start(m.lang, &end.at.since(start).to_string()));
            let role =
                if end.end.verdict() == Verdict::Succeeded { Role::Text } else { Role::Title };
            let said = format!(
                "{}  {place}  {}{}",
                m.time(end.at),
                ends::end(m.lang, &end.end),
                spent.unwrap_or_default()
            );
            rows.say_as(label::ENDED, &said, role);
            if let Some(found) = super::reconciled::found(&end.end) {
                rows.differences(found);
            }
        }
        self.verification(rows);
        if let Some(step) = m.plan().step(&self.step)
            && let Some(work) = Model::work(step, self.part)
        {
            match work {
                Work::Run(_) | Work::Local(_) => {
                    let text = command(rows.m, work).unwrap_or_default();
                    rows.command("$", &text);
                    rows.edited(&self.step, self.part);
                }
                Work::Builtin(_)
                | Work::Manual(_)
                | Work::Gate(_)
                | Work::Soak(_)
                | Work::Notify { .. } => {
                    rows.work(step, self.part);
                }
            }
        }
        self.output(rows);
        let attempts =
            track.attempts.iter().filter(|attempt| attempt.key.part == self.part).count();
        rows.say(label::ATTEMPTS, &attempts.to_string());
        if !m.is_back() {
            rows.way_back();
        }
    }

    /// Why it failed, where no place says so by its own end: a verification, a soak.
    fn why(&self, rows: &mut Rows<'_, '_>) {
        if !self.track(rows.m).failed_places().is_empty() || self.is_unknown(rows.m) {
            return;
        }
        let of_step = AlarmId::Step(self.step.clone());
        let alarm = rows.m.state.open_alarms().into_iter().find(|alarm| alarm.id == of_step);
        if let Some(alarm) = alarm {
            rows.say_as(label::WHY, alarm.text.as_str(), Role::Title);
        }
    }

    /// What the verification said, where that was what failed.
    fn verification(&self, rows: &mut Rows<'_, '_>) {
        let track = self.track(rows.m);
        let Some(last) = track.last() else { return };
        if !matches!(last.key.part, Part::Verify | Part::Compare | Part::UndoVerify) {
            return;
        }
        for (place, end) in &last.places {
            if let Some(end) = end {
                let ended = ends::end(rows.lang(), &end.end);
                let said = format!("{}  {place}  {ended}", rows.m.time(end.at));
                let compares = last.key.part == Part::Compare;
                let label = if compares { label::COMPARED } else { label::VERIFY };
                rows.say_as(label, &said, Role::Title);
                if let Some(found) = super::reconciled::found(&end.end) {
                    rows.differences(found);
                }
            }
        }
    }

    /// The last lines that the failed places printed.
    fn output(&self, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        let bad = self.track(m).failed_places();
        let of = |job: &crate::engine::Job| {
            Model::is_of(job, &self.step, self.part) && (bad.is_empty() || bad.contains(&job.place))
        };
        let lines = m.log.last(of, u64::MAX, 3);
        for (at, (job, line)) in lines.into_iter().enumerate() {
            let said = format!("{} | {}", job.place, line.text);
            rows.say(if at == 0 { label::OUTPUT } else { Say::NONE }, &said);
        }
    }

    fn choices(&self, rows: &mut Rows<'_, '_>) {
        let theme = rows.theme;
        let list = self.list(rows.m);
        let name_width = list.iter().map(|offer| cells(&offer.name)).max().unwrap_or(0);
        let name_width = name_width.clamp(20, (rows.width / 3).max(20));
        let room = rows.width.saturating_sub(name_width + 12);
        for offer in list {
            let key = binding(Spot::Failure, offer.action)
                .and_then(|binding| binding.presses.first())
                .map(|press| press.name())
                .unwrap_or_default();
            let chosen = self.choice == Some(offer.action);
            let role = if chosen { Role::Selected } else { Role::Text };
            let mark = if chosen { ">" } else { " " };
            rows.lines.push(Line::from(vec![
                Span::styled(format!("{mark} {key}  "), theme.style(Role::Key)),
                Span::styled(
                    format!(
                        "{}  {} {:>4}",
                        pad(&offer.name, name_width),
                        pad(&offer.what, room),
                        offer.takes
                    ),
                    theme.style(role),
                ),
            ]));
        }
    }
}
