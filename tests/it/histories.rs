//! Random plans and random nights: an operator who asks for anything, and a world that ends what
//! was started in any way, in any order, twice, or not at all.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use golive::base::{Millis, SafeText, StepId, Timestamp};
use golive::engine::{
    Actor, Change, Choice, Command, Criterion, Doubt, Effect, End, Evidence, Fact, Gesture, Health,
    Job, Part, Place, Run, RunKind, RunStage, ShellEnd, ShellEnded, ShellOpened, State, Status,
    Voice, Which, advance,
};
use golive::plan::{Plan, Work};
use golive::runbook::Class;
use proptest::prelude::*;

use crate::plans::{at, open, plan, replay, wei, written};

/// One step of a random plan: a number for each thing that can vary.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    kind: u8,
    hosts: u8,
    needs: Option<u8>,
    undo: u8,
    verify: u8,
    flags: u8,
}

/// One moment of a random night.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    kind: u8,
    pick: u16,
    how: u16,
    secs: u8,
}

/// A random plan and a random night.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) plan: Arc<Plan>,
    moments: Vec<Moment>,
}

impl Spec {
    fn toml(&self, number: usize) -> String {
        let Self { kind, hosts, needs, undo, verify, flags } = *self;
        let flag = |bit: u8| flags >> bit & 1 == 1;
        let mut text = format!("[[phase.step]]\nid = \"s{number}\"\nestimate = \"1m\"\n");
        if let Some(mask) = needs {
            let of = (0..number).filter(|n| mask >> (n % 8) & 1 == 1);
            let of: Vec<_> = of.map(|n| format!("\"s{n}\"")).collect();
            let _ = writeln!(text, "needs = [{}]", of.join(", "));
        }
        let on = |mask: u8| {
            let hosts = (0..3_u8).filter(|n| mask >> n & 1 == 1);
            let hosts: Vec<_> = hosts.map(|n| format!("\"web{}\"", n + 1)).collect();
            if hosts.is_empty() {
                "[\"web1\"]".to_owned()
            } else {
                format!("[{}]", hosts.join(", "))
            }
        };
        match kind % 10 {
            0..=4 => {
                let _ = writeln!(text, "run = \"do\"\non = {}\ntimeout = \"60s\"", on(hosts));
            }
            5 => text.push_str("local = \"do\"\ntimeout = \"60s\"\n"),
            6 => text.push_str("manual = { text = \"do\", checklist = [\"one\"] }\n"),
            7 => {
                let poll = ["", ", poll = [\"dba\", \"lead\"], require = 1", ", poll = [\"dba\"]"];
                let poll = poll[usize::from(undo % 3)];
                let _ =
                    writeln!(text, "gate = {{ healthy = [\"p99\"], checklist = [\"one\"]{poll} }}");
            }
            8 => {
                text.push_str("soak = { for = \"30s\", probes = [\"p99\"] }\nauto = true\n");
            }
            _ => text.push_str("notify = { channels = [\"ops\"], text = \"now\" }\nauto = true\n"),
        }
        if (verify >> 2).is_multiple_of(4) {
            let _ = writeln!(text, "checkpoint = \"c{number}\"");
        }
        let by_itself = kind % 10 > 7 || (kind % 10 < 6 && flag(0));
        if verify >> 3 == 31 && !by_itself {
            text.push_str("commit = true\n");
        }
        if kind % 10 > 6 {
            return text;
        }
        if verify >> 4 == 1 {
            text.push_str("four_eyes = true\n");
        }
        let machine = kind % 10 < 6;
        if flag(0) && machine {
            text.push_str("read_only = true\n");
            text.push_str(if flag(1) { "auto = true\n" } else { "" });
        } else {
            let undo = match (undo % 6, kind % 10) {
                (0, 0..=4) => "undo = { run = \"undo\", timeout = \"60s\" }\n".to_owned(),
                (1, 0..=4) => {
                    format!("undo = {{ run = \"undo\", on = {} }}\n", on(hosts.rotate_right(1)))
                }
                (2, 0..=4) => {
                    "undo = { run = \"undo\", verify = { run = \"check\", within = \"20s\" } }\n"
                        .to_owned()
                }
                (3, _) => "undo = { manual = { text = \"undo\" } }\n".to_owned(),
                (4, _) => "irreversible = \"gone\"\n".to_owned(),
                _ => "undo = { local = \"undo\" }\n".to_owned(),
            };
            text.push_str(&undo);
        }
        match verify % 4 {
            0 => text.push_str("verify = { run = \"check\", within = \"20s\" }\n"),
            1 => text.push_str("verify = { probe = \"p99\", within = \"20s\" }\n"),
            _ => {}
        }
        if flag(2) && machine {
            text.push_str("retry = { attempts = 2, delay = \"10s\" }\n");
        }
        if kind % 10 >= 3 && kind % 10 <= 4 && !flag(2) {
            let pause = if hosts >> 3 & 1 == 1 { "\"ask\"" } else { "\"10s\"" };
            let most = hosts >> 4 & 1;
            let _ = writeln!(text, "batch = [1, \"50%\"]\npause = {pause}\nmax_failures = {most}");
        }
        if flag(3) && flag(4) {
            text.push_str("soak = { for = \"30s\", probes = [\"p99\", \"errors\"] }\n");
        }
        if flag(5) && flag(6) && !(flag(0) && machine) {
            text.push_str("point_of_no_return = true\n");
        }
        if flag(7) {
            text.push_str("skippable = false\n");
        }
        text
    }
}

const ROLLBACK: &str = "
[[rollback.before]]
id = \"freeze\"
local = \"freeze\"
[[rollback.after]]
id = \"verify-old\"
stage = \"verify\"
on = \"web1\"
run = \"check old\"
retry = { attempts = 2, delay = \"10s\" }
[[rollback.after]]
id = \"sign\"
manual = { text = \"look\" }
";

const PLAYBOOK: &str = "
[[playbook]]
id = \"help\"
on_alarm = \"p99\"
[[playbook.step]]
id = \"h1\"
run = \"drain\"
on = \"web1\"
timeout = \"60s\"
[[playbook.step]]
id = \"h2\"
manual = { text = \"call\", evidence = true }
";

/// Any plan, any night.
pub(crate) fn history() -> impl Strategy<Value = History> {
    let spec =
        (any::<u8>(), any::<u8>(), any::<Option<u8>>(), any::<u8>(), any::<u8>(), any::<u8>())
            .prop_map(|(kind, hosts, needs, undo, verify, flags)| Spec {
                kind,
                hosts,
                needs,
                undo,
                verify,
                flags,
            });
    let moment = (any::<u8>(), any::<u16>(), any::<u16>(), 0..40_u8)
        .prop_map(|(kind, pick, how, secs)| Moment { kind, pick, how, secs });
    let specs = proptest::collection::vec(spec, 1..7);
    let moments = proptest::collection::vec(moment, 0..120);
    (specs, moments, any::<[bool; 2]>()).prop_map(|(specs, moments, [finish, own])| {
        let mut body = String::new();
        for (number, spec) in specs.iter().enumerate() {
            body.push_str(&spec.toml(number));
        }
        let running = if finish { "finish" } else { "cancel" };
        let _ = writeln!(body, "[rollback]\nrunning = \"{running}\"");
        if specs.len() > 3 {
            let auto = finish && own;
            let _ = writeln!(
                body,
                "trigger = [{{ probe = \"errors\", state = \"degraded\", for = \"20s\", auto = {auto} }}]"
            );
        }
        body.push_str(if own { ROLLBACK } else { "" });
        body.push_str(PLAYBOOK);
        History { plan: plan(&body), moments }
    })
}

/// One thing that was asked, and what came of it.
pub(crate) struct Turn<'a> {
    pub(crate) now: Timestamp,
    pub(crate) command: &'a Command,
    pub(crate) before: &'a State,
    pub(crate) facts: &'a [Fact],
    pub(crate) effects: &'a [Effect],
    pub(crate) after: &'a State,
    /// Everything so far, this turn included.
    pub(crate) journal: &'a [(Timestamp, Fact)],
}

impl Turn<'_> {
    /// Every fact of the turn with the state just before and just after it.
    pub(crate) fn each(&self, mut look: impl FnMut(&State, &Fact, &State)) {
        let mut state = self.before.clone();
        for fact in self.facts {
            let before = state.clone();
            state.apply(self.now, &fact.by, &fact.event);
            look(&before, fact, &state);
        }
    }
}

/// The world around the engine.
pub(crate) struct World<'a> {
    pub(crate) plan: Arc<Plan>,
    pub(crate) state: State,
    pub(crate) journal: Vec<(Timestamp, Fact)>,
    pub(crate) now: Timestamp,
    running: Vec<Job>,
    stopping: BTreeSet<Job>,
    ended: Vec<Job>,
    look: &'a dyn Fn(&Turn<'_>),
}

/// Lives through a history; `look` sees every turn of it.
pub(crate) fn live<'a>(history: &History, look: &'a dyn Fn(&Turn<'_>)) -> World<'a> {
    let plan = Arc::clone(&history.plan);
    let opened = open(&plan, RunKind::Live);
    let mut world = World {
        journal: opened.facts.into_iter().map(|fact| (at(0), fact)).collect(),
        state: opened.state,
        now: at(0),
        running: Vec::new(),
        stopping: BTreeSet::new(),
        ended: Vec::new(),
        look,
        plan,
    };
    world.ask(&wei(), &Command::Begin);
    history.moments.iter().for_each(|moment| world.happen(*moment));
    world
}

/// The same on a disk that fails again and again, with a person who overrides that now and then.
pub(crate) fn live_on_a_bad_disk<'a>(history: &History, look: &'a dyn Fn(&Turn<'_>)) -> World<'a> {
    let mut world = live(&History { moments: Vec::new(), ..history.clone() }, look);
    for moment in &history.moments {
        match moment.how % 11 {
            0..=2 => world.ask(&Actor::Engine, &Command::RecordLost { why: "full".into() }),
            3..=5 => world.ask(&wei(), &Command::OverrideRecord { reason: "go".into() }),
            6 => world.ask(&Actor::Engine, &Command::RecordedLate),
            _ => false,
        };
        world.happen(*moment);
    }
    world.ask(&Actor::Engine, &Command::RecordedLate);
    world
}

impl World<'_> {
    /// Asks the engine; whether it agreed.
    pub(crate) fn ask(&mut self, by: &Actor, command: &Command) -> bool {
        self.now = self.now.after(Millis::new(1));
        let Ok(done) = advance(&self.state, by, command, self.now) else { return false };
        self.journal.extend(done.facts.iter().map(|fact| (self.now, fact.clone())));
        for effect in &done.effects {
            match effect {
                Effect::Run(run) => self.start(&run.key, &run.places),
                Effect::Notify { key: Some(key), .. } => self.start(key, &[Place::Here]),
                Effect::Stop(key) => {
                    let running = self.running.iter().filter(|job| job.key == *key);
                    self.stopping.extend(running.cloned());
                }
                Effect::Follow(run) => self.look_for(run),
                Effect::LetGo(job) => {
                    self.running.retain(|running| running != job);
                    self.ended.push(job.clone());
                }
                Effect::Notify { key: None, .. }
                | Effect::HoldToKey { .. }
                | Effect::ProbeLinks
                | Effect::WakeAt(_) => {}
            }
        }
        let before = std::mem::replace(&mut self.state, done.state);
        (self.look)(&Turn {
            now: self.now,
            command,
            before: &before,
            facts: &done.facts,
            effects: &done.effects,
            after: &self.state,
            journal: &self.journal,
        });
        true
    }

    fn start(&mut self, key: &golive::engine::Key, places: &[Place]) {
        let jobs = places.iter().map(|place| Job { key: key.clone(), place: place.clone() });
        self.running.extend(jobs);
    }

    fn happen(&mut self, moment: Moment) {
        self.now = self.now.after(Millis::from_secs(u64::from(moment.secs)));
        match moment.kind % 64 {
            0..=23 if !self.running.is_empty() => {
                let job = self.running.swap_remove(usize::from(moment.pick) % self.running.len());
                let end = end(moment.how, self.stopping.contains(&job));
                self.report(job, end);
            }
            // The same end once more, or an end after a crash.
            24 if !self.ended.is_empty() => {
                let job = self.ended[usize::from(moment.pick) % self.ended.len()].clone();
                let again = Command::Ended { job, end: end(moment.how, false), transcript: None };
                let asked = self.ask(&Actor::Engine, &again);
                assert!(!asked, "an end was taken twice: {again:?}");
            }
            25..=27 => {
                self.ask(&Actor::Clock, &Command::Wake);
            }
            28..=32 => {
                let probe = if moment.pick.is_multiple_of(3) { "errors" } else { "p99" };
                let is = match moment.how % 6 {
                    0 => Health::Degraded,
                    1 => Health::Unknown,
                    _ => Health::Healthy,
                };
                self.health(probe, is);
            }
            33 => self.crash(),
            34 if moment.how.is_multiple_of(4) => {
                let why = || SafeText::new("it is too late");
                let roll_back =
                    Command::RollBack { reason: why(), break_glass: Some(why()), to: None };
                self.ask(&wei(), &roll_back);
            }
            53..=55 => {
                let steps = &self.plan.order;
                let step = steps[usize::from(moment.pick) % steps.len()].clone();
                self.ask(&wei(), &Command::Skip { step, reason: "not tonight".into() });
            }
            56 => {
                self.ask(&wei(), &Command::Hold { why: "better commands".into() });
                crate::edits::edit_all(self, moment.how);
                self.ask(&wei(), &Command::Continue);
            }
            57 => crate::replans::replan(self, moment.pick),
            35..=52 => {
                // What the night is for: the open things are taken on, and a hold ends.
                let mut open = choices(&self.state, self.now);
                open.push(Command::Continue);
                let wish = &open[usize::from(moment.pick) % open.len()];
                if !self.ask(&wei(), wish) {
                    self.ask(&wei(), &Command::Continue);
                }
            }
            _ => {
                let wishes = wishes(&self.state, moment.how, self.now);
                let wish = &wishes[usize::from(moment.pick) % wishes.len()];
                self.ask(&wei(), wish);
            }
        }
    }

    pub(crate) fn health(&mut self, probe: &str, is: Health) {
        let probe: golive::base::ProbeId = probe.parse().unwrap();
        let change = Change { probe: probe.clone(), was: Health::Unknown, is, reading: None };
        self.ask(&Actor::Probe(probe), &Command::Health(change));
    }

    fn report(&mut self, job: Job, end: End) {
        let by = Actor::at(&job.place);
        let ended = Command::Ended { job: job.clone(), end, transcript: None };
        assert!(self.ask(&by, &ended), "an end was not taken: {ended:?}");
        self.ended.push(job);
    }

    /// Hosts are asked about what runs there, and about nothing else.
    fn look_for(&mut self, run: &Run) {
        for place in &run.places {
            let job = Job { key: run.key.clone(), place: place.clone() };
            assert!(self.running.contains(&job), "{job} does not run, and is looked for");
        }
    }

    /// The process dies: what it ran is gone with its memory, and its journal is read again.
    fn crash(&mut self) {
        self.state = replay(&self.plan, &self.journal);
        // What is durable runs on where nobody sees it.
        let running = std::mem::take(&mut self.running);
        let (durable, gone): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|job| self.state.is_durable(job));
        self.stopping.retain(|job| durable.contains(job));
        self.ended.extend(gone);
        self.running = durable;
        self.ask(&wei(), &resume());
    }

    /// An operator who only wants it to end. Whether it did.
    pub(crate) fn bring_to_an_end(&mut self) -> bool {
        let reason = || SafeText::new("as agreed on the bridge");
        for _ in 0..40 * (self.plan.steps.len() + 2) {
            match self.state.stage() {
                // What a playbook started may run on still.
                RunStage::Completed | RunStage::RolledBack { .. } if self.running.is_empty() => {
                    return true;
                }
                RunStage::Abandoned if self.running.is_empty() => {
                    let roll_back = Command::RollBack {
                        reason: reason(),
                        break_glass: Some(reason()),
                        to: None,
                    };
                    if !self.ask(&wei(), &roll_back) {
                        return true; // Nothing has started: it can be closed as it is.
                    }
                }
                RunStage::Preparing
                | RunStage::Active
                | RunStage::RollingBack
                | RunStage::RolledBack { .. }
                | RunStage::Completed
                | RunStage::Abandoned => {}
            }
            if self.state.guard().is_some() {
                self.ask(&wei(), &Command::CloseGuard { why: reason() });
            }
            if let Some(job) = self.running.pop() {
                let end = end(0, self.stopping.contains(&job));
                self.report(job, end);
                continue;
            }
            let decided =
                choices(&self.state, self.now).into_iter().any(|choice| self.ask(&wei(), &choice));
            if !decided && self.state.hold().is_some() {
                self.ask(&wei(), &Command::Continue);
            }
            self.now = self.now.after(Millis::from_secs(61));
            self.ask(&Actor::Clock, &Command::Wake);
        }
        false
    }
}

pub(crate) fn resume() -> Command {
    let away = Millis::from_secs(600);
    Command::Resume { driver: "Ana Souza".into(), machine: "laptop".into(), away, signer: None }
}

fn end(how: u16, stopping: bool) -> End {
    let exited = |code: i32| End::Exited {
        code,
        unmet: (code != 0).then(|| "not an accepted exit status".into()),
        captured: std::collections::BTreeMap::new(),
    };
    match how % 16 {
        0..=10 if !stopping => exited(0),
        0 | 1 => exited(0),
        11 if !stopping => exited(3),
        12 => End::Signalled { signal: "SEGV".into() },
        13 => End::NotStarted { why: "no route".into() },
        14 => End::unknown(Doubt::Link, "the link was lost"),
        15 => End::Stopped { survivors: None },
        _ => End::Stopped { survivors: Some(Vec::new()) },
    }
}

const GESTURE: Gesture = Gesture { class: Class::Critical, after: Millis::from_secs(2) };

fn decide(step: &StepId, state: &State, choice: Choice, reason: Option<SafeText>) -> Command {
    let evidence = state.plan().probes.iter().map(|probe| Evidence {
        probe: probe.id.clone(),
        health: state.health(&probe.id),
        reading: None,
        age: None,
    });
    let evidence = evidence.collect();
    Command::Decide { step: step.clone(), choice, ticked: 1, evidence, margin: None, reason }
}

/// Who speaks in the histories: never the driver.
fn voice(role: &golive::base::RoleId, state: &State) -> Voice {
    let people = &state.plan().roles[role].people;
    Voice::heard(role.clone(), people[people.len() - 1].clone())
}

/// What others have to say before a step can be taken on.
fn words_of_others(state: &State, step: &StepId, now: Timestamp) -> Vec<Command> {
    let plan = &state.plan().steps[step];
    let open = !state.track(step).status.is_over() && !state.track(step).status.is_in_flight();
    let mut all = Vec::new();
    if plan.four_eyes && open && state.approval(step, now).is_none() {
        let voice = voice(&"dba".parse().unwrap(), state);
        let voice = if *state.driver() == voice.person {
            Voice { person: "Ana Souza".into(), ..voice }
        } else {
            voice
        };
        all.push(Command::Approve { step: step.clone(), voice, words: "yes".into() });
    }
    for (role, vote) in state.tally(step, now).roles {
        if vote.is_none() && !state.track(step).status.is_over() {
            let voice = voice(&role, state);
            let (step, choice) = (step.clone(), Choice::Go);
            all.push(Command::Vote { step, voice, choice, words: "fine".into() });
        }
    }
    all
}

/// The first step that can start, where one can.
pub(crate) fn first_start(state: &State, now: Timestamp) -> Option<Command> {
    let starts = |it: &Command| matches!(it, Command::Start { .. });
    let possible = |it: &Command| golive::engine::decide(state, it, now).is_ok();
    choices(state, now).into_iter().find(|it| starts(it) && possible(it))
}

/// What takes anything on that is open: the first of these that is possible.
pub(crate) fn choices(state: &State, now: Timestamp) -> Vec<Command> {
    let reason = || SafeText::new("as agreed on the bridge");
    let mut all = Vec::new();
    for step in state.plan().steps.keys() {
        all.extend(words_of_others(state, step, now));
        for part in [Part::Action, Part::Undo] {
            let step = step.clone();
            match state.track_of(&step, part).status {
                Status::Waiting => {
                    all.push(decide(&step, state, Choice::Go, Some(reason())));
                    all.push(Command::SignOff { step, part, ticked: 1, words: reason() });
                }
                Status::Failed | Status::TimedOut | Status::Unknown | Status::Cancelled => {
                    all.push(Command::AcceptFailure { step: step.clone(), part, reason: reason() });
                    all.push(decide(&step, state, Choice::Go, Some(reason())));
                    let (which, gesture) = (Which::All, GESTURE);
                    let reason = Some(reason());
                    all.push(Command::Retry { step, part, which, gesture, reason });
                }
                Status::Pending if part == Part::Action => {
                    all.push(Command::Start { step, gesture: GESTURE });
                }
                Status::Pending
                | Status::Running
                | Status::Soaking { .. }
                | Status::Verifying
                | Status::Succeeded
                | Status::Skipped
                | Status::DoneByHand
                | Status::FailureAccepted => {}
            }
        }
    }
    all
}

/// Everything that somebody may wish for, sensible or not.
pub(crate) fn wishes(state: &State, how: u16, now: Timestamp) -> Vec<Command> {
    let reason =
        || if how.is_multiple_of(7) { SafeText::default() } else { SafeText::new("because") };
    let some = || (!how.is_multiple_of(5)).then(reason);
    let mut all = choices(state, now);
    for step in state.plan().steps.keys() {
        let part = if state.stage() == RunStage::RollingBack { Part::Undo } else { Part::Action };
        let step = step.clone();
        let which = if how.is_multiple_of(2) { Which::All } else { Which::Failed };
        let gesture = GESTURE;
        all.extend([
            Command::Start { step: step.clone(), gesture },
            Command::Retry { step: step.clone(), part, which, gesture, reason: some() },
            Command::Recheck { step: step.clone() },
            Command::Stop { step: step.clone() },
        ]);
        match how % 4 {
            0 => all.push(Command::Skip { step, reason: reason() }),
            1 => all.push(Command::DoneByHand { step, part, reason: reason() }),
            2 => all.push(decide(&step, state, Choice::NoGo, some())),
            _ => all.push(decide(&step, state, Choice::Go, None)),
        }
    }
    for step in state.plan().steps.keys().filter(|step| state.gate_of(step).is_some()) {
        let criterion = Criterion::Probe("p99".parse().unwrap());
        let lasts = Millis::from_secs(u64::from(how % 90));
        all.push(Command::Waive { step: step.clone(), criterion, reason: reason(), lasts });
    }
    if state.open_shell().is_some() {
        all.extend(a_shell(state, reason()));
    }
    let playbook: golive::base::PlaybookId = "help".parse().unwrap();
    all.extend([
        Command::OpenPlaybook { playbook: playbook.clone(), reason: reason() },
        Command::ClosePlaybook { playbook },
        Command::Hold { why: reason() },
        Command::Continue,
        Command::Continue,
        Command::AutoAdvance { on: how.is_multiple_of(2) },
        Command::OpenGuard,
        Command::CloseGuard { why: reason() },
        Command::Note { step: None, text: "hm".to_owned() },
        Command::AcknowledgeAlarms,
    ]);
    match how % 16 {
        0 | 1 => all.push(Command::RollBack { reason: reason(), break_glass: some(), to: None }),
        2 | 3 | 8..=13 => {
            let points = state.checkpoints().into_iter().map(|point| Some(point.name));
            let to = points.chain([Some("c0".into())]).next().flatten();
            all.push(Command::RollBack { reason: reason(), break_glass: some(), to });
        }
        4 => all.push(Command::Abandon { reason: reason() }),
        5 => all.push(Command::Leave { why: reason() }),
        6 => all.push(Command::Close),
        14 => all.extend(a_shell(state, reason())),
        _ => {}
    }
    all
}

/// A shell on the first host, or the end of the one that is open.
fn a_shell(state: &State, reason: SafeText) -> Option<Command> {
    let Some(open) = state.open_shell() else {
        let host = state.plan().hosts.keys().next()?.clone();
        return Some(Command::OpenShell { host, step: None, reason });
    };
    let ShellOpened { number, host, .. } = open.opened.clone();
    let (end, lasted) = (ShellEnd::CutOff, Millis::from_secs(3));
    let over = ShellEnded { number, host, end, lasted, transcript: None, not_kept: None };
    Some(Command::ShellEnded(Box::new(over)))
}

/// What a gate's own work asks to be healthy.
pub(crate) fn criteria(plan: &Plan, step: &StepId) -> Vec<golive::base::ProbeId> {
    match plan.step(step).map(|step| &step.work) {
        Some(Work::Gate(gate)) => gate.healthy.clone(),
        Some(
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Manual(_)
            | Work::Soak(_)
            | Work::Notify { .. },
        )
        | None => Vec::new(),
    }
}

/// The journal as it is read back.
pub(crate) fn read_back(facts: &[Fact]) -> Vec<Fact> {
    facts.iter().map(written).collect()
}
