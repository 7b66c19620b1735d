//! What a run without a screen does next: a function of what it sees and of what it was allowed.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{HostId, Millis, SafeText, StepId, Timestamp};
use crate::cli::args::{OnFailure, Policy};
use crate::cli::exit::Exit;
use crate::cli::message::unrecorded;
use crate::cli::plan::class_word;
use crate::engine::{
    Choice, Command, End, Gesture, Part, Place, RunKind, RunStage, State, Status, Stopping, Voice,
    Which, WindowEdge,
};
use crate::plan::{Plan, StepPlan, Work};
use crate::runbook::{Class, Gate};
use crate::session::{LinkView, View};

use super::answers::{Answer, Waive, Word};

/// How much longer than their staleness the probes of a gate are waited for.
const GATE_PATIENCE: Millis = Millis::from_secs(5);

/// So long are the first looks at what the way back needs waited for.
const READY_PATIENCE: Millis = Millis::from_secs(15);

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the session for this; it is about this step, if about any.
    Submit(Option<StepId>, Box<Command>),
    /// Wait until something changes.
    Wait,
    /// Leave, with this code, for these reasons.
    End(Exit, Vec<String>),
}

impl Next {
    fn ask(step: Option<StepId>, command: Command) -> Self {
        Self::Submit(step, Box::new(command))
    }
}

/// A rollback that was asked for.
#[derive(Clone, Debug)]
pub(super) struct Back {
    /// Why.
    pub reason: SafeText,
    /// Why past the point of no return.
    pub break_glass: Option<SafeText>,
    /// To which checkpoint; none: all the way.
    pub to: Option<SafeText>,
}

/// What may happen without a person.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    confirm: Option<Class>,
    steps: BTreeSet<StepId>,
    answers: BTreeMap<StepId, Answer>,
    on_failure: OnFailure,
    /// The session was held when it was taken up: going on is what was asked for.
    continues: bool,
    /// What people of roles say.
    words: Vec<(StepId, Word)>,
    waivers: Vec<Waive>,
    /// Roll back, whatever the state is.
    roll_back: Option<Back>,
    /// That was asked for, and not refused.
    went_back: bool,
    /// What was refused, and is not asked for again.
    refused: BTreeMap<StepId, String>,
    refused_rollback: Option<String>,
    gates_seen: BTreeMap<StepId, Timestamp>,
    /// The code of the signal that asked to leave.
    pub interrupted: Option<Exit>,
    /// The hosts end with this process, and all that runs on them.
    pub hosts_are_ours: bool,
    /// Why steps may start outside the window.
    outside: Option<SafeText>,
    /// What is waited for, in words.
    pub waits: Option<String>,
    /// Steps that are run again if they failed, once, and why.
    pub again: BTreeMap<StepId, SafeText>,
    /// Whether words from other terminals are waited for.
    pub hears: bool,
}

impl Rules {
    /// The rules that the flags give. `resumed` says that the session was taken up again.
    pub(super) fn new(policy: &Policy, resumed: bool) -> Self {
        Self {
            confirm: policy.confirm,
            steps: policy.confirm_steps.iter().cloned().collect(),
            answers: policy.answers.iter().filter(|(_, it)| own(it)).cloned().collect(),
            words: policy.answers.iter().filter_map(of_role).collect(),
            waivers: policy.waivers.clone(),
            on_failure: policy.on_failure,
            continues: resumed,
            roll_back: None,
            went_back: false,
            refused: BTreeMap::new(),
            refused_rollback: None,
            gates_seen: BTreeMap::new(),
            interrupted: None,
            hosts_are_ours: false,
            outside: policy.outside_window.as_deref().map(SafeText::new),
            waits: None,
            again: BTreeMap::new(),
            hears: policy.wait.is_some(),
        }
    }

    /// The rules of a rollback: nothing forward is started.
    pub(super) fn back(wanted: Back) -> Self {
        let mut rules = Self::new(&Policy::default(), true);
        rules.roll_back = Some(wanted);
        rules
    }

    /// Takes in that the last thing asked for was refused.
    pub(super) fn refused(&mut self, step: Option<StepId>, why: String) {
        match step {
            Some(step) => {
                self.refused.insert(step, why);
            }
            None => self.refused_rollback = Some(why),
        }
    }

    /// Names in the flags that the plan does not have.
    pub(super) fn unknown<'a>(&'a self, state: &State) -> Vec<&'a StepId> {
        let words = self.words.iter().map(|(step, _)| step);
        let waivers = self.waivers.iter().map(|waive| &waive.step);
        let named = self.steps.iter().chain(self.answers.keys()).chain(words).chain(waivers);
        named.filter(|id| state.plan().step(id).is_none()).collect()
    }

    /// Whether something runs whose outcome would be lost with this process.
    pub(super) fn keeps_us(&self, view: &View) -> bool {
        if self.hosts_are_ours { view.runs() } else { !view.bound_to_us().is_empty() }
    }

    /// What to do next.
    pub(super) fn next(&mut self, view: &View) -> Next {
        let state = &*view.state;
        if let Some(why) = &view.not_recorded {
            if view.runs() {
                return Next::Wait; // Nothing new starts, and what runs is not cut off.
            }
            let mut reasons = vec![format!("nothing can be recorded: {why}")];
            reasons.extend(unrecorded(view));
            return Next::End(Exit::Failed, reasons);
        }
        if let Some(exit) = self.interrupted
            && matches!(
                state.stage(),
                RunStage::Preparing | RunStage::Active | RunStage::RollingBack
            )
        {
            // A soak can be watched again later, and what is durable runs on without us.
            return if self.keeps_us(view) { Next::Wait } else { Next::End(exit, Vec::new()) };
        }
        let late = late_and_unseen(state);
        if !late.is_empty() {
            return Next::End(Exit::Unreachable, late);
        }
        match state.stage() {
            RunStage::Preparing => Next::ask(None, Command::Begin),
            RunStage::Active => self.forward(view),
            RunStage::RollingBack => self.backward(state),
            RunStage::RolledBack { verified } => {
                let why = "rolled back, but no step of the rollback verified the old system";
                let end = if verified {
                    (Exit::RolledBack, Vec::new())
                } else {
                    (Exit::RollbackUnfinished, vec![why.to_owned()])
                };
                self.over(state, end)
            }
            RunStage::Completed => match self.wanted_rollback(Exit::Done) {
                Some(next) => next,
                None => self.over(state, (Exit::Done, Vec::new())),
            },
            RunStage::Abandoned => self.over(state, (Exit::StepFailed, Vec::new())),
        }
    }

    /// The rollback that was asked for, while it was not refused.
    fn wanted_rollback(&mut self, otherwise: Exit) -> Option<Next> {
        let Back { reason, break_glass, to } = self.roll_back.clone()?;
        let there = to.as_ref().filter(|_| self.went_back && self.refused_rollback.is_none());
        if let Some(checkpoint) = there {
            return Some(Next::End(
                Exit::Stopped,
                vec![format!("back at checkpoint {checkpoint}: the session is held there")],
            ));
        }
        self.went_back = true;
        Some(match self.refused_rollback.take() {
            None => Next::ask(None, Command::RollBack { reason, break_glass, to }),
            Some(why) => {
                let exit = if otherwise == Exit::Done { Exit::Usage } else { otherwise };
                Next::End(exit, vec![why])
            }
        })
    }

    /// The run is over: its record is closed, then it is left.
    fn over(&self, state: &State, (exit, why): (Exit, Vec<String>)) -> Next {
        if state.is_closed() || self.refused_rollback.is_some() {
            Next::End(exit, why)
        } else if busy(state) {
            Next::Wait
        } else {
            Next::ask(None, Command::Close)
        }
    }

    fn forward(&mut self, view: &View) -> Next {
        let state = &*view.state;
        if let Some(next) = self.wanted_rollback(Exit::Usage) {
            return next;
        }
        let undecided: Vec<_> = state.undecided().collect();
        if !undecided.is_empty() {
            if let Some(next) = self.once_more(view, &undecided) {
                return next;
            }
            return self.failed(view, &undecided);
        }
        if let Some(hold) = state.hold() {
            if std::mem::take(&mut self.continues) {
                return Next::ask(None, Command::Continue);
            }
            if busy(state) {
                return Next::Wait;
            }
            return match no_go(state) {
                Some(why) => Next::End(Exit::NoGo, vec![why]),
                None => Next::End(Exit::Stopped, vec![format!("held: {}", hold.why)]),
            };
        }
        self.continues = false;
        self.waits = None;
        let mut reasons = Vec::new();
        let waiting = |step: &&StepPlan| state.track(&step.id).status == Status::Waiting;
        let forward = state.plan().order.iter().filter_map(|id| state.plan().step(id));
        for step in forward.filter(waiting).chain(state.ready()) {
            match self.step(view, step) {
                Ok(Some(command)) => return Next::ask(Some(step.id.clone()), command),
                Ok(None) => return Next::Wait,
                Err(why) => reasons.push(why),
            }
        }
        let waits = busy(state) || self.waits.is_some();
        if waits { Next::Wait } else { Next::End(stopped(view), reasons) }
    }

    /// How to start a step; nothing where it is worth waiting, or why a person has to come.
    fn step(&mut self, view: &View, step: &StepPlan) -> Result<Option<Command>, String> {
        let id = &step.id;
        if let Some(why) = self.refused.get(id) {
            return Err(why.clone());
        }
        if step.four_eyes && view.state.approval(id, view.at).is_none() {
            return self.second(view, id);
        }
        match &step.work {
            Work::Gate(gate) => self.gate(view, id, gate),
            Work::Manual(manual) => match self.answers.get(id) {
                Some(Answer::Done(words)) => Ok(Some(Command::SignOff {
                    step: id.clone(),
                    part: Part::Action,
                    ticked: manual.checklist.len(),
                    words: words.clone(),
                })),
                Some(Answer::Go(_) | Answer::NoGo(_) | Answer::Of(_)) | None => {
                    Err(format!("{id} is in a person's hands: --answer {id}=done:\"words\""))
                }
            },
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Soak(_)
            | Work::Notify { .. } => {
                let by_class = self.confirm.is_some_and(|class| step.class <= class);
                if by_class || self.steps.contains(id) {
                    if let Some(next) = self.in_time(view, step) {
                        return next;
                    }
                    let gesture = Gesture { class: step.class, after: Millis::ZERO };
                    return Ok(Some(Command::Start { step: id.clone(), gesture }));
                }
                let class = class_word(step.class);
                let by_class = match step.class {
                    Class::Check | Class::Change => format!("--confirm {class} or "),
                    Class::Critical => String::new(),
                };
                Err(format!("{id} is of class {class}: {by_class}--confirm-step {id}"))
            }
        }
    }

    /// What stands between a step that may start and its start: the clock. Nothing, where it is
    /// time.
    fn in_time(&mut self, view: &View, step: &StepPlan) -> Option<Result<Option<Command>, String>> {
        let state = &*view.state;
        let id = &step.id;
        if step.class == Class::Check {
            return None;
        }
        if let Some((edge, window)) = state.shut(view.at) {
            if let Some(reason) = self.outside.take() {
                return Some(Ok(Some(Command::OverrideWindow { reason })));
            }
            let zone = &window.zone;
            return Some(Err(match edge {
                WindowEdge::Opens => {
                    let opens = zone.format(window.opens, "%a %H:%M %Z");
                    let why = format!("{id} waits for the window, which opens {opens}");
                    self.waits =
                        Some(format!("{why}: waiting; --outside-window \"why\" starts it now"));
                    why
                }
                WindowEdge::Closes => {
                    let closed = zone.format(window.closes, "%a %H:%M %Z");
                    format!(
                        "the window closed {closed} and {id} has not started: roll back, or \
                         --outside-window \"why\""
                    )
                }
            }));
        }
        let late = state.genesis().is_some_and(|genesis| genesis.kind == RunKind::Live)
            && state.overrides().late.is_none()
            && self.outside.is_none()
            && state.time_left(&view.forecast(view.at), view.at).0.is_some_and(|left| left <= 0);
        late.then(|| {
            Err(format!(
                "the latest safe rollback is past and {id} has not started: roll back, or \
                 --outside-window \"why\""
            ))
        })
    }

    fn gate(&mut self, view: &View, id: &StepId, gate: &Gate) -> Result<Option<Command>, String> {
        if let Some(vote) = self.vote(view, id, gate)? {
            return Ok(Some(vote));
        }
        let (choice, reason) = match self.answers.get(id) {
            Some(Answer::Go(reason)) => (Choice::Go, reason.clone()),
            Some(Answer::NoGo(reason)) => (Choice::NoGo, Some(reason.clone())),
            Some(Answer::Done(_) | Answer::Of(_)) | None => {
                return Err(format!("{id} is a go/no-go: --answer {id}=go or {id}=no-go:\"why\""));
            }
        };
        let evidence = view.board.evidence(&gate.healthy, view.at);
        let since = *self.gates_seen.entry(id.clone()).or_insert(view.at);
        let margin = view.state.margin(view.at);
        let judged = view.state.judge(id, &evidence, margin, view.at);
        let in_the_way: Vec<_> = judged.iter().filter(|it| it.stands_in_the_way()).collect();
        if choice == Choice::Go && reason.is_none() && !in_the_way.is_empty() {
            // Readings come in only after a start: they are waited for, a while.
            let stale = gate.healthy.iter().filter_map(|probe| view.state.plan().probe(probe));
            let patience = stale.map(|probe| probe.stale.plus(probe.every)).max();
            let patience = patience.unwrap_or_default().plus(GATE_PATIENCE);
            let patience =
                if gate.rollback_ready { patience.max(READY_PATIENCE) } else { patience };
            if view.at.since(since) <= patience {
                return Ok(None);
            }
            let is_waived = |waive: &&Waive| {
                waive.step == *id && in_the_way.iter().any(|it| it.criterion == waive.criterion)
            };
            if let Some(waive) = self.waivers.iter().find(is_waived) {
                let Waive { step, criterion, lasts, reason } = waive.clone();
                return Ok(Some(Command::Waive { step, criterion, reason, lasts }));
            }
        }
        let (step, ticked) = (id.clone(), gate.checklist.len());
        Ok(Some(Command::Decide { step, choice, ticked, evidence, margin, reason }))
    }

    /// The next answer of a role that the flags give; why a GO is not possible where some miss.
    fn vote(&mut self, view: &View, id: &StepId, gate: &Gate) -> Result<Option<Command>, String> {
        let tally = view.state.tally(id, view.at);
        let mut missing = Vec::new();
        for (role, vote) in &tally.roles {
            if vote.is_some() {
                continue;
            }
            let said = self.words.iter().find_map(|(step, word)| {
                let choice = word.choice.filter(|_| step == id && word.role == *role)?;
                Some((word, choice))
            });
            match said {
                Some((word, choice)) => {
                    let voice = voice(view.state.plan(), word)?;
                    let (step, words) = (id.clone(), word.words.clone());
                    return Ok(Some(Command::Vote { step, voice, choice, words }));
                }
                None => missing.push(format!("--answer {id}@{role}=go")),
            }
        }
        let goes = matches!(self.answers.get(id), Some(Answer::Go(_)));
        if !goes || tally.is_go() {
            return Ok(None);
        }
        let asked = format!("{} of {} roles said GO at {id}", tally.go, gate.poll.len());
        let said_no = (tally.no_go > 0).then(|| format!("{} said NO-GO", tally.no_go));
        // Who has said NO-GO is not waited for: the driver decides.
        if self.hears && said_no.is_none() {
            self.waits = Some(format!("waiting for `golive vote`: {asked}"));
        }
        let parts = [asked].into_iter().chain(said_no).chain(missing);
        Err(parts.collect::<Vec<_>>().join(", "))
    }

    /// The word of the second person that the flags give.
    fn second(&mut self, view: &View, id: &StepId) -> Result<Option<Command>, String> {
        let agrees = self.words.iter().find(|(step, word)| step == id && word.choice.is_none());
        let Some((step, word)) = agrees else {
            if self.hears {
                self.waits =
                    Some(format!("waiting for `golive approve`: {id} needs a second person"));
            }
            return Err(format!("{id} needs a second person: --answer {id}@ROLE/PERSON=agree"));
        };
        let voice = voice(view.state.plan(), word)?;
        let (step, words) = (step.clone(), word.words.clone());
        Ok(Some(Command::Approve { step, voice, words }))
    }

    /// The retry of a step that failed and whose command was edited, if the flags let its class
    /// start; why not, where they do not.
    fn once_more(&mut self, view: &View, undecided: &[&StepId]) -> Option<Next> {
        let id = undecided.iter().find(|id| self.again.contains_key(**id))?;
        if busy(&view.state) {
            return Some(Next::Wait);
        }
        let step = view.state.plan().step(id)?.clone();
        if let Some(why) = self.refused.get(*id) {
            return Some(Next::End(Exit::Stopped, vec![format!("{id} is not run again: {why}")]));
        }
        if step.four_eyes && view.state.approval(id, view.at).is_none() {
            return Some(match self.second(view, id) {
                Ok(command) => Next::ask(Some(step.id), command?),
                Err(why) => Next::End(Exit::Stopped, vec![why]),
            });
        }
        let by_class = self.confirm.is_some_and(|class| step.class <= class);
        if !by_class && !self.steps.contains(*id) {
            let class = class_word(step.class);
            let why = format!("{id} is of class {class} with its new command: --confirm-step {id}");
            return Some(Next::End(Exit::Stopped, vec![why]));
        }
        match self.in_time(view, &step) {
            Some(Ok(command)) => return Some(Next::ask(Some(step.id), command?)),
            Some(Err(_)) if self.waits.is_some() => return Some(Next::Wait),
            Some(Err(why)) => return Some(Next::End(Exit::Stopped, vec![why])),
            None => {}
        }
        let reason = self.again.remove(&step.id);
        let gesture = Gesture { class: step.class.max(Class::Change), after: Millis::ZERO };
        let (part, which) = (Part::Action, Which::Failed);
        let retry = Command::Retry { step: step.id.clone(), part, which, gesture, reason };
        Some(Next::ask(Some(step.id), retry))
    }

    /// A step wants a choice that no flag can make, except to roll back.
    fn failed(&mut self, view: &View, undecided: &[&StepId]) -> Next {
        let state = &*view.state;
        if busy(state) {
            return Next::Wait; // What runs ends first.
        }
        let words = |id: &&&StepId| format!("{id} {}", state.track(id).status.word());
        let mut reasons: Vec<_> = undecided.iter().map(|id| words(&id)).collect();
        let unreached: Vec<_> = undecided.iter().map(|id| never_reached(view, id)).collect();
        let unreachable = unreached.iter().all(|why| !why.is_empty());
        let exit = if unreachable { Exit::Unreachable } else { Exit::StepFailed };
        if self.on_failure == OnFailure::Rollback {
            match self.refused_rollback.take() {
                None => {
                    let why = format!("--on-failure rollback: {}", reasons.join(", "));
                    let (reason, break_glass) = (SafeText::new(&why), None);
                    return Next::ask(None, Command::RollBack { reason, break_glass, to: None });
                }
                Some(why) => reasons.push(format!("not rolled back: {why}")),
            }
        }
        if unreachable {
            reasons.extend(unreached.into_iter().flatten());
        }
        Next::End(exit, reasons)
    }

    fn backward(&mut self, state: &State) -> Next {
        if let Some(rollback) = state.rollback() {
            for item in &rollback.items {
                let (step, part) = (&item.step, item.part);
                let waits = state.track_of(step, part).status == Status::Waiting;
                if waits && state.hold().is_none() {
                    match self.answers.get(step) {
                        Some(Answer::Done(words)) if !self.refused.contains_key(step) => {
                            let (words, step) = (words.clone(), step.clone());
                            let ticked = usize::MAX;
                            let command =
                                Command::SignOff { step: step.clone(), part, ticked, words };
                            return Next::ask(Some(step), command);
                        }
                        _ => {
                            let why = format!("{step} is undone by a person");
                            return Next::End(Exit::RollbackUnfinished, vec![why]);
                        }
                    }
                }
            }
        }
        match state.hold() {
            Some(_) if std::mem::take(&mut self.continues) => Next::ask(None, Command::Continue),
            _ if busy(state) => Next::Wait,
            Some(hold) => Next::End(Exit::RollbackUnfinished, vec![hold.why.to_string()]),
            None => Next::Wait,
        }
    }
}

/// Whether an answer is the driver's own.
const fn own(answer: &Answer) -> bool {
    match answer {
        Answer::Go(_) | Answer::NoGo(_) | Answer::Done(_) => true,
        Answer::Of(_) => false,
    }
}

fn of_role((step, answer): &(StepId, Answer)) -> Option<(StepId, Word)> {
    match answer {
        Answer::Of(word) => Some((step.clone(), word.clone())),
        Answer::Go(_) | Answer::NoGo(_) | Answer::Done(_) => None,
    }
}

/// Who speaks: the one who is named, or the only one of the role.
fn voice(plan: &Plan, word: &Word) -> Result<Voice, String> {
    let role = word.role.clone();
    let people = plan.roles.get(&role).map(|role| role.people.as_slice()).unwrap_or_default();
    let person = match (&word.person, people) {
        (Some(person), _) => person.clone(),
        (None, [only]) => only.clone(),
        (None, _) => return Err(format!("who of {role} says it? write @{role}/PERSON")),
    };
    Ok(Voice::heard(role, person))
}

/// Whether something is under way that ends without a person.
fn busy(state: &State) -> bool {
    let moving = |status: Status| status.is_in_flight() && status != Status::Waiting;
    let steps = state.plan().steps.keys();
    let mut steps = steps.flat_map(|id| [state.track(id), state.undo_track(id)]);
    steps.any(|track| moving(track.status)) || state.in_flight().next().is_some()
}

/// What ran past its limit where nobody can stop it: its host does not answer. Nothing, while
/// something else goes on.
fn late_and_unseen(state: &State) -> Vec<String> {
    let mut late = Vec::new();
    for attempt in state.in_flight() {
        let open = attempt.open_places().count();
        let unseen: Vec<_> = attempt.out_of_sight().collect();
        if attempt.stopping != Some(Stopping::TimeLimit) || unseen.len() < open {
            return Vec::new();
        }
        late.extend(unseen.into_iter().map(|(place, lost)| {
            format!(
                "{} is past its limit on {place}, which does not answer: {}",
                attempt.key, lost.why
            )
        }));
    }
    late
}

/// The gate that ended with NO-GO and is not over.
fn no_go(state: &State) -> Option<String> {
    let mut gates = state.plan().order.iter().filter(|id| !state.track(id).status.is_over());
    let gate = gates.find(|id| state.gate(id).is_some_and(|it| it.choice == Choice::NoGo))?;
    let reason = state.gate(gate)?.reason.clone().unwrap_or_default();
    Some(format!("NO-GO at {gate}: {reason}"))
}

/// Why a step did not start anywhere where it failed: no host of those could be reached. Nothing
/// if it failed, even in part, for another reason.
///
/// The end of a job and the state of its link are told apart, in any order: a link that is not
/// known to be up is down.
fn never_reached(view: &View, id: &StepId) -> Vec<String> {
    let Some(attempt) = view.state.track(id).last_action() else { return Vec::new() };
    let is_up = |host: &HostId| view.links.get(host).is_some_and(|link| *link == LinkView::Up);
    let mut reasons = Vec::new();
    for (place, end) in &attempt.places {
        match (place, end.as_ref().map(|end| &end.end)) {
            (_, Some(End::Exited { unmet: None, .. })) => {}
            (Place::Host(host), Some(End::NotStarted { why })) if !is_up(host) => {
                reasons.push(why.to_string());
            }
            (Place::Host(_) | Place::Here, _) => return Vec::new(),
        }
    }
    reasons
}

/// Stopped for a person, or already too late for one.
fn stopped(view: &View) -> Exit {
    let state = &*view.state;
    let live = state.genesis().is_some_and(|genesis| genesis.kind == RunKind::Live);
    let (latest_safe, closes) = state.time_left(&view.forecast(view.at), view.at);
    let past = |left: Option<i64>| left.is_some_and(|left| left <= 0);
    if live && (past(closes) || past(latest_safe)) { Exit::TooLate } else { Exit::Stopped }
}
