//! Records whose chain holds and whose events make no sense: an older bug, a patched program, a
//! clock gone mad. Nobody may panic over them: not the fold, not a decision, not the screen, not a
//! document.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use golive::base::{Digest, Millis, SafeText, StepId, Timestamp};
use golive::engine::{
    Actor, AlarmId, Board, Choice, ClockOffset, Command, Confirmed, Criterion, Done, Doubt, End,
    Event, Evidence, Fact, Frozen, Genesis, Gesture, Health, HostFact, Item, Job, Judged, Key,
    Level, Need, Needed, Part, Place, Proof, Reading, Return, RunKind, ShellEnd, ShellEnded,
    ShellOpened, State, Transcript, Verdict, Voice, Vote, Which, advance,
};
use golive::journal::{Entry, Journal, Stamp, read_all, verify};
use golive::plan::Plan;
use golive::report::{csv, json_line, markdown, timeline_line, verify_txt};
use golive::runbook::{Class, SourceFile};
use golive::ui::{AuditTail, Codes, Lang, LogStore, Model, Screen, Signed};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console_night::PLAIN;

/// The numbers that one event is made from.
type Seed = (u8, u32, u32, usize);

const TEXTS: [&str; 6] =
    ["", "why", "\u{1b}[2J\u{202e}x", "生产 | # `x`\n\n- [ ] y", "a,\"b\"\r\n", "="];
const TIMES: [u64; 7] =
    [0, 1, 1_795_885_200_000, 1_795_885_200_001, 253_402_300_799_999, u64::MAX / 2, u64::MAX];

fn plan() -> Arc<Plan> {
    let text = crate::console_night::BILLING.to_owned();
    let main = SourceFile { name: "billing.toml".to_owned(), text };
    let (_, plan) = crate::plan::prepared(&main, &mut |name| Err(name.to_owned()));
    Arc::new(plan.unwrap())
}

/// Draws things of the plan, and things that it does not have, from numbers.
struct Made<'a>(&'a Plan, u32, u32, usize);

impl Made<'_> {
    fn step(&self) -> StepId {
        let known: Vec<_> = self.0.steps.keys().collect();
        let nth = self.1 as usize % (known.len() + 1);
        known.get(nth).map_or_else(|| "not-there".parse().unwrap(), |id| (*id).clone())
    }

    fn pick<T: Clone>(&self, of: &[T]) -> T {
        of[self.2 as usize % of.len()].clone()
    }

    fn text(&self) -> SafeText {
        SafeText::new(self.pick(&TEXTS))
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_unix_millis(TIMES[self.3 % TIMES.len()])
    }

    fn span(&self) -> Millis {
        Millis::new(TIMES[self.2 as usize % TIMES.len()])
    }

    fn part(&self) -> Part {
        self.pick(&[Part::Action, Part::Verify, Part::Compare, Part::Undo, Part::UndoVerify])
    }

    fn key(&self) -> Key {
        let attempt = self.pick(&[0, 1, 1, 1, 2, u32::MAX]);
        Key { step: self.step(), part: self.part(), attempt }
    }

    fn place(&self) -> Place {
        let mut known: Vec<_> = self.0.hosts.keys().cloned().map(Place::Host).collect();
        known.extend([Place::Here, Place::Host("nowhere".parse().unwrap())]);
        self.pick(&known)
    }

    fn job(&self) -> Job {
        Job { key: self.key(), place: self.place() }
    }

    fn verdict(&self) -> Verdict {
        self.pick(&[
            Verdict::Succeeded,
            Verdict::Cancelled,
            Verdict::Failed,
            Verdict::TimedOut,
            Verdict::Unknown,
        ])
    }

    fn probe(&self) -> golive::base::ProbeId {
        let known = self.0.probes.iter().map(|probe| probe.id.clone());
        self.pick(&known.chain(["no-probe".parse().unwrap()]).collect::<Vec<_>>())
    }

    fn health(&self) -> Health {
        self.pick(&[Health::Healthy, Health::Degraded, Health::Failed, Health::Unknown])
    }

    fn reading(&self) -> Reading {
        let value = self.pick(&[None, Some(0.0), Some(-1e300), Some(f64::MAX), Some(5e-324)]);
        Reading { at: self.time(), value, ok: self.1.is_multiple_of(2), note: self.text() }
    }

    fn end(&self) -> End {
        let why = self.text();
        let captured = BTreeMap::from([("v".parse().unwrap(), self.text())]);
        self.pick(&[
            End::Exited { code: i32::MIN, unmet: None, captured: captured.clone() },
            End::Exited { code: 0, unmet: Some(why.clone()), captured },
            End::Signalled { signal: why.clone() },
            End::Done(Box::new(Done::not(why.as_str(), why.as_str()))),
            End::Stopped { survivors: None },
            End::Stopped { survivors: Some(vec![why.clone()]) },
            End::NotStarted { why: why.clone() },
            End::Rebooted { after: self.span() },
            End::Unknown { why, doubt: Doubt::Gone },
        ])
    }

    fn alarm(&self) -> AlarmId {
        self.pick(&[
            AlarmId::Step(self.step()),
            AlarmId::Silent(self.step()),
            AlarmId::Probe(self.probe()),
            AlarmId::Soak(self.step()),
            AlarmId::Host("nowhere".parse().unwrap()),
            AlarmId::LatestSafe,
            AlarmId::Window,
            AlarmId::Unseen(self.step()),
            AlarmId::Notice("ops".parse().unwrap()),
            AlarmId::Waiver(self.step()),
            AlarmId::Trigger(self.probe()),
            AlarmId::Signing,
            AlarmId::Readiness,
            AlarmId::PlannedReturn,
            AlarmId::Rto,
            AlarmId::Rpo,
        ])
    }

    fn playbook(&self) -> golive::base::PlaybookId {
        let known = self.0.playbooks.iter().map(|playbook| playbook.id.clone());
        self.pick(&known.chain(["no-playbook".parse().unwrap()]).collect::<Vec<_>>())
    }

    fn criterion(&self) -> Criterion {
        self.pick(&[Criterion::Probe(self.probe()), Criterion::Margin, Criterion::RollbackReady])
    }

    fn voice(&self) -> Voice {
        let known = self.0.roles.keys().cloned();
        let role = self.pick(&known.chain(["nobody".parse().unwrap()]).collect::<Vec<_>>());
        Voice::heard(role, self.text())
    }

    fn frozen(&self) -> Frozen {
        let vote =
            Vote { at: self.time(), voice: self.voice(), choice: Choice::NoGo, words: self.text() };
        let judged = Judged {
            criterion: self.criterion(),
            holds: self.2.is_multiple_of(2),
            says: self.text(),
            waived: Some(self.text()),
        };
        Frozen {
            criteria: vec![judged],
            votes: vec![vote],
            passed_over: vec![self.step()],
            notes: usize::MAX,
            alarms: vec![self.text()],
            ends: self.time(),
            back_takes: self.span(),
            back_by: Some(self.time()),
        }
    }

    fn genesis(&self) -> Genesis {
        Genesis {
            session: "night".parse().unwrap(),
            kind: self.pick(&[RunKind::Live, RunKind::Rehearsal, RunKind::Drill]),
            version: self.text(),
            runbook: "other".parse().unwrap(),
            title: self.text(),
            plan: Digest::of(b"other"),
            driver: self.text(),
            machine: self.text(),
            environment: None,
            overridden: Some(self.text()),
            signer: None,
        }
    }

    fn by(&self) -> Actor {
        self.pick(&[
            Actor::Operator(self.text()),
            Actor::Engine,
            Actor::Host("nowhere".parse().unwrap()),
            Actor::Probe(self.probe()),
            Actor::Clock,
        ])
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each event")]
    fn event(&self, kind: u8) -> Event {
        let (step, part, why, key) = (self.step(), self.part(), self.text(), self.key());
        let places = self.pick(&[vec![], vec![self.place()], vec![Place::Here, self.place()]]);
        match kind {
            0 => Event::SessionOpened(self.genesis()),
            1..4 => Event::RunBegan,
            4 => Event::Resumed {
                driver: self.text(),
                machine: self.text(),
                away: self.span(),
                in_doubt: vec![self.job()],
                sought: vec![self.job()],
                signer: None,
            },
            5 => Event::DriverLeft { why },
            6..14 => Event::AttemptStarted {
                key,
                places,
                payload: Digest::of(b""),
                confirmed: Confirmed::ByPerson { class: Class::Critical, after: self.span() },
            },
            14..17 => Event::JobEnded {
                job: self.job(),
                end: self.end(),
                transcript: Some(Transcript {
                    bytes: TIMES[self.3 % TIMES.len()],
                    lines: TIMES[self.3 % TIMES.len()],
                    digest: Digest::of(b""),
                    redacted: BTreeMap::new(),
                }),
            },
            17 => Event::WavesPlanned { key, waves: vec![places, vec![self.place()]] },
            18 => Event::WavePaused { key, until: self.time() },
            19 => Event::WaveStarted { key, places },
            20 => Event::TimeLimitReached { key },
            21 => Event::StopAsked { key },
            22 => Event::RetryPlanned { step, at: self.time() },
            23 => Event::SoakStarted { step, until: self.time() },
            24 => Event::SoakBreached { step, probe: self.probe(), health: self.health() },
            25..29 => Event::Settled { step, part, verdict: self.verdict() },
            29 => Event::Skipped { step, reason: why },
            30 if self.1.is_multiple_of(2) => Event::SaidDone { step, part, reason: why },
            30 => Event::DoneByHand { step, part, reason: why },
            31 => Event::FailureAccepted { step, part, reason: why },
            32 => Event::SignedOff { step, part, words: why },
            33 => Event::GateDecided {
                step,
                choice: self.pick(&[Choice::Go, Choice::NoGo]),
                evidence: vec![Evidence {
                    probe: self.probe(),
                    health: self.health(),
                    reading: Some(self.reading()),
                    age: Some(self.span()),
                }],
                reason: Some(why),
                frozen: self.1.is_multiple_of(2).then(|| Box::new(self.frozen())),
            },
            53 => Event::Voted {
                step,
                voice: self.voice(),
                choice: self.pick(&[Choice::Go, Choice::NoGo]),
                words: why,
            },
            54 => {
                Event::Waived { step, criterion: self.criterion(), reason: why, until: self.time() }
            }
            55 => Event::WaiverEnded { step, criterion: self.criterion() },
            56 if self.1.is_multiple_of(2) => Event::StepEdited {
                step,
                part,
                was: Digest::of(b"old"),
                text: self.pick(&TEXTS).to_owned(),
                class: self.pick(&[Class::Check, Class::Change, Class::Critical]),
                because: self.text(),
                reason: why,
            },
            56 => Event::Approved { step, voice: self.voice(), words: why },
            57 if self.1.is_multiple_of(3) => Event::Replanned {
                was: Digest::of(b"old"),
                plan: Digest::of(b"nowhere"),
                changes: Vec::new(),
                reason: why,
            },
            57 => Event::PlaybookOpened { playbook: self.playbook(), reason: why },
            58 if self.1.is_multiple_of(3) => Event::ShellOpened(ShellOpened {
                number: 1 + self.1 % 3,
                host: "db-old-1".parse().unwrap(),
                step: Some(step),
                reason: why,
            }),
            58 if self.1.is_multiple_of(5) => Event::ShellEnded(Box::new(ShellEnded {
                number: 1 + self.1 % 3,
                host: "db-old-1".parse().unwrap(),
                end: ShellEnd::Lost { why },
                lasted: Millis::new(7),
                transcript: None,
                not_kept: Some(self.text()),
            })),
            58 => Event::PlaybookClosed { playbook: self.playbook() },
            59 => Event::Returned { checkpoint: why },
            34 => Event::Held { why },
            35 => Event::Continued,
            36 => Event::AutoAdvance { on: self.1.is_multiple_of(2) },
            37 => Event::GuardOpened,
            38 => Event::GuardClosed { why },
            39 => Event::RollbackBegan {
                reason: why,
                items: vec![
                    Item { step: step.clone(), part },
                    Item { step: step.clone(), part: Part::Undo },
                    Item { step, part: Part::Undo },
                ],
                break_glass: Some(self.text()),
                to: self.1.is_multiple_of(2).then(|| Return {
                    checkpoint: self.text(),
                    again: vec![self.step(), "not-there".parse().unwrap()],
                }),
            },
            40 => Event::RollbackEnded { verified: self.1.is_multiple_of(2) },
            41 => Event::HealthChanged {
                probe: self.probe(),
                was: self.health(),
                is: self.health(),
                reading: Some(self.reading()),
            },
            42 => Event::AlarmRaised {
                id: self.alarm(),
                level: self.pick(&[Level::Advisory, Level::Caution, Level::Warning]),
                text: why,
            },
            43 => Event::AlarmCleared { id: self.alarm() },
            44 => Event::AlarmsAcknowledged,
            45 => Event::Noted { step: Some(step), text: self.pick(&TEXTS).to_owned() },
            46 => Event::Captured { name: "v".parse().unwrap(), value: why, from: self.place() },
            47 => Event::ClockJumped { millis: self.pick(&[i64::MIN, -1, 0, i64::MAX]) },
            48 if self.1.is_multiple_of(3) => Event::NoticeDelivered {
                channel: "ops".parse().unwrap(),
                numbers: vec![0, self.1.into(), u64::MAX],
                tries: u32::MAX,
            },
            48 if self.1.is_multiple_of(5) => Event::NoticeLost {
                channel: "nobody".parse().unwrap(),
                numbers: Vec::new(),
                tries: 0,
                why,
            },
            48 => Event::Completed,
            51 => Event::StoodStill { span: self.span(), asleep: self.1.is_multiple_of(2) },
            52 => Event::HostNoted {
                host: "nowhere".parse().unwrap(),
                fact: self.pick(&[
                    HostFact::KeySeen { key: why.clone() },
                    HostFact::KeyChanged { held: why.clone(), shown: why },
                    HostFact::Clock(ClockOffset { millis: i64::MIN, within: Millis::ZERO }),
                ]),
            },
            61 => Event::LossMeasured { lost: Some(self.span()), says: why },
            60 => Event::ReadinessChanged {
                need: Need {
                    place: self.place(),
                    what: self.pick(&[Needed::Answer, Needed::Become, Needed::Check(step)]),
                },
                proof: self.pick(&[
                    None,
                    Some(Proof::Ready),
                    Some(Proof::NotReady(why.clone())),
                    Some(Proof::Unknown(why)),
                ]),
            },
            49 => Event::Abandoned { reason: why },
            _ => Event::Closed,
        }
    }

    fn commands(&self) -> Vec<Command> {
        let (step, part, why) = (self.step(), self.part(), SafeText::new("because"));
        let gesture = Gesture { class: Class::Critical, after: Millis::from_secs(9) };
        vec![
            Command::Wake,
            Command::Begin,
            Command::Resume {
                driver: self.text(),
                machine: self.text(),
                away: self.span(),
                signer: None,
            },
            Command::Leave { why: why.clone() },
            Command::Start { step: step.clone(), gesture },
            Command::Retry {
                step: step.clone(),
                part,
                which: self.pick(&[Which::All, Which::Failed]),
                gesture,
                reason: Some(why.clone()),
            },
            Command::Recheck { step: step.clone() },
            Command::Skip { step: step.clone(), reason: why.clone() },
            Command::DoneByHand { step: step.clone(), part, reason: why.clone() },
            Command::Edit {
                step: step.clone(),
                part,
                text: self.pick(&TEXTS).to_owned(),
                reason: why.clone(),
            },
            Command::AcceptFailure { step: step.clone(), part, reason: why.clone() },
            Command::Stop { step: step.clone() },
            Command::SignOff { step, part, ticked: usize::MAX, words: why.clone() },
            Command::Continue,
            Command::OpenGuard,
            Command::RollBack {
                reason: why.clone(),
                break_glass: Some(why.clone()),
                to: self.1.is_multiple_of(2).then(|| self.pick(&["B2".into(), self.text()])),
            },
            Command::Vote {
                step: self.step(),
                voice: self.voice(),
                choice: Choice::Go,
                words: self.text(),
            },
            Command::Waive {
                step: self.step(),
                criterion: self.criterion(),
                reason: why.clone(),
                lasts: self.span(),
            },
            Command::Approve { step: self.step(), voice: self.voice(), words: self.text() },
            Command::OpenPlaybook { playbook: self.playbook(), reason: why },
            Command::ClosePlaybook { playbook: self.playbook() },
            Command::Close,
            Command::Ended { job: self.job(), end: self.end(), transcript: None },
            Command::Signing { trouble: Some(self.text()) },
            Command::Signing { trouble: None },
            Command::Told {
                channel: "ops".parse().unwrap(),
                numbers: vec![0, u64::MAX],
                tries: 0,
                lost: Some(self.text()),
            },
            Command::ClockJump { millis: i64::MIN },
            Command::Limit { latest_safe: Some(i64::MIN), window: Some(i64::MAX) },
        ]
    }
}

fn codes() -> Codes {
    Box::new(|| [4, 7])
}

/// Draws every page of the screen, in a few sizes.
fn draw(state: &State, now: Timestamp, facts: &[(Timestamp, Fact)]) {
    let plan = state.plan();
    let board = Board::new(plan, now);
    let times = state.forecast(now);
    let way_back = state.way_back();
    let (mut audit, log) = (AuditTail::default(), LogStore::default());
    for (seq, (at, fact)) in (1..).zip(facts) {
        audit.push(seq, *at, fact);
    }
    let model = Model {
        state,
        board: &board,
        forecast: &times,
        now,
        seq: u64::MAX,
        recording: None,
        signing: &Signed::default(),
        unrecorded: &BTreeMap::new(),
        log: &log,
        gauges: &BTreeMap::new(),
        audit: &audit,
        way_back: &way_back,
        readiness: &state.rollback_ready(),
        proved: &BTreeMap::new(),
        rtt: Millis::ZERO,
        lang: Lang::En,
        version: "0",
    };
    for (width, height) in [(120, 36), (80, 24), (41, 9)] {
        let mut screen = Screen::new(codes());
        screen.tick(&model);
        for key in "1234567\r\u{1b}R\u{1b}?q\u{1b}ncCzG\u{1b}".chars() {
            let code = match key {
                '\r' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                key => KeyCode::Char(key),
            };
            screen.key(KeyEvent::new(code, KeyModifiers::NONE), &model);
            let area = Rect::new(0, 0, width, height);
            screen.draw(&mut Buffer::empty(area), area, &model, PLAIN);
        }
    }
}

fn decide_all(state: &State, made: &Made<'_>, now: Timestamp) {
    for command in made.commands() {
        // Refused or not: an answer is all that is asked for.
        advance(state, &made.by(), &command, now).ok();
    }
}

fn write_down(facts: &[(Timestamp, Fact)], plan: &Arc<Plan>) {
    let dir = tempfile::tempdir().unwrap();
    let session = "night".parse().unwrap();
    let mut journal = Journal::create(dir.path(), &session).unwrap();
    let mut entries: Vec<Entry> = Vec::new();
    for (at, fact) in facts {
        let stamp = Stamp { at: *at, wall: *at, mono: Millis::ZERO, boot: "b".to_owned() };
        // What cannot be read back is refused; the journal goes on.
        if let Ok(entry) = journal.append(&stamp, std::slice::from_ref(fact)) {
            entries.push(entry);
        }
    }
    drop(journal);
    let verdict = verify(dir.path(), Some(&session)).unwrap();
    verify_txt(&session, &verdict);
    if let Ok(read) = read_all(dir.path()) {
        assert_eq!(read, entries);
    }
    markdown(plan, &entries, Some(&verdict));
    csv(plan, &entries);
    for entry in &entries {
        for fact in &entry.facts {
            json_line(entry, fact);
            timeline_line(plan, entry.at, fact);
        }
    }
}

fn seeds() -> impl Strategy<Value = Vec<Seed>> {
    prop::collection::vec((0_u8..62, any::<u32>(), any::<u32>(), any::<usize>()), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_panics_over_a_record_that_makes_no_sense(seeds in seeds(), opened: bool) {
        let plan = plan();
        let mut state = State::new(Arc::clone(&plan));
        let mut facts = Vec::new();
        for (nth, (kind, a, b, c)) in seeds.into_iter().enumerate() {
            let made = Made(&plan, a, b, c);
            let kind = if nth == 0 && opened { 0 } else { kind };
            let (at, by, event) = (made.time(), made.by(), made.event(kind));
            state.apply(at, &by, &event);
            facts.push((at, Fact { by, event }));
            decide_all(&state, &made, at);
        }
        for now in [TIMES[0], TIMES[2], TIMES[6]] {
            draw(&state, Timestamp::from_unix_millis(now), &facts);
        }
        write_down(&facts, &plan);
    }
}
