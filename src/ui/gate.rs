//! The go / no-go: what it is decided on, the answers of the roles that are asked, the decision.

use ratatui::text::{Line, Span};

use crate::base::{Millis, RoleId, SafeText, StepId};
use crate::engine::{
    Choice, Command, Criterion, Evidence, Health, Judged, Said, Tally, Voice, Vote,
};
use crate::runbook::Gate;

use super::canvas::columns;
use super::header::{delta, short_span};
use super::health::number;
use super::model::Model;
use super::person::Checklist;
use super::sheet::Sheet;
use super::step::Rows;
use super::text::gate as words;
use super::text::{self, Say, label};
use super::theme::{Role, Theme, health_role};

/// A go / no-go decision.
#[derive(Clone, Debug)]
pub(super) struct GateDialog {
    pub(super) step: StepId,
    pub(super) list: Checklist,
    pub(super) choice: Option<Choice>,
    pub(super) scroll: usize,
    /// Where the cursor is: a role that is asked, then the decision, then the checklist.
    row: usize,
    /// Who of each role speaks, by their place among its people.
    speakers: Vec<usize>,
    /// The criteria as the eyes have seen them.
    seen: Vec<Judged>,
}

/// The gate of a step, if it is one.
pub(super) fn gate_of<'m>(m: &Model<'m>, step: &StepId) -> Option<&'m Gate> {
    m.state.gate_of(step)
}

/// What is left of the window at the forecast end, in milliseconds.
fn margin(m: &Model<'_>) -> Option<i64> {
    m.forecast.margin
}

/// The health that counts: the worse of the last reading's and of the journal's.
fn counts(evidence: &Evidence, m: &Model<'_>) -> Health {
    evidence.health.max(m.state.health(&evidence.probe))
}

impl GateDialog {
    pub(super) fn new(step: StepId, gate: &Gate, m: &Model<'_>) -> Self {
        let tally = m.state.tally(&step, m.now);
        let open = tally.roles.iter().position(|(_, vote)| vote.is_none());
        Self {
            list: Checklist::new(&gate.checklist),
            choice: None,
            scroll: 0,
            row: open.unwrap_or(tally.roles.len()),
            speakers: vec![0; tally.roles.len()],
            seen: judged(m, &step),
            step,
        }
    }

    /// The role under the cursor; none on the decision, in the list, or where nobody is asked.
    pub(super) fn role(&self, m: &Model<'_>) -> Option<Voice> {
        let gate = gate_of(m, &self.step)?;
        let role = gate.poll.get(self.row)?.clone();
        let people = m.plan().roles.get(&role).map(|role| role.people.as_slice());
        let at = self.speakers.get(self.row).copied().unwrap_or(0);
        let person = people.and_then(|people| people.get(at % people.len().max(1)));
        let person = person.cloned().unwrap_or_else(|| SafeText::new(role.as_str()));
        Some(Voice::heard(role, person))
    }

    /// Somebody else of the role under the cursor speaks.
    pub(super) fn next_speaker(&mut self) {
        if let Some(speaker) = self.speakers.get_mut(self.row) {
            *speaker += 1;
        }
    }

    /// Moves the cursor over the roles, the decision and the list.
    pub(super) fn step_by(&mut self, by: isize, m: &Model<'_>) {
        let asked = gate_of(m, &self.step).map_or(0, |gate| gate.poll.len());
        if asked == 0 {
            self.list.step_by(by);
            return;
        }
        let last = asked + self.list.len();
        self.row = self.row.saturating_add_signed(by).min(last);
        self.list.go_to(self.row.saturating_sub(asked + 1));
    }

    /// After an answer: the next role that has not been heard, else the decision.
    pub(super) fn next_role(&mut self, m: &Model<'_>) {
        let tally = m.state.tally(&self.step, m.now);
        let open = |at: &usize| tally.roles.get(*at).is_some_and(|(_, vote)| vote.is_none());
        let here = self.row;
        self.row = (here + 1..tally.roles.len()).find(open).unwrap_or(tally.roles.len());
    }

    /// Takes notice of criteria that have changed; says whether they have.
    pub(super) fn look(&mut self, m: &Model<'_>) -> bool {
        let now = judged(m, &self.step);
        let same = |a: &Judged, b: &Judged| {
            (&a.criterion, a.holds, &a.waived) == (&b.criterion, b.holds, &b.waived)
        };
        let changed =
            now.len() != self.seen.len() || now.iter().zip(&self.seen).any(|(a, b)| !same(a, b));
        self.seen = now;
        changed
    }

    fn has_changed(&self, now: &Judged) -> bool {
        let seen = self.seen.iter().find(|seen| seen.criterion == now.criterion);
        seen.is_none_or(|seen| (seen.holds, &seen.waived) != (now.holds, &now.waived))
    }

    /// The first criterion that stands in the way.
    pub(super) fn to_waive(&self, m: &Model<'_>) -> Option<Criterion> {
        let judged = judged(m, &self.step).into_iter();
        judged.filter(Judged::stands_in_the_way).map(|judged| judged.criterion).next()
    }

    /// Why a GO has to be explained; empty when every criterion holds or is waived.
    pub(super) fn against(&self, m: &Model<'_>) -> Vec<String> {
        let in_the_way = judged(m, &self.step).into_iter().filter(Judged::stands_in_the_way);
        let asked = gate_of(m, &self.step).and_then(|gate| gate.margin).unwrap_or_default();
        let against = |judged: Judged| {
            let health = match &judged.criterion {
                Criterion::Probe(probe) => {
                    let seen = m.board.evidence(std::slice::from_ref(probe), m.now);
                    seen.first().map_or(Health::Unknown, |seen| counts(seen, m))
                }
                Criterion::Margin | Criterion::RollbackReady => Health::Unknown,
            };
            words::against(m.lang, &judged, (health, asked), m.readiness)
        };
        in_the_way.map(against).collect()
    }

    /// Whether the poll lets the driver say GO.
    pub(super) fn is_heard(&self, m: &Model<'_>) -> bool {
        m.state.tally(&self.step, m.now).is_go()
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
        let title = words::title(m.lang, &self.step, &title.unwrap_or_default());
        let mut rows = Rows::new(m, theme, width);
        let tally = m.state.tally(&self.step, m.now);
        let asks = !tally.roles.is_empty();
        let remark = if asks { counts_words(&tally, m) } else { words::DECIDE.own(m.lang) };
        let Some(gate) = gate_of(m, &self.step) else { return Sheet::default() };
        self.poll(gate, &mut rows);
        self.evidence(gate, &mut rows);
        self.facts(gate, &mut rows);
        if !gate.checklist.is_empty() {
            rows.blank();
            let (ticked, all) = (self.list.count(), gate.checklist.len());
            let said = words::checklist(m.lang, ticked, all);
            rows.row(&said, Role::Dim);
            let here = gate.poll.is_empty() || self.row > gate.poll.len();
            self.list.rows(&gate.checklist, here, &mut rows);
        }
        if let Some(step) = m.plan().step(&self.step) {
            rows.say(label::DECIDES, &m.owner(step).unwrap_or_default());
            rows.say(label::NOTE, step.notes.as_deref().unwrap_or_default());
        }
        Sheet { title, remark, body: rows.lines, foot: self.foot(m, theme), low: false, must: 0 }
    }

    fn evidence(&self, gate: &Gate, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        if gate.healthy.is_empty() {
            if gate.poll.is_empty() {
                rows.row(m.to(words::NO_PROBE), Role::Dim);
            }
            return;
        }
        let name = (rows.width / 3).clamp(10, 30);
        let head = [
            (m.to(words::EVIDENCE), name + 2),
            (m.to(words::SAYS), 10),
            (m.to(words::VALUE), 12),
            (m.to(words::AGE), 8),
        ];
        rows.row(&columns(&head), Role::Dim);
        for evidence in m.board.evidence(&gate.healthy, m.now) {
            let health = counts(&evidence, m);
            let probe = m.plan().probe(&evidence.probe);
            let title = probe.map_or(evidence.probe.as_str(), |probe| probe.title.as_str());
            let unit = probe.map_or("", |probe| probe.unit.as_str());
            let value = evidence.reading.as_ref().and_then(|reading| reading.value);
            let value = value.map_or_else(|| "--".to_owned(), |v| format!("{} {unit}", number(v)));
            let age = evidence
                .age
                .map_or_else(|| words::NEVER.own(m.lang), |age| format!("{}s", age.as_secs()));
            let note = evidence.reading.as_ref().map_or("", |reading| reading.note.as_str());
            let row = columns(&[
                (title, name),
                (m.to(text::ends::health(health)), 10),
                (&value, 12),
                (&age, 6),
            ]);
            let criterion = Criterion::Probe(evidence.probe.clone());
            let judged = judged(m, &self.step).into_iter().find(|it| it.criterion == criterion);
            let changed = judged.as_ref().is_some_and(|judged| self.has_changed(judged));
            let mark = rows.theme.health(health);
            let role = health_role(health);
            let role = if role == Role::Dim { Role::Text } else { role };
            let role = if changed { Role::Changed } else { role };
            let waived = judged.is_some_and(|judged| judged.waived.is_some());
            let note = if waived { m.to(words::IS_WAIVED) } else { note };
            rows.row(&format!("{mark} {row} {note}"), role);
        }
    }

    fn facts(&self, gate: &Gate, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        rows.blank();
        let end = m.minute(m.forecast.end);
        if let (Some(left), Some(window)) = (margin(m), m.window()) {
            let short = left
                < gate
                    .margin
                    .map_or(0, |asked| i64::try_from(asked.as_millis()).unwrap_or(i64::MAX));
            let left = delta(left);
            let closes = m.minute(window.closes);
            let said = words::time(m.lang, (&end, &closes), &left, gate.margin);
            rows.say_as(label::TIME, &said, if short { Role::Caution } else { Role::Text });
        } else {
            rows.say(label::TIME, &words::time_alone(m.lang, &end));
        }
        rows.way_back();
        self.readiness(gate, rows);
        self.waivers(rows);
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
        let none = skipped.is_empty();
        let said = if none { text::NONE_YET.own(m.lang) } else { skipped.join(" ") };
        rows.say(label::OPEN, &words::open(m.lang, &said, m.state.notes().len()));
        let (counts, _) = m.alarm_counts(text::header_words::Room::Wide);
        rows.say(label::ALARMS, &counts);
        if let Some(record) = m.state.gate(&self.step) {
            let said = words::decided_at(m.lang, record.choice, &m.time(record.at));
            rows.say_as(label::BEFORE, &said, Role::Title);
        }
    }

    fn readiness(&self, gate: &Gate, rows: &mut Rows<'_, '_>) {
        if !gate.rollback_ready {
            return;
        }
        let all = judged(rows.m, &self.step).into_iter();
        let ready = all.filter(|it| it.criterion == Criterion::RollbackReady);
        for judged in ready {
            let role = match (self.has_changed(&judged), judged.holds) {
                (true, _) => Role::Changed,
                (false, true) => Role::Text,
                (false, false) => Role::Caution,
            };
            let said = words::ready(rows.lang(), &judged, rows.m.readiness);
            rows.say_as(label::READY_BACK, &said, role);
        }
    }

    fn waivers(&self, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        for waiver in m.state.waivers(&self.step).iter().filter(|waiver| !waiver.ended) {
            let left = waiver.until.since(m.now);
            let span = (&*m.minute(waiver.until), &*short_span(left));
            let by = (waiver.by.name(), &waiver.reason);
            let said = words::waiver(m.lang, &waiver.criterion, span, by);
            rows.say_as(label::WAIVED, &said, Role::Caution);
        }
    }

    /// The roles that are asked, in order, and what each has answered.
    fn poll(&self, gate: &Gate, rows: &mut Rows<'_, '_>) {
        if gate.poll.is_empty() {
            return;
        }
        let m = rows.m;
        let tally = m.state.tally(&self.step, m.now);
        let wide = rows.width >= 90;
        let (role_width, who_width) = if wide { (18, 20) } else { (13, 15) };
        let head = [
            (m.to(words::ASKED), role_width + 4),
            (m.to(words::WHO), who_width),
            (m.to(words::ANSWER), 7),
            (m.to(words::AT), 9),
            (m.to(words::WORDS), 12),
        ];
        rows.row(&columns(&head), Role::Dim);
        for (at, (role, vote)) in tally.roles.iter().enumerate() {
            let here = at == self.row;
            let speaker = Self { row: at, ..self.clone() }.role(m);
            let speaker = speaker.map(|voice| voice.person.to_string()).unwrap_or_default();
            let late = m.state.votes(&self.step).iter().find(|vote| vote.voice.role == *role);
            let (who, answer, when, words) = match (vote, late) {
                (Some(vote), _) => said_row(vote, m),
                (None, Some(_)) => {
                    (speaker, m.to(words::AGAIN), String::new(), words::TOO_LONG_AGO.own(m.lang))
                }
                (None, None) => (speaker, "...", String::new(), String::new()),
            };
            let mark = match vote.as_ref().map(|vote| vote.choice) {
                Some(Choice::Go) => rows.theme.tick(true),
                Some(Choice::NoGo) => "x",
                None => rows.theme.tick(false),
            };
            let cursor = if here { ">" } else { " " };
            let row =
                columns(&[(role.as_str(), role_width), (&who, who_width), (answer, 7), (&when, 9)]);
            let role = match vote.as_ref().map(|vote| vote.choice) {
                _ if here => Role::Selected,
                Some(Choice::NoGo) => Role::Warning,
                Some(Choice::Go) => Role::Text,
                None => Role::Title,
            };
            rows.row(&format!("{cursor} {mark} {row} {words}"), role);
        }
        let here = self.row == gate.poll.len();
        let cursor = if here { ">" } else { " " };
        let said = words::decision_of_driver(m.lang, cursor, self.choice);
        let role = if here { Role::Selected } else { Role::Title };
        rows.row(&said, role);
        let lasts = short_span(crate::engine::WORD_LASTS);
        rows.row(&words::rule(m.lang, gate.require, gate.poll.len(), &lasts), Role::Dim);
        rows.blank();
    }

    fn foot(&self, m: &Model<'_>, theme: Theme) -> Vec<Line<'static>> {
        let key = theme.style(Role::Key);
        let plain = theme.style(Role::Text);
        let tally = m.state.tally(&self.step, m.now);
        let asked = self.role(m);
        let chosen = match self.choice {
            _ if asked.is_some() => words::ASK_ROLE.own(m.lang),
            None => words::CHOOSE.own(m.lang),
            Some(choice) => words::chosen(m.lang, choice, self.needs_reason(m)),
        };
        let against = self.against(m);
        let left = self.list.left();
        let waived: Vec<_> = judged(m, &self.step)
            .into_iter()
            .filter(|judged| judged.waived.is_some())
            .map(|judged| words::criterion(m.lang, &judged.criterion))
            .collect();
        let said = if !tally.is_go() {
            words::not_go(m.lang, &unheard(&tally, m))
        } else if !against.is_empty() {
            words::needs_reason(m.lang, &against)
        } else if left > 0 {
            words::items_open(m.lang, !waived.is_empty(), left)
        } else if waived.is_empty() {
            words::ALL_HOLD.own(m.lang)
        } else {
            words::hold_or_waived(m.lang, &waived.join(" "))
        };
        let fine = against.is_empty() && tally.is_go();
        let role = if fine { Role::Text } else { Role::Caution };
        let before = asked.map_or_else(
            || words::DECISION.own(m.lang),
            |voice| words::asked(m.lang, &voice.role, &voice.person),
        );
        vec![
            Line::from(vec![
                Span::styled(before, plain),
                Span::styled(chosen, key),
                Span::styled(m.to(words::ESC_NOTHING_DECIDED), plain),
            ]),
            Line::styled(said, theme.style(role)),
        ]
    }
}

/// How every criterion of a gate stands now.
fn judged(m: &Model<'_>, step: &StepId) -> Vec<Judged> {
    let probes = gate_of(m, step).map(|gate| gate.healthy.as_slice()).unwrap_or_default();
    m.state.judge(step, &m.board.evidence(probes, m.now), margin(m), m.now)
}

/// `GO 2  NO-GO 0  wait 1`
fn counts_words(tally: &Tally, m: &Model<'_>) -> String {
    let wait = tally.roles.iter().filter(|(_, vote)| vote.is_none()).count();
    words::counts(m.lang, tally.go, tally.no_go, wait)
}

fn unheard(tally: &Tally, m: &Model<'_>) -> String {
    let no = |role: &&(RoleId, Option<Vote>)| {
        role.1.as_ref().is_some_and(|vote| vote.choice == Choice::NoGo)
    };
    let no: Vec<&str> = tally.roles.iter().filter(no).map(|(role, _)| role.as_str()).collect();
    words::unheard(m.lang, (tally.go, tally.needed), &no, tally.next())
}

/// Who, answer, when, words; with what proves a word that came from another terminal.
fn said_row(vote: &Vote, m: &Model<'_>) -> (String, &'static str, String, String) {
    let proof = match vote.voice.said.as_deref() {
        None => Say::NONE,
        Some(Said { signed: Some(_), .. }) => words::SIGNED,
        Some(Said { signed: None, .. }) => words::NOT_SIGNED,
    };
    (
        vote.voice.person.to_string(),
        m.to(text::choice(vote.choice)),
        m.time(vote.at),
        format!("{}{}", m.to(proof), vote.words),
    )
}

/// How long a waiver lasts, and why: `30m the reason`.
pub(super) fn waiver(written: &str) -> Option<(Millis, SafeText)> {
    let (lasts, reason) = written.trim().split_once(char::is_whitespace)?;
    let lasts: Millis = lasts.trim_end_matches([',', ':']).parse().ok()?;
    let reason = reason.trim();
    (!reason.is_empty()).then(|| (lasts, SafeText::new(reason)))
}
