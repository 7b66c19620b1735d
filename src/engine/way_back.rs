//! The way back of this minute, derived from the steps that really ran.

use crate::base::{HostId, Millis, SafeText, StepId, Timestamp};
use crate::plan::{Actual, Progress, UndoPlan, Work};
use crate::runbook::UndoStage;

use super::event::Item;
use super::job::{Part, Place};
use super::state::{State, Status, Track};

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

impl WayBack {
    /// How long all items should take together, without the time that verifications may take.
    pub fn takes(&self) -> Millis {
        self.items.iter().fold(Millis::ZERO, |sum, item| sum.plus(item.estimate))
    }
}

impl State {
    /// A text with all that steps have captured by now; `‹captured: name›` stands for the rest.
    pub fn filled(&self, text: &crate::plan::Text) -> String {
        text.resolve(&self.captures).unwrap_or_else(|_| text.shown().to_owned())
    }

    /// What rolling back now would do.
    pub fn way_back(&self) -> WayBack {
        let items: Vec<_> = match &self.rollback {
            Some(rollback) => rollback.items.clone(),
            None => self.rollback_items(),
        };
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
        WayBack {
            items,
            cannot_undo: self.cannot_undo(),
            past: self.past_no_return().cloned(),
            unreachable,
        }
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
        ran.sort_by_key(|(id, track)| {
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
        // A gate is passed by its GO, not by being open.
        let is_gate_not_passed = |step: &crate::plan::StepPlan| {
            matches!(step.work, Work::Gate(_)) && !self.track(&step.id).status.is_over()
        };
        let is_point = |id: &StepId| {
            self.plan.step(id).is_some_and(|s| s.point_of_no_return && !is_gate_not_passed(s))
        };
        self.ran().into_iter().map(|(id, _)| id).find(|id| is_point(id))
    }

    /// What has happened so far, as far as times are concerned.
    pub fn progress(&self) -> Progress {
        let actual = |id: &StepId| {
            let track = self.track(id);
            let started = track.started.or(track.settled)?;
            let over = track.settled.filter(|_| track.status.is_over());
            Some((id.clone(), Actual { started, over }))
        };
        let undo = self.rollback_items().into_iter().filter(|item| item.part == Part::Undo);
        Progress {
            began: self.began.unwrap_or(self.opened),
            steps: self.plan.order.iter().filter_map(actual).collect(),
            undo: undo.map(|item| item.step).collect(),
            left: std::collections::BTreeMap::new(),
        }
    }

    /// When a rollback under way will be over, as it looks at `now`.
    pub fn rollback_ends(&self, now: Timestamp) -> Option<Timestamp> {
        let rollback = self.rollback.as_ref()?;
        if let Some(ended) = rollback.ended {
            return Some(ended);
        }
        let left = |item: &Item| {
            let estimate = self.describe_item(item)?.estimate;
            let track = self.track_of(&item.step, item.part);
            if self.is_moot(item) {
                return None;
            }
            if track.status == Status::Pending {
                return Some(estimate);
            }
            let spent = now.since(track.started.unwrap_or(now));
            track.status.is_in_flight().then(|| estimate.minus(spent))
        };
        let left = rollback.items.iter().filter_map(left);
        Some(now.after(left.fold(Millis::ZERO, Millis::plus)))
    }
}
