//! The confirmation: what exactly will be done, where, and how it is undone.

use ratatui::text::{Line, Span};

use crate::base::{Millis, SafeText, StepId, Timestamp};
use crate::engine::{Command, Gesture, Part, RunKind, Status, Which};
use crate::plan::{StepPlan, Text, Work, signed};
use crate::runbook::{Class, Given, stands_for};

use super::header::{delta, short_span};
use super::model::{Model, class_word, command};
use super::sheet::Sheet;
use super::step::Rows;
use super::text;
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
    pub(super) fn row(&self, now: Timestamp) -> String {
        let [first, second] = self.digits;
        let typed = match self.typed.as_slice() {
            [] => "_  ".to_owned(),
            [first, ..] => format!("{first} _"),
        };
        if now < self.paused_until {
            return "wrong; new digits in a second".to_owned();
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
            return Some(text::not_recorded(why));
        }
        match &self.ask {
            Ask::Begin | Ask::Stop(_) => None,
            Ask::Start(step) => m.plan().step(step).and_then(|step| m.blocked(step)),
            Ask::Retry { step, part, .. } => {
                let status = m.state.track_of(step, *part).status;
                if status.wants_choice() {
                    None
                } else {
                    Some(text::is_already(step.as_str(), status.word()))
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
            Line::styled(format!("NOT POSSIBLE NOW: {why}"), theme.style(Role::Caution))
        } else if let Some(why) = self.shut(m) {
            let first = if self.code.is_some() { "the digits ask" } else { "y asks" };
            Line::styled(format!("{why}: {first} for a reason first"), theme.style(Role::Caution))
        } else if let Some(code) = &self.code {
            Line::from(vec![
                Span::styled("To run it, type:   ", plain),
                Span::styled(code.row(m.now), key),
                Span::styled("   new digits each time", dim),
            ])
        } else {
            let what = match &self.ask {
                Ask::Begin => "begin the run".to_owned(),
                Ask::Stop(_) => "stop it".to_owned(),
                Ask::Start(step) | Ask::Retry { step, .. } => Self::verb(m, step),
            };
            Line::from(vec![
                Span::styled("y", key),
                Span::styled(format!("  {what}"), plain),
                Span::styled("      Esc", key),
                Span::styled("  back, nothing is sent", plain),
            ])
        };
        if matches!(&self.ask, Ask::Start(step) if is_check(m, step)) {
            return vec![first];
        }
        let skip = matches!(&self.ask, Ask::Start(_));
        let more = if skip { "v all of it   s skip   d done by hand   " } else { "v all of it   " };
        vec![first, Line::styled(format!("{more}Enter does nothing, Esc goes back"), dim)]
    }

    /// What `y` does, in the words of the key bar.
    pub(super) fn yes(&self, m: &Model<'_>) -> &'static str {
        match &self.ask {
            Ask::Begin => "begin",
            Ask::Stop(_) => "stop it",
            Ask::Retry { .. } => "run again",
            Ask::Start(step) => match m.plan().step(step).map(|step| &step.work) {
                Some(Work::Manual(_) | Work::Gate(_)) => "open it",
                Some(Work::Soak(_)) => "watch",
                Some(Work::Notify { .. }) => "send",
                Some(Work::Builtin(builtin)) => builtin.word(),
                Some(Work::Run(_) | Work::Local(_)) | None => "run",
            },
        }
    }

    fn verb(m: &Model<'_>, step: &StepId) -> String {
        let Some(step) = m.plan().step(step) else { return "run".to_owned() };
        match &step.work {
            Work::Run(_) => format!("run on {}", text::hosts(step.hosts.len())),
            Work::Builtin(builtin) if builtin.is_on_hosts() => {
                format!("{} on {}", builtin.word(), text::hosts(step.hosts.len()))
            }
            Work::Builtin(builtin) => builtin.word().to_owned(),
            Work::Local(_) => "run on this machine".to_owned(),
            Work::Manual(_) => "open it: a person begins".to_owned(),
            Work::Gate(_) => "open the gate".to_owned(),
            Work::Soak(_) => "begin to watch".to_owned(),
            Work::Notify { .. } => "send".to_owned(),
        }
    }

    fn begin(rows: &mut Rows<'_, '_>) -> (String, String, usize) {
        let m = rows.m;
        let plan = m.plan();
        let (_, all) = m.state.count();
        rows.row(
            "Beginning runs nothing by itself, except steps of class check marked `auto`.",
            Role::Text,
        );
        rows.blank();
        rows.say_as("Runbook", plan.title.as_str(), Role::Title);
        rows.say(
            "Change",
            plan.change.as_ref().map(ToString::to_string).unwrap_or_default().as_str(),
        );
        let environment = plan.environment.as_ref().map_or("not named", SafeText::as_str);
        let kind = m.kind();
        rows.say_as("Where", &format!("{} environment {environment}", kind.word()), Role::Title);
        rows.say("Plan", &format!("digest {}", plan.digest.short()));
        let critical = plan.order.iter().filter_map(|id| plan.step(id));
        let critical = critical.filter(|step| step.class == Class::Critical).count();
        let steps = text::count(all, "step", "steps");
        let phases = text::count(plan.phases.len(), "phase", "phases");
        rows.say("Steps", &format!("{steps} in {phases}, {critical} critical"));
        let hosts: Vec<_> = plan.hosts.keys().cloned().collect();
        let names = super::step::names(&hosts);
        rows.say("Hosts", &format!("{}: {names}", text::hosts(hosts.len())));
        for why in m.state.links_down().values() {
            rows.say_as("", &format!("NOT REACHABLE: {why}"), Role::Caution);
        }
        let end = m.now.after(Millis::new(m.forecast.end.since(m.forecast.at).as_millis()));
        rows.say("Ends", &format!("about {} {}", m.zone().day(end), m.minute(end)));
        if let Some(window) = m.window() {
            let zone = m.zone();
            let (opens, closes) = (m.minute(window.opens), m.minute(window.closes));
            let (from, to) = (zone.day(window.opens), zone.day(window.closes));
            rows.say("Window", &format!("{from} {opens} to {to} {closes} {}", zone.name()));
            if signed(m.now, window.opens) > 0 {
                rows.say_as("", "the window is NOT OPEN yet", Role::Caution);
            }
        }
        ("BEGIN the run?".to_owned(), kind_remark(kind).to_owned(), 0)
    }

    fn start(rows: &mut Rows<'_, '_>, id: &StepId) -> (String, String, usize) {
        let m = rows.m;
        let Some(step) = m.plan().step(id) else { return (id.to_string(), String::new(), 0) };
        let title = format!("RUN {id}  {}", step.title);
        let where_to = match &step.work {
            Work::Run(_) => format!(" on {} {}", step.hosts.len(), m.kind().word()),
            Work::Builtin(builtin) if builtin.is_on_hosts() => {
                format!(" on {} {}", step.hosts.len(), m.kind().word())
            }
            Work::Local(_)
            | Work::Builtin(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Soak(_)
            | Work::Notify { .. } => String::new(),
        };
        if step.class == Class::Check {
            what_is_sent(rows, step, Part::Action);
            rows.hosts(step, Part::Action);
            rows.undo(step);
            rows.say("Plan", &format!("about {}", short_span(step.estimate)));
            if let Some((said, role)) = super::pick::agreed(m, id, Part::Action) {
                rows.say_as("Second", &said, role);
            }
            let must = rows.lines.len();
            return (format!("{title}{where_to}?"), class_word(step.class).to_owned(), must);
        }
        let seq = m.seq + 1;
        let said = format!(
            "This is the whole of what will be sent. It is written to the audit (#{seq}) before the first byte leaves."
        );
        rows.row(&said, Role::Dim);
        what_is_sent(rows, step, Part::Action);
        rows.blank();
        rows.hosts(step, Part::Action);
        let must = rows.lines.len();
        if let Some((said, role)) = super::pick::agreed(m, id, Part::Action) {
            rows.say_as("Second", &said, role);
        }
        if step.commit {
            rows.say_as("COMMIT", text::COMMIT, Role::Warning);
        }
        if step.point_of_no_return {
            let said = "P, the point of no return: after it, going back needs a reason";
            rows.say_as("Critical", said, Role::Caution);
        } else if step.class == Class::Critical && !step.commit {
            rows.say_as("Critical", step.class_because.as_str(), Role::Caution);
        }
        rows.work_but_command(step);
        ready(rows, step);
        rows.undo(step);
        effect(rows, step);
        rows.say("Owner", &m.owner(step).unwrap_or_default());
        rows.say("Note", step.notes.as_deref().unwrap_or_default());
        let point = match (step.commit, step.point_of_no_return) {
            (true, _) => "  COMMIT",
            (false, true) => "  P",
            (false, false) => "",
        };
        let remark = format!("class: {}{point}", class_word(step.class));
        (format!("{title}{where_to}?"), remark, must)
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
        rows.row("The same once more. This is the whole of what will be sent.", Role::Dim);
        what_is_sent(rows, step, part);
        rows.blank();
        let places: Vec<String> = match which {
            Which::Failed => track.failed_places().iter().map(ToString::to_string).collect(),
            Which::All => track.latest_ends().keys().map(ToString::to_string).collect(),
        };
        rows.say_as("Where", &places.join(" "), Role::Title);
        let must = rows.lines.len();
        rows.say_as("Reason", reason.map(SafeText::as_str).unwrap_or_default(), Role::Title);
        rows.undo(step);
        rows.times(step, part);
        rows.results(track);
        let undo = if part.is_undo() { "the undo of " } else { "" };
        let class = class_word(Self::class(&self.ask, m));
        (format!("RUN {undo}{id} AGAIN?"), format!("class: {class}"), must)
    }

    fn stop(rows: &mut Rows<'_, '_>, id: &StepId) -> (String, String, usize) {
        let m = rows.m;
        let title = format!("STOP {id}?");
        let soaks = matches!(m.state.track(id).status, Status::Soaking { .. });
        let said = if soaks {
            "The command has ended: nothing is sent. The watch ends here, and the step does not \
            count as succeeded."
        } else {
            "A signal goes to the command on each host below: first TERM, then KILL. \
            What it has done so far stays done."
        };
        rows.row(said, Role::Text);
        rows.blank();
        for part in [Part::Action, Part::Undo] {
            let track = m.state.track_of(id, part);
            if track.status.is_in_flight() {
                rows.results(track);
            }
        }
        rows.undo_of(id);
        (title, "class: CHANGE".to_owned(), 0)
    }
}

fn kind_remark(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Live => "this is the real one",
        RunKind::Drill => "nothing here touches production",
        RunKind::Rehearsal => "real hosts of another inventory",
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
            rows.say("Env", &env.join(" "));
            if let Some(input) = input {
                rows.say("Input", &input);
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
            let word = status.word().replace('_', " ");
            format!("{} {need} {word}", rows.theme.mark(status))
        })
        .collect();
    rows.say("Ready", &needs.join("   "));
    let bad = m.board.panels().filter(|panel| panel.health != crate::engine::Health::Healthy);
    let bad: Vec<String> =
        bad.map(|panel| format!("{} {}", panel.probe.id, panel.health.word())).collect();
    rows.say_as("Health", &bad.join("   "), Role::Caution);
}

/// What starting it does to the way back and to the window.
fn effect(rows: &mut Rows<'_, '_>, step: &StepPlan) {
    let m = rows.m;
    let now = m.forecast.backout.takes;
    let more = step.undo_takes();
    let by = m
        .forecast
        .backout
        .latest_safe
        .map(|safe| format!(", BY {} -> {}", m.minute(safe), m.minute(safe.before(more))));
    let (now, then) = (short_span(now), short_span(now.plus(more)));
    let by = by.unwrap_or_default();
    rows.say("Back", &format!("rollback takes {now} now, {then} after it{by}"));
    let end = m.now.after(step.estimate);
    let left = m.window().map(|window| {
        let left = delta(signed(end, window.closes));
        format!(", window left then {}", left.trim_start_matches('+'))
    });
    let (left, ends) = (left.unwrap_or_default(), m.minute(end));
    rows.say("Plan", &format!("{}: ends about {ends}{left}", step.estimate));
}

impl Confirm {
    /// Whether it is the small one at the lower edge.
    pub(super) fn is_low(&self, m: &Model<'_>) -> bool {
        matches!(&self.ask, Ask::Start(step) if is_check(m, step))
    }
}
