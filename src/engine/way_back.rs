//! The way back of this minute, derived from the steps that really ran.

use crate::base::{HostId, Millis, SafeText, StepId, Timestamp};
use crate::plan::{UndoPlan, Work};
use crate::runbook::{Builtin, Class, UndoStage};

use super::event::Item;
use super::job::{Part, Place};
use super::state::State;
use super::track::{Status, Track};

/// What rolling back now would do, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WayBack {
    /// The items, in the order in which they would run.
    pub items: Vec<WayBackItem>,
    /// Steps that have run and have no undo, and why.
    pub cannot_undo: Vec<(StepId, SafeText)>,
    /// The point of no return, if it has run.
    pub past: Option<StepId>,
    /// Hosts that an item needs and that cannot be reached.
    pub unreachable: Vec<HostId>,
}

/// One item of the way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayBackItem {
    /// What.
    pub item: Item,
    /// One line for people.
    pub title: SafeText,
    /// Where; empty for a person's work.
    pub places: Vec<Place>,
    /// The exact command, or the instructions.
    pub command: SafeText,
    /// How long it should take.
    pub estimate: Millis,
    /// Its stage of the rollback.
    pub stage: UndoStage,
}

/// A checkpoint that the run has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its name.
    pub name: SafeText,
    /// The step that ends in it.
    pub step: StepId,
    /// When it was reached.
    pub at: Timestamp,
    /// How many steps a return to it is about.
    pub since: usize,
}

impl WayBack {
    /// How long all items should take together, without the time that verifications may take.
    pub fn takes(&self) -> Millis {
        self.items.iter().fold(Millis::ZERO, |sum, item| sum.plus(item.estimate))
    }

    /// The same with every verification at its longest.
    pub fn takes_at_most(&self, plan: &crate::plan::Plan) -> Millis {
        let verification = |item: &WayBackItem| {
            let step = plan.step(&item.item.step)?;
            let verify = match &step.undo {
                UndoPlan::Undo(undo) if item.item.part.is_undo() => undo.verify.as_ref(),
                UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => {
                    step.verify.as_ref().filter(|_| !item.item.part.is_undo())
                }
            };
            verify.map(|verify| verify.within)
        };
        let longest = self.items.iter().filter_map(verification);
        longest.fold(self.takes(), Millis::plus)
    }
}

impl State {
    /// A text with all that steps have captured by now; `‹captured: name›` stands for the rest.
    pub fn filled(&self, text: &crate::plan::Text) -> String {
        text.resolve(&self.captures).unwrap_or_else(|_| text.shown().to_owned())
    }

    /// The same for all texts of something that golive does itself.
    pub fn filled_in(&self, builtin: &Builtin<crate::plan::Text>) -> Builtin<String> {
        builtin.filled(&mut |text| self.filled(text))
    }

    /// What rolling back now would do.
    pub fn way_back(&self) -> WayBack {
        let items: Vec<_> = match &self.rollback {
            Some(rollback) => rollback.items.clone(),
            None => self.rollback_items(),
        };
        let to = self.rollback.as_ref().and_then(|rollback| rollback.to.as_ref());
        let past = match to {
            Some(_) => None,
            None => self.past_no_return().cloned(),
        };
        WayBack { cannot_undo: self.cannot_undo(), past, ..self.described(&items) }
    }

    /// An item of the way back, in words.
    pub fn describe_item(&self, item: &Item) -> Option<WayBackItem> {
        let step = self.plan.step(&item.step)?;
        let (work, estimate, stage) = match (&step.undo, item.part.is_undo()) {
            (UndoPlan::Undo(undo), true) => (&undo.work, undo.estimate, undo.stage),
            (UndoPlan::None | UndoPlan::Irreversible(_), true) => return None,
            (_, false) => (&step.work, step.estimate, step.stage.unwrap_or(UndoStage::StopNew)),
        };
        let resolved = |text: &crate::plan::Text| self.filled(text);
        let command = match work {
            Work::Run(text) | Work::Local(text) => resolved(text),
            Work::Builtin(builtin) => self.filled_in(builtin).brief(),
            Work::Manual(manual) => format!("by hand: {}", manual.text),
            Work::Notify { text, .. } => format!("tell: {}", resolved(text)),
            Work::Gate(_) => "decide".to_owned(),
            Work::Soak(soak) => format!("watch for {}", soak.r#for),
        };
        Some(WayBackItem {
            item: item.clone(),
            title: step.title.clone(),
            places: self.places_of(&item.step, item.part),
            command: SafeText::new(command.trim_end()),
            estimate,
            stage,
        })
    }

    /// What rolling back to a checkpoint now would do; nothing where the run has not reached it.
    pub fn way_back_to(&self, checkpoint: &SafeText) -> WayBack {
        let since = self.since_checkpoint(checkpoint).unwrap_or_default();
        let items = self.items_to(checkpoint);
        let cannot_undo = self.cannot_undo().into_iter().filter(|(id, _)| since.contains(&id));
        WayBack {
            cannot_undo: cannot_undo.collect(),
            past: self.past_no_return_of(&since).cloned(),
            ..self.described(&items)
        }
    }

    fn described(&self, items: &[Item]) -> WayBack {
        let items: Vec<_> = items.iter().filter_map(|item| self.describe_item(item)).collect();
        let hosts = items.iter().flat_map(|item| &item.places);
        let mut unreachable: Vec<_> = hosts
            .filter_map(|place| match place {
                Place::Host(host) if self.links_down.contains_key(host) => Some(host.clone()),
                Place::Host(_) | Place::Here => None,
            })
            .collect();
        unreachable.sort();
        unreachable.dedup();
        WayBack { items, unreachable, ..WayBack::default() }
    }

    /// The checkpoints that the run has reached and can go back to, newest first.
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        let reached = |id: &StepId| {
            let step = self.plan.step(id)?;
            let name = step.checkpoint.clone()?;
            let since = self.since_checkpoint(&name)?;
            let at = self.track(id).settled?;
            Some(Checkpoint { name, step: id.clone(), at, since: since.len() })
        };
        let mut reached: Vec<_> = self.plan.order.iter().filter_map(reached).collect();
        reached.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.at));
        reached
    }

    /// The step that has ended the right to roll back, if one has.
    pub fn committed(&self) -> Option<&StepId> {
        let done = |id: &&StepId| {
            matches!(
                self.track(id).status,
                Status::Succeeded | Status::DoneByHand | Status::FailureAccepted
            )
        };
        let commits = |id: &&StepId| self.plan.step(id).is_some_and(|step| step.commit);
        self.plan.order.iter().filter(commits).find(done)
    }

    /// The forward steps that a return to a checkpoint is about: those that started once it was
    /// reached, and those that are not over. None where the run has not reached it.
    pub(super) fn since_checkpoint(&self, checkpoint: &SafeText) -> Option<Vec<&StepId>> {
        let point = self.plan.checkpoint(checkpoint)?;
        let reached = self.track(&point.id);
        let done = matches!(
            reached.status,
            Status::Succeeded | Status::DoneByHand | Status::FailureAccepted
        );
        let at = reached.settled.filter(|_| done)?;
        let after = |id: &&StepId| {
            let track = self.track(id);
            let began = track.started.or(track.settled);
            **id != point.id && began.is_some_and(|began| began >= at || !track.status.is_over())
        };
        Some(self.plan.order.iter().filter(after).collect())
    }

    /// The items of a return to a checkpoint, newest start first: the way to the old system has
    /// more steps, which would be wrong here.
    pub(super) fn items_to(&self, checkpoint: &SafeText) -> Vec<Item> {
        let since = self.since_checkpoint(checkpoint).unwrap_or_default();
        let items = self.rollback_items().into_iter();
        items.filter(|item| item.part == Part::Undo && since.contains(&&item.step)).collect()
    }

    /// The steps that are to be done once more after a return: all but what has changed
    /// something and cannot be undone.
    pub(super) fn again_after(&self, checkpoint: &SafeText) -> Vec<StepId> {
        let since = self.since_checkpoint(checkpoint).unwrap_or_default();
        let stays = |id: &StepId| {
            let changes = self.plan.step(id).is_some_and(|step| step.class > Class::Check);
            let is_gate = self.gate_of(id).is_some();
            changes && !is_gate && self.undo_of(id).is_none() && self.track(id).may_have_run()
        };
        since.into_iter().filter(|id| !stays(id)).cloned().collect()
    }

    /// Forward steps of which something may have been done, newest start first.
    fn ran(&self) -> Vec<(&StepId, &Track)> {
        let mut ran: Vec<_> = self
            .plan
            .order
            .iter()
            .map(|id| (id, self.track(id)))
            .filter(|(_, track)| track.may_have_run())
            .collect();
        let number = |id: &StepId| self.plan.number(id);
        ran.sort_by_cached_key(|(id, track)| {
            std::cmp::Reverse((track.started.or(track.settled), number(id)))
        });
        ran
    }

    /// The items of a rollback begun now: only steps that started, newest start first.
    pub(super) fn rollback_items(&self) -> Vec<Item> {
        let ran = self.ran();
        if ran.is_empty() {
            return Vec::new();
        }
        let own = |step: &StepId| Item { step: step.clone(), part: Part::Action };
        let undone = |id: &StepId| self.undo_track(id).status.is_over();
        let undo = ran.into_iter().filter(|(id, _)| self.undo_of(id).is_some() && !undone(id));
        let undo = undo.map(|(id, _)| Item { step: id.clone(), part: Part::Undo });
        let before = self.plan.before.iter().map(own);
        before.chain(undo).chain(self.plan.after.iter().map(own)).collect()
    }

    fn cannot_undo(&self) -> Vec<(StepId, SafeText)> {
        let why = |(id, _): (&StepId, &Track)| match &self.plan.step(id)?.undo {
            UndoPlan::Irreversible(why) => Some((id.clone(), why.clone())),
            UndoPlan::None | UndoPlan::Undo(_) => None,
        };
        self.ran().into_iter().filter_map(why).collect()
    }

    /// The point of no return, if it has run.
    pub(super) fn past_no_return(&self) -> Option<&StepId> {
        self.past_points().next()
    }

    /// The same among these steps only.
    pub(super) fn past_no_return_of(&self, steps: &[&StepId]) -> Option<&StepId> {
        self.past_points().find(|id| steps.contains(id))
    }

    fn past_points(&self) -> impl Iterator<Item = &StepId> {
        // A gate is passed by its GO, not by being open.
        let is_gate_not_passed = move |step: &crate::plan::StepPlan| {
            matches!(step.work, Work::Gate(_)) && !self.track(&step.id).status.is_over()
        };
        let is_point = move |id: &StepId| {
            self.plan.step(id).is_some_and(|s| s.point_of_no_return && !is_gate_not_passed(s))
        };
        self.ran().into_iter().map(|(id, _)| id).filter(move |id| is_point(id))
    }
}
