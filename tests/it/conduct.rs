//! The line of conduct of a durable step against a host, a network and an operator that do what
//! luck says: no order of events leads to a second start, or to a claim that is not borne out.

use golive::base::Millis;
use golive::engine::{Doubt, Sight, Sync};
use golive::exec::durable::{
    Act, Ask, Before, Conduct, Fate, Heard, Home, Line, Over, Process, Standing, Word,
};
use proptest::prelude::*;

use crate::counts::{counted, is_long};

/// A host, as far as one key goes.
#[derive(Debug, Default)]
struct Host {
    /// Who holds the gate: nobody, nobody ever, or a step that ran.
    gate: Option<bool>,
    ran: u32,
    lives: bool,
    watched: bool,
    code: Option<i32>,
    out: u64,
    boot: u64,
    /// The boot in which it began.
    born: u64,
    /// Requests to start it that are still under way.
    late: u32,
    /// Its records are gone.
    wiped: bool,
}

impl Host {
    fn start(&mut self) {
        if self.gate.is_none() && !self.wiped {
            self.gate = Some(true);
            self.ran += 1;
            (self.lives, self.watched, self.born) = (true, true, self.boot);
        }
    }

    fn standing(&self) -> Standing {
        match (self.gate, self.code) {
            (None, _) => Standing::Absent,
            (Some(false), _) => Standing::Void,
            (Some(true), Some(_)) => Standing::Exited,
            (Some(true), None) if self.born != self.boot => Standing::Rebooted,
            (Some(true), None) if self.lives && self.watched => Standing::Running,
            (Some(true), None) if self.lives => Standing::Orphan,
            (Some(true), None) => Standing::Lost,
        }
    }

    fn state(&self) -> Word {
        Word::State {
            standing: self.standing(),
            process: self.process(),
            code: self.code,
            out: self.out,
            err: 0,
        }
    }

    fn process(&self) -> Process {
        let pid = (self.gate == Some(true)).then_some(7);
        Process { pid, born: pid.map(u64::from), boot: format!("b{}", self.born) }
    }
}

/// A call, from its opening to its end.
#[derive(Clone, Copy, Debug)]
struct Call {
    ask: Ask,
    /// How much of its conversation has happened.
    stage: u8,
    /// Bytes that were sent in it.
    sent: u64,
    /// The step's bytes are sent in it.
    wanted: bool,
}

struct World {
    host: Host,
    conduct: Conduct,
    now: u64,
    calls: [Option<Call>; 2],
    held: u64,
    starts: u32,
    payloads: u32,
    stopped: bool,
    let_go: bool,
    fate: Option<Fate>,
    told: Vec<Sight>,
}

const LINES: [Line; 2] = [Line::Watch, Line::Stop];

fn at(line: Line) -> usize {
    usize::from(line == Line::Stop)
}

impl World {
    fn new(before: Before) -> Self {
        let mut host = Host::default();
        if before.follow {
            // Its golive is gone; the request may have arrived, be under way, or be lost.
            match before.seed % 3 {
                0 => host.start(),
                1 => host.late = 1,
                _lost => {}
            }
        }
        let mut world = Self {
            host,
            conduct: Conduct::new(before, 0),
            now: 0,
            calls: [None, None],
            held: 0,
            starts: 0,
            payloads: 0,
            stopped: false,
            let_go: false,
            fate: None,
            told: Vec::new(),
        };
        world.hear(Heard::Time);
        world
    }

    fn hear(&mut self, heard: Heard) {
        for act in self.conduct.hear([heard], self.now) {
            assert_eq!(self.fate, None, "it is over: {act:?}");
            match act {
                Act::Call(line, ask) => {
                    assert!(self.calls[at(line)].is_none(), "two calls on {line:?}");
                    if let Ask::Start { whole } = ask {
                        self.starts += 1;
                        self.payloads += u32::from(whole);
                    }
                    if let Ask::Attach { out, .. } = ask {
                        assert_eq!(out, self.held, "it asks from where it has");
                    }
                    self.calls[at(line)] = Some(Call {
                        ask,
                        stage: 0,
                        sent: 0,
                        wanted: !matches!(ask, Ask::Start { .. }),
                    });
                }
                Act::Payload => {
                    self.payloads += 1;
                    let call = self.calls[0].as_mut().expect("a call that starts it");
                    assert_eq!(call.ask, Ask::Start { whole: false });
                    call.ask = Ask::Start { whole: true };
                }
                Act::Want(_) => {
                    let call = self.calls[0].as_mut().expect("a call that started it");
                    assert!(!call.wanted, "asked twice, it would send twice");
                    call.wanted = true;
                }
                Act::HangUp(line) => self.drop_call(line),
                Act::Tell(sight) => self.told.push(sight),
                Act::End(fate) => self.fate = Some(fate),
            }
        }
        assert!(self.starts <= 1 && self.payloads <= 1, "a second start");
    }

    /// A call is gone; what it carried may still arrive.
    fn drop_call(&mut self, line: Line) {
        if let Some(call) = self.calls[at(line)].take()
            && call.ask == (Ask::Start { whole: true })
            && (1..3).contains(&call.stage)
        {
            self.host.late += 1;
        }
    }

    fn over(&mut self, line: Line, over: Over) {
        self.drop_call(line);
        self.hear(Heard::Over(line, over));
    }

    /// No link outlives it, and no request that is under way.
    fn reboot(&mut self) {
        for line in LINES {
            if self.calls[at(line)].is_some() {
                self.over(line, Over::Lost { why: "reset".to_owned(), quiet: Millis::ZERO });
            }
        }
        self.host.boot += 1;
        self.host.late = 0;
        (self.host.lives, self.host.watched) = (false, false);
    }

    /// The conversation of a call goes on.
    fn advance(&mut self, line: Line) {
        let Some(call) = self.calls[at(line)].as_mut() else { return };
        let stage = call.stage;
        call.stage = stage.saturating_add(1);
        let ask = call.ask;
        let home = Home {
            root: "/r".to_owned(),
            root_id: "i".to_owned(),
            boot: format!("b{}", self.host.boot),
        };
        let word = |word| Heard::Word(line, word);
        if stage == 0 {
            return self.hear(Heard::Opened(line));
        }
        if stage == 1 {
            if self.host.wiped && !matches!(ask, Ask::Start { .. }) {
                let error = Word::Error { code: "ROOTID".to_owned(), text: "gone".to_owned() };
                return self.hear(word(error));
            }
            return self.hear(word(Word::Hello(home)));
        }
        match ask {
            Ask::Start { whole: false } => {}
            Ask::Start { whole: true } if stage == 2 && self.host.gate.is_none() => {
                if self.host.wiped {
                    let error = Word::Error { code: "ROOT".to_owned(), text: "no".to_owned() };
                    return self.hear(word(error));
                }
                self.host.start();
                let process = self.host.process();
                self.hear(word(Word::Started { process, group: true, sync: Sync::File }));
            }
            Ask::Attach { void, .. } if stage == 2 => {
                if void && self.host.gate.is_none() {
                    self.host.gate = Some(false);
                }
                self.hear(word(self.host.state()));
            }
            Ask::Start { .. } if stage == 2 => {
                self.hear(word(self.host.state()));
            }
            Ask::Start { .. } | Ask::Attach { .. } => self.send(line),
            Ask::Cancel { .. } if stage == 2 => {
                if self.host.gate.is_none() {
                    self.host.gate = Some(false);
                }
                if self.host.lives {
                    self.host.lives = false;
                    if self.host.watched {
                        self.host.code = Some(143);
                    }
                }
                self.hear(word(self.host.state()));
            }
            Ask::Cancel { .. } => self.hear(word(Word::Done)),
        }
    }

    /// Some bytes, or the word that there are no more.
    fn send(&mut self, line: Line) {
        let wanted = self.calls[at(line)].is_some_and(|call| call.wanted);
        if wanted && self.held < self.host.out {
            let count = (self.host.out - self.held).min(3);
            self.held += count;
            if let Some(call) = self.calls[at(line)].as_mut() {
                call.sent += count;
            }
            return self.hear(Heard::Bytes(count, 0));
        }
        let end = match self.host.standing() {
            Standing::Running | Standing::Orphan => return,
            Standing::Exited => {
                Word::End { code: self.host.code.unwrap_or(0), out: self.host.out, err: 0 }
            }
            Standing::Absent
            | Standing::Staged
            | Standing::Void
            | Standing::Lost
            | Standing::Rebooted => self.host.state(),
        };
        self.hear(Heard::Word(line, end));
    }

    fn luck(&mut self, choice: u8) {
        let line = LINES[usize::from(choice & 1)];
        let why = || "it broke".to_owned();
        match choice >> 1 {
            0..=30 => self.advance(line),
            31..=36 if self.calls[at(line)].is_some_and(|call| call.stage == 0) => {
                self.over(line, Over::NotOpened { why: why(), auth: choice > 70 });
            }
            31..=44 if self.calls[at(line)].is_some_and(|call| call.stage > 0) => {
                self.over(line, Over::Lost { why: why(), quiet: Millis::new(5) });
            }
            45..=49 if self.calls[at(line)].is_some_and(|call| call.stage > 1) => {
                self.over(line, Over::Closed { how: why() });
            }
            50 if self.calls[at(line)].is_some() => self.hear(Heard::Status(line, why())),
            51..=70 => {
                self.now = self.conduct.wake().unwrap_or(self.now + 50).max(self.now);
                self.hear(Heard::Time);
            }
            71..=90 if self.host.lives => self.host.out += u64::from(choice & 7),
            91..=95 if self.host.lives && self.host.watched => {
                self.host.lives = false;
                self.host.code = Some(i32::from(choice & 3));
            }
            96 if self.host.lives => self.host.watched = false,
            97 if self.host.lives && !self.host.watched => self.host.lives = false,
            98 => self.reboot(),
            99..=103 if self.host.late > 0 => {
                self.host.late -= 1;
                self.host.start();
            }
            104 if self.host.late > 0 => self.host.late -= 1,
            105..=107 => {
                self.stopped = true;
                self.hear(Heard::Stop(Millis::new(100)));
            }
            108 if choice & 1 == 0 => {
                self.let_go = true;
                self.hear(Heard::LetGo);
            }
            109 if choice & 1 == 0 && self.host.gate == Some(true) => self.host.wiped = true,
            110 => self.hear(Heard::Reachable),
            _nothing => {}
        }
    }

    /// From now on nothing breaks, and the step comes to its end.
    fn calm(&mut self) {
        for _ in 0..400 {
            if self.fate.is_some() {
                return;
            }
            for line in LINES {
                self.advance(line);
            }
            if self.host.lives && self.host.watched {
                self.host.lives = false;
                self.host.code = Some(0);
            }
            self.host.lives = false;
            if self.conduct.is_idle() {
                self.hear(Heard::Reachable);
            }
            if self.calls.iter().all(Option::is_none) {
                self.now = self.conduct.wake().unwrap_or(self.now + 50).max(self.now);
                self.hear(Heard::Time);
            }
            self.now += 50;
            self.hear(Heard::Time);
        }
    }

    /// What it said must be so.
    fn judge(&mut self, (reboot, follow): (bool, bool)) {
        let Some(fate) = self.fate.clone() else { panic!("it never ends: {:?}", self.conduct) };
        assert!(self.host.ran <= 1);
        match &fate {
            Fate::NotStarted(_) | Fate::Attached(_) => {
                assert_eq!(self.host.ran, 0, "it ran: {fate:?}");
                while self.host.late > 0 {
                    self.host.late -= 1;
                    self.host.start();
                }
                assert_eq!(self.host.ran, 0, "it runs later: {fate:?}");
            }
            Fate::Exited(code) => {
                assert_eq!((Some(*code), self.held), (self.host.code, self.host.out));
            }
            Fate::NotRebooted => assert!(reboot && self.host.code == Some(0)),
            Fate::Rebooted(_) => assert!(reboot && self.host.boot != self.host.born),
            Fate::Stopped(alive) => {
                assert!(self.stopped && self.host.ran == 1);
                assert!(alive.as_ref().is_some_and(Vec::is_empty) && !self.host.lives);
            }
            Fate::Unknown(doubt, _) => match doubt {
                Doubt::Forgotten => assert!(self.host.wiped),
                Doubt::Gone => assert!(!self.host.lives && self.host.code.is_none()),
                Doubt::Rebooted => assert_ne!(self.host.boot, self.host.born),
                Doubt::Link | Doubt::LetGo | Doubt::Unrecorded => panic!("{fate:?}"),
            },
            Fate::LetGo => assert!(self.let_go),
        }
        let began = self.told.iter().filter(|it| matches!(it, Sight::Began(_))).count();
        assert!(began <= 1 && began <= usize::try_from(self.host.ran).unwrap());
        // Lost and back take turns.
        let mut lost = follow;
        for sight in &self.told {
            match sight {
                Sight::Lost { .. } => lost = true,
                Sight::Back => {
                    assert!(std::mem::take(&mut lost), "back, and was not lost");
                }
                Sight::Began(_) => lost = false,
                Sight::Orphan | Sight::Attached { .. } => {}
            }
        }
    }
}

#[test]
fn no_order_of_events_leads_to_a_second_start_or_to_a_false_claim() {
    let cases = if is_long() { 1_000_000 } else { 20_000 };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let story =
        (any::<u64>(), any::<(bool, bool, bool)>(), proptest::collection::vec(any::<u8>(), 0..60));
    runner
        .run(&story, |(seed, (follow, known, reboot), choices)| {
            let before = Before {
                host: "web1".to_owned(),
                follow,
                known,
                reboot: reboot && seed % 4 == 0,
                input: seed % 3 == 0,
                seed,
                ..Before::default()
            };
            let reboots = before.reboot;
            let mut world = World::new(before);
            for choice in choices {
                if world.fate.is_none() {
                    world.luck(choice);
                }
            }
            world.calm();
            if reboots && world.fate.is_none() {
                // It waits for what was wanted.
                world.reboot();
                world.calm();
            }
            world.judge((reboots, follow));
            Ok(())
        })
        .unwrap();
    counted("the line of conduct", "stories", usize::try_from(cases).unwrap(), 0);
}
