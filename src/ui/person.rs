//! What only a person can do: decide a gate, sign off work done by hand.

use ratatui::text::{Line, Span};

use crate::base::{Millis, SafeText, StepId};
use crate::engine::{Choice, Command, Evidence, Health, Part};
use crate::plan::{Work, signed};
use crate::runbook::{Gate, Manual};

use super::canvas::columns;
use super::header::{delta, short_span};
use super::health::number;
use super::model::Model;
use super::sheet::Sheet;
use super::step::Rows;
use super::text;
use super::theme::{Role, Theme, health_role};

/// A checklist and where the cursor is in it.
#[derive(Clone, Debug)]
pub(super) struct Checklist {
    ticked: Vec<bool>,
    cursor: usize,
}

impl Checklist {
    pub(super) fn new(items: &[SafeText]) -> Self {
        Self { ticked: vec![false; items.len()], cursor: 0 }
    }

    /// Ticks the item under the cursor and goes to the next one.
    pub(super) fn tick(&mut self) {
        self.tick_at(self.cursor);
        self.step_by(1);
    }

    /// Ticks an item, or takes the tick away.
    pub(super) fn tick_at(&mut self, at: usize) {
        if let Some(ticked) = self.ticked.get_mut(at) {
            *ticked = !*ticked;
        }
    }

    pub(super) fn step_by(&mut self, by: isize) {
        let last = self.ticked.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }

    /// How many are ticked.
    pub(super) fn count(&self) -> usize {
        self.ticked.iter().filter(|ticked| **ticked).count()
    }

    /// How many are not.
    fn left(&self) -> usize {
        self.ticked.len() - self.count()
    }

    /// Whether all are.
    pub(super) fn is_done(&self) -> bool {
        self.left() == 0
    }

    fn rows(&self, items: &[SafeText], rows: &mut Rows<'_, '_>) {
        for (at, item) in items.iter().enumerate() {
            let ticked = self.ticked.get(at).copied().unwrap_or(false);
            let here = at == self.cursor;
            let mark = rows.theme.tick(ticked);
            let cursor = if here { ">" } else { " " };
            let role = if here { Role::Selected } else { Role::Text };
            rows.row(&format!("{cursor} {mark} {} {item}", at + 1), role);
        }
    }
}

/// A go / no-go decision.
#[derive(Clone, Debug)]
pub(super) struct GateDialog {
    pub(super) step: StepId,
    pub(super) list: Checklist,
    pub(super) choice: Option<Choice>,
    pub(super) scroll: usize,
}

/// The gate of a step, if it is one.
pub(super) fn gate_of<'m>(m: &Model<'m>, step: &StepId) -> Option<&'m Gate> {
    match &m.plan().step(step)?.work {
        Work::Gate(gate) => Some(gate),
        Work::Run(_) | Work::Local(_) | Work::Manual(_) | Work::Soak(_) | Work::Notify { .. } => {
            None
        }
    }
}

/// The work by hand of a step, or of its undo, if it is such work.
pub(super) fn manual_of<'m>(m: &Model<'m>, step: &StepId, part: Part) -> Option<&'m Manual> {
    let step: &'m crate::plan::StepPlan = m.plan().step(step)?;
    match Model::work(step, part)? {
        Work::Manual(manual) => Some(manual),
        Work::Run(_) | Work::Local(_) | Work::Gate(_) | Work::Soak(_) | Work::Notify { .. } => None,
    }
}

/// What is left of the window at the forecast end, in milliseconds.
fn margin(m: &Model<'_>) -> Option<i64> {
    let window = m.plan().window.as_ref()?;
    Some(signed(m.forecast.end, window.closes))
}

/// The health that counts: the worse of the last reading's and of the journal's.
fn counts(evidence: &Evidence, m: &Model<'_>) -> Health {
    evidence.health.max(m.state.health(&evidence.probe))
}

impl GateDialog {
    /// Why a GO has to be explained; empty when every criterion holds.
    pub(super) fn against(&self, m: &Model<'_>) -> Vec<String> {
        let Some(gate) = gate_of(m, &self.step) else { return Vec::new() };
        let evidence = m.board.evidence(&gate.healthy, m.now);
        let mut against: Vec<String> = evidence
            .iter()
            .filter(|evidence| counts(evidence, m) != Health::Healthy)
            .map(|evidence| format!("{} is {}", evidence.probe, counts(evidence, m).word()))
            .collect();
        if let (Some(asked), Some(left)) = (gate.margin, margin(m))
            && left < i64::try_from(asked.as_millis()).unwrap_or(i64::MAX)
        {
            against.push(format!("less than {asked} of the window is left at the end"));
        }
        against
    }

    /// Whether the choice needs a reason.
    pub(super) fn needs_reason(&self, m: &Model<'_>) -> bool {
        match self.choice {
            Some(Choice::Go) => !self.against(m).is_empty(),
            Some(Choice::NoGo) | None => true,
        }
    }

    /// The decision with the evidence of this moment.
    pub(super) fn command(
        step: &StepId,
        choice: Choice,
        ticked: usize,
        reason: Option<SafeText>,
        m: &Model<'_>,
    ) -> Command {
        let probes = gate_of(m, step).map(|gate| gate.healthy.as_slice()).unwrap_or_default();
        Command::Decide {
            step: step.clone(),
            choice,
            ticked,
            evidence: m.board.evidence(probes, m.now),
            margin: margin(m),
            reason,
        }
    }

    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let title = m.plan().step(&self.step).map(|step| step.title.to_string());
        let title = format!("GO or NO-GO?  {}  {}", self.step, title.unwrap_or_default());
        let mut rows = Rows::new(m, theme, width);
        let Some(gate) = gate_of(m, &self.step) else { return Sheet::default() };
        Self::evidence(gate, &mut rows);
        self.facts(gate, &mut rows);
        if !gate.checklist.is_empty() {
            rows.blank();
            let (ticked, all) = (self.list.count(), gate.checklist.len());
            let said = format!("Checklist {ticked}/{all}   Space or the digit ticks");
            rows.row(&said, Role::Dim);
            self.list.rows(&gate.checklist, &mut rows);
        }
        if let Some(step) = m.plan().step(&self.step) {
            rows.say("Decides", &m.owner(step).unwrap_or_default());
            rows.say("Note", step.notes.as_deref().unwrap_or_default());
        }
        Sheet {
            title,
            remark: "decide".to_owned(),
            body: rows.lines,
            foot: self.foot(m, theme),
            low: false,
            must: 0,
        }
    }

    fn evidence(gate: &Gate, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        if gate.healthy.is_empty() {
            rows.row("This gate asks for no probe.", Role::Dim);
            return;
        }
        let name = (rows.width / 3).clamp(10, 30);
        rows.row(
            &columns(&[("  Evidence", name + 2), ("says", 10), ("value", 12), ("age", 8)]),
            Role::Dim,
        );
        for evidence in m.board.evidence(&gate.healthy, m.now) {
            let health = counts(&evidence, m);
            let probe = m.plan().probe(&evidence.probe);
            let title = probe.map_or(evidence.probe.as_str(), |probe| probe.title.as_str());
            let unit = probe.map_or("", |probe| probe.unit.as_str());
            let value = evidence.reading.as_ref().and_then(|reading| reading.value);
            let value = value.map_or_else(|| "--".to_owned(), |v| format!("{} {unit}", number(v)));
            let age = evidence
                .age
                .map_or_else(|| "never".to_owned(), |age| format!("{}s", age.as_secs()));
            let note = evidence.reading.as_ref().map_or("", |reading| reading.note.as_str());
            let row = columns(&[(title, name), (health.word(), 10), (&value, 12), (&age, 6)]);
            let mark = rows.theme.health(health);
            let role = health_role(health);
            let role = if role == Role::Dim { Role::Text } else { role };
            rows.row(&format!("{mark} {row} {note}"), role);
        }
    }

    fn facts(&self, gate: &Gate, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        rows.blank();
        let end = m.minute(m.forecast.end);
        if let (Some(left), Some(window)) = (margin(m), &m.plan().window) {
            let asked = gate.margin.map(|asked| format!(" (asked: {asked})")).unwrap_or_default();
            let short = left
                < gate
                    .margin
                    .map_or(0, |asked| i64::try_from(asked.as_millis()).unwrap_or(i64::MAX));
            let left = delta(left);
            let closes = m.minute(window.closes);
            let said = format!("ends about {end}, window {closes}: {left} left{asked}");
            rows.say_as("Time", &said, if short { Role::Caution } else { Role::Text });
        } else {
            rows.say("Time", &format!("ends about {end}; no window"));
        }
        rows.way_back();
        let skipped: Vec<&str> = m
            .plan()
            .order
            .iter()
            .filter(|id| {
                use crate::engine::Status;
                let status = m.state.track(id).status;
                matches!(status, Status::Skipped | Status::FailureAccepted)
            })
            .map(StepId::as_str)
            .collect();
        let said = if skipped.is_empty() { "none".to_owned() } else { skipped.join(" ") };
        rows.say("Open", &format!("skipped or accepted: {said}; notes: {}", m.state.notes().len()));
        let (counts, _) = m.alarm_counts();
        rows.say("Alarms", &counts);
        if let Some(record) = m.state.gate(&self.step) {
            let said = format!("{} at {}", text::choice(record.choice), m.time(record.at));
            rows.say_as("Before", &said, Role::Title);
        }
    }

    fn foot(&self, m: &Model<'_>, theme: Theme) -> Vec<Line<'static>> {
        let key = theme.style(Role::Key);
        let plain = theme.style(Role::Text);
        let chosen = match self.choice {
            None => "[ ]  g GO   n NO-GO, then y".to_owned(),
            Some(choice) if self.needs_reason(m) => {
                format!("[ {} ]  y goes on to the reason", text::choice(choice))
            }
            Some(choice) => format!("[ {} ]  y decides", text::choice(choice)),
        };
        let against = self.against(m);
        let left = self.list.left();
        let said = if !against.is_empty() {
            format!("GO needs a written reason: {}.", against.join(", "))
        } else if left > 0 {
            let items = text::count(left, "item of the checklist is", "items of the checklist are");
            format!("Health, time and the way back are in order; {items} open.")
        } else {
            "Every criterion holds.".to_owned()
        };
        let role = if against.is_empty() { Role::Text } else { Role::Caution };
        vec![
            Line::from(vec![
                Span::styled("Decision ", plain),
                Span::styled(chosen, key),
                Span::styled("   Esc back, nothing decided", plain),
            ]),
            Line::styled(said, theme.style(role)),
        ]
    }
}

/// A person's work.
#[derive(Clone, Debug)]
pub(super) struct ManualDialog {
    pub(super) step: StepId,
    pub(super) part: Part,
    pub(super) list: Checklist,
    pub(super) scroll: usize,
}

impl ManualDialog {
    /// The dialog as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let Some(manual) = manual_of(m, &self.step, self.part) else { return Sheet::default() };
        let track = m.state.track_of(&self.step, self.part);
        for line in manual.text.lines() {
            rows.row(line, Role::Title);
        }
        if !manual.checklist.is_empty() {
            rows.blank();
            let (ticked, all) = (self.list.count(), manual.checklist.len());
            rows.row(&format!("Checklist {ticked}/{all}   Space or the digit ticks"), Role::Dim);
            self.list.rows(&manual.checklist, &mut rows);
        }
        rows.blank();
        let mut title = self.step.to_string();
        if let Some(step) = m.plan().step(&self.step) {
            title = format!("BY HAND  {}  {}", self.step, step.title);
            rows.say("Owner", &m.owner(step).unwrap_or_default());
            if !self.part.is_undo() {
                rows.undo(step);
            }
            let since = track.started.map(|at| m.now.since(at));
            let since = since.map(|s: Millis| format!(", open for {}", s.clock()));
            let takes = short_span(super::step::estimate(step, self.part));
            rows.say("Plan", &format!("about {takes}{}", since.unwrap_or_default()));
            rows.say("Note", step.notes.as_deref().unwrap_or_default());
        }
        let key = theme.style(Role::Key);
        let plain = theme.style(Role::Text);
        let first = if self.list.is_done() {
            Line::from(vec![
                Span::styled("y", key),
                Span::styled("  sign it off, with your words      ", plain),
                Span::styled("Esc", key),
                Span::styled("  back, it stays open", plain),
            ])
        } else {
            Line::styled(text::TICK_FIRST, key)
        };
        let hint = "golive runs nothing here. d done by hand   s skip   X stop";
        let foot = vec![first, Line::styled(hint, theme.style(Role::Dim))];
        Sheet { title, remark: "sign-off".to_owned(), body: rows.lines, foot, low: false, must: 0 }
    }
}
