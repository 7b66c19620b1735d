//! What the screen is drawn from, and the questions it asks of it.

use std::collections::BTreeMap;

use crate::base::{HostId, Millis, PhaseId, SafeText, Share, StepId, Timestamp, Zone};
use crate::engine::{
    Board, End, Job, Need, Part, Readiness, RunKind, RunStage, State, Status, WayBack, WindowEdge,
};
use crate::plan::{BatchPlan, Forecast, PhasePlan, Plan, StepPlan, Work};
use crate::runbook::{Class, Window};

use super::audit::AuditTail;
use super::log::LogStore;
use super::text::{self, Lang, Say};

/// How far the record is signed, as the session says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// The fingerprint of the operator's key; none: nobody signs.
    pub key: Option<SafeText>,
    /// Why nobody does.
    pub unsigned: Option<SafeText>,
    /// A key of the session signs, which the operator's has certified.
    pub by_own: bool,
    /// The operator's key waits for a person's touch at this moment.
    pub touch: bool,
    /// Lines that a signature covers.
    pub upto: u64,
    /// Why the last lines are not signed.
    pub trouble: Option<SafeText>,
}

/// Everything that a screen shows, borrowed for one drawing or one key.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// Where the run stands.
    pub state: &'a State,
    /// The health panels.
    pub board: &'a Board,
    /// The times at this moment.
    pub forecast: &'a Forecast,
    /// This moment.
    pub now: Timestamp,
    /// The journal's last line that is on disk.
    pub seq: u64,
    /// Why nothing is recorded any more; none while all is well.
    pub recording: Option<&'a str>,
    /// How far the record is signed.
    pub signing: &'a Signed,
    /// Jobs that have ended since then: seen, and in no record.
    pub unrecorded: &'a BTreeMap<Job, End>,
    /// How far running jobs say that they have come, where their step reads it.
    pub gauges: &'a BTreeMap<Job, Share>,
    /// The last lines of the jobs.
    pub log: &'a LogStore,
    /// The last facts of the journal.
    pub audit: &'a AuditTail,
    /// What a rollback of this minute would do.
    pub way_back: &'a WayBack,
    /// Whether it would find what it needs.
    pub readiness: &'a Readiness,
    /// When each need of it was looked at last.
    pub proved: &'a BTreeMap<Need, Timestamp>,
    /// Round trip to the terminal.
    pub rtt: Millis,
    /// The language of the screen.
    pub lang: Lang,
    /// Version of golive.
    pub version: &'a str,
}

/// The state of the run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Ready,
    Running,
    Waiting,
    Hold,
    Failed,
    FailedHold,
    GuardOpen,
    RollingBack,
    RollbackHeld,
    RolledBack,
    RolledBackUnverified,
    Done,
    Abandoned,
}

impl<'a> Model<'a> {
    pub(super) fn plan(&self) -> &'a Plan {
        self.state.plan()
    }

    /// The window of this run.
    pub(super) fn window(&self) -> Option<Window> {
        self.state.window()
    }

    /// Why a step may start only with a reason: the window is shut, and it changes something.
    pub(super) fn shut_for(&self, step: &StepId) -> Option<(WindowEdge, Window)> {
        let step = self.plan().step(step)?;
        let bound = step.class > Class::Check && step.phase.is_some();
        self.state.shut(self.now).filter(|_| bound)
    }

    pub(super) fn zone(&self) -> &'a Zone {
        &self.plan().zone
    }

    /// The kind of run; the real one where nothing is known yet.
    pub(super) fn kind(&self) -> RunKind {
        self.state.genesis().map_or(RunKind::Live, |genesis| genesis.kind)
    }

    /// Whether a rollback is under way or over.
    pub(super) const fn is_back(&self) -> bool {
        matches!(self.state.stage(), RunStage::RollingBack | RunStage::RolledBack { .. })
    }

    /// How long a rollback begun now may take: the number that the header counts with.
    pub(super) fn back_takes(&self) -> Millis {
        self.forecast.backout.takes
    }

    /// Whether the run is over: nothing more will start.
    pub(super) const fn is_over(&self) -> bool {
        match self.state.stage() {
            RunStage::Preparing | RunStage::Active | RunStage::RollingBack => false,
            RunStage::RolledBack { .. } | RunStage::Completed | RunStage::Abandoned => true,
        }
    }

    /// The state of the run in one word.
    pub(super) fn run(&self) -> Run {
        match self.state.stage() {
            RunStage::Preparing => Run::Ready,
            RunStage::RolledBack { verified: true } => Run::RolledBack,
            RunStage::RolledBack { verified: false } => Run::RolledBackUnverified,
            RunStage::Completed => Run::Done,
            RunStage::Abandoned => Run::Abandoned,
            RunStage::RollingBack if self.state.hold().is_some() => Run::RollbackHeld,
            RunStage::RollingBack if self.choice().is_some() && !self.moves() => Run::RollbackHeld,
            RunStage::RollingBack => Run::RollingBack,
            RunStage::Active if self.state.guard().is_some() => Run::GuardOpen,
            RunStage::Active if self.choice().is_some() => {
                if self.state.hold().is_some() || !self.moves() {
                    Run::FailedHold
                } else {
                    Run::Failed
                }
            }
            RunStage::Active if self.state.hold().is_some() => Run::Hold,
            RunStage::Active if self.moves() => Run::Running,
            RunStage::Active => Run::Waiting,
        }
    }

    /// Whether something goes on without a person.
    fn moves(&self) -> bool {
        let machine = |status: Status| status.is_in_flight() && status != Status::Waiting;
        let plan = self.plan();
        plan.steps.keys().any(|id| machine(self.state.track(id).status))
            || plan.order.iter().any(|id| machine(self.state.undo_track(id).status))
    }

    /// The step, or undo, that wants a choice: what failed first in the order of the run.
    pub(super) fn choice(&self) -> Option<(StepId, Part)> {
        if let Some(rollback) = self.state.rollback() {
            let wants = |item: &&crate::engine::Item| {
                self.state.track_of(&item.step, item.part).status.wants_choice()
            };
            return rollback.items.iter().find(wants).map(|i| (i.step.clone(), i.part));
        }
        self.state.undecided().next().map(|step| (step.clone(), Part::Action))
    }

    /// The step or undo that a person has in hand: a manual step or a gate that is open.
    pub(super) fn in_hand(&self) -> Option<(StepId, Part)> {
        let waits = |step: &StepId, part| self.state.track_of(step, part).status == Status::Waiting;
        if let Some(rollback) = self.state.rollback() {
            let item = rollback.items.iter().find(|item| waits(&item.step, item.part));
            return item.map(|item| (item.step.clone(), item.part));
        }
        let step = self.plan().order.iter().find(|step| waits(step, Part::Action));
        step.map(|step| (step.clone(), Part::Action))
    }

    /// The step that the screen is about: in a rollback, its current item.
    pub(super) fn focus(&self) -> Option<(StepId, Part)> {
        let Some(rollback) = self.state.rollback() else {
            let step = self.next_for_person().or_else(|| self.state.current());
            return step.map(|step| (step.clone(), Part::Action));
        };
        let status =
            |item: &&crate::engine::Item| self.state.track_of(&item.step, item.part).status;
        let items = &rollback.items;
        let item = items
            .iter()
            .find(|item| status(item).is_in_flight())
            .or_else(|| items.iter().find(|item| status(item).wants_choice()))
            .or_else(|| items.iter().find(|item| !status(item).is_over()))
            .or_else(|| items.last());
        item.map(|item| (item.step.clone(), item.part))
    }

    /// The step that waits for the operator while others run by themselves: what is in hand, else
    /// the first that could be started. With several streams that is most of a night.
    fn next_for_person(&self) -> Option<&'a StepId> {
        let order = || self.state.plan().order.iter();
        let status = |id: &StepId| self.state.track(id).status;
        let choice = order().any(|id| status(id).wants_choice());
        if choice || !order().any(|id| status(id).is_in_flight()) {
            return None;
        }
        let waits = order().find(|id| status(id) == Status::Waiting);
        let ready = || self.state.ready().find(|step| self.blocked(step).is_none());
        waits.or_else(|| ready().filter(|step| !self.by_itself(step)).map(|step| &step.id))
    }

    /// Whether a step that is ready starts without a key.
    pub(super) fn by_itself(&self, step: &StepPlan) -> bool {
        (step.auto || self.state.auto_advance())
            && step.class == Class::Check
            && !matches!(step.work, Work::Gate(_) | Work::Manual(_))
    }

    /// Since when somebody is waited for.
    pub(super) fn waiting_since(&self) -> Option<Timestamp> {
        if let Some((step, part)) = self.in_hand() {
            return self.state.track_of(&step, part).started;
        }
        let settled = self.plan().order.iter().filter_map(|id| self.state.track(id).settled);
        settled.max().max(self.state.began())
    }

    /// What a step does, or what its undo does.
    pub(super) fn work(step: &StepPlan, part: Part) -> Option<&Work> {
        use crate::plan::UndoPlan;
        match &step.undo {
            UndoPlan::Undo(undo) if part.is_undo() => Some(&undo.work),
            UndoPlan::None | UndoPlan::Irreversible(_) if part.is_undo() => None,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => Some(&step.work),
        }
    }

    /// The hosts of a step, or of its undo.
    pub(super) fn hosts(step: &StepPlan, part: Part) -> &[HostId] {
        use crate::plan::UndoPlan;
        match &step.undo {
            UndoPlan::Undo(undo) if part.is_undo() => &undo.hosts,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => &step.hosts,
        }
    }

    /// The word of a status.
    pub(super) const fn status(&self, status: Status) -> &'static str {
        text::ends::status(status).to(self.lang)
    }

    /// A text in the language of the screen.
    pub(super) const fn to(&self, say: Say) -> &'static str {
        say.to(self.lang)
    }

    /// Whether nothing is recorded, and nobody has typed yet that the way back is walked all the
    /// same.
    pub(super) fn needs_override(&self) -> bool {
        self.recording.is_some() && !self.state.is_overridden()
    }

    /// Why a forward step cannot start now; none when it can.
    pub(super) fn blocked(&self, step: &StepPlan) -> Option<String> {
        if let Some(why) = self.recording {
            return Some(text::not_recorded(self.lang, why));
        }
        if let Some(playbook) = self.plan().playbook_of(&step.id) {
            return self.playbook_blocks(step, &playbook.id);
        }
        match self.state.stage() {
            RunStage::Preparing => return Some(text::NOT_BEGUN.own(self.lang)),
            RunStage::RollingBack | RunStage::RolledBack { .. } => {
                return Some(text::ROLLBACK_BEGAN.own(self.lang));
            }
            RunStage::Completed | RunStage::Abandoned => return Some(text::IS_OVER.own(self.lang)),
            RunStage::Active => {}
        }
        let status = self.state.track(&step.id).status;
        if status != Status::Pending {
            return Some(text::is_already(self.lang, step.id.as_str(), self.status(status)));
        }
        let open = |need: &&StepId| !self.state.track(need).status.is_over();
        if let Some(need) = step.needs.iter().find(open) {
            return Some(text::needs(
                self.lang,
                need.as_str(),
                self.status(self.state.track(need).status),
            ));
        }
        if self.state.guard().is_some() {
            return Some(text::GUARD_BLOCKS.own(self.lang));
        }
        if let Some(hold) = self.state.hold() {
            return Some(text::hold_blocks(self.lang, hold.why.as_str()));
        }
        self.second_misses(step)
    }

    fn second_misses(&self, step: &StepPlan) -> Option<String> {
        let misses = step.four_eyes && self.state.approval(&step.id, self.now).is_none();
        misses.then(|| text::SECOND_MISSES.own(self.lang))
    }

    fn playbook_blocks(
        &self,
        step: &StepPlan,
        playbook: &crate::base::PlaybookId,
    ) -> Option<String> {
        let status = self.state.track(&step.id).status;
        if !self.state.playbooks().contains_key(playbook) {
            return Some(text::playbook_shut(self.lang, playbook.as_str()));
        }
        if status != Status::Pending {
            return Some(text::is_already(self.lang, step.id.as_str(), self.status(status)));
        }
        let open = |need: &&StepId| !self.state.track(need).status.is_over();
        if let Some(need) = step.needs.iter().find(open) {
            return Some(text::needs(
                self.lang,
                need.as_str(),
                self.status(self.state.track(need).status),
            ));
        }
        if self.state.guard().is_some() {
            return Some(text::GUARD_BLOCKS.own(self.lang));
        }
        self.second_misses(step)
    }

    /// The short name of a step in lists: its id where ids are short, else its number.
    pub(super) fn label(&self, id: &StepId) -> String {
        let plan = self.plan();
        if plan.order.iter().all(|id| id.as_str().len() <= 5) {
            return id.to_string();
        }
        plan.number(id).map_or_else(|| id.to_string(), |number| number.to_string())
    }

    /// How late a phase will end against the plan, in milliseconds.
    pub(super) fn phase_delta(&self, phase: &PhasePlan) -> Option<i64> {
        let times = || phase.steps.iter().filter_map(|id| self.forecast.steps.get(id));
        let planned = times().map(|times| times.planned.end).max()?;
        let forecast = times().map(|times| times.forecast.end).max()?;
        Some(crate::plan::signed(planned, forecast))
    }

    /// How far the action of a step has come: as far as the place that is the farthest behind.
    pub(super) fn share(&self, id: &StepId, part: Part) -> Option<Share> {
        let track = self.state.track_of(id, part);
        let attempt = track.last_action().filter(|_| track.status == Status::Running)?;
        attempt.open_jobs().filter_map(|job| self.gauges.get(&job).copied()).min()
    }

    /// The waves of a step, where it has any.
    pub(super) fn batch(&self, id: &StepId) -> Option<&'a BatchPlan> {
        self.state.plan().step(id)?.batch.as_ref()
    }

    /// `3/20 hosts, wave 2/3` of a step that goes in waves, once it has started.
    pub(super) fn waves(&self, id: &StepId, part: Part) -> Option<String> {
        let batch = self.batch(id).filter(|_| !part.is_undo())?;
        let track = self.state.track(id);
        let attempt = track.last_action()?;
        let ends = track.latest_ends();
        let all: usize = batch.waves.iter().map(Vec::len).sum();
        let over = ends.values().filter(|end| end.is_some()).count();
        let wave = if track.status.is_over() {
            String::new()
        } else {
            text::step::wave_short(self.lang, attempt.wave.number, attempt.waves())
        };
        Some(format!("{over}/{all}{wave}"))
    }

    /// The phase of a forward step.
    pub(super) fn phase(&self, id: &StepId) -> Option<&'a PhasePlan> {
        let phase: &PhaseId = self.plan().step(id)?.phase.as_ref()?;
        self.plan().phases.iter().find(|plan| plan.id == *phase)
    }

    /// `HH:MM:SS` in the site's zone.
    pub(super) fn time(&self, at: Timestamp) -> String {
        self.zone().time(at)
    }

    /// `HH:MM` in the site's zone.
    pub(super) fn minute(&self, at: Timestamp) -> String {
        self.zone().hour_minute(at)
    }

    /// Names of the roles' people who own a step: `wang.fang (dba)`.
    pub(super) fn owner(&self, step: &StepPlan) -> Option<String> {
        let id = step.owner.as_ref()?;
        let role = self.plan().roles.get(id)?;
        let people: Vec<&str> = role.people.iter().map(SafeText::as_str).collect();
        let contact = role.contact.as_ref().map(|c| format!(" {c}")).unwrap_or_default();
        Some(format!("{} ({id}){contact}", people.join(", ")))
    }

    /// The first name of a step's owner, for lists.
    pub(super) fn owner_short(&self, step: &StepPlan) -> String {
        let Some(id) = &step.owner else { return String::new() };
        let person = self.plan().roles.get(id).and_then(|role| role.people.first());
        let name = person.map_or(id.as_str(), SafeText::as_str);
        name.split(['.', ' ']).next().unwrap_or(name).to_owned()
    }

    /// Whether a job belongs to this part of the step, verifications included.
    pub(super) fn is_of(job: &Job, step: &StepId, part: Part) -> bool {
        job.key.step == *step && job.key.part.is_undo() == part.is_undo()
    }
}

/// The work's text as it would be sent now, where it has one.
pub(super) fn command(m: &Model<'_>, work: &Work) -> Option<String> {
    match work {
        Work::Run(text) | Work::Local(text) | Work::Notify { text, .. } => {
            Some(m.state.filled(text))
        }
        Work::Builtin(builtin) => Some(text::work::brief(m.lang, &m.state.filled_in(builtin))),
        Work::Manual(manual) => Some(manual.text.clone()),
        Work::Gate(_) | Work::Soak(_) => None,
    }
}
