//! Whether a rollback begun now would find what it needs: what is looked at meanwhile, what is
//! known of it, and the alarm when it is not so.
//!
//! Needed is what an undo of all that has started needs, and of what would start next. What nobody
//! has proved, or has not proved for too long, is unknown, and unknown is never ready.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Millis, SafeText, StepId, Timestamp, VarName};
use crate::plan::{StepPlan, UndoPlan, Work};
use crate::runbook::Given;

use super::event::{AlarmId, Event, Item, Level};
use super::job::{Part, Place};
use super::state::{RunStage, State};

/// How often a host is asked whether it answers, and whether its `become` works.
const EVERY: Millis = Millis::from_secs(30);
/// How long it may take to say so.
const LIMIT: Millis = Millis::from_secs(10);

/// Something that the way back needs, in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// Where.
    pub place: Place,
    /// What.
    pub what: Needed,
}

/// What the way back needs in a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needed {
    /// The host answers.
    Answer,
    /// Its `become` prefix works, and asks nothing.
    Become,
    /// What the undo of this step says that it needs, `undo.ready`.
    Check(StepId),
}

impl Need {
    /// In a few words: `web1 answers`, `what the undo of load needs on db1`.
    pub fn words(&self) -> String {
        let place = place_name(&self.place);
        match &self.what {
            Needed::Answer => format!("{place} answers"),
            Needed::Become => format!("become on {place}"),
            Needed::Check(step) => format!("what the undo of {step} needs on {place}"),
        }
    }
}

/// What a look at a need gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// It is there.
    Ready,
    /// It is not, and why.
    NotReady(SafeText),
    /// Nobody can say, and why.
    Unknown(SafeText),
}

impl Proof {
    /// In words; none: nobody looks any more.
    pub fn words(proof: Option<&Self>) -> String {
        match proof {
            None => "not looked at any more".to_owned(),
            Some(Self::Ready) => "ready".to_owned(),
            Some(Self::NotReady(why)) => format!("NOT READY: {why}"),
            Some(Self::Unknown(why)) => format!("unknown: {why}"),
        }
    }
}

/// What is known of a need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the last look gave.
    pub proof: Proof,
    /// Since when looks give that.
    pub since: Timestamp,
    /// Whether it was ready before, since somebody looks.
    pub was_ready: bool,
}

/// The three values of the lamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lamp {
    /// All that the way back needs was proved.
    Ready,
    /// Nobody knows.
    Unknown,
    /// Something is missing.
    NotReady,
}

impl Lamp {
    /// The word on screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unknown => "unknown",
            Self::NotReady => "not ready",
        }
    }
}

/// Why a need does not stand well, where golive itself says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nobody has looked yet.
    NotLooked,
    /// It waits for a captured value.
    NotCaptured,
    /// Its host shows another key than the one it is held to.
    OtherKey,
    /// Its host cannot be reached.
    Unreachable,
}

impl Missing {
    const fn words(self) -> &'static str {
        match self {
            Self::NotLooked => "nobody has looked yet",
            Self::NotCaptured => "it waits for a captured value",
            Self::OtherKey => "it shows another host key",
            Self::Unreachable => "it cannot be reached",
        }
    }
}

/// Why the way back stands as it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// This step has ended the right to roll back.
    Committed(StepId),
    /// This point of no return has run.
    PastNoReturn(StepId),
    /// There is nothing to undo.
    NothingToUndo,
    /// What is to be undone needs no host.
    NoHost,
    /// So many needs are proved, and there is no other.
    Proved(usize),
    /// This one is not, and so many others.
    Missing(Need, usize),
}

/// How a need stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Which.
    pub need: Need,
    /// Whether it is there.
    pub lamp: Lamp,
    /// Why not, or why that is not known.
    pub why: SafeText,
    /// The same, where it is not in the words of whoever looked.
    pub missing: Option<Missing>,
    /// Since when; none while nobody has looked.
    pub since: Option<Timestamp>,
}

/// Whether a rollback begun now would find what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Whether it would.
    pub lamp: Lamp,
    /// Why not, or what was looked at.
    pub why: SafeText,
    /// The same as a case.
    pub grounds: Grounds,
    /// Since when the need that says so does; none where all is well, or nobody has looked.
    pub since: Option<Timestamp>,
    /// Every need; empty where nothing is needed, or where no need decides.
    pub stands: Vec<Stand>,
}

/// Something to be looked at again and again. It reads only: it belongs to no step's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// For which need.
    pub need: Need,
    /// The command, without the `become` prefix: it has to exit with 0.
    pub line: String,
    /// Its environment.
    pub env: BTreeMap<String, Given<String>>,
    /// Put the host's `become` prefix before it.
    pub r#become: bool,
    /// What its standard output has to match as well.
    pub stdout: Option<String>,
    /// How often.
    pub every: Millis,
    /// How long it may take.
    pub limit: Millis,
}

impl Watch {
    /// That a command which does nothing goes well there: with the host's `become` prefix, if `become`.
    pub fn plain(need: Need, r#become: bool) -> Self {
        let (line, env) = ("true".to_owned(), BTreeMap::new());
        Self { need, line, env, r#become, stdout: None, every: EVERY, limit: LIMIT }
    }

    /// What `undo.ready` of a step asks for this need; none where it asks nothing, or waits for a
    /// value that no step has captured yet.
    pub fn ready(
        step: &StepPlan,
        need: Need,
        captures: &BTreeMap<VarName, String>,
    ) -> Option<Self> {
        let UndoPlan::Undo(undo) = &step.undo else { return None };
        let ready = undo.ready.as_ref()?;
        let resolve = |text: &crate::plan::Text| text.resolve(captures);
        let mut env = BTreeMap::new();
        for (name, value) in &step.env {
            env.insert(name.clone(), value.try_map(resolve).ok()?);
        }
        let missing =
            |missing| super::refusal::Refusal::NotCaptured { step: step.id.clone(), missing };
        let line = super::line::whole(step, resolve(&ready.run).ok()?, |text| {
            resolve(text).map_err(missing)
        });
        Some(Self {
            need,
            line: line.ok()?,
            env,
            r#become: step.r#become,
            stdout: ready.stdout.clone(),
            every: ready.every,
            limit: ready.timeout,
        })
    }

    /// A proof that is older is none any more: two looks were missed.
    pub fn stale(&self) -> Millis {
        self.every.plus(self.every).plus(self.limit).plus(LIMIT)
    }
}

impl State {
    /// All that the way back of this minute needs, and how each of it is looked at; none of that
    /// where it cannot be asked yet, as it waits for a captured value.
    pub fn back_needs(&self) -> BTreeMap<Need, Option<Watch>> {
        let mut needs = BTreeMap::new();
        let walks =
            matches!(self.stage, RunStage::Active | RunStage::RollingBack | RunStage::Completed);
        if !walks || self.closed || self.committed().is_some() {
            return needs;
        }
        let items = match &self.rollback {
            Some(rollback) => rollback.items.clone(),
            None => self.rollback_items(),
        };
        let own = self.plan.before.iter().chain(&self.plan.after);
        let mut next = self.ready().filter(|step| self.undo_of(&step.id).is_some()).peekable();
        if self.rollback.is_none() && next.peek().is_some() {
            for step in own {
                self.needs_of(&Item { step: step.clone(), part: Part::Action }, &mut needs);
            }
        }
        for step in next {
            self.needs_of(&Item { step: step.id.clone(), part: Part::Undo }, &mut needs);
        }
        // What would start next may ask for a value that it captures itself: that is no need yet.
        needs.retain(|_, watch: &mut Option<Watch>| watch.is_some());
        for item in items {
            if !self.track_of(&item.step, item.part).status.is_over() {
                self.needs_of(&item, &mut needs);
            }
        }
        needs
    }

    fn needs_of(&self, item: &Item, needs: &mut BTreeMap<Need, Option<Watch>>) {
        let Some(step) = self.plan.step(&item.step) else { return };
        let Some(work) = self.work_of(&item.step, item.part) else { return };
        let acts = work.is_on_hosts() || matches!(work, Work::Local(_));
        let mut add = |need: Need, watch: Option<Watch>| {
            needs.insert(need, watch);
        };
        for place in self.places_of(&item.step, item.part) {
            let need = |what| Need { place: place.clone(), what };
            if matches!(place, Place::Host(_)) {
                add(need(Needed::Answer), Some(Watch::plain(need(Needed::Answer), false)));
            }
            if step.r#become && acts {
                add(need(Needed::Become), Some(Watch::plain(need(Needed::Become), true)));
            }
        }
        if item.part != Part::Undo {
            return;
        }
        for place in self.ready_places(&item.step) {
            let need = Need { place, what: Needed::Check(step.id.clone()) };
            add(need.clone(), Watch::ready(step, need, &self.captures));
        }
    }

    /// Where `undo.ready` of a step is asked: where a verification of the undo would be.
    fn ready_places(&self, step: &StepId) -> Vec<Place> {
        let asks = self.undo_of(step).is_some_and(|undo| undo.ready.is_some());
        if asks { self.places_of(step, Part::UndoVerify) } else { Vec::new() }
    }

    /// What is known of a need; none while nobody has looked.
    pub fn proof_of(&self, need: &Need) -> Option<&Known> {
        self.readiness.get(need)
    }

    /// How all that the way back of this minute needs stands.
    pub fn stands(&self) -> Vec<Stand> {
        let one = |(need, watch): (Need, Option<Watch>)| self.stand(need, watch.is_some());
        self.back_needs().into_iter().map(one).collect()
    }

    fn stand(&self, need: Need, asked: bool) -> Stand {
        let golive_says = |missing: Missing| (SafeText::new(missing.words()), Some(missing));
        let (mut lamp, (mut why, mut missing), mut since) = match self.proof_of(&need) {
            None if asked => (Lamp::Unknown, golive_says(Missing::NotLooked), None),
            None => (Lamp::Unknown, golive_says(Missing::NotCaptured), None),
            Some(Known { proof, since, .. }) => {
                let (lamp, why) = match proof {
                    Proof::Ready => (Lamp::Ready, SafeText::default()),
                    Proof::NotReady(why) => (Lamp::NotReady, why.clone()),
                    Proof::Unknown(why) => (Lamp::Unknown, why.clone()),
                };
                (lamp, (why, None), Some(*since))
            }
        };
        // What the link says counts at once: no look has to come first.
        if let Place::Host(host) = &need.place {
            if self.hosts.get(host).is_some_and(|record| record.other_key.is_some()) {
                (lamp, (why, missing)) = (Lamp::NotReady, golive_says(Missing::OtherKey));
            } else if self.links_down.contains_key(host) {
                (lamp, (why, missing)) = (Lamp::NotReady, golive_says(Missing::Unreachable));
                let id = AlarmId::Host(host.clone());
                let alarm = self.alarms.iter().rev().find(|alarm| alarm.id == id);
                since = alarm.map(|alarm| alarm.since).or(since);
            }
        }
        Stand { need, lamp, why, missing, since }
    }

    /// Whether a rollback begun now would find what it needs.
    pub fn rollback_ready(&self) -> Readiness {
        let say = |lamp, why: &str, grounds| Readiness {
            lamp,
            why: SafeText::new(why),
            grounds,
            since: None,
            stands: Vec::new(),
        };
        if let Some(step) = self.committed() {
            let why = format!("{step} has ended the right to roll back");
            return say(Lamp::NotReady, &why, Grounds::Committed(step.clone()));
        }
        let stands = self.stands();
        if self.rollback.is_none()
            && let Some(past) = self.past_no_return()
        {
            let why = format!("past the point of no return, {past}");
            let grounds = Grounds::PastNoReturn(past.clone());
            return Readiness { stands, ..say(Lamp::NotReady, &why, grounds) };
        }
        if stands.is_empty() {
            let nothing = self.closed || self.rollback_items().is_empty();
            let (why, grounds) = if nothing {
                ("there is nothing to undo", Grounds::NothingToUndo)
            } else {
                ("it needs no host", Grounds::NoHost)
            };
            return say(Lamp::Ready, why, grounds);
        }
        let worst = stands.iter().map(|stand| stand.lamp).max().unwrap_or(Lamp::Ready);
        let bad: Vec<_> = stands.iter().filter(|stand| stand.lamp != Lamp::Ready).collect();
        let first = bad.iter().find(|stand| stand.lamp == worst);
        let Some(first) = first else {
            let why = match stands.len() {
                1 => "the 1 need of the way back is proved".to_owned(),
                all => format!("all {all} needs of the way back are proved"),
            };
            let grounds = Grounds::Proved(stands.len());
            return Readiness { stands, ..say(Lamp::Ready, &why, grounds) };
        };
        let (why, since) = (more(first, bad.len()), first.since);
        let grounds = Grounds::Missing(first.need.clone(), bad.len() - 1);
        Readiness { since, stands, ..say(worst, &why, grounds) }
    }

    /// The alarm that the way back is not ready any more, or its end.
    ///
    /// It tells of what was ready before, or was seen not to be; what nobody has looked at yet is
    /// told by the lamp alone.
    pub(super) fn readiness_due(&self) -> Vec<Event> {
        let open = self.alarms.iter().any(|it| it.id == AlarmId::Readiness && it.cleared.is_none());
        let doubtful = |known: &Known| known.proof != Proof::Ready;
        let far =
            !self.links_down.is_empty() || self.hosts.values().any(|it| it.other_key.is_some());
        let may_tell = !self.readiness.is_empty() && (far || self.readiness.values().any(doubtful));
        if !open && !may_tell {
            return Vec::new();
        }
        let stands = self.stands();
        let tells = |stand: &&Stand| {
            let known = self.proof_of(&stand.need);
            let seen = known.is_some_and(|known| matches!(known.proof, Proof::NotReady(_)));
            stand.lamp != Lamp::Ready && (seen || known.is_some_and(|known| known.was_ready))
        };
        let bad: Vec<_> = stands.iter().filter(tells).collect();
        let worst = bad.iter().max_by_key(|stand| (stand.lamp, std::cmp::Reverse(&stand.need)));
        match worst {
            Some(worst) => {
                let word = match worst.lamp {
                    Lamp::NotReady | Lamp::Ready => "NOT READY",
                    Lamp::Unknown => "UNKNOWN: it was ready",
                };
                let what = more(worst, 1);
                let text = format!("the way back is {word}: {what}; repair it before you go on");
                self.alarm(AlarmId::Readiness, Level::Caution, &text)
            }
            None if stands.iter().all(|stand| stand.lamp == Lamp::Ready) => {
                self.all_clear(AlarmId::Readiness)
            }
            None => Vec::new(),
        }
    }

    /// What follows from a look at a need; none: nobody looks any more.
    pub(super) fn proved(&self, need: &Need, proof: Option<&Proof>) -> Vec<Event> {
        let known_place = match &need.place {
            Place::Host(host) => self.plan.hosts.contains_key(host),
            Place::Here => true,
        };
        let same = self.proof_of(need).map(|known| &known.proof) == proof;
        if !known_place || same {
            return Vec::new();
        }
        vec![Event::ReadinessChanged { need: need.clone(), proof: proof.cloned() }]
    }

    pub(super) fn take_proof(&mut self, at: Timestamp, need: &Need, proof: Option<&Proof>) {
        let Some(proof) = proof else {
            self.readiness.remove(need);
            return;
        };
        let was_ready = self.proof_of(need).is_some_and(|known| known.was_ready);
        let was_ready = was_ready || *proof == Proof::Ready;
        let known = Known { proof: proof.clone(), since: at, was_ready };
        self.readiness.insert(need.clone(), known);
    }
}

/// What is wrong first, and how much else is.
fn more(first: &Stand, all: usize) -> String {
    let what = match (&first.need.what, &first.need.place) {
        (Needed::Answer, place) => {
            let why = first.why.as_str();
            let why = why.strip_prefix("it ").unwrap_or(why);
            let name = place_name(place);
            // What the link says begins with the name of its host already.
            if why.starts_with(&format!("{name}: ")) { why.to_owned() } else { joined(&name, why) }
        }
        (Needed::Become | Needed::Check(_), _) => format!("{}: {}", first.need.words(), first.why),
    };
    match all {
        0 | 1 => what,
        many => format!("{what}, and {} more", many - 1),
    }
}

fn place_name(place: &Place) -> String {
    match place {
        Place::Host(host) => host.to_string(),
        Place::Here => "golive's machine".to_owned(),
    }
}

/// `web1 cannot be reached`, `web1: no answer within 10s`.
fn joined(name: &str, why: &str) -> String {
    let verb = ["cannot", "shows"].iter().any(|verb| why.starts_with(verb));
    if verb { format!("{name} {why}") } else { format!("{name}: {why}") }
}
