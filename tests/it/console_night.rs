//! A night at the console for the tests of the screens: a clock and hosts that the test moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers};
use golive::base::{Digest, Millis, SafeText, StepId, Timestamp};
use golive::engine::{
    Actor, Board, Command, Doubt, End, Fact, Genesis, Gesture, Job, Key, Need, Part, Place, Proof,
    Readiness, Reading, RunKind, Sight, State, Status, Transcript, WayBack, advance,
};
use golive::plan::Forecast;
use golive::runbook::{Class, SourceFile};
use golive::ui::{
    AuditTail, Codes, Depth, GlyphSet, Intent, Lang, LogStore, Model, Screen, Signed, Stream, Theme,
};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(crate) const BILLING: &str = include_str!("runbooks/billing.toml");
pub(crate) const PLAIN: Theme = Theme { depth: Depth::Mono, glyphs: GlyphSet::Unicode };
pub(crate) const ASCII: Theme = Theme { depth: Depth::Mono, glyphs: GlyphSet::Ascii };

/// One night at the console, with a clock and hosts that the test moves.
pub(crate) struct Night {
    pub(crate) state: State,
    pub(crate) board: Board,
    pub(crate) log: LogStore,
    pub(crate) gauges: BTreeMap<Job, golive::base::Share>,
    pub(crate) audit: AuditTail,
    pub(crate) now: Timestamp,
    pub(crate) seq: u64,
    pub(crate) recording: Option<String>,
    pub(crate) signing: Signed,
    pub(crate) unrecorded: BTreeMap<Job, End>,
    pub(crate) screen: Screen,
    pub(crate) bells: usize,
    pub(crate) lang: Lang,
    /// Text of the runbook, and everything that was recorded or printed since: what no screen
    /// translates.
    given: String,
    pub(crate) submitted: Vec<Command>,
    pub(crate) forecast: Forecast,
    pub(crate) way_back: WayBack,
    pub(crate) readiness: Readiness,
    pub(crate) proved: BTreeMap<Need, Timestamp>,
    /// Hosts that are found to be as the way back needs them, without a word in the record.
    pub(crate) hosts_are_well: bool,
}

pub(crate) fn id(name: &str) -> StepId {
    name.parse().unwrap()
}

pub(crate) fn person() -> Actor {
    Actor::Operator(SafeText::new("li.wei"))
}

/// Digits that are known to the test: 47, 58, 69, then again.
pub(crate) fn codes() -> Codes {
    let mut all = [[4, 7], [5, 8], [6, 9]].into_iter().cycle();
    Box::new(move || all.next().unwrap())
}

impl Night {
    pub(crate) fn new(kind: RunKind) -> Self {
        Self::of(BILLING, kind)
    }

    /// The same with another text of its runbook.
    pub(crate) fn of(text: &str, kind: RunKind) -> Self {
        let main = SourceFile { name: "billing.toml".to_owned(), text: text.to_owned() };
        let (checked, plan) = crate::plan::prepared(&main, &mut |name| Err(name.to_owned()));
        let problems: Vec<_> = checked.errors().map(|p| p.message.clone()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let plan = Arc::new(plan.unwrap());
        let now: Timestamp = "2026-09-21T16:00:00Z".parse().unwrap();
        let state = State::new(Arc::clone(&plan));
        let times = state.forecast(now);
        let mut night = Self {
            board: Board::new(&plan, now),
            way_back: state.way_back(),
            readiness: state.rollback_ready(),
            proved: BTreeMap::new(),
            hosts_are_well: true,
            state,
            log: LogStore::default(),
            gauges: BTreeMap::new(),
            audit: AuditTail::default(),
            now,
            seq: 1480,
            recording: None,
            signing: Signed::default(),
            unrecorded: BTreeMap::new(),
            screen: Screen::new(codes()),
            bells: 0,
            lang: Lang::En,
            given: text.replace("\\n", " "),
            submitted: Vec::new(),
            forecast: times,
        };
        night.ask(&Command::Open(Genesis {
            session: "20260922-billing".parse().unwrap(),
            kind,
            version: SafeText::new("0.1.0"),
            runbook: plan.id.clone(),
            title: plan.title.clone(),
            plan: Digest::of(b"plan"),
            driver: SafeText::new("li.wei"),
            machine: SafeText::new("bastion"),
            environment: Some(SafeText::new("production")),
            overridden: None,
            signer: None,
        }));
        night
    }

    /// A night that has come to the verification of the copied rows.
    pub(crate) fn migrating(kind: RunKind) -> Self {
        let mut night = Self::new(kind);
        night.reach_the_migration();
        night
    }

    fn reach_the_migration(&mut self) {
        let night = self;
        night.ask(&Command::Begin);
        for step in ["a1", "a2", "c1", "c2"] {
            night.run(step);
        }
        night.pass(60);
        night.start("c3");
        night.pass(920);
        night.print("c3", "db-old-1", "table=ledger_2025 rows=9 020 331 sum=77b2\n");
        night.print("c3", "db-new-1", "WARN slow read ledger_2025 2.9s\n");
        night.print("c3", "db-new-1", "table=ledger_2025 rows=9 020 331 sum=77b2 ok\n");
        night.health(&[("p95", 212.0), ("errors", 0.02), ("lag", 41.0), ("orders", 118.0)]);
    }

    /// A night whose canary runs on two load balancers.
    pub(crate) fn at_the_canary(kind: RunKind) -> Self {
        let mut night = Self::new(kind);
        night.reach_the_canary();
        night
    }

    /// All that comes before the canary, and the canary begins.
    pub(crate) fn reach_the_canary(&mut self) {
        self.before_the_canary();
        self.start("e3");
        self.pass(14);
    }

    /// All that comes before the canary.
    pub(crate) fn before_the_canary(&mut self) {
        let night = self;
        night.reach_the_migration();
        night.end("c3", "db-old-1", 0);
        night.end("c3", "db-new-1", 0);
        night.health(&[("lag", 6.0)]);
        night.go();
        night.start("d1");
        night.sign_off();
        night.run("e1");
        night.pass(30);
    }

    /// A night whose canary has failed on one of two load balancers.
    pub(crate) fn failed(kind: RunKind) -> Self {
        let mut night = Self::at_the_canary(kind);
        night.print("e3", "lb-2", "error: pool \"billing\" has 1 healthy new member, need 2\n");
        night.end("e3", "lb-1", 0);
        night.end("e3", "lb-2", 22);
        night
    }

    pub(crate) fn go(&mut self) {
        let command = Command::Decide {
            step: id("g2"),
            choice: golive::engine::Choice::Go,
            ticked: 2,
            evidence: self.board.evidence(&[], self.now),
            margin: None,
            reason: Some(SafeText::new("all say go")),
        };
        self.ask(&command);
    }

    pub(crate) fn sign_off(&mut self) {
        self.hear("desk: go ahead");
        let words = SafeText::new("desk: go ahead");
        self.ask(&Command::SignOff { step: id("d1"), part: Part::Action, ticked: 2, words });
    }

    pub(crate) fn ask(&mut self, command: &Command) {
        let program =
            matches!(command, Command::Ended { .. } | Command::Wake | Command::RecordLost { .. });
        let by = if program { Actor::Engine } else { person() };
        match advance(&self.state, &by, command, self.now) {
            Ok(advance) => {
                for fact in &advance.facts {
                    self.take(fact);
                }
                self.state = advance.state;
            }
            Err(refusal) => self.screen.refused(&refusal),
        }
        self.refresh();
    }

    pub(crate) fn take(&mut self, fact: &Fact) {
        self.seq += 1;
        prose(&serde_json::to_value(fact).unwrap(), &mut self.given);
        self.audit.push(self.seq, self.now, fact);
    }

    pub(crate) fn refresh(&mut self) {
        self.forecast = self.state.forecast(self.now);
        self.way_back = self.state.way_back();
        let needs = if self.hosts_are_well { self.state.back_needs() } else { BTreeMap::new() };
        for need in needs.into_keys() {
            self.proved.insert(need.clone(), self.now);
            self.prove(&need, Proof::Ready);
        }
        self.readiness = self.state.rollback_ready();
    }

    /// A look at what the way back needs; nobody sees it in the record.
    pub(crate) fn prove(&mut self, need: &Need, proof: Proof) {
        let command = Command::Proved { need: need.clone(), proof: Some(proof) };
        let by = Actor::at(&need.place);
        self.state = advance(&self.state, &by, &command, self.now).unwrap().state;
        self.readiness = self.state.rollback_ready();
    }

    pub(crate) fn start(&mut self, step: &str) {
        let gesture = Gesture { class: Class::Critical, after: Millis::new(700) };
        self.ask(&Command::Start { step: id(step), gesture });
    }

    /// Starts a step and lets it succeed everywhere after its estimate.
    pub(crate) fn run(&mut self, step: &str) {
        if self.state.track(&id(step)).status == Status::Pending {
            self.start(step);
        }
        let estimate = self.state.plan().step(&id(step)).unwrap().estimate;
        self.pass(estimate.as_secs());
        self.end_all();
        assert!(self.state.track(&id(step)).status.is_over(), "{step}");
    }

    /// Ends everything in flight well.
    pub(crate) fn end_all(&mut self) {
        while let Some(job) = self.jobs().first().cloned() {
            self.report(job, 0);
        }
    }

    pub(crate) fn jobs(&self) -> Vec<Job> {
        let open = self.state.in_flight().flat_map(|attempt| {
            let places = attempt.places.iter().filter(|(_, end)| end.is_none());
            places.map(|(place, _)| Job { key: attempt.key.clone(), place: place.clone() })
        });
        open.collect()
    }

    pub(crate) fn end(&mut self, step: &str, host: &str, code: i32) {
        let track = self.state.track(&id(step));
        let key = track.last().unwrap().key.clone();
        self.report(Job { key, place: Place::Host(host.parse().unwrap()) }, code);
    }

    pub(crate) fn report(&mut self, job: Job, code: i32) {
        let unmet = (code != 0).then(|| SafeText::new("not 0"));
        let end = End::Exited { code, unmet, captured: BTreeMap::new() };
        let transcript = Transcript {
            bytes: 2_114,
            lines: 12,
            digest: Digest::of(b"x"),
            redacted: BTreeMap::new(),
        };
        self.log.finish(&job, self.now);
        self.ask(&Command::Ended { job, end, transcript: Some(transcript) });
    }

    pub(crate) fn unknown(&mut self, step: &str, host: &str) {
        let key = self.state.track(&id(step)).last().unwrap().key.clone();
        let job = Job { key, place: Place::Host(host.parse().unwrap()) };
        let end = End::unknown(Doubt::Link, "the link broke and the host is silent");
        self.ask(&Command::Ended { job, end, transcript: None });
    }

    pub(crate) fn lose_sight(&mut self, step: &str, host: &str) {
        let key = self.state.track(&id(step)).last().unwrap().key.clone();
        let job = Job { key, place: Place::Host(host.parse().unwrap()) };
        let began = Sight::Began(crate::night::begun());
        self.ask(&Command::Sighted { job: job.clone(), sight: began });
        self.pass(30);
        let why = SafeText::new("the connection was reset");
        let sight = Sight::Lost { why, proved: Millis::from_secs(5) };
        self.ask(&Command::Sighted { job, sight });
        self.pass(12);
    }

    pub(crate) fn print(&mut self, step: &str, host: &str, text: &str) {
        let key = Key { step: id(step), part: Part::Action, attempt: 1 };
        let job = Job { key, place: Place::Host(host.parse().unwrap()) };
        self.log.push(&job, Stream::Out, text.as_bytes(), self.now);
        self.given.push_str(text);
    }

    /// Somebody types or pastes it: it is data from then on.
    pub(crate) fn hear(&mut self, text: &str) {
        self.given.push('\n');
        self.given.push_str(text);
    }

    /// All that is data on screen, as text.
    pub(crate) fn data(&self) -> String {
        let lost = self.state.lost().map(|lost| lost.why.to_string()).unwrap_or_default();
        let stands: Vec<_> = self.readiness.stands.iter().map(|it| it.why.to_string()).collect();
        let classes: Vec<_> =
            self.state.plan().steps.values().map(|step| step.class_because.to_string()).collect();
        let signing = format!("{:?}", self.signing);
        // What the engine says of a job whose host has not answered yet.
        let asked = "golive was not there; its host is being asked".to_owned();
        let all = [&self.given, &lost, &stands.join("\n"), &classes.join("\n"), &signing, &asked];
        all.map(String::as_str).join("\n")
    }

    /// Names of one word: what the runbook calls its hosts, roles, probes, phases and people.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let plan = self.state.plan();
        let people = plan.roles.values().flat_map(|role| &role.people).map(SafeText::as_str);
        let people = people.flat_map(|name| name.split(['.', ' ']));
        let titles = plan.steps.values().map(|step| step.title.as_str());
        let titles = titles.chain(plan.phases.iter().map(|phase| phase.title.as_str()));
        let titles = titles.flat_map(str::split_whitespace);
        plan.steps
            .keys()
            .map(StepId::as_str)
            .chain(plan.hosts.keys().map(golive::base::HostId::as_str))
            .chain(plan.roles.keys().map(golive::base::RoleId::as_str))
            .chain(
                self.board
                    .panels()
                    .flat_map(|panel| [panel.probe.id.as_str(), panel.probe.unit.as_str()]),
            )
            .chain(self.board.panels().flat_map(|it| it.probe.title.as_str().split_whitespace()))
            .chain([plan.id.as_str(), "production", "fresh"])
            .chain(plan.title.as_str().split_whitespace())
            .chain(plan.playbooks.iter().map(|it| it.id.as_str()))
            .chain(people)
            .chain(titles)
            .map(|name| name.trim_matches(|c: char| !c.is_ascii_alphanumeric()))
            .collect()
    }

    pub(crate) fn health(&mut self, values: &[(&str, f64)]) {
        for (probe, value) in values {
            for n in 0..12_u32 {
                let reading = Reading {
                    at: self.now.before(Millis::from_secs(u64::from(5 * (11 - n)))),
                    value: Some(value * (0.6 + f64::from(n) / 27.5)),
                    ok: true,
                    note: SafeText::new("fresh"),
                };
                if let Some(change) = self.board.take(&probe.parse().unwrap(), reading) {
                    self.ask(&Command::Health(change));
                }
            }
        }
    }

    /// Lets time pass, as the console does: ticks included.
    pub(crate) fn pass(&mut self, secs: u64) {
        self.pass_millis(secs * 1000);
    }

    pub(crate) fn pass_millis(&mut self, millis: u64) {
        self.now = self.now.after(Millis::new(millis));
        self.ask(&Command::Wake);
    }

    pub(crate) fn tick(&mut self) {
        self.with(Screen::tick);
    }

    pub(crate) fn with<F: FnOnce(&mut Screen, &Model<'_>) -> Vec<Intent>>(&mut self, act: F) {
        let mut screen = std::mem::replace(&mut self.screen, Screen::new(codes()));
        let intents = act(&mut screen, &self.model());
        self.screen = screen;
        for intent in intents {
            match intent {
                Intent::Submit(command) => {
                    self.submitted.push(command.clone());
                    self.ask(&command);
                }
                Intent::Bell => self.bells += 1,
                Intent::Speak(lang) => self.lang = lang,
                Intent::Copy(_) | Intent::Leave(_) | Intent::Redraw => {}
            }
        }
    }

    pub(crate) fn model(&self) -> Model<'_> {
        Model {
            state: &self.state,
            board: &self.board,
            forecast: &self.forecast,
            now: self.now,
            seq: self.seq,
            recording: self
                .recording
                .as_deref()
                .or(self.state.lost().map(|lost| lost.why.as_str())),
            signing: &self.signing,
            unrecorded: &self.unrecorded,
            log: &self.log,
            gauges: &self.gauges,
            audit: &self.audit,
            way_back: &self.way_back,
            readiness: &self.readiness,
            proved: &self.proved,
            rtt: Millis::new(38),
            lang: self.lang,
            version: "0.1.0",
        }
    }

    pub(crate) fn event(&mut self, code: KeyCode, kind: KeyEventKind) {
        let key =
            KeyEvent { code, modifiers: KeyModifiers::NONE, kind, state: KeyEventState::NONE };
        self.with(|screen, m| screen.key(key, m));
    }

    /// One key, half a second after the one before, as a person types.
    pub(crate) fn key(&mut self, code: KeyCode) {
        self.pass_millis(500);
        self.event(code, KeyEventKind::Press);
    }

    pub(crate) fn keys(&mut self, text: &str) {
        self.hear(text);
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
    }

    pub(crate) fn control(&mut self, c: char) {
        self.pass_millis(500);
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        self.with(|screen, m| screen.key(key, m));
    }

    pub(crate) fn draw(&mut self, width: u16, height: u16, theme: Theme) -> String {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        let mut screen = std::mem::replace(&mut self.screen, Screen::new(codes()));
        screen.draw(&mut buf, area, &self.model(), theme);
        self.screen = screen;
        let mut rows = Vec::new();
        for y in 0..height {
            let mut row = String::new();
            let mut hidden = 0;
            for x in 0..width {
                let symbol = buf[(x, y)].symbol();
                if hidden == 0 {
                    row.push_str(symbol);
                }
                hidden =
                    if hidden > 0 { hidden - 1 } else { golive::base::cells(symbol).max(1) - 1 };
            }
            assert_eq!(golive::base::cells(&row), usize::from(width), "row {y}: {row}");
            rows.push(row);
        }
        rows.join("\n")
    }

    pub(crate) fn started(&self) -> usize {
        self.submitted.iter().filter(|c| matches!(c, Command::Start { .. })).count()
    }

    pub(crate) fn rolled_back(&self) -> usize {
        self.submitted.iter().filter(|c| matches!(c, Command::RollBack { .. })).count()
    }
}

impl Night {
    /// Ends the first items of a rollback well.
    pub(crate) fn end_all_of_first_items(&mut self, count: usize) {
        for _ in 0..count {
            for job in self.jobs() {
                self.report(job, 0);
            }
            self.pass(40);
        }
    }
}

/// The texts of several words in a fact: what somebody wrote or said.
fn prose(value: &serde_json::Value, all: &mut String) {
    use serde_json::Value;
    match value {
        Value::String(text) if text.contains(' ') => {
            all.push('\n');
            all.push_str(text);
        }
        Value::Array(values) => values.iter().for_each(|value| prose(value, all)),
        Value::Object(values) => values.values().for_each(|value| prose(value, all)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
