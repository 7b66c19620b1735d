//! A parallel run: two systems compared while a soak lasts. The first comparison is made when it
//! begins, the last when it ends, and the others on their schedule between.
//!
//! A difference is a breach, and so is a comparison that could not be made: unknown is no pass.
//! One that could not be made, as a side did not answer, is first made again as the step's own
//! `retry` says, each try on the record; one that found a difference never is.

use crate::base::{StepId, Timestamp};
use crate::plan::Text;
use crate::runbook::Soak;

use super::due::{advice, describe_attempt};
use super::event::{Confirmed, Event};
use super::job::{Part, Place, Verdict};
use super::reconcile::Outcome;
use super::state::State;
use super::track::{Attempt, Status, Stopping};

/// Whether a comparison came to no answer, and another try may: both sides were not read to their
/// end. What was stopped on demand, and what may still run, is not tried again by itself.
fn could_not_read(attempt: &Attempt) -> bool {
    let late = attempt.stopping == Some(Stopping::TimeLimit);
    let mut ends = attempt.places.values().flatten();
    ends.all(|place| match place.end.verdict() {
        Verdict::Failed | Verdict::TimedOut => {
            let found = place.end.reconciled();
            found.is_none_or(|found| matches!(found.outcome, Outcome::Unknown { .. }))
        }
        Verdict::Cancelled => late,
        Verdict::Succeeded | Verdict::Unknown => false,
    })
}

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
        if let Some(again) = self.track(step).retry_at {
            return Some(again);
        }
        let Some(last) = last else { return Some(until.before(soak.r#for)) };
        // The last one is made at the end, however long ago the one before was.
        last.has_ended().then(|| last.started.after(every).min(until.max(last.started)))
    }

    /// What is being watched, and until when.
    pub fn soaking(&self) -> impl Iterator<Item = (&StepId, Timestamp)> {
        self.actions.iter().filter_map(|(step, track)| match track.status {
            Status::Soaking { until } => Some((step, until)),
            Status::Pending
            | Status::Running
            | Status::Waiting
            | Status::Verifying
            | Status::Succeeded
            | Status::Failed
            | Status::TimedOut
            | Status::Unknown
            | Status::Cancelled
            | Status::Skipped
            | Status::DoneByHand
            | Status::FailureAccepted => None,
        })
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
        let goes_on = self.is_its_stage(step, Part::Action);
        if let Some(last) = last
            && let Some(events) = self.breached(step, soak, last)
        {
            let again = self.track(step).retry_at.or_else(|| self.again_at(step, soak, until, now));
            return match again.filter(|_| goes_on) {
                None => Compares::Does(events),
                Some(at) if self.track(step).retry_at.is_none() => {
                    Compares::Does(vec![Event::RetryPlanned { step: step.clone(), at }])
                }
                Some(at) if at <= now => self.compare(step, now),
                Some(_) => Compares::Waits,
            };
        }
        if !goes_on {
            return Compares::Does(self.cut_short(step, Part::Action));
        }
        let is_last = last.is_some_and(|last| last.started >= until);
        let due = self.next_comparison(step).is_some_and(|next| next <= now);
        if is_last || !due {
            return Compares::IsWell;
        }
        self.compare(step, now)
    }

    fn compare(&self, step: &StepId, now: Timestamp) -> Compares {
        let places = vec![Place::Here];
        let begun = self.begin(step, Part::Compare, places, Confirmed::ByRule, now);
        Compares::Does(begun.unwrap_or_else(|why| {
            self.failed(step, Part::Action, Verdict::Failed, &format!(": its comparison: {why}"))
        }))
    }

    /// When a comparison that could not be made is made again by itself: not more often in a row
    /// than the step's `retry` says.
    fn again_at(
        &self,
        step: &StepId,
        soak: &Soak<Text>,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let retry = self.plan.step(step)?.retry.as_ref()?;
        let began = until.before(soak.r#for);
        let newest = self.track(step).present().iter().rev();
        let in_a_row = newest.take_while(|it| {
            it.key.part == Part::Compare && it.started >= began && could_not_read(it)
        });
        let tried = u32::try_from(in_a_row.count()).unwrap_or(u32::MAX);
        (1..retry.attempts).contains(&tried).then(|| now.after(retry.delay))
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
