//! A parallel run: two systems compared while a soak lasts. The first comparison is made when it
//! begins, the last when it ends, and the others on their schedule between.
//!
//! A difference is a breach, and so is a comparison that could not be made: unknown is no pass.

use crate::base::{StepId, Timestamp};
use crate::plan::Text;
use crate::runbook::Soak;

use super::due::{advice, describe_attempt};
use super::event::{Confirmed, Event};
use super::job::{Part, Place, Verdict};
use super::state::State;
use super::track::{Attempt, Status, Stopping};

/// How the comparisons of a soak stand.
pub(super) enum Compares {
    /// This happens now.
    Does(Vec<Event>),
    /// One is under way: the soak is not over before it.
    Waits,
    /// None is due, and the last one found both systems to agree.
    IsWell,
}

impl State {
    /// When the next comparison of a soak begins; none while one is under way, and where nothing
    /// is compared.
    pub fn next_comparison(&self, step: &StepId) -> Option<Timestamp> {
        let Status::Soaking { until } = self.track(step).status else { return None };
        let soak = self.soak_of(step)?;
        let every = soak.parallel.as_ref()?.every;
        let last = self.comparison(step, soak, until);
        let Some(last) = last else { return Some(until.before(soak.r#for)) };
        // The last one is made at the end, however long ago the one before was.
        last.has_ended().then(|| last.started.after(every).min(until.max(last.started)))
    }

    /// The newest comparison of a soak.
    fn comparison(&self, step: &StepId, soak: &Soak<Text>, until: Timestamp) -> Option<&Attempt> {
        let began = until.before(soak.r#for);
        let last = self.track(step).last()?;
        (last.key.part == Part::Compare && last.started >= began).then_some(last)
    }

    /// What the comparisons of a soak ask for at `now`.
    pub(super) fn compares(&self, step: &StepId, until: Timestamp, now: Timestamp) -> Compares {
        let Some(soak) = self.soak_of(step).filter(|soak| soak.parallel.is_some()) else {
            return Compares::IsWell;
        };
        let last = self.comparison(step, soak, until);
        let open = self.track(step).last().is_some_and(|last| !last.has_ended());
        if open {
            return Compares::Waits;
        }
        if let Some(last) = last
            && let Some(events) = self.breached(step, soak, last)
        {
            return Compares::Does(events);
        }
        if !self.is_its_stage(step, Part::Action) {
            return Compares::Does(self.cut_short(step, Part::Action));
        }
        let is_last = last.is_some_and(|last| last.started >= until);
        let due = self.next_comparison(step).is_some_and(|next| next <= now);
        if is_last || !due {
            return Compares::IsWell;
        }
        let places = vec![Place::Here];
        let begun = self.begin(step, Part::Compare, places, Confirmed::ByRule, now);
        Compares::Does(begun.unwrap_or_else(|why| {
            self.failed(step, Part::Action, Verdict::Failed, &format!(": its comparison: {why}"))
        }))
    }

    /// What follows from a comparison that did not find both systems to agree.
    fn breached(&self, step: &StepId, soak: &Soak<Text>, last: &Attempt) -> Option<Vec<Event>> {
        let ends = last.places.values().flatten().map(|end| end.end.verdict());
        let worst = ends.max().unwrap_or(Verdict::Failed);
        if worst == Verdict::Succeeded {
            return None;
        }
        let what = format!(": comparison {}{}", last.key.attempt, describe_attempt(last));
        if worst == Verdict::Cancelled && last.stopping == Some(Stopping::Asked) {
            return Some(self.failed(step, Part::Action, Verdict::Cancelled, &what));
        }
        let what = format!("{what}, {}", advice(soak.breach));
        Some(self.failed(step, Part::Action, Verdict::Failed, &what))
    }
}
