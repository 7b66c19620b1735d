//! A process of golive: the real core and the real journal on a simulated disk; how it dies, how
//! it is taken up again, and the person who drives it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use golive::base::{Millis, SafeText, Timestamp};
use golive::engine::{
    Actor, Command, Effect, Genesis, Job, RunKind, RunStage, State, Status, advance,
};
use golive::exec::Report;
use golive::journal::{Disk, Journal};
use golive::session::{Core, SubmitError, View, fold};

use super::disk::Lying;
use super::hosts::RUN;
use super::trips::{Known, Trip};
use super::world::{Bug, Happening, Night};
use crate::histories::{choices, first_start, wishes};
use crate::memdisk::{Fault, How, Keep, MemDisk, Op};

/// A process.
#[derive(Debug)]
pub(super) struct Golive {
    pub(super) core: Core,
    pub(super) trips: BTreeMap<Job, Trip>,
    /// What ends with golive, and whether it is being stopped.
    pub(super) attached: BTreeMap<Job, bool>,
    pub(super) known: BTreeMap<usize, Known>,
    reports: Vec<Report>,
}

const DIR: &str = "/state/sessions/night";

fn wei() -> Actor {
    Actor::Operator(SafeText::new("wei"))
}

fn reason() -> SafeText {
    SafeText::new("as agreed on the bridge")
}

impl Night {
    fn shared_disk(&self) -> Arc<dyn Disk> {
        if self.bug == Some(Bug::NoSync) {
            Arc::new(Lying(self.disk.shared()))
        } else {
            self.disk.shared()
        }
    }

    fn genesis(&self) -> Genesis {
        Genesis {
            session: RUN.parse().unwrap(),
            kind: RunKind::Live,
            version: "0".into(),
            runbook: self.plan.id.clone(),
            title: self.plan.title.clone(),
            plan: self.plan.digest,
            driver: "wei".into(),
            machine: "bastion".into(),
            environment: None,
            overridden: None,
            signer: None,
        }
    }

    /// Opens the session and begins the run.
    pub(super) fn begin(&mut self) {
        let dir = PathBuf::from(DIR);
        self.disk = MemDisk::with_dir(dir.parent().unwrap());
        self.before = self.disk.image();
        let journal = Journal::create_on(&self.shared_disk(), &dir, &RUN.parse().unwrap()).unwrap();
        let core = Core::new(State::new(Arc::clone(&self.plan)), journal, self.time());
        self.enter(core, Vec::new(), None);
        self.submit(&wei(), &Command::Begin).unwrap();
        self.untouched = false;
    }

    fn enter(
        &mut self,
        mut core: Core,
        entries: Vec<golive::journal::Entry>,
        cut: Option<golive::journal::Recovery>,
    ) {
        let opening = core.opening(self.genesis(), entries, cut, self.time());
        let mut known: BTreeMap<usize, Known> = BTreeMap::new();
        for (host, records) in core.state().records_on_hosts() {
            let host = self.hosts.iter().position(|it| it.name == host.as_str()).unwrap();
            known.insert(host, Known::recalled(&records));
        }
        self.golive = Some(Golive {
            core,
            trips: BTreeMap::new(),
            attached: BTreeMap::new(),
            known,
            reports: Vec::new(),
        });
        self.untouched = true;
        for (by, command) in opening {
            self.submit(&by, &command).ok();
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        if let Some(golive) = &mut self.golive {
            golive.reports.push(report);
        }
    }

    pub(super) fn take_reports(&mut self) {
        // Nobody is in a hurry: sometimes they come together.
        if !self.calm && self.luck.percent(30) {
            return;
        }
        let stamp = self.stamp();
        while let Some(golive) = &mut self.golive
            && !golive.reports.is_empty()
        {
            let reports = std::mem::take(&mut golive.reports);
            let effects = golive.core.take_reports(&stamp, reports);
            let ahead = golive.core.ahead();
            if self.plan.steps.keys().any(|step| ahead.has_started(step)) {
                self.count("starts that were said ahead");
            }
            self.recorded(effects);
        }
    }

    pub(super) fn tick(&mut self) {
        let stamp = self.stamp();
        if let Some(golive) = &mut self.golive {
            let effects = golive.core.tick(&stamp, None);
            self.recorded(effects);
        }
        self.reach();
    }

    fn submit(&mut self, by: &Actor, command: &Command) -> Result<(), SubmitError> {
        let stamp = self.stamp();
        let Some(golive) = &mut self.golive else { return Err(SubmitError::Gone) };
        if self.bug == Some(Bug::EffectFirst)
            && let Ok(done) = advance(golive.core.state(), by, command, stamp.at)
        {
            let (first, _) = done.effects.into_iter().partition(|it| matches!(it, Effect::Run(_)));
            self.instant = true;
            self.perform(first);
            self.instant = false;
        }
        let Some(golive) = &mut self.golive else { return Err(SubmitError::Gone) };
        match golive.core.submit(&stamp, by, command) {
            Ok(mut effects) => {
                if self.bug == Some(Bug::EffectFirst) {
                    effects.retain(|it| !matches!(it, Effect::Run(_)));
                }
                self.recorded(effects);
                Ok(())
            }
            Err(error) => {
                self.recorded(Vec::new());
                Err(error)
            }
        }
    }

    /// What follows once the core has said that all is on disk.
    fn recorded(&mut self, effects: Vec<Effect>) {
        let Some(golive) = &self.golive else { return };
        let view = golive.core.view(self.time());
        if view.not_recorded.is_some() {
            return self.die("killed while it wrote", false);
        }
        if view.seq != self.acknowledged {
            self.acknowledged = view.seq;
            let text = format!("line {} is recorded", view.seq);
            self.say(&text);
        }
        self.perform(effects);
    }

    /// A moment in the process's life at which the disk stops working for it: it dies there.
    pub(super) fn doom_disk(&mut self) {
        if self.golive.is_none() {
            return;
        }
        let at = self.disk.count() + self.luck.pick(8);
        // A kill does not split a write, least of all one in place; a loss of power does, in `die`.
        self.disk.fail(Some(Fault { at, how: How::Error(5), for_ever: true }));
    }

    /// The process ends here and now.
    pub(super) fn die(&mut self, how: &str, power: bool) {
        if self.golive.take().is_none() {
            return;
        }
        self.say(&format!("golive is {how}"));
        self.count("deaths of golive");
        self.life += 1;
        self.dies_after = None;
        self.hang_up_all();
        let image = if power {
            let luck = &mut self.luck;
            MemDisk::after_cut(&self.before, &self.disk.log(), |_, op| {
                // The head file is one sector, rewritten in place: no disk tears that.
                if let Op::Write(_, _, bytes) = op
                    && bytes.len() > 128
                    && luck.percent(33)
                {
                    return Keep::First(luck.pick(bytes.len()));
                }
                if luck.percent(50) { Keep::All } else { Keep::Nothing }
            })
        } else {
            self.disk.image()
        };
        self.disk = MemDisk::from_image(&image);
        self.before = image;
        let away = self.luck.below(if self.calm { 1_000 } else { 90_000 });
        self.after(away, Happening::Resume);
    }

    pub(super) fn resume(&mut self) {
        let opened = Journal::open_on(&self.shared_disk(), Path::new(DIR));
        let (journal, entries, cut) = match opened {
            Ok(opened) => opened,
            Err(error) => return self.broken(format!("the record cannot be taken up: {error}")),
        };
        let held = entries.last().map_or(0, |entry| entry.seq);
        self.say(&format!("golive is taken up again at line {held}"));
        if held < self.acknowledged {
            let text =
                format!("of {} lines that were recorded, {held} are there", self.acknowledged);
            return self.broken(text);
        }
        let state = fold(&self.plan, &entries);
        self.check_launched(&state);
        if state.is_closed() {
            self.closed = true;
        }
        let core = Core::new(state, journal, self.time());
        self.enter(core, entries, cut);
    }

    // ---- the operator -----------------------------------------------------------------------

    fn state(&self) -> Option<Arc<State>> {
        self.golive.as_ref().map(|golive| Arc::clone(golive.core.state()))
    }

    /// Who drives by rules says ahead what is to start next.
    fn say_ahead(&self) {
        if let Some(golive) = self.golive.as_ref().filter(|_| !self.untouched) {
            let next = |view: &View| Some((wei(), first_start(&view.state, view.at)?));
            golive.core.ahead().give(next);
        }
    }

    /// Asks for something; whether it was done.
    fn ask(&mut self, command: &Command) -> bool {
        let was = std::mem::replace(&mut self.untouched, false);
        let done = self.submit(&wei(), command).is_ok();
        if done {
            let text = format!("{command:?}");
            self.say(text.get(..90).unwrap_or(&text));
        } else {
            self.untouched = was && self.golive.is_some();
        }
        done
    }

    /// Somebody presses a key.
    pub(super) fn operate(&mut self) {
        let Some(state) = self.state() else { return };
        if self.luck.percent(50) {
            self.say_ahead();
        }
        let how = u16::try_from(self.luck.below(u64::from(u16::MAX))).unwrap();
        let steps: Vec<_> = state.plan().steps.keys().cloned().collect();
        let step = steps[self.luck.pick(steps.len())].clone();
        let mut open = choices(&state, self.time());
        open.push(Command::Continue);
        match self.luck.below(100) {
            0..=54 => {
                let wish = open[self.luck.pick(open.len())].clone();
                if !self.ask(&wish) {
                    self.ask(&Command::Continue);
                }
            }
            55..=71 => {
                let wishes = wishes(&state, how, self.time());
                let wish = wishes[self.luck.pick(wishes.len())].clone();
                self.ask(&wish);
            }
            72..=83 => {
                let unseen = steps.into_iter().find(|id| {
                    let tracks = [state.track(id), state.undo_track(id)];
                    let mut attempts = tracks.into_iter().flat_map(|track| &track.attempts);
                    attempts.any(|attempt| attempt.out_of_sight().next().is_some())
                });
                let step = unseen.unwrap_or(step);
                if self.ask(&Command::LetGo { step: step.clone(), reason: reason() }) {
                    // In a hurry.
                    let of =
                        |it: &Command| matches!(it, Command::Retry { step: id, .. } if *id == step);
                    let again = self
                        .state()
                        .and_then(|state| choices(&state, self.time()).into_iter().find(of));
                    self.ask(&again.unwrap_or(Command::Continue));
                }
            }
            84..=93 => drop(self.ask(&Command::Stop { step })),
            _ => {
                let again = open.into_iter().find(|it| matches!(it, Command::Retry { .. }));
                self.ask(&again.unwrap_or(Command::Continue));
            }
        }
    }

    /// An operator who only wants it to end; whether it has.
    pub(super) fn finish(&mut self) -> bool {
        let Some(state) = self.state() else { return false };
        if state.is_closed() {
            return true;
        }
        match state.stage() {
            RunStage::Completed | RunStage::RolledBack { .. } | RunStage::Abandoned => {
                return self.ask(&Command::Close);
            }
            RunStage::Preparing | RunStage::Active | RunStage::RollingBack => {}
        }
        if state.guard().is_some() {
            self.ask(&Command::CloseGuard { why: reason() });
        }
        let decided = choices(&state, self.time()).into_iter().any(|choice| self.ask(&choice));
        if !decided && state.hold().is_some() {
            self.ask(&Command::Continue);
        }
        false
    }

    /// Where everything stands, for a night that does not end.
    pub(super) fn standing(&self) -> String {
        let Some(state) = self.state() else { return "golive is not running".to_owned() };
        let open = |it: &&golive::engine::Attempt| !it.has_ended();
        let open: Vec<_> = state.in_flight().filter(open).map(|it| it.key.to_string()).collect();
        let word = |id| state.track(id).status;
        let steps: Vec<(String, Status)> =
            state.plan().steps.keys().map(|id| (id.to_string(), word(id))).collect();
        format!("{:?} {steps:?}, in flight {open:?}, hold {:?}", state.stage(), state.hold())
    }

    pub(super) fn last_moment(&self) -> (Option<Arc<State>>, Timestamp) {
        (self.state(), self.time().after(Millis::new(1)))
    }

    /// The state as the disk alone has it.
    pub(super) fn state_on_disk(&self) -> State {
        let entries = golive::journal::read_all_on(&self.disk, Path::new(DIR)).unwrap();
        fold(&self.plan, &entries)
    }
}
