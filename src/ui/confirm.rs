//! The confirmation: what exactly will be done, where, and how it is undone.

use ratatui::text::{Line, Span};

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::engine::{Command, Gesture, Part, Status, Which};
use crate::plan::{StepPlan, Text, Work, signed};
use crate::runbook::{Class, Given, stands_for};

use super::header::{delta, short_span};
use super::model::{Model, command};
use super::sheet::Sheet;
use super::step::Rows;
use super::text::confirm as words;
use super::text::{self, Say, label, work};
use super::theme::{Role, Theme};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Begin the run.
    Begin,
    /// Start a step.
    Start(StepId),
    /// Run a step, or its undo, again.
    Retry { step: StepId, part: Part, which: Which, reason: Option<SafeText> },
    /// Stop what runs of a step.
    Stop(StepId),
}

/// Two digits that did not exist a second ago.
#[derive(Clone, Debug)]
pub(super) struct Code {
    digits: [u8; 2],
    typed: Vec<u8>,
    /// Wrong codes so far.
    pub(super) wrong: u8,
    /// Digits are ignored until then.
    pub(super) paused_until: Timestamp,
}

/// What a digit made of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    More,
    Right,
    Wrong,
}

impl Code {
    pub(super) const fn new(digits: [u8; 2]) -> Self {
        Self { digits, typed: Vec::new(), wrong: 0, paused_until: Timestamp::from_unix_millis(0) }
    }

    /// Other digits; what was typed is forgotten.
    pub(super) fn renew(&mut self, digits: [u8; 2]) {
        self.digits = digits;
        self.typed.clear();
    }

    /// Forgets what was typed.
    pub(super) fn forget(&mut self) {
        self.typed.clear();
    }

    /// Whether somebody is typing it.
    pub(super) const fn is_begun(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Takes a digit.
    pub(super) fn take(&mut self, digit: u8) -> Typed {
        self.typed.push(digit);
        if self.typed.len() < self.digits.len() {
            return Typed::More;
        }
        if self.typed == self.digits {
            return Typed::Right;
        }
        self.typed.clear();
        self.wrong += 1;
        Typed::Wrong
    }

    /// `4 7    [ 4 _ ]`
    pub(super) fn row(&self, m: &Model<'_>) -> String {
        let [first, second] = self.digits;
        let typed = match self.typed.as_slice() {
            [] => "_  ".to_owned(),
            [first, ..] => format!("{first} _"),
        };
        if m.now < self.paused_until {
            return words::WRONG_CODE.own(m.lang);
        }
        format!("{first} {second}    [ {typed} ]")
    }
}

/// The dialog.
#[derive(Clone, Debug)]
pub(super) struct Confirm {
    pub(super) ask: Ask,
    pub(super) opened: Timestamp,
    /// For class critical.
    pub(super) code: Option<Code>,
    pub(super) scroll: usize,
    /// How far down somebody has read.
    pub(super) read: usize,
}

impl Confirm {
    /// How hard it is to confirm.
    pub(super) fn class(ask: &Ask, m: &Model<'_>) -> Class {
        let of = |step| m.plan().step(step).map_or(Class::Critical, |step| step.class);
        match ask {
            Ask::Begin | Ask::Stop(_) => Class::Change,
            Ask::Start(step) => of(step),
            Ask::Retry { part, .. } if part.is_undo() => Class::Change,
            Ask::Retry { step, .. } => of(step).max(Class::Change),
        }
    }

    /// The step it is about.
    pub(super) const fn step(&self) -> Option<&StepId> {
        match &self.ask {
            Ask::Begin => None,
            Ask::Start(step) | Ask::Stop(step) | Ask::Retry { step, .. } => Some(step),
        }
    }

    /// The part of a step whose command can be edited from here.
    pub(super) const fn edits(&self) -> Option<(&StepId, Part)> {
        match &self.ask {
            Ask::Start(step) => Some((step, Part::Action)),
            Ask::Retry { step, part, .. } => Some((step, *part)),
            Ask::Begin | Ask::Stop(_) => None,
        }
    }

    /// Why it cannot be done now; none when it can.
    pub(super) fn blocked(&self, m: &Model<'_>) -> Option<String> {
        let goes_back = match &self.ask {
            Ask::Stop(_) => true,
            Ask::Retry { step, part, .. } => part.is_undo() || !m.plan().is_forward(step),
            Ask::Begin | Ask::Start(_) => false,
        };
        if let Some(why) = m.recording
            && (m.needs_override() || !goes_back)
        {
            return Some(text::not_recorded(m.lang, why));
        }
        match &self.ask {
            Ask::Begin | Ask::Stop(_) => None,
            Ask::Start(step) => m.plan().step(step).and_then(|step| m.blocked(step)),
            Ask::Retry { step, part, .. } => {
                let status = m.state.track_of(step, *part).status;
                if status.wants_choice() {
                    None
                } else {
                    Some(text::is_already(m.lang, step.as_str(), m.status(status)))
                }
            }
        }
    }

    /// Whether it waits for the word of a second person.
    pub(super) fn second_misses(&self, m: &Model<'_>) -> bool {
        let step = self.step().and_then(|step| m.plan().step(step));
        let asks = matches!(self.ask, Ask::Start(_) | Ask::Retry { part: Part::Action, .. });
        asks && step
            .is_some_and(|step| step.four_eyes && m.state.approval(&step.id, m.now).is_none())
    }

    /// That the window is shut, where a reason is needed for it.
    pub(super) fn shut(&self, m: &Model<'_>) -> Option<String> {
        let step = match &self.ask {
            Ask::Start(step) => step,
            Ask::Retry { step, part, .. } if !part.is_undo() => step,
            Ask::Retry { .. } | Ask::Begin | Ask::Stop(_) => return None,
        };
        m.shut_for(step).map(|(edge, window)| text::shut(m, edge, &window))
    }

    /// The command that the gesture stands for.
    pub(super) fn command(&self, m: &Model<'_>) -> Command {
        // Without digits it is no confirmation of class critical, whatever the class is by now.
        let most = if self.code.is_some() { Class::Critical } else { Class::Change };
        let class = Self::class(&self.ask, m).min(most);
        let gesture = Gesture { class, after: m.now.since(self.opened) };
        match &self.ask {
            Ask::Begin => Command::Begin,
            Ask::Start(step) => Command::Start { step: step.clone(), gesture },
            Ask::Stop(step) => Command::Stop { step: step.clone() },
            Ask::Retry { step, part, which, reason } => Command::Retry {
                step: step.clone(),
                part: *part,
                which: *which,
                gesture,
                reason: reason.clone(),
            },
        }
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let (title, remark, must) = match &self.ask {
            Ask::Begin => Self::begin(&mut rows),
            Ask::Start(step) => Self::start(&mut rows, step),
            Ask::Retry { step, part, which, reason } => {
                self.retry(&mut rows, step, *part, *which, reason.as_ref())
            }
            Ask::Stop(step) => Self::stop(&mut rows, step),
        };
        let low = matches!(&self.ask, Ask::Start(step) if is_check(m, step));
        Sheet { title, remark, body: rows.lines, foot: self.foot(m, theme), low, must }
    }

    fn foot(&self, m: &Model<'_>, theme: Theme) -> Vec<Line<'static>> {
        let key = theme.style(Role::Key);
        let plain = theme.style(Role::Text);
        let dim = theme.style(Role::Dim);
        let first = if let Some(why) = self.blocked(m) {
            Line::styled(words::not_possible(m.lang, &why), theme.style(Role::Caution))
        } else if let Some(why) = self.shut(m) {
            let said = words::asks_first(m.lang, &why, self.code.is_some());
            Line::styled(said, theme.style(Role::Caution))
        } else if let Some(code) = &self.code {
            Line::from(vec![
                Span::styled(words::TO_RUN_TYPE.to(m.lang), plain),
                Span::styled(code.row(m), key),
                Span::styled(words::NEW_DIGITS.to(m.lang), dim),
            ])
        } else {
            let what = match &self.ask {
                Ask::Begin => words::BEGIN_IT.own(m.lang),
                Ask::Stop(_) => words::STOP_IT.own(m.lang),
                Ask::Start(step) | Ask::Retry { step, .. } => Self::verb(m, step),
            };
            Line::from(vec![
                Span::styled("y", key),
                Span::styled(format!("  {what}"), plain),
                Span::styled("      Esc", key),
                Span::styled(words::ESC_NOTHING_SENT.to(m.lang), plain),
            ])
        };
        if matches!(&self.ask, Ask::Start(step) if is_check(m, step)) {
            return vec![first];
        }
        let skip = matches!(&self.ask, Ask::Start(_));
        let more = if skip { words::MORE_OF_START } else { words::MORE };
        vec![first, Line::styled(more.to(m.lang), dim)]
    }

    /// What `y` does, in the words of the key bar.
    pub(super) fn yes(&self, m: &Model<'_>) -> Say {
        match &self.ask {
            Ask::Begin => words::BAR_BEGIN,
            Ask::Stop(_) => words::STOP_IT,
            Ask::Retry { .. } => words::BAR_AGAIN,
            Ask::Start(step) => match m.plan().step(step).map(|step| &step.work) {
                Some(Work::Manual(_) | Work::Gate(_)) => words::BAR_OPEN,
                Some(Work::Soak(_)) => words::BAR_WATCH,
                Some(Work::Notify { .. }) => words::SEND,
                Some(Work::Builtin(builtin)) => work::verb(builtin),
                Some(Work::Run(_) | Work::Local(_)) | None => words::RUN,
            },
        }
    }

    fn verb(m: &Model<'_>, step: &StepId) -> String {
        let Some(step) = m.plan().step(step) else { return words::RUN.own(m.lang) };
        let say = match &step.work {
            Work::Run(_) => return words::on_hosts(m.lang, words::RUN, step.hosts.len()),
            Work::Builtin(builtin) if builtin.is_on_hosts() => {
                return words::on_hosts(m.lang, work::verb(builtin), step.hosts.len());
            }
            Work::Builtin(builtin) => work::verb(builtin),
            Work::Local(_) => words::RUN_HERE,
            Work::Manual(_) => words::OPEN_BY_HAND,
            Work::Gate(_) => words::OPEN_GATE,
            Work::Soak(_) => words::WATCH,
            Work::Notify { .. } => words::SEND,
        };
        say.own(m.lang)
    }

    fn begin(rows: &mut Rows<'_, '_>) -> (String, String, usize) {
        let m = rows.m;
        let plan = m.plan();
        let (_, all) = m.state.count();
        rows.row(words::BEGIN_RUNS_NOTHING.to(m.lang), Role::Text);
        rows.blank();
        rows.say_as(label::RUNBOOK, plan.title.as_str(), Role::Title);
        rows.say(
            label::CHANGE,
            plan.change.as_ref().map(ToString::to_string).unwrap_or_default().as_str(),
        );
        let environment = plan.environment.as_ref();
        let environment = environment.map_or(m.to(words::NOT_NAMED), SafeText::as_str);
        let kind = m.kind();
        rows.say_as(label::WHERE, &words::environment(m.lang, kind, environment), Role::Title);
        rows.say(label::PLAN, &words::digest(m.lang, &plan.digest.short()));
        let critical = plan.order.iter().filter_map(|id| plan.step(id));
        let critical = critical.filter(|step| step.class == Class::Critical).count();
        rows.say(label::STEPS, &words::extent(m.lang, all, plan.phases.len(), critical));
        let hosts: Vec<_> = plan.hosts.keys().cloned().collect();
        let names = super::step::names(&hosts);
        rows.say(label::HOSTS, &text::step::host_list(m.lang, hosts.len(), &names));
        for why in m.state.links_down().values() {
            let said = text::step::not_reachable(m.lang, why.as_str());
            rows.say_as(Say::NONE, &said, Role::Caution);
        }
        let end = m.now.after(Millis::new(m.forecast.end.since(m.forecast.at).as_millis()));
        let when = format!("{} {}", text::day(m.lang, m.zone(), end), m.minute(end));
        rows.say(label::ENDS, &words::about(m.lang, &when));
        if let Some(window) = m.window() {
            let zone = m.zone();
            let (opens, closes) = (m.minute(window.opens), m.minute(window.closes));
            let day = |at| text::day(m.lang, zone, at);
            let (from, to) = (day(window.opens), day(window.closes));
            let said = words::window(m.lang, (&from, &opens), (&to, &closes), zone.name());
            rows.say(label::WINDOW, &said);
            if signed(m.now, window.opens) > 0 {
                rows.say_as(Say::NONE, m.to(words::NOT_OPEN_YET), Role::Caution);
            }
        }
        (words::BEGIN.own(m.lang), words::kind_remark(kind).own(m.lang), 0)
    }

    fn start(rows: &mut Rows<'_, '_>, id: &StepId) -> (String, String, usize) {
        let m = rows.m;
        let Some(step) = m.plan().step(id) else { return (id.to_string(), String::new(), 0) };
        let on = step.work.is_on_hosts().then(|| (step.hosts.len(), m.kind()));
        let title = words::run(m.lang, id, step.title.as_str(), on);
        if step.class == Class::Check {
            what_is_sent(rows, step, Part::Action);
            rows.hosts(step, Part::Action);
            rows.undo(step);
            rows.say(label::PLAN, &words::about(m.lang, &short_span(step.estimate)));
            if let Some((said, role)) = super::pick::agreed(m, id, Part::Action) {
                rows.say_as(label::SECOND, &said, role);
            }
            let must = rows.lines.len();
            return (title, text::class(step.class).to_owned(), must);
        }
        rows.row(&words::whole(m.lang, m.seq + 1), Role::Dim);
        what_is_sent(rows, step, Part::Action);
        rows.blank();
        rows.hosts(step, Part::Action);
        rows.dry_run(step);
        let must = rows.lines.len();
        if let Some((said, role)) = super::pick::agreed(m, id, Part::Action) {
            rows.say_as(label::SECOND, &said, role);
        }
        if step.commit {
            rows.say_as(label::COMMIT, m.to(words::COMMIT), Role::Warning);
        }
        if step.point_of_no_return {
            rows.say_as(label::CRITICAL, m.to(words::NO_RETURN), Role::Caution);
        } else if step.class == Class::Critical && !step.commit {
            rows.say_as(label::CRITICAL, step.class_because.as_str(), Role::Caution);
        }
        rows.work_but_command(step);
        ready(rows, step);
        rows.undo(step);
        effect(rows, step);
        rows.say(label::OWNER, &m.owner(step).unwrap_or_default());
        rows.say(label::NOTE, step.notes.as_deref().unwrap_or_default());
        let point = match (step.commit, step.point_of_no_return) {
            (true, _) => "  COMMIT",
            (false, true) => "  P",
            (false, false) => "",
        };
        let class = text::class_is(m.lang, text::class(step.class));
        (title, format!("{class}{point}"), must)
    }

    fn retry(
        &self,
        rows: &mut Rows<'_, '_>,
        id: &StepId,
        part: Part,
        which: Which,
        reason: Option<&SafeText>,
    ) -> (String, String, usize) {
        let m = rows.m;
        let Some(step) = m.plan().step(id) else { return (id.to_string(), String::new(), 0) };
        let track = m.state.track_of(id, part);
        rows.row(m.to(words::AGAIN), Role::Dim);
        what_is_sent(rows, step, part);
        rows.blank();
        let places: Vec<String> = match which {
            Which::Failed => track.failed_places().iter().map(ToString::to_string).collect(),
            Which::All => track.latest_ends().keys().map(ToString::to_string).collect(),
        };
        rows.say_as(label::WHERE, &places.join(" "), Role::Title);
        let must = rows.lines.len();
        rows.say_as(label::REASON, reason.map(SafeText::as_str).unwrap_or_default(), Role::Title);
        rows.undo(step);
        rows.times(step, part);
        rows.results(track);
        let class = text::class(Self::class(&self.ask, m));
        (words::run_again(m.lang, part, id), text::class_is(m.lang, class), must)
    }

    fn stop(rows: &mut Rows<'_, '_>, id: &StepId) -> (String, String, usize) {
        let m = rows.m;
        let title = words::stop(m.lang, id);
        let soaks = matches!(m.state.track(id).status, Status::Soaking { .. });
        let said = if soaks { words::STOP_WATCH } else { words::STOP_SIGNAL };
        rows.row(m.to(said), Role::Text);
        rows.blank();
        for part in [Part::Action, Part::Undo] {
            let track = m.state.track_of(id, part);
            if track.status.is_in_flight() {
                rows.results(track);
            }
        }
        rows.undo_of(id);
        (title, text::class_is(m.lang, text::class(Class::Change)), 0)
    }
}

fn is_check(m: &Model<'_>, step: &StepId) -> bool {
    m.plan().step(step).is_some_and(|step| step.class == Class::Check)
}

/// The command with its environment and its input.
fn what_is_sent(rows: &mut Rows<'_, '_>, step: &StepPlan, part: Part) {
    let Some(work) = Model::work(step, part) else { return };
    match work {
        Work::Run(_) | Work::Local(_) => {
            let text = command(rows.m, work).unwrap_or_default();
            rows.command("$", &text);
            rows.edited(&step.id, part);
            let own = step.env.iter().filter(|(name, _)| !name.starts_with("GL_"));
            let shown = |given: &Given<Text>| match given {
                Given::Text(text) => rows.m.state.filled(text),
                Given::Secret(name) => stands_for(name),
            };
            let env: Vec<String> =
                own.map(|(name, value)| format!("{name}={}", shown(value))).collect();
            let input = step.stdin.as_ref().map(shown);
            rows.say(label::ENV, &env.join(" "));
            if let Some(input) = input {
                rows.say(label::INPUT, &input);
            }
        }
        Work::Builtin(_)
        | Work::Manual(_)
        | Work::Gate(_)
        | Work::Soak(_)
        | Work::Notify { .. } => {
            rows.work(step, part);
        }
    }
}

/// What it needs and how that stands; alarms that are open.
fn ready(rows: &mut Rows<'_, '_>, step: &StepPlan) {
    let m = rows.m;
    let needs: Vec<String> = step
        .needs
        .iter()
        .map(|need| {
            let status = m.state.track(need).status;
            format!("{} {need} {}", rows.theme.mark(status), m.status(status))
        })
        .collect();
    rows.say(label::READY, &needs.join("   "));
    let bad = m.board.panels().filter(|panel| panel.health != crate::engine::Health::Healthy);
    let bad: Vec<String> = bad
        .map(|panel| format!("{} {}", panel.probe.id, m.to(text::ends::health(panel.health))))
        .collect();
    rows.say_as(label::HEALTH, &bad.join("   "), Role::Caution);
}

/// What starting it does to the way back and to the window.
fn effect(rows: &mut Rows<'_, '_>, step: &StepPlan) {
    let m = rows.m;
    let now = m.forecast.backout.takes;
    let more = step.undo_takes();
    let safe = m.forecast.backout.latest_safe;
    let by = safe.map(|safe| (m.minute(safe), m.minute(safe.before(more))));
    let by = by.as_ref().map(|(is, would)| (is.as_str(), would.as_str()));
    let (now, then) = (short_span(now), short_span(now.plus(more)));
    rows.say(label::BACK, &words::back_effect(m.lang, (&now, &then), by));
    let end = m.now.after(step.estimate);
    let left = m.window().map(|window| delta(signed(end, window.closes)));
    let left = left.as_deref().map(|left| left.trim_start_matches('+'));
    let takes = step.estimate.to_string();
    rows.say(label::PLAN, &words::plan_effect(m.lang, &takes, &m.minute(end), left));
}

impl Confirm {
    /// Whether it is the small one at the lower edge.
    pub(super) fn is_low(&self, m: &Model<'_>) -> bool {
        matches!(&self.ask, Ask::Start(step) if is_check(m, step))
    }
}
