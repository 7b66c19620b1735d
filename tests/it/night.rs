//! How the tests of the engine tell a night, through the engine's one door.
//!
//! A story is a table: the second, what is asked or reported, and after `|` what has to come of it:
//! `step:status` (`~step:status` for its undo), the effects `run`, `stop` and `tell` (all of them, so
//! that nothing starts unseen), `held`, `free`, `guard`, the stage of the session, `facts: …` (the
//! events of this line, all of them), `alarm …`, `quiet`, `notice …`, `wake SECOND`, `by NAME EVENT`,
//! or `refused …`. After every line the state has to equal the one replayed from what is on disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use golive::base::{Millis, SafeText, StepId, Timestamp};
use golive::engine::{
    Actor, Begun, Change, Choice, ClockOffset, Command, Criterion, Done, Doubt, Effect, End,
    Evidence, Fact, Gesture, Health, HostSaid, Job, Need, Needed, Part, Proof, Reading, RunKind,
    RunStage, Sight, State, Sync, Voice, Which, advance,
};
use golive::plan::Plan;
use golive::runbook::Class;

use crate::plans::{at, name, open, plan, replay, wei};

/// One session under test.
pub(crate) struct Night {
    pub(crate) plan: Arc<Plan>,
    pub(crate) state: State,
    pub(crate) journal: Vec<(Timestamp, Fact)>,
    /// What the last line caused.
    pub(crate) facts: Vec<Fact>,
    pub(crate) effects: Vec<Effect>,
    /// Plans that may take the place of this one.
    others: BTreeMap<&'static str, Arc<Plan>>,
}

pub(crate) fn step(name: &str) -> StepId {
    name.parse().unwrap()
}

impl Night {
    pub(crate) fn open(body: &str, kind: RunKind) -> Self {
        Self::open_with(body, kind, &[])
    }

    /// The same with other runbooks by their names in the story.
    pub(crate) fn open_with(body: &str, kind: RunKind, others: &[(&'static str, &str)]) -> Self {
        let mut plan = plan(body);
        let others: BTreeMap<_, _> =
            others.iter().map(|(name, body)| (*name, crate::plans::plan(body))).collect();
        for other in others.values() {
            Arc::make_mut(&mut plan).later.insert(Arc::clone(other));
        }
        let opened = open(&plan, kind);
        let journal = opened.facts.iter().map(|fact| (at(0), fact.clone())).collect();
        let (state, facts, effects) = (opened.state, opened.facts, opened.effects);
        Self { plan, state, journal, facts, effects, others }
    }

    pub(crate) fn ask(
        &mut self,
        by: &Actor,
        command: &Command,
        now: Timestamp,
    ) -> Result<(), String> {
        self.facts.clear();
        self.effects.clear();
        let done = advance(&self.state, by, command, now).map_err(|why| why.to_string())?;
        self.journal.extend(done.facts.iter().map(|fact| (now, fact.clone())));
        (self.state, self.facts, self.effects) = (done.state, done.facts, done.effects);
        Ok(())
    }

    fn job(&self, text: &str) -> Job {
        let steps = self.state.plan().steps.keys();
        let tracks = steps.flat_map(|id| [self.state.track(id), self.state.undo_track(id)]);
        let attempts = tracks.flat_map(|track| &track.attempts);
        let mut jobs = attempts.flat_map(|attempt| {
            let key = &attempt.key;
            attempt.places.keys().map(|place| Job { key: key.clone(), place: place.clone() })
        });
        jobs.find(|job| job.to_string() == text)
            .unwrap_or_else(|| panic!("no job {text} was ever started"))
    }

    fn part(words: &mut Vec<&str>) -> Part {
        if words.first() == Some(&"undo") {
            words.remove(0);
            Part::Undo
        } else {
            Part::Action
        }
    }

    fn evidence(&self) -> Vec<Evidence> {
        let one = |probe: &golive::runbook::Probe| Evidence {
            probe: probe.id.clone(),
            health: self.state.health(&probe.id),
            reading: None,
            age: None,
        };
        self.plan.probes.iter().map(one).collect()
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each verb")]
    fn command(&self, verb: &str, mut words: Vec<&str>) -> (Actor, Command) {
        let gesture = |class| Gesture { class, after: Millis::from_secs(2) };
        let report = |command| (Actor::Clock, command);
        let why = |words: &[&str]| SafeText::new(&words.join(" "));
        let take = |words: &mut Vec<&str>| step(words.remove(0));
        let command = match verb {
            "begin" => Command::Begin,
            "resume" => Command::Resume {
                driver: "Ana Souza".into(),
                machine: "laptop".into(),
                away: Millis::from_secs(60),
                signer: None,
            },
            "leave" => Command::Leave { why: why(&words) },
            "start" => {
                let step = take(&mut words);
                let class = match words.first() {
                    Some(&"check") => Class::Check,
                    Some(&"change") => Class::Change,
                    Some(_) | None => Class::Critical,
                };
                Command::Start { step, gesture: gesture(class) }
            }
            "retry" => {
                let step = take(&mut words);
                let part = Self::part(&mut words);
                let failed = words.first() == Some(&"failed");
                if failed {
                    words.remove(0);
                }
                let reason = (!words.is_empty()).then(|| why(&words));
                let which = if failed { Which::Failed } else { Which::All };
                Command::Retry { step, part, which, gesture: gesture(Class::Critical), reason }
            }
            "recheck" => Command::Recheck { step: take(&mut words) },
            "skip" => Command::Skip { step: take(&mut words), reason: why(&words) },
            "hand" => {
                let step = take(&mut words);
                Command::DoneByHand { step, part: Self::part(&mut words), reason: why(&words) }
            }
            "accept" => {
                let step = take(&mut words);
                Command::AcceptFailure { step, part: Self::part(&mut words), reason: why(&words) }
            }
            "edit" => {
                let step = take(&mut words);
                let part = Self::part(&mut words);
                let (text, reason) = words
                    .split_at(words.iter().position(|w| *w == "because").unwrap_or(words.len()));
                let (text, reason) = (text.join(" "), why(reason.get(1..).unwrap_or_default()));
                Command::Edit { step, part, text, reason }
            }
            "replan" => {
                let plan = self.others.get(words.remove(0)).expect("a plan of that name");
                Command::Replan { plan: Arc::clone(plan), reason: why(&words) }
            }
            "stop" => Command::Stop { step: take(&mut words) },
            "sign" => {
                let step = take(&mut words);
                let part = Self::part(&mut words);
                let ticked = words.remove(0).parse().unwrap();
                Command::SignOff { step, part, ticked, words: why(&words) }
            }
            "go" | "no-go" => {
                let step = take(&mut words);
                let ticked = if verb == "go" { words.remove(0).parse().unwrap() } else { 0 };
                let choice = if verb == "go" { Choice::Go } else { Choice::NoGo };
                let reason = (!words.is_empty()).then(|| why(&words));
                let evidence = self.evidence();
                Command::Decide { step, choice, ticked, evidence, margin: None, reason }
            }
            "hold" => Command::Hold { why: why(&words) },
            "outside" => Command::OverrideWindow { reason: why(&words) },
            "continue" => Command::Continue,
            "auto" => Command::AutoAdvance { on: words == ["on"] },
            "guard" => Command::OpenGuard,
            "close-guard" => Command::CloseGuard { why: "Esc".into() },
            "roll-back" => Command::RollBack { reason: why(&words), break_glass: None, to: None },
            "back-to" => {
                let to = Some(SafeText::new(words.remove(0)));
                Command::RollBack { reason: why(&words), break_glass: None, to }
            }
            "vote" => {
                let (step, role) = (take(&mut words), words.remove(0).parse().unwrap());
                let person = SafeText::new(&words.remove(0).replace('_', " "));
                let go = words.remove(0) == "go";
                let choice = if go { Choice::Go } else { Choice::NoGo };
                let voice = Voice::heard(role, person);
                Command::Vote { step, voice, choice, words: why(&words) }
            }
            "agree" => {
                let (step, role) = (take(&mut words), words.remove(0).parse().unwrap());
                let person = SafeText::new(&words.remove(0).replace('_', " "));
                let voice = Voice::heard(role, person);
                Command::Approve { step, voice, words: why(&words) }
            }
            "waive" => {
                let step = take(&mut words);
                let criterion = match words.remove(0) {
                    "margin" => Criterion::Margin,
                    "ready" => Criterion::RollbackReady,
                    probe => Criterion::Probe(probe.parse().unwrap()),
                };
                let lasts = words.remove(0).parse().unwrap();
                Command::Waive { step, criterion, reason: why(&words), lasts }
            }
            "playbook" => {
                let playbook = words.remove(0).parse().unwrap();
                Command::OpenPlaybook { playbook, reason: why(&words) }
            }
            "shut" => Command::ClosePlaybook { playbook: words.remove(0).parse().unwrap() },
            "break-glass" => {
                let because = Some(why(&words));
                Command::RollBack { reason: why(&words), break_glass: because, to: None }
            }
            "ack" => Command::AcknowledgeAlarms,
            "note" => Command::Note { step: None, text: words.join(" ") },
            "note-at" => Command::Note { step: Some(take(&mut words)), text: words.join(" ") },
            "abandon" => Command::Abandon { reason: why(&words) },
            "close" => Command::Close,
            "open" => Command::Open(crate::plans::genesis(&self.plan, RunKind::Live)),
            "wake" => return report(Command::Wake),
            "end" => {
                let job = self.job(words.remove(0));
                let end = end(&words);
                let by = Actor::at(&job.place);
                return (by, Command::Ended { job, end, transcript: None });
            }
            "began" | "lost" | "back" | "orphan" | "attached" => {
                let job = self.job(words.remove(0));
                let sight = match verb {
                    "began" => Sight::Began(begun()),
                    "lost" => Sight::Lost { why: why(&words), proved: Millis::from_secs(2) },
                    "back" => Sight::Back,
                    "orphan" => Sight::Orphan,
                    _ => Sight::Attached { why: why(&words) },
                };
                return report(Command::Sighted { job, sight });
            }
            "let-go" => {
                let step = take(&mut words);
                Command::LetGo { step, reason: why(&words) }
            }
            "flood" => {
                let (job, gib) = (self.job(words[0]), words[1].parse::<u64>().unwrap());
                return report(Command::Flood { job, bytes: gib << 30 });
            }
            "silent" => {
                let job = self.job(words[0]);
                return report(Command::Silent { job, quiet: Millis::from_secs(180) });
            }
            "health" => {
                let is = health(words[1]);
                let probe = words[0].parse().unwrap();
                let reading =
                    Reading { at: at(0), value: Some(0.1), ok: true, note: SafeText::new("12 ms") };
                let by = Actor::Probe(words[0].parse().unwrap());
                let was = Health::Unknown;
                let change = Change { probe, was, is, reading: Some(reading) };
                return (by, Command::Health(change));
            }
            "measure" => {
                let value = words[0].parse().ok();
                let reading = value.map(|value| Reading {
                    at: at(0),
                    value: Some(value),
                    ok: true,
                    note: SafeText::default(),
                });
                return report(Command::Measure { reading });
            }
            "prove" => {
                // web1 answer ready, web1 become unknown why, web1 check:load not-ready why
                let place = match words[0] {
                    "here" => golive::engine::Place::Here,
                    host => golive::engine::Place::Host(host.parse().unwrap()),
                };
                let what = match words[1] {
                    "answer" => Needed::Answer,
                    "become" => Needed::Become,
                    check => Needed::Check(step(check.strip_prefix("check:").unwrap())),
                };
                let proof = proof(words[2], &words[3..]);
                let by = Actor::at(&place);
                return (by, Command::Proved { need: Need { place, what }, proof });
            }
            "link" => {
                let down = (words[1] == "down").then(|| "no route".into());
                return report(Command::Link { host: words[0].parse().unwrap(), down });
            }
            "limit" => {
                let minutes = |text: &str| text.parse::<i64>().ok().map(|m| m * 60_000);
                let (latest_safe, window) = (minutes(words[0]), minutes(words[1]));
                return report(Command::Limit { latest_safe, window });
            }
            "slept" | "stopped" => {
                let span = words[0].parse().unwrap();
                return report(Command::StoodStill { span, asleep: verb == "slept" });
            }
            "key" | "other-key" => {
                let key = SafeText::new(words[1]);
                let said = match verb {
                    "key" => HostSaid::Key(key),
                    _ => HostSaid::OtherKey(key),
                };
                return report(Command::Host { host: words[0].parse().unwrap(), said });
            }
            "clock" => {
                let millis = words[1].parse().unwrap();
                let within = Millis::new(words[2].parse().unwrap());
                let said = HostSaid::Clock(ClockOffset { millis, within });
                return report(Command::Host { host: words[0].parse().unwrap(), said });
            }
            "accept-key" => {
                let host = words.remove(0).parse().unwrap();
                Command::AcceptHostKey { host, reason: why(&words) }
            }
            "signing" => {
                let trouble = (words[0] == "fails").then(|| "the agent does not answer".into());
                return report(Command::Signing { trouble });
            }
            "record-lost" => {
                return (Actor::Engine, Command::RecordLost { why: "disk full".into() });
            }
            "recorded" => return (Actor::Engine, Command::RecordedLate),
            "override" => Command::OverrideRecord { reason: why(&words) },
            "jump" => return report(Command::ClockJump { millis: words[0].parse().unwrap() }),
            other => panic!("no command {other}"),
        };
        (wei(), command)
    }

    pub(crate) fn line(&mut self, line: &str) {
        let (asked, wanted) = line.split_once('|').unwrap_or((line, ""));
        let mut words = asked.split_whitespace();
        let now = at(words.next().unwrap().parse().expect("a line begins with its second"));
        let verb = words.next().expect("then what is asked");
        if verb == "prove-all" {
            let words: Vec<_> = words.collect();
            for need in self.state.back_needs().into_keys() {
                let by = Actor::at(&need.place);
                let proof = proof(words[0], &words[1..]);
                self.ask(&by, &Command::Proved { need, proof }, now).unwrap();
            }
            assert_eq!(replay(&self.plan, &self.journal), self.state, "replay after: {line}");
            return;
        }
        let (by, command) = self.command(verb, words.collect());
        let said = self.ask(&by, &command, now);
        let wanted: Vec<_> = wanted.split(';').map(str::trim).filter(|w| !w.is_empty()).collect();
        if let Some(why) = wanted.iter().find_map(|w| w.strip_prefix("refused ")) {
            let error = said.expect_err(line);
            assert!(error.contains(why), "{line}\n   said: {error}");
        } else {
            said.unwrap_or_else(|why| panic!("{line}\n   refused: {why}"));
        }
        for want in &wanted {
            self.holds(line, want);
        }
        let shown = |effect: &Effect| match effect {
            Effect::Run(run) => {
                let places: Vec<_> = run.places.iter().map(ToString::to_string).collect();
                Some(format!("run {} {}", run.key, places.join(",")))
            }
            Effect::Follow(run) => {
                let places: Vec<_> = run.places.iter().map(ToString::to_string).collect();
                let stop = run.durable.as_ref().is_some_and(|durable| durable.stop);
                let stop = if stop { " stopping" } else { "" };
                Some(format!("follow {} {}{stop}", run.key, places.join(",")))
            }
            Effect::LetGo(job) => Some(format!("let-go {job}")),
            Effect::Stop(key) => Some(format!("stop {key}")),
            Effect::Notify { key: Some(key), .. } => Some(format!("tell {key}")),
            Effect::Notify { key: None, .. }
            | Effect::HoldToKey { .. }
            | Effect::ProbeLinks
            | Effect::WakeAt(_) => None,
        };
        let done: Vec<_> = self.effects.iter().filter_map(shown).collect();
        let is_effect = |w: &&&str| {
            ["run ", "follow ", "let-go ", "stop ", "tell "].iter().any(|e| w.starts_with(e))
        };
        let asked: Vec<_> = wanted.iter().filter(is_effect).map(ToString::to_string).collect();
        assert_eq!(done, asked, "the effects of: {line}");
        assert_eq!(replay(&self.plan, &self.journal), self.state, "replay after: {line}");
    }

    /// The lamp, and what the way back needs.
    fn way_back_is(&self, line: &str, word: &str, wanted: &str) {
        if word == "lamp" {
            let ready = self.state.rollback_ready();
            let said = format!("{}: {}", ready.lamp.word(), ready.why);
            assert!(said.contains(wanted), "{line}\n   the lamp says {said}");
            return;
        }
        let needs = self.state.back_needs().into_iter().map(|(need, watch)| {
            format!("{}{}", need.words(), if watch.is_none() { " (waits)" } else { "" })
        });
        assert_eq!(needs.collect::<Vec<_>>().join(", "), wanted, "{line}");
    }

    fn holds(&self, line: &str, want: &str) {
        let state = &self.state;
        let (word, rest) = want.split_once(' ').unwrap_or((want, ""));
        let open = || {
            let alarms = state.open_alarms().into_iter();
            alarms.map(|a| format!("{:?}: {}", a.level, a.text)).collect::<Vec<_>>()
        };
        match word {
            "run" | "follow" | "let-go" | "stop" | "tell" | "refused" => {}
            "held" => {
                let hold = state.hold().unwrap_or_else(|| panic!("{line}\n   it is not held"));
                let said = format!("by {}: {}", hold.by.name(), hold.why);
                assert!(said.contains(rest), "{line}\n   held {said}");
            }
            "free" => assert_eq!(state.hold(), None, "{line}"),
            "unrecorded" => {
                let lost = state.lost().unwrap_or_else(|| panic!("{line}\n   it is recorded"));
                let so = if lost.overridden.is_some() { " overridden" } else { "" };
                assert_eq!(format!("{}{so}", lost.facts), rest, "{line}");
            }
            "is-recorded" => assert_eq!(state.lost(), None, "{line}"),
            "guard" => assert!(state.guard().is_some(), "{line}"),
            "no-guard" => assert_eq!(state.guard(), None, "{line}"),
            "quiet" => assert!(open().is_empty(), "{line}\n   {:?}", open()),
            "alarm" => assert!(open().iter().any(|a| a.contains(rest)), "{line}\n   {:?}", open()),
            "facts:" => {
                let names: Vec<_> = self.facts.iter().map(|fact| name(&fact.event)).collect();
                assert_eq!(names.join(" "), rest, "{line}");
            }
            "by" => {
                let (who, event) = rest.rsplit_once(' ').unwrap();
                let fact = self.facts.iter().find(|fact| name(&fact.event) == event);
                let fact = fact.unwrap_or_else(|| panic!("{line}\n   {:?}", self.facts));
                assert_eq!(fact.by.name(), who, "{line}");
            }
            "notice" => {
                let heard = self.effects.iter().any(|effect| {
                    matches!(effect, Effect::Notify { key: None, text, .. } if text.as_str().contains(rest))
                });
                assert!(heard, "{line}\n   {:?}", self.effects);
            }
            "no-notice" => {
                let is_notice = |e: &Effect| matches!(e, Effect::Notify { key: None, .. });
                assert!(!self.effects.iter().any(is_notice), "{line}\n   {:?}", self.effects);
            }
            "wake" => {
                let second = at(rest.parse().unwrap());
                let is_then = |effect: &Effect| matches!(effect, Effect::WakeAt(at) if *at >= second && at.since(second).as_secs() == 0);
                assert!(self.effects.iter().any(is_then), "{line}\n   {:?}", self.effects);
            }
            "items" => {
                let rollback = state.rollback().unwrap_or_else(|| panic!("{line}"));
                let undo = |item: &golive::engine::Item| {
                    format!("{}{}", if item.part.is_undo() { "~" } else { "" }, item.step)
                };
                let items: Vec<_> = rollback.items.iter().map(undo).collect();
                assert_eq!(items.join(" "), rest, "{line}");
            }
            "lamp" | "needs" => self.way_back_is(line, word, rest),
            "preparing" => assert_eq!(state.stage(), RunStage::Preparing, "{line}"),
            "active" => assert_eq!(state.stage(), RunStage::Active, "{line}"),
            "rolling-back" => assert_eq!(state.stage(), RunStage::RollingBack, "{line}"),
            "rolled-back" => {
                let verified = rest == "verified";
                assert_eq!(state.stage(), RunStage::RolledBack { verified }, "{line}");
            }
            "completed" => assert_eq!(state.stage(), RunStage::Completed, "{line}"),
            "abandoned" => assert_eq!(state.stage(), RunStage::Abandoned, "{line}"),
            "closed" => assert!(state.is_closed(), "{line}"),
            _ => {
                let (id, status) =
                    want.split_once(':').unwrap_or_else(|| panic!("what is {want}?"));
                let track = match id.strip_prefix('~') {
                    Some(id) => state.undo_track(&step(id)),
                    None => state.track(&step(id)),
                };
                assert_eq!(track.status.word(), status, "{want} after: {line}");
            }
        }
    }
}

fn proof(word: &str, why: &[&str]) -> Option<Proof> {
    let why = SafeText::new(&why.join(" "));
    match word {
        "ready" => Some(Proof::Ready),
        "not-ready" => Some(Proof::NotReady(why)),
        "unknown" => Some(Proof::Unknown(why)),
        "no-more" => None,
        other => panic!("what is {other}?"),
    }
}

fn end(words: &[&str]) -> End {
    let exited = |code, unmet: Option<&str>| End::Exited {
        code,
        unmet: unmet.map(Into::into),
        captured: words
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.parse().unwrap(), value.into()))
            .collect(),
    };
    match words[0] {
        "ok" => exited(0, None),
        "warn" => exited(2, None),
        "bad" => exited(3, Some("not an accepted exit status")),
        "signal" => End::Signalled { signal: "KILL".into() },
        "done" => End::Done(Box::new(Done::well("3 B in place", None))),
        "refused" => {
            End::Done(Box::new(Done { untouched: true, ..Done::not("no space", "as it was") }))
        }
        "in-part" => End::Done(Box::new(Done::not("no space", "1 of 2 files are in place"))),
        "stopped" => End::Stopped { survivors: Some(Vec::new()) },
        "alive" => End::Stopped { survivors: Some(vec!["sleep".into()]) },
        "stopped-perhaps" => End::Stopped { survivors: None },
        "not-started" => End::NotStarted { why: "no route to host".into() },
        "unknown" => End::unknown(Doubt::Link, "the link was lost"),
        "forgotten" => End::unknown(Doubt::Forgotten, "its records are gone"),
        other => panic!("no end {other}"),
    }
}

fn health(word: &str) -> Health {
    let all = [Health::Healthy, Health::Degraded, Health::Failed, Health::Unknown];
    all.into_iter().find(|health| health.word() == word).unwrap()
}

/// Tells a story of a live run that has begun.
pub(crate) fn story(body: &str, lines: &str) -> Night {
    story_of(RunKind::Live, body, lines)
}

pub(crate) fn story_of(kind: RunKind, body: &str, lines: &str) -> Night {
    let mut night = Night::open(body, kind);
    night.line("0 begin");
    tell(&mut night, lines);
    night
}

pub(crate) fn tell(night: &mut Night, lines: &str) {
    let lines = lines.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .for_each(|line| night.line(line));
}

/// A step that changes something on `on`, with an undo, and more keys.
pub(crate) fn change(id: &str, on: &str, more: &str) -> String {
    format!(
        "[[phase.step]]\nid = \"{id}\"\non = {on}\nrun = \"do {id}\"\nestimate = \"1m\"\ntimeout = \"5m\"\n\
         undo = {{ run = \"undo {id}\", timeout = \"5m\" }}\n{more}\n"
    )
}

/// A step that only reads and starts by itself.
pub(crate) fn look(id: &str, more: &str) -> String {
    format!(
        "[[phase.step]]\nid = \"{id}\"\non = \"web1\"\nrun = \"look {id}\"\nread_only = true\n\
         auto = true\nestimate = \"1m\"\ntimeout = \"5m\"\n{more}\n"
    )
}

pub(crate) fn manual(id: &str, more: &str) -> String {
    format!(
        "[[phase.step]]\nid = \"{id}\"\nmanual = {{ text = \"do it\", checklist = [\"one\", \"two\"] }}\n{more}\n"
    )
}

pub(crate) fn gate(id: &str, more: &str) -> String {
    format!(
        "[[phase.step]]\nid = \"{id}\"\ngate = {{ healthy = [\"p99\"], checklist = [\"backup\"] }}\n{more}\n"
    )
}

pub(crate) const AFTER: &str = "
[rollback]
running = \"cancel\"
[[rollback.before]]
id = \"freeze\"
local = \"freeze\"
[[rollback.after]]
id = \"verify-old\"
stage = \"verify\"
on = \"web1\"
run = \"check old\"
";

pub(crate) const WEB: &str = "[\"web1\", \"web2\"]";
pub(crate) const ONE: &str = "\"web1\"";
pub(crate) const RETRY: &str = "retry = { attempts = 3, delay = \"10s\" }";
pub(crate) const SOAK: &str = "soak = { for = \"60s\", probes = [\"p99\", \"errors\"] }";

/// What a host says of a job that has begun.
pub(crate) fn begun() -> Begun {
    Begun {
        pid: 4711,
        born: Some(815),
        boot: "boot-1".into(),
        root: "/home/ops/.golive".into(),
        root_id: "7f".into(),
        sync: Sync::File,
        group: true,
    }
}
