//! The screens: drawn exactly, keys that cannot do harm, any size without a panic.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyEventState, KeyModifiers};
use golive::base::{Digest, Millis, SafeText, StepId, Timestamp};
use golive::engine::{
    Actor, Board, Command, End, Fact, Genesis, Gesture, Job, Key, Part, Place, Reading, RunKind,
    RunStage, State, Status, Transcript, WayBack, advance,
};
use golive::plan::{Forecast, forecast, prepare};
use golive::runbook::{Class, Options, SourceFile};
use golive::ui::{
    AuditTail, Codes, Depth, GlyphSet, Intent, LogStore, Model, Screen, Stream, Theme,
};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const BILLING: &str = include_str!("runbooks/billing.toml");
const PLAIN: Theme = Theme { depth: Depth::Mono, glyphs: GlyphSet::Unicode };
const ASCII: Theme = Theme { depth: Depth::Mono, glyphs: GlyphSet::Ascii };

/// One night at the console, with a clock and hosts that the test moves.
struct Night {
    state: State,
    board: Board,
    log: LogStore,
    audit: AuditTail,
    now: Timestamp,
    seq: u64,
    recording: Option<String>,
    screen: Screen,
    bells: usize,
    submitted: Vec<Command>,
    forecast: Forecast,
    way_back: WayBack,
}

fn id(name: &str) -> StepId {
    name.parse().unwrap()
}

fn person() -> Actor {
    Actor::Operator(SafeText::new("li.wei"))
}

/// Digits that are known to the test: 47, 58, 69, then again.
fn codes() -> Codes {
    let mut all = [[4, 7], [5, 8], [6, 9]].into_iter().cycle();
    Box::new(move || all.next().unwrap())
}

impl Night {
    fn new(kind: RunKind) -> Self {
        let main = SourceFile { name: "billing.toml".to_owned(), text: BILLING.to_owned() };
        let prepared = prepare(&main, &Options::default(), &mut |name| Err(name.to_owned()));
        let problems: Vec<_> = prepared.checked.errors().map(|p| p.message.clone()).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let plan = Arc::new(prepared.plan.unwrap());
        let now: Timestamp = "2026-09-21T16:00:00Z".parse().unwrap();
        let state = State::new(Arc::clone(&plan));
        let times = forecast(&plan, &state.progress(), now);
        let mut night = Self {
            board: Board::new(&plan, now),
            way_back: state.way_back(),
            state,
            log: LogStore::default(),
            audit: AuditTail::default(),
            now,
            seq: 1480,
            recording: None,
            screen: Screen::new(codes()),
            bells: 0,
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
        }));
        night
    }

    /// A night that has come to the verification of the copied rows.
    fn migrating(kind: RunKind) -> Self {
        let mut night = Self::new(kind);
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
        night
    }

    /// A night whose canary has failed on one of two load balancers.
    fn failed(kind: RunKind) -> Self {
        let mut night = Self::migrating(kind);
        night.end("c3", "db-old-1", 0);
        night.end("c3", "db-new-1", 0);
        night.health(&[("lag", 6.0)]);
        night.go();
        night.start("d1");
        night.sign_off();
        night.run("e1");
        night.pass(30);
        night.start("e3");
        night.pass(14);
        night.print("e3", "lb-2", "error: pool \"billing\" has 1 healthy new member, need 2\n");
        night.end("e3", "lb-1", 0);
        night.end("e3", "lb-2", 22);
        night
    }

    fn go(&mut self) {
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

    fn sign_off(&mut self) {
        let words = SafeText::new("desk: go ahead");
        self.ask(&Command::SignOff { step: id("d1"), part: Part::Action, ticked: 2, words });
    }

    fn ask(&mut self, command: &Command) {
        let program = matches!(command, Command::Ended { .. } | Command::Wake);
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

    fn take(&mut self, fact: &Fact) {
        self.seq += 1;
        self.audit.push(self.seq, self.now, fact);
    }

    fn refresh(&mut self) {
        self.forecast = forecast(self.state.plan(), &self.state.progress(), self.now);
        self.way_back = self.state.way_back();
    }

    fn start(&mut self, step: &str) {
        let gesture = Gesture { class: Class::Critical, after: Millis::new(700) };
        self.ask(&Command::Start { step: id(step), gesture });
    }

    /// Starts a step and lets it succeed everywhere after its estimate.
    fn run(&mut self, step: &str) {
        if self.state.track(&id(step)).status == Status::Pending {
            self.start(step);
        }
        let estimate = self.state.plan().step(&id(step)).unwrap().estimate;
        self.pass(estimate.as_secs());
        self.end_all();
        assert!(self.state.track(&id(step)).status.is_over(), "{step}");
    }

    /// Ends everything in flight well.
    fn end_all(&mut self) {
        while let Some(job) = self.jobs().first().cloned() {
            self.report(job, 0);
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let open = self.state.in_flight().flat_map(|attempt| {
            let places = attempt.places.iter().filter(|(_, end)| end.is_none());
            places.map(|(place, _)| Job { key: attempt.key.clone(), place: place.clone() })
        });
        open.collect()
    }

    fn end(&mut self, step: &str, host: &str, code: i32) {
        let track = self.state.track(&id(step));
        let key = track.last().unwrap().key.clone();
        self.report(Job { key, place: Place::Host(host.parse().unwrap()) }, code);
    }

    fn report(&mut self, job: Job, code: i32) {
        let unmet = (code != 0).then(|| SafeText::new("not 0"));
        let end = End::Exited { code, unmet, captured: std::collections::BTreeMap::new() };
        let transcript = Transcript { bytes: 2_114, lines: 12, digest: Digest::of(b"x") };
        self.log.finish(&job, self.now);
        self.ask(&Command::Ended { job, end, transcript: Some(transcript) });
    }

    fn unknown(&mut self, step: &str, host: &str) {
        let key = self.state.track(&id(step)).last().unwrap().key.clone();
        let job = Job { key, place: Place::Host(host.parse().unwrap()) };
        let end = End::Unknown { why: SafeText::new("the link broke and the host is silent") };
        self.ask(&Command::Ended { job, end, transcript: None });
    }

    fn print(&mut self, step: &str, host: &str, text: &str) {
        let key = Key { step: id(step), part: Part::Action, attempt: 1 };
        let job = Job { key, place: Place::Host(host.parse().unwrap()) };
        self.log.push(&job, Stream::Out, text.as_bytes(), self.now);
    }

    fn health(&mut self, values: &[(&str, f64)]) {
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
    fn pass(&mut self, secs: u64) {
        self.pass_millis(secs * 1000);
    }

    fn pass_millis(&mut self, millis: u64) {
        self.now = self.now.after(Millis::new(millis));
        self.ask(&Command::Wake);
    }

    fn tick(&mut self) {
        self.with(Screen::tick);
    }

    fn with<F: FnOnce(&mut Screen, &Model<'_>) -> Vec<Intent>>(&mut self, act: F) {
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
                Intent::Copy(_) | Intent::Leave(_) | Intent::Redraw => {}
            }
        }
    }

    fn model(&self) -> Model<'_> {
        Model {
            state: &self.state,
            board: &self.board,
            forecast: &self.forecast,
            now: self.now,
            seq: self.seq,
            recording: self.recording.as_deref(),
            log: &self.log,
            audit: &self.audit,
            way_back: &self.way_back,
            rtt: Millis::new(38),
            version: "0.1.0",
        }
    }

    fn event(&mut self, code: KeyCode, kind: KeyEventKind) {
        let key =
            KeyEvent { code, modifiers: KeyModifiers::NONE, kind, state: KeyEventState::NONE };
        self.with(|screen, m| screen.key(key, m));
    }

    /// One key, half a second after the one before, as a person types.
    fn key(&mut self, code: KeyCode) {
        self.pass_millis(500);
        self.event(code, KeyEventKind::Press);
    }

    fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
    }

    fn control(&mut self, c: char) {
        self.pass_millis(500);
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        self.with(|screen, m| screen.key(key, m));
    }

    fn draw(&mut self, width: u16, height: u16, theme: Theme) -> String {
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

    fn started(&self) -> usize {
        self.submitted.iter().filter(|c| matches!(c, Command::Start { .. })).count()
    }

    fn rolled_back(&self) -> usize {
        self.submitted.iter().filter(|c| matches!(c, Command::RollBack { .. })).count()
    }
}

/// The facts that never leave the screen.
fn has_the_facts(text: &str, night: &Night, kind: RunKind) {
    let zone = &night.state.plan().zone;
    let clock = zone.hour_minute(night.now);
    for fact in [kind.word(), clock.as_str(), "T+", "W", "RB", "AUDIT ok", "C", "H"] {
        let fact =
            if fact == "RB" && text.contains("ROLL BACK BY") { "ROLL BACK BY" } else { fact };
        let back = fact == "RB" && text.contains("ENDS");
        assert!(text.contains(fact) || back, "{fact} is missing in\n{text}");
    }
    assert!(text.contains("Z ") && text.contains("Tu"), "day and UTC\n{text}");
}

/// Draws a night in every size and both kinds, and holds it against its snapshots.
fn look(name: &str, make: fn(RunKind) -> Night) {
    for kind in [RunKind::Live, RunKind::Drill] {
        let mut night = make(kind);
        for (width, height) in [(120, 36), (80, 24)] {
            let text = night.draw(width, height, PLAIN);
            has_the_facts(&text, &night, kind);
            let word = kind.word().to_lowercase();
            insta::assert_snapshot!(format!("{name}-{width}-{word}"), text);
        }
        for (width, height) in [(60, 18), (40, 10)] {
            let text = night.draw(width, height, PLAIN);
            has_the_facts(&text, &night, kind);
            if kind == RunKind::Live {
                insta::assert_snapshot!(format!("{name}-{width}"), text);
            }
        }
    }
}

#[test]
fn drive() {
    look("drive", |kind| {
        let mut night = Night::migrating(kind);
        night.tick();
        night
    });
}

#[test]
fn drive_in_ascii() {
    let mut night = Night::migrating(RunKind::Drill);
    let text = night.draw(80, 24, ASCII);
    assert!(text.is_ascii(), "{text}");
    insta::assert_snapshot!("drive-ascii-drill", text);
}

#[test]
fn begin() {
    look("begin", |kind| {
        let mut night = Night::new(kind);
        night.key(KeyCode::Enter);
        night
    });
}

#[test]
fn confirm_a_change() {
    look("confirm-change", |kind| {
        let mut night = Night::new(kind);
        night.ask(&Command::Begin);
        night.run("a1");
        night.run("a2");
        night.run("c1");
        night.health(&[("p95", 212.0), ("errors", 0.02), ("lag", 4.0), ("orders", 118.0)]);
        night.key(KeyCode::Enter);
        night
    });
}

#[test]
fn confirm_a_check() {
    look("confirm-check", |kind| {
        let mut night = Night::new(kind);
        night.ask(&Command::Begin);
        for step in ["a1", "a2", "c1", "c2"] {
            night.run(step);
        }
        night.key(KeyCode::Enter);
        night
    });
}

#[test]
fn confirm_a_critical_step() {
    look("confirm-critical", |kind| {
        let mut night = Night::failed(kind);
        night.ask(&Command::AcceptFailure {
            step: id("e3"),
            part: Part::Action,
            reason: SafeText::new("5 % is enough"),
        });
        night.key(KeyCode::Enter);
        night.keys("4");
        night
    });
}

#[test]
fn failure() {
    look("failure", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.keys("r");
        night
    });
}

#[test]
fn failure_that_nobody_knows() {
    look("failure-unknown", |kind| {
        let mut night = Night::failed(kind);
        let command = Command::Retry {
            step: id("e3"),
            part: Part::Action,
            which: golive::engine::Which::Failed,
            gesture: Gesture { class: Class::Change, after: Millis::new(700) },
            reason: None,
        };
        night.ask(&command);
        night.pass(9);
        night.unknown("e3", "lb-2");
        night.tick();
        night
    });
}

#[test]
fn gate() {
    look("gate", |kind| {
        let mut night = Night::migrating(kind);
        night.end("c3", "db-old-1", 0);
        night.end("c3", "db-new-1", 0);
        night.key(KeyCode::Enter);
        night.keys("1g");
        night
    });
}

#[test]
fn manual() {
    look("manual", |kind| {
        let mut night = Night::migrating(kind);
        night.end("c3", "db-old-1", 0);
        night.end("c3", "db-new-1", 0);
        night.go();
        night.start("d1");
        night.key(KeyCode::Enter);
        night.keys(" ");
        night
    });
}

#[test]
fn guard() {
    look("guard", |kind| {
        let mut night = Night::failed(kind);
        night.key(KeyCode::Char('R'));
        night.keys("4");
        night
    });
}

#[test]
fn guard_past_the_point_of_no_return() {
    look("guard-past", |kind| {
        let mut night = Night::failed(kind);
        let reason = SafeText::new("5 % is enough");
        night.ask(&Command::AcceptFailure { step: id("e3"), part: Part::Action, reason });
        night.start("e4");
        night.pass(30);
        night.key(KeyCode::F(9));
        night
    });
}

#[test]
fn guard_counts_down() {
    look("countdown", |kind| {
        let mut night = Night::failed(kind);
        night.key(KeyCode::Char('R'));
        night.keys("47");
        night.keys("E3 failed twice");
        night.control('s');
        night.pass_millis(600);
        night.tick();
        night
    });
}

#[test]
fn rollback() {
    look("rollback", |kind| {
        let mut night = Night::failed(kind);
        night.ask(&Command::RollBack {
            reason: SafeText::new("E3 failed twice"),
            break_glass: None,
        });
        night.pass(70);
        night.end_all_of_first_items(2);
        night.tick();
        night
    });
}

impl Night {
    /// Ends the first items of a rollback well.
    fn end_all_of_first_items(&mut self, count: usize) {
        for _ in 0..count {
            for job in self.jobs() {
                self.report(job, 0);
            }
            self.pass(40);
        }
    }
}

#[test]
fn note() {
    look("note", |kind| {
        let mut night = Night::migrating(kind);
        night.key(KeyCode::Char('N'));
        night.with(|screen, _| {
            screen.paste("计划：6 台应用一次切换。\nRisk: two versions run side by side\u{1b}[2J.");
            Vec::new()
        });
        night
    });
}

#[test]
fn reason() {
    look("reason", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.keys("sy");
        night.keys("canary not needed");
        night
    });
}

#[test]
fn help() {
    look("help", |kind| {
        let mut night = Night::migrating(kind);
        night.key(KeyCode::Char('?'));
        night
    });
}

#[test]
fn log_search() {
    look("log", |kind| {
        let mut night = Night::migrating(kind);
        for n in 0..60 {
            night.now = night.now.after(Millis::from_secs(1));
            let host = if n % 2 == 0 { "db-old-1" } else { "db-new-1" };
            let text = if n % 13 == 5 { "WARN slow read 3.1s" } else { "rows ok" };
            night.print("c3", host, &format!("table t{n} {text}\n"));
        }
        night.refresh();
        night.keys("3/slow");
        night.key(KeyCode::Enter);
        night.keys("N");
        night.keys("n");
        night.keys("N");
        night
    });
}

#[test]
fn audit() {
    look("audit", |kind| {
        let mut night = Night::failed(kind);
        night.tick();
        night.key(KeyCode::Esc);
        night.keys("6");
        night
    });
}

#[test]
fn health_view() {
    look("health", |kind| {
        let mut night = Night::migrating(kind);
        night.keys("4");
        night.pass(30);
        night.health(&[("p95", 222.0)]);
        night
    });
}

#[test]
fn leave() {
    look("leave", |kind| {
        let mut night = Night::migrating(kind);
        night.keys("q");
        night
    });
}

#[test]
fn nothing_recorded_is_shouted() {
    let mut night = Night::migrating(RunKind::Live);
    night.end("c3", "db-old-1", 0);
    night.end("c3", "db-new-1", 0);
    night.recording = Some("disk full".to_owned());
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("NOTHING IS RECORDED: disk full"), "{text}");
}

#[test]
fn enter_opens_and_y_runs() {
    let mut night = Night::new(RunKind::Live);
    night.key(KeyCode::Enter);
    night.key(KeyCode::Enter);
    assert!(night.submitted.is_empty(), "Enter never begins");
    night.keys("y");
    assert_eq!(night.submitted, [Command::Begin]);
    assert_eq!(night.state.stage(), RunStage::Active);
    night.end_all();
    night.key(KeyCode::Enter);
    for _ in 0..5 {
        night.key(KeyCode::Enter);
    }
    assert_eq!(night.started(), 0, "Enter never starts");
    night.keys("y");
    assert_eq!(night.started(), 1);
    assert_eq!(night.state.track(&id("a2")).status, Status::Running);
}

#[test]
fn keys_typed_before_a_dialog_is_seen_are_dropped() {
    let mut night = Night::new(RunKind::Live);
    night.ask(&Command::Begin);
    night.end_all();
    night.pass(1);
    night.event(KeyCode::Enter, KeyEventKind::Press);
    for _ in 0..3 {
        night.pass_millis(120);
        night.event(KeyCode::Char('y'), KeyEventKind::Press);
    }
    assert_eq!(night.started(), 0, "0.36 s is too soon");
    night.pass_millis(60);
    night.event(KeyCode::Char('y'), KeyEventKind::Repeat);
    assert_eq!(night.started(), 0, "a held key does not confirm");
    night.event(KeyCode::Char('y'), KeyEventKind::Press);
    assert_eq!(night.started(), 1);
}

#[test]
fn a_critical_step_takes_its_digits_and_nothing_else() {
    let mut night = Night::failed(RunKind::Live);
    let reason = SafeText::new("fine");
    night.ask(&Command::AcceptFailure { step: id("e3"), part: Part::Action, reason });
    night.key(KeyCode::Enter);
    night.keys("y");
    assert_eq!(night.started(), 0);
    night.keys("99");
    night.pass(2);
    night.with(|screen, _| {
        screen.paste("58");
        Vec::new()
    });
    assert_eq!(night.started(), 0, "pasted digits do not count");
    night.draw(120, 36, PLAIN);
    // Every wrong code makes new digits; the test's own come in turns.
    let shown = night.draw(80, 24, PLAIN);
    let code = if shown.contains("5 8    [") {
        "５８"
    } else if shown.contains("6 9    [") {
        "６９"
    } else {
        "４７"
    };
    night.keys(code);
    assert_eq!(night.started(), 1, "full-width digits count\n{shown}");
}

#[test]
fn the_guard_takes_code_reason_and_patience() {
    let mut night = Night::failed(RunKind::Live);
    night.tick();
    night.key(KeyCode::F(9));
    assert!(night.state.guard().is_some());
    night.keys("47");
    night.pass(5);
    night.tick();
    assert_eq!(night.rolled_back(), 0, "the reason is missing");
    night.keys("twice");
    night.key(KeyCode::F(2));
    night.pass(1);
    night.tick();
    night.keys("x");
    night.pass(5);
    night.tick();
    assert_eq!(night.rolled_back(), 0, "any key stops the count-down");
    let shown = night.draw(80, 24, PLAIN);
    let code = ["47", "58", "69"].into_iter().find(|code| {
        let mut digits = code.chars();
        let (a, b) = (digits.next().unwrap(), digits.next().unwrap());
        shown.contains(&format!("{a} {b}    ["))
    });
    night.keys(code.unwrap());
    night.pass(3);
    night.tick();
    assert_eq!(night.rolled_back(), 1, "{shown}");
    assert_eq!(night.state.stage(), RunStage::RollingBack);
    night.tick();
    let text = night.draw(120, 36, PLAIN);
    assert!(text.contains("ROLLING BACK"), "{text}");
}

#[test]
fn three_wrong_codes_close_the_guard_and_hold() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    assert!(night.state.guard().is_some());
    for _ in 0..3 {
        night.keys("00");
        night.pass(2);
    }
    assert!(night.state.guard().is_none());
    assert!(night.state.hold().is_some());
    assert_eq!(night.rolled_back(), 0);
}

#[test]
fn a_guard_that_nobody_touches_closes_and_holds() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    night.pass(59);
    night.tick();
    assert!(night.state.guard().is_some());
    night.pass(2);
    night.tick();
    assert!(night.state.guard().is_none());
    assert!(night.state.hold().is_some());
}

#[test]
fn escape_closes_the_guard_without_a_trace_in_the_run() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    night.key(KeyCode::Esc);
    assert!(night.state.guard().is_none());
    assert!(night.state.hold().is_none());
}

#[test]
fn a_changed_plan_makes_new_digits() {
    let mut night = Night::migrating(RunKind::Live);
    night.key(KeyCode::Char('R'));
    night.keys("4");
    let before = night.way_back.items.len();
    night.end("c3", "db-old-1", 0);
    night.end("c3", "db-new-1", 0);
    night.way_back.items.pop();
    assert_ne!(before, night.way_back.items.len());
    night.tick();
    night.event(KeyCode::Char('7'), KeyEventKind::Press);
    night.pass(4);
    night.tick();
    assert_eq!(night.rolled_back(), 0);
}

#[test]
fn past_the_point_of_no_return_the_digits_wait_for_a_reason() {
    let mut night = Night::failed(RunKind::Live);
    let reason = SafeText::new("fine");
    night.ask(&Command::AcceptFailure { step: id("e3"), part: Part::Action, reason });
    night.start("e4");
    night.end_all();
    night.key(KeyCode::F(9));
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("PAST THE POINT OF NO RETURN"), "{text}");
    night.keys("47");
    night.pass(5);
    night.tick();
    assert_eq!(night.rolled_back(), 0);
    night.keys("w");
    night.keys("data is wrong");
    night.control('s');
    night.pass(1);
    let shown = night.draw(80, 24, PLAIN);
    let code = if shown.contains("5 8    [") {
        "58"
    } else if shown.contains("6 9    [") {
        "69"
    } else {
        "47"
    };
    night.keys(code);
    night.pass(3);
    night.tick();
    let Some(Command::RollBack { break_glass: Some(why), .. }) = night.submitted.last() else {
        panic!("{:?}\n{shown}", night.submitted.last())
    };
    assert_eq!(why.as_str(), "data is wrong");
}

#[test]
fn a_choice_after_unknown_needs_words_and_a_second_look() {
    let mut night = Night::failed(RunKind::Live);
    let command = Command::Retry {
        step: id("e3"),
        part: Part::Action,
        which: golive::engine::Which::Failed,
        gesture: Gesture { class: Class::Change, after: Millis::new(700) },
        reason: None,
    };
    night.ask(&command);
    night.unknown("e3", "lb-2");
    night.tick();
    night.keys("ry");
    let retried = |night: &Night| {
        night.submitted.iter().filter(|c| matches!(c, Command::Retry { .. })).count()
    };
    assert_eq!(retried(&night), 0);
    night.keys("looked: not there");
    night.control('s');
    assert_eq!(retried(&night), 0, "one more look");
    night.keys("y");
    assert_eq!(retried(&night), 1);
    assert_eq!(night.state.track(&id("e3")).status, Status::Running);
}

#[test]
fn a_failure_is_chosen_by_letter_and_y() {
    let mut night = Night::failed(RunKind::Live);
    night.tick();
    night.key(KeyCode::Enter);
    night.keys("y");
    assert!(night.submitted.is_empty(), "nothing is chosen for you: {:?}", night.submitted);
    night.keys("f");
    night.keys("y");
    night.keys("5 % is enough");
    night.control('s');
    assert_eq!(night.state.track(&id("e3")).status, Status::FailureAccepted);
}

#[test]
fn holding_is_one_key_everywhere() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("N");
    night.keys("H is a letter here");
    assert!(night.state.hold().is_none());
    night.key(KeyCode::F(8));
    assert!(night.state.hold().is_some());
    night.key(KeyCode::Esc);
    night.pass(2);
    night.keys("H");
    assert!(night.state.hold().is_none());
    night.event(KeyCode::Char('H'), KeyEventKind::Press);
    night.event(KeyCode::Char('H'), KeyEventKind::Press);
    assert!(night.state.hold().is_some(), "a bounce does not end a hold");
}

#[test]
fn a_draft_is_kept() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("N");
    night.keys("half a thought");
    night.key(KeyCode::Esc);
    night.keys("N");
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("half a thought"), "{text}");
    night.control('s');
    assert_eq!(night.state.notes()[0].text, "half a thought");
}

#[test]
fn a_flood_of_keys_does_nothing() {
    let mut night = Night::migrating(RunKind::Live);
    for _ in 0..200 {
        night.now = night.now.after(Millis::new(20));
        for c in ['R', '4', '7', 'y', '5', '8'] {
            night.event(KeyCode::Char(c), KeyEventKind::Press);
        }
        night.tick();
    }
    assert_eq!(night.rolled_back(), 0);
    assert_eq!(night.started(), 0);
}

#[test]
fn an_input_method_is_told_once() {
    let mut night = Night::migrating(RunKind::Live);
    night.keys("生");
    let text = night.draw(80, 24, PLAIN);
    assert!(text.contains("input method is on"), "{text}");
}

#[test]
fn ctrl_c_explains_and_the_third_holds() {
    let mut night = Night::migrating(RunKind::Live);
    night.control('c');
    assert!(night.submitted.is_empty());
    night.control('c');
    night.control('c');
    assert!(matches!(night.submitted.first(), Some(Command::Hold { .. })));
    assert!(night.state.hold().is_some());
}

#[test]
fn every_size_draws() {
    let mut nights = [
        Night::migrating(RunKind::Drill),
        Night::failed(RunKind::Live),
        Night::new(RunKind::Rehearsal),
    ];
    nights[0].keys("N");
    nights[1].key(KeyCode::F(9));
    for night in &mut nights {
        for width in 1..=130 {
            for height in (1..=40).step_by(if width % 7 == 0 { 1 } else { 3 }) {
                let theme = if width % 2 == 0 { PLAIN } else { ASCII };
                night.draw(width, height, theme);
            }
        }
    }
}

#[test]
fn colours_are_decoration() {
    let mut night = Night::failed(RunKind::Drill);
    let plain = night.draw(120, 36, PLAIN);
    for depth in [Depth::TrueColor, Depth::Ansi256, Depth::Ansi16] {
        let theme = Theme { depth, glyphs: GlyphSet::Unicode };
        assert_eq!(night.draw(120, 36, theme), plain);
    }
}

fn any_key() -> impl Strategy<Value = KeyCode> {
    prop_oneof![
        8 => proptest::sample::select("yRHNqcChjkgGnsdafvwrX?/&123479xeE[]zAB 4758６９生".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        2 => Just(KeyCode::Enter),
        1 => Just(KeyCode::Esc),
        1 => (1_u8..12).prop_map(KeyCode::F),
        1 => proptest::sample::select(vec![
            KeyCode::Tab, KeyCode::Up, KeyCode::Down, KeyCode::PageDown, KeyCode::Backspace, KeyCode::Home,
        ]),
    ]
}

#[derive(Clone, Debug)]
enum Input {
    Key(KeyCode, KeyEventKind, u64),
    Paste(String),
    Resize(u16, u16),
    End(i32),
}

fn any_input() -> impl Strategy<Value = Input> {
    let kind = prop_oneof![
        5 => Just(KeyEventKind::Press),
        1 => Just(KeyEventKind::Repeat),
        1 => Just(KeyEventKind::Release),
    ];
    prop_oneof![
        20 => (any_key(), kind, 0_u64..900).prop_map(|(key, kind, ms)| Input::Key(key, kind, ms)),
        1 => "\\PC{0,12}".prop_map(Input::Paste),
        1 => (1_u16..130, 1_u16..40).prop_map(|(w, h)| Input::Resize(w, h)),
        2 => (0_i32..2).prop_map(Input::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever comes in: no panic, nothing starts without a dialog that was there long enough
    /// before its key, and no rollback without its code.
    #[test]
    fn random_keys_do_no_harm(inputs in proptest::collection::vec(any_input(), 1..220)) {
        let mut night = Night::failed(RunKind::Drill);
        let mut last_digits: Vec<(Timestamp, char)> = Vec::new();
        for input in inputs {
            let before = night.submitted.len();
            match input {
                Input::Key(code, kind, millis) => {
                    night.pass_millis(millis);
                    if let (KeyCode::Char(c), KeyEventKind::Press) = (code, kind) {
                        last_digits.push((night.now, c));
                    }
                    night.event(code, kind);
                }
                Input::Paste(text) => night.with(|screen, _| { screen.paste(&text); Vec::new() }),
                Input::Resize(width, height) => { night.draw(width, height, PLAIN); }
                Input::End(code) => {
                    if let Some(job) = night.jobs().first().cloned() {
                        night.report(job, code);
                    }
                }
            }
            night.tick();
            for command in night.submitted.get(before..).unwrap_or_default() {
                if let Command::Start { gesture, .. } | Command::Retry { gesture, .. } = command {
                    prop_assert!(gesture.after >= Millis::new(400), "{command:?}");
                }
                if let Command::RollBack { .. } = command {
                    let digits: String = last_digits
                        .iter()
                        .filter_map(|(_, c)| match c {
                            '６' => Some('6'),
                            '９' => Some('9'),
                            c => c.is_ascii_digit().then_some(*c),
                        })
                        .collect();
                    let typed = ["47", "58", "69"].iter().any(|code| digits.contains(code));
                    prop_assert!(typed, "{digits}");
                }
            }
        }
    }
}
