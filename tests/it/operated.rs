//! A whole night of a plan through the engine's one door: hosts that take their time and fail,
//! and a person who reads before they press. Time is simulated, and one seed is one night.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use golive::base::{Millis, StepId, Timestamp};
use golive::engine::{
    Actor, Change, Choice, Command, Effect, End, Gesture, Health, Job, Key, Part, Place, RunKind,
    RunStage, State, Status, Which, advance,
};
use golive::plan::{Plan, StepPlan, UndoPlan, Work, initial};
use golive::runbook::Class;

use crate::plans::{at, open, plan, wei};
use crate::simulation::luck::Luck;

/// A stop is asked for, made to after ten seconds, and proved.
const STOPS_WITHIN: u64 = 14_900;

/// What will happen.
#[derive(Clone, Debug)]
enum Happening {
    /// Something is due by itself.
    Wake,
    /// A job ends.
    Ends(Job, End),
    /// The person at the keyboard has looked, and presses.
    Person,
    /// A person has done a step, or its undo.
    Signs(StepId, Part),
}

/// One session with its world, from its beginning on.
#[derive(Clone)]
pub(crate) struct Operated {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    number: u64,
    luck: Luck,
    signing: BTreeSet<(StepId, Part)>,
    /// In a rollback, everything goes as badly as its author has said that it may.
    worst: bool,
}

/// Of these, and in this share, a night is made.
pub(crate) fn plan_of(luck: &mut Luck) -> Arc<Plan> {
    let mut body = String::new();
    for number in 0..luck.between(40, 80) {
        step(&mut body, number, luck);
    }
    let running = if luck.percent(50) { "finish" } else { "cancel" };
    let _ = write!(
        body,
        "[rollback]\nrunning = \"{running}\"\n\
         [[rollback.before]]\nid = \"freeze\"\nlocal = \"freeze\"\nestimate = \"20s\"\n"
    );
    if luck.percent(50) {
        body += "retry = { attempts = 3, delay = \"30s\" }\n";
    }
    body += "[[rollback.after]]\nid = \"verify-old\"\nstage = \"verify\"\nrun = \"check\"\n\
             on = [\"web1\", \"web2\", \"web3\"]\nestimate = \"40s\"\n\
             verify = { run = \"look\", within = \"50s\" }\n";
    if luck.percent(50) {
        body += "[[rollback.after]]\nid = \"watch-old\"\n\
                 soak = { for = \"10s\", probes = [\"errors\"] }\n";
    }
    if luck.percent(50) {
        body += "[[rollback.after]]\nid = \"sign-old\"\nestimate = \"3m\"\n\
                 manual = { text = \"ask the bridge\" }\n";
    }
    // The window is as long as the plan, more or less: the latest safe rollback is in the night.
    let long = initial(&plan(&body), at(0)).planned_end.since(at(0)).as_secs();
    let long = long * luck.between(60, 140) / 100 + luck.below(1800);
    let moment = |secs: u64| at(secs).rfc3339().replace(".000Z", "Z");
    let (opens, closes) = (moment(0), moment(long.max(60)));
    let _ = write!(body, "[window]\nopens = {opens}\ncloses = {closes}\nzone = \"UTC\"\n");
    plan(&body)
}

fn step(body: &mut String, number: u64, luck: &mut Luck) {
    let secs = luck.between(30, 600);
    let _ = write!(body, "[[phase.step]]\nid = \"s{number}\"\nestimate = \"{secs}s\"\n");
    if number > 1 && luck.percent(20) {
        let _ = writeln!(body, "needs = [\"s{}\"]", luck.below(number));
    }
    let kind = luck.below(100);
    match kind {
        0..=9 => *body += "manual = { text = \"do it\" }\n",
        10..=14 => *body += "gate = { healthy = [\"p99\"] }\n",
        15..=19 => {
            *body += "soak = { for = \"5m\", probes = [\"p99\"] }\nauto = true\n";
        }
        20..=29 => {
            *body += "run = \"look\"\non = \"web1\"\nread_only = true\nauto = true\n";
        }
        30..=39 => {
            *body += "run = \"do\"\non = [\"web1\", \"web2\", \"web3\"]\nbatch = [1, \"100%\"]\n\
                      pause = \"30s\"\n";
        }
        _ => *body += "run = \"do\"\non = [\"web1\", \"web2\"]\n",
    }
    if (10..20).contains(&kind) {
        return;
    }
    if kind >= 20 {
        let _ = writeln!(body, "timeout = \"{}s\"", secs * 2);
    }
    if kind >= 30 && luck.percent(40) {
        *body += "verify = { run = \"look\", within = \"90s\" }\n";
    }
    if kind >= 40 && luck.percent(30) {
        *body += "retry = { attempts = 3, delay = \"20s\" }\n";
    }
    if kind >= 70 && luck.percent(20) {
        *body += "soak = { for = \"2m\", probes = [\"p99\"] }\n";
    }
    if (20..30).contains(&kind) {
        return;
    }
    let undo = luck.between(10, 300);
    match luck.below(10) {
        0 => *body += "undo = { manual = { text = \"undo it\" }, estimate = \"4m\" }\n",
        1 if kind >= 20 => *body += "undo = { run = \"undo\" }\n",
        2..=4 if kind >= 20 => {
            let verify = "verify = { run = \"look\", within = \"70s\" }";
            let _ = writeln!(body, "undo = {{ run = \"undo\", estimate = \"{undo}s\", {verify} }}");
        }
        5 => {
            let verify = "verify = { probe = \"errors\", within = \"30s\" }";
            let _ =
                writeln!(body, "undo = {{ local = \"undo\", estimate = \"{undo}s\", {verify} }}");
        }
        6 => *body += "irreversible = \"it is gone\"\n",
        _ => {
            let _ = writeln!(body, "undo = {{ local = \"undo\", estimate = \"{undo}s\" }}");
        }
    }
}

impl Operated {
    /// The night of a seed, at its beginning.
    pub(crate) fn new(seed: u64) -> Self {
        let mut luck = Luck::new(seed);
        let plan = plan_of(&mut luck);
        let state = open(&plan, RunKind::Live).state;
        let mut night = Self {
            state,
            now: at(0),
            queue: BTreeMap::new(),
            number: 0,
            luck,
            signing: BTreeSet::new(),
            worst: false,
        };
        night.ask(&wei(), &Command::Begin).unwrap();
        let change = Change {
            probe: "p99".parse().unwrap(),
            was: Health::Unknown,
            is: Health::Healthy,
            reading: None,
        };
        night.ask(&Actor::Engine, &Command::Health(change)).unwrap();
        night
    }

    pub(crate) fn is_over(&self) -> bool {
        match self.state.stage() {
            RunStage::Completed | RunStage::RolledBack { .. } => true,
            // All items were tried; what did not succeed waits for a person.
            RunStage::RollingBack => self.state.hold().is_some(),
            RunStage::Preparing | RunStage::Active | RunStage::Abandoned => false,
        }
    }

    /// When the next thing happens.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// Lets the next thing happen.
    pub(crate) fn turn(&mut self) {
        let ((at, _), happens) = self.queue.pop_first().expect("the night goes on");
        self.now = at;
        match happens {
            Happening::Wake => self.ask(&Actor::Clock, &Command::Wake).unwrap(),
            Happening::Ends(job, end) => {
                let by = Actor::at(&job.place);
                self.ask(&by, &Command::Ended { job, end, transcript: None }).unwrap();
            }
            Happening::Person => self.press(),
            Happening::Signs(step, part) => self.sign(step, part),
        }
    }

    /// Rolls back at `now`, and lives until every item was tried. When that was.
    pub(crate) fn roll_back(mut self, now: Timestamp) -> Timestamp {
        self.now = now;
        self.queue.retain(|_, happens| matches!(happens, Happening::Wake | Happening::Ends(..)));
        self.signing.clear();
        self.worst = self.luck.percent(50);
        if self.worst && self.luck.percent(50) {
            // What is in flight hangs, from now on at the latest, unless it is being stopped.
            self.queue.retain(|_, happens| {
                matches!(happens, Happening::Wake | Happening::Ends(_, End::Stopped { .. }))
            });
        }
        let why = "the orders are wrong".into();
        let back = Command::RollBack { reason: why, break_glass: None, to: None };
        self.ask(&wei(), &back).unwrap();
        while !self.is_over() {
            self.turn();
        }
        self.now
    }

    fn ask(&mut self, by: &Actor, command: &Command) -> Result<(), String> {
        let done =
            advance(&self.state, by, command, self.now).map_err(|refusal| refusal.to_string())?;
        self.state = done.state;
        for effect in done.effects {
            self.perform(effect);
        }
        self.schedule();
        Ok(())
    }

    fn at(&mut self, after: u64, happening: Happening) {
        self.number += 1;
        self.queue.insert((self.now.after(Millis::new(after)), self.number), happening);
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Run(run) => {
                self.start(&run.key, run.places);
            }
            Effect::Notify { key: Some(key), .. } => {
                let job = Job { key, place: Place::Here };
                self.at(500, Happening::Ends(job, well()));
            }
            Effect::Stop(key) => {
                let attempts = self.state.in_flight().filter(|attempt| attempt.key == key);
                let jobs: Vec<_> = attempts.flat_map(golive::engine::Attempt::open_jobs).collect();
                for job in jobs {
                    let by = self.now.after(Millis::new(if self.worst {
                        STOPS_WITHIN
                    } else {
                        self.luck.below(STOPS_WITHIN)
                    }));
                    let is_its = |happens: &Happening| matches!(happens, Happening::Ends(of, _) if *of == job);
                    let ends = |(at, happens): (&(Timestamp, u64), &Happening)| {
                        is_its(happens).then_some(at.0)
                    };
                    if self.queue.iter().find_map(ends).is_some_and(|at| at <= by) {
                        continue; // It was quicker.
                    }
                    self.queue.retain(|_, happens| !is_its(happens));
                    let stopped = End::Stopped { survivors: Some(Vec::new()) };
                    let after = by.since(self.now).as_millis();
                    self.at(after, Happening::Ends(job, stopped));
                }
            }
            Effect::WakeAt(when) => {
                let after = when.since(self.now).as_millis();
                self.at(after, Happening::Wake);
            }
            Effect::Notify { key: None, .. } | Effect::HoldToKey { .. } | Effect::ProbeLinks => {}
            Effect::Follow(_) | Effect::LetGo(_) => panic!("nobody was away"),
        }
    }

    /// How long an attempt takes in its places, and how it ends there.
    fn start(&mut self, key: &Key, places: Vec<Place>) {
        let step = self.state.plan().step(&key.step).unwrap().clone();
        let back = !self.state.plan().is_forward(&step.id) || key.part.is_undo();
        let most = match (key.part, back) {
            (Part::Verify | Part::UndoVerify, true) => {
                let verify = match (&step.undo, key.part) {
                    (UndoPlan::Undo(undo), Part::UndoVerify) => undo.verify.clone(),
                    (_, _) => step.verify.clone(),
                };
                verify.unwrap().within.as_millis()
            }
            // The author's estimate has room for a look at the end.
            (Part::Verify | Part::UndoVerify, false) => self.luck.between(1_000, 15_000),
            (Part::Action | Part::Undo | Part::Compare, true) => {
                declared(&step, key.part).as_millis()
            }
            (Part::Action | Part::Undo | Part::Compare, false) => {
                around(step.estimate, &mut self.luck)
            }
        };
        let hangs = !back && self.luck.below(1_000) < 1;
        let unlucky = !back && self.luck.below(1_000) < 15;
        // What fails ends early: at its worst, everything does all that it may do.
        let again = step.retry.is_some() && key.part == Part::Action;
        let worst = again || matches!(key.part, Part::Verify | Part::UndoVerify);
        let bad = self.luck.pick(places.len());
        for (number, place) in places.into_iter().enumerate() {
            // The estimate is that of the slowest place.
            let share = if number == 0 { 100 } else { self.luck.between(60, 101) };
            let takes = if back && self.worst { most } else { most * share / 100 };
            if hangs && number == bad {
                continue; // Its limit ends it.
            }
            let fails = if back && self.worst {
                worst
            } else if back {
                self.luck.percent(20)
            } else {
                unlucky && number == bad
            };
            let end = if fails {
                let unmet = Some("not an accepted exit status".into());
                End::Exited { code: 3, unmet, captured: BTreeMap::new() }
            } else {
                well()
            };
            let job = Job { key: key.clone(), place };
            self.at(takes, Happening::Ends(job, end));
        }
    }

    /// Calls the person where there is something to press, and lets work of people take its time.
    fn schedule(&mut self) {
        let plan = Arc::clone(self.state.plan());
        for step in plan.steps.values() {
            for part in [Part::Action, Part::Undo] {
                let waits = self.state.track_of(&step.id, part).status == Status::Waiting;
                if !waits || !self.signing.insert((step.id.clone(), part)) {
                    continue;
                }
                let back = part.is_undo() || !plan.is_forward(&step.id);
                let most = declared(step, part).as_millis();
                let takes = if back && self.worst {
                    most
                } else if back {
                    self.luck.below(most)
                } else {
                    around(step.estimate, &mut self.luck)
                };
                self.at(takes, Happening::Signs(step.id.clone(), part));
            }
        }
        let called = self.queue.values().any(|happens| matches!(happens, Happening::Person));
        if called || self.state.stage() != RunStage::Active {
            return;
        }
        let think = if self.state.undecided().next().is_some() {
            self.luck.between(60_000, 240_000) // Something went wrong: they look for why.
        } else if self.state.hold().is_some() || self.to_start().is_some() {
            self.luck.between(5_000, 45_000)
        } else {
            return;
        };
        self.at(think, Happening::Person);
    }

    fn to_start(&self) -> Option<StepId> {
        self.state.ready().map(|step| step.id.clone()).next()
    }

    fn press(&mut self) {
        if self.state.stage() != RunStage::Active {
            return;
        }
        let gesture = Gesture { class: Class::Critical, after: Millis::from_secs(2) };
        let undecided = self.state.undecided().next().cloned();
        let command = match (undecided, self.state.hold(), self.to_start()) {
            (Some(step), _, _) => Command::Retry {
                step,
                part: Part::Action,
                which: Which::All,
                gesture,
                reason: Some("once more".into()),
            },
            (None, Some(_), _) => Command::Continue,
            (None, None, Some(step)) => Command::Start { step, gesture },
            (None, None, None) => return self.schedule(),
        };
        if let Err(why) = self.ask(&wei(), &command) {
            assert!(why.contains("the window closed"), "{why}");
            let reason = "we are nearly done, says the bridge".into();
            self.ask(&wei(), &Command::OverrideWindow { reason }).unwrap();
        }
    }

    fn sign(&mut self, step: StepId, part: Part) {
        self.signing.remove(&(step.clone(), part));
        if self.state.track_of(&step, part).status != Status::Waiting {
            return;
        }
        let is_gate = matches!(self.state.plan().step(&step).unwrap().work, Work::Gate(_));
        let command = if is_gate {
            Command::Decide {
                step,
                choice: Choice::Go,
                ticked: 0,
                evidence: Vec::new(),
                margin: None,
                reason: Some("all is well".into()),
            }
        } else {
            Command::SignOff { step, part, ticked: 0, words: "done".into() }
        };
        self.ask(&wei(), &command).unwrap();
    }
}

fn well() -> End {
    End::Exited { code: 0, unmet: None, captured: BTreeMap::new() }
}

/// How long the author says that it takes at most.
fn declared(step: &StepPlan, part: Part) -> Millis {
    match (&step.undo, part.is_undo()) {
        (UndoPlan::Undo(undo), true) => undo.estimate,
        (UndoPlan::None | UndoPlan::Irreversible(_), true) | (_, false) => step.estimate,
    }
}

/// A time around an estimate: half of them take longer, two of three within a quarter of it.
fn around(estimate: Millis, luck: &mut Luck) -> u64 {
    let normal = (0..12).map(|_| luck.below(1_000_001)).sum::<u64>();
    // The sum of twelve is all but normal, with its middle at six and a spread of one.
    let normal = f64::from(u32::try_from(normal).unwrap()) / 1e6 - 6.0;
    let millis = std::time::Duration::from_millis(estimate.as_millis());
    let takes = millis.mul_f64((normal / 4.0).exp());
    u64::try_from(takes.as_millis()).unwrap()
}
